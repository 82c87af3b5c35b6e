//! The only module that knows clap, argv, environment variables and exit codes.
//!
//! One file per subcommand: arguments → request → call → print.

pub mod ai;
mod args;
pub mod cache;
pub mod changes;
pub mod check;
pub mod ci;
pub mod clean;
pub mod config;
pub mod context;
pub mod explain;
pub mod failure;
mod forecast;
pub mod graph;
pub mod history;
pub mod hook;
mod import;
pub mod init;
mod later;
pub mod load;
pub mod look;
mod machine;
pub mod ml;
pub mod optimize;
pub mod outline;
pub mod plan;
pub mod prepared;
pub mod recorded;
pub mod replay;
pub mod report;
pub mod request;
pub mod reuse;
pub mod run;
mod shard;
pub mod shell;
mod situation;
pub mod status;

pub use context::{Context, Env};
pub use failure::{Exit, Failure, Kind};

use args::{Cli, Command};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::Write as _;

/// Runs one command line to its end.
pub fn main(argv: Vec<OsString>) -> Exit {
    // The guard is this same binary; it must be running before anything else is set up.
    if argv.get(1).is_some_and(|word| word == OsStr::new(crate::exec::guard::COMMAND)) {
        return if crate::exec::guard::main().is_ok() { Exit::Passed } else { Exit::Environment };
    }
    if argv.get(1).is_some_and(|word| word == OsStr::new(crate::ai::order::COMMAND)) {
        return ai::step::main(argv.get(2).map(OsString::as_os_str));
    }
    if argv.get(1).is_some_and(|word| word == OsStr::new(crate::ai::order::BEHIND)) {
        return ai::proxy::behind(argv.get(2).map(OsString::as_os_str));
    }
    let cli = match args::parse(argv) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Passed };
        }
    };
    match Context::read(cli.global.target.clone(), cli.global.config_file.clone()) {
        Err(failure) => show(&failure, None),
        Ok(cx) => dispatch(cli, &cx).unwrap_or_else(|failure| show(&failure, Some(&cx))),
    }
}

fn dispatch(cli: Cli, cx: &Context) -> Result<Exit, Failure> {
    let command = match cli.command {
        Some(command) => command,
        None if cli.show_graph => Command::Graph(args::GraphArgs::default().into()),
        None if cli.init_config => Command::Init(init::InitArgs::default().into()),
        None => return shell::help(cx),
    };
    match command {
        Command::Init(args) => init::run(&args, cx),
        Command::Run(args) if args.dry_run => plan::run(&args.as_plan(), cx),
        Command::Run(args) => run::run(&args, cx),
        Command::Plan(args) => plan::run(&args, cx),
        Command::Explain(args) => explain::run(&args, cx),
        Command::Changes(args) => changes::run(&args, cx),
        Command::Graph(args) => graph::run(&args, cx),
        Command::Hook(args) => hook::run(&args, cx),
        Command::Check(args) => check::run(&args, cx),
        Command::Config(args) => config::run(&args, cx),
        Command::History(args) => history::run(&args, cx),
        Command::Clean(args) => clean::run(&args, cx),
        Command::Cache(args) => cache::run(&args, cx),
        Command::Status(args) => status::run(&args, cx),
        Command::Report(args) => report::run(&args, cx),
        Command::Ai(args) => ai::run(args.into_inner(), cx),
        Command::Ci(args) => ci::run(&args, cx),
        Command::Ml(args) => ml::run(&args, cx),
        Command::Optimize(args) => optimize::run(&args, cx),
        Command::Completions(args) => shell::completions(&args, cx),
        Command::Man => shell::man(cx),
    }
}

/// Another command, as if it had been typed instead.
fn also(words: &[&str], cx: &Context) -> Result<Exit, Failure> {
    let typed = std::iter::once("wf").chain(words.iter().copied());
    dispatch(args::parse(typed).map_err(Failure::usage)?, cx)
}

/// Prints a failure: what happened, what caused it, what to do next.
fn show(failure: &Failure, cx: Option<&Context>) -> Exit {
    let mut text = String::new();
    let color = cx.is_some_and(|cx| cx.color(cx.stderr_is_terminal));
    let paint = |code: &str, word: &str| if color { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() };
    match failure.kind {
        Kind::BrokenPipe => return failure.exit(),
        Kind::Config => text = failure.error.to_string(),
        _ => {
            let _ = writeln!(text, "{} {}", paint("1;31", "error:"), failure.error);
            let mut cause = failure.error.source();
            while let Some(error) = cause {
                let _ = writeln!(text, "  caused by: {error}");
                cause = error.source();
            }
        }
    }
    for hint in &failure.hints {
        let _ = writeln!(text, "{} {hint}", paint("36", "hint:"));
    }
    let text = cx.map_or(text.clone(), |cx| cx.masker(None).text(&text));
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    failure.exit()
}
