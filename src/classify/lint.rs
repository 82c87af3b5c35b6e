//! What a configuration says rightly and probably does not mean. Pure.
//!
//! Only for `wf check`: it asks every pattern about every file.

use crate::base::{GlobSet, RepoPath};
use crate::config::environment;
use crate::config::model::{Command, EnvMode};
use crate::graph::{Inputs, Step, StepGraph};
use std::collections::BTreeSet;

/// Patterns that match no file, one sentence each. `files` is every file that git tracks or would track, sorted. The module
/// `lint` tells the same with places.
pub fn idle(graph: &StepGraph, files: &[RepoPath]) -> Vec<String> {
    let mut found = BTreeSet::new();
    // An instance may well lack a file that others have.
    for step in graph.steps().iter().filter(|step| step.folder.is_none()) {
        let Inputs::Globs(inputs) = &step.inputs else { continue };
        let made = |pattern: &str| {
            let alone = GlobSet::parse(&[pattern], &step.dir).ok();
            let mut outputs = graph.steps().iter().filter_map(|other| other.outputs.as_ref());
            alone.is_some_and(|alone| outputs.any(|outputs| alone.may_overlap(outputs)))
        };
        for pattern in inputs.idle(files).filter(|pattern| !made(pattern)) {
            let name = step.id.template();
            found.insert(format!("`{name}` watches `{pattern}`, which matches no file: it never runs for that"));
        }
    }
    found.into_iter().collect()
}

/// One sentence each. `files` is every file that git tracks or would track, sorted.
pub fn lint(graph: &StepGraph, files: &[RepoPath]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for step in graph.steps() {
        let name = step.id.template();
        for variable in undeclared(step) {
            found.insert(format!(
                "`{name}` uses `${variable}` and does not declare it: its environment is strict, so that it is unset there; \
                 say `env: [{variable}]`"
            ));
        }
        for need in step.needs.iter().filter_map(|id| graph.find(id)).map(|at| graph.step(at)) {
            if need.outputs.is_none() && step.run_on == crate::config::model::RunOn::Success {
                found.insert(format!(
                    "`{name}` needs `{need}`, which declares no `outputs`: when `{need}` is skipped, `{name}` uses whatever \
                     it left before; declare its `outputs`, or say `after` if nothing of it is used",
                    need = need.id.template(),
                ));
            }
        }
        if let Some(outputs) = &step.outputs
            && let Some(tracked) = files.iter().find(|file| outputs.is_match(file))
        {
            found.insert(format!(
                "`{tracked}` is an output of `{name}` and not ignored by git: steps without `inputs` do not watch it \
                     unless they need `{name}`"
            ));
        }
    }
    found.into_iter().collect()
}

/// What is allowed and may still make a wrong hit: for who asks about it. One sentence each.
pub fn risks(graph: &StepGraph) -> Vec<String> {
    let mut found = BTreeSet::new();
    for step in graph.steps().iter().filter(|step| step.cache.is_on()) {
        let name = step.id.template();
        if step.env_mode == EnvMode::Inherit {
            found.insert(format!(
                "`{name}` is cached and inherits the whole environment: a variable that changes its result and is not \
                 declared makes a wrong hit; remove `env_mode: inherit` and declare what it uses"
            ));
        }
        if step.tools.is_empty() {
            found.insert(format!(
                "`{name}` is cached and names no `tools`: another version of the programs it runs makes no other key"
            ));
        }
    }
    found.into_iter().collect()
}

/// Names that shells set themselves.
const OF_SHELLS: [&str; 22] = [
    "BASH",
    "BASHPID",
    "BASH_REMATCH",
    "BASH_SOURCE",
    "BASH_VERSION",
    "COLUMNS",
    "EUID",
    "FUNCNAME",
    "HOSTNAME",
    "IFS",
    "LINENO",
    "LINES",
    "OLDPWD",
    "OPTARG",
    "OPTIND",
    "OSTYPE",
    "PIPESTATUS",
    "PPID",
    "PWD",
    "RANDOM",
    "SECONDS",
    "UID",
];

/// Variables that a step's text reads and that its strict environment does not hold, in order. Errs towards silence: a
/// name that the text mentions in any other way (it may set it) or with a default is left alone.
fn undeclared(step: &Step) -> BTreeSet<&str> {
    let Command::Shell { text, shell } = &step.command else { return BTreeSet::new() };
    let posix = shell.first().is_some_and(|program| ["sh", "bash", "dash", "zsh"].iter().any(|s| program == s));
    if step.env_mode == EnvMode::Inherit || !posix {
        return BTreeSet::new();
    }
    let (mut read, mut other) = (BTreeSet::new(), BTreeSet::new());
    let (mut rest, mut quoted, mut before) = (text.as_str(), false, "");
    while let Some(c) = rest.chars().next() {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        if length == 0 {
            quoted ^= c == '\'';
            let (mark, after) = rest.split_at(c.len_utf8());
            before = if before == "$" && mark == "{" { "${" } else { mark };
            rest = after;
            continue;
        }
        let (word, after) = rest.split_at(length);
        let plain = before == "$" || (before == "${" && after.starts_with(['}', '#', '%', '/']));
        if plain && !quoted {
            read.insert(word);
        } else {
            other.insert(word);
        }
        (before, rest) = ("", after);
    }
    let given = |name: &str| {
        environment::is_base(name.as_bytes())
            || step.env.contains_key(name)
            || name.starts_with("WF_")
            || OF_SHELLS.contains(&name)
            // Arguments, and names that nobody uses for variables of the environment.
            || !name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
    };
    read.into_iter().filter(|name| !other.contains(name) && !given(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::StepId;
    use crate::config::model::CacheUse;
    use crate::plan::sample;

    fn globs(patterns: &[&str]) -> GlobSet {
        GlobSet::parse(patterns, &RepoPath::root()).unwrap()
    }

    #[test]
    fn slips_are_told_and_sense_is_left_alone() {
        let typo = Step { inputs: Inputs::Globs(globs(&["scr/**", "src/**", "gen/**"])), ..sample("typo") };
        let maker = Step { outputs: Some(globs(&["gen/**", "src/made.rs"])), ..sample("maker") };
        let user = Step { needs: vec![StepId::parse("maker").unwrap()], ..sample("user") };
        let vague = Step { needs: vec![StepId::parse("user").unwrap()], ..sample("vague") };
        let graph = StepGraph::build(vec![typo, maker, user, vague]).unwrap();
        let files = ["src/a.rs", "src/made.rs"].map(RepoPath::from);
        let told = lint(&graph, &files);
        assert!(
            told.iter().any(|line| line.contains("needs `user`"))
                && told.iter().any(|line| line.contains("src/made.rs"))
        );
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(idle(&graph, &files).len(), 1, "`gen/**` is what the maker makes");
        let alone =
            StepGraph::build(vec![Step { inputs: Inputs::Globs(globs(&["scr/**", "src/**"])), ..sample("typo") }]);
        assert_eq!(
            idle(&alone.unwrap(), &files),
            ["`typo` watches `scr/**`, which matches no file: it never runs for that"]
        );
    }

    fn shell(text: &str) -> Step {
        let command = Command::Shell { text: text.into(), shell: ["sh", "-e", "-c", "{}"].map(String::from).to_vec() };
        Step { command, env_mode: EnvMode::Strict, ..sample("a") }
    }

    #[test]
    fn variables_that_a_strict_step_would_not_get_are_found() {
        for (text, expected) in [
            ("push --token $API_TOKEN --to \"${REGION}x\"", "API_TOKEN REGION"),
            ("echo $HOME $1 $$ $PWD ${LC_ALL} $WF_STEP $lower", ""),
            ("X=1; echo $X; for F in a; do cat $F; done; read -r LINE; echo $LINE", ""),
            ("echo ${A:-x} ${B-} ${C:+y} '$D' \"$E\"", "E"),
            ("echo ${F%.c} ${#G} ${H##*/}", "F H"),
            ("echo '$A' $B", "B"),
        ] {
            let step = shell(text);
            let found: Vec<_> = undeclared(&step).into_iter().collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
        let mut step = shell("echo $A $B");
        step.env.insert("A".into(), None);
        assert_eq!(undeclared(&step), BTreeSet::from(["B"]));
        step.env_mode = EnvMode::Inherit;
        assert!(undeclared(&step).is_empty());
        let told = lint(&StepGraph::build(vec![shell("echo $TOKEN")]).unwrap(), &[]);
        assert!(told.len() == 1 && told[0].contains("`$TOKEN`") && told[0].contains("env: [TOKEN]"), "{told:?}");
    }

    #[test]
    fn risks_are_those_of_cached_steps() {
        let cache = CacheUse { read: true, write: true, ..CacheUse::default() };
        let tools = vec![vec!["cc".to_owned(), "-v".to_owned()]];
        let risky = Step { cache: cache.clone(), ..sample("risky") };
        let sound = Step { cache, tools, env_mode: EnvMode::Strict, ..sample("sound") };
        let told = risks(&StepGraph::build(vec![risky, sound, sample("uncached")]).unwrap());
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|line| line.starts_with("`risky`")), "{told:?}");
    }
}
