//! What the cache is expected to say of a plan's steps, as `wf plan` and `wf explain` tell it: always called a prediction.

use crate::base::{Millis, duration};
use crate::engine::reuse::Foretold;
use crate::event::{Miss, NotCached, Predicted};
use crate::report::clean;
use serde_json::{Value, json};

/// Predictions for the steps of a plan.
pub enum Forecast {
    /// A run like this would not ask the cache.
    NotAsked,
    /// Nothing is stored yet; what can be said all the same, by position.
    Empty(Vec<Option<Foretold>>),
    /// Predictions, by position.
    Of(Vec<Option<Foretold>>),
}

impl Forecast {
    fn all(&self) -> &[Option<Foretold>] {
        match self {
            Self::NotAsked => &[],
            Self::Empty(told) | Self::Of(told) => told,
        }
    }

    /// What is said of the step at a position.
    pub fn of(&self, at: usize) -> Option<&Foretold> {
        self.all().get(at)?.as_ref()
    }

    /// How many steps would be reused, and what that would save.
    pub fn hits(&self) -> (usize, Millis) {
        let saved = self.all().iter().flatten().filter_map(|told| match &told.predicted {
            Predicted::Hit { saved_ms, .. } => Some(*saved_ms),
            _ => None,
        });
        saved.fold((0, 0), |(count, sum), saved| (count + 1, sum.saturating_add(saved)))
    }

    /// What is said of a step at the end of its line in a plan; what is usual only if `verbose`.
    pub fn mark(&self, at: usize, verbose: bool) -> String {
        let Some(told) = self.of(at) else { return String::new() };
        let usual = match &told.predicted {
            Predicted::NotCached(NotCached::NotAsked | NotCached::Kind) | Predicted::Miss(Miss::Off) => true,
            Predicted::Miss(Miss::Never) => matches!(self, Self::Empty(_)),
            _ => false,
        };
        if usual && !verbose { String::new() } else { format!(" [{}]", clean::text(&told.predicted.to_string())) }
    }

    /// The end of a plan's last line.
    pub fn sum(&self) -> String {
        match self.hits() {
            (0, _) => String::new(),
            (count, saved) => {
                format!("; predicted: {count} of them would be reused, which saves {}", duration::human(saved))
            }
        }
    }

    /// The whole, for a document.
    pub fn json(&self) -> Value {
        let (hits, saved_ms) = self.hits();
        json!({
            "asked": !matches!(self, Self::NotAsked),
            "empty": matches!(self, Self::Empty(_)),
            "predicted_hits": hits,
            "predicted_saved_ms": saved_ms,
        })
    }
}

/// All that is said of one step, one line each. `runs`: does the plan run it?
pub fn lines(told: Option<&Foretold>, runs: bool) -> Vec<String> {
    let Some(Foretold { key, predicted, against }) = told else {
        return vec!["a run like this does not ask it".into()];
    };
    let mut lines = match (predicted, against) {
        (Predicted::Miss(Miss::Changed { changes, .. }), Some(pass)) if !changes.is_empty() => {
            let mut lines = vec![format!("predicted: miss; since its newest result, of run {}:", pass.run)];
            lines.extend(changes.iter().map(|change| format!("  {change}")));
            lines
        }
        (Predicted::Hit { run, .. }, _) => vec![format!("{predicted}; it ran in run {run}")],
        _ => vec![predicted.to_string()],
    };
    if !runs {
        lines[0] = format!("if it ran: {}", lines[0]);
    }
    lines.extend(key.map(|key| format!("its key is {key}")));
    lines.iter().map(|line| clean::text(line)).collect()
}
