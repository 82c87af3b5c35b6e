//! `wf ai run`: one persona, some files, now.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::step::{self, How};
use crate::ai::order::{Files, Order, Shared};
use crate::ai::problem::Problem;
use crate::ai::step::Work;
use crate::base::RepoPath;
use crate::config::model::{AiMode, Severity};
use crate::git::Repo;
use crate::history::new_run_id;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// What it takes.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Who answers: see `wf ai personas`
    persona: String,
    /// The files it is about; a folder stands for those in it
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
    /// Say of each request that is sent what differs from the nearest one whose answer is known
    #[arg(long)]
    why: bool,
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
    let state = cx.state_made(&config);
    let shared = Shared::new(config.root.clone(), state, new_run_id().0, None, all);
    let mut shared = super::trust::shared(shared, config.repo.as_ref().ok(), cx);
    shared.project.clone_from(&config.workflow().project_kind);
    if shared.mode == AiMode::Off {
        return Err(Failure::usage("nothing is asked: `ai.mode` is `off`").hint("say `ai: {mode: cache}`"));
    }
    if args.no_ai_cache {
        shared.mode = AiMode::Live;
    }
    let mut files = vec![];
    for file in &args.files {
        match inside(&cx.cwd.join(file), &config.root)? {
            (path, false) => files.push(path),
            (folder, true) => files.extend(below(&folder, config.repo.as_ref().ok())?),
        }
    }
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
    let no_template = |problem: Problem| Failure::usage(problem.message.clone()).hint(problem.kind.hint());
    let work = Work::new(&order).map_err(no_template)?;
    if work.about_change() {
        return Err(Failure::usage("this prompt is about a change, and `wf ai run` compares nothing")
            .hint("ask about files with another --prompt, or make it a step of `wf run`"));
    }
    if order.files == Files::None && work.needs_files() {
        let example = format!("wf ai run {} src/main.rs", args.persona);
        return Err(Failure::usage("this prompt is about files, and none is named").hint(format!("try `{example}`")));
    }
    let how = How { as_json: args.json, by_hand: true, why: if args.why { NEAREST } else { 0 } };
    step::carry_out(&order, Ok(work), &how, cx)
}

/// With so many known answers one that is not known is compared.
const NEAREST: usize = 500;

fn severity(word: &str) -> Option<Severity> {
    [Severity::Note, Severity::Warning, Severity::Error].into_iter().find(|severity| severity.name() == word)
}

/// A file's path from the root, and whether it is a folder.
fn inside(file: &std::path::Path, root: &std::path::Path) -> Result<(RepoPath, bool), Failure> {
    let real =
        file.parent().and_then(|dir| dir.canonicalize().ok()).zip(file.file_name()).map(|(dir, name)| dir.join(name));
    // `.` and `..` have no name of their own.
    let real = real.or_else(|| file.canonicalize().ok());
    let found = real.and_then(|real| real.symlink_metadata().ok().map(|meta| (real, meta.is_dir())));
    let (real, folder) = found.ok_or_else(|| Failure::usage(format!("there is no file {}", file.display())))?;
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let path = real
        .strip_prefix(&root)
        .map_err(|_| Failure::usage(format!("{} is not in this repository", file.display())))?;
    Ok((RepoPath::from_bytes(path.as_os_str().as_bytes()), folder))
}

/// The files of a folder that git knows or would know.
fn below(folder: &RepoPath, repo: Option<&Repo>) -> Result<Vec<RepoPath>, Failure> {
    let shown = if folder.is_root() { ".".to_owned() } else { folder.to_string() };
    let repo = repo.ok_or_else(|| {
        Failure::usage(format!("{shown} is a folder, and there is no git here to say what belongs to it"))
            .hint("name the files themselves")
    })?;
    let mut files = repo.files().map_err(Failure::environment)?;
    files.retain(|file| file.is_in(folder));
    if files.is_empty() {
        return Err(Failure::usage(format!("in {shown} there is no file that git does not ignore")));
    }
    Ok(files)
}
