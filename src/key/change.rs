//! What differs between two keys, in words. Pure.

use super::{FileGroup, Manifest};
use crate::base::RepoPath;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The fields of a key. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Field {
    /// The format of keys.
    Format = 0,
    /// The step's id.
    Step = 1,
    /// Program and arguments.
    Command = 2,
    /// The folder it runs in.
    Dir = 3,
    /// The instance's folder.
    Folder = 4,
    /// A declared variable.
    Env = 5,
    /// A variable that is always looked at.
    Ambient = 6,
    /// A secret, sealed.
    Sealed = 7,
    /// A tool's version.
    Tool = 8,
    /// Operating system, architecture, C library.
    Platform = 9,
    /// What it declares as outputs.
    Outputs = 10,
    /// What a need contributes.
    Need = 11,
    /// The base of a `changed_only` step.
    Base = 12,
    /// The list of a `changed_only` step.
    Changed = 13,
    /// A watched file.
    File = 14,
}

/// How a field differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It was not there, or was unset.
    Added,
    /// It is not there any more, or is unset.
    Removed,
    /// It says something else.
    Changed,
}

/// One difference between two keys. It never holds a value: values may be what nobody should read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// Which field.
    pub field: Field,
    /// What names it, escaped for people: a path, a variable, a step; empty where the field is one of a kind.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// How it differs.
    pub how: How,
}

/// What differs between an earlier key and this one, by the fields' order, files last. `files` gives a group's files by
/// its digest; a group that is not known any more is told as one change without a name.
pub fn diff<'a>(
    then: &Manifest,
    now: &Manifest,
    files: impl Fn(&crate::base::Digest) -> Option<&'a FileGroup>,
) -> Vec<KeyChange> {
    let mut changes = Vec::new();
    let names: BTreeSet<_> = then.fields.keys().chain(now.fields.keys()).collect();
    for key in names {
        let (before, after) = (then.fields.get(key).cloned().flatten(), now.fields.get(key).cloned().flatten());
        if let Some(how) = how(before.as_ref(), after.as_ref()) {
            changes.push(KeyChange { field: key.0, name: RepoPath::from_bytes(&key.1).to_string(), how });
        }
    }
    // Groups that both have are equal; only the others are worth opening.
    let mut sides = [BTreeMap::new(), BTreeMap::new()];
    let mut unknown = false;
    for (side, (manifest, other)) in sides.iter_mut().zip([(then, now), (now, then)]) {
        for digest in manifest.groups.iter().filter(|digest| !other.groups.contains(digest)) {
            match files(digest) {
                Some(group) => side.extend(group.files().iter().map(|file| (&file.path, (file.mode, file.digest)))),
                None => unknown = true,
            }
        }
    }
    let [before, after] = sides;
    if unknown {
        changes.push(KeyChange { field: Field::File, name: String::new(), how: How::Changed });
        return changes;
    }
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for path in paths {
        if let Some(how) = how(before.get(*path), after.get(*path)) {
            changes.push(KeyChange { field: Field::File, name: path.to_string(), how });
        }
    }
    changes
}

fn how<T: PartialEq>(before: Option<&T>, after: Option<&T>) -> Option<How> {
    match (before, after) {
        (None, Some(_)) => Some(How::Added),
        (Some(_), None) => Some(How::Removed),
        (Some(before), Some(after)) if before != after => Some(How::Changed),
        _ => None,
    }
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (self.field, self.how) {
            (Field::Format, _) => write!(f, "another version of wf made it"),
            (Field::Step, _) => write!(f, "the step has another id"),
            (Field::Command, _) => write!(f, "the command changed"),
            (Field::Dir, _) => write!(f, "it runs in another folder"),
            (Field::Folder, _) => write!(f, "it is for another folder"),
            (Field::Env | Field::Ambient | Field::Sealed, How::Added) => write!(f, "{name} was unset"),
            (Field::Env | Field::Ambient | Field::Sealed, How::Removed) => write!(f, "{name} is unset now"),
            (Field::Tool, _) => write!(f, "`{name}` says something else"),
            (Field::Platform, _) => write!(f, "the platform is another"),
            (Field::Outputs, _) => write!(f, "its declared outputs changed"),
            (Field::Need, How::Added) => write!(f, "it needs {name} now"),
            (Field::Need, How::Removed) => write!(f, "it does not need {name} any more"),
            (Field::Need, How::Changed) => write!(f, "what it uses of {name} changed"),
            (Field::Base, _) => write!(f, "the base is another"),
            (Field::Changed, _) => write!(f, "other files changed"),
            (Field::File, _) if name.is_empty() => write!(f, "a file it watches changed"),
            (Field::File, How::Added) => write!(f, "{name} is new"),
            (Field::File, How::Removed) => write!(f, "{name} is gone"),
            (Field::Env | Field::Ambient | Field::Sealed | Field::File, How::Changed) => write!(f, "{name} changed"),
        }
    }
}
