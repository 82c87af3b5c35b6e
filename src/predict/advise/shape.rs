//! What makes a run long though its steps are not: edges, stages, one large step, the number of jobs. Pure.

use super::model::{Model, is_usual, stage_of};
use super::record::Record;
use super::{Advice, Kind, OFTEN, Spec, WORTH_MS, World};
use crate::base::{GlobSet, duration};
use crate::config::model::{Level, Strategy};
use crate::graph::{Edge, Inputs, Step};
use crate::schedule::{outline, strategy};

/// A step that takes more of a run than this is worth splitting, 0 to 1.
const LARGE: f64 = 0.4;
/// A step that takes less of a run than this can stand anywhere, 0 to 1.
const CHEAP: f64 = 0.1;
/// Runs that differ by less than this share take as long as each other, 0 to 1.
const ALIKE: f64 = 0.05;
/// More steps at once do not help where processors are this busy already, 0 to 1.
const BUSY: f64 = 0.8;

/// It often fails, is over soon, and comes late.
pub(super) fn of_step(world: &World<'_>, model: &Model, spec: &Spec<'_>) -> Option<Advice> {
    let [at] = spec.instances[..] else { return None };
    let step = world.graph.step(at);
    let (ends, failed) = spec.record.failures();
    let now = stage_of(world, step);
    let ms = spec.record.median_ms().or(Some(0))?;
    let earliest = world.graph.waits(at).iter().map(|(other, _)| stage_of(world, world.graph.step(*other)));
    let earliest = earliest.max().unwrap_or(0);
    if failed.len() < OFTEN || earliest >= now || !is_usual(world, at) || ms as f64 > CHEAP * model.makespan_ms as f64 {
        return None;
    }
    let moved =
        Model::with_stages(
            world,
            |other| {
                if other == at { earliest } else { stage_of(world, world.graph.step(other)) }
            },
        );
    let sooner = model.end_ms(at)?.saturating_sub(moved.end_ms(at)?);
    let saves = sooner * failed.len() as u64 / ends.max(1) as u64;
    if saves < WORTH_MS || moved.makespan_ms as f64 > (1.0 + ALIKE) * model.makespan_ms as f64 {
        return None;
    }
    let what = format!("let `{}` run in stage `{}` already", spec.id, world.stages.get(earliest)?.0);
    let evidence = format!(
        "it takes {}, failed in {} of {ends} runs, and would say so {} sooner",
        duration::human(ms),
        failed.len(),
        duration::human(sooner)
    );
    Some(Advice::new(Kind::Stage, Some(&spec.id), what, evidence).seen_in(failed.into_iter()).saving(saves, 0))
}

/// What the longest chain of steps and the number of jobs tell.
pub(super) fn of_all(world: &World<'_>, model: &Model) -> Vec<Advice> {
    let (risks, spans) = (vec![0.0; model.jobs.len()], vec![None; model.jobs.len()]);
    let all = strategy::World { jobs: &model.jobs, risks: &risks, slots: model.slots() };
    let outline = outline::outline(all, &spans, Strategy::Latency, Level::Balanced, &[]);
    let mut found: Vec<Advice> = outline.critical.windows(2).filter_map(|pair| edge(world, model, pair)).collect();
    found.extend(split(world, model, &outline.critical));
    found.extend(jobs(world, model));
    found
}

fn record<'a>(world: &World<'a>, at: usize) -> Record<'a> {
    Record::of(world.history.get(&world.graph.step(at).id).map_or(&[], Vec::as_slice))
}

/// A step waits for another and watches nothing that it makes.
fn edge(world: &World<'_>, model: &Model, pair: &[usize]) -> Option<Advice> {
    let (first, then) = (model.steps[pair[0]]?, model.steps[pair[1]]?);
    let (maker, user) = (world.graph.step(first), world.graph.step(then));
    let (_, edge) = world.graph.waits(then).iter().find(|(other, _)| *other == first)?;
    let enough = |at| record(world, at).runs().len() >= super::MIN_RUNS;
    let saves = model.saved_by_not_waiting(pair[1], pair[0]);
    if !uses_nothing_of(user, maker) || !enough(first) || !enough(then) || saves < WORTH_MS {
        return None;
    }
    let key = if *edge == Edge::Needs { "needs" } else { "after" };
    let what =
        format!("let `{}` start without `{}`: take it out of `{key}`, if nothing else ties them", user.id, maker.id);
    let evidence = format!(
        "`{}` makes {}, of which `{}` watches nothing; together they take {} of the longest chain",
        maker.id,
        maker.outputs.as_ref()?.texts().collect::<Vec<_>>().join(", "),
        user.id,
        duration::human(model.jobs[pair[0]].ms + model.jobs[pair[1]].ms)
    );
    let mut advice = Advice::new(Kind::Edge, Some(&user.id), what, evidence);
    advice.id = format!("{}-{}", advice.id, maker.id);
    Some(advice.seen_in(record(world, then).runs().into_iter()).saving(saves, 0))
}

/// Says the maker what it makes, the user what it watches, and is that apart?
fn uses_nothing_of(user: &Step, maker: &Step) -> bool {
    let (Some(outputs), Inputs::Globs(inputs)) = (&maker.outputs, &user.inputs) else { return false };
    let apart = |made: Option<&GlobSet>| made.is_none_or(|made| !inputs.may_overlap(made));
    apart(Some(outputs)) && apart(maker.writes.as_ref())
}

/// One step is most of the run.
fn split(world: &World<'_>, model: &Model, critical: &[usize]) -> Option<Advice> {
    let largest = *critical.iter().max_by_key(|job| model.jobs[**job].ms)?;
    let at = model.steps[largest]?;
    let (ms, record, step) = (model.jobs[largest].ms, record(world, at), world.graph.step(at));
    let saves = model.saved_by_percent(&[at], 50);
    if ms as f64 <= LARGE * model.makespan_ms as f64 || record.runs().len() < super::MIN_RUNS || saves < WORTH_MS {
        return None;
    }
    let share = ms * 100 / model.makespan_ms.max(1);
    let what = format!("make two steps of `{}` that can run at once", step.id);
    let evidence = format!("it takes {} of {} ({share} %)", duration::human(ms), duration::human(model.makespan_ms));
    Some(Advice::new(Kind::Split, Some(&step.id), what, evidence).seen_in(record.runs().into_iter()).saving(saves, 0))
}

/// Would more steps at once be sooner over, or fewer be over as soon?
fn jobs(world: &World<'_>, model: &Model) -> Option<Advice> {
    if world.runs < super::MIN_RUNS || model.makespan_ms < WORTH_MS {
        return None;
    }
    let now = model.makespan_ms;
    let as_good = |ms: u64, than: u64| ms as f64 <= (1.0 + ALIKE) * than as f64;
    let busy = |ms: u64| model.cpu_ms as f64 / (ms.max(1) as f64 * f64::from(world.cores.max(1)));
    let with = (1..=world.cores * 2).map(|jobs| (jobs, model.makespan_with(jobs)));
    let bears = |jobs: u32, ms: u64| jobs <= world.jobs || busy(ms) < BUSY && fits(world, model, jobs);
    let with: Vec<(u32, u64)> = with.filter(|(jobs, ms)| bears(*jobs, *ms)).collect();
    let best = with.iter().map(|(_, ms)| *ms).min()?;
    let (jobs, ms) = with.into_iter().find(|(_, ms)| as_good(*ms, best))?;
    let told = format!(
        "a whole run takes {} with {} at once, {} with {jobs}",
        duration::human(now),
        world.jobs,
        duration::human(ms)
    );
    if jobs > world.jobs && !as_good(now, ms) && now - ms >= WORTH_MS {
        let what = format!("let {jobs} steps run at once: `jobs: {jobs}`");
        let evidence = format!("{told}, which keeps {:.0} % of {} processors busy", busy(ms) * 100.0, world.cores);
        return Some(Advice::new(Kind::Jobs, None, what, evidence).saving(now - ms, 0).edit("jobs", jobs));
    }
    if jobs < world.jobs && world.jobs_said && as_good(ms, now) {
        let what = format!("let no more than {jobs} steps run at once: `jobs: {jobs}` does as well");
        return Some(Advice::new(Kind::Jobs, None, what, told).edit("jobs", jobs));
    }
    None
}

/// Do as many of the largest steps fit into memory, if it is known how much there is?
fn fits(world: &World<'_>, model: &Model, jobs: u32) -> bool {
    let mut peaks: Vec<u64> = model.steps.iter().flatten().map(|at| record(world, *at).peak_bytes()).collect();
    peaks.sort_unstable_by_key(|peak| std::cmp::Reverse(*peak));
    let together: u64 = peaks.iter().take(jobs as usize).sum();
    world.memory_bytes.is_none_or(|most| together <= most)
}
