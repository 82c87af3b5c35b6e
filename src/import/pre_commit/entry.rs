//! What hooks run: the words of `entry`, and the command of a step. Pure.

use super::super::node::Look;
use super::super::write::{path_text, word};
use crate::base::RepoPath;
use crate::config::yaml::Node;

/// The words of a hook's command, as pre-commit takes `entry` apart; none if it does not say them, or not like that.
pub(super) fn words(hook: &Node) -> Option<Vec<String>> {
    // For pre-commit a `#` begins no comment.
    let entry = hook.text_of("entry").filter(|entry| !entry.contains('#'))?;
    let mut words = shlex::split(entry).filter(|words| !words.is_empty())?;
    words.extend(hook.get("args").map(Look::texts).unwrap_or_default().into_iter().map(|(arg, _)| arg.to_owned()));
    Some(words)
}

/// A local hook of the system that takes no files is its own command; everything else is pre-commit's to run. pre-commit runs no
/// shell: what one would make of a word is quoted.
pub(super) fn command(path: &RepoPath, hook: &Node, id: &str, own: bool) -> String {
    let is_script = is_script(hook);
    let system = is_script || matches!(hook.text_of("language"), Some("system" | "unsupported"));
    let takes_none = hook.get("pass_filenames").is_some_and(Look::is_false);
    if let Some(mut words) = words(hook).filter(|_| own && system && takes_none) {
        // A script is a file of the repository, and not looked for in `PATH`.
        if is_script && !["/", "./", "../"].iter().any(|start| words[0].starts_with(start)) {
            words[0].insert_str(0, "./");
        }
        return words.iter().map(|one| word(one)).collect::<Vec<_>>().join(" ");
    }
    let usual = path.as_bytes() == b".pre-commit-config.yaml";
    let config = path_text(path).filter(|_| !usual).map(|path| format!("--config {} ", word(path)));
    format!("pre-commit run {}{} --all-files", config.unwrap_or_default(), word(id))
}

/// Is its command a file of the repository?
pub(super) fn is_script(hook: &Node) -> bool {
    matches!(hook.text_of("language"), Some("script" | "unsupported_script"))
}
