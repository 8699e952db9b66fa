//! The settings of brokers, topics and the controller, each with its Kafka name. There is no `Default`: the defaults of a
//! version are a row of [`generation`](super::generation).

use std::fmt;

use super::log::segments::SegmentLimits;
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
    /// `segment.bytes` and `segment.ms` (`log.segment.bytes`, `log.roll.ms`): when a log begins another segment.
    pub segments: SegmentLimits,
    /// `retention.ms` (`log.retention.ms`): a segment whose newest record is older is deleted; `FOREVER`: none is.
    pub retention_span: Span,
    /// `retention.bytes` (`log.retention.bytes`): the oldest segments beyond it are deleted; none: none is.
    pub retention_bytes: Option<Bytes>,
}

/// One setting of a topic, and what it is set to while the cluster runs (IncrementalAlterConfigs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicSetting {
    /// `min.insync.replicas`.
    MinInsyncReplicas(u16),
    /// `unclean.leader.election.enable`.
    UncleanLeaderElection(bool),
    /// `flush.messages`; 2^64 - 1: never by count.
    FlushMessages(u64),
    /// `flush.ms`.
    FlushInterval(Span),
    /// `max.message.bytes`.
    MaxMessageBytes(Bytes),
    /// `message.timestamp.after.max.ms`.
    TimestampAfterMax(Span),
    /// `segment.bytes`.
    SegmentBytes(Bytes),
    /// `segment.ms`.
    SegmentSpan(Span),
    /// `retention.ms`.
    RetentionSpan(Span),
    /// `retention.bytes`; 2^64 - 1: unlimited.
    RetentionBytes(Bytes),
}

impl TopicSetting {
    /// The setting of this name as a topic has it; none: no setting of a topic is called so.
    pub fn of(name: &str, options: &TopicOptions) -> Option<TopicSetting> {
        let all = [
            TopicSetting::MinInsyncReplicas(options.min_insync_replicas),
            TopicSetting::UncleanLeaderElection(options.unclean_leader_election),
            TopicSetting::FlushMessages(options.flush_messages.unwrap_or(u64::MAX)),
            TopicSetting::FlushInterval(options.flush_interval),
            TopicSetting::MaxMessageBytes(options.max_message_bytes),
            TopicSetting::TimestampAfterMax(options.timestamp_after_max),
            TopicSetting::SegmentBytes(options.segments.bytes),
            TopicSetting::SegmentSpan(options.segments.span),
            TopicSetting::RetentionSpan(options.retention_span),
            TopicSetting::RetentionBytes(options.retention_bytes.unwrap_or(Bytes::new(u64::MAX))),
        ];
        all.into_iter().find(|setting| setting.name() == name)
    }

    /// Its Kafka name.
    pub const fn name(self) -> &'static str {
        match self {
            TopicSetting::MinInsyncReplicas(_) => "min.insync.replicas",
            TopicSetting::UncleanLeaderElection(_) => "unclean.leader.election.enable",
            TopicSetting::FlushMessages(_) => "flush.messages",
            TopicSetting::FlushInterval(_) => "flush.ms",
            TopicSetting::MaxMessageBytes(_) => "max.message.bytes",
            TopicSetting::TimestampAfterMax(_) => "message.timestamp.after.max.ms",
            TopicSetting::SegmentBytes(_) => "segment.bytes",
            TopicSetting::SegmentSpan(_) => "segment.ms",
            TopicSetting::RetentionSpan(_) => "retention.ms",
            TopicSetting::RetentionBytes(_) => "retention.bytes",
        }
    }

    /// Which of the settings it is, for a trace.
    pub const fn place(self) -> i64 {
        match self {
            TopicSetting::MinInsyncReplicas(_) => 0,
            TopicSetting::UncleanLeaderElection(_) => 1,
            TopicSetting::FlushMessages(_) => 2,
            TopicSetting::FlushInterval(_) => 3,
            TopicSetting::MaxMessageBytes(_) => 4,
            TopicSetting::TimestampAfterMax(_) => 5,
            TopicSetting::SegmentBytes(_) => 6,
            TopicSetting::SegmentSpan(_) => 7,
            TopicSetting::RetentionSpan(_) => 8,
            TopicSetting::RetentionBytes(_) => 9,
        }
    }

    /// The same topic, but with this.
    pub fn put(self, options: &mut TopicOptions) {
        match self {
            TopicSetting::MinInsyncReplicas(replicas) => options.min_insync_replicas = replicas,
            TopicSetting::UncleanLeaderElection(is_on) => options.unclean_leader_election = is_on,
            TopicSetting::FlushMessages(most) => {
                options.flush_messages = Some(most).filter(|&most| most < u64::MAX)
            }
            TopicSetting::FlushInterval(span) => options.flush_interval = span,
            TopicSetting::MaxMessageBytes(most) => options.max_message_bytes = most,
            TopicSetting::TimestampAfterMax(span) => options.timestamp_after_max = span,
            TopicSetting::SegmentBytes(bytes) => options.segments.bytes = bytes,
            TopicSetting::SegmentSpan(span) => options.segments.span = span,
            TopicSetting::RetentionSpan(span) => options.retention_span = span,
            TopicSetting::RetentionBytes(most) => {
                options.retention_bytes = Some(most).filter(|most| most.get() < u64::MAX);
            }
        }
    }

    /// What it is set to, as one number: in the unit of its name, but for times, which are in nanoseconds; -1: without limit.
    pub fn number(self) -> i64 {
        let span = |span: Span| if span == Span::FOREVER { -1 } else { span.nanoseconds() as i64 };
        match self {
            TopicSetting::MinInsyncReplicas(replicas) => replicas.into(),
            TopicSetting::UncleanLeaderElection(is_on) => is_on.into(),
            // Unlimited is -1.
            TopicSetting::FlushMessages(most) => most as i64,
            TopicSetting::MaxMessageBytes(bytes)
            | TopicSetting::SegmentBytes(bytes)
            | TopicSetting::RetentionBytes(bytes) => bytes.get() as i64,
            TopicSetting::FlushInterval(time)
            | TopicSetting::TimestampAfterMax(time)
            | TopicSetting::SegmentSpan(time)
            | TopicSetting::RetentionSpan(time) => span(time),
        }
    }
}

impl fmt::Display for TopicSetting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}=", self.name())?;
        match self {
            TopicSetting::UncleanLeaderElection(is_on) => write!(out, "{is_on}"),
            TopicSetting::FlushInterval(span)
            | TopicSetting::TimestampAfterMax(span)
            | TopicSetting::SegmentSpan(span)
            | TopicSetting::RetentionSpan(span)
                if *span < Span::FOREVER =>
            {
                write!(out, "{}", span.nanoseconds() / 1_000_000)
            }
            TopicSetting::MinInsyncReplicas(_)
            | TopicSetting::FlushMessages(_)
            | TopicSetting::MaxMessageBytes(_)
            | TopicSetting::SegmentBytes(_)
            | TopicSetting::RetentionBytes(_)
            | TopicSetting::FlushInterval(_)
            | TopicSetting::TimestampAfterMax(_)
            | TopicSetting::SegmentSpan(_)
            | TopicSetting::RetentionSpan(_) => write!(out, "{}", self.number()),
        }
    }
}
