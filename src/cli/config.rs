//! `wf config`: the resolved configuration, and the schema that editors want.

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::config::{schema_json, show};
use clap::{Args, Subcommand};

/// What was typed.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  wf config show\n  wf config show --origin\n  wf config schema")]
pub struct ConfigArgs {
    /// `show` or `schema`.
    #[command(subcommand)]
    pub what: What,
}

/// What to print.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Print the whole configuration, defaults included, as a configuration that means the same
    Show(ShowArgs),
    /// Print the JSON schema of the configuration, for editors
    #[command(after_help = "Example:\n  \
        wf config schema > .wf/workflow-config.schema.json\n\n\
        The first line of .workflow-config.yaml then says where it is:\n  \
        # yaml-language-server: $schema=.wf/workflow-config.schema.json")]
    Schema,
}

/// What was typed after `show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  wf config show\n  wf config show --origin\n  wf config show --json | jq .")]
pub struct ShowArgs {
    /// Say where each value came from: default, file and line, variable or flag
    #[arg(long)]
    pub origin: bool,
    /// Print one JSON document, origins included
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &ConfigArgs, cx: &Context) -> Result<Exit, Failure> {
    match &args.what {
        What::Schema => cx.print(&schema_json())?,
        What::Show(args) => {
            let config = cx.load_config(vec![])?;
            let loaded = &config.loaded;
            if args.json {
                cx.print_json(&show::to_json(&loaded.workflow, &loaded.origins, &loaded.sources))?;
            } else {
                let origins = args.origin.then_some((&loaded.origins, &*loaded.sources));
                cx.print(&show::to_yaml(&show::show(&loaded.workflow), origins))?;
            }
            for warning in &loaded.warnings {
                cx.say(&format!("warning: {}", warning.message));
            }
        }
    }
    Ok(Exit::Passed)
}
