//! `wf graph`: the steps and what they wait for.

use super::args::{GraphArgs, GraphFormat};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::look;
use super::prepared::{self, Keys};
use crate::report::graph;

/// Runs the command.
pub fn run(args: &GraphArgs, cx: &Context) -> Result<Exit, Failure> {
    let ready = prepared::prepare(&args.decide, Keys::No, cx)?;
    let steps = ready.prepared.plan.steps();
    let drawing = match args.format {
        GraphFormat::Text => graph::text(&steps, &look::look(cx, false)),
        GraphFormat::Dot => graph::dot(&steps),
        GraphFormat::Mermaid => graph::mermaid(&steps),
    };
    cx.print(&drawing)?;
    Ok(Exit::Passed)
}
