//! Which of several equal requests of one attempt a request is. Only requests that got an answer count: one that failed, or
//! whose client went away, gives its number back, so that the next run, where nothing fails, numbers its requests alike.

use crate::base::Digest;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// The numbers that are taken, by the key without a number.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<HashMap<Digest, Taken>>>);

#[derive(Debug, Default)]
struct Taken {
    next: u32,
    /// Given back.
    free: BTreeSet<u32>,
}

/// One number. It is given back when this is dropped, unless [`Turn::answered`] was called.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    key: Digest,
    number: u32,
    answered: bool,
}

impl Turns {
    /// Takes the lowest number that is free.
    pub fn take(&self, key: Digest) -> Turn {
        let number = self.with(&key, |taken| {
            taken.free.pop_first().unwrap_or_else(|| {
                taken.next += 1;
                taken.next - 1
            })
        });
        Turn { turns: self.clone(), key, number, answered: false }
    }

    fn with<T>(&self, key: &Digest, what: impl FnOnce(&mut Taken) -> T) -> T {
        what(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(*key).or_default())
    }
}

impl Turn {
    /// The number, from 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The request got an answer: its number stays taken.
    pub fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.answered {
            self.turns.with(&self.key, |taken| taken.free.insert(self.number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_count() {
        let (turns, key) = (Turns::default(), Digest::of_bytes(b"a"));
        let (mut first, second) = (turns.take(key), turns.take(key));
        assert_eq!((first.number(), second.number(), turns.take(Digest::of_bytes(b"b")).number()), (0, 1, 0));
        first.answered();
        drop((first, second));
        // Each is given back at once, so the next one gets it again.
        for _ in 0..2 {
            assert_eq!(turns.take(key).number(), 1);
        }
    }
}
