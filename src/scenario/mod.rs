//! An experiment described: machines, settings, workload, faults, and what must come out.
//!
//! The scenario never knows how it runs.

pub mod builtin;
mod describe;
pub mod fault;
pub mod file;
pub mod model;
pub mod schedule;
pub mod words;
