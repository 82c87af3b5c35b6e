//! Variables that a script expects of GitHub: those with a counterpart here are set before it begins, the others stop it, so that
//! no command meets an empty value. Pure.

use super::expression::WORKSPACE;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// The file in which a part sets variables for those after it.
pub(super) const ENV_FILE: &str = "GITHUB_ENV";
/// The file in which it names folders of programs.
const PATH_FILE: &str = "GITHUB_PATH";
/// Files that GitHub gives a job; but for those two nobody reads them here.
const FILES: [&str; 5] = ["GITHUB_OUTPUT", ENV_FILE, PATH_FILE, "GITHUB_STEP_SUMMARY", "GITHUB_STATE"];
/// A folder that is removed when the script ends.
const TEMP: &str = "RUNNER_TEMP";
/// Other values that a machine knows by itself, and how.
const KNOWN_HERE: [(&str, &str); 4] = [
    (WORKSPACE, "\"$PWD\""),
    ("GITHUB_SHA", "\"$(git rev-parse HEAD)\""),
    ("RUNNER_OS", "\"$(uname -s | sed s/Darwin/macOS/)\""),
    ("RUNNER_ARCH", "\"$(uname -m | sed 's/^x86_64$/X64/; s/^aarch64$/ARM64/; s/^arm64$/ARM64/')\""),
];

/// A variable that is not there unless somebody sets it where wf runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missing {
    pub name: String,
    /// The script says at each place what counts without it.
    pub has_default: bool,
}

/// What GitHub has given a script before it begins.
pub(super) fn prelude(text: &str) -> String {
    let mut out = String::new();
    // A program that the script calls may look for one by its name, too.
    let files: Vec<&str> = FILES.into_iter().filter(|name| text.contains(name)).collect();
    let temp = text.contains(TEMP);
    if temp || !files.is_empty() {
        out.push_str("of_github=$(mktemp -d)\ntrap 'rm -rf \"$of_github\"' EXIT\n");
    }
    if temp {
        let _ = writeln!(out, "export {TEMP}=\"$of_github/temp\"\nmkdir \"${TEMP}\"");
    }
    for name in &files {
        let _ = writeln!(out, "export {name}=\"$of_github/{name}\"");
    }
    if !files.is_empty() {
        let _ = writeln!(out, "touch \"$of_github\"/{{{}}}", FILES.join(","));
    }
    for (name, value) in KNOWN_HERE.into_iter().filter(|(name, _)| text.contains(name)) {
        let _ = writeln!(out, "export {name}={value}");
    }
    out
}

/// What comes after a part: the variables that it set, a line each, and the folders of programs that it named, the last first. A
/// value of several lines stops the script, as no variable has such a name.
pub(super) fn handed_on(text: &str) -> String {
    let mut out = String::new();
    if text.contains(ENV_FILE) {
        let _ = writeln!(
            out,
            "while IFS= read -r of_github_env || [ -n \"$of_github_env\" ]; do [ -z \"$of_github_env\" ] || export \"$of_github_env\"; done < \"${ENV_FILE}\""
        );
    }
    if text.contains(PATH_FILE) {
        let _ = writeln!(
            out,
            "while IFS= read -r of_github_path || [ -n \"$of_github_path\" ]; do [ -z \"$of_github_path\" ] || PATH=\"$of_github_path:$PATH\"; done < \"${PATH_FILE}\"\n: > \"${PATH_FILE}\""
        );
    }
    out
}

/// Names that stand before a `=` in a text: those of the variables that it may set, and more. None of GitHub's own: nobody sets
/// those.
pub(super) fn assigned(text: &str) -> Vec<String> {
    static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b([A-Za-z_][A-Za-z0-9_]*)=").ok());
    let names = ASSIGNED.as_ref().into_iter().flat_map(|regex| regex.captures_iter(text));
    names
        .map(|found| found[1].to_owned())
        .filter(|name| !name.starts_with("GITHUB_") && !name.starts_with("RUNNER_"))
        .collect()
}

/// What a text asks for that nobody sets: variables of GitHub and its runners without a counterpart here, and those in `lost`.
pub(super) fn missing(text: &str, lost: &BTreeSet<String>) -> Vec<Missing> {
    let of_github = |name: &str| {
        // That a script does not run at GitHub is what the absence of this one says.
        (name.starts_with("GITHUB_") || name.starts_with("RUNNER_")) && name != "GITHUB_ACTIONS" && !is_known_here(name)
    };
    let mut found: BTreeMap<&str, bool> = BTreeMap::new();
    for (name, has_default) in mentioned(text) {
        if of_github(name) || lost.contains(name) {
            *found.entry(name).or_insert(true) &= has_default;
        }
    }
    let missing = found.into_iter().filter(|(name, _)| !is_set_in(name, text));
    missing.map(|(name, has_default)| Missing { name: name.to_owned(), has_default }).collect()
}

/// A line that stops the script unless the variable is there.
pub(super) fn guard(name: &str) -> String {
    format!(": \"${{{name}?GitHub alone knows it: set it where wf runs, or write this part anew}}\"")
}

fn is_known_here(name: &str) -> bool {
    FILES.contains(&name) || name == TEMP || KNOWN_HERE.iter().any(|(known, _)| *known == name)
}

/// Variables in a script, comments left out; does what stands there name a default?
fn mentioned(text: &str) -> impl Iterator<Item = (&str, bool)> {
    static MENTIONED: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{[!#]?([A-Za-z_][A-Za-z0-9_]*)(:?[-+=?])?)").ok());
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let of_line = |line| MENTIONED.as_ref().into_iter().flat_map(move |regex| regex.captures_iter(line));
    lines.flat_map(of_line).filter_map(|found| {
        let name = found.get(1).or(found.get(2))?.as_str();
        Some((name, found.get(3).is_some()))
    })
}

/// Does the script set it by itself, at the start of a command?
fn is_set_in(name: &str, text: &str) -> bool {
    let before = r"(?m)(?:^|[;&(]|\b(?:export|local|declare|readonly|read|for)\s(?:\s*-\w+\s)*)\s*";
    Regex::new(&format!(r"{before}{name}(?:=|\s+in\s|\s*$)")).is_ok_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_here_is_found_however_it_is_written() {
        let lost = BTreeSet::from(["DIR".to_owned()]);
        for (text, expected) in [
            ("rm -rf $RUNNER_TOOL_CACHE/*", "RUNNER_TOOL_CACHE"),
            ("rm -rf \"${RUNNER_TOOL_CACHE}\"/*", "RUNNER_TOOL_CACHE"),
            ("echo ${#GITHUB_REF} ${GITHUB_REF%/*} ${!GITHUB_X}", "GITHUB_REF GITHUB_X"),
            ("rm -rf $DIR/x $OTHER", "DIR"),
            ("echo ${GITHUB_REF:-main}", "GITHUB_REF?"),
            ("echo ${GITHUB_REF:-main} $GITHUB_REF", "GITHUB_REF"),
            ("echo ${GITHUB_HEAD_REF:-$GITHUB_REF_NAME}", "GITHUB_HEAD_REF? GITHUB_REF_NAME"),
            ("[ \"$GITHUB_ACTIONS\" ] && echo $GITHUB_SHA $RUNNER_TEMP > $GITHUB_OUTPUT", ""),
            ("# $GITHUB_REF\nmake", ""),
            ("GITHUB_REF=x\necho $GITHUB_REF", ""),
            ("if a; then export GITHUB_REF=x; fi; echo $GITHUB_REF", ""),
            ("for GITHUB_X in a; do echo $GITHUB_X; done", ""),
            ("docker run -e GITHUB_REF=$GITHUB_REF x", "GITHUB_REF"),
            ("MY_GITHUB_REF=x; echo $MY_GITHUB_REF $GITHUB_REF", "GITHUB_REF"),
        ] {
            let found: Vec<String> =
                missing(text, &lost).into_iter().map(|one| one.name + if one.has_default { "?" } else { "" }).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn only_what_is_asked_for_is_set() {
        assert_eq!(prelude("make $HOME"), "");
        assert_eq!(prelude("cd ${GITHUB_WORKSPACE}"), "export GITHUB_WORKSPACE=\"$PWD\"\n");
        assert!(
            prelude("ls $RUNNER_TEMP").contains("mkdir \"$RUNNER_TEMP\"\n")
                && !prelude("ls $RUNNER_TEMP").contains("touch")
        );
        let all = prelude("echo $RUNNER_OS $RUNNER_ARCH $GITHUB_SHA");
        assert!(["RUNNER_OS", "RUNNER_ARCH", "GITHUB_SHA"].iter().all(|name| all.contains(&format!("export {name}="))));
    }
}
