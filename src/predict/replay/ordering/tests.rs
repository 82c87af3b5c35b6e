//! Small histories whose outcome can be told by hand, and one of a step that breaks with some files.

use super::super::table::{Cycle, Row};
use super::*;

/// Cycles of rows: item, seconds, failed.
fn table(cycles: &[&[(u32, f64, bool)]]) -> Table {
    let row = |(item, seconds, failed): &(u32, f64, bool)| Row {
        item: *item,
        seconds: Some(*seconds),
        failed: Some(*failed),
        attempt: 1,
        circumstances: None,
    };
    let items = cycles.iter().flat_map(|rows| rows.iter()).map(|row| row.0 + 1).max().unwrap_or(0);
    Table {
        name: String::new(),
        items: (0..items).map(|item| item.to_string()).collect(),
        cycles: cycles.iter().map(|rows| Cycle { rows: rows.iter().map(row).collect(), ..Cycle::default() }).collect(),
    }
}

fn line(lines: &[Line], policy: Policy) -> Line {
    *lines.iter().find(|line| line.policy == policy).unwrap()
}

#[test]
fn what_failed_runs_first_and_only_failing_cycles_count() {
    let lines = replay(&table(&[
        &[(0, 1.0, false), (1, 1.0, true)],
        &[(0, 1.0, false), (1, 1.0, false)],
        &[(0, 1.0, false), (1, 1.0, true)],
        &[(1, 1.0, true)],
    ]));
    // The first cycle is chance; in the third it comes first; the last has one row.
    for policy in [Policy::LastFailure, Policy::Ewma, Policy::Laplace, Policy::Wf] {
        let all = line(&lines, policy).all.unwrap();
        assert!((all.ttff - f64::midpoint(0.75, 0.5)).abs() < 0.1, "{policy:?} {all:?}");
        assert_eq!(line(&lines, policy).new, Some(all), "{policy:?}: both were new");
    }
    assert!((line(&lines, Policy::Oracle).all.unwrap().apfdc - 0.75).abs() < 1e-12);
}

#[test]
fn a_failure_that_stays_is_not_new() {
    let lines =
        replay(&table(&[&[(0, 1.0, false), (1, 1.0, true)], &[(0, 1.0, true), (1, 1.0, true), (2, 8.0, false)]]));
    let oracle = line(&lines, Policy::Oracle);
    let second = |score: Option<Score>, first: f64| 2.0 * score.unwrap().apfdc - first;
    assert!((second(oracle.all, 0.75) - 0.9).abs() < 1e-12, "{oracle:?}");
    assert!((second(oracle.new, 0.75) - 0.95).abs() < 1e-12, "{oracle:?}");
}

#[test]
fn the_cheaper_of_two_runs_first() {
    let calm: &[(u32, f64, bool)] = &[(0, 9.0, false), (1, 1.0, false)];
    let lines = replay(&table(&[calm, calm, &[(0, 9.0, false), (1, 1.0, true)]]));
    for policy in [Policy::EwmaPerSecond, Policy::LaplacePerSecond, Policy::Wf] {
        let ttff = line(&lines, policy).all.unwrap().ttff;
        assert!((ttff - 0.1).abs() < 1e-12, "{policy:?} {ttff}");
    }
    assert!(line(&lines, Policy::Random).all.unwrap().ttff > 0.11);
}

#[test]
fn rows_that_say_nothing_are_left_out() {
    let mut some = table(&[&[(0, 1.0, true), (1, 1.0, false)]]);
    some.cycles[0].rows[1].failed = None;
    assert!(replay(&some).iter().all(|line| line.all.is_none() && line.new.is_none()));
    assert!(replay(&Table::default()).iter().all(|line| line.all.is_none()));
}

#[test]
fn what_breaks_with_some_files_is_found_sooner_when_they_are_known() {
    // Thirty items; item n breaks when the folder n changes, which n cycles in sixty do.
    let mut known = table(&[]);
    known.items = (0..30).map(|item| item.to_string()).collect();
    for cycle in 0..240_usize {
        let folder = (cycle * 7) % 30;
        let paths = vec![format!("d{folder}/{cycle}.rs")];
        let circumstances = Some(std::sync::Arc::new(Circumstances { paths, ..Circumstances::default() }));
        let rows = (0..30_u32).map(|item| Row {
            item,
            seconds: Some(1.0),
            failed: Some(item as usize == folder && cycle % 3 != 1),
            attempt: 1,
            circumstances: circumstances.clone(),
        });
        known.cycles.push(Cycle { rows: rows.collect(), ..Cycle::default() });
    }
    let mut unknown = known.clone();
    unknown.cycles.iter_mut().flat_map(|cycle| &mut cycle.rows).for_each(|row| row.circumstances = None);
    let ttff = |table: &Table| line(&replay(table), Policy::Wf).new.unwrap().ttff;
    assert!(ttff(&known) < 0.5 * ttff(&unknown), "{} {}", ttff(&known), ttff(&unknown));
}
