//! `wf __ai`: carries out what an AI step asks, in a process of its own.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::replay::Replay;
use crate::ai::asking::{Asker, Tally, answered};
use crate::ai::http::Http;
use crate::ai::ledger::Ledger;
use crate::ai::order::Order;
use crate::ai::problem::Problem;
use crate::ai::redact::Redactor;
use crate::ai::step::{self, Ended, Printed, Report, Work};
use crate::report::clean;
use serde_json::json;
use std::ffi::OsStr;
use std::sync::Mutex;

/// The process of an AI step; its order is the one argument.
pub fn main(order: Option<&OsStr>) -> Exit {
    let order = order.and_then(OsStr::to_str).and_then(|text| serde_json::from_str::<Order>(text).ok());
    let Some(order) = order else {
        return super::super::show(&Failure::usage("this command is started by `wf run` alone"), None);
    };
    let done = Context::read(None, None).and_then(|cx| {
        let work = Work::new(&order);
        carry_out(&order, work, &How { why: if order.shared.why { NEAREST } else { 0 }, ..How::default() }, &cx)
    });
    match done {
        Ok(exit) => exit,
        Err(failure) => super::super::show(&failure, None),
    }
}

/// With so many known answers one that is not known is compared in a run, which asks about many files.
const NEAREST: usize = 64;

/// How it is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// It prints JSON.
    pub as_json: bool,
    /// A person asks: what is printed goes to them, or to the log of their job, and is not written into one of wf's.
    pub by_hand: bool,
    /// With so many known answers one that is not known is compared, to say what differs; 0: it is not said.
    pub why: usize,
}

/// Asks, prints what came of it, and says how it ended.
pub fn carry_out(order: &Order, work: Result<Work<'_>, Problem>, how: &How, cx: &Context) -> Result<Exit, Failure> {
    let masker = cx.masker_of(&order.shared.secrets);
    let tally = Tally::default();
    let (report, tally) = match work.and_then(|work| asked(order, &work, tally, how, cx)) {
        Ok(done) => done,
        Err(problem) => (Report { problems: vec![problem], ..Report::default() }, Tally::default()),
    };
    if let Some(why) = report.nothing.filter(|_| how.by_hand) {
        cx.say(&shown(report.words(&tally).trim_end(), how, cx));
        return Err(Failure::usage(why).hint("name files with text in them"));
    }
    let ended = report.ended(order);
    if how.as_json {
        let text = serde_json::to_string_pretty(&document(&report, &tally, ended)).map_err(Failure::environment)?;
        cx.print(&(in_json(text, how, cx) + "\n"))?;
    } else {
        cx.print(&shown(&report.answer(), how, cx))?;
        cx.say(&shown(report.words(&tally).trim_end(), how, cx));
    }
    if let Some(path) = &order.output
        && !matches!(ended, Ended::Unanswered | Ended::Interrupted)
    {
        write(order, path, &masker.text(&report.answer()))?;
    }
    Ok(match ended {
        Ended::Passed => Exit::Passed,
        Ended::Found => Exit::StepFailed,
        Ended::Unanswered => Exit::Unanswered,
        Ended::Interrupted => Exit::Interrupted,
    })
}

/// In a job of a CI service, what a model says is no command of the job.
fn is_job(how: &How, cx: &Context) -> bool {
    how.by_hand && (cx.env.flag("GITHUB_ACTIONS") || cx.env.flag("TF_BUILD"))
}

fn shown(text: &str, how: &How, cx: &Context) -> String {
    if !is_job(how, cx) {
        return text.to_owned();
    }
    text.split_inclusive('\n').map(clean::disarm).collect()
}

/// The same in JSON, where such a text stands within quotes and may be written otherwise.
fn in_json(text: String, how: &How, cx: &Context) -> String {
    if is_job(how, cx) { text.replace("##", "#\\u0023") } else { text }
}

fn asked(order: &Order, work: &Work<'_>, tally: Tally, how: &How, cx: &Context) -> Result<(Report, Tally), Problem> {
    let results = order.shared.results.clone().map(|place| Replay::new(place, cx));
    let printed = results.map(|replay| Printed { all: replay.clone().stored(), answers: replay.answers() });
    let gathered = step::gather(order, work.uses(), &printed.unwrap_or_default())?;
    let recording = step::recording(order)?;
    let cache = order.shared.open_cache();
    let key = order.service.api_key_env.as_deref().and_then(|name| cx.env.text(name)).map(str::to_owned);
    let say = |text: &str| cx.say(&shown(text, how, cx));
    let asker = Asker {
        order,
        cache: &cache,
        recording: recording.as_ref(),
        key,
        redactor: Redactor::new(cx.masker_of(&order.shared.secrets).clone()),
        http: Http::new(order.shared.manners.clone()),
        ledger: Ledger::new(&order.shared.state, &order.shared.run),
        spent: Mutex::default(),
        tally,
        say: &say,
        why: how.why,
    };
    let mut report = Report::default();
    if let Err(problem) = answered(work.run(gathered, &asker, &mut report)) {
        report.problems.push(problem);
    }
    report.sort();
    Ok((report, asker.tally))
}

fn document(report: &Report, tally: &Tally, ended: Ended) -> serde_json::Value {
    let of = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
    let text = |(file, text): &(Option<String>, String)| json!({ "file": file, "text": text });
    let problem =
        |it: &Problem| json!({ "kind": it.kind, "file": it.file, "message": it.message, "hint": it.kind.hint() });
    json!({
        "format": 1,
        "ended": match ended { Ended::Passed => "passed", Ended::Found => "found", Ended::Unanswered => "unanswered", Ended::Interrupted => "interrupted" },
        "findings": report.findings,
        "answers": report.texts.iter().map(text).collect::<Vec<_>>(),
        "problems": report.problems.iter().map(problem).collect::<Vec<_>>(),
        "left_out": report.skipped.iter().map(|(path, why)| json!({ "file": path, "why": why })).collect::<Vec<_>>(),
        "known": of(&tally.known),
        "asked": of(&tally.asked),
        "tokens": of(&tally.tokens),
        "usd": of(&tally.micro_usd) as f64 / 1e6,
        "secrets_removed": of(&tally.redacted),
    })
}

/// Writes the answer where the step says, whole or not at all.
fn write(order: &Order, path: &crate::base::RepoPath, text: &str) -> Result<(), Failure> {
    let target = path.under(&order.shared.root);
    let dir = target.parent().unwrap_or(&order.shared.root).to_owned();
    let written = std::fs::create_dir_all(&dir)
        .and_then(|()| tempfile::NamedTempFile::new_in(&dir))
        .and_then(|mut temp| std::io::Write::write_all(&mut temp, text.as_bytes()).map(|()| temp))
        .and_then(|temp| temp.persist(&target).map_err(|error| error.error));
    written
        .map(|_| ())
        .map_err(|error| Failure::environment(format!("{} cannot be written: {error}", target.display())))
}
