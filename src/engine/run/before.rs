//! A run as long as nothing has to start: the cache is asked, and that is all. No runtime, no guard, no signal handlers. Most
//! runs end here.

use super::{Finished, Loop};
use crate::engine::reuse::Looked;
use crate::event::{EventKind, RunStarted};
use crate::schedule::{Answer, Effect, Input, Lookup, State};
use std::sync::Arc;

impl Loop {
    /// Goes on until the run is over, or something has to be started.
    pub(super) fn without_steps(mut self, started: RunStarted) -> Result<Finished, Box<Self>> {
        let expected = self.expecting.at_first(&mut self.scheduler, &self.prepared, &self.steps);
        let mut first = self.inputs.pop_front().map(|(input, _)| self.scheduler.step(self.clock.now(), input));
        let at_once = first.as_mut().and_then(|effects| effects.iter().position(|e| matches!(e, Effect::Lookup(_))));
        let asked = match (at_once, &mut first) {
            (Some(at), Some(effects)) => match effects.remove(at) {
                Effect::Lookup(tasks) => tasks,
                _ => vec![],
            },
            _ => vec![],
        };
        let looked = self.look_beside(&asked, |this| {
            this.tell_plan(started);
            this.tell_all(expected);
        });
        self.looked(looked);
        for effect in first.into_iter().flatten() {
            match effect {
                Effect::Start { .. } | Effect::WakeAt(_) => self.deferred.push(effect),
                Effect::Finish(status) => return Ok(self.finish(status)),
                effect => self.perform(effect, None),
            }
        }
        let mut untold = vec![];
        while self.deferred.is_empty() {
            let Some((input, report)) = self.inputs.pop_front() else { break };
            let effects = self.scheduler.step(self.clock.now(), input);
            // What can start does not wait until the next tasks were looked up.
            if report.is_none() && effects.iter().any(|effect| matches!(effect, Effect::Start { .. })) {
                self.deferred = effects;
                break;
            }
            for effect in effects {
                let telling = std::mem::take(&mut untold);
                if let Effect::Lookup(tasks) = effect {
                    let looked = self.look_beside(&tasks, |this| this.tell_all(telling));
                    untold = self.heard(looked);
                    continue;
                }
                self.tell_all(telling);
                match effect {
                    Effect::Start { .. } | Effect::WakeAt(_) => self.deferred.push(effect),
                    Effect::Finish(status) => return Ok(self.finish(status)),
                    effect => self.perform(effect, report.as_ref()),
                }
            }
        }
        self.tell_all(untold);
        Err(Box::new(self))
    }

    /// Asks the cache about tasks, and tells meanwhile: with thousands of steps either takes milliseconds.
    fn look_beside(&mut self, tasks: &[usize], tell: impl FnOnce(&mut Self)) -> Vec<Looked> {
        let steps: Vec<usize> = tasks.iter().map(|task| self.steps[*task]).collect();
        let Some(reuse) = self.reuse.as_ref().map(Arc::clone).filter(|_| !steps.is_empty()) else {
            tell(self);
            return vec![];
        };
        let mut looked = vec![];
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| looked = reuse.look(&steps));
            tell(self);
        });
        looked
    }

    /// Tells what the cache said, and lets the scheduler know.
    pub(super) fn looked(&mut self, looked: Vec<Looked>) {
        if !looked.is_empty() {
            let untold = self.heard(looked);
            self.tell_all(untold);
        }
    }

    /// Lets the scheduler know what the cache said. What is to be told of it comes back, unless something was not known: that
    /// is told at once, because it puts what is about to start in order.
    fn heard(&mut self, looked: Vec<Looked>) -> Vec<EventKind> {
        let (mut reused, mut events, mut answers) = (Vec::new(), Vec::new(), Vec::with_capacity(looked.len()));
        for Looked { at, answer, notes } in looked {
            let Some(&task) = self.tasks.get(&at) else { continue };
            let open = self.scheduler.state(task) == State::Looking;
            events.extend(notes);
            match answer {
                Ok(hit) => {
                    answers.push((task, Answer::Hit));
                    reused.extend(open.then_some(hit));
                }
                Err(why) => {
                    answers.push((task, Answer::Miss));
                    if open && self.prepared.plan.decisions[at].runs() {
                        let step = self.prepared.plan.graph.step(at).id.clone();
                        events.push(EventKind::StepMissed { step, why });
                    }
                }
            }
        }
        if !reused.is_empty() {
            events.push(EventKind::StepsReused { steps: reused });
        }
        let runs = |(task, answer): &(usize, Answer)| {
            *answer == Answer::Miss && self.scheduler.tasks()[*task].lookup == Lookup::First
        };
        if answers.iter().any(runs) {
            self.tell_all(std::mem::take(&mut events));
        }
        let expected = self.expecting.answered(&answers, &mut self.scheduler, &self.prepared, &self.steps);
        self.tell_all(expected);
        self.inputs.push_back((Input::Looked(answers), None));
        events
    }

    fn tell_all(&mut self, events: Vec<EventKind>) {
        for event in events {
            self.telling.tell(event);
        }
    }
}
