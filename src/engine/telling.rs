//! Telling: the log first, then the view, then whoever listens.

use super::Clock;
use crate::event::{Event, EventKind, FallbackCode};
use crate::exec::mask::Masker;
use crate::history::LogWriter;
use crate::report::{RunView, Sink};
use std::io;

/// Everything that hears of events.
pub struct Telling {
    clock: Clock,
    seq: u64,
    log: LogWriter,
    view: RunView,
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
        Self { clock, seq: 0, log, view, sinks, masker, broken: None, fallbacks: 0 }
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

    /// The run is over.
    pub fn finish(&mut self) {
        if let Err(error) = self.log.flush() {
            self.broken.get_or_insert(error);
        }
        self.each_sink(|sink, view| sink.finish(view));
    }

    /// A sink that fails is retired, and the run goes on; everybody else hears of it.
    fn each_sink(&mut self, mut call: impl FnMut(&mut dyn Sink, &RunView) -> io::Result<()>) {
        let mut retired = Vec::new();
        let view = &self.view;
        self.sinks.retain_mut(|sink| match call(sink.as_mut(), view) {
            Ok(()) => true,
            Err(error) => {
                retired.push(format!("the {} report was given up: {error}", sink.name()));
                false
            }
        });
        for message in retired {
            self.tell(EventKind::Fallback { code: FallbackCode::SinkRetired, message, hint: None });
        }
    }
}

/// Secrets never reach the log nor a sink: an event whose JSON form holds one is replaced by its masked form.
fn masked(masker: &Masker, event: Event) -> Event {
    if masker.is_empty() {
        return event;
    }
    let Ok(json) = serde_json::to_string(&event) else { return event };
    let hidden = masker.text(&json);
    if hidden == json {
        return event;
    }
    // A secret may be part of a word that the format needs; then only the fact of the event is kept.
    serde_json::from_str(&hidden).unwrap_or(Event {
        kind: EventKind::Warning {
            code: crate::event::WarningCode::State,
            step: None,
            message: "an event was withheld because it held a secret".into(),
        },
        ..event
    })
}
