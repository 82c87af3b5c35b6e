//! What wf and its guard say to each other over their socket. Pure.
//!
//! A message is its length (4 bytes), its kind (1 byte), the attempt it is about (4 bytes) and its fields; numbers are
//! little-endian, texts carry their length. Both ends are always the same binary, so there is no version.

/// What wf asks of the guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The environment that later spawns are told as differences from.
    Base {
        /// `NAME`, `value` pairs.
        env: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// Start the leader of an attempt. Two descriptors come with it: its standard output and error.
    Spawn {
        /// Names the attempt from now on.
        id: u32,
        /// Answer with [`Reply::Started`].
        tell: bool,
        /// The file to execute, absolute.
        program: Vec<u8>,
        /// Its arguments, the first of which is its name.
        argv: Vec<Vec<u8>>,
        /// Its folder, absolute.
        dir: Vec<u8>,
        /// Base variables that it does not get.
        unset: Vec<Vec<u8>>,
        /// Variables that it gets beside or in place of the base.
        set: Vec<(Vec<u8>, Vec<u8>)>,
        /// `NAME=value` entries by which its processes are known when nothing else tells whose they are.
        mark: Vec<Vec<u8>>,
    },
    /// Send a signal to the attempt's group.
    Signal {
        /// Which attempt.
        id: u32,
        /// The signal's number.
        signal: i32,
    },
    /// Kill the attempt's group and all that descends from it.
    Kill {
        /// Which attempt.
        id: u32,
    },
    /// Its leader has ended and had its time: kill what it left behind, and say what that was.
    Sweep {
        /// Which attempt.
        id: u32,
        /// Names of processes that may stay.
        keep: Vec<Vec<u8>>,
    },
    /// Say what the attempt's processes use now.
    Measure {
        /// Which attempt.
        id: u32,
    },
    /// Kill what is left, but for what may stay, and end.
    Shutdown,
}

/// What the guard answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The leader runs.
    Started {
        /// Which attempt.
        id: u32,
    },
    /// The leader could not be started.
    NotStarted {
        /// Which attempt.
        id: u32,
        /// The operating system's number for the reason.
        errno: i32,
    },
    /// The leader has ended.
    Exited {
        /// Which attempt.
        id: u32,
        /// How it ended.
        end: End,
        /// Processes of its are still there.
        left: bool,
    },
    /// What it left behind is gone by itself.
    Clear {
        /// Which attempt.
        id: u32,
    },
    /// What it left behind is killed, or may stay.
    Swept {
        /// Which attempt.
        id: u32,
        /// Their names.
        names: Vec<Vec<u8>>,
    },
    /// What its processes use.
    Measured {
        /// Which attempt.
        id: u32,
        /// Processor time so far.
        cpu_ms: u64,
        /// Resident memory now.
        memory_bytes: u64,
        /// Disk reads and writes so far.
        disk_bytes: u64,
    },
}

/// How a leader ended, and what it and all it waited for used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Its exit code, or 0.
    pub code: i32,
    /// The signal that ended it, or 0.
    pub signal: i32,
    /// Processor time.
    pub cpu_ms: u64,
    /// The largest resident set of any of its processes.
    pub memory_bytes: u64,
    /// Disk reads and writes.
    pub disk_bytes: u64,
}

impl Reply {
    /// The attempt it is about.
    pub fn id(&self) -> u32 {
        match self {
            Self::Started { id }
            | Self::NotStarted { id, .. }
            | Self::Exited { id, .. }
            | Self::Clear { id }
            | Self::Swept { id, .. }
            | Self::Measured { id, .. } => *id,
        }
    }
}

impl Request {
    /// Appends the message to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        message(out, |out| match self {
            Self::Base { env } => {
                head(out, 0, 0);
                pairs(out, env);
            }
            Self::Spawn { id, tell, program, argv, dir, unset, set, mark } => {
                head(out, 1, *id);
                out.push(u8::from(*tell));
                text(out, program);
                texts(out, argv);
                text(out, dir);
                texts(out, unset);
                pairs(out, set);
                texts(out, mark);
            }
            Self::Signal { id, signal } => {
                head(out, 2, *id);
                out.extend_from_slice(&signal.to_le_bytes());
            }
            Self::Kill { id } => head(out, 3, *id),
            Self::Sweep { id, keep } => {
                head(out, 4, *id);
                texts(out, keep);
            }
            Self::Measure { id } => head(out, 5, *id),
            Self::Shutdown => head(out, 6, 0),
        });
    }

    /// Takes the first whole message off `bytes`; none if it is not whole yet.
    ///
    /// # Errors
    /// The bytes are no request.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Garbled> {
        frame(bytes, |kind, id, from| {
            Some(match kind {
                0 => Self::Base { env: from.pairs()? },
                1 => Self::Spawn {
                    id,
                    tell: from.byte()? != 0,
                    program: from.text()?,
                    argv: from.texts()?,
                    dir: from.text()?,
                    unset: from.texts()?,
                    set: from.pairs()?,
                    mark: from.texts()?,
                },
                2 => Self::Signal { id, signal: from.i32()? },
                3 => Self::Kill { id },
                4 => Self::Sweep { id, keep: from.texts()? },
                5 => Self::Measure { id },
                6 => Self::Shutdown,
                _ => return None,
            })
        })
    }
}

impl Reply {
    /// Appends the message to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        message(out, |out| match self {
            Self::Started { id } => head(out, 0, *id),
            Self::NotStarted { id, errno } => {
                head(out, 1, *id);
                out.extend_from_slice(&errno.to_le_bytes());
            }
            Self::Exited { id, end, left } => {
                head(out, 2, *id);
                out.extend_from_slice(&end.code.to_le_bytes());
                out.extend_from_slice(&end.signal.to_le_bytes());
                for number in [end.cpu_ms, end.memory_bytes, end.disk_bytes] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
                out.push(u8::from(*left));
            }
            Self::Clear { id } => head(out, 3, *id),
            Self::Swept { id, names } => {
                head(out, 4, *id);
                texts(out, names);
            }
            Self::Measured { id, cpu_ms, memory_bytes, disk_bytes } => {
                head(out, 5, *id);
                for number in [cpu_ms, memory_bytes, disk_bytes] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
            }
        });
    }

    /// Takes the first whole message off `bytes`; none if it is not whole yet.
    ///
    /// # Errors
    /// The bytes are no reply.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Garbled> {
        frame(bytes, |kind, id, from| {
            Some(match kind {
                0 => Self::Started { id },
                1 => Self::NotStarted { id, errno: from.i32()? },
                2 => Self::Exited {
                    id,
                    end: End {
                        code: from.i32()?,
                        signal: from.i32()?,
                        cpu_ms: from.u64()?,
                        memory_bytes: from.u64()?,
                        disk_bytes: from.u64()?,
                    },
                    left: from.byte()? != 0,
                },
                3 => Self::Clear { id },
                4 => Self::Swept { id, names: from.texts()? },
                5 => Self::Measured { id, cpu_ms: from.u64()?, memory_bytes: from.u64()?, disk_bytes: from.u64()? },
                _ => return None,
            })
        })
    }
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("wf and its guard do not understand each other")]
pub struct Garbled;

fn message(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let len = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&len.to_le_bytes());
}

fn head(out: &mut Vec<u8>, kind: u8, id: u32) {
    out.push(kind);
    out.extend_from_slice(&id.to_le_bytes());
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn texts(out: &mut Vec<u8>, list: &[Vec<u8>]) {
    out.extend_from_slice(&(list.len() as u32).to_le_bytes());
    for item in list {
        text(out, item);
    }
}

fn pairs(out: &mut Vec<u8>, list: &[(Vec<u8>, Vec<u8>)]) {
    out.extend_from_slice(&(list.len() as u32).to_le_bytes());
    for (name, value) in list {
        text(out, name);
        text(out, value);
    }
}

fn frame<T>(
    bytes: &[u8],
    body: impl FnOnce(u8, u32, &mut Fields<'_>) -> Option<T>,
) -> Result<Option<(T, usize)>, Garbled> {
    let Some((len, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_le_bytes(*len) as usize;
    let Some(rest) = rest.get(..len) else { return Ok(None) };
    let mut from = Fields(rest);
    let (kind, id) = (from.byte().ok_or(Garbled)?, from.u32().ok_or(Garbled)?);
    let message = body(kind, id, &mut from).ok_or(Garbled)?;
    if from.0.is_empty() { Ok(Some((message, 4 + len))) } else { Err(Garbled) }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        let len = self.u32()? as usize;
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken.to_vec())
    }

    fn texts(&mut self) -> Option<Vec<Vec<u8>>> {
        (0..self.u32()?).map(|_| self.text()).collect()
    }

    fn pairs(&mut self) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        (0..self.u32()?).map(|_| Some((self.text()?, self.text()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..20)
    }

    fn many() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(bytes(), 0..4)
    }

    proptest! {
        #[test]
        fn requests_are_read_back_and_never_before_they_are_whole(
            id: u32, tell: bool, program in bytes(), argv in many(), dir in bytes(), unset in many(),
            set in proptest::collection::vec((bytes(), bytes()), 0..4), mark in many(), cut in 1usize..30,
        ) {
            let env = set.clone();
            for request in [
                Request::Base { env },
                Request::Spawn { id, tell, program, argv, dir, unset, set, mark: mark.clone() },
                Request::Sweep { id, keep: mark },
                Request::Signal { id, signal: 15 },
                Request::Kill { id },
                Request::Measure { id },
                Request::Shutdown,
            ] {
                let mut out = Vec::new();
                request.write(&mut out);
                let len = out.len();
                prop_assert_eq!(Request::read(&out[..len.saturating_sub(cut)]), Ok(None));
                Request::Shutdown.write(&mut out);
                prop_assert_eq!(Request::read(&out), Ok(Some((request, len))));
            }
        }

        #[test]
        fn replies_are_read_back(id: u32, code: i32, big: u64, left: bool, names in many()) {
            let end = End { code, signal: 9, cpu_ms: big, memory_bytes: 1, disk_bytes: big };
            for reply in [
                Reply::Started { id },
                Reply::NotStarted { id, errno: code },
                Reply::Exited { id, end, left },
                Reply::Clear { id },
                Reply::Swept { id, names },
                Reply::Measured { id, cpu_ms: big, memory_bytes: 2, disk_bytes: 3 },
            ] {
                let mut out = Vec::new();
                reply.write(&mut out);
                prop_assert_eq!(reply.id(), id);
                prop_assert_eq!(Reply::read(&out), Ok(Some((reply, out.len()))));
            }
        }

        #[test]
        fn noise_is_refused_without_panic(noise in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (Request::read(&noise), Reply::read(&noise));
        }
    }
}
