//! Every setting of Kafka's that decides something here, with the bounds of its `ConfigDef` in 4.1.
//!
//! Where Kafka has no lower bound, ours is zero; where nothing would make a timer that never lets time pass, it is one.

use super::property::{INT, LONG, Property, Takes};
use crate::clients::options::{ProducerOptions, ReaderOptions};
use crate::cluster::options::{BrokerOptions, ControllerOptions, TopicOptions};
use crate::kernel::units::Span;

use Takes::{
    Acks, Bytes, BytesOrUnlimited, Milliseconds, MillisecondsOrForEver, Number, OffsetReset, Partitioner,
    Switch, TimestampType,
};

/// `[broker]`: brokers, the controller, and what topics have that do not set it.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    /// The brokers' own.
    pub(super) broker: BrokerOptions,
    /// The controller's.
    pub(super) controller: ControllerOptions,
    /// What topics have.
    pub(super) topic: Topic,
    /// `log.flush.interval.ms`: without it, topics have `log.flush.scheduler.interval.ms`
    /// (`ServerTopicConfigSynonyms`, `AbstractKafkaConfig.logFlushIntervalMs`).
    pub(super) flush_interval: Option<Span>,
    /// `log.roll.ms`, which counts before `log.roll.hours`.
    pub(super) roll: Option<Span>,
    /// `log.retention.ms`, which counts before `log.retention.minutes`, which counts before `log.retention.hours`.
    pub(super) retention: [Option<Span>; 3],
}

/// A topic's settings, and the two that are given when it is made.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    /// Settings proper.
    pub(super) options: TopicOptions,
    /// `replication.factor`; by default `default.replication.factor`.
    pub(super) replication_factor: u64,
    /// `partitions`; by default `num.partitions`.
    pub(super) partitions: u64,
}

/// The smallest segment that may be asked for (KIP-1030).
const SEGMENT_LEAST: i128 = 1 << 20;

const HOUR: Span = Span::from_seconds(3_600);

/// Kafka's `short`, of which replication factors are.
const SHORT: i128 = i16::MAX as i128;

/// `ProducerConfig`.
pub(super) const PRODUCER: &[Property<ProducerOptions>] = &[
    Property { name: "acks", takes: Acks(|o, v| o.acks = v) },
    Property { name: "enable.idempotence", takes: Switch(|o, v| o.idempotence = v) },
    Property { name: "retries", takes: Number(0, INT, |o, v| o.retries = v as u32) },
    Property { name: "linger.ms", takes: Milliseconds(0, LONG, |o, v| o.linger = at_most_int(v)) },
    Property { name: "batch.size", takes: Bytes(0, |o, v| o.batch_size = v) },
    Property { name: "buffer.memory", takes: Number(0, LONG, |o, v| o.buffer_memory = bytes(v)) },
    Property { name: "max.block.ms", takes: Milliseconds(0, LONG, |o, v| o.max_block = v) },
    Property { name: "max.request.size", takes: Bytes(0, |o, v| o.max_request_size = v) },
    Property {
        name: "max.in.flight.requests.per.connection",
        takes: Number(1, INT, |o, v| o.max_in_flight = v as u32),
    },
    Property { name: "request.timeout.ms", takes: Milliseconds(0, INT, |o, v| o.request_timeout = v) },
    Property { name: "delivery.timeout.ms", takes: Milliseconds(0, INT, |o, v| o.delivery_timeout = v) },
    Property { name: "retry.backoff.ms", takes: Milliseconds(0, LONG, |o, v| o.retry_backoff = v) },
    Property { name: "retry.backoff.max.ms", takes: Milliseconds(0, LONG, |o, v| o.retry_backoff_max = v) },
    Property { name: "reconnect.backoff.ms", takes: Milliseconds(0, LONG, |o, v| o.reconnect_backoff = v) },
    Property {
        name: "reconnect.backoff.max.ms",
        takes: Milliseconds(0, LONG, |o, v| o.reconnect_backoff_max = v),
    },
    Property { name: "metadata.max.age.ms", takes: Milliseconds(0, LONG, |o, v| o.metadata_max_age = v) },
    Property {
        name: "socket.connection.setup.timeout.ms",
        takes: Milliseconds(0, LONG, |o, v| o.connection_setup_timeout = v),
    },
    Property {
        name: "socket.connection.setup.timeout.max.ms",
        takes: Milliseconds(0, LONG, |o, v| o.connection_setup_timeout_max = v),
    },
    Property { name: "partitioner.class", takes: Partitioner(|o, v| o.partitioner = v) },
    Property { name: "partitioner.ignore.keys", takes: Switch(|o, v| o.ignore_keys = v) },
    Property {
        name: "partitioner.adaptive.partitioning.enable",
        takes: Switch(|o, v| o.adaptive_partitioning = v),
    },
    Property {
        name: "partitioner.availability.timeout.ms",
        takes: Milliseconds(0, LONG, |o, v| o.availability_timeout = v),
    },
];

/// `ConsumerConfig`, as far as a reader of assigned partitions needs it.
pub(super) const READER: &[Property<ReaderOptions>] = &[
    Property { name: "auto.offset.reset", takes: OffsetReset(|o, v| o.auto_offset_reset = v) },
    Property { name: "check.crcs", takes: Switch(|o, v| o.check_crcs = v) },
    Property { name: "fetch.max.wait.ms", takes: Milliseconds(0, INT, |o, v| o.fetch_max_wait = v) },
    Property { name: "fetch.min.bytes", takes: Bytes(0, |o, v| o.fetch_min_bytes = v) },
    Property { name: "fetch.max.bytes", takes: Bytes(0, |o, v| o.fetch_max_bytes = v) },
    Property { name: "max.partition.fetch.bytes", takes: Bytes(0, |o, v| o.max_partition_fetch_bytes = v) },
    Property { name: "request.timeout.ms", takes: Milliseconds(0, INT, |o, v| o.request_timeout = v) },
    Property { name: "retry.backoff.ms", takes: Milliseconds(0, LONG, |o, v| o.retry_backoff = v) },
    Property { name: "retry.backoff.max.ms", takes: Milliseconds(0, LONG, |o, v| o.retry_backoff_max = v) },
    Property { name: "reconnect.backoff.ms", takes: Milliseconds(0, LONG, |o, v| o.reconnect_backoff = v) },
    Property {
        name: "reconnect.backoff.max.ms",
        takes: Milliseconds(0, LONG, |o, v| o.reconnect_backoff_max = v),
    },
    Property { name: "metadata.max.age.ms", takes: Milliseconds(0, LONG, |o, v| o.metadata_max_age = v) },
    Property {
        name: "socket.connection.setup.timeout.ms",
        takes: Milliseconds(0, LONG, |o, v| o.connection_setup_timeout = v),
    },
    Property {
        name: "socket.connection.setup.timeout.max.ms",
        takes: Milliseconds(0, LONG, |o, v| o.connection_setup_timeout_max = v),
    },
];

/// `ReplicationConfigs`, `KRaftConfigs`, `ServerLogConfigs`, `ServerConfigs`, `TransactionLogConfig`.
pub(super) const BROKER: &[Property<Broker>] = &[
    Property {
        name: "replica.lag.time.max.ms",
        takes: Milliseconds(1, LONG, |o, v| o.broker.replica_lag_time_max = v),
    },
    Property {
        name: "replica.fetch.wait.max.ms",
        takes: Milliseconds(0, INT, |o, v| o.broker.replica_fetch_wait_max = v),
    },
    Property {
        name: "replica.fetch.min.bytes",
        takes: Bytes(0, |o, v| o.broker.replica_fetch_min_bytes = v),
    },
    Property {
        name: "replica.fetch.max.bytes",
        takes: Bytes(0, |o, v| o.broker.replica_fetch_max_bytes = v),
    },
    Property {
        name: "replica.fetch.response.max.bytes",
        takes: Bytes(0, |o, v| o.broker.replica_fetch_response_max_bytes = v),
    },
    Property {
        name: "replica.fetch.backoff.ms",
        takes: Milliseconds(0, INT, |o, v| o.broker.replica_fetch_backoff = v),
    },
    Property {
        name: "replica.socket.timeout.ms",
        takes: Milliseconds(1, INT, |o, v| o.broker.replica_socket_timeout = v),
    },
    Property {
        name: "replica.high.watermark.checkpoint.interval.ms",
        takes: Milliseconds(1, LONG, |o, v| o.broker.replica_high_watermark_checkpoint_interval = v),
    },
    Property {
        name: "broker.heartbeat.interval.ms",
        takes: Milliseconds(1, INT, |o, v| o.broker.broker_heartbeat_interval = v),
    },
    Property {
        name: "broker.session.timeout.ms",
        takes: Milliseconds(1, INT, |o, v| o.controller.broker_session_timeout = v),
    },
    Property {
        name: "log.flush.scheduler.interval.ms",
        takes: Milliseconds(1, LONG, |o, v| o.broker.log_flush_scheduler_interval = v),
    },
    Property {
        name: "log.flush.offset.checkpoint.interval.ms",
        takes: Milliseconds(1, INT, |o, v| o.broker.log_flush_offset_checkpoint_interval = v),
    },
    Property {
        name: "log.initial.task.delay.ms",
        takes: Milliseconds(0, LONG, |o, v| o.broker.log_initial_task_delay = v),
    },
    Property {
        name: "producer.id.expiration.ms",
        takes: Milliseconds(1, INT, |o, v| o.broker.producer_id_expiration = v),
    },
    Property {
        name: "producer.id.expiration.check.interval.ms",
        takes: Milliseconds(1, INT, |o, v| o.broker.producer_id_expiration_check_interval = v),
    },
    Property {
        name: "controller.socket.timeout.ms",
        takes: Milliseconds(1, INT, |o, v| o.broker.controller_socket_timeout = v),
    },
    Property {
        name: "auto.leader.rebalance.enable",
        takes: Switch(|o, v| o.controller.auto_leader_rebalance = v),
    },
    Property {
        name: "leader.imbalance.check.interval.seconds",
        takes: Number(1, INT, |o, v| o.controller.leader_imbalance_check_interval = Span::from_seconds(v)),
    },
    Property {
        name: "unclean.leader.election.interval.ms",
        takes: Milliseconds(1, LONG, |o, v| o.controller.unclean_leader_election_interval = v),
    },
    Property {
        name: "controller.quorum.election.timeout.ms",
        takes: Milliseconds(1, INT, |o, v| o.controller.quorum_election_timeout = v),
    },
    Property {
        name: "controller.quorum.fetch.timeout.ms",
        takes: Milliseconds(1, INT, |o, v| o.controller.quorum_fetch_timeout = v),
    },
    Property {
        name: "controller.quorum.election.backoff.max.ms",
        takes: Milliseconds(0, INT, |o, v| o.controller.quorum_election_backoff_max = v),
    },
    Property {
        name: "controller.quorum.append.linger.ms",
        takes: Milliseconds(0, INT, |o, v| o.controller.quorum_append_linger = v),
    },
    Property {
        name: "controller.quorum.request.timeout.ms",
        takes: Milliseconds(1, INT, |o, v| o.controller.quorum_request_timeout = v),
    },
    Property {
        name: "controller.quorum.retry.backoff.ms",
        takes: Milliseconds(0, INT, |o, v| o.controller.quorum_retry_backoff = v),
    },
    Property {
        name: "metadata.max.idle.interval.ms",
        takes: Milliseconds(0, INT, |o, v| {
            o.controller.metadata_max_idle_interval = if v == Span::ZERO { Span::FOREVER } else { v };
        }),
    },
    Property {
        name: "unclean.leader.election.enable",
        takes: Switch(|o, v| o.topic.options.unclean_leader_election = v),
    },
    Property {
        name: "min.insync.replicas",
        takes: Number(1, INT, |o, v| o.topic.options.min_insync_replicas = replicas(v)),
    },
    Property {
        name: "log.flush.interval.messages",
        takes: Number(1, LONG, |o, v| o.topic.options.flush_messages = messages(v)),
    },
    Property {
        name: "log.flush.interval.ms",
        takes: Milliseconds(0, LONG, |o, v| o.flush_interval = Some(v)),
    },
    Property { name: "message.max.bytes", takes: Bytes(0, |o, v| o.topic.options.max_message_bytes = v) },
    Property {
        name: "log.segment.bytes",
        takes: Bytes(SEGMENT_LEAST, |o, v| o.topic.options.segments.bytes = v),
    },
    Property { name: "log.roll.ms", takes: Milliseconds(1, LONG, |o, v| o.roll = Some(v)) },
    Property {
        name: "log.roll.hours",
        takes: Number(1, INT, |o, v| o.topic.options.segments.span = HOUR * v),
    },
    Property { name: "log.retention.ms", takes: MillisecondsOrForEver(1, |o, v| o.retention[0] = Some(v)) },
    Property {
        name: "log.retention.minutes",
        takes: MillisecondsOrForEver(1, |o, v| o.retention[1] = Some(v * 60_000)),
    },
    Property {
        name: "log.retention.hours",
        takes: MillisecondsOrForEver(1, |o, v| o.retention[2] = Some(v * 3_600_000)),
    },
    Property {
        name: "log.retention.bytes",
        takes: BytesOrUnlimited(|o, v| o.topic.options.retention_bytes = v),
    },
    Property {
        name: "log.retention.check.interval.ms",
        takes: Milliseconds(1, LONG, |o, v| o.broker.log_retention_check_interval = v),
    },
    Property {
        name: "log.flush.start.offset.checkpoint.interval.ms",
        takes: Milliseconds(1, INT, |o, v| o.broker.log_flush_start_offset_checkpoint_interval = v),
    },
    Property {
        name: "default.replication.factor",
        takes: Number(1, SHORT, |o, v| o.topic.replication_factor = v),
    },
    Property {
        name: "log.message.timestamp.after.max.ms",
        takes: Milliseconds(0, LONG, |o, v| o.topic.options.timestamp_after_max = v),
    },
    Property {
        name: "log.message.timestamp.before.max.ms",
        takes: Milliseconds(0, LONG, |o, v| o.topic.options.timestamp_before_max = v),
    },
    Property {
        name: "log.message.timestamp.type",
        takes: TimestampType(|o, v| o.topic.options.log_append_time = v),
    },
    Property { name: "num.partitions", takes: Number(1, INT, |o, v| o.topic.partitions = v) },
];

/// `TopicConfig`, and the replication factor of `NewTopic`.
pub(super) const TOPIC: &[Property<Topic>] = &[
    Property { name: "replication.factor", takes: Number(1, SHORT, |o, v| o.replication_factor = v) },
    Property {
        name: "min.insync.replicas",
        takes: Number(1, INT, |o, v| o.options.min_insync_replicas = replicas(v)),
    },
    Property {
        name: "unclean.leader.election.enable",
        takes: Switch(|o, v| o.options.unclean_leader_election = v),
    },
    Property {
        name: "flush.messages",
        takes: Number(1, LONG, |o, v| o.options.flush_messages = messages(v)),
    },
    Property { name: "flush.ms", takes: Milliseconds(0, LONG, |o, v| o.options.flush_interval = v) },
    Property { name: "max.message.bytes", takes: Bytes(0, |o, v| o.options.max_message_bytes = v) },
    Property {
        name: "message.timestamp.after.max.ms",
        takes: Milliseconds(0, LONG, |o, v| o.options.timestamp_after_max = v),
    },
    Property {
        name: "message.timestamp.before.max.ms",
        takes: Milliseconds(0, LONG, |o, v| o.options.timestamp_before_max = v),
    },
    Property { name: "message.timestamp.type", takes: TimestampType(|o, v| o.options.log_append_time = v) },
    Property { name: "segment.bytes", takes: Bytes(SEGMENT_LEAST, |o, v| o.options.segments.bytes = v) },
    Property { name: "segment.ms", takes: Milliseconds(1, LONG, |o, v| o.options.segments.span = v) },
    Property { name: "retention.ms", takes: MillisecondsOrForEver(0, |o, v| o.options.retention_span = v) },
    Property { name: "retention.bytes", takes: BytesOrUnlimited(|o, v| o.options.retention_bytes = v) },
];

/// The feature levels of a cluster.
pub(super) const FEATURES: &[Property<ControllerOptions>] = &[Property {
    name: "eligible.leader.replicas.version",
    takes: Number(0, 1, |o, v| o.eligible_leader_replicas = v >= 1),
}];

/// No in-sync set is that large: what is above means the same.
fn replicas(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// `Long.MAX_VALUE` messages never come.
fn messages(number: u64) -> Option<u64> {
    (i128::from(number) < LONG).then_some(number)
}

fn bytes(number: u64) -> crate::kernel::units::Bytes {
    crate::kernel::units::Bytes::new(number)
}

/// `KafkaProducer.lingerMs`: a `long` that is used as an `int`.
fn at_most_int(span: Span) -> Span {
    span.min(Span::from_milliseconds(i32::MAX as u64))
}
