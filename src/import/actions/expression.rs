//! `${{ … }}` of GitHub Actions, as far as it can be told without running anything. Pure.

use crate::import::write::word;
use regex::Regex;
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

/// A text between expressions, or what stands for an expression.
enum Piece<'a> {
    Text(&'a str),
    /// A value that is known.
    Value(&'a str),
    /// A variable that the shell knows.
    Variable(&'a str),
}

/// The pieces of a text, or the first expression that is not known.
fn pieces<'a>(text: &'a str, matrix: &'a BTreeMap<String, String>) -> Result<Vec<Piece<'a>>, String> {
    let (mut out, mut rest) = (vec![], text);
    while let Some((before, after)) = rest.split_once("${{") {
        out.push(Piece::Text(before));
        let Some((inside, next)) = after.split_once("}}") else { return Err("${{".into()) };
        let inside = inside.trim();
        out.push(match inside.split_once('.') {
            Some(("env", name)) if is_name(name) => Piece::Variable(name),
            Some(("matrix", name)) if matrix.contains_key(name) => Piece::Value(&matrix[name]),
            Some(("github", "workspace")) => Piece::Variable(WORKSPACE),
            _ => return Err(format!("${{{{ {inside} }}}}")),
        });
        rest = next;
    }
    out.push(Piece::Text(rest));
    Ok(out)
}

/// The variable that a script sets to where the job began.
pub(super) const WORKSPACE: &str = "GITHUB_WORKSPACE";

/// The text with the expressions filled in that are known, or the first that is not.
pub(super) fn fill(text: &str, matrix: &BTreeMap<String, String>) -> Result<String, String> {
    let one = |piece: Piece<'_>| match piece {
        Piece::Text(text) | Piece::Value(text) => text.to_owned(),
        Piece::Variable(name) => format!("${{{name}}}"),
    };
    Ok(pieces(text, matrix)?.into_iter().map(one).collect())
}

/// The same as one word of a shell, in which only the expressions are still to be expanded.
pub(super) fn fill_word(text: &str, matrix: &BTreeMap<String, String>) -> Result<String, String> {
    let pieces = pieces(text, matrix)?;
    let known = |piece: &Piece<'_>| match piece {
        Piece::Text(text) | Piece::Value(text) => Some((*text).to_owned()),
        Piece::Variable(_) => None,
    };
    if let Some(plain) = pieces.iter().map(known).collect::<Option<String>>() {
        return Ok(word(&plain));
    }
    let one = |piece: Piece<'_>| match piece {
        Piece::Text("") | Piece::Value("") => String::new(),
        Piece::Text(text) | Piece::Value(text) => word(text),
        Piece::Variable(name) => format!("\"${{{name}}}\""),
    };
    Ok(pieces.into_iter().map(one).collect())
}

/// Does an expression that becomes a variable stand between single quotes, where a shell leaves it alone? A glance at each line.
pub(super) fn is_in_single_quotes(text: &str) -> bool {
    text.lines().any(|line| {
        let (mut single, mut double) = (false, false);
        line.char_indices().any(|(at, c)| {
            match c {
                '\'' if !double => single = !single,
                '"' if !single => double = !double,
                _ => {}
            }
            let rest = &line[at..];
            let inside = rest.strip_prefix("${{").map(str::trim_start).unwrap_or_default();
            single && (inside.starts_with("env.") || inside.starts_with("github.workspace"))
        })
    })
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
        assert_eq!(fill("tox -e ${{ matrix.py }} ${{env.X}}", &matrix).unwrap(), "tox -e 3.12 ${X}");
        assert_eq!(fill_word("a b/${{ env.X }}", &matrix).unwrap(), "'a b/'\"${X}\"");
        assert_eq!(fill_word("$HOME/${{ matrix.py }}", &matrix).unwrap(), "'$HOME/3.12'");
        assert!(is_in_single_quotes("x\necho 'a ${{ env.X }}'") && !is_in_single_quotes("echo \"it's ${{ env.X }}\""));
        assert_eq!(fill("a ${{ github.sha }}", &matrix).unwrap_err(), "${{ github.sha }}");
        assert!(fill("a ${{ b", &matrix).is_err());
        assert_eq!((secret("${{ secrets.TOKEN }}"), secret("x ${{ secrets.A }}")), (Some("TOKEN"), None));
    }
}
