//! Which steps a hook runs, which of them a change touches, and whether they may run where the user works. Decides from
//! plain data and reads nothing.
//!
//! Does not know: plans, evidence. It only finds out early that there is nothing to do, or that it must not be done
//! here.

use super::Hook;
use crate::base::{RepoPath, StepId};
use crate::change::{Base, ChangeSet, ChangedFile};
use crate::classify::{self, Classified};
use crate::config::Workflow;
use crate::config::model::{CategoryRule, Kind, StepSpec};
use crate::graph::{Step, StepGraph};
use crate::workspace::{self, Tree};
use std::collections::BTreeSet;
use std::fmt;

/// What a hook runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: the configuration has nothing for it.
    Nothing,
    /// These steps, by the ids that are written.
    Steps(Vec<String>),
    /// Whatever the change can affect.
    Everything,
}

/// The steps that have the hook's name as a tag. Without any such step, `pre-commit` runs the lint steps and `pre-push`
/// everything; a message is only looked at by who says so. Deployments and what waits for a person never run in a hook.
pub fn scope(workflow: &Workflow, hook: Hook) -> Scope {
    let asked = |step: &StepSpec| {
        let stage = workflow.stages.iter().find(|stage| Some(&stage.name) == step.stage.as_ref());
        step.kind == Some(Kind::Deploy)
            || step.when.as_ref().is_some_and(crate::config::trigger::Trigger::names_manual)
            || stage.is_some_and(|stage| stage.trigger.names_manual())
    };
    let of = |belongs: &dyn Fn(&StepSpec) -> bool| -> Vec<String> {
        let steps = workflow.steps.iter().filter(|step| belongs(step) && !asked(step));
        steps.map(|step| step.id.as_str().to_owned()).collect()
    };
    let mut steps = of(&|step| step.tags.iter().any(|tag| tag == hook.name()));
    if steps.is_empty() {
        match hook {
            Hook::PreCommit => steps = of(&|step| step.kind == Some(Kind::Lint)),
            Hook::PrePush if workflow.steps.is_empty() => {}
            Hook::PrePush => return Scope::Everything,
            Hook::CommitMsg => {}
        }
    }
    if steps.is_empty() { Scope::Nothing } else { Scope::Steps(steps) }
}

/// Steps that a change touches, found without looking at a single file.
#[derive(Debug)]
pub struct Touched {
    graph: StepGraph,
    at: Vec<usize>,
}

impl Touched {
    /// Of these steps and what they need. None: only a look at the files could tell (`for_each`), or the change is one
    /// of the configuration itself (`config`: every path that it is read through).
    pub fn by(workflow: &Workflow, ids: &[String], config: &[RepoPath], staged: &[ChangedFile]) -> Option<Self> {
        let change = ChangeSet { base: Base::Staged { head: None }, files: staged.to_vec(), ..ChangeSet::unknown() };
        if workspace::needs_tree(workflow) || change.paths().any(|path| config.contains(path)) {
            return None;
        }
        let graph = StepGraph::build(workspace::expand(workflow, &Tree::default()).ok()?.steps).ok()?;
        let named = |at: &usize| ids.iter().any(|id| id == graph.step(*at).id.as_str());
        let mut wanted: BTreeSet<usize> = (0..graph.len()).filter(named).collect();
        let mut open: Vec<usize> = wanted.iter().copied().collect();
        while let Some(at) = open.pop() {
            open.extend(graph.waits(at).iter().map(|(need, _)| *need).filter(|need| wanted.insert(*need)));
        }
        // Most steps ignore no category, and then none has to be found out.
        let ignores = wanted.iter().any(|at| !graph.step(*at).ignore.is_empty());
        let rules = if ignores { workflow.categories.as_slice() } else { &[] };
        let paths: Vec<RepoPath> = change.paths().cloned().collect();
        let paths = classified(rules, &paths);
        let touched = |at: &usize| classify::watched(&graph, *at, &paths).next().is_some();
        let at = wanted.into_iter().filter(touched).collect();
        Some(Self { graph, at })
    }

    /// Is none of them touched?
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Do they watch any of these paths?
    pub fn watches_any(&self, rules: &[CategoryRule], paths: &[RepoPath]) -> bool {
        watches_any(&self.graph, &self.at, rules, paths)
    }

    /// What keeps them from running in place: see [`obstacle`].
    pub fn obstacle(&self, rules: &[CategoryRule], beside: &[RepoPath]) -> Option<Obstacle> {
        obstacle(&self.graph, &self.at, rules, beside)
    }
}

/// Why steps do not run where the user works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// What it may read is not what is staged.
    Reads(StepId, RepoPath),
    /// It edits or makes files.
    Writes(StepId),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reads(step, path) => write!(f, "{step} may read {path}, which is not as it is staged"),
            Self::Writes(step) => write!(f, "{step} writes files"),
        }
    }
}

/// The first thing that keeps steps from running in place. `beside`: the paths at which the working tree is not what is
/// staged. What a step may read is what it watches.
pub fn obstacle(graph: &StepGraph, steps: &[usize], rules: &[CategoryRule], beside: &[RepoPath]) -> Option<Obstacle> {
    let writes = |step: &Step| step.writes.is_some() || step.outputs.is_some();
    if let Some(at) = steps.iter().find(|at| writes(graph.step(**at))) {
        return Some(Obstacle::Writes(graph.step(*at).id.clone()));
    }
    let classified = classified(rules, beside);
    steps.iter().find_map(|at| {
        let path = classify::watched(graph, *at, &classified).next()?;
        Some(Obstacle::Reads(graph.step(*at).id.clone(), path.clone()))
    })
}

/// Do any of these steps watch any of these paths?
pub fn watches_any(graph: &StepGraph, steps: &[usize], rules: &[CategoryRule], paths: &[RepoPath]) -> bool {
    let classified = classified(rules, paths);
    !classified.is_empty() && steps.iter().any(|at| classify::watched(graph, *at, &classified).next().is_some())
}

fn classified(rules: &[CategoryRule], paths: &[RepoPath]) -> Vec<Classified> {
    let of = |path: &RepoPath| {
        let category = classify::category(rules, path).map(|rule| rule.category.clone());
        Classified { path: path.clone(), category }
    };
    paths.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Status, Where};
    use crate::config::{self, Layer, Source};

    fn workflow(steps: &str) -> Workflow {
        let text = format!("stages: [{{name: core}}, {{name: night, trigger: manual}}]\nsteps:\n{steps}");
        config::load(&[Source { name: "c".into(), text, layer: Layer::Project }], &[]).unwrap().workflow
    }

    fn changed(paths: &[&str]) -> Vec<ChangedFile> {
        let file = |path: &&str| ChangedFile {
            path: RepoPath::from(*path),
            from: None,
            status: Status::Modified,
            seen: Where { staged: true, ..Where::default() },
            modes: (0o100_644, 0o100_644),
        };
        paths.iter().map(file).collect()
    }

    #[test]
    fn tags_choose_and_nobody_is_deployed() {
        let lint =
            "  - {id: lint, stage: core, kind: lint, run: 'x'}\n  - {id: test, stage: core, kind: test, run: 'x'}\n";
        let steps = |ids: &[&str]| Scope::Steps(ids.iter().map(|id| (*id).to_owned()).collect());
        let plain = workflow(lint);
        assert_eq!(scope(&plain, Hook::PreCommit), steps(&["lint"]));
        assert_eq!(scope(&plain, Hook::PrePush), Scope::Everything);
        assert_eq!(scope(&plain, Hook::CommitMsg), Scope::Nothing);
        let tagged = workflow(&format!(
            "{lint}  - {{id: msg, stage: core, run: 'x', tags: [commit-msg]}}\n  \
             - {{id: fast, stage: core, run: 'x', tags: [pre-commit, pre-push]}}\n  \
             - {{id: ship, stage: core, kind: deploy, run: 'x', tags: [pre-commit]}}\n  \
             - {{id: wait, stage: night, run: 'x', tags: [pre-commit]}}\n"
        ));
        assert_eq!(scope(&tagged, Hook::PreCommit), steps(&["fast"]));
        assert_eq!(scope(&tagged, Hook::PrePush), steps(&["fast"]));
        assert_eq!(scope(&tagged, Hook::CommitMsg), steps(&["msg"]));
        let test = workflow("  - {id: test, stage: core, kind: test, run: 'x'}\n");
        assert_eq!(scope(&test, Hook::PreCommit), Scope::Nothing);
    }

    #[test]
    fn only_what_a_step_or_its_needs_watch_touches_it() {
        let workflow = workflow(
            "  - {id: gen, stage: core, run: 'x', inputs: ['gen/**']}\n  \
               - {id: lint, stage: core, run: 'x', needs: [gen], inputs: ['src/**']}\n  \
               - {id: other, stage: core, run: 'x', inputs: ['docs/**']}\n",
        );
        let (config, ids) = ([RepoPath::from(".workflow-config.yaml")], ["lint".to_owned()]);
        let touched = |paths: &[&str]| Touched::by(&workflow, &ids, &config, &changed(paths)).map(|touched| touched.at);
        assert_eq!(touched(&["docs/a"]), Some(vec![]));
        assert_eq!(touched(&["src/a"]), Some(vec![1]));
        assert_eq!(touched(&["gen/a", "docs/a"]), Some(vec![0]));
        assert_eq!(touched(&[".workflow-config.yaml"]), None);
    }

    #[test]
    fn what_is_not_as_staged_stands_in_the_way_of_who_watches_it_alone() {
        let workflow = workflow(
            "  - {id: lint, stage: core, run: 'x', inputs: ['src/**']}\n  - {id: all, stage: core, run: 'x'}\n  \
               - {id: fmt, stage: core, run: 'x', inputs: ['src/**'], writes: ['src/**']}\n",
        );
        let graph = StepGraph::build(workspace::expand(&workflow, &Tree::default()).unwrap().steps).unwrap();
        let id = |name: &str| StepId::parse(name).unwrap();
        let stands = |steps: &[usize], paths: &[&str]| {
            let paths: Vec<RepoPath> = paths.iter().map(|path| RepoPath::from(*path)).collect();
            obstacle(&graph, steps, &workflow.categories, &paths)
        };
        assert_eq!(stands(&[0], &["docs/a"]), None);
        assert_eq!(stands(&[0], &["docs/a", "src/a"]), Some(Obstacle::Reads(id("lint"), "src/a".into())));
        assert_eq!(stands(&[0, 1], &["docs/a"]), Some(Obstacle::Reads(id("all"), "docs/a".into())));
        assert_eq!(stands(&[2], &[]), Some(Obstacle::Writes(id("fmt"))));
    }
}
