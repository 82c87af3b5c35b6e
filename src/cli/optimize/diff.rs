//! Two texts that differ by a few lines, as a unified diff that `patch` and `git apply` take.

use std::fmt::Write as _;

/// Unchanged lines that are shown on either side.
const AROUND: usize = 3;
/// After so many lines that were put in, a line is taken for a changed one. What comes out is right in any case.
const AHEAD: usize = 16;

/// A line of both, of the old or of the new text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Both(&'a str),
    Old(&'a str),
    New(&'a str),
}

/// The diff; empty if they are the same.
pub(super) fn unified(name: &str, old: &str, new: &str) -> String {
    let lines = lines(old, new);
    let changed: Vec<usize> = (0..lines.len()).filter(|at| !matches!(lines[*at], Line::Both(_))).collect();
    let mut text = String::new();
    let (mut rest, mut shown_to) = (&changed[..], 0);
    while let Some(&first) = rest.first() {
        let together = rest.windows(2).take_while(|pair| pair[1] - pair[0] <= 2 * AROUND).count();
        let begin = first.saturating_sub(AROUND).max(shown_to);
        let end = (rest[together] + AROUND + 1).min(lines.len());
        if text.is_empty() {
            let _ = writeln!(text, "--- a/{name}\n+++ b/{name}");
        }
        hunk(&mut text, &lines, begin, end);
        (rest, shown_to) = (&rest[together + 1..], end);
    }
    text
}

fn hunk(text: &mut String, lines: &[Line<'_>], begin: usize, end: usize) {
    let count = |lines: &[Line<'_>], old: bool| {
        let other = |line: &&Line<'_>| matches!(line, Line::New(_)) && old || matches!(line, Line::Old(_)) && !old;
        lines.iter().filter(|line| !other(line)).count()
    };
    let place = |old: bool| {
        let (before, len) = (count(&lines[..begin], old), count(&lines[begin..end], old));
        format!("{},{len}", before + usize::from(len > 0))
    };
    let _ = writeln!(text, "@@ -{} +{} @@", place(true), place(false));
    for line in &lines[begin..end] {
        let (mark, line) = match line {
            Line::Both(line) => (' ', line),
            Line::Old(line) => ('-', line),
            Line::New(line) => ('+', line),
        };
        let end = if line.ends_with('\n') { "" } else { "\n\\ No newline at end of file\n" };
        let _ = write!(text, "{mark}{line}{end}");
    }
}

fn lines<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let (mut a, mut b, mut lines) = (0, 0, vec![]);
    while let (Some(was), Some(is)) = (old.get(a), new.get(b)) {
        if was == is {
            lines.push(Line::Both(was));
            (a, b) = (a + 1, b + 1);
        } else if let Some(more) = new[b..].iter().take(AHEAD).position(|line| line == was) {
            lines.extend(new[b..b + more].iter().map(|line| Line::New(line)));
            b += more;
        } else {
            lines.extend([Line::Old(was), Line::New(is)]);
            (a, b) = (a + 1, b + 1);
        }
    }
    lines.extend(old[a..].iter().map(|line| Line::Old(line)));
    lines.extend(new[b..].iter().map(|line| Line::New(line)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hunks_have_their_places() {
        let old: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let new = old.replace("\n2\n", "\n2\nnew\n").replace("\n15\n", "\nother\n");
        assert_eq!(unified("c", &old, &old), "");
        assert_eq!(
            unified("c", &old, &new),
            "--- a/c\n+++ b/c\n@@ -1,5 +1,6 @@\n 1\n 2\n+new\n 3\n 4\n 5\n\
             @@ -12,7 +13,7 @@\n 12\n 13\n 14\n-15\n+other\n 16\n 17\n 18\n"
        );
        assert!(unified("c", "a", "a\nb\n").contains("-a\n\\ No newline at end of file\n+a\n+b\n"));
    }

    proptest! {
        #[test]
        fn both_texts_can_be_had_from_the_lines(old in "([ab]?\n?){0,12}", new in "([ab]?\n?){0,12}") {
            let of = |skip: fn(&Line<'_>) -> bool| -> String {
                lines(&old, &new).iter().filter(|line| !skip(line)).map(|line| match line {
                    Line::Both(line) | Line::Old(line) | Line::New(line) => *line,
                }).collect()
            };
            prop_assert_eq!(of(|line| matches!(line, Line::New(_))), old.clone());
            prop_assert_eq!(of(|line| matches!(line, Line::Old(_))), new.clone());
        }
    }
}
