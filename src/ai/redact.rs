//! Secrets do not leave the machine: values that the environment holds, and texts that look like well-known kinds of keys.
//!
//! A text is searched whole, before it is cut or filled into a template: a key of which one half is in each of two requests is
//! recognised in neither.
//!
//! Does not know: all kinds of secrets. The list follows what services document of their keys' form; see docs/AI.md.

use super::keyish;
use crate::exec::mask::Masker;
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// A kind of keys with a form of its own.
struct Form {
    kind: &'static str,
    /// One of these stands in each: without it the expression is not even compiled, which would take as long as all the rest
    /// of a question whose answer is known.
    signs: &'static [&'static str],
    /// What follows such a sign may be the rest of a key: `sk-` stands in `task-list` as well.
    then: fn(&str) -> bool,
    regex: LazyLock<Regex>,
}

/// A form whose expression is a constant.
macro_rules! form {
    ($kind:literal, $signs:expr, $then:expr, $regex:literal) => {
        Form { kind: $kind, signs: &$signs, then: $then, regex: LazyLock::new(|| compiled($regex)) }
    };
}

static FORMS: [Form; 11] = [
    form!(
        "private key",
        ["PRIVATE KEY-----"],
        anything,
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----"
    ),
    form!("AWS key", ["AKIA", "ASIA"], long::<16>, r"(?-u:\b)(?:AKIA|ASIA)[0-9A-Z]{16}(?-u:\b)"),
    form!(
        "GitHub token",
        ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        long::<22>,
        r"(?-u:\b)(?:gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255})(?-u:\b)"
    ),
    form!("GitLab token", ["glpat-"], long::<20>, r"(?-u:\b)glpat-[0-9A-Za-z_-]{20,}"),
    form!("Slack token", ["xox"], long::<12>, r"(?-u:\b)xox[abeoprs]-[0-9A-Za-z-]{10,}"),
    form!("API key", ["sk-"], long::<20>, r"(?-u:\b)sk-(?:ant-|proj-|svcacct-)?[0-9A-Za-z_-]{20,}"),
    form!("Google key", ["AIza"], long::<35>, r"(?-u:\b)AIza[0-9A-Za-z_-]{35}"),
    form!("npm token", ["npm_"], long::<36>, r"(?-u:\b)npm_[0-9A-Za-z]{36}(?-u:\b)"),
    form!("Stripe key", ["k_live_"], long::<20>, r"(?-u:\b)[rs]k_live_[0-9A-Za-z]{20,}"),
    form!(
        "web token",
        ["eyJ"],
        long::<10>,
        r"(?-u:\b)eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}"
    ),
    // A password may hold a slash; then what stands before it must be more than a port.
    form!(
        "password in a URL",
        ["://"],
        may_have_password,
        r#"(?-u:\b)[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'"<>]*:(?:[^\s/:@]+|[^\s/@'"<>]*[^\s/@'"<>0-9][^\s/@'"<>]*/[^\s@'"<>]*)@"#
    ),
];

fn compiled(regex: &str) -> Regex {
    Regex::new(regex).unwrap_or_else(|error| unreachable!("the forms are constants: {error}"))
}

impl Form {
    /// May it stand in a text? A look for its signs, no more.
    fn may_be_in(&self, text: &str) -> bool {
        let follows = |sign: &&str| {
            let mut ends = memchr::memmem::find_iter(text.as_bytes(), sign.as_bytes()).map(|at| at + sign.len());
            ends.any(|end| (self.then)(&text[end..]))
        };
        self.signs.iter().any(follows)
    }
}

/// Whatever follows.
fn anything(_: &str) -> bool {
    true
}

/// Do so many characters follow of which keys are made?
fn long<const LEAST: usize>(rest: &str) -> bool {
    let of_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    rest.len() >= LEAST && rest.as_bytes()[..LEAST].iter().all(of_key)
}

/// Has an address, of which this is what follows `://`, a `:` and after it an `@`? Links are in most texts; such an address has
/// both before the next space.
fn may_have_password(rest: &str) -> bool {
    // Where the next address begins, this one is over: nothing is looked at twice, however long the line.
    let rest = &rest[..memchr::memmem::find(rest.as_bytes(), b"://").unwrap_or(rest.len())];
    let ends_user = |c: char| c.is_whitespace() || matches!(c, ':' | '/' | '@' | '\'' | '"' | '<' | '>');
    let Some(after) = rest.find(ends_user).and_then(|at| rest[at..].strip_prefix(':')) else { return false };
    after.split(char::is_whitespace).next().is_some_and(|word| word.contains('@'))
}

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
    pub fn text<'a>(&self, text: &'a str) -> (Cow<'a, str>, usize) {
        let mut count = 0;
        let mut clean = Cow::Borrowed(text);
        if self.masker.finds(text.as_bytes()) {
            count += 1;
            clean = Cow::Owned(self.masker.text(text));
        }
        for form in FORMS.iter().filter(|form| form.may_be_in(text)) {
            let removed = form.regex.replace_all(&clean, |found: &regex::Captures<'_>| {
                count += 1;
                format!("[{} removed]{}", form.kind, "\n".repeat(found[0].matches('\n').count()))
            });
            if let Cow::Owned(removed) = removed {
                clean = Cow::Owned(removed);
            }
        }
        if let Some(without) = keyish::removed(&clean) {
            count += 1;
            clean = Cow::Owned(without);
        }
        (clean, count)
    }

    /// Does a value that is known to be secret stand in it? What only looks like a key does not count.
    pub fn knows(&self, bytes: &[u8]) -> bool {
        self.masker.finds(bytes)
    }

    /// Does a secret stand in it?
    pub fn finds(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        self.masker.finds(bytes)
            || keyish::shows_an_end(&text)
            || FORMS.iter().any(|form| form.may_be_in(&text) && form.regex.is_match(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_a_password_are_told_from_those_without() {
        for (rest, may) in [
            ("me:geheim@db/x", true),
            (":geheim@host", true),
            ("host:8080/x?mail=a@b", true),
            ("host/x:y@z", false),
            ("host\",\"u\":\"a@b", false),
            ("host:80 a@b", false),
            ("host:80/ https://me:x@y", false),
        ] {
            assert_eq!(may_have_password(rest), may, "{rest}");
        }
        // A line of addresses is looked at once, however long it is.
        let many = "{\"u\":\"https://example.org:80/a\"},".repeat(40_000);
        assert_eq!(Redactor::default().text(&many).1, 0);
    }

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
            ("redis://:geheim@host".to_owned(), "[password in a URL removed]host"),
            ("POSTGRES://me:geheim@db".to_owned(), "[password in a URL removed]db"),
            ("amqp://me:ge/he1m@mq/x".to_owned(), "[password in a URL removed]mq/x"),
            ("pw hunter2-hunter2".to_owned(), "pw ***"),
        ] {
            assert_eq!(redactor.text(&text), (clean.into(), 1), "{text}");
            assert!(redactor.finds(text.as_bytes()));
        }
        for text in [
            "task-force sk-1 AKIA https://example.org/a:b@c",
            "eyJhbGciOi",
            "glpat-short",
            "http://localhost:4873/pkg@1.0.0",
            "see https://example.org: write to a@b.c",
        ] {
            assert_eq!(redactor.text(text), (text.into(), 0));
        }
    }
}
