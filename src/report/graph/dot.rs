//! DOT for Graphviz. Pure.

use super::{Fate, Node, by_stage, label, nodes};
use crate::event::PlannedStep;
use std::fmt::Write as _;

/// The plan as a DOT document.
pub fn dot(steps: &[PlannedStep]) -> String {
    let nodes = nodes(steps);
    let mut out = String::from("digraph wf {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=11];\n");
    for (at, (stage, members)) in by_stage(&nodes).into_iter().enumerate() {
        match stage {
            Some(name) => {
                let _ = writeln!(out, "  subgraph cluster_{at} {{\n    label=\"stage {}\";", escape(name));
                for node in members {
                    draw(&mut out, "    ", node, &nodes[node]);
                }
                out.push_str("  }\n");
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
            let _ = writeln!(out, "  n{need} -> n{at};");
        }
    }
    out.push_str("}\n");
    out
}

fn draw(out: &mut String, indent: &str, at: usize, node: &Node) {
    let (name, why) = (escape(&label(&node.name)), escape(&label(&node.why)));
    let shape = match node.fate {
        Fate::Runs => "box, style=filled, fillcolor=\"#d9ead3\"",
        Fate::Skips => "box, style=\"rounded,dashed\"",
        Fate::Manual => "octagon, style=dashed",
        Fate::Mixed => "component",
    };
    let _ = writeln!(out, "{indent}n{at} [label=\"{name}\\n{why}\", shape={shape}];");
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
