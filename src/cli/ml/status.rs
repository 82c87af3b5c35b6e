//! `wf ml status`: what was learned, how good it is, and what would make it better. Reads only.

mod text;

use super::advice::{FULL, Numbers, advice};
use super::past::{Past, Walk};
use super::{Context, Exit, Failure};
use crate::cli::history::look;
use crate::history::db::{self, Anomaly};
use crate::history::{Learned, LearnedError, learned};
use crate::predict::Circumstances;
use crate::predict::durations::{Expert, HELD};
use crate::report::clean;
use serde_json::{Value, json};

const HELP: &str = "\
Examples:
  wf ml status
  wf ml status --all              the weights of every step
  wf ml status --json | jq .advice
  wf ml status --json | jq .anomalies";

/// So many steps are shown: those that cost most.
const SHOWN: usize = 15;
/// Of so many runs, the newest, it is said what was strange: what is older was acted on or is usual by now.
const STRANGE: usize = 50;
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
    /// What was strange about the newest [`STRANGE`] runs, newest first.
    strange: Vec<Anomaly>,
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
    let strange = past.ask(cx, |all| db::anomalies(all, STRANGE))?;
    let path = learned::place(&past.state);
    let status = Status::of(known, problem, path.exists(), path.display().to_string(), walk);
    let status = Status { strange, ..status };
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
        let shared = steps.first().and_then(|step| known.durations.weights(&step.step, &Circumstances::default(), 1));
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
        Self { known, problem, kept, path, walk, steps, drift, lately, advice, strange: vec![], now }
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
        let strange = |it: &Anomaly| json!({ "run": it.run, "step": it.step, "kind": it.kind, "message": it.message });
        json!({
            "format": 1,
            "state": self.state(),
            "full_at_runs": FULL,
            "model": { "path": self.path, "file": self.file() },
            "runs": progress.runs,
            "samples": progress.samples,
            "fitted_at": Some(progress.fitted_at).filter(|at| *at > 0).and_then(time),
            "trained_at": Some(progress.trained_at).filter(|at| *at > 0).and_then(time),
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
            "anomalies": self.strange.iter().map(strange).collect::<Vec<_>>(),
        })
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
        let estimate = known.durations.predict(step, &unknown, 1)?;
        let weights = known.durations.weights(step, &unknown, 1)?.experts.map(|(_, _, weight)| weight);
        Some(StepStatus { step: step.clone(), samples: estimate.samples, seconds, next: estimate.seconds, weights })
    };
    let mut steps: Vec<StepStatus> = walk.table.items.iter().zip(seconds).filter_map(of).collect();
    steps.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    steps
}

fn ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).round().max(0.0) as u64
}
