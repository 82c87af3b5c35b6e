//! A text in parts, where a model's context is too short for all of it. Pure.

/// Cuts a text into parts of at most `most` bytes each: at the hunks of a diff if there are any, else between paragraphs, else
/// between lines. A single line that is longer is a part of its own. Together the parts are the text, each with the number of
/// its first line, from 1.
pub fn parts(text: &str, most: usize) -> Vec<(u32, &str)> {
    let mut parts = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let cut = cut(rest, most.max(1));
        let (part, after) = rest.split_at(cut);
        parts.push((line, part));
        line += part.matches('\n').count() as u32;
        rest = after;
    }
    parts
}

/// Where the first part ends.
fn cut(text: &str, most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    let starts = || text.match_indices('\n').map(|(at, _)| at + 1).take_while(|at| *at <= most);
    let begins = |mark: &str| starts().filter(|at| text[*at..].starts_with(mark)).last();
    let file = begins("diff --git ");
    let hunk = || begins("@@ ");
    let paragraph = || starts().filter(|at| text[*at..].starts_with('\n')).last().map(|at| at + 1);
    let found = file.or_else(hunk).or_else(paragraph).or_else(|| starts().last());
    found.filter(|at| *at > 0).unwrap_or_else(|| text.find('\n').map_or(text.len(), |at| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_cut_where_a_reader_would_cut() {
        let diff = "diff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b\ndiff --git a/y b/y\n@@ -1 +1 @@\n-c\n+d\n";
        let cut: Vec<_> = parts(diff, 50).iter().map(|(line, part)| (*line, part.lines().next().unwrap())).collect();
        assert_eq!(cut, [(1, "diff --git a/x b/x"), (5, "diff --git a/y b/y")]);
        assert_eq!(parts("one\n\ntwo\nthree\n", 12), [(1, "one\n\n"), (3, "two\nthree\n")]);
        assert_eq!(parts("a\nb\nc\n", 4), [(1, "a\nb\n"), (3, "c\n")]);
        assert_eq!(parts("long line\nx", 3), [(1, "long line\n"), (2, "x")]);
    }

    proptest! {
        /// Nothing is lost, every part is small or one line.
        #[test]
        fn the_parts_are_the_text(text in "[ab@ \n]{0,80}", most in 1_usize..30) {
            let cut = parts(&text, most);
            prop_assert_eq!(cut.iter().map(|(_, part)| *part).collect::<String>(), text.clone());
            for (_, part) in cut {
                prop_assert!(part.len() <= most + 1 || part.trim_end_matches('\n').matches('\n').count() == 0, "{part:?}");
            }
        }
    }
}
