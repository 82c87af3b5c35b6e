//! Hostile entries, as tables.

use super::*;
use crate::base::BlobRef;
use proptest::prelude::*;

fn globs(patterns: &[&str]) -> GlobSet {
    GlobSet::parse(patterns, &RepoPath::root()).unwrap()
}

fn file(path: &[u8]) -> Output {
    // As it comes out of an entry: nobody trims it.
    let path = postcard::from_bytes(&postcard::to_stdvec(&serde_bytes(path)).unwrap()).unwrap();
    Output { path, kind: OutputKind::File { blob: BlobRef::of(b"x"), executable: false } }
}

/// A path as an entry on disk spells it, whatever [`RepoPath::from_bytes`] would have made of it.
fn serde_bytes(path: &[u8]) -> Vec<u8> {
    path.to_vec()
}

fn refused(outputs: &[Output]) -> Refused {
    check(&globs(&["**"]), outputs).unwrap_err()
}

#[test]
fn paths_that_are_no_plain_paths_are_refused() {
    let bad: &[&[u8]] = &[
        b"",
        b"/",
        b"/etc/passwd",
        b"..",
        b"../x",
        b"a/../../x",
        b"a/..",
        b".",
        b"./a",
        b"a/./b",
        b"a//b",
        b"a/",
        b"a\0b",
        b".git",
        b".git/config",
        b"a/.git/hooks/post-checkout",
        b".GIT/config",
        b".Git",
        b".wf",
        b".wf/cache/x",
        b"a/.WF/x",
        b".git./config",
        b".git /config",
        b".git::$INDEX_ALLOCATION/config",
        b"git~1/config",
        b"GIT~1",
        ".g\u{200c}it/config".as_bytes(),
        "\u{feff}.git/config".as_bytes(),
        ".git\u{200f}".as_bytes(),
    ];
    for path in bad {
        assert!(matches!(refused(&[file(path)]), Refused::Path { .. }), "{}", String::from_utf8_lossy(path));
    }
    assert!(matches!(refused(&[file(&[b'a'; 256])]), Refused::Path { .. }));
    assert!(matches!(refused(&[file("a/".repeat(3000).trim_end_matches('/').as_bytes())]), Refused::Path { .. }));
    let good: &[&[u8]] = &[
        b"a",
        b".gitignore",
        b".github/x",
        b"...",
        b"..a",
        b"a..",
        b"a b",
        b"-rf",
        b"a\n",
        b"\xff\xfe",
        b"git~2",
        b".wfx",
        b"a\\..\\b",
        "\u{e9}".as_bytes(),
    ];
    for path in good {
        assert_eq!(check(&globs(&["**"]), &[file(path)]), Ok(()), "{}", String::from_utf8_lossy(path));
    }
}

#[test]
fn names_that_collide_are_refused() {
    let pairs: &[(&str, &str, &str)] = &[
        ("a", "a", "twice"),
        ("dist/A.js", "dist/a.js", "ignores case"),
        ("Dist/a", "dist/b", "ignores case"),
        ("x/\u{c9}/a", "x/\u{e9}/b", "ignores case"),
        ("stra\u{df}e", "STRASSE", "ignores case"),
        ("\u{17f}", "s", "ignores case"),
        ("\u{212a}", "k", "ignores case"),
        ("\u{3c3}", "\u{3c2}", "ignores case"),
        ("a", "a/b", "cannot hold"),
        ("a", "A/b", "ignores case"),
        ("a/b/c/d", "a/b", "cannot hold"),
    ];
    for (a, b, words) in pairs {
        for (a, b) in [(a, b), (b, a)] {
            let error = refused(&[file(b"zz"), file(a.as_bytes()), file(b.as_bytes())]).to_string();
            assert!(error.contains(words), "{a} {b}: {error}");
        }
    }
    let fine = ["a/b", "a/c", "a-b", "a.b", "ab/c", "a/b.c"].map(|path| file(path.as_bytes()));
    assert_eq!(check(&globs(&["**"]), &fine), Ok(()));
    let folder = Output { path: "a".into(), kind: OutputKind::Folder };
    assert!(matches!(refused(&[folder, file(b"a/b")]), Refused::Clash(..)));
}

#[test]
fn only_declared_places_are_written() {
    let globs = globs(&["dist/**", "!dist/keep/**"]);
    assert_eq!(check(&globs, &[file(b"dist/a")]), Ok(()));
    for path in ["src/a", "dist", "distant/a", "dist/keep/a"] {
        assert_eq!(check(&globs, &[file(path.as_bytes())]), Err(Refused::Undeclared(path.into())), "{path}");
    }
}

#[test]
fn what_no_disk_holds_is_refused() {
    let sized = |size| Output {
        path: RepoPath::from(format!("f{size}").as_str()),
        kind: OutputKind::File {
            blob: BlobRef { digest: crate::base::Digest::of_bytes(b""), size },
            executable: false,
        },
    };
    assert_eq!(refused(&[sized(u64::MAX)]), Refused::TooLarge);
    assert_eq!(refused(&[sized(1), sized(u64::MAX - 1)]), Refused::TooLarge);
    assert_eq!(refused(&vec![file(b"a"); OUTPUTS_MAX + 1]), Refused::TooMany(OUTPUTS_MAX + 1));
    for target in [&b""[..], b"a\0b", &[b'a'; 4096]] {
        let link = Output { path: "l".into(), kind: OutputKind::Symlink { target: target.to_vec() } };
        assert_eq!(refused(&[link]), Refused::Target("l".into()));
    }
}

proptest! {
    /// Whatever bytes come, what passes stays below the root by text.
    #[test]
    fn what_passes_stays_inside(bytes in proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'/'), Just(b'g'), any::<u8>()], 0..12)) {
        let output = file(&bytes);
        if check(&globs(&["**"]), std::slice::from_ref(&output)).is_ok() {
            prop_assert_eq!(RepoPath::root().join(&bytes), Some(output.path));
        }
    }

    /// Paths that pass together are as many places for one who ignores case.
    #[test]
    fn what_passes_together_is_apart(paths in proptest::collection::vec("[abAB]{1,2}(/[abAB]{1,2}){0,2}", 1..5)) {
        let outputs: Vec<_> = paths.iter().map(|path| file(path.as_bytes())).collect();
        let apart = paths.iter().enumerate().all(|(i, a)| paths.iter().enumerate().all(|(j, b)| {
            let (x, y) = (a.to_lowercase(), b.to_lowercase());
            let shared = a.split('/').zip(b.split('/')).take_while(|(a, b)| a.eq_ignore_ascii_case(b));
            i == j || (x != y && !x.starts_with(&format!("{y}/")) && !y.starts_with(&format!("{x}/"))
                && shared.into_iter().all(|(a, b)| a == b))
        }));
        prop_assert_eq!(check(&globs(&["**"]), &outputs).is_ok(), apart);
    }
}
