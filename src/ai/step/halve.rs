//! What is too long for a model, in halves. Pure.

use super::Item;
use crate::ai::prompt::Variables;
use crate::ask::finding::Shown;
use crate::ask::split;
use std::ops::Range;

/// Items that together ask what one asked: half of the files, of the one file or of the diff; of what the templates use, the
/// larger. `None`: there is nothing left to cut.
pub(super) fn halves(item: &Item, about_files: bool, about_diff: bool) -> Option<Vec<Item>> {
    let variables = &item.variables;
    let of_files: usize = variables.files.iter().map(|file| file.content.len()).filter(|_| about_files).sum();
    let of_diff = if about_diff { variables.diff.len() } else { 0 };
    let (files, diff) = (|| by_files(item), || in_parts(item, &variables.diff, |with, part| with.diff = part));
    match (of_files, of_diff) {
        (0, 0) => None,
        (0, _) => diff(),
        (_, 0) => files(),
        _ if of_files >= of_diff => files().or_else(diff),
        _ => diff().or_else(files),
    }
}

fn by_files(item: &Item) -> Option<Vec<Item>> {
    let files = &item.variables.files;
    if files.len() == 1 {
        return in_parts(item, &files[0].content, |with, part| with.files[0].content = part);
    }
    let middle = files.len() / 2;
    let of = |range: Range<usize>| {
        let variables = Variables { files: files[range.clone()].to_vec(), ..item.variables.clone() };
        with(item, variables, &item.shown[range])
    };
    Some(vec![of(0..middle), of(middle..files.len())])
}

/// One text of an item in parts; `put` puts a part in its place.
fn in_parts(item: &Item, text: &str, put: impl Fn(&mut Variables, String)) -> Option<Vec<Item>> {
    let parts = split::parts(text, text.len().div_ceil(2).max(1));
    if parts.len() < 2 {
        return None;
    }
    let of = parts.len();
    let (number, before, first) = item.variables.part.unwrap_or((1, 1, 1));
    let items = parts.iter().enumerate().map(|(i, (line, part))| {
        let mut variables = item.variables.clone();
        variables.part = Some(((number - 1) * of + i + 1, of * before, first + line - 1));
        put(&mut variables, (*part).to_owned());
        with(item, variables, &item.shown)
    });
    Some(items.collect())
}

fn with(item: &Item, variables: Variables, shown: &[Shown]) -> Item {
    Item { file: item.file.clone(), variables, shown: shown.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::prompt::FileText;
    use crate::base::RepoPath;

    fn item(files: &[&str], diff: &str) -> Item {
        let file = |text: &&str| FileText { path: "a".into(), content: (*text).into(), language: "" };
        let shown = files.iter().map(|_| Shown { path: RepoPath::from_bytes(b"a"), lines: 1 }).collect();
        let variables =
            Variables { files: files.iter().map(file).collect(), diff: diff.into(), ..Variables::default() };
        Item { file: None, variables, shown }
    }

    #[test]
    fn parts_of_parts_are_counted_through() {
        let text = "1\n2\n3\n4\n5\n6\n7\n8\n";
        let halved = |items: Vec<Item>| items.iter().flat_map(|item| halves(item, true, false).unwrap()).collect();
        let mut items: Vec<Item> = vec![item(&[text], "")];
        for of in [2, 4, 8] {
            items = halved(items);
            let parts: Vec<_> = items.iter().map(|item| item.variables.part.unwrap()).collect();
            let expected: Vec<_> = (1..=of).map(|number| (number, of, ((number - 1) * 8 / of + 1) as u32)).collect();
            assert_eq!(parts, expected);
        }
    }

    #[test]
    fn what_the_templates_use_is_cut() {
        let diff = "@@ -1 +1 @@\n-a\n+b\n@@ -9 +9 @@\n-c\n+d\n";
        let counts = |item: &Item, about: (bool, bool)| {
            let halves = halves(item, about.0, about.1)?;
            Some(halves.iter().map(|half| (half.variables.files.len(), half.variables.diff.len())).collect::<Vec<_>>())
        };
        let many = item(&["x\n", "y\n"], diff);
        assert_eq!(counts(&many, (false, true)), Some(vec![(2, 18), (2, 18)]));
        assert_eq!(counts(&many, (true, false)), Some(vec![(1, 36), (1, 36)]));
        // Of both, the larger; if that is one line, the other.
        assert_eq!(counts(&many, (true, true)), Some(vec![(2, 18), (2, 18)]));
        assert_eq!(counts(&item(&["x\ny\n"], "one line that is long"), (true, true)).map(|all| all.len()), Some(2));
        assert_eq!(counts(&many, (false, false)), None);
        assert_eq!(counts(&item(&["one line"], ""), (true, false)), None);
    }
}
