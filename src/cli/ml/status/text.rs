//! What was learned as text for people: a head, two tables and what they mean. Does not know: where it comes from.

use super::{STRANGE, Status, StepStatus, WEIGHTS, ms};
use crate::cli::history::table::aligned;
use crate::cli::ml::advice::{FULL, metric};
use crate::cli::ml::short;
use crate::predict::durations::{DRIFT, Expert, HELD};
use crate::predict::replay::{Measured, Section};
use crate::report::{Look, clean, frame, look as words, look::Tone};
use std::collections::BTreeMap;
use std::fmt::Write as _;

impl Status {
    pub(super) fn text(&self, shown: usize, look: &Look) -> String {
        let mut text = self.head(look);
        if let Some(section) = &self.walk.section {
            let walked = words::count(self.walk.runs, "run");
            let of =
                if self.walk.runs < self.walk.recorded { format!(" of {}", self.walk.recorded) } else { String::new() };
            let _ = writeln!(text, "\naccuracy over {walked}{of}, each predicted from those before it");
            text += &accuracy(section, look);
            let number = |name| metric(section, "wf", name);
            if let (Some(coverage), Some(width)) = (number("coverage80"), number("width80_factor")) {
                let wanted = 100.0 * HELD;
                let lately = self.lately.map(|share| format!(", lately {:.0} %", 100.0 * share)).unwrap_or_default();
                let _ = writeln!(
                    text,
                    "\nintervals  held {coverage:.0} % where {wanted:.0} % are wanted{lately}; the upper end is \
                     {width:.2} times the lower"
                );
            }
            let _ = writeln!(
                text,
                "drift      {:.2} (1 is as ever; from {DRIFT:.0} on recent runs alone count)",
                self.drift
            );
        }
        if !self.steps.is_empty() {
            let _ = writeln!(text, "\nwhat wf weighs each estimate, in percent, for the steps that took most time");
            text += &self.weights(shown, look);
            let hidden = self.steps.len().saturating_sub(shown);
            if hidden > 0 {
                let more = format!("{} more; `wf ml status --all` shows all\n", words::count(hidden, "step"));
                text += &look.paint(Tone::Dim, &more);
            }
        }
        text += &self.strange(shown, look);
        if !self.advice.is_empty() {
            text.push('\n');
        }
        for line in &self.advice {
            let _ = writeln!(text, "{} {line}", look.paint(Tone::Warn, "note"));
        }
        text
    }

    fn head(&self, look: &Look) -> String {
        let progress = &self.known.progress;
        let learned = match self.state() {
            "nothing-learned" => "nothing yet".to_owned(),
            state => {
                let few = if state == "few-runs" { format!(" (full use from {FULL} on)") } else { String::new() };
                let runs = words::count(progress.runs as usize, "run");
                format!("of {runs}{few}, {}", words::count(progress.samples as usize, "attempt"))
            }
        };
        let file = match self.file() {
            "read" => "",
            "missing" => " (not written yet)",
            "damaged" => " (damaged, not used)",
            _ => " (cannot be read, not used)",
        };
        let mut text = format!("learned  {learned}\nmodel    {}{file}\n", clean::text(&self.path));
        if progress.runs > 0 {
            let time =
                |at: i64| jiff::Timestamp::from_second(at).map(|at| look.time(&at.to_string())).unwrap_or_default();
            let left = progress.runs_until_fit() as usize;
            let next = match progress.fitted_at {
                _ if self.known.is_due(self.now) => "the next run does it".to_owned(),
                0 => format!("in {}", words::count(left, "run")),
                _ => format!("in {}, or with one after {}", words::count(left, "run"), time(progress.fit_after())),
            };
            let fitted = match progress.fitted_at {
                0 => "never".to_owned(),
                at => format!("{}, after {}", time(at), words::count(progress.fitted_runs as usize, "run")),
            };
            let _ = writeln!(text, "fitted   {fitted}; {next}");
        }
        text
    }

    /// What was strange lately: by kind, then one line each with its run.
    fn strange(&self, shown: usize, look: &Look) -> String {
        if self.strange.is_empty() {
            return String::new();
        }
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        self.strange.iter().for_each(|it| *kinds.entry(&it.kind).or_default() += 1);
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let mut text = format!("\nstrange in the newest {STRANGE} runs: {}\n", clean::text(&kinds.join(", ")));
        for it in self.strange.iter().take(shown) {
            let step = it.step.as_ref().map_or(String::new(), |step| format!("{step} "));
            let told = clean::text(&format!("{step}{} (run {})", it.message, it.run));
            let _ = writeln!(text, "{} {told}", look.paint(Tone::Warn, "strange:"));
        }
        let hidden = self.strange.len().saturating_sub(shown);
        if hidden > 0 {
            text += &look.paint(Tone::Dim, &format!("{hidden} more; `wf ml status --all` shows all\n"));
        }
        text
    }

    fn weights(&self, shown: usize, look: &Look) -> String {
        let mut head = ["step", "runs", "in all", "next", "", "", "", "", "", ""].map(str::to_owned);
        for (cell, expert) in head.iter_mut().skip(4).zip(Expert::ALL) {
            expert.name().clone_into(cell);
        }
        let row = |step: &StepStatus| {
            let mut cells: [String; 4 + WEIGHTS] = std::array::from_fn(|_| String::new());
            let first = [
                frame::middle(&clean::text(&step.step), 48),
                step.samples.to_string(),
                short(ms(step.seconds)),
                short(ms(step.next)),
            ];
            let weights = step.weights.map(|weight| format!("{:.0}", 100.0 * weight));
            for (cell, value) in cells.iter_mut().zip(first.into_iter().chain(weights)) {
                *cell = value;
            }
            (cells, Tone::Strong)
        };
        aligned(head, self.steps.iter().take(shown).map(row).collect(), 0, 1..4 + WEIGHTS, look)
    }
}

/// The methods, wf's own first.
fn accuracy(section: &Section, look: &Look) -> String {
    let head = ["method", "estimates", "off by", "within 25 %", "R² log"].map(str::to_owned);
    let row = |row: &Measured| {
        let number = |name: &str, show: &dyn Fn(f64) -> String| {
            let value = row.metrics.iter().find(|(known, _)| *known == name);
            value.map_or_else(|| "-".to_owned(), |(_, value)| show(*value))
        };
        let percent = |value: f64| format!("{value:.1} %");
        let cells = [
            row.method.clone(),
            number("scored", &|value| format!("{value:.0}")),
            number("wape", &percent),
            number("within25", &percent),
            number("r2_log", &|value| format!("{value:.3}")),
        ];
        (cells, if row.method == "wf" { Tone::Strong } else { Tone::Dim })
    };
    aligned(head, section.rows.iter().map(row).collect(), 0, 1..5, look)
}
