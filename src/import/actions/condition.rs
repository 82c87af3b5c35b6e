//! Conditions of GitHub Actions (`if`, and outputs that are made of other outputs), as far as path filters decide them. Pure.
//!
//! The grammar is that of "Evaluate expressions in workflows and actions" in GitHub's documentation: `||`, `&&`, `!`,
//! comparisons, calls, parentheses. What comes out errs towards running: for a request or a push of work an expression may be true
//! at most where one of [`Condition::any_of`] is, unless it is `open`. Does not know: values of anything.

use super::expression::{Output, named};

/// What a condition says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    /// One of these has to be true.
    pub any_of: Vec<Output>,
    /// It says more than that, which is left out.
    pub more: bool,
    /// It may hold though none of `any_of` does.
    pub open: bool,
    /// It holds for no change that people work on: for a schedule, a tag, a push to the main line.
    elsewhere: bool,
}

/// What a workflow is started by, as far as its conditions may ask for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Started {
    /// A push counts: it may be to any branch, or no request starts the workflow.
    pub by_push: bool,
    /// `github.ref` may be a branch with a name: for `pull_request_target`, or where no request starts the workflow.
    pub on_branch: bool,
}

impl Condition {
    /// It has to do with the event alone.
    fn event() -> Self {
        Self { more: true, ..Self::default() }
    }

    /// It has to do with the event alone, and is no event of a change that people work on.
    fn elsewhere() -> Self {
        Self { elsewhere: true, ..Self::event() }
    }

    /// Nobody knows when it holds.
    fn open() -> Self {
        Self { more: true, open: true, ..Self::default() }
    }

    /// It holds where this output is true.
    fn output(output: Output) -> Self {
        Self { any_of: vec![output], ..Self::default() }
    }

    fn filters(&self) -> bool {
        !self.open && !self.any_of.is_empty()
    }

    /// One of them holds: what the event alone allows needs no filter, unless it allows nothing here.
    fn or(self, other: Self) -> Self {
        match (self.elsewhere, other.elsewhere) {
            (true, true) => return Self::elsewhere(),
            (true, false) => return Self { more: true, ..other },
            (false, true) => return Self { more: true, ..self },
            (false, false) => {}
        }
        let open = self.open || other.open || self.any_of.is_empty() != other.any_of.is_empty();
        let any_of = [self.any_of, other.any_of].concat();
        Self { any_of, more: self.more || other.more, open, elsewhere: false }
    }

    /// Both hold: whichever of them a filter decides is enough to know.
    fn and(self, other: Self) -> Self {
        match (self.filters(), other.filters()) {
            (true, true) => Self { more: true, ..self.or(other) },
            (true, false) => Self { more: true, ..self },
            (false, true) => Self { more: true, ..other },
            (false, false) if self.elsewhere || other.elsewhere => Self::elsewhere(),
            (false, false) if self.open || other.open => Self::open(),
            (false, false) => Self::event(),
        }
    }
}

/// Reads an `if`.
pub(super) fn condition(text: &str, started: Started) -> Condition {
    settled(Reader::new(plain(text), false, started).whole())
}

/// Reads the value of an output, which is true as a text: an output that stands alone passes its value on.
pub(super) fn value(text: &str, started: Started) -> Condition {
    let Some(inside) = text.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")) else {
        return Condition::open();
    };
    // Two expressions beside each other are one text.
    if inside.contains("${{") { Condition::open() } else { settled(Reader::new(inside, true, started).whole()) }
}

/// Can it never hold, or only after a failure? Why, in words.
pub(super) fn never(text: &str) -> Option<&'static str> {
    match plain(text).replace(' ', "").as_str() {
        "false" => Some("its `if` is never true"),
        "failure()" | "cancelled()" | "failure()||cancelled()" => Some("it runs only after a failure"),
        _ => None,
    }
}

fn plain(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(text).trim()
}

fn settled(mut found: Condition) -> Condition {
    found.any_of.sort();
    found.any_of.dedup();
    found
}

/// What one operand is.
enum Operand {
    Output(Output),
    /// A literal, by its text; quotes are gone.
    Literal(String),
    /// Something that the event says, by its name.
    Event(String),
    Said(Condition),
}

impl Operand {
    /// Does it take nothing but the event, and what is written out, to know it?
    fn is_of_event(&self) -> bool {
        match self {
            Self::Output(_) => false,
            Self::Literal(_) | Self::Event(_) => true,
            Self::Said(said) => said.any_of.is_empty() && !said.open,
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    /// An output that stands alone is as true as its text says.
    value: bool,
    started: Started,
    depth: u8,
}

impl<'a> Reader<'a> {
    /// Deeper parentheses are not read.
    const DEPTH_MAX: u8 = 32;

    fn new(text: &'a str, value: bool, started: Started) -> Self {
        Self { rest: text, value, started, depth: 0 }
    }

    fn whole(mut self) -> Condition {
        let found = self.any();
        if self.rest.trim().is_empty() { found } else { Condition::open() }
    }

    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(token);
        // `!` is not the start of `!=`.
        let fits = rest.filter(|rest| token != "!" || !rest.starts_with('='));
        self.rest = fits.unwrap_or(self.rest);
        fits.is_some()
    }

    fn any(&mut self) -> Condition {
        let mut all = self.all();
        while self.take("||") {
            all = all.or(self.all());
        }
        all
    }

    fn all(&mut self) -> Condition {
        let mut all = self.not();
        while self.take("&&") {
            all = all.and(self.not());
        }
        all
    }

    fn not(&mut self) -> Condition {
        if !self.take("!") {
            return self.comparison();
        }
        self.depth += 1;
        let inside = if self.depth > Self::DEPTH_MAX { Condition::open() } else { self.not() };
        self.depth -= 1;
        // What a filter does not match is everything else.
        if inside.any_of.is_empty() && !inside.open { Condition::event() } else { Condition::open() }
    }

    fn comparison(&mut self) -> Condition {
        let left = self.operand();
        let Some(operator) = ["==", "!=", "<=", ">=", "<", ">"].into_iter().find(|token| self.take(token)) else {
            return self.alone(left);
        };
        let right = self.operand();
        match (left, right) {
            (Operand::Output(output), Operand::Literal(text)) | (Operand::Literal(text), Operand::Output(output))
                if operator == "==" && text.eq_ignore_ascii_case("true") =>
            {
                Condition::output(output)
            }
            (Operand::Event(name), Operand::Literal(text)) | (Operand::Literal(text), Operand::Event(name))
                if operator == "==" && self.is_elsewhere(&name, &text) =>
            {
                Condition::elsewhere()
            }
            (left, right) => {
                let both_literal = matches!((&left, &right), (Operand::Literal(_), Operand::Literal(_)));
                if left.is_of_event() && right.is_of_event() && !both_literal {
                    Condition::event()
                } else {
                    Condition::open()
                }
            }
        }
    }

    fn alone(&self, operand: Operand) -> Condition {
        match operand {
            // As a condition any text but the empty one holds, `false`, too.
            Operand::Output(output) if self.value => Condition::output(output),
            Operand::Said(said) => said,
            // Whoever starts it by hand gives it inputs, and nobody else does.
            Operand::Event(name) if is_input(&name) => Condition::elsewhere(),
            Operand::Event(_) => Condition::event(),
            Operand::Literal(text) if text == "false" => Condition::event(),
            Operand::Output(_) | Operand::Literal(_) => Condition::open(),
        }
    }

    fn operand(&mut self) -> Operand {
        self.rest = self.rest.trim_start();
        if self.depth > Self::DEPTH_MAX {
            self.rest = "?";
            return Operand::Said(Condition::open());
        }
        if self.take("(") {
            self.depth += 1;
            let inside = self.any();
            self.depth -= 1;
            let closed = self.take(")");
            return Operand::Said(if closed { inside } else { Condition::open() });
        }
        if let Some(rest) = self.rest.strip_prefix('\'') {
            let (text, rest) = rest.split_once('\'').unwrap_or((rest, ""));
            self.rest = rest;
            return Operand::Literal(text.to_owned());
        }
        let end = self.word_end();
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.is_empty() {
            // Nothing that can be read: the whole is open.
            return Operand::Said(Condition::open());
        }
        if self.take("(") {
            return self.call(word);
        }
        match &named(word)[..] {
            [output] => return Operand::Output(output.clone()),
            [] => {}
            _ => return Operand::Said(Condition::open()),
        }
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') || matches!(word, "true" | "false" | "null") {
            return Operand::Literal(word.to_owned());
        }
        if is_of_event(word) { Operand::Event(word.to_owned()) } else { Operand::Said(Condition::open()) }
    }

    /// Can what the event says be this text for no request, and no push of what people work on?
    fn is_elsewhere(&self, name: &str, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        match name {
            "github.event_name" if text == "push" => !self.started.by_push,
            "github.event_name" => !text.starts_with("pull_request"),
            "github.ref" if text.starts_with("refs/tags/") => true,
            "github.ref" => text.starts_with("refs/heads/") && !self.started.on_branch,
            "github.ref_type" => text == "tag",
            name => is_input(name) && text == "true",
        }
    }

    /// A path with its brackets: `needs.a.outputs['x']`, `github.event.labels.*.name`.
    fn word_end(&self) -> usize {
        let mut inside = false;
        for (at, c) in self.rest.char_indices() {
            match c {
                '[' => inside = true,
                ']' => inside = false,
                _ if inside || c.is_ascii_alphanumeric() || "._-*".contains(c) => {}
                _ => return at,
            }
        }
        self.rest.len()
    }

    fn call(&mut self, name: &str) -> Operand {
        self.depth += 1;
        let mut arguments = vec![];
        while !self.take(")") && !self.rest.is_empty() {
            let before = self.rest.len();
            arguments.push(self.operand());
            let _ = self.take(",");
            // Operators inside of a call are nothing that a filter needs.
            if self.rest.len() == before {
                self.rest = "?";
                break;
            }
        }
        self.depth -= 1;
        let name = name.to_ascii_lowercase();
        match (name.as_str(), &arguments[..]) {
            ("fromjson", [Operand::Output(output)]) => Operand::Said(Condition::output(output.clone())),
            ("contains", [Operand::Output(output), Operand::Literal(text)]) if text == "true" => {
                Operand::Said(Condition::output(output.clone()))
            }
            ("startswith", [Operand::Event(of), Operand::Literal(text)])
                if of == "github.ref" && text.starts_with("refs/tags/") =>
            {
                Operand::Said(Condition::elsewhere())
            }
            ("contains" | "startswith" | "endswith" | "fromjson" | "format", some)
                if some.iter().all(Operand::is_of_event)
                    && some.iter().any(|one| !matches!(one, Operand::Literal(_))) =>
            {
                Operand::Said(Condition::event())
            }
            _ => Operand::Said(Condition::open()),
        }
    }
}

/// What the event alone says, the files of its commits left out.
fn is_of_event(word: &str) -> bool {
    let of = ["github.event_name", "github.ref", "github.head_ref", "github.base_ref", "github.event.", "inputs."];
    of.iter().any(|start| word.starts_with(start))
        && !["github.event.head_commit.", "github.event.commits"].iter().any(|start| word.starts_with(start))
}

/// What a person or another workflow hands in.
fn is_input(name: &str) -> bool {
    name.starts_with("inputs.") || name.starts_with("github.event.inputs.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conditions_that_ask_for_filters() {
        for (text, expected) in [
            ("needs.changes.outputs.code == 'true'", (1, false, false)),
            ("${{ needs.a.outputs.x == 'true' || needs.a.outputs['y'] == 'true' }}", (2, false, false)),
            ("'true' == needs.a.outputs.x", (1, false, false)),
            ("fromJSON(needs.a.outputs.x)", (1, false, false)),
            ("github.event_name == 'push' || needs.a.outputs.x == 'true'", (1, true, false)),
            ("github.event_name == 'pull_request' || needs.a.outputs.x == 'true'", (1, true, true)),
            ("needs.a.outputs.x == 'true' || github.event_name != 'schedule'", (1, true, true)),
            ("'Schedule' == github.event_name || needs.a.outputs.x == 'true'", (1, true, false)),
            ("!(github.event_name == 'schedule') || needs.a.outputs.x == 'true'", (1, true, true)),
            ("github.event_name == 'schedule' && always() || needs.a.outputs.x == 'true'", (1, true, false)),
            ("github.event_name == 'schedule' && needs.a.outputs.x == 'true'", (1, true, false)),
            ("github.event_name == 'schedule' || github.actor == 'x' || needs.a.outputs.x == 'true'", (1, true, true)),
            ("github.head_ref == 'x' && needs.a.outputs.x == 'true'", (1, true, false)),
            ("github.head_ref == 'x' || needs.a.outputs.x == 'true'", (1, true, true)),
            ("github.ref == 'refs/heads/main' || needs.a.outputs.x == 'true'", (1, true, false)),
            ("startsWith(github.ref, 'refs/tags/v') || needs.a.outputs.x == 'true'", (1, true, false)),
            ("startsWith(github.ref, 'refs/') || needs.a.outputs.x == 'true'", (1, true, true)),
            ("inputs.full || github.event.inputs.full == 'true' || needs.a.outputs.x == 'true'", (1, true, false)),
            ("inputs.full != 'true' || needs.a.outputs.x == 'true'", (1, true, true)),
            (
                "needs.a.outputs.x == 'true' || contains(github.event.pull_request.labels.*.name, 'full')",
                (1, true, true),
            ),
            ("always() && (needs.a.outputs.x == 'true' || needs.a.outputs.y == 'true')", (2, true, false)),
            ("needs.a.outputs.x == 'true' && needs.b.result != 'failure'", (1, true, false)),
            ("needs.a.outputs.x == 'true' || needs.b.result == 'success'", (1, true, true)),
            ("needs.a.outputs.x != 'true'", (0, true, true)),
            ("needs.a.outputs.x == 'false'", (0, true, true)),
            ("'false' == needs.a.outputs.x", (0, true, true)),
            ("!needs.a.outputs.x", (0, true, true)),
            ("needs.a.outputs.x", (0, true, true)),
            ("!contains(needs.a.outputs.x, 'false')", (0, true, true)),
            ("!(github.event_name == 'push' || needs.a.outputs.x == 'true')", (0, true, true)),
            ("(needs.a.outputs.x == 'true') == false", (0, true, true)),
            ("github.ref == 'refs/heads/main'", (0, true, false)),
            ("!cancelled()", (0, true, true)),
            ("always() || needs.a.outputs.x == 'true'", (1, true, true)),
            ("(always() && github.ref == 'x') || needs.a.outputs.x == 'true'", (1, true, true)),
            ("github.repository == 'o/r' || needs.a.outputs.x == 'true'", (1, true, true)),
            ("needs.a.outputs.x == 'true' ?", (0, true, true)),
        ] {
            let found = condition(text, Started::default());
            assert_eq!((found.any_of.len(), found.more, found.open), expected, "{text}");
        }
        let found = value("${{ steps.f.outputs.code || steps.f.outputs.docs }}", Started::default());
        assert_eq!((found.any_of.len(), found.more, found.open), (2, false, false));
        for text in ["${{ !steps.f.outputs.x }}", "x${{ steps.f.outputs.x }}", "${{ steps.f.outputs.x }}${{ 1 }}"] {
            assert!(value(text, Started::default()).open, "{text}");
        }
        let (pushed, target) =
            (Started { by_push: true, on_branch: false }, Started { by_push: false, on_branch: true });
        for (text, started, open) in [
            ("github.event_name == 'push' || needs.a.outputs.x == 'true'", pushed, true),
            ("github.event_name == 'push' || needs.a.outputs.x == 'true'", target, false),
            ("github.ref == 'refs/heads/main' || needs.a.outputs.x == 'true'", pushed, false),
            ("github.ref == 'refs/heads/main' || needs.a.outputs.x == 'true'", target, true),
        ] {
            assert_eq!(condition(text, started).open, open, "{text}");
        }
        assert!(never("${{ false }}").is_some() && never("failure()").is_some() && never("always()").is_none());
    }

    proptest! {
        #[test]
        fn whatever_is_negated_is_no_filter(
            text in "(needs\\.a\\.outputs\\.x|[!()=]|&&|\\|\\||'true'|always\\(\\)| ){0,40}",
        ) {
            let started = Started::default();
            let _ = condition(&text, started);
            let negated = format!("!({text})");
            prop_assert!(!condition(&negated, started).filters());
            prop_assert!(!value(&["${{", &negated, "}}"].concat(), started).filters());
        }
    }
}
