//! Replaying a recorded history through what is learned online: how good predictions would have been. Pure.
//!
//! At each cycle everything is predicted from earlier cycles only; then the whole cycle is learned. Does not know:
//! files, how results are printed.

pub mod dags;
pub mod durations;
pub mod makespan;
pub mod many;
pub mod ordering;
pub mod score;
pub mod table;

pub use table::{Cycle, Row, Table};

use serde::{Serialize, Serializer};

/// What was measured of one kind of prediction on one table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// What was predicted: `durations`, …
    pub name: &'static str,
    /// A row for each method, wf's own first.
    pub rows: Vec<Measured>,
}

/// What was measured of one method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// `wf`, or the name of a baseline.
    pub method: String,
    /// Values by name, in the order in which they are shown.
    #[serde(serialize_with = "as_map")]
    pub metrics: Vec<(&'static str, f64)>,
}

fn as_map<S: Serializer>(metrics: &[(&'static str, f64)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(metrics.iter().copied())
}

/// Everything that can be measured on a table.
pub fn sections(table: &Table) -> Vec<Section> {
    let found = [durations::measure(table), ordering::measure(table), makespan::measure(table)];
    found.into_iter().flatten().collect()
}

/// The plain mean of each metric over all sections of a name that have it; with one section of each there is nothing to
/// tell.
pub fn means<'a>(all: impl IntoIterator<Item = &'a Section>) -> Vec<Section> {
    let mut means: Vec<(Section, Vec<Vec<f64>>)> = Vec::new();
    let mut most = 0;
    for section in all {
        let at = means.iter().position(|(mean, _)| mean.name == section.name).unwrap_or_else(|| {
            means.push((Section { name: section.name, rows: Vec::new() }, Vec::new()));
            means.len() - 1
        });
        let Some((mean, counts)) = means.get_mut(at) else { continue };
        for row in &section.rows {
            let at = mean.rows.iter().position(|sum| sum.method == row.method).unwrap_or_else(|| {
                mean.rows.push(Measured { method: row.method.clone(), metrics: Vec::new() });
                counts.push(Vec::new());
                mean.rows.len() - 1
            });
            let (Some(sums), Some(counts)) = (mean.rows.get_mut(at), counts.get_mut(at)) else { continue };
            for (name, value) in &row.metrics {
                let known = sums.metrics.iter_mut().zip(counts.iter_mut()).find(|(sum, _)| sum.0 == *name);
                if let Some((sum, count)) = known {
                    *count += 1.0;
                    sum.1 += (value - sum.1) / *count;
                    most = 2;
                } else {
                    sums.metrics.push((name, *value));
                    counts.push(1.0);
                }
            }
        }
    }
    if most < 2 { Vec::new() } else { means.into_iter().map(|(mean, _)| mean).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &'static str, rows: &[(&str, &[(&'static str, f64)])]) -> Section {
        let rows =
            rows.iter().map(|(method, metrics)| Measured { method: (*method).into(), metrics: metrics.to_vec() });
        Section { name, rows: rows.collect() }
    }

    #[test]
    fn means_are_over_those_that_have_it() {
        let a = section("x", &[("wf", &[("m", 1.0), ("n", 5.0)]), ("last", &[("m", 4.0)])]);
        let b = section("x", &[("wf", &[("m", 3.0)])]);
        let other = section("y", &[("wf", &[("m", 9.0)])]);
        let expected = section("x", &[("wf", &[("m", 2.0), ("n", 5.0)]), ("last", &[("m", 4.0)])]);
        assert_eq!(means([&a, &other, &b]), [expected, other.clone()]);
        assert_eq!(means([&a, &other]), []);
    }

    #[test]
    fn metrics_are_a_map_in_json() {
        let json = serde_json::to_string(&section("x", &[("wf", &[("m", 1.5)])])).unwrap();
        assert_eq!(json, r#"{"name":"x","rows":[{"method":"wf","metrics":{"m":1.5}}]}"#);
    }
}
