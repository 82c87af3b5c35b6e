//! Which steps a filter leaves. Pure.

use super::Filter;
use crate::base::suggest;
use crate::config::model::StageSpec;
use crate::graph::{Edge, StepGraph};

/// A filter names something that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{name}`")]
pub struct UnknownSelection {
    /// `step`, `stage`, `tag` or `instance`.
    pub what: &'static str,
    /// What was asked for.
    pub name: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

/// Whether each step is in, by position: named itself, or needed by one that is.
pub fn selected(graph: &StepGraph, stages: &[StageSpec], filter: &Filter) -> Result<Vec<bool>, UnknownSelection> {
    if !filter.is_some() {
        return Ok(vec![true; graph.len()]);
    }
    check(graph, filter)?;
    check_stages(stages, filter.stages.iter())?;
    let mut selected: Vec<bool> = (0..graph.len()).map(|at| is_named(graph, filter, at)).collect();
    if !filter.alone {
        for &at in graph.order().iter().rev() {
            if selected[at] {
                let needs = graph.waits(at).iter().filter(|(_, edge)| *edge == Edge::Needs);
                needs.for_each(|(need, _)| selected[*need] = true);
            }
        }
    }
    Ok(selected)
}

/// Does the filter itself name the step? Each kind of filter that is used must hold.
pub fn is_named(graph: &StepGraph, filter: &Filter, at: usize) -> bool {
    let step = graph.step(at);
    let stage = step.stage.as_ref();
    (filter.steps.is_empty() || filter.names(&step.id))
        && filter.failed.as_ref().is_none_or(|failed| failed.contains(&step.id))
        && (filter.stages.is_empty() || stage.is_some_and(|stage| filter.stages.contains(stage)))
        && (filter.tags.is_empty() || step.tags.iter().any(|tag| filter.tags.contains(tag)))
        && filter.here.as_ref().is_none_or(|here| step.folder.as_ref().is_some_and(|folder| folder.is_in(here)))
}

/// Refuses stage names that do not exist.
pub fn check_stages<'a>(
    stages: &[StageSpec],
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), UnknownSelection> {
    let known = |name: &str| stages.iter().any(|stage| stage.name == name);
    names.find(|name| !known(name)).map_or(Ok(()), |name| {
        let all = stages.iter().map(|stage| stage.name.as_str());
        let suggestion = suggest::nearest(name, all).map(str::to_owned);
        Err(UnknownSelection { what: "stage", name: name.clone(), suggestion })
    })
}

fn check(graph: &StepGraph, filter: &Filter) -> Result<(), UnknownSelection> {
    for name in &filter.steps {
        if !graph.steps().iter().any(|step| name.is_of(&step.id)) {
            let ids = graph.steps().iter().flat_map(|step| [step.id.as_str(), step.id.template()]);
            let suggestion = suggest::nearest(name.as_str(), ids).map(str::to_owned);
            return Err(UnknownSelection { what: "step", name: name.as_str().to_owned(), suggestion });
        }
    }
    for name in &filter.tags {
        let mut tags = graph.steps().iter().flat_map(|step| &step.tags);
        if !tags.any(|tag| tag == name) {
            let tags = graph.steps().iter().flat_map(|step| &step.tags).map(String::as_str);
            let suggestion = suggest::nearest(name, tags).map(str::to_owned);
            return Err(UnknownSelection { what: "tag", name: name.clone(), suggestion });
        }
    }
    match &filter.here {
        Some(here) if !graph.steps().iter().any(|s| s.folder.as_ref().is_some_and(|f| f.is_in(here))) => {
            Err(UnknownSelection { what: "instance in", name: here.to_string(), suggestion: None })
        }
        _ => Ok(()),
    }
}
