//! `${{ … }}` and `if` of GitHub Actions, as far as they can be told without running anything. Pure.

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

/// What an `if` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    /// One of these has to be true.
    pub any_of: Vec<Output>,
    /// It says more than that, which is left out.
    pub more: bool,
    /// It may hold though none of `any_of` does, for reasons that have nothing to do with the event.
    pub open: bool,
}

/// The outputs that a text names, each with what follows it.
fn outputs(text: &str) -> Vec<(Output, &str)> {
    static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(needs|steps)\.([A-Za-z0-9_-]+)\.outputs(?:\.([A-Za-z0-9_-]+)|\[\s*['"]([^'"]+)['"]\s*\])"#).ok()
    });
    let Some(named) = NAMED.as_ref() else { return vec![] };
    let output = |found: regex::Captures<'_>| -> Option<(Output, &str)> {
        let (of, name) = (found[2].to_owned(), found.get(3).or(found.get(4))?.as_str().to_owned());
        let output = if &found[1] == "needs" { Output::OfJob(of, name) } else { Output::OfStep(of, name) };
        Some((output, &text[found.get(0)?.end()..]))
    };
    named.captures_iter(text).filter_map(output).collect()
}

/// The outputs that an expression names.
pub(super) fn named(text: &str) -> Vec<Output> {
    outputs(text).into_iter().map(|(output, _)| output).collect()
}

/// Reads an `if`.
pub(super) fn condition(text: &str) -> Condition {
    let text = text.trim();
    let text = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(text).trim();
    let mut found = Condition::default();
    for part in text.split("||") {
        let mut any = false;
        for (output, rest) in outputs(part) {
            let rest = rest.trim_start();
            let asks_false =
                rest.starts_with("!=") || rest.trim_start_matches(['=', ' ', '\'', '"']).starts_with("false");
            if !asks_false && !part.contains('!') {
                found.any_of.push(output);
                any = true;
            }
        }
        let plain = part.trim().trim_matches(['(', ')', ' ']);
        found.more |= !any || plain.contains("&&") || plain.contains("github.");
        let of_event = ["github.event_name", "github.ref", "github.event.", "inputs.", "always()", "failure()"];
        found.open |= !any && !of_event.iter().any(|word| part.contains(word));
    }
    found.any_of.sort();
    found.any_of.dedup();
    found
}

/// The text with the expressions filled in that are known, or the first that is not.
pub(super) fn fill(text: &str, matrix: &BTreeMap<String, String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("${{") {
        out.push_str(before);
        let Some((inside, next)) = after.split_once("}}") else { return Err("${{".into()) };
        let inside = inside.trim();
        match inside.split_once('.') {
            Some(("env", name)) if is_name(name) => {
                out.push_str("${");
                out.push_str(name);
                out.push('}');
            }
            Some(("matrix", name)) if matrix.contains_key(name) => out.push_str(&matrix[name]),
            Some(("github", "workspace")) => out.push_str("$PWD"),
            _ => return Err(format!("${{{{ {inside} }}}}")),
        }
        rest = next;
    }
    out.push_str(rest);
    Ok(out)
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
    fn conditions_that_ask_for_filters() {
        let any = |text: &str| {
            let found = condition(text);
            (found.any_of.len(), found.more, found.open)
        };
        assert_eq!(any("needs.changes.outputs.code == 'true'"), (1, false, false));
        assert_eq!(any("${{ needs.a.outputs.x == 'true' || needs.a.outputs['y'] == 'true' }}"), (2, false, false));
        assert_eq!(any("github.event_name == 'push' || needs.a.outputs.x == 'true'"), (1, true, false));
        assert_eq!(any("needs.a.outputs.x == 'true' || needs.b.result == 'success'"), (1, true, true));
        assert_eq!(any("needs.a.outputs.x != 'true'"), (0, true, true));
        assert_eq!(any("needs.a.outputs.x == 'false'"), (0, true, true));
        assert_eq!(any("github.ref == 'refs/heads/main'"), (0, true, false));
    }

    #[test]
    fn expressions_are_filled_or_named() {
        let matrix = BTreeMap::from([("py".to_owned(), "3.12".to_owned())]);
        assert_eq!(fill("tox -e ${{ matrix.py }} ${{env.X}}", &matrix).unwrap(), "tox -e 3.12 ${X}");
        assert_eq!(fill("a ${{ github.sha }}", &matrix).unwrap_err(), "${{ github.sha }}");
        assert!(fill("a ${{ b", &matrix).is_err());
        assert_eq!((secret("${{ secrets.TOKEN }}"), secret("x ${{ secrets.A }}")), (Some("TOKEN"), None));
    }
}
