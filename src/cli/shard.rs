//! `--shard i/N`: a plan shared out over machines, the same on each of them.
//!
//! Every machine makes the whole plan and takes its part. So the sharing depends on nothing that differs between them:
//! not on what the cache happens to know, not on their processors, not on the time of day; only on the plan and on how
//! long its steps are recorded to take.

use super::args::DecideArgs;
use super::context::Context;
use super::failure::Failure;
use super::prepared::{self, Keys, Ready};
use crate::base::{Digest, StepId};
use crate::engine::{Outlined, Outlook};
use crate::event::Shard;
use crate::predict::Circumstances;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

/// What `--shard` says: `2/3`, or `2/3@1f0c…` with the digest that `wf ci matrix` printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Which machine, from 1.
    pub index: u16,
    /// Of how many.
    pub count: u16,
    /// The digest of the sharing, if it has to be that one.
    pub plan: Option<String>,
}

/// The most machines that a plan is shared out over: GitHub's limit for a matrix is 256, Buildkite's 500.
pub const MOST: u16 = 1_000;

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (numbers, plan) =
            text.split_once('@').map_or((text, None), |(numbers, plan)| (numbers, Some(plan.to_owned())));
        let parsed =
            numbers.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parsed {
            Some((index @ 1.., count)) if index <= count && count <= MOST => Ok(Self { index, count, plan }),
            _ => Err(format!("it is a machine and how many there are, as 2/3; at most {MOST}")),
        }
    }
}

/// What `wf plan --shard` says: as for `wf run`, or the machine alone where `--shards` says how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    /// Which machine, from 1.
    pub index: u16,
    /// Of how many, if that was said.
    pub count: Option<u16>,
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(index @ 1..=MOST) => Ok(Self { index, count: None }),
            _ => text.parse::<Spec>().map(|spec| Self { index: spec.index, count: Some(spec.count) }),
        }
    }
}

/// What is known of the steps of a plan, whatever this machine's cache happens to hold.
pub fn outlined(ready: &Ready, cx: &Context) -> Outlined {
    let predicts = ready.prepared.past && ready.request.settings.ml_optimize;
    let state = cx.state_for_reading(&ready.config).ok().filter(|_| predicts);
    let mut outlook = Outlook::new(state.zip(Some(Arc::clone(&ready.prepared.recorded))));
    let (mut outlined, _) =
        Outlined::of(&ready.prepared, &ready.request, &mut outlook, Circumstances::default, |_| false);
    outlined.slots = ready.request.settings.jobs.unwrap_or(1).max(1).saturating_mul(1_000);
    outlined
}

/// A plan shared out.
pub struct Sharing {
    /// For each machine the steps that it runs, and what it is expected to take.
    pub shards: Vec<(BTreeSet<StepId>, u64)>,
    /// Is that more than a guess by the number of steps?
    pub known: bool,
    /// Digest of who runs what.
    pub digest: String,
}

impl Sharing {
    /// How many steps there are to run, on whatever machine.
    pub fn steps(&self) -> usize {
        self.shards.iter().flat_map(|(steps, _)| steps).collect::<BTreeSet<_>>().len()
    }

    /// Shares out what a plan runs. With fewer ends than machines some would have nothing to do: there are never more
    /// than the plan has use for, and always one.
    pub fn of(ready: &Ready, count: u16, trim: bool, cx: &Context) -> Self {
        let outlined = outlined(ready, cx);
        let mut count = usize::from(count.max(1));
        if trim {
            count = count.min(outlined.ends().max(1));
        }
        let name = |job: &usize| outlined.steps[*job].step.clone();
        let shards: Vec<(BTreeSet<StepId>, u64)> =
            outlined.shards(count).0.iter().map(|shard| (shard.jobs.iter().map(name).collect(), shard.ms)).collect();
        let parts: Vec<&BTreeSet<StepId>> = shards.iter().map(|(steps, _)| steps).collect();
        let digest = Digest::of_json(&(&ready.prepared.change.head, &ready.prepared.plan.definitions, parts));
        Self { known: outlined.is_known(), digest: digest.to_string()[..12].to_owned(), shards }
    }
}

/// Decides, and leaves to other machines what is theirs.
pub fn prepare(
    args: &DecideArgs,
    spec: Option<&Spec>,
    keys: Keys,
    cx: &Context,
) -> Result<(Ready, Option<Shard>), Failure> {
    let mut ready = prepared::prepare(args, keys, cx)?;
    let Some(spec) = spec else { return Ok((ready, None)) };
    let sharing = Sharing::of(&ready, spec.count, false, cx);
    if spec.plan.as_ref().is_some_and(|plan| *plan != sharing.digest) {
        let text = format!("--shard: this machine would share the plan out differently ({})", sharing.digest);
        return Err(Failure::environment(text).hint(
            "each job needs the commit, the base and the recorded runs (.wf) that the job had which made the matrix",
        ));
    }
    let at = usize::from(spec.index - 1);
    let mine = sharing.shards[at].0.clone();
    let before: BTreeSet<&StepId> = sharing.shards[..at].iter().flat_map(|(steps, _)| steps).collect();
    let owns = mine.iter().filter(|step| !before.contains(step)).cloned().collect();
    let all = sharing.shards.iter().flat_map(|(steps, _)| steps);
    let elsewhere: BTreeSet<StepId> = all.filter(|step| !mine.contains(*step)).cloned().collect();
    let narrowed = ready.request.filter.is_some();
    ready.prepared.plan.leave(&elsewhere);
    ready.request.filter.elsewhere = elsewhere;
    let shard = Shard { index: spec.index, count: spec.count, plan: sharing.digest, owns, narrowed };
    Ok((ready, Some(shard)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_one_of_those_there_are() {
        let spec = |text: &str| text.parse::<Spec>();
        assert_eq!(spec("2/3"), Ok(Spec { index: 2, count: 3, plan: None }));
        assert_eq!(spec("1/1@abc").unwrap().plan.as_deref(), Some("abc"));
        for bad in ["", "2", "0/3", "4/3", "1/0", "-1/3", "1/1001", "a/b", "1/3/5"] {
            assert!(spec(bad).is_err(), "{bad}");
        }
        let which = |text: &str| text.parse::<Which>();
        assert_eq!(which("2"), Ok(Which { index: 2, count: None }));
        assert_eq!(which("2/3@abc"), Ok(Which { index: 2, count: Some(3) }));
        assert!(which("0").is_err() && which("4/3").is_err() && which("1001").is_err());
    }
}
