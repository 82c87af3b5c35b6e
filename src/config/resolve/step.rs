//! One step: its names looked up, its globs compiled, its defaults filled in. Pure.

use super::{Ids, Scope, find_step, globs, trigger};
use crate::base::{RepoPath, Spanned, StepId};
use crate::config::cx::Cx;
use crate::config::error::ConfigError;
use crate::config::model::{self, CacheUse, Category, EnvMode, Need, StepSpec};
use crate::config::setting::command::Run;
use crate::config::setting::step::StepDraft;
use crate::config::value::did_you_mean;
use crate::config::yaml::shorten;
use crate::config::{built_in, size};
use std::collections::HashMap;

/// From the polite signal to the deadly one, unless a step says otherwise.
const GRACE_MS: u64 = 10_000;

/// Resolves every step.
pub(super) fn all(scope: &Scope, cx: &mut Cx) -> Vec<StepSpec> {
    let steps = &scope.draft.steps;
    let mut first: HashMap<String, &Spanned<StepId>> = HashMap::with_capacity(steps.len());
    let mut specs = Vec::with_capacity(steps.len());
    for step in steps {
        if let Some(id) = &step.id {
            let folded = id.value.as_str().to_ascii_lowercase();
            if let Some(earlier) = first.get(&folded) {
                let error = ConfigError::new(id.at, format!("two steps are called `{}`", id.value));
                cx.error(error.related(earlier.at, "first here").hint("ids differ by more than case"));
            } else {
                first.insert(folded, id);
            }
        }
        // A step without an id is checked like any other, under a name that nobody can refer to.
        let unnamed = || Some(Spanned::new(StepId::parse("unnamed").ok()?, step.at));
        if let Some(id) = step.id.clone().or_else(unnamed) {
            specs.push(spec(id, step, scope, cx));
        }
    }
    specs
}

fn spec(id: Spanned<StepId>, step: &StepDraft, scope: &Scope, cx: &mut Cx) -> StepSpec {
    let draft = scope.draft;
    let dir = step.dir.clone().unwrap_or_else(RepoPath::root);
    for (key, texts) in [("inputs", &step.inputs), ("for_each", &step.for_each)] {
        if texts.as_ref().is_some_and(Vec::is_empty) {
            let at = match cx.origins.get(&format!("steps.{}.{key}", id.value)) {
                Some(crate::config::Said { origin: crate::config::Origin::File(_, at), .. }) => *at,
                _ => step.at,
            };
            let error = ConfigError::new(at, format!("an empty `{key}` matches nothing, so the step could never run"));
            cx.error(error.hint("remove the key, or name what it matches"));
        }
    }
    let mut set = |texts: &Option<Vec<Spanned<String>>>| texts.as_ref().and_then(|texts| globs(texts, &dir, cx));
    let (for_each, mut inputs) = (set(&step.for_each), set(&step.inputs));
    let (outputs, writes) = (set(&step.outputs), set(&step.writes));
    let mut env = step.env.clone();
    if let Some(ai) = &step.ai
        && step.inputs.is_none()
    {
        inputs = super::ai::inputs(ai, &dir, scope, cx);
    }
    if let Some(stage) = &step.stage
        && !draft.stages_torn
        && !scope.stages.iter().any(|known| known.name == stage.value)
    {
        let error = ConfigError::new(stage.at, format!("there is no stage `{}`", shorten(&stage.value)));
        let hint = did_you_mean(&stage.value, scope.stages.iter().map(|known| known.name.as_str()));
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
    if let (Some(ai), Some(_)) = (&step.ai, &step.run) {
        let error = ConfigError::new(ai.at, "a step has `run` or `ai`, not both");
        cx.error(error.hint("make two steps of it; one may need the other"));
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
        None => match &step.ai {
            Some(ai) => model::Command::Ai(Box::new(super::ai::task(step, ai, &dir, scope, cx))),
            None => model::Command::Argv(vec![]),
        },
    };
    for name in super::ai::keys(&command, step.ai_proxy, &draft.settings.ai.service) {
        env.entry(name).or_insert(None);
    }
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
        dir: step.dir.clone(),
        stage: step.stage.as_ref().map(|stage| stage.value.clone()),
        needs: needs(step, &step.needs, scope.ids, cx),
        after: needs(step, &step.after, scope.ids, cx),
        for_each,
        inputs,
        ignore: ignore(&id.value, step, scope, cx),
        outputs: match &command {
            model::Command::Ai(task) if outputs.is_none() => super::ai::output(task, cx),
            _ => outputs,
        },
        writes,
        env,
        timeout_ms: step.timeout_ms.unwrap_or(draft.step_timeout.as_ref().map(|timeout| timeout.value)),
        grace_ms: step.grace_ms.unwrap_or(GRACE_MS),
        idle_timeout_ms: step.idle_timeout_ms,
        retries: step.retries.clone(),
        allow_failure: step.allow_failure,
        locks: step.locks.clone(),
        resources: step.resources,
        when: step.when.as_ref().and_then(|text| trigger(text, scope.categories, cx)),
        tags: step.tags.clone(),
        kind: step.kind.as_ref().map(|kind| kind.value),
        run_on: step.run_on.unwrap_or(model::RunOn::Success),
        changed_only: step.changed_only || matches!(&step.ai, Some(ai) if matches!(ai.files, Some(None))),
        ai_proxy: step.ai_proxy,
        leave_running: step.leave_running.clone(),
        // Settled once every step has its stage: see `reuse`.
        cache: CacheUse::default(),
        env_mode: EnvMode::default(),
        tools: step.tools.clone(),
        incremental: step.incremental,
        sealed: step.sealed.clone(),
        command,
        id: id.value,
        at: id.at,
    }
}

fn ignore(id: &StepId, step: &StepDraft, scope: &Scope, cx: &mut Cx) -> Vec<Category> {
    let categories = scope.categories;
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
        // Who names inputs has said what is watched; a default must not take some of it away again.
        (None, Some(kind)) if step.inputs.is_none() => {
            ignore = built_in::ignored_by(kind.value);
            cx.follows(format!("steps.{id}.ignore"), kind.at, "kind");
        }
        (None, _) => {}
    }
    if scope.doc_only.contains(id) && !ignore.iter().any(|known| &**known == "docs") {
        ignore.push("docs".into());
        if let Some(said) = cx.origins.get("skip_on_doc_only") {
            let said = crate::config::Said { through: Some("skip_on_doc_only".into()), ..said.clone() };
            cx.origins.insert(format!("steps.{id}.ignore"), said);
        }
    }
    ignore
}

fn needs(step: &StepDraft, names: &[Spanned<String>], ids: &Ids, cx: &mut Cx) -> Vec<Need> {
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
        if let Some(id) = find_step(&bare, ids, cx)
            && !needs.iter().any(|need| need.step == id && need.upstream == upstream)
        {
            needs.push(Need { step: id, upstream, at: name.at });
        }
    }
    needs
}
