//! Which files each step watches, for all steps at once, in groups that steps share. Pure.
//!
//! The same rules as `watch`, which asks about changed paths only, but for one: what a step makes itself, and what those
//! it needs make, is no part of it; keys hold the latter as contributions.
//!
//! Files come sorted, so the folders above one are those above the last one, mostly. Each folder is looked up once, and a
//! file meets only the watches that begin in a folder above it: never files × steps.

use super::category;
use crate::base::{GlobSet, RepoPath};
use crate::config::model::{Category, CategoryRule};
use crate::graph::{Edge, Inputs, Step, StepGraph};
use crate::tree::Listed;
use regex::bytes::Regex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Groups of files, and who watches which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watches {
    /// Positions in the list of files, sorted.
    pub groups: Vec<Vec<u32>>,
    /// For each step its groups, in an order that depends on nothing but its definition.
    pub of: Vec<Vec<u32>>,
}

/// What is taken off a watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Less {
    ignore: Vec<Category>,
    unwatched: Vec<String>,
}

/// One group in the making.
struct Group<'a> {
    what: What<'a>,
    less: usize,
    files: Vec<u32>,
    /// Watched files that are somebody's declared outputs, and whose: for watches that name files explicitly.
    owned: Vec<(u32, Vec<usize>)>,
}

enum What<'a> {
    /// Everything, or everything in the folder where the group is filed.
    All,
    Globs(&'a GlobSet),
    /// What no instance owns.
    Shared(&'a Arc<BTreeSet<RepoPath>>),
}

/// What begins in one folder.
#[derive(Default)]
struct Place {
    groups: Vec<usize>,
    producers: Vec<usize>,
    /// For which sets of instance folders is it one?
    instance: bool,
}

/// The groups of the `wanted` steps. `files` are sorted by path.
pub fn groups(graph: &StepGraph, wanted: &[bool], files: &[Listed], rules: &[CategoryRule]) -> Watches {
    let mut making = Making::default();
    for (at, step) in graph.steps().iter().enumerate() {
        for root in step.outputs.iter().flat_map(GlobSet::roots) {
            making.place(&root).producers.push(at);
        }
        if wanted[at] {
            making.file_step(at, step);
        }
    }
    making.fill(graph, files, rules);
    making.finish(graph)
}

#[derive(Default)]
struct Making<'a> {
    less: Vec<Less>,
    places: HashMap<Vec<u8>, Place>,
    groups: Vec<Group<'a>>,
    /// Groups that several steps have, by what they are.
    known: HashMap<(Vec<u8>, usize), usize>,
    of: BTreeMap<usize, Vec<usize>>,
}

impl<'a> Making<'a> {
    fn place(&mut self, folder: &RepoPath) -> &mut Place {
        self.places.entry(folder.as_bytes().to_vec()).or_default()
    }

    fn less(&mut self, step: &Step) -> usize {
        let mut less = Less { ignore: step.ignore.clone(), unwatched: step.unwatched.clone() };
        less.ignore.sort_unstable();
        less.unwatched.sort_unstable();
        self.less.iter().position(|known| *known == less).unwrap_or_else(|| {
            self.less.push(less);
            self.less.len() - 1
        })
    }

    fn file_step(&mut self, at: usize, step: &'a Step) {
        let less = self.less(step);
        let mut of = Vec::new();
        match &step.inputs {
            Inputs::Everything => of.push(self.group(b"*".to_vec(), less, &[RepoPath::root()], || What::All)),
            Inputs::Globs(set) => {
                let mut name = b"g".to_vec();
                name.extend_from_slice(set.dir().as_bytes());
                for text in set.texts() {
                    name.push(0);
                    name.extend_from_slice(text.as_bytes());
                }
                let roots = outermost(set.roots());
                of.push(self.group(name, less, &roots, || What::Globs(set)));
            }
            Inputs::Folders { own, manifests, all } => {
                for folder in own {
                    let name = [b"f", folder.as_bytes()].concat();
                    of.push(self.group(name, less, std::slice::from_ref(folder), || What::All));
                }
                let name = format!("s{:p}", Arc::as_ptr(all)).into_bytes();
                if !self.known.contains_key(&(name.clone(), less)) {
                    all.iter().for_each(|folder| self.place(folder).instance = true);
                }
                of.push(self.group(name, less, &[RepoPath::root()], || What::Shared(all)));
                // Those that lie in folders of others; in its own folders, and where nobody's are, they are there already.
                for manifest in manifests.iter().filter(|path| !own.iter().any(|folder| path.is_in(folder))) {
                    let name = [b"f", manifest.as_bytes()].concat();
                    of.push(self.group(name, less, std::slice::from_ref(manifest), || What::All));
                }
            }
        }
        self.of.insert(at, of);
    }

    /// The group of that name; a new one is filed under the places where it begins.
    fn group(&mut self, name: Vec<u8>, less: usize, roots: &[RepoPath], what: impl FnOnce() -> What<'a>) -> usize {
        if let Some(known) = self.known.get(&(name.clone(), less)) {
            return *known;
        }
        let number = self.groups.len();
        self.groups.push(Group { what: what(), less, files: vec![], owned: vec![] });
        self.known.insert((name, less), number);
        for root in roots {
            self.place(root).groups.push(number);
        }
        number
    }

    /// Takes each file past the groups that begin above it.
    fn fill(&mut self, graph: &StepGraph, files: &[Listed], rules: &[CategoryRule]) {
        let Self { less, places, groups, .. } = self;
        let regexes: Vec<Vec<Regex>> = less.iter().map(|less| compiled(&less.unwatched)).collect();
        let categories = less.iter().any(|less| !less.ignore.is_empty());
        // The folders above the last file, each with where its path ends.
        let mut above: Vec<(usize, &Place)> = places.get(&b""[..]).map(|place| (0, place)).into_iter().collect();
        let mut last: &[u8] = &[];
        for (position, file) in files.iter().enumerate() {
            let path = file.path.as_bytes();
            let shared = last.iter().zip(path).take_while(|(a, b)| a == b).count();
            // A folder that ends within what both have in common, at a slash, is above both.
            let stays = |end: usize| end == 0 || (end <= shared && path.get(end) == Some(&b'/') && end < path.len());
            above.retain(|(end, _)| stays(*end));
            let known = above.last().map_or(0, |(end, _)| *end);
            let from = if known == 0 { 0 } else { known + 1 };
            let ends = memchr::memchr_iter(b'/', &path[from..]).map(|at| from + at);
            above.extend(ends.chain([path.len()]).filter_map(|end| Some((end, places.get(&path[..end])?))));
            last = path;
            let mut owners: Vec<usize> = Vec::new();
            for at in above.iter().flat_map(|(_, place)| &place.producers) {
                if graph.step(*at).outputs.as_ref().is_some_and(|outputs| outputs.is_match(&file.path)) {
                    owners.push(*at);
                }
            }
            let mut own_category = None;
            let in_instance = above.iter().any(|(_, place)| place.instance);
            for number in above.iter().flat_map(|(_, place)| &place.groups) {
                let group = &mut groups[*number];
                let watched = match group.what {
                    What::All => owners.is_empty(),
                    What::Globs(set) => set.is_match(&file.path),
                    What::Shared(all) => owners.is_empty() && !(in_instance && is_owned(&file.path, all)),
                };
                if !watched || regexes[group.less].iter().any(|regex| regex.is_match(path)) {
                    continue;
                }
                let ignore = &less[group.less].ignore;
                if categories && !ignore.is_empty() {
                    let category = own_category.get_or_insert_with(|| category(rules, &file.path));
                    if category.is_some_and(|rule| ignore.contains(&rule.category)) {
                        continue;
                    }
                }
                if owners.is_empty() {
                    group.files.push(position as u32);
                } else {
                    group.owned.push((position as u32, owners.clone()));
                }
            }
        }
    }

    /// Numbers the groups; a step that watches outputs of a step it does not need gets one of its own.
    fn finish(self, graph: &StepGraph) -> Watches {
        let Self { groups, of, .. } = self;
        let mut watches = Watches { groups: vec![], of: vec![vec![]; graph.len()] };
        let mut special: HashMap<(usize, Vec<u32>), u32> = HashMap::new();
        for (at, numbers) in of {
            let produced_for = |owner: &usize| {
                *owner == at || graph.waits(at).iter().any(|(need, edge)| need == owner && *edge == Edge::Needs)
            };
            for number in numbers {
                let more = groups[number].owned.iter().filter(|(_, owners)| !owners.iter().any(produced_for));
                let more: Vec<u32> = more.map(|(position, _)| *position).collect();
                if more.is_empty() {
                    watches.of[at].push(number as u32);
                } else {
                    let next = (groups.len() + special.len()) as u32;
                    let number = *special.entry((number, more)).or_insert(next);
                    watches.of[at].push(number);
                }
            }
        }
        let mut extra: Vec<((usize, Vec<u32>), u32)> = special.into_iter().collect();
        extra.sort_unstable_by_key(|(_, number)| *number);
        let extra: Vec<Vec<u32>> = extra
            .into_iter()
            .map(|((base, more), _)| {
                let mut files = [groups[base].files.clone(), more].concat();
                files.sort_unstable();
                files
            })
            .collect();
        watches.groups = groups.into_iter().map(|group| group.files).chain(extra).collect();
        watches
    }
}

fn compiled(patterns: &[String]) -> Vec<Regex> {
    // The configuration has compiled them once already.
    patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()
}

fn is_owned(path: &RepoPath, all: &BTreeSet<RepoPath>) -> bool {
    std::iter::successors(Some(path.clone()), |at| (!at.is_root()).then(|| at.parent()))
        .any(|place| all.contains(&place))
}

/// Drops roots that lie inside another, so that no file meets the group twice.
fn outermost(roots: impl Iterator<Item = RepoPath>) -> Vec<RepoPath> {
    let all: BTreeSet<RepoPath> = roots.collect();
    let inside = |root: &&RepoPath| all.iter().any(|other| other != *root && root.is_in(other));
    all.iter().filter(|root| !inside(root)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::StepId;
    use crate::config::model::Paths;
    use crate::plan::sample;
    use crate::tree::{FileKind, FileStat};
    use proptest::prelude::*;

    fn listed(path: &str) -> Listed {
        let kind = FileKind::Regular { executable: false };
        Listed { path: RepoPath::from(path), kind, stat: FileStat::default(), blob: None, read: false }
    }

    fn globs(patterns: &[&str], dir: &str) -> GlobSet {
        GlobSet::parse(patterns, &RepoPath::from(dir)).unwrap()
    }

    /// Every file on every step, by the words of the documentation.
    fn plainly(graph: &StepGraph, files: &[Listed], rules: &[CategoryRule]) -> Vec<BTreeSet<u32>> {
        let owners = |path: &RepoPath| -> Vec<usize> {
            (0..graph.len())
                .filter(|at| graph.step(*at).outputs.as_ref().is_some_and(|set| set.is_match(path)))
                .collect()
        };
        let watches = |at: usize, file: &Listed| {
            let (step, path, owners) = (graph.step(at), &file.path, owners(&file.path));
            let mine = owners.iter().any(|owner| {
                *owner == at || graph.waits(at).iter().any(|(need, edge)| need == owner && *edge == Edge::Needs)
            });
            let ignored = category(rules, path).is_some_and(|rule| step.ignore.contains(&rule.category));
            let ruled = step.unwatched.iter().any(|text| Regex::new(text).unwrap().is_match(path.as_bytes()));
            let (matches, implicit) = match &step.inputs {
                Inputs::Everything => (true, true),
                Inputs::Globs(set) => (set.is_match(path), false),
                Inputs::Folders { own, .. } => {
                    (own.iter().any(|folder| path.is_in(folder)) || step.inputs.shares(path), true)
                }
            };
            matches && !ignored && !ruled && !mine && (owners.is_empty() || !implicit)
        };
        let of = |at| (0..files.len() as u32).filter(|position| watches(at, &files[*position as usize])).collect();
        (0..graph.len()).map(of).collect()
    }

    fn together(watches: &Watches, at: usize) -> BTreeSet<u32> {
        watches.of[at].iter().flat_map(|group| watches.groups[*group as usize].iter().copied()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn they_are_what_the_words_say(
            paths in proptest::collection::btree_set("(a|b|ab|c)(/(a|b)){0,2}(/(a|x.md|x.rs))?", 0..25),
            specs in proptest::collection::vec((0usize..9, any::<bool>(), any::<bool>(), 0usize..4, any::<u8>()), 1..7),
        ) {
            // A file cannot be a folder of another.
            let is_folder = |path: &String| paths.iter().any(|other| other.starts_with(&format!("{path}/")));
            let mut files: Vec<Listed> = paths.iter().filter(|path| !is_folder(path)).map(|path| listed(path)).collect();
            files.sort_by(|one, two| one.path.cmp(&two.path));
            let all = Arc::new(["a", "b/a"].map(RepoPath::from).into_iter().collect::<BTreeSet<_>>());
            let mut steps: Vec<Step> = Vec::new();
            for (number, (inputs, ignore, unwatched, outputs, needs)) in specs.into_iter().enumerate() {
                let folders = |own: &[&str], manifests: &[&str]| Inputs::Folders {
                    own: own.iter().map(|path| RepoPath::from(*path)).collect(),
                    manifests: manifests.iter().map(|path| RepoPath::from(*path)).collect(),
                    all: Arc::clone(&all),
                };
                let inputs = match inputs {
                    0 | 1 => Inputs::Everything,
                    2 => Inputs::Globs(globs(&["a/**", "!a/b/**"], "")),
                    3 => Inputs::Globs(globs(&["**/*.rs", "a"], "")),
                    4 => Inputs::Globs(globs(&["./**"], "b")),
                    5 => Inputs::Globs(globs(&["./*.md", "b/**", "b/a/**"], "a/b")),
                    6 => folders(&["a"], &["b/a/x.rs"]),
                    7 => folders(&["a", "b/a"], &[]),
                    _ => folders(&["b/a"], &["a/x.md", "c/x.rs"]),
                };
                let outputs = [None, Some(globs(&["a/b/**"], "")), Some(globs(&["**/x.md"], "")), Some(globs(&["./a"], "b"))][outputs].clone();
                let earlier = (0..number).filter(|other| needs & (1 << other) != 0);
                steps.push(Step {
                    inputs,
                    outputs,
                    ignore: if ignore { vec![Category::from("docs")] } else { vec![] },
                    unwatched: if unwatched { vec!["^ab".into()] } else { vec![] },
                    needs: earlier.map(|other| StepId::parse(&format!("s{other}")).unwrap()).collect(),
                    ..sample(&format!("s{number}"))
                });
            }
            let graph = StepGraph::build(steps).unwrap();
            let rules = [CategoryRule { category: Category::from("docs"), paths: Paths::Given(globs(&["**/*.md"], "")), built_in: true }];
            let watches = groups(&graph, &vec![true; graph.len()], &files, &rules);
            for (at, expected) in plainly(&graph, &files, &rules).iter().enumerate() {
                prop_assert_eq!(&together(&watches, at), expected, "step {}: {:?}", at, graph.step(at).inputs);
            }
            for group in &watches.groups {
                prop_assert!(group.is_sorted());
            }
        }
    }

    #[test]
    fn steps_that_watch_the_same_share_a_group() {
        let folder =
            |name: &str, inputs: &[&str], dir: &str| Step { inputs: Inputs::Globs(globs(inputs, dir)), ..sample(name) };
        let steps = vec![
            folder("a", &["./**"], "x"),
            folder("b", &["./**"], "x"),
            folder("c", &["./**"], "y"),
            sample("d"),
            sample("e"),
        ];
        let graph = StepGraph::build(steps).unwrap();
        let files = [listed("x/1"), listed("y/2")];
        let watches = groups(&graph, &[true, true, true, true, true], &files, &[]);
        assert_eq!(watches.of[0], watches.of[1]);
        assert_eq!(watches.of[3], watches.of[4]);
        assert_eq!(watches.groups.len(), 3);
        assert_eq!(groups(&graph, &[false; 5], &files, &[]), Watches { groups: vec![], of: vec![vec![]; 5] });
    }
}
