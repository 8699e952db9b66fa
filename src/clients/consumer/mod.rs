//! Those who read: a consumer of assigned partitions.
//!
//! A reader never knows who wrote what it reads, nor whether that should have been there.

mod reader;
mod reading;
#[cfg(test)]
mod tests;

pub use reader::{READER_CHANNEL, Reader, ReaderPort, ReaderSetup, ReaderTimer};
