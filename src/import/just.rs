//! justfiles: a step for each public recipe that takes no argument, which `just` runs. Pure.
//!
//! Only heads of recipes, attributes and comments are read. just runs what a recipe depends on by itself; the steps only come in
//! that order.

use super::draft::{Draft, Imported, kind_of};
use super::make::FOR_PEOPLE;
use super::write::word;
use crate::base::RepoPath;
use std::collections::BTreeSet;

/// The head of a recipe.
struct Head<'a> {
    name: &'a str,
    parameters: Vec<&'a str>,
    needs: Vec<&'a str>,
}

pub(super) fn read(path: &RepoPath, text: &str) -> Imported {
    let mut out = Imported::new("just");
    let mut attributes = String::new();
    // A recipe may be written once for each system.
    let mut seen = BTreeSet::new();
    for (number, line) in (1_u32..).zip(text.lines()) {
        if line.starts_with([' ', '\t', '#']) || line.trim().is_empty() {
            continue;
        }
        if line.starts_with('[') {
            attributes.push_str(line);
            continue;
        }
        let said = std::mem::take(&mut attributes);
        let first = line.split_whitespace().next().unwrap_or_default();
        if matches!(first, "mod" | "mod?" | "import" | "import?") && !line.contains(':') {
            let why = "other files are not read";
            out.lose(path, number, format!("`{}`", line.trim()), why, "import them, too: `--from FILE`");
            continue;
        }
        let Some(head) = head(line) else { continue };
        let needs: Vec<String> = head.needs.iter().map(|need| (*need).to_owned()).collect();
        let required = head.parameters.iter().any(|one| !one.contains('=') && !one.starts_with('*'));
        let why = if head.name.starts_with('_') || said.contains("private") {
            Some("it is private")
        } else if required {
            Some("it wants an argument")
        } else if said.contains("confirm") {
            Some("it asks somebody")
        } else if (said.contains("windows") || said.contains("macos"))
            && !said.contains("linux")
            && !said.contains("unix")
        {
            Some("it is for another system")
        } else if FOR_PEOPLE.contains(&head.name) {
            Some("it is for people, not for checks")
        } else {
            None
        };
        if seen.contains(head.name) {
            continue;
        }
        if let Some(why) = why {
            if why != "it is private" {
                out.lose(path, number, format!("the recipe `{}`", head.name), why, "");
            }
            out.left_out.insert(head.name.to_owned(), needs);
            continue;
        }
        out.left_out.remove(head.name);
        seen.insert(head.name);
        let file = String::from_utf8_lossy(path.file_name()).into_owned();
        let usual = file.eq_ignore_ascii_case("justfile") || file == ".justfile";
        let flag = if usual { String::new() } else { format!("--justfile {} ", word(&file)) };
        out.steps.push(Draft {
            key: head.name.to_owned(),
            run: format!("just {flag}{}", word(head.name)),
            dir: path.parent(),
            kind: kind_of(head.name),
            after: needs,
            lock: Some("just"),
            why: format!("recipes of {path}"),
            ..Draft::default()
        });
    }
    if !out.steps.is_empty() {
        let why = "just does not say it: the steps watch everything but what their `kind` ignores";
        out.lose(path, 0, "what recipes read", why, "name their `inputs`");
    }
    out
}

/// `@name param='x' *rest: needs (need arg) && after`
fn head(line: &str) -> Option<Head<'_>> {
    let at = colon(line)?;
    let (left, right) = (&line[..at], &line[at + 1..]);
    let mut words = words(left).into_iter();
    let name = words.next()?.trim_start_matches('@');
    let fine = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !fine || right.starts_with('=') || matches!(name, "set" | "alias" | "export" | "unexport") {
        return None;
    }
    let right = right.split(" #").next().unwrap_or(right);
    let needs = self::words(right).into_iter().filter(|word| *word != "&&");
    // `(need argument)`
    let needs = needs.filter_map(|word| word.trim_matches(['(', ')']).split_whitespace().next());
    let is_name = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c));
    Some(Head { name, parameters: words.collect(), needs: needs.filter(is_name).collect() })
}

/// The colon that ends the head: outside of quotes and parentheses.
fn colon(line: &str) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0_i32);
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), c) => quote = (c != open).then_some(open),
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, ':') if depth == 0 => return Some(at),
            (None, _) => {}
        }
    }
    None
}

/// Words, with quotes and parentheses kept together.
fn words(text: &str) -> Vec<&str> {
    let (mut quote, mut depth, mut start, mut found) = (None, 0_i32, None, vec![]);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            _ => {}
        }
        if c.is_whitespace() && quote.is_none() && depth <= 0 {
            found.extend(start.take().map(|from| &text[from..at]));
        } else if start.is_none() {
            start = Some(at);
        }
    }
    found.extend(start.map(|from| &text[from..]));
    found
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, steps};

    #[test]
    fn recipes_become_steps() {
        let text = "mod docs\nset shell := ['bash', '-c']\nversion := '1:2'\nalias t := test\n\n# words: here\n@lint:\n  ruff .\n\
                    test *args='a b: c': lint (gen 'x: y') && after-test\n  pytest {{args}}\n[private]\ngen name:\n  x\n\
                    after-test:\n  x\n_hidden: lint\n  x\nneeds-arg one:\n  x\n[windows]\ndoc:\n  x\n[unix]\ndoc:\n  y\nclean:\n  x\n";
        let made = imported(Format::Just, "justfile", &[("justfile", text)]);
        assert_eq!(
            steps(&made),
            ["lint: just lint", "test: just test", "after-test: just after-test", "doc: just doc"]
        );
        assert!(made.text.contains("after: [lint, after-test]"), "{}", made.text);
        for part in ["`mod docs`", "`needs-arg`", "`clean`"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }
}
