//! The decision for each step. Pure.
//!
//! One rule above all: a skip needs evidence, a run does not. Every way out of [`Deciding::smart`] that skips names
//! what stands behind it.

use super::{BaseDefinitions, Facts, select};
use crate::base::RepoPath;
use crate::change::Base;
use crate::classify::{self, Cause};
use crate::config::model::{AiMode, Command, RunOn, SkipPolicy, Smart};
use crate::config::trigger::{Facts as TriggerFacts, Trigger};
use crate::event::{Because, Decision, Evidence, PlannedStage, SkipReason};
use crate::graph::{Edge, Step};

/// The stages, each with whether its trigger holds.
pub fn stages(facts: &Facts<'_>) -> Vec<PlannedStage> {
    let planned = |stage: &crate::config::model::StageSpec| PlannedStage {
        name: stage.name.clone(),
        target_ms: stage.target_ms,
        triggered: holds(facts, &stage.trigger, asks_for_stage(facts, &stage.name)),
        trigger: stage.trigger.to_string(),
    };
    facts.stages.iter().map(planned).collect()
}

fn asks_for_stage(facts: &Facts<'_>, stage: &str) -> bool {
    facts.request.manual.contains(stage) || facts.request.filter.stages.iter().any(|name| name == stage)
}

/// Does a trigger hold? Without smart execution nothing about the change is asked.
fn holds(facts: &Facts<'_>, trigger: &Trigger, asked_for: bool) -> bool {
    let class = facts.class.filter(|_| facts.request.settings.smart_execution != Smart::Off);
    match class {
        None => trigger.holds(asked_for, None),
        Some(class) => {
            let changes = |category: &str| class.changes(category);
            let known: TriggerFacts<'_> = (&changes, class.impact);
            trigger.holds(asked_for, Some(known))
        }
    }
}

/// All decisions, by position.
pub fn decisions(
    facts: &Facts<'_>,
    selected: &[bool],
    stages: &[PlannedStage],
    unseen: &[Option<&RepoPath>],
) -> Vec<Decision> {
    // Nobody asks for them without smart execution.
    let class = facts.class.filter(|_| facts.request.settings.smart_execution != Smart::Off);
    let causes = class.map_or_else(Vec::new, |class| classify::causes(facts.graph, &class.paths));
    let deciding = Deciding { facts, selected, stages, unseen, causes };
    let mut decisions = vec![Decision::Skip(SkipReason::Filtered); facts.graph.len()];
    let mut stale = vec![false; facts.graph.len()];
    for &at in facts.graph.order() {
        decisions[at] = deciding.first(at, &decisions, &stale);
        stale[at] = is_held_back(&decisions[at]) && deciding.smart(at, &decisions, &stale).runs();
    }
    // Each only turns skips into runs, and may give the others more to do.
    let mut before = None;
    while before != Some(decisions.iter().filter(|decision| decision.runs()).count()) {
        before = Some(decisions.iter().filter(|decision| decision.runs()).count());
        deciding.news(&mut decisions, &mut stale);
        deciding.outputs(&mut decisions, &stale);
        deciding.followers(&mut decisions);
    }
    if facts.request.settings.smart_execution == Smart::Observe {
        let free = decisions.iter_mut().enumerate().filter(|(at, _)| !deciding.waits_for_a_person(*at));
        free.for_each(|(_, decision)| observe(decision));
    }
    decisions
}

/// What a change would have skipped runs, and says so.
fn observe(decision: &mut Decision) {
    use SkipReason::{StageNotTriggered, Unaffected, WhenFalse};
    if let Decision::Skip(skip @ (Unaffected { .. } | StageNotTriggered { .. } | WhenFalse { .. })) = decision {
        *decision = Decision::Run(Because::Observed { skip: Box::new(skip.clone()) });
    }
}

struct Deciding<'a> {
    facts: &'a Facts<'a>,
    selected: &'a [bool],
    stages: &'a [PlannedStage],
    unseen: &'a [Option<&'a RepoPath>],
    causes: Vec<Option<Cause>>,
}

impl Deciding<'_> {
    /// The decision from what stands before the step in the graph.
    fn first(&self, at: usize, so_far: &[Decision], stale: &[bool]) -> Decision {
        let step = self.facts.graph.step(at);
        if !self.selected[at] {
            return Decision::Skip(SkipReason::Filtered);
        }
        if self.facts.request.settings.ai.mode == AiMode::Off && matches!(step.command, Command::Ai(_)) {
            return Decision::Skip(SkipReason::AiOff);
        }
        let asked = self.is_asked_for(step);
        let stage = step.stage.as_ref().and_then(|name| self.stages.iter().find(|stage| stage.name == *name));
        if step.is_deploy() || stage.is_some_and(|stage| self.is_manual(&stage.name)) {
            // Who asks for a deployment wants it now; that nothing changed is no reason not to.
            return if asked { Decision::Run(Because::Requested) } else { Decision::Skip(SkipReason::Manual) };
        }
        // A step that cannot have what it needs does not run either.
        let mut needs = self.facts.graph.waits(at).iter().filter(|(_, edge)| *edge == Edge::Needs);
        if needs.any(|(need, _)| matches!(so_far[*need], Decision::Skip(SkipReason::Manual)))
            && !self.facts.request.filter.alone
        {
            return Decision::Skip(SkipReason::Manual);
        }
        let staged = self.facts.request.settings.multi_stage;
        let skip = match (stage, &step.when) {
            (Some(stage), _) if staged && !stage.triggered && !asked => {
                Some(SkipReason::StageNotTriggered { stage: stage.name.clone(), trigger: stage.trigger.clone() })
            }
            (_, Some(when)) if !holds(self.facts, when, asked) => {
                if *when == Trigger::Manual || (when.names_manual() && self.facts.class.is_none()) {
                    return Decision::Skip(SkipReason::Manual);
                }
                Some(SkipReason::WhenFalse { when: when.to_string() })
            }
            _ => None,
        };
        match skip {
            Some(skip) => Decision::Skip(skip),
            None if step.run_on != RunOn::Success => Decision::Skip(SkipReason::NothingToFollow),
            None => self.smart(at, so_far, stale),
        }
    }

    /// What smart execution says. `stale` are the steps that a condition holds back though something that they watch, or
    /// their definition, changed: what they would have made is missing, and who needs that cannot be called unaffected.
    fn smart(&self, at: usize, so_far: &[Decision], stale: &[bool]) -> Decision {
        let facts = self.facts;
        let step = facts.graph.step(at);
        let run = |because| Decision::Run(because);
        if facts.request.filter.alone && select::is_named(facts.graph, &facts.request.filter, at) {
            return run(Because::Requested);
        }
        if facts.request.settings.smart_execution == Smart::Off {
            return run(Because::SmartOff);
        }
        let Some(class) = facts.class else { return run(Because::NoBase) };
        if let Some(Some(cause)) = self.causes.get(at) {
            let Cause { path, rule, more } = cause.clone();
            return run(Because::Changed { path, rule, more });
        }
        match facts.at_base {
            BaseDefinitions::Same => {}
            BaseDefinitions::Of(then) if then.get(&step.id) == Some(&self.facts.definitions[at]) => {}
            BaseDefinitions::Of(_) => return run(Because::DefinitionChanged),
            BaseDefinitions::Unknown(message) => return run(Because::DefinitionUnknown { message: message.clone() }),
        }
        if let Some(path) = self.unseen[at] {
            return run(Because::Unseen { path: path.clone() });
        }
        let mut needs = facts.graph.waits(at).iter().filter(|(_, edge)| *edge == Edge::Needs);
        if let Some((need, _)) = needs.find(|(need, _)| may_produce_news(&so_far[*need]) || stale[*need]) {
            return run(Because::Upstream { step: facts.graph.step(*need).id.clone() });
        }
        match self.evidence(at, step) {
            Err(because) => run(because),
            Ok(evidence) => {
                let in_ignored = |file: &classify::Classified| {
                    file.category.as_ref().is_some_and(|category| step.ignore.contains(category))
                };
                let all_ignored = class.paths.iter().all(in_ignored);
                let only = if all_ignored { class.counts.keys().cloned().collect() } else { vec![] };
                let changed = class.paths.len();
                Decision::Skip(SkipReason::Unaffected { evidence, changed, only })
            }
        }
    }

    /// What stands behind a skip of a step that nothing changed for, or why it has to run all the same.
    fn evidence(&self, at: usize, step: &Step) -> Result<Evidence, Because> {
        let facts = self.facts;
        let (commit, what) = match &facts.change.base {
            Base::Commit { commit, .. } => {
                (commit.clone(), "the base is not a commit of the default branch, or HEAD is on it")
            }
            Base::Staged { head: Some(head) } => (head.clone(), "only what is staged is looked at"),
            Base::Staged { head: None } | Base::None => return Err(Because::NoBase),
        };
        let about = facts.known.base.as_ref().is_some_and(|base| *base == commit);
        let verdict = facts.known.at_base.get(&step.id).filter(|_| about && step.witnesses());
        match verdict.filter(|verdict| verdict.definition == self.facts.definitions[at]) {
            Some(verdict) if !verdict.passed => Err(Because::FailedAtBase { run: verdict.run.to_string() }),
            Some(verdict) if verdict.context != facts.contexts[at] => Err(Because::ContextChanged),
            Some(verdict) => Ok(Evidence::Witnessed { commit, run: verdict.run.to_string() }),
            None if facts.request.settings.skip_policy == SkipPolicy::Witnessed => {
                Err(Because::Unproven { rule: "skip_policy: witnessed".into() })
            }
            None if !facts.change.base_guarded => Err(Because::Unproven { rule: what.into() }),
            None => Ok(Evidence::Trusted { commit }),
        }
    }

    /// What became known later: a step that edits files in place may change what a skipped step watches, and a step that
    /// was made to run may produce something new. Either way the skipped step runs too, or is stale if it is held back.
    fn news(&self, decisions: &mut [Decision], stale: &mut [bool]) {
        let graph = self.facts.graph;
        let writers: Vec<usize> =
            (0..graph.len()).filter(|at| graph.step(*at).writes.is_some() && decisions[*at].runs()).collect();
        let makes = |at: &usize| graph.step(*at).outputs.is_some() && may_produce_news(&decisions[*at]);
        let producers: Vec<usize> = (0..graph.len()).filter(makes).collect();
        for &at in graph.order() {
            let held = is_held_back(&decisions[at]);
            if stale[at] || !(held || matches!(decisions[at], Decision::Skip(SkipReason::Unaffected { .. }))) {
                continue;
            }
            let needs = graph.waits(at).iter().filter(|(_, edge)| *edge == Edge::Needs).map(|(need, _)| *need);
            let writer = writers.iter().copied().find(|writer| graph.may_rewrite(*writer, at));
            let made = producers.iter().copied().find(|maker| *maker != at && graph.may_feed(*maker, at));
            let sources = writer.into_iter().chain(made);
            let mut sources = sources.chain(needs.filter(|need| may_produce_news(&decisions[*need]) || stale[*need]));
            let source = sources.next();
            if held {
                stale[at] = source.is_some();
            } else if let Some(source) = source {
                decisions[at] = Decision::Run(Because::Upstream { step: graph.step(source).id.clone() });
            }
        }
    }

    /// Graph integrity: a skipped step whose outputs a running step needs runs too.
    fn outputs(&self, decisions: &mut [Decision], stale: &[bool]) {
        let graph = self.facts.graph;
        if self.facts.request.filter.alone {
            return;
        }
        for &at in graph.order().iter().rev().filter(|at| graph.step(**at).run_on == RunOn::Success) {
            if !decisions[at].runs() {
                continue;
            }
            for &(need, edge) in graph.waits(at) {
                let missing = match &decisions[need] {
                    Decision::Run(_)
                    | Decision::Skip(SkipReason::Manual | SkipReason::Filtered | SkipReason::NothingToFollow) => false,
                    Decision::Skip(_) => graph.step(need).outputs.is_some(),
                };
                if edge == Edge::Needs && missing && !self.waits_for_a_person(need) {
                    // It may have been held back though it changed: then what it makes is news after all.
                    let own = self.smart(need, decisions, stale);
                    let needed = Because::OutputsNeeded { by: graph.step(at).id.clone() };
                    decisions[need] = if own.runs() { own } else { Decision::Run(needed) };
                }
            }
        }
    }

    /// Steps with `run_on: failure` or `always` run when something that they follow does.
    fn followers(&self, decisions: &mut [Decision]) {
        let graph = self.facts.graph;
        let any_runs = decisions.iter().any(Decision::runs);
        for &at in graph.order() {
            if matches!(decisions[at], Decision::Skip(SkipReason::NothingToFollow)) {
                let waits = graph.waits(at);
                let follows = if waits.is_empty() { any_runs } else { waits.iter().any(|(w, _)| decisions[*w].runs()) };
                if follows {
                    decisions[at] = Decision::Run(Because::RunOn);
                }
            }
        }
    }

    /// Does it run only when a person asks: a deployment, or a condition or stage that names `manual`?
    fn waits_for_a_person(&self, at: usize) -> bool {
        let step = self.facts.graph.step(at);
        let stage = self.facts.stages.iter().find(|stage| step.stage.as_ref() == Some(&stage.name));
        let manual = step.is_deploy()
            || step.when.as_ref().is_some_and(Trigger::names_manual)
            || stage.is_some_and(|stage| stage.trigger.names_manual());
        manual && !self.is_asked_for(step)
    }

    fn is_asked_for(&self, step: &Step) -> bool {
        let filter = &self.facts.request.filter;
        (!filter.steps.is_empty() && filter.names(&step.id))
            || step.stage.as_ref().is_some_and(|stage| asks_for_stage(self.facts, stage))
    }

    fn is_manual(&self, stage: &str) -> bool {
        let found = self.facts.stages.iter().find(|spec| spec.name == stage);
        found.is_some_and(|spec| {
            spec.trigger.names_manual() && (spec.trigger == Trigger::Manual || self.facts.class.is_none())
        })
    }
}

/// Does a condition, and nothing else, keep it from running?
fn is_held_back(decision: &Decision) -> bool {
    matches!(
        decision,
        Decision::Skip(SkipReason::WhenFalse { .. } | SkipReason::StageNotTriggered { .. } | SkipReason::AiOff)
    )
}

/// May a run of this step give its dependents something they have not seen? Not one that only restores its outputs.
fn may_produce_news(decision: &Decision) -> bool {
    match decision {
        Decision::Run(Because::OutputsNeeded { .. }) | Decision::Skip(_) => false,
        Decision::Run(_) => true,
    }
}
