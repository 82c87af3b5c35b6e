//! A resolved configuration as text that reads back to itself, and as JSON. Pure.

mod ai;

use super::cx::Origins;
use super::model::{CacheUse, Command, Kind, Need, RunOn, Settings, StageSpec, StepSpec, Workflow};
use super::source::{Origin, Source};
use super::{built_in, size};
use crate::base::{GlobSet, RepoPath, duration};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The number of the JSON document's format.
pub const FORMAT: u32 = 1;

/// A value as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Written without quotes: a number, a boolean, a word.
    Plain(String),
    /// Written with quotes where YAML wants them.
    Text(String),
    /// Nothing, on purpose.
    Null,
    /// Nobody said it; these words say what holds instead. Shown as a comment.
    Unsaid(&'static str),
    /// A list of texts, on one line.
    Texts(Vec<String>),
    /// A mapping, in order.
    Map(Vec<(String, Item)>),
    /// A list of mappings, each with the name it has in dotted paths.
    Entries(Vec<(String, Item)>),
    /// Only for people.
    Comment(String),
}

/// The whole configuration, defaults included.
pub fn show(workflow: &Workflow) -> Item {
    let settings = &workflow.settings;
    let mut top = vec![
        entry("smart_execution", word(settings.smart_execution)),
        entry("cache", cache(settings)),
        entry("resume", word(settings.resume)),
        entry("optimized", plain(settings.optimized)),
        entry("parallel", plain(settings.parallel)),
        entry("ai", ai::settings(&settings.ai)),
        entry("ai_cache", ai::cache(&settings.ai_cache)),
        entry("multi_stage", plain(settings.multi_stage)),
        entry("jobs", settings.jobs.map_or(Item::Unsaid("the number of CPUs"), plain)),
        entry("fail_fast", word(settings.fail_fast)),
        entry("skip_policy", word(settings.skip_policy)),
        entry("max_memory", settings.max_memory_bytes.map_or(Item::Unsaid("no limit"), |b| plain(size::exact(b)))),
        entry("output", word(settings.output)),
        entry("secrets", texts(&settings.secrets)),
        entry("base", workflow.base.clone().map_or(Item::Unsaid("the default branch"), Item::Text)),
        entry("auto", plain(settings.auto)),
        entry("strict", plain(settings.strict)),
        entry("ml_optimize", plain(settings.ml_optimize)),
        entry("strategy", word(settings.strategy)),
        entry("optimization_level", word(settings.optimization_level)),
        entry("impact", Item::Map(vec![entry("code_files", plain(workflow.impact.code_files))])),
        entry("categories", categories(workflow)),
    ];
    if let Some(kind) = &workflow.project_kind {
        top.push(entry("project", Item::Map(vec![entry("kind", Item::Text(kind.clone()))])));
    }
    if let Some(depends) = &workflow.workspace.depends {
        let edges = depends.iter().map(|(from, on)| (folder(from), texts(on.iter().map(folder)))).collect();
        top.push(entry("workspace", Item::Map(vec![entry("depends", Item::Map(edges))])));
    }
    if !workflow.skip_rules.is_empty() {
        let rules = workflow.skip_rules.iter().map(|rule| (rule.pattern.as_str().to_owned(), texts(&rule.steps)));
        top.push(entry("skip_rules", Item::Map(rules.collect())));
    }
    if !workflow.stages.is_empty() {
        let stages = workflow.stages.iter().map(|spec| (spec.name.clone(), stage(spec)));
        top.push(entry("stages", Item::Entries(stages.collect())));
    }
    let steps = workflow.steps.iter().map(|spec| (spec.id.to_string(), step(spec)));
    top.push(entry("steps", Item::Entries(steps.collect())));
    Item::Map(top)
}

fn stage(spec: &StageSpec) -> Item {
    Item::Map(vec![
        entry("name", Item::Text(spec.name.clone())),
        entry("trigger", Item::Text(spec.trigger.to_string())),
        entry("target", spec.target_ms.map_or(Item::Unsaid("none"), |ms| plain(duration::exact(ms)))),
    ])
}

fn step(spec: &StepSpec) -> Item {
    let globs = |set: &Option<GlobSet>, words| match set {
        Some(set) => Item::Texts(set.texts().map(str::to_owned).collect()),
        None => Item::Unsaid(words),
    };
    let needs = |needs: &[Need]| {
        texts(needs.iter().map(|need| format!("{}{}", if need.upstream { "^" } else { "" }, need.step)))
    };
    let mut keys = vec![
        entry("id", Item::Text(spec.id.to_string())),
        entry("name", spec.name.clone().map_or(Item::Unsaid("the id"), Item::Text)),
    ];
    match &spec.command {
        Command::Argv(argv) => keys.push(entry("run", texts(argv))),
        Command::Shell { text, shell } => {
            keys.push(entry("run", Item::Text(text.clone())));
            keys.push(entry("shell", texts(shell)));
        }
        Command::Ai(task) => keys.push(entry("ai", ai::task(task))),
    }
    let here = if spec.for_each.is_some() { "the instance's folder" } else { "the repository's root" };
    let unwatched = if spec.for_each.is_some() { "the instance's folder and what it shares" } else { "everything" };
    let none = || Item::Text("none".into());
    keys.extend([
        entry("kind", spec.kind.map_or(Item::Unsaid("none"), word::<Kind>)),
        entry("dir", spec.dir.as_ref().map_or(Item::Unsaid(here), |dir| Item::Text(folder(dir)))),
        entry("stage", spec.stage.clone().map_or(Item::Unsaid("none"), Item::Text)),
        entry("needs", needs(&spec.needs)),
        entry("after", needs(&spec.after)),
        entry("for_each", globs(&spec.for_each, "one step")),
        entry("inputs", globs(&spec.inputs, unwatched)),
        entry("ignore", texts(&spec.ignore)),
        entry("outputs", globs(&spec.outputs, "none")),
        entry("writes", globs(&spec.writes, "none")),
        entry("env", env(spec)),
        entry("env_mode", word(spec.env_mode)),
        entry("cache", reuse(spec)),
        entry("tools", texts(spec.tools.iter().map(|argv| shell_words(argv)))),
        entry("incremental", plain(spec.incremental)),
        entry("timeout", spec.timeout_ms.map_or_else(none, |ms| plain(duration::exact(ms)))),
        entry("grace", plain(duration::exact(spec.grace_ms))),
        entry(
            "idle_timeout",
            spec.idle_timeout_ms.map_or(Item::Unsaid("10m with CI, else a warning"), |ms| plain(duration::exact(ms))),
        ),
        entry("retries", retries(spec)),
        entry("allow_failure", plain(spec.allow_failure)),
        entry("locks", texts(&spec.locks)),
        entry("resources", resources(spec)),
        entry("when", spec.when.as_ref().map_or(Item::Unsaid("always"), |when| Item::Text(when.to_string()))),
        entry("tags", texts(&spec.tags)),
        entry("run_on", word::<RunOn>(spec.run_on)),
        entry("changed_only", plain(spec.changed_only)),
        entry("ai_proxy", plain(spec.ai_proxy)),
        entry("leave_running", texts(&spec.leave_running)),
    ]);
    Item::Map(keys)
}

/// A folder as it is written; configured folders are always UTF-8.
fn folder(path: &RepoPath) -> String {
    if path.is_root() { ".".into() } else { String::from_utf8_lossy(path.as_bytes()).into_owned() }
}

fn env(spec: &StepSpec) -> Item {
    let value = |(name, value): (&String, &Option<String>)| {
        let shown = value.clone().map_or(Item::Null, Item::Text);
        if !spec.sealed.contains(name) {
            return (name.clone(), shown);
        }
        let mut keys = vec![entry("in_key", plain(true))];
        keys.extend(value.is_some().then(|| entry("value", shown)));
        (name.clone(), Item::Map(keys))
    };
    Item::Map(spec.env.iter().map(value).collect())
}

fn cache(settings: &Settings) -> Item {
    let (mode, limits) = (settings.cache, settings.cache_limits);
    let dir = settings.cache_dir.clone();
    Item::Map(vec![
        entry("read", plain(mode.read)),
        entry("write", plain(mode.write)),
        entry("dir", dir.map_or(Item::Unsaid("in wf's state folder"), Item::Text)),
        entry("max_size", plain(size::exact(limits.size_bytes))),
        entry("max_age", limits.age_ms.map_or_else(|| Item::Text("none".into()), |ms| plain(duration::exact(ms)))),
        entry("max_entries", plain(limits.entries)),
        entry("policy", word(limits.policy)),
    ])
}

fn reuse(spec: &StepSpec) -> Item {
    let reuse = &spec.cache;
    if !reuse.is_on() && *reuse == CacheUse::default() {
        return plain(false);
    }
    Item::Map(vec![
        entry("read", plain(reuse.read)),
        entry("write", plain(reuse.write)),
        entry(
            "ttl",
            reuse.ttl_ms.map_or(Item::Unsaid("as long as the cache keeps it"), |ms| plain(duration::exact(ms))),
        ),
        entry("tags", texts(&reuse.tags)),
        entry("flaky", plain(reuse.flaky)),
    ])
}

/// An argv as it is written in `tools`.
fn shell_words(argv: &[String]) -> String {
    // Only a NUL byte cannot be quoted, and no argv holds one.
    shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_default()
}

fn retries(spec: &StepSpec) -> Item {
    let retries = &spec.retries;
    Item::Map(vec![
        entry("count", plain(retries.count)),
        entry("backoff", plain(duration::exact(retries.backoff_ms))),
        entry("max_backoff", plain(duration::exact(retries.max_backoff_ms))),
        entry("on", Item::Texts(retries.on.iter().map(serde_word).collect())),
    ])
}

fn resources(spec: &StepSpec) -> Item {
    let (cpu, memory) = (spec.resources.cpu_milli, spec.resources.memory_bytes);
    let fraction = format!("{}.{:03}", cpu / 1_000, cpu % 1_000);
    let cpu = fraction.trim_end_matches('0').trim_end_matches('.').to_owned();
    Item::Map(vec![
        entry("cpu", Item::Plain(cpu)),
        entry("memory", if memory == 0 { Item::Unsaid("no claim") } else { plain(size::exact(memory)) }),
        entry("enforce", plain(spec.resources.enforce)),
    ])
}

/// Built-in rules as comments, and what the project says about them as it could be said again.
fn categories(workflow: &Workflow) -> Item {
    let mut shown = Vec::new();
    let mut said: Vec<(String, Vec<(String, Item)>)> = Vec::new();
    for rule in &workflow.categories {
        let all: Vec<String> = rule.paths.texts().map(str::to_owned).collect();
        let name = rule.category.to_string();
        let parts = if rule.built_in {
            let own = built_in::CATEGORIES.iter().find(|(known, _)| *known == name).map_or(0, |(_, globs)| globs.len());
            shown.push((String::new(), Item::Comment(format!("{name}, built in:"))));
            let globs = all[..own].iter().map(|glob| (String::new(), Item::Comment(format!("  - {}", scalar(glob)))));
            shown.extend(globs);
            let removed = all[own..].iter().map(|glob| glob.trim_start_matches('!').to_owned());
            entry("remove", Item::Texts(removed.collect()))
        } else {
            entry("add", Item::Texts(all))
        };
        if parts.1 == Item::Texts(vec![]) {
            continue;
        }
        // The order of the rules that add is what counts; a removal has no place in it.
        if rule.built_in || !said.iter().any(|(known, _)| *known == name) {
            said.push((name, vec![parts]));
        } else if let Some(at) = said.iter().position(|(known, _)| *known == name) {
            let (name, mut earlier) = said.remove(at);
            earlier.push(parts);
            said.push((name, earlier));
        }
    }
    shown.extend(said.into_iter().map(|(name, parts)| (name, Item::Map(parts))));
    Item::Map(shown)
}

/// As YAML. With origins, each line ends with where its value came from.
pub fn to_yaml(item: &Item, origins: Option<(&Origins, &[Source])>) -> String {
    let mut text = String::new();
    if let Item::Map(entries) = item {
        write_map(&mut text, entries, 0, "", origins);
    }
    text
}

/// As one JSON document.
pub fn to_json(workflow: &Workflow, origins: &Origins, sources: &[Source]) -> Value {
    let item = show(workflow);
    let mut config = json_of(&item);
    config["categories"] = json!(workflow.categories);
    let mut said = BTreeMap::new();
    leaves(&item, "", &mut |path| {
        said.insert(path.to_owned(), describe(path, origins, sources));
    });
    json!({ "format": FORMAT, "config": config, "origins": said })
}

/// Where the value at a path came from: its own key, or the nearest one above it that was said as a whole.
pub fn describe(path: &str, origins: &Origins, sources: &[Source]) -> String {
    let mut at = path;
    loop {
        if let Some(said) = origins.get(at) {
            let origin = said.origin.describe(sources);
            return match &said.through {
                Some(key) => format!("{origin} ({key})"),
                None => origin,
            };
        }
        match at.rsplit_once('.') {
            Some((above, _)) => at = above,
            None => return Origin::Default.describe(sources),
        }
    }
}

fn leaves(item: &Item, path: &str, each: &mut impl FnMut(&str)) {
    match item {
        Item::Comment(_) => {}
        Item::Map(entries) | Item::Entries(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                leaves(value, &join(path, key), each);
            }
        }
        _ => each(path),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn json_of(item: &Item) -> Value {
    match item {
        Item::Plain(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Item::Text(text) => json!(text),
        Item::Null | Item::Unsaid(_) | Item::Comment(_) => Value::Null,
        Item::Texts(all) => json!(all),
        Item::Map(entries) => {
            let said = entries.iter().filter(|(_, item)| !matches!(item, Item::Comment(_)));
            said.map(|(key, item)| (key.clone(), json_of(item))).collect()
        }
        Item::Entries(entries) => entries.iter().map(|(_, item)| json_of(item)).collect(),
    }
}

type Notes<'a> = Option<(&'a Origins, &'a [Source])>;

fn write_map(text: &mut String, entries: &[(String, Item)], indent: usize, path: &str, notes: Notes) {
    for (key, item) in entries {
        write_entry(text, key, item, indent, &join(path, key), notes);
    }
}

fn write_entry(text: &mut String, key: &str, item: &Item, indent: usize, path: &str, notes: Notes) {
    let pad = " ".repeat(indent);
    let key = scalar(key);
    match item {
        Item::Comment(words) => line(text, &format!("{pad}# {words}"), None),
        Item::Map(inner) if inner.iter().any(|(_, item)| !matches!(item, Item::Comment(_))) => {
            line(text, &format!("{pad}{key}:"), None);
            write_map(text, inner, indent + 2, path, notes);
        }
        Item::Map(inner) => {
            write_map(text, inner, indent, path, notes);
            line(text, &format!("{pad}{key}: {{}}"), note(path, notes));
        }
        Item::Entries(inner) if inner.is_empty() => line(text, &format!("{pad}{key}: []"), note(path, notes)),
        Item::Entries(inner) => {
            line(text, &format!("{pad}{key}:"), None);
            for (name, item) in inner {
                let Item::Map(keys) = item else { continue };
                let mut block = String::new();
                write_map(&mut block, keys, indent + 4, &join(path, name), notes);
                // The first key stands on the line of the dash.
                block.replace_range(indent + 2..indent + 3, "-");
                text.push_str(&block);
            }
        }
        Item::Unsaid(words) => line(text, &format!("{pad}# {key}: {words}"), note(path, notes)),
        Item::Plain(value) => line(text, &format!("{pad}{key}: {value}"), note(path, notes)),
        Item::Text(value) => line(text, &format!("{pad}{key}: {}", scalar(value)), note(path, notes)),
        Item::Null => line(text, &format!("{pad}{key}: null"), note(path, notes)),
        Item::Texts(all) => line(text, &format!("{pad}{key}: {}", flow(all)), note(path, notes)),
    }
}

fn note(path: &str, notes: Notes) -> Option<String> {
    notes.map(|(origins, sources)| describe(path, origins, sources))
}

fn line(text: &mut String, content: &str, note: Option<String>) {
    match note {
        Some(note) => writeln!(text, "{content:<46}  # {}", note.escape_debug()),
        None => writeln!(text, "{content}"),
    }
    .unwrap_or_default();
}

fn flow(all: &[String]) -> String {
    format!("[{}]", all.iter().map(|text| scalar(text)).collect::<Vec<_>>().join(", "))
}

/// A text as YAML: bare where nobody could read it as anything else, else in double quotes.
pub fn scalar(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-./@+".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/' || c == '.');
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"];
    let number = text.trim_start_matches(['.', '-', '+']).starts_with(|c: char| c.is_ascii_digit());
    if starts && text.chars().all(bare) && !number && !word.contains(&&*text.to_ascii_lowercase()) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' => quoted.push(c),
            c if c.is_alphanumeric() => quoted.push(c),
            c => write!(quoted, "\\U{:08x}", u32::from(c)).unwrap_or_default(),
        }
    }
    quoted.push('"');
    quoted
}

fn entry(key: &str, item: Item) -> (String, Item) {
    (key.to_owned(), item)
}

fn plain(value: impl ToString) -> Item {
    Item::Plain(value.to_string())
}

fn texts(all: impl IntoIterator<Item = impl ToString>) -> Item {
    Item::Texts(all.into_iter().map(|text| text.to_string()).collect())
}

fn word<T: Serialize>(value: T) -> Item {
    Item::Plain(serde_word(&value))
}

/// The serde name of a variant: how it is written.
pub fn serde_word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        other => format!("{other:?}"),
    }
}
