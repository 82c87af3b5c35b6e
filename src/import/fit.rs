//! Does what was imported fit the repository: can it be expanded and ordered? Pure.
//!
//! Steps that wait for those of the folders they depend on (`^build`) need manifests that say who depends on whom; where no
//! manifest says it, wf refuses them, and so must the importer. Does not know: formats.

use super::Repository;
use super::draft::Lost;
use super::settle::Settled;
use crate::base::RepoPath;
use crate::config::{self, Layer, Source};
use crate::graph::StepGraph;
use crate::workspace::{Manifests, Tree, expand, manifests_wanted, needs_tree};

/// What keeps wf from planning with this configuration in this repository; none if nothing does.
pub fn misfit(text: &str, repo: &Repository<'_>) -> Option<String> {
    let source = Source { name: "imported".into(), text: text.to_owned(), layer: Layer::Project };
    let loaded = match config::load(&[source], &[]) {
        Ok(loaded) => loaded,
        Err(errors) => return Some(config::render(&errors, false)),
    };
    let tree = if needs_tree(&loaded.workflow) {
        let wanted = manifests_wanted(&loaded.workflow, repo.files);
        let texts = wanted.iter().filter_map(|path| Some((path.clone(), (repo.text)(path)?.into()))).collect();
        Tree { files: repo.files, manifests: Manifests::read(&wanted, &texts) }
    } else {
        Tree { files: repo.files, ..Tree::default() }
    };
    match expand(&loaded.workflow, &tree) {
        Ok(expansion) => StepGraph::build(expansion.steps).err().map(|error| error.to_string()),
        Err(errors) => Some(errors.first().map(|error| error.message.clone()).unwrap_or_default()),
    }
}

/// Takes out what waits for other folders: such steps watch everything.
pub(super) fn without_upstream(steps: &mut [Settled], why: &str, lost: &mut Vec<Lost>) {
    for Settled { id, draft } in steps {
        let all = [draft.needs.clone(), draft.after.clone()].concat();
        let names: Vec<&str> = all.iter().filter(|need| need.starts_with('^')).map(String::as_str).collect();
        if names.is_empty() {
            continue;
        }
        draft.needs.retain(|need| !need.starts_with('^'));
        draft.after.retain(|need| !need.starts_with('^'));
        draft.watch_everything();
        lost.push(Lost {
            file: RepoPath::root(),
            line: 0,
            what: format!("`{id}` waits for {}", names.join(", ")),
            why: format!("wf cannot tell who depends on whom ({why}): it does not wait, and watches everything"),
            advice: "say it in `workspace.depends`, and add it to `needs`".into(),
        });
    }
}

/// Instances that name no `inputs` watch everything: then no manifest has to be read.
pub(super) fn without_manifests(steps: &mut [Settled], why: &str, lost: &mut Vec<Lost>) {
    for Settled { id, draft } in steps.iter_mut().filter(|step| !step.draft.for_each.is_empty()) {
        if draft.inputs.is_empty() {
            draft.watch_everything();
            lost.push(Lost {
                file: RepoPath::root(),
                line: 0,
                what: format!("what `{id}` watches"),
                why: format!("wf cannot tell who depends on whom ({why}): it watches everything, and is not cached"),
                advice: "mend that, or say it in `workspace.depends`; and take its `inputs` off".into(),
            });
        }
    }
}
