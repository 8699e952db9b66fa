//! What each Kafka version does, one row a version.
//!
//! A rule of the protocol asks the row, never the version: what differs between two versions is the difference of two rows.

mod table;

use super::options::{BrokerOptions, ControllerOptions, TopicOptions};

/// A Kafka version Highwater knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 2.8, with ZooKeeper.
    V2_8,
    /// 3.6.
    V3_6,
    /// 3.9.
    V3_9,
    /// 4.1.
    V4_1,
    /// 4.3.
    V4_3,
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
    /// Where the controller itself takes a broker out of an in-sync set, a leader epoch starts (`LeaderAndIsr.newLeaderAndIsr` of
    /// the controller that ran with ZooKeeper; with KRaft until metadata version 3.6, KAFKA-15021, for what leaders propose too).
    pub isr_shrink_starts_epoch: bool,
    /// There are eligible leader replicas to switch on (KIP-966, since 4.0).
    pub knows_eligible_leader_replicas: bool,
    /// The controller does as `unclean.leader.election.enable` says by itself
    /// (`ConfigurationControlManager.uncleanLeaderElectionEnabledForTopic`: KRaft's did not until KAFKA-12670).
    pub elects_unclean_by_itself: bool,
    /// Where `unclean.leader.election.enable` is set while the cluster runs, leaders are elected at once
    /// (`KafkaController.enableTopicUncleanLeaderElection`, `enableDefaultUncleanLeaderElection`: KRaft has nothing like it).
    pub elects_when_unclean_is_set: bool,
    /// `producer.id.expiration.ms` can be changed while a broker runs (`DynamicProducerStateManagerConfig`, since 3.5).
    pub producer_id_expiration_is_dynamic: bool,
    /// A fetch response is applied only in the epoch it was asked in (KAFKA-18991, since 4.1).
    pub response_must_match_epoch: bool,
    /// Sessions are looked at eight times in their length (`QuorumController.maybeFenceStaleBrokerPeriodNs`, since 4.0), not when
    /// the first of them ends (`rescheduleMaybeFenceStaleBrokers`).
    pub looks_for_stale_brokers_periodically: bool,
    /// The controller's defaults for a new cluster of this version.
    pub controller: ControllerOptions,
    /// The broker's defaults.
    pub broker: BrokerOptions,
    /// A topic's defaults.
    pub topic: TopicOptions,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Version; 5] = [Version::V2_8, Version::V3_6, Version::V3_9, Version::V4_1, Version::V4_3];
    /// What a file that does not say gets.
    pub const NEWEST: Version = Version::V4_3;
    /// The versions of Kafka that are not rows, as a file may call them.
    pub const NOT_MODELLED: [&str; 28] = [
        "0.8.0", "0.8.1", "0.8.2", "0.9.0", "0.10.0", "0.10.1", "0.10.2", "0.11.0", "1.0", "1.1", "2.0",
        "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.7",
        "3.8", "4.0", "4.2",
    ];

    /// What it does.
    pub const fn generation(self) -> &'static Generation {
        match self {
            Version::V2_8 => &table::V2_8,
            Version::V3_6 => &table::V3_6,
            Version::V3_9 => &table::V3_9,
            Version::V4_1 => &table::V4_1,
            Version::V4_3 => &table::V4_3,
        }
    }

    /// The version a file calls so.
    pub fn from_name(name: &str) -> Option<Version> {
        Version::ALL.into_iter().find(|version| version.generation().name == name)
    }
}
