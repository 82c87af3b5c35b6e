//! The rules of attribute files, as far as they say what a file's bytes are. Pure.
//!
//! Does not know: where the files are or how they are read; it is handed their text.

use super::ignore::{Pattern, below};
use crate::tree::Form;
use std::collections::HashMap;

/// The attributes that matter here.
const NAMES: [&[u8]; 6] = [b"text", b"crlf", b"eol", b"filter", b"ident", b"working-tree-encoding"];

/// What a line says of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    True,
    False,
    /// Said to be unsaid (`!text`): lower lines do not count.
    Unsaid,
    Text(Vec<u8>),
}

type Said = Vec<(Vec<u8>, Value)>;

/// One file's rules.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    folder: Vec<u8>,
    lines: Vec<(Pattern, Said)>,
}

/// What `[attr]` lines define, `binary` included.
#[derive(Clone, Debug)]
pub(super) struct Macros(HashMap<Vec<u8>, Said>);

impl Default for Macros {
    fn default() -> Self {
        let off = |name: &[u8]| (name.to_vec(), Value::False);
        Self(HashMap::from([(b"binary".to_vec(), vec![off(b"diff"), off(b"merge"), off(b"text")])]))
    }
}

impl Rules {
    /// Reads an attribute file's text. Macros may be defined at the root and outside of the working tree.
    pub fn parse(text: &[u8], folder: &[u8], mut macros: Option<&mut Macros>) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut lines = vec![];
        for line in text.split(|byte| *byte == b'\n') {
            let Some((name, rest)) = first_word(line) else { continue };
            let Some(said) = said(rest) else { continue };
            match (name.strip_prefix(b"[attr]"), &mut macros) {
                (Some(name), Some(macros)) if is_name(name) => drop(macros.0.insert(name.to_vec(), said)),
                (Some(_), _) => {}
                // git does not let patterns be negated here.
                (None, _) if name.first() == Some(&b'!') => {}
                (None, _) => lines.push((Pattern::new(&name), said)),
            }
        }
        Self { folder: folder.to_owned(), lines }
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl Macros {
    /// What the rules, highest first, say of a file.
    pub fn form<'a>(&'a self, path: &[u8], rules: impl Iterator<Item = &'a Rules>) -> Form {
        let name = memchr::memrchr(b'/', path).map_or(path, |at| &path[at + 1..]);
        let mut known: Vec<(&[u8], &Value)> = vec![];
        for rules in rules {
            let Some(below) = below(path, &rules.folder) else { continue };
            for (pattern, said) in rules.lines.iter().rev() {
                if pattern.matches(below, name, false) {
                    self.fill(&mut known, said);
                }
            }
        }
        form(NAMES.map(|wanted| known.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)))
    }

    /// Adds what is not known yet. The last word of a line counts first.
    fn fill<'a>(&'a self, known: &mut Vec<(&'a [u8], &'a Value)>, said: &'a Said) {
        for (name, value) in said.iter().rev() {
            if known.iter().any(|(other, _)| other == name) {
                continue;
            }
            known.push((name, value));
            if *value == Value::True
                && let Some(meant) = self.0.get(name)
            {
                self.fill(known, meant);
            }
        }
    }
}

/// As git's `convert_attrs` does it.
fn form([text, crlf, eol, filter, ident, encoding]: [Option<&Value>; 6]) -> Form {
    let is_text = |value: Option<&Value>| matches!(value, Some(Value::Text(_)));
    if is_text(filter) || is_text(encoding) || ident == Some(&Value::True) {
        return Form::Filtered;
    }
    let read = |value: Option<&Value>| match value? {
        Value::True => Some(Form::Text),
        Value::False => Some(Form::Raw),
        Value::Text(text) if text == b"auto" => Some(Form::Auto),
        Value::Text(text) if text == b"input" => Some(Form::Text),
        Value::Unsaid | Value::Text(_) => None,
    };
    let ends = matches!(eol, Some(Value::Text(text)) if text == b"lf" || text == b"crlf");
    match read(text).or_else(|| read(crlf)) {
        None if ends => Form::Text,
        form => form.unwrap_or(Form::Raw),
    }
}

/// The pattern, which may be quoted, and what follows it. None for empty lines and comments.
fn first_word(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let line = line.trim_ascii_start();
    if line.is_empty() || line[0] == b'#' {
        return None;
    }
    if line[0] == b'"'
        && let Some(read) = unquoted(&line[1..])
    {
        return Some(read);
    }
    let end = line.iter().position(|byte| is_blank(*byte)).unwrap_or(line.len());
    Some((line[..end].to_vec(), &line[end..]))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// A name in C's quotes, as git prints odd names. None if it is no such thing.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut name, mut at) = (vec![], 0);
    loop {
        let byte = *text.get(at)?;
        at += 1;
        match byte {
            b'"' => return Some((name, &text[at..])),
            b'\\' => {
                let byte = *text.get(at)?;
                at += 1;
                name.push(match byte {
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 11,
                    b'\\' | b'"' => byte,
                    b'0'..=b'3' => {
                        let digits = std::str::from_utf8(text.get(at - 1..at + 2)?).ok()?;
                        at += 2;
                        u8::from_str_radix(digits, 8).ok()?
                    }
                    _ => return None,
                });
            }
            byte => name.push(byte),
        }
    }
}

/// The words of a line. None if one is no attribute: then the line does not count.
fn said(rest: &[u8]) -> Option<Said> {
    let words = rest.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
    let read = |word: &[u8]| {
        let (name, value) = match word {
            [b'-', name @ ..] => (name, Value::False),
            [b'!', name @ ..] => (name, Value::Unsaid),
            _ => match memchr::memchr(b'=', word) {
                Some(at) => (&word[..at], Value::Text(word[at + 1..].to_vec())),
                None => (word, Value::True),
            },
        };
        is_name(name).then(|| (name.to_vec(), value))
    };
    words.map(read).collect()
}

fn is_name(name: &[u8]) -> bool {
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    !name.is_empty() && name[0] != b'-' && !name.starts_with(b"builtin_") && name.iter().all(valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, path: &str) -> Form {
        let mut macros = Macros::default();
        let rules = Rules::parse(text.as_bytes(), b"", Some(&mut macros));
        macros.form(path.as_bytes(), [&rules].into_iter())
    }

    #[test]
    fn what_is_said_of_bytes() {
        for (text, path, form) in [
            ("* text=auto", "a/b.txt", Form::Auto),
            ("*.txt text", "a/b.txt", Form::Text),
            ("*.txt text\n*.txt -text", "a.txt", Form::Raw),
            ("*.txt text\n*.txt !text", "a.txt", Form::Raw),
            ("*.bat eol=crlf", "a.bat", Form::Text),
            ("*.bat eol=crlf -text", "a.bat", Form::Raw),
            ("*.bat eol=what", "a.bat", Form::Raw),
            ("* text=auto\n*.png binary", "a.png", Form::Raw),
            ("[attr]prose text\n*.md prose", "a.md", Form::Text),
            ("[attr]prose text\n*.md prose -text", "a.md", Form::Raw),
            ("* binary\n*.md -binary", "a.md", Form::Raw),
            ("* text\n*.md binary\n*.md -binary", "a.md", Form::Text),
            ("*.bin filter=lfs diff=lfs merge=lfs -text", "x/a.bin", Form::Filtered),
            ("*.c ident", "a.c", Form::Filtered),
            ("*.c working-tree-encoding=UTF-16", "a.c", Form::Filtered),
            ("*.c -filter text", "a.c", Form::Text),
            ("*.c crlf", "a.c", Form::Text),
            ("*.c crlf=input", "a.c", Form::Text),
            ("*.c -crlf eol=lf", "a.c", Form::Raw),
            ("/a/*.c text", "a/b.c", Form::Text),
            ("/a/*.c text", "x/a/b.c", Form::Raw),
            ("a/ text", "a", Form::Raw),
            ("\"sp ace\\056c\" text", "sp ace.c", Form::Text),
            ("!*.c text", "a.c", Form::Raw),
            ("*.c text what?", "a.c", Form::Raw),
            ("# *.c text\n  *.c\ttext\r", "a.c", Form::Text),
        ] {
            assert_eq!(of(text, path), form, "{path} by {text:?}");
        }
    }
}
