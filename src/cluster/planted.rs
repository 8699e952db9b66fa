//! Bugs planted on purpose: a teaching device, and how the checks are tested.
//!
//! No check is trusted until it has caught a bug. Each of these breaks the protocol at one place, most of them as some version
//! of Kafka did; a model asks for one by name (`planted = "ack-after-append"`). Where one breaks something the code asks
//! [`Planted::is`], and nowhere else.
//!
//! A planted bug never knows what is to come of it: that is for the faults of the model.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Planted {
    /// The leader answers acks=all once it has appended, and waits for nobody: acks=1 under another name.
    AckAfterAppend,
    /// The leader's high watermark goes to its log end at once, whoever has fetched what: `Partition.maybeIncrementLeaderHW`
    /// without its minimum over the in-sync set.
    HighWatermarkIgnoresFollowers,
    /// The high watermark moves on while the in-sync set is smaller than `min.insync.replicas` (KAFKA-15583, before 3.7).
    HighWatermarkBelowMinIsr,
    /// The leader's high watermark is where the last follower fetched from, even if that lies lower than before: a plain
    /// assignment where `UnifiedLog.maybeIncrementHighWatermark` takes the greater.
    HighWatermarkFollowsLastFetch,
    /// A new leader takes all of its log as committed, although nobody else may have its tail.
    NewLeaderCommitsItsLog,
    /// A follower cuts its log to its high watermark whenever the leader changes (KIP-101, KAFKA-1211, before 0.11).
    TruncateToHighWatermark,
    /// Fetches of followers do not tell the epoch of their newest record, so no leader notices that a log diverges
    /// (KAFKA-15510; before KIP-101 nobody could tell).
    ForgetLastFetchedEpoch,
    /// A fetch that diverges counts as the follower's progress although the follower will cut what it claims to have
    /// (KAFKA-13141, 2.7).
    DivergingFetchCounts,
    /// A proposal to shrink the in-sync set counts at the leader before the controller has accepted it (the family of
    /// KAFKA-12686 and KAFKA-13091, KIP-497 before its maximal set).
    ShrinkBeforeController,
    /// A follower joins the in-sync set at the leader's high watermark, even if it lacks what was there before this
    /// leadership (KAFKA-7128, before 2.1).
    JoinBeforeEpochStart,
    /// A leader writes the epoch before its own into its batches, as one that took over without waiting for its epoch.
    AppendUnderFormerEpoch,
    /// A leader takes every batch as a new one, whatever its producer id and sequence (KAFKA-13598: idempotence that was not in
    /// effect, 3.0).
    SequencesIgnored,
    /// A leader recognises a batch it has, and takes any other, whether or not its sequence follows the last (as brokers did of
    /// producers they no longer knew, KAFKA-7190, before 2.4).
    SequenceGapsAccepted,
    /// Consumers are given all of the leader's log, committed or not (KAFKA-9835: data above the high watermark).
    ConsumersReadLogEnd,
    /// A power loss cuts the log, and the leader-epoch file stays as it was (KAFKA-16541, 3.7).
    EpochsOutliveTheirRecords,
    /// The controller elects the first live replica in assignment order, in sync or not.
    ElectAnyLiveReplica,
    /// A broker that registers after an unclean stop stays in the in-sync sets it is in (before KIP-966 and KAFKA-14139).
    RestartStaysInSync,
    /// A broker that registers after an unclean stop stays an eligible leader replica (against KIP-966).
    EligibleAfterUncleanStop,
    /// The active controller takes for committed what it alone has written: it answers, and tells brokers, what no majority of
    /// the voters has (KIP-595 without its high watermark).
    CommitWithoutQuorum,
    /// Retention deletes segments that lie above the high watermark (`UnifiedLog.deletableSegments` without its first condition).
    RetentionIgnoresHighWatermark,
    /// A leader proposes nobody for the in-sync set: who has left it stays out (KAFKA-13091 and its like: a proposal that
    /// is in flight for ever).
    NobodyRejoins,
    /// The controller forgets who is eligible: the ELR is always empty (KIP-966 in force by half, so that the last known leader
    /// is elected where somebody waits who has everything).
    EligibleForgotten,
    /// No last known leader is elected once in-sync set and ELR are empty (KIP-966 without its last resort).
    LastKnownLeaderIgnored,
    /// A broker's session counts from the heartbeat before its last (`BrokerHeartbeatTracker.touch` with the time of the former
    /// contact).
    SessionFromFormerHeartbeat,
    /// A broker handles the next request of a connection while acks=all still waits for its followers: a `SocketServer` that
    /// does not mute the channel. Answers go in order.
    ConnectionsNotMuted,
}

impl Planted {
    /// Every one.
    pub const ALL: &'static [Planted] = &[
        Planted::AckAfterAppend,
        Planted::HighWatermarkIgnoresFollowers,
        Planted::HighWatermarkBelowMinIsr,
        Planted::HighWatermarkFollowsLastFetch,
        Planted::NewLeaderCommitsItsLog,
        Planted::TruncateToHighWatermark,
        Planted::ForgetLastFetchedEpoch,
        Planted::DivergingFetchCounts,
        Planted::ShrinkBeforeController,
        Planted::JoinBeforeEpochStart,
        Planted::AppendUnderFormerEpoch,
        Planted::SequencesIgnored,
        Planted::SequenceGapsAccepted,
        Planted::ConsumersReadLogEnd,
        Planted::EpochsOutliveTheirRecords,
        Planted::ElectAnyLiveReplica,
        Planted::RestartStaysInSync,
        Planted::EligibleAfterUncleanStop,
        Planted::CommitWithoutQuorum,
        Planted::RetentionIgnoresHighWatermark,
        Planted::NobodyRejoins,
        Planted::EligibleForgotten,
        Planted::LastKnownLeaderIgnored,
        Planted::SessionFromFormerHeartbeat,
        Planted::ConnectionsNotMuted,
    ];

    /// Its name in files.
    pub const fn word(self) -> &'static str {
        match self {
            Planted::AckAfterAppend => "ack-after-append",
            Planted::HighWatermarkIgnoresFollowers => "high-watermark-ignores-followers",
            Planted::HighWatermarkBelowMinIsr => "high-watermark-below-min-isr",
            Planted::HighWatermarkFollowsLastFetch => "high-watermark-follows-last-fetch",
            Planted::NewLeaderCommitsItsLog => "new-leader-commits-its-log",
            Planted::TruncateToHighWatermark => "truncate-to-high-watermark",
            Planted::ForgetLastFetchedEpoch => "forget-last-fetched-epoch",
            Planted::DivergingFetchCounts => "diverging-fetch-counts",
            Planted::ShrinkBeforeController => "shrink-before-controller",
            Planted::JoinBeforeEpochStart => "join-before-epoch-start",
            Planted::AppendUnderFormerEpoch => "append-under-former-epoch",
            Planted::SequencesIgnored => "sequences-ignored",
            Planted::SequenceGapsAccepted => "sequence-gaps-accepted",
            Planted::ConsumersReadLogEnd => "consumers-read-log-end",
            Planted::EpochsOutliveTheirRecords => "epochs-outlive-their-records",
            Planted::ElectAnyLiveReplica => "elect-any-live-replica",
            Planted::RestartStaysInSync => "restart-stays-in-sync",
            Planted::EligibleAfterUncleanStop => "eligible-after-unclean-stop",
            Planted::CommitWithoutQuorum => "commit-without-quorum",
            Planted::RetentionIgnoresHighWatermark => "retention-ignores-high-watermark",
            Planted::NobodyRejoins => "nobody-rejoins",
            Planted::EligibleForgotten => "eligible-forgotten",
            Planted::LastKnownLeaderIgnored => "last-known-leader-ignored",
            Planted::SessionFromFormerHeartbeat => "session-from-former-heartbeat",
            Planted::ConnectionsNotMuted => "connections-not-muted",
        }
    }

    /// Whether this one is planted.
    #[inline]
    pub fn is(self, planted: Option<Planted>) -> bool {
        planted == Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own() {
        let mut words: Vec<&str> = Planted::ALL.iter().map(|planted| planted.word()).collect();
        assert!(words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Planted::ALL.len());
        assert_eq!(Planted::ALL.iter().max().map(|&last| last as usize + 1), Some(Planted::ALL.len()));
    }
}
