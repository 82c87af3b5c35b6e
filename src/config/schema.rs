//! The JSON schema (draft 2020-12) of a project's configuration, made from the tables of keys. Pure.

use super::key::{About, Shape, abouts};
use super::setting::project::PROJECT;
use super::setting::run::SETTINGS;
use super::yaml::{self, Node, NodeKind};
use crate::base::duration;
use serde_json::{Map, Value, json};

/// Where `wf init` puts the schema, so that `# yaml-language-server: $schema=` finds it from the configuration file.
pub const SCHEMA_PATH: &str = ".wf/workflow-config.schema.json";

/// The first line of a configuration file by which editors complete and check it.
pub fn schema_comment() -> String {
    format!("# yaml-language-server: $schema={SCHEMA_PATH}")
}

/// The schema as text, as it is committed in `docs/`.
pub fn schema_json() -> String {
    let mut definitions = Map::new();
    let keys: Vec<_> = abouts(SETTINGS).into_iter().chain(abouts(PROJECT)).collect();
    let mut schema = object(&keys, &[], &mut definitions);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("wf configuration");
    schema["description"] = json!("`.workflow-config.yaml`: what wf runs, and when it may skip it.");
    schema["patternProperties"] = json!({ "^x-": { "description": "A place for anchors; wf does not read it." } });
    schema["$defs"] = Value::Object(definitions);
    format!("{schema:#}\n")
}

fn object(keys: &[&'static About], required: &[&str], definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for about in keys {
        properties.insert(about.name.to_owned(), property(about, definitions));
    }
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let (either, all): (Vec<&str>, Vec<&str>) = required.iter().partition(|name| name.contains('|'));
    if !all.is_empty() {
        schema["required"] = json!(all);
    }
    for choice in either {
        schema["oneOf"] = choice.split('|').map(|name| json!({ "required": [name] })).collect();
    }
    schema
}

fn property(about: &'static About, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = of(&about.shape, definitions);
    let mut words = about.doc.to_owned();
    if let Some(same) = about.same_as {
        words = format!("Another spelling of {words}.");
        debug_assert!(words.contains(same));
    }
    schema["description"] = json!(words);
    if let Some(default) = default(about) {
        schema["default"] = default;
    } else if !about.default.is_empty() {
        schema["description"] = json!(format!("{words} Default: {}.", about.default));
    }
    if let Some(example) = example(about) {
        schema["examples"] = json!([example]);
    }
    schema
}

/// The default as a value, where it is one and not words about one.
fn default(about: &About) -> Option<Value> {
    match &about.shape {
        Shape::Bool => about.default.parse::<bool>().ok().map(Value::from),
        Shape::Int(..) | Shape::Number => about.default.parse::<u64>().ok().map(Value::from),
        Shape::Words(words) | Shape::Switch(words) => words.contains(&about.default).then(|| json!(about.default)),
        Shape::Duration => duration::parse(about.default).ok().map(|_| json!(about.default)),
        _ => None,
    }
}

/// The value in the example, which is a line of YAML.
fn example(about: &About) -> Option<Value> {
    let node = yaml::parse(about.example, 0, &mut Vec::new())?;
    match node.kind {
        NodeKind::Map(entries) => entries.first().map(|(_, value)| json_of(value)),
        _ => None,
    }
}

/// A node as the core schema of YAML 1.2 reads it.
pub fn json_of(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Seq(items) => items.iter().map(json_of).collect(),
        NodeKind::Map(entries) => entries.iter().map(|(key, value)| (key.value.clone(), json_of(value))).collect(),
        NodeKind::Scalar { .. } if node.is_null() => Value::Null,
        NodeKind::Scalar { text, plain: true } => match serde_json::from_str(text) {
            Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
            _ => json!(text),
        },
        NodeKind::Scalar { text, .. } => json!(text),
    }
}

fn of(shape: &Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape {
        // Numbers and booleans without quotes are taken as they are written.
        Shape::Text => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Int(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Number => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Shape::Duration => json!({ "type": "string", "pattern": "^\\s*([0-9]+(ms|s|m|h|d))+\\s*$" }),
        Shape::Size => json!({ "type": "string", "pattern": "^\\s*[0-9]+\\s*([kKmMgGtT][iI]?)?[bB]\\s*$" }),
        Shape::Words(words) => json!({ "enum": words }),
        Shape::Switch(words) => {
            let all = [json!(true), json!(false)].into_iter().chain(words.iter().map(|word| json!(word)));
            json!({ "enum": all.collect::<Vec<_>>() })
        }
        Shape::Id => json!({ "type": ["string", "integer"], "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$" }),
        Shape::Trigger | Shape::Glob => json!({ "type": "string", "minLength": 1 }),
        Shape::Many(item) => {
            let item = of(item, definitions);
            json!({ "anyOf": [item, { "type": "array", "items": item }] })
        }
        Shape::List(item) => json!({ "type": "array", "items": of(item, definitions) }),
        Shape::MapOf(value) => json!({ "type": "object", "additionalProperties": of(value, definitions) }),
        Shape::Object(name, keys, required) => {
            if !definitions.contains_key(*name) {
                definitions.insert((*name).to_owned(), Value::Null);
                let mut schema = object(&keys(), required, definitions);
                schema["title"] = json!(name);
                definitions.insert((*name).to_owned(), schema);
            }
            json!({ "$ref": format!("#/$defs/{name}") })
        }
        Shape::Either(shapes) => json!({ "anyOf": shapes.iter().map(|s| of(s, definitions)).collect::<Vec<_>>() }),
        Shape::Null => json!({ "type": "null" }),
        Shape::Ignored => json!({ "deprecated": true }),
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
