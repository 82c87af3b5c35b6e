//! A step with nothing but an id, for tests here and elsewhere. Pure.

use crate::base::{RepoPath, StepId};
use crate::config::model::*;
use crate::graph::{Inputs, Step};
use std::collections::BTreeMap;

/// A step with nothing but an id, for tests here and beside.
pub fn sample(id: &str) -> Step {
    Step {
        id: StepId::parse(id).unwrap(),
        name: None,
        command: Command::Argv(vec!["true".into()]),
        dir: RepoPath::root(),
        folder: None,
        stage: None,
        needs: vec![],
        after: vec![],
        inputs: Inputs::Everything,
        ignore: vec![],
        ignore_rules: None,
        unwatched: vec![],
        outputs: None,
        writes: None,
        env: BTreeMap::new(),
        timeout_ms: None,
        grace_ms: 10_000,
        idle_timeout_ms: None,
        retries: Retries::default(),
        allow_failure: false,
        locks: vec![],
        resources: Resources::default(),
        when: None,
        stage_when: None,
        tags: vec![],
        kind: None,
        run_on: RunOn::Success,
        changed_only: false,
        ai_proxy: false,
        leave_running: vec![],
        cache: CacheUse::default(),
        tools: vec![],
        incremental: false,
        env_mode: EnvMode::Inherit,
        sealed: vec![],
    }
}
