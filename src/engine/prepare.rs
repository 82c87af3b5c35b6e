//! Everything before the first event: git, folders, what is recorded; then the plan. Writes nothing, executes nothing.

use super::change;
use crate::base::{Digest, RepoPath};
use crate::change::{Base, ChangeSet};
use crate::classify::{self, Classification};
use crate::config::Workflow;
use crate::event::{EventKind, FallbackCode, WarningCode};
use crate::exec::secret::is_secret;
use crate::git::{GitError, NoBase, Repo};
use crate::graph::{GraphError, Step, StepGraph};
use crate::history::{self, StateDir};
use crate::plan::{self, BaseDefinitions, Plan, RunRequest, UnknownSelection};
use crate::verdict::Known;
use crate::workspace::{self, ExpandError, Tree};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

/// What preparing starts from.
pub struct Inputs<'a> {
    /// The repository, or why there is none.
    pub repo: Result<&'a Repo, &'a GitError>,
    /// The root that paths are relative to.
    pub root: &'a Path,
    /// The configuration, resolved.
    pub workflow: &'a Workflow,
    /// Its file; none when wf detected a default pipeline.
    pub config_path: Option<&'a Path>,
    /// Its text.
    pub config_text: &'a str,
    /// Resolves another text with this run's flags and environment.
    pub resolve: &'a dyn Fn(&str) -> Result<Workflow, String>,
    /// What was asked for.
    pub request: &'a RunRequest,
    /// The environment.
    pub env: &'a BTreeMap<OsString, OsString>,
    /// Where wf keeps its state; none if that cannot be read.
    pub state: Option<&'a StateDir>,
}

/// Everything that is known before the run.
#[derive(Debug)]
pub struct Prepared {
    /// What differs from the base.
    pub change: ChangeSet,
    /// The same, understood; none without a base.
    pub class: Option<Classification>,
    /// What will run.
    pub plan: Plan,
    /// The steps' definitions at the base.
    pub at_base: BaseDefinitions,
    /// What is recorded.
    pub known: Known,
    /// Fallbacks and warnings, in order.
    pub notes: Vec<EventKind>,
}

/// Why no plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// `--base REF` names nothing.
    #[error(transparent)]
    Base(NoBase),
    /// `for_each` does not expand.
    #[error("the configuration does not fit this repository")]
    Expand(Vec<ExpandError>),
    /// The steps are no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A filter names nothing.
    #[error(transparent)]
    Selection(#[from] UnknownSelection),
}

/// Reads git and the past, and makes the plan.
///
/// # Errors
/// Only what a person has to mend; everything else is a note in [`Prepared::notes`].
pub fn prepare(inputs: &Inputs<'_>) -> Result<Prepared, PrepareError> {
    let mut notes = Vec::new();
    let workflow = inputs.workflow;
    let configured = workflow.base.as_deref();
    let state = inputs.state.filter(|state| !is_committed(inputs, state, &mut notes));
    let list = workspace::needs_tree(workflow);
    let (change, files) = change::find(inputs.repo, &inputs.request.base, configured, state, &mut notes, list)?;
    // Without git every file counts.
    let files = files.unwrap_or_else(|| if list { walk(inputs.root, usize::MAX) } else { vec![] });
    let tree = Tree { files: &files, texts: read_texts(inputs.root, workflow, &files) };
    let expansion = workspace::expand(workflow, &tree).map_err(PrepareError::Expand)?;
    for warning in &expansion.warnings {
        let message = warning.to_string();
        notes.push(EventKind::Warning { code: WarningCode::Expansion, step: None, message });
    }
    let graph = StepGraph::build(expansion.steps)?;
    let class = (change.base != Base::None).then(|| classify::classify(&workflow.categories, workflow.impact, &change));
    let at_base = match (inputs.repo, &class) {
        (Ok(repo), Some(_)) => super::base::definitions(inputs, repo, &change, &tree),
        _ => BaseDefinitions::Unknown("there is no base".into()),
    };
    let (known, unreadable) = match state {
        Some(state) => history::known(state, base_commit(&change).as_deref()),
        None => (Known::default(), vec![]),
    };
    for message in unreadable {
        notes.push(change::fallback(FallbackCode::HistoryUnreadable, &message, None));
    }
    let contexts: Vec<Digest> =
        graph.steps().iter().map(|step| context(step, &workflow.settings.secrets, inputs.env)).collect();
    let plan = plan::build(plan::Facts {
        graph: &graph,
        stages: &workflow.stages,
        change: &change,
        class: class.as_ref(),
        at_base: &at_base,
        known: &known,
        contexts: &contexts,
        request: inputs.request,
    })?;
    Ok(Prepared { change, class, plan, at_base, known, notes })
}

/// Does the repository itself bring wf's state along? Whoever can commit could forge evidence that way, so it is not used.
fn is_committed(inputs: &Inputs<'_>, state: &StateDir, notes: &mut Vec<EventKind>) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(repo) = inputs.repo else { return false };
    let Ok(inside) = state.root().strip_prefix(repo.root()) else { return false };
    let path = RepoPath::from_bytes(inside.as_os_str().as_bytes());
    let committed = repo.head().ok().flatten().is_some_and(|head| repo.holds(&head, &path).unwrap_or(true));
    if committed {
        let message =
            format!("{path} is committed to this repository; evidence that a commit brings along is not used");
        let hint = Some(format!("git rm -r --cached {path}"));
        notes.push(change::fallback(FallbackCode::HistoryUnreadable, &message, hint));
    }
    committed
}

/// The commit that recorded evidence must speak of.
fn base_commit(change: &ChangeSet) -> Option<String> {
    match &change.base {
        Base::Commit { commit, .. } => Some(commit.clone()),
        Base::Staged { head } => head.clone(),
        Base::None => None,
    }
}

/// Every file below a folder, but for those of git and of wf.
pub fn walk(root: &Path, depth: usize) -> Vec<RepoPath> {
    use std::os::unix::ffi::OsStrExt;
    let hidden =
        |entry: &walkdir::DirEntry| entry.depth() > 0 && [".git", ".wf"].iter().any(|n| entry.file_name() == *n);
    let entries = walkdir::WalkDir::new(root)
        .max_depth(depth)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !hidden(entry));
    let files = entries.flatten().filter(|entry| !entry.file_type().is_dir());
    let mut files: Vec<RepoPath> = files
        .filter_map(|entry| {
            let path = entry.path().strip_prefix(root).ok()?;
            Some(RepoPath::from_bytes(path.as_os_str().as_bytes()))
        })
        .collect();
    files.sort_unstable();
    files
}

/// The largest manifest that is read.
const MANIFEST_BYTES: u64 = 4 << 20;

fn read_texts(root: &Path, workflow: &Workflow, files: &[RepoPath]) -> BTreeMap<RepoPath, Arc<str>> {
    let read = |path: RepoPath| {
        let full = path.under(root);
        let small = full.metadata().ok().filter(|meta| meta.is_file() && meta.len() <= MANIFEST_BYTES);
        let text = small.and_then(|_| std::fs::read_to_string(full).ok())?;
        Some((path, Arc::from(text)))
    };
    workspace::manifests_wanted(workflow, files).into_iter().filter_map(read).collect()
}

/// Digest of what surrounds a step: platform and declared variables. Secret values stay out of every digest.
fn context(step: &Step, secrets: &[String], env: &BTreeMap<OsString, OsString>) -> Digest {
    let value = |name: &str| env.get(OsStr::new(name)).map(OsString::as_os_str);
    let secret = |name: &str| is_secret(OsStr::new(name), value(name).unwrap_or_default(), secrets);
    let passed = step.env.iter().filter(|(name, own)| own.is_none() && !secret(name));
    let passed: BTreeMap<&str, Option<String>> = passed
        .map(|(name, _)| (name.as_str(), value(name).map(|value| value.to_string_lossy().into_owned())))
        .collect();
    Digest::of_json(&(std::env::consts::OS, std::env::consts::ARCH, passed))
}
