//! The rules that are not held, each with its reason.

/// Rule and reason.
pub(crate) const NOT_MODELLED: &[(&str, &str)] = &[
    (
        "r1_5_1",
        "one version of the request, that of Kafka 4.1: there is no other broker or controller to talk to",
    ),
    ("r1_7_5", "all brokers of a model share their settings, so they cannot disagree on min.insync.replicas"),
    (
        "r1_12_4",
        "of a metadata log all that was fsynced is there after any stop, so nothing is left to look through",
    ),
    ("r1_12_5", "no version modelled is so old that its voters did not fsync"),
    ("r3_1_9", "no log is compacted yet"),
];
