//! Which folder depends on which: what manifests say, lifted to the folders of instances, or a declared map. Pure.

use super::{ManifestError, Manifests};
use crate::base::RepoPath;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Folders by position, with edges to those they depend on.
#[derive(Debug, Default)]
pub(super) struct Links {
    folders: Vec<RepoPath>,
    by_folder: HashMap<RepoPath, usize>,
    depends: Vec<Vec<usize>>,
    manifests: Vec<BTreeSet<RepoPath>>,
    known: Vec<bool>,
}

impl Links {
    /// The edges that the configuration declares; manifests do not count then.
    pub(super) fn declared(map: &BTreeMap<RepoPath, Vec<RepoPath>>, instances: &BTreeSet<RepoPath>) -> Self {
        let mut links = Self::default();
        for (from, to) in map {
            let from = links.node(&owner(from, instances));
            links.known[from] = true;
            for to in to {
                let to = links.node(&owner(to, instances));
                links.depends[from].push(to);
            }
        }
        for folder in instances {
            let node = links.node(folder);
            links.known[node] = true;
        }
        links.tidy()
    }

    /// The edges that manifests give. Of the manifests that could not be read, those that matter come back as errors
    /// (at an instance's top, above one, or what an edge leads to), others apart: those may be fixtures of tests.
    pub(super) fn read(
        manifests: &Manifests,
        instances: &BTreeSet<RepoPath>,
    ) -> (Self, Vec<ManifestError>, Vec<ManifestError>) {
        let mut links = Self::default();
        let (mut failed, mut targets) = (Vec::new(), HashSet::new());
        for reading in &manifests.readings {
            for (folder, manifests) in &reading.packages {
                let node = links.node(&owner(folder, instances));
                links.known[node] = true;
                links.manifests[node].extend(manifests.iter().cloned());
            }
            for (from, to) in &reading.edges {
                let (from, node) = (links.node(&owner(from, instances)), links.node(&owner(to, instances)));
                links.depends[from].push(node);
                targets.insert(to);
            }
            failed.extend(reading.errors.iter().cloned());
        }
        let above: HashSet<RepoPath> = instances.iter().flat_map(ancestors).collect();
        let matters = |error: &ManifestError| {
            let folder = error.path.parent();
            instances.contains(&folder) || above.contains(&folder) || targets.contains(&folder)
        };
        let (errors, others) = failed.into_iter().partition(matters);
        (links.tidy(), errors, others)
    }

    /// A folder's position, if it is known.
    pub(super) fn find(&self, folder: &RepoPath) -> Option<usize> {
        self.by_folder.get(folder).copied()
    }

    /// The folder at a position.
    pub(super) fn folder(&self, node: usize) -> &RepoPath {
        &self.folders[node]
    }

    /// Does a manifest or the declared map speak for this folder?
    pub(super) fn speak_for(&self, folder: &RepoPath) -> bool {
        self.find(folder).is_some_and(|node| self.known[node])
    }

    /// The manifests that a folder's edges were read from.
    pub(super) fn manifests(&self, node: usize) -> &BTreeSet<RepoPath> {
        &self.manifests[node]
    }

    /// Visits what a folder depends on, each folder once, and goes on below a folder only if `enter` says so.
    pub(super) fn walk(&self, from: usize, mut enter: impl FnMut(usize) -> bool) {
        let mut seen = HashSet::from([from]);
        let mut open: Vec<usize> = self.depends[from].clone();
        while let Some(node) = open.pop() {
            if seen.insert(node) && enter(node) {
                open.extend(&self.depends[node]);
            }
        }
    }

    /// Do some folders depend on each other in a ring?
    pub(super) fn has_ring(&self) -> bool {
        let mut waits = vec![0usize; self.folders.len()];
        self.depends.iter().flatten().for_each(|node| waits[*node] += 1);
        let mut free: Vec<usize> = (0..waits.len()).filter(|node| waits[*node] == 0).collect();
        let mut done = 0;
        while let Some(node) = free.pop() {
            done += 1;
            for &other in &self.depends[node] {
                waits[other] -= 1;
                free.extend((waits[other] == 0).then_some(other));
            }
        }
        done < waits.len()
    }

    fn node(&mut self, folder: &RepoPath) -> usize {
        if let Some(node) = self.find(folder) {
            return node;
        }
        self.by_folder.insert(folder.clone(), self.folders.len());
        self.folders.push(folder.clone());
        self.depends.push(vec![]);
        self.manifests.push(BTreeSet::new());
        self.known.push(false);
        self.folders.len() - 1
    }

    fn tidy(mut self) -> Self {
        for (node, depends) in self.depends.iter_mut().enumerate() {
            depends.sort_unstable();
            depends.dedup();
            depends.retain(|other| *other != node);
        }
        self
    }
}

/// The instance that a package belongs to: the deepest one that holds it; itself if none does.
pub(super) fn owner(folder: &RepoPath, instances: &BTreeSet<RepoPath>) -> RepoPath {
    let mut at = folder.clone();
    loop {
        if instances.contains(&at) {
            return at;
        }
        if at.is_root() {
            return folder.clone();
        }
        at = at.parent();
    }
}

fn ancestors(folder: &RepoPath) -> Vec<RepoPath> {
    let above = std::iter::successors(Some(folder.clone()), |at| (!at.is_root()).then(|| at.parent()));
    above.skip(1).collect()
}
