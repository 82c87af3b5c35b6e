//! Imported steps as the text of a configuration. Pure.
//!
//! Whatever a source holds, the text is a configuration that wf reads: control characters are escaped in values and in
//! comments, and a value that YAML would read as something else is quoted.

use super::draft::{Draft, Lost};
use super::filter::literal;
use super::settle::Settled;
use crate::base::RepoPath;
use crate::config;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The whole text. `from` says what was imported, for people.
pub(super) fn yaml(steps: &[Settled], lost: &[Lost], from: &[String]) -> String {
    let mut out = config::schema_comment() + "\n";
    let from: Vec<String> = from.iter().map(|name| one_line(name)).collect();
    let _ = writeln!(out, "# Written by `wf init --from` from {}. Change it freely.", from.join(", "));
    out.push_str("# `wf check --lint` looks it over, `wf plan` shows what would run and why, `wf run` runs it.\n");
    let lines = told(lost);
    if !lines.is_empty() {
        out.push_str("#\n# Not carried over, or carried over in another way:\n");
        for line in lines {
            let _ = writeln!(out, "# * {line}");
        }
    }
    let mut rules: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for step in steps {
        for expression in &step.draft.except {
            rules.entry(expression).or_default().push(step.id.clone());
        }
    }
    if !rules.is_empty() {
        out.push_str("\n# Paths in which such an expression is found are not watched by these steps.\nskip_rules:\n");
        for (expression, ids) in rules {
            let _ = writeln!(out, "  {}:{}", quoted(expression), list(&ids));
        }
    }
    out.push_str("\nsteps:\n");
    let mut last = "";
    for step in steps {
        if !step.draft.why.is_empty() && step.draft.why != last {
            let _ = writeln!(out, "  # {}", one_line(&step.draft.why));
        }
        last = &step.draft.why;
        write_step(&mut out, &step.id, &step.draft);
    }
    if steps.is_empty() {
        out.push_str("  # Nothing of it is a step. A step is an id and a command:\n");
        out.push_str("  - id: hello\n    run: echo replace me\n");
    }
    out
}

/// What was lost, a line for each, with all places of the same.
pub(super) fn told(lost: &[Lost]) -> Vec<String> {
    let mut groups: Vec<(&Lost, Vec<String>)> = Vec::new();
    let mut known: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for one in lost {
        let place = match (one.file.is_root(), one.line) {
            (true, _) => None,
            (false, 0) => Some(one.file.to_string()),
            (false, line) => Some(format!("{}:{line}", one.file)),
        };
        let at = *known.entry((&one.what, &one.why, &one.advice)).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, places)) => places.extend(place),
            None => groups.push((one, place.into_iter().collect())),
        }
    }
    let line = |(one, places): (&Lost, Vec<String>)| {
        let places = match places.len() {
            0 => String::new(),
            1..=3 => format!(" ({})", places.join(", ")),
            more => format!(" ({} and {} more places)", places[0], more - 1),
        };
        let advice = if one.advice.is_empty() { String::new() } else { format!("; {}", one.advice) };
        one_line(&format!("{}{places}: {}{advice}", one.what, one.why))
    };
    groups.into_iter().map(line).collect()
}

fn write_step(out: &mut String, id: &str, draft: &Draft) {
    let folders: Vec<String> = draft.for_each.iter().filter_map(literal).collect();
    let _ = writeln!(out, "  - id: {}", scalar(id));
    let mut put = |key: &str, value: &str| {
        let _ = writeln!(out, "    {key}: {value}");
    };
    if let Some(name) = draft.name.as_ref().filter(|name| !name.trim().is_empty() && *name != id) {
        put("name", &scalar(&one_line(name)));
    }
    if !folders.is_empty() {
        put("for_each", list(&folders).trim_start_matches(' '));
    }
    if !draft.dir.is_root() {
        put("dir", &quoted(&String::from_utf8_lossy(draft.dir.as_bytes())));
    } else if draft.in_dir && !folders.is_empty() {
        put("dir", ".");
    }
    put("run", &command(&draft.run));
    if draft.bash {
        put("shell", "bash");
    }
    if let Some(kind) = draft.kind {
        put("kind", serde_json::to_value(kind).ok().as_ref().and_then(|value| value.as_str()).unwrap_or("build"));
    }
    let lists =
        [("needs", &draft.needs), ("after", &draft.after), ("inputs", &draft.inputs), ("outputs", &draft.outputs)];
    for (key, items) in lists.into_iter().filter(|(_, items)| !items.is_empty()) {
        put(key, list(items).trim_start_matches(' '));
    }
    // Its source runs it for prose, too, whatever its `kind` says.
    let prose = matches!(draft.kind, Some(config::model::Kind::Build | config::model::Kind::Test));
    if draft.inputs.is_empty() && prose {
        put("ignore", "[]");
    }
    if draft.cached && draft.kind != Some(config::model::Kind::Deploy) {
        put("cache", "true");
    } else if !draft.inputs.is_empty() {
        put("cache", "false");
    }
    if let Some(timeout) = &draft.timeout {
        put("timeout", timeout);
    }
    if draft.allow_failure {
        put("allow_failure", "true");
    }
    if let Some(lock) = draft.lock {
        put("locks", &format!("[{lock}]"));
    }
    if !draft.env.is_empty() {
        out.push_str("    env:\n");
        for (name, value) in &draft.env {
            let value = value.as_ref().map(|value| format!(" {}", quoted(value))).unwrap_or_default();
            let _ = writeln!(out, "      {name}:{value}");
        }
    }
}

/// A command as a block if it has several lines that a block can hold, else in quotes where it needs them.
fn command(text: &str) -> String {
    let text = text.trim_end_matches(['\n', '\r', ' ', '\t']);
    let text = text.trim_start_matches('\n');
    let block = text.contains('\n')
        && !text.starts_with([' ', '\t'])
        && text.chars().all(|c| c == '\n' || c == '\t' || is_plain(c))
        && text.lines().all(|line| !line.trim().is_empty() || line.is_empty());
    if !block {
        return scalar(text);
    }
    let lines = text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("\n      {line}") });
    format!("|-{}", lines.collect::<String>())
}

/// A list behind its key: on one line if it is short.
fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| scalar(item)).collect();
    let line = format!(" [{}]", items.join(", "));
    if line.len() <= 100 {
        return line;
    }
    items.iter().map(|item| format!("\n      - {item}")).collect()
}

/// A YAML scalar: as it is where that is safe, else in double quotes.
fn scalar(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || " ._/-+=@$()".contains(c));
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let word = words.contains(&text.to_ascii_lowercase().as_str());
    if starts && plain && !word && !text.ends_with(' ') { text.to_owned() } else { quoted(text) }
}

/// May a block or a quoted scalar hold it as it is? YAML 1.2, `nb-json` without what terminals obey.
fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') && !is_direction(c)
}

/// Characters that change the order in which a terminal or an editor shows others.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A double-quoted YAML scalar.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_plain(c) => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

/// Text for a comment or a terminal: one line, nothing that either would obey.
pub(super) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if is_plain(c) => out.push(c),
            c => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
        }
    }
    out
}

/// A word for a shell, quoted if it needs that.
pub(super) fn word(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}

/// The path as text for commands and comments, if it is UTF-8.
pub(super) fn path_text(path: &RepoPath) -> Option<&str> {
    std::str::from_utf8(path.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Command;
    use crate::config::{Layer, Source};
    use proptest::prelude::*;

    fn read(text: &str) -> config::Loaded {
        let source = Source { name: "imported".into(), text: text.to_owned(), layer: Layer::Project };
        config::load(&[source], &[]).unwrap_or_else(|errors| panic!("{}\n{text}", config::render(&errors, false)))
    }

    #[test]
    fn the_same_loss_is_told_once_with_its_places() {
        let at = |line| Lost {
            file: RepoPath::from("a\u{1b}b"),
            line,
            what: "`x`".into(),
            why: "no\nway".into(),
            advice: String::new(),
        };
        assert_eq!(told(&[at(1), at(2)]), ["`x` (a\\u{1b}b:1, a\\u{1b}b:2): no way"]);
        assert_eq!(told(&[at(1), at(2), at(3), at(4)]), ["`x` (a\\u{1b}b:1 and 3 more places): no way"]);
    }

    proptest! {
        /// What is written means what it meant.
        #[test]
        fn any_text_comes_back(
            run in "[a-c#:|>'\"\\\\ \n\t{}\\[\\]&*!%@`,?-]{0,30}x|\\PC{0,20}x|[\\x01-\\x20\\x7f-\\x9f\u{2028}\u{feff}]{0,8}x",
            name in "\\PC{0,12}|[\\x00-\\x20]{0,5}",
            value in "(?s).{0,12}",
        ) {
            let run = run.replace('\0', "");
            let draft = Draft {
                key: "a".into(),
                name: Some(name.clone()),
                run: run.clone(),
                env: vec![("A".into(), Some(value.replace('\0', "")))],
                why: name.clone(),
                ..Draft::default()
            };
            let loaded = read(&yaml(&[Settled { id: "a".into(), draft }], &[], &[name]));
            let step = &loaded.workflow.steps[0];
            let Command::Shell { text, .. } = &step.command else { panic!("no shell") };
            let ends = ['\n', '\r', ' ', '\t'];
            prop_assert_eq!(text, run.trim_end_matches(ends).trim_start_matches('\n'));
            prop_assert_eq!(step.env["A"].clone(), Some(value.replace('\0', "")));
        }
    }
}
