//! Loops among steps, and stages of steps that name none. Pure.

use super::cx::Cx;
use super::error::ConfigError;
use super::model::{Need, StageSpec, StepSpec};
use std::collections::HashMap;

/// Reports loops and waits for later stages; puts steps without a stage into one.
///
/// A step without a stage belongs to the latest stage of what it waits for, or to the first.
pub fn check(mut steps: Vec<StepSpec>, stages: &[StageSpec], cx: &mut Cx) -> Vec<StepSpec> {
    let by_id: HashMap<&str, usize> = steps.iter().enumerate().map(|(at, step)| (step.id.as_str(), at)).collect();
    let waits: Vec<Vec<(usize, Need)>> = steps.iter().map(|step| edges(step, &by_id)).collect();
    let order = match peel(&waits) {
        Ok(order) => order,
        Err(left) => {
            loops(left, &waits, &steps, cx);
            return steps;
        }
    };
    if stages.is_empty() {
        return steps;
    }
    let number = |name: &Option<String>| name.as_ref().and_then(|name| stages.iter().position(|s| s.name == *name));
    let mut stage: Vec<usize> = vec![0; steps.len()];
    for at in order {
        let latest = waits[at].iter().max_by_key(|(other, _)| stage[*other]);
        if let Some(own) = number(&steps[at].stage) {
            stage[at] = own;
            if let Some((other, need)) = latest.filter(|(other, _)| stage[*other] > own) {
                let (mine, theirs) = (&stages[own].name, &stages[stage[*other]].name);
                let message = format!("`{}` is in the later stage `{theirs}`", need.step);
                let error = ConfigError::new(need.at, message);
                cx.error(error.hint(format!("a step of stage `{mine}` can wait only for its own and earlier stages")));
            }
        } else {
            stage[at] = latest.map_or(0, |(other, _)| stage[*other]);
            if steps[at].stage.is_none() {
                steps[at].stage = Some(stages[stage[at]].name.clone());
            }
        }
    }
    steps
}

/// What a step waits for, within one folder: `^build` names other folders' steps.
fn edges(step: &StepSpec, by_id: &HashMap<&str, usize>) -> Vec<(usize, Need)> {
    let all = step.needs.iter().chain(&step.after).filter(|need| !need.upstream);
    all.filter_map(|need| Some((*by_id.get(need.step.as_str())?, need.clone()))).collect()
}

/// An order in which each step comes after all it waits for, or the steps that have none.
fn peel(waits: &[Vec<(usize, Need)>]) -> Result<Vec<usize>, Vec<bool>> {
    let mut open: Vec<usize> = waits.iter().map(Vec::len).collect();
    let mut dependents = vec![vec![]; waits.len()];
    for (at, edges) in waits.iter().enumerate() {
        for (other, _) in edges {
            dependents[*other].push(at);
        }
    }
    let mut order: Vec<usize> = (0..waits.len()).filter(|at| open[*at] == 0).collect();
    let mut next = 0;
    while let Some(&at) = order.get(next) {
        next += 1;
        for &dependent in &dependents[at] {
            open[dependent] -= 1;
            if open[dependent] == 0 {
                order.push(dependent);
            }
        }
    }
    if order.len() == waits.len() { Ok(order) } else { Err(open.iter().map(|n| *n > 0).collect()) }
}

/// Reports one loop after the other, each with the place of every edge.
fn loops(mut left: Vec<bool>, waits: &[Vec<(usize, Need)>], steps: &[StepSpec], cx: &mut Cx) {
    for start in 0..steps.len() {
        let (mut path, mut at) = (Vec::new(), start);
        // Walk along waits that are part of no reported loop, until a step repeats or the trail ends.
        let ring = loop {
            if !left[at] {
                break None;
            }
            if let Some(begin) = path.iter().position(|(step, _)| *step == at) {
                break Some(path.split_off(begin));
            }
            let Some(edge) = waits[at].iter().find(|(other, _)| left[*other]) else { break None };
            path.push((at, &edge.1));
            at = edge.0;
        };
        for (step, _) in path {
            left[step] = false;
        }
        let Some(ring) = ring else { continue };
        for (step, _) in &ring {
            left[*step] = false;
        }
        report(&ring, steps, cx);
    }
}

fn report(ring: &[(usize, &Need)], steps: &[StepSpec], cx: &mut Cx) {
    let names: Vec<&str> = ring.iter().chain(ring.first()).map(|(at, _)| steps[*at].id.as_str()).collect();
    let (_, first) = ring[0];
    let mut error = ConfigError::new(first.at, format!("steps wait for each other: {}", names.join(" → ")));
    for (at, need) in &ring[1..] {
        error = error.related(need.at, format!("`{}` waits for `{}`", steps[*at].id, need.step));
    }
    cx.error(error.hint("remove one of these"));
}
