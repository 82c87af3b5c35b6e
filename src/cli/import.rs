//! `wf init --from`: which files are meant, and what is said of what could not be carried over.

use super::context::Context;
use super::failure::Failure;
use super::init::{files, small_text};
use crate::base::{RepoPath, suggest};
use crate::git::Repo;
use crate::import::{self, Configuration, Format, Repository};
use crate::report::clean;
use crate::report::look::count;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// So many things that were lost are told at the terminal; all of them stand in the file.
const TOLD_MAX: usize = 12;

/// What is here that can be imported.
pub(super) fn found(root: &Path, repo: Option<&Repo>) -> String {
    let files = files(root, repo);
    let repository = Repository { files: &files, text: &|path| small_text(root, path) };
    let mut out = String::new();
    for format in Format::ALL {
        let sources = format.sources(&repository);
        if sources.is_empty() {
            continue;
        }
        let made = import::import(&with(format, &sources), &repository);
        let names: Vec<String> = sources.iter().take(4).map(|path| clean::text(&path.to_string())).collect();
        let more = if sources.len() > 4 { format!(" and {} more", sources.len() - 4) } else { String::new() };
        let _ = writeln!(out, "{:<15} {:<9} {}{more}", format.name(), count(made.steps, "step"), names.join(", "));
    }
    if out.is_empty() {
        return "nothing is here that wf can import; `wf init` looks for what it can build\n".into();
    }
    out + "\n`wf init --from KIND[,KIND]` imports, `--dry-run` only shows what would be written\n"
}

fn with(format: Format, sources: &[RepoPath]) -> Vec<(Format, RepoPath)> {
    sources.iter().map(|path| (format, path.clone())).collect()
}

/// Imports what was asked for, and says what that was.
pub(super) fn read(
    words: &[String],
    root: &Path,
    repo: Option<&Repo>,
    cx: &Context,
) -> Result<(Configuration, String), Failure> {
    let files = files(root, repo);
    let repository = Repository { files: &files, text: &|path| small_text(root, path) };
    let mut sources: Vec<(Format, RepoPath)> = vec![];
    for word in words {
        // A file that is there wins: `justfile` is a name of both.
        let file_there = file(word, root, cx);
        let named = if file_there.is_ok() { None } else { Format::of_name(word) };
        let of_word = match named {
            Some(format) => {
                let there = format.sources(&repository);
                if there.is_empty() {
                    return Err(Failure::usage(format!("nothing of {format} is here"))
                        .hint("`wf init --from auto` lists what is here; a file is named by its path"));
                }
                with(format, &there)
            }
            None => vec![file_there?],
        };
        sources.extend(of_word.into_iter().filter(|one| !sources.contains(one)).collect::<Vec<_>>());
    }
    let made = import::import(&sources, &repository);
    if made.steps == 0 {
        let mut failure = Failure::usage("nothing of it could be carried over");
        failure.hints.extend(made.lost.iter().take(TOLD_MAX).cloned());
        return Err(failure);
    }
    if let Some(why) = import::misfit(&made.text, &repository) {
        let error = format!("wf would write a configuration that it cannot plan with: {}", clean::text(&why));
        return Err(Failure::usage(error).hint("import less of it at once, or write the steps yourself"));
    }
    let names: Vec<String> = sources.iter().take(3).map(|(_, path)| clean::text(&path.to_string())).collect();
    let more = if sources.len() > 3 { format!(" and {} more", sources.len() - 3) } else { String::new() };
    Ok((made, format!("{}{more}", names.join(", "))))
}

/// The file that a word names, from where wf was called.
fn file(word: &str, root: &Path, cx: &Context) -> Result<(Format, RepoPath), Failure> {
    let shown = clean::text(word);
    let full = plain(&cx.cwd.join(word));
    let Ok(inside) = full.strip_prefix(root) else {
        return Err(Failure::usage(format!("`{shown}` is not in this repository")));
    };
    let path = RepoPath::from_bytes(inside.as_os_str().as_bytes());
    match Format::of_file(&path) {
        Some(format) if full.is_file() => Ok((format, path)),
        _ => {
            let names = Format::ALL.map(Format::name);
            let near = suggest::nearest(word, names).map(|name| format!("did you mean `{name}`?"));
            let failure = Failure::usage(format!("`{shown}` is no file that wf can import, and no kind"));
            Err(failure.hint(near.unwrap_or_else(|| format!("kinds: auto, {}", names.join(", ")))))
        }
    }
}

/// The path without `.` and `..`, by text.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = out.pop(),
            other => out.push(other),
        }
    }
    out
}

/// Tells what could not be carried over.
pub(super) fn tell(lost: &[String], cx: &Context) {
    if lost.is_empty() {
        return;
    }
    cx.say("\nnot carried over, or carried over in another way (also at the top of the file):");
    for line in lost.iter().take(TOLD_MAX) {
        cx.say(&format!("  * {}", clean::text(line)));
    }
    if lost.len() > TOLD_MAX {
        cx.say(&format!("  * and {} more", lost.len() - TOLD_MAX));
    }
}
