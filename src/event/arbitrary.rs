//! Arbitrary events, for tests of what writes and reads them. Pure. Boxed throughout: the value trees of nested
//! strategies are larger than a test thread's stack.

use super::{
    Because, CancelReason, Decision, Event, EventKind, Evidence, Expected, ExpectedStep, FORMAT, FallbackCode,
    Interval, Machine, Miss, NotCached, NotStored, Noticed, Outcome, Place, PlannedStage, PlannedStep, Reused, RunRule,
    RunStarted, RunStatus, SEMANTICS, SkipReason, StepFinished, Usage, WarningCode,
};
use crate::base::{BlobRef, Digest, RepoPath, RunId, StepId};
use crate::change::{Base, BaseHow, ChangedFile, Status, Where};
use crate::key::{Field, How, Key, KeyChange};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Texts with what logs trip over: quotes, newlines, escapes, other scripts, nothing.
fn text() -> BoxedStrategy<String> {
    prop_oneof![any::<String>(), "[ -~]{0,20}", Just("\n\r\u{1b}[31m\"\\\u{2028}\0".to_owned())].boxed()
}

/// Any bytes but NUL, also such as are not UTF-8.
fn path() -> BoxedStrategy<RepoPath> {
    vec(1u8..=255, 0..12).prop_map(|bytes| RepoPath::from_bytes(&bytes)).boxed()
}

fn id() -> BoxedStrategy<StepId> {
    let plain = "[A-Za-z0-9][A-Za-z0-9_.-]{0,12}".prop_filter_map("an id", |text| StepId::parse(&text).ok());
    (plain, option::of("[a-z/ é\"]{1,12}"))
        .prop_map(|(id, folder)| folder.map_or(id.clone(), |folder| id.instance(&RepoPath::from(folder.as_str()))))
        .boxed()
}

fn digest() -> BoxedStrategy<Digest> {
    any::<[u8; 8]>().prop_map(|bytes| Digest::of_bytes(&bytes)).boxed()
}

fn rule() -> BoxedStrategy<RunRule> {
    prop_oneof![
        text().prop_map(|pattern| RunRule::Input { pattern }),
        vec(text(), 0..3).prop_map(|categories| RunRule::Everything { categories }),
        path().prop_map(|folder| RunRule::Folder { folder }),
        Just(RunRule::Shared),
    ]
    .boxed()
}

fn skip() -> BoxedStrategy<SkipReason> {
    let evidence = prop_oneof![
        (text(), text()).prop_map(|(commit, run)| Evidence::Witnessed { commit, run }),
        text().prop_map(|commit| Evidence::Trusted { commit }),
    ];
    prop_oneof![
        (evidence, any::<usize>(), vec(text(), 0..3)).prop_map(|(evidence, changed, only)| SkipReason::Unaffected {
            evidence,
            changed,
            only
        }),
        Just(SkipReason::Filtered),
        Just(SkipReason::Manual),
        (text(), text()).prop_map(|(stage, trigger)| SkipReason::StageNotTriggered { stage, trigger }),
        text().prop_map(|when| SkipReason::WhenFalse { when }),
        Just(SkipReason::AiOff),
        Just(SkipReason::NothingToFollow),
    ]
    .boxed()
}

fn because() -> BoxedStrategy<Because> {
    let first = prop_oneof![
        (path(), rule(), any::<usize>()).prop_map(|(path, rule, more)| Because::Changed { path, rule, more }),
        select(vec![
            Because::DefinitionChanged,
            Because::NoBase,
            Because::SmartOff,
            Because::ContextChanged,
            Because::Requested,
            Because::RunOn,
        ]),
        text().prop_map(|message| Because::DefinitionUnknown { message }),
        text().prop_map(|run| Because::FailedAtBase { run }),
        text().prop_map(|rule| Because::Unproven { rule }),
    ];
    let second = prop_oneof![
        path().prop_map(|path| Because::Unseen { path }),
        id().prop_map(|step| Because::Upstream { step }),
        id().prop_map(|by| Because::OutputsNeeded { by }),
        skip().prop_map(|skip| Because::Observed { skip: Box::new(skip) }),
    ];
    prop_oneof![first, second].boxed()
}

fn planned() -> BoxedStrategy<PlannedStep> {
    let decision = prop_oneof![because().prop_map(Decision::Run), skip().prop_map(Decision::Skip)];
    let names = (id(), option::of(text()), option::of(text()), vec(id(), 0..3));
    (names, decision, any::<u32>(), digest(), digest(), any::<bool>())
        .prop_map(|((id, name, stage, waits_for), decision, batch, definition, context, witnesses)| PlannedStep {
            id,
            name,
            stage,
            decision,
            waits_for,
            batch,
            definition,
            context,
            witnesses,
        })
        .boxed()
}

fn span() -> BoxedStrategy<Option<Interval>> {
    option::of((any::<u64>(), any::<u64>(), any::<u64>()))
        .prop_map(|span| span.map(|(ms, low_ms, high_ms)| Interval { ms, low_ms, high_ms }))
        .boxed()
}

fn expected() -> BoxedStrategy<Expected> {
    let step = (id(), span(), any::<u64>(), any::<u32>(), any::<u32>()).prop_map(
        |(step, span, mean_ms, samples, risk_milli)| ExpectedStep { step, span, mean_ms, samples, risk_milli },
    );
    let noticed = any::<(Option<u32>, Option<bool>, Option<u32>)>().prop_map(|(lines, cold, reused_milli)| Noticed {
        lines,
        cold,
        reused_milli,
    });
    ((text(), text()), span(), any::<u64>(), any::<u64>(), noticed, vec(step, 0..3))
        .prop_map(|((strategy, level), run, critical_ms, work_ms, noticed, steps)| Expected {
            strategy,
            level,
            run,
            critical_ms,
            work_ms,
            noticed,
            steps,
        })
        .boxed()
}

fn stage() -> BoxedStrategy<PlannedStage> {
    (text(), option::of(any::<u64>()), any::<bool>(), text())
        .prop_map(|(name, target_ms, triggered, trigger)| PlannedStage { name, target_ms, triggered, trigger })
        .boxed()
}

/// Any end of an attempt.
pub fn outcome() -> BoxedStrategy<Outcome> {
    prop_oneof![
        Just(Outcome::Passed),
        any::<i32>().prop_map(|code| Outcome::Failed { code }),
        any::<i32>().prop_map(|signal| Outcome::Signalled { signal }),
        any::<u64>().prop_map(|after_ms| Outcome::TimedOut { after_ms }),
        any::<u64>().prop_map(|after_ms| Outcome::Idle { after_ms }),
        any::<(u64, u64)>().prop_map(|(used_bytes, limit_bytes)| Outcome::OutOfMemory { used_bytes, limit_bytes }),
        Just(Outcome::Stopped),
        text().prop_map(|message| Outcome::NotStarted { message }),
        Just(Outcome::Unanswered),
    ]
    .boxed()
}

fn finished() -> BoxedStrategy<StepFinished> {
    let usage = any::<(u64, u64, u64)>().prop_map(|(cpu_ms, memory_bytes, disk_bytes)| Usage {
        cpu_ms,
        memory_bytes,
        disk_bytes,
    });
    let numbers = any::<(u32, bool, bool, u64, u64)>();
    let key = option::of(digest().prop_map(Key));
    (id(), outcome(), numbers, usage, option::of(text()), vec(text(), 0..3), key)
        .prop_map(|(step, outcome, (attempt, last, allowed, wall_ms, output_bytes), usage, log, leaked, key)| {
            StepFinished { step, attempt, outcome, last, allowed, wall_ms, usage, log, output_bytes, leaked, key }
        })
        .boxed()
}

/// Used again, missed, not stored.
fn reuse() -> BoxedStrategy<EventKind> {
    let reused = (id(), digest(), any::<u64>(), text(), any::<usize>(), option::of(digest()), any::<bool>()).prop_map(
        |(step, key, saved_ms, run, restored, output, resumed)| Reused {
            step,
            key: Key(key),
            saved_ms,
            run: RunId(run),
            restored,
            output: output.map(|digest| BlobRef { digest, size: saved_ms }),
            resumed,
        },
    );
    let change =
        (select(vec![Field::Env, Field::File, Field::Command]), text(), select(vec![How::Added, How::Changed]))
            .prop_map(|(field, name, how)| KeyChange { field, name, how });
    let not_cached = prop_oneof![
        Just(NotCached::NotAsked),
        (text(), text()).prop_map(|(probe, message)| NotCached::ToolFailed { probe, message }),
        id().prop_map(|step| NotCached::Need { step }),
    ];
    let miss = prop_oneof![
        not_cached.prop_map(|why| Miss::NotCached { why }),
        (vec(change, 0..3), any::<usize>()).prop_map(|(changes, more)| Miss::Changed { changes, more }),
        (any::<u32>(), any::<u32>()).prop_map(|(passed, failed)| Miss::Flaky { passed, failed }),
        text().prop_map(|run| Miss::Failed { run: RunId(run) }),
        text().prop_map(|path| Miss::Damaged { path }),
        text().prop_map(|path| Miss::Missing { path }),
        select(vec![Miss::Never, Miss::Expired, Miss::Off]),
    ];
    let not_stored = prop_oneof![
        vec(text(), 0..3).prop_map(|patterns| NotStored::Missing { patterns }),
        id().prop_map(|step| NotStored::AllowedFailure { step }),
        any::<u64>().prop_map(|bytes| NotStored::NoRoom { bytes }),
        text().prop_map(|message| NotStored::Refused { message }),
        select(vec![NotStored::FlakyPass, NotStored::Incremental]),
    ];
    prop_oneof![
        vec(reused, 0..4).prop_map(|steps| EventKind::StepsReused { steps }),
        (id(), miss).prop_map(|(step, why)| EventKind::StepMissed { step, why }),
        expected().prop_map(|expected| EventKind::Expected(Box::new(expected))),
        (id(), not_stored).prop_map(|(step, why)| EventKind::NotStored { step, why }),
    ]
    .boxed()
}

/// The first event of any run.
pub fn started() -> BoxedStrategy<EventKind> {
    let texts = (text(), text(), text(), option::of(text()), option::of(text()));
    let machine = (any::<u32>(), 0f32..64.0, text()).prop_map(|(cores, load, runner)| Machine { cores, load, runner });
    (texts, text(), any::<[bool; 6]>(), any::<(u32, u32)>(), machine)
        .prop_map(|((started_at, version, root, commit, branch), run, flags, (pid, jobs), machine)| {
            let [clean, parallel, multi_stage, ml_optimize, filtered, witnesses] = flags;
            EventKind::RunStarted(Box::new(RunStarted {
                format: FORMAT,
                semantics: SEMANTICS,
                run: RunId(run),
                started_at,
                version,
                pid,
                root,
                commit,
                clean,
                branch,
                smart: "observe".into(),
                parallel,
                multi_stage,
                ml_optimize,
                jobs,
                filtered,
                witnesses,
                place: if filtered { Place::Ci } else { Place::Unknown },
                machine,
                shard: None,
            }))
        })
        .boxed()
}

fn changes() -> BoxedStrategy<EventKind> {
    let how = prop_oneof![
        text().prop_map(|reference| BaseHow::Asked { reference }),
        text().prop_map(|branch| BaseHow::MergeBase { branch }),
        text().prop_map(|run| BaseHow::GreenAncestor { run }),
        text().prop_map(|branch| BaseHow::Target { branch }),
        text().prop_map(|branch| BaseHow::SameFiles { branch }),
        text().prop_map(|branch| BaseHow::ForkPoint { branch }),
        proptest::strategy::Just(BaseHow::Before),
    ];
    let base = prop_oneof![
        (text(), how).prop_map(|(commit, how)| Base::Commit { commit, how }),
        option::of(text()).prop_map(|head| Base::Staged { head }),
        Just(Base::None),
    ];
    let status = select(vec![
        Status::Added,
        Status::Modified,
        Status::Deleted,
        Status::Renamed,
        Status::TypeChanged,
        Status::Submodule,
        Status::Conflicted,
    ]);
    let file = (path(), option::of(path()), status, any::<[bool; 4]>(), any::<(u32, u32)>()).prop_map(
        |(path, from, status, [committed, staged, unstaged, untracked], modes)| ChangedFile {
            path,
            from,
            status,
            seen: Where { committed, staged, unstaged, untracked },
            modes,
        },
    );
    let class = (text(), text(), vec(text(), 0..3), proptest::collection::btree_map(text(), any::<usize>(), 0..3));
    (base, any::<usize>(), vec(file, 0..4), class)
        .prop_map(|(base, total, files, (change_type, impact, impact_because, categories))| EventKind::Changes {
            base,
            total,
            files,
            change_type,
            impact,
            impact_because,
            categories,
        })
        .boxed()
}

fn cancelled() -> BoxedStrategy<EventKind> {
    let reason = prop_oneof![
        id().prop_map(|step| CancelReason::NeedFailed { step }),
        id().prop_map(|step| CancelReason::FailFast { step }),
        text().prop_map(|stage| CancelReason::StageFailed { stage }),
        Just(CancelReason::Interrupted),
        Just(CancelReason::NothingFailed),
    ];
    (id(), reason).prop_map(|(step, reason)| EventKind::StepCancelled { step, reason }).boxed()
}

/// Any event but the first.
pub fn later() -> BoxedStrategy<EventKind> {
    use EventKind as K;
    let fallback = select(vec![FallbackCode::NoBase, FallbackCode::Shallow, FallbackCode::HistoryUnreadable]);
    let warning = select(vec![WarningCode::Leaked, WarningCode::TreeChanged, WarningCode::Fetched, WarningCode::State]);
    let status = select(vec![RunStatus::Passed, RunStatus::Failed, RunStatus::Interrupted, RunStatus::Broken]);
    let run = prop_oneof![
        changes(),
        (vec(planned(), 0..4), vec(stage(), 0..3)).prop_map(|(steps, stages)| K::Planned { steps, stages }),
        (fallback, text(), option::of(text())).prop_map(|(code, message, hint)| K::Fallback { code, message, hint }),
        (warning, option::of(id()), text()).prop_map(|(code, step, message)| K::Warning { code, step, message }),
        text().prop_map(|stage| K::StageStarted { stage }),
        (text(), any::<bool>(), any::<u64>()).prop_map(|(stage, passed, wall_ms)| K::StageFinished {
            stage,
            passed,
            wall_ms
        }),
        (text(), any::<u32>()).prop_map(|(signal, times)| K::Interrupted { signal, times }),
        (status, any::<u8>(), any::<u64>()).prop_map(|(status, exit_code, wall_ms)| K::RunFinished {
            status,
            exit_code,
            wall_ms
        }),
    ];
    let step =
        prop_oneof![
            (id(), any::<u32>()).prop_map(|(step, attempt)| K::StepStarted { step, attempt }),
            (id(), any::<u32>(), any::<u64>(), text()).prop_map(|(step, attempt, bytes, tail)| K::StepOutput {
                step,
                attempt,
                bytes,
                tail
            }),
            (id(), any::<(u64, u64, u64)>()).prop_map(|(step, (cpu_ms, memory_bytes, disk_bytes))| K::StepSample {
                step,
                cpu_ms,
                memory_bytes,
                disk_bytes
            }),
            (id(), text(), any::<u64>()).prop_map(|(step, phase, wall_ms)| K::StepPhase { step, phase, wall_ms }),
            finished().prop_map(|end| K::StepFinished(Box::new(end))),
            (id(), any::<u32>(), any::<u64>(), span())
                .prop_map(|(step, attempt, after_ms, expected)| K::StepRetrying { step, attempt, after_ms, expected }),
            cancelled(),
        ];
    prop_oneof![3 => run, 3 => step, 1 => reuse()].boxed()
}

/// Any whole log.
pub fn log() -> BoxedStrategy<Vec<Event>> {
    (started(), vec(later(), 0..12), any::<u32>())
        .prop_map(|(first, later, pace)| {
            let number = |(seq, kind)| Event { seq, at_ms: seq * u64::from(pace), kind };
            (0..).zip(std::iter::once(first).chain(later)).map(number).collect()
        })
        .boxed()
}
