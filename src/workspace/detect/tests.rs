//! Detection over small repositories, each as its files.

use super::*;

fn found(files: &[(&str, &str)], kinds: &[ProjectKind]) -> Detected {
    let mut paths: Vec<RepoPath> = files.iter().map(|(path, _)| RepoPath::from(*path)).collect();
    paths.sort();
    let text = |path: &RepoPath| {
        files.iter().find(|(name, _)| RepoPath::from(*name) == *path).map(|(_, text)| (*text).to_owned())
    };
    detect(&paths, &text, kinds)
}

#[test]
#[ignore]
fn real() {
    for entry in std::fs::read_dir("/tmp/repos").unwrap() {
        let dir = entry.unwrap().path();
        let list = std::fs::read_to_string(dir.join(".list")).unwrap();
        let mut files: Vec<RepoPath> = list.lines().map(RepoPath::from).collect();
        files.sort();
        let text = |path: &RepoPath| std::fs::read_to_string(path.under(&dir)).ok();
        let start = std::time::Instant::now();
        let found = detect(&files, &text, &[]);
        std::fs::write(
            format!("/tmp/out/{}.yaml", dir.file_name().unwrap().to_str().unwrap()),
            format!("{}# {:?} {} files\n", found.to_yaml(), start.elapsed(), files.len()),
        )
        .unwrap();
    }
}
