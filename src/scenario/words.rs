//! The closed lists of names a model file and a report share: promises, faults, messages, counts.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            /// Every one, in the order they are listed in reports.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// Its name in files and reports.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// The one with this name.
            pub fn from_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|one| one.word() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.word())
            }
        }
    };
}

words! {
    /// What Kafka is held to.
    Promise {
        /// No two brokers append client records to a partition under one leader epoch.
        OneLeaderPerEpoch = "one-leader-per-epoch",
        /// On the leader, within one leader epoch, the high watermark only rises.
        HighWatermarkNeverRetreats = "high-watermark-never-retreats",
        /// Same offset and leader epoch, same batch; below the lower of two high watermarks, equal logs.
        LogMatching = "log-matching",
        /// Who leads at the controller's current epoch waits for everyone in the controller's in-sync set.
        IsrSuperset = "isr-superset",
        /// Who becomes leader has every record ever below a leader's high watermark in an earlier epoch.
        LeaderCompleteness = "leader-completeness",
        /// What a reader got at an offset is what every later leader has there.
        CommittedReadsStay = "committed-reads-stay",
        /// What any crash left loads.
        RecoverableDisk = "recoverable-disk",
        /// Every message told success is in the settled log, or removed.
        AckedIsKept = "acked-is-kept",
        /// At most one copy of a message is in the settled log.
        NoDuplicates = "no-duplicates",
        /// First copies are in `send()` order, producer by producer and partition by partition.
        OrderKept = "order-kept",
        /// Once faults are over everything becomes quiet.
        Progress = "progress",
    }
}

words! {
    /// What a fault does.
    FaultKind {
        /// `kill -9`.
        Crash = "crash",
        /// A controlled shutdown.
        Stop = "stop",
        /// The machine goes dark.
        PowerLoss = "power-loss",
        /// The disk loses everything, and the process dies.
        Wipe = "wipe",
        /// The process stands still.
        Pause = "pause",
        /// A set is cut off from everyone outside it.
        Isolate = "isolate",
        /// Links are cut.
        Cut = "cut",
        /// Links are slow.
        SlowLink = "slow-link",
        /// Messages of one kind are kept back.
        Hold = "hold",
        /// Fsyncs are slow.
        SlowDisk = "slow-disk",
        /// No fsync ends.
        StallDisk = "stall-disk",
        /// There is no room.
        FullDisk = "full-disk",
        /// Fsyncs fail.
        FsyncFails = "fsync-fails",
        /// Fsyncs end well and make nothing durable.
        FsyncLies = "fsync-lies",
        /// A byte of a stored batch goes bad.
        BitRot = "bit-rot",
        /// A clock is set forward or back.
        ClockJump = "clock-jump",
        /// An administrator moves leadership.
        Elect = "elect",
        /// An administrator moves replicas.
        Reassign = "reassign",
        /// An administrator gives a topic more partitions.
        AddPartitions = "add-partitions",
        /// An administrator deletes a topic, and makes it anew.
        DeleteTopic = "delete-topic",
        /// An administrator changes a setting of a topic or of brokers.
        Set = "set",
    }
}

words! {
    /// A kind of message, by the name of its API.
    MessageKind {
        /// Produce.
        Produce = "produce",
        /// Its answer.
        ProduceResponse = "produce-response",
        /// Fetch, of followers and consumers.
        Fetch = "fetch",
        /// Its answer.
        FetchResponse = "fetch-response",
        /// ListOffsets, of followers and consumers.
        ListOffsets = "list-offsets",
        /// Its answer.
        ListOffsetsResponse = "list-offsets-response",
        /// Metadata, of clients.
        Metadata = "metadata",
        /// Its answer.
        MetadataResponse = "metadata-response",
        /// BrokerRegistration.
        BrokerRegistration = "broker-registration",
        /// Its answer.
        BrokerRegistrationResponse = "broker-registration-response",
        /// BrokerHeartbeat.
        Heartbeat = "heartbeat",
        /// Its answer.
        HeartbeatResponse = "heartbeat-response",
        /// AlterPartition.
        AlterPartition = "alter-partition",
        /// Its answer.
        AlterPartitionResponse = "alter-partition-response",
        /// InitProducerId.
        InitProducerId = "init-producer-id",
        /// Its answer.
        InitProducerIdResponse = "init-producer-id-response",
        /// Fetch of the controllers' log.
        FetchMetadata = "fetch-metadata",
        /// Its answer.
        FetchMetadataResponse = "fetch-metadata-response",
    }
}

words! {
    /// What became of the messages, and how long answers took: the numbers of a run.
    Count {
        /// `send()` calls.
        Sent = "sent",
        /// Told success.
        Acked = "acked",
        /// Told success, and in the settled log.
        Kept = "kept",
        /// Told success, and not in the settled log.
        Lost = "lost",
        /// Told success, and taken later by retention, compaction or deletion.
        Removed = "removed",
        /// Told success, in a log that has no leader or above its high watermark.
        Unreadable = "unreadable",
        /// Told failure.
        Failed = "failed",
        /// Told failure, and not out of the log.
        Ghost = "ghost",
        /// Told failure, not in the log, and the application does not look.
        Unnoticed = "unnoticed",
        /// Told that its transaction aborted.
        Aborted = "aborted",
        /// Told nothing, and not in the log.
        Silent = "silent",
        /// Told nothing, and in the log or unreadable.
        Untold = "untold",
        /// Copies in the log beyond the first, over all messages.
        Duplicated = "duplicated",
        /// Adjacent inversions of first copies against `send()` order, per producer and partition.
        Reordered = "reordered",
        /// Offsets below the lower of two replicas' high watermarks at which they differ.
        Diverged = "diverged",
        /// Records a reader was handed.
        Read = "read",
        /// Half the answers came sooner, from `send()` to told.
        AnswerP50 = "answer_p50",
        /// Ninety-nine of a hundred answers came sooner.
        AnswerP99 = "answer_p99",
        /// The longest answer.
        AnswerLongest = "answer_longest",
    }
}

impl Count {
    /// Whether this is a span of time rather than a number of things.
    pub const fn is_span(self) -> bool {
        matches!(self, Count::AnswerP50 | Count::AnswerP99 | Count::AnswerLongest)
    }
}

impl FaultKind {
    /// Whether it is an administrator who does it.
    pub const fn is_administration(self) -> bool {
        matches!(
            self,
            FaultKind::Elect
                | FaultKind::Reassign
                | FaultKind::AddPartitions
                | FaultKind::DeleteTopic
                | FaultKind::Set
        )
    }
}
