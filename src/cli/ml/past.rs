//! What is recorded of earlier runs, and how it is walked through. Writes nothing but the database, which is derived.

use super::{Context, Failure};
use crate::cli::history::{refused, tell};
use crate::history::db::{self, Db, DbError};
use crate::history::{Recorded, StateDir, cycles};
use crate::predict::replay::score::{Scored, Scores};
use crate::predict::replay::{Section, Table, durations};
use crate::report::clean;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What is recorded.
pub(super) struct Past {
    pub place: PathBuf,
    pub state: StateDir,
    pub recorded: Recorded,
    /// Runs that are recorded and not in the database.
    pub apart: BTreeSet<crate::base::RunId>,
    /// None: nothing was ever recorded, and nothing is made of that.
    db: Option<Db>,
}

/// The recorded runs, walked through: each was predicted from those before it.
pub(super) struct Walk {
    /// How many runs in which something ran were walked through.
    pub runs: usize,
    /// How many there are in all, with those in which nothing ran.
    pub recorded: usize,
    /// The runs, failures with their durations.
    pub table: Table,
    /// What was said, and what came.
    pub scored: Vec<Scored>,
    /// Metrics by method; none where no step ran often enough.
    pub section: Option<Section>,
}

impl Past {
    /// Reads what is recorded, and says what cannot be read.
    pub fn open(cx: &Context) -> Result<Self, Failure> {
        let (place, by) = cx.state_place_here()?;
        let state = StateDir::open_read_only(&place, by)?;
        let recorded = Recorded::load(&state);
        recorded.problems.iter().for_each(|problem| cx.say(&format!("warning: {}", clean::text(problem))));
        if recorded.runs.is_empty() && !db::place(&state).exists() {
            return Ok(Self { place, state, recorded, apart: BTreeSet::new(), db: None });
        }
        let (db, caught) = db::up_to_date(&state, &recorded, jiff::Timestamp::now()).map_err(refused)?;
        tell(&caught, cx);
        Ok(Self { place, state, recorded, apart: caught.apart, db: Some(db) })
    }

    /// Asks the database, and says what it wants to be known. `T`'s default if nothing was ever recorded.
    pub fn ask<T: Default>(
        &mut self,
        cx: &Context,
        ask: impl FnOnce(&mut Db) -> Result<T, DbError>,
    ) -> Result<T, Failure> {
        let Some(db) = &mut self.db else { return Ok(T::default()) };
        let answered = ask(db).map_err(refused);
        db.take_notes().iter().for_each(|note| cx.say(&format!("note: {}", clean::text(note))));
        answered
    }

    /// Walks through the newest runs, oldest first.
    pub fn walk(&mut self, last: usize, cx: &Context) -> Result<Walk, Failure> {
        let (training, recorded) = self.ask(cx, |db| Ok((db.training(last)?, db.runs(Some(0))?.1)))?;
        let table = cycles::table(&training);
        let (mut scores, mut scored) = (Scores::default(), Vec::new());
        durations::walk(&table.of_passes(), |one| {
            scores.add(one);
            scored.push(one.clone());
        });
        Ok(Walk { runs: training.len(), recorded, table, scored, section: scores.section() })
    }

    /// That there is nothing to be said of anything.
    pub fn say_nothing_recorded(&self, cx: &Context) {
        cx.say(&format!("no run is recorded in {}; `wf run` records one", self.place.display()));
    }
}
