//! The rules, and clauses of rules, that are not held, each with its reason.

/// Rule, clause and reason; no clause: the whole rule.
pub(crate) const NOT_MODELLED: &[(&str, &str, &str)] = &[
    (
        "r1_1_1",
        "INVALID_REQUIRED_ACKS",
        "a model that asks for it is refused before it runs, so no broker is ever asked",
    ),
    ("r1_1_10", "CRC errors", "nothing changes a batch between producer and broker"),
    (
        "r1_3_2",
        "the truncation to the high watermark of a log without an epoch cache",
        "each batch of every version modelled has an epoch, so a log without one is empty",
    ),
    (
        "r1_3_3",
        "incremental fetch sessions",
        "each fetch says all of what a session would only save saying again (KIP-227)",
    ),
    (
        "r1_5_1",
        "",
        "every node of a model is of one version; from 3.6 to 4.3 that asks with version 3, and for 2.8, which writes to \
         ZooKeeper, the same request stands",
    ),
    (
        "r1_6_1",
        "a broker that was in controlled shutdown registers again at once",
        "no controller up to 4.3 lets it: `registerBroker` asks only for the session",
    ),
    (
        "r1_7_9",
        "the imbalance of more than 10 %",
        "KRaft's controller has no such threshold: `leader.imbalance.per.broker.percentage` went with ZooKeeper",
    ),
    (
        "r1_8_4",
        "an unreadable file of recovery points",
        "a checkpoint is written anew in one stroke and fsynced: no crash leaves half of one",
    ),
    ("r1_8_6", "deleted records that are there again", "nobody deletes records by request (DeleteRecords)"),
    (
        "r1_8_7",
        "",
        "a partition of a topic made anew is another one here, with a log of its own: no file need say of which topic a log is",
    ),
    (
        "r1_8_8",
        "",
        "a snapshot is durable as soon as it is written: what a power loss took of it, a start makes again from the log",
    ),
    (
        "r1_8_12",
        "the background share of memory, pages that follow a hole",
        "the flusher goes by age alone, and what lies behind the first page that is missing is cut all the same",
    ),
    (
        "r1_9_1",
        "a marker only if all logs had finished loading",
        "a process that serves has loaded all its logs, and one that does not serve ends without a clean stop",
    ),
    (
        "r1_10_2",
        "one directory of several, and log.dir.failure.timeout.ms",
        "a broker has one directory, for its metadata too",
    ),
    (
        "r1_10_3",
        "",
        "with its only directory gone a broker ends at once, and whom it owes an answer sees the connection break",
    ),
    (
        "r1_12_4",
        "",
        "a start takes no time however much it looks through, and finds all that was fsynced after any stop",
    ),
    ("r1_12_5", "", "no version modelled is so old that its voters did not fsync"),
    (
        "r1_12_7",
        "before 3.7 a leader without a majority stays, and before 4.0 nobody asks for pre-votes",
        "a departure of the rows 3.6 and 3.9, said there",
    ),
    (
        "r2_1_4",
        "segments of less than 1 MiB before 4.0",
        "what is asked of `log.segment.bytes` is the same in all versions",
    ),
    (
        "r3_1_6",
        "a clean marker and no snapshot",
        "it takes an upgrade from a version that wrote none; here a clean stop always writes one",
    ),
    ("r3_1_9", "", "no log is compacted yet"),
];
