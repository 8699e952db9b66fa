//! The rows. Sources: `org.apache.kafka.server.config.{ReplicationConfigs,KRaftConfigs,ServerLogConfigs}`,
//! `org.apache.kafka.coordinator.transaction.TransactionLogConfig` and `kafka.cluster.Partition` of each version's branch.

use super::Generation;
use crate::cluster::log::segments::SegmentLimits;
use crate::cluster::options::{BrokerOptions, ControllerOptions, TopicOptions};
use crate::kernel::units::{Bytes, Span};

const fn ms(milliseconds: u64) -> Span {
    Span::from_milliseconds(milliseconds)
}

/// Kafka 4.1.
pub(super) const V4_1: Generation = Generation {
    name: "4.1",
    high_watermark_waits_for_min_isr: true,
    min_isr_capped_by_replicas: true,
    isr_shrink_starts_epoch: false,
    response_must_match_epoch: true,
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
        retention_span: ms(7 * 24 * 3_600_000),
        retention_bytes: None,
        segments: SegmentLimits { bytes: Bytes::new(1 << 30), span: ms(7 * 24 * 3_600_000) },
    },
};
