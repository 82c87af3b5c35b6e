//! Blobs come back as they were put, or not at all.

use super::fakes::{Broken, Lying, Slow};
use super::*;
use crate::cache::{CachePlace, Folder, Limits, sweep, used};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

fn disk_in(dir: &Path, limits: Limits) -> Disk {
    let place = CachePlace { dir: dir.join("cache"), chosen: true };
    let (folder, problem) = Folder::open(&place, limits, 1_700_000_000_000);
    assert_eq!(problem, None);
    Disk::new(&folder)
}

fn disk() -> (tempfile::TempDir, Disk) {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk_in(dir.path(), Limits::default());
    (dir, disk)
}

fn put(store: &impl Store, bytes: &[u8]) -> BlobRef {
    let blob = BlobRef::of(bytes);
    store.put(&blob, &mut &*bytes).unwrap();
    blob
}

fn get(store: &impl Store, blob: &BlobRef) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    store.get(blob).unwrap()?.read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

/// Every file in the store, by name.
fn files(dir: &Path) -> Vec<String> {
    let all = walkdir::WalkDir::new(dir.join("cache/cas")).into_iter().map(Result::unwrap);
    all.filter(|file| file.file_type().is_file()).map(|file| file.file_name().to_str().unwrap().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_put_comes_back(blobs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..5000), 1..6)) {
        let (_dir, disk) = disk();
        for bytes in &blobs {
            let blob = put(&disk, bytes);
            prop_assert_eq!(disk.add(blob.size, &mut &bytes[..]).unwrap(), blob, "one pass gives the same");
        }
        for bytes in &blobs {
            prop_assert_eq!(&get(&Verified::new(disk.clone()), &BlobRef::of(bytes)).unwrap(), bytes);
        }
    }
}

/// Its first read is when somebody else counts everything.
struct Counted<'a>(&'a Disk, Option<u64>);

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.1.is_none() {
            sweep::sweep(&self.0.folder, &sweep::Request::default())?;
            self.1 = Some(used(&self.0.folder)?);
        }
        into.fill(b'x');
        Ok(into.len())
    }
}

#[test]
fn what_is_half_written_counts_whole() {
    let (_dir, disk) = disk();
    let mut reader = Counted(&disk, None);
    // One byte too many: it is refused in the end, and takes nothing any more.
    assert!(disk.add(100_000, &mut reader).is_err());
    assert!(reader.1.unwrap() > 100_000, "{:?}", reader.1);
    assert!(used(&disk.folder).unwrap() < 50_000);
    let mut reader = Counted(&disk, None);
    disk.add(100_000, &mut io::Read::take(&mut reader, 100_000)).unwrap();
    assert!(reader.1.unwrap() > 100_000);
    let all = used(&disk.folder).unwrap();
    assert!((100_000..150_000).contains(&all), "counted once: {all}");
}

#[test]
fn large_blobs_take_several_reads() {
    let (_dir, disk) = disk();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let blob = put(&disk, &bytes);
    assert_eq!(get(&Verified::new(disk), &blob).unwrap(), bytes);
}

#[test]
fn other_bytes_are_refused_and_leave_nothing() {
    let (dir, disk) = disk();
    let blob = BlobRef::of(b"right");
    for wrong in [&b"wrong"[..], b"righ", b"right!", b""] {
        let error = disk.put(&blob, &mut &*wrong).unwrap_err();
        assert_eq!(Refused::of(&error), Some(&Refused::NotTheBlob));
    }
    assert!(disk.add(4, &mut &b"right"[..]).is_err() && disk.add(6, &mut &b"right"[..]).is_err());
    let broken = Slow { bytes: b"right", breaks_at: 3 };
    assert!(disk.put(&blob, &mut broken.get(&blob).unwrap().unwrap()).is_err());
    assert_eq!(files(dir.path()), [""; 0]);
    assert_eq!(get(&disk, &blob), None);
    let slow = Slow { bytes: b"right", breaks_at: 9 };
    disk.put(&blob, &mut slow.get(&blob).unwrap().unwrap()).unwrap();
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn a_blob_that_is_there_is_not_written_again_and_a_torn_one_is_replaced() {
    use std::os::unix::fs::MetadataExt as _;
    let (dir, disk) = disk();
    let blob = put(&disk, b"some bytes");
    let inode = || disk.path_of(&blob).metadata().unwrap().ino();
    let first = inode();
    disk.put(&blob, &mut &b"not even read"[..]).unwrap();
    assert_eq!(inode(), first);
    std::fs::write(disk.path_of(&blob), "torn").unwrap();
    assert_eq!(get(&disk, &blob), None, "a wrong size is no blob");
    put(&disk, b"some bytes");
    assert_eq!((get(&disk, &blob).unwrap(), files(dir.path()).len()), (b"some bytes".to_vec(), 1));
}

#[test]
fn a_wrong_blob_counts_as_missing_and_is_forgotten() {
    let (dir, disk) = disk();
    let (good, bad) = (put(&disk, b"good"), put(&disk, b"bad!"));
    std::fs::write(disk.path_of(&bad), "BAD!").unwrap();
    assert_eq!(get(&Verified::new(disk.clone()), &bad), None);
    assert_eq!(files(dir.path()).len(), 2, "looking alone changes nothing");
    let forgetting = Verified::forgetting(disk.clone());
    assert_eq!((get(&forgetting, &bad), get(&forgetting, &good)), (None, Some(b"good".to_vec())));
    assert_eq!(files(dir.path()).len(), 1);
    disk.forget(&good).unwrap();
    assert_eq!(get(&disk, &good).unwrap(), b"good", "a right one stays");
    put(&disk, b"bad!");
    assert_eq!(get(&forgetting, &bad).unwrap(), b"bad!");
}

#[test]
fn devices_pipes_and_symlinks_are_no_blobs() {
    let (dir, disk) = disk();
    let blob = put(&disk, b"x");
    let path = disk.path_of(&blob);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(dir.path().join("elsewhere"), "x").unwrap();
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
    assert!(disk.get(&blob).map_or(true, |found| found.is_none()));
    put(&disk, b"x");
    assert!(path.symlink_metadata().unwrap().is_file(), "replaced, and not written through");
    assert_eq!(std::fs::read(dir.path().join("elsewhere")).unwrap(), b"x");
}

#[test]
fn a_symlinked_folder_of_blobs_is_not_written_through() {
    let (dir, disk) = disk();
    put(&disk, b"first");
    let blob = BlobRef::of(b"second");
    let fan = disk.path_of(&blob).parent().unwrap().to_owned();
    let elsewhere = dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &fan).unwrap();
    assert!(disk.put(&blob, &mut &b"second"[..]).is_err());
    assert_eq!(elsewhere.read_dir().unwrap().count(), 0);
}

#[test]
fn a_store_that_errs_or_lies_is_a_miss() {
    let (_dir, disk) = disk();
    let blob = BlobRef::of(b"true");
    assert_eq!(get(&Verified::new(Lying(b"false")), &blob), None);
    assert_eq!(get(&Verified::new(Lying(b"lies")), &blob), None);
    assert!(Verified::new(Broken).get(&blob).is_err());
    assert!(Verified::new(Slow { bytes: b"true", breaks_at: 2 }).get(&blob).is_err());
    assert_eq!(bytes(&Lying(b"lies"), &blob, 100).unwrap(), None);
    assert_eq!(bytes(&Lying(b"true"), &blob, 3).unwrap(), None, "larger than asked for");
    assert_eq!(bytes(&Slow { bytes: b"true", breaks_at: 9 }, &blob, 4).unwrap().unwrap(), b"true");
    // A near store that is broken costs nothing but time; a far one that is broken is told.
    put(&disk, b"true");
    let far = Layered::new(Broken, disk.clone());
    assert_eq!(get(&far, &blob).unwrap(), b"true");
    far.put(&blob, &mut &b"true"[..]).unwrap();
    let near = Layered::new(disk.clone(), Broken);
    assert_eq!(get(&near, &blob).unwrap(), b"true");
    assert!(near.put(&blob, &mut &b"true"[..]).is_err());
    assert!(near.get(&BlobRef::of(b"other")).is_err());
    // A lie from afar is not kept nearby.
    let lied = BlobRef::of(b"asked");
    let _ = Layered::new(disk.clone(), Lying(b"told!")).get(&lied).unwrap();
    assert_eq!(get(&disk, &lied), None);
}

#[test]
fn a_near_store_is_filled_from_the_far_one() {
    let ((_a, near), (_b, far)) = (disk(), disk());
    let blob = put(&far, b"from afar");
    let layered = Layered::new(near.clone(), ReadOnly(far.clone()));
    assert_eq!(get(&layered, &blob).unwrap(), b"from afar");
    assert_eq!(get(&near, &blob).unwrap(), b"from afar");
    let new = put(&layered, b"new");
    assert_eq!((get(&near, &new), get(&far, &new)), (Some(b"new".to_vec()), None), "the far one is only read");
}

#[test]
fn a_full_cache_is_told_and_leaves_nothing() {
    struct Endless;
    impl Read for Endless {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            buf.fill(7);
            Ok(buf.len())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let disk = disk_in(dir.path(), Limits { bytes: 100_000, ..Limits::default() });
    let error = disk.add(1 << 40, &mut Endless).unwrap_err();
    assert!(matches!(Refused::of(&error), Some(Refused::Full { limit: 100_000, .. })), "{error}");
    assert_eq!(files(dir.path()), [""; 0]);
    put(&disk, b"there is room again");
}

#[test]
fn opening_writes_nothing_and_a_newer_cache_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let place = crate::cache::cache_place(dir.path(), None);
    let open = || Folder::open(&place, Limits::default(), 1);
    let disk = Disk::new(&open().0);
    assert_eq!(get(&disk, &BlobRef::of(b"x")), None);
    assert!(!place.dir.exists());
    put(&disk, b"x");
    assert_eq!(std::fs::read(place.dir.join(".gitignore")).unwrap(), b"*\n");
    std::fs::write(place.dir.join("format"), "9\n").unwrap();
    let (folder, problem) = open();
    assert!(matches!(problem, Some(crate::cache::Problem::Newer { found: 9, .. })), "{problem:?}");
    let newer = Disk::new(&folder);
    assert_eq!(get(&newer, &BlobRef::of(b"x")), None, "its files may mean something else");
    let error = newer.put(&BlobRef::of(b"y"), &mut &b"y"[..]).unwrap_err();
    assert!(matches!(Refused::of(&error), Some(Refused::Unusable(_))), "{error}");
}

#[test]
fn a_folder_of_somebody_else_is_not_taken_and_symlinks_are_a_persons_own() {
    use crate::cache::Problem;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("thesis.tex"), "").unwrap();
    let chosen = CachePlace { dir: dir.path().into(), chosen: true };
    let (folder, problem) = Folder::open(&chosen, Limits::default(), 1);
    assert!(matches!(problem, Some(Problem::Foreign { .. })), "{problem:?}");
    assert!(Disk::new(&folder).put(&BlobRef::of(b""), &mut &b""[..]).is_err());
    assert_eq!(dir.path().read_dir().unwrap().count(), 1);

    let (state, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(target.path(), state.path().join("cache")).unwrap();
    let place = crate::cache::cache_place(state.path(), None);
    assert!(matches!(Folder::open(&place, Limits::default(), 1).1, Some(Problem::Symlink { .. })));
    let chosen = CachePlace { chosen: true, ..place };
    let (folder, problem) = Folder::open(&chosen, Limits::default(), 1);
    assert_eq!(problem, None);
    put(&Disk::new(&folder), b"x");
    assert!(target.path().join("cas").is_dir());
}

#[test]
fn threads_put_the_same_blobs_at_once() {
    let (dir, disk) = disk();
    let disk = Arc::new(disk);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let disk = Arc::clone(&disk);
            scope.spawn(move || {
                for i in 0..40_u32 {
                    put(&disk, &i.to_le_bytes().repeat(100));
                }
            });
        }
    });
    assert_eq!(files(dir.path()).len(), 40);
    let place = CachePlace { dir: dir.path().join("cache"), chosen: true };
    let used = crate::cache::size::used(&Folder::open(&place, Limits::default(), 1).0).unwrap();
    let fans = dir.path().join("cache/cas").read_dir().unwrap().count() as u64;
    assert_eq!(used, 40 * crate::cache::size::cost(400) + fans * crate::cache::size::FOLDER);
}
