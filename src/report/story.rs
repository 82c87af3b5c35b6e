//! A run as tests tell it: events with rising numbers and times.

use super::{Look, RunView, SinkOptions};
use crate::base::{Digest, Millis, RepoPath, RunId, StepId};
use crate::change::{Base, BaseHow, ChangedFile, Status, Where};
use crate::config::model::OutputMode;
use crate::event::{
    Because, CancelReason, Decision, Event, EventKind, Evidence, FallbackCode, Machine, Outcome, Place, PlannedStage,
    PlannedStep, RunRule, RunStarted, RunStatus, SkipReason, StepFinished, Usage, WarningCode,
};
use std::path::Path;

/// Events in the making.
#[derive(Default)]
pub struct Story {
    pub events: Vec<Event>,
}

/// An id, instances included.
pub fn id(text: &str) -> StepId {
    serde_json::from_value(text.into()).unwrap()
}

/// A step that runs because a file changed.
pub fn runs(text: &str) -> PlannedStep {
    let rule = RunRule::Input { pattern: "src/**".into() };
    step(text, Decision::Run(Because::Changed { path: RepoPath::from("src/a.rs"), rule, more: 0 }))
}

/// A step that is skipped, witnessed or on trust.
pub fn skips(text: &str, witnessed: bool) -> PlannedStep {
    step(text, Decision::Skip(unaffected(witnessed)))
}

pub fn unaffected(witnessed: bool) -> SkipReason {
    let commit = "1a2b3c4d5e6f708090a0b0c0d0e0f00112233445".to_owned();
    let evidence = if witnessed {
        Evidence::Witnessed { commit, run: "01920000-0000-7000-8000-000000000001".into() }
    } else {
        Evidence::Trusted { commit }
    };
    SkipReason::Unaffected { evidence, changed: 3, only: vec!["docs".into()] }
}

pub fn step(text: &str, decision: Decision) -> PlannedStep {
    PlannedStep {
        id: id(text),
        name: None,
        stage: None,
        decision,
        waits_for: vec![],
        batch: 0,
        definition: Digest::of_bytes(b""),
        context: Digest::of_bytes(b""),
        witnesses: true,
    }
}

pub fn started() -> RunStarted {
    RunStarted {
        format: 1,
        semantics: 1,
        run: RunId("01920000-0000-7000-8000-0000000000ff".into()),
        started_at: "2026-02-09T18:45:23Z".into(),
        version: "0.1.0".into(),
        pid: 4242,
        root: "/repo".into(),
        commit: Some("feedfacefeedfacefeedfacefeedfacefeedface".into()),
        clean: false,
        branch: Some("topic".into()),
        smart: "on".into(),
        parallel: true,
        multi_stage: false,
        ml_optimize: false,
        jobs: 2,
        filtered: false,
        witnesses: true,
        place: Place::Local,
        machine: Machine::default(),
        shard: None,
    }
}

impl Story {
    pub fn at(&mut self, at_ms: Millis, kind: EventKind) -> &mut Self {
        self.events.push(Event { seq: self.events.len() as u64, at_ms, kind });
        self
    }

    /// Run, change and plan.
    pub fn plan(steps: Vec<PlannedStep>) -> Self {
        Self::staged(steps, vec![])
    }

    pub fn staged(steps: Vec<PlannedStep>, stages: Vec<PlannedStage>) -> Self {
        let mut story = Self::default();
        let run = RunStarted { multi_stage: !stages.is_empty(), ..started() };
        story.at(0, EventKind::RunStarted(Box::new(run)));
        let file = ChangedFile {
            path: RepoPath::from("src/a.rs"),
            from: None,
            status: Status::Modified,
            seen: Where { unstaged: true, ..Where::default() },
            modes: (0o100_644, 0o100_644),
        };
        let how = BaseHow::MergeBase { branch: "refs/remotes/origin/main".into() };
        story.at(
            1,
            EventKind::Changes {
                base: Base::Commit { commit: "1a2b3c4d5e6f708090a0b0c0d0e0f00112233445".into(), how },
                total: 1,
                files: vec![file],
                change_type: "code-only".into(),
                impact: "medium".into(),
                impact_because: vec!["1 code file".into()],
                categories: [("code".into(), 1)].into(),
            },
        );
        story.at(2, EventKind::Planned { steps, stages });
        story
    }

    pub fn start(&mut self, at_ms: Millis, step: &str) -> &mut Self {
        self.at(at_ms, EventKind::StepStarted { step: id(step), attempt: 1 })
    }

    pub fn output(&mut self, at_ms: Millis, step: &str, tail: &str) -> &mut Self {
        let bytes = tail.len() as u64 + 1;
        self.at(at_ms, EventKind::StepOutput { step: id(step), attempt: 1, bytes, tail: tail.into() })
    }

    pub fn end(&mut self, at_ms: Millis, step: &str, wall_ms: Millis, outcome: Outcome) -> &mut Self {
        self.finish(at_ms, StepFinished { outcome, wall_ms, ..finished(step) })
    }

    pub fn finish(&mut self, at_ms: Millis, end: StepFinished) -> &mut Self {
        self.at(at_ms, EventKind::StepFinished(Box::new(end)))
    }

    pub fn done(&mut self, at_ms: Millis, status: RunStatus) -> &mut Self {
        let exit_code = u8::from(status != RunStatus::Passed);
        self.at(at_ms, EventKind::RunFinished { status, exit_code, wall_ms: at_ms })
    }

    pub fn view(&self) -> RunView {
        RunView::of(self.events.clone())
    }
}

pub fn finished(step: &str) -> StepFinished {
    StepFinished {
        step: id(step),
        attempt: 1,
        outcome: Outcome::Passed,
        last: true,
        allowed: false,
        wall_ms: 0,
        usage: Usage { cpu_ms: 500, memory_bytes: 64 << 20, disk_bytes: 1 << 20 },
        log: None,
        output_bytes: 0,
        leaked: vec![],
        key: None,
    }
}

/// A run with one of everything.
pub fn eventful() -> Story {
    let mut observed = runs("docs");
    observed.decision = Decision::Run(Because::Observed { skip: Box::new(unaffected(true)) });
    let stage = |mut s: PlannedStep, name: &str| {
        s.stage = Some(name.into());
        s
    };
    let plan = vec![
        stage(runs("build"), "checks"),
        stage(observed, "checks"),
        stage(runs("lint"), "checks"),
        stage(PlannedStep { waits_for: vec![id("build")], batch: 1, ..runs("test@services/a pi") }, "checks"),
        stage(PlannedStep { waits_for: vec![id("test@services/a pi")], batch: 2, ..runs("upload") }, "ship"),
        stage(skips("site", true), "checks"),
        stage(skips("manual-pages", false), "checks"),
        stage(step("deploy", Decision::Skip(SkipReason::Manual)), "ship"),
    ];
    let planned = |name: &str, target_ms| PlannedStage {
        name: name.into(),
        target_ms,
        triggered: true,
        trigger: "always".into(),
    };
    let mut story = Story::staged(plan, vec![planned("checks", Some(10_000)), planned("ship", None)]);
    story
        .at(
            3,
            EventKind::Fallback {
                code: FallbackCode::Shallow,
                message: "the clone is shallow and does not reach the merge base".into(),
                hint: Some("git fetch --unshallow".into()),
            },
        )
        .at(4, EventKind::StageStarted { stage: "checks".into() })
        .start(10, "build")
        .start(12, "docs")
        .at(500, EventKind::StepSample { step: id("build"), cpu_ms: 400, memory_bytes: 100 << 20, disk_bytes: 4096 })
        .at(600, EventKind::StepSample { step: id("docs"), cpu_ms: 100, memory_bytes: 50 << 20, disk_bytes: 0 })
        .at(
            8_600,
            EventKind::StepSample { step: id("build"), cpu_ms: 7_000, memory_bytes: 90 << 20, disk_bytes: 9 << 20 },
        )
        .output(700, "build", "   Compiling wf")
        .end(1_200, "docs", 1_188, Outcome::Failed { code: 2 })
        .start(1_210, "lint")
        .finish(
            2_000,
            StepFinished { allowed: true, outcome: Outcome::Failed { code: 1 }, wall_ms: 790, ..finished("lint") },
        )
        .at(9_000, EventKind::StepPhase { step: id("build"), phase: "compile".into(), wall_ms: 8_000 })
        .end(9_400, "build", 9_390, Outcome::Passed)
        .start(9_410, "test@services/a pi")
        .finish(
            10_000,
            StepFinished {
                last: false,
                outcome: Outcome::TimedOut { after_ms: 500 },
                wall_ms: 590,
                ..finished("test@services/a pi")
            },
        )
        .at(
            10_001,
            EventKind::StepRetrying { step: id("test@services/a pi"), attempt: 2, after_ms: 1_000, expected: None },
        )
        .at(11_001, EventKind::StepStarted { step: id("test@services/a pi"), attempt: 2 })
        .finish(
            12_400,
            StepFinished {
                attempt: 2,
                outcome: Outcome::Signalled { signal: 11 },
                wall_ms: 1_399,
                log: Some("out/test.2.log".into()),
                output_bytes: 1_000,
                ..finished("test@services/a pi")
            },
        )
        .at(
            12_401,
            EventKind::Warning {
                code: WarningCode::Leaked,
                step: Some(id("build")),
                message: "left `sccache` running; it was killed".into(),
            },
        )
        .at(
            12_402,
            EventKind::StepCancelled {
                step: id("upload"),
                reason: CancelReason::NeedFailed { step: id("test@services/a pi") },
            },
        )
        .at(12_405, EventKind::StageFinished { stage: "checks".into(), passed: false, wall_ms: 12_401 })
        .done(12_410, RunStatus::Failed);
    story
}

pub fn look() -> Look {
    Look { color: false, width: 80, github: false, verbose: false, zone: jiff::tz::TimeZone::UTC }
}

pub fn options(run_dir: &Path, mode: OutputMode) -> SinkOptions {
    SinkOptions {
        mode,
        json: false,
        stdout_terminal: false,
        stderr_terminal: false,
        dumb: false,
        columns: 80,
        columns_forced: None,
        color_stdout: false,
        color_stderr: false,
        ci: true,
        github: false,
        actions: None,
        zone: jiff::tz::TimeZone::UTC,
        run_dir: run_dir.to_owned(),
        state_dir: None,
        junit: None,
        verbose: false,
        replay: false,
        stored: super::Stored::default(),
    }
}
