//! The picture as SVG. Pure.

use super::super::look::{self, Look};
use super::super::view::RunView;
use super::super::{clean, frame, summary};
use super::chart::{Band, Bar, Chart, Row};
use super::escape;
use super::strip::{Strip, peak};
use crate::base::Millis;
use crate::event::RunStatus;
use std::fmt::Write as _;

const WIDTH: f64 = 1_120.0;
const LEFT: f64 = 236.0;
const RIGHT: f64 = 1_088.0;
const ROW: f64 = 24.0;
const HEAD: f64 = 22.0;
const STRIP: f64 = 40.0;
/// About the width of a letter of the labels.
const LETTER: f64 = 6.4;

/// Colours by name, in light and in dark. A shape or a word says the same as each colour.
pub(super) const STYLE: &str = "
.wf{--bg:#fff;--ink:#1c2128;--muted:#656d76;--grid:#e4e8ec;--band:#f4f6f8;--passed:#2da06d;--failed:#d03b50;
--allowed:#d69a1e;--stopped:#8a929b;--running:#3b82d0;--wait:#b6bec7;--crit:#6b3fd4}
@media (prefers-color-scheme:dark){.wf{--bg:#0f141a;--ink:#e3e8ee;--muted:#919ba6;--grid:#252d36;--band:#161c24;
--passed:#37b37e;--failed:#ef5a6f;--allowed:#e5b04a;--stopped:#78828d;--running:#5aa2ea;--wait:#47515c;--crit:#ac8bff}}
.wf text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:var(--ink)}
.wf .title{font-size:18px;font-weight:600}.wf .muted{fill:var(--muted)}.wf .stage{font-weight:600}
.wf .small{font-size:11px}.wf .bold{font-weight:600}.wf .inside{fill:#fff}.wf .end{text-anchor:end}
.wf .grid{stroke:var(--grid)}.wf .band{fill:var(--band)}.wf .span{fill:var(--grid)}
.wf .wait{stroke:var(--wait);stroke-width:2;stroke-dasharray:2 3}.wf .link{stroke:var(--crit);fill:none;stroke-width:1.5}
.wf .passed{fill:var(--passed)}.wf .failed{fill:var(--failed)}.wf .allowed{fill:var(--allowed)}
.wf .stopped{fill:var(--stopped)}.wf .running{fill:var(--running)}
.wf .crit{stroke:var(--crit);stroke-width:2}.wf .dot{fill:var(--crit)}
.wf .area{fill:var(--running);fill-opacity:.25;stroke:var(--running);stroke-width:1}
";

/// The run as a self-contained SVG document.
pub fn svg(view: &RunView, look: &Look) -> String {
    let chart = Chart::of(view);
    let strip = Strip::of(view, chart.end_ms);
    let mut body = String::new();
    let mut y = header(&mut body, view, look);
    let top = y + 18.0;
    let heads = chart.bands.iter().filter(|band| band.name.is_some()).count() as f64;
    let plot_height = chart.rows.len() as f64 * ROW + heads * HEAD + 6.0;
    let curves = strip.as_ref().map_or_else(Vec::new, curves);
    let strip_height = curves.len() as f64 * (STRIP + 10.0);
    axis(&mut body, &chart, y, top + plot_height + strip_height);
    let places = places(&chart, top);
    for band in &chart.bands {
        stage(&mut body, &chart, band, &places);
    }
    links(&mut body, &chart, &places);
    for (row, y) in chart.rows.iter().zip(&places) {
        draw_row(&mut body, &chart, row, *y);
    }
    y = top + plot_height;
    resources(&mut body, &curves, y + 8.0);
    y += strip_height;
    y = legend(&mut body, &chart, y + 26.0);
    y = notes(&mut body, view, &chart, y);
    let height = y + 12.0;
    let label = escape(&format!("wf run, {}", summary::counts(view)));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"wf\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"{label}\">\n<style>{STYLE}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{height:.0}\" style=\"fill:var(--bg)\"/>\n{body}</svg>\n"
    )
}

fn write(out: &mut String, class: &str, x: f64, y: f64, text: &str) {
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(text));
}

fn x_of(chart: &Chart<'_>, at: Millis) -> f64 {
    LEFT + (RIGHT - LEFT) * (at.min(chart.end_ms) as f64 / chart.end_ms as f64)
}

fn header(out: &mut String, view: &RunView, look: &Look) -> f64 {
    let word = match view.finished.map(|end| end.status) {
        Some(RunStatus::Passed) => "passed",
        Some(RunStatus::Failed) => "failed",
        Some(RunStatus::Interrupted) => "was interrupted",
        Some(RunStatus::Broken) => "could not go on",
        None => "has not ended",
    };
    write(out, "title", 24.0, 36.0, &format!("The run {word} after {}", look::time(view.wall_ms())));
    let mut y = 58.0;
    write(out, "muted", 24.0, y, &frame::fit(&summary::counts(view), 160));
    if let Some(run) = &view.run {
        y += 18.0;
        write(out, "muted", 24.0, y, &frame::fit(&summary::run_line(run, look), 160));
    }
    y + 26.0
}

/// The distance of the grid's lines: a round time that leaves at most eight of them.
fn tick(end_ms: Millis) -> Millis {
    const ROUND: [Millis; 16] = [
        1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000,
        14_400_000,
    ];
    let least = end_ms.div_ceil(8).max(1);
    let day = 86_400_000;
    ROUND.into_iter().find(|round| *round >= least).unwrap_or_else(|| least.div_ceil(day).saturating_mul(day))
}

fn axis(out: &mut String, chart: &Chart<'_>, y: f64, bottom: f64) {
    let step = tick(chart.end_ms);
    for n in 0..=chart.end_ms / step {
        let x = x_of(chart, n * step);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>",
            y + 6.0
        );
        let text = if step < 100 { format!("{}ms", n * step) } else { look::time(n * step) };
        write(out, "muted small", x + 3.0, y + 2.0, &text);
    }
}

/// Where each row is.
fn places(chart: &Chart<'_>, top: f64) -> Vec<f64> {
    let mut y = top;
    let mut places = vec![];
    for band in &chart.bands {
        y += if band.name.is_some() { HEAD } else { 0.0 };
        for _ in band.rows.clone() {
            places.push(y);
            y += ROW;
        }
    }
    places
}

fn stage(out: &mut String, chart: &Chart<'_>, band: &Band<'_>, places: &[f64]) {
    let (Some(name), Some(first)) = (band.name, places.get(band.rows.start)) else { return };
    let (y, height) = (first - HEAD, band.rows.len() as f64 * ROW + HEAD);
    if let Some((from, to)) = band.span {
        let (from, to) = (x_of(chart, from), x_of(chart, to));
        let _ = writeln!(
            out,
            "<rect class=\"band\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\"/>\n\
             <rect class=\"span\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"4\" rx=\"2\"/>",
            y + 2.0,
            (to - from).max(1.0),
            height - 4.0,
            y + 9.0,
            (to - from).max(1.0),
        );
    }
    write(out, "stage", 24.0, y + 15.0, &frame::fit(&format!("stage {}", clean::text(name)), 30));
}

/// From each step of the critical path to the next.
fn links(out: &mut String, chart: &Chart<'_>, places: &[f64]) {
    for pair in chart.critical.windows(2) {
        let [a, b] = pair else { continue };
        let (from, to) = (x_of(chart, chart.rows[*a].ends_ms()), x_of(chart, chart.rows[*b].begins_ms()));
        let middle = |row: usize| places[row] + ROW / 2.0;
        let _ = writeln!(out, "<path class=\"link\" d=\"M{from:.1} {:.1}V{:.1}H{to:.1}\"/>", middle(*a), middle(*b));
    }
}

fn draw_row(out: &mut String, chart: &Chart<'_>, row: &Row<'_>, y: f64) {
    let text = y + 16.0;
    if row.critical {
        let _ = writeln!(out, "<circle class=\"dot\" cx=\"28\" cy=\"{:.1}\" r=\"3.5\"/>", y + 12.0);
    }
    // Bold letters are wider.
    let (class, letters) = if row.critical { ("bold", 24) } else { ("", 27) };
    let id = clean::text(row.step.id.as_str());
    write(out, class, 38.0, text, &frame::middle(&id, letters));
    let (ready, from) = (x_of(chart, row.ready_ms), x_of(chart, row.begins_ms()));
    if from - ready > 2.0 {
        wait(out, ready, from, y);
    }
    for pair in row.bars.windows(2) {
        if let [a, b] = pair {
            wait(out, x_of(chart, a.to_ms), x_of(chart, b.from_ms), y);
        }
    }
    for bar in &row.bars {
        draw_bar(out, chart, row, bar, y);
    }
    let Some(last) = row.bars.last() else { return };
    let mut what = look::time(row.step.time_ms());
    if last.how != "passed" {
        what = format!("{what} {}", last.how);
    }
    let (from, to) = (x_of(chart, last.from_ms), x_of(chart, last.to_ms));
    let wide = what.len() as f64 * LETTER + 12.0;
    if to + wide < RIGHT + 24.0 {
        write(out, "small", to + 6.0, text, &what);
    } else if to - from > wide + 16.0 {
        write(out, "small inside end", to - 6.0, text, &what);
    } else {
        write(out, "small end", from.min(ready) - 6.0, text, &what);
    }
}

fn wait(out: &mut String, from: f64, to: f64, y: f64) {
    let y = y + ROW / 2.0;
    let _ = writeln!(out, "<line class=\"wait\" x1=\"{from:.1}\" y1=\"{y:.1}\" x2=\"{to:.1}\" y2=\"{y:.1}\"/>");
}

fn draw_bar(out: &mut String, chart: &Chart<'_>, row: &Row<'_>, bar: &Bar, y: f64) {
    let (from, to) = (x_of(chart, bar.from_ms), x_of(chart, bar.to_ms));
    let critical = if row.critical { " crit" } else { "" };
    let usage = row.step.usage();
    let tip = format!(
        "{}: {}, from {} to {}, {} of processor, {} of memory",
        row.step.id,
        bar.how,
        look::time(bar.from_ms),
        look::time(bar.to_ms),
        look::time(usage.cpu_ms),
        look::bytes(usage.memory_bytes)
    );
    let _ = writeln!(
        out,
        "<rect class=\"{}{critical}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"16\" rx=\"3\"><title>{}</title></rect>",
        bar.how,
        y + 4.0,
        (to - from).max(2.0),
        escape(&tip)
    );
    // A cross for those who do not see the colour.
    if bar.how == "failed" && to - from > 12.0 {
        let (x, y) = (from + 4.0, y + 8.0);
        let _ = writeln!(out, "<path d=\"M{x:.1} {y:.1}l8 8m0 -8l-8 8\" style=\"stroke:#fff;stroke-width:2\"/>");
    }
}

/// What was used at all: its name, its course, and its peak.
fn curves(strip: &Strip) -> Vec<(&'static str, &[f64], String)> {
    let mut curves = vec![
        ("processor", strip.cpu.as_slice(), format!("{:.0} %", peak(&strip.cpu))),
        ("memory", strip.memory.as_slice(), look::bytes(peak(&strip.memory) as u64)),
        ("disk", strip.disk.as_slice(), format!("{}/s", look::bytes(peak(&strip.disk) as u64))),
    ];
    curves.retain(|(_, values, _)| peak(values) > 0.0);
    curves
}

fn resources(out: &mut String, curves: &[(&str, &[f64], String)], top: f64) {
    for (n, (name, values, text)) in curves.iter().enumerate() {
        let y = top + n as f64 * (STRIP + 10.0);
        write(out, "bold", 38.0, y + 18.0, name);
        write(out, "muted small", 38.0, y + 34.0, &format!("at most {text}"));
        let (bottom, highest) = (y + STRIP, peak(values));
        let mut path = format!("M{LEFT:.1} {bottom:.1}");
        let wide = (RIGHT - LEFT) / values.len() as f64;
        for (at, value) in values.iter().enumerate() {
            let height = value / highest * (STRIP - 4.0);
            let _ = write!(path, "L{:.1} {:.1}", LEFT + wide * (at as f64 + 0.5), bottom - height);
        }
        let _ = writeln!(out, "<path class=\"area\" d=\"{path}L{RIGHT:.1} {bottom:.1}Z\"/>");
    }
}

fn legend(out: &mut String, chart: &Chart<'_>, y: f64) -> f64 {
    let mut x = 38.0;
    let mut entry = |class: &str, word: &str| {
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"18\" height=\"11\" rx=\"3\"/>",
            y - 10.0
        );
        write(out, "small muted", x + 24.0, y, word);
        x += 40.0 + word.len() as f64 * LETTER;
    };
    for (how, word) in [
        ("passed", "passed"),
        ("failed", "failed (crossed)"),
        ("allowed", "failed, allowed"),
        ("stopped", "stopped"),
        ("running", "unfinished"),
    ] {
        if chart.rows.iter().any(|row| row.bars.iter().any(|bar| bar.how == how)) {
            entry(how, word);
        }
    }
    if !chart.critical.is_empty() {
        entry("passed crit", "critical path (dotted name)");
    }
    wait(out, x, x + 18.0, y - 17.0);
    write(out, "small muted", x + 24.0, y, "ready, waiting for a place");
    y + 24.0
}

/// What has no bar.
fn notes(out: &mut String, view: &RunView, chart: &Chart<'_>, mut y: f64) -> f64 {
    let mut note = |class: &str, text: &str| {
        write(out, class, 38.0, y, &frame::fit(text, 165));
        y += 18.0;
    };
    if chart.hidden > 0 {
        note("", &format!("{} more ran; the longest are shown", look::count(chart.hidden, "step")));
    }
    let known = summary::reused_steps(view);
    if !known.is_empty() {
        let names: Vec<&str> = known.iter().map(|step| step.id.as_str()).collect();
        note("muted", &format!("known for this very state: {}", look::names(&names, 8)));
    }
    for (why, steps) in summary::skipped_by_reason(view).iter().take(12) {
        let names: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        note("muted", &format!("skipped, {why}: {}", look::names(&names, 8)));
    }
    for (why, steps) in summary::cancelled_by_reason(view).iter().take(12) {
        let names: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        note("muted", &format!("not run, {why}: {}", look::names(&names, 8)));
    }
    y
}
