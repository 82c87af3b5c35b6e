//! What a step printed when it ran, for a run that used its result again.
//!
//! Does not know: where results are stored. Whoever does hands a way to read in; it hides secrets, and what comes back is as hostile
//! as any step's output.

use super::output::Tail;
use crate::base::BlobRef;
use std::fmt;
use std::io;
use std::sync::Arc;

type Read = dyn Fn(&BlobRef, usize) -> io::Result<Option<Tail>> + Send + Sync;

/// A way to read stored output. By default there is none, and nothing is replayed.
#[derive(Clone, Default)]
pub struct Stored(Option<Arc<Read>>);

impl Stored {
    /// `read` gives the end of an output, at most so many bytes; none if it is not stored any more.
    pub fn new(read: impl Fn(&BlobRef, usize) -> io::Result<Option<Tail>> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(read)))
    }

    /// The end of an output; none if it cannot be read.
    pub fn read(&self, blob: &BlobRef, most: usize) -> Option<Tail> {
        self.0.as_ref()?(blob, most).ok().flatten()
    }

    /// The end of an output; none if nobody can tell. What cannot be read says so in its place.
    pub fn tail(&self, blob: &BlobRef, most: usize) -> Option<Tail> {
        let read = self.0.as_ref()?;
        let sorry =
            |why: String| Tail { bytes: format!("(cannot show what it printed: {why})").into_bytes(), left_out: 0 };
        Some(match read(blob, most) {
            Ok(Some(tail)) => tail,
            Ok(None) => sorry("it is not stored any more".into()),
            Err(error) => sorry(error.to_string()),
        })
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({})", if self.0.is_some() { "readable" } else { "nothing" })
    }
}
