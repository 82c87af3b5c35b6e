//! The transition: one input in, effects out. Pure.

use super::{
    Answer, Cancel, Effect, Input, Lookup, Ready, Rules, Scheduler, StageState, State, States, Stopping, Task,
};
use crate::base::Millis;
use crate::config::model::{FailFast, RunOn};
use crate::event::{Outcome, RunStatus, StopHow};
use crate::schedule::chance::Chance;
use crate::schedule::pool::Pools;

impl Scheduler {
    /// A run that has not begun.
    /// Tasks come in topological order.
    pub fn new(mut tasks: Vec<Task>, rules: Rules) -> Self {
        // What follows the end of the run cannot hold that end up, nor the end of a stage; and a stage cannot end
        // before the later stage that one of its tasks waits for.
        let (mut late, mut floor) = (vec![false; tasks.len()], vec![None; tasks.len()]);
        for task in 0..tasks.len() {
            let below = tasks[task].waits.iter().map(|wait| floor[*wait]).max().flatten();
            tasks[task].stage = tasks[task].stage.map(|stage| below.map_or(stage, |below: usize| below.max(stage)));
            floor[task] = tasks[task].stage.max(below);
            let at_end = tasks[task].run_on != RunOn::Success && tasks[task].waits.is_empty();
            late[task] = at_end || tasks[task].waits.iter().any(|wait| late[*wait]);
            if late[task] || tasks[task].run_on != RunOn::Success {
                tasks[task].stage = None;
            }
        }
        let early: Vec<bool> = (0..tasks.len()).map(|at| tasks[at].run_on == RunOn::Success && !late[at]).collect();
        let mut stages = vec![StageState::default(); rules.stages];
        tasks.iter().filter_map(|task| task.stage).for_each(|stage| stages[stage].open += 1);
        Self {
            states: States::new(early),
            pools: Pools::new(rules.capacity, tasks.len()),
            ready: Ready::default(),
            attempts: vec![0; tasks.len()],
            waiting: tasks.iter().map(|task| task.waits.len()).collect(),
            asking: vec![],
            stages,
            current: 0,
            stopping: Stopping::No,
            failed: None,
            interrupted: false,
            aborted: false,
            finished: false,
            chance: Chance::new(rules.seed),
            tasks,
            rules,
        }
    }

    /// Where a task stands.
    pub fn state(&self, task: usize) -> State {
        self.states.get(task)
    }

    /// Gives tasks another priority. What runs goes on.
    pub fn reorder(&mut self, urgency: impl IntoIterator<Item = (usize, u64)>) {
        for (task, priority) in urgency {
            let is_ready = self.states.get(task) == State::Ready;
            if is_ready {
                self.ready.remove(self.tasks[task].priority, task);
            }
            self.tasks[task].priority = priority;
            if is_ready {
                self.ready.push(priority, task);
            }
        }
    }

    /// Lets a task that has not begun claim at least so many bytes of memory.
    pub fn claim(&mut self, task: usize, bytes: u64) {
        if !matches!(self.states.get(task), State::Running | State::Looking) {
            self.tasks[task].memory_bytes = self.tasks[task].memory_bytes.max(bytes);
        }
    }

    /// The tasks as they were handed in.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Has somebody or something stopped the run for good?
    pub fn is_stopping(&self) -> bool {
        self.stopping == Stopping::Now
    }

    /// Takes one input and says what to do.
    pub fn step(&mut self, now: Millis, input: Input) -> Vec<Effect> {
        let mut out = Vec::new();
        match input {
            Input::Begin => (0..self.tasks.len()).for_each(|task| self.consider(task)),
            Input::Looked(answers) => {
                for (task, answer) in answers {
                    self.looked(task, answer, &mut out);
                }
            }
            Input::Done { task, outcome } => self.done(now, task, &outcome, &mut out),
            Input::Interrupt => self.interrupt(&mut out),
            Input::Abort => self.abort(&mut out),
            Input::Wake => {
                for task in 0..self.tasks.len() {
                    if matches!(self.states.get(task), State::Resting(until) if until <= now) {
                        self.set(task, State::Ready);
                    }
                }
            }
        }
        self.advance_stages(&mut out);
        self.ask_what_may(&mut out);
        self.start_what_fits(&mut out);
        if self.states.all_over() && !self.finished {
            self.finished = true;
            out.push(Effect::Finish(self.status()));
        }
        out
    }

    fn status(&self) -> RunStatus {
        match (self.aborted, self.interrupted, self.failed) {
            (true, ..) => RunStatus::Broken,
            (_, true, _) => RunStatus::Interrupted,
            (_, _, Some(_)) => RunStatus::Failed,
            _ => RunStatus::Passed,
        }
    }

    fn is_ordinary(&self, task: usize) -> bool {
        self.tasks[task].run_on == RunOn::Success
    }

    /// Every change of state passes here, so that the queue and the counts never drift from the truth.
    fn set(&mut self, task: usize, next: State) {
        let before = self.states.get(task);
        self.states.set(task, next);
        let priority = self.tasks[task].priority;
        if before == State::Ready {
            self.ready.remove(priority, task);
        }
        if next == State::Ready {
            self.ready.push(priority, task);
        }
        if before == State::Running {
            self.pools.give_back(task, &self.tasks[task]);
        } else if next.is_over() {
            self.pools.let_go(task, &self.tasks[task]);
        }
        if let Some(stage) = self.tasks[task].stage.filter(|_| next.is_over()) {
            self.stages[stage].open -= 1;
            self.stages[stage].failed |= next != State::Passed;
        }
    }

    /// Moves a waiting task on if nothing holds it any more.
    fn consider(&mut self, task: usize) {
        if self.states.get(task) != State::Waiting || self.waiting[task] > 0 {
            return;
        }
        let reached = match self.tasks[task].run_on {
            RunOn::Success => self.tasks[task].stage.is_none_or(|stage| stage <= self.current),
            RunOn::Failure | RunOn::Always => !self.tasks[task].waits.is_empty() || self.states.early_over(),
        };
        if !reached {
        } else if self.tasks[task].lookup == Lookup::None {
            self.set(task, State::Ready);
        } else {
            self.set(task, State::Asking);
            self.asking.push(task);
        }
    }

    /// Looks up what became ready, all at once. Until it starts or passes, nothing it conflicts with starts.
    fn ask_what_may(&mut self, out: &mut Vec<Effect>) {
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for task in std::mem::take(&mut self.asking) {
            if self.states.get(task) != State::Asking {
            } else if self.pools.try_hold(task, &self.tasks[task]) {
                self.set(task, State::Looking);
                now.push(task);
            } else {
                later.push(task);
            }
        }
        self.asking = later;
        if !now.is_empty() {
            out.push(Effect::Lookup(now));
        }
    }

    /// The cache has answered. A task that was cancelled meanwhile stays so.
    fn looked(&mut self, task: usize, answer: Answer, out: &mut Vec<Effect>) {
        if self.states.get(task) != State::Looking {
            return;
        }
        if answer == Answer::Hit || self.tasks[task].lookup == Lookup::Only {
            self.set(task, State::Passed);
            self.release(task, out);
        } else {
            self.set(task, State::Ready);
        }
    }

    fn cancel(&mut self, task: usize, why: Cancel, out: &mut Vec<Effect>) {
        match self.states.get(task) {
            State::Waiting | State::Asking | State::Looking | State::Ready => self.set(task, State::Cancelled),
            State::Resting(_) => self.set(task, State::Failed),
            _ => return,
        }
        out.push(Effect::Cancelled { task, why });
        self.release(task, out);
    }

    /// Tells the dependents of a task that is over. Explicit stack: chains may be ten thousand long.
    fn release(&mut self, task: usize, out: &mut Vec<Effect>) {
        let mut over = vec![task];
        while let Some(task) = over.pop() {
            let passed = self.states.get(task) == State::Passed;
            for dependent in self.tasks[task].dependents.clone() {
                self.waiting[dependent] -= 1;
                if self.states.get(dependent) != State::Waiting {
                    continue;
                }
                if self.is_ordinary(dependent) && !passed {
                    self.set(dependent, State::Cancelled);
                    out.push(Effect::Cancelled { task: dependent, why: Cancel::NeedFailed(task) });
                    over.push(dependent);
                } else {
                    self.follow(dependent, out, &mut over);
                }
            }
        }
        if self.states.early_over() {
            let mut over = Vec::new();
            for follower in 0..self.tasks.len() {
                if !self.is_ordinary(follower) && self.states.get(follower) == State::Waiting {
                    self.follow(follower, out, &mut over);
                }
            }
            // Followers that were cancelled release their own dependents in turn.
            while let Some(task) = over.pop() {
                self.release(task, out);
            }
        }
    }

    /// A task that might go on now: ordinary ones when ready, followers when what they follow is over.
    fn follow(&mut self, task: usize, out: &mut Vec<Effect>, over: &mut Vec<usize>) {
        let nothing_failed = self.tasks[task].run_on == RunOn::Failure && self.waiting[task] == 0 && {
            let waits = &self.tasks[task].waits;
            if waits.is_empty() {
                self.states.early_over() && self.failed.is_none() && !self.interrupted
            } else {
                waits.iter().all(|wait| self.states.get(*wait) == State::Passed)
            }
        };
        if nothing_failed {
            self.set(task, State::Cancelled);
            out.push(Effect::Cancelled { task, why: Cancel::NothingFailed });
            over.push(task);
        } else {
            self.consider(task);
        }
    }

    fn done(&mut self, now: Millis, task: usize, outcome: &Outcome, out: &mut Vec<Effect>) {
        let attempt = self.attempts[task];
        let may_retry = if self.is_ordinary(task) { Stopping::No } else { Stopping::Gently };
        let retries = &self.tasks[task].retries;
        let again = attempt <= retries.count
            && self.stopping <= may_retry
            && outcome.kind().is_some_and(|kind| retries.on.contains(&kind));
        if again {
            let after_ms = self.backoff(task, attempt);
            out.push(Effect::Ended { task, attempt, last: false, allowed: false });
            out.push(Effect::Retry { task, attempt: attempt + 1, after_ms });
            out.push(Effect::WakeAt(now + after_ms));
            self.set(task, State::Resting(now + after_ms));
            return;
        }
        let lenient = &self.tasks[task];
        let unanswered = *outcome == Outcome::Unanswered && lenient.optional;
        let allowed = unanswered || (!outcome.passed() && *outcome != Outcome::Stopped && lenient.allow_failure);
        out.push(Effect::Ended { task, attempt, last: true, allowed });
        if outcome.passed() || allowed {
            self.set(task, State::Passed);
            self.release(task, out);
            return;
        }
        self.set(task, State::Failed);
        if *outcome != Outcome::Stopped && self.failed.is_none() {
            self.failed = Some(task);
        }
        self.release(task, out);
        let ordinary_failure = self.is_ordinary(task) && *outcome != Outcome::Stopped;
        if ordinary_failure && self.rules.fail_fast != FailFast::KeepGoing && self.stopping == Stopping::No {
            self.fail_fast(task, out);
        }
    }

    fn fail_fast(&mut self, failed: usize, out: &mut Vec<Effect>) {
        self.stopping = Stopping::FailFast(failed);
        for task in 0..self.tasks.len() {
            if self.is_ordinary(task) {
                let why = match (self.tasks[failed].stage, self.tasks[task].stage) {
                    (Some(stage), Some(later)) if later > stage => Cancel::StageFailed(stage),
                    _ => Cancel::FailFast(failed),
                };
                self.cancel(task, why, out);
            }
        }
        if self.rules.fail_fast == FailFast::Kill {
            self.stop_running(StopHow::Gently, out);
        }
    }

    fn interrupt(&mut self, out: &mut Vec<Effect>) {
        let again = self.interrupted;
        self.interrupted = true;
        self.stopping = if again { Stopping::Now } else { self.stopping.max(Stopping::Gently) };
        self.cancel_all(Cancel::Interrupted, again, out);
        if again {
            (0..self.tasks.len())
                .filter(|task| self.states.get(*task) == State::Running)
                .for_each(|task| out.push(Effect::Stop { task, how: StopHow::Now }));
        } else {
            self.stop_running(StopHow::Gently, out);
        }
    }

    fn abort(&mut self, out: &mut Vec<Effect>) {
        self.aborted = true;
        self.stopping = Stopping::Now;
        self.cancel_all(Cancel::Interrupted, true, out);
        for task in 0..self.tasks.len() {
            if self.states.get(task) == State::Running {
                out.push(Effect::Stop { task, how: StopHow::Gently });
            }
        }
    }

    /// Cancels what has not started: ordinary tasks, and `followers` too when there is no time even for clean-up.
    fn cancel_all(&mut self, why: Cancel, followers: bool, out: &mut Vec<Effect>) {
        for task in 0..self.tasks.len() {
            if followers || self.is_ordinary(task) {
                self.cancel(task, why, out);
            }
        }
    }

    fn stop_running(&mut self, how: StopHow, out: &mut Vec<Effect>) {
        for task in 0..self.tasks.len() {
            if self.is_ordinary(task) && self.states.get(task) == State::Running {
                out.push(Effect::Stop { task, how });
            }
        }
    }

    /// Opens the next stage while the current one has nothing left.
    fn advance_stages(&mut self, out: &mut Vec<Effect>) {
        while self.current < self.stages.len() && self.stages[self.current].open == 0 {
            let stage = self.current;
            if self.stages[stage].started {
                out.push(Effect::StageFinished { stage, passed: !self.stages[stage].failed });
            }
            self.current += 1;
            for task in 0..self.tasks.len() {
                if self.tasks[task].stage == Some(self.current) {
                    self.consider(task);
                }
            }
        }
    }

    fn start_what_fits(&mut self, out: &mut Vec<Effect>) {
        let mut starting = Vec::new();
        for task in self.ready.iter() {
            if self.pools.is_full() {
                break;
            }
            if self.pools.try_take(task, &self.tasks[task]) {
                starting.push(task);
            }
        }
        for task in starting {
            self.set(task, State::Running);
            self.attempts[task] += 1;
            if let Some(stage) = self.tasks[task].stage
                && !std::mem::replace(&mut self.stages[stage].started, true)
            {
                out.push(Effect::StageStarted { stage });
            }
            out.push(Effect::Start { task, attempt: self.attempts[task] });
        }
    }

    /// Doubles from the first wait to the longest, then takes off up to half by chance, so that steps that failed
    /// together do not come back together ("equal jitter": Brooker, "Exponential Backoff And Jitter", 2015).
    fn backoff(&mut self, task: usize, attempt: u32) -> Millis {
        let retries = &self.tasks[task].retries;
        let doubled = retries.backoff_ms.saturating_mul(1 << (attempt - 1).min(20));
        let wait = doubled.min(retries.max_backoff_ms);
        let chance = self.chance.draw();
        wait - if wait < 2 { 0 } else { chance % (wait / 2 + 1) }
    }
}
