//! `wf cache verify`.

use super::super::{Context, Exit, Failure};
use super::Opened;
use crate::cache::verify::{Checked, Wrong, verify};
use crate::report::{clean, look};
use serde_json::json;

pub(super) fn run(as_json: bool, opened: &Opened, cx: &Context) -> Result<Exit, Failure> {
    let found = if opened.exists() {
        verify(&opened.folder).map_err(|error| opened.failed("verify", &error))?
    } else {
        Checked::default()
    };
    if as_json {
        cx.print_json(&json!({ "format": 1, "verified": found }))?;
    } else {
        let lines: String = found.wrong.iter().map(|wrong| clean::text(&told(wrong)) + "\n").collect();
        let verdict = match found.wrong.len() {
            0 => "all is right".into(),
            wrong => format!("{wrong} wrong"),
        };
        let read = format!(
            "{} and {} ({}): {verdict}\n",
            if found.entries == 1 { "1 entry".into() } else { format!("{} entries", found.entries) },
            look::count(found.blobs, "blob"),
            look::bytes(found.bytes)
        );
        cx.print(&(lines + &read))?;
    }
    Ok(if found.wrong.is_empty() { Exit::Passed } else { Exit::StepFailed })
}

fn told(wrong: &Wrong) -> String {
    match wrong {
        Wrong::Blob { digest } => format!("blob {digest}: its bytes were something else; removed"),
        Wrong::Unreadable { path, message } => format!("{}: {message}", path.display()),
        Wrong::Entry { step, key, blob } => {
            format!("result of {step} for key {}: blob {blob} is missing; removed", key.0.short())
        }
        Wrong::Index { message } => message.clone(),
    }
}
