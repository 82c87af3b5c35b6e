//! Detected steps as a configuration that people can go on with. Pure.

use super::{Detected, Draft, Project, ProjectKind};
use crate::base::RepoPath;
use crate::config;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// One entry of `steps`: a draft, and the folders it is for.
struct Entry<'a> {
    id: String,
    kind: ProjectKind,
    draft: &'a Draft,
    folders: Vec<&'a RepoPath>,
}

/// Long lists of folders by the name they were given: written once, then referred to.
type Anchors = BTreeMap<String, String>;

pub(super) fn yaml(found: &Detected) -> String {
    let mut out = config::schema_comment() + "\n";
    out.push_str("# Written by `wf init` from what is in this repository. Change it freely.\n");
    out.push_str("# `wf check` looks it over, `wf plan` shows what would run and why, `wf run` runs it.\n");
    for note in &found.notes {
        let _ = writeln!(out, "# Note: {note}.");
    }
    let entries = entries(found);
    if entries.is_empty() {
        out.push_str("\n# Nothing was found that wf knows how to build. A step is an id and a command:\nsteps:\n");
        out.push_str("  - id: hello\n    run: echo replace me\n");
        return out;
    }
    out.push_str("\nsteps:\n");
    let (mut last, mut anchors) = (None, Anchors::new());
    for entry in &entries {
        let head = heading(found, entry.kind);
        if last != Some(entry.kind) {
            let _ = writeln!(out, "{}  # {head}", if last.is_some() { "\n" } else { "" });
        }
        last = Some(entry.kind);
        write_entry(&mut out, entry, &entries, &mut anchors);
    }
    out
}

/// `Rust (cargo)`, with the folders if they are not just the root.
fn heading(found: &Detected, kind: ProjectKind) -> String {
    let of_kind: Vec<&Project> = found.projects.iter().map(|(project, _)| project).filter(|p| p.kind == kind).collect();
    let tools: BTreeSet<&str> = of_kind.iter().map(|project| project.tool).collect();
    let tools = tools.into_iter().collect::<Vec<_>>().join(", ");
    if tools == kind.name() { tools } else { format!("{kind} ({tools})") }
}

/// Alike drafts of several folders become one entry with `for_each`.
fn entries(found: &Detected) -> Vec<Entry<'_>> {
    let with_steps: Vec<&(Project, Vec<Draft>)> =
        found.projects.iter().filter(|(_, steps)| !steps.is_empty()).collect();
    let kinds: BTreeSet<ProjectKind> = with_steps.iter().map(|(project, _)| project.kind).collect();
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for (project, drafts) in with_steps {
        for draft in drafts {
            let same = |entry: &&mut Entry<'_>| {
                entry.kind == project.kind
                    && entry.draft == draft
                    && !project.folder.is_root()
                    && !entry.folders[0].is_root()
            };
            if let Some(entry) = entries.iter_mut().find(same) {
                entry.folders.push(&project.folder);
            } else {
                let folders = vec![&project.folder];
                entries.push(Entry { id: String::new(), kind: project.kind, draft, folders });
            }
        }
    }
    entries.sort_by_key(|entry| entry.kind);
    let mut taken: BTreeSet<String> = BTreeSet::new();
    // Names that several entries would want get their folder's name, so that they stay as they are when one is added.
    let plain = |entry: &Entry<'_>| match kinds.len() {
        1 => entry.draft.role.to_owned(),
        _ if entry.draft.role == entry.kind.name() => entry.draft.role.to_owned(),
        _ => format!("{}-{}", entry.kind, entry.draft.role),
    };
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &entries {
        *wanted.entry(plain(entry)).or_default() += 1;
    }
    for entry in &mut entries {
        let mut id = plain(entry);
        if wanted[&id] > 1 && entry.folders.len() > 1 {
            id.push_str("-each");
        } else if wanted[&id] > 1 && !entry.folders[0].is_root() {
            let name = String::from_utf8_lossy(entry.folders[0].file_name()).into_owned();
            let name: String =
                name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(32).collect();
            id = format!("{id}-{}", name.to_ascii_lowercase());
        }
        let mut number = 1;
        entry.id.clone_from(&id);
        while !taken.insert(entry.id.clone()) {
            number += 1;
            entry.id = format!("{id}-{number}");
        }
    }
    entries
}

fn write_entry(out: &mut String, entry: &Entry<'_>, entries: &[Entry<'_>], anchors: &mut Anchors) {
    let Entry { id, draft, folders, .. } = entry;
    if !draft.why.is_empty() {
        let _ = writeln!(out, "  # {}", draft.why);
    }
    let _ = writeln!(out, "  - id: {id}");
    // One folder beside others is an instance, too: it watches its own folder, and the others need not watch it.
    let nested = entries.iter().flat_map(|entry| &entry.folders).filter(|folder| !folder.is_root());
    let for_each = !folders[0].is_root() && nested.collect::<BTreeSet<_>>().len() > 1;
    if for_each {
        let list: Vec<String> = folders.iter().map(|folder| glob(folder)).collect();
        let list = flow(&list);
        let _ = match anchors.get(&list) {
            Some(name) => writeln!(out, "    for_each: *{name}"),
            None if list.starts_with('\n') => {
                let name = format!(
                    "{}-folders{}",
                    entry.kind,
                    if anchors.is_empty() { String::new() } else { anchors.len().to_string() }
                );
                let written = writeln!(out, "    for_each: &{name}{list}");
                anchors.insert(list, name);
                written
            }
            None => writeln!(out, "    for_each:{list}"),
        };
    } else if !folders[0].is_root() {
        let _ = writeln!(out, "    dir: {}", scalar(&folders[0].to_string()));
    }
    if draft.run.contains('\n') {
        out.push_str("    run: |\n");
        for line in draft.run.lines() {
            let _ = writeln!(out, "      {line}");
        }
    } else {
        let _ = writeln!(out, "    run: {}", scalar(&draft.run));
    }
    if let Some(kind) = draft.kind {
        let word = serde_json::to_value(kind).ok().and_then(|value| value.as_str().map(str::to_owned));
        let _ = writeln!(out, "    kind: {}", word.unwrap_or_default());
    }
    for (key, roles) in [("needs", &draft.needs), ("after", &draft.after)] {
        let mut ids: Vec<String> = Vec::new();
        for role in roles {
            let theirs = |other: &&Entry<'_>| {
                other.kind == entry.kind
                    && other.draft.role == *role
                    && other.folders.iter().any(|at| folders.contains(at))
            };
            ids.extend(entries.iter().filter(theirs).map(|other| other.id.clone()));
        }
        if !ids.is_empty() {
            let _ = writeln!(out, "    {key}:{}", flow(&ids));
        }
    }
    let root = folders[0].is_root();
    for (key, patterns) in [("inputs", &draft.inputs), ("outputs", &draft.outputs)] {
        let short = |pattern: &String| if root { pattern.replacen("./", "", 1) } else { pattern.clone() };
        let list: Vec<String> = patterns.iter().map(short).collect();
        if !list.is_empty() {
            let _ = writeln!(out, "    {key}:{}", flow(&list));
        }
    }
    if let Some(why) = draft.uncached {
        let _ = writeln!(out, "    cache: false  # {why}");
    }
    if draft.no_prose {
        out.push_str("    ignore: [docs]\n");
    }
    if let Some(lock) = draft.lock.filter(|_| !for_each) {
        let _ = writeln!(out, "    locks: [{lock}]");
    }
    if !draft.env.is_empty() {
        let pairs: Vec<String> = draft.env.iter().map(|(name, value)| format!("{name}: {}", quoted(value))).collect();
        let _ = writeln!(out, "    env: {{{}}}", pairs.join(", "));
    }
}

/// A folder as a pattern that names it and no other.
fn glob(folder: &RepoPath) -> String {
    let text = String::from_utf8_lossy(folder.as_bytes()).into_owned();
    let special = |c: char| if "*?[]{}!\\".contains(c) { vec!['\\', c] } else { vec![c] };
    text.chars().flat_map(special).collect()
}

/// A list behind its key: on one line if it is short.
fn flow(items: &[String]) -> String {
    let list: Vec<String> = items.iter().map(|item| scalar(item)).collect();
    let line = format!(" [{}]", list.join(", "));
    if line.len() <= 100 {
        return line;
    }
    list.iter().map(|item| format!("\n      - {item}")).collect::<Vec<_>>().concat()
}

/// A YAML scalar: as it is where that is safe, else in double quotes.
fn scalar(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.' || c == '/');
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || " ._/-+=@'$()|&;".contains(c));
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
    );
    let number = text.starts_with('.') && text[1..].starts_with(|c: char| c.is_ascii_digit());
    if starts && plain && !word && !number && !text.ends_with(' ') { text.to_owned() } else { quoted(text) }
}

/// JSON's string is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
