//! The format of `out/<step>.<attempt>.log`: a step's output as it was interleaved, with times. Pure.
//!
//! The file starts with [`HEADER`]; then records follow: stream (1 byte: 1 stdout, 2 stderr), milliseconds since the
//! attempt began (4 bytes, little-endian), length (4 bytes, little-endian), bytes. A torn last record is dropped.

/// The first bytes of every log; the digit is the format number.
pub const HEADER: &[u8] = b"wflog 1\n";

/// Which stream a record came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where it was printed.
    pub stream: Stream,
    /// Milliseconds since the attempt began.
    pub at_ms: u32,
    /// What was printed.
    pub bytes: &'a [u8],
}

/// Appends a record.
pub fn write(out: &mut Vec<u8>, frame: Frame<'_>) {
    out.push(if frame.stream == Stream::Stdout { 1 } else { 2 });
    out.extend_from_slice(&frame.at_ms.to_le_bytes());
    out.extend_from_slice(&u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(frame.bytes);
}

/// Reads records from `bytes` (after the header, or after an earlier read) and says how many bytes they took. Stops at
/// a record that is torn or no record.
pub fn read(bytes: &[u8]) -> (Vec<Frame<'_>>, usize) {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some(head) = bytes.get(at..at + 9) {
        let word = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
        let stream = match head[0] {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            _ => break,
        };
        let Some(body) = bytes.get(at + 9..at + 9 + word(5) as usize) else { break };
        frames.push(Frame { stream, at_ms: word(1), bytes: body });
        at += 9 + body.len();
    }
    (frames, at)
}

/// All that was printed, streams together, from a whole log file.
pub fn plain(file: &[u8]) -> Vec<u8> {
    let (frames, _) = read(file.strip_prefix(HEADER).unwrap_or(&[]));
    frames.iter().flat_map(|frame| frame.bytes.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_tears_are_dropped(
            records in proptest::collection::vec((any::<bool>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..50)), 0..8),
            cut in 0usize..9,
        ) {
            let frames: Vec<_> = records.iter().map(|(out, at_ms, bytes)| Frame {
                stream: if *out { Stream::Stdout } else { Stream::Stderr }, at_ms: *at_ms, bytes }).collect();
            let mut file = Vec::new();
            for frame in &frames { write(&mut file, *frame); }
            prop_assert_eq!(read(&file), (frames.clone(), file.len()));
            let torn = &file[..file.len().saturating_sub(cut)];
            let (read_back, used) = read(torn);
            prop_assert!(used <= torn.len() && frames.starts_with(&read_back));
        }
    }
}
