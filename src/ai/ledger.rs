//! What a run spends and how fast it asks, counted over all its processes in one file under a lock.
//!
//! What is about to be spent is booked before a request is sent and corrected afterwards: a process that is killed in between
//! leaves its booking, which then counts as spent. Never too little, sometimes too much.

use super::asking::now_ms;
use crate::ask::Spent;
use crate::ask::money::{self, OverBudget};
use crate::config::model::{AiManners, Budget};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Over so long rates are counted.
const WINDOW_MS: u64 = 60_000;
/// Sums of so many runs are kept.
const RUNS: usize = 50;

/// The file.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
    run: String,
}

/// What the file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Page {
    /// By run; ids sort by time.
    spent: BTreeMap<String, Spent>,
    /// Requests of the last minute: when (milliseconds since 1970), how many tokens.
    recent: Vec<(u64, u64)>,
}

/// What a request has to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booked {
    /// It may be sent.
    Now,
    /// Not before this long.
    After(Duration),
    /// Not at all.
    Never(OverBudget),
}

/// Why a request is not sent.
#[derive(Debug, thiserror::Error)]
pub enum Unbooked {
    /// A budget forbids it.
    #[error("the request was not sent: {0}")]
    Over(OverBudget),
    /// There is a budget, and nobody knows how much of it is left.
    #[error("what the run spends cannot be counted: {0}")]
    Uncounted(io::Error),
}

impl Ledger {
    /// In the state folder, for one run.
    pub fn new(state: &Path, run: &str) -> Self {
        Self { path: state.join("ai_spent.json"), run: run.to_owned() }
    }

    /// Books a request that will cost about `next`, if budget and rates allow it at `now_ms`.
    ///
    /// # Errors
    /// The file cannot be locked or written.
    pub fn book(&self, budget: &Budget, manners: &AiManners, next: Spent, now_ms: u64) -> io::Result<Booked> {
        self.change(|page| {
            page.recent.retain(|(at, _)| now_ms.saturating_sub(*at) < WINDOW_MS && *at <= now_ms);
            let spent = page.spent.get(&self.run).copied().unwrap_or_default();
            if let Err(over) = money::allow(budget, spent, next) {
                return Booked::Never(over);
            }
            if let Some(wait) = wait(&page.recent, manners, next.tokens, now_ms) {
                return Booked::After(wait);
            }
            page.recent.push((now_ms, next.tokens));
            *page.spent.entry(self.run.clone()).or_default() += next;
            Booked::Now
        })
    }

    /// Books a request and waits until rates allow it.
    ///
    /// # Errors
    /// A budget forbids it, or there is one and nothing can be counted.
    pub async fn booked(&self, budget: &Budget, manners: &AiManners, next: Spent) -> Result<(), Unbooked> {
        loop {
            match self.book(budget, manners, next, now_ms()) {
                Ok(Booked::After(wait)) => tokio::time::sleep(wait).await,
                Ok(Booked::Never(over)) => return Err(Unbooked::Over(over)),
                // Without the ledger nothing holds a run to its budget.
                Err(error) if *budget != Budget::default() => return Err(Unbooked::Uncounted(error)),
                Ok(Booked::Now) | Err(_) => return Ok(()),
            }
        }
    }

    /// Puts what a request really cost in place of what was booked.
    ///
    /// # Errors
    /// The file cannot be locked or written.
    pub fn correct(&self, booked: Spent, really: Spent) -> io::Result<()> {
        self.change(|page| {
            page.spent.entry(self.run.clone()).or_default().correct(booked, really);
            // What was never sent is no request of this minute either.
            if really.calls == 0
                && let Some(at) = page.recent.iter().rposition(|(_, tokens)| *tokens == booked.tokens)
            {
                page.recent.remove(at);
            }
        })
    }

    /// What the run spent so far.
    pub fn spent(&self) -> Spent {
        self.change(|page| page.spent.get(&self.run).copied().unwrap_or_default()).unwrap_or_default()
    }

    /// Reads, changes and writes the file under its lock. One that cannot be read is begun anew: what it counted is lost, and
    /// nothing else.
    fn change<T>(&self, what: impl FnOnce(&mut Page) -> T) -> io::Result<T> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = File::options();
        if let Some(state) = self.path.parent().filter(|state| !state.exists()) {
            std::fs::create_dir_all(state)?;
        }
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nofollow)
            .open(&self.path)?;
        file.lock()?;
        let mut text = Vec::new();
        (&mut file).take(1 << 24).read_to_end(&mut text)?;
        let mut page: Page = serde_json::from_slice(&text).unwrap_or_default();
        let result = what(&mut page);
        while page.spent.len() > RUNS {
            let oldest = page.spent.keys().find(|run| **run != self.run).cloned();
            page.spent.remove(&oldest.unwrap_or_default());
        }
        let new = serde_json::to_vec(&page)?;
        if new != text {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&new)?;
            file.set_len(new.len() as u64)?;
        }
        Ok(result)
    }
}

/// How long until rates allow one more request of so many tokens.
fn wait(recent: &[(u64, u64)], manners: &AiManners, tokens: u64, now_ms: u64) -> Option<Duration> {
    let until = |at: u64| Duration::from_millis((at + WINDOW_MS).saturating_sub(now_ms).max(1));
    let requests = manners.requests_per_minute.map(|most| most as usize).filter(|most| recent.len() >= *most);
    let slot = requests.map(|most| until(recent[recent.len() - most].0));
    let room = manners.tokens_per_minute.and_then(|most| {
        let mut used: u64 = recent.iter().map(|(_, tokens)| tokens).sum();
        // A request that is larger than the limit goes alone.
        let mut leaving = recent.iter();
        let mut wait = None;
        while used > 0 && used + tokens > most {
            let (at, tokens) = leaving.next()?;
            used -= tokens;
            wait = Some(until(*at));
        }
        wait
    });
    slot.max(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Spent = Spent { calls: 1, tokens: 10, micro_usd: 5 };

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(dir.path(), "run-1");
        (dir, ledger)
    }

    #[test]
    fn what_is_booked_counts_until_it_is_corrected() {
        let (dir, ledger) = ledger();
        let budget = Budget { calls: Some(2), ..Budget::default() };
        let manners = AiManners::default();
        assert_eq!(ledger.book(&budget, &manners, ONE, 0).unwrap(), Booked::Now);
        ledger.correct(ONE, Spent { calls: 1, tokens: 3, micro_usd: 1 }).unwrap();
        assert_eq!(ledger.spent(), Spent { calls: 1, tokens: 3, micro_usd: 1 });
        assert_eq!(ledger.book(&budget, &manners, ONE, 0).unwrap(), Booked::Now);
        assert!(matches!(ledger.book(&budget, &manners, ONE, 0).unwrap(), Booked::Never(_)));
        // Another run has a budget of its own.
        assert_eq!(Ledger::new(dir.path(), "run-2").book(&budget, &manners, ONE, 0).unwrap(), Booked::Now);
    }

    #[test]
    fn rates_are_kept_over_all_runs() {
        let (dir, ledger) = ledger();
        let manners = AiManners { requests_per_minute: Some(2), ..AiManners::default() };
        let book = |ledger: &Ledger, at| ledger.book(&Budget::default(), &manners, ONE, at).unwrap();
        assert_eq!((book(&ledger, 0), book(&Ledger::new(dir.path(), "run-2"), 1_000)), (Booked::Now, Booked::Now));
        assert_eq!(book(&ledger, 2_000), Booked::After(Duration::from_secs(58)));
        assert_eq!(book(&ledger, 60_000), Booked::Now);
        assert_eq!(book(&ledger, 60_500), Booked::After(Duration::from_millis(500)));
    }

    #[test]
    fn what_was_never_sent_is_no_request_of_the_minute() {
        let (_dir, ledger) = ledger();
        let manners = AiManners { requests_per_minute: Some(1), ..AiManners::default() };
        let book = || ledger.book(&Budget::default(), &manners, ONE, 1_000).unwrap();
        for _ in 0..3 {
            assert_eq!(book(), Booked::Now);
            ledger.correct(ONE, Spent::default()).unwrap();
        }
        assert_eq!(ledger.spent(), Spent::default());
        assert_eq!(book(), Booked::Now);
        assert!(matches!(book(), Booked::After(_)));
    }

    #[test]
    fn tokens_are_limited_too_and_a_large_request_goes_alone() {
        let manners = AiManners { tokens_per_minute: Some(100), ..AiManners::default() };
        assert_eq!(wait(&[(0, 60)], &manners, 40, 10), None);
        assert_eq!(wait(&[(0, 60)], &manners, 41, 10_000), Some(Duration::from_secs(50)));
        assert_eq!(wait(&[(0, 60), (5_000, 30)], &manners, 80, 10_000), Some(Duration::from_secs(55)));
        assert_eq!(wait(&[], &manners, 1_000, 0), None);
        assert_eq!(wait(&[(0, 60)], &manners, 1_000, 0), Some(Duration::from_mins(1)));
    }

    #[test]
    fn many_at_once_never_exceed_the_budget_and_damage_is_survived() {
        let (dir, ledger) = ledger();
        let budget = Budget { calls: Some(30), ..Budget::default() };
        let allowed: usize = std::thread::scope(|scope| {
            let work = || {
                (0..10).filter(|_| ledger.book(&budget, &AiManners::default(), ONE, 0).unwrap() == Booked::Now).count()
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((allowed, ledger.spent().calls), (30, 30));
        std::fs::write(dir.path().join("ai_spent.json"), "{").unwrap();
        assert_eq!(ledger.spent(), Spent::default());
    }
}
