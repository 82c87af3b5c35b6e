//! Steps that filter paths (dorny/paths-filter, tj-actions/changed-files): which patterns stand behind which output. Pure.

use super::condition::{Started, value};
use super::expression::Output;
use crate::base::{RepoPath, Spanned};
use crate::config::yaml::Node;
use crate::import::Repository;
use crate::import::draft::Imported;
use crate::import::filter::picomatch::{Quantifier, changed_files, dorny};
use crate::import::filter::{Translated, union};
use crate::import::node::{Look, from_yaml};
use crate::import::write::one_line;
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
    started: Started,
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
            let text = value.text().unwrap_or_default();
            let said = self::value(text, started);
            let parts: Vec<&Translated> =
                said.any_of.iter().filter_map(|output| rules.find(&job.value, output)).collect();
            // An output that names no filter at all is none of ours.
            if parts.is_empty() {
                continue;
            }
            let what = format!("the output `{}`: `{}`", one_line(&name.value), one_line(text.trim()));
            if said.open || parts.len() < said.any_of.len() {
                let why = "it is true for other reasons than its filters: jobs that ask for it watch everything";
                out.lose(path, value.line(), what, why, "name their `inputs`");
                continue;
            }
            if said.more {
                out.lose(path, value.line(), what, "only its path filters are carried over", "");
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
    let below = match with.text_of("path").map(|text| text.trim().trim_start_matches("./").trim_end_matches('/')) {
        None | Some("" | ".") => String::new(),
        Some(folder) => folder.to_owned(),
    };
    let odd = ["files_separator", "files_ignore_separator", "files_yaml_separator"];
    if let Some(key) = odd.into_iter().find(|key| with.get(key).is_some()) {
        let what = format!("`{key}` of tj-actions/changed-files");
        out.lose(path, with.line(), what, "its lists are not read", "name the `inputs` of the jobs that use them");
        return vec![];
    }
    if below.contains(|c: char| "*?[]{}!\\$".contains(c))
        || below.starts_with('/')
        || below.split('/').any(|part| part == "..")
    {
        let what = format!("`path: {}` of tj-actions/changed-files", one_line(&below));
        let why = "it is no folder of this repository that can be told";
        out.lose(path, with.line(), what, why, "name the `inputs` of the jobs that use it");
        return vec![];
    }
    // Its patterns are relative to that folder.
    let placed = |patterns: Translated| -> Translated {
        let place = |pattern: String| match pattern.strip_prefix('!') {
            _ if below.is_empty() => pattern,
            Some(body) => format!("!{below}/{body}"),
            None => format!("{below}/{pattern}"),
        };
        patterns.map(|patterns| patterns.into_iter().map(place).collect())
    };
    let mut found = vec![];
    let patterns = placed(changed_files(&lines("files"), &lines("files_ignore")));
    found.extend(OUTPUTS.map(|name| (name.to_owned(), patterns.clone())));
    if let Some(text) = with.text_of("files_yaml") {
        let root = from_yaml(text).ok();
        for (name, value) in root.as_ref().map(Look::entries).unwrap_or_default() {
            let patterns: Vec<&str> = value.texts().into_iter().map(|(text, _)| text).collect();
            let patterns = placed(changed_files(&patterns, &[]));
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
