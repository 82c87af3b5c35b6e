//! `wf init`: writes a configuration that fits the repository, or a template.

use super::context::Context;
use super::failure::{Exit, Failure, Kind};
use super::import;
use super::load::CONFIG_NAME;
use crate::base::RepoPath;
use crate::config::{self, Layer, Source};
use crate::engine;
use crate::git::Repo;
use crate::history::{ChosenBy, StateDir};
use crate::template;
use crate::workspace::detect::{self, Detected, ProjectKind};
use clap::builder::PossibleValue;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What `wf init` takes.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n  wf init                       steps for what is in this repository\n  \
    wf init --kind rust --print   only its Cargo projects, on standard output\n  \
    wf init --template feature    a staged pipeline to fill in\n  \
    wf init --from auto           what is here that can be imported\n  \
    wf init --from pre-commit,.github/workflows/ci.yml\n\n\
    Templates: docs-only, test-only, feature, rust, node, python, go, java, make, docs.")]
pub struct InitArgs {
    /// Only projects of this kind
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<ProjectKind>,
    /// Write this template, whatever is in the repository
    #[arg(long, value_name = "NAME", conflicts_with = "kind", value_parser = template_names())]
    pub template: Option<String>,
    /// Import configurations of other tools: files, or kinds such as github-actions, pre-commit, turbo, make; `auto` lists
    /// what is here
    #[arg(long, value_name = "FILE|KIND", value_delimiter = ',', conflicts_with_all = ["kind", "template"])]
    pub from: Vec<String>,
    /// Replace a configuration that is there
    #[arg(long)]
    pub force: bool,
    /// Print it and write nothing
    #[arg(long, visible_alias = "dry-run")]
    pub print: bool,
    /// Write a workflow for this CI service instead of a configuration
    #[arg(long, value_enum, value_name = "SERVICE", conflicts_with_all = ["kind", "template"])]
    pub ci: Option<super::ci::workflow::Service>,
    /// With --ci github: the action that the workflow uses, OWNER/REPO@COMMIT
    #[arg(long, value_name = "ACTION", requires = "ci")]
    pub action: Option<String>,
}

impl clap::ValueEnum for ProjectKind {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

fn template_names() -> Vec<PossibleValue> {
    template::all().iter().map(|template| PossibleValue::new(template.name).help(template.about)).collect()
}

/// Runs the command.
pub fn run(args: &InitArgs, cx: &Context) -> Result<Exit, Failure> {
    if let Some(super::ci::workflow::Service::Github) = args.ci {
        return super::ci::workflow::write(args.action.as_deref(), args.print, args.force, cx);
    }
    let repo = cx.discover().ok();
    let root = repo.as_ref().map_or(cx.cwd.as_path(), Repo::root);
    if args.from.iter().any(|word| word == "auto") {
        cx.print(&import::found(root, repo.as_ref()))?;
        return Ok(Exit::Passed);
    }
    let mut lost = vec![];
    let (text, what) = match args.template.as_deref().and_then(template::find) {
        Some(template) => (template.text.to_owned(), format!("the template {}", template.name)),
        None if !args.from.is_empty() => {
            let (made, what) = import::read(&args.from, root, repo.as_ref(), cx)?;
            lost = made.lost;
            (made.text, what)
        }
        None => from_repository(root, repo.as_ref(), &args.kind)?,
    };
    let steps = check(&text)?;
    if args.print {
        cx.print(&text)?;
        return Ok(Exit::Passed);
    }
    let path = cx.config_file.clone().unwrap_or_else(|| root.join(CONFIG_NAME));
    write(&path, &text, args.force)?;
    // The state folder is the main worktree's; another folder gets none for the sake of a schema.
    let keeps_state = path.parent() == Some(root) && repo.as_ref().is_none_or(|repo| repo.main_root() == root);
    let schema = if keeps_state { write_schema(root) } else { Err("wf keeps no state beside this file".into()) };
    let steps = crate::report::look::count(steps, "step");
    cx.print(&format!(
        "wrote {}: {steps} from {what}\n\nnext:\n  wf check    look it over\n  wf plan     what would run for your change, and \
         why\n  wf run      run it\n",
        cx.relative(&path)
    ))?;
    import::tell(&lost, cx);
    if let Err(error) = schema {
        let schema = config::SCHEMA_PATH;
        cx.say(&format!("note: no schema for editors at {schema} ({error}); `wf config schema` prints it"));
    }
    Ok(Exit::Passed)
}

/// The configuration for what is there, and words for it.
fn from_repository(root: &Path, repo: Option<&Repo>, kinds: &[ProjectKind]) -> Result<(String, String), Failure> {
    let found = look(root, repo, kinds);
    let missing: Vec<&str> =
        kinds.iter().filter(|kind| !found.kinds().contains(kind)).map(|kind| kind.name()).collect();
    if let Some(first) = missing.first() {
        let failure =
            Failure::usage(format!("no {} project with something to run was found here", missing.join(" or ")));
        return Err(failure.hint(format!("`wf init --template {first}` writes the general form")));
    }
    if found.is_empty() {
        let failure = Failure::usage("nothing was found here that wf knows how to build or test");
        return Err(failure.hint("`wf init --template feature` writes a configuration to fill in"));
    }
    let kinds: Vec<&str> = found.kinds().into_iter().map(ProjectKind::name).collect();
    Ok((found.to_yaml(), format!("what is here ({})", kinds.join(", "))))
}

/// The largest file that is looked into: manifests and settings are small.
const LOOK_BYTES: u64 = 4 << 20;

/// What a folder's projects are, from its files on disk.
pub(super) fn look(root: &Path, repo: Option<&Repo>, kinds: &[ProjectKind]) -> Detected {
    let files = files(root, repo);
    detect::detect(&files, &|path| small_text(root, path), kinds)
}

/// Every file that git tracks or would track; without git all that are there.
pub(super) fn files(root: &Path, repo: Option<&Repo>) -> Vec<RepoPath> {
    repo.and_then(|repo| repo.files().ok()).unwrap_or_else(|| engine::walk(root, 1))
}

/// The text of a file that is not too large to be a manifest.
pub(super) fn small_text(root: &Path, path: &RepoPath) -> Option<String> {
    let full = path.under(root);
    // A link may lead to another file of the repository, and nowhere else.
    let real = full.canonicalize().ok().filter(|real| root.canonicalize().is_ok_and(|root| real.starts_with(root)))?;
    let small = real.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= LOOK_BYTES);
    small.then(|| std::fs::read_to_string(real).ok()).flatten()
}

/// How many steps it has. What wf writes, wf must read.
fn check(text: &str) -> Result<usize, Failure> {
    let source = Source { name: CONFIG_NAME.into(), text: text.to_owned(), layer: Layer::Project };
    match config::load(&[source], &[]) {
        Ok(loaded) => Ok(loaded.workflow.steps.len()),
        Err(errors) => {
            let error =
                format!("wf would write a configuration that it does not read:\n{}", config::render(&errors, false));
            Err(Failure { kind: Kind::Internal, error: error.into(), hints: vec![] })
        }
    }
}

/// Puts the file there in one piece. A symlink in its place is replaced, never followed.
pub(super) fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let refused = |error: io::Error| Failure::environment(format!("cannot write {}: {error}", path.display()));
    let folder = path.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mode = std::fs::Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().permissions(mode).tempfile_in(folder).map_err(refused)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(refused)?;
    let put = if force { file.persist(path) } else { file.persist_noclobber(path) };
    put.map(drop).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage(format!("{} is already there", path.display()))
            .hint("`wf init --force` replaces it, `wf init --print` only shows what it would write"),
        _ => refused(error.error),
    })
}

/// The schema that the first line of the configuration names, in the folder that wf keeps out of git.
fn write_schema(root: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let state = StateDir::open(&root.join(".wf"), ChosenBy::Default)?;
    let mut file = tempfile::Builder::new().tempfile_in(state.root())?;
    file.write_all(config::schema_json().as_bytes())?;
    file.persist(root.join(config::SCHEMA_PATH))?;
    Ok(())
}
