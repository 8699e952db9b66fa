//! The settings of clients, each with its Kafka name. There is no `Default`: the defaults of a library are one of the
//! [`presets`](super::presets).

use crate::cluster::units::Acks;
use crate::kernel::units::{Bytes, Span};

/// `ProducerConfig`, as far as it decides something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerOptions {
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`, after the library has settled conflicts with `acks` and `retries`.
    pub idempotence: bool,
    /// `retries`: attempts after the first.
    pub retries: u32,
    /// `linger.ms`.
    pub linger: Span,
    /// `batch.size`.
    pub batch_size: Bytes,
    /// `buffer.memory`.
    pub buffer_memory: Bytes,
    /// `max.block.ms`.
    pub max_block: Span,
    /// `max.request.size`.
    pub max_request_size: Bytes,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: u32,
    /// `request.timeout.ms`.
    pub request_timeout: Span,
    /// `delivery.timeout.ms`.
    pub delivery_timeout: Span,
    /// `retry.backoff.ms`.
    pub retry_backoff: Span,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Span,
    /// `reconnect.backoff.ms`.
    pub reconnect_backoff: Span,
    /// `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max: Span,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Span,
    /// `socket.connection.setup.timeout.ms`.
    pub connection_setup_timeout: Span,
    /// `socket.connection.setup.timeout.max.ms`.
    pub connection_setup_timeout_max: Span,
    /// `partitioner.class`.
    pub partitioner: PartitionerClass,
    /// `partitioner.ignore.keys`.
    pub ignore_keys: bool,
    /// `partitioner.adaptive.partitioning.enable`.
    pub adaptive_partitioning: bool,
    /// `partitioner.availability.timeout.ms`; zero: partitions are available however long they are stuck.
    pub availability_timeout: Span,
}

/// Who chooses a record's partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionerClass {
    /// By key, or without one the same partition for a batch (`BuiltInPartitioner`, KIP-794).
    BuiltIn,
    /// One after the other, whatever the key (`RoundRobinPartitioner`).
    RoundRobin,
}

impl PartitionerClass {
    /// Those that have a name to set `partitioner.class` to; unset, it is the built-in one.
    pub const NAMED: [(&'static str, PartitionerClass); 1] =
        [("org.apache.kafka.clients.producer.RoundRobinPartitioner", PartitionerClass::RoundRobin)];
}

/// Where a consumer goes on whose position is not in the log (`AutoOffsetResetStrategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the log's beginning.
    Earliest,
    /// At its end.
    Latest,
    /// `by_duration:PT…`: at the first record stamped no longer ago than that (KIP-1106, since 4.0).
    Ago(Span),
    /// Nowhere: the application is told (`OffsetOutOfRangeException`).
    None,
}

/// `ConsumerConfig`, as far as a plain reader of assigned partitions needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderOptions {
    /// `auto.offset.reset`: where to go on if the position is not in the log.
    pub auto_offset_reset: OffsetReset,
    /// `check.crcs`: whether a batch is held against its checksum.
    pub check_crcs: bool,
    /// `fetch.max.wait.ms`.
    pub fetch_max_wait: Span,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: Bytes,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: Bytes,
    /// `max.partition.fetch.bytes`.
    pub max_partition_fetch_bytes: Bytes,
    /// `request.timeout.ms`.
    pub request_timeout: Span,
    /// `retry.backoff.ms`.
    pub retry_backoff: Span,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Span,
    /// `reconnect.backoff.ms`.
    pub reconnect_backoff: Span,
    /// `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max: Span,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Span,
    /// `socket.connection.setup.timeout.ms`.
    pub connection_setup_timeout: Span,
    /// `socket.connection.setup.timeout.max.ms`.
    pub connection_setup_timeout_max: Span,
}
