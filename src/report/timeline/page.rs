//! The picture and its tables as one page, without scripts.

use super::super::look::{self, Look};
use super::super::usage::{Curves, Series};
use super::super::view::{RunView, StepView};
use super::super::{metrics, narrator, output, summary, text};
use super::{draw, escape};
use std::fmt::Write as _;
use std::path::Path;

/// Rows of the table of steps.
const ROWS_MAX: usize = 2_000;
/// Output of a failed step, and of all together.
const OUTPUT_BYTES: usize = 128 << 10;
const ALL_BYTES: usize = 8 << 20;

const STYLE: &str = "
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}
main{max-width:1120px;margin:0 auto;padding:16px 20px 48px}
h2{font-size:17px;margin:32px 0 8px}svg{max-width:100%;height:auto;display:block}
.picture{overflow-x:auto;margin:0 -20px}.picture svg{min-width:860px;width:100%}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}th{text-align:left;color:var(--muted);font-weight:500}
th,td{padding:4px 14px 4px 0;border-bottom:1px solid var(--grid);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code,pre{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--band);border:1px solid var(--grid);border-radius:6px;padding:12px;overflow:auto;max-height:420px}
.tag{font-weight:600}.tag.passed{color:var(--passed)}.tag.failed{color:var(--failed)}.tag.allowed{color:var(--allowed)}
.tag.skipped,.tag.cancelled,.tag.stopped,.muted{color:var(--muted)}
.alarm{border-left:4px solid var(--failed);background:var(--band);padding:8px 14px;margin:8px 0}
.note{border-left:4px solid var(--allowed);background:var(--band);padding:8px 14px;margin:8px 0}
summary{cursor:pointer}.spark{vertical-align:middle}
";

/// The run as a self-contained page.
pub fn html(view: &RunView, run_dir: &Path, look: &Look) -> String {
    let mut body = String::new();
    for (step, skip) in view.wrong_skips() {
        let what = summary::skip_words(skip);
        let id = escape(step.id.as_str());
        let _ =
            writeln!(body, "<p class=\"alarm\"><b>{id}</b> failed, and would have been skipped: {}</p>", escape(&what));
    }
    for fallback in &view.fallbacks {
        let hint = fallback
            .hint
            .as_ref()
            .map_or(String::new(), |hint| format!("<br><span class=\"muted\">hint: {}</span>", escape(hint)));
        let _ = writeln!(body, "<p class=\"note\">{}{hint}</p>", escape(&fallback.message));
    }
    let _ = writeln!(body, "<div class=\"picture\">{}</div>", draw::svg(view, look));
    changes(&mut body, view);
    failures(&mut body, view, run_dir);
    steps(&mut body, view);
    phases(&mut body, view);
    curves(&mut body, view);
    warnings(&mut body, view);
    let title = escape(&format!("wf run: {}", summary::counts(view)));
    format!(
        "<!doctype html>\n<html lang=\"en\" class=\"wf\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{}{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        draw::STYLE
    )
}

fn changes(out: &mut String, view: &RunView) {
    let Some(changes) = &view.changes else { return };
    let _ = writeln!(out, "<h2>What changed</h2>\n<p>{}</p>", escape(&summary::change_line(changes)));
    if !changes.files.is_empty() {
        let _ = write!(out, "<details><summary>{}</summary><pre>", look::count(changes.total, "file"));
        for file in &changes.files {
            let _ = writeln!(out, "{}", escape(file));
        }
        if changes.total > changes.files.len() {
            let _ = writeln!(out, "and {} more", changes.total - changes.files.len());
        }
        out.push_str("</pre></details>\n");
    }
}

fn failures(out: &mut String, view: &RunView, run_dir: &Path) {
    let mut room = ALL_BYTES;
    let mut first = true;
    for step in view.failed().chain(view.failed_but_allowed()) {
        let Some(end) = step.end() else { continue };
        if std::mem::take(&mut first) {
            out.push_str("<h2>What failed</h2>\n");
        }
        let (id, how) = (escape(step.id.as_str()), escape(&narrator::outcome(&end.outcome)));
        let command = escape(&summary::reproduce(step));
        let _ = writeln!(
            out,
            "<p><span class=\"tag {0}\">{0}</span> <b>{id}</b>: {how}<br><span class=\"muted\">reproduce:</span> <code>{command}</code></p>",
            metrics::state(step)
        );
        if let Some(tail) = output::of(run_dir, end, OUTPUT_BYTES.min(room)) {
            room -= tail.bytes.len().min(room);
            let open = if end.allowed { "" } else { " open" };
            let lines: Vec<String> = tail.text().lines().map(escape).collect();
            let _ = writeln!(out, "<details{open}><summary>output</summary><pre>{}</pre></details>", lines.join("\n"));
        }
    }
}

fn steps(out: &mut String, view: &RunView) {
    out.push_str(
        "<h2>Steps</h2>\n<div class=\"scroll\"><table>\n<tr><th>step</th><th>result</th><th>why</th><th class=\"n\">time</th>\
         <th class=\"n\">processor</th><th class=\"n\">memory</th><th class=\"n\">disk</th></tr>\n",
    );
    for step in view.steps.iter().take(ROWS_MAX) {
        let state = metrics::state(step);
        let numbers = if step.attempts.is_empty() {
            "<td class=\"n\"></td><td class=\"n\"></td><td class=\"n\"></td><td class=\"n\"></td>".to_owned()
        } else {
            let usage = step.usage();
            format!(
                "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>",
                look::time(step.time_ms()),
                look::time(usage.cpu_ms),
                look::bytes(usage.memory_bytes),
                look::bytes(usage.disk_bytes)
            )
        };
        let _ = writeln!(
            out,
            "<tr><td><code>{}</code></td><td class=\"tag {state}\">{state}</td><td>{}</td>{numbers}</tr>",
            escape(step.id.as_str()),
            escape(&summary::why(step))
        );
    }
    out.push_str("</table></div>\n");
    if view.steps.len() > ROWS_MAX {
        let _ = writeln!(out, "<p class=\"muted\">and {} more steps</p>", view.steps.len() - ROWS_MAX);
    }
}

fn phases(out: &mut String, view: &RunView) {
    let with: Vec<&StepView> = view.steps.iter().filter(|step| !step.phases.is_empty()).take(ROWS_MAX).collect();
    if with.is_empty() {
        return;
    }
    out.push_str("<h2>Phases</h2>\n<div class=\"scroll\"><table>\n<tr><th>step</th><th>phases</th></tr>\n");
    for step in with {
        let _ = writeln!(
            out,
            "<tr><td><code>{}</code></td><td>{}</td></tr>",
            escape(step.id.as_str()),
            escape(&text::phase_words(step))
        );
    }
    out.push_str("</table></div>\n");
}

fn curves(out: &mut String, view: &RunView) {
    let with: Vec<&StepView> = view.steps.iter().filter(|step| step.samples.len() > 1).take(ROWS_MAX).collect();
    if with.is_empty() {
        return;
    }
    out.push_str(
        "<h2>Resources over time</h2>\n<div class=\"scroll\"><table>\n<tr><th>step</th><th>processor</th><th>memory</th><th>disk</th></tr>\n",
    );
    for step in with {
        let curves = Curves::of(&step.samples);
        let _ = writeln!(
            out,
            "<tr><td><code>{}</code></td><td>{} {} %</td><td>{} {}</td><td>{} {}/s</td></tr>",
            escape(step.id.as_str()),
            spark(&curves.cpu),
            curves.cpu.peak(),
            spark(&curves.memory),
            look::bytes(curves.memory.peak()),
            spark(&curves.disk),
            look::bytes(curves.disk.peak())
        );
    }
    out.push_str("</table></div>\n");
}

fn spark(series: &Series) -> String {
    let values = series.columns(60);
    let (peak, wide) = (series.peak().max(1) as f64, 160.0);
    let step = wide / values.len().max(1) as f64;
    let mut path = String::from("M0 28");
    for (at, value) in values.iter().enumerate() {
        let _ = write!(path, "L{:.1} {:.1}", step * (at as f64 + 0.5), 28.0 - *value as f64 / peak * 26.0);
    }
    format!(
        "<svg class=\"spark wf\" style=\"display:inline\" width=\"{wide}\" height=\"28\" viewBox=\"0 0 {wide} 28\" aria-hidden=\"true\">\
         <path class=\"area\" d=\"{path}L{wide} 28Z\"/></svg>"
    )
}

fn warnings(out: &mut String, view: &RunView) {
    if view.warnings.is_empty() {
        return;
    }
    out.push_str("<h2>Warnings</h2>\n<ul>\n");
    for warning in view.warnings.iter().take(ROWS_MAX) {
        let about =
            warning.step.as_ref().map_or(String::new(), |step| format!("<code>{}</code>: ", escape(step.as_str())));
        let _ = writeln!(out, "<li>{about}{}</li>", escape(&warning.message));
    }
    out.push_str("</ul>\n");
}
