//! Measuring by replay. Pure.

pub mod dags;
