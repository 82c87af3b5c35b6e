//! The way every deciding command begins: configuration, request, state, plan.

use super::args::DecideArgs;
use super::context::Context;
use super::failure::{Failure, Kind};
use super::load::LoadedConfig;
use super::{request, reuse};
use crate::base::StepId;
use crate::config::{ConfigError, ConfigErrors};
use crate::engine::{self, Inputs, PrepareError, Prepared};
use crate::event::{EventKind, WarningCode};
use crate::git::{Changes, Listing};
use crate::history::lock::last_held;
use crate::history::{self, StateDir};
use crate::plan::RunRequest;
use crate::predict::Circumstances;
use crate::report::RunView;
use crate::report::view::State;
use std::cell::Cell;
use std::collections::BTreeSet;

/// What a deciding command works with.
pub struct Ready {
    /// The configuration.
    pub config: LoadedConfig,
    /// What was asked for.
    pub request: RunRequest,
    /// The plan and what it was made from.
    pub prepared: Prepared,
    /// The cache, if keys are asked for.
    pub cache: Option<reuse::Opening>,
}

impl Ready {
    /// What is known of a run that would begin now.
    pub fn circumstances(&self, cx: &Context) -> Circumstances {
        let state = cx.state_for_reading(&self.config).ok();
        let before = state.and_then(|state| last_held(&state, &self.config.root));
        let noticed = engine::noticed(self.config.repo.as_ref().ok(), &self.prepared.change, before);
        engine::circumstances(&self.prepared, &super::machine::machine(cx), &engine::Clock::utc(), noticed)
    }
}

/// Whether keys of steps will be asked for. They cost a look at every file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// They will not.
    No,
    /// Only if anything is stored that a key could find.
    IfStored,
    /// They will, if the cache is on.
    Yes,
}

/// Reads everything and decides; writes nothing, executes nothing.
pub fn prepare(args: &DecideArgs, keys: Keys, cx: &Context) -> Result<Ready, Failure> {
    looked(cx.load_config(request::overrides(args))?, None, args, keys, cx)
}

/// The same of a configuration that is read already, and perhaps of files that were just looked at.
pub fn looked(
    config: LoadedConfig,
    looked: Option<(Changes, Listing)>,
    args: &DecideArgs,
    keys: Keys,
    cx: &Context,
) -> Result<Ready, Failure> {
    let mut request = request::resolve(args, &config, cx)?;
    let (state, trouble) = match cx.state_for_reading(&config) {
        Ok(state) => (Some(state), None),
        Err(error) => (None, Some(format!("nothing recorded is used: {error}"))),
    };
    if args.failed {
        request.filter.failed = Some(failed_before(state.as_ref())?);
    }
    let keys = reuse::asks(&request)
        && match keys {
            Keys::No => false,
            Keys::IfStored => cx.cache_place(&config).holds_anything(),
            Keys::Yes => true,
        };
    let cache = keys.then(|| reuse::begin(&config, cx));
    let mut prepared = decide(&config, &request, state.as_ref(), cache.as_ref(), looked, cx)?;
    prepared.notes.extend(trouble.map(|message| EventKind::Warning { code: WarningCode::State, step: None, message }));
    Ok(Ready { config, request, prepared, cache })
}

/// What did not pass in the newest run: it failed, was stopped, or never came to its turn.
fn failed_before(state: Option<&StateDir>) -> Result<BTreeSet<StepId>, Failure> {
    let hint = "`wf run` records one";
    let state = state.ok_or_else(|| Failure::environment("--failed: no recorded run can be read").hint(hint))?;
    let run = history::resolve_run(state, "latest").map_err(|error| Failure::usage(error).hint(hint))?;
    let view = RunView::of(history::read_log(&run.log()).map_err(super::recorded::unreadable)?);
    let failed = view.failed().chain(view.stopped()).map(|step| step.id.clone());
    let open = view.steps.iter().filter(|step| {
        matches!(step.state, State::Cancelled(_) | State::Waiting | State::Running { .. } | State::Retrying { .. })
    });
    Ok(failed.chain(open.map(|step| step.id.clone())).collect())
}

/// Decides; only `request` says what is strict. With a cache, keys will be asked for.
pub(super) fn decide(
    config: &LoadedConfig,
    request: &RunRequest,
    state: Option<&StateDir>,
    cache: Option<&reuse::Opening>,
    looked: Option<(Changes, Listing)>,
    cx: &Context,
) -> Result<Prepared, Failure> {
    let inputs = Inputs {
        repo: config.repo.as_ref(),
        root: &config.root,
        workflow: config.workflow(),
        config_path: config.path.as_deref(),
        config_text: &config.text,
        resolve: &|text| config.resolve(text),
        request,
        env: &cx.env.0,
        state,
        keys: cache.is_some(),
        listed: &|| cache.into_iter().for_each(reuse::Opening::go),
        looked: Cell::new(looked),
    };
    let mut prepared = engine::prepare(&inputs).map_err(|error| explain_failure(error, config, cx))?;
    let mut notes: Vec<EventKind> = Vec::new();
    if config.path.is_none() {
        let message = "no .workflow-config.yaml here: running the steps that wf detects; `wf init` writes them down";
        notes.push(EventKind::Warning { code: WarningCode::DefaultPipeline, step: None, message: message.into() });
    }
    notes.extend(config.loaded.warnings.iter().map(|warning| EventKind::Warning {
        code: WarningCode::ConfigIgnored,
        step: None,
        message: warning.message.clone(),
    }));
    notes.append(&mut prepared.notes);
    prepared.notes = notes;
    if request.settings.strict
        && let Some(EventKind::Fallback { message, hint, .. }) =
            prepared.notes.iter().find(|note| matches!(note, EventKind::Fallback { .. }))
    {
        let failure = Failure::environment(format!("--strict: {message}"));
        return Err(match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        });
    }
    Ok(prepared)
}

fn explain_failure(error: PrepareError, config: &LoadedConfig, cx: &Context) -> Failure {
    match error {
        PrepareError::Expand(errors) => {
            let errors = errors
                .into_iter()
                .map(|error| ConfigError::new(error.at, error.message).maybe_hint(error.hint))
                .collect();
            let errors = ConfigErrors { errors, sources: config.loaded.sources.clone() };
            let report = errors.report(cx.color(cx.stderr_is_terminal));
            Failure { kind: Kind::Config, error: report.into(), hints: vec![] }
        }
        PrepareError::Base(missing) => {
            let hint = missing.hint();
            let failure = Failure::usage(missing);
            hint.into_iter().fold(failure, Failure::hint)
        }
        PrepareError::Selection(unknown) => {
            let hint = match &unknown.suggestion {
                Some(name) => format!("did you mean `{name}`?"),
                None => "`wf graph` shows every step, `wf config show` stages and tags".into(),
            };
            Failure::usage(unknown).hint(hint)
        }
        PrepareError::Graph(error) => Failure::usage(error),
    }
}
