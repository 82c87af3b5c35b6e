//! What a workflow, a job or a part says in single keys: read where it has a counterpart, else told. Pure.

use super::expression::{Known, fill};
use crate::base::RepoPath;
use crate::config::yaml::Node;
use crate::import::draft::Imported;
use crate::import::node::Look;
use crate::import::write::one_line;

/// Tells every key that is not known, with whose it is: wf cannot know what GitHub does for it.
pub(super) fn tell_unknown(node: &Node, known: &[&str], whose: &str, path: &RepoPath, out: &mut Imported) {
    for (name, _) in node.entries().iter().filter(|(name, _)| !known.contains(&name.value.as_str())) {
        let (why, advice) = match name.value.as_str() {
            "concurrency" => {
                ("a run waits for no other, and ends none", "give steps that must not meet one of the `locks`")
            }
            "timeout-minutes" => ("wf times a step as a whole", "give the step a `timeout`"),
            _ => ("wf has nothing of the kind", ""),
        };
        out.lose(path, name.at.line, format!("`{}` of {whose}", one_line(&name.value)), why, advice);
    }
}

/// May it fail? What GitHub alone knows is told, and then it may not.
pub(super) fn may_fail(node: &Node, known: &Known<'_>, whose: &str, path: &RepoPath, out: &mut Imported) -> bool {
    let Some(said) = node.get("continue-on-error") else { return false };
    match fill(said.text().unwrap_or_default(), known).as_deref() {
        Ok("true") => true,
        Ok("false" | "") => false,
        _ => {
            let what = format!("`continue-on-error` of {whose}");
            out.lose(path, said.line(), what, "whether it may fail is known to GitHub alone: here it may not", "");
            false
        }
    }
}

/// Its time, as wf writes it. What GitHub alone knows is told.
pub(super) fn timeout(
    node: &Node,
    known: &Known<'_>,
    whose: &str,
    path: &RepoPath,
    out: &mut Imported,
) -> Option<String> {
    let said = node.get("timeout-minutes")?;
    let minutes = fill(said.text().unwrap_or_default(), known).ok().and_then(|text| text.trim().parse::<u32>().ok());
    if minutes.is_none() {
        let why = "it is no number of minutes that is known here";
        out.lose(path, said.line(), format!("`timeout-minutes` of {whose}"), why, "give the step a `timeout`");
    }
    minutes.filter(|minutes| *minutes > 0).map(|minutes| format!("{minutes}m"))
}

/// The labels of the machines it runs on.
pub(super) fn runs_on(node: &Node) -> Vec<String> {
    let Some(on) = node.get("runs-on") else { return vec![] };
    let labels = on.get("labels").unwrap_or(on);
    labels.texts().iter().map(|(text, _)| (*text).to_owned()).collect()
}

/// What a checkout does besides getting the tree that is there.
pub(super) fn tell_checkout(step: &Node, path: &RepoPath, out: &mut Imported) {
    /// How GitHub gets it, which makes no difference to the tree.
    const MEANS: [&str; 12] = [
        "fetch-depth",
        "fetch-tags",
        "persist-credentials",
        "token",
        "ssh-key",
        "ssh-known-hosts",
        "ssh-strict",
        "ssh-user",
        "clean",
        "filter",
        "show-progress",
        "set-safe-directory",
    ];
    for (name, value) in step.get("with").map(Look::entries).unwrap_or_default() {
        if MEANS.contains(&name.value.as_str()) || value.is_false() {
            continue;
        }
        let said = value.text().map(|text| format!(": {}", crate::config::yaml::shorten(text.trim())));
        let what = format!("`{}{}` of `actions/checkout`", one_line(&name.value), one_line(&said.unwrap_or_default()));
        out.lose(path, name.at.line, what, "wf runs in the tree that is there", "get what else it needs in the step");
    }
}
