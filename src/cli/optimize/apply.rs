//! Changes the configuration as advised: shown as a diff, written in one piece, or not at all.

use super::diff;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::LoadedConfig;
use crate::config::edit;
use crate::predict::advise::Advice;
use std::io::{self, Write as _};
use std::path::Path;

/// Shows what changes, and unless it is `only_shown` writes it. `named`: the advice to follow; none: all that has an
/// edit.
pub(super) fn apply(
    config: &LoadedConfig,
    advice: &[Advice],
    named: &[String],
    only_shown: bool,
    cx: &Context,
) -> Result<(), Failure> {
    let Some(path) = &config.path else {
        let failure = Failure::usage("there is no configuration to change: these steps were detected");
        return Err(failure.hint("`wf init` writes them down"));
    };
    let chosen = choose(advice, named)?;
    let mut text = config.text.clone();
    let mut done = 0;
    for one in chosen {
        let Some(change) = &one.edit else { continue };
        match edit::apply(&text, change) {
            Ok(new) => (text, done) = (new, done + 1),
            Err(error) if named.is_empty() => cx.say(&format!("note: {} is left to you: {error}", one.id)),
            Err(error) => {
                let failure = Failure::usage(format!("{}: {error}; nothing was written", one.id));
                return Err(failure.hint(format!("write `{}: {}` yourself", change.key, change.value)));
            }
        }
    }
    if let Err(message) = config.resolve(&text) {
        let what = format!("the changed configuration would not be read: {message}; nothing was written");
        return Err(Failure::usage(what).hint("`wf optimize --apply NAME` makes one change at a time"));
    }
    let name = path.strip_prefix(&config.root).unwrap_or(path).display().to_string();
    cx.print(&diff::unified(&name, &config.text, &text))?;
    if done == 0 {
        cx.say("nothing to change");
    } else if !only_shown {
        write(path, &config.text, &text)
            .map_err(|error| Failure::environment(format!("cannot write {}: {error}", path.display())))?;
        cx.say(&format!("{} is changed; `git diff` shows it, `wf check` looks it over", cx.relative(path)));
    }
    Ok(())
}

fn choose<'a>(advice: &'a [Advice], named: &[String]) -> Result<Vec<&'a Advice>, Failure> {
    let of = |name: &String| match advice.iter().find(|one| one.id == *name) {
        Some(one) if one.edit.is_none() => {
            Err(Failure::usage(format!("`{name}` cannot be made for you")).hint(one.what.clone()))
        }
        Some(one) => Ok(one),
        None => Err(Failure::usage(format!("nothing that is advised is called `{}`", name.escape_debug()))
            .hint("`wf optimize` lists what is")),
    };
    if named.is_empty() {
        return Ok(advice.iter().filter(|one| one.edit.is_some()).collect());
    }
    named.iter().map(of).collect()
}

/// In one piece, with the permissions it had; a symlink stays one. Not over what somebody else wrote meanwhile.
fn write(path: &Path, old: &str, new: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    if std::fs::read(&path)? != old.as_bytes() {
        return Err(io::Error::other("somebody changed it meanwhile"));
    }
    let permissions = std::fs::metadata(&path)?.permissions();
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder)?;
    file.write_all(new.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path).map(drop).map_err(|error| error.error)
}
