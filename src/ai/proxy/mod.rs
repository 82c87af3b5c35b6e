//! The caching proxy: what any program asks of an AI service goes through it, is answered from the cache where it can be, kept
//! to budgets and rates, and kept free of secrets, without the program knowing.
//!
//! Does not know: what an answer means. It records bytes and gives the same bytes again.

mod admit;
mod endpoint;
mod forward;
mod headers;
mod kept;
mod recorder;
mod reply;
mod serve;
mod turn;

pub use admit::Token;
pub use serve::{Served, Settings, serve};
