//! The models that are compiled in. A test holds that every file below `models/` is here, but for `models/conformance/`, whose
//! models are for the test that holds them against a real cluster.

/// A model that is compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// What it is called: its path below `models/`, without the ending.
    pub name: &'static str,
    /// The file's text.
    pub text: &'static str,
}

macro_rules! builtin {
    ($($name:literal,)*) => {
        /// Every built-in model, in the order of names.
        pub const ALL: &[Builtin] = &[
            $(Builtin { name: $name, text: include_str!(concat!("../../models/", $name, ".toml")) },)*
        ];
    };
}

builtin! {
    "acks/all-keeps-on-leader-crash",
    "acks/all-keeps-on-leader-cut-off",
    "acks/all-keeps-on-power-loss",
    "acks/all-keeps-on-whole-cluster-crash",
    "acks/all-loses-on-whole-cluster-power-loss",
    "acks/flush-each-keeps-on-cluster-power-loss",
    "acks/min-isr-of-one-broker-loses",
    "acks/min-isr-one-loses-the-only-copy",
    "acks/min-isr-two-refuses-one-copy",
    "acks/one-loses-on-leader-crash",
    "acks/one-loses-on-leader-cut-off",
    "acks/one-loses-on-power-loss",
    "acks/one-loses-on-whole-cluster-power-loss",
    "acks/one-waits-in-close",
    "acks/zero-loses-on-broken-connection",
    "acks/zero-loses-what-close-left-behind",
    "bench/idle-hour",
    "bench/one-record-at-a-time",
    "bench/whole-case",
    "chaos/acks-all-within-the-budget",
    "clocks/append-time-takes-any-client",
    "clocks/broker-ahead-forgets-a-producer",
    "clocks/client-ahead-is-refused",
    "clocks/client-ahead-times-out",
    "clocks/leader-ahead-deletes-its-log",
    "clocks/leader-set-back-waits-for-a-follower",
    "controllers/failover-keeps",
    "controllers/quorum-lost-acks-go-on",
    "elections/controlled-stop-loses-acks-one",
    "elections/eligible-replica-keeps",
    "elections/last-replica-standing-loses",
    "elections/no-controller-keeps-acks-all",
    "elections/no-controller-loses-acks-one",
    "elections/no-unclean-election-waits",
    "elections/planned-move-loses-acks-one",
    "elections/planned-move-loses-acks-zero",
    "elections/reassignment-keeps",
    "elections/rolling-restart-keeps",
    "elections/unclean-election-loses",
    "faults/full-disk-ends-the-leader",
    "faults/wiped-last-replica-loses-everything",
    "in-sync/dead-follower-delays-acks-all",
    "in-sync/shorter-lag-frees-acks-all",
    "in-sync/stuck-follower-delays-acks-all",
    "in-sync/three-required-none-to-spare",
    "kafka-as-is/broker-set-ends-eligibility",
    "kafka-as-is/deleted-marker-comes-back",
    "kafka-as-is/eligible-with-nothing",
    "kafka-as-is/idempotence-doubles-batches",
    "kafka-as-is/idempotence-loses-order",
    "kafka-as-is/last-leader-beats-fuller-log",
    "kafka-as-is/min-isr-change-ends-eligibility",
    "kafka-as-is/moved-replica-is-in-the-way",
    "kafka-as-is/old-news-ends-a-proposal",
    "kafka-as-is/old-timestamps-forget-producer",
    "kafka-as-is/recovery-makes-nothing-durable",
    "kafka-as-is/restart-remembers-one-batch",
    "kafka-as-is/sticky-partition-is-gone",
    "producers/flush-keeps-what-was-buffered",
    "producers/full-buffer-blocks",
    "producers/full-buffer-drops",
    "producers/full-buffer-rejects",
    "producers/kill-loses-what-was-buffered",
    "producers/outbox-keeps-and-duplicates",
    "producers/resend-reorders-and-duplicates",
    "retention/all-brokers-lowered",
    "retention/lagging-replica-begins-later",
    "retention/slow-reader-loses-to-retention",
    "retention/slow-reader-reads-by-duration",
    "retention/slow-reader-reads-what-is-left",
    "retries/default-delivery-timeout-outlasts",
    "retries/exit-without-close-drops",
    "retries/five-in-flight-reorder",
    "retries/given-up-and-in-the-log",
    "retries/idempotence-keeps-order",
    "retries/idempotent-retry-is-recognised",
    "retries/one-in-flight-keeps-order",
    "retries/plain-producer-duplicates",
    "retries/short-delivery-timeout-drops",
    "retries/too-old-is-refused-in-the-log",
    "storage/bit-rot-is-fetched-again",
    "storage/bit-rot-keeps-a-replica-out",
    "storage/bit-rot-loses-what-is-behind",
    "storage/bit-rot-stops-a-reader",
    "storage/flush-every-30-loses-the-rest",
    "storage/flush-ms-loses-the-last-second",
    "storage/lost-one-after-the-other",
    "storage/lying-fsync-loses",
    "storage/replaced-disk-is-filled-again",
    "storage/replicas-across-racks-keep",
    "storage/replicas-in-one-rack-lose",
    "storage/rolled-segments-survive-power-loss",
    "storage/torn-tail-is-cut",
    "storage/torn-tail-is-fetched-again",
    "storage/two-of-three-lose-power-keeps",
    "topics/deleted-blocks-then-drops",
    "topics/made-anew-loses-nothing",
    "topics/min-isr-lowered-loses",
    "topics/more-partitions-keep",
    "topics/more-partitions-latest-misses",
    "topics/reader-finds-the-moved-leader",
    "topics/unclean-set-elects-later",
}

/// The built-in model of this name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    ALL.iter().find(|model| model.name == name)
}
