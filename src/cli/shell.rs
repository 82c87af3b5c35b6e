//! `wf completions`, `wf man`, and help without a command.

use super::args::{self, CompletionsArgs};
use super::context::Context;
use super::failure::{Exit, Failure};
use clap_mangen::Man;
use std::fmt::Write as _;

/// The first screen.
pub fn help(cx: &Context) -> Result<Exit, Failure> {
    cx.print(&args::command().render_help().to_string())?;
    Ok(Exit::Usage)
}

/// A completion script.
pub fn completions(args: &CompletionsArgs, cx: &Context) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "wf", &mut text);
    cx.print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Passed)
}

/// The manual page: one for all commands, since one file is what people can pipe into `man`.
pub fn man(cx: &Context) -> Result<Exit, Failure> {
    cx.print(&page().map_err(Failure::environment)?)?;
    Ok(Exit::Passed)
}

fn page() -> std::io::Result<String> {
    let mut all = args::command();
    all.build();
    let mut text = Vec::new();
    Man::new(all.clone()).render(&mut text)?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    for command in all.get_subcommands() {
        let name = command.get_name();
        // The flags of every command are told once, above.
        let own = command.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
        let (man, mut part) = (Man::new(own), Vec::new());
        man.render_synopsis_section(&mut part)?;
        man.render_options_section(&mut part)?;
        man.render_extra_section(&mut part)?;
        let part = String::from_utf8_lossy(&part).replace(".SH ", ".SS ");
        // `wf-init(1)` would be a page that nobody has.
        text = text.replace(&format!("wf\\-{name}(1)"), &format!("wf {name}"));
        let about = command.get_about().unwrap_or_default();
        let _ = write!(text, ".SH \"WF {}\"\n{about}\n{part}", name.to_uppercase());
    }
    Ok(text)
}
