//! What is expected of steps, from what was learned of earlier runs.
//!
//! Read only when somebody asks: a run that starts nothing never does. Does not know how durations and failures are learned.

use crate::base::StepId;
use crate::event::{EventKind, ExpectedStep, FallbackCode, Interval, Noticed};
use crate::graph::Step;
use crate::history::{Learned, Recorded, StateDir};
use crate::predict::Circumstances;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

/// A run that ends waits so long for what it learned to be kept; then the next run learns it again.
const PATIENCE: Duration = Duration::from_millis(50);

/// What was learned, as one run asks for it.
#[derive(Debug, Default)]
pub struct Outlook {
    past: Option<(StateDir, Arc<Recorded>)>,
    about: Circumstances,
    learned: Option<Arc<Learned>>,
    /// It knows more than the file.
    is_news: bool,
    /// Says when what was learned is kept, or why it could not be.
    kept: Option<mpsc::Receiver<std::io::Result<bool>>>,
}

impl Outlook {
    /// Of the runs that are recorded there. Without them nothing is known of anything.
    pub fn new(past: Option<(StateDir, Arc<Recorded>)>) -> Self {
        Self { past, ..Self::default() }
    }

    /// Of what was learned already, for a run under these circumstances.
    pub fn knowing(learned: Learned, about: Circumstances) -> Self {
        Self { about, learned: Some(Arc::new(learned)), ..Self::default() }
    }

    /// Reads what was learned, and learns of the runs since, for a run under these circumstances. Says what could not be read.
    pub fn open(&mut self, about: impl FnOnce() -> Circumstances) -> Vec<EventKind> {
        let Some((state, recorded)) = self.past.as_ref().filter(|_| self.learned.is_none()) else { return vec![] };
        self.about = about();
        let (mut learned, problem) = Learned::read(state);
        self.is_news = learned.catch_up(recorded) > 0;
        self.learned = Some(Arc::new(learned));
        let told = |error: crate::history::LearnedError| EventKind::Fallback {
            code: FallbackCode::ModelUnusable,
            message: error.to_string(),
            hint: None,
        };
        problem.map(told).into_iter().collect()
    }

    /// What was found out for it.
    pub fn noticed(&self) -> Noticed {
        let reused_milli = self.about.reused.map(|share| (share * 1_000.0).round() as u32);
        Noticed { lines: self.about.changed_lines, cold: self.about.cold, reused_milli }
    }

    /// So many steps are reused, and so many run, as far as is known by now.
    pub(super) fn notice_reused(&mut self, reused: usize, run: usize) {
        // As it is told, so that what is learned later was what is asked now.
        let milli = (reused * 1_000).checked_div(reused + run);
        self.about.reused = milli.map(|milli| milli as f32 / 1_000.0);
    }

    /// What is expected of an attempt of a step: 1, 2, …
    pub fn of(&self, step: &StepId, attempt: u32) -> ExpectedStep {
        let id = step.as_str();
        let learned = self.learned.as_deref();
        let estimate = learned.and_then(|learned| learned.durations.predict(id, &self.about, attempt));
        // What was never seen is not guessed at: others of its kind say little of it.
        let estimate = estimate.filter(|estimate| estimate.samples > 0);
        let span = estimate.map(|estimate| Interval {
            ms: ms(estimate.seconds),
            low_ms: ms(estimate.low),
            high_ms: ms(estimate.high),
        });
        let risk = learned.map_or(0.0, |learned| learned.failures.risk(id, &self.about).probability);
        ExpectedStep {
            step: step.clone(),
            span,
            mean_ms: estimate.map_or(0, |estimate| ms(estimate.mean)),
            samples: estimate.map_or(0, |estimate| estimate.samples),
            risk_milli: (risk * 1_000.0).round() as u32,
        }
    }

    /// The most memory that a step was ever seen to use at once, in bytes. 0: unknown.
    pub fn peak_bytes(&self, step: &Step) -> u64 {
        let last = self.learned.as_ref().and_then(|learned| learned.last.get(&step.id));
        last.map_or(0, |last| last.peak_bytes)
    }

    /// Fits the regression, if it is time, and keeps what was learned: beside the steps, which have just begun.
    pub fn keep(&mut self) {
        let now = self.about.at;
        let (Some((state, _)), Some(learned)) = (self.past.clone(), self.learned.clone()) else { return };
        let due = learned.is_due(now);
        if self.kept.is_some() || !(self.is_news || due) {
            return;
        }
        let (tell, kept) = mpsc::channel();
        self.kept = Some(kept);
        std::thread::spawn(move || {
            let written = if due {
                let mut fitted = (*learned).clone();
                fitted.fit(now);
                fitted.keep(&state)
            } else {
                learned.keep(&state)
            };
            // Nobody may wait for it any more.
            let _ = tell.send(written);
        });
    }

    /// The run is over. Says if what was learned could not be kept.
    pub fn finish(&mut self) -> Option<EventKind> {
        // As large as all steps, and the process ends soon.
        std::mem::forget(self.learned.take());
        let error = self.kept.take()?.recv_timeout(PATIENCE).ok()?.err()?;
        let message = format!("what was learned of earlier runs cannot be kept, and is learned again: {error}");
        Some(EventKind::Fallback { code: FallbackCode::ModelUnusable, message, hint: None })
    }
}

fn ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).round().max(0.0) as u64
}
