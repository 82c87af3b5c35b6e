//! What every subcommand is handed: where it runs, its environment, its terminal, the global flags.

use super::failure::{Failure, Kind};
use crate::config::Workflow;
use crate::exec::mask::Masker;
use crate::exec::secret;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::OnceLock;

/// The outside world of one command line, read once.
#[derive(Clone, Debug)]
pub struct Context {
    /// The folder wf works in: `--target`, else the current one. Absolute.
    pub cwd: PathBuf,
    /// The environment.
    pub env: Env,
    /// `--config-file`.
    pub config_file: Option<PathBuf>,
    /// This binary, for the guard and for printed commands.
    pub exe: PathBuf,
    /// Is standard output a terminal?
    pub stdout_is_terminal: bool,
    /// Is standard error a terminal?
    pub stderr_is_terminal: bool,
    /// Hides secrets in everything that is printed; knows those that the configuration declares once it is read.
    masker: OnceLock<Masker>,
}

/// The environment variables, read once.
#[derive(Clone, Debug, Default)]
pub struct Env(pub BTreeMap<OsString, OsString>);

impl Env {
    /// A variable's value; an empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A variable's value as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.to_str()
    }

    /// Is a variable set to something other than `0`, `false` or `no`?
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !["0", "false", "no"].iter().any(|off| value == OsStr::new(off)))
    }
}

impl Context {
    /// Reads the world.
    ///
    /// # Errors
    /// The current folder or `--target` is not there.
    pub fn read(target: Option<PathBuf>, config_file: Option<PathBuf>) -> Result<Self, Failure> {
        let here = std::env::current_dir().map_err(Failure::environment)?;
        let cwd = match &target {
            None => here.clone(),
            Some(dir) => here
                .join(dir)
                .canonicalize()
                .map_err(|error| Failure::usage(format!("cannot use --target {}: {error}", dir.display())))?,
        };
        Ok(Self {
            cwd,
            env: Env(std::env::vars_os().collect()),
            config_file: config_file.map(|file| here.join(file)),
            exe: std::env::current_exe().map_err(Failure::environment)?,
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            masker: OnceLock::new(),
        })
    }

    /// Should text on a stream have colour? Honours `NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb`.
    pub fn color(&self, stream_is_terminal: bool) -> bool {
        let dumb = self.env.text("TERM") == Some("dumb");
        let forced = self.env.flag("CLICOLOR_FORCE");
        self.env.get("NO_COLOR").is_none() && (forced || (stream_is_terminal && !dumb))
    }

    /// What hides secrets: those of the environment, and if this is the first call those of the workflow: variables that
    /// it declares secret, in the environment or among its steps' own.
    pub fn masker(&self, workflow: Option<&Workflow>) -> &Masker {
        self.masker.get_or_init(|| {
            let mut env: Vec<_> = self.env.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            let steps = workflow.iter().flat_map(|workflow| &workflow.steps).flat_map(|step| &step.env);
            env.extend(steps.filter_map(|(name, value)| Some((name.into(), value.as_ref()?.into()))));
            let declared = workflow.map_or(&[][..], |workflow| &workflow.settings.secrets);
            Masker::new(secret::values(&env, declared))
        })
    }

    /// The same in a process that has no workflow, but the names of the variables that it declares secret.
    pub fn masker_of(&self, declared: &[String]) -> &Masker {
        self.masker.get_or_init(|| {
            let env: Vec<_> = self.env.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            Masker::new(secret::values(&env, declared))
        })
    }

    /// Writes a result to standard output. A reader that went away (`| head`) ends the command quietly.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let masker = self.masker(None);
        let text = if masker.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(masker.text(text)) };
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure { kind: Kind::BrokenPipe, error: error.into(), hints: vec![] },
            _ => Failure::environment(format!("cannot write to standard output: {error}")),
        })
    }

    /// Writes one JSON document to standard output.
    pub fn print_json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(value).map_err(Failure::environment)?;
        text.push('\n');
        self.print(&text)
    }

    /// Says something that is no result, on standard error. Nobody listening is no error.
    pub fn say(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", self.masker(None).text(text));
    }
}
