//! What people see: the command line, text, JSON, trace files, and diagnostics.
//!
//! This layer never knows how a run comes about; nothing knows this layer.

pub mod cli;
pub mod diagnostic;
pub mod json;
pub mod text;
pub mod trace_file;
