//! `wf completions`, `wf man`, and help without a command.

use super::args::{Cli, CompletionsArgs};
use super::context::Context;
use super::failure::{Exit, Failure};
use clap::CommandFactory as _;

/// The first screen.
pub fn help(cx: &Context) -> Result<Exit, Failure> {
    cx.print(&Cli::command().render_help().to_string())?;
    Ok(Exit::Usage)
}

/// A completion script.
pub fn completions(args: &CompletionsArgs, cx: &Context) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wf", &mut text);
    cx.print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Passed)
}

/// The manual page.
pub fn man(cx: &Context) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut text).map_err(Failure::environment)?;
    cx.print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Passed)
}
