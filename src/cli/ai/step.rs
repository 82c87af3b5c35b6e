//! `wf __ai`: carries out what an AI step asks, in a process of its own.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::replay::Replay;
use crate::ai::asking::{Asker, Tally};
use crate::ai::http::Http;
use crate::ai::ledger::Ledger;
use crate::ai::order::Order;
use crate::ai::problem::Problem;
use crate::ai::redact::Redactor;
use crate::ai::step::{self, Ended, Report, Work};
use serde_json::json;
use std::ffi::OsStr;
use std::sync::Mutex;

/// The process of an AI step; its order is the one argument.
pub fn main(order: Option<&OsStr>) -> Exit {
    let order = order.and_then(OsStr::to_str).and_then(|text| serde_json::from_str::<Order>(text).ok());
    let Some(order) = order else {
        return super::super::show(&Failure::usage("this command is started by `wf run` alone"), None);
    };
    match Context::read(None, None).and_then(|cx| carry_out(&order, false, &cx)) {
        Ok(exit) => exit,
        Err(failure) => super::super::show(&failure, None),
    }
}

/// Asks, prints what came of it, and says how it ended.
pub fn carry_out(order: &Order, as_json: bool, cx: &Context) -> Result<Exit, Failure> {
    cx.masker_of(&order.shared.secrets);
    let tally = Tally::default();
    let (report, tally) = match asked(order, tally, cx) {
        Ok(done) => done,
        Err(problem) => (Report { problems: vec![problem], ..Report::default() }, Tally::default()),
    };
    let ended = report.ended(order);
    if as_json {
        cx.print_json(&document(&report, &tally, ended))?;
    } else {
        cx.print(&report.answer())?;
        cx.say(report.words(&tally).trim_end());
    }
    if let Some(path) = &order.output
        && ended != Ended::Unanswered
    {
        write(order, path, &report.answer())?;
    }
    Ok(match ended {
        Ended::Passed => Exit::Passed,
        Ended::Found => Exit::StepFailed,
        Ended::Unanswered => Exit::Unanswered,
    })
}

fn asked(order: &Order, tally: Tally, cx: &Context) -> Result<(Report, Tally), Problem> {
    let work = Work::new(order)?;
    let results = order.shared.results.clone();
    let stored = results.map(|place| Replay::new(place, cx).stored()).unwrap_or_default();
    let gathered = step::gather(order, work.uses(), &stored)?;
    let recording = step::recording(order)?;
    let cache = order.shared.open_cache();
    let key = order.service.api_key_env.as_deref().and_then(|name| cx.env.text(name)).map(str::to_owned);
    let say = |text: &str| cx.say(text);
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
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::new(crate::ai::problem::Kind::Network, error.to_string()))?;
    let report = runtime.block_on(work.run(gathered, &asker));
    Ok((report, asker.tally))
}

fn document(report: &Report, tally: &Tally, ended: Ended) -> serde_json::Value {
    let of = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
    let text = |(file, text): &(Option<String>, String)| json!({ "file": file, "text": text });
    let problem =
        |problem: &Problem| json!({ "kind": problem.kind, "message": problem.message, "hint": problem.kind.hint() });
    json!({
        "format": 1,
        "ended": match ended { Ended::Passed => "passed", Ended::Found => "found", Ended::Unanswered => "unanswered" },
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
