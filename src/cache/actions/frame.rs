//! Records one after another: length (4 bytes, little-endian), check (CRC-32 of the body, 4 bytes), body. Pure.
//!
//! The file starts with [`MAGIC`]. A torn last record is dropped; one whose check is wrong is skipped.

/// The first bytes; the digit is the format number.
pub(in crate::cache) const MAGIC: &[u8; 8] = b"wfact 1\n";
/// No record is longer: what says so is damage.
pub(super) const LONGEST: usize = 64 << 20;

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Where the frames of whole records begin.
    pub frames: Vec<u32>,
    /// Where what could be read ends; a torn record may follow.
    pub end: usize,
    /// Records that are damaged.
    pub damaged: usize,
}

/// Finds the records from `at` on.
pub(super) fn scan(bytes: &[u8], at: usize) -> Scanned {
    let mut found = Scanned { end: at, ..Scanned::default() };
    while let Some((length, check)) = head(bytes, found.end) {
        if length == 0 || length > LONGEST {
            // Nobody can say where the next one begins.
            found.damaged += 1;
            break;
        }
        let start = found.end + 8;
        let Some(body) = bytes.get(start..start + length) else { break };
        if crc32fast::hash(body) == check {
            found.frames.push(found.end as u32);
        } else {
            found.damaged += 1;
        }
        found.end = start + length;
    }
    found
}

fn head(bytes: &[u8], at: usize) -> Option<(usize, u32)> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    Some((word(at)? as usize, word(at + 4)?))
}

/// The body of a whole record whose frame begins there.
pub(super) fn body(bytes: &[u8], frame: u32) -> &[u8] {
    let at = frame as usize;
    head(bytes, at).and_then(|(length, _)| bytes.get(at + 8..at + 8 + length)).unwrap_or_default()
}

/// What a record with this body takes.
pub(super) fn length(body: &[u8]) -> u64 {
    8 + body.len() as u64
}

/// Appends a record; `write` appends its body.
pub(super) fn append(out: &mut Vec<u8>, write: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(&[0; 8]);
    *out = write(std::mem::take(out));
    let body = &out[at + 8..];
    let (length, check) = (body.len() as u32, crc32fast::hash(body));
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
    out[at + 4..at + 8].copy_from_slice(&check.to_le_bytes());
}
