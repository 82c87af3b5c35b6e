//! `wf cache stats`.

use super::super::{Context, Exit, Failure};
use super::Opened;
use crate::cache::used;
use crate::report::look;
use serde_json::json;
use std::collections::BTreeSet;

pub(super) fn run(as_json: bool, opened: &Opened, cx: &Context) -> Result<Exit, Failure> {
    let Opened { place, folder, actions } = opened;
    let (limits, (_, totals)) = (folder.limits(), actions.usage());
    let size = used(folder).map_err(|error| opened.failed("look at", &error))?;
    let mut steps = BTreeSet::new();
    let mut entries = 0;
    for (entry, ..) in actions.entries() {
        entries += 1;
        steps.insert(entry.step);
    }
    if as_json {
        cx.print_json(&json!({
            "format": 1,
            "place": place.dir.display().to_string(),
            "entries": entries,
            "steps": steps.len(),
            "size": size,
            "hits": totals.hits,
            "saved_ms": totals.saved_ms,
            "limit": { "size": limits.bytes, "entries": limits.entries, "age_ms": limits.age_ms, "policy": limits.policy },
        }))?;
        return Ok(Exit::Passed);
    }
    let policy = serde_json::to_value(limits.policy).map_err(Failure::environment)?;
    cx.print(&format!(
        "entries  {entries} of at most {}, of {}\nsize     {} of at most {}\nused     {}, which saved {}\n\
         policy   {}; what is not used for {} goes\nplace    {}\n",
        limits.entries,
        look::count(steps.len(), "step"),
        look::bytes(size),
        look::bytes(limits.bytes),
        look::count(usize::try_from(totals.hits).unwrap_or(usize::MAX), "time"),
        look::time(totals.saved_ms),
        policy.as_str().unwrap_or("?"),
        crate::base::duration::exact(limits.age_ms),
        place.dir.display(),
    ))?;
    Ok(Exit::Passed)
}
