//! Git hooks: where they are put, which steps they run, whether those may run in place, the scratch tree for those that
//! may not, and what becomes of the fixes that steps make there.
//!
//! Knows: git's hooks folder, a cache folder of the user's. Does not know: argv, how steps are run, what they print. A
//! file of the user's is replaced by a whole new one or not at all, and only where it still says what was read.

pub mod fixes;
pub mod install;
pub mod pushed;
pub mod scope;
pub mod scratch;
pub mod shared;

/// The hooks that wf knows how to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Before a commit: what is staged.
    PreCommit,
    /// Before a push: the commits that are pushed.
    PrePush,
    /// Once the message is written: that.
    CommitMsg,
}

impl Hook {
    /// git's name of it, and the tag of its steps.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::PrePush => "pre-push",
            Self::CommitMsg => "commit-msg",
        }
    }
}
