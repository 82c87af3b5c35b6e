//! Plain output: its lines, step output by mode, heartbeats, readers that leave.

use super::super::story::{self, Story, eventful, finished, id, options};
use super::*;
use crate::config::model::OutputMode;
use crate::event::{EventKind, Outcome, Reused, RunStatus, StepFinished, frame};
use crate::report::Stored;
use crate::report::output::Tail;
use std::cell::RefCell;
use std::rc::Rc;

/// Where a sink under test writes.
#[derive(Clone, Default)]
struct Paper(Rc<RefCell<Vec<u8>>>);

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn told(story: &Story, options: &SinkOptions) -> String {
    let paper = Paper::default();
    let mut sink = Plain::new(Box::new(paper.clone()), options);
    let mut view = RunView::default();
    for event in &story.events {
        view.apply(event);
        sink.on(event, &view).unwrap();
    }
    let text = paper.0.borrow().clone();
    String::from_utf8(text).unwrap()
}

fn with_output(text: &[u8]) -> (tempfile::TempDir, Story) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("out")).unwrap();
    let mut log = frame::HEADER.to_vec();
    frame::write(&mut log, frame::Frame { stream: frame::Stream::Stdout, at_ms: 0, bytes: text });
    std::fs::write(dir.path().join("out/build.1.log"), log).unwrap();
    let mut story = Story::plan(vec![story::runs("build")]);
    let end = StepFinished { log: Some("out/build.1.log".into()), wall_ms: 5, ..finished("build") };
    story.start(5, "build").output(8, "build", "x").finish(10, end).done(11, RunStatus::Passed);
    (dir, story)
}

#[test]
fn one_line_per_change() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("out")).unwrap();
    let text = told(&eventful(), &options(dir.path(), OutputMode::Errors));
    let text = text.replace(&dir.path().display().to_string(), "RUN");
    insta::assert_snapshot!(text);
}

#[test]
fn grouped_output_comes_in_one_piece_and_hostile_bytes_do_not() {
    let (dir, story) = with_output(b"one\n\x1b[2J\x1b[31mtwo\n::error::forged\nlast");
    let text = told(&story, &options(dir.path(), OutputMode::Grouped));
    assert!(text.ends_with("passed    build  0.0s\n  │ one\n  │ two\n  │ ::error::forged\n  │ last\n"), "{text}");
    let github = SinkOptions { github: true, ..options(dir.path(), OutputMode::Grouped) };
    let text = told(&story, &github);
    let group = "::group::passed build 0.0s\none\ntwo\n: :error::forged\nlast\n::endgroup::\n";
    assert!(text.ends_with(group), "{text}");
}

#[test]
fn streamed_lines_carry_their_step() {
    let (dir, story) = with_output(b"one\ntwo\nlast");
    let text = told(&story, &options(dir.path(), OutputMode::Stream));
    assert!(text.ends_with("build │ one\nbuild │ two\nbuild │ last\npassed    build  0.0s\n"), "{text}");
}

#[test]
fn lost_output_is_told() {
    let (dir, story) = with_output(b"");
    std::fs::remove_file(dir.path().join("out/build.1.log")).unwrap();
    let text = told(&story, &options(dir.path(), OutputMode::Grouped));
    assert!(text.contains("warning   cannot show the output in "), "{text}");
}

#[test]
fn stored_output_is_replayed_when_asked_for_marked_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::plan(vec![story::runs("build"), story::runs("quiet"), story::runs("gone")]);
    let blob = |n: u8| crate::base::BlobRef::of(&[n]);
    let hit = |step: &str, output: Option<crate::base::BlobRef>| Reused {
        step: id(step),
        key: crate::key::Key(crate::base::Digest::of_bytes(b"k")),
        saved_ms: 1_200,
        run: crate::base::RunId("r\n##[error]x".into()),
        restored: 0,
        output,
        resumed: false,
    };
    let steps = vec![hit("build", Some(blob(1))), hit("quiet", None), hit("gone", Some(blob(2)))];
    story.at(5, EventKind::StepsReused { steps });
    let stored = Stored::new(move |asked, most| {
        assert!(most <= 512 << 10, "bounded");
        let bytes = b"one\n\x1b[2J\x1b[31mtwo\n::error::forged\nlast".to_vec();
        Ok((*asked == blob(1)).then_some(Tail { bytes, left_out: 7 }))
    });
    let quiet = options(dir.path(), OutputMode::Grouped);
    let quiet = SinkOptions { stored, ..quiet };
    let text = told(&story, &quiet);
    assert!(text.ends_with("cached    quiet  1.2s saved\ncached    gone   1.2s saved\n"), "nobody asked: {text}");
    let text = told(&story, &SinkOptions { replay: true, ..quiet.clone() });
    let lines =
        "  │ … 7 B before this, `wf report --step build` has it all\n  │ one\n  │ two\n  │ ::error::forged\n  │ last\n";
    let build =
        format!("cached    build  1.2s saved, replayed from run r ##[error]x\n{lines}cached    quiet  1.2s saved\n");
    assert!(text.contains(&build), "{text}");
    assert!(text.ends_with("  │ (cannot show what it printed: it is not stored any more)\n"), "{text}");
    let text = told(&story, &SinkOptions { replay: true, github: true, ..quiet });
    assert!(text.contains("::group::cached build 1.2s saved, replayed from run r ## [error]x\n"), "{text}");
    assert!(text.contains("\ntwo\n: :error::forged\nlast\n::endgroup::\n"), "{text}");
}

#[test]
fn a_thousand_replays_end_somewhere() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..100).map(|n| format!("s{n}")).collect();
    let mut story = Story::plan(names.iter().map(|name| story::runs(name)).collect());
    let key = crate::key::Key(crate::base::Digest::of_bytes(b"k"));
    let output = Some(crate::base::BlobRef::of(b"o"));
    let hit = |name: &String| Reused {
        step: id(name),
        key,
        saved_ms: 1,
        run: crate::base::RunId("r".into()),
        restored: 0,
        output,
        resumed: false,
    };
    story.at(5, EventKind::StepsReused { steps: names.iter().map(hit).collect() });
    let stored = Stored::new(|_, most| Ok(Some(Tail { bytes: vec![b'x'; most], left_out: 1 << 30 })));
    let text =
        told(&story, &SinkOptions { replay: true, verbose: true, stored, ..options(dir.path(), OutputMode::Errors) });
    assert!(text.len() < 9 << 20 && text.contains("cached    s99  0.0s saved\n"), "{}", text.len());
}

#[test]
fn a_silent_minute_has_a_heartbeat() {
    let paper = Paper::default();
    let dir = tempfile::tempdir().unwrap();
    let mut sink = Plain::new(Box::new(paper.clone()), &options(dir.path(), OutputMode::Errors));
    let mut story = Story::plan(vec![story::runs("build"), story::runs("test")]);
    story.start(1_000, "build").start(2_000, "test");
    let mut view = RunView::default();
    for event in &story.events {
        view.apply(event);
        sink.on(event, &view).unwrap();
    }
    let before = paper.0.borrow().len();
    for now in (0..=121_999).step_by(500) {
        sink.tick(now, &view).unwrap();
    }
    let text = String::from_utf8(paper.0.borrow()[before..].to_vec()).unwrap();
    assert_eq!(text, "running   build (1m01s), test (1m00s); 0 of 2 done after 1m02s\n");
}

#[test]
fn a_reader_that_left_is_no_error() {
    struct Gone;
    impl io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut sink = Plain::new(Box::new(Gone), &options(dir.path(), OutputMode::Errors));
    let mut story = Story::plan(vec![story::runs("a")]);
    story.start(1, "a").end(2, "a", 1, Outcome::Passed);
    for event in &story.events {
        sink.on(event, &story.view()).unwrap();
    }
    sink.finish(&story.view()).unwrap();
}

#[test]
fn ids_from_a_forged_log_cannot_move_the_cursor() {
    let mut story = Story::plan(vec![story::runs("a")]);
    story.at(3, EventKind::StepStarted { step: id("x\x1b[2J\n::error::y"), attempt: 1 });
    let dir = tempfile::tempdir().unwrap();
    let text = told(&story, &options(dir.path(), OutputMode::Errors));
    assert!(text.ends_with("started   x ::error::y  attempt 1\n"), "{text}");
}
