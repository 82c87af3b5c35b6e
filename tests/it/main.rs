//! Tests of the whole: real repositories, real files, the real binary. One test binary, so that there is one link.

mod exec_guard;
mod exec_output;
mod exec_rig;
mod exec_run;
mod git_base;
mod git_changes;
mod git_repo;
mod report_cli;
mod report_live;
