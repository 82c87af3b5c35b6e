//! Results used again: a key for every step that can have one, the cache asked before a step starts, and what a step made
//! kept when it passed.
//!
//! Does not know: when steps run (the scheduler says), how results are stored (the cache knows). Every answer is typed:
//! used again, or why not; kept, or why not.

mod keep;
mod keys;
mod look;
mod recall;
mod screen;
mod seal;
mod stand;
mod tools;

pub use keep::{End, Made};
pub use keys::World;
pub use look::Looked;
pub use recall::recall;
pub use seal::Seal;
pub use tools::Tools;

use crate::base::{GlobSet, RepoPath, RunId};
use crate::cache::kept::Kept;
use crate::cache::outputs::Beneath;
use crate::cache::{Actions, Digests, Disk, Folder, KeyStart, Verified};
use crate::change::Unseen;
use crate::classify::{self, Watches};
use crate::config::model::{CacheMode, CategoryRule, RunOn};
use crate::event::{Decision, NotCached, Place, SkipReason};
use crate::graph::{Edge, Inputs, StepGraph};
use crate::schedule::Lookup;
use crate::tree::{FileKind, Listed};
use screen::Screened;
use stand::Stand;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lists the working tree again, after a step that edits files in place.
pub type Relist = Box<dyn Fn() -> Option<Vec<Listed>> + Send + Sync>;

/// What a run needs to use results again.
pub struct Setup {
    /// The root that paths are relative to.
    pub root: PathBuf,
    /// The steps.
    pub graph: StepGraph,
    /// What the plan says of each, by position.
    pub decisions: Vec<Decision>,
    /// The files, sorted by path.
    pub files: Vec<Listed>,
    /// Lists them again.
    pub relist: Relist,
    /// What git does not list, sorted.
    pub unseen: Vec<Unseen>,
    /// Which files are in which category.
    pub rules: Vec<CategoryRule>,
    /// What all keys share.
    pub world: World,
    /// The lists of changed files that `changed_only` steps get, by position.
    pub changed: Vec<Option<crate::key::ChangedList>>,
    /// The cache's folder.
    pub folder: Arc<Folder>,
    /// What is recorded there.
    pub actions: Actions,
    /// Digests of files by what the file system says of them.
    pub digests: Digests,
    /// May results be taken, may they be kept?
    pub mode: CacheMode,
    /// This run.
    pub run: RunId,
    /// Where it is made.
    pub place: Place,
    /// The run that this one goes on from.
    pub resume: Option<RunId>,
    /// Hides secrets: what holds one is never stored.
    pub masker: crate::exec::mask::Masker,
}

/// One run's dealings with the cache. Shared by the threads that look up and keep.
pub struct Reuse {
    root: PathBuf,
    beneath: Beneath,
    graph: StepGraph,
    decisions: Vec<Decision>,
    rules: Vec<CategoryRule>,
    /// Why no key of a step can hold all it watches.
    blind: Vec<Option<NotCached>>,
    world: World,
    changed: Vec<Option<crate::key::ChangedList>>,
    relist: Relist,
    folder: Arc<Folder>,
    store: Verified<Disk>,
    screened: Screened<Disk>,
    kept: Kept,
    digests: Digests,
    mode: CacheMode,
    run: RunId,
    place: Place,
    resume: Option<RunId>,
    state: Mutex<State>,
}

/// What changes while the run goes on.
struct State {
    actions: Actions,
    tree: Tree,
    stands: Vec<Option<Stand>>,
    pending: Vec<keep::Pending>,
    /// Blobs of groups that are stored already.
    stored: HashSet<crate::base::Digest>,
    used: Vec<KeyStart>,
    saved_ms: u64,
    flushed: Option<(std::time::Instant, std::time::Duration)>,
}

/// The files as they were listed, and which step watches which.
struct Tree {
    files: Arc<Vec<Listed>>,
    watches: Watches,
    groups: Vec<Option<stand::Group>>,
}

impl Reuse {
    /// Begins. Nothing is hashed yet.
    ///
    /// # Errors
    /// The root cannot be opened.
    pub fn new(setup: Setup) -> std::io::Result<Self> {
        let Setup { root, graph, decisions, files, relist, rules, world, changed, folder, actions, digests, .. } =
            setup;
        let disk = Disk::new(&folder);
        let blind = (0..graph.len()).map(|at| blind(&graph, at, &files, &setup.unseen)).collect();
        let tree = Tree::of(&graph, files, &rules);
        let state = State {
            actions,
            tree,
            stands: vec![None; graph.len()],
            pending: vec![],
            stored: HashSet::new(),
            used: vec![],
            saved_ms: 0,
            flushed: None,
        };
        let this = Self {
            beneath: Beneath::open(&root)?,
            kept: Kept::open(folder.dir()),
            store: Verified::forgetting(disk.clone()),
            screened: Screened::new(disk, setup.masker),
            root,
            graph,
            decisions,
            rules,
            blind,
            world,
            changed,
            relist,
            folder,
            digests,
            mode: setup.mode,
            run: setup.run,
            place: setup.place,
            resume: setup.resume,
            state: Mutex::new(state),
        };
        Ok(this)
    }

    /// What the cache is asked about a step before it starts.
    pub fn lookup(&self, at: usize) -> Lookup {
        let step = self.graph.step(at);
        match &self.decisions[at] {
            Decision::Run(_) if step.run_on == RunOn::Success && !step.is_deploy() => Lookup::First,
            Decision::Skip(SkipReason::Unaffected { .. })
                if step.outputs.is_some() && step.cache.read && self.mode.read && !step.incremental =>
            {
                Lookup::Only
            }
            _ => Lookup::None,
        }
    }

    /// Is there anything to clear away before this step runs?
    pub fn clears(&self, at: usize) -> bool {
        self.gathers(at) && self.graph.step(at).cache.write && self.mode.write && !self.graph.step(at).incremental
    }

    /// Is there anything to gather when this step has passed?
    pub fn gathers(&self, at: usize) -> bool {
        self.outputs(at).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outputs(&self, at: usize) -> Option<&GlobSet> {
        self.graph.step(at).outputs.as_ref()
    }
}

/// Why no key of a step can hold all that it watches, if so: a place that git ignores and that neither it nor a step it
/// needs makes, a repository inside, or a way through a symlink.
fn blind(graph: &StepGraph, at: usize, files: &[Listed], unseen: &[Unseen]) -> Option<NotCached> {
    let step = graph.step(at);
    let Inputs::Globs(set) = &step.inputs else { return None };
    let needs = graph.waits(at).iter().filter(|(_, edge)| *edge == Edge::Needs).map(|(need, _)| graph.step(*need));
    let makers: Vec<&GlobSet> = needs.chain([step]).filter_map(|step| step.outputs.as_ref()).collect();
    let is_made = |path: &&RepoPath| {
        makers.iter().any(|set| set.is_match(path) || set.roots().any(|root| !root.is_root() && path.is_in(&root)))
    };
    if let Some(path) = classify::ignored(step, unseen).into_iter().find(|path| !is_made(path)) {
        return Some(NotCached::Ignored { path: path.to_string() });
    }
    let opaque =
        files.iter().filter(|file| !matches!(file.kind, FileKind::Regular { .. })).find(|file| match file.kind {
            FileKind::Repository => set.may_reach_into(&file.path),
            _ => set.roots().any(|root| root != file.path && root.is_in(&file.path)),
        });
    opaque.map(|file| NotCached::Opaque { path: file.path.to_string() })
}

impl Tree {
    fn of(graph: &StepGraph, files: Vec<Listed>, rules: &[CategoryRule]) -> Self {
        let watches = classify::groups(graph, &vec![true; graph.len()], &files, rules);
        let groups = watches.groups.iter().map(|_| None).collect();
        Self { files: Arc::new(files), watches, groups }
    }
}
