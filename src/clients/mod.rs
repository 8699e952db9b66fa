//! Those who ask: the producer, the plain reader, and the application around them.
//!
//! Clients never know of faults: a broken connection, an error code and silence are all they see.

#![deny(clippy::float_arithmetic)]

pub mod app;
pub mod consumer;
pub mod happened;
mod metadata;
pub mod options;
pub mod presets;
pub mod producer;
mod retriable;
