//! Disks. (In the making.)
use crate::kernel::distribution::Distribution;

/// The disk of every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long an fsync takes.
    pub fsync: Distribution,
    /// What a power loss leaves beyond what was fsynced.
    pub survives: Survives,
}

/// What a power loss leaves beyond what was fsynced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// `"written"`: what writeback has finished.
    Written,
    /// `"any-prefix"`: a drawn prefix of what was dirty, per file, at least what writeback has finished.
    AnyPrefix,
}
