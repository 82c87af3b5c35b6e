//! Every key, one file for each mapping: what it takes, what it means, and how it is decoded. Pure.
//!
//! A key is one `Key` in one table; nothing else has to be touched to add one, but the model it fills and `show`.

pub mod ai;
pub mod ai_cache;
pub mod ancestor;
pub mod cache;
pub mod category;
pub mod claim;
pub mod command;
pub mod project;
pub mod retry;
pub mod reuse;
pub mod run;
pub mod stage;
pub mod step;
pub mod variable;

use super::key::{About, Shape};
use super::model::Settings;
use crate::base::{Millis, RepoPath, Span, Spanned};
use std::collections::BTreeMap;

/// What the sources say, before anything is looked up in anything else.
#[derive(Default)]
pub struct Draft {
    /// How wf runs.
    pub settings: Settings,
    /// `multi_stage`, if it was said.
    pub multi_stage: Option<bool>,
    /// Where `max_memory` was said.
    pub max_memory_at: Option<Span>,
    /// `base`
    pub base: Option<String>,
    /// `step_timeout`
    pub step_timeout: Option<Spanned<Millis>>,
    /// `project.kind`
    pub project_kind: Option<String>,
    /// `impact.code_files`
    pub code_files: Option<usize>,
    /// `stages`
    pub stages: Vec<stage::StageDraft>,
    /// A stage could not be read, so that an unknown name may be that one.
    pub stages_torn: bool,
    /// `steps`, and `test_commands` once all is read
    pub steps: Vec<step::StepDraft>,
    /// `test_commands`
    pub test_commands: Vec<step::StepDraft>,
    /// A step's id could not be read, so that an unknown name may be that one.
    pub steps_torn: bool,
    /// `categories`
    pub categories: Vec<category::CategoryDraft>,
    /// `skip_rules`: pattern, steps.
    pub skip_rules: Vec<(Spanned<String>, Vec<Spanned<String>>)>,
    /// `skip_on_doc_only`
    pub skip_on_doc_only: Vec<Spanned<String>>,
    /// `workspace.depends`
    pub depends: Option<BTreeMap<RepoPath, Vec<RepoPath>>>,
}

/// Describes a key; its other parts are added by `like` and `spelling`.
const fn about(
    name: &'static str,
    shape: Shape,
    default: &'static str,
    example: &'static str,
    doc: &'static str,
) -> About {
    About { name, shape, default, example, doc, same_as: None }
}

/// Describes another spelling of a key.
const fn spelling(same_as: &'static str, about: About) -> About {
    About { same_as: Some(same_as), ..about }
}
