//! `wf ai personas`: who can be asked, and what.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use crate::ai::prompt;
use serde_json::json;
use std::fmt::Write as _;

/// What it takes.
#[derive(Clone, Debug, clap::Args)]
pub struct PersonasArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists the built-in ones, and those of the project's own folder.
pub fn run(args: &PersonasArgs, cx: &Context) -> Result<Exit, Failure> {
    let [personas, prompts] = prompt::names();
    let own = own(cx);
    if args.json {
        let list = |all: &[(&str, String)]| -> serde_json::Value {
            all.iter().map(|(name, about)| json!({ "name": name, "about": about })).collect()
        };
        let [own_personas, own_prompts] = &own;
        cx.print_json(&json!({
            "format": 1,
            "personas": list(&personas),
            "prompts": list(&prompts),
            "own": { "personas": own_personas, "prompts": own_prompts },
        }))?;
        return Ok(Exit::Passed);
    }
    let mut text = String::new();
    for ((kind, all), own) in [("personas", personas), ("prompts", prompts)].into_iter().zip(own) {
        let _ = writeln!(text, "{kind}");
        for (name, about) in all {
            let _ = writeln!(text, "  {name:<26} {about}");
        }
        for name in own {
            let _ = writeln!(text, "  {name:<26} of this project");
        }
    }
    cx.print(&text)?;
    Ok(Exit::Passed)
}

/// The names of the project's own personas and prompts.
fn own(cx: &Context) -> [Vec<String>; 2] {
    let folder = cx.load_config(vec![]).ok().and_then(|config| {
        let dir = config.workflow().settings.ai.templates.clone()?;
        Some(dir.under(&config.root))
    });
    ["personas", "prompts"].map(|kind| {
        let Some(folder) = &folder else { return vec![] };
        let entries = std::fs::read_dir(folder.join(kind)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".md").map(str::to_owned)).collect();
        names.sort();
        names
    })
}
