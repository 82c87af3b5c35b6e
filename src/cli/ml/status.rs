//! `wf ml status`: what was learned, how good it is, and what would make it better. Reads only.

use super::advice::{FULL, Numbers, advice, metric};
use super::past::{Past, Walk};
use super::{Context, Exit, Failure};
use crate::cli::history::look;
use crate::cli::history::table::aligned;
use crate::history::{Learned, LearnedError, learned};
use crate::predict::Circumstances;
use crate::predict::durations::{DRIFT, Expert, HELD};
use crate::report::{Look, clean, frame, look as words, look::Tone};
use serde_json::{Value, json};
use std::fmt::Write as _;

const HELP: &str = "\
Examples:
  wf ml status
  wf ml status --all              the weights of every step
  wf ml status --json | jq .advice";

/// So many steps are shown: those that cost most.
const SHOWN: usize = 15;
/// In how many columns the weights of a step stand: one for each expert.
const WEIGHTS: usize = Expert::ALL.len();

/// What `wf ml status` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct StatusArgs {
    /// Show all steps, not only those that cost most
    #[arg(long)]
    all: bool,
    /// Measure accuracy over so many runs, the newest
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1_000)]
    last: usize,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// Everything that is shown.
struct Status {
    known: Learned,
    problem: Option<LearnedError>,
    /// Is there a file?
    kept: bool,
    path: String,
    walk: Walk,
    steps: Vec<StepStatus>,
    drift: f64,
    /// What share of recent durations was within the bounds, by what was learned.
    lately: Option<f64>,
    advice: Vec<String>,
    now: i64,
}

/// What is known of one step.
struct StepStatus {
    step: String,
    samples: u32,
    /// All its recorded time, in seconds.
    seconds: f64,
    next: f64,
    weights: [f64; WEIGHTS],
}

pub(super) fn run(args: &StatusArgs, cx: &Context) -> Result<Exit, Failure> {
    let mut past = Past::open(cx)?;
    let (mut known, problem) = Learned::read(&past.state);
    if let Some(problem) = &problem {
        cx.say(&format!("warning: {}", clean::text(&problem.to_string())));
    }
    // As the next run will do it; nothing of it is kept here.
    known.catch_up(&past.recorded);
    let walk = past.walk(args.last, cx)?;
    let path = learned::place(&past.state);
    let status = Status::of(known, problem, path.exists(), path.display().to_string(), walk);
    let shown = if args.all { usize::MAX } else { SHOWN };
    if args.json {
        cx.print_json(&status.document(shown))?;
    } else {
        cx.print(&status.text(shown, &look(cx)))?;
    }
    Ok(Exit::Passed)
}

impl Status {
    fn of(known: Learned, problem: Option<LearnedError>, kept: bool, path: String, walk: Walk) -> Self {
        let steps = steps(&known, &walk);
        let all: f64 = steps.iter().map(|step| step.seconds).sum();
        let mean = |at: usize| steps.iter().map(|step| step.weights[at] * step.seconds).sum::<f64>() / all;
        let weights: Option<Vec<f64>> = (all > 0.0).then(|| (0..WEIGHTS).map(mean).collect());
        let shared = steps.first().and_then(|step| known.durations.weights(&step.step, &Circumstances::default()));
        let drift = shared.as_ref().map_or(1.0, |shared| shared.drift);
        let advice = advice(&Numbers {
            damaged: problem.is_some(),
            runs: known.progress.runs,
            section: walk.section.as_ref(),
            weights: weights.as_deref(),
            drift,
        });
        let lately = shared.and_then(|shared| shared.coverage);
        let now = jiff::Timestamp::now().as_second();
        Self { known, problem, kept, path, walk, steps, drift, lately, advice, now }
    }

    /// How far learning has come, in a word.
    fn state(&self) -> &'static str {
        match self.known.progress.runs {
            0 => "nothing-learned",
            runs if runs < FULL => "few-runs",
            _ => "trained",
        }
    }

    fn file(&self) -> &'static str {
        match (&self.problem, self.kept) {
            (Some(LearnedError::Foreign(_)), _) => "damaged",
            (Some(LearnedError::Unreadable { .. }), _) => "unreadable",
            (None, true) => "read",
            (None, false) => "missing",
        }
    }

    fn document(&self, shown: usize) -> Value {
        let progress = &self.known.progress;
        let time = |seconds: i64| jiff::Timestamp::from_second(seconds).map(|at| at.to_string()).ok();
        let step = |step: &StepStatus| {
            let weights =
                Expert::ALL.iter().zip(step.weights).map(|(it, weight)| (it.name().to_owned(), weight.into()));
            json!({
                "step": step.step,
                "samples": step.samples,
                "total_ms": ms(step.seconds),
                "next_ms": ms(step.next),
                "weights": weights.collect::<serde_json::Map<String, Value>>(),
            })
        };
        json!({
            "format": 1,
            "state": self.state(),
            "full_at_runs": FULL,
            "model": { "path": self.path, "file": self.file() },
            "runs": progress.runs,
            "samples": progress.samples,
            "fitted_at": Some(progress.fitted_at).filter(|at| *at > 0).and_then(time),
            "fitted_runs": progress.fitted_runs,
            "next_fit": {
                "after_runs": progress.runs_until_fit(),
                "or_one_run_after": Some(progress.fit_after()).filter(|_| progress.fitted_at > 0).and_then(time),
                "due": self.known.is_due(self.now),
            },
            "walked_runs": self.walk.runs,
            "recorded_runs": self.walk.recorded,
            "accuracy": self.walk.section.as_ref().map(|section| &section.rows),
            "coverage_lately": self.lately,
            "coverage_wanted": HELD,
            "drift": self.drift,
            "steps": self.steps.iter().take(shown).map(step).collect::<Vec<_>>(),
            "advice": self.advice,
        })
    }

    fn text(&self, shown: usize, look: &Look) -> String {
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
                words::time(ms(step.seconds)),
                words::time(ms(step.next)),
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

/// The steps that were walked through and are known, those that took most time first.
fn steps(known: &Learned, walk: &Walk) -> Vec<StepStatus> {
    let mut seconds = vec![0.0; walk.table.items.len()];
    for row in walk.table.cycles.iter().flat_map(|cycle| &cycle.rows) {
        if let Some(sum) = usize::try_from(row.item).ok().and_then(|item| seconds.get_mut(item)) {
            *sum += row.seconds.unwrap_or_default();
        }
    }
    let unknown = Circumstances::default();
    let of = |(step, seconds): (&String, f64)| {
        let estimate = known.durations.predict(step, &unknown)?;
        let weights = known.durations.weights(step, &unknown)?.experts.map(|(_, _, weight)| weight);
        Some(StepStatus { step: step.clone(), samples: estimate.samples, seconds, next: estimate.seconds, weights })
    };
    let mut steps: Vec<StepStatus> = walk.table.items.iter().zip(seconds).filter_map(of).collect();
    steps.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    steps
}

/// The methods, wf's own first.
fn accuracy(section: &crate::predict::replay::Section, look: &Look) -> String {
    let head = ["method", "estimates", "off by", "within 25 %", "R² log"].map(str::to_owned);
    let row = |row: &crate::predict::replay::Measured| {
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

fn ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).round().max(0.0) as u64
}
