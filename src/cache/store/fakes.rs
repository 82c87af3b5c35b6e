//! Stores that misbehave, to prove that a cache that errs or lies is a miss.

use super::Store;
use crate::base::BlobRef;
use std::io::{self, Read};

/// Every call errs.
pub struct Broken;

impl Store for Broken {
    fn get(&self, _: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        Err(io::Error::other("the network is down"))
    }

    fn put(&self, _: &BlobRef, _: &mut dyn Read) -> io::Result<()> {
        Err(io::Error::other("the network is down"))
    }

    fn name(&self) -> &'static str {
        "broken"
    }
}

/// Has everything, and it is always these bytes.
pub struct Lying(pub &'static [u8]);

impl Store for Lying {
    fn get(&self, _: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        Ok(Some(Box::new(self.0)))
    }

    fn put(&self, _: &BlobRef, _: &mut dyn Read) -> io::Result<()> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "lying"
    }
}

/// Gives one byte at a time, with interruptions, and then fails.
pub struct Slow {
    pub bytes: &'static [u8],
    /// Fails after so many.
    pub breaks_at: usize,
}

struct Dripping(&'static [u8], usize, bool);

impl Read for Dripping {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.2 = !self.2;
        if self.2 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.1 == 0 && !self.0.is_empty() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
        buf[0] = *first;
        (self.0, self.1) = (rest, self.1 - 1);
        Ok(1)
    }
}

impl Store for Slow {
    fn get(&self, _: &BlobRef) -> io::Result<Option<Box<dyn Read + Send>>> {
        Ok(Some(Box::new(Dripping(self.bytes, self.breaks_at, false))))
    }

    fn put(&self, _: &BlobRef, _: &mut dyn Read) -> io::Result<()> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "slow"
    }
}
