//! Recorded histories as tables: who ran in which cycle, how long it took, whether it failed. Pure.
//!
//! Two forms of CSV are read, told apart by their columns: `cycle, test, duration_s` with `failed`, `time` and `attempt`
//! where they are known, and the stage runs of LRTS (six Apache projects; ISSTA 2024), which make one table per project. Does
//! not know: files, compression, what is measured with the table.

use crate::predict::Circumstances;
use std::collections::HashMap;
use std::sync::Arc;

/// One history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The project, where a file holds several; else empty.
    pub name: String,
    /// What ran: [`Row::item`] points here.
    pub items: Vec<String>,
    /// Oldest first: in the order in which the file names them first.
    pub cycles: Vec<Cycle>,
}

impl Table {
    /// The same without the durations of what failed: wf learns how long steps take from those that passed.
    pub fn of_passes(&self) -> Self {
        let mut table = self.clone();
        let rows = table.cycles.iter_mut().flat_map(|cycle| &mut cycle.rows);
        rows.filter(|row| row.failed == Some(true)).for_each(|row| row.seconds = None);
        table
    }
}

/// What ran together. An item may stand in it more than once: it was tried again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cycle {
    /// Its number or name.
    pub name: String,
    /// When its first row says it began, in seconds since 1970.
    pub time: Option<f64>,
    /// What ran, in the file's order.
    pub rows: Vec<Row>,
}

/// What became of one item in one cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Position in [`Table::items`].
    pub item: u32,
    /// How long it took; finite and not negative.
    pub seconds: Option<f64>,
    /// Whether it failed.
    pub failed: Option<bool>,
    /// Which attempt it was: 1, 2, …
    pub attempt: u32,
    /// What is known of the change, if the file says anything of it.
    pub circumstances: Option<Arc<Circumstances>>,
}

/// Why a text is no table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TableError {
    /// No known form has these columns.
    #[error("no known form of history has the columns {0}")]
    Columns(String),
    /// A line cannot be read.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Where the columns of either form stand.
struct Columns {
    project: Option<usize>,
    cycle: Vec<usize>,
    item: usize,
    seconds: Option<usize>,
    failed: Option<usize>,
    time: Option<usize>,
    files: Option<usize>,
    lines: Vec<usize>,
    attempt: Option<usize>,
}

impl Columns {
    fn of(head: &csv::StringRecord) -> Option<Self> {
        let at = |name: &str| head.iter().position(|column| column.trim() == name);
        if let (Some(cycle), Some(item)) = (at("cycle"), at("test")) {
            return Some(Self {
                project: None,
                cycle: vec![cycle],
                item,
                seconds: at("duration_s"),
                failed: at("failed"),
                time: at("time"),
                files: None,
                lines: Vec::new(),
                attempt: at("attempt"),
            });
        }
        Some(Self {
            project: Some(at("project")?),
            cycle: vec![at("pr_name")?, at("build_id")?],
            item: at("stage_id")?,
            seconds: at("stage_duration_by_suite_sum"),
            failed: at("num_fail_class"),
            time: at("build_timestamp"),
            files: at("num_changed_files"),
            lines: [at("num_addition"), at("num_deletion")].into_iter().flatten().collect(),
            attempt: None,
        })
    }
}

/// A table that grows, and where its items and cycles stand.
#[derive(Default)]
struct Growing {
    table: Table,
    items: HashMap<String, u32>,
    cycles: HashMap<String, usize>,
}

/// Reads CSV text with a head line. A file without rows makes no table.
pub fn parse(text: &[u8]) -> Result<Vec<Table>, TableError> {
    let mut reader = csv::Reader::from_reader(text);
    let unreadable = |error: csv::Error| TableError::Line {
        line: error.position().map_or(0, csv::Position::line),
        what: error.to_string(),
    };
    let head = reader.headers().map_err(unreadable)?.clone();
    let columns = Columns::of(&head).ok_or_else(|| TableError::Columns(head.iter().collect::<Vec<_>>().join(", ")))?;
    let mut all: Vec<Growing> = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(unreadable)? {
        let line = record.position().map_or(0, csv::Position::line);
        let project = columns.project.and_then(|at| record.get(at)).unwrap_or_default();
        let found = all.iter().position(|growing| growing.table.name == project).unwrap_or_else(|| {
            all.push(Growing { table: Table { name: project.to_owned(), ..Table::default() }, ..Growing::default() });
            all.len() - 1
        });
        if let Some(growing) = all.get_mut(found) {
            growing.add(&columns, &record).map_err(|what| TableError::Line { line, what })?;
        }
    }
    Ok(all.into_iter().map(|growing| growing.table).collect())
}

impl Growing {
    fn add(&mut self, columns: &Columns, record: &csv::StringRecord) -> Result<(), String> {
        let field = |at: usize| record.get(at).unwrap_or_default().trim();
        let number = |at: Option<usize>| at.map_or(Ok(None), |at| number(field(at)));
        let name = columns.cycle.iter().map(|at| field(*at)).collect::<Vec<_>>().join(" ");
        let time = columns.time.map_or(Ok(None), |at| time(field(at)))?;
        let item = self.item(field(columns.item))?;
        let seconds = number(columns.seconds)?.filter(|seconds| *seconds >= 0.0);
        let failed = number(columns.failed)?.map(|count| count > 0.0);
        let attempt = number(columns.attempt)?.map_or(1, |attempt| (attempt as u32).max(1));
        let mut lines = None;
        for at in &columns.lines {
            lines = number(Some(*at))?.map(|more| more + lines.unwrap_or(0.0)).or(lines);
        }
        let files = number(columns.files)?;
        // Saturating casts: a count past the range stays at its end.
        let circumstances = (files.is_some() || lines.is_some()).then(|| {
            let (files, changed_lines) = (files.unwrap_or(0.0) as u32, lines.map(|lines| lines as u32));
            Arc::new(Circumstances { files, changed_lines, at: time.unwrap_or(0.0) as i64, ..Circumstances::default() })
        });
        let cycles = &mut self.table.cycles;
        let at = *self.cycles.entry(name).or_insert_with_key(|name| {
            cycles.push(Cycle { name: name.clone(), time, rows: Vec::new() });
            cycles.len() - 1
        });
        if let Some(cycle) = cycles.get_mut(at) {
            cycle.rows.push(Row { item, seconds, failed, attempt, circumstances });
        }
        Ok(())
    }

    fn item(&mut self, name: &str) -> Result<u32, String> {
        if let Some(found) = self.items.get(name) {
            return Ok(*found);
        }
        let new = u32::try_from(self.table.items.len()).map_err(|_| "too many items".to_owned())?;
        self.items.insert(name.to_owned(), new);
        self.table.items.push(name.to_owned());
        Ok(new)
    }
}

/// A finite number; nothing where the field is empty or says that nothing is known.
fn number(field: &str) -> Result<Option<f64>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    let number: f64 = field.parse().map_err(|_| format!("`{field}` is not a number"))?;
    Ok(number.is_finite().then_some(number))
}

/// Seconds since 1970, given as a number or as a date and time, which is taken for UTC.
fn time(field: &str) -> Result<Option<f64>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    if let Ok(seconds) = number(field) {
        return Ok(seconds);
    }
    let civil: jiff::civil::DateTime = field.parse().map_err(|_| format!("`{field}` is not a time"))?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| error.to_string())?;
    Ok(Some(zoned.timestamp().as_second() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_by_cycle() {
        let text = "cycle,test,duration_s,failed,time\n1,a,1.5,0,2018-12-05 17:47:10\n1,b,,1,2018-12-05 17:47:10\n\
                    2,a,-1,0,2018-12-06T17:47:10\n";
        let [table] = parse(text.as_bytes()).unwrap().try_into().unwrap();
        assert_eq!(table.items, ["a", "b"]);
        let row = |item, seconds, failed| Row { item, seconds, failed: Some(failed), attempt: 1, circumstances: None };
        let cycle = |name: &str, time, rows| Cycle { name: name.into(), time: Some(time), rows };
        assert_eq!(
            table.cycles,
            [
                cycle("1", 1_544_032_030.0, vec![row(0, Some(1.5), false), row(1, None, true)]),
                cycle("2", 1_544_118_430.0, vec![row(0, None, false)]),
            ]
        );
    }

    #[test]
    fn stage_runs_make_a_table_per_project() {
        let text = "project,pr_name,build_id,stage_id,build_timestamp,stage_duration_by_suite_sum,num_fail_class,\
                    num_changed_files,num_addition,num_deletion\nx,PR-1,1,s,100.0,5.5,2,3,10,4\ny,PR-1,1,s,101.0,6,0,1,1,0\n\
                    x,PR-1,2,s,200.0,8,0,,,\nx,PR-1,1,t,100.0,7,0,3,10,4\n";
        let tables = parse(text.as_bytes()).unwrap();
        let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["x", "y"]);
        let rows: Vec<_> = tables[0].cycles.iter().map(|cycle| (cycle.name.as_str(), cycle.rows.len())).collect();
        assert_eq!(rows, [("PR-1 1", 2), ("PR-1 2", 1)]);
        let row = &tables[0].cycles[0].rows[0];
        assert_eq!((row.seconds, row.failed), (Some(5.5), Some(true)));
        let known = row.circumstances.as_ref().unwrap();
        assert_eq!((known.files, known.changed_lines, known.at), (3, Some(14), 100));
        assert_eq!(tables[0].cycles[1].rows[0].circumstances, None);
    }

    #[test]
    fn what_is_no_table_says_why() {
        let bad = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(bad("a,b\n1,2\n"), "no known form of history has the columns a, b");
        assert_eq!(bad("cycle,test,duration_s\n1,a,x\n"), "line 2: `x` is not a number");
        assert_eq!(bad("cycle,test,time\n1,a,noon\n"), "line 2: `noon` is not a time");
        assert!(bad("cycle,test\n1,a\n1\n").starts_with("line 3: "));
        assert_eq!(parse(b"cycle,test\n").unwrap(), []);
    }
}
