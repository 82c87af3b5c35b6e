//! Keeps secrets out of everything wf writes: finds them in a stream of output, also when they come in pieces.
//!
//! What is masked: each value itself, its lines if it has several, and the forms in which programs like to print it:
//! base64 (both alphabets, at every alignment, wrapped or not), URL-encoded, hexadecimal, and escaped as in JSON. What is
//! not: values shorter than [`SHORTEST`] bytes and words such as `true`, whose masking would ruin the output and
//! protect nothing; a secret whose pieces go to standard output and standard error in turn; other encodings.

use super::secret;
use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// Shorter values are not masked.
pub const SHORTEST: usize = 4;

/// Before so many bytes were compared, forms are looked for one by one: to build the search for all at once takes as long, and
/// what only asks for a known answer never gets there.
const FEW: usize = 4 << 20;

/// Knows the secrets of a run. Cheap to clone; what it needs to search is built at the first search.
#[derive(Clone)]
pub struct Masker(Arc<Inner>);

struct Inner {
    /// Sorted, without repetition.
    forms: Vec<Vec<u8>>,
    longest: usize,
    /// By byte: does a form begin with it?
    starts: Vec<bool>,
    search: OnceLock<Option<AhoCorasick>>,
    /// So many bytes were compared with forms one by one, before there was a search for all.
    compared: AtomicUsize,
}

/// Does a form stand in these bytes?
fn holds(bytes: &[u8], form: &[u8]) -> bool {
    form.len() <= bytes.len() && memchr::memmem::find(bytes, form).is_some()
}

impl Default for Masker {
    fn default() -> Self {
        Self::new(vec![])
    }
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masker({} forms)", self.0.forms.len())
    }
}

impl Masker {
    /// Masks these values and their forms.
    pub fn new(values: Vec<Vec<u8>>) -> Self {
        let forms = secret::forms(&values);
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0);
        let mut starts = vec![false; 256];
        for form in &forms {
            starts[usize::from(form[0])] = true;
        }
        Self(Arc::new(Inner { forms, longest, starts, search: OnceLock::new(), compared: AtomicUsize::new(0) }))
    }

    /// Is there anything to mask?
    pub fn is_empty(&self) -> bool {
        self.0.forms.is_empty()
    }

    /// A text without secrets, for events, tails and reports.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// Bytes without secrets. They are taken as a whole: a beginning of a secret at their end stays.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for (from, to) in self.find(bytes) {
            out.extend_from_slice(&bytes[at..from]);
            out.extend_from_slice(MASK.as_bytes());
            at = to;
        }
        out.extend_from_slice(&bytes[at..]);
        out
    }

    /// Does a secret stand in these bytes?
    pub fn finds(&self, bytes: &[u8]) -> bool {
        !self.find(bytes).is_empty()
    }

    /// Bytes of the longest form of a secret: a piece of a stream has to be searched with so many, but one, before it.
    pub fn longest(&self) -> usize {
        self.0.longest
    }

    /// A new stream to mask.
    pub fn stream(&self) -> Stream {
        Stream { masker: self.clone(), held: vec![], told: 0, inside: false }
    }

    /// Where secrets are: sorted, overlapping ones as one.
    fn find(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        if self.0.search.get().is_none() {
            let work = bytes.len().saturating_mul(self.0.forms.len());
            let few = self.0.compared.fetch_add(work, Ordering::Relaxed).saturating_add(work) <= FEW;
            if few && !self.0.forms.iter().any(|form| holds(bytes, form)) {
                return vec![];
            }
        }
        let build = || {
            if self.0.forms.is_empty() {
                return None;
            }
            // Every overlapping match is wanted; a search for the leftmost would leave the end of a second secret.
            AhoCorasick::builder().match_kind(MatchKind::Standard).build(&self.0.forms).ok()
        };
        let Some(search) = self.0.search.get_or_init(build) else { return vec![] };
        if search.find(bytes).is_none() {
            return vec![];
        }
        let mut found: Vec<(usize, usize)> =
            search.find_overlapping_iter(bytes).map(|hit| (hit.start(), hit.end())).collect();
        found.sort_unstable();
        found.dedup_by(|next, last| {
            let overlaps = next.0 < last.1;
            if overlaps {
                last.1 = last.1.max(next.1);
            }
            overlaps
        });
        found
    }

    /// The earliest place from which all the rest may become a secret, and the length of the shortest such.
    fn begun(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let may_begin = |from: &usize| self.0.starts[usize::from(bytes[*from])];
        let first = bytes.len().saturating_sub(self.0.longest.saturating_sub(1));
        (first..bytes.len()).filter(may_begin).find_map(|from| {
            let rest = &bytes[from..];
            let at = self.0.forms.partition_point(|form| form.as_slice() < rest);
            let longer = self.0.forms[at..].iter().take_while(|form| form.starts_with(rest));
            longer.filter(|form| form.len() > rest.len()).map(Vec::len).min().map(|len| (from, len))
        })
    }
}

/// Masks output that comes in pieces. It holds back what may be the beginning of a secret, and nothing more.
pub struct Stream {
    masker: Masker,
    /// The end of what came, which may be the beginning of a secret.
    held: Vec<u8>,
    /// How much of that was passed on all the same (see [`Stream::quiet`]), or lies in a secret found before.
    told: usize,
    /// The last of what was told is part of a secret: if that grows, no second mask is printed.
    inside: bool,
}

impl Stream {
    /// Takes more output; appends to `out` what may be shown.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.masker.is_empty() {
            out.extend_from_slice(bytes);
        } else if self.held.is_empty() {
            let from = self.pass(bytes, out);
            self.held.extend_from_slice(&bytes[from..]);
        } else {
            let mut all = std::mem::take(&mut self.held);
            all.extend_from_slice(bytes);
            let from = self.pass(&all, out);
            all.drain(..from);
            self.held = all;
        }
    }

    /// Does output pass as it is, because there is nothing to mask?
    pub fn is_idle(&self) -> bool {
        self.masker.is_empty()
    }

    /// Is something held back?
    pub fn holds(&self) -> bool {
        self.held.len() > self.told
    }

    /// Nothing came for a while: shows the little that a prompt may end with, if it is too short to tell anything of a
    /// secret. It is not forgotten: should the rest of the secret come, that is masked.
    pub fn quiet(&mut self, out: &mut Vec<u8>) {
        if self.holds() && self.held.len() < SHORTEST {
            out.extend_from_slice(&self.held[self.told..]);
            self.told = self.held.len();
            self.inside = false;
        }
    }

    /// The output has ended: shows what was held back, or masks it if it is half of a secret or more.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let all = std::mem::take(&mut self.held);
        let mut found = self.masker.find(&all);
        let mut at = 0;
        while let Some((from, len)) = self.masker.begun(&all[at..]) {
            let (from, rest) = (at + from, all.len() - at - from);
            if rest >= SHORTEST && rest * 2 >= len {
                found.push((from, all.len()));
                break;
            }
            at = from + 1;
        }
        self.show(&all, &found, all.len(), out);
    }

    /// Shows `all` up to `hold`, but for what is `found`. The first `told` bytes were dealt with before.
    fn show(&mut self, all: &[u8], found: &[(usize, usize)], hold: usize, out: &mut Vec<u8>) {
        let mut at = self.told;
        for &(from, to) in found.iter().filter(|(from, _)| *from < hold) {
            if to <= at {
                continue;
            }
            // A secret that overlaps one already masked is the same mask.
            if from >= at {
                out.extend_from_slice(&all[at..from]);
                out.extend_from_slice(MASK.as_bytes());
            } else if !self.inside {
                out.extend_from_slice(MASK.as_bytes());
            }
            (at, self.inside) = (to, true);
        }
        if at < hold {
            out.extend_from_slice(&all[at..hold]);
            (at, self.inside) = (hold, false);
        }
        self.told = at - hold;
    }

    /// Shows what may be shown of `all`, and says from where on the rest is held back.
    fn pass(&mut self, all: &[u8], out: &mut Vec<u8>) -> usize {
        let hold = self.masker.begun(all).map_or(all.len(), |(from, _)| from);
        let found = self.masker.find(all);
        self.show(all, &found, hold, out);
        hold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn streamed(masker: &Masker, pieces: &[&[u8]], quiet: bool) -> String {
        let (mut stream, mut out) = (masker.stream(), Vec::new());
        for piece in pieces {
            stream.push(piece, &mut out);
            if quiet {
                stream.quiet(&mut out);
            }
        }
        stream.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_secret_in_pieces_is_masked_and_a_prompt_still_shows() {
        let masker = Masker::new(vec![b"sesame-open".to_vec()]);
        assert_eq!(streamed(&masker, &[b"say ses", b"ame-", b"open now"], false), "say *** now");
        assert_eq!(streamed(&masker, &[b"a se"], false), "a se");
        // Most of a secret, cut off by the end.
        assert_eq!(streamed(&masker, &[b"a sesame-o"], false), "a ***");
        let (mut stream, mut out) = (masker.stream(), Vec::new());
        stream.push(b"password: s", &mut out);
        assert_eq!(out, b"password: ");
        stream.quiet(&mut out);
        assert_eq!(out, b"password: s");
        stream.push(b"esame-open!", &mut out);
        assert_eq!(out, b"password: s***!");
        stream.push(b" sesame-", &mut out);
        stream.quiet(&mut out);
        assert!(out.ends_with(b"! "), "a long beginning stays back");
    }

    #[test]
    fn what_is_found_does_not_depend_on_how_much_was_searched() {
        let masker = Masker::new(vec![b"sesame-open".to_vec()]);
        let long = vec![b'x'; FEW / masker.0.forms.len() / 2];
        for round in 0..4 {
            assert!(!masker.finds(&long), "{round}");
            // From the third round on, more was compared than is done form by form.
            assert_eq!(masker.0.search.get().is_some(), round >= 2, "{round}");
        }
        assert!(masker.finds(b"say sesame-open now") && !masker.finds(b"say sesame"));
        let fresh = Masker::new(vec![b"sesame-open".to_vec()]);
        assert!(!fresh.finds(b"sesame") && fresh.0.search.get().is_none());
        assert_eq!(fresh.text("say sesame-open now"), "say *** now");
        assert!(fresh.0.search.get().is_some());
    }

    #[test]
    fn overlapping_secrets_leave_no_rest() {
        let masker = Masker::new(vec![b"abcd1234".to_vec(), b"1234wxyz".to_vec()]);
        assert_eq!(masker.text("<abcd1234wxyz>"), "<***>");
        assert_eq!(streamed(&masker, &[b"<abcd1234", b"wxyz>"], false), "<***>");
        assert_eq!(streamed(&masker, &[b"<abcd1234", b"wxyz>"], true), "<***>");
        assert_eq!(masker.text("nothing"), "nothing");
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_comes_out(
            text in proptest::collection::vec(prop_oneof![
                Just("abcab"), Just("abca"), Just("cabd"), Just("x"), Just("ab"), Just("c"), Just("\n")], 0..12),
            cuts in proptest::collection::vec(0usize..60, 0..6),
        ) {
            let masker = Masker::new(vec![b"abcab".to_vec(), b"cabdab".to_vec(), b"aaaa".to_vec()]);
            let mut whole = text.concat().into_bytes();
            whole.push(b'.');
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            let expected = String::from_utf8_lossy(&masker.bytes(&whole)).into_owned();
            prop_assert_eq!(streamed(&masker, &pieces, false), expected);
            // With pauses a few bytes may show, but never a whole secret.
            let paused = streamed(&masker, &pieces, true);
            for secret in ["abcab", "cabdab", "aaaa"] {
                prop_assert!(!paused.contains(secret), "{}", paused);
            }
        }
    }
}
