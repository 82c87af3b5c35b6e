//! Why: the reasons behind every decision, and the only place where their words live. Pure.

use crate::base::{RepoPath, StepId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a plan says about a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It runs.
    Run(Because),
    /// It does not.
    Skip(SkipReason),
}

impl Decision {
    /// Does it run?
    pub fn runs(&self) -> bool {
        matches!(self, Self::Run(_))
    }
}

/// Which part of a watch a path met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum RunRule {
    /// A pattern of `inputs`.
    Input {
        /// The pattern.
        pattern: String,
    },
    /// No `inputs`: everything is watched but what is ignored, and this path is in none of the ignored categories.
    Everything {
        /// The path's categories.
        categories: Vec<String>,
    },
    /// It lies in the instance's folder or in one of a folder it depends on.
    Folder {
        /// The folder.
        folder: RepoPath,
    },
    /// A file outside every instance's folder, shared by all.
    Shared,
}

/// Why a step runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub enum Because {
    /// A file it watches differs from the base.
    Changed {
        /// The first such file.
        path: RepoPath,
        /// How it is watched.
        #[serde(flatten)]
        rule: RunRule,
        /// How many more.
        more: usize,
    },
    /// Its own definition differs from the one at the base.
    DefinitionChanged,
    /// Its definition at the base cannot be told.
    DefinitionUnknown {
        /// Why not.
        message: String,
    },
    /// There is no base to compare with.
    NoBase,
    /// Smart execution is off.
    SmartOff,
    /// It failed at the base, as this run recorded.
    FailedAtBase {
        /// The run.
        run: String,
    },
    /// Nothing it watches changed, but no recorded pass proves the base good, and here that is needed.
    Unproven {
        /// Which rule asks for proof.
        rule: String,
    },
    /// Its declared environment or the platform differs from the recorded one.
    ContextChanged,
    /// It watches files that git does not see.
    Unseen {
        /// Such a file or folder.
        path: RepoPath,
    },
    /// Something it needs runs and may produce something new.
    Upstream {
        /// The needed step.
        step: StepId,
    },
    /// A step that runs needs its outputs.
    OutputsNeeded {
        /// The step that needs them.
        by: StepId,
    },
    /// It was asked for by name, stage or tag, and runs whatever changed.
    Requested,
    /// It runs at the end of others (`run_on`), and some of those run.
    RunOn,
    /// `--smart-execution=observe`: it would have been skipped.
    Observed {
        /// Why it would have been.
        skip: Box<SkipReason>,
    },
}

/// Why a step does not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "skip", rename_all = "kebab-case")]
pub enum SkipReason {
    /// Nothing it watches changed since the base, and nothing it needs produces anything new.
    Unaffected {
        /// What makes the base trustworthy.
        evidence: Evidence,
        /// How many files changed that it does not watch.
        changed: usize,
        /// If all of them are of its ignored categories: which.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        only: Vec<String>,
    },
    /// A filter (`--steps`, `--stage`, `--tag`) leaves it out.
    Filtered,
    /// It runs only when asked for: a manual stage or `kind: deploy`.
    Manual,
    /// Its stage's trigger does not hold.
    StageNotTriggered {
        /// The stage.
        stage: String,
        /// The trigger, as written.
        trigger: String,
    },
    /// It asks a model, and `--ai=off` was said.
    AiOff,
    /// Its own `when` does not hold.
    WhenFalse {
        /// The expression, as written.
        when: String,
    },
    /// It runs at the end of others, and none of those runs.
    NothingToFollow,
}

/// What stands behind a skip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "kebab-case")]
pub enum Evidence {
    /// A recorded pass of the same definition, in the same context, at the base commit.
    Witnessed {
        /// The base.
        commit: String,
        /// The run that recorded it.
        run: String,
    },
    /// `skip_policy: trust-base`: CI guards the base commit. Definition compared; context not verified.
    Trusted {
        /// The base.
        commit: String,
    },
}

/// Why a planned step was not started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cancelled", rename_all = "kebab-case")]
pub enum CancelReason {
    /// A step it waits for did not pass.
    NeedFailed {
        /// That step.
        step: StepId,
    },
    /// `--fail-fast`: another step failed.
    FailFast {
        /// That step.
        step: StepId,
    },
    /// An earlier stage did not pass.
    StageFailed {
        /// That stage.
        stage: String,
    },
    /// An interrupt came first.
    Interrupted,
    /// `run_on: failure`, and nothing failed.
    NothingFailed,
}

/// What wf could not do, having done the safe thing instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FallbackCode {
    /// Not inside a git repository.
    NotARepository,
    /// git refuses the repository because somebody else owns it.
    OwnershipRefused,
    /// No backend reads this repository's format.
    FormatUnsupported,
    /// No default branch, unknown ref from the configuration, or no merge base.
    NoBase,
    /// A shallow clone does not reach the merge base.
    Shallow,
    /// On the default branch with no recorded green ancestor.
    NoGreenAncestor,
    /// In CI without `--base`: in logs of before wf asked the service.
    CiWithoutBase,
    /// No commit yet.
    Unborn,
    /// Reading the repository failed.
    GitFailed,
    /// A log or fact file could not be read; its evidence is not used.
    HistoryUnreadable,
    /// What was learned of earlier runs cannot be used or kept.
    ModelUnusable,
    /// The cache, or a part of it, cannot be read: everything there counts as not known.
    CacheUnreadable,
    /// Results cannot be stored.
    CacheUnwritable,
    /// A sink was retired.
    SinkRetired,
    /// The guard process could not be had or was lost; orphans are hunted by wf alone.
    GuardLost,
    /// There is no scratch tree that holds all that is staged: a hook looks at what is on disk.
    NoScratch,
}

/// Things people should know that change no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningCode {
    /// An ancestor's key that this version reads but does not act on.
    ConfigIgnored,
    /// No configuration: a detected default pipeline is used.
    DefaultPipeline,
    /// A step left processes behind.
    Leaked,
    /// A step's output went past the log's cap.
    OutputCapped,
    /// A step's log could not be written.
    OutputLost,
    /// A step uses more memory than it claims.
    OverClaim,
    /// A step has been silent and idle for long.
    Idle,
    /// A stage took longer than its target.
    OverTarget,
    /// A step that would have been skipped failed (`--smart-execution=observe`).
    WrongSkip,
    /// Another run holds the worktree; this one waits.
    Waiting,
    /// Something about folders and manifests of a monorepo.
    Expansion,
    /// Files or HEAD changed while the run went on, by a step or by anybody: its results are no evidence for its commit.
    TreeChanged,
    /// The same key passed and failed.
    Flaky,
    /// The same key made different outputs.
    NonDeterministic,
    /// Restoring outputs would have overwritten what wf did not make; that was kept first.
    Kept,
    /// The cache's index had lost verdicts on keys; they were read from the recorded runs again.
    VerdictsRebuilt,
    /// A file changed during the run by no step that declares it.
    UndeclaredChange,
    /// History was fetched from the remote, to find the base.
    Fetched,
    /// Anything to do with reading `.wf/`.
    State,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { path, more: 0, .. } => write!(f, "{path} changed"),
            Self::Changed { path, more, .. } => write!(f, "{path} and {more} more changed"),
            Self::DefinitionChanged => write!(f, "its definition changed"),
            Self::DefinitionUnknown { message } => write!(f, "its definition at the base is unknown: {message}"),
            Self::NoBase => write!(f, "there is no base to compare with"),
            Self::SmartOff => write!(f, "smart execution is off"),
            Self::FailedAtBase { run } => write!(f, "it failed at the base (run {run})"),
            Self::Unproven { rule } => write!(f, "nothing it watches changed, but no pass is recorded ({rule})"),
            Self::ContextChanged => write!(f, "its environment differs from the recorded one"),
            Self::Unseen { path } => write!(f, "it watches {path}, which git does not track"),
            Self::Upstream { step } => write!(f, "{step} runs and may change what it uses"),
            Self::OutputsNeeded { by } => write!(f, "{by} needs its outputs"),
            Self::Requested => write!(f, "asked for"),
            Self::RunOn => write!(f, "follows other steps"),
            Self::Observed { skip } => write!(f, "observing; it would be skipped: {skip}"),
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unaffected { changed: 0, .. } => write!(f, "nothing changed since the base"),
            Self::Unaffected { only, .. } if !only.is_empty() => write!(f, "only {} changed", only.join(" and ")),
            Self::Unaffected { changed: 1, .. } => write!(f, "does not watch the changed file"),
            Self::Unaffected { changed, .. } => write!(f, "watches none of {changed} changed files"),
            Self::Filtered => write!(f, "left out by a filter"),
            Self::Manual => write!(f, "manual: runs only when asked for"),
            Self::StageNotTriggered { stage, trigger } => write!(f, "stage {stage} is not triggered ({trigger})"),
            Self::AiOff => write!(f, "models are not asked (`--ai=off`)"),
            Self::WhenFalse { when } => write!(f, "its condition does not hold ({when})"),
            Self::NothingToFollow => write!(f, "nothing runs that it follows"),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |commit: &str| commit.chars().take(10).collect::<String>();
        match self {
            Self::Witnessed { commit, run } => write!(f, "passed at {} in run {run}", short(commit)),
            Self::Trusted { commit } => write!(f, "trusting the base {}, context unverified", short(commit)),
        }
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedFailed { step } => write!(f, "{step} did not pass"),
            Self::FailFast { step } => write!(f, "{step} failed first"),
            Self::StageFailed { stage } => write!(f, "stage {stage} did not pass"),
            Self::Interrupted => write!(f, "interrupted"),
            Self::NothingFailed => write!(f, "nothing failed"),
        }
    }
}
