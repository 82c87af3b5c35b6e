//! From what is written to what is meant: looks up names, compiles globs and triggers, fills in defaults. Pure.

mod ai;
mod reuse;
mod step;

use super::cx::Cx;
use super::error::ConfigError;
use super::model::{Category, CategoryRule, ImpactLimits, Paths, SkipRule, StageSpec, WorkspaceSpec};
use super::setting::Draft;
use super::setting::category::CategoryDraft;
use super::trigger::Trigger;
use super::value::did_you_mean;
use super::yaml::shorten;
use super::{Workflow, built_in, expression, order};
use crate::base::{GlobSet, RepoPath, Spanned, StepId};
use std::collections::HashSet;

/// More changed code files than this are of high impact.
const CODE_FILES: usize = 20;

/// What a step's names may refer to.
struct Scope<'d> {
    draft: &'d Draft,
    ids: &'d Ids<'d>,
    stages: &'d [StageSpec],
    categories: &'d [&'d str],
    /// The steps of `skip_on_doc_only`.
    doc_only: HashSet<StepId>,
}

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
    let ids = Ids::of(&draft);
    let skip_rules = draft.skip_rules.iter().filter_map(|rule| skip_rule(rule, &ids, cx)).collect();
    let doc_only = draft.skip_on_doc_only.iter().filter_map(|name| find_step(name, &ids, cx)).collect();
    let scope = Scope { draft: &draft, ids: &ids, stages: &stages, categories: &names, doc_only };
    let steps = step::all(&scope, cx);
    let mut steps = order::check(steps, &stages, cx);
    let mut settings = draft.settings;
    reuse::settle(&draft.steps, &mut steps, &stages, cx);
    reuse::secrets(&draft.steps, &mut settings);
    ai::secrets(&steps, &mut settings);
    reuse::unoptimized(&mut settings, cx);
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
                rule.paths = Paths::Given(paths);
            }
        } else if let Some(first) = draft.remove.first() {
            let message = format!("`{category}` is not a built-in category; there is nothing to remove from");
            cx.error(ConfigError::new(first.at, message).hint("subtract by `!glob` in `add`"));
        }
        if !draft.add.is_empty()
            && let Some(paths) = globs(&draft.add, &RepoPath::root(), cx)
        {
            rules.push(CategoryRule { category, paths: Paths::Given(paths), built_in: false });
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

/// The steps' ids, to look names up in.
struct Ids<'d> {
    known: HashSet<&'d str>,
    /// A step's own id could not be read, so that an unknown name may be that one.
    torn: bool,
}

impl<'d> Ids<'d> {
    fn of(draft: &'d Draft) -> Self {
        let ids = draft.steps.iter().filter_map(|step| step.id.as_ref());
        Self { known: ids.map(|id| id.value.as_str()).collect(), torn: draft.steps_torn }
    }
}

/// Reports a step that is not there.
fn find_step(name: &Spanned<String>, ids: &Ids, cx: &mut Cx) -> Option<StepId> {
    if ids.known.contains(name.value.as_str()) {
        return StepId::parse(&name.value).ok();
    }
    if !ids.torn {
        let error = ConfigError::new(name.at, format!("there is no step `{}`", shorten(&name.value)));
        let hint = match name.value.split_once('@') {
            Some((template, _)) => format!("write `{template}` for all its instances"),
            None => did_you_mean(&name.value, ids.known.iter().copied())
                .unwrap_or_else(|| "add a step with this id, or take the name away".into()),
        };
        cx.error(error.hint(hint));
    }
    None
}

fn skip_rule((pattern, steps): &(Spanned<String>, Vec<Spanned<String>>), ids: &Ids, cx: &mut Cx) -> Option<SkipRule> {
    let found: Vec<_> = steps.iter().filter_map(|name| find_step(name, ids, cx)).collect();
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
