//! Asks wf's importers: each line of standard input is `{"format": …, "path": …, "files": {path: text}, "step": id or null,
//! "sets": [[path, …], …]}`; each line of the answer is JSON: how many steps there are, what was lost, and `1` or `0` for each
//! set of changed paths, for whether the step (any step, without one) has a cause to run in the configuration that was imported;
//! or `{"error": …}`. `scripts/check-imports` compares that with what other tools decided.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use wf::base::RepoPath;
use wf::classify::{Classified, category, causes};
use wf::config::{self, Layer, Source};
use wf::graph::StepGraph;
use wf::import::{Format, Repository, import};
use wf::workspace::{Manifests, Tree, expand};

#[derive(serde::Deserialize)]
struct Question {
    format: String,
    path: String,
    files: BTreeMap<String, String>,
    step: Option<String>,
    sets: Vec<Vec<String>>,
}

fn answer(line: &str) -> Result<Value, String> {
    let question: Question = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let format = Format::of_name(&question.format).ok_or("no such format")?;
    let mut files: Vec<RepoPath> = question.files.keys().map(|path| RepoPath::from(path.as_str())).collect();
    files.sort();
    let text = |path: &RepoPath| question.files.get(&path.to_string()).cloned();
    let repository = Repository { files: &files, text: &text };
    let made = import(&[(format, RepoPath::from(question.path.as_str()))], &repository);
    let source = Source { name: "imported".into(), text: made.text.clone(), layer: Layer::Project };
    let loaded =
        config::load(&[source], &[]).map_err(|errors| format!("{}\n{}", config::render(&errors, false), made.text))?;
    let texts =
        question.files.iter().map(|(path, text)| (RepoPath::from(path.as_str()), text.as_str().into())).collect();
    let tree = Tree { files: &files, manifests: Manifests::read(&[], &texts) };
    let expansion = expand(&loaded.workflow, &tree).map_err(|errors| format!("{errors:?}\n{}", made.text))?;
    let graph = StepGraph::build(expansion.steps).map_err(|error| format!("{error:?}\n{}", made.text))?;
    let asked = |paths: &Vec<String>| {
        let classified = paths.iter().map(|path| {
            let path = RepoPath::from(path.as_str());
            Classified {
                category: category(&loaded.workflow.categories, &path).map(|rule| rule.category.clone()),
                path,
            }
        });
        let causes = causes(&graph, &classified.collect::<Vec<_>>());
        let of = |id: &str| question.step.as_deref().is_none_or(|step| step == id);
        graph.steps().iter().zip(causes).any(|(step, cause)| cause.is_some() && of(step.id.template()))
    };
    let runs: String = question.sets.iter().map(|paths| if asked(paths) { '1' } else { '0' }).collect();
    Ok(json!({ "steps": made.steps, "lost": made.lost, "runs": runs }))
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let said = std::panic::catch_unwind(|| answer(&line)).unwrap_or_else(|_| Err("it panicked".into()));
        writeln!(out, "{}", said.unwrap_or_else(|error| json!({ "error": error })))?;
    }
    Ok(())
}
