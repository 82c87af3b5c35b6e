//! Steps that filter paths (dorny/paths-filter, tj-actions/changed-files): which patterns stand behind which output. Pure.

use super::expression::{Output, named};
use crate::base::{RepoPath, Spanned};
use crate::config::yaml::Node;
use crate::import::Repository;
use crate::import::draft::Imported;
use crate::import::filter::picomatch::{Quantifier, changed_files, dorny};
use crate::import::filter::{Translated, union};
use crate::import::node::{Look, from_yaml};
use std::collections::BTreeMap;

/// Patterns by job, step and output.
#[derive(Debug, Default)]
pub(super) struct Rules {
    of_steps: BTreeMap<(String, String, String), Translated>,
    of_jobs: BTreeMap<(String, String), Translated>,
}

impl Rules {
    /// What an output that a condition in this job names stands for; none if it is no filter.
    pub fn find(&self, job: &str, output: &Output) -> Option<&Translated> {
        match output {
            Output::OfJob(job, name) => self.of_jobs.get(&(job.clone(), name.clone())),
            Output::OfStep(step, name) => self.of_steps.get(&(job.to_owned(), step.clone(), name.clone())),
        }
    }
}

/// Is it an action that filters paths?
pub(super) fn is_filter(uses: &str) -> bool {
    uses.starts_with("dorny/paths-filter@") || uses.starts_with("tj-actions/changed-files@")
}

/// The filters of all jobs.
pub(super) fn rules(
    jobs: &[(Spanned<String>, Node)],
    path: &RepoPath,
    repo: &Repository<'_>,
    out: &mut Imported,
) -> Rules {
    let mut rules = Rules::default();
    for (job, node) in jobs {
        for step in node.get("steps").map(Look::items).unwrap_or_default() {
            let uses = step.text_of("uses").unwrap_or_default();
            let (Some(id), true) = (step.text_of("id"), is_filter(uses)) else { continue };
            let with = step.get("with");
            let found = match (with, uses.starts_with("dorny/")) {
                (Some(with), true) => of_dorny(with, path, repo, out),
                (Some(with), false) => of_changed_files(with, path, out),
                (None, _) => vec![],
            };
            for (name, patterns) in found {
                rules.of_steps.insert((job.value.clone(), id.to_owned(), name), patterns);
            }
        }
        for (name, value) in node.get("outputs").map(Look::entries).unwrap_or_default() {
            let stand_for = named(value.text().unwrap_or_default());
            let parts: Vec<&Translated> =
                stand_for.iter().filter_map(|output| rules.find(&job.value, output)).collect();
            if parts.is_empty() || parts.len() < stand_for.len() {
                continue;
            }
            let all = parts.into_iter().try_fold(vec![], |all, part| match part {
                Ok(patterns) if all.is_empty() => Ok(patterns.clone()),
                Ok(patterns) => Ok(union(&all, patterns)),
                Err(why) => Err(why.clone()),
            });
            rules.of_jobs.insert((job.value.clone(), name.value.clone()), all);
        }
    }
    rules
}

fn of_dorny(with: &Node, path: &RepoPath, repo: &Repository<'_>, out: &mut Imported) -> Vec<(String, Translated)> {
    let quantifier = match with.text_of("predicate-quantifier") {
        Some("every") => Quantifier::Every,
        _ => Quantifier::Some,
    };
    let Some(filters) = with.get("filters") else { return vec![] };
    let text = filters.text().unwrap_or_default();
    // Either the filters themselves or the name of a file that holds them.
    let file =
        (!text.contains('\n') && !text.contains(':')).then(|| repo.read(&RepoPath::root(), text.trim())).flatten();
    let root = match from_yaml(file.as_deref().unwrap_or(text)) {
        Ok(root) => root,
        Err((_, why)) => {
            out.lose(path, filters.line(), "the filters", why, "");
            return vec![];
        }
    };
    let rule = |(name, value): &(Spanned<String>, Node)| {
        let mut patterns: Vec<&str> = value.texts().into_iter().map(|(text, _)| text).collect();
        let by_status = by_status(value);
        if !by_status.is_empty() {
            let why = "it asks how a file changed: wf goes by its name alone";
            out.lose(path, filters.line(), format!("the filter `{}`", name.value), why, "");
            patterns.extend(by_status);
        }
        (name.value.clone(), dorny(&patterns, quantifier))
    };
    root.entries().iter().map(rule).collect()
}

/// Patterns below `added|modified:` and the like.
fn by_status(value: &Node) -> Vec<&str> {
    let below = value.items().iter().flat_map(Look::entries).chain(value.entries());
    let direct: Vec<&str> = below.flat_map(|(_, inner)| inner.texts()).map(|(text, _)| text).collect();
    let nested = value.items().iter().filter(|item| !item.items().is_empty()).flat_map(by_status);
    direct.into_iter().chain(nested).collect()
}

fn of_changed_files(with: &Node, path: &RepoPath, out: &mut Imported) -> Vec<(String, Translated)> {
    // Lists in a text, by lines.
    let lines = |key: &str| -> Vec<&str> {
        let text = with.text_of(key).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    };
    const OUTPUTS: [&str; 3] = ["any_changed", "any_modified", "any_deleted"];
    let mut found = vec![];
    let patterns = changed_files(&lines("files"), &lines("files_ignore"));
    found.extend(OUTPUTS.map(|name| (name.to_owned(), patterns.clone())));
    if let Some(text) = with.text_of("files_yaml") {
        let root = from_yaml(text).ok();
        for (name, value) in root.as_ref().map(Look::entries).unwrap_or_default() {
            let patterns: Vec<&str> = value.texts().into_iter().map(|(text, _)| text).collect();
            let patterns = changed_files(&patterns, &[]);
            found.extend(OUTPUTS.map(|output| (format!("{}_{output}", name.value), patterns.clone())));
        }
    }
    if with.get("files_yaml_from_source_file").is_some() || with.get("files_from_source_file").is_some() {
        let what = "files of patterns for tj-actions/changed-files";
        out.lose(path, with.line(), what, "they are not read", "name the `inputs` of the jobs that use them");
        return vec![];
    }
    found
}
