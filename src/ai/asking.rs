//! One request, from its question to its answer: what is known is not asked, what is asked is paid for once.

use super::cache::{AiCache, Look, Meta};
use super::http::Http;
use super::ledger::{Booked, Ledger};
use super::order::Order;
use super::problem::{Kind, Problem};
use super::program;
use super::provider::{self, Answer, Question};
use super::redact::Redactor;
use crate::ask::money::{self, about_tokens};
use crate::ask::{Call, Recorded, Spent};
use crate::base::Digest;
use crate::config::model::{AiMode, Budget, Price, Provider};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So often a request looks whether another one that asks the same has come back.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The response cache.
    Cache,
    /// The service.
    Service,
    /// `ai.lock`.
    Recording,
}

/// What asking came to, over all requests of a step.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests that were answered from the cache or a recording.
    pub known: AtomicU64,
    /// Requests that were sent.
    pub asked: AtomicU64,
    /// Tokens of those.
    pub tokens: AtomicU64,
    /// Millionths of a dollar for those.
    pub micro_usd: AtomicU64,
    /// Texts that looked like secrets and were taken out.
    pub redacted: AtomicU64,
}

/// What asks.
pub struct Asker<'a> {
    /// The step's work.
    pub order: &'a Order,
    /// What was answered before.
    pub cache: &'a AiCache,
    /// What was recorded, if it is to be answered from.
    pub recording: Option<&'a super::lock::Lock>,
    /// The key of the service, if there is one.
    pub key: Option<String>,
    /// Takes secrets out of questions.
    pub redactor: Redactor,
    /// The connection.
    pub http: Http,
    /// What the run spends.
    pub ledger: Ledger,
    /// What this step spends.
    pub spent: Mutex<Spent>,
    /// What it came to.
    pub tally: Tally,
    /// Says something that people should see.
    pub say: &'a (dyn Fn(&str) + Sync),
}

impl Asker<'_> {
    /// The answer to a question; `file` is the one that it is about, if it is one. What `check` does not take is no answer:
    /// it is neither kept nor recorded, and a kept one is asked again.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ask(
        &self,
        question: &Question,
        file: Option<&str>,
        check: &dyn Fn(&Answer) -> Result<(), Problem>,
    ) -> Result<(Answer, From), Problem> {
        let question = self.redacted(question);
        let call = provider::call(&self.order.service, &question);
        let mode = self.order.shared.mode;
        if mode == AiMode::Replay {
            let recording = self.recording.ok_or_else(|| Problem::new(Kind::NotRecorded, "there is no `ai.lock`"))?;
            let stored =
                recording.answer(&call).map_err(|missing| Problem::new(Kind::NotRecorded, missing.to_string()))?;
            self.tally.known.fetch_add(1, Ordering::Relaxed);
            let answer = provider::answer(&call.provider, &stored)?;
            check(&answer)?;
            return Ok((answer, From::Recording));
        }
        let key = call.key();
        loop {
            if let Some(answer) = self.known(&call, &key, check) {
                return Ok((answer, From::Cache));
            }
            // Who else asks just this: one asks, the others wait for the answer.
            let Some(_alone) = self.cache.try_alone(&key) else {
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            };
            // Another one may have come back between the look and the lock.
            return match self.known(&call, &key, check) {
                Some(answer) => Ok((answer, From::Cache)),
                None => self.send(&call, file, check).await.map(|answer| (answer, From::Service)),
            };
        }
    }

    fn known(&self, call: &Call, key: &Digest, check: &dyn Fn(&Answer) -> Result<(), Problem>) -> Option<Answer> {
        if !self.order.shared.mode.reads() {
            return None;
        }
        let Look::Hit(stored) = self.cache.look(key) else { return None };
        let answer = provider::answer(&call.provider, &stored.recorded).ok().filter(|answer| check(answer).is_ok())?;
        self.record(call, &stored.recorded, stored.meta.file.as_deref());
        self.tally.known.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    }

    async fn send(
        &self,
        call: &Call,
        file: Option<&str>,
        check: &dyn Fn(&Answer) -> Result<(), Problem>,
    ) -> Result<Answer, Problem> {
        let expected = self.expected(call);
        self.book(expected).await?;
        let sent = self.exchange(call).await;
        let answer =
            sent.as_ref().map_err(Clone::clone).and_then(|recorded| provider::answer(&call.provider, recorded));
        let really = match &answer {
            Ok(answer) => self.cost(answer.usage),
            // What went wrong in between may have been charged all the same: the booking stays.
            Err(problem) if matches!(problem.kind, Kind::Network | Kind::Truncated | Kind::Malformed) => expected,
            Err(_) => Spent { calls: 1, ..Spent::default() },
        };
        self.settle(expected, really);
        let (answer, recorded) = (answer?, sent?);
        check(&answer)?;
        let meta = Meta {
            usage: answer.usage,
            micro_usd: self.price().map(|price| money::cost(price, answer.usage)),
            model: self.order.service.model.clone().unwrap_or_default(),
            persona: call.persona.clone(),
            file: file.map(str::to_owned),
            step: self.order.step.clone(),
            tags: self.order.tags.clone(),
            ttl_ms: self.order.ttl_ms,
        };
        self.record(call, &recorded, file);
        if let Err(error) = self.cache.keep(call, &recorded, meta) {
            (self.say)(&format!("warning: the answer is not kept: {error}"));
        }
        Ok(answer)
    }

    fn record(&self, call: &Call, recorded: &Recorded, file: Option<&str>) {
        if self.order.shared.mode != AiMode::Record {
            return;
        }
        let about = file.map_or_else(String::new, |file| format!(", {file}"));
        let label = format!("step {}{about}", self.order.step);
        if let Err(error) = super::lock::record(&lock_path(&self.order.shared.root), call, recorded, &label) {
            (self.say)(&format!("warning: the answer is not recorded: {error}"));
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Recorded, Problem> {
        if self.order.service.provider == Provider::Command {
            return program::run(&self.order.service.command, call, &self.order.shared).await;
        }
        let auth = self.key.as_deref().map(|key| provider::authorization(&call.provider, key));
        let told = |problem: &Problem, wait: Duration| {
            (self.say)(&format!("{problem}; trying again in {:.1} s", wait.as_secs_f64()));
        };
        self.http.send(call, auth, &told).await
    }

    /// Waits until rates allow it, unless a budget forbids it.
    async fn book(&self, expected: Spent) -> Result<(), Problem> {
        self.within(&self.order.budget, expected)?;
        let shared = &self.order.shared;
        loop {
            match self.ledger.book(&shared.budget, &shared.manners, expected, now_ms()) {
                Ok(Booked::After(wait)) => tokio::time::sleep(wait).await,
                Ok(Booked::Never(over)) => {
                    *self.spent() = self.spent_without(expected);
                    return Err(over.into());
                }
                // Without the ledger nothing holds a run to its budget.
                Err(error) if shared.budget != Budget::default() => {
                    return Err(Problem::new(Kind::Budget, format!("what the run spends cannot be counted: {error}")));
                }
                Ok(Booked::Now) | Err(_) => return Ok(()),
            }
        }
    }

    /// Books it against the step's own budget.
    fn within(&self, budget: &Budget, expected: Spent) -> Result<(), Problem> {
        let mut spent = self.spent();
        money::allow(budget, *spent, expected)?;
        *spent += expected;
        Ok(())
    }

    fn settle(&self, expected: Spent, really: Spent) {
        let mut after = self.spent_without(expected);
        after += really;
        *self.spent() = after;
        let _ = self.ledger.correct(expected, really);
        self.tally.asked.fetch_add(really.calls, Ordering::Relaxed);
        self.tally.tokens.fetch_add(really.tokens, Ordering::Relaxed);
        self.tally.micro_usd.fetch_add(really.micro_usd, Ordering::Relaxed);
    }

    fn spent(&self) -> std::sync::MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn spent_without(&self, booked: Spent) -> Spent {
        let spent = *self.spent();
        Spent {
            calls: spent.calls.saturating_sub(booked.calls),
            tokens: spent.tokens.saturating_sub(booked.tokens),
            micro_usd: spent.micro_usd.saturating_sub(booked.micro_usd),
        }
    }

    /// What a call may cost at most: its own tokens, about, and as many as its answer may have.
    fn expected(&self, call: &Call) -> Spent {
        let output = u64::from(self.order.service.max_tokens.unwrap_or(provider::MAX_TOKENS));
        self.cost(crate::ask::Usage { input: about_tokens(call.body.len()), output })
    }

    fn cost(&self, usage: crate::ask::Usage) -> Spent {
        let micro_usd = self.price().map_or(0, |price| money::cost(price, usage));
        Spent { calls: 1, tokens: usage.total(), micro_usd }
    }

    fn price(&self) -> Option<Price> {
        money::price_of(&self.order.shared.prices, self.order.service.model.as_deref().unwrap_or_default())
    }

    fn redacted(&self, question: &Question) -> Question {
        let (system, first) = self.redactor.text(&question.system);
        let (user, second) = self.redactor.text(&question.user);
        self.tally.redacted.fetch_add((first + second) as u64, Ordering::Relaxed);
        Question { system, user, ..question.clone() }
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    jiff::Timestamp::now().as_millisecond().unsigned_abs()
}

/// Where recordings are, unless somebody says otherwise.
pub fn lock_path(root: &Path) -> std::path::PathBuf {
    root.join("ai.lock")
}
