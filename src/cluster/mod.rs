//! The protocol as pure machines: brokers, their replicas and logs, and the controller.
//!
//! The cluster never knows who sends the records and why, nor that a run is a test: it handles requests and alarms.

#![deny(clippy::float_arithmetic)]

mod administer;
pub mod backoff;
pub mod broker;
pub mod controller;
mod error_code;
pub mod generation;
pub mod happened;
mod line;
pub mod log;
pub mod metadata_image;
pub mod network_client;
pub mod options;
pub mod planted;
pub mod protocol;
pub mod replica;
pub mod setting;
pub mod store;
pub mod units;
