//! The value of an expression of GitHub Actions, where everything that decides it is known. Pure.
//!
//! The grammar, what counts as true and how values compare are those of "Evaluate expressions in workflows and actions" in
//! GitHub's documentation. What is not known, or not read, gives no value.

use super::expression::Known;

/// Deeper expressions are not read.
const DEPTH_MAX: u8 = 16;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// A literal, or what was made of known texts.
    Text(String),
    /// A value of the matrix: whether `true` is a text there, nobody can tell any more.
    Loose(String),
    Bool(bool),
}

impl Value {
    /// Is it taken for true, if that is known?
    fn is_true(&self) -> Option<bool> {
        match self {
            Self::Text(text) => Some(!text.is_empty()),
            Self::Loose(text) if text.is_empty() => Some(false),
            Self::Loose(text) => {
                let falsy = is_word(text, &["false", "null", "~"]) || number(text) == Some(0.0);
                (!falsy).then_some(true)
            }
            Self::Bool(is) => Some(*is),
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Loose(text) => text,
            Self::Bool(is) => is.to_string(),
        }
    }

    /// Whether two values are equal, if that does not depend on what one of them is.
    fn equals(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a == b),
            (Self::Bool(_), _) | (_, Self::Bool(_)) => None,
            (Self::Text(a), Self::Text(b)) => Some(a.eq_ignore_ascii_case(b)),
            (Self::Loose(a), Self::Text(b) | Self::Loose(b)) | (Self::Text(b), Self::Loose(a)) => {
                // `3.10` and `3.1` are one number and two texts.
                let one_number = number(a).zip(number(b)).is_some() && !a.eq_ignore_ascii_case(b);
                let a_word = [a, b].into_iter().any(|text| is_word(text, &["true", "false", "null", "~"]));
                (!one_number && !a_word).then(|| a.eq_ignore_ascii_case(b))
            }
        }
    }
}

fn is_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A number of YAML's, in any of its forms; what only looks like one is none to be sure of either.
fn number(text: &str) -> Option<f64> {
    let plain = text.replace('_', "");
    if plain.starts_with("0x") || plain.starts_with("0o") {
        return Some(f64::NAN);
    }
    plain.parse().ok()
}

/// The text of what stands between `${{` and `}}`, if it is known.
pub(super) fn text(expression: &str, known: &Known<'_>) -> Option<String> {
    whole(expression, known).map(Value::into_text)
}

/// Whether an `if` holds, if that is known.
pub(super) fn holds(condition: &str, known: &Known<'_>) -> Option<bool> {
    let condition = condition.trim();
    let inside = condition.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(condition);
    whole(inside, known).and_then(|value| value.is_true())
}

fn whole(text: &str, known: &Known<'_>) -> Option<Value> {
    let mut reader = Reader { rest: text, known, depth: 0 };
    let value = reader.any().ok()??;
    reader.rest.trim().is_empty().then_some(value)
}

/// It is no expression that is read here.
struct Unread;

/// Reads an expression; without a value where that is not known.
struct Reader<'a> {
    rest: &'a str,
    known: &'a Known<'a>,
    depth: u8,
}

impl Reader<'_> {
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(token).filter(|rest| token != "!" || !rest.starts_with('='));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn any(&mut self) -> Result<Option<Value>, Unread> {
        let mut value = self.all()?;
        while self.take("||") {
            let right = self.all()?;
            value = value.and_then(|left| if left.is_true()? { Some(left) } else { right });
        }
        Ok(value)
    }

    fn all(&mut self) -> Result<Option<Value>, Unread> {
        let mut value = self.comparison()?;
        while self.take("&&") {
            let right = self.comparison()?;
            value = value.and_then(|left| if left.is_true()? { right } else { Some(left) });
        }
        Ok(value)
    }

    fn comparison(&mut self) -> Result<Option<Value>, Unread> {
        let left = self.operand()?;
        let equal = if self.take("==") {
            true
        } else if self.take("!=") {
            false
        } else {
            return Ok(left);
        };
        let right = self.operand()?;
        Ok(left.zip(right).and_then(|(left, right)| left.equals(&right)).map(|is| Value::Bool(is == equal)))
    }

    fn operand(&mut self) -> Result<Option<Value>, Unread> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Unread);
        }
        let value = self.inner();
        self.depth -= 1;
        value
    }

    fn inner(&mut self) -> Result<Option<Value>, Unread> {
        if self.take("!") {
            return Ok(self.operand()?.and_then(|value| value.is_true()).map(|is| Value::Bool(!is)));
        }
        if self.take("(") {
            let value = self.any()?;
            return if self.take(")") { Ok(value) } else { Err(Unread) };
        }
        if self.take("'") {
            return self.literal().map(Some).ok_or(Unread);
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        if name.is_empty() {
            return Err(Unread);
        }
        if self.take("(") {
            let mut arguments = vec![];
            while !self.take(")") {
                if !arguments.is_empty() && !self.take(",") {
                    return Err(Unread);
                }
                arguments.push(self.any()?);
            }
            let known: Option<Vec<String>> = arguments.into_iter().map(|one| one.map(Value::into_text)).collect();
            return Ok(known.and_then(|arguments| call(name, &arguments)));
        }
        Ok(self.named(name))
    }

    /// A text whose first quote is taken; two quotes in it are one.
    fn literal(&mut self) -> Option<Value> {
        let mut text = String::new();
        loop {
            let (before, rest) = self.rest.split_once('\'')?;
            text.push_str(before);
            self.rest = rest;
            match rest.strip_prefix('\'') {
                Some(rest) => {
                    text.push('\'');
                    self.rest = rest;
                }
                None => return Some(Value::Text(text)),
            }
        }
    }

    fn named(&self, name: &str) -> Option<Value> {
        let found = |of: &std::collections::BTreeMap<String, String>, name: &str| of.get(name).cloned();
        match name.split_once('.') {
            None if name == "true" => Some(Value::Bool(true)),
            None if name == "false" => Some(Value::Bool(false)),
            Some(("matrix", name)) => found(self.known.matrix, name).map(Value::Loose),
            Some(("env", name)) => found(self.known.env, name).map(Value::Text),
            Some(("runner", "os")) => Some(Value::Text("Linux".into())),
            _ => None,
        }
    }
}

/// What a function gives. In wf a part runs only if those before it passed.
fn call(name: &str, arguments: &[String]) -> Option<Value> {
    let lower = |at: usize| arguments.get(at).map(|text| text.to_ascii_lowercase());
    Some(match (name, arguments.len()) {
        ("success", 0) => Value::Bool(true),
        ("failure" | "cancelled", 0) => Value::Bool(false),
        ("contains", 2) => Value::Bool(lower(0)?.contains(&lower(1)?)),
        ("startsWith", 2) => Value::Bool(lower(0)?.starts_with(&lower(1)?)),
        ("endsWith", 2) => Value::Bool(lower(0)?.ends_with(&lower(1)?)),
        ("format", 1..) => Value::Text(format(arguments)?),
        _ => return None,
    })
}

/// `{0}` stands for the first argument after the text, `{{` for a brace.
fn format(arguments: &[String]) -> Option<String> {
    let (mut out, mut rest) = (String::new(), arguments[0].as_str());
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(more) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = more;
            continue;
        }
        let (number, more) = rest.split_once('}').filter(|_| brace == "{")?;
        out.push_str(arguments.get(number.trim().parse::<usize>().ok()?.checked_add(1)?)?);
        rest = more;
    }
    Some(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn values_are_those_of_github_or_none() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let matrix =
            of(&[("py", "3.14"), ("tox", ""), ("os", "ubuntu-latest"), ("cross", "false"), ("job.use", "true")]);
        let known = Known { matrix: &matrix, env: &of(&[("MODE", "fast")]) };
        for (expression, expected) in [
            ("matrix.tox || format('py{0}', matrix.py)", Some("py3.14")),
            ("matrix.py && 'it''s'", Some("it's")),
            ("matrix.none", None),
            ("matrix.none || 'x'", None),
            ("matrix.tox && matrix.none", Some("")),
            ("matrix.py || matrix.none", Some("3.14")),
            ("matrix.os == 'Ubuntu-Latest'", Some("true")),
            ("matrix.os != 'ubuntu-latest' || env.MODE == 'fast'", Some("true")),
            ("startsWith(matrix.os, 'ubuntu') && !matrix.tox", Some("true")),
            ("!matrix.cross", None),
            ("matrix.cross || 'x'", None),
            ("contains(matrix.os, 'WINDOWS')", Some("false")),
            ("matrix.job.use == true", None),
            ("matrix.job.use && 'x'", Some("x")),
            ("matrix.py == '3.140'", None),
            ("matrix.py == 'pypy'", Some("false")),
            ("matrix.cross == 'false'", None),
            ("(matrix.py == '3.14') && runner.os", Some("Linux")),
            ("format('{{0}} {1}', 'a', 'b')", Some("{0} b")),
            ("format('{2}', 'a')", None),
            ("format('{', 'a')", None),
            ("github.sha", None),
            ("hashFiles('x')", None),
            ("1 < 2", None),
            ("'a' 'b'", None),
            ("'a", None),
            ("", None),
        ] {
            assert_eq!(text(expression, &known).as_deref(), expected, "{expression}");
        }
        assert_eq!((holds("${{ matrix.cross }}", &known), holds("${{ matrix.tox }}", &known)), (None, Some(false)));
        assert_eq!((holds("success()", &known), holds("failure() || matrix.none", &known)), (Some(true), None));
        let deep = format!("{}'a'{}", "(".repeat(90_000), ")".repeat(90_000));
        assert_eq!(text(&deep, &known), None);
    }
}
