//! Which files each step watches, of those that are listed, and for which steps no list can hold them all.
//!
//! Made beside the plan, which needs none of it: with thousands of steps either takes milliseconds.

use crate::base::{GlobSet, RepoPath};
use crate::change::Unseen;
use crate::classify::{self, Watches};
use crate::config::model::CategoryRule;
use crate::event::NotCached;
use crate::graph::{Edge, Inputs, StepGraph};
use crate::tree::{FileKind, Listed};

/// What the steps watch.
#[derive(Clone, Debug)]
pub struct Watched {
    pub(super) watches: Watches,
    /// Why no key of a step can hold all it watches, by position.
    pub(super) blind: Vec<Option<NotCached>>,
}

impl Watched {
    /// Of these files, which are sorted, and of what git does not list, sorted too.
    pub fn of(graph: &StepGraph, files: &[Listed], unseen: &[Unseen], rules: &[CategoryRule]) -> Self {
        // Few files are anything but plain, and there may be many steps.
        let odd: Vec<&Listed> = files.iter().filter(|file| !matches!(file.kind, FileKind::Regular { .. })).collect();
        let blind = (0..graph.len()).map(|at| blind(graph, at, &odd, unseen)).collect();
        Self { watches: groups(graph, files, rules), blind }
    }
}

/// Which step watches which files.
pub(super) fn groups(graph: &StepGraph, files: &[Listed], rules: &[CategoryRule]) -> Watches {
    classify::groups(graph, &vec![true; graph.len()], files, rules)
}

/// Why no key of a step can hold all that it watches, if so: a place that git ignores and that neither it nor a step it
/// needs makes, a repository inside, or a way through a symlink.
/// `odd`: what is listed and is no plain file.
pub(super) fn blind(graph: &StepGraph, at: usize, odd: &[&Listed], unseen: &[Unseen]) -> Option<NotCached> {
    let step = graph.step(at);
    let Inputs::Globs(set) = &step.inputs else { return None };
    let needs = graph.waits(at).iter().filter(|(_, edge)| *edge == Edge::Needs).map(|(need, _)| graph.step(*need));
    let makers: Vec<&GlobSet> = needs.chain([step]).filter_map(|step| step.outputs.as_ref()).collect();
    let is_made = |path: &&RepoPath| {
        makers.iter().any(|set| set.is_match(path) || set.roots().any(|root| !root.is_root() && path.is_in(&root)))
    };
    if let Some(path) = classify::ignored(step, unseen).into_iter().find(|path| !is_made(path)) {
        return Some(NotCached::Ignored { path: path.to_string() });
    }
    let opaque = odd.iter().find(|file| match file.kind {
        FileKind::Repository => set.may_reach_into(&file.path),
        _ => set.roots().any(|root| root != file.path && root.is_in(&file.path)),
    });
    opaque.map(|file| NotCached::Opaque { path: file.path.to_string() })
}
