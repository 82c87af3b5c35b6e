//! Fact rows as text: a first line with the format, then one block for each run. Pure.
//!
//! A run's own `facts.jsonl` holds one block; a segment in `facts/` holds many. A block that is not whole is no block: with
//! some rows missing, an older pass could hide a newer failure.

use super::facts::{FORMAT, Row, RunFacts};
use crate::base::RunId;

/// How every row of a run starts. Quotes inside of strings are escaped, so no other line contains it.
const RUN: &[u8] = b"\n{\"fact\":\"run\",";

/// The first line.
#[derive(serde::Serialize, serde::Deserialize)]
struct Head {
    format: u32,
}

/// The first line of a file of facts.
pub(super) fn head() -> Vec<u8> {
    format!("{{\"format\":{FORMAT}}}\n").into_bytes()
}

/// The format that a file claims; `None` when it claims none.
pub(super) fn format(text: &[u8]) -> Option<u32> {
    let line = &text[..memchr::memchr(b'\n', text)?];
    serde_json::from_slice::<Head>(line).ok().map(|head| head.format)
}

/// One run's rows as lines.
pub(super) fn lines(rows: &[Row]) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row)?;
        text.push(b'\n');
    }
    Ok(text)
}

/// One run's facts, and where its further rows lie in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    pub facts: RunFacts,
    /// From the first byte of the run's own row to the end of its last row.
    pub range: std::ops::Range<usize>,
}

/// The blocks of a file of facts, in order, without parsing further rows; and how many pieces are torn or damaged.
pub(super) fn blocks(text: &[u8]) -> (Vec<Block>, usize) {
    let starts: Vec<usize> = memchr::memmem::find_iter(text, RUN).map(|at| at + 1).collect();
    let (mut whole, mut bad) = (Vec::new(), 0);
    for (i, &start) in starts.iter().enumerate() {
        let limit = starts.get(i + 1).copied().unwrap_or(text.len());
        let piece = block_in(&text[start..limit]);
        // What follows a whole block, before the next begins, is the torn start of another.
        bad += usize::from(piece.as_ref().is_none_or(|(_, end)| start + end < limit));
        whole.extend(piece.map(|(facts, end)| Block { facts, range: start..start + end }));
    }
    (whole, bad)
}

/// The block at the start of a text, if it is whole, and where it ends.
fn block_in(text: &[u8]) -> Option<(RunFacts, usize)> {
    let mut ends = memchr::memchr_iter(b'\n', text);
    let first = ends.next()?;
    let Ok(Row::Run(facts)) = serde_json::from_slice(&text[..first]) else { return None };
    let last = if facts.rows == 0 { first } else { ends.nth(facts.rows - 1)? };
    Some((facts, last + 1))
}

/// How a run's own row starts, and where in it the longest part begins, which stands last. Neither can stand inside of a string,
/// where quotes are escaped.
const OWN: &[u8] = b"{\"fact\":\"run\",";
const CIRCUMSTANCES: &[u8] = b",\"circumstances\":{";

/// A run's facts from its own row, without its circumstances, if it has any: they take most of the time, and who looks for
/// evidence asks for none.
pub(super) fn facts(row: &[u8]) -> Option<RunFacts> {
    let row = row.strip_prefix(OWN)?;
    let end = memchr::memmem::find(row, CIRCUMSTANCES).map_or(row.len().checked_sub(1)?, |at| at);
    serde_json::from_slice(&[b"{", &row[..end], b"}"].concat()).ok()
}

/// The rows that follow a block's first.
pub(super) fn further(text: &[u8]) -> serde_json::Result<Vec<Row>> {
    text.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty()).map(serde_json::from_slice).collect()
}

/// The block of one run.
pub(super) fn of_run(text: &[u8], run: &RunId) -> Option<Block> {
    blocks(text).0.into_iter().find(|block| block.facts.run == *run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples;

    fn block(run: &str, rows: usize) -> Vec<u8> {
        let mut all = vec![Row::Run(RunFacts { rows, ..samples::facts(run) })];
        all.extend((0..rows).map(|i| samples::attempt(&format!("s{i}"), true)));
        lines(&all).unwrap()
    }

    #[test]
    fn a_runs_own_row_is_read_without_its_circumstances() {
        let about = crate::predict::Circumstances {
            files: 3,
            paths: vec!["a,\"circumstances\":{".into()],
            ..Default::default()
        };
        let whole = RunFacts { branch: Some(",\"circumstances\":{}".into()), ..samples::facts("a") };
        let with = RunFacts { circumstances: Some(about), ..whole.clone() };
        for told in [&whole, &with] {
            let row = lines(&[Row::Run(told.clone())]).unwrap();
            assert_eq!(facts(row.trim_ascii_end()).as_ref(), Some(&whole));
        }
        for row in [&b""[..], b"{", b"{}", OWN, b"{\"fact\":\"attempt\",\"step\":\"a\"}"] {
            assert_eq!(facts(row), None);
        }
    }

    #[test]
    fn a_torn_block_costs_only_itself_wherever_it_is_cut() {
        let (first, torn, third) = (block("a", 2), block("b", 3), block("c", 0));
        let names = |text: &[u8]| blocks(text).0.into_iter().map(|block| block.facts.run.0).collect::<Vec<_>>();
        for cut in 0..torn.len() {
            let text = [&head(), &first[..], &torn[..cut]].concat();
            assert_eq!(names(&text), ["a"], "cut at {cut}");
            let (found, bad) = blocks(&text);
            assert_eq!(bad > 0, cut > 0, "cut at {cut}");
            assert_eq!(further(&text[found[0].range.clone()]).unwrap().len(), 2);
        }
        let last_line = torn.len() - 1 - memchr::memrchr(b'\n', &torn[..torn.len() - 1]).unwrap();
        for cut in 1..torn.len() - last_line {
            let text = [&head(), &first[..], &torn[..cut], b"\n", &third].concat();
            assert_eq!(names(&text), ["a", "c"], "cut at {cut}");
        }
        assert_eq!(names(&[&head(), &first[..], &torn, &third].concat()), ["a", "b", "c"]);
        assert_eq!(format(&head()), Some(FORMAT));
        assert_eq!((format(b"{}\n"), format(b"{\"format\":1}"), format(b"")), (None, None, None));
    }
}
