//! The picture as Mermaid, which GitHub draws in Markdown where it shows no SVG. Pure.
//!
//! Grammar: <https://mermaid.js.org/syntax/gantt.html>.

use crate::report::RunView;
use crate::report::clean;
use std::fmt::Write as _;

/// More bars than these nobody can read: the longest are shown.
const BARS: usize = 40;

/// A Gantt chart in a fenced block; nothing if no step ran.
pub fn gantt(view: &RunView) -> String {
    let now = view.at_ms;
    let mut bars: Vec<(usize, u64, u64, String)> = Vec::new();
    for step in &view.steps {
        let place = view.stages.iter().position(|stage| Some(&stage.plan.name) == step.stage.as_ref());
        for attempt in &step.attempts {
            let took = attempt.finished.as_ref().map_or(now.saturating_sub(attempt.started_ms), |end| end.wall_ms);
            let failed = attempt.finished.as_ref().is_some_and(|end| !end.outcome.passed());
            let again = if step.attempts.len() > 1 { format!(" ({})", attempt.number) } else { String::new() };
            let name = format!("{}{again} :{}", plain(step.id.as_str()), if failed { "crit, " } else { "" });
            bars.push((place.unwrap_or(usize::MAX), attempt.started_ms, took, name));
        }
    }
    if bars.is_empty() {
        return String::new();
    }
    bars.sort_by_key(|bar| std::cmp::Reverse(bar.2));
    bars.truncate(BARS);
    bars.sort();
    let mut text = String::from("```mermaid\ngantt\n  dateFormat x\n  axisFormat %M:%S\n");
    let mut section = None;
    for (place, start, took, name) in bars {
        if section != Some(place) {
            section = Some(place);
            let stage = view.stages.get(place).map_or_else(|| "steps".into(), |stage| plain(&stage.plan.name));
            let _ = writeln!(text, "  section {stage}");
        }
        // A bar without a length is not drawn.
        let _ = writeln!(text, "  {name}{start}, {}", start + took.max(1));
    }
    text.push_str("```\n");
    text
}

/// A name that is no grammar: its colons, commas, semicolons, hashes and quotes mean something here, and a line's first word may.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_./@ ()+".contains(c) { c } else { '·' };
    let text: String = clean::text(name).chars().map(plain).collect();
    // `section`, `title`, `click` and the like are words of the grammar.
    format!("\u{200b}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::story::eventful;

    #[test]
    fn an_eventful_run_is_drawn() {
        insta::assert_snapshot!(gantt(&eventful().view()));
        assert_eq!(gantt(&RunView::of(vec![])), "");
    }

    #[test]
    fn a_name_is_no_grammar() {
        assert_eq!(plain("a:b,c;d#e`f\"\n```"), "\u{200b}a·b·c·d·e·f· ···");
    }
}
