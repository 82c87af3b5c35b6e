//! `wf explain STEP`: rule → file → step, what stands behind a skip, and the smallest change that would turn it round.

use super::args::ExplainArgs;
use super::changes::base_words;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::forecast;
use super::prepared::{self, Keys, Ready};
use super::reuse;
use crate::base::{StepId, suggest};
use crate::change::ChangeSet;
use crate::classify;
use crate::config::model::Command;
use crate::engine::reuse::Foretold;
use crate::event::{Because, Decision, RunRule, SkipReason};
use crate::graph::{Inputs, Step};
use crate::plan;
use serde_json::json;
use std::fmt::Write as _;

/// So many files are named.
const NAMED: usize = 10;

/// Runs the command.
pub fn run(args: &ExplainArgs, cx: &Context) -> Result<Exit, Failure> {
    let mut ready = prepared::prepare(&args.decide, Keys::Yes, cx)?;
    let at = find(&ready, &args.step)?;
    let forecast = reuse::predict(&mut ready, Some(at), cx)?;
    let explained = Explained::of(&ready, at);
    if args.json {
        let step = ready.prepared.plan.graph.step(at);
        cx.print_json(&json!({
            "format": 1,
            "step": step.id,
            "decision": ready.prepared.plan.decisions[at],
            "chain": explained.chain,
            "flip": explained.flip,
            "cache": forecast.of(at),
            "watches": step.inputs,
            "ignores": step.ignore,
            "definition": ready.prepared.plan.definitions[at],
            "reproduce": explained.reproduce,
        }))?;
    } else {
        cx.print(&explained.text(&ready, at, forecast.of(at)))?;
    }
    Ok(Exit::Passed)
}

fn find(ready: &Ready, name: &str) -> Result<usize, Failure> {
    let graph = &ready.prepared.plan.graph;
    let mut matching = (0..graph.len()).filter(|at| graph.step(*at).id.as_str() == name);
    if let Some(at) = matching.next() {
        return Ok(at);
    }
    let instances: Vec<usize> = (0..graph.len()).filter(|at| graph.step(*at).id.template() == name).collect();
    match instances.as_slice() {
        [at] => Ok(*at),
        [first, ..] => {
            let failure = Failure::usage(format!("`{name}` has {} instances; name one", instances.len()));
            Err(failure.hint(format!("for example: wf explain {}", graph.step(*first).id)))
        }
        [] => {
            let ids = graph.steps().iter().map(|step| step.id.as_str());
            let failure = Failure::usage(format!("there is no step `{name}`"));
            Err(match suggest::nearest(name, ids) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`wf graph` shows every step"),
            })
        }
    }
}

struct Explained {
    /// From the cause to the step.
    chain: Vec<String>,
    /// What would turn the decision round.
    flip: String,
    /// The line that runs the step alone.
    reproduce: String,
}

impl Explained {
    fn of(ready: &Ready, at: usize) -> Self {
        let step = ready.prepared.plan.graph.step(at);
        let decision = &ready.prepared.plan.decisions[at];
        let id = shlex::try_quote(step.id.as_str()).map_or_else(|_| step.id.to_string(), |id| id.to_string());
        Self {
            chain: chain(ready, at),
            flip: flip(ready, at, decision),
            reproduce: format!("wf run --steps {id} --no-needs"),
        }
    }

    fn text(&self, ready: &Ready, at: usize, told: Option<&Foretold>) -> String {
        let step = ready.prepared.plan.graph.step(at);
        let decision = match &ready.prepared.plan.decisions[at] {
            Decision::Run(because) => format!("runs: {because}"),
            Decision::Skip(skip) => format!("is skipped: {skip}"),
        };
        let mut text = format!("{} {decision}\n\n", step.id);
        let _ = writeln!(text, "base     {}", base_words(&ready.prepared.change.base));
        let _ = writeln!(text, "command  {}", command(&step.command));
        let _ = writeln!(text, "watches  {}", watches(step));
        let _ = writeln!(text, "\nwhy");
        for (depth, link) in self.chain.iter().enumerate() {
            let arrow = if depth == 0 { "" } else { "→ " };
            let _ = writeln!(text, "  {:indent$}{arrow}{link}", "", indent = 2 * depth);
        }
        let _ = writeln!(text, "\nwhat would turn it round\n  {}", self.flip);
        let _ = writeln!(text, "\nthe cache");
        for line in forecast::lines(told, ready.prepared.plan.decisions[at].runs()) {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "\nto run it alone\n  {}", self.reproduce);
        text
    }
}

fn command(command: &Command) -> String {
    match command {
        Command::Shell { text, .. } => text.lines().next().unwrap_or_default().to_owned(),
        Command::Ai(task) => {
            let who = task.persona.as_deref().or(task.prompt.as_deref()).unwrap_or_default();
            let model = task.service.model.as_deref().unwrap_or("a program");
            format!("asks {model} ({}) as {who}", task.service.provider.name())
        }
        Command::Argv(argv) => shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_else(|_| argv.join(" ")),
    }
}

fn watches(step: &Step) -> String {
    let what = match &step.inputs {
        Inputs::Everything => "every file that git tracks or would track".into(),
        Inputs::Globs(set) => set.texts().collect::<Vec<_>>().join("  "),
        Inputs::Folders { own, .. } => {
            let folders: Vec<String> = own.iter().map(|folder| format!("{folder}/")).collect();
            format!("{} and files outside every instance", folders.join("  "))
        }
    };
    let ignored = if step.ignore.is_empty() { String::new() } else { format!(", but no {}", step.ignore.join(", ")) };
    what + &ignored
}

/// The links from the cause to the step, the cause first.
fn chain(ready: &Ready, at: usize) -> Vec<String> {
    let graph = &ready.prepared.plan.graph;
    let step = graph.step(at);
    match &ready.prepared.plan.decisions[at] {
        Decision::Run(Because::Changed { path, rule, more }) => {
            let category = ready.prepared.class.as_ref().and_then(|class| {
                let file = class.paths.iter().find(|file| file.path == *path)?;
                file.category.as_ref().map(|category| format!(" [{category}]"))
            });
            let others = if *more > 0 { format!(", and {more} more") } else { String::new() };
            vec![
                format!("{path}{} changed{others}", category.unwrap_or_default()),
                rule_words(rule),
                step.id.to_string(),
            ]
        }
        Decision::Run(Because::Upstream { step: upstream }) => {
            let mut links = through(ready, upstream);
            links.push(format!("{} uses its results", step.id));
            links
        }
        Decision::Run(Because::OutputsNeeded { by }) => {
            let mut links = through(ready, by);
            links.push(format!("{} makes the outputs it needs", step.id));
            links
        }
        Decision::Run(because) => vec![because.to_string(), step.id.to_string()],
        Decision::Skip(SkipReason::Unaffected { evidence, changed, .. }) => vec![
            match changed {
                0 => "nothing changed".into(),
                1 => "one changed path, which it does not watch; nothing it needs produces anything new".into(),
                _ => format!("{changed} changed paths, none of them watched; nothing it needs produces anything new"),
            },
            evidence.to_string(),
            format!("{} may be skipped", step.id),
        ],
        Decision::Skip(skip) => vec![skip.to_string(), step.id.to_string()],
    }
}

fn through(ready: &Ready, id: &StepId) -> Vec<String> {
    let graph = &ready.prepared.plan.graph;
    graph.find(id).map_or_else(|| vec![id.to_string()], |at| chain(ready, at))
}

fn rule_words(rule: &RunRule) -> String {
    match rule {
        RunRule::Input { pattern } => format!("matches `{pattern}` of its inputs"),
        RunRule::Everything { categories } if categories.is_empty() => {
            "is in no category, and it declares no inputs: everything counts".into()
        }
        RunRule::Everything { categories } => {
            format!("{} count: it declares no inputs and does not ignore them", categories.join(", "))
        }
        RunRule::Folder { folder } => format!("lies in {folder}/, which is its folder or one it depends on"),
        RunRule::Shared => "lies outside every instance, so all of them share it".into(),
    }
}

/// What would turn the decision round, found by asking the plan again about a changed world.
fn flip(ready: &Ready, at: usize, decision: &Decision) -> String {
    let step = ready.prepared.plan.graph.step(at);
    match decision {
        Decision::Run(Because::SmartOff) => "smart execution: leave out --all / --no-smart-execution".into(),
        Decision::Run(Because::NoBase) => "a base: see the note that `wf plan` prints".into(),
        Decision::Run(Because::Unproven { .. } | Because::FailedAtBase { .. }) => {
            "a recorded pass at the base: `wf run` there on a clean tree".into()
        }
        Decision::Run(_) => without_changes(ready, at),
        Decision::Skip(SkipReason::Manual) => format!("asking for it: wf run --steps {}", step.id),
        Decision::Skip(SkipReason::Filtered) => "naming it in --steps, --stage or --tag".into(),
        Decision::Skip(SkipReason::StageNotTriggered { stage, trigger }) => {
            format!("a change for which `{trigger}` holds, or --manual-trigger {stage}")
        }
        Decision::Skip(SkipReason::AiOff) => "a run without `--ai=off`".into(),
        Decision::Skip(SkipReason::WhenFalse { when }) => format!("a change for which `{when}` holds"),
        Decision::Skip(SkipReason::NothingToFollow) => "anything that it follows being run".into(),
        Decision::Skip(SkipReason::Unaffected { .. }) => match &step.inputs {
            Inputs::Everything => format!("any change to a file{}", outside(step)),
            Inputs::Globs(set) => {
                let pattern = set.texts().find(|text| !text.starts_with('!')).unwrap_or("**");
                format!("any change to a file that matches `{pattern}`{}", outside(step))
            }
            Inputs::Folders { own, .. } => {
                let folder = own.first().map(ToString::to_string).unwrap_or_default();
                format!("any change to a file in {folder}/{}", outside(step))
            }
        },
    }
}

fn outside(step: &Step) -> String {
    if step.ignore.is_empty() { String::new() } else { format!(" that is not {}", step.ignore.join(" or ")) }
}

/// Takes the watched changes out of the change set, of the step itself and of all it needs, and plans again.
fn without_changes(ready: &Ready, at: usize) -> String {
    let prepared = &ready.prepared;
    let (graph, Some(class)) = (&prepared.plan.graph, &prepared.class) else { return "a base".into() };
    let mut culprits: Vec<_> = classify::watched(graph, at, &class.paths).collect();
    let mut open = vec![at];
    while let Some(next) = open.pop() {
        for (need, _) in graph.waits(next) {
            culprits.extend(classify::watched(graph, *need, &class.paths));
            open.push(*need);
        }
    }
    culprits.sort_unstable();
    culprits.dedup();
    let culprit = |path: &crate::base::RepoPath| culprits.binary_search(&path).is_ok();
    let kept = prepared.change.files.iter().filter(|f| !culprit(&f.path) && !f.from.as_ref().is_some_and(culprit));
    let change = ChangeSet { files: kept.cloned().collect(), ..prepared.change.clone() };
    let workflow = ready.config.workflow();
    let class = classify::classify(&workflow.categories, workflow.impact, &change);
    let again = plan::build(plan::Facts {
        definitions: &prepared.plan.definitions,
        graph,
        stages: &workflow.stages,
        change: &change,
        class: Some(&class),
        at_base: &prepared.at_base,
        known: &prepared.known,
        contexts: &prepared.plan.contexts,
        request: &ready.request,
    });
    let named: Vec<String> = culprits.iter().take(NAMED).map(ToString::to_string).collect();
    let more = culprits.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match again.map(|plan| plan.decisions[at].clone()) {
        Ok(Decision::Skip(skip)) if !culprits.is_empty() => {
            format!("without the changes to {}{more} it would be skipped: {skip}", named.join(", "))
        }
        Ok(Decision::Run(because)) if !culprits.is_empty() => {
            format!("nothing in this change alone: without {}{more} it would still run: {because}", named.join(", "))
        }
        _ => "nothing in this change: it would run whatever changed".into(),
    }
}
