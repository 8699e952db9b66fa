//! Those who ask: the producer, the plain reader, and the application around them.
//!
//! Clients never know of faults: a broken connection, an error code and silence are all they see.

#![deny(clippy::float_arithmetic)]

pub mod app;
pub mod happened;
pub mod options;
