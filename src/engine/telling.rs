//! Telling: the log first, then the view, then whoever listens.

use super::Clock;
use crate::base::{Millis, StepId};
use crate::event::{Event, EventKind, FallbackCode, WarningCode};
use crate::exec::mask::Masker;
use crate::history::LogWriter;
use crate::report::{RunView, Sink};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::mem::ManuallyDrop;

/// Everything that hears of events.
pub struct Telling {
    clock: Clock,
    seq: u64,
    log: LogWriter,
    /// As large as the run, and needed until the process ends: never given back.
    view: ManuallyDrop<RunView>,
    sinks: Vec<Box<dyn Sink>>,
    masker: Masker,
    /// Why the log takes no more events; from then on the run only ends.
    pub broken: Option<io::Error>,
    /// Was anything degraded?
    pub fallbacks: usize,
}

impl Telling {
    /// Begins with an open log.
    pub fn new(clock: Clock, log: LogWriter, sinks: Vec<Box<dyn Sink>>, view: RunView, masker: Masker) -> Self {
        let view = ManuallyDrop::new(view);
        Self { clock, seq: 0, log, view, sinks, masker, broken: None, fallbacks: 0 }
    }

    /// How long steps took before, for what skips saved.
    pub fn know(&mut self, durations: BTreeMap<StepId, Millis>) {
        self.view.known = durations;
    }

    /// One more event.
    pub fn tell(&mut self, kind: EventKind) {
        self.fallbacks += usize::from(matches!(kind, EventKind::Fallback { .. }));
        let flush = matches!(
            kind,
            EventKind::StepFinished(_)
                | EventKind::Interrupted { .. }
                | EventKind::Planned { .. }
                | EventKind::RunFinished { .. }
        );
        let event = masked(&self.masker, Event { seq: self.seq, at_ms: self.clock.now(), kind });
        self.seq += 1;
        let logged = self.log.append(&event).and_then(|()| if flush { self.log.flush() } else { Ok(()) });
        if let Err(error) = logged {
            self.broken.get_or_insert(error);
        }
        self.view.apply(&event);
        self.each_sink(|sink, view| sink.on(&event, view));
    }

    /// Time passed.
    pub fn tick(&mut self) {
        // Somebody may watch from another process (`wf status`), and sees what is in the file.
        if let Err(error) = self.log.flush() {
            self.broken.get_or_insert(error);
        }
        let now = self.clock.now();
        self.each_sink(|sink, view| sink.tick(now, view));
    }

    /// The run is over. The log's facts are written beside the reports.
    pub fn finish(&mut self) {
        if let Err(error) = self.log.flush() {
            self.broken.get_or_insert(error);
        }
        let Self { log, sinks, view, .. } = self;
        let mut retired = Vec::new();
        let logged = std::thread::scope(|scope| {
            let logged = scope.spawn(|| log.finish());
            sinks.retain_mut(|sink| keep(sink.as_mut(), &mut retired, |sink| sink.finish(view)));
            logged.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug))
        });
        if let Err(error) = logged {
            self.broken.get_or_insert(error);
        }
    }

    /// A sink that fails is retired, and the run goes on; everybody else hears of it.
    fn each_sink(&mut self, mut call: impl FnMut(&mut dyn Sink, &RunView) -> io::Result<()>) {
        let mut retired = Vec::new();
        let view = &self.view;
        self.sinks.retain_mut(|sink| keep(sink.as_mut(), &mut retired, |sink| call(sink, view)));
        for message in retired {
            self.tell(EventKind::Fallback { code: FallbackCode::SinkRetired, message, hint: None });
        }
    }
}

/// Calls a sink; one that fails is not kept, and a sentence says so.
fn keep(sink: &mut dyn Sink, retired: &mut Vec<String>, call: impl FnOnce(&mut dyn Sink) -> io::Result<()>) -> bool {
    match call(sink) {
        Ok(()) => true,
        Err(error) => {
            retired.push(format!("the {} report was given up: {error}", sink.name()));
            false
        }
    }
}

/// Fields whose strings are words of the format, or digests: they hold no data of anybody's.
const WORDS: [&str; 21] = [
    "type",
    "is",
    "because",
    "skip",
    "evidence",
    "cancelled",
    "rule",
    "kind",
    "by",
    "status",
    "code",
    "smart",
    "definition",
    "context",
    "change_type",
    "miss",
    "why",
    "field",
    "how",
    "key",
    "place",
];

/// Secrets never reach the log nor a sink: every string of an event is masked, but for the words of the format.
fn masked(masker: &Masker, event: Event) -> Event {
    if masker.is_empty() {
        return event;
    }
    let Ok(mut value) = serde_json::to_value(&event) else { return event };
    if !mask(masker, &mut value) {
        return event;
    }
    serde_json::from_value(value).unwrap_or(Event {
        kind: EventKind::Warning {
            code: WarningCode::State,
            step: None,
            message: "an event was withheld because it held a secret".into(),
        },
        ..event
    })
}

/// Masks in place; says whether anything was.
fn mask(masker: &Masker, value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let hidden = masker.text(text);
            let found = hidden != *text;
            *text = hidden;
            found
        }
        Value::Array(items) => items.iter_mut().fold(false, |found, item| mask(masker, item) | found),
        Value::Object(fields) => {
            let data = fields.iter_mut().filter(|(name, value)| !(value.is_string() && WORDS.contains(&name.as_str())));
            data.fold(false, |found, (_, value)| mask(masker, value) | found)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::StepId;

    #[test]
    fn secrets_that_are_words_of_the_format_destroy_nothing() {
        let masker = Masker::new(["step", "step-output", "s3cr3t-value"].map(|text| text.as_bytes().to_vec()).into());
        let id = StepId::parse("test").unwrap();
        let kind = EventKind::StepOutput { step: id.clone(), attempt: 1, bytes: 9, tail: "a s3cr3t-value\n".into() };
        let masked = masked(&masker, Event { seq: 3, at_ms: 4, kind });
        let tail = "a ***\n".to_owned();
        assert_eq!(masked.kind, EventKind::StepOutput { step: id, attempt: 1, bytes: 9, tail });
    }
}
