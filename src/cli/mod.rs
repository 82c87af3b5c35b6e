//! The only module that knows clap, argv, environment variables and exit codes.

pub mod context;
pub mod failure;
pub mod look;
pub mod recorded;
pub mod report;
pub mod status;

pub use context::{Context, Env};
pub use failure::{Exit, Failure, Kind};

use std::ffi::OsString;

/// Runs one command line to its end.
pub fn main(_argv: Vec<OsString>) -> Exit {
    Exit::Passed
}
