//! `wf ai run`: one persona, some files, now.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::step;
use crate::ai::order::{Files, Order, Shared};
use crate::base::RepoPath;
use crate::config::model::{AiMode, Severity};
use crate::history::new_run_id;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// What it takes.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Who answers: see `wf ai personas`
    persona: String,
    /// The files it is about
    files: Vec<PathBuf>,
    /// What is asked: a prompt's name, or the text itself
    #[arg(long)]
    prompt: Option<String>,
    /// One request for each file
    #[arg(long)]
    each: bool,
    /// The model
    #[arg(long, env = "AI_MODEL")]
    model: Option<String>,
    /// Fail on findings of this severity and above
    #[arg(long, value_parser = ["error", "warning", "note"])]
    fail_on: Option<String>,
    /// Ask even what was answered before
    #[arg(long)]
    no_ai_cache: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks.
pub fn run(args: &RunArgs, cx: &Context) -> Result<Exit, Failure> {
    let config = cx.load_config(vec![])?;
    let all = &config.workflow().settings;
    let settings = &all.ai;
    let mut service = settings.service.clone();
    service.model = args.model.clone().or(service.model);
    service.api_key_env = service.api_key_env.or(service.provider.usual_key().map(str::to_owned));
    let state = cx.state_place(&config).0;
    let shared = Shared::new(config.root.clone(), state, new_run_id().0, None, all);
    let mut shared = super::trust::shared(shared, config.repo.as_ref().ok(), cx);
    shared.project.clone_from(&config.workflow().project_kind);
    if args.no_ai_cache {
        shared.mode = AiMode::Live;
    }
    let files =
        args.files.iter().map(|file| inside(&cx.cwd.join(file), &config.root)).collect::<Result<Vec<_>, _>>()?;
    let order = Order {
        step: "ai run".into(),
        service,
        persona: Some(args.persona.clone()),
        prompt: args.prompt.clone(),
        files: if files.is_empty() { Files::None } else { Files::Named(files) },
        each: args.each,
        fail_on: args.fail_on.as_deref().and_then(severity),
        output: None,
        templates: settings.templates.clone(),
        ttl_ms: None,
        tags: vec![],
        budget: crate::config::model::Budget::default(),
        shared,
    };
    if order.service.model.is_none() && order.service.command.is_empty() {
        return Err(Failure::usage("no model is named".to_owned())
            .hint("add `ai: {model: some-model}` to the configuration, or --model"));
    }
    step::carry_out(&order, args.json, cx)
}

fn severity(word: &str) -> Option<Severity> {
    [Severity::Note, Severity::Warning, Severity::Error].into_iter().find(|severity| severity.name() == word)
}

/// A file's path from the root.
fn inside(file: &std::path::Path, root: &std::path::Path) -> Result<RepoPath, Failure> {
    let real =
        file.parent().and_then(|dir| dir.canonicalize().ok()).zip(file.file_name()).map(|(dir, name)| dir.join(name));
    let real = real.filter(|real| real.symlink_metadata().is_ok());
    let real = real.ok_or_else(|| Failure::usage(format!("there is no file {}", file.display())))?;
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let path = real
        .strip_prefix(&root)
        .map_err(|_| Failure::usage(format!("{} is not in this repository", file.display())))?;
    Ok(RepoPath::from_bytes(path.as_os_str().as_bytes()))
}
