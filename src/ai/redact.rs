//! Secrets do not leave the machine: values that the environment holds, and texts that look like well-known kinds of keys.
//!
//! Does not know: all kinds of secrets. The list follows what services document of their keys' form; see docs/AI.md.

use crate::exec::mask::Masker;
use regex::Regex;
use std::sync::LazyLock;

/// Kinds of keys with a form of their own.
const FORMS: &[(&str, &str)] = &[
    ("private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)"),
    ("AWS key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("GitHub token", r"\b(?:gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255})\b"),
    ("GitLab token", r"\bglpat-[0-9A-Za-z_-]{20,}"),
    ("Slack token", r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"),
    ("API key", r"\bsk-(?:ant-|proj-|svcacct-)?[0-9A-Za-z_-]{20,}"),
    ("Google key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("npm token", r"\bnpm_[0-9A-Za-z]{36}\b"),
    ("Stripe key", r"\b[rs]k_live_[0-9A-Za-z]{20,}"),
    ("web token", r"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}"),
    ("password in a URL", r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/:@]+@"),
];

static SEARCH: LazyLock<Regex> = LazyLock::new(|| {
    let all: Vec<String> = FORMS.iter().map(|(_, form)| format!("({form})")).collect();
    Regex::new(&all.join("|")).unwrap_or_else(|error| unreachable!("the forms are constants: {error}"))
});

/// Takes secrets out of what is sent.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    masker: Masker,
}

impl Redactor {
    /// That also knows the values that `masker` hides.
    pub fn new(masker: Masker) -> Self {
        Self { masker }
    }

    /// The text without secrets, and how many were found. Line breaks stay, so that lines keep their numbers.
    pub fn text(&self, text: &str) -> (String, usize) {
        let mut count = 0;
        let known = self.masker.text(text);
        count += usize::from(known != text);
        let clean = SEARCH.replace_all(&known, |found: &regex::Captures<'_>| {
            count += 1;
            let kind =
                FORMS.iter().enumerate().find(|(i, _)| found.get(i + 1).is_some()).map_or("", |(_, (kind, _))| kind);
            format!("[{kind} removed]{}", "\n".repeat(found[0].matches('\n').count()))
        });
        (clean.into_owned(), count)
    }

    /// Does a secret stand in it?
    pub fn finds(&self, bytes: &[u8]) -> bool {
        self.masker.finds(bytes) || SEARCH.is_match(&String::from_utf8_lossy(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_lines_stay() {
        let redactor = Redactor::new(Masker::new(vec![b"hunter2-hunter2".to_vec()]));
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMII\nabc\n-----END RSA PRIVATE KEY-----";
        for (text, clean) in [
            ("a = AKIAIOSFODNN7EXAMPLE".to_owned(), "a = [AWS key removed]"),
            (format!("x\n{key}\ny"), "x\n[private key removed]\n\n\n\ny"),
            (format!("t: ghp_{}", "a".repeat(36)), "t: [GitHub token removed]"),
            ("sk-ant-api03-aaaaaaaaaaaaaaaaaaaaaaaa".to_owned(), "[API key removed]"),
            ("postgres://me:geheim@db/x".to_owned(), "[password in a URL removed]db/x"),
            ("pw hunter2-hunter2".to_owned(), "pw ***"),
        ] {
            assert_eq!(redactor.text(&text), (clean.to_owned(), 1), "{text}");
            assert!(redactor.finds(text.as_bytes()));
        }
        for text in ["task-force sk-1 AKIA https://example.org/a:b@c", "eyJhbGciOi", "glpat-short"] {
            assert_eq!(redactor.text(text), (text.to_owned(), 0));
        }
    }
}
