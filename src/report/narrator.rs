//! Turns events into the lines that `wf run` prints on stdout, step output included.

use super::clean::{self, Colors};
use super::look::{self, Look, Tone};
use super::output::{self, Follow, Tail};
use super::{RunView, SinkOptions, Stored};
use crate::base::StepId;
use crate::config::model::OutputMode;
use crate::event::{Decision, Event, EventKind, Miss, NotCached, Outcome, Reused, StepFinished};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Lines of a failed step's output above a live display.
const LIVE_LINES: usize = 40;
/// Bytes of a step's output anywhere else.
const OUTPUT_BYTES: usize = 512 << 10;
/// Bytes of replayed output in one run: a thousand results used at once must not fill memory and terminal.
const REPLAYED_BYTES: usize = 8 << 20;
/// Steps that are skipped for one reason are named one by one up to this many; so are cancelled steps.
const NAMED_MAX: usize = 8;
/// Runs that are expected to be over sooner are not told when they will be.
pub(super) const EXPECTED_MIN_MS: crate::base::Millis = 1_000;

pub(super) struct Narrator {
    look: Look,
    mode: OutputMode,
    run_dir: PathBuf,
    /// A live display shows what runs: starts are not told, and output is short.
    live: bool,
    /// Lines break at spaces. Elsewhere they stay whole, for `grep`.
    terminal: bool,
    /// Bytes that may still be replayed; none if nobody asked.
    replay: usize,
    stored: Stored,
    ids: usize,
    streams: HashMap<StepId, Stream>,
}

/// A running attempt whose output is told as it comes.
struct Stream {
    attempt: u32,
    follow: Option<Follow>,
    partial: Vec<u8>,
}

impl Narrator {
    pub(super) fn new(options: &SinkOptions, live: bool) -> Self {
        let (look, run_dir) = (options.look(), options.run_dir.clone());
        Self {
            look,
            mode: options.mode,
            run_dir,
            live,
            terminal: options.stdout_terminal,
            replay: if options.replay { REPLAYED_BYTES } else { 0 },
            stored: options.stored.clone(),
            ids: 0,
            streams: HashMap::new(),
        }
    }

    /// What is to be printed for this event; empty for most.
    pub(super) fn tell(&mut self, event: &Event, view: &RunView) -> String {
        let mut text = String::new();
        match &event.kind {
            EventKind::RunStarted(run) => {
                self.line(&mut text, Tone::Strong, "run", &super::summary::run_line(run, &self.look));
            }
            EventKind::Changes { .. } => {
                if let Some(changes) = &view.changes {
                    self.line(&mut text, Tone::Strong, "changes", &super::summary::change_line(changes));
                }
            }
            EventKind::Planned { .. } => self.planned(&mut text, view),
            EventKind::Fallback { message, hint, .. } => {
                self.line(&mut text, Tone::Warn, "fallback", &clean::text(message));
                if let Some(hint) = hint {
                    self.line(&mut text, Tone::Dim, "", &format!("hint: {}", clean::text(hint)));
                }
            }
            EventKind::Warning { step, message, .. } => {
                let about = step.as_ref().map_or(String::new(), |step| format!("{}: ", clean::text(step.as_str())));
                self.line(&mut text, Tone::Warn, "warning", &format!("{about}{}", clean::text(message)));
            }
            EventKind::StageStarted { stage } => {
                self.line(&mut text, Tone::Strong, "stage", &format!("{} begins", clean::text(stage)));
            }
            EventKind::StageFinished { stage, passed, wall_ms } => {
                let (tone, how) = if *passed { (Tone::Good, "passed") } else { (Tone::Bad, "did not pass") };
                let what = format!("{} {how}, {}", clean::text(stage), look::time(*wall_ms));
                self.line(&mut text, tone, "stage", &what);
            }
            EventKind::Expected(expected) => {
                // What is over at once needs no telling when.
                if let Some(run) = expected.run.filter(|run| run.ms >= EXPECTED_MIN_MS) {
                    self.line(&mut text, Tone::Dim, "expected", &look::span(&run));
                }
            }
            EventKind::StepsReused { steps } => self.reused(&mut text, view, steps),
            EventKind::StepMissed { step, why } if self.tells_miss(why) => {
                self.step(&mut text, Tone::Dim, "miss", step, &clean::text(&why.to_string()));
            }
            EventKind::NotStored { step, why } => {
                self.step(&mut text, Tone::Dim, "unstored", step, &clean::text(&why.to_string()));
            }
            EventKind::StepStarted { step, attempt } => self.started(&mut text, view, step, *attempt),
            EventKind::StepOutput { step, .. } => self.stream(&mut text, step),
            EventKind::StepFinished(end) => self.finished(&mut text, end),
            EventKind::StepRetrying { step, attempt, after_ms, .. } => {
                let what = format!("attempt {attempt} in {}", look::time(*after_ms));
                self.step(&mut text, Tone::Warn, "retrying", step, &what);
            }
            EventKind::StepCancelled { step, reason } => match view.totals.cancelled {
                n if n <= NAMED_MAX || self.look.verbose => {
                    self.step(&mut text, Tone::Dim, "cancelled", step, &clean::text(&reason.to_string()));
                }
                n if n == NAMED_MAX + 1 => self.line(&mut text, Tone::Dim, "cancelled", "more, counted in the summary"),
                _ => {}
            },
            EventKind::Interrupted { signal, times } => {
                let how = if *times > 1 { "stopping at once" } else { "stopping gently; once more stops at once" };
                self.line(&mut text, Tone::Warn, "stopping", &format!("{}: {how}", clean::text(signal)));
            }
            EventKind::StepMissed { .. }
            | EventKind::StepSample { .. }
            | EventKind::StepPhase { .. }
            | EventKind::RunFinished { .. } => {}
        }
        text
    }

    fn planned(&mut self, text: &mut String, view: &RunView) {
        let longest = view.steps.iter().filter(|s| matches!(s.decision, Some(Decision::Run(_))));
        let longest = longest.map(|s| console::measure_text_width(s.id.as_str())).max().unwrap_or(0);
        self.ids = longest.min(32).min(self.look.width / 3);
        let totals = &view.totals;
        let mut what = format!("{} to run, {} skipped", look::count(totals.to_run(), "step"), totals.skipped());
        if totals.to_run() > 1
            && let Some(run) = &view.run
        {
            what =
                format!("{what}, {} at once", if run.jobs == 1 { "one".into() } else { format!("up to {}", run.jobs) });
        }
        self.line(text, Tone::Strong, "plan", &what);
        for (why, steps) in &super::summary::skipped_by_reason(view) {
            if (steps.len() <= NAMED_MAX && !self.live) || self.look.verbose {
                for step in steps {
                    self.step(text, Tone::Dim, "skipped", &step.id, why);
                }
            } else {
                self.line(text, Tone::Dim, "skipped", &format!("{}: {why}", look::count(steps.len(), "step")));
            }
        }
    }

    /// Steps that are never cached need not be told of each time.
    fn tells_miss(&self, why: &Miss) -> bool {
        let usual = matches!(why, Miss::NotCached { why: NotCached::NotAsked | NotCached::Kind } | Miss::Off);
        !self.live && (!usual || self.look.verbose)
    }

    fn reused(&mut self, text: &mut String, view: &RunView, steps: &[Reused]) {
        let all = view.totals.reused;
        if (all <= NAMED_MAX && !self.live) || self.look.verbose || self.replay > 0 {
            for step in steps {
                self.replayed(text, step);
            }
        } else if !steps.is_empty() {
            let saved = steps.iter().fold(0u64, |sum, step| sum.saturating_add(step.saved_ms));
            let restored: usize = steps.iter().map(|step| step.restored).sum();
            let mut what = format!("{}, {} saved", look::count(steps.len(), "step"), look::time(saved));
            if restored > 0 {
                what = format!("{what}, {} restored", look::count(restored, "output"));
            }
            self.line(text, Tone::Good, "cached", &what);
        }
    }

    /// A step whose result was used again, and what it printed when it ran, if somebody asked for that.
    fn replayed(&mut self, text: &mut String, step: &Reused) {
        let what = reused(step);
        let most = OUTPUT_BYTES.min(self.replay);
        let tail = step.output.filter(|_| most > 0).and_then(|blob| self.stored.tail(&blob, most));
        let Some(tail) = tail else { return self.step(text, Tone::Good, "cached", &step.step, &what) };
        self.replay -= tail.bytes.len().min(self.replay);
        let what = format!("{what}, replayed from run {}", clean::text(step.run.as_str()));
        self.heading(text, self.look.github, Tone::Good, "cached", &step.step, &what);
        let all = format!("`wf report --step {}` has it all", clean::text(step.step.as_str()));
        self.shown(text, &tail, &all);
        if self.look.github {
            text.push_str("::endgroup::\n");
        }
    }

    fn started(&mut self, text: &mut String, view: &RunView, step: &StepId, attempt: u32) {
        if self.mode == OutputMode::Stream {
            self.streams.insert(step.clone(), Stream { attempt, follow: None, partial: vec![] });
        }
        if self.live {
            return;
        }
        let why = match view.step(step).and_then(|s| s.decision.as_ref()) {
            Some(Decision::Run(because)) if attempt == 1 => clean::text(&because.to_string()),
            _ => format!("attempt {attempt}"),
        };
        self.step(text, Tone::Dim, "started", step, &why);
    }

    fn finished(&mut self, text: &mut String, end: &StepFinished) {
        self.stream(text, &end.step);
        if let Some(mut stream) = self.streams.remove(&end.step)
            && !stream.partial.is_empty()
        {
            self.streamed(text, &end.step, &std::mem::take(&mut stream.partial));
        }
        let (tone, word) = ended(end);
        let mut what = look::time(end.wall_ms);
        if !end.outcome.passed() {
            what = format!("{what}  {}", outcome(&end.outcome));
        }
        if end.attempt > 1 {
            what = format!("{what} (attempt {})", end.attempt);
        }
        let passed = end.outcome.passed();
        let shows = match self.mode {
            OutputMode::Stream => false,
            OutputMode::Grouped => true,
            // What wf stopped has nothing to explain.
            OutputMode::Errors => end.outcome.kind().is_some() && end.last,
        };
        let Some(log) = end.log.as_ref().filter(|_| shows) else {
            return self.step(text, tone, word, &end.step, &what);
        };
        // GitHub folds a group, and nobody should have to unfold a failure.
        let group = self.look.github && passed;
        self.heading(text, group, tone, word, &end.step, &what);
        self.output(text, log);
        if group {
            text.push_str("::endgroup::\n");
        }
    }

    /// The line above a step's output; `group`: it folds.
    fn heading(&self, text: &mut String, group: bool, tone: Tone, word: &str, step: &StepId, what: &str) {
        if group {
            let (title, what) = (clean::disarm(&clean::text(step.as_str())), clean::disarm(what));
            let _ = writeln!(text, "::group::{word} {title} {what}");
        } else {
            self.step(text, tone, word, step, what);
        }
    }

    /// A step's output in one piece.
    fn output(&self, text: &mut String, log: &str) {
        let Some(path) = output::inside(&self.run_dir, log) else {
            return self.line(text, Tone::Warn, "warning", "the log names output outside the run's folder");
        };
        let tail = match output::tail(&path, OUTPUT_BYTES) {
            Ok(tail) => tail,
            Err(error) => {
                let what = format!("cannot show the output in {}: {error}", clean::text(&path.display().to_string()));
                return self.line(text, Tone::Warn, "warning", &what);
            }
        };
        self.shown(text, &tail, &format!("all of it in {}", clean::text(&path.display().to_string())));
    }

    /// The end of an output. `all`: where more of it is.
    fn shown(&self, text: &mut String, tail: &Tail, all: &str) {
        let most = if self.live { LIVE_LINES } else { usize::MAX };
        let (lines, before) = tail.lines(most, self.colors());
        if before > 0 || tail.left_out > 0 {
            let what = match tail.left_out {
                0 => look::count(before, "earlier line"),
                n => format!("{} before this", look::bytes(n)),
            };
            text.push_str(&self.look.paint(Tone::Dim, &format!("  │ … {what}, {all}")));
            text.push('\n');
        }
        for line in lines {
            if self.look.github {
                text.push_str(&clean::disarm(&line));
            } else {
                text.push_str(&self.look.paint(Tone::Dim, "  │ "));
                text.push_str(&line);
            }
            text.push('\n');
        }
    }

    /// Whole lines that a running step printed since the last time.
    fn stream(&mut self, text: &mut String, step: &StepId) {
        let Some(stream) = self.streams.get_mut(step) else { return };
        if stream.follow.is_none() {
            let path = output::inside(&self.run_dir, &output::path_of(step, stream.attempt));
            stream.follow = path.and_then(|path| Follow::open(&path).ok());
        }
        let Some(follow) = &mut stream.follow else { return };
        let mut bytes = std::mem::take(&mut stream.partial);
        let read = follow.read(|new| bytes.extend_from_slice(new));
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
        stream.partial = bytes.split_off(whole);
        if let Err(error) = read {
            self.streams.remove(step);
            let what = format!("cannot show the output of {}: {error}", clean::text(step.as_str()));
            self.line(text, Tone::Warn, "warning", &what);
        }
        self.streamed(text, step, &bytes);
    }

    fn streamed(&self, text: &mut String, step: &StepId, bytes: &[u8]) {
        let prefix = self.look.column(Tone::Dim, &clean::text(step.as_str()), self.ids);
        for line in output::lines(bytes) {
            let line = clean::line(line, self.colors());
            let line = format!("{prefix} │ {line}");
            text.push_str(&if self.look.github { clean::disarm(&line) } else { line });
            text.push('\n');
        }
    }

    fn colors(&self) -> Colors {
        if self.look.color { Colors::Keep } else { Colors::Drop }
    }

    fn step(&self, text: &mut String, tone: Tone, word: &str, step: &StepId, what: &str) {
        let id = clean::text(step.as_str());
        let fill = self.ids.saturating_sub(console::measure_text_width(&id));
        self.line(text, tone, word, &format!("{id}{}  {what}", " ".repeat(fill)));
    }

    fn line(&self, text: &mut String, tone: Tone, word: &str, what: &str) {
        let what = if self.look.github { clean::disarm(what) } else { what.to_owned() };
        let line = format!("{} {what}", self.look.column(tone, word, 9));
        let line = format!("{}\n", line.trim_end());
        text.push_str(&if self.terminal { look::wrap(&line, self.look.width) } else { line });
    }

    /// The closing summary.
    pub(super) fn summary(&self, view: &RunView) -> String {
        let text = super::summary::render(view, &self.look);
        if self.terminal { look::wrap(&text, self.look.width) } else { text }
    }
}

/// What using a result again did.
pub(super) fn reused(step: &Reused) -> String {
    let mut what = format!("{} saved", look::time(step.saved_ms));
    if step.restored > 0 {
        what = format!("{what}, {} restored", look::count(step.restored, "output"));
    }
    if step.resumed { format!("{what}, from the run that was interrupted") } else { what }
}

/// How an attempt's end is called in one word.
pub(super) fn ended(end: &StepFinished) -> (Tone, &'static str) {
    match &end.outcome {
        Outcome::Passed => (Tone::Good, "passed"),
        Outcome::Stopped => (Tone::Warn, "stopped"),
        _ if end.allowed => (Tone::Warn, "allowed"),
        _ => (Tone::Bad, "failed"),
    }
}

/// An outcome after the word `failed` was said.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { code } => format!("exit code {code}"),
        Outcome::Stopped => "by wf".into(),
        other => clean::text(&other.to_string()),
    }
}
