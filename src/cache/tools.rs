//! What tools said when a run asked them, kept for plans, which ask nobody. One small file for each working tree.

use super::file;
use super::folder::Folder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Raised when the file means something else.
const FORMAT: u32 = 1;
/// No such file is larger; what is, is damaged.
const BYTES: u64 = 16 << 20;
/// Probes that the configuration does not name any more (it may again, on another branch) are forgotten past so many.
const PROBES: usize = 256;

/// Each probe with what it printed, or why it said nothing.
pub type Said = BTreeMap<Vec<String>, Result<String, String>>;

#[derive(Deserialize, Serialize)]
struct Tools {
    format: u32,
    probes: Vec<Probe>,
}

#[derive(Deserialize, Serialize)]
struct Probe {
    argv: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    said: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

/// What is recorded. A file that is missing, damaged or of another format says nothing.
pub fn recorded(folder: &Folder, root: &Path) -> Said {
    if folder.problem().is_some() { Said::new() } else { read(&folder.tools_of(root)).unwrap_or_default() }
}

fn read(path: &Path) -> Option<Said> {
    let mut bytes = Vec::new();
    file::read(path).ok()?.take(BYTES).read_to_end(&mut bytes).ok()?;
    let tools: Tools = serde_json::from_slice(&bytes).ok().filter(|tools: &Tools| tools.format == FORMAT)?;
    let said = |probe: Probe| Some((probe.argv, probe.said.map(Ok).or_else(|| probe.failed.map(Err))?));
    Some(tools.probes.into_iter().filter_map(said).collect())
}

/// Records what was said now. What was said before by others stays.
///
/// # Errors
/// The folder cannot be written.
pub fn record(folder: &Folder, root: &Path, now: &Said) -> io::Result<()> {
    if now.is_empty() || is_newer(&folder.tools_of(root)) {
        return Ok(());
    }
    let before = recorded(folder, root);
    let mut all = if before.len() > PROBES { Said::new() } else { before.clone() };
    all.extend(now.iter().map(|(probe, said)| (probe.clone(), said.clone())));
    if all == before {
        return Ok(());
    }
    folder.cas()?;
    let path = folder.tools_of(root);
    let within = path.parent().unwrap_or(Path::new("."));
    file::folder(within)?;
    let probe = |(argv, said): (Vec<String>, Result<String, String>)| match said {
        Ok(said) => Probe { argv, said: Some(said), failed: None },
        Err(failed) => Probe { argv, said: None, failed: Some(failed) },
    };
    let tools = Tools { format: FORMAT, probes: all.into_iter().map(probe).collect() };
    let mut temp = tempfile::Builder::new().prefix(".tmp-").tempfile_in(within)?;
    temp.write_all(&serde_json::to_vec(&tools).map_err(io::Error::other)?)?;
    temp.persist(&path).map(drop).map_err(|error| error.error)
}

/// Did a newer wf write it? Then it is left alone.
fn is_newer(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let mut bytes = Vec::new();
    let whole = file::read(path).and_then(|file| file.take(BYTES).read_to_end(&mut bytes)).is_ok();
    whole && serde_json::from_slice(&bytes).is_ok_and(|found: Format| found.format > FORMAT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{CachePlace, Limits};

    #[test]
    fn what_was_said_last_is_known_in_this_tree_and_a_newer_format_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = CachePlace { dir: dir.path().join("cache"), chosen: true };
        let (folder, _) = Folder::open(&place, Limits::default(), 0);
        let root = Path::new("/one");
        let said = |word: &str, what: Result<&str, &str>| -> Said {
            [(vec![word.to_owned()], what.map(str::to_owned).map_err(str::to_owned))].into()
        };
        assert_eq!(recorded(&folder, root), Said::new());
        record(&folder, root, &Said::new()).unwrap();
        assert!(!place.dir.exists(), "nothing was said");
        record(&folder, root, &said("cc", Ok("1"))).unwrap();
        record(&folder, root, &said("ld", Err("gone"))).unwrap();
        record(&folder, root, &said("cc", Ok("2"))).unwrap();
        let all: Said = said("cc", Ok("2")).into_iter().chain(said("ld", Err("gone"))).collect();
        assert_eq!(recorded(&folder, root), all);
        assert_eq!(recorded(&folder, Path::new("/other")), Said::new());
        std::fs::write(folder.tools_of(root), "{\"format\": 2, \"more\": []}").unwrap();
        record(&folder, root, &said("cc", Ok("3"))).unwrap();
        assert!(std::fs::read_to_string(folder.tools_of(root)).unwrap().contains("more"));
        std::fs::write(folder.tools_of(root), "torn").unwrap();
        assert_eq!(recorded(&folder, root), Said::new());
        record(&folder, root, &said("cc", Ok("3"))).unwrap();
        assert_eq!(recorded(&folder, root), said("cc", Ok("3")));
    }
}
