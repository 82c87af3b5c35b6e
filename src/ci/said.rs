//! Variables and the event's file as one service's reader asks for them, with a record of what was used and refused. Pure.

use super::{Branch, Commit};
use serde_json::Value;

/// What a service says, being read.
pub struct Said<'a> {
    var: &'a dyn Fn(&str) -> Option<String>,
    event: Value,
    read: Vec<String>,
    refused: Vec<String>,
}

impl<'a> Said<'a> {
    /// An event's file that is no JSON says nothing.
    pub fn new(var: &'a dyn Fn(&str) -> Option<String>, event: Option<&str>) -> Self {
        let parsed = event.map(serde_json::from_str::<Value>);
        let refused = matches!(parsed, Some(Err(_))).then(|| super::EVENT_FILE.to_owned()).into_iter().collect();
        Self { var, event: parsed.and_then(Result::ok).unwrap_or_default(), read: vec![], refused }
    }

    /// A variable's text; an empty one says nothing.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let value = (self.var)(name).filter(|value| !value.is_empty())?;
        self.note(name);
        Some(value)
    }

    /// Is a variable set to exactly this?
    pub fn is(&mut self, name: &str, value: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case(value))
    }

    /// A variable that names a branch.
    pub fn branch(&mut self, name: &str) -> Option<Branch> {
        let text = self.text(name)?;
        let branch = Branch::new(&text);
        self.judge(name, branch)
    }

    /// A variable that names a commit; zeros stand for none.
    pub fn commit(&mut self, name: &str) -> Option<Commit> {
        let text = self.text(name).filter(|text| !Commit::is_zero(text))?;
        let commit = Commit::new(&text);
        self.judge(name, commit)
    }

    /// A place in the event's file: `/pull_request/base/ref`.
    pub fn event(&mut self, place: &str) -> Option<&Value> {
        let found = self.event.pointer(place).is_some_and(|value| !value.is_null());
        found.then(|| self.note(&named(place)));
        self.event.pointer(place).filter(|value| !value.is_null())
    }

    /// A place in the event's file that names a branch.
    pub fn event_branch(&mut self, place: &str) -> Option<Branch> {
        let text = self.event(place)?.as_str().map(str::to_owned);
        let branch = text.as_deref().and_then(Branch::new);
        self.judge(&named(place), branch)
    }

    /// A place in the event's file that names a commit; zeros stand for none.
    pub fn event_commit(&mut self, place: &str) -> Option<Commit> {
        let text = self.event(place)?.as_str().map(str::to_owned);
        if text.as_deref().is_some_and(Commit::is_zero) {
            return None;
        }
        let commit = text.as_deref().and_then(Commit::new);
        self.judge(&named(place), commit)
    }

    /// What was used and what was refused.
    pub fn finish(self) -> (Vec<String>, Vec<String>) {
        (self.read, self.refused)
    }

    fn note(&mut self, name: &str) {
        if !self.read.iter().any(|known| known == name) {
            self.read.push(name.to_owned());
        }
    }

    fn judge<T>(&mut self, name: &str, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.read.retain(|known| known != name);
            self.refused.push(name.to_owned());
        }
        found
    }
}

/// A place in the event's file as people know it.
fn named(place: &str) -> String {
    format!("event{}", place.replace('/', "."))
}
