//! Files that somebody made to harm whoever imports them.

use crate::cache_rig::{keep, noise, open};
use crate::git_repo::Scratch;
use std::io::{Read as _, Write as _};
use std::path::Path;
use tar::{EntryType, Header};
use wf::base::{BlobRef, Digest};
use wf::cache::portable::{NotTaken, export, import};
use wf::cache::verify::verify;
use wf::cache::{Limits, Refused};

/// One file of an archive: its name as bytes, what it is, and its content.
struct Part(Vec<u8>, EntryType, Vec<u8>);

fn part(name: &str, bytes: impl AsRef<[u8]>) -> Part {
    Part(name.into(), EntryType::Regular, bytes.as_ref().into())
}

/// The files of a good export.
fn parts(dir: &Path) -> Vec<Part> {
    let (folder, disk, mut actions) = open(&dir.join("good"), Limits::default());
    keep(&disk, &mut actions, "build", 1, &noise(1, 700)).unwrap();
    let mut bytes = Vec::new();
    export(&folder, &actions, &mut bytes).unwrap();
    let mut tar = tar::Archive::new(zstd::Decoder::new(&bytes[..]).unwrap());
    let read = |file: std::io::Result<tar::Entry<'_, _>>| {
        let mut file = file.unwrap();
        let (name, mut bytes) = (file.path_bytes().into_owned(), Vec::new());
        file.read_to_end(&mut bytes).unwrap();
        Part(name, EntryType::Regular, bytes)
    };
    tar.entries().unwrap().map(read).collect()
}

/// Names are written as they are, whatever they say.
fn packed(parts: &[Part]) -> Vec<u8> {
    let mut tar = Vec::new();
    for Part(name, kind, bytes) in parts {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    zstd::encode_all(&tar[..], 0).unwrap()
}

/// Imports into a cache of its own and looks at what that left.
fn imported(scratch: &Scratch, bytes: &[u8], limits: Limits) -> Result<usize, NotTaken> {
    let home = tempfile::tempdir_in(scratch.outside("")).unwrap();
    let dir = home.path().join("a/b/cache");
    let (folder, _, mut actions) = open(&dir, limits);
    let result = import(&folder, &mut actions, bytes);
    let outside = walkdir::WalkDir::new(home.path()).into_iter().map(Result::unwrap);
    let strays: Vec<_> = outside.filter(|file| file.file_type().is_file() && !file.path().starts_with(&dir)).collect();
    assert!(strays.is_empty(), "{strays:?}");
    if dir.join("cas").exists() {
        assert_eq!(verify(&folder).unwrap().wrong, []);
        for file in walkdir::WalkDir::new(dir.join("cas")).into_iter().map(Result::unwrap) {
            assert!(file.file_type().is_dir() || file.file_type().is_file());
            assert!(!file.file_name().as_encoded_bytes().starts_with(b".tmp-"), "{file:?}");
        }
    }
    if result.is_err() {
        assert_eq!(actions.entries().count(), 0, "all or nothing");
    }
    result.map(|copied| copied.entries)
}

fn refused(scratch: &Scratch, parts: &[Part], why: &str) {
    let error = imported(scratch, &packed(parts), Limits::default()).unwrap_err();
    assert!(error.to_string().contains(why), "{error}, not {why}");
}

#[test]
fn a_good_file_is_taken() {
    let scratch = Scratch::new();
    assert_eq!(imported(&scratch, &packed(&parts(&scratch.outside(""))), Limits::default()).unwrap(), 1);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let scratch = Scratch::new();
    let hex = Digest::of_bytes(b"x").to_string();
    let names = [
        "../../evil",
        "/tmp/evil",
        "cas/../../evil",
        "cas/./x",
        "cas",
        "size",
        "format/",
        "cas/ab",
        &format!("cas/{}/../{}", &hex[..2], &hex[2..]),
        &format!("cas/{}//{}", &hex[..2], &hex[2..]),
        &format!("cas/{}/{}", &hex[..3], &hex[3..]),
        &format!("cas/{}/{}", &hex[..2], hex[2..].to_uppercase()),
        &format!("./cas/{}/{}", &hex[..2], &hex[2..]),
        "kept/list",
        "\u{1b}[2J",
    ];
    for name in names {
        let mut parts = parts(&scratch.outside(""));
        parts.insert(1, part(name, "x"));
        let error = imported(&scratch, &packed(&parts), Limits::default()).unwrap_err();
        assert!(matches!(error, NotTaken::Strange(_)), "{name}: {error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let mut parts = parts(&scratch.outside(""));
    parts.insert(1, Part(vec![b'c', 0xff], EntryType::Regular, vec![]));
    refused(&scratch, &parts, "it holds a file called `c\\xff`");
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let scratch = Scratch::new();
    let kinds = [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Char,
        EntryType::Fifo,
        EntryType::GNULongName,
        EntryType::XHeader,
        EntryType::GNUSparse,
    ];
    for kind in kinds {
        let mut parts = parts(&scratch.outside(""));
        parts[1].1 = kind;
        refused(&scratch, &parts, "something else than plain files");
    }
}

#[test]
fn bytes_that_are_not_the_blob_are_refused_and_missing_ones_leave_their_entry_behind() {
    let scratch = Scratch::new();
    let mut wrong = parts(&scratch.outside(""));
    wrong[1].2[0] ^= 1;
    refused(&scratch, &wrong, "a blob is not");
    let mut missing = parts(&scratch.outside(""));
    missing.remove(1);
    assert_eq!(imported(&scratch, &packed(&missing), Limits::default()).unwrap(), 0);
}

#[test]
fn an_order_or_an_index_that_no_export_has_is_refused() {
    let scratch = Scratch::new();
    let good = || parts(&scratch.outside(""));
    let mut first = good();
    first.remove(0);
    refused(&scratch, &first, "not in the order");
    let mut after = good();
    after.push(part("format", "wfcache 1\n"));
    refused(&scratch, &after, "not in the order");
    let mut without = good();
    without.pop();
    refused(&scratch, &without, "ends before its index");
    for at in [0, 9, 30] {
        let mut damaged = good();
        damaged.last_mut().unwrap().2[at] ^= 1;
        refused(&scratch, &damaged, "its index is damaged");
    }
    let mut torn = good();
    torn.last_mut().unwrap().2.pop();
    refused(&scratch, &torn, "its index is damaged");
    let mut newer = good();
    newer[0].2 = b"wfcache 9\n".to_vec();
    refused(&scratch, &newer, "format 9");
    let mut strange = good();
    strange[0].2 = b"hello".to_vec();
    refused(&scratch, &strange, "no format");
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let scratch = Scratch::new();
    let bytes = packed(&parts(&scratch.outside("")));
    for cut in (0..bytes.len() - 1).step_by(7) {
        assert!(imported(&scratch, &bytes[..cut], Limits::default()).is_err(), "cut at {cut}");
    }
    assert!(imported(&scratch, b"PK\x03\x04 no zstd", Limits::default()).is_err());
}

#[test]
fn sizes_are_bounded_before_anything_is_stored() {
    let scratch = Scratch::new();
    let small = Limits { bytes: 300_000, ..Limits::default() };
    // A header that promises more than there is room for.
    let mut parts = parts(&scratch.outside(""));
    let large = vec![0; 400_000];
    let name = Digest::of_bytes(&large).to_string();
    parts.insert(1, part(&format!("cas/{}/{}", &name[..2], &name[2..]), &large));
    let error = imported(&scratch, &packed(&parts), small).unwrap_err();
    let NotTaken::Io(error) = error else { panic!("{error}") };
    assert!(matches!(Refused::of(&error), Some(Refused::Full { .. })), "{error}");
    // Very many bytes in few: the same blob again and again, of which only the first is stored.
    let blob = BlobRef::of(&large);
    let mut bomb = zstd::Encoder::new(Vec::new(), 0).unwrap();
    let mut header = Header::new_ustar();
    let name = format!("cas/{}/{}", &name[..2], &name[2..]);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(EntryType::Regular);
    header.set_size(blob.size);
    header.set_cksum();
    let one = [header.as_bytes(), &large[..], &[0; 384]].concat();
    let mut start = Header::new_ustar();
    start.as_old_mut().name[..6].copy_from_slice(b"format");
    start.set_entry_type(EntryType::Regular);
    start.set_size(10);
    start.set_cksum();
    bomb.write_all(start.as_bytes()).unwrap();
    bomb.write_all(b"wfcache 1\n").unwrap();
    bomb.write_all(&[0; 502]).unwrap();
    for _ in 0..8000 {
        bomb.write_all(&one).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let room = Limits { bytes: 1 << 20, ..Limits::default() };
    let error = imported(&scratch, &bomb, room).unwrap_err();
    assert!(matches!(error, NotTaken::Strange(_)), "{error}");
}
