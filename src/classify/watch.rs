//! Which steps watch something that changed, for all steps at once. Pure.
//!
//! Ten thousand steps and five thousand changed files are an everyday size here, so steps are found from the changed
//! paths (by the literal folder their patterns begin with), never by trying every path on every step.

use super::Classified;
use crate::base::{RepoPath, StepId};
use crate::change::Unseen;
use crate::event::RunRule;
use crate::graph::{Inputs, Step, StepGraph};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Why a step is affected: the first changed path it watches, by which rule, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The first such path.
    pub path: RepoPath,
    /// How it is watched.
    pub rule: RunRule,
    /// How many more.
    pub more: usize,
}

/// For each step, what affects it.
pub fn causes(graph: &StepGraph, paths: &[Classified]) -> Vec<Option<Cause>> {
    let mut found: Vec<Option<Cause>> = vec![None; graph.len()];
    if paths.is_empty() {
        return found;
    }
    let index = Index::of(graph);
    let (mut candidates, mut compiled) = (Vec::new(), HashMap::new());
    // Alike steps share one answer for every path that nobody produces; it is spread over them at the end.
    let mut alike: Vec<Option<Cause>> = vec![None; index.alike.len()];
    for file in paths {
        let owners = index.owners(graph, &file.path);
        candidates.clear();
        index.watchers(&file.path, &mut candidates);
        for (class, members) in index.alike.iter().enumerate() {
            if !owners.is_empty() {
                candidates.extend(members);
            } else if let Some(rule) = watches(graph.step(members[0]), file, &owners, &mut compiled) {
                note(&mut alike[class], file, rule);
            }
        }
        for &at in &candidates {
            if let Some(rule) = watches(graph.step(at), file, &owners, &mut compiled) {
                note(&mut found[at], file, rule);
            }
        }
    }
    for (cause, members) in alike.iter().zip(&index.alike) {
        for (cause, &at) in cause.iter().flat_map(|cause| members.iter().map(move |at| (cause, at))) {
            match &mut found[at] {
                Some(own) if own.path < cause.path => own.more += cause.more + 1,
                slot => {
                    let before = slot.take().map_or(0, |own| own.more + 1);
                    *slot = Some(Cause { more: cause.more + before, ..cause.clone() });
                }
            }
        }
    }
    found
}

/// The changed paths that one step watches, in order.
pub fn watched<'a>(
    graph: &'a StepGraph,
    at: usize,
    paths: &'a [Classified],
) -> impl Iterator<Item = &'a RepoPath> + use<'a> {
    let (index, mut compiled) = (Index::of(graph), HashMap::new());
    let step = graph.step(at);
    let watched = paths.iter().filter(move |file| {
        let owners = index.owners(graph, &file.path);
        watches(step, file, &owners, &mut compiled).is_some()
    });
    watched.map(|file| &file.path)
}

fn note(slot: &mut Option<Cause>, file: &Classified, rule: RunRule) {
    match slot {
        Some(cause) => cause.more += 1,
        None => *slot = Some(Cause { path: file.path.clone(), rule, more: 0 }),
    }
}

/// How the step watches the path, if it does and nothing takes the path off its watch.
fn watches(step: &Step, file: &Classified, owners: &[StepId], compiled: &mut Compiled) -> Option<RunRule> {
    if is_left_out(step, file, owners, compiled) { None } else { watched_by(step, file) }
}

type Compiled = HashMap<String, Option<regex::bytes::Regex>>;

/// A path that the step watches although no diff can speak for it. `unseen` is sorted by path.
///
/// A thousand instances meet a thousand ignored folders: only what lies at, above or below a pattern's root is looked at.
pub fn unseen<'a>(step: &Step, unseen: &'a [Unseen]) -> Option<&'a RepoPath> {
    let meant = |hidden: &&Unseen| is_meant(step, hidden);
    let found = match &step.inputs {
        Inputs::Globs(set) => set.roots().find_map(|root| near(unseen, &root).find(meant)),
        Inputs::Everything | Inputs::Folders { .. } => unseen.iter().filter(|hidden| hidden.assumed).find(meant),
    };
    found.map(|hidden| &hidden.path)
}

/// The ignored places that a step names: no list of files that git gives holds what is in them. `unseen` is sorted.
pub fn ignored<'a>(step: &Step, unseen: &'a [Unseen]) -> Vec<&'a RepoPath> {
    let Inputs::Globs(set) = &step.inputs else { return vec![] };
    let mut found = Vec::new();
    for root in set.roots() {
        let meant = |hidden: &&Unseen| !hidden.assumed && !hidden.opaque && is_meant(step, hidden);
        found.extend(near(unseen, &root).filter(meant).map(|hidden| &hidden.path));
    }
    found
}

fn is_meant(step: &Step, hidden: &Unseen) -> bool {
    match &step.inputs {
        Inputs::Globs(set) if hidden.opaque => set.may_reach_into(&hidden.path),
        Inputs::Globs(set) if hidden.assumed => set.is_match(&hidden.path),
        Inputs::Globs(set) => set.means_ignored(&hidden.path, hidden.folder),
        Inputs::Everything => hidden.assumed,
        Inputs::Folders { own, .. } => {
            hidden.assumed && (own.iter().any(|folder| hidden.path.is_in(folder)) || step.inputs.shares(&hidden.path))
        }
    }
}

/// Of sorted paths those that hold `root`, that are `root`, and that lie in it.
fn near<'a>(unseen: &'a [Unseen], root: &RepoPath) -> impl Iterator<Item = &'a Unseen> {
    // What holds `root` comes before it, and the higher the earlier. All that stands between the two begins like the folder.
    let first = |all: &[Unseen], place: &[u8]| all.partition_point(|hidden| hidden.path.as_bytes() < place);
    let from = first(unseen, root.as_bytes());
    let alike = |other: &RepoPath| root.as_bytes().iter().zip(other.as_bytes()).take_while(|(a, b)| a == b).count();
    let shared = from.checked_sub(1).map_or(0, |last| alike(&unseen[last].path));
    let mut before = from;
    let above = root.above().skip_while(move |place| place.len() > shared).flat_map(move |place| {
        before = first(&unseen[..before], place);
        unseen[before..from].iter().take_while(move |hidden| hidden.path.as_bytes() == place)
    });
    // Names that only begin alike (`src.old`, `src-x`) may stand between a folder and what is in it.
    let alike = unseen[from..].iter().take_while(|hidden| hidden.path.as_bytes().starts_with(root.as_bytes()));
    above.chain(alike.filter(|hidden| hidden.path.is_in(root)))
}

/// Steps by the places where what they watch or produce begins.
struct Index {
    watching: HashMap<RepoPath, Vec<usize>>,
    producing: HashMap<RepoPath, Vec<usize>>,
    /// Instances that watch what no instance owns, by the set of folders that tells what that is.
    sharing: Vec<(Arc<BTreeSet<RepoPath>>, Vec<usize>)>,
    /// Steps without inputs of their own that leave out the same things.
    alike: Vec<Vec<usize>>,
}

impl Index {
    fn of(graph: &StepGraph) -> Self {
        let (mut watching, mut producing) = (HashMap::new(), HashMap::new());
        let (mut sharing, mut alike) = (Vec::<(Arc<BTreeSet<RepoPath>>, Vec<usize>)>::new(), BTreeMap::new());
        let add = |map: &mut HashMap<RepoPath, Vec<usize>>, roots: BTreeSet<RepoPath>, at: usize| {
            for root in roots {
                map.entry(root).or_default().push(at);
            }
        };
        for (at, step) in graph.steps().iter().enumerate() {
            match &step.inputs {
                Inputs::Everything => {
                    let members: &mut Vec<usize> = alike.entry((&step.ignore, &step.unwatched)).or_default();
                    members.push(at);
                }
                Inputs::Globs(set) => add(&mut watching, outermost(set.roots()), at),
                Inputs::Folders { own, manifests, all } => {
                    add(&mut watching, outermost(own.iter().chain(manifests).cloned()), at);
                    match sharing.iter_mut().find(|(folders, _)| Arc::ptr_eq(folders, all)) {
                        Some((_, members)) => members.push(at),
                        None => sharing.push((Arc::clone(all), vec![at])),
                    }
                }
            }
            if let Some(outputs) = &step.outputs {
                add(&mut producing, outermost(outputs.roots()), at);
            }
        }
        Self { watching, producing, sharing, alike: alike.into_values().collect() }
    }

    fn watchers(&self, path: &RepoPath, into: &mut Vec<usize>) {
        for place in ancestors(path) {
            into.extend(self.watching.get(&place).into_iter().flatten());
        }
        for (folders, members) in &self.sharing {
            if !ancestors(path).any(|place| folders.contains(&place)) {
                into.extend(members);
            }
        }
        into.sort_unstable();
        into.dedup();
    }

    /// Whose declared output the path is.
    fn owners(&self, graph: &StepGraph, path: &RepoPath) -> Vec<StepId> {
        let produces = |at: &usize| graph.step(*at).outputs.as_ref().is_some_and(|outputs| outputs.is_match(path));
        let at = ancestors(path).filter_map(|place| self.producing.get(&place)).flatten().copied();
        at.filter(produces).map(|at| graph.step(at).id.clone()).collect()
    }
}

/// Drops roots that lie inside another of the same step, so that no step is found twice by one of its own.
fn outermost(roots: impl Iterator<Item = RepoPath>) -> BTreeSet<RepoPath> {
    let all: BTreeSet<RepoPath> = roots.collect();
    let inside = |root: &&RepoPath| ancestors(root).skip(1).any(|above| all.contains(&above));
    all.iter().filter(|root| !inside(root)).cloned().collect()
}

/// The path itself, the folder that holds it, … up to the root.
fn ancestors(path: &RepoPath) -> impl Iterator<Item = RepoPath> {
    std::iter::successors(Some(path.clone()), |at| (!at.is_root()).then(|| at.parent()))
}

/// Is the path taken off the step's watch: by an ignored category, a skip rule, or as another step's output?
fn is_left_out(step: &Step, file: &Classified, owners: &[StepId], compiled: &mut Compiled) -> bool {
    let ignored = file.category.as_ref().is_some_and(|category| step.ignore.contains(category));
    let implicit = !matches!(step.inputs, Inputs::Globs(_));
    let foreign = implicit && !owners.is_empty() && owners.iter().all(|id| *id != step.id && !step.needs.contains(id));
    ignored
        || foreign
        || step.unwatched.iter().any(|pattern| {
            // The configuration has compiled it once already; here it is only memory.
            let regex = compiled.entry(pattern.clone()).or_insert_with(|| regex::bytes::Regex::new(pattern).ok());
            regex.as_ref().is_some_and(|regex| regex.is_match(file.path.as_bytes()))
        })
}

fn watched_by(step: &Step, file: &Classified) -> Option<RunRule> {
    match &step.inputs {
        Inputs::Everything => {
            let categories = file.category.iter().map(ToString::to_string).collect();
            Some(RunRule::Everything { categories })
        }
        Inputs::Globs(set) => set.matching(&file.path).map(|pattern| RunRule::Input { pattern: pattern.to_owned() }),
        Inputs::Folders { own, .. } => match own.iter().find(|folder| file.path.is_in(folder)) {
            Some(folder) => Some(RunRule::Folder { folder: folder.clone() }),
            None => step.inputs.shares(&file.path).then_some(RunRule::Shared),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn near_is_what_holds_a_root_and_what_is_in_it(
            hidden in proptest::collection::btree_set("[ab](-|/[ab]|/[ab]/[ab]|[ab])?", 0..9),
            root in "([ab](/[ab]){0,3})?",
        ) {
            let hide = |path: &String| {
                Unseen { path: RepoPath::from(path.as_str()), folder: true, assumed: false, opaque: false }
            };
            let mut all: Vec<Unseen> = hidden.iter().map(hide).collect();
            all.sort_unstable();
            let root = RepoPath::from(root.as_str());
            let mut found: Vec<&Unseen> = near(&all, &root).collect();
            found.sort_unstable();
            let plainly = all.iter().filter(|one| one.path.is_in(&root) || root.is_in(&one.path));
            prop_assert_eq!(found, plainly.collect::<Vec<_>>());
        }
    }
}
