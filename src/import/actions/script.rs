//! The `run` parts of a job as one script: each in a shell of its own, as GitHub runs them. Pure.

use super::changed::is_filter;
use super::condition::never;
use super::expression::{Known, fill, fill_word, left_alone, plain, secret, variables};
use super::variables::{ENV_FILE, assigned, guard, handed_on, missing, prelude};
use super::{keys, value};
use crate::base::RepoPath;
use crate::config::yaml::Node;
use crate::import::draft::Imported;
use crate::import::node::Look;
use crate::import::write::one_line;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What the job says for all of its parts.
pub(super) struct Setting<'a> {
    pub path: &'a RepoPath,
    pub shell: Option<&'a str>,
    pub dir: Option<&'a str>,
    pub matrix: &'a BTreeMap<String, String>,
    /// Variables of the job whose values are written out.
    pub env: &'a BTreeMap<String, String>,
    /// Variables of the job that have no value here, unless they are set where wf runs.
    pub lost: &'a BTreeSet<String>,
    /// Variables of the job whose values are handed through to it.
    pub handed: &'a BTreeSet<String>,
}

/// What can run of one part.
struct Part {
    name: Option<String>,
    text: String,
    /// A word of the shell, as it is.
    dir: Option<String>,
    /// Names, and words of the shell.
    env: Vec<(String, String)>,
    /// Variables without which it must not begin.
    needs: Vec<String>,
    may_fail: bool,
}

/// The script of a job and the conditions of its parts; none if nothing of it can run.
pub(super) fn script<'n>(
    steps: &'n [Node],
    setting: &Setting<'_>,
    out: &mut Imported,
) -> Option<(String, Vec<Option<&'n str>>)> {
    let (mut parts, mut conditions) = (vec![], vec![]);
    // Where parts set variables, those of the job may have other values later: they are read when it runs.
    let sets = steps.iter().any(|step| step.text_of("run").is_some_and(|run| run.contains(ENV_FILE)));
    let (mut handed, nothing) = (setting.handed.clone(), BTreeMap::new());
    if sets {
        handed.extend(setting.env.keys().cloned());
    }
    let setting = &Setting { env: if sets { &nothing } else { setting.env }, handed: &handed, ..*setting };
    // Variables that parts may have set so far. Whether they did shows when it runs.
    let mut set_before = BTreeSet::new();
    for step in steps {
        if let Some(uses) = step.text_of("uses") {
            tell_use(uses, step, setting.path, out);
            continue;
        }
        if step.get("run").is_none() {
            continue;
        }
        // Its own variables may be others.
        let env = if step.get("env").is_some() { &nothing } else { setting.env };
        let known = Known { matrix: setting.matrix, env };
        let holds = step.text_of("if").and_then(|text| value::holds(text, &known));
        if let Some(part) = part(step, holds, setting, &set_before, out) {
            if part.text.contains(ENV_FILE) {
                set_before.extend(assigned(&part.text));
            }
            parts.push(part);
            conditions.push(step.text_of("if").filter(|_| holds.is_none()));
        }
    }
    // What a script does at its end (`trap`) is for the shell of its own part.
    let is_bare =
        |part: &Part| part.dir.is_none() && part.env.is_empty() && !part.may_fail && !part.text.contains("trap ");
    let text = match &parts[..] {
        [] => return None,
        [single] if is_bare(single) => begin(single) + &single.text,
        [before @ .., last] => {
            let before = before.iter().map(|part| block(part) + "\n" + &handed_on(&part.text));
            before.collect::<String>() + &block(last)
        }
    };
    let text = prelude(&text) + &text;
    Some((text, conditions))
}

/// Actions that a step of wf has no use for: it runs in the tree that is there, with the programs that are there.
fn tell_use(uses: &str, step: &Node, path: &RepoPath, out: &mut Imported) {
    let name = uses.split('@').next().unwrap_or(uses);
    if name == "actions/checkout" {
        return keys::tell_checkout(step, path, out);
    }
    if is_filter(uses) || name.starts_with("actions/cache") {
        return;
    }
    let action = name.rsplit('/').next().unwrap_or(name);
    let sets_up = action.starts_with("setup-") || action.contains("toolchain") || action.contains("install");
    let advice = if sets_up { "install it where wf runs" } else { "call the program behind it, in a step" };
    out.lose(path, step.line(), format!("`uses: {uses}`"), "wf runs no actions", advice);
}

/// One part; whether its `if` `holds`, if it has one and that is known.
fn part(
    step: &Node,
    holds: Option<bool>,
    setting: &Setting<'_>,
    set_before: &BTreeSet<String>,
    out: &mut Imported,
) -> Option<Part> {
    let run = step.text_of("run")?;
    let what = match step.text_of("name") {
        Some(name) => format!("`{}`", one_line(name)),
        None => format!("`{}`", crate::config::yaml::shorten(run)),
    };
    if let Some(why) = step.text_of("if").and_then(never) {
        out.lose(setting.path, step.line(), what, why, "");
        return None;
    }
    if holds == Some(false) {
        out.lose(setting.path, step.line(), what, "its `if` does not hold for what runs here", "");
        return None;
    }
    const KEYS: [&str; 8] = ["name", "id", "if", "run", "shell", "env", "working-directory", "continue-on-error"];
    keys::tell_unknown(step, &KEYS, &what, setting.path, out);
    let of_job = Known { matrix: setting.matrix, env: setting.env };
    let may_fail = keys::may_fail(step, &of_job, &what, setting.path, out);
    let mut lose = |why: String, advice: &str| out.lose(setting.path, step.line(), what.clone(), why, advice);
    let asked = step.text_of("shell").or(setting.shell);
    let shell = asked.unwrap_or("bash");
    let known = shell.split_whitespace().next().is_some_and(|program| matches!(program, "bash" | "sh"));
    if !known {
        lose(format!("it is for the shell `{shell}`"), "write it as a step of its own, with `shell`");
        return None;
    }
    let several_lines = run.contains(ENV_FILE) && run.contains("<<");
    if several_lines || ["$GITHUB_OUTPUT", "${GITHUB_OUTPUT"].iter().any(|name| run.contains(name)) {
        lose("it hands values to later parts by a file that is GitHub's".into(), "set them in the step that uses them");
    }
    let own = step.get("env").map(Look::entries).unwrap_or_default();
    let own: Vec<(&str, &str)> =
        own.iter().map(|(name, value)| (name.value.as_str(), value.text().unwrap_or_default())).collect();
    for (name, _) in own.iter().filter(|(_, value)| secret(value).is_some()) {
        lose(format!("the value of its variable `{}` is GitHub's", one_line(name)), "set it where wf runs");
    }
    // Its own variables count before those of the job.
    let mut env = setting.env.clone();
    for (name, value) in &own {
        match plain(value, &of_job) {
            Some(value) => env.insert((*name).to_owned(), value),
            None => env.remove(*name),
        };
    }
    let known = Known { matrix: setting.matrix, env: &env };
    if let Some(place) = left_alone(run, &known) {
        lose(format!("a variable stands {place}, where a shell leaves it alone"), "write it where it is read");
    }
    let filled = fill(run, &known).and_then(|text| {
        // Who passes a secret or a variable on passes it on under its name.
        let passed = own.iter().filter(|(_, value)| secret(value).is_none());
        let words = passed.map(|(name, value)| Ok(((*name).to_owned(), fill_word(value, &of_job)?)));
        Ok((text, words.collect::<Result<Vec<_>, String>>()?))
    });
    let asked_dir = step.text_of("working-directory").or(setting.dir);
    let dir = asked_dir.map(|dir| fill_word(dir, &known)).transpose();
    let ((text, words), dir) = match (filled, dir) {
        (Ok(filled), Ok(dir)) => (filled, dir),
        (Err(expression), _) | (_, Err(expression)) => {
            lose(format!("`{}` is known to GitHub alone", one_line(&expression)), "write this part by hand");
            return None;
        }
    };
    let texts =
        own.iter().map(|(_, value)| (*value, &of_job)).chain([(run, &known)]).chain(asked_dir.map(|dir| (dir, &known)));
    let mut lost = setting.lost.clone();
    lost.extend(texts.flat_map(|(text, known)| variables(text, known)).filter(|name| !setting.handed.contains(name)));
    lost.retain(|name| !own.iter().any(|(own, _)| own == name));
    let all = words.iter().map(|(_, value)| value).chain(&dir).chain([&text]).map(String::as_str).collect::<Vec<_>>();
    let mut needs = vec![];
    for variable in missing(&all.join("\n"), &lost) {
        if own.iter().any(|(name, _)| *name == variable.name)
            || setting.env.contains_key(&variable.name)
            || setting.handed.contains(&variable.name)
        {
            continue;
        }
        if set_before.contains(&variable.name) {
            if !variable.has_default {
                needs.push(variable.name);
            }
            continue;
        }
        let why = if variable.has_default { "here its default counts" } else { "the part stops where it is not set" };
        lose(
            format!("it uses `${}`, which GitHub alone knows: {why}", variable.name),
            "set it where wf runs, or write this part by hand",
        );
        if !variable.has_default {
            needs.push(variable.name);
        }
    }
    Some(Part {
        name: step.text_of("name").map(one_line),
        text: options(asked, &text).to_owned() + &text,
        dir: dir.filter(|dir| dir != "."),
        env: words.into_iter().filter(|(name, _)| is_variable(name)).collect(),
        needs,
        may_fail,
    })
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

/// What has to hold before a part begins, where it begins, and what it finds.
fn begin(part: &Part) -> String {
    let mut out = String::new();
    for name in &part.needs {
        let _ = writeln!(out, "{}", guard(name));
    }
    if let Some(dir) = &part.dir {
        // Elsewhere its commands must not run, whatever its shell does about failures.
        let _ = writeln!(out, "cd {dir} || exit");
    }
    for (name, value) in &part.env {
        let _ = writeln!(out, "export {name}={value}");
    }
    out
}

fn block(part: &Part) -> String {
    let mut out = String::new();
    if let Some(name) = &part.name {
        let _ = writeln!(out, "# {name}");
    }
    // Left of `||` no shell stops at the first failure, `set -e` or not: what may fail is looked at afterwards.
    out.push_str(if part.may_fail { "set +e\n(\nset -e\n" } else { "(\n" });
    out.push_str(&begin(part));
    out.push_str(part.text.trim_end());
    out.push_str("\n)");
    if part.may_fail {
        out.push_str("\n[ $? = 0 ] || echo 'it failed, and may' >&2\nset -e");
    }
    out
}
