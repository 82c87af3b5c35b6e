//! One picture of the live display: what runs, and a line that sums up. Pure.
//!
//! Does not know: terminals, clocks. No line is wider than the size says, whatever steps print or are called.

use super::look::{self, Look, Tone};
use super::view::StepView;
use super::{RunView, clean};
use crate::base::Millis;
use crate::event::Interval;

/// A terminal's size in display cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

/// One line: its parts, and how each is painted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(pub Vec<(Option<Tone>, String)>);

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// A display that fills the whole screen hides what was printed above it.
const ROWS_MAX: usize = 20;
/// Less of a step's last line than this says nothing.
const TAIL_MIN: usize = 12;

/// The picture at a moment; `left`: how long it will go on.
pub fn frame(view: &RunView, size: Size, now_ms: Millis, left: Option<Interval>) -> Vec<Line> {
    if view.finished.is_some() {
        return vec![];
    }
    let rows = size.height.saturating_sub(2).clamp(1, ROWS_MAX);
    let mut running: Vec<&StepView> = view.running().collect();
    // The oldest first, so that lines keep their places; what does not fit is the newest.
    running.sort_by_key(|step| std::cmp::Reverse(step.running_ms(now_ms)));
    let shown = if running.len() > rows { rows - 1 } else { running.len() };
    let ids = running[..shown].iter().map(|step| cells(&clean::text(step.id.as_str()))).max().unwrap_or(0);
    let ids = ids.min((size.width / 3).max(8));
    let spinner = SPINNER[(now_ms / 100) as usize % SPINNER.len()];
    let mut lines: Vec<Line> = running[..shown].iter().map(|s| step_line(s, ids, size, spinner, now_ms)).collect();
    if shown < running.len() {
        let text = format!("  and {} more running", running.len() - shown);
        lines.push(Line(vec![(Some(Tone::Dim), fit(&text, size.width))]));
    }
    lines.push(bottom(view, size, now_ms, left));
    lines
}

fn step_line(step: &StepView, ids: usize, size: Size, spinner: &str, now_ms: Millis) -> Line {
    let time = look::time(step.running_ms(now_ms).unwrap_or(0));
    let id = pad(&middle(&clean::text(step.id.as_str()), ids), ids);
    let time = format!("{time:>6}");
    let mut parts = vec![
        (Some(Tone::Good), format!("{spinner} ")),
        (Some(Tone::Strong), id),
        (Some(Tone::Dim), format!(" {time}")),
    ];
    let used = 2 + ids + 1 + cells(&time);
    let room = size.width.saturating_sub(used + 2);
    let tail = clean::line(step.tail.as_bytes(), clean::Colors::Drop);
    if room >= TAIL_MIN && !tail.trim().is_empty() {
        parts.push((None, format!("  {}", fit(tail.trim_end(), room))));
    }
    crop(parts, size.width)
}

fn bottom(view: &RunView, size: Size, now_ms: Millis, left: Option<Interval>) -> Line {
    let t = &view.totals;
    let tone = if t.failed > 0 { Tone::Bad } else { Tone::Strong };
    let head = if view.planned { format!("{}/{} done", t.ran(), t.to_run()) } else { "planning".into() };
    let mut parts = vec![(Some(tone), head), (Some(Tone::Dim), format!(" {}", look::time(now_ms)))];
    // The most important first: what does not fit is left out from the end.
    let mut more = vec![];
    if let Some((signal, times)) = &view.interrupted {
        let how = if *times > 1 { "stopping now" } else { "stopping gently" };
        more.push((Tone::Warn, format!("{how} ({})", clean::text(signal))));
    }
    if let Some(left) = left {
        more.push((Tone::Dim, format!("{} left", look::span(&left))));
    }
    for (n, word, tone) in [
        (t.failed, "failed", Tone::Bad),
        (t.allowed, "failed but allowed", Tone::Warn),
        (t.stopped, "stopped", Tone::Warn),
        (t.running, "running", Tone::Dim),
        (t.retrying, "to retry", Tone::Warn),
        (t.reused, "cached", Tone::Good),
        (t.skipped(), "skipped", Tone::Dim),
        (t.cancelled, "not run", Tone::Warn),
    ] {
        if n > 0 {
            more.push((tone, format!("{n} {word}")));
        }
    }
    let stage = view.stages.iter().rev().find(|stage| stage.started_ms.is_some() && stage.finished.is_none());
    if let Some(stage) = stage {
        more.push((Tone::Dim, format!("stage {}", clean::text(&stage.plan.name))));
    }
    let mut used: usize = parts.iter().map(|(_, text)| cells(text)).sum();
    for (tone, text) in more {
        let text = format!(", {text}");
        used += cells(&text);
        if used > size.width {
            break;
        }
        parts.push((Some(tone), text));
    }
    crop(parts, size.width)
}

/// Cuts the parts off where the line would be too wide.
fn crop(parts: Vec<(Option<Tone>, String)>, width: usize) -> Line {
    let (mut left, mut line) = (width, Line::default());
    for (tone, text) in parts {
        let text = fit(&text, left);
        left -= cells(&text);
        line.0.push((tone, text));
    }
    line
}

/// Display cells that a text takes. Letters are added up one by one, as terminals do; a joined emoji may take less.
pub fn cells(text: &str) -> usize {
    let mut buffer = [0; 4];
    text.chars().map(|c| console::measure_text_width(c.encode_utf8(&mut buffer))).sum()
}

/// The beginning of a text that fits; `…` says that there is more.
pub fn fit(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    format!("{}…", take(text.chars(), width - 1))
}

/// The beginning and the end of a text that fits: instances of one step differ at the end.
pub fn middle(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    if width < 8 {
        return fit(text, width);
    }
    let head = take(text.chars(), (width - 1) / 2);
    let tail = take(text.chars().rev(), width - 1 - cells(&head));
    format!("{head}…{}", tail.chars().rev().collect::<String>())
}

fn take(chars: impl Iterator<Item = char>, width: usize) -> String {
    let (mut taken, mut used, mut buffer) = (String::new(), 0, [0; 4]);
    for c in chars {
        used += console::measure_text_width(c.encode_utf8(&mut buffer));
        if used > width {
            break;
        }
        taken.push(c);
    }
    taken
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(cells(text))))
}

impl Line {
    /// Its text without paint.
    pub fn plain(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Its text as a terminal takes it.
    pub fn painted(&self, look: &Look) -> String {
        self.0.iter().map(|(tone, text)| tone.map_or_else(|| text.clone(), |tone| look.paint(tone, text))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{self, Story};
    use super::*;
    use crate::event::{EventKind, Outcome};
    use proptest::prelude::*;

    fn busy(running: usize) -> RunView {
        let names: Vec<String> = (0..running).map(|n| format!("test@services/payments-{n:02}")).collect();
        let mut steps: Vec<_> = names.iter().map(|name| story::runs(name)).collect();
        steps.extend([story::runs("build"), story::runs("lint"), story::skips("docs", true), story::runs("漢字")]);
        let mut story = Story::plan(steps);
        story.start(5, "build").end(1_000, "build", 995, Outcome::Passed);
        story.start(6, "lint").end(1_100, "lint", 1_094, Outcome::Failed { code: 1 });
        story.start(1_000, "漢字").output(
            1_500,
            "漢字",
            "今日は\t\x1b[31m世界、これは長い行です。折り返してはいけません。",
        );
        for (n, name) in names.iter().enumerate() {
            story.start(2_000 + n as u64, name);
            story.output(
                3_000,
                name,
                &format!("running test {n} of a suite with a rather long name, over and over again"),
            );
        }
        story.view()
    }

    fn draw(view: &RunView, width: usize, height: usize) -> String {
        let lines = frame(view, Size { width, height }, 65_300, None);
        let lines: Vec<String> = lines.iter().map(|line| pad(&line.plain(), width) + "|\n").collect();
        lines.concat()
    }

    #[test]
    fn it_is_right_at_any_width_and_height() {
        let view = busy(6);
        let mut all = String::new();
        for (width, height) in [(20, 5), (20, 24), (40, 5), (40, 24), (80, 5), (80, 24), (200, 5), (200, 24)] {
            all = format!("{all}{width} x {height}\n{}\n", draw(&view, width, height));
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn before_the_plan_and_after_the_end() {
        assert_eq!(draw(&RunView::default(), 20, 5), "planning 1m05s      |\n");
        assert_eq!(frame(&story::eventful().view(), Size { width: 80, height: 24 }, 20_000, None), vec![]);
    }

    #[test]
    fn colours_end_where_they_begin() {
        let look = Look { color: true, ..story::look() };
        for line in frame(&busy(2), Size { width: 80, height: 24 }, 65_300, None) {
            let painted = line.painted(&look);
            let after_last = painted.rsplit_once('\x1b').map_or("", |(_, tail)| tail);
            assert!(after_last.starts_with("[0m"), "{painted:?}");
            assert_eq!(console::strip_ansi_codes(&painted), line.plain());
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_no_frame_too_high(
            id in "\\PC{1,40}", tail in "\\PC{0,80}|[\\x00-\\x7f]{0,80}", width in 0usize..90, height in 0usize..30,
            running in 0usize..40, size in any::<u64>(),
        ) {
            let mut story = Story::plan((0..running).map(|n| story::runs(&format!("{id}{n}"))).collect());
            for n in 0..running {
                story.at(1, EventKind::StepStarted { step: story::id(&format!("{id}{n}")), attempt: 1 });
                story.output(2, &format!("{id}{n}"), &tail);
            }
            let lines = frame(&story.view(), Size { width, height }, 100_000_000, Some(Interval { ms: size, low_ms: 1, high_ms: u64::MAX }));
            prop_assert!(lines.len() <= height.max(2), "{} lines", lines.len());
            for line in lines {
                let text = line.plain();
                prop_assert!(cells(&text) <= width && !text.contains(char::is_control), "{text:?}");
            }
        }
    }
}
