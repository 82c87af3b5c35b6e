//! Reads trigger expressions. Pure.
//!
//! ```text
//! or   = and ("or" and)*
//! and  = not ("and" not)*
//! not  = "not" not | "(" or ")" | word
//! word = "always" | "manual" | "low_impact" | "medium_impact" | "high_impact" | category "_changes"
//! ```

use super::trigger::{Impact, Trigger};
use super::value::did_you_mean;
use std::ops::Range;

/// Deepest nesting of parentheses and `not`.
const DEPTH_MAX: usize = 64;

/// Why a text is no trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerError {
    /// The bytes of the text that are wrong.
    pub part: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

/// Reads a trigger. Categories must be among those handed in.
///
/// # Errors
/// Every unknown word, or the first place that is no expression.
pub fn parse(text: &str, categories: &[&str]) -> Result<Trigger, Vec<TriggerError>> {
    let mut reader = Reader { text, at: 0, categories, errors: vec![] };
    let trigger = reader.or(0).and_then(|trigger| match reader.peek() {
        None => Ok(trigger),
        Some((word, part)) => {
            let hint = match word {
                "&&" | "&" => "write `and`",
                "||" | "|" => "write `or`",
                _ => "join conditions by `and` or `or`",
            };
            Err(TriggerError { part, message: format!("`{word}` is not expected here"), hint: Some(hint.into()) })
        }
    });
    match trigger {
        Ok(trigger) if reader.errors.is_empty() => Ok(trigger),
        Ok(_) => Err(reader.errors),
        Err(error) => {
            reader.errors.push(error);
            Err(reader.errors)
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    categories: &'a [&'a str],
    errors: Vec<TriggerError>,
}

impl<'a> Reader<'a> {
    /// The next word or sign, without taking it.
    fn peek(&self) -> Option<(&'a str, Range<usize>)> {
        let rest = &self.text[self.at..];
        let start = self.at + rest.len() - rest.trim_start().len();
        let rest = &self.text[start..];
        let first = rest.chars().next()?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let len = match first {
            '(' | ')' => 1,
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => rest.find(|c: char| is_word(c) || c.is_whitespace() || "()".contains(c)).unwrap_or(rest.len()),
        };
        Some((&rest[..len], start..start + len))
    }

    fn take(&mut self, word: &str) -> bool {
        match self.peek() {
            Some((next, part)) if next == word => {
                self.at = part.end;
                true
            }
            _ => false,
        }
    }

    fn or(&mut self, depth: usize) -> Result<Trigger, TriggerError> {
        let mut left = self.and(depth)?;
        while self.take("or") {
            left = Trigger::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Trigger, TriggerError> {
        let mut left = self.not(depth)?;
        while self.take("and") {
            left = Trigger::And(Box::new(left), Box::new(self.not(depth)?));
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Result<Trigger, TriggerError> {
        let Some((word, part)) = self.peek() else {
            let part = self.text.trim_end().len()..self.text.trim_end().len();
            let hint = Some("write one like `code_changes` or `always`".into());
            return Err(TriggerError { part, message: "a condition is missing here".into(), hint });
        };
        if depth > DEPTH_MAX {
            return Err(TriggerError { part, message: "nested too deep".into(), hint: None });
        }
        self.at = part.end;
        match word {
            "not" => Ok(Trigger::Not(Box::new(self.not(depth + 1)?))),
            "(" => {
                let inner = self.or(depth + 1)?;
                if self.take(")") {
                    return Ok(inner);
                }
                let hint = Some("add `)`".into());
                Err(TriggerError { part, message: "this parenthesis is never closed".into(), hint })
            }
            "!" => {
                let hint = Some("write `not`".into());
                Err(TriggerError { part, message: "`!` is not expected here".into(), hint })
            }
            word => self.word(word, part),
        }
    }

    fn word(&mut self, word: &str, part: Range<usize>) -> Result<Trigger, TriggerError> {
        let known = match word {
            "always" => Some(Trigger::Always),
            "manual" => Some(Trigger::Manual),
            "low_impact" => Some(Trigger::Impact(Impact::Low)),
            "medium_impact" => Some(Trigger::Impact(Impact::Medium)),
            "high_impact" => Some(Trigger::Impact(Impact::High)),
            _ => None,
        };
        if let Some(known) = known {
            return Ok(known);
        }
        if ["and", "or", ")"].contains(&word) || !word.starts_with(|c: char| c.is_alphanumeric()) {
            let hint = Some("write a condition before it, such as `code_changes`".into());
            return Err(TriggerError { part, message: format!("`{word}` is not expected here"), hint });
        }
        if let Some(category) = word.strip_suffix("_changes").filter(|name| self.categories.contains(name)) {
            return Ok(Trigger::Changes(category.into()));
        }
        let all: Vec<String> = self.categories.iter().map(|category| format!("{category}_changes")).collect();
        let fixed = ["always", "manual", "high_impact", "medium_impact", "low_impact"];
        let hint = did_you_mean(word, fixed.into_iter().chain(all.iter().map(String::as_str)));
        let message = match word.strip_suffix("_changes") {
            Some(category) => format!("there is no category `{category}`"),
            None => format!("`{word}` is not a condition"),
        };
        let hint = hint.unwrap_or_else(|| {
            format!("there are {}", fixed.map(String::from).into_iter().chain(all).collect::<Vec<_>>().join(", "))
        });
        self.errors.push(TriggerError { part, message, hint: Some(hint) });
        // Stands for the unknown word, so that the rest is checked too; never returned to anybody.
        Ok(Trigger::Always)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CATEGORIES: &[&str] = &["docs", "code", "my-api", "a_b"];

    fn arb_trigger() -> impl Strategy<Value = Trigger> {
        let leaf = prop_oneof![
            Just(Trigger::Always),
            Just(Trigger::Manual),
            prop::sample::select(CATEGORIES).prop_map(|category| Trigger::Changes(category.into())),
            prop::sample::select(vec![Impact::Low, Impact::Medium, Impact::High]).prop_map(Trigger::Impact),
        ];
        leaf.prop_recursive(5, 40, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|t| Trigger::Not(Box::new(t))),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| Trigger::And(Box::new(a), Box::new(b))),
                (inner.clone(), inner).prop_map(|(a, b)| Trigger::Or(Box::new(a), Box::new(b))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(trigger in arb_trigger()) {
            prop_assert_eq!(parse(&trigger.to_string(), CATEGORIES), Ok(trigger));
        }

        #[test]
        fn any_text_is_read_or_refused_with_a_place_in_it(text in "(not |and |or |docs_changes |\\(|\\)|é|[ -~]){0,12}") {
            if let Err(errors) = parse(&text, CATEGORIES) {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(text.get(error.part.clone()).is_some(), "{:?}", error);
                }
            }
        }
    }

    #[test]
    fn binds_not_before_and_before_or() {
        let read = |text| parse(text, CATEGORIES).unwrap();
        assert_eq!(
            read("not docs_changes and code_changes or manual"),
            read("((not docs_changes) and code_changes) or manual")
        );
        assert_ne!(read("not (docs_changes and code_changes)"), read("not docs_changes and code_changes"));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, part, hint) in [
            ("dosc_changes", 0..12, "did you mean `docs_changes`?"),
            ("always or (manual", 10..11, "add `)`"),
            ("code_changes && manual", 13..15, "write `and`"),
            ("code_changes and", 16..16, "write one like `code_changes` or `always`"),
            ("! manual", 0..1, "write `not`"),
            ("manual high_impact", 7..18, "join conditions by `and` or `or`"),
            ("or manual", 0..2, "write a condition before it, such as `code_changes`"),
        ] {
            let errors = parse(text, CATEGORIES).unwrap_err();
            assert_eq!((errors[0].part.clone(), errors[0].hint.as_deref()), (part, Some(hint)), "{text}");
        }
        assert_eq!(parse("x_changes and y_changes or z", CATEGORIES).unwrap_err().len(), 3);
        assert!(parse(&"(".repeat(10_000), CATEGORIES).is_err());
        assert!(parse(&"not ".repeat(10_000), CATEGORIES).is_err());
    }
}
