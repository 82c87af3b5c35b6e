//! From what is written to what is meant: looks up names, compiles globs and triggers, fills in defaults. Pure.

use super::cx::Cx;
use super::error::ConfigError;
use super::model::{Category, CategoryRule, ImpactLimits, Need, SkipRule, StageSpec, StepSpec, WorkspaceSpec};
use super::setting::Draft;
use super::setting::category::CategoryDraft;
use super::setting::step::{Run, StepDraft};
use super::trigger::Trigger;
use super::value::did_you_mean;
use super::yaml::shorten;
use super::{Workflow, built_in, expression, model, order, size};
use crate::base::{GlobSet, RepoPath, Spanned, StepId};
use std::collections::HashMap;

/// From the polite signal to the deadly one, unless a step says otherwise.
const GRACE_MS: u64 = 10_000;
/// More changed code files than this are of high impact.
const CODE_FILES: usize = 20;

/// Resolves everything; whatever is wrong is reported to `cx`, and then the result means nothing.
pub fn resolve(draft: Draft, cx: &mut Cx) -> Workflow {
    let categories = categories(&draft.categories, cx);
    let mut names: Vec<&str> = Vec::new();
    for rule in &categories {
        if !names.contains(&&*rule.category) {
            names.push(&rule.category);
        }
    }
    let stages = stages(&draft, &names, cx);
    let skip_rules = draft.skip_rules.iter().filter_map(|rule| skip_rule(rule, &draft, cx)).collect();
    let steps = steps(&draft, &stages, &names, cx);
    let steps = order::check(steps, &stages, cx);
    let mut settings = draft.settings;
    settings.multi_stage = draft.multi_stage.unwrap_or(!stages.is_empty());
    Workflow {
        project_kind: draft.project_kind,
        base: draft.base,
        settings,
        stages,
        steps,
        impact: ImpactLimits { code_files: draft.code_files.unwrap_or(CODE_FILES) },
        skip_rules,
        workspace: WorkspaceSpec { depends: draft.depends },
        categories,
    }
}

fn categories(drafts: &[CategoryDraft], cx: &mut Cx) -> Vec<CategoryRule> {
    let mut rules = built_in::rules();
    for draft in drafts {
        if let Some(bad) = draft.remove.iter().find(|glob| glob.value.starts_with('!')) {
            cx.error(ConfigError::new(bad.at, "`remove` subtracts already").hint("write the glob without `!`"));
            continue;
        }
        let category = Category::from(draft.name.value.as_str());
        if let Some(rule) = rules.iter_mut().find(|rule| rule.built_in && rule.category == category) {
            // Checked one by one for their own carets; together they subtract from the built-in rule.
            let fine = globs(&draft.remove, &RepoPath::root(), cx).is_some();
            let minus = draft.remove.iter().map(|glob| format!("!{}", glob.value));
            let all: Vec<String> = rule.paths.texts().map(str::to_owned).chain(minus).collect();
            if fine && let Ok(paths) = GlobSet::parse(&all, &RepoPath::root()) {
                rule.paths = paths;
            }
        } else if let Some(first) = draft.remove.first() {
            let message = format!("`{category}` is not a built-in category; there is nothing to remove from");
            cx.error(ConfigError::new(first.at, message).hint("subtract by `!glob` in `add`"));
        }
        if !draft.add.is_empty()
            && let Some(paths) = globs(&draft.add, &RepoPath::root(), cx)
        {
            rules.push(CategoryRule { category, paths, built_in: false });
        }
    }
    rules
}

/// Compiles globs; each wrong one is reported at its own place.
fn globs(texts: &[Spanned<String>], dir: &RepoPath, cx: &mut Cx) -> Option<GlobSet> {
    let patterns: Vec<&str> = texts.iter().map(|text| text.value.as_str()).collect();
    match GlobSet::parse(&patterns, dir) {
        Ok(set) => Some(set),
        Err(errors) => {
            for error in errors {
                let at = texts.get(error.index).map(|text| text.at).unwrap_or_default();
                cx.error(ConfigError::new(at, error.message).maybe_hint(error.hint));
            }
            None
        }
    }
}

fn trigger(text: &Spanned<String>, categories: &[&str], cx: &mut Cx) -> Option<Trigger> {
    match expression::parse(&text.value, categories) {
        Ok(trigger) => Some(trigger),
        Err(errors) => {
            for error in errors {
                let at = cx.inside(text, error.part);
                cx.error(ConfigError::new(at, error.message).maybe_hint(error.hint));
            }
            None
        }
    }
}

fn stages(draft: &Draft, categories: &[&str], cx: &mut Cx) -> Vec<StageSpec> {
    let mut stages = Vec::new();
    for stage in &draft.stages {
        let Some(name) = &stage.name else { continue };
        let trigger = stage.trigger.as_ref().and_then(|text| trigger(text, categories, cx));
        stages.push(StageSpec {
            name: name.value.clone(),
            trigger: trigger.unwrap_or(Trigger::Always),
            target_ms: stage.target_ms,
        });
    }
    stages
}

/// Reports a step that is not there, unless a step's own id could not be read.
fn find_step(name: &Spanned<String>, draft: &Draft, cx: &mut Cx) -> Option<StepId> {
    let ids = || draft.steps.iter().filter_map(|step| step.id.as_ref());
    if let Some(id) = ids().find(|id| id.value.as_str() == name.value) {
        return Some(id.value.clone());
    }
    if !draft.steps_torn {
        let error = ConfigError::new(name.at, format!("there is no step `{}`", shorten(&name.value)));
        let hint = match name.value.split_once('@') {
            Some((template, _)) => Some(format!("write `{template}` for all its instances")),
            None => did_you_mean(&name.value, ids().map(|id| id.value.as_str())),
        };
        cx.error(error.maybe_hint(hint));
    }
    None
}

fn needs(step: &StepDraft, names: &[Spanned<String>], draft: &Draft, cx: &mut Cx) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for name in names {
        let upstream = name.value.starts_with('^');
        if upstream && step.for_each.is_none() {
            let error = ConfigError::new(name.at, format!("`{}` is for steps with `for_each`", shorten(&name.value)));
            cx.error(error.hint(format!("write `{}`, or add `for_each`", name.value.trim_start_matches('^'))));
            continue;
        }
        let bare = if upstream {
            let part = 1..name.value.len();
            Spanned::new(name.value[1..].to_owned(), cx.inside(name, part))
        } else {
            name.clone()
        };
        if let Some(id) = find_step(&bare, draft, cx)
            && !needs.iter().any(|need| need.step == id && need.upstream == upstream)
        {
            needs.push(Need { step: id, upstream, at: name.at });
        }
    }
    needs
}

fn skip_rule(
    (pattern, steps): &(Spanned<String>, Vec<Spanned<String>>),
    draft: &Draft,
    cx: &mut Cx,
) -> Option<SkipRule> {
    let found: Vec<_> = steps.iter().filter_map(|name| find_step(name, draft, cx)).collect();
    match regex::bytes::RegexBuilder::new(&pattern.value).size_limit(1 << 20).build() {
        Ok(pattern) => Some(SkipRule { pattern, steps: found }),
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("`{}` is not a regular expression: {reason}", shorten(&pattern.value));
            let hint = "it is matched anywhere in a path; `\\.md$` is what ends with `.md`";
            cx.error(ConfigError::new(pattern.at, message).hint(hint));
            None
        }
    }
}

fn steps(draft: &Draft, stages: &[StageSpec], categories: &[&str], cx: &mut Cx) -> Vec<StepSpec> {
    let doc_only: Vec<StepId> = draft.skip_on_doc_only.iter().filter_map(|name| find_step(name, draft, cx)).collect();
    let mut first: HashMap<String, &Spanned<StepId>> = HashMap::new();
    let mut specs = Vec::with_capacity(draft.steps.len());
    for step in &draft.steps {
        if let Some(id) = &step.id {
            if let Some(earlier) = first.get(&id.value.as_str().to_ascii_lowercase()) {
                let error = ConfigError::new(id.at, format!("two steps are called `{}`", id.value));
                cx.error(error.related(earlier.at, "first here").hint("ids differ by more than case"));
            } else {
                first.insert(id.value.as_str().to_ascii_lowercase(), id);
            }
        }
        // A step without an id is checked like any other, under a name that nobody can refer to.
        let unnamed = || Some(Spanned::new(StepId::parse("unnamed").ok()?, step.at));
        let Some(id) = step.id.clone().or_else(unnamed) else { continue };
        let doc_only = step.id.is_some() && doc_only.contains(&id.value);
        specs.push(spec(id, step, draft, stages, categories, doc_only, cx));
    }
    specs
}

fn spec(
    id: Spanned<StepId>,
    step: &StepDraft,
    draft: &Draft,
    stages: &[StageSpec],
    categories: &[&str],
    doc_only: bool,
    cx: &mut Cx,
) -> StepSpec {
    let dir = step.dir.clone().unwrap_or_else(RepoPath::root);
    for (key, texts) in [("inputs", &step.inputs), ("for_each", &step.for_each)] {
        if texts.as_ref().is_some_and(Vec::is_empty) {
            let at = match cx.origins.get(&format!("steps.{}.{key}", id.value)) {
                Some(super::Said { origin: super::Origin::File(_, at), .. }) => *at,
                _ => step.at,
            };
            let error = ConfigError::new(at, format!("an empty `{key}` matches nothing, so the step could never run"));
            cx.error(error.hint("remove the key, or name what it matches"));
        }
    }
    let mut set = |texts: &Option<Vec<Spanned<String>>>| texts.as_ref().and_then(|texts| globs(texts, &dir, cx));
    let (for_each, inputs) = (set(&step.for_each), set(&step.inputs));
    let (outputs, writes) = (set(&step.outputs), set(&step.writes));
    if let Some(stage) = &step.stage
        && !draft.stages_torn
        && !stages.iter().any(|known| known.name == stage.value)
    {
        let error = ConfigError::new(stage.at, format!("there is no stage `{}`", shorten(&stage.value)));
        let hint = did_you_mean(&stage.value, stages.iter().map(|known| known.name.as_str()));
        cx.error(error.maybe_hint(hint.or_else(|| Some(format!("add `- name: {}` to `stages`", stage.value)))));
    }
    if let (Some(at), Some(pool)) = (step.memory_at, draft.settings.max_memory_bytes)
        && step.resources.memory_bytes > pool
    {
        let message = format!("this claim is above `max_memory`, which is {}", size::exact(pool));
        let mut error = ConfigError::new(at, message).hint("claim less, or raise `max_memory`");
        if let Some(at) = draft.max_memory_at {
            error = error.related(at, "the limit");
        }
        cx.error(error);
    }
    if let Some(at) = step.enforce_at
        && step.memory_at.is_none()
    {
        let error = ConfigError::new(at, "`enforce` needs `memory`: there is no claim to hold the step to");
        cx.error(error.hint("add `memory: 1GiB`"));
    }
    let command = match &step.run {
        Some(Run::Argv(argv)) => {
            if let Some(shell) = &step.shell {
                let error = ConfigError::new(shell.at, "`run` is a list, which no shell reads");
                cx.error(error.hint("remove `shell`, or write `run` as one text"));
            }
            model::Command::Argv(argv.clone())
        }
        Some(Run::Text(text)) => {
            let sh = || ["sh", "-e", "-c", "{}"].map(String::from).to_vec();
            let shell = step.shell.as_ref().map_or_else(sh, |shell| shell.value.clone());
            model::Command::Shell { text: text.clone(), shell }
        }
        None => model::Command::Argv(vec![]),
    };
    if step.timeout_ms.is_none()
        && draft.step_timeout.is_some()
        && let Some(said) = cx.origins.get("step_timeout")
    {
        let mut said = said.clone();
        said.through.get_or_insert_with(|| "step_timeout".into());
        cx.origins.insert(format!("steps.{}.timeout", id.value), said);
    }
    StepSpec {
        name: step.name.clone(),
        command,
        dir: step.dir.clone(),
        stage: step.stage.as_ref().map(|stage| stage.value.clone()),
        needs: needs(step, &step.needs, draft, cx),
        after: needs(step, &step.after, draft, cx),
        for_each,
        inputs,
        ignore: ignore(&id.value, step, categories, doc_only, cx),
        outputs,
        writes,
        env: step.env.clone(),
        timeout_ms: step.timeout_ms.unwrap_or(draft.step_timeout.as_ref().map(|timeout| timeout.value)),
        grace_ms: step.grace_ms.unwrap_or(GRACE_MS),
        idle_timeout_ms: step.idle_timeout_ms,
        retries: step.retries.clone(),
        allow_failure: step.allow_failure,
        locks: step.locks.clone(),
        resources: step.resources,
        when: step.when.as_ref().and_then(|text| trigger(text, categories, cx)),
        tags: step.tags.clone(),
        kind: step.kind.as_ref().map(|kind| kind.value),
        run_on: step.run_on.unwrap_or(model::RunOn::Success),
        changed_only: step.changed_only,
        leave_running: step.leave_running.clone(),
        id: id.value,
        at: id.at,
    }
}

fn ignore(id: &StepId, step: &StepDraft, categories: &[&str], doc_only: bool, cx: &mut Cx) -> Vec<Category> {
    let mut ignore: Vec<Category> = Vec::new();
    match (&step.ignore, &step.kind) {
        (Some(names), _) => {
            for name in names {
                if !categories.contains(&name.value.as_str()) {
                    let error = ConfigError::new(name.at, format!("there is no category `{}`", shorten(&name.value)));
                    let all = || Some(format!("there are {}", categories.join(", ")));
                    let near = did_you_mean(&name.value, categories.iter().copied());
                    cx.error(error.maybe_hint(near.or_else(all)));
                } else if !ignore.iter().any(|known| **known == *name.value) {
                    ignore.push(name.value.as_str().into());
                }
            }
        }
        (None, Some(kind)) => {
            ignore = built_in::ignored_by(kind.value);
            cx.follows(format!("steps.{id}.ignore"), kind.at, "kind");
        }
        (None, None) => {}
    }
    if doc_only && !ignore.iter().any(|known| &**known == "docs") {
        ignore.push("docs".into());
        if let Some(said) = cx.origins.get("skip_on_doc_only") {
            let said = super::cx::Said { through: Some("skip_on_doc_only".into()), ..said.clone() };
            cx.origins.insert(format!("steps.{id}.ignore"), said);
        }
    }
    ignore
}
