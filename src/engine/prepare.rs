//! Everything before the first event: git, folders, what is recorded; then the plan. Writes nothing, executes nothing.

use super::change;
use super::manifests::{Learned, manifests};
use super::reuse::Watched;
use crate::base::{Digest, RepoPath};
use crate::change::{Base, ChangeSet};
use crate::ci::Why;
use crate::classify::{self, Classification};
use crate::config::Workflow;
use crate::config::model::Smart;
use crate::event::{EventKind, FallbackCode, WarningCode};
use crate::exec::secret::is_secret;
use crate::git::{Changes, GitError, Listing, NoBase, Repo};
use crate::graph::{GraphError, Step, StepGraph};
use crate::history::{Recorded, StateDir};
use crate::key::ChangedList;
use crate::plan::{self, BaseDefinitions, Plan, RunRequest, UnknownSelection};
use crate::verdict::Known;
use crate::workspace::{self, ExpandError, Tree};
use rayon::prelude::*;
use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

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
    /// Will keys be asked for? Then files are listed with what the file system says of them.
    pub keys: bool,
    /// Called once when git was read. That takes all processors; what follows takes one.
    pub listed: &'a dyn Fn(),
    /// What is staged and what is there, if somebody has just looked: taken out, and not looked at again.
    pub looked: Cell<Option<(Changes, Listing)>>,
}

/// Everything that is known before the run.
#[derive(Debug)]
pub struct Prepared {
    /// How the base was found.
    pub why: Vec<Why>,
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
    /// The runs that it is known from.
    pub recorded: Arc<Recorded>,
    /// May what is recorded be used at all? Not what the repository itself brings along.
    pub past: bool,
    /// Fallbacks and warnings, in order.
    pub notes: Vec<EventKind>,
    /// Every file as the file system sees it and who watches it, if keys are wanted and git could list them.
    pub listing: Option<(Listing, Watched)>,
    /// What manifests said, if it was not remembered.
    pub learned: Option<Learned>,
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
    let needs_tree = workspace::needs_tree(workflow);
    let list = needs_tree || inputs.keys;
    let read = || state.map(Recorded::load).unwrap_or_default();
    let recorded = OnceCell::new();
    let asking = change::Asking {
        base: &inputs.request.base,
        fetch: inputs.request.fetch,
        configured,
        green: &|| recorded.get_or_init(read).green_commits(),
        spoken: &|commit| recorded.get_or_init(read).speaks_for(commit),
    };
    let mut why = Vec::new();
    let looked = inputs.looked.take();
    let (change, listing) = change::find(inputs.repo, &asking, &mut notes, &mut why, list, looked)?;
    let recorded = recorded.into_inner();
    (inputs.listed)();
    // Without git every file counts.
    let files = match &listing {
        _ if !needs_tree => vec![],
        Some(listing) => listing.files.iter().map(|file| file.path.clone()).collect(),
        None => walk(inputs.root, usize::MAX),
    };
    let base = base_commit(&change).filter(|_| inputs.request.settings.smart_execution != Smart::Off);
    let class = (change.base != Base::None).then(|| classify::classify(&workflow.categories, workflow.impact, &change));
    let (known, recorded, plan, at_base, learned, watched) = std::thread::scope(|scope| {
        // What the past says of the base is read while the steps are made.
        let known = scope.spawn(|| {
            let mut recorded = recorded.unwrap_or_else(read);
            (recorded.known(base.as_deref()), recorded)
        });
        let (manifests, learned) = manifests(inputs, &files, listing.as_ref(), state);
        let tree = Tree { files: &files, manifests };
        let graph = graph(workflow, &tree, &mut notes)?;
        let watched = listing.as_ref().filter(|_| inputs.keys).map(|listing| {
            let (graph, unseen, rules) = (graph.clone(), &change.unseen, &workflow.categories);
            scope.spawn(move || Watched::of(&graph, &listing.files, unseen, rules))
        });
        let at_base = match (inputs.repo, &class) {
            (Ok(repo), Some(_)) => super::base::definitions(inputs, repo, &change, &tree),
            _ => BaseDefinitions::Unknown("there is no base".into()),
        };
        let (known, recorded) = finished(known);
        for message in &recorded.problems {
            notes.push(change::fallback(FallbackCode::HistoryUnreadable, message, None));
        }
        let plan = plan::build(plan::Facts {
            definitions: &definitions(&graph),
            contexts: &contexts(&graph, &workflow.settings.secrets, inputs.env),
            graph: &graph,
            stages: &workflow.stages,
            change: &change,
            class: class.as_ref(),
            at_base: &at_base,
            known: &known,
            request: inputs.request,
        })?;
        Ok::<_, PrepareError>((known, recorded, plan, at_base, learned, watched.map(finished)))
    })?;
    let (past, recorded, listing) = (state.is_some(), Arc::new(recorded), listing.zip(watched));
    Ok(Prepared { why, change, class, plan, at_base, known, recorded, past, notes, listing, learned })
}

/// What a thread found out.
fn finished<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug))
}

/// The steps and what they wait for.
fn graph(workflow: &Workflow, tree: &Tree<'_>, notes: &mut Vec<EventKind>) -> Result<StepGraph, PrepareError> {
    let expansion = workspace::expand(workflow, tree).map_err(PrepareError::Expand)?;
    for warning in &expansion.warnings {
        let message = warning.to_string();
        notes.push(EventKind::Warning { code: WarningCode::Expansion, step: None, message });
    }
    Ok(StepGraph::build(expansion.steps)?)
}

fn definitions(graph: &StepGraph) -> Vec<Digest> {
    graph.steps().par_iter().with_min_len(64).map(|step| step.definition()).collect()
}

/// Does the repository itself bring wf's state along? Whoever can commit could forge evidence that way, so it is not used.
fn is_committed(inputs: &Inputs<'_>, state: &StateDir, notes: &mut Vec<EventKind>) -> bool {
    let Some(path) = inputs.repo.ok().and_then(|repo| committed(repo, state.root())) else { return false };
    let message = format!("{path} is committed to this repository; evidence that a commit brings along is not used");
    let hint = Some(format!("git rm -r --cached {path}"));
    notes.push(change::fallback(FallbackCode::HistoryUnreadable, &message, hint));
    true
}

/// The path of a folder of wf's in the repository, if HEAD brings something of it along, or if nobody can tell.
pub fn committed(repo: &Repo, folder: &Path) -> Option<RepoPath> {
    use std::os::unix::ffi::OsStrExt;
    let inside = folder.strip_prefix(repo.root()).ok()?;
    let path = RepoPath::from_bytes(inside.as_os_str().as_bytes());
    let head = repo.head().ok().flatten()?;
    repo.holds(&head, &path).unwrap_or(true).then_some(path)
}

/// For each step the list of changed files that it is given, if it is.
pub fn changed_lists(prepared: &Prepared) -> Vec<Option<ChangedList>> {
    let graph = &prepared.plan.graph;
    let list = |at: usize| {
        let class = prepared.class.as_ref().filter(|_| graph.step(at).changed_only)?;
        let paths = classify::watched(graph, at, &class.paths).cloned().collect();
        Some(ChangedList { base: base_commit(&prepared.change), paths })
    };
    (0..graph.len()).map(list).collect()
}

/// The commit that recorded evidence must speak of.
pub fn base_commit(change: &ChangeSet) -> Option<String> {
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

/// Digests of what surrounds the steps, by position. Steps that declare alike are alike in that.
fn contexts(graph: &StepGraph, secrets: &[String], env: &BTreeMap<OsString, OsString>) -> Vec<Digest> {
    let mut known = HashMap::new();
    let mut all = Vec::with_capacity(graph.len());
    for step in graph.steps() {
        all.push(*known.entry((&step.env, &step.sealed)).or_insert_with(|| context(step, secrets, env)));
    }
    all
}

/// Digest of what surrounds a step: platform and declared variables. Secrets are no part of it, as they are no part of a
/// key; of one that is to be (`in_key`) 16 bits of its digest go in: enough to notice that it is another one, too little
/// to find out which.
fn context(step: &Step, secrets: &[String], env: &BTreeMap<OsString, OsString>) -> Digest {
    use std::os::unix::ffi::OsStrExt;
    let seen = |name: &String| {
        let value = env.get(OsStr::new(name))?;
        let digest = Digest::of_bytes(value.as_bytes()).to_string();
        Some(if is_secret(OsStr::new(name), value, secrets) { digest[..4].to_owned() } else { digest })
    };
    let counts = |name: &String| {
        let value = env.get(OsStr::new(name)).map(OsString::as_os_str).unwrap_or_default();
        step.sealed.contains(name) || !is_secret(OsStr::new(name), value, secrets)
    };
    let passed = step.env.iter().filter(|(name, value)| value.is_none() && counts(name));
    let passed: BTreeMap<&str, Option<String>> = passed.map(|(name, _)| (name.as_str(), seen(name))).collect();
    Digest::of_json(&(std::env::consts::OS, std::env::consts::ARCH, passed))
}
