//! Tests of the whole: real repositories, real files, the real binary. One test binary, so that there is one link.

mod cache_run;
mod config;
mod config_cache;
mod exec_guard;
mod exec_output;
mod exec_rig;
mod exec_run;
mod exec_watch;
mod git_base;
mod git_changes;
mod git_formats;
mod git_random;
mod git_repo;
mod help;
mod history_faults;
mod history_rig;
mod history_runs;
mod init_write;
mod monorepo_run;
mod report_cli;
mod report_live;
mod run_decides;
mod run_executes;
mod run_faults;
mod world;
