//! One request, from its question to its answer: what is known is not asked, what is asked is paid for once.

use super::cache::{AiCache, Look, Meta};
use super::http::{Failed, Http};
use super::ledger::Ledger;
use super::order::Order;
use super::problem::{Kind, Problem};
use super::program;
use super::provider::{self, Answer, Question};
use super::redact::Redactor;
use crate::ask::money::{self, about_tokens};
use crate::ask::{Call, Recorded, Spent};
use crate::base::Digest;
use crate::config::model::{AiMode, Budget, Price, Provider};
use futures_util::FutureExt as _;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
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
    /// So many known answers are compared with one that is not, to say why; 0: nobody asks why.
    pub why: usize,
}

/// Waits until it is polled by a runtime. What is known is found without one: see [`answered`].
async fn in_runtime() {
    std::future::poll_fn(|cx| {
        if tokio::runtime::Handle::try_current().is_ok() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Carries asking out, until a signal ends it. Only what is not known takes a runtime, which takes a tenth of what a known
/// answer takes in all.
///
/// # Errors
/// A signal came, or there is no runtime to be had.
pub fn answered<T>(asking: impl Future<Output = T>) -> Result<T, Problem> {
    let mut asking = std::pin::pin!(asking);
    if let Some(done) = asking.as_mut().now_or_never() {
        return Ok(done);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::new(Kind::Network, error.to_string()))?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = asking => Ok(done),
            signal = stopped() => Err(Problem::new(Kind::Interrupted, signal)),
        }
    });
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    done
}

/// Waits for a signal to end; which it was.
async fn stopped() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "by SIGINT",
        _ = terminate.recv() => "by SIGTERM",
    }
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
            let stored = recording
                .answer(&call, &self.label(file))
                .map_err(|missing| Problem::new(Kind::NotRecorded, missing.to_string()))?;
            self.tally.known.fetch_add(1, Ordering::Relaxed);
            let answer = provider::answer(&call.provider, &stored)?;
            check(&answer)?;
            return Ok((answer, From::Recording));
        }
        let key = call.key();
        // What is not read, or not kept, nobody has to wait for.
        let alone = mode.reads() && self.cache.settings().enabled;
        let vain = self.cache.vain(&key);
        loop {
            if let Some(answer) = self.known(&call, &key, check) {
                return Ok((answer, From::Cache));
            }
            in_runtime().await;
            // Who else asks just this: one asks, the others wait for the answer; if there is none, nobody waits any more.
            let taken = if alone && self.cache.vain(&key) == vain { Some(self.cache.try_alone(&key)) } else { None };
            if matches!(taken, Some(None)) {
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            // Another one may have come back between the look and the lock.
            if let Some(answer) = self.known(&call, &key, check) {
                return Ok((answer, From::Cache));
            }
            self.explain(&call, file);
            let sent = self.send(&call, file, check).await;
            if sent.is_err() {
                self.cache.in_vain(&key);
            }
            return sent.map(|answer| (answer, From::Service));
        }
    }

    /// Why a question is asked: what differs from the nearest one whose answer is known.
    fn explain(&self, call: &Call, file: Option<&str>) {
        if self.why == 0 || !self.order.shared.mode.reads() || !self.cache.settings().enabled {
            return;
        }
        let about = file.map_or_else(String::new, |file| format!("{file}: "));
        match self.cache.why(call, file, self.why) {
            Some(near) => (self.say)(&format!("{about}asked, because {near}")),
            None => (self.say)(&format!("{about}asked, because no answer is kept yet")),
        }
    }

    fn known(&self, call: &Call, key: &Digest, check: &dyn Fn(&Answer) -> Result<(), Problem>) -> Option<Answer> {
        if !self.order.shared.mode.reads() {
            return None;
        }
        let Look::Hit(stored) = self.cache.look(key) else { return None };
        let answer = provider::answer(&call.provider, &stored.recorded).ok().filter(|answer| check(answer).is_ok())?;
        if self.order.shared.mode == AiMode::Record && self.tells(&stored.recorded, &answer) {
            return None;
        }
        self.record(call, &stored.recorded, stored.meta.file.as_deref());
        self.tally.known.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    }

    /// Sends a call until it succeeds, fails for good, or was sent often enough. Each time is booked, and paid for.
    async fn send(
        &self,
        call: &Call,
        file: Option<&str>,
        check: &dyn Fn(&Answer) -> Result<(), Problem>,
    ) -> Result<Answer, Problem> {
        let (mut sent, mut before) = (0, None);
        let (recorded, answer) = loop {
            let failed = match self.once(call, before.as_ref()).await {
                Ok(done) => break done,
                Err(failed) => failed,
            };
            let Some(wait) = self.http.pause(&failed, sent) else { return Err(failed.problem) };
            let problem = failed.problem.about(file);
            (self.say)(&format!("{problem}; trying again in {:.1} s", wait.as_secs_f64()));
            tokio::time::sleep(wait).await;
            (sent, before) = (sent + 1, Some(problem));
        };
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
        if self.tells(&recorded, &answer) {
            let about = file.map_or_else(String::new, |file| format!("{file}: "));
            (self.say)(&format!("warning: {about}the answer holds a secret value: it is neither kept nor recorded"));
            self.cache.in_vain(&call.key());
            return Ok(answer);
        }
        self.record(call, &recorded, file);
        if let Err(error) = self.cache.keep(call, &recorded, meta) {
            (self.say)(&format!("warning: the answer is not kept: {error}"));
        }
        Ok(answer)
    }

    /// Books a request, sends it once, and books what it really cost.
    async fn once(&self, call: &Call, before: Option<&Problem>) -> Result<(Recorded, Answer), Failed> {
        let expected = self.expected(call);
        self.book(expected).await.map_err(|problem| {
            let after = before.map_or_else(String::new, |before| format!(" (before that: {before})"));
            let problem = Problem { message: problem.message.clone() + &after, ..problem };
            Failed { problem, after: None, sent: false }
        })?;
        let sent = self.exchange(call).await;
        let answered = sent.and_then(|recorded| match provider::answer(&call.provider, &recorded) {
            Ok(answer) => Ok((recorded, answer)),
            // What came whole and is no answer comes again the same: only what the service itself calls passing is asked again.
            Err(problem) => Err(Failed { problem, after: None, sent: true }),
        });
        let really = match &answered {
            Ok((_, answer)) => self.cost(answer.usage),
            Err(failed) if !failed.sent => Spent::default(),
            // What went wrong in between, or was answered and is of no use, may have been charged: the booking stays.
            Err(failed)
                if matches!(failed.problem.kind, Kind::Network | Kind::Truncated | Kind::Malformed | Kind::Refused) =>
            {
                expected
            }
            Err(_) => Spent { calls: 1, ..Spent::default() },
        };
        self.settle(expected, really);
        answered
    }

    /// Does an answer hold a value that is known to be secret, in one piece or in those of a stream?
    fn tells(&self, recorded: &Recorded, answer: &Answer) -> bool {
        self.redactor.knows(&recorded.body()) || self.redactor.knows(answer.text.as_bytes())
    }

    /// What a recording calls a request.
    fn label(&self, file: Option<&str>) -> String {
        let about = file.map_or_else(String::new, |file| format!(", {file}"));
        format!("step {}{about}", self.order.step)
    }

    fn record(&self, call: &Call, recorded: &Recorded, file: Option<&str>) {
        if self.order.shared.mode != AiMode::Record {
            return;
        }
        let path = lock_path(&self.order.shared.root);
        if let Err(error) = super::lock::record(&path, call, recorded, &self.label(file)) {
            (self.say)(&format!("warning: the answer is not recorded: {error}"));
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Recorded, Failed> {
        if self.order.service.provider == Provider::Command {
            let run = program::run(&self.order.service.command, call, &self.order.shared).await;
            return run.map_err(|problem| Failed { problem, after: None, sent: true });
        }
        let auth = self.key.as_deref().map(|key| provider::authorization(&call.provider, key));
        let sent = self.http.once(call, auth.as_ref()).await;
        sent.map_err(|failed| match (failed.problem.kind, &self.order.service.api_key_env) {
            (Kind::Auth, Some(name)) => {
                let is = if self.key.is_some() { "was not accepted" } else { "is not set" };
                let message = format!("{} (`{name}` {is})", failed.problem.message);
                Failed { problem: Problem { message, ..failed.problem }, ..failed }
            }
            _ => failed,
        })
    }

    /// Waits until rates allow it, unless a budget forbids it.
    async fn book(&self, expected: Spent) -> Result<(), Problem> {
        let shared = &self.order.shared;
        if [&self.order.budget, &shared.budget].iter().any(|budget| budget.micro_usd.is_some())
            && self.price().is_none()
        {
            let model = self.order.service.model.as_deref().unwrap_or_default();
            return Err(Problem::new(Kind::Budget, money::no_price(model)));
        }
        self.within(&self.order.budget, expected)?;
        let booked = self.ledger.booked(&shared.budget, &shared.manners, expected).await;
        booked.map_err(|unbooked| {
            self.spent().correct(expected, Spent::default());
            Problem::new(Kind::Budget, unbooked.to_string())
        })
    }

    /// Books it against the step's own budget.
    fn within(&self, budget: &Budget, expected: Spent) -> Result<(), Problem> {
        let mut spent = self.spent();
        money::allow(budget, *spent, expected)?;
        *spent += expected;
        Ok(())
    }

    fn settle(&self, expected: Spent, really: Spent) {
        self.spent().correct(expected, really);
        let _ = self.ledger.correct(expected, really);
        self.tally.asked.fetch_add(really.calls, Ordering::Relaxed);
        self.tally.tokens.fetch_add(really.tokens, Ordering::Relaxed);
        self.tally.micro_usd.fetch_add(really.micro_usd, Ordering::Relaxed);
    }

    fn spent(&self) -> std::sync::MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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

    /// Takes secrets out of a text that is still whole; says how many there were.
    pub fn clean(&self, text: &mut String) {
        let (clean, count) = self.redactor.text(text);
        if let Cow::Owned(clean) = clean {
            *text = clean;
            self.tally.redacted.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    fn redacted(&self, question: &Question) -> Question {
        let (system, first) = self.redactor.text(&question.system);
        let (user, second) = self.redactor.text(&question.user);
        self.tally.redacted.fetch_add((first + second) as u64, Ordering::Relaxed);
        Question {
            persona: question.persona.clone(),
            system: system.into_owned(),
            user: user.into_owned(),
            wants: question.wants,
        }
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
