//! Highwater: a deterministic simulator of Kafka's replication and its clients.
//!
//! It answers one question: with this configuration, which messages can be lost, duplicated or reordered, under which
//! faults, and what is the shortest story that does it?
//!
//! One run is a value: a [model](scenario::model::Model) and a seed determine every byte that comes out, on any machine.
//!
//! ```
//! use std::sync::Arc;
//! use highwater::explore::one;
//! use highwater::scenario::{builtin, file};
//! use highwater::scenario::words::Count;
//!
//! let builtin = builtin::find("acks/one-loses-on-power-loss").expect("it is compiled in");
//! let model = Arc::new(file::read(builtin.name, builtin.text).expect("it is well formed"));
//! let run = one::run(&model, model.seed, false);
//! assert!(run.judgement.outcome.total.get(Count::Lost) > Some(0));
//! ```
//!
//! # The house
//!
//! Nine folders in dependency order; each may name only those before it, and a test holds the arrows.
//!
//! | folder | holds |
//! |---|---|
//! | [`kernel`] | time, the queue, chance, the trace and its digest |
//! | [`devices`] | what a node may be told and may ask; network, disk, clock |
//! | [`cluster`] | brokers, replicas, logs, the controller: the protocol as pure machines |
//! | [`clients`] | producer and reader, and the application around them |
//! | [`scenario`] | an experiment described: the model, its file, its faults |
//! | [`world`] | nodes and devices run together: the only interpreter of effects |
//! | [`check`] | what was promised, and whether it was held |
//! | [`explore`] | where to look |
//! | `present` | what people see: the command line (feature `cli`) |

pub mod check;
pub mod clients;
pub mod cluster;
pub mod devices;
pub mod explore;
pub mod kernel;
#[cfg(feature = "cli")]
pub mod present;
pub mod scenario;
pub mod world;
