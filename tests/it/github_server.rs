//! A fake GitHub: it takes checks, and says whether a change could be merged, as GitHub does.
//!
//! Sources: <https://docs.github.com/rest/checks/runs#create-a-check-run>, and of required checks
//! <https://docs.github.com/pull-requests/collaborating-with-pull-requests/collaborating-on-repositories-with-code-quality-features/troubleshooting-required-status-checks>:
//! one that was never made is pending, and of ended ones success, skipped and neutral let a change be merged.

use super::ai_server::{Seen, listen, request};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

pub const TOKEN: &str = "gh-token-of-the-job";

#[derive(Default)]
struct State {
    seen: Mutex<Vec<(Seen, u16)>>,
    faults: Mutex<VecDeque<u16>>,
}

pub struct GitHub {
    pub url: String,
    state: Arc<State>,
}

/// Whether a change can be merged.
#[derive(Debug, PartialEq, Eq)]
pub enum Merge {
    Able,
    /// A required check did not end well.
    Blocked(String),
    /// A required check was never made: GitHub waits for it for ever.
    Pending(String),
}

impl GitHub {
    pub fn start() -> Self {
        let state = Arc::new(State::default());
        Self { url: listen(Arc::clone(&state), serve), state }
    }

    /// The next requests are answered with these.
    pub fn next(&self, faults: &[u16]) {
        self.state.faults.lock().unwrap().extend(faults);
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().iter().map(|(seen, _)| seen.clone()).collect()
    }

    /// The checks that were taken, in order.
    pub fn checks(&self) -> Vec<Value> {
        let seen = self.state.seen.lock().unwrap();
        let taken = seen.iter().filter(|(_, status)| *status == 201);
        taken.map(|(seen, _)| serde_json::from_slice(&seen.body).unwrap()).collect()
    }

    /// The newest check of each name decides.
    pub fn merge(&self, head: &str, required: &[&str]) -> Merge {
        let checks = self.checks();
        for name in required {
            let of_name = |check: &&Value| check["name"] == *name && check["head_sha"] == head;
            let Some(check) = checks.iter().rev().find(of_name) else { return Merge::Pending((*name).into()) };
            if check["status"] != "completed" {
                return Merge::Pending((*name).into());
            }
            if !["success", "skipped", "neutral"].iter().any(|word| check["conclusion"] == *word) {
                return Merge::Blocked((*name).into());
            }
        }
        Merge::Able
    }
}

fn serve(state: &State, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(seen) = request(&mut reader)? {
        let fault = state.faults.lock().unwrap().pop_front();
        let status = fault.unwrap_or_else(|| status(&seen));
        state.seen.lock().unwrap().push((seen, status));
        let body = if status == 201 { json!({ "id": 1 }) } else { json!({ "message": "Resource not accessible" }) };
        let body = body.to_string();
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
    Ok(())
}

/// What GitHub would say of a request: it checks what it is sent.
fn status(seen: &Seen) -> u16 {
    if seen.headers.get("authorization").map(String::as_str) != Some(&format!("Bearer {TOKEN}")) {
        return 401;
    }
    if (seen.method.as_str(), seen.path.as_str()) != ("POST", "/repos/o/r/check-runs") {
        return 404;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&seen.body) else { return 400 };
    let conclusions = ["success", "failure", "neutral", "cancelled", "timed_out", "skipped", "action_required"];
    let annotations = body["output"]["annotations"].as_array();
    let whole = body["name"].is_string()
        && body["head_sha"].as_str().is_some_and(|sha| sha.len() == 40)
        && conclusions.iter().any(|word| body["conclusion"] == *word)
        && ["title", "summary"].iter().all(|key| body["output"][key].as_str().is_some_and(|text| text.len() <= 65_535))
        && annotations.is_some_and(|all| all.len() <= 50 && all.iter().all(|one| one["start_line"].as_u64() > Some(0)));
    if whole { 201 } else { 422 }
}
