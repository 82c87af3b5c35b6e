//! The command line: dumb structures for clap, and nothing else. `request` says what they mean.

use super::later::Later;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

/// The whole command line, as clap knows it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// What was typed. The description of the command line is not taken apart again: the process ends soon.
pub fn parse(typed: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, clap::Error> {
    let mut command = ManuallyDrop::new(command());
    command.try_get_matches_from_mut(typed).and_then(|matches| Cli::from_arg_matches(&matches))
}

/// Runs the checks a change can affect, and proves why the others may be skipped.
#[derive(Debug, Parser)]
#[command(
    name = "wf",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Examples:\n  \
        wf init                      write a configuration that fits this repository\n  \
        wf plan                      what would run for your change, and why\n  \
        wf run --smart-execution --parallel --multi-stage\n\n\
        Exit codes: 0 passed, 1 a step failed, 2 usage or configuration, 3 environment,\n\
        70 a bug in wf, 75 `wf ai run`: nobody answered, 130 interrupted, 143 terminated."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Same as `wf graph`.
    #[arg(long, hide = true)]
    pub show_graph: bool,
    /// Same as `wf init`.
    #[arg(long, hide = true)]
    pub init_config: bool,
}

/// Flags that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Where")]
pub struct Global {
    /// Work as if started in this folder
    #[arg(long, global = true, value_name = "DIR")]
    pub target: Option<PathBuf>,
    /// Use this configuration instead of the nearest .workflow-config.yaml
    #[arg(long, global = true, value_name = "FILE")]
    pub config_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a configuration that fits this repository
    Init(Later<super::init::InitArgs>),
    /// Run what the change can affect
    Run(Later<RunArgs>),
    /// Say what would run, why, and what of it the cache is expected to know; run nothing
    Plan(Later<PlanArgs>),
    /// Say why one step runs or is skipped, and what would turn that round
    Explain(Later<ExplainArgs>),
    /// List what differs from the base
    Changes(Later<ChangesArgs>),
    /// Draw the steps and what they wait for
    Graph(Later<GraphArgs>),
    /// Watch a run that another process makes
    Status(Later<super::status::StatusArgs>),
    /// Tell a finished run again, from its log
    Report(Later<super::report::ReportArgs>),
    /// Put git hooks in place, and run what belongs to one
    Hook(Later<super::hook::HookArgs>),
    /// Check the configuration
    Check(Later<super::check::CheckArgs>),
    /// Share a run out over the machines of a CI service, join the parts, make checks
    Ci(Later<super::ci::CiArgs>),
    /// Show the resolved configuration, or its schema
    Config(Later<super::config::ConfigArgs>),
    /// List recorded runs
    History(Later<super::history::HistoryArgs>),
    /// Remove old runs
    Clean(Later<super::clean::CleanArgs>),
    /// Look at stored results, and manage them
    Cache(Later<super::cache::CacheArgs>),
    /// Ask models: by hand, and look after what they answered
    Ai(Later<super::ai::AiArgs>),
    /// Look at what is learned of how long steps take and which fail
    Ml(Later<super::ml::MlArgs>),
    /// Say what of the configuration to change so that runs take less time, and change it
    Optimize(Later<super::optimize::OptimizeArgs>),
    /// Print a completion script for a shell
    Completions(Later<CompletionsArgs>),
    /// Print the manual page
    #[command(after_help = "Examples:\n  wf man | man -l -\n  wf man > wf.1\n  \
        wf man | gzip > /usr/local/share/man/man1/wf.1.gz")]
    Man,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    wf run                              what your change can affect, in parallel\n  \
    wf run --all --keep-going           everything, as far as it gets\n  \
    wf run --steps test --no-needs      one step alone\n\n\
    With no flags wf is smart and parallel, and staged if the configuration has stages.")]
pub struct RunArgs {
    #[command(flatten)]
    pub decide: DecideArgs,
    /// Print the plan and run nothing: `wf plan`
    #[arg(long)]
    pub dry_run: bool,
    /// Run one machine's part of the plan: machine and how many there are, as 2/3 (`wf ci matrix`)
    #[arg(long, value_name = "I/N", conflicts_with_all = ["no_needs", "dry_run"])]
    pub shard: Option<super::shard::Spec>,
    /// Do not wait for another run in this worktree: exit 3
    #[arg(long)]
    pub no_wait: bool,
    /// Events as JSON lines on stdout
    #[arg(long, help_heading = "Telling")]
    pub json: bool,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE", help_heading = "Telling")]
    pub junit: Option<PathBuf>,
    /// Name every start and every skipped step, and show what cached steps printed when they ran
    #[arg(long, short, help_heading = "Telling")]
    pub verbose: bool,
}

/// Flags that change what is decided: the same for `run`, `plan`, `explain` and `graph`.
#[derive(Clone, Debug, Default, Args)]
pub struct DecideArgs {
    /// Skip what is proven unaffected (`observe`: run it all the same, and report wrong skips)
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help_heading = "Deciding")]
    pub smart_execution: Option<String>,
    /// Run everything
    #[arg(long, alias = "all", overrides_with = "smart_execution", help_heading = "Deciding", visible_alias = "all")]
    pub no_smart_execution: bool,
    /// Compare with this commit or branch
    #[arg(long, value_name = "REF", conflicts_with = "staged", help_heading = "Deciding")]
    pub base: Option<String>,
    /// Look only at what is staged
    #[arg(long, help_heading = "Deciding")]
    pub staged: bool,
    /// Fetch history that the base needs (in CI without being asked)
    #[arg(long, overrides_with = "no_fetch", help_heading = "Deciding")]
    pub fetch: bool,
    /// Ask no remote for anything
    #[arg(long, overrides_with = "fetch", help_heading = "Deciding")]
    pub no_fetch: bool,
    /// What allows a skip where nothing is recorded: trust-base or witnessed
    #[arg(long, value_name = "POLICY", help_heading = "Deciding")]
    pub skip_policy: Option<String>,
    /// Take results from the cache and put them there: on, off, read or write
    #[arg(long, value_name = "WHEN", help_heading = "Deciding")]
    pub cache: Option<String>,
    /// No cache: `--cache off`
    #[arg(long, conflicts_with = "cache", help_heading = "Deciding")]
    pub no_cache: bool,
    /// What AI steps do: cache, live, record, replay (from ai.lock alone) or off
    #[arg(long, value_name = "MODE", help_heading = "Deciding")]
    pub ai: Option<String>,
    /// Ask models even what they answered before, and keep no answer
    #[arg(long, help_heading = "Deciding")]
    pub no_ai_cache: bool,
    /// Let passes of the run before serve this one (without it: if that was interrupted)
    #[arg(long, overrides_with = "no_resume", help_heading = "Deciding")]
    pub resume: bool,
    /// Start afresh after an interrupted run
    #[arg(long, overrides_with = "resume", help_heading = "Deciding")]
    pub no_resume: bool,
    /// `false`: no smart execution, cache, parallelism or prediction
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help_heading = "Deciding")]
    pub optimized: Option<String>,
    /// Only these steps and what they need: ids or globs, comma-separated
    #[arg(long, value_name = "ID", value_delimiter = ',', help_heading = "Choosing")]
    pub steps: Vec<String>,
    /// Only these stages
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Choosing")]
    pub stage: Vec<String>,
    /// Only steps with these tags
    #[arg(long, value_name = "TAG", value_delimiter = ',', help_heading = "Choosing")]
    pub tag: Vec<String>,
    /// Only what failed in the run before, and what it needs
    #[arg(long, help_heading = "Choosing")]
    pub failed: bool,
    /// Only instances in the current folder
    #[arg(long, help_heading = "Choosing")]
    pub here: bool,
    /// Do not pull in what the chosen steps need; run them whatever changed, and record no evidence
    #[arg(long, help_heading = "Choosing")]
    pub no_needs: bool,
    /// Also run this manual stage
    #[arg(long, value_name = "STAGE", value_delimiter = ',', help_heading = "Choosing")]
    pub manual_trigger: Vec<String>,
    /// Ask nothing; manual stages do not run
    #[arg(long, help_heading = "Choosing")]
    pub auto: bool,
    /// Start independent steps together
    #[arg(long, overrides_with = "no_parallel", help_heading = "Running")]
    pub parallel: bool,
    /// One step after another
    #[arg(long, overrides_with = "parallel", help_heading = "Running")]
    pub no_parallel: bool,
    /// Stage after stage, stopping early
    #[arg(long, overrides_with = "no_multi_stage", help_heading = "Running")]
    pub multi_stage: bool,
    /// No stage barriers
    #[arg(long, overrides_with = "multi_stage", help_heading = "Running")]
    pub no_multi_stage: bool,
    /// Predict how long steps take and how likely they fail, and order them by it (the default): `--strategy balanced`
    #[arg(long, overrides_with = "no_ml_optimize", help_heading = "Running")]
    pub ml_optimize: bool,
    /// Predict nothing
    #[arg(long, overrides_with = "ml_optimize", help_heading = "Running")]
    pub no_ml_optimize: bool,
    /// What the order of steps is good at: balanced, latency, fail-fast, cost or memory
    #[arg(long, value_name = "NAME", help_heading = "Running")]
    pub strategy: Option<String>,
    /// How far the strategy may go: balanced, conservative or aggressive
    #[arg(long, value_name = "NAME", help_heading = "Running")]
    pub optimization_level: Option<String>,
    /// Most steps at once
    #[arg(long, short, value_name = "N", help_heading = "Running")]
    pub jobs: Option<u32>,
    /// After a failure start nothing new (`kill`: stop what runs, too)
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        help_heading = "Running")]
    pub fail_fast: Option<String>,
    /// After a failure run every step whose needs passed
    #[arg(long, conflicts_with = "fail_fast", help_heading = "Running")]
    pub keep_going: bool,
    /// Memory that steps may claim together
    #[arg(long, value_name = "SIZE", help_heading = "Running")]
    pub max_memory: Option<String>,
    /// Every fallback is a failure (exit 3)
    #[arg(long, help_heading = "Running")]
    pub strict: bool,
    /// How step output is shown: grouped, stream or errors
    #[arg(long, value_name = "MODE", help_heading = "Running")]
    pub output: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  wf plan\n  wf plan --base origin/main --json\n  wf plan --all --verbose\n  wf plan --all --shard 1/4"
)]
pub struct PlanArgs {
    #[command(flatten)]
    pub decide: DecideArgs,
    /// Share the steps out over so many machines, each with what they need
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub shards: Option<u16>,
    /// Only the steps of this machine: as 2/3, or 2 with `--shards 3`
    #[arg(long, value_name = "I/N")]
    pub shard: Option<super::shard::Which>,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
    /// Name every skipped step, and compare strategies
    #[arg(long, short)]
    pub verbose: bool,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  wf explain test\n  wf explain build@services/api --base origin/main\n  \
    wf explain test --json")]
pub struct ExplainArgs {
    /// The step
    pub step: String,
    #[command(flatten)]
    pub decide: DecideArgs,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  wf changes\n  wf changes --why\n  wf changes --staged\n  wf changes --base v1.2 --json"
)]
pub struct ChangesArgs {
    #[command(flatten)]
    pub decide: DecideArgs,
    /// How the base was found, line by line
    #[arg(long)]
    pub why: bool,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// The plan of this run: what `--dry-run` prints.
    pub fn as_plan(&self) -> PlanArgs {
        PlanArgs { decide: self.decide.clone(), json: self.json, verbose: self.verbose, shards: None, shard: None }
    }
}

#[derive(Clone, Debug, Default, Args)]
#[command(
    after_help = "Examples:\n  wf graph\n  wf graph --format dot | dot -Tsvg > graph.svg\n  wf graph --format mermaid"
)]
pub struct GraphArgs {
    /// How
    #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
    pub format: GraphFormat,
    #[command(flatten)]
    pub decide: DecideArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// For terminals
    #[default]
    Text,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  wf completions bash > ~/.local/share/bash-completion/completions/wf\n  \
    wf completions zsh > \"${fpath[1]}/_wf\"\n  \
    wf completions fish > ~/.config/fish/completions/wf.fish")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}
