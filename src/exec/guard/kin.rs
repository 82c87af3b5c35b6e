//! Who descends from whom, from `/proc`.
//!
//! Elsewhere than on Linux this knows nothing: there wf reaches a step's process group and no further.

use rustix::process::{Pid, getpid};
use std::fs;
use std::io::{Read, Seek};

/// One process, as `/proc/PID/stat` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its group's.
    pub group: i32,
    /// Its session's.
    pub session: i32,
    /// Its name: at most 15 bytes.
    pub name: Vec<u8>,
    /// When it began; with its number this names it for ever.
    pub began: u64,
    /// Processor time of it and the children it waited for, in clock ticks.
    pub ticks: u64,
    /// Resident pages.
    pub pages: u64,
}

/// One process; none if it has ended or is a zombie.
pub fn read(pid: i32) -> Option<Process> {
    let mut buffer = [0u8; 1024];
    let len = fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut buffer).ok()?;
    parse(&buffer[..len])
}

fn parse(stat: &[u8]) -> Option<Process> {
    // The name is in parentheses and may itself contain any byte, so the last parenthesis ends it.
    let (open, close) = (memchr::memchr(b'(', stat)?, memchr::memrchr(b')', stat)?);
    let pid = std::str::from_utf8(&stat[..open]).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(stat.get(close + 2..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |i: usize| fields.get(i).and_then(|field| field.parse::<u64>().ok());
    let id = |i: usize| fields.get(i).and_then(|field| field.parse::<i32>().ok());
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    Some(Process {
        pid,
        parent: id(1)?,
        group: id(2)?,
        session: id(3)?,
        name: stat[open + 1..close].to_vec(),
        began: number(19)?,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
        pages: number(21)?,
    })
}

/// The numbers of all processes not below `from`.
fn numbers(from: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(|pid| *pid >= from).collect()
}

/// The children of the calling thread, which is the only one of its process and asks often.
pub struct Own {
    /// The kernel's own list, where it keeps one (`CONFIG_PROC_CHILDREN`).
    list: Option<fs::File>,
    text: Vec<u8>,
}

impl Default for Own {
    fn default() -> Self {
        Self { list: fs::File::open("/proc/thread-self/children").ok(), text: vec![] }
    }
}

impl Own {
    /// Its children but for those that are `known`. Where the kernel keeps no list, all of `/proc` is read, but for
    /// numbers below `from`.
    pub fn children(&mut self, from: i32, known: impl Fn(i32) -> bool) -> Vec<Process> {
        let pids = match &mut self.list {
            Some(list) => {
                self.text.clear();
                // Always from the start; the kernel makes the list anew.
                let read = list.rewind().and_then(|()| list.read_to_end(&mut self.text));
                read.map_or_else(|_| numbers(from), |_| split(&self.text))
            }
            None => numbers(from),
        };
        let own = getpid().as_raw_nonzero().get();
        pids.into_iter().filter(|pid| !known(*pid)).filter_map(read).filter(|kin| kin.parent == own).collect()
    }
}

/// The direct children of any process.
pub fn children(parent: Pid) -> Vec<Process> {
    let parent = parent.as_raw_nonzero().get();
    numbers(1).into_iter().filter_map(read).filter(|kin| kin.parent == parent).collect()
}

fn split(list: &[u8]) -> Vec<i32> {
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
    list.split(u8::is_ascii_whitespace).filter_map(number).collect()
}

/// All that descends from any of `roots`, parents before children, without the roots themselves.
pub fn descendants(roots: &[i32]) -> Vec<Process> {
    let everyone: Vec<Process> = numbers(1).into_iter().filter_map(read).collect();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = roots.to_vec();
    while let Some(parent) = parents.pop() {
        // A number cannot come twice: everybody has one parent; but /proc is read while it changes.
        for kin in everyone.iter().filter(|kin| kin.parent == parent) {
            if found.iter().all(|known| known.pid != kin.pid) {
                parents.push(kin.pid);
                found.push(kin.clone());
            }
        }
    }
    found
}

/// Bytes that a process has read from and written to disk.
pub fn disk_bytes(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    field("read_bytes:").unwrap_or(0) + field("write_bytes:").unwrap_or(0)
}

/// Was the process started with all of these `NAME=value` entries?
pub fn has_env(pid: i32, entries: &[Vec<u8>]) -> bool {
    let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    !entries.is_empty() && entries.iter().all(|entry| environ.split(|byte| *byte == 0).any(|held| held == entry))
}

/// Is it called so? By its name as the kernel cut it, or by the file name it was started as.
pub fn is_called(process: &Process, names: &[Vec<u8>]) -> bool {
    if names.is_empty() {
        return false;
    }
    let command = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    let path = command.split(|byte| *byte == 0).next().unwrap_or(&[]);
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(&[]);
    names.iter().any(|name| *name == process.name || (!name.is_empty() && name == file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_and_spaces_do_not_confuse() {
        let stat = b"42 (a) S (b) S 7 42 40 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 999 1000 55 0";
        let process = parse(stat);
        assert_eq!(
            process.as_ref().map(|found| (found.pid, found.parent, found.group, found.session)),
            Some((42, 7, 42, 40))
        );
        assert_eq!(process.as_ref().map(|found| (found.ticks, found.began, found.pages)), Some((100, 999, 55)));
        assert_eq!(process.map(|found| found.name), Some(b"a) S (b".to_vec()));
        assert_eq!(parse(b"42 (a) Z 7 42 40 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 999 1000 55 0"), None);
        assert_eq!(parse(b""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn finds_itself() {
        let me = rustix::process::getpid();
        let found = read(me.as_raw_nonzero().get());
        assert_eq!(
            found.map(|process| process.parent),
            rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get())
        );
    }
}
