//! Text: stages, batches, and who waits for whom. Pure.

use super::super::look::{self, Look, Tone};
use super::super::{clean, frame};
use super::{Fate, why};
use crate::event::PlannedStep;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Instances of one step with one fate are listed up to this many in a batch.
const LISTED_MAX: usize = 8;

type Batches<'a> = BTreeMap<u32, Vec<&'a PlannedStep>>;

/// The plan as text. Steps of one batch could start together.
pub fn text(steps: &[PlannedStep], look: &Look) -> String {
    let mut out = String::new();
    let ids = steps.iter().map(|s| frame::cells(&clean::text(s.id.as_str()))).max().unwrap_or(0);
    let ids = ids.min(40).min(look.width / 2);
    let mut stages: Vec<(Option<&str>, Batches<'_>)> = vec![];
    for step in steps {
        let stage = step.stage.as_deref();
        let at = stages.iter().position(|(name, _)| *name == stage).unwrap_or_else(|| {
            stages.push((stage, BTreeMap::new()));
            stages.len() - 1
        });
        stages[at].1.entry(step.batch).or_default().push(step);
    }
    for (stage, batches) in stages {
        if let Some(name) = stage {
            let _ = writeln!(out, "{}", look.paint(Tone::Strong, &format!("stage {}", clean::text(name))));
        }
        for (number, (_, steps)) in batches.into_iter().enumerate() {
            let _ = writeln!(out, "  batch {}", number + 1);
            batch(&mut out, &steps, ids, look);
        }
    }
    out
}

fn batch(out: &mut String, steps: &[&PlannedStep], ids: usize, look: &Look) {
    // In the order of the plan, but instances that share a fate stay together.
    let mut groups: Vec<((&str, Fate), Vec<&PlannedStep>)> = vec![];
    let mut places = BTreeMap::new();
    for step in steps {
        let key = (step.id.template(), Fate::of(&step.decision));
        let at = *places.entry(key).or_insert(groups.len());
        if at == groups.len() {
            groups.push((key, vec![]));
        }
        groups[at].1.push(step);
    }
    for ((template, fate), steps) in groups {
        let tone = if fate == Fate::Runs { Tone::Good } else { Tone::Dim };
        let word = look.column(tone, fate.word(), 8);
        if steps.len() > LISTED_MAX && !look.verbose {
            let _ = writeln!(out, "    {word} {}: {}", clean::text(template), look::count(steps.len(), "instance"));
            continue;
        }
        for step in steps {
            let id = look.column(Tone::Strong, &clean::text(step.id.as_str()), ids);
            let mut line = format!("    {word} {id}  {}", why(&step.decision));
            if !step.waits_for.is_empty() {
                let names: Vec<&str> = step.waits_for.iter().map(crate::base::StepId::as_str).collect();
                let most = if look.verbose { usize::MAX - 1 } else { 4 };
                let _ = write!(line, "{}", look.paint(Tone::Dim, &format!(" ← {}", look::names(&names, most))));
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}
