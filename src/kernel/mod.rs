//! Time, order, chance and the record of what happened.
//!
//! The kernel never knows that there is a network: it moves integers through a queue, answers draws and
//! mixes a digest. Everything above it is built on these five files.
//!
//! | file | what it holds |
//! |---|---|
//! | [`units`] | `Time`, `Span`, `Bytes`, `Ratio`, `NodeId` |
//! | [`queue`] | what is still to happen, in the order (time, sequence) |
//! | [`chance`] | draws that depend on what is decided, not on how many draws came before |
//! | [`distribution`] | spans of time drawn from a shape, as integers |
//! | [`trace`] | what happened, what caused it, and the digest |

#![deny(clippy::float_arithmetic)]

pub mod chance;
pub mod distribution;
pub mod queue;
pub mod trace;
pub mod units;
