//! The settings of brokers, topics and the controller, each with its Kafka name. There is no `Default`: the defaults of a
//! version are a row of [`generation`](super::generation).

use super::log::segments::SegmentLimits;
use super::setting::SettingNames;
use crate::kernel::units::{Bytes, Span};

/// `server.properties`, as far as it decides something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerOptions {
    /// `replica.lag.time.max.ms`: a follower that has not caught up for so long leaves the in-sync set.
    pub replica_lag_time_max: Span,
    /// `replica.fetch.wait.max.ms`: how long a follower's fetch waits at the leader.
    pub replica_fetch_wait_max: Span,
    /// `replica.fetch.min.bytes`.
    pub replica_fetch_min_bytes: Bytes,
    /// `replica.fetch.max.bytes`, of one partition.
    pub replica_fetch_max_bytes: Bytes,
    /// `replica.fetch.response.max.bytes`.
    pub replica_fetch_response_max_bytes: Bytes,
    /// `replica.fetch.backoff.ms`: after an error.
    pub replica_fetch_backoff: Span,
    /// `replica.socket.timeout.ms`: how long a follower waits for the answer to a fetch.
    pub replica_socket_timeout: Span,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub replica_high_watermark_checkpoint_interval: Span,
    /// `broker.heartbeat.interval.ms`.
    pub broker_heartbeat_interval: Span,
    /// `log.flush.scheduler.interval.ms`: how often flush.ms is looked at.
    pub log_flush_scheduler_interval: Span,
    /// `log.flush.offset.checkpoint.interval.ms`: the recovery point.
    pub log_flush_offset_checkpoint_interval: Span,
    /// `log.flush.start.offset.checkpoint.interval.ms`: the log start offset.
    pub log_flush_start_offset_checkpoint_interval: Span,
    /// `log.retention.check.interval.ms`: how often old segments are looked for.
    pub log_retention_check_interval: Span,
    /// `log.initial.task.delay.ms`: the first run of the log manager's tasks.
    pub log_initial_task_delay: Span,
    /// `producer.id.expiration.ms`: a producer whose newest record is so old is forgotten.
    pub producer_id_expiration: Span,
    /// `producer.id.expiration.check.interval.ms`: how often such producers are looked for.
    pub producer_id_expiration_check_interval: Span,
    /// `request.timeout.ms` of the channel to the controller (`controller.socket.timeout.ms`).
    pub controller_socket_timeout: Span,
}

/// The controller's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerOptions {
    /// `broker.session.timeout.ms`: no heartbeat for so long, and a broker is fenced.
    pub broker_session_timeout: Span,
    /// `eligible.leader.replicas.version` is at least 1 (KIP-966).
    pub eligible_leader_replicas: bool,
    /// `auto.leader.rebalance.enable`: leadership goes back to preferred replicas by itself.
    pub auto_leader_rebalance: bool,
    /// `leader.imbalance.check.interval.seconds`: how often that is looked at.
    pub leader_imbalance_check_interval: Span,
    /// `unclean.leader.election.interval.ms`: how often leaderless partitions are looked at again.
    pub unclean_leader_election_interval: Span,
    /// `controller.quorum.election.timeout.ms`: an election is given up after once to twice this.
    pub quorum_election_timeout: Span,
    /// `controller.quorum.fetch.timeout.ms`: a voter that has no answer for so long wants to be elected; a leader that no
    /// majority fetches from for one and a half times this resigns.
    pub quorum_fetch_timeout: Span,
    /// `controller.quorum.election.backoff.max.ms`: how long voters but the first in line wait when a leader resigns.
    pub quorum_election_backoff_max: Span,
    /// `controller.quorum.append.linger.ms`: how long what is decided waits for more, to be written together.
    pub quorum_append_linger: Span,
    /// `controller.quorum.request.timeout.ms`: of requests among voters, and of a broker's fetches.
    pub quorum_request_timeout: Span,
    /// `controller.quorum.retry.backoff.ms`: after an error from a voter.
    pub quorum_retry_backoff: Span,
    /// `metadata.max.idle.interval.ms`: how often voters hear from their leader; `FOREVER`: only when they ask.
    pub metadata_max_idle_interval: Span,
}

/// A topic's settings; what a topic does not set it has from its broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicOptions {
    /// `min.insync.replicas`.
    pub min_insync_replicas: u16,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
    /// `flush.messages` (`log.flush.interval.messages`): fsync after so many records; none: never by count.
    pub flush_messages: Option<u64>,
    /// `flush.ms` (`log.flush.interval.ms`): fsync what is older; `FOREVER`: never by age.
    pub flush_interval: Span,
    /// `max.message.bytes` (`message.max.bytes`): the largest batch.
    pub max_message_bytes: Bytes,
    /// `message.timestamp.after.max.ms` (`log.message.timestamp.after.max.ms`): a batch with a timestamp so far ahead of the
    /// leader's clock is refused; `FOREVER`: none is.
    pub timestamp_after_max: Span,
    /// `message.timestamp.before.max.ms` (`log.message.timestamp.before.max.ms`): a batch with a timestamp so far behind the
    /// leader's clock is refused; `FOREVER`: none is.
    pub timestamp_before_max: Span,
    /// `message.timestamp.type` (`log.message.timestamp.type`) is `LogAppendTime`: a batch has the leader's time, whatever its
    /// producer wrote into it, and none is refused for that.
    pub log_append_time: bool,
    /// `segment.bytes` and `segment.ms` (`log.segment.bytes`, `log.roll.ms`): when a log begins another segment.
    pub segments: SegmentLimits,
    /// `retention.ms` (`log.retention.ms`): a segment whose newest record is older is deleted; `FOREVER`: none is.
    pub retention_span: Span,
    /// `retention.bytes` (`log.retention.bytes`): the oldest segments beyond it are deleted; none: none is.
    pub retention_bytes: Option<Bytes>,
    /// Which of these the topic sets itself (`LogConfig.overriddenConfigs`): what its broker is set to does not change them.
    pub own: SettingNames,
}
