//! x
pub mod kernel;
pub mod devices;
pub mod cluster;
pub mod clients;
#[cfg(feature = "cli")]
pub mod present;
pub mod scenario;
pub mod world;
