//! nox: a step for each session that noxfile.py declares, which `nox` runs. Pure.
//!
//! Only decorators and names are read, not Python: sessions that are made in loops are not seen.

use super::draft::{Draft, Imported, kind_of};
use super::write::word;
use crate::base::RepoPath;
use crate::config::model::Kind;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(super) fn read(path: &RepoPath, text: &str) -> Imported {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\bname\s*=\s*["']([^"']+)["']"#).ok());
    let mut out = Imported::new("nox");
    let mut seen = BTreeSet::new();
    let mut decorator: Option<String> = None;
    // How many parentheses of a decorator wait for their end.
    let mut open = 0_usize;
    for (number, line) in (1_u32..).zip(text.lines()) {
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
        if said.contains("default=False") {
            out.lose(path, number, format!("the session `{name}`"), "it runs only when asked for", "");
            continue;
        }
        if name.is_empty() || !seen.insert(name.clone()) {
            continue;
        }
        out.steps.push(Draft {
            run: format!("nox -s {}", word(&name)),
            dir: path.parent(),
            kind: Some(kind_of(&name).unwrap_or(Kind::Test)),
            why: format!("sessions of {path}"),
            key: name,
            ..Draft::default()
        });
    }
    if out.steps.is_empty() {
        out.lose(path, 0, "the file", "it declares no session that can be seen without running it", "");
    }
    out
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
}
