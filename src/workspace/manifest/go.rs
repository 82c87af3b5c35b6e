//! Go: modules that require each other, by `go.work` or `replace`. Pure.

use super::{Reading, Texts, texts};
use crate::base::RepoPath;
use std::collections::HashMap;

pub(super) fn read(all: &Texts) -> Reading {
    let mut reading = Reading::default();
    let modules: Vec<(RepoPath, &RepoPath, Directives<'_>)> =
        texts(all, "go.mod").map(|(folder, path, text)| (folder, path, directives(text))).collect();
    let mut by_name: HashMap<&str, &RepoPath> = HashMap::new();
    for (folder, _, directives) in &modules {
        let names =
            directives.iter().filter(|(word, _)| *word == "module").filter_map(|(_, args)| args.first().copied());
        by_name.extend(names.map(|name| (name, folder)));
    }
    let works: Vec<(RepoPath, &RepoPath, Directives<'_>)> =
        texts(all, "go.work").map(|(folder, path, text)| (folder, path, directives(text))).collect();
    for (folder, path, directives) in &modules {
        let work = works.iter().find(|(root, _, lines)| {
            let used = lines.iter().filter(|(word, _)| *word == "use").filter_map(|(_, args)| args.first());
            used.filter_map(|at| root.join(at.as_bytes())).any(|used| used == *folder)
        });
        let mut manifests = vec![(*path).clone()];
        manifests.extend(work.map(|(_, path, _)| (*path).clone()));
        reading.packages.push((folder.clone(), manifests));
        let mut replaced = replacements(folder, directives);
        replaced.extend(work.iter().flat_map(|(root, _, lines)| replacements(root, lines)));
        for name in directives.iter().filter(|(word, _)| *word == "require").filter_map(|(_, args)| args.first()) {
            // Without go.work and replace a sibling comes from the proxy; rather one edge too many than one missed.
            let to = replaced.get(name).or_else(|| by_name.get(name).copied());
            reading.edges.extend(to.map(|to| (folder.clone(), to.clone())));
        }
    }
    reading
}

/// `replace a => ../b` and `replace a v1.2.3 => ../b`, where the right side is a folder of the repository.
fn replacements<'a>(folder: &RepoPath, directives: &Directives<'a>) -> HashMap<&'a str, RepoPath> {
    let replace = directives.iter().filter(|(word, _)| *word == "replace");
    let local = replace.filter_map(|(_, args)| {
        let arrow = args.iter().position(|arg| *arg == "=>")?;
        let to = args.get(arrow + 1).filter(|to| to.starts_with("./") || to.starts_with("../"))?;
        Some((*args.first()?, folder.join(to.as_bytes())?))
    });
    local.collect()
}

/// Each line as its directive and the rest, blocks in parentheses flattened.
type Directives<'a> = Vec<(&'a str, Vec<&'a str>)>;

fn directives(text: &str) -> Directives<'_> {
    let (mut found, mut block): (Directives<'_>, Option<&str>) = (Vec::new(), None);
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let mut words = line.split_whitespace().map(|word| word.trim_matches(['"', '`']));
        let Some(first) = words.next() else { continue };
        let rest: Vec<&str> = words.collect();
        match block {
            Some(_) if first == ")" => block = None,
            Some(word) => found.push((word, [&[first], &rest[..]].concat())),
            None if rest.first() == Some(&"(") => block = Some(first),
            None if first.ends_with('(') => block = Some(first.trim_end_matches('(')),
            None => found.push((first, rest)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::workspace::manifest::testing::edges;

    #[test]
    fn required_siblings_and_local_replacements() {
        let api = "module example.org/api // the api\n\ngo 1.22\n\nrequire (\n\texample.org/core v0.0.0\n\t\
                   example.org/fork v1.0.0 // indirect\n\tgolang.org/x/net v0.1.0\n)\n\
                   replace example.org/fork v1.0.0 => ../third_party/fork\n";
        let files = [
            ("go.work", "go 1.22\nuse (\n\t./api\n\t./core\n)\nreplace example.org/q => ./q\n"),
            ("api/go.mod", api),
            ("core/go.mod", "module \"example.org/core\"\nrequire example.org/q v1.0.0\n"),
        ];
        let expected = ["api → core", "api → third_party/fork", "core → q"];
        assert_eq!(edges(super::read, &files), expected);
    }
}
