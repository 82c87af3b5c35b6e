//! Results used again: a key for every step that can have one, the cache asked before a step starts, and what a step made
//! kept when it passed. And the same asked by a plan, which writes nothing.
//!
//! Does not know: when steps run (the scheduler says), how results are stored (the cache knows). Every answer is typed:
//! used again, or why not; kept, or why not.

mod appeared;
mod asking;
mod judge;
mod keep;
mod keys;
mod look;
mod predict;
mod recall;
mod screen;
mod seal;
mod stand;
mod tools;
mod watched;

pub use keep::{End, Made};
pub use keys::World;
pub use look::Looked;
pub use predict::{Foretold, Nothing, nothing_stored, predict};
pub use recall::recall;
pub use seal::Seal;
pub use tools::Tools;
pub use watched::Watched;

use crate::base::{GlobSet, RunId};
use crate::cache::kept::Kept;
use crate::cache::{Actions, Digests, Disk, Folder, KeyStart, Verified};
use crate::change::Unseen;
use crate::config::model::{CacheMode, CategoryRule};
use crate::event::{Decision, Place};
use crate::graph::StepGraph;
use crate::schedule::Lookup;
use crate::tree::Listed;
use appeared::Expected;
use asking::{Asking, Ledger};
use screen::Screened;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lists the working tree again, after a step that edits files in place.
pub type Relist = Box<dyn Fn() -> Option<Vec<Listed>> + Send + Sync>;

/// What asking for results takes, for a run and for a plan.
pub struct Setup {
    /// The root that paths are relative to.
    pub root: PathBuf,
    /// The steps.
    pub graph: StepGraph,
    /// What the plan says of each, by position.
    pub decisions: Arc<[Decision]>,
    /// The files, sorted by path.
    pub files: Vec<Listed>,
    /// Which step watches which of them.
    pub watched: Watched,
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
    /// The run that this one goes on from.
    pub resume: Option<RunId>,
}

/// What keeping results takes on top.
pub struct Keeping {
    /// Lists the files again.
    pub relist: Relist,
    /// This run.
    pub run: RunId,
    /// Where it is made.
    pub place: Place,
    /// Hides secrets: what holds one is never stored.
    pub masker: crate::exec::mask::Masker,
}

/// One run's dealings with the cache. Shared by the threads that look up and keep.
pub struct Reuse {
    asking: Asking,
    root: PathBuf,
    rules: Vec<CategoryRule>,
    relist: Relist,
    screened: Screened<Disk>,
    kept: Kept,
    run: RunId,
    place: Place,
    state: Mutex<State>,
}

/// What changes while the run goes on.
struct State {
    ledger: Ledger,
    pending: Vec<keep::Pending>,
    /// Blobs of groups that are stored already.
    stored: HashSet<crate::base::Digest>,
    used: Vec<KeyStart>,
    saved_ms: u64,
    flushed: Option<(std::time::Instant, std::time::Duration)>,
    expected: Expected,
}

impl Reuse {
    /// Begins. Nothing is hashed yet.
    ///
    /// # Errors
    /// The root cannot be opened.
    pub fn new(setup: Setup, keeping: Keeping) -> std::io::Result<Self> {
        let (root, rules, folder) = (setup.root.clone(), setup.rules.clone(), Arc::clone(&setup.folder));
        let expected = Expected::new(setup.unseen.clone(), folder.now_ms());
        let (asking, ledger) = Asking::begin(setup, Verified::forgetting, None)?;
        let state = State {
            ledger,
            pending: vec![],
            stored: HashSet::new(),
            used: vec![],
            saved_ms: 0,
            flushed: None,
            expected,
        };
        let this = Self {
            kept: Kept::open(folder.dir()),
            screened: Screened::new(Disk::new(&folder), keeping.masker),
            asking,
            root,
            rules,
            relist: keeping.relist,
            run: keeping.run,
            place: keeping.place,
            state: Mutex::new(state),
        };
        Ok(this)
    }

    /// What the cache is asked about a step before it starts.
    pub fn lookup(&self, at: usize) -> Lookup {
        self.asking.lookup(at)
    }

    /// Is there anything to clear away before this step runs?
    pub fn clears(&self, at: usize) -> bool {
        self.gathers(at) && self.stores(at)
    }

    /// Is there anything to gather when this step has passed?
    pub fn gathers(&self, at: usize) -> bool {
        self.outputs(at).is_some()
    }

    /// Are its results kept?
    fn stores(&self, at: usize) -> bool {
        let step = self.asking.graph.step(at);
        step.cache.write && self.asking.mode.write && !step.incremental
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outputs(&self, at: usize) -> Option<&GlobSet> {
        self.asking.outputs(at)
    }
}
