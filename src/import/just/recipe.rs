//! The text of a justfile: heads of recipes with their bodies, aliases, and which other files it takes in. Pure.
//!
//! Does not know: expressions, settings.

use super::super::along::{self, Source};
use crate::base::RepoPath;

/// One recipe.
pub(super) struct Recipe {
    /// Its name with that of its module: `docs::build`. So are all names here.
    pub name: String,
    /// Where its own name begins.
    pub own: usize,
    pub file: RepoPath,
    pub line: u32,
    /// Has it a parameter without a default?
    pub required: bool,
    /// What it runs before itself.
    pub needs: Vec<String>,
    /// What it runs after itself.
    pub then: Vec<String>,
    /// Gives it an argument to one of them?
    pub gives: bool,
    /// Its attributes, as they are, without their texts.
    pub attributes: String,
    /// Its commands.
    pub body: String,
}

impl Recipe {
    /// Its name in its module.
    pub fn own_name(&self) -> &str {
        &self.name[self.own..]
    }

    /// The recipes that it calls, if it does nothing else.
    pub fn only_calls(&self) -> Option<Vec<String>> {
        let called = along::only_calls(self.body.lines(), |words| match *words {
            // In the folder of a module `just` may find another justfile.
            ["just" | "{{just_executable()}}", name] if !name.starts_with('-') && self.own == 0 => {
                Some(vec![name.to_owned()])
            }
            _ => None,
        });
        let called = [self.needs.clone(), called?, self.then.clone()].concat();
        (!called.is_empty() && !self.gives).then_some(called)
    }
}

/// Another file that one takes in.
pub(super) struct Taken {
    pub line: u32,
    /// The statement.
    pub said: String,
    /// The name of the module; none: its recipes count as those of this file.
    pub module: Option<String>,
    /// Its path, if it is said.
    pub path: Option<String>,
}

/// What one file says.
#[derive(Default)]
pub(super) struct Text {
    pub recipes: Vec<Recipe>,
    pub aliases: Vec<(String, String)>,
    pub taken: Vec<Taken>,
}

impl Text {
    pub fn read(Source { file, text, prefix, .. }: &Source) -> Self {
        let mut out = Self::default();
        let mut attributes = String::new();
        // The quotes that end a text of several lines.
        let mut quoted: Option<&str> = None;
        let mut inside = false;
        for (number, line) in (1_u32..).zip(text.lines()) {
            if let Some(mark) = quoted {
                if line.contains(mark) {
                    quoted = None;
                }
                continue;
            }
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                if let Some(last) = out.recipes.last_mut().filter(|_| inside) {
                    last.body.push_str(line);
                    last.body.push('\n');
                }
                continue;
            }
            inside = false;
            quoted = ["'''", "\"\"\""].into_iter().find(|mark| line.matches(mark).count() % 2 == 1);
            if line.starts_with('[') {
                attributes.push_str(&without_texts(line));
                continue;
            }
            let said = std::mem::take(&mut attributes);
            let mut words = line.split_whitespace();
            let first = words.next().unwrap_or_default();
            let second = words.next().unwrap_or_default();
            let text = |word: &str| {
                let inside = word.trim_matches(['\'', '"']);
                (inside != word).then(|| inside.to_owned())
            };
            match first {
                "import" | "import?" if text(second).is_some() => {
                    out.taken.push(Taken {
                        line: number,
                        said: line.trim().to_owned(),
                        module: None,
                        path: text(second),
                    });
                    continue;
                }
                "mod" | "mod?" if colon(line).is_none() => {
                    let path = words.next().and_then(text);
                    out.taken.push(Taken {
                        line: number,
                        said: line.trim().to_owned(),
                        module: Some(second.to_owned()),
                        path,
                    });
                    continue;
                }
                "alias" if line.contains(":=") => {
                    let target = line.split(":=").nth(1).unwrap_or_default().split('#').next().unwrap_or_default();
                    let alias = second.trim_end_matches(":=");
                    out.aliases.push((format!("{prefix}{alias}"), format!("{prefix}{}", target.trim())));
                    continue;
                }
                _ => {}
            }
            if let Some(recipe) = head(file, number, line, said, prefix) {
                out.recipes.push(recipe);
                inside = true;
            }
        }
        out
    }
}

/// `[doc("works on macos")]` says nothing about systems.
fn without_texts(line: &str) -> String {
    let mut quote = None;
    line.chars()
        .filter(|c| match (quote, *c) {
            (Some(open), c) => {
                if c == open {
                    quote = None;
                }
                false
            }
            (None, '\'' | '"') => {
                quote = Some(*c);
                false
            }
            (None, _) => true,
        })
        .collect()
}

/// `@name param='x' *rest: needs (need arg) && after`
fn head(file: &RepoPath, number: u32, line: &str, attributes: String, prefix: &str) -> Option<Recipe> {
    let at = colon(line)?;
    let (left, right) = (&line[..at], &line[at + 1..]);
    let mut parameters = words(left).into_iter();
    let name = parameters.next()?.trim_start_matches('@');
    let fine = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !fine || right.starts_with('=') || matches!(name, "set" | "alias" | "export" | "unexport") {
        return None;
    }
    let right = right.split(" #").next().unwrap_or(right);
    let is_name = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c));
    let (mut needs, mut then, mut gives, mut later) = (vec![], vec![], false, false);
    for word in self::words(right) {
        if word == "&&" {
            later = true;
            continue;
        }
        // `(need argument)`
        gives |= word.starts_with('(');
        let name = word.trim_matches(['(', ')']).split_whitespace().next().filter(is_name);
        (if later { &mut then } else { &mut needs }).extend(name.map(|name| format!("{prefix}{name}")));
    }
    let required = parameters.any(|one| !one.contains('=') && !one.starts_with('*'));
    let (name, own, file) = (format!("{prefix}{name}"), prefix.len(), file.clone());
    Some(Recipe { name, own, file, line: number, required, needs, then, gives, attributes, body: String::new() })
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
