//! Mermaid, as GitHub draws it in Markdown. Pure.

use super::{Fate, Node, by_stage, label, nodes};
use crate::event::PlannedStep;
use std::fmt::Write as _;

/// The plan as a Mermaid flowchart.
pub fn mermaid(steps: &[PlannedStep]) -> String {
    let nodes = nodes(steps);
    let mut out = String::from("flowchart LR\n");
    for (at, (stage, members)) in by_stage(&nodes).into_iter().enumerate() {
        match stage {
            Some(name) => {
                let _ = writeln!(out, "  subgraph s{at}[\"stage {}\"]", escape(name));
                for node in members {
                    draw(&mut out, "    ", node, &nodes[node]);
                }
                out.push_str("  end\n");
            }
            None => {
                for node in members {
                    draw(&mut out, "  ", node, &nodes[node]);
                }
            }
        }
    }
    for (at, node) in nodes.iter().enumerate() {
        for need in &node.waits_for {
            let _ = writeln!(out, "  n{need} --> n{at}");
        }
    }
    // Borders only: the page's own colours stay readable in light and in dark.
    out.push_str("  classDef run stroke-width:3px\n  classDef rest stroke-dasharray:4 4\n");
    for (class, runs) in [("run", true), ("rest", false)] {
        let members: Vec<String> = nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| matches!(node.fate, Fate::Runs | Fate::Mixed) == runs)
            .map(|(at, _)| format!("n{at}"))
            .collect();
        if !members.is_empty() {
            let _ = writeln!(out, "  class {} {class}", members.join(","));
        }
    }
    out
}

fn draw(out: &mut String, indent: &str, at: usize, node: &Node) {
    let text = format!("{}<br/>{}", escape(&label(&node.name)), escape(&label(&node.why)));
    let (open, close) = match node.fate {
        Fate::Runs => ("[", "]"),
        Fate::Skips => ("([", "])"),
        Fate::Manual => ("{{", "}}"),
        Fate::Mixed => ("[[", "]]"),
    };
    let _ = writeln!(out, "{indent}n{at}{open}\"{text}\"{close}");
}

/// Mermaid reads entities with `#` instead of `&`; whatever is no plain letter is written so.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || " _-.,:/@…()+=".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}
