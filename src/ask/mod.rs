//! What is asked of a model and what comes back, as plain data. Pure.
//!
//! A [`Call`] is a whole request, from an AI step or through the proxy, and its [`Call::key`] is what an answer is stored
//! under. A [`Recorded`] is a whole response, with the times at which its pieces came, so that a stream can be given again.
//!
//! Does not know: networks, providers' dialects, files.

mod call;
mod canonical;
pub mod finding;
pub mod money;
mod recorded;
pub mod split;

pub use call::{Call, Difference, How, Parts, differences};
pub use canonical::Json;
pub use finding::{Finding, Findings, Shown};
pub use money::{OverBudget, Spent};
pub use recorded::{Chunk, Recorded, Usage};
