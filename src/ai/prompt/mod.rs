//! From a persona, a prompt and files to the text that is sent.
//!
//! Personas and prompts are files with a head between lines of `---`: `templates/personas/NAME.md` says who answers,
//! `templates/prompts/NAME.md` what is asked. A project's own folder wins over the built-in ones. Both are templates
//! (minijinja); a variable that does not exist is an error, before anything is asked.

mod library;
mod variables;

pub use library::{Library, Persona, Prompt, Wants, built_in, names};
pub use variables::{FileText, Scope, Uses, Variables, language, render};

#[cfg(test)]
mod tests;
