//! A run as OpenMetrics text, which Prometheus and its push gateway read.
//!
//! Source: OpenMetrics 1.0.0 (`application/openmetrics-text; version=1.0.0`): families are not interleaved, names of counters end
//! in `_total` and units in names come last before that, label values escape `\`, `"` and line ends, the text ends with `# EOF`.
//! Does not know: files, networks, when it is read.

use super::view::{RunView, State, StepView};
use super::{clean, metrics};
use std::fmt::Write as _;

/// The whole text.
pub fn render(view: &RunView) -> String {
    let mut out = Text(String::new());
    of_run(view, &mut out);
    of_steps(view, &mut out);
    out.0 + "# EOF\n"
}

fn of_run(view: &RunView, out: &mut Text) {
    let run = view.run.as_ref();
    if let Some(run) = run {
        out.family("wf_run", "info", "", "The run.");
        let labels = [
            ("run", run.run.as_str()),
            ("version", &run.version),
            ("branch", run.branch.as_deref().unwrap_or_default()),
            ("commit", run.commit.as_deref().unwrap_or_default()),
            ("status", metrics::status(view)),
        ];
        out.sample("wf_run_info", &labels, "1");
        if let Ok(at) = run.started_at.parse::<jiff::Timestamp>() {
            out.family("wf_run_start_time_seconds", "gauge", "seconds", "When the run began, in seconds since 1970.");
            out.sample("wf_run_start_time_seconds", &[], &at.as_second().to_string());
        }
        out.family("wf_run_jobs", "gauge", "", "The most steps at once.");
        out.sample("wf_run_jobs", &[], &run.jobs.to_string());
    }
    let totals = &view.totals;
    for (name, ms, help) in [
        ("wf_run_duration_seconds", view.wall_ms(), "How long the run took."),
        ("wf_run_steps_duration_seconds", totals.step_ms, "What all attempts took together."),
        ("wf_run_saved_seconds", view.saved().ms, "What skipped and cached steps took when they ran last."),
    ] {
        out.family(name, "gauge", "seconds", help);
        out.sample(name, &[], &seconds(ms));
    }
    if let Some(end) = view.finished {
        out.family("wf_run_exit_code", "gauge", "", "The exit code of wf.");
        out.sample("wf_run_exit_code", &[], &end.exit_code.to_string());
    }
    out.family("wf_run_steps", "gauge", "", "Steps by what became of them.");
    let counts = [
        ("passed", totals.passed),
        ("failed", totals.failed),
        ("allowed", totals.allowed),
        ("stopped", totals.stopped),
        ("cached", totals.reused),
        ("skipped", totals.skipped()),
        ("cancelled", totals.cancelled),
        ("unfinished", totals.left()),
    ];
    for (state, count) in counts {
        out.sample("wf_run_steps", &[("state", state)], &count.to_string());
    }
    for (name, count, help) in [
        ("wf_run_fallbacks", view.fallbacks.len(), "What wf could not do and did the safe way instead."),
        ("wf_run_warnings", view.warnings.len(), "Warnings."),
    ] {
        out.family(name, "counter", "", help);
        out.sample(&format!("{name}_total"), &[], &count.to_string());
    }
}

/// One number of a step; none if the step has none.
type Number = fn(&StepView) -> Option<String>;

fn of_steps(view: &RunView, out: &mut Text) {
    out.family("wf_step", "info", "", "Steps, and what became of each.");
    for step in &view.steps {
        let decision = match &step.decision {
            Some(crate::event::Decision::Run(_)) => "run",
            Some(crate::event::Decision::Skip(_)) => "skip",
            None => "",
        };
        let labels = [
            ("step", step.id.as_str()),
            ("stage", step.stage.as_deref().unwrap_or_default()),
            ("decision", decision),
            ("state", metrics::state(step)),
        ];
        out.sample("wf_step_info", &labels, "1");
    }
    let tried: fn(&StepView) -> bool = |step| !step.attempts.is_empty();
    let families: [(&str, &str, &str, &str, Number); 6] = [
        ("wf_step_duration_seconds", "gauge", "seconds", "What its attempts took.", |s| Some(seconds(s.time_ms()))),
        ("wf_step_saved_seconds", "gauge", "seconds", "What it took when the result was made that was used.", |s| {
            match &s.state {
                State::Reused(reused) => Some(seconds(reused.saved_ms)),
                _ => None,
            }
        }),
        ("wf_step_memory_bytes", "gauge", "bytes", "The most memory that a process of it had.", |s| {
            Some(s.usage().memory_bytes.to_string())
        }),
        ("wf_step_attempts", "counter", "", "How often it was tried.", |s| Some(s.attempts.len().to_string())),
        ("wf_step_cpu_seconds", "counter", "seconds", "Processor time of its attempts.", |s| {
            Some(seconds(s.usage().cpu_ms))
        }),
        ("wf_step_disk_bytes", "counter", "bytes", "Bytes that it read and wrote.", |s| {
            Some(s.usage().disk_bytes.to_string())
        }),
    ];
    for (name, kind, unit, help, number) in families {
        let of_reused = name == "wf_step_saved_seconds";
        let samples: Vec<(&StepView, String)> = view
            .steps
            .iter()
            .filter(|step| of_reused || tried(step))
            .filter_map(|step| Some((step, number(step)?)))
            .collect();
        if samples.is_empty() {
            continue;
        }
        out.family(name, kind, unit, help);
        let suffix = if kind == "counter" { "_total" } else { "" };
        for (step, value) in samples {
            out.sample(&format!("{name}{suffix}"), &[("step", step.id.as_str())], &value);
        }
    }
}

/// Seconds with a point, exact to the millisecond.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(self.0, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.0, "# HELP {name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        let label = |(name, value): &(&str, &str)| {
            let value = clean::text(value).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        };
        let labels: Vec<String> = labels.iter().filter(|(_, value)| !value.is_empty()).map(label).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{Story, eventful, runs};
    use super::super::view::any_log;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Name, labels and value.
    type Sample = (String, Vec<(String, String)>, f64);

    /// A sample line, by the grammar of the specification.
    fn sample(line: &str) -> Sample {
        let at = line.find(['{', ' ']).unwrap();
        let (name, mut rest) = line.split_at(at);
        let fine = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        assert!(fine(name), "{line}");
        let mut labels = vec![];
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            loop {
                let (label, after) = rest.split_once("=\"").unwrap();
                let (mut value, mut chars) = (String::new(), after.char_indices());
                let end = loop {
                    match chars.next().unwrap() {
                        (_, '\\') => value.push(match chars.next().unwrap().1 {
                            'n' => '\n',
                            c @ ('\\' | '"') => c,
                            other => panic!("no such escape: {other}"),
                        }),
                        (at, '"') => break at,
                        (_, c) => value.push(c),
                    }
                };
                assert!(fine(label) && !labels.iter().any(|(known, _)| known == label), "{line}");
                labels.push((label.to_owned(), value));
                rest = &after[end + 1..];
                match rest.strip_prefix(',') {
                    Some(more) => rest = more,
                    None => break rest = rest.strip_prefix('}').unwrap(),
                }
            }
        }
        (name.to_owned(), labels, rest.strip_prefix(' ').unwrap().parse().unwrap())
    }

    /// Holds the text to the specification; the samples.
    fn checked(text: &str) -> Vec<Sample> {
        let body = text.strip_suffix("# EOF\n").unwrap();
        let (mut families, mut current, mut samples) = (BTreeSet::new(), ("", ""), vec![]);
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                current = rest.split_once(' ').unwrap();
                assert!(families.insert(current.0), "{line}: twice");
            } else if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (name, unit) = rest.split_once(' ').unwrap();
                assert!(name == current.0 && name.ends_with(&format!("_{unit}")), "{line}");
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                assert!(rest.starts_with(&format!("{} ", current.0)), "{line}");
            } else {
                let found = sample(line);
                let suffix = match current.1 {
                    "counter" => "_total",
                    "info" => "_info",
                    "gauge" => "",
                    other => panic!("{other}"),
                };
                assert_eq!(found.0, format!("{}{suffix}", current.0), "{line}");
                assert!(
                    found.2 >= 0.0 && !samples.iter().any(|(name, labels, _)| (name, labels) == (&found.0, &found.1)),
                    "{line}"
                );
                samples.push(found);
            }
        }
        samples
    }

    #[test]
    fn an_eventful_run_is_in_the_format() {
        let view = eventful().view();
        let samples = checked(&render(&view));
        let value = |name: &str, of: &str| {
            let matches = |(known, labels, _): &&Sample| {
                known == name && (of.is_empty() || labels.iter().any(|(_, value)| value == of))
            };
            samples.iter().find(matches).map(|(.., value)| *value)
        };
        assert_eq!(value("wf_run_steps", "failed"), Some(view.totals.failed as f64));
        assert_eq!(value("wf_run_duration_seconds", ""), Some(view.wall_ms() as f64 / 1_000.0));
        let tried = view.steps.iter().find(|step| step.attempts.len() > 1).unwrap();
        assert_eq!(value("wf_step_attempts_total", tried.id.as_str()), Some(tried.attempts.len() as f64));
        assert_eq!(checked(&render(&RunView::default())).len(), 13);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_log_and_any_name_is_in_the_format(log in any_log(), name in "[\\\\\"\n{},= a-c\u{1b}é]{1,12}") {
            checked(&render(&RunView::of(log)));
            let samples = checked(&render(&Story::plan(vec![runs(&name)]).view()));
            prop_assert!(samples.iter().any(|(known, ..)| known == "wf_step_info"));
        }
    }
}
