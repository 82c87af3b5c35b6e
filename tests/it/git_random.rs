//! Random edits to real repositories: what wf sees must be what git itself reports, path by path and layer by layer.

use super::git_repo::Scratch;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use wf::base::RepoPath;
use wf::change::ChangedFile;
use wf::git::Mode;

type Paths = BTreeSet<RepoPath>;

const NAMES: &[&str] = &[
    "a",
    "b.txt",
    "c.log",
    "dir",
    "sub",
    "target",
    "gen",
    "Makefile",
    "makefile",
    "é",
    "sp ace",
    "new\nline",
    "t\tab",
    "*star",
    "q?",
    "[b]",
    "-dash",
    ".hidden",
    "#hash",
    "!bang",
    "trail ",
    "back\\slash",
    "a.b",
    "a0",
    "ab",
    "dir.d",
];

const RULES: &[&str] = &[
    "target/",
    "*.log",
    "!c.log",
    "/gen",
    "gen/*",
    "!gen/a",
    "**/sub",
    "sub/**",
    "a?",
    "[a-c].txt",
    "[!a]b",
    "\\#hash",
    "\\!bang",
    "trail\\ ",
    "dir/*.txt",
    "*",
    "!*/",
    "!b.txt",
    "# comment",
    "",
    "back\\\\slash",
    "/dir/",
    "dir/sub",
    "*.d",
    "\\*star",
    "q\\?",
    "[[]b]",
    "[[:alpha:]].log",
    "!/a",
    "**",
    "dir/**/a",
    "a/**",
    "é",
    "sp ace  ",
    "new*",
];

/// SplitMix64: the same edits for the same seed, on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    fn path(&mut self) -> PathBuf {
        (0..=self.roll(3)).map(|_| self.pick(NAMES)).collect()
    }
}

/// One random edit. Most may fail (a file is in the way, nothing to move): then nothing happened, which is fine.
fn edit(git: &Scratch, dice: &mut Dice, log: &mut Vec<String>) {
    let (one, two) = (dice.path(), dice.path());
    let (here, there) = (git.root.join(&one), git.root.join(&two));
    let text = format!("{}\n", dice.roll(5)).repeat(dice.roll(4));
    let run = |args: &[&str]| {
        let _ = git.command(&git.root, "git").env("GIT_LITERAL_PATHSPECS", "1").args(args).output().unwrap();
    };
    let one = one.to_str().unwrap();
    let what = dice.roll(24);
    match what {
        0..=5 => {
            let _ = fs::create_dir_all(here.parent().unwrap());
            let _ = fs::write(&here, text);
        }
        6 => drop(fs::remove_file(&here)),
        7 if dice.roll(3) == 0 => drop(fs::remove_dir_all(&here)),
        8 | 9 => {
            let _ = fs::create_dir_all(there.parent().unwrap());
            let _ = fs::rename(&here, &there);
        }
        10 => drop(std::os::unix::fs::symlink(&two, &here)),
        11 => {
            use std::os::unix::fs::PermissionsExt;
            let mode = if dice.roll(2) == 0 { 0o755 } else { 0o644 };
            if here.is_file() && !here.is_symlink() {
                let _ = fs::set_permissions(&here, fs::Permissions::from_mode(mode));
            }
        }
        12 | 13 => {
            let rules: Vec<_> = (0..dice.roll(4)).map(|_| dice.pick(RULES)).collect();
            let folder = if dice.roll(2) == 0 { git.root.clone() } else { here };
            let _ = fs::create_dir_all(&folder);
            let _ = fs::write(folder.join(".gitignore"), rules.join("\n"));
        }
        14 | 15 => run(&["add", "--all"]),
        16 => run(&["add", "--force", one]),
        17 => run(&["commit", "--quiet", "--all", "--message", "some"]),
        18 => run(&["rm", "--quiet", "--cached", "-r", one]),
        19 => run(&["add", "--intent-to-add", one]),
        20 => run(&["update-index", ["--assume-unchanged", "--no-assume-unchanged"][dice.roll(2)], one]),
        21 => run(&["update-index", ["--skip-worktree", "--no-skip-worktree"][dice.roll(2)], one]),
        22 => run(&["update-index", "--index-version", ["2", "4"][dice.roll(2)]]),
        23 if dice.roll(4) == 0 => {
            run(&["init", "--quiet", one]);
        }
        _ => run(&["reset", "--quiet"]),
    }
    log.push(format!("{what} {one:?} {}", two.to_string_lossy().escape_debug()));
}

fn split(output: &[u8]) -> Paths {
    output.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(RepoPath::from_bytes).collect()
}

fn ask(git: &Scratch, args: &[&str]) -> Vec<u8> {
    let output = git.command(&git.root, "git").arg("--no-optional-locks").args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What git says: staged, unstaged, untracked.
fn status(git: &Scratch) -> (Paths, Paths, Paths) {
    let (mut staged, mut unstaged, mut untracked) = (Paths::new(), Paths::new(), Paths::new());
    let output = ask(git, &["status", "--porcelain=v2", "-z", "-uall", "--no-renames"]);
    for line in output.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let mut fields = line.splitn(9, |byte| *byte == b' ');
        match line[0] {
            b'?' => drop(untracked.insert(RepoPath::from_bytes(&line[2..]))),
            b'1' => {
                let xy = fields.nth(1).unwrap();
                let path = RepoPath::from_bytes(fields.nth(6).unwrap());
                if xy[0] != b'.' {
                    staged.insert(path.clone());
                }
                if xy[1] != b'.' {
                    unstaged.insert(path);
                }
            }
            _ => panic!("unexpected line {:?}", String::from_utf8_lossy(line)),
        }
    }
    (staged, unstaged, untracked)
}

fn compare(git: &Scratch, base: &str, story: &str) {
    let changes = git.changes(Some(base));
    let seen = |keep: fn(&ChangedFile) -> bool| -> Paths {
        changes.files.iter().filter(|file| keep(file)).map(|file| file.path.clone()).collect()
    };
    let both_sides: Paths =
        changes.files.iter().flat_map(|f| [Some(f.path.clone()), f.from.clone()]).flatten().collect();
    let (staged, unstaged, untracked) = status(git);
    let committed = split(&ask(git, &["diff-tree", "-r", "-z", "--name-only", "--no-renames", base, "HEAD"]));
    assert_eq!(seen(|file| file.seen.untracked), untracked, "untracked {story}");
    assert_eq!(seen(|file| file.seen.unstaged), unstaged, "unstaged {story}");
    let all: Paths = [&staged, &unstaged, &untracked, &committed].into_iter().flatten().cloned().collect();
    assert_eq!(both_sides, all, "all {story}");
    let only_staged = git.open().changes(None, Mode::StagedOnly).unwrap().files;
    let both_sides: Paths = only_staged.iter().flat_map(|f| [Some(f.path.clone()), f.from.clone()]).flatten().collect();
    assert_eq!(both_sides, staged, "staged {story}");

    // Every ignored file is below something unseen, and nothing unseen hides a file that is not ignored.
    let hidden: Paths = split(&ask(git, &["ls-files", "-v", "-z"]))
        .iter()
        .filter(|line| line.as_bytes()[0].is_ascii_lowercase() || line.as_bytes()[0] == b'S')
        .map(|line| RepoPath::from_bytes(&line.as_bytes()[2..]))
        .collect();
    let ignored = split(&ask(git, &["ls-files", "-z", "--others", "--ignored", "--exclude-standard"]));
    let covers = |path: &RepoPath| changes.unseen.iter().any(|unseen| path.is_in(&unseen.path));
    for path in ignored.iter().chain(&hidden) {
        assert!(covers(path), "{path} is ignored but not unseen {story}");
    }
    for path in &all {
        assert!(!covers(path) || hidden.contains(path) || !untracked.contains(path), "{path} is unseen {story}");
    }
    let unseen: Paths =
        changes.unseen.iter().map(|unseen| unseen.path.clone()).filter(|path| !hidden.contains(path)).collect();
    let repo = git.open();
    for path in unseen.iter().filter(|path| !path.under(&git.root).is_dir() || path.under(&git.root).is_symlink()) {
        assert!(ignored.contains(path), "{path} is unseen but not ignored {story}");
        assert!(repo.is_ignored(path), "{path}: is_ignored {story}");
    }
    let mut files = split(&ask(git, &["ls-files", "-z", "--cached"]));
    let here = |path: &Path| path.symlink_metadata().is_ok_and(|about| !about.is_dir() || path.join(".git").exists());
    files.retain(|path| here(&path.under(&git.root)));
    files.extend(untracked);
    let ours: Paths = repo.files().unwrap().into_iter().collect();
    assert_eq!(ours, files, "files {story}");
    let (with_listing, listing) = repo.changes_and_listing(Some(base), Mode::All).unwrap();
    assert_eq!(with_listing, changes, "{story}");
    let listed: Vec<_> = listing.files.iter().map(|file| file.path.clone()).collect();
    assert_eq!(listed, files.into_iter().collect::<Vec<_>>(), "listed {story}");
    listing.files.iter().for_each(|file| super::git_listing::is_as_the_file_system_says(git, file));
}

#[test]
fn random_edits_look_to_wf_as_they_look_to_git() {
    let seeds = option_env!("WF_RANDOM_SEEDS").map_or(0..6, |seeds| {
        let (from, to) = seeds.split_once("..").unwrap();
        from.parse().unwrap()..to.parse().unwrap()
    });
    for seed in seeds {
        let (mut dice, mut log) = (Dice(seed), vec![]);
        let git = Scratch::seeded();
        let base = git.git(&["rev-parse", "HEAD"]);
        for round in 0..12 {
            for _ in 0..8 {
                edit(&git, &mut dice, &mut log);
            }
            compare(&git, &base, &format!("(seed {seed}, round {round}): {log:#?}"));
        }
    }
}
