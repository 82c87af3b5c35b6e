//! What a run's first events tell of its circumstances: what changed, on which machine, when. Pure.
//!
//! Does not know: what they are good for; see [`crate::predict`].

use crate::event::{EventKind, Machine, Noticed, RunStarted};
use crate::predict::Circumstances;

/// At most so many changed paths are kept of a run: more of them tell no more of it.
pub(super) const PATHS: usize = 200;

/// What a run's changes tell of its circumstances. `unknown`, as events say, is empty here.
pub(super) fn changed(kind: &EventKind) -> Option<Circumstances> {
    let EventKind::Changes { total, files, change_type, impact, categories, .. } = kind else { return None };
    let known = |word: &String| if word == "unknown" { String::new() } else { word.clone() };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Some(Circumstances {
        change_type: known(change_type),
        impact: known(impact),
        files: count(*total),
        categories: categories.iter().map(|(name, n)| (name.clone(), count(*n))).collect(),
        paths: files.iter().take(PATHS).map(|file| file.path.to_string()).collect(),
        ..Circumstances::default()
    })
}

/// All that is known of a run's circumstances. `None`: nothing but when it began.
pub(super) fn circumstances(
    head: &RunStarted,
    changed: Option<Circumstances>,
    noticed: Noticed,
) -> Option<Circumstances> {
    if changed.is_none() && head.machine.is_unknown() && noticed.is_empty() {
        return None;
    }
    Some(on(&head.machine, &head.started_at, noticed, changed.unwrap_or_default()))
}

fn on(machine: &Machine, started_at: &str, noticed: Noticed, changed: Circumstances) -> Circumstances {
    Circumstances {
        cores: machine.cores,
        load: machine.load,
        runner: machine.runner.clone(),
        at: started_at.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second),
        changed_lines: noticed.lines,
        cold: noticed.cold,
        reused: noticed.reused_milli.map(|milli| milli as f32 / 1_000.0),
        ..changed
    }
}

/// The circumstances of a run that begins on this machine at this time (UTC, RFC 3339), with these changes.
pub fn circumstances_of(machine: &Machine, started_at: &str, changes: &EventKind, noticed: Noticed) -> Circumstances {
    on(machine, started_at, noticed, changed(changes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RepoPath;
    use crate::change::{Base, ChangedFile, Status, Where};
    use crate::event::{Event, Expected};
    use crate::history::Row;
    use crate::history::facts::Fold;
    use crate::history::samples;

    fn fold(kinds: Vec<EventKind>) -> Vec<Row> {
        let mut fold = Fold::default();
        for (seq, kind) in kinds.into_iter().enumerate() {
            fold.apply(&Event { seq: seq as u64, at_ms: 0, kind });
        }
        fold.rows().unwrap()
    }

    fn circumstances_of(rows: &[Row]) -> Option<Circumstances> {
        let Row::Run(facts) = &rows[0] else { panic!("the run's own row is first") };
        facts.circumstances.clone()
    }

    fn changes(files: usize, word: &str) -> EventKind {
        let file = |at: usize| ChangedFile {
            path: RepoPath::from(format!("src/{at}.rs").as_str()),
            from: None,
            status: Status::Modified,
            seen: Where::default(),
            modes: (0, 0),
        };
        EventKind::Changes {
            base: Base::None,
            total: 4_000,
            files: (0..files).map(file).collect(),
            change_type: word.into(),
            impact: word.into(),
            impact_because: vec![],
            categories: [("code".to_owned(), 3_999), (String::new(), 1)].into(),
        }
    }

    fn expected(lines: u32) -> EventKind {
        EventKind::Expected(Box::new(Expected {
            strategy: "balanced".into(),
            level: "balanced".into(),
            run: None,
            critical_ms: 0,
            work_ms: 0,
            noticed: Noticed { lines: Some(lines), cold: Some(lines > 0), reused_milli: Some(250) },
            steps: vec![],
        }))
    }

    #[test]
    fn circumstances_come_from_the_head_and_the_changes_and_paths_are_few() {
        let head = RunStarted {
            machine: Machine { cores: 4, load: 0.25, runner: "box".into() },
            started_at: "2026-01-01T00:00:10Z".into(),
            ..samples::head()
        };
        let head = EventKind::RunStarted(Box::new(head));
        let all = circumstances_of(&fold(vec![head.clone(), changes(500, "mixed")])).unwrap();
        assert_eq!((all.cores, all.load, all.runner.as_str(), all.at), (4, 0.25, "box", 1_767_225_610));
        assert_eq!(
            (all.change_type.as_str(), all.impact.as_str(), all.files, all.changed_lines),
            ("mixed", "mixed", 4_000, None)
        );
        assert_eq!((all.paths.len(), all.paths[199].as_str()), (PATHS, "src/199.rs"));
        assert_eq!((all.categories["code"], all.categories[""]), (3_999, 1));
        let unknown = circumstances_of(&fold(vec![samples::started(), changes(1, "unknown")])).unwrap();
        assert_eq!((unknown.change_type.as_str(), unknown.impact.as_str(), unknown.cores), ("", "", 0));
        assert_eq!(circumstances_of(&fold(vec![head])).unwrap().files, 0, "a machine alone is something");
        assert_eq!(circumstances_of(&fold(vec![samples::started()])), None);
        let counted = circumstances_of(&fold(vec![samples::started(), changes(1, "mixed"), expected(7), expected(0)]));
        let counted = counted.unwrap();
        let noticed = (counted.changed_lines, counted.cold, counted.reused);
        assert_eq!(noticed, (Some(0), Some(false), Some(0.25)), "what was said last counts");
    }

    #[test]
    fn a_log_without_what_came_later_still_reads() {
        let EventKind::Changes { .. } = serde_json::from_str(
            r#"{"type":"changes","base":{"kind":"none"},"total":0,"files":[],"change_type":"none","impact":"low",
                "impact_because":[]}"#,
        )
        .unwrap() else {
            panic!("no changes")
        };
        let mut head = serde_json::to_value(samples::head()).unwrap();
        assert!(head.get("machine").is_none(), "what nobody knows is not written");
        head["machine"] = serde_json::json!({"cores": 2, "something": "new"});
        let head: RunStarted = serde_json::from_value(head).unwrap();
        assert_eq!((head.machine.cores, head.machine.runner.as_str()), (2, ""));
    }
}
