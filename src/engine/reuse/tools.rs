//! Versions of declared tools: each probe is run once in a run, and what it printed is remembered for plans, which run
//! nothing.

use crate::cache::tools::Said;
use crate::event::NotCached;
use crate::exec::probe;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// A version is said at once, or not at all.
const LIMIT: Duration = Duration::from_secs(10);

/// What each probe said, or why it said nothing.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    said: Said,
}

impl Tools {
    /// Runs every probe once, side by side.
    pub fn ask<'a>(
        probes: impl Iterator<Item = &'a Vec<String>>,
        root: &Path,
        env: &BTreeMap<OsString, OsString>,
    ) -> Self {
        let probes: BTreeSet<Vec<String>> = probes.cloned().collect();
        let said = probes.into_par_iter().map(|probe| {
            let said = probe::ask(&probe, root, env, LIMIT);
            (probe, said)
        });
        Self { said: said.collect() }
    }

    /// What an earlier run was told.
    pub fn recorded(said: Said) -> Self {
        Self { said }
    }

    /// What a probe said.
    ///
    /// # Errors
    /// It failed, or was never asked: then nothing can be said about what the step's result depends on.
    pub fn said(&self, probe: &[String]) -> Result<&str, NotCached> {
        let failed = |message: &str| NotCached::ToolFailed { probe: words(probe), message: message.to_owned() };
        match self.said.get(probe) {
            Some(Ok(said)) => Ok(said),
            Some(Err(message)) => Err(failed(message)),
            None => Err(failed("it was not asked yet")),
        }
    }

    /// Was it asked?
    pub fn is_asked(&self, probe: &[String]) -> bool {
        self.said.contains_key(probe)
    }

    /// What was said, for plans to come.
    pub fn all(&self) -> &Said {
        &self.said
    }
}

/// A probe as people read it.
pub fn words(probe: &[String]) -> String {
    probe.join(" ")
}
