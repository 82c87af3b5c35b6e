//! What only the project's file may say: steps, stages, categories, and the ancestor's shorthands for them. Pure.

use super::command::Run;
use super::step::StepDraft;
use super::{Draft, about, ancestor, category, stage, step};
use crate::base::{Spanned, StepId};
use crate::config::cx::Cx;
use crate::config::error::ConfigError;
use crate::config::key::{About, Key, Shape, Table, abouts, decode};
use crate::config::model::Kind;
use crate::config::value::COUNT_MAX;
use crate::config::yaml::{Node, NodeKind};
use std::collections::BTreeMap;

/// The keys of the top of a project's file, besides the settings.
pub static PROJECT: Table<Draft> = &[
    Key {
        about: about(
            "steps",
            Shape::List(&step::SHAPE),
            "none",
            "steps:\n  - id: build\n    run: cargo build",
            "What there is to run.",
        ),
        set: step::decode_all,
    },
    Key {
        about: about(
            "stages",
            Shape::List(&stage::SHAPE),
            "none",
            "stages:\n  - name: check",
            "Groups of steps that run one after the other, in this order. A step that names none belongs to the latest stage of what it waits for, else to the first.",
        ),
        set: stage::decode_all,
    },
    Key {
        about: about(
            "categories",
            Shape::MapOf(&category::SHAPE),
            "the built-in categories",
            "categories:\n  code: [\"docs/book/**/*.md\"]",
            "More paths for built-in categories, and categories of your own. The last rule that matches a path wins; \
             built-in rules come first.",
        ),
        set: category::decode_all,
    },
    Key {
        about: about(
            "impact",
            Shape::Object("impact", impact_keys, &[]),
            "see below",
            "impact: {code_files: 50}",
            "When a change is of high impact.",
        ),
        set: |d, v, cx| decode(cx, v, &[IMPACT], "`impact`", d),
    },
    Key {
        about: about(
            "workspace",
            Shape::Object("workspace", workspace_keys, &[]),
            "read from manifests",
            "workspace: {depends: {services/api: [libs/db]}}",
            "Which folders depend on which, for `needs: [^step]`.",
        ),
        set: |d, v, cx| decode(cx, v, &[WORKSPACE], "`workspace`", d),
    },
    Key {
        about: about(
            "project",
            Shape::Object("project", project_keys, &[]),
            "none",
            "project: {kind: rust}",
            "About the project.",
        ),
        set: |d, v, cx| decode(cx, v, &[ABOUT], "`project`", d),
    },
    Key {
        about: about(
            "test_commands",
            Shape::MapOf(&Shape::Text),
            "none",
            "test_commands: {unit: cargo test --lib}",
            "One step of `kind: test` for each name.",
        ),
        set: test_commands,
    },
    Key {
        about: about(
            "skip_rules",
            Shape::MapOf(&Shape::Many(&Shape::Id)),
            "none",
            "skip_rules: {\"\\\\.md$\": [build, test]}",
            "Regular expressions over paths (anywhere in them), and the steps that do not watch such paths.",
        ),
        set: skip_rules,
    },
    Key {
        about: about(
            "skip_on_doc_only",
            Shape::Many(&Shape::Id),
            "none",
            "skip_on_doc_only: [build, test]",
            "Steps that do not watch documentation: `ignore: [docs]` on each.",
        ),
        set: |d, v, cx| {
            if let Some(steps) = cx.texts(v) {
                d.skip_on_doc_only = steps;
            }
        },
    },
    Key {
        about: about(
            "optimizations",
            ancestor::SHAPE,
            "none",
            "optimizations: {parallel_execution: true}",
            "The ancestor's spelling of settings.",
        ),
        set: |d, v, cx| decode(cx, v, &[ancestor::OPTIMIZATIONS], "`optimizations`", d),
    },
];

/// `impact`
pub static IMPACT: Table<Draft> = &[Key {
    about: about(
        "code_files",
        Shape::Int(0, COUNT_MAX),
        "20",
        "code_files: 50",
        "More changed files of category `code` than this are of high impact.",
    ),
    set: |d, v, cx| d.code_files = cx.whole(v, 0, COUNT_MAX).map(|n| n as usize).or(d.code_files),
}];

/// `workspace`
pub static WORKSPACE: Table<Draft> = &[Key {
    about: about(
        "depends",
        Shape::MapOf(&Shape::Many(&Shape::Text)),
        "read from manifests",
        "depends: {services/api: [libs/db]}",
        "For each folder, the folders it depends on; replaces what manifests say.",
    ),
    set: depends,
}];

/// `project`
pub static ABOUT: Table<Draft> = &[Key {
    about: about("kind", Shape::Text, "none", "kind: rust", "What kind of project this is, for people and templates."),
    set: |d, v, cx| d.project_kind = cx.text(v).map(|text| text.value),
}];

fn impact_keys() -> Vec<&'static About> {
    abouts(IMPACT)
}

fn workspace_keys() -> Vec<&'static About> {
    abouts(WORKSPACE)
}

fn project_keys() -> Vec<&'static About> {
    abouts(ABOUT)
}

fn depends(d: &mut Draft, node: &Node, cx: &mut Cx) {
    let mut edges = BTreeMap::new();
    for (folder, on) in cx.map(node, "a mapping of folders to folders") {
        let from = cx.folder(folder);
        let on = cx.many(on, |cx, item| cx.text(item).and_then(|text| cx.folder(&text)));
        if let (Some(from), Some(on)) = (from, on) {
            edges.insert(from, on);
        }
    }
    d.depends = Some(edges);
}

fn test_commands(d: &mut Draft, node: &Node, cx: &mut Cx) {
    for (name, command) in cx.map(node, "a mapping of names to commands") {
        let Some(run) = cx.text(command) else { continue };
        match StepId::parse(&name.value) {
            Ok(id) => {
                let kind = Some(Spanned::new(Kind::Test, name.at));
                for key in ["run", "kind"] {
                    cx.follows(format!("steps.{id}.{key}"), name.at, "test_commands");
                }
                let run = Some(Run::Text(run.value));
                d.test_commands.push(StepDraft {
                    id: Some(Spanned::new(id, name.at)),
                    run,
                    kind,
                    ..StepDraft::at(name.at)
                });
            }
            Err(error) => {
                d.steps_torn = true;
                cx.error(ConfigError::new(name.at, error.to_string()));
            }
        }
    }
}

fn skip_rules(d: &mut Draft, node: &Node, cx: &mut Cx) {
    let NodeKind::Map(entries) = &node.kind else {
        let error = ConfigError::new(node.at, format!("`skip_rules` is a mapping, not {}", node.describe()));
        return cx.error(error.hint("write `\"\\\\.md$\": [build, test]`"));
    };
    for (pattern, steps) in entries {
        if let Some(steps) = cx.texts(steps) {
            d.skip_rules.push((pattern.clone(), steps));
        }
    }
}
