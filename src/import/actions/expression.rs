//! `${{ … }}` of GitHub Actions, as far as it can be told without running anything. Pure.

use super::value;
use crate::import::write::word;
use regex::Regex;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// An output that a condition asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Output {
    /// `needs.<job>.outputs.<name>`
    OfJob(String, String),
    /// `steps.<id>.outputs.<name>`
    OfStep(String, String),
}

/// The outputs that an expression names.
pub(super) fn named(text: &str) -> Vec<Output> {
    static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(needs|steps)\.([A-Za-z0-9_-]+)\.outputs(?:\.([A-Za-z0-9_-]+)|\[\s*['"]([^'"]+)['"]\s*\])"#).ok()
    });
    let Some(named) = NAMED.as_ref() else { return vec![] };
    let output = |found: regex::Captures<'_>| -> Option<Output> {
        let (of, name) = (found[2].to_owned(), found.get(3).or(found.get(4))?.as_str().to_owned());
        Some(if &found[1] == "needs" { Output::OfJob(of, name) } else { Output::OfStep(of, name) })
    };
    named.captures_iter(text).filter_map(output).collect()
}

/// What is known of a job without running it.
pub(super) struct Known<'a> {
    /// The combination of its matrix.
    pub matrix: &'a BTreeMap<String, String>,
    /// Variables whose values are written out.
    pub env: &'a BTreeMap<String, String>,
}

/// A text between expressions, or what stands for an expression.
enum Piece<'a> {
    Text(&'a str),
    /// A value that is known.
    Value(Cow<'a, str>),
    /// A variable that the shell knows.
    Variable(&'a str),
}

/// The pieces of a text, or the first expression that is not known.
fn pieces<'a>(text: &'a str, known: &Known<'a>) -> Result<Vec<Piece<'a>>, String> {
    let (mut out, mut rest) = (vec![], text);
    while let Some((before, after)) = rest.split_once("${{") {
        out.push(Piece::Text(before));
        let Some((inside, next)) = after.split_once("}}") else { return Err("${{".into()) };
        let inside = inside.trim();
        out.push(match inside.split_once('.') {
            // GitHub puts the text itself there, quotes and all.
            Some(("env", name)) if is_name(name) => {
                known.env.get(name).map_or(Piece::Variable(name), |v| Piece::Value(v.into()))
            }
            Some(("github", "workspace")) => Piece::Variable(WORKSPACE),
            _ => match value::text(inside, known) {
                Some(text) => Piece::Value(text.into()),
                None => return Err(format!("${{{{ {inside} }}}}")),
            },
        });
        rest = next;
    }
    out.push(Piece::Text(rest));
    Ok(out)
}

/// The variable that a script sets to where the job began.
pub(super) const WORKSPACE: &str = "GITHUB_WORKSPACE";

/// The text with the expressions filled in that are known, or the first that is not.
pub(super) fn fill(text: &str, known: &Known<'_>) -> Result<String, String> {
    let one = |piece: Piece<'_>| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Value(text) => text.into_owned(),
        Piece::Variable(name) => format!("${{{name}}}"),
    };
    Ok(pieces(text, known)?.into_iter().map(one).collect())
}

/// The text with the expressions filled in, if all of them are known to be some text.
pub(super) fn plain(text: &str, known: &Known<'_>) -> Option<String> {
    let one = |piece: Piece<'_>| match piece {
        Piece::Text(text) => Some(text.to_owned()),
        Piece::Value(text) => Some(text.into_owned()),
        Piece::Variable(_) => None,
    };
    pieces(text, known).ok()?.into_iter().map(one).collect()
}

/// The variables that expressions become, that of the workspace left out.
pub(super) fn variables(text: &str, known: &Known<'_>) -> Vec<String> {
    let one = |piece| match piece {
        Piece::Variable(name) if name != WORKSPACE => Some(name.to_owned()),
        _ => None,
    };
    pieces(text, known).unwrap_or_default().into_iter().filter_map(one).collect()
}

/// The same as one word of a shell, in which only the expressions are still to be expanded.
pub(super) fn fill_word(text: &str, known: &Known<'_>) -> Result<String, String> {
    if let Some(plain) = plain(text, known) {
        return Ok(word(&plain));
    }
    let one = |piece: Piece<'_>| match piece {
        Piece::Text("") => String::new(),
        Piece::Text(text) => word(text),
        Piece::Value(text) if text.is_empty() => String::new(),
        Piece::Value(text) => word(&text),
        Piece::Variable(name) => format!("\"${{{name}}}\""),
    };
    Ok(pieces(text, known)?.into_iter().map(one).collect())
}

/// Where an expression that becomes a variable stands so that a shell leaves it alone, in words: between single quotes, or in
/// a text after `<<'END'`. A glance at each line.
pub(super) fn left_alone(text: &str, known: &Known<'_>) -> Option<&'static str> {
    static HERE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"<<-?\s*(?:'([^']+)'|"([^"]+)"|\\([A-Za-z_]\w*))"#).ok());
    let becomes_variable = |rest: &str| {
        let inside = rest.strip_prefix("${{").and_then(|rest| rest.split_once("}}")).map(|(inside, _)| inside.trim());
        inside.is_some_and(|inside| match inside.strip_prefix("env.") {
            Some(name) => !known.env.contains_key(name),
            None => inside == "github.workspace",
        })
    };
    let mut end: Option<&str> = None;
    for line in text.lines() {
        if let Some(word) = end {
            if line.trim() == word {
                end = None;
            } else if line.char_indices().any(|(at, _)| becomes_variable(&line[at..])) {
                return Some("in a text after `<<'…'`");
            }
            continue;
        }
        let (mut single, mut double) = (false, false);
        for (at, c) in line.char_indices() {
            match c {
                '\'' if !double => single = !single,
                '"' if !single => double = !double,
                _ => {}
            }
            if single && becomes_variable(&line[at..]) {
                return Some("between single quotes");
            }
        }
        let found = HERE.as_ref().and_then(|here| here.captures(line));
        end = found.and_then(|found| (1..=3).find_map(|n| found.get(n))).map(|word| word.as_str());
    }
    None
}

/// The name of the secret or variable that the whole text stands for.
pub(super) fn secret(text: &str) -> Option<&str> {
    let inside = text.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim();
    let name = inside.strip_prefix("secrets.").or_else(|| inside.strip_prefix("vars."))?;
    is_name(name).then_some(name)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_filled_or_named() {
        let matrix = BTreeMap::from([("py".to_owned(), "3.12".to_owned())]);
        let env = BTreeMap::from([("FLAGS".to_owned(), "-k 'a b'".to_owned())]);
        let known = Known { matrix: &matrix, env: &env };
        assert_eq!(fill("tox -e ${{ matrix.py }} ${{env.X}}", &known).unwrap(), "tox -e 3.12 ${X}");
        assert_eq!(fill("pytest ${{ env.FLAGS }}", &known).unwrap(), "pytest -k 'a b'");
        assert_eq!(fill_word("a b/${{ env.X }}", &known).unwrap(), "'a b/'\"${X}\"");
        assert_eq!(fill_word("$HOME/${{ matrix.py }}", &known).unwrap(), "'$HOME/3.12'");
        assert_eq!(fill("a ${{ github.sha }}", &known).unwrap_err(), "${{ github.sha }}");
        assert!(fill("a ${{ b", &known).is_err());
        assert_eq!(plain("${{ matrix.py }}-${{ github.workspace }}", &known), None);
        assert_eq!(variables("${{ env.X }}${{ env.FLAGS }}${{ github.workspace }}", &known), ["X"]);
        for (text, alone) in [
            ("x\necho 'a ${{ env.X }}'", true),
            ("echo \"it's ${{ env.X }}\"", false),
            ("echo '${{ env.FLAGS }}'", false),
            ("cat <<'E' > x\na ${{ env.X }}\nE", true),
            ("cat <<-\"E\"\n\tE\necho ${{ env.X }}", false),
            ("cat <<\\E\n${{ github.workspace }}\nE", true),
            ("cat <<E\n${{ env.X }}\nE", false),
        ] {
            assert_eq!(left_alone(text, &known).is_some(), alone, "{text}");
        }
        assert_eq!((secret("${{ secrets.TOKEN }}"), secret("x ${{ secrets.A }}")), (Some("TOKEN"), None));
    }
}
