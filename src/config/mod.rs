//! From text to a [`Workflow`], or to every error of it at once. Pure.
//!
//! Does not know: files, the environment, git. Sources and variables are handed in.
//!
//! The way of a value: text → [`yaml`] (tree with places) → [`key`] and [`setting`] (one table of keys for each
//! mapping, decoded by setters that collect errors) → [`resolve`] (names looked up, globs compiled, defaults) →
//! [`model`].

pub mod built_in;
pub mod cx;
pub mod edit;
pub mod environment;
pub mod error;
pub mod expression;
pub mod key;
pub mod load;
pub mod model;
mod order;
pub mod reference;
mod resolve;
pub mod schema;
pub mod setting;
pub mod show;
pub mod size;
pub mod source;
pub mod trigger;
pub mod value;
pub mod variables;
pub mod yaml;

pub use cx::{ConfigWarning, Origins, Said};
pub use error::{ConfigError, ConfigErrors, Report, render, render_warnings};
pub use load::{Loaded, load};
pub use model::Workflow;
pub use schema::{SCHEMA_PATH, schema_comment, schema_json};
pub use source::{Layer, Origin, Override, Source};
pub use variables::overrides_from_env;
