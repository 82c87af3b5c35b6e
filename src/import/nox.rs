//! nox: a step for each session that noxfile.py declares, which `nox` runs. Pure.
//!
//! Only decorators, names and commands are read, not Python: sessions that are made in loops are told.

use super::draft::{Draft, Imported, kind_of};
use super::judge;
use super::write::word;
use crate::base::RepoPath;
use crate::config::model::Kind;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(super) fn read(path: &RepoPath, text: &str) -> Imported {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\bname\s*=\s*["']([^"']+)["']"#).ok());
    let mut out = Imported::new("nox");
    let chosen = chosen(path, text, &mut out);
    let mut seen = BTreeSet::new();
    let mut names = vec![];
    let mut decorator: Option<String> = None;
    // How many parentheses of a decorator wait for their end.
    let mut open = 0_usize;
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in (1_u32..).zip(&lines) {
        if line.starts_with([' ', '\t'])
            && ["@nox.session", "@session"].iter().any(|one| line.trim_start().starts_with(one))
        {
            let why = "sessions that are made in loops or functions have no name before they are run";
            out.lose(path, number, "a session", why, "add a step that calls `nox -s NAME`");
            continue;
        }
        let starts = line.starts_with("@nox.session") || line.starts_with("@session");
        if starts || (open > 0 && decorator.is_some()) {
            let said = decorator.get_or_insert_with(String::new);
            said.push_str(line);
            open = (open + line.matches('(').count()).saturating_sub(line.matches(')').count());
            continue;
        }
        if line.starts_with("@nox.parametrize") && decorator.is_some() {
            let why = "every combination of it runs in one step";
            out.lose(path, number, "`parametrize`", why, "");
            continue;
        }
        let Some(rest) = line.strip_prefix("def ").filter(|_| decorator.is_some()) else {
            // Another decorator between the two changes nothing.
            if !line.starts_with('@') && !line.trim().is_empty() {
                decorator = None;
            }
            continue;
        };
        let said = decorator.take().unwrap_or_default();
        open = 0;
        let function = rest.split(['(', ' ']).next().unwrap_or_default().to_owned();
        let named = NAME.as_ref().and_then(|name| name.captures(&said)).map(|found| found[1].to_owned());
        let name = named.unwrap_or(function);
        names.push(name.clone());
        // One session of a name may be chosen, or some of those that its interpreters and parameters make.
        let some: Vec<&String> = match &chosen {
            Some((_, chosen)) if !chosen.contains(&name) => chosen.iter().filter(|one| is_of(one, &name)).collect(),
            _ => vec![],
        };
        let asked_for = said.contains("default=False")
            || (some.is_empty() && chosen.as_ref().is_some_and(|(_, chosen)| !chosen.contains(&name)));
        let commands = commands(&lines[number as usize..]);
        let why = if asked_for { Some("it runs only when asked for") } else { None };
        if let Some(why) = why.or_else(|| judge::by_name(&name)).or_else(|| judge::refused(&name, &commands)) {
            out.lose(path, number, format!("the session `{name}`"), why, "");
            continue;
        }
        if name.is_empty() || !seen.insert(name.clone()) {
            continue;
        }
        let called = if some.is_empty() { vec![&name] } else { some };
        let called: Vec<String> = called.into_iter().map(|one| word(one)).collect();
        out.steps.push(Draft {
            run: format!("nox -s {}", called.join(" ")),
            dir: path.parent(),
            kind: Some(kind_of(&name).unwrap_or(Kind::Test)),
            why: format!("sessions of {path}"),
            key: name,
            ..Draft::default()
        });
    }
    if let Some((line, chosen)) = chosen {
        for one in chosen.iter().filter(|one| !names.iter().any(|name| *one == name || is_of(one, name))) {
            let why = "no declaration here makes a session of that name";
            out.lose(
                path,
                line,
                format!("`{one}` of `nox.options.sessions`"),
                why,
                "add a step that calls `nox -s NAME`",
            );
        }
    }
    if out.steps.is_empty() {
        out.lose(path, 0, "the file", "it declares no session that can be seen without running it", "");
    }
    out
}

/// Is it a session of this declaration: `tests-3.12`, `tests(x=1)`, `tests-3.12(x=1)`?
fn is_of(session: &str, name: &str) -> bool {
    static MADE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^(-(\d|py|python|pypy|graalpy)[\w.-]*)?(\(.*\))?$").ok());
    let rest = session.strip_prefix(name).filter(|rest| !rest.is_empty());
    rest.is_some_and(|rest| MADE.as_ref().is_some_and(|made| made.is_match(rest)))
}

/// What `nox.options.sessions` chooses, and its line; none if it does not say, or not as a list of texts.
fn chosen(path: &RepoPath, text: &str, out: &mut Imported) -> Option<(u32, BTreeSet<String>)> {
    let (line, rest) = (1_u32..).zip(text.lines()).find_map(|(number, line)| {
        let rest = line.strip_prefix("nox.options.sessions").or_else(|| line.strip_prefix("options.sessions"))?;
        Some((number, rest.trim_start().strip_prefix('=')?))
    })?;
    let from = rest.as_ptr() as usize - text.as_ptr() as usize;
    let names = texts(text[from..].trim_start());
    if names.is_none() {
        let why = "it is computed: all sessions are steps";
        out.lose(path, line, "`nox.options.sessions`", why, "take off those that run only when asked for");
    }
    names.map(|names| (line, names))
}

/// The texts of a Python list that has nothing but texts.
fn texts(list: &str) -> Option<BTreeSet<String>> {
    let mut chars = list.strip_prefix(['[', '('])?.chars();
    let (mut names, mut between) = (BTreeSet::new(), true);
    while let Some(c) = chars.next() {
        match c {
            ']' | ')' => return Some(names),
            '#' => _ = chars.find(|c| *c == '\n'),
            ',' => between = true,
            c if c.is_whitespace() => {}
            '"' | '\'' if between => {
                let inside: String = chars.by_ref().take_while(|inner| *inner != c).collect();
                if inside.contains(['\\', '\n']) {
                    return None;
                }
                names.insert(inside);
                between = false;
            }
            _ => return None,
        }
    }
    None
}

/// The words of commands in the function of which these are the lines: `session.run("a", "b")` is `a b`.
fn commands(below: &[&str]) -> String {
    let body = below.iter().take_while(|line| line.trim().is_empty() || line.starts_with([' ', '\t', ')']));
    let body: String = body.flat_map(|line| [*line, "\n"]).collect();
    let calls =
        body.split(".run").skip(1).filter_map(|rest| rest.strip_prefix("_always").unwrap_or(rest).strip_prefix('('));
    let words = calls.map(|rest| {
        let mut depth = 1_usize;
        let inside = rest.chars().take_while(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth > 0
        });
        let inside: String = inside.collect();
        let words = inside.split(',').map(|word| word.trim().trim_matches(|c: char| "\"')(".contains(c)));
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    });
    words.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use crate::import::Format;
    use crate::import::tests::{imported, steps};

    #[test]
    fn sessions_become_steps() {
        let text = "import nox\n\n@nox.session(python=[\n    '3.12',\n])\ndef tests(session):\n    session.run('pytest')\n\n\
                    @nox.session(name='lint')\n@nox.parametrize('x', [1])\ndef _lint(session: nox.Session) -> None:\n    pass\n\n\
                    @nox.session(default=False)\ndef bench(session): pass\n\ndef helper(): pass\n";
        let made = imported(Format::Nox, "noxfile.py", &[("noxfile.py", text)]);
        assert_eq!(steps(&made), ["tests: nox -s tests", "lint: nox -s lint"]);
        assert!(made.lost.iter().any(|line| line.contains("`bench`")));
    }

    #[test]
    fn sessions_that_run_by_themselves() {
        let text = "import nox\nnox.options.sessions = [\n    'lint',  # words\n    \"live\", 'site']\n@nox.session\ndef lint(session):\n    \
                    session.run('ruff', 'check')\n@nox.session\ndef tests(session): pass\n@nox.session\ndef site(session):\n    \
                    session.run(\n        \"sphinx-autobuild\",\n        f('docs'),\n    )\nfor x in 'ab':\n    @nox.session(name=f'loop-{x}')\n    def l(session): pass\n";
        let made = imported(Format::Nox, "noxfile.py", &[("noxfile.py", text)]);
        assert_eq!(steps(&made), ["lint: nox -s lint"]);
        for part in ["`tests`", "`site`", "loops"] {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
        let computed = text.replace("[\n    'lint',", "ALL + [");
        let made = imported(Format::Nox, "noxfile.py", &[("noxfile.py", &computed)]);
        assert!(
            made.steps == 2 && made.lost.iter().any(|line| line.contains("nox.options.sessions")),
            "{:?}",
            made.lost
        );
    }

    #[test]
    fn chosen_interpreters_and_parameters_are_sessions() {
        let text = "import nox\nnox.options.sessions = (\"lint\", 'tests-3.12', \"tests-pypy3.10\",\n  \"docs(a, b)\", 'types-3.12(x=[1])', 'loop')\n\
                    @nox.session\ndef lint(session): pass\n@nox.session(python=['3.11', '3.12'])\ndef tests(session): pass\n\
                    @nox.session\ndef docs(session): pass\n@nox.session\ndef types(session): pass\n@nox.session\ndef test(session): pass\n";
        let made = imported(Format::Nox, "noxfile.py", &[("noxfile.py", text)]);
        let expected = [
            "lint: nox -s lint",
            "tests: nox -s tests-3.12 tests-pypy3.10",
            "docs: nox -s 'docs(a, b)'",
            "types: nox -s 'types-3.12(x=[1])'",
        ];
        assert_eq!(steps(&made), expected);
        for part in
            ["`test` (noxfile.py:13): it runs only when asked for", "`loop` of `nox.options.sessions` (noxfile.py:2)"]
        {
            assert!(made.lost.iter().any(|line| line.contains(part)), "{part}: {:?}", made.lost);
        }
    }
}
