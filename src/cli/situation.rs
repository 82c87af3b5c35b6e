//! What the CI service around wf says: variables, and the file that some write about the event.

use super::context::Context;
use crate::ci::{self, Situation};
use std::io::Read as _;

/// None outside of CI.
pub fn situation(cx: &Context) -> Option<Situation> {
    let var = |name: &str| cx.env.text(name).map(str::to_owned);
    ci::detect(&var, event(cx).as_deref())
}

/// The event's file. What cannot be read says nothing, and what is too long is cut, which makes it no JSON.
fn event(cx: &Context) -> Option<String> {
    let path = cx.env.get(ci::EVENT_FILE)?;
    let file = std::fs::File::open(path).ok().filter(|file| file.metadata().is_ok_and(|about| about.is_file()))?;
    let mut text = String::new();
    file.take(ci::EVENT_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}
