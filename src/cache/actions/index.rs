//! Where in the file what is about a key stands. Pure.

use std::collections::BTreeSet;

/// Places in a file by a number, in the order in which they stand there. Small, and fast to build from many at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Index(BTreeSet<(u64, u32)>);

impl Index {
    /// Of all these.
    pub(super) fn of(pairs: impl Iterator<Item = (u64, u32)>) -> Self {
        Self(pairs.collect())
    }

    /// Adds more.
    pub(super) fn add(&mut self, pairs: impl Iterator<Item = (u64, u32)>) {
        if self.0.is_empty() {
            *self = Self::of(pairs);
        } else {
            self.0.extend(pairs);
        }
    }

    /// The places of a number.
    pub(super) fn at(&self, number: u64) -> impl DoubleEndedIterator<Item = u32> {
        self.0.range((number, 0)..=(number, u32::MAX)).map(|(_, place)| *place)
    }

    /// All places, those of one number together.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|(_, place)| *place)
    }
}
