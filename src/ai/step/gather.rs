//! The files a step is about, and the variables of the run.

use crate::ai::order::{Files, Order};
use crate::ai::problem::{Kind, Problem};
use crate::ai::prompt::Variables;
use crate::base::{GlobSet, RepoPath, RunId, StepId};
use crate::event::EventKind;
use crate::git::{Mode, Repo};
use crate::history::{self, RunRef};
use crate::report::{Stored, output};
use std::fmt::Write as _;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// Larger files are not sent.
const LARGEST: u64 = 1 << 20;
/// A longer diff is cut: nobody wants to pay for the review of a lock file.
const LONGEST_DIFF: usize = 4 << 20;

/// The end of another step's output that a template may use.
const LONGEST_OUTPUT: usize = 64 << 10;

/// What a step asks about.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The files, sorted by path, with their text.
    pub files: Vec<(RepoPath, String)>,
    /// Files that are left out, with the reason.
    pub skipped: Vec<(RepoPath, String)>,
    /// What templates may use of the run.
    pub variables: Variables,
}

/// Where what reused steps printed is read from.
#[derive(Debug, Default)]
pub struct Printed {
    /// All of it.
    pub all: Stored,
    /// Of steps that ask, the answer alone.
    pub answers: Stored,
}

/// Reads the files of an order, and of the run what its templates `use`. What reused steps printed is in `stored`.
///
/// # Errors
/// The list of files, git or a pattern cannot be read.
pub fn gather(order: &Order, uses: &[String], stored: &Printed) -> Result<Gathered, Problem> {
    let mut gathered = Gathered::default();
    for path in paths(order)? {
        match text(order, &path) {
            Ok(text) => gathered.files.push((path, text)),
            Err(reason) => gathered.skipped.push((path, reason)),
        }
    }
    gathered.variables.project_kind = order.shared.project.clone().unwrap_or_default();
    for step in uses.iter().filter_map(|name| name.strip_prefix("steps.")) {
        gathered.variables.steps.insert(step.to_owned(), printed(order, step, stored)?);
    }
    if uses.iter().any(|name| is_of_change(name)) {
        change(order, &mut gathered.variables)?;
    }
    Ok(gathered)
}

/// Does a variable belong to the change?
pub(super) fn is_of_change(name: &str) -> bool {
    name == "diff" || name.starts_with("change.")
}

fn wrong(what: impl std::fmt::Display) -> Problem {
    Problem::new(Kind::Input, what.to_string())
}

fn open(order: &Order) -> Result<Repo, Problem> {
    Repo::discover(&order.shared.root).map_err(wrong)
}

fn paths(order: &Order) -> Result<Vec<RepoPath>, Problem> {
    let mut paths = match &order.files {
        Files::None => vec![],
        Files::Named(paths) => paths.clone(),
        Files::Listed(list) => {
            let bytes = std::fs::read(list).map_err(|error| wrong(format!("{}: {error}", list.display())))?;
            bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(RepoPath::from_bytes).collect()
        }
        Files::Matching { patterns, dir } => {
            let texts: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let globs = GlobSet::parse(&texts, dir).map_err(|errors| {
                wrong(errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("; "))
            })?;
            let files = open(order)?.files().map_err(wrong)?;
            files.into_iter().filter(|path| globs.is_match(path)).collect()
        }
    };
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// A file's text, if it is one: no link is followed, nothing but a regular file is opened.
fn text(order: &Order, path: &RepoPath) -> Result<String, String> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = std::fs::File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path.under(&order.shared.root));
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => "it is a symlink, which is not followed".into(),
        _ => error.to_string(),
    })?;
    let meta = file.metadata().map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("it is no file".into());
    }
    if meta.len() > LARGEST {
        return Err("it is larger than 1 MiB".into());
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize + 1);
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.contains(&0) {
        return Err("it is not text".into());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".into())
}

/// The end of what a step before this one printed: in this run, or when it ran, if its result was used again. Of a step that
/// asks it is the answer: how many were asked, and how often, is another thing each time.
fn printed(order: &Order, step: &str, stored: &Printed) -> Result<String, Problem> {
    let id = StepId::parse(step).map_err(wrong)?;
    let asks = order.shared.asking.iter().any(|asking| asking == step);
    let stored = if asks { &stored.answers } else { &stored.all };
    let run =
        RunRef { id: RunId(order.shared.run.clone()), dir: order.shared.state.join("runs").join(&order.shared.run) };
    let logs = (1..=100).map(|attempt| run.dir.join(output::path_of(&id, attempt)));
    if let Some(last) = logs.take_while(|log| log.exists()).last() {
        let tail = if asks { output::stdout_tail } else { output::tail };
        return Ok(tail(&last, LONGEST_OUTPUT).map_err(wrong)?.whole_lines().text());
    }
    let (mut skipped, mut planned, mut text) = (false, false, String::new());
    for event in history::read_log(&run.log()).map_err(wrong)? {
        match event.kind {
            EventKind::Planned { steps, .. } => {
                let found = steps.iter().find(|step| step.id == id);
                planned = found.is_some();
                skipped = found.is_some_and(|step| !step.decision.runs());
            }
            EventKind::StepsReused { steps } => {
                for blob in steps.iter().filter(|step| step.step == id).filter_map(|step| step.output.as_ref()) {
                    text = stored.tail(blob, LONGEST_OUTPUT).map(|tail| tail.whole_lines().text()).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    if !planned {
        return Err(wrong(format!(
            "there is no output of step {step}: it is no part of this run; put it into `needs`"
        )));
    }
    // Who reads the prompt should not take nothing for a clean result.
    Ok(if skipped && text.is_empty() { format!("(step {step} was skipped in this run)") } else { text })
}

/// The change as people write it: which files, and the difference.
fn change(order: &Order, variables: &mut Variables) -> Result<(), Problem> {
    let Some(base) = &order.shared.base else {
        variables.summary = "There is no base to compare with.".into();
        return Ok(());
    };
    let repo = open(order)?;
    let changes = repo.changes(Some(base), Mode::All).map_err(wrong)?;
    for file in &changes.files {
        let _ = writeln!(variables.summary, "{} {}", file.status.letter(), file.path);
        variables.changed.push(file.path.to_string());
    }
    let mut diff = repo.diff_text(base).map_err(wrong)?;
    // Git's own difference knows nothing of files that were never added.
    for file in changes.files.iter().filter(|file| file.seen.untracked) {
        if diff.len() > LONGEST_DIFF {
            break;
        }
        diff.push_str(&added(&file.path, text(order, &file.path)));
    }
    cut(&mut diff, LONGEST_DIFF);
    variables.diff = diff;
    Ok(())
}

/// Cuts a text at the end of a line: of a key that is cut in two, neither half is recognised.
fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.truncate(text.rfind('\n').map_or(0, |at| at + 1));
        text.push_str("(the rest is left out)\n");
    }
}

/// A new file as git would show it, were it added.
fn added(path: &RepoPath, text: Result<String, String>) -> String {
    let head = format!("diff --git a/{path} b/{path}\nnew file\n");
    match text {
        Ok(text) => {
            let lines: String = text.lines().map(|line| format!("+{line}\n")).collect();
            format!("{head}--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{} @@\n{lines}", text.lines().count())
        }
        Err(why) => format!("{head}({why})\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_text_is_cut_at_the_end_of_a_line() {
        for (text, most, left) in [
            ("one\ntwo\n", 8, "one\ntwo\n"),
            ("one\ntwo\n", 7, "one\n(the rest is left out)\n"),
            ("one\ntwo\n", 4, "one\n(the rest is left out)\n"),
            ("one\n\u{e9}\n", 5, "one\n(the rest is left out)\n"),
            ("a line that is long", 6, "(the rest is left out)\n"),
        ] {
            let mut cutting = text.to_owned();
            cut(&mut cutting, most);
            assert_eq!(cutting, left, "{text:?} at {most}");
        }
    }
}
