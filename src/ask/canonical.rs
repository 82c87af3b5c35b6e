//! JSON in one form, whatever the order of its keys and the space between its words. Pure.
//!
//! Stricter than `serde_json::Value`, on purpose: numbers stay as they were written (`1` and `1.0` differ, and so do two
//! integers beyond 64 bits) and a key that comes twice stays twice. Two texts that a server might read differently never
//! become one.

use crate::base::Digest;
use crate::base::digest::Stream;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Deeper texts are not read: the limit of `serde_json` itself.
const DEEPEST: usize = 127;

/// A JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`, `true`, `false` or a number, as it is written.
    Word(String),
    /// A text, without its quotes and escapes.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object, sorted by key; equal keys stay in their order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a text. `None` if it is no JSON, or nested deeper than 127 levels.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        // Whether it is JSON is for `serde_json` to say; from there on each part ends where its first byte says.
        let raw: &RawValue = serde_json::from_slice(bytes).ok()?;
        Reader { rest: raw.get() }.value(0)
    }

    /// A digest that is the same for all texts that say the same.
    pub fn digest(&self) -> Digest {
        let mut hash = Stream::default();
        self.feed(&mut hash);
        hash.finish()
    }

    /// The value of a key of an object; of the last such key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Does a text in it, or a key, without quotes and escapes, pass this test?
    pub fn any_text(&self, test: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Word(_) => false,
            Self::Text(text) => test(text),
            Self::List(items) => items.iter().any(|item| item.any_text(test)),
            Self::Object(entries) => entries.iter().any(|(key, value)| test(key) || value.any_text(test)),
        }
    }

    /// Every leaf by its place, written as a JSON pointer (RFC 6901), with the digest of its value. Empty lists and objects
    /// are leaves. Of keys that come twice, one stands here; the digest of the whole knows both.
    pub fn leaves(&self, at: &str, into: &mut BTreeMap<String, Digest>) {
        match self {
            Self::List(items) if !items.is_empty() => {
                for (i, item) in items.iter().enumerate() {
                    item.leaves(&format!("{at}/{i}"), into);
                }
            }
            Self::Object(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    value.leaves(&format!("{at}/{key}"), into);
                }
            }
            leaf => {
                into.insert(at.to_owned(), leaf.digest());
            }
        }
    }

    /// Each part with its kind and its length before it, so that none runs into the next.
    fn feed(&self, hash: &mut Stream) {
        let mut part = |kind: u8, len: usize, bytes: &[u8]| {
            hash.add(&[kind]);
            hash.add(&(len as u64).to_le_bytes());
            hash.add(bytes);
        };
        match self {
            Self::Word(word) => part(b'w', word.len(), word.as_bytes()),
            Self::Text(text) => part(b't', text.len(), text.as_bytes()),
            Self::List(items) => {
                part(b'l', items.len(), b"");
                for item in items {
                    item.feed(hash);
                }
            }
            Self::Object(entries) => {
                part(b'o', entries.len(), b"");
                for (key, value) in entries {
                    hash.add(&(key.len() as u64).to_le_bytes());
                    hash.add(key.as_bytes());
                    value.feed(hash);
                }
            }
        }
    }
}

/// What is left of a text that is JSON.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEEPEST {
            return None;
        }
        match self.first()? {
            b'{' => {
                let mut entries = vec![];
                while self.goes_on(b'}')? {
                    let key = self.text()?;
                    // The colon.
                    self.first()?;
                    self.take(1);
                    entries.push((key, self.value(depth + 1)?));
                }
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Some(Json::Object(entries))
            }
            b'[' => {
                let mut items = vec![];
                while self.goes_on(b']')? {
                    items.push(self.value(depth + 1)?);
                }
                Some(Json::List(items))
            }
            b'"' => self.text().map(Json::Text),
            _ => {
                let ends = |c: char| c.is_ascii_whitespace() || matches!(c, ',' | '}' | ']');
                let word = self.take(self.rest.find(ends).unwrap_or(self.rest.len()));
                Some(Json::Word(word.to_owned()))
            }
        }
    }

    /// The first byte after white space.
    fn first(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.as_bytes().first().copied()
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Takes the mark before the next part, or the one that `closes`; is there a next part?
    fn goes_on(&mut self, closes: u8) -> Option<bool> {
        let mark = self.first()?;
        self.take(1);
        // An empty list or object is closed right after it was opened.
        if mark == closes || (matches!(mark, b'[' | b'{') && self.first()? == closes) {
            if mark != closes {
                self.take(1);
            }
            return Some(false);
        }
        self.first()?;
        Some(true)
    }

    fn text(&mut self) -> Option<String> {
        let bytes = self.rest.as_bytes();
        let (mut at, mut escaped) = (1, false);
        loop {
            at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes[at] == b'"' {
                break;
            }
            (at, escaped) = (at + 2, true);
        }
        let text = self.take(at + 1);
        if escaped { serde_json::from_str(text).ok() } else { Some(text[1..at].to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(text: &str) -> Digest {
        Json::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}")).digest()
    }

    #[test]
    fn order_and_space_do_not_matter_and_all_else_does() {
        assert_eq!(digest(r#"{"a":1,"b":[true,null]}"#), digest("{ \"b\" : [ true ,\tnull ],\n\"a\":1 }"));
        assert_eq!(digest(r#"{"é":"é"}"#), digest(r#"{"é":"\u00e9"}"#));
        assert_eq!(digest(" [ [ ] , { } , [{}] ] "), digest("[[],{},[{}]]"));
        assert_eq!(digest(r#"["a\"]\\", "]"]"#), digest(r#"["\u0061\"]\\","]"]"#));
        let different = [
            "1",
            "1.0",
            "18446744073709551617",
            "18446744073709551618",
            "\"1\"",
            "null",
            "\"null\"",
            "[]",
            "{}",
            "\"\"",
            "[[]]",
            "[[],[]]",
            "[{}]",
            "[null,[]]",
            "[\"\"]",
            r#"["a","b"]"#,
            r#"["b","a"]"#,
            r#"["ab"]"#,
            r#"{"a":1}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":2,"a":1}"#,
            r#"{"a":2}"#,
        ];
        let digests: std::collections::BTreeSet<_> = different.iter().map(|text| digest(text)).collect();
        assert_eq!(digests.len(), different.len());
    }

    #[test]
    fn what_is_no_json_is_not_read() {
        for text in ["", "{", "nul", "[1,]", "{\"a\":1} x", "\u{feff}{}", "01", "'a'"] {
            assert_eq!(Json::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Json::parse(format!("{}{}", "[".repeat(200), "]".repeat(200)).as_bytes()), None);
    }

    #[test]
    fn leaves_have_pointers() {
        let mut leaves = BTreeMap::new();
        let json = Json::parse(br#"{"a":{"b/c":[1,{"d":[]}],"~":2},"e":{}}"#).unwrap();
        json.leaves("", &mut leaves);
        assert_eq!(leaves.keys().collect::<Vec<_>>(), ["/a/b~1c/0", "/a/b~1c/1/d", "/a/~0", "/e"]);
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let word = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            "[a-z\"\\\\{}\\[\\],:é\n ]{0,6}".prop_map(serde_json::Value::from),
        ];
        word.prop_recursive(4, 40, 5, |inner| {
            let key = "[a-z\"\\\\{}:]{0,3}";
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                proptest::collection::btree_map(key, inner, 0..5)
                    .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    /// What `serde_json` reads, in this form.
    fn expected(value: &serde_json::Value) -> Json {
        match value {
            serde_json::Value::String(text) => Json::Text(text.clone()),
            serde_json::Value::Array(items) => Json::List(items.iter().map(expected).collect()),
            serde_json::Value::Object(entries) => {
                let mut all: Vec<_> = entries.iter().map(|(key, value)| (key.clone(), expected(value))).collect();
                all.sort_by(|a, b| a.0.cmp(&b.0));
                Json::Object(all)
            }
            word => Json::Word(word.to_string()),
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(value in value()) {
            let written = [value.to_string(), serde_json::to_string_pretty(&value).unwrap()];
            for text in written {
                prop_assert_eq!(Json::parse(text.as_bytes()), Some(expected(&value)), "{}", text);
            }
        }

        /// What is JSON but for a few bytes is read if it still is JSON, and refused if not.
        #[test]
        fn what_is_nearly_json_is_read_or_refused(
            value in value(),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), "[\\[\\]{}\",:0-9a\\\\ ]?"), 0..3),
        ) {
            let mut text = value.to_string();
            for (at, new) in changes {
                let mut at = at.index(text.len() + 1);
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
                text.replace_range(at..end, &new);
            }
            let is = serde_json::from_str::<Box<RawValue>>(&text).is_ok();
            prop_assert_eq!(Json::parse(text.as_bytes()).is_some(), is, "{}", text);
        }

        /// What `serde_json` writes again, in whatever way, has the same digest.
        #[test]
        fn pretty_and_compact_are_one(keys in proptest::collection::btree_map("[a-z/~\"é]{0,4}", any::<Option<i64>>(), 0..6)) {
            let value = serde_json::to_value(&keys).unwrap();
            prop_assert_eq!(digest(&value.to_string()), digest(&serde_json::to_string_pretty(&value).unwrap()));
        }
    }
}
