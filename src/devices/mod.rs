//! A node's hardware: what it may be told and may ask, its links, its disk and its clock.
//!
//! Devices never know what a message means or what a file holds: they are generic over `Copy` handles and count bytes.
//!
//! | file | what it holds |
//! |---|---|
//! | [`port`] | every event a node may be told and every effect it may ask for |
//! | [`network`] | connections that behave like TCP, and links that are slow, cut or lossy |
//! | [`disk`] | page cache, writeback, fsync, and what a crash or a power loss leaves |
//! | [`clock`] | a machine's time of day |

#![deny(clippy::float_arithmetic)]

pub mod clock;
pub mod disk;
pub mod network;
pub mod port;
