//! A whole response of a server, with the times at which its pieces came. Pure.

use crate::base::digest::Fields;
use crate::base::{Digest, Millis};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A response, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The HTTP status; 200 for a program that ended with 0.
    pub status: u16,
    /// The headers that are kept, names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body, in the pieces in which it came.
    pub chunks: Vec<Chunk>,
}

/// A piece of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Milliseconds since the piece before it, or since the request.
    pub after_ms: Millis,
    /// The bytes: in JSON a text, or base64 under `base64`.
    #[serde(flatten, serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub bytes: Vec<u8>,
}

/// Tokens that an answer was charged for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the request.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

impl Usage {
    /// Both.
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
    }
}

impl Recorded {
    /// A response in one piece.
    pub fn whole(status: u16, body: Vec<u8>, took_ms: Millis) -> Self {
        Self { status, headers: vec![], chunks: vec![Chunk { after_ms: took_ms, bytes: body }] }
    }

    /// The whole body.
    pub fn body(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|chunk| chunk.bytes.iter().copied()).collect()
    }

    /// From the request to the last piece.
    pub fn took_ms(&self) -> Millis {
        self.chunks.iter().map(|chunk| chunk.after_ms).sum()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Is it a stream of events? Those of all known endpoints have an event that is the last.
    pub fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// Digest of what it says; not of when it came.
    pub fn digest(&self) -> Digest {
        let mut fields = Fields::default();
        fields.add(&self.status.to_le_bytes());
        for (name, value) in &self.headers {
            fields.add(name.as_bytes()).add(value.as_bytes());
        }
        fields.add(b"").add(&self.body());
        fields.finish()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Written {
    Text(String),
    Base64(String),
}

fn write_bytes<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    let written = match std::str::from_utf8(bytes) {
        Ok(text) => Written::Text(text.to_owned()),
        Err(_) => Written::Base64(STANDARD.encode(bytes)),
    };
    written.serialize(to)
}

fn read_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    match Written::deserialize(from)? {
        Written::Text(text) => Ok(text.into_bytes()),
        Written::Base64(text) => STANDARD.decode(text).map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_json() {
        let chunks = vec![
            Chunk { after_ms: 3, bytes: b"data: {}\n\n".to_vec() },
            Chunk { after_ms: 0, bytes: vec![0xff, 0, 0xc3] },
        ];
        let recorded = Recorded { status: 200, headers: vec![("a".into(), "b".into())], chunks };
        let json = serde_json::to_string(&recorded).unwrap();
        assert!(json.contains(r#"{"after_ms":3,"text":"data: {}\n\n"}"#), "{json}");
        assert_eq!(serde_json::from_str::<Recorded>(&json).unwrap(), recorded);
        assert_eq!((recorded.took_ms(), recorded.header("a")), (3, Some("b")));
    }

    #[test]
    fn the_digest_is_of_what_is_said_and_not_of_when() {
        let slow = Recorded::whole(200, b"ab".to_vec(), 9);
        let pieces = [b"a".to_vec(), b"b".to_vec()].map(|bytes| Chunk { after_ms: 1, bytes });
        let fast = Recorded { chunks: pieces.into(), ..slow.clone() };
        assert_eq!(slow.digest(), fast.digest());
        assert_ne!(slow.digest(), Recorded { status: 201, ..slow.clone() }.digest());
        assert_ne!(slow.digest(), Recorded { headers: vec![("a".into(), "b".into())], ..slow.clone() }.digest());
    }
}
