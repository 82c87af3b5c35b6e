//! What was worked out once, and is the same as long as what it was made of is the same.
//!
//! One small file for each name. It can be deleted at any time, and is as good as missing when it is about something else,
//! damaged, or of another format. Does not know what the bytes mean.

use super::{StateDir, open};
use crate::base::Digest;
use std::io::{self, Read as _};
use std::path::PathBuf;

/// What manifests said.
pub const MANIFESTS: &str = "manifests";

const HEAD: &[u8; 8] = b"wfmemo 1";
/// More is not read: nobody remembers so much.
const LIMIT: u64 = 64 << 20;

pub(super) fn place(state: &StateDir, name: &str) -> PathBuf {
    state.root().join(format!("{name}.memo"))
}

/// What was kept under this name, if it was made of this.
pub fn recall(state: &StateDir, name: &str, of: &Digest) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    open::read(&place(state, name)).ok()?.take(LIMIT).read_to_end(&mut bytes).ok()?;
    let rest = bytes.strip_prefix(HEAD)?.strip_prefix(of.to_string().as_bytes())?;
    let (check, kept) = rest.split_first_chunk::<4>()?;
    (crc32fast::hash(kept) == u32::from_le_bytes(*check)).then(|| kept.to_vec())
}

/// Keeps it, instead of what was kept before.
///
/// # Errors
/// Whatever the file system says.
pub fn keep(state: &StateDir, name: &str, of: &Digest, bytes: &[u8]) -> io::Result<()> {
    let check = crc32fast::hash(bytes).to_le_bytes();
    open::whole(&place(state, name), &[&HEAD[..], of.to_string().as_bytes(), &check, bytes].concat(), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ChosenBy;

    #[test]
    fn only_the_same_question_gets_the_answer_and_damage_is_no_answer() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join(".wf"), ChosenBy::Default).unwrap();
        let (one, other) = (Digest::of_bytes(b"one"), Digest::of_bytes(b"other"));
        assert_eq!(recall(&state, "thing", &one), None);
        keep(&state, "thing", &one, b"answer").unwrap();
        assert_eq!(recall(&state, "thing", &one), Some(b"answer".to_vec()));
        assert_eq!((recall(&state, "thing", &other), recall(&state, "else", &one)), (None, None));
        let path = place(&state, "thing");
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert_eq!(recall(&state, "thing", &one), None, "byte {at}");
            std::fs::write(&path, &good[..at]).unwrap();
            assert_eq!(recall(&state, "thing", &one), None, "cut at {at}");
        }
        keep(&state, "thing", &other, b"").unwrap();
        assert_eq!(recall(&state, "thing", &other), Some(vec![]));
    }
}
