//! What may be wrong with a cache, as types: a cache that cannot be used is a miss, and the run says why.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Something in the cache cannot be used. Results are made again, and nothing is lost but time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A newer wf wrote it. It is left alone.
    #[error("{} has format {found}, and this wf knows formats up to {known}; it is left alone", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that this wf knows.
        known: u32,
    },
    /// It, or a folder in it, is a symlink that no person asked for.
    #[error("{} is a symlink, and wf does not follow it", .path.display())]
    Symlink {
        /// The symlink.
        path: PathBuf,
    },
    /// Parts of it are no records. The others are used.
    #[error("{} is damaged in {places} place(s); what was there is forgotten", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In how many places.
        places: usize,
    },
    /// It says nothing that wf ever wrote.
    #[error("{} holds something else than wf's cache; it is not used", .path.display())]
    Foreign {
        /// The file or folder.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("cannot read {}: {message}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        message: String,
    },
}

impl Problem {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Newer { .. } => {
                "update wf, or let this version keep its cache elsewhere: WF_CACHE_DIR=<folder>".into()
            }
            Self::Symlink { path } => {
                format!("remove {}, or name the folder it should be: WF_CACHE_DIR=<folder>", path.display())
            }
            Self::Damaged { .. } => "`wf cache verify` looks through everything and removes what is wrong".into(),
            Self::Foreign { .. } => "name a folder that is empty or not there yet: WF_CACHE_DIR=<folder>".into(),
            Self::Unreadable { .. } => "make it readable, or keep the cache elsewhere: WF_CACHE_DIR=<folder>".into(),
        }
    }
}

/// Nothing is stored, and why. Comes as the inside of an [`io::Error`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The cache is full, and nothing in it may go now.
    Full {
        /// Bytes that were asked for.
        wanted: u64,
        /// Bytes that it may take.
        limit: u64,
    },
    /// Others kept the cache locked for too long.
    Busy,
    /// The cache itself cannot be used.
    Unusable(Problem),
    /// The bytes are not those of the blob they were to be.
    NotTheBlob,
}

impl Refused {
    /// The refusal that an error is, if it is one.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let kind = match &refused {
            Refused::Full { .. } => io::ErrorKind::QuotaExceeded,
            Refused::Busy => io::ErrorKind::TimedOut,
            Refused::Unusable(_) => io::ErrorKind::Unsupported,
            Refused::NotTheBlob => io::ErrorKind::InvalidData,
        };
        Self::new(kind, refused)
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { wanted, limit } => {
                write!(f, "the cache is full: {wanted} bytes more would pass its limit of {limit} bytes")
            }
            Self::Busy => write!(f, "other processes kept the cache locked for too long"),
            Self::Unusable(problem) => problem.fmt(f),
            Self::NotTheBlob => write!(f, "the bytes are not those of the blob they were to be"),
        }
    }
}
