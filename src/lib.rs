//! x
pub mod clients;
pub mod cluster;
pub mod devices;
pub mod kernel;
pub mod scenario;
