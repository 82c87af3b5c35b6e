//! The text of a justfile: heads of recipes with their bodies, aliases, and which other files it takes in. Pure.
//!
//! Does not know: expressions, settings.

use crate::base::RepoPath;

/// One recipe.
pub(super) struct Recipe {
    pub name: String,
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
    /// The recipes that it calls, if it does nothing else.
    pub fn only_calls(&self) -> Option<Vec<String>> {
        let called: Option<Vec<String>> = self
            .body
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| {
                let words: Vec<&str> = line.trim_start_matches('@').split_whitespace().collect();
                match words[..] {
                    ["just" | "{{just_executable()}}", name] if !name.starts_with('-') => Some(name.to_owned()),
                    _ => None,
                }
            })
            .collect();
        let called = [self.needs.clone(), called?, self.then.clone()].concat();
        (!called.is_empty() && !self.gives).then_some(called)
    }
}

/// What one file says.
#[derive(Default)]
pub(super) struct Text {
    pub recipes: Vec<Recipe>,
    pub aliases: Vec<(String, String)>,
    /// Line, what it says, and the file.
    pub imports: Vec<(u32, String, String)>,
    pub modules: Vec<(u32, String)>,
}

impl Text {
    pub fn read(file: &RepoPath, text: &str) -> Self {
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
            let quoted_name = second.trim_matches(['\'', '"']);
            match first {
                "import" | "import?" if quoted_name != second => {
                    out.imports.push((number, line.trim().to_owned(), quoted_name.trim_start_matches("./").to_owned()));
                    continue;
                }
                "mod" | "mod?" if !line.contains(':') => {
                    out.modules.push((number, line.trim().to_owned()));
                    continue;
                }
                "alias" if line.contains(":=") => {
                    let target = line.split(":=").nth(1).unwrap_or_default().trim().to_owned();
                    out.aliases.push((second.trim_end_matches(":=").to_owned(), target));
                    continue;
                }
                _ => {}
            }
            if let Some(recipe) = head(file, number, line, said) {
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
fn head(file: &RepoPath, number: u32, line: &str, attributes: String) -> Option<Recipe> {
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
        (if later { &mut then } else { &mut needs }).extend(name.map(str::to_owned));
    }
    let required = parameters.any(|one| !one.contains('=') && !one.starts_with('*'));
    let (name, file) = (name.to_owned(), file.clone());
    Some(Recipe { name, file, line: number, required, needs, then, gives, attributes, body: String::new() })
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
