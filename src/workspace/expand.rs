//! Step specs to steps. Pure.
//!
//! How `needs` and `after` find instances: `^x` is `x` in the folders that the instance's folder depends on, passing
//! through folders without `x`; a plain `x` is the instance of the same folder if there is one, and else all of them.

use super::folders::{self, FolderGlobs};
use super::links::Links;
use super::{ExpandError, Tree, Warning, needs_tree, opaque};
use crate::base::{Digest, GlobSet, RepoPath, Span, StepId, suggest};
use crate::config::Workflow;
use crate::config::model::{Need, StepSpec};
use crate::config::trigger::Trigger;
use crate::graph::{GraphError, Inputs, Step, StepGraph};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The declared map, as people may paste it.
const MAP_HINT: &str =
    "say which folder depends on which:\nworkspace:\n  depends:\n    services/web: [services/api, libs/core]";

/// What makes a text a pattern, which may name any number of folders, and not the name of one.
const PATTERN: [char; 8] = ['*', '?', '[', ']', '{', '}', '!', '\\'];

/// What a workflow expands to.
#[derive(Clone, Debug)]
pub struct Expansion {
    /// The steps, in the order they were written, instances by folder.
    pub steps: Vec<Arc<Step>>,
    /// What people should know.
    pub warnings: Vec<Warning>,
}

/// Makes every step of a workflow, one instance per folder for those with `for_each`.
///
/// # Errors
/// Every error at once, each with its place in the configuration.
pub fn expand(workflow: &Workflow, tree: &Tree<'_>) -> Result<Expansion, Vec<ExpandError>> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let instances = instances(workflow, tree, &mut errors, &mut warnings);
    let count = instances.iter().map(|of| of.as_ref().map_or(1, BTreeMap::len)).sum();
    let all: BTreeSet<RepoPath> = instances.iter().flatten().flat_map(BTreeMap::keys).cloned().collect();
    let links = links(workflow, tree, &all, &mut errors, &mut warnings);
    // A declared map speaks for every folder.
    let reads = workflow.workspace.depends.is_none() && workflow.steps.iter().any(asks_for_links);
    let mut making = Making {
        by_id: workflow.steps.iter().enumerate().map(|(at, spec)| (spec.id.as_str(), at)).collect(),
        opaque: if reads { opaque::find(tree, &links, &all) } else { BTreeMap::new() },
        workflow,
        instances,
        all: Arc::new(all),
        rules: Digest::of_json(&workflow.categories),
        links,
        errors,
        warnings,
    };
    let mut steps = Vec::with_capacity(count);
    for at in 0..workflow.steps.len() {
        making.steps_of(at, &mut steps);
    }
    making.check_rings(&steps);
    let Making { mut errors, warnings, .. } = making;
    errors.sort_by_key(|error| error.at);
    errors.dedup();
    if errors.is_empty() { Ok(Expansion { steps, warnings }) } else { Err(errors) }
}

/// Does this step have to know which folder depends on which?
pub(super) fn asks_for_links(spec: &StepSpec) -> bool {
    spec.for_each.is_some() && (spec.inputs.is_none() || first_upstream(spec).is_some())
}

fn first_upstream(spec: &StepSpec) -> Option<&Need> {
    spec.needs.iter().chain(&spec.after).find(|need| need.upstream)
}

/// For each step: none, or the folders that its `for_each` names, each with its instance's id.
type Instances = Vec<Option<BTreeMap<RepoPath, StepId>>>;

fn instances(
    workflow: &Workflow,
    tree: &Tree<'_>,
    errors: &mut Vec<ExpandError>,
    warnings: &mut Vec<Warning>,
) -> Instances {
    let folders = if needs_tree(workflow) { folders::all(tree.files) } else { BTreeSet::new() };
    let of = |spec: &StepSpec| {
        let globs = match FolderGlobs::parse(spec.for_each.as_ref()?.texts(), &RepoPath::root()) {
            Ok(globs) => globs,
            Err(message) => {
                errors.push(ExpandError { at: spec.at, message: format!("`for_each`: {message}"), hint: None });
                FolderGlobs::default()
            }
        };
        let matching = folders.iter().filter(|folder| globs.is_match(folder));
        Some(matching.map(|folder| (folder.clone(), spec.id.instance(folder))).collect())
    };
    let found: Instances = workflow.steps.iter().map(of).collect();
    let mut gone: BTreeMap<&str, Vec<StepId>> = BTreeMap::new();
    // Without any instance there is a warning of its own.
    let some = workflow.steps.iter().zip(&found).filter(|(_, mine)| mine.as_ref().is_some_and(|mine| !mine.is_empty()));
    for (spec, _) in some {
        for text in spec.for_each.iter().flat_map(GlobSet::texts).filter(|text| !text.contains(PATTERN)) {
            let folder = RepoPath::root().join(text.trim_end_matches('/').as_bytes());
            if folder.is_none_or(|folder| !folders.contains(&folder)) {
                gone.entry(text).or_default().push(spec.id.clone());
            }
        }
    }
    warnings.extend(gone.into_iter().map(|(text, steps)| Warning::NoFolder { pattern: text.to_owned(), steps }));
    found
}

/// Who depends on whom, if some step asks.
fn links(
    workflow: &Workflow,
    tree: &Tree<'_>,
    all: &BTreeSet<RepoPath>,
    errors: &mut Vec<ExpandError>,
    warnings: &mut Vec<Warning>,
) -> Links {
    let Some(asking) = workflow.steps.iter().find(|spec| asks_for_links(spec)) else { return Links::default() };
    if let Some(map) = &workflow.workspace.depends {
        let folders = folders::all(tree.files);
        let names: BTreeSet<&RepoPath> = map.iter().flat_map(|(from, to)| std::iter::once(from).chain(to)).collect();
        for name in names.into_iter().filter(|name| !name.is_root() && !folders.contains(*name)) {
            let known: Vec<String> = folders.iter().map(ToString::to_string).collect();
            let near = suggest::nearest(&name.to_string(), known.iter().map(String::as_str));
            errors.push(ExpandError {
                at: asking.at,
                message: format!(
                    "`workspace.depends` names `{name}`, but no file of the repository is in such a folder"
                ),
                hint: near.map(|near| format!("did you mean `{near}`?")),
            });
        }
        return Links::declared(map, all);
    }
    let (links, broken, others) = Links::read(&tree.manifests, all);
    errors.extend(broken.into_iter().map(|error| ExpandError {
        at: asking.at,
        message: format!("cannot read what depends on what: {error}"),
        hint: Some(format!("mend that file, or {MAP_HINT}")),
    }));
    warnings.extend(others.into_iter().map(|error| Warning::NotRead { path: error.path, message: error.message }));
    links
}

struct Making<'a> {
    workflow: &'a Workflow,
    by_id: HashMap<&'a str, usize>,
    instances: Instances,
    all: Arc<BTreeSet<RepoPath>>,
    /// Of the category rules: what `ignore` means.
    rules: Digest,
    links: Links,
    opaque: BTreeMap<RepoPath, &'static str>,
    errors: Vec<ExpandError>,
    warnings: Vec<Warning>,
}

impl Making<'_> {
    fn error(&mut self, at: Span, message: String, hint: impl Into<Option<String>>) {
        self.errors.push(ExpandError { at, message, hint: hint.into() });
    }

    fn steps_of(&mut self, at: usize, steps: &mut Vec<Arc<Step>>) {
        let spec = &self.workflow.steps[at];
        self.check(spec, self.instances[at].is_some());
        let Some(mine) = &self.instances[at] else {
            let dir = spec.dir.clone().unwrap_or_else(RepoPath::root);
            let inputs = spec.inputs.as_ref().map_or(Inputs::Everything, |globs| Inputs::Globs(globs.at(&dir)));
            steps.push(Arc::new(self.step(spec, spec.id.clone(), None, inputs)));
            return;
        };
        if mine.is_empty() {
            self.warnings.push(Warning::NoFolders { step: spec.id.clone(), at: spec.at });
        }
        let mut blind: Vec<(&RepoPath, &'static str)> = Vec::new();
        for (folder, id) in mine {
            let inputs = match (&spec.inputs, self.opaque.get_key_value(folder)) {
                (Some(globs), _) => Inputs::Globs(globs.at(folder)),
                (None, Some((folder, kind))) => {
                    blind.push((folder, *kind));
                    Inputs::Everything
                }
                (None, None) => self.default_inputs(folder),
            };
            steps.push(Arc::new(self.step(spec, id.clone(), Some(folder), inputs)));
        }
        if let Some((first, what)) = blind.first() {
            let more = blind.len() - 1;
            let told = self.warnings.iter_mut().find_map(|warning| match warning {
                Warning::WatchesEverything { steps, folder, others, kind }
                    if folder == *first && *others == more && kind == what =>
                {
                    Some(steps)
                }
                _ => None,
            });
            match told {
                Some(steps) => steps.push(spec.id.clone()),
                None => self.warnings.push(Warning::WatchesEverything {
                    steps: vec![spec.id.clone()],
                    folder: (*first).clone(),
                    others: more,
                    kind: what,
                }),
            }
        }
    }

    /// What must hold of a step whatever its folders are.
    fn check(&mut self, spec: &StepSpec, for_each: bool) {
        for need in spec.needs.iter().chain(&spec.after) {
            let id = need.step.as_str();
            let Some(&other) = self.by_id.get(id) else {
                let near =
                    suggest::nearest(id, self.by_id.keys().copied()).map(|near| format!("did you mean `{near}`?"));
                self.error(need.at, format!("`{id}` is not a step"), near);
                continue;
            };
            if !need.upstream {
                continue;
            }
            if !for_each {
                let hint = format!("write `{id}`, or give `{}` a `for_each`", spec.id);
                self.error(need.at, format!("`^{id}` asks for other folders, and `{}` has no folder", spec.id), hint);
            } else if self.workflow.steps[other].for_each.is_none() {
                let message = format!("`^{id}` asks for `{id}` in other folders, and `{id}` has no `for_each`");
                self.error(need.at, message, format!("write `{id}`"));
            }
        }
        let is_each = |need: &&Need| self.by_id.get(need.step.as_str()).is_some_and(|at| self.instances[*at].is_some());
        let mut upstream = spec.needs.iter().chain(&spec.after).filter(|need| need.upstream);
        let Some(upstream) = upstream.find(is_each).filter(|_| for_each) else { return };
        let mine = self.instances.get(self.by_id[spec.id.as_str()]).into_iter().flatten().flatten();
        let folders: Vec<&RepoPath> = mine.map(|(folder, _)| folder).collect();
        let opaque = folders.iter().find_map(|folder| self.opaque.get_key_value(*folder));
        let silent = !folders.is_empty() && !folders.iter().any(|folder| self.links.speak_for(folder));
        let message = match opaque {
            Some((folder, kind)) => {
                format!("`^{}`: `{folder}` is a {kind}, and wf does not read what those depend on", upstream.step)
            }
            None if silent => {
                format!("`^{}`: no manifest that wf reads says what these folders depend on", upstream.step)
            }
            None => return,
        };
        self.error(upstream.at, message, MAP_HINT.to_owned());
    }

    /// The ids that a list of needs means, for a plain step or for the instance of a folder.
    fn find(&self, needs: &[Need], folder: Option<&RepoPath>) -> Vec<StepId> {
        let mut found = Vec::new();
        for need in needs {
            let Some(&other) = self.by_id.get(need.step.as_str()) else { continue };
            match (&self.instances[other], folder) {
                (None, _) => found.push(need.step.clone()),
                (Some(theirs), Some(folder)) if need.upstream => {
                    let Some(node) = self.links.find(folder) else { continue };
                    let mut upstream = Vec::new();
                    self.links.walk(node, |node| {
                        let id = theirs.get(self.links.folder(node));
                        upstream.extend(id);
                        id.is_none()
                    });
                    upstream.sort_unstable();
                    found.extend(upstream.into_iter().cloned());
                }
                (Some(theirs), folder) => match folder.and_then(|folder| theirs.get(folder)) {
                    Some(id) => found.push(id.clone()),
                    None => found.extend(theirs.values().cloned()),
                },
            }
        }
        if needs.len() > 1 {
            let mut seen = std::collections::HashSet::new();
            found.retain(|id| seen.insert(id.clone()));
        }
        found
    }

    /// Its folder, what that depends on, and the manifests that say so, as far as they are outside of those folders.
    fn default_inputs(&self, folder: &RepoPath) -> Inputs {
        let (mut own, mut manifests) = (vec![folder.clone()], BTreeSet::new());
        // Most lie in the very folder they speak for. To compare each with every folder would be cubic in a chain of folders.
        let outside = |node| {
            let folder = self.links.folder(node);
            self.links.manifests(node).iter().filter(move |path| !path.is_in(folder))
        };
        if let Some(start) = self.links.find(folder) {
            manifests.extend(outside(start));
            self.links.walk(start, |node| {
                own.push(self.links.folder(node).clone());
                manifests.extend(outside(node));
                true
            });
            own[1..].sort_unstable();
        }
        let manifests = manifests.into_iter().filter(|path| !own.iter().any(|folder| path.is_in(folder)));
        Inputs::Folders { manifests: manifests.cloned().collect(), own, all: Arc::clone(&self.all) }
    }

    /// One resolved step. `./x` in its patterns is relative to its instance's folder, else to where it runs.
    fn step(&self, spec: &StepSpec, id: StepId, folder: Option<&RepoPath>, inputs: Inputs) -> Step {
        let base = folder.or(spec.dir.as_ref()).cloned().unwrap_or_else(RepoPath::root);
        let rules = self.workflow.skip_rules.iter().filter(|rule| rule.steps.contains(&spec.id));
        let at = |globs: &Option<GlobSet>| globs.as_ref().map(|globs| globs.at(&base));
        let stage = self.workflow.stages.iter().find(|stage| Some(&stage.name) == spec.stage.as_ref());
        Step {
            id,
            name: spec.name.clone(),
            command: spec.command.clone(),
            dir: spec.dir.clone().unwrap_or_else(|| base.clone()),
            folder: folder.cloned(),
            stage: spec.stage.clone(),
            needs: self.find(&spec.needs, folder),
            after: self.find(&spec.after, folder),
            inputs,
            ignore: spec.ignore.clone(),
            ignore_rules: (!spec.ignore.is_empty()).then_some(self.rules),
            unwatched: rules.map(|rule| rule.pattern.as_str().to_owned()).collect(),
            outputs: at(&spec.outputs),
            writes: at(&spec.writes),
            env: spec.env.clone(),
            timeout_ms: spec.timeout_ms,
            grace_ms: spec.grace_ms,
            idle_timeout_ms: spec.idle_timeout_ms,
            retries: spec.retries.clone(),
            allow_failure: spec.allow_failure,
            locks: spec.locks.clone(),
            resources: spec.resources,
            when: spec.when.clone(),
            stage_when: stage.map(|stage| stage.trigger.clone()).filter(|trigger| *trigger != Trigger::Always),
            tags: spec.tags.clone(),
            kind: spec.kind,
            run_on: spec.run_on,
            changed_only: spec.changed_only,
            ai_proxy: spec.ai_proxy,
            leave_running: spec.leave_running.clone(),
            cache: spec.cache.clone(),
            tools: spec.tools.clone(),
            incremental: spec.incremental,
            env_mode: spec.env_mode,
            sealed: spec.sealed.clone(),
        }
    }

    /// Folders may depend on each other in a ring (npm's devDependencies may); their steps may not wait so.
    fn check_rings(&mut self, steps: &[Arc<Step>]) {
        if !self.errors.is_empty() || !self.links.has_ring() {
            return;
        }
        let Err(GraphError::Cycle(ring)) = StepGraph::build(steps.to_vec()) else { return };
        let folder = |id: &StepId| id.as_str().split_once('@').map(|(_, folder)| folder.to_owned());
        let mut folders: Vec<String> = ring.iter().filter_map(folder).collect();
        folders.dedup();
        if folders.len() < 2 {
            return; // not about folders: the graph itself will tell
        }
        let of = |id: &StepId| self.by_id.get(id.template()).map(|at| &self.workflow.steps[*at]);
        let at = ring.iter().filter_map(of).find_map(|spec| first_upstream(spec).map(|need| need.at));
        let message = format!(
            "folders depend on each other in a ring, so their steps would wait for each other: {}",
            folders.join(" → ")
        );
        let hint = format!("break the ring in the manifests (a dev dependency often closes it), or {MAP_HINT}");
        self.error(at.unwrap_or_default(), message, hint);
    }
}
