//! Where each task stands, changed in one place. Pure.

use crate::base::Millis;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Something it waits for has not ended.
    Waiting,
    /// It could be looked up, as soon as nothing that it conflicts with runs.
    Asking,
    /// The cache is asked.
    Looking,
    /// It could start.
    Ready,
    /// It runs.
    Running,
    /// It failed and will be tried again at this time.
    Resting(Millis),
    /// It passed, or failed and is allowed to.
    Passed,
    /// It failed.
    Failed,
    /// It did not start.
    Cancelled,
}

impl State {
    /// Nothing more happens to it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Passed | Self::Failed | Self::Cancelled)
    }

    fn may_become(self, next: Self) -> bool {
        use State::{Asking, Cancelled, Failed, Looking, Passed, Ready, Resting, Running, Waiting};
        matches!(
            (self, next),
            (Waiting, Asking | Ready | Cancelled)
                | (Asking, Looking | Cancelled)
                | (Looking, Passed | Ready | Cancelled)
                | (Ready, Running | Cancelled)
                | (Running, Passed | Failed | Resting(_))
                | (Resting(_), Ready | Failed)
        )
    }
}

/// All tasks' states, and how many are over.
#[derive(Debug)]
pub struct States {
    of: Vec<State>,
    over: usize,
    /// Which tasks end before the end of the run is spoken of: what clean-up without needs waits for.
    early: Vec<bool>,
    early_open: usize,
}

impl States {
    /// Everything waits.
    pub fn new(early: Vec<bool>) -> Self {
        let early_open = early.iter().filter(|early| **early).count();
        Self { of: vec![State::Waiting; early.len()], over: 0, early, early_open }
    }

    /// One task's state.
    pub fn get(&self, task: usize) -> State {
        self.of[task]
    }

    /// The only way to change a state. An illegal change is a bug in wf, told with the run's id and exit code 70.
    pub fn set(&mut self, task: usize, next: State) {
        let before = std::mem::replace(&mut self.of[task], next);
        assert!(before.may_become(next), "task {task}: {before:?} -> {next:?}");
        self.over += usize::from(next.is_over());
        self.early_open -= usize::from(self.early[task] && next.is_over());
    }

    /// Is everything over?
    pub fn all_over(&self) -> bool {
        self.over == self.of.len()
    }

    /// Is everything over that does not itself follow the end?
    pub fn early_over(&self) -> bool {
        self.early_open == 0
    }
}
