//! The rows. Sources: `org.apache.kafka.server.config.{ReplicationConfigs,KRaftConfigs,ServerLogConfigs}`,
//! `org.apache.kafka.coordinator.transaction.TransactionLogConfig` and `kafka.cluster.Partition` of each version's branch.

use super::Generation;
use crate::cluster::log::segments::SegmentLimits;
use crate::cluster::options::{BrokerOptions, ControllerOptions, TopicOptions};
use crate::cluster::setting::SettingNames;
use crate::kernel::units::{Bytes, Span};

const fn ms(milliseconds: u64) -> Span {
    Span::from_milliseconds(milliseconds)
}

/// Kafka 4.3: for partitions, disks and the controller as 4.1.
pub(super) const V4_3: Generation = Generation { name: "4.3", ..V4_1 };

/// Kafka 4.1.
pub(super) const V4_1: Generation = Generation {
    name: "4.1",
    high_watermark_waits_for_min_isr: true,
    min_isr_capped_by_replicas: true,
    isr_shrink_starts_epoch: false,
    knows_eligible_leader_replicas: true,
    elects_unclean_by_itself: true,
    elects_when_unclean_is_set: false,
    producer_id_expiration_is_dynamic: true,
    response_must_match_epoch: true,
    looks_for_stale_brokers_periodically: true,
    controller: ControllerOptions {
        broker_session_timeout: ms(9_000),
        eligible_leader_replicas: true,
        auto_leader_rebalance: true,
        leader_imbalance_check_interval: Span::from_seconds(300),
        unclean_leader_election_interval: ms(300_000),
        quorum_election_timeout: ms(1_000),
        quorum_fetch_timeout: ms(2_000),
        quorum_election_backoff_max: ms(1_000),
        quorum_append_linger: ms(25),
        quorum_request_timeout: ms(2_000),
        quorum_retry_backoff: ms(20),
        metadata_max_idle_interval: ms(500),
    },
    broker: BrokerOptions {
        replica_lag_time_max: ms(30_000),
        replica_fetch_wait_max: ms(500),
        replica_fetch_min_bytes: Bytes::new(1),
        replica_fetch_max_bytes: Bytes::new(1 << 20),
        replica_fetch_response_max_bytes: Bytes::new(10 << 20),
        replica_fetch_backoff: ms(1_000),
        replica_socket_timeout: ms(30_000),
        replica_high_watermark_checkpoint_interval: ms(5_000),
        broker_heartbeat_interval: ms(2_000),
        log_flush_scheduler_interval: Span::FOREVER,
        log_flush_offset_checkpoint_interval: ms(60_000),
        log_flush_start_offset_checkpoint_interval: ms(60_000),
        log_retention_check_interval: ms(300_000),
        log_initial_task_delay: ms(30_000),
        producer_id_expiration: ms(86_400_000),
        producer_id_expiration_check_interval: ms(600_000),
        controller_socket_timeout: ms(30_000),
    },
    topic: TopicOptions {
        min_insync_replicas: 1,
        unclean_leader_election: false,
        flush_messages: None,
        flush_interval: Span::FOREVER,
        max_message_bytes: Bytes::new(1_048_588),
        timestamp_after_max: ms(3_600_000),
        timestamp_before_max: Span::FOREVER,
        log_append_time: false,
        retention_span: ms(7 * 24 * 3_600_000),
        retention_bytes: None,
        own: SettingNames::NONE,
        segments: SegmentLimits { bytes: Bytes::new(1 << 30), span: ms(7 * 24 * 3_600_000) },
    },
};

/// Kafka 3.9, with KRaft and its metadata version.
///
/// Departure from Kafka: a fenced broker that still sends heartbeats has a session, and voters ask for pre-votes (KIP-996), as
/// since 4.0.
pub(super) const V3_9: Generation = Generation {
    name: "3.9",
    response_must_match_epoch: false,
    knows_eligible_leader_replicas: false,
    looks_for_stale_brokers_periodically: false,
    controller: ControllerOptions { eligible_leader_replicas: false, ..V4_1.controller },
    // Until KIP-1030 (4.0).
    topic: TopicOptions { timestamp_after_max: Span::FOREVER, ..V4_1.topic },
    ..V4_1
};

/// Kafka 3.6, with KRaft and its metadata version.
///
/// Departure from Kafka: as 3.9; and a leader of the quorum that no majority fetches from resigns, as since 3.7 (KAFKA-15489).
pub(super) const V3_6: Generation = Generation {
    name: "3.6",
    high_watermark_waits_for_min_isr: false,
    min_isr_capped_by_replicas: false,
    elects_unclean_by_itself: false,
    ..V3_9
};

/// Kafka 2.8, with ZooKeeper.
///
/// Departure from Kafka: it runs on the controller of KRaft, and brokers hear of decisions from its log, not by requests. Its
/// broker.session.timeout.ms stands for zookeeper.session.timeout.ms, its broker.heartbeat.interval.ms for the third of that
/// after which ZooKeeper's client pings (`ClientCnxn.SendThread`). What keeps a broker that stopped or is about to from being
/// taken back into the in-sync set (KIP-841, KIP-903) is there already.
pub(super) const V2_8: Generation = Generation {
    name: "2.8",
    isr_shrink_starts_epoch: true,
    elects_unclean_by_itself: true,
    elects_when_unclean_is_set: true,
    producer_id_expiration_is_dynamic: false,
    // ZooKeeper's server looks every tickTime, which is 2 or 3 s.
    looks_for_stale_brokers_periodically: true,
    controller: ControllerOptions {
        broker_session_timeout: ms(18_000),
        // Each decision is a write to ZooKeeper, at once.
        quorum_append_linger: Span::ZERO,
        ..V3_6.controller
    },
    broker: BrokerOptions {
        broker_heartbeat_interval: ms(6_000),
        // transactional.id.expiration.ms, until KIP-854 (3.4).
        producer_id_expiration: ms(7 * 24 * 3_600_000),
        ..V3_6.broker
    },
    ..V3_6
};
