//! Files that a step's command names, and that its inputs do not match. Pure.

use super::Finding;
use super::places::Places;
use crate::base::RepoPath;
use crate::config::model::Command;
use crate::graph::{Inputs, Step, StepGraph};
use std::collections::BTreeSet;

/// Programs that read what they do from a file of this name in the folder that they run in.
const READS: [(&str, &[&str]); 12] = [
    ("make", &["GNUmakefile", "makefile", "Makefile"]),
    ("just", &["justfile", "Justfile", ".justfile"]),
    ("task", &["Taskfile.yml", "Taskfile.yaml"]),
    ("npm", &["package.json"]),
    ("pnpm", &["package.json"]),
    ("yarn", &["package.json"]),
    ("bun", &["package.json"]),
    ("tox", &["tox.ini", "tox.toml"]),
    ("nox", &["noxfile.py"]),
    ("cargo", &["Cargo.toml"]),
    ("go", &["go.mod"]),
    ("mvn", &["pom.xml"]),
];

/// Tracked files that the command names and that the step does not watch: a change of its own script does not run it.
pub(super) fn unwatched(graph: &StepGraph, step: &Step, files: &[RepoPath], places: &Places) -> Vec<Finding> {
    let Inputs::Globs(set) = &step.inputs else { return vec![] };
    let id = step.id.template();
    let made =
        |file: &RepoPath| graph.steps().iter().filter_map(|s| s.outputs.as_ref()).any(|made| made.is_match(file));
    let names = |file: &RepoPath| files.binary_search(file).is_ok() && !set.is_match(file) && !made(file);
    let finding = |file: &RepoPath, message: String| Finding {
        rule: "own-script",
        step: id.to_owned(),
        at: places.text(id, "inputs", ""),
        message,
        hint: Some(format!("add `{file}` to its `inputs`")),
    };
    let words = words(&step.command);
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for word in &words {
        let path = step.dir.join(word.trim_start_matches("./").as_bytes());
        if let Some(path) = path.filter(|path| !path.is_root() && names(path) && told.insert(path.clone())) {
            let message = format!(
                "the command of `{id}` names `{path}`, which it does not watch: a change of it does not run the step"
            );
            found.push(finding(&path, message));
        }
    }
    for (program, manifests) in READS.iter().filter(|(program, _)| words.first().is_some_and(|first| first == program))
    {
        let there = manifests
            .iter()
            .filter_map(|name| step.dir.join(name.as_bytes()))
            .find(|path| files.binary_search(path).is_ok());
        if let Some(path) = there.filter(|path| names(path) && told.insert(path.clone())) {
            let message = format!("`{id}` calls {program}, which does what `{path}` says, and does not watch that");
            found.push(finding(&path, message));
        }
    }
    found
}

/// The words of a command, without what shells make of them.
fn words(command: &Command) -> Vec<String> {
    match command {
        Command::Shell { text, .. } => {
            let breaks = |c: char| c.is_whitespace() || "\"'`;&|()<>=,".contains(c);
            // What stands behind `#` at the start of a line is said to people.
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            lines.flat_map(|line| line.split(breaks)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        Command::Argv(argv) => argv.clone(),
        Command::Ai(_) => vec![],
    }
}
