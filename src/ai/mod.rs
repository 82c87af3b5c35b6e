//! AI steps and the caching proxy: prompts, providers, the response cache, budgets.
//!
//! Does not know: pipelines. An AI step is `wf __ai` started like any other process (`engine::job` makes its argv), so that
//! timeouts, output, masking and stopping are those of every step; what runs share (the response cache, rates, budgets) is
//! in files.

pub mod asking;
pub mod cache;
pub mod http;
mod keyish;
pub mod ledger;
pub mod lock;
pub mod order;
pub mod problem;
mod program;
pub mod prompt;
pub mod provider;
pub mod proxy;
pub mod redact;
pub mod step;
