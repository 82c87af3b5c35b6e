//! Replaying a recorded history through what is learned online: how good predictions would have been. Pure.
//!
//! At each cycle everything is predicted from earlier cycles only; then the whole cycle is learned. Does not know:
//! files, how results are printed.

pub mod ordering;
pub mod table;

pub use table::{Cycle, Row, Table, TableError};
