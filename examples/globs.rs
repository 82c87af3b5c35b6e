//! Asks wf's glob dialect: each line of standard input is `{"patterns": […], "sets": [[path, …], …]}`; each line of the
//! answer has `1` or `0` for each set of paths, for whether any of its paths is matched, or `!` and what is wrong.
//! `scripts/check-filters` compares the answers with what other tools decided.

use std::io::{BufRead, Write};
use wf::base::{GlobSet, RepoPath};

#[derive(serde::Deserialize)]
struct Question {
    patterns: Vec<String>,
    sets: Vec<Vec<String>>,
}

fn answer(line: &str) -> Result<String, String> {
    let question: Question = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let globs = GlobSet::parse(&question.patterns, &RepoPath::root())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let any = |paths: &Vec<String>| paths.iter().any(|path| globs.is_match(&RepoPath::from(path.as_str())));
    Ok(question.sets.iter().map(|paths| if any(paths) { '1' } else { '0' }).collect())
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        writeln!(out, "{}", answer(&line?).unwrap_or_else(|wrong| format!("!{wrong}")))?;
    }
    Ok(())
}
