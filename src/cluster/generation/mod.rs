//! What each Kafka version does, one row a version.
//!
//! A rule of the protocol asks the row, never the version: what differs between two versions is the difference of two rows.

mod table;

use super::options::{BrokerOptions, ControllerOptions, TopicOptions};

/// A Kafka version Highwater knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 4.1.
    V4_1,
}

/// What one version does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its name in a model file.
    pub name: &'static str,
    /// The high watermark stands still while the in-sync set is smaller than min.insync.replicas (KAFKA-15583, since 3.7).
    pub high_watermark_waits_for_min_isr: bool,
    /// `min.insync.replicas` counts as at most the number of replicas (KAFKA-15583, since 3.7).
    pub min_isr_capped_by_replicas: bool,
    /// A shrinking in-sync set starts a new leader epoch (until metadata version 3.6, KAFKA-15021).
    pub isr_shrink_starts_epoch: bool,
    /// A fetch response is applied only in the epoch it was asked in (KAFKA-18991, since 4.1).
    pub response_must_match_epoch: bool,
    /// The controller's defaults for a new cluster of this version.
    pub controller: ControllerOptions,
    /// The broker's defaults.
    pub broker: BrokerOptions,
    /// A topic's defaults.
    pub topic: TopicOptions,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Version; 1] = [Version::V4_1];
    /// What a file that does not say gets.
    pub const NEWEST: Version = Version::V4_1;

    /// What it does.
    pub const fn generation(self) -> &'static Generation {
        match self {
            Version::V4_1 => &table::V4_1,
        }
    }

    /// The version a file calls so.
    pub fn from_name(name: &str) -> Option<Version> {
        Version::ALL.into_iter().find(|version| version.generation().name == name)
    }
}
