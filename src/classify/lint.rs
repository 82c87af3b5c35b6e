//! What a configuration says rightly and probably does not mean. Pure.
//!
//! Only for `wf check`: it asks every pattern about every file.

use crate::base::{GlobSet, RepoPath};
use crate::graph::{Inputs, StepGraph};
use std::collections::BTreeSet;

/// One sentence each. `files` is every file that git tracks or would track, sorted.
pub fn lint(graph: &StepGraph, files: &[RepoPath]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for step in graph.steps() {
        let name = step.id.template();
        if let Inputs::Globs(inputs) = &step.inputs {
            let made = |pattern: &str| {
                let alone = GlobSet::parse(&[pattern], &step.dir).ok();
                let mut outputs = graph.steps().iter().filter_map(|other| other.outputs.as_ref());
                alone.is_some_and(|alone| outputs.any(|outputs| alone.may_overlap(outputs)))
            };
            for pattern in inputs.idle(files).filter(|pattern| !made(pattern)) {
                // An instance may well lack a file that others have.
                if step.folder.is_none() {
                    found
                        .insert(format!("`{name}` watches `{pattern}`, which matches no file: it never runs for that"));
                }
            }
        }
        for need in step.needs.iter().filter_map(|id| graph.find(id)).map(|at| graph.step(at)) {
            if need.outputs.is_none() && step.run_on == crate::config::model::RunOn::Success {
                found.insert(format!(
                    "`{name}` needs `{need}`, which declares no `outputs`: when `{need}` is skipped, `{name}` uses whatever \
                     it left before; declare its `outputs`, or say `after` if nothing of it is used",
                    need = need.id.template(),
                ));
            }
        }
        if let Some(outputs) = &step.outputs
            && let Some(tracked) = files.iter().find(|file| outputs.is_match(file))
        {
            found.insert(format!(
                "`{tracked}` is an output of `{name}` and not ignored by git: steps without `inputs` do not watch it \
                     unless they need `{name}`"
            ));
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::StepId;
    use crate::graph::Step;
    use crate::plan::sample;

    fn globs(patterns: &[&str]) -> GlobSet {
        GlobSet::parse(patterns, &RepoPath::root()).unwrap()
    }

    #[test]
    fn slips_are_told_and_sense_is_left_alone() {
        let typo = Step { inputs: Inputs::Globs(globs(&["scr/**", "src/**", "gen/**"])), ..sample("typo") };
        let maker = Step { outputs: Some(globs(&["gen/**", "src/made.rs"])), ..sample("maker") };
        let user = Step { needs: vec![StepId::parse("maker").unwrap()], ..sample("user") };
        let vague = Step { needs: vec![StepId::parse("user").unwrap()], ..sample("vague") };
        let graph = StepGraph::build(vec![typo, maker, user, vague]).unwrap();
        let files = ["src/a.rs", "src/made.rs"].map(RepoPath::from);
        let told = lint(&graph, &files);
        assert!(
            told.iter().any(|line| line.contains("needs `user`"))
                && told.iter().any(|line| line.contains("src/made.rs"))
        );
        assert!(told.iter().any(|line| line.contains("`scr/**`")));
        assert_eq!(told.len(), 3, "`gen/**` is what the maker makes: {told:?}");
        let alone =
            StepGraph::build(vec![Step { inputs: Inputs::Globs(globs(&["scr/**", "src/**"])), ..sample("typo") }]);
        assert_eq!(
            lint(&alone.unwrap(), &files),
            ["`typo` watches `scr/**`, which matches no file: it never runs for that"]
        );
    }
}
