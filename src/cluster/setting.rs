//! Settings that can be changed while the cluster runs (`DynamicBrokerConfig`, IncrementalAlterConfigs): of a topic, of one
//! broker, and of all brokers that have none of their own.
//!
//! What a topic sets itself counts before what its broker is set to, that before what all brokers are set to, and that before
//! what they were started with. Nothing is ever set back, so that whoever changes a setting need only know whether another has
//! been set that counts before it.
//!
//! `Departure from Kafka:` a setting is never removed (`--delete-config`).

use std::fmt;

use super::options::{BrokerOptions, TopicOptions};
use crate::kernel::units::{Bytes, Span};

/// One setting, and what it is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `min.insync.replicas`, of topics and brokers.
    MinInsyncReplicas(u16),
    /// `unclean.leader.election.enable`, of topics and brokers.
    UncleanLeaderElection(bool),
    /// `flush.messages`, of brokers `log.flush.interval.messages`; 2^64 - 1: never by count.
    FlushMessages(u64),
    /// `flush.ms`, of brokers `log.flush.interval.ms`.
    FlushInterval(Span),
    /// `max.message.bytes`, of brokers `message.max.bytes`.
    MaxMessageBytes(Bytes),
    /// `message.timestamp.after.max.ms`, of brokers with `log.` before it.
    TimestampAfterMax(Span),
    /// `segment.bytes`, of brokers `log.segment.bytes`.
    SegmentBytes(Bytes),
    /// `segment.ms`, of brokers `log.roll.ms`.
    SegmentSpan(Span),
    /// `retention.ms`, of brokers `log.retention.ms`.
    RetentionSpan(Span),
    /// `retention.bytes`, of brokers `log.retention.bytes`; 2^64 - 1: unlimited.
    RetentionBytes(Bytes),
    /// `message.timestamp.before.max.ms`, of brokers with `log.` before it.
    TimestampBeforeMax(Span),
    /// `message.timestamp.type`, of brokers with `log.` before it; whether it is `LogAppendTime`.
    LogAppendTime(bool),
    /// `producer.id.expiration.ms`, of brokers only.
    ProducerIdExpiration(Span),
}

/// Some settings, whatever they are set to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettingNames(u16);

impl SettingNames {
    /// None at all.
    pub const NONE: SettingNames = SettingNames(0);

    /// Whether a setting is among them.
    #[inline]
    pub const fn contains(self, setting: Setting) -> bool {
        self.0 & 1 << setting.place() != 0
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, setting: Setting) -> SettingNames {
        SettingNames(self.0 | 1 << setting.place())
    }
}

impl Setting {
    /// The settings of a topic as it has them.
    pub fn of_topic(options: &TopicOptions) -> [Setting; 12] {
        [
            Setting::MinInsyncReplicas(options.min_insync_replicas),
            Setting::UncleanLeaderElection(options.unclean_leader_election),
            Setting::FlushMessages(options.flush_messages.unwrap_or(u64::MAX)),
            Setting::FlushInterval(options.flush_interval),
            Setting::MaxMessageBytes(options.max_message_bytes),
            Setting::TimestampAfterMax(options.timestamp_after_max),
            Setting::SegmentBytes(options.segments.bytes),
            Setting::SegmentSpan(options.segments.span),
            Setting::RetentionSpan(options.retention_span),
            Setting::RetentionBytes(options.retention_bytes.unwrap_or(Bytes::new(u64::MAX))),
            Setting::TimestampBeforeMax(options.timestamp_before_max),
            Setting::LogAppendTime(options.log_append_time),
        ]
    }

    /// The settings of a broker that can be changed while it runs, with what topics have of it
    /// (`DynamicBrokerConfig.AllDynamicConfigs`).
    pub fn of_broker(options: &BrokerOptions, topics: &TopicOptions) -> impl Iterator<Item = Setting> {
        let own = Setting::ProducerIdExpiration(options.producer_id_expiration);
        Setting::of_topic(topics).into_iter().chain([own])
    }

    /// What a topic calls it; none: topics have no such setting.
    pub const fn topic_name(self) -> Option<&'static str> {
        Some(match self {
            Setting::MinInsyncReplicas(_) => "min.insync.replicas",
            Setting::UncleanLeaderElection(_) => "unclean.leader.election.enable",
            Setting::FlushMessages(_) => "flush.messages",
            Setting::FlushInterval(_) => "flush.ms",
            Setting::MaxMessageBytes(_) => "max.message.bytes",
            Setting::TimestampAfterMax(_) => "message.timestamp.after.max.ms",
            Setting::SegmentBytes(_) => "segment.bytes",
            Setting::SegmentSpan(_) => "segment.ms",
            Setting::RetentionSpan(_) => "retention.ms",
            Setting::RetentionBytes(_) => "retention.bytes",
            Setting::TimestampBeforeMax(_) => "message.timestamp.before.max.ms",
            Setting::LogAppendTime(_) => "message.timestamp.type",
            Setting::ProducerIdExpiration(_) => return None,
        })
    }

    /// What a broker calls it (`ServerTopicConfigSynonyms.TOPIC_CONFIG_SYNONYMS`): of several names the one that can be set
    /// while it runs.
    pub const fn broker_name(self) -> &'static str {
        match self {
            Setting::MinInsyncReplicas(_) => "min.insync.replicas",
            Setting::UncleanLeaderElection(_) => "unclean.leader.election.enable",
            Setting::FlushMessages(_) => "log.flush.interval.messages",
            Setting::FlushInterval(_) => "log.flush.interval.ms",
            Setting::MaxMessageBytes(_) => "message.max.bytes",
            Setting::TimestampAfterMax(_) => "log.message.timestamp.after.max.ms",
            Setting::SegmentBytes(_) => "log.segment.bytes",
            Setting::SegmentSpan(_) => "log.roll.ms",
            Setting::RetentionSpan(_) => "log.retention.ms",
            Setting::RetentionBytes(_) => "log.retention.bytes",
            Setting::TimestampBeforeMax(_) => "log.message.timestamp.before.max.ms",
            Setting::LogAppendTime(_) => "log.message.timestamp.type",
            Setting::ProducerIdExpiration(_) => "producer.id.expiration.ms",
        }
    }

    /// Which of the settings it is, for a trace.
    pub const fn place(self) -> u16 {
        match self {
            Setting::MinInsyncReplicas(_) => 0,
            Setting::UncleanLeaderElection(_) => 1,
            Setting::FlushMessages(_) => 2,
            Setting::FlushInterval(_) => 3,
            Setting::MaxMessageBytes(_) => 4,
            Setting::TimestampAfterMax(_) => 5,
            Setting::SegmentBytes(_) => 6,
            Setting::SegmentSpan(_) => 7,
            Setting::RetentionSpan(_) => 8,
            Setting::RetentionBytes(_) => 9,
            Setting::TimestampBeforeMax(_) => 10,
            Setting::LogAppendTime(_) => 11,
            Setting::ProducerIdExpiration(_) => 12,
        }
    }

    /// The topic has this, whatever its broker is set to.
    pub fn put(self, options: &mut TopicOptions) {
        self.change(options);
        options.own = options.own.with(self);
    }

    /// The topic's broker has this: so has the topic, unless it has its own.
    pub fn inherit(self, options: &mut TopicOptions) {
        if !options.own.contains(self) {
            self.change(options);
        }
    }

    fn change(self, options: &mut TopicOptions) {
        match self {
            Setting::MinInsyncReplicas(replicas) => options.min_insync_replicas = replicas,
            Setting::UncleanLeaderElection(is_on) => options.unclean_leader_election = is_on,
            Setting::FlushMessages(most) => {
                options.flush_messages = Some(most).filter(|&most| most < u64::MAX)
            }
            Setting::FlushInterval(span) => options.flush_interval = span,
            Setting::MaxMessageBytes(most) => options.max_message_bytes = most,
            Setting::TimestampAfterMax(span) => options.timestamp_after_max = span,
            Setting::SegmentBytes(bytes) => options.segments.bytes = bytes,
            Setting::SegmentSpan(span) => options.segments.span = span,
            Setting::RetentionSpan(span) => options.retention_span = span,
            Setting::RetentionBytes(most) => {
                options.retention_bytes = Some(most).filter(|most| most.get() < u64::MAX);
            }
            Setting::TimestampBeforeMax(span) => options.timestamp_before_max = span,
            Setting::LogAppendTime(is_on) => options.log_append_time = is_on,
            // Topics have nothing of it.
            Setting::ProducerIdExpiration(_) => (),
        }
    }

    /// What it is set to, as one number: in the unit of its name, but for times, which are in nanoseconds; -1: without limit.
    pub fn number(self) -> i64 {
        let span = |span: Span| if span == Span::FOREVER { -1 } else { span.nanoseconds() as i64 };
        match self {
            Setting::MinInsyncReplicas(replicas) => replicas.into(),
            Setting::UncleanLeaderElection(is_on) | Setting::LogAppendTime(is_on) => is_on.into(),
            // Unlimited is -1.
            Setting::FlushMessages(most) => most as i64,
            Setting::MaxMessageBytes(bytes)
            | Setting::SegmentBytes(bytes)
            | Setting::RetentionBytes(bytes) => bytes.get() as i64,
            Setting::FlushInterval(time)
            | Setting::TimestampAfterMax(time)
            | Setting::SegmentSpan(time)
            | Setting::RetentionSpan(time)
            | Setting::TimestampBeforeMax(time)
            | Setting::ProducerIdExpiration(time) => span(time),
        }
    }
}

/// What it is set to, as kafka-configs has it: `1`, `true`, `604800000`.
impl fmt::Display for Setting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::UncleanLeaderElection(is_on) => write!(out, "{is_on}"),
            Setting::LogAppendTime(true) => write!(out, "LogAppendTime"),
            Setting::LogAppendTime(false) => write!(out, "CreateTime"),
            Setting::FlushInterval(span)
            | Setting::TimestampAfterMax(span)
            | Setting::SegmentSpan(span)
            | Setting::RetentionSpan(span)
            | Setting::TimestampBeforeMax(span)
            | Setting::ProducerIdExpiration(span)
                if *span < Span::FOREVER =>
            {
                write!(out, "{}", span.nanoseconds() / 1_000_000)
            }
            Setting::MinInsyncReplicas(_)
            | Setting::FlushMessages(_)
            | Setting::MaxMessageBytes(_)
            | Setting::SegmentBytes(_)
            | Setting::RetentionBytes(_)
            | Setting::FlushInterval(_)
            | Setting::TimestampAfterMax(_)
            | Setting::SegmentSpan(_)
            | Setting::RetentionSpan(_)
            | Setting::TimestampBeforeMax(_)
            | Setting::ProducerIdExpiration(_) => write!(out, "{}", self.number()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::generation::Version;

    #[test]
    fn every_setting_has_a_place_of_its_own_and_says_what_it_is_set_to() {
        let generation = Version::V4_1.generation();
        let all: Vec<Setting> = Setting::of_broker(&generation.broker, &generation.topic).collect();
        let mut names = SettingNames::NONE;
        for (place, &setting) in all.iter().enumerate() {
            assert_eq!(usize::from(setting.place()), place, "{setting:?}");
            assert!(!names.contains(setting));
            names = names.with(setting);
            let mut options = TopicOptions { retention_bytes: Some(Bytes::new(1)), ..generation.topic };
            setting.put(&mut options);
            assert!(options.own.contains(setting));
            assert!(setting.topic_name().is_none() || Setting::of_topic(&options)[place] == setting);
        }
        let told: Vec<String> = all.iter().map(Setting::to_string).collect();
        let defaults =
            "1 false -1 -1 1048588 3600000 1073741824 604800000 604800000 -1 -1 CreateTime 86400000";
        assert_eq!(told.join(" "), defaults);
    }

    #[test]
    fn what_a_topic_sets_itself_its_broker_does_not_change() {
        let mut options = Version::V4_1.generation().topic;
        Setting::FlushMessages(1).inherit(&mut options);
        Setting::MinInsyncReplicas(2).put(&mut options);
        Setting::MinInsyncReplicas(3).inherit(&mut options);
        assert_eq!((options.flush_messages, options.min_insync_replicas), (Some(1), 2));
        Setting::FlushMessages(u64::MAX).put(&mut options);
        Setting::FlushMessages(7).inherit(&mut options);
        assert_eq!(options.flush_messages, None);
    }
}
