//! What is wrong with AI steps that only their templates tell.

use crate::ai::prompt::Library;
use crate::config::model::{AiTask, Command, StepSpec};
use crate::config::{ConfigError, Workflow};
use std::path::Path;

/// Every mistake, each at its place in the configuration.
pub fn errors(workflow: &Workflow, root: &Path) -> Vec<ConfigError> {
    workflow.steps.iter().flat_map(|spec| of_step(spec, root)).collect()
}

fn of_step(spec: &StepSpec, root: &Path) -> Vec<ConfigError> {
    let Command::Ai(task) = &spec.command else { return vec![] };
    let AiTask { persona, prompt, each, templates, at, .. } = &**task;
    let library = Library { folder: templates.as_ref().map(|dir| dir.under(root)) };
    let uses = match library.both(persona.as_deref(), prompt.as_deref(), *each) {
        Ok((_, _, uses)) => uses,
        Err(problem) => return vec![ConfigError::new(*at, problem.message).hint(problem.kind.hint())],
    };
    let mut errors = vec![];
    for name in &uses.wide {
        if let Some(step) = name.strip_prefix("steps.") {
            if !spec.needs.iter().any(|need| need.step.as_str() == step) {
                let error = ConfigError::new(*at, format!("`{name}` is used, and the step does not wait for `{step}`"));
                errors.push(error.hint(format!("add `needs: [{step}]`")));
            }
        } else if spec.cache.is_on() && !spec.changed_only {
            let message =
                format!("`{name}` is used, so the result is good for one change alone, and it would be cached");
            errors.push(ConfigError::new(*at, message).hint("say `files: changed`, or `cache: false`"));
        }
    }
    errors
}
