//! What people and programs get to see: the command line and what it writes.
//!
//! Everything above the simulator is here; nothing below knows that somebody is looking.

pub mod diagnostic;
