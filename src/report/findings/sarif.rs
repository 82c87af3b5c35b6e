//! Findings as SARIF 2.1.0 (OASIS), which code scanning services read.

use crate::ask::Finding;
use crate::base::{RepoPath, StepId};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One run; each step is a rule. Of `unknown` steps nobody can say what they would find: a service that takes what is not
/// named any more for mended is told so.
pub fn sarif(found: &[(StepId, Finding)], unknown: &[StepId], version: &str) -> Value {
    let mut rules: Vec<&StepId> = found.iter().map(|(step, _)| step).collect();
    rules.dedup();
    let rule = |step: &&StepId| json!({ "id": step.as_str(), "shortDescription": { "text": format!("step {step}") } });
    let result = |(step, finding): &(StepId, Finding)| {
        let place = finding.file.as_ref().map(|file| {
            json!({ "physicalLocation": {
                "artifactLocation": { "uri": uri(file), "uriBaseId": "%SRCROOT%" },
                "region": { "startLine": finding.line.unwrap_or(1) },
            } })
        });
        json!({
            "ruleId": step.as_str(),
            "level": finding.severity.name(),
            "message": { "text": finding.message },
            "locations": place.into_iter().collect::<Vec<_>>(),
        })
    };
    let note = |step: &StepId| {
        let text = format!("step {step} did not run, and what it found when it last ran is not known here");
        json!({ "level": "note", "message": { "text": text } })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "wf",
                "version": version,
                "rules": rules.iter().map(rule).collect::<Vec<_>>(),
            } },
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": unknown.iter().map(note).collect::<Vec<_>>(),
            }],
            "results": found.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

/// A path as a relative URI (RFC 3986): what is not plain is percent-encoded.
fn uri(path: &RepoPath) -> String {
    let mut uri = String::new();
    for byte in path.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(*byte)),
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}
