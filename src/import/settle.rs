//! Drafts of one or several sources as steps of one configuration: ids, who waits for whom, patterns that wf can read. Pure.
//!
//! What cannot stay is taken out and told, always towards running more: a step without its patterns watches everything.

use super::draft::{Draft, Imported, Lost};
use super::workspace::uncovered;
use crate::base::{GlobSet, RepoPath, StepId};
use crate::config::model::Kind;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A draft with its id. Its `needs` and `after` are ids now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The id.
    pub id: String,
    /// The step.
    pub draft: Draft,
}

/// Steps that wf reads, and all that was lost.
pub(super) fn settle(sources: Vec<Imported>) -> (Vec<Settled>, Vec<Lost>) {
    let mut lost: Vec<Lost> = vec![];
    let mut taken = Taken::default();
    let mut steps: Vec<Settled> = vec![];
    for mut source in sources {
        lost.append(&mut source.lost);
        let from = RepoPath::root();
        let mut lose = |what: &str, why: String, advice: &str| {
            lost.push(Lost { file: from.clone(), line: 0, what: what.into(), why, advice: advice.into() });
        };
        source.steps.retain_mut(|draft| {
            let kept = runnable(draft);
            if let Err(why) = &kept {
                lose(&format!("`{}`", draft.key), why.clone(), "write the step yourself");
            } else {
                mend(draft, &mut lose);
                if draft.kind == Some(Kind::Deploy) {
                    let of = if draft.why.is_empty() { String::new() } else { format!(" ({})", draft.why) };
                    let why = "its name, its commands or its environment say that it changes the world outside: it runs only \
                               when it is asked for";
                    lose(&format!("`{}`{of}", draft.key), why.into(), "take `kind: deploy` off if that is wrong");
                }
            }
            kept.is_ok()
        });
        let ids: Vec<String> = source.steps.iter().map(|draft| taken.id(&draft.key, source.label)).collect();
        let mut by_key: HashMap<&str, Vec<(&String, bool)>> = HashMap::new();
        for (draft, id) in source.steps.iter().zip(&ids) {
            by_key.entry(&draft.key).or_default().push((id, !draft.for_each.is_empty()));
        }
        let waits: Vec<(Vec<String>, Vec<String>)> = source
            .steps
            .iter()
            .zip(&ids)
            .map(|(draft, id)| {
                let mut resolve = |keys: &[String]| {
                    let (found, missing) = resolved(keys, &by_key, &source.left_out, !draft.for_each.is_empty());
                    for key in missing {
                        let why = format!("it waits for `{key}`, which is not there");
                        lose(&format!("`{}`", draft.key), why, "add what it waits for, or leave it");
                    }
                    found.into_iter().filter(|other| other != id).collect::<Vec<_>>()
                };
                let needs = resolve(&draft.needs);
                let after = resolve(&draft.after).into_iter().filter(|other| !needs.contains(other)).collect();
                (needs, after)
            })
            .collect();
        steps.extend(
            source
                .steps
                .into_iter()
                .zip(ids)
                .zip(waits)
                .map(|((draft, id), (needs, after))| Settled { id, draft: Draft { needs, after, ..draft } }),
        );
    }
    watch_shared(&mut steps, &mut lost);
    for (from, to) in break_loops(&mut steps) {
        lost.push(Lost {
            file: RepoPath::root(),
            line: 0,
            what: format!("`{from}` waits for `{to}`"),
            why: "the two wait for each other in a ring".into(),
            advice: "say which of them comes first".into(),
        });
    }
    lost.sort();
    lost.dedup();
    (steps, lost)
}

/// An instance without `inputs` watches what is in no instance's folder, whichever source that one is of: where something it
/// has to watch is in one, it watches everything.
fn watch_shared(steps: &mut [Settled], lost: &mut Vec<Lost>) {
    let all: BTreeSet<RepoPath> = steps.iter().flat_map(|step| step.draft.for_each.iter().cloned()).collect();
    let all: Vec<&RepoPath> = all.iter().collect();
    let default = |step: &&mut Settled| !step.draft.for_each.is_empty() && step.draft.inputs.is_empty();
    for Settled { draft, .. } in steps.iter_mut().filter(default) {
        if let Some(pattern) = uncovered(&draft.also, &all) {
            let why = format!("`{pattern}` is in the folder of an instance: it watches everything, and is not cached");
            let what = format!("the inputs of `{}`", draft.key);
            lost.push(Lost { file: RepoPath::root(), line: 0, what, why, advice: "name its `inputs`".into() });
            draft.watch_everything();
        }
    }
}

/// Can it run at all?
fn runnable(draft: &Draft) -> Result<(), String> {
    if draft.run.trim().is_empty() {
        return Err("it has no command".into());
    }
    if draft.run.contains('\0') {
        return Err("its command has a NUL byte".into());
    }
    if std::str::from_utf8(draft.dir.as_bytes()).is_err() {
        return Err("the name of its folder is not UTF-8".into());
    }
    Ok(())
}

/// Takes out what the configuration's reader would refuse.
fn mend(draft: &mut Draft, lose: &mut impl FnMut(&str, String, &str)) {
    let what = format!("`{}`", draft.key);
    if let Err(why) = readable(&draft.inputs, &draft.dir) {
        lose(&format!("the filter of {what}"), why, "it watches everything now; name its `inputs`");
        draft.watch_everything();
    }
    if let Err(why) = readable(&draft.outputs, &draft.dir) {
        lose(&format!("the outputs of {what}"), why, "name its `outputs`");
        draft.outputs.clear();
        draft.cached = false;
    }
    draft.except.retain(|expression| {
        let fine = regex::bytes::Regex::new(expression).is_ok();
        if !fine {
            let short = crate::config::yaml::shorten(expression.trim());
            let why = format!("`{short}` has what wf's expressions have not (look-around); such paths are watched");
            lose(&format!("a filter of {what}"), why, "write it anew in `skip_rules`");
        }
        fine
    });
    draft.for_each.retain(|folder| super::filter::literal(folder).is_some_and(|text| is_pattern(&text)));
    let mut seen = BTreeSet::new();
    draft.env.retain(|(name, value)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let fine = starts && name.chars().all(plain) && !name.starts_with("WF_");
        let fine = fine && !value.as_ref().is_some_and(|value| value.contains('\0'));
        if !fine {
            lose(&format!("the variable `{name}` of {what}"), "wf cannot set it".into(), "set it in the command");
        }
        fine && seen.insert(name.clone())
    });
}

fn is_pattern(text: &str) -> bool {
    GlobSet::parse(&[text], &RepoPath::root()).is_ok()
}

fn readable(patterns: &[String], dir: &RepoPath) -> Result<(), String> {
    match GlobSet::parse(patterns, dir) {
        Ok(_) => Ok(()),
        Err(errors) => Err(errors.first().map(ToString::to_string).unwrap_or_default()),
    }
}

/// The ids that steps have.
#[derive(Default)]
struct Taken {
    /// In small letters.
    ids: BTreeSet<String>,
    /// The number that comes next for a beginning: thousands of names may come down to the same id.
    next: HashMap<String, usize>,
}

impl Taken {
    /// An id that nobody has, made of what the source says.
    fn id(&mut self, key: &str, label: &str) -> String {
        const LONGEST: usize = 64;
        const LONGEST_NUMBER: usize = 12;
        let mut plain = String::new();
        for c in key.chars() {
            match c {
                c if c.is_ascii_alphanumeric() || c == '_' || c == '.' => plain.push(c),
                _ if plain.ends_with('-') => {}
                _ => plain.push('-'),
            }
        }
        let plain = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let plain = if plain.is_empty() { "step" } else { plain };
        let labelled = format!("{label}-{plain}");
        for wanted in [plain, &labelled] {
            let id: String = wanted.chars().take(LONGEST).collect();
            if self.take(&id) {
                return id;
            }
        }
        let stem: String = labelled.chars().take(LONGEST - LONGEST_NUMBER).collect();
        let mut number = self.next.get(&stem.to_ascii_lowercase()).copied().unwrap_or(2);
        // There are more numbers than steps.
        let id = loop {
            let id = format!("{stem}-{number}");
            number += 1;
            if self.take(&id) {
                break id;
            }
        };
        self.next.insert(stem.to_ascii_lowercase(), number);
        id
    }

    /// Makes it an id, if nobody has it.
    fn take(&mut self, id: &str) -> bool {
        StepId::parse(id).is_ok() && self.ids.insert(id.to_ascii_lowercase())
    }
}

/// The ids that keys stand for, and the keys that stand for nothing. Whoever waits for what was left out waits for what
/// that waited for.
fn resolved(
    keys: &[String],
    by_key: &HashMap<&str, Vec<(&String, bool)>>,
    left_out: &BTreeMap<String, Vec<String>>,
    instance: bool,
) -> (Vec<String>, Vec<String>) {
    let (mut found, mut missing, mut seen) = (vec![], vec![], BTreeSet::new());
    let mut waiting: Vec<&String> = keys.iter().rev().collect();
    while let Some(key) = waiting.pop() {
        if !seen.insert(key) {
            continue;
        }
        let (mark, plain) = key.strip_prefix('^').map_or(("", key.as_str()), |plain| ("^", plain));
        match (by_key.get(plain), left_out.get(key)) {
            (Some(_), _) if !mark.is_empty() && !instance => {}
            // Of the folders that one depends on, only instances are.
            (Some(ids), _) => {
                let meant = ids.iter().filter(|(_, each)| *each || mark.is_empty());
                found.extend(meant.map(|(id, _)| format!("{mark}{id}")));
            }
            (None, Some(more)) => waiting.extend(more.iter().rev()),
            // Nobody has such a step in the folders it depends on.
            (None, None) if !mark.is_empty() => {}
            (None, None) => missing.push(key.clone()),
        }
    }
    found.dedup();
    (found, missing)
}

/// Takes out the edges that close a ring; what is left is acyclic.
fn break_loops(steps: &mut [Settled]) -> Vec<(String, String)> {
    let place: HashMap<String, usize> = steps.iter().enumerate().map(|(at, step)| (step.id.clone(), at)).collect();
    let edges: Vec<Vec<usize>> = steps
        .iter()
        .map(|step| step.draft.needs.iter().chain(&step.draft.after).filter_map(|id| place.get(id).copied()).collect())
        .collect();
    let (mut done, mut open) = (vec![false; steps.len()], vec![false; steps.len()]);
    let mut cut = Vec::new();
    for start in 0..steps.len() {
        // Deepest first, without recursion: a chain may be as long as a file.
        let mut path: Vec<(usize, usize)> = if done[start] { vec![] } else { vec![(start, 0)] };
        while let Some((at, next)) = path.pop() {
            open[at] = true;
            if let Some(to) = edges[at].get(next) {
                path.push((at, next + 1));
                if open[*to] {
                    cut.push((at, *to));
                } else if !done[*to] {
                    path.push((*to, 0));
                }
            } else {
                (open[at], done[at]) = (false, true);
            }
        }
    }
    cut.sort_unstable();
    cut.dedup();
    let mut told = Vec::new();
    for (from, to) in cut {
        let gone = steps[to].id.clone();
        let draft = &mut steps[from].draft;
        draft.needs.retain(|id| *id != gone);
        draft.after.retain(|id| *id != gone);
        told.push((steps[from].id.clone(), gone));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(key: &str, needs: &[&str]) -> Draft {
        let needs = needs.iter().map(|key| (*key).to_owned()).collect();
        Draft { key: key.into(), run: "true".into(), needs, ..Draft::default() }
    }

    #[test]
    fn ids_are_unique_whatever_the_case_and_the_source() {
        let source = |label| Imported {
            label,
            steps: vec![draft("Test it!", &[]), draft("test-it", &[])],
            ..Imported::default()
        };
        let (steps, lost) = settle(vec![source("make"), source("just")]);
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["Test-it", "make-test-it", "just-Test-it", "just-test-it-2"]);
        assert!(lost.is_empty());
        let mut taken = Taken::default();
        for key in ["", "é", "-", &"x".repeat(200), &"x".repeat(200), &"x".repeat(201), "a/b@c"] {
            assert!(StepId::parse(&taken.id(key, "make")).is_ok(), "{key}");
        }
    }

    #[test]
    fn thousands_of_names_that_are_one_id_take_no_time() {
        let mut taken = Taken::default();
        let started = std::time::Instant::now();
        for n in 0..20_000 {
            // Some names are numbered by the source itself.
            let key = if n % 2 == 0 { "a b".to_owned() } else { format!("make-a-b-{n}") };
            taken.id(&key, "make");
        }
        assert_eq!(taken.ids.len(), 20_000);
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[test]
    fn what_was_left_out_passes_on_what_it_waited_for_and_rings_are_cut() {
        let left_out = BTreeMap::from([("setup".to_owned(), vec!["a".to_owned(), "setup".to_owned()])]);
        let steps = vec![draft("a", &[]), draft("b", &["setup", "gone", "b"]), draft("c", &["d"]), draft("d", &["c"])];
        let (steps, lost) = settle(vec![Imported { label: "x", steps, left_out, lost: vec![] }]);
        assert_eq!(steps[1].draft.needs, ["a"]);
        assert_eq!(lost.len(), 2, "{lost:?}");
        assert!(steps[2].draft.needs.is_empty() != steps[3].draft.needs.is_empty());
    }

    #[test]
    fn who_runs_only_when_asked_for_is_told() {
        let steps = vec![Draft { kind: Some(Kind::Deploy), ..draft("ship", &[]) }, draft("a", &[])];
        let (_, lost) = settle(vec![Imported { label: "x", steps, ..Imported::default() }]);
        assert!(lost.len() == 1 && lost[0].what == "`ship`" && lost[0].why.contains("asked for"), "{lost:?}");
    }

    #[test]
    fn bad_patterns_make_a_step_watch_everything() {
        let bad = Draft {
            inputs: vec!["src/**".into(), "/abs".into()],
            except: vec!["(".into(), r"\.md$".into()],
            env: vec![("A".into(), None), ("1A".into(), None), ("WF_DIR".into(), None)],
            ..draft("a", &[])
        };
        let (steps, lost) =
            settle(vec![Imported { label: "x", steps: vec![bad, Draft::default()], ..Imported::default() }]);
        assert!(steps.len() == 1 && steps[0].draft.inputs.is_empty() && steps[0].draft.except.len() == 1);
        assert_eq!((steps[0].draft.env.len(), lost.len()), (1, 5));
    }
}
