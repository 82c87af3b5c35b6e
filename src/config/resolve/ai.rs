//! `ai` of a step: what it says, over what all AI steps share. Pure.

use super::{Scope, globs};
use crate::base::{GlobSet, RepoPath, Spanned};
use crate::config::cx::Cx;
use crate::config::error::ConfigError;
use crate::config::model::{AiFiles, AiService, AiTask, Command, Provider, Settings, StepSpec};
use crate::config::setting::ai::AiDraft;
use crate::config::setting::step::StepDraft;

/// The task of a step, and what is wrong with it.
pub(super) fn task(step: &StepDraft, ai: &AiDraft, dir: &RepoPath, scope: &Scope, cx: &mut Cx) -> AiTask {
    let shared = &scope.draft.settings.ai;
    let service = service(ai, &shared.service);
    let mut wrong = |message: &str, hint: &str| cx.error(ConfigError::new(ai.at, message).hint(hint));
    if service.provider == Provider::Command && service.command.is_empty() {
        wrong("`provider: command` names no program", "add `command: [program, argument]`");
    }
    if service.provider != Provider::Command && service.model.is_none() {
        wrong(
            "no model is named for this step",
            "add `model: some-model` here, or to `ai` at the top, or set `AI_MODEL`",
        );
    }
    if ai.persona.is_none() && ai.prompt.is_none() {
        wrong("nothing is asked", "add `persona: code_reviewer`, or `prompt` with what is to be asked");
    }
    if ai.each.as_ref().is_some_and(|each| each.value) && ai.files.is_none() {
        wrong("`each` needs `files`: there is nothing to ask about one by one", "add `files: [\"src/**\"]`");
    }
    let dollars = [ai.budget, shared.budget].iter().any(|budget| budget.micro_usd.is_some());
    let priced = |model: &str| shared.prices.keys().any(|name| model.starts_with(name.as_str()));
    if dollars && !service.model.as_deref().is_some_and(priced) {
        let model = service.model.as_deref().unwrap_or("some-model");
        wrong(
            &format!("`budget.usd` holds this step to nothing: `prices` has none for `{model}`"),
            &format!(
                "add `prices: {{{model}: {{input: 2.5, output: 10}}}}` to `ai` at the top, or a budget of `tokens`"
            ),
        );
    }
    for (key, is_there) in [("for_each", step.for_each.is_some()), ("shell", step.shell.is_some())] {
        if is_there {
            cx.error(ConfigError::new(ai.at, format!("an AI step has no `{key}`")).hint(format!("remove `{key}`")));
        }
    }
    let files = match &ai.files {
        None => AiFiles::None,
        Some(None) => AiFiles::Changed,
        Some(Some(texts)) => {
            if texts.is_empty() {
                cx.error(ConfigError::new(ai.at, "an empty `files` matches nothing").hint("name what it is about"));
            }
            globs(texts, dir, cx).map_or(AiFiles::None, AiFiles::Globs)
        }
    };
    AiTask {
        service,
        persona: ai.persona.as_ref().map(|text| text.value.clone()),
        prompt: ai.prompt.as_ref().map(|text| text.value.clone()),
        files,
        each: ai.each.as_ref().is_some_and(|each| each.value),
        fail_on: ai.fail_on,
        output: ai.output.clone(),
        required: ai.required.unwrap_or(true),
        templates: shared.templates.clone(),
        ttl_ms: ai.ttl_ms,
        budget: ai.budget,
        at: ai.prompt.as_ref().or(ai.persona.as_ref()).map_or(ai.at, |text| text.at),
    }
}

fn service(ai: &AiDraft, shared: &AiService) -> AiService {
    let own = &ai.service;
    let provider = ai.provider.unwrap_or(shared.provider);
    // The address and the key of one provider are nothing to another.
    let same = provider == shared.provider;
    let from_shared = |value: &Option<String>| value.clone().filter(|_| same);
    AiService {
        provider,
        base_url: own.base_url.clone().or_else(|| from_shared(&shared.base_url)),
        model: own.model.clone().or_else(|| from_shared(&shared.model)),
        api_key_env: own
            .api_key_env
            .clone()
            .or_else(|| from_shared(&shared.api_key_env))
            .or_else(|| provider.usual_key().map(str::to_owned)),
        command: if own.command.is_empty() && same { shared.command.clone() } else { own.command.clone() },
        max_tokens: own.max_tokens.or(shared.max_tokens),
        temperature_milli: own.temperature_milli.or(shared.temperature_milli),
        account: own.account.clone().or_else(|| shared.account.clone()),
    }
}

/// The patterns that the step watches: those of its files, and its templates.
pub(super) fn inputs(ai: &AiDraft, dir: &RepoPath, scope: &Scope, cx: &mut Cx) -> Option<GlobSet> {
    let Some(Some(texts)) = &ai.files else { return None };
    let mut texts = texts.clone();
    if let Some(folder) = &scope.draft.settings.ai.templates {
        let from_root = format!("{folder}/**");
        texts.push(Spanned::new(from_root, ai.at));
    }
    globs(&texts, dir, cx)
}

/// The variables that hold keys, which a step that asks has to see.
pub(super) fn keys(command: &Command, ai_proxy: bool, shared: &AiService) -> Vec<String> {
    let proxied =
        || ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"].map(str::to_owned).into_iter().chain(shared.api_key_env.clone());
    match command {
        Command::Ai(task) => task.service.api_key_env.iter().cloned().collect(),
        _ if ai_proxy => proxied().collect(),
        _ => vec![],
    }
}

/// The file that the answer is written to, as the step's output.
pub(super) fn output(task: &AiTask, cx: &mut Cx) -> Option<GlobSet> {
    let path = task.output.as_ref()?;
    globs(&[Spanned::new(path.to_string(), task.at)], &RepoPath::root(), cx)
}

/// Variables that hold keys are secrets, whatever they are called.
pub(super) fn secrets(steps: &[StepSpec], settings: &mut Settings) {
    let shared = settings.ai.service.clone();
    let of_steps = steps.iter().flat_map(|step| keys(&step.command, step.ai_proxy, &shared));
    for name in of_steps.chain(shared.api_key_env.clone()) {
        if !settings.secrets.contains(&name) {
            settings.secrets.push(name);
        }
    }
}
