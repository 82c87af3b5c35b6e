//! Who may ask: only whoever has the token, on this machine, and no web page.

use axum::http::HeaderMap;
use std::fmt;

/// A random word that stands in for a key. It is worth nothing outside this proxy's life.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one, of 122 random bits.
    pub fn random() -> Self {
        Self(format!("wf-{}", uuid::Uuid::new_v4().simple()))
    }

    /// One that a person chose; a random one if they chose none: an empty word lets everybody in.
    pub fn chosen(word: Option<&str>) -> Self {
        word.map(str::trim).filter(|word| !word.is_empty()).map_or_else(Self::random, |word| Self(word.to_owned()))
    }

    /// The word, for the environment of a step.
    pub fn word(&self) -> &str {
        &self.0
    }

    /// Takes as long for a word that is nearly right as for one that is not.
    fn is(&self, word: &str) -> bool {
        let (own, other) = (self.0.as_bytes(), word.as_bytes());
        !own.is_empty()
            && own.len() == other.len()
            && own.iter().zip(other).fold(0, |wrong, (a, b)| wrong | (a ^ b)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why somebody may not ask: a status and a reason.
pub type Refusal = (u16, &'static str);

/// Checks a request's headers. A page in a browser cannot set `Host` to a name of this machine without having been loaded
/// from it (DNS rebinding), and always sends `Origin` when it asks elsewhere.
///
/// # Errors
/// Why not.
pub fn admit(headers: &HeaderMap, token: &Token, port: u16) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let ours = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
    if !text("host").is_some_and(|host| ours.iter().any(|own| own == host)) {
        return Err((403, "the Host header names another machine"));
    }
    if let Some(origin) = text("origin")
        && !ours.iter().any(|own| origin.strip_prefix("http://") == Some(own))
    {
        return Err((403, "requests of web pages are not passed on"));
    }
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let given = bearer.or_else(|| text("x-api-key")).or_else(|| text("api-key"));
    match given {
        Some(word) if token.is(word) => Ok(()),
        Some(_) => Err((401, "this is not the proxy's token; the proxy has the service's key itself")),
        None => Err((401, "the proxy's token is missing; send it as the API key")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_word_is_none() {
        for word in [None, Some(""), Some(" \t")] {
            let token = Token::chosen(word);
            assert!(token.word().starts_with("wf-") && !token.is(""), "{word:?}");
        }
        assert!(!Token(String::new()).is(""));
        assert!(Token::chosen(Some("tok")).is("tok"));
    }
}
