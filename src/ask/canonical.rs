//! JSON in one form, whatever the order of its keys and the space between its words. Pure.
//!
//! Stricter than `serde_json::Value`, on purpose: numbers stay as they were written (`1` and `1.0` differ, and so do two
//! integers beyond 64 bits) and a key that comes twice stays twice. Two texts that a server might read differently never
//! become one.

use crate::base::Digest;
use crate::base::digest::Stream;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

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
        let raw: Box<RawValue> = serde_json::from_slice(bytes).ok()?;
        read(raw.get(), 0)
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

/// One value, from its text.
fn read(text: &str, depth: usize) -> Option<Json> {
    if depth > DEEPEST {
        return None;
    }
    let below = |raw: &RawValue| read(raw.get(), depth + 1);
    match text.trim_start().as_bytes().first()? {
        b'{' => {
            let Entries(entries) = serde_json::from_str(text).ok()?;
            let read = entries.into_iter().map(|(key, raw)| Some((key, below(&raw)?)));
            let mut entries = read.collect::<Option<Vec<_>>>()?;
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Some(Json::Object(entries))
        }
        b'[' => {
            let Items(items) = serde_json::from_str(text).ok()?;
            items.iter().map(|raw| below(raw)).collect::<Option<Vec<_>>>().map(Json::List)
        }
        b'"' => serde_json::from_str(text).ok().map(Json::Text),
        _ => Some(Json::Word(text.trim().to_owned())),
    }
}

/// The entries of an object in their order, equal keys too.
struct Entries(Vec<(String, Box<RawValue>)>);

/// The items of a list.
struct Items(Vec<Box<RawValue>>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        from.deserialize_map(Read)
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Items;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        from.deserialize_seq(Read)
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

    proptest! {
        /// What `serde_json` writes again, in whatever way, has the same digest.
        #[test]
        fn pretty_and_compact_are_one(keys in proptest::collection::btree_map("[a-z/~\"é]{0,4}", any::<Option<i64>>(), 0..6)) {
            let value = serde_json::to_value(&keys).unwrap();
            prop_assert_eq!(digest(&value.to_string()), digest(&serde_json::to_string_pretty(&value).unwrap()));
        }
    }
}
