//! `wf cache show`: one result, and everything its key was made of.

use super::super::{Context, Exit, Failure};
use super::{Json, Opened, look, size, utc, verdicts};
use crate::base::{BlobRef, Digest, RepoPath, StepId};
use crate::cache::{Disk, Entry, Output, OutputKind, Store, Verified, store};
use crate::key::{Field, Key, Manifest, WatchedFile, texts};
use crate::report::{clean, look as words};
use crate::verdict::KeyVerdict;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What describes a key is never larger.
const MOST: u64 = 256 << 20;
/// Shorter starts of keys are guesses.
const KEY_MIN: usize = 4;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// A step (its newest result), or the start of a key
    what: String,
    /// List every watched file
    #[arg(long)]
    files: bool,
    #[command(flatten)]
    json: Json,
}

pub(super) fn run(args: &ShowArgs, mut opened: Opened, cx: &Context) -> Result<Exit, Failure> {
    verdicts::recall(&mut opened, cx);
    let entry = match find(&args.what, &opened)? {
        Found::Entry(entry) => *entry,
        Found::Verdict(newest) => return verdicts::run(&newest, args.json.json, &opened, cx),
    };
    let disk = Verified::new(Disk::new(&opened.folder));
    let manifest: Option<Manifest> = entry.manifest.as_ref().and_then(|blob| read(&disk, blob));
    let groups = entry.groups.iter().map(|blob| read::<Vec<WatchedFile>>(&disk, blob));
    let mut files: Vec<WatchedFile> = Vec::new();
    let mut forgotten = manifest.is_none();
    for group in groups {
        forgotten |= group.is_none();
        files.extend(group.into_iter().flatten());
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let fields = manifest.map_or_else(Vec::new, |manifest| fields(&manifest));
    if args.json.json {
        let mut document = document(&entry, &fields, &files, !forgotten);
        document["verdicts"] = verdicts::document(&entry.step, &entry.key, &opened);
        cx.print_json(&document)?;
        return Ok(Exit::Passed);
    }
    let mut text = String::new();
    let look = look(cx);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<8} {}", clean::text(value));
    };
    line("step", entry.step.as_str());
    line("key", &entry.key.to_string());
    line("made", &format!("{}, in run {}", look.time(&utc(entry.pass.at_ms)), entry.pass.run));
    line("took", &words::time(entry.pass.wall_ms));
    line("size", &words::bytes(size(&entry)));
    if !entry.tags.is_empty() {
        line("tags", &entry.tags.join(", "));
    }
    if let Some(until) = entry.expires_ms {
        line("until", &look.time(&utc(until)));
    }
    text += &verdicts::told(&entry.step, &entry.key, &opened, &look);
    text += "outputs\n";
    for output in &entry.outputs {
        let _ = writeln!(text, "  {}", clean::text(&told(output)));
    }
    text += "key inputs\n";
    for (field, name, value) in &fields {
        let value = value.as_deref().unwrap_or("(nothing)");
        let name = if name.is_empty() { String::new() } else { format!(" {name}") };
        let _ = writeln!(text, "  {}", clean::text(&format!("{}{name}: {value}", word(*field))));
    }
    let _ = writeln!(text, "  {}", words::count(files.len(), "watched file"));
    for file in files.iter().filter(|_| args.files) {
        let executable = if file.mode == 0o100_644 { String::new() } else { format!(" (mode {:o})", file.mode) };
        let _ = writeln!(text, "    {} {}{executable}", file.digest.short(), clean::text(&file.path.to_string()));
    }
    if forgotten {
        text += "  what else was in the key is not stored any more\n";
    }
    cx.print(&text)?;
    Ok(Exit::Passed)
}

/// What a person means.
enum Found {
    Entry(Box<Entry>),
    /// Nothing is stored for the key, and this is the newest verdict on it.
    Verdict(KeyVerdict),
}

/// What a person means: of a step its newest result, else its newest verdict.
fn find(what: &str, opened: &Opened) -> Result<Found, Failure> {
    let newest = StepId::parse(what).ok().and_then(|step| opened.actions.nearest(&step));
    let all = || opened.actions.entries().map(|(entry, ..)| entry);
    let named = || all().filter(|entry| entry.step.as_str() == what).max_by_key(made);
    if let Some(entry) = newest.or_else(named) {
        return Ok(Found::Entry(entry.into()));
    }
    let judged = |is: &dyn Fn(&KeyVerdict) -> bool| opened.actions.all_verdicts().filter(|it| is(it)).max_by_key(at);
    if let Some(verdict) = judged(&|verdict| verdict.step.as_str() == what) {
        return Ok(Found::Verdict(verdict));
    }
    let is_start = what.len() >= KEY_MIN && what.bytes().all(|byte| byte.is_ascii_hexdigit());
    let start = what.to_lowercase();
    let wanted = |key: &Key| is_start && key.to_string().starts_with(&start);
    let verdicts = opened.actions.all_verdicts().map(|verdict| verdict.key);
    let keys: BTreeSet<Key> = all().map(|entry| entry.key).chain(verdicts).filter(wanted).collect();
    let what = clean::text(what);
    if keys.len() > 1 {
        return Err(
            Failure::usage(format!("several keys start with `{what}`")).hint("type more of it: `wf cache ls --json`")
        );
    }
    let found = keys.first().and_then(|key| {
        let entry = opened.actions.entry(key).map(|entry| Found::Entry(entry.into()));
        entry.or_else(|| judged(&|verdict| verdict.key == *key).map(Found::Verdict))
    });
    found.ok_or_else(|| {
        Failure::usage(format!("nothing is stored for `{what}`"))
            .hint("`wf cache ls` lists what is stored; an instance is named like `build@services/api`")
    })
}

fn at(verdict: &KeyVerdict) -> u64 {
    verdict.at_ms
}

fn made(entry: &Entry) -> u64 {
    entry.pass.at_ms
}

fn read<T: DeserializeOwned>(from: &impl Store, blob: &BlobRef) -> Option<T> {
    postcard::from_bytes(&store::bytes(from, blob, MOST).ok()??).ok()
}

/// Every field of a key but files: its name, and its value as people read it.
fn fields(manifest: &Manifest) -> Vec<(Field, String, Option<String>)> {
    let told = |field: Field, value: &[u8]| match field {
        Field::Command | Field::Outputs | Field::Changed => {
            let texts = texts(value).unwrap_or_default();
            words::shell(
                texts.iter().map(|text| String::from_utf8_lossy(text)).collect::<Vec<_>>().iter().map(|t| &**t),
            )
        }
        Field::Format => value.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)).to_string(),
        Field::Need => match value.split_first_chunk().and_then(|(kind, rest)| Some((kind, rest.first_chunk()?))) {
            Some(([b'o'], digest)) => format!("outputs {}", Digest::from_bytes(*digest)),
            Some((_, digest)) => format!("key {}", Digest::from_bytes(*digest)),
            None => "?".into(),
        },
        Field::Sealed => "(a secret)".into(),
        _ => RepoPath::from_bytes(value).to_string(),
    };
    let all = manifest.fields.iter();
    all.map(|((field, name), value)| {
        (*field, RepoPath::from_bytes(name).to_string(), value.as_ref().map(|value| told(*field, value)))
    })
    .collect()
}

/// A field's name for people.
fn word(field: Field) -> String {
    serde_json::to_value(field).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn told(output: &Output) -> String {
    match &output.kind {
        OutputKind::File { blob, executable } => {
            let executable = if *executable { ", executable" } else { "" };
            format!("{} ({}{executable})", output.path, words::bytes(blob.size))
        }
        OutputKind::Symlink { target } => format!("{} -> {}", output.path, RepoPath::from_bytes(target)),
        OutputKind::Folder => format!("{}/", output.path),
    }
}

fn document(entry: &Entry, fields: &[(Field, String, Option<String>)], files: &[WatchedFile], whole: bool) -> Value {
    let field = |(field, name, value): &(Field, String, Option<String>)| json!({ "field": field, "name": name, "value": value });
    json!({
        "format": 1,
        "entry": entry,
        "stored_whole": whole,
        "inputs": fields.iter().map(field).collect::<Vec<_>>(),
        "files": files,
    })
}
