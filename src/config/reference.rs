//! The tables of keys in `docs/CONFIGURATION.md`, made from the same descriptions as everything else. Pure.

use super::built_in;
use super::key::{About, Shape, abouts};
use super::setting::run::SETTINGS;
use super::setting::{ai, ai_cache, ancestor, cache, category, claim, project, retry, reuse, stage, step, variable};
use super::{environment, variables};
use std::fmt::Write as _;

/// Every generated section: its name and its text.
pub fn sections() -> Vec<(&'static str, String)> {
    vec![
        ("settings", table(&abouts(SETTINGS))),
        ("cache", table(&abouts(cache::CACHE))),
        ("ai", table(&[abouts(ai::SERVICE), abouts(ai::AI)].concat())),
        ("budget", table(&abouts(ai::BUDGET))),
        ("price", table(&abouts(ai::PRICE))),
        ("ai_cache", table(&abouts(ai_cache::AI_CACHE))),
        ("step-ai", table(&[abouts(ai::STEP_AI), abouts(ai::SERVICE)].concat())),
        ("variables", settings_by_variable()),
        ("project", table(&abouts(project::PROJECT))),
        ("step", table(&abouts(step::STEP))),
        ("variable", table(&abouts(variable::VARIABLE))),
        ("base-list", base_list()),
        ("step-cache", table(&abouts(reuse::REUSE))),
        ("retries", table(&abouts(retry::RETRY))),
        ("resources", table(&abouts(claim::CLAIM))),
        ("stage", table(&abouts(stage::STAGE))),
        ("category", table(&abouts(category::CATEGORY))),
        ("impact", table(&abouts(project::IMPACT))),
        ("workspace", table(&abouts(project::WORKSPACE))),
        ("about", table(&abouts(project::ABOUT))),
        ("optimizations", table(&abouts(ancestor::OPTIMIZATIONS))),
        ("performance", table(&abouts(ancestor::PERFORMANCE))),
        ("categories", categories()),
    ]
}

/// The document with its generated sections, between `<!-- generated: name -->` and `<!-- end -->`, as they should be.
///
/// # Errors
/// A section that has no place in the document.
pub fn fill(document: &str) -> Result<String, String> {
    let mut text = document.to_owned();
    for (name, section) in sections() {
        let mark = format!("<!-- generated: {name} -->\n");
        let start = text.find(&mark).ok_or_else(|| format!("no `{}` in the document", mark.trim()))? + mark.len();
        let length = text[start..].find("<!-- end -->").ok_or_else(|| format!("section `{name}` has no end"))?;
        text.replace_range(start..start + length, &format!("\n{section}\n"));
    }
    Ok(text)
}

fn table(keys: &[&About]) -> String {
    let mut text = String::from("| key | takes | default | what it does |\n|---|---|---|---|\n");
    for about in keys {
        let default = if about.default.is_empty() { "required" } else { about.default };
        let default = if matches!(about.shape, Shape::Ignored) { "" } else { default };
        let example = about.example.lines().map(|line| format!("`{}`", line.trim())).collect::<Vec<_>>().join(" ");
        let takes = takes(&about.shape).replace('|', "\\|");
        let same = about.same_as.map(|_| "The same as ").unwrap_or_default();
        let words = format!("{same}{}<br>{example}", about.doc).replace('|', "\\|");
        let _ = writeln!(text, "| **`{}`** | {takes} | {default} | {words} |", about.name);
    }
    text
}

fn takes(shape: &Shape) -> String {
    let words = |all: &[&str]| all.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match shape {
        Shape::Text => "text".into(),
        Shape::Bool => "`true`, `false`".into(),
        Shape::Int(..) => "whole number".into(),
        Shape::Number => "number".into(),
        Shape::Duration => "duration".into(),
        Shape::Size => "size".into(),
        Shape::Words(all) => words(all),
        Shape::Switch(all) => format!("`true`, `false`, {}", words(all)),
        Shape::Id => "id".into(),
        Shape::Trigger => "trigger".into(),
        Shape::Glob => "glob".into(),
        Shape::Many(one) => format!("{} or list", takes(one)),
        Shape::List(one) => format!("list of {}", takes(one)),
        Shape::MapOf(value) => format!("mapping to {}", takes(value)),
        Shape::Object(name, ..) => format!("[{name}](#{name})"),
        Shape::Either(all) => all.iter().map(takes).collect::<Vec<_>>().join(", or "),
        Shape::Null => "nothing".into(),
        Shape::Ignored => "anything".into(),
    }
}

fn settings_by_variable() -> String {
    let mut text = String::from("| variable | setting |\n|---|---|\n");
    for (name, key) in variables::OTHERS {
        let _ = writeln!(text, "| `{name}` | `{key}` |");
    }
    for key in SETTINGS {
        let _ = writeln!(text, "| `{}` | `{}` |", variables::variable(key.about.name), key.about.name);
    }
    text
}

fn base_list() -> String {
    let mut text = String::from("| for | variables |\n|---|---|\n");
    for (what, names) in environment::BASE {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "| {what} | {} |", names.join(", "));
    }
    text
}

fn categories() -> String {
    let mut text = String::new();
    for (name, globs) in built_in::CATEGORIES {
        let _ = writeln!(text, "* **{name}**");
        for glob in *globs {
            let _ = writeln!(text, "  * `{glob}`");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md");

    /// `cargo test --lib -- --ignored write_the_reference` rewrites it.
    #[test]
    fn the_reference_is_as_the_tables_say() {
        let document = std::fs::read_to_string(DOCUMENT).unwrap();
        assert!(fill(&document).unwrap() == document, "run `cargo test --lib -- --ignored write_the_reference`");
    }

    #[test]
    #[ignore = "writes docs/CONFIGURATION.md"]
    fn write_the_reference() {
        let document = std::fs::read_to_string(DOCUMENT).unwrap();
        std::fs::write(DOCUMENT, fill(&document).unwrap()).unwrap();
    }
}
