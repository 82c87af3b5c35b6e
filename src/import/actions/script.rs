//! The `run` parts of a job as one script: each in a shell of its own, as GitHub runs them. Pure.

use super::changed::is_filter;
use super::condition::never;
use super::expression::{WORKSPACE, fill, fill_word, is_in_single_quotes};
use crate::base::RepoPath;
use crate::config::yaml::Node;
use crate::import::draft::Imported;
use crate::import::node::Look;
use crate::import::write::one_line;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What the job says for all of its parts.
pub(super) struct Setting<'a> {
    pub path: &'a RepoPath,
    pub shell: Option<&'a str>,
    pub dir: Option<&'a str>,
    pub matrix: &'a BTreeMap<String, String>,
}

/// What can run of one part.
struct Part {
    name: Option<String>,
    text: String,
    /// A word of the shell, as it is.
    dir: Option<String>,
    /// Names, and words of the shell.
    env: Vec<(String, String)>,
    may_fail: bool,
}

/// Files that GitHub gives a job, and what else a script needs of it.
const FILES: [&str; 5] = ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY", "GITHUB_STATE"];

/// The script of a job and the conditions of its parts; none if nothing of it can run.
pub(super) fn script<'n>(
    steps: &'n [Node],
    setting: &Setting<'_>,
    out: &mut Imported,
) -> Option<(String, Vec<Option<&'n str>>)> {
    let (mut parts, mut conditions) = (vec![], vec![]);
    for step in steps {
        if let Some(uses) = step.text_of("uses") {
            tell_use(uses, step.line(), setting.path, out);
            continue;
        }
        if step.get("run").is_none() {
            continue;
        }
        if let Some(part) = part(step, setting, out) {
            parts.push(part);
            conditions.push(step.text_of("if"));
        }
    }
    let text = match &parts[..] {
        [] => return None,
        [single] if single.dir.is_none() && single.env.is_empty() && !single.may_fail => single.text.clone(),
        _ => parts.iter().map(block).collect::<Vec<_>>().join("\n"),
    };
    let text = prelude(&text) + &text;
    Some((text, conditions))
}

/// What GitHub has given a script before it begins: the folder of the job, and empty files that nobody reads here.
fn prelude(text: &str) -> String {
    let mut out = String::new();
    if text.contains(WORKSPACE) {
        let _ = writeln!(out, "export {WORKSPACE}=\"$PWD\"");
    }
    let files: Vec<&str> = FILES.into_iter().filter(|name| text.contains(name)).collect();
    if !files.is_empty() {
        out.push_str("of_github=$(mktemp -d)\ntrap 'rm -rf \"$of_github\"' EXIT\n");
        for name in files {
            let _ = writeln!(out, "export {name}=\"$of_github/{name}\"");
        }
        out.push_str("touch \"$of_github\"/{");
        out.push_str(&FILES.join(","));
        out.push_str("}\n");
    }
    out
}

/// Actions that a step of wf has no use for: it runs in the tree that is there, with the programs that are there.
fn tell_use(uses: &str, line: u32, path: &RepoPath, out: &mut Imported) {
    let name = uses.split('@').next().unwrap_or(uses);
    if name == "actions/checkout" || is_filter(uses) || name.starts_with("actions/cache") {
        return;
    }
    let action = name.rsplit('/').next().unwrap_or(name);
    let sets_up = action.starts_with("setup-") || action.contains("toolchain") || action.contains("install");
    let advice = if sets_up { "install it where wf runs" } else { "call the program behind it, in a step" };
    out.lose(path, line, format!("`uses: {uses}`"), "wf runs no actions", advice);
}

fn part(step: &Node, setting: &Setting<'_>, out: &mut Imported) -> Option<Part> {
    let run = step.text_of("run")?;
    let what = match step.text_of("name") {
        Some(name) => format!("`{}`", one_line(name)),
        None => format!("`{}`", crate::config::yaml::shorten(run)),
    };
    let mut lose = |why: String, advice: &str| out.lose(setting.path, step.line(), what.clone(), why, advice);
    if let Some(why) = step.text_of("if").and_then(never) {
        lose(why.into(), "");
        return None;
    }
    let asked = step.text_of("shell").or(setting.shell);
    let shell = asked.unwrap_or("bash");
    let known = shell.split_whitespace().next().is_some_and(|program| matches!(program, "bash" | "sh"));
    if !known {
        lose(format!("it is for the shell `{shell}`"), "write it as a step of its own, with `shell`");
        return None;
    }
    if ["$GITHUB_OUTPUT", "$GITHUB_ENV", "$GITHUB_PATH", "${GITHUB_OUTPUT", "${GITHUB_ENV"]
        .iter()
        .any(|name| run.contains(name))
    {
        lose("it hands values to later parts by a file that is GitHub's".into(), "set them in the step that uses them");
    }
    for (name, value) in step.get("env").map(Look::entries).unwrap_or_default() {
        if value.text().is_some_and(|text| super::expression::secret(text).is_some()) {
            lose(format!("the value of its variable `{}` is GitHub's", one_line(&name.value)), "set it where wf runs");
        }
    }
    if is_in_single_quotes(run) {
        lose(
            "a variable stands between single quotes, where a shell leaves it alone".into(),
            "write it in double quotes",
        );
    }
    let filled = fill(run, setting.matrix).and_then(|text| {
        let mut env = vec![];
        for (name, value) in step.get("env").map(Look::entries).unwrap_or_default() {
            let value = value.text().unwrap_or_default();
            // Who passes a secret or a variable on passes it on under its name.
            if super::expression::secret(value).is_some() {
                continue;
            }
            env.push((name.value.clone(), fill_word(value, setting.matrix)?));
        }
        Ok((text, env))
    });
    let dir = step.text_of("working-directory").or(setting.dir).map(|dir| fill_word(dir, setting.matrix));
    let dir = dir.transpose();
    match (filled, dir) {
        (Ok((text, env)), Ok(dir)) => Some(Part {
            name: step.text_of("name").map(one_line),
            text: options(asked, &text).to_owned() + &text,
            dir: dir.filter(|dir| dir != "."),
            env: env.into_iter().filter(|(name, _)| is_variable(name)).collect(),
            may_fail: step.get("continue-on-error").is_some_and(Look::is_true),
        }),
        (Err(expression), _) | (_, Err(expression)) => {
            lose(format!("`{}` is known to GitHub alone", one_line(&expression)), "write this part by hand");
            None
        }
    }
}

/// wf's `bash` is `bash -eo pipefail`, which GitHub's is only where a workflow says `shell: bash`; a shell with arguments has just
/// those. (GitHub's documentation, `jobs.<job_id>.steps[*].shell`.)
fn options(asked: Option<&str>, text: &str) -> &'static str {
    let piped = text.replace("||", "").contains('|');
    match asked.map(|shell| shell.split_whitespace().collect::<Vec<_>>()).as_deref() {
        Some(["bash"]) => "",
        None | Some(["sh"] | []) => {
            if piped {
                "set +o pipefail\n"
            } else {
                ""
            }
        }
        Some([_, more @ ..]) => {
            let stops = more.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('e'));
            let pipes = more.contains(&"pipefail");
            match (stops, pipes || !piped) {
                (true, true) => "",
                (true, false) => "set +o pipefail\n",
                (false, true) => "set +e\n",
                (false, false) => "set +eo pipefail\n",
            }
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn block(part: &Part) -> String {
    let mut out = String::new();
    if let Some(name) = &part.name {
        let _ = writeln!(out, "# {name}");
    }
    out.push_str("(\n");
    if let Some(dir) = &part.dir {
        let _ = writeln!(out, "cd {dir}");
    }
    for (name, value) in &part.env {
        let _ = writeln!(out, "export {name}={value}");
    }
    out.push_str(part.text.trim_end());
    out.push_str("\n)");
    if part.may_fail {
        out.push_str(" || echo 'it failed, and may' >&2");
    }
    out
}
