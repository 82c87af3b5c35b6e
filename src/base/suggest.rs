//! "did you mean": the nearest of a few known words. Pure.

/// The candidate most like `word`, if any is near enough to be a slip of the fingers.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (likeness(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate)
}

/// From 0 to 1. In a short word one slip changes so much that the usual measure calls it another word: `rnu` for `run`.
fn likeness(word: &str, candidate: &str) -> f64 {
    let near = strsim::jaro_winkler(word, candidate);
    let one_slip = word.len() > 1 && candidate.len() > 2 && strsim::osa_distance(word, candidate) == 1;
    if one_slip { near.max(0.8) } else { near }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_leaves_strangers_alone() {
        let words = ["build", "test", "lint", "timeout"];
        assert_eq!(nearest("biuld", words), Some("build"));
        assert_eq!(nearest("Timeot", words), Some("timeout"));
        assert_eq!(nearest("deploy", words), None);
        for slip in ["rnu", "rn", "runn", "rum"] {
            assert_eq!(nearest(slip, ["id", "name", "run", "run_on"]), Some("run"), "{slip}");
        }
        assert_eq!(nearest("b", ["a", "c"]), None);
    }
}
