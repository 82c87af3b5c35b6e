//! Whether an entry's outputs may be put anywhere at all. Looks at nothing but the entry and the step's globs, so that
//! everything hostile is refused before anything is written.

use crate::base::{GlobSet, RepoPath};
use crate::cache::{Output, OutputKind};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

/// More things than any step makes.
pub const OUTPUTS_MAX: usize = 1_000_000;
/// Longer than file systems take.
const PATH_MAX: usize = 4096;
const NAME_MAX: usize = 255;
/// More bytes than any disk holds: sums must not wrap round.
const BYTES_MAX: u64 = 1 << 50;

/// Why an entry is not restored, or outputs are not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// More outputs than anybody makes.
    #[error("{0} outputs; at most {OUTPUTS_MAX}")]
    TooMany(usize),
    /// More bytes than any disk holds.
    #[error("the outputs claim more bytes than any disk holds")]
    TooLarge,
    /// A path that is no plain path below the root.
    #[error("`{path}` {why}")]
    Path {
        /// The path.
        path: RepoPath,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The step does not declare it.
    #[error("`{0}` is not among the step's declared outputs")]
    Undeclared(RepoPath),
    /// Named twice.
    #[error("`{0}` is there twice")]
    Twice(RepoPath),
    /// The same name where file systems ignore case.
    #[error("`{0}` and `{1}` are one name on a file system that ignores case")]
    Case(RepoPath, RepoPath),
    /// A file, symlink or empty folder with something below it.
    #[error("`{0}` cannot hold `{1}`")]
    Clash(RepoPath, RepoPath),
    /// A symlink whose target no file system takes.
    #[error("the symlink `{0}` has a target that no file system takes")]
    Target(RepoPath),
}

/// Refuses outputs that are not what a step could have made in the places it declares.
pub fn check(globs: &GlobSet, outputs: &[Output]) -> Result<(), Refused> {
    if outputs.len() > OUTPUTS_MAX {
        return Err(Refused::TooMany(outputs.len()));
    }
    let mut bytes = 0_u64;
    for output in outputs {
        path(&output.path)?;
        if !globs.is_match(&output.path) {
            return Err(Refused::Undeclared(output.path.clone()));
        }
        match &output.kind {
            OutputKind::File { blob, .. } => {
                bytes = bytes.checked_add(blob.size).filter(|sum| *sum <= BYTES_MAX).ok_or(Refused::TooLarge)?;
            }
            OutputKind::Symlink { target } if target.is_empty() || target.len() >= PATH_MAX || target.contains(&0) => {
                return Err(Refused::Target(output.path.clone()));
            }
            OutputKind::Symlink { .. } | OutputKind::Folder => {}
        }
    }
    names(outputs)
}

/// Refuses what is no plain path below the root, and places that belong to git and to wf.
pub fn path(path: &RepoPath) -> Result<(), Refused> {
    let bytes = path.as_bytes();
    let wrong = |why| Err(Refused::Path { path: path.clone(), why });
    match bytes {
        [] => return wrong("is the root itself"),
        [b'/', ..] => return wrong("is absolute"),
        _ if bytes.len() >= PATH_MAX => return wrong("is too long"),
        _ if bytes.contains(&0) => return wrong("has a NUL in it"),
        _ => {}
    }
    for segment in bytes.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." | b".." => return wrong("does not name one place below the root"),
            _ if segment.len() > NAME_MAX => return wrong("has a name that is too long"),
            _ if is_private(segment) => return wrong("belongs to git or to wf"),
            _ => {}
        }
    }
    Ok(())
}

/// Is it a folder of git's or wf's, however a file system may spell it? HFS+ ignores case and some characters without
/// width, NTFS what trails and what follows a colon, and knows short names.
pub fn is_private(segment: &[u8]) -> bool {
    if !matches!(segment.first(), Some(b'.' | b'g' | b'G' | 0x80..)) {
        return false;
    }
    let ignored = |c: &char| !matches!(*c as u32, 0x200c..=0x200f | 0x202a..=0x202e | 0x206a..=0x206f | 0xfeff);
    let text: String = String::from_utf8_lossy(segment).chars().filter(ignored).collect();
    let text = text.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    [".git", ".wf", "git~1"].iter().any(|name| text.eq_ignore_ascii_case(name))
}

/// Refuses names that collide: the same, the same but for case, or one inside the other.
fn names(outputs: &[Output]) -> Result<(), Refused> {
    let folded: Vec<Vec<u8>> = outputs.iter().map(|output| fold(output.path.as_bytes())).collect();
    // Folded name → as it is spelled, and whether it is an output or only on the way to one.
    let mut seen: HashMap<&[u8], (&[u8], bool)> = HashMap::with_capacity(2 * outputs.len());
    for (output, folded) in outputs.iter().zip(&folded) {
        let spelled = output.path.as_bytes();
        let ends = |bytes: &[u8]| memchr::memchr_iter(b'/', bytes).collect::<Vec<_>>();
        // Folding makes and removes no slash: the n-th folder of one is the n-th of the other.
        for (a, b) in ends(spelled).into_iter().zip(ends(folded)) {
            match seen.entry(&folded[..b]) {
                Slot::Vacant(slot) => {
                    slot.insert((&spelled[..a], false));
                }
                Slot::Occupied(slot) => same(*slot.get(), &spelled[..a], &output.path, false)?,
            }
        }
        match seen.entry(folded) {
            Slot::Vacant(slot) => {
                slot.insert((spelled, true));
            }
            Slot::Occupied(slot) => same(*slot.get(), spelled, &output.path, true)?,
        }
    }
    Ok(())
}

/// May `now`, which is an output or a folder on the way to `path`, share its folded name with what was seen before?
fn same((before, was_output): (&[u8], bool), now: &[u8], path: &RepoPath, is_output: bool) -> Result<(), Refused> {
    let (before, now) = (RepoPath::from_bytes(before), RepoPath::from_bytes(now));
    match (was_output, is_output) {
        _ if before != now => Err(Refused::Case(before, now)),
        (true, true) => Err(Refused::Twice(now)),
        (true, false) => Err(Refused::Clash(before, path.clone())),
        (false, true) => Err(Refused::Clash(now, before)),
        (false, false) => Ok(()),
    }
}

/// As a file system that ignores case sees it: up first, since some letters have several small forms.
fn fold(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_ascii() {
        return bytes.to_ascii_lowercase();
    }
    let mut folded = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        folded.extend_from_slice(chunk.valid().to_uppercase().to_lowercase().as_bytes());
        folded.extend_from_slice(chunk.invalid());
    }
    folded
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
