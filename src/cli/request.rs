//! What was typed → what was meant: flags, environment and configuration become one [`RunRequest`].

use super::args::DecideArgs;
use super::context::Context;
use super::failure::Failure;
use super::load::LoadedConfig;
use crate::base::RepoPath;
use crate::ci::Situation;
use crate::config::model::Strategy;
use crate::config::{Origin, Override};
use crate::plan::{BaseRef, Filter, RunRequest};

/// The settings that flags say, each with the flag's name.
pub fn overrides(args: &DecideArgs) -> Vec<Override> {
    let mut found = Vec::new();
    let mut say = |flag: &str, key: &str, value: Option<String>| {
        found.extend(value.map(|value| Override { key: key.to_owned(), value, origin: Origin::Flag(flag.to_owned()) }));
    };
    let yes = |set: bool, value: &str| set.then(|| value.to_owned());
    say("--smart-execution", "smart_execution", args.smart_execution.clone());
    say("--no-smart-execution", "smart_execution", yes(args.no_smart_execution, "false"));
    // Asking for a number of jobs asks for them to run at once.
    say("--jobs", "parallel", args.jobs.filter(|jobs| *jobs > 1).map(|_| "true".into()));
    say("--jobs", "jobs", args.jobs.map(|jobs| jobs.to_string()));
    say("--parallel", "parallel", yes(args.parallel, "true"));
    say("--no-parallel", "parallel", yes(args.no_parallel, "false"));
    say("--multi-stage", "multi_stage", yes(args.multi_stage, "true"));
    say("--no-multi-stage", "multi_stage", yes(args.no_multi_stage, "false"));
    say("--ml-optimize", "ml_optimize", yes(args.ml_optimize, "true"));
    say("--no-ml-optimize", "ml_optimize", yes(args.no_ml_optimize, "false"));
    say("--strategy", "strategy", args.strategy.clone());
    say("--optimization-level", "optimization_level", args.optimization_level.clone());
    say("--fail-fast", "fail_fast", args.fail_fast.clone());
    say("--keep-going", "fail_fast", yes(args.keep_going, "false"));
    say("--skip-policy", "skip_policy", args.skip_policy.clone());
    say("--max-memory", "max_memory", args.max_memory.clone());
    say("--strict", "strict", yes(args.strict, "true"));
    say("--optimized", "optimized", args.optimized.clone());
    say("--cache", "cache", args.cache.clone());
    say("--ai", "ai.mode", args.ai.clone());
    say("--no-ai-cache", "ai_cache.enabled", yes(args.no_ai_cache, "false"));
    say("--no-cache", "cache", yes(args.no_cache, "off"));
    say("--resume", "resume", yes(args.resume, "true"));
    say("--no-resume", "resume", yes(args.no_resume, "false"));
    say("--auto", "auto", yes(args.auto, "true"));
    say("--output", "output", args.output.clone());
    found
}

/// The request.
///
/// # Errors
/// `--here` outside the repository.
pub fn resolve(args: &DecideArgs, config: &LoadedConfig, cx: &Context) -> Result<RunRequest, Failure> {
    let mut settings = config.workflow().settings.clone();
    if settings.strategy == Strategy::Memory {
        settings.max_memory_bytes = settings.max_memory_bytes.or_else(|| Some(rustix::system::sysinfo().totalram));
    }
    let base = match (&args.base, args.staged) {
        (Some(reference), _) => BaseRef::Asked(reference.clone()),
        (None, true) => BaseRef::Staged,
        (None, false) => match super::situation::situation(cx) {
            Some(situation) => BaseRef::Ci(Box::new(situation)),
            None if args.fetch => BaseRef::Ci(Box::new(Situation::git())),
            None => BaseRef::Default,
        },
    };
    let here = if args.here { Some(here(config, cx)?) } else { None };
    // A wf inside a step of another wf uses no more than that step claims.
    let share = cx.env.text("WF_JOBS_SHARE").and_then(|share| share.parse::<u32>().ok());
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32;
    let jobs = settings.jobs.unwrap_or(cpus).min(share.unwrap_or(u32::MAX)).max(1);
    let filter = Filter {
        steps: args.steps.iter().map(|name| name.as_str().into()).collect(),
        stages: args.stage.clone(),
        tags: args.tag.clone(),
        failed: None,
        here,
        elsewhere: std::collections::BTreeSet::new(),
        alone: args.no_needs,
    };
    let manual = args.manual_trigger.iter().cloned().collect();
    let fetch = !args.no_fetch && (args.fetch || matches!(base, BaseRef::Ci(_)));
    Ok(RunRequest { settings, base, fetch, filter, manual, jobs })
}

fn here(config: &LoadedConfig, cx: &Context) -> Result<RepoPath, Failure> {
    use std::os::unix::ffi::OsStrExt;
    let cwd = cx.cwd.canonicalize().unwrap_or_else(|_| cx.cwd.clone());
    match cwd.strip_prefix(&config.root) {
        Ok(inside) => Ok(RepoPath::from_bytes(inside.as_os_str().as_bytes())),
        Err(_) => Err(Failure::usage("--here: the current folder is outside the repository")),
    }
}
