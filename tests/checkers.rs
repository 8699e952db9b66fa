//! No check is trusted until it has caught a bug: every planted bug, with the faults that provoke it, against the promise it
//! should break. The same model without the bug keeps what it promises in every seed.
//!
//! Some bugs break no promise: clients are told the truth, only at other times or of other records. Those are caught by the
//! table of agreement with the real cluster (`tests/conformance.rs`).

mod common;

use std::sync::Arc;

use highwater::check::Judgement;
use highwater::cluster::planted::Planted;
use highwater::explore::one;
use highwater::scenario::words::Promise;

/// A planted bug, and what provokes it.
struct Case {
    planted: Planted,
    /// The promises it breaks, each in at least one of the seeds, although it was given.
    breaks: &'static [Promise],
    /// How many seeds are tried, from 0 on.
    seeds: u64,
    /// What the model says beside [`model`]'s beginning.
    model: &'static str,
}

/// Three brokers, one partition on all of them; the cases say the rest.
fn model(case: &Case) -> String {
    format!("kafka = \"4.1\"\n\n[topics.orders]\npartitions = 1\nreplication.factor = 3\n{}", case.model)
}

/// A leader dies while its followers are some milliseconds behind.
const LEADER_DIES: &str = r#"
min.insync.replicas = 2

[network]
latency = { uniform = ["10ms", "30ms"] }

[producers.web]
into = "orders"
records = 1000
rate = "500/s"

[[faults]]
at = "500ms"
do = "crash"
on = "leader(orders-0)"
for = "20s"
"#;

/// Broker 2 follows quickly and broker 3 slowly; broker 1 is cut off, and broker 2 dies as soon as it leads.
const AHEAD_AND_DEAD: &str = r#"
min.insync.replicas = 2

[network]
latency = { uniform = ["1ms", "5ms"] }
links = [
  { between = ["broker(1)", "broker(3)"], latency = { uniform = ["50ms", "150ms"] } },
  { between = ["broker(2)", "broker(3)"], latency = { uniform = ["50ms", "150ms"] } },
]

[producers.web]
into = "orders"
records = 3000
rate = "1000/s"
batch.size = 0
acks = "1"

[[faults]]
at = "500ms"
do = "isolate"
on = "broker(1)"
for = "60s"

[[faults]]
after = { leader-change = "orders-0" }
plus = "20ms"
do = "crash"
on = "broker(2)"
for = "60s"
"#;

/// Broker 1 is cut off with what nobody else has, and comes back to a log that has gone on without it.
const TAIL_CUT_OFF: &str = r#"
min.insync.replicas = 2

[network]
latency = "20ms"
links = [
  { between = ["broker(1)", "brokers(2,3)"], latency = "200ms" },
]

[producers.web]
into = "orders"
records = 6000
rate = "100/s"
batch.size = 0
acks = "1"

[[faults]]
at = "500ms"
do = "isolate"
on = "broker(1)"
for = "50s"
"#;

const CASES: &[Case] = &[
    Case { planted: Planted::AckAfterAppend, breaks: &[Promise::AckedIsKept], seeds: 4, model: LEADER_DIES },
    Case {
        planted: Planted::HighWatermarkIgnoresFollowers,
        breaks: &[Promise::AckedIsKept, Promise::LeaderCompleteness],
        seeds: 4,
        model: LEADER_DIES,
    },
    // The followers are cut off and the leader goes on alone; it dies, and one of those leads that were eligible.
    Case {
        planted: Planted::HighWatermarkBelowMinIsr,
        breaks: &[Promise::LeaderCompleteness],
        seeds: 4,
        model: r#"
min.insync.replicas = 2

[producers.web]
into = "orders"
records = 3000
rate = "100/s"
acks = "1"

[[faults]]
at = "1s"
do = "isolate"
on = "brokers(2,3)"
for = "20s"

[[faults]]
at = "18s"
do = "crash"
on = "broker(1)"
for = "60s"
"#,
    },
    // A follower that was away fetches what it missed.
    Case {
        planted: Planted::HighWatermarkFollowsLastFetch,
        breaks: &[Promise::HighWatermarkNeverRetreats],
        seeds: 4,
        model: r#"
min.insync.replicas = 2

[producers.web]
into = "orders"
records = 3000
rate = "100/s"

[[faults]]
at = "1s"
do = "crash"
on = "broker(3)"
for = "5s"
"#,
    },
    Case {
        planted: Planted::NewLeaderCommitsItsLog,
        breaks: &[Promise::LeaderCompleteness],
        seeds: 4,
        model: AHEAD_AND_DEAD,
    },
    // KIP-101: what was committed last is above the high watermarks of both followers when broker 1 dies; broker 3 cuts it,
    // and broker 2 dies before broker 3 has it again.
    Case {
        planted: Planted::TruncateToHighWatermark,
        breaks: &[Promise::AckedIsKept, Promise::LeaderCompleteness],
        seeds: 8,
        model: r#"
min.insync.replicas = 2

[network]
latency = { uniform = ["1ms", "5ms"] }

[producers.web]
into = "orders"
records = 30
rate = "4/s"

[[faults]]
at = "5100ms"
do = "crash"
on = "broker(1)"
for = "60s"

[[faults]]
after = { leader-change = "orders-0" }
plus = "1ms"
do = "crash"
on = "broker(2)"
for = "60s"
"#,
    },
    Case {
        planted: Planted::ForgetLastFetchedEpoch,
        breaks: &[Promise::LogMatching],
        seeds: 4,
        model: TAIL_CUT_OFF,
    },
    // Broker 3 is ahead of broker 2 when broker 1 dies: what broker 2 appends in the place of that tail is taken for
    // broker 3's, and broker 2 dies before broker 3 has it.
    Case {
        planted: Planted::DivergingFetchCounts,
        breaks: &[Promise::AckedIsKept, Promise::LeaderCompleteness],
        seeds: 8,
        model: r#"
min.insync.replicas = 2

[network]
latency = { uniform = ["1ms", "5ms"] }
links = [
  { between = ["broker(1)", "broker(2)"], latency = "500ms" },
  { between = ["broker(2)", "broker(3)"], latency = "2s" },
]

[producers.ahead]
into = "orders"
records = 2000
rate = "1000/s"
batch.size = 0
acks = "1"

[producers.web]
into = "orders"
start = "12200ms"
records = 500
rate = "100/s"
batch.size = 0

[[faults]]
at = "1500ms"
do = "crash"
on = "broker(1)"
for = "60s"

[[faults]]
after = { leader-change = "orders-0" }
plus = "8s"
do = "crash"
on = "broker(2)"
for = "60s"
"#,
    },
    // KAFKA-7128: broker 3 lacks the last record, and is as far as broker 2 knows it to be committed when broker 2 leads.
    Case {
        planted: Planted::JoinBeforeEpochStart,
        breaks: &[Promise::AckedIsKept, Promise::LeaderCompleteness],
        seeds: 8,
        model: r#"
min.insync.replicas = 2

[network]
latency = { uniform = ["1ms", "5ms"] }
links = [{ between = ["broker(2)", "broker(3)"], latency = "3s" }]

[producers.first]
into = "orders"
records = 10
rate = "10/s"

[producers.last]
into = "orders"
start = "20s"
records = 1

[[faults]]
at = "3s"
do = "isolate"
on = "broker(3)"
for = "22s"

[[faults]]
at = "20200ms"
do = "crash"
on = "broker(1)"
for = "60s"

[[faults]]
after = { leader-change = "orders-0" }
plus = "10s"
do = "isolate"
on = "broker(2)"
for = "60s"
"#,
    },
    // Broker 2 is alive and so far away that it is never in sync.
    Case {
        planted: Planted::ElectAnyLiveReplica,
        breaks: &[Promise::AckedIsKept, Promise::LeaderCompleteness],
        seeds: 4,
        model: r#"
min.insync.replicas = 2

[broker]
replica.lag.time.max.ms = 1000

[network]
links = [{ between = ["broker(1)", "broker(2)"], latency = "1s" }]

[producers.web]
into = "orders"
records = 5000
rate = "500/s"

[[faults]]
at = "5s"
do = "crash"
on = "broker(1)"
for = "60s"
"#,
    },
    // Broker 2 loses what it had and comes back; broker 1 has died meanwhile. Two of three, where three must be in sync.
    Case {
        planted: Planted::RestartStaysInSync,
        breaks: &[Promise::AckedIsKept, Promise::LeaderCompleteness],
        seeds: 16,
        model: r#"
min.insync.replicas = 3

[producers.web]
into = "orders"
records = 1000
rate = "100/s"

[[faults]]
at = "1s"
do = "power-loss"
on = "broker(2)"
for = "100ms"

[[faults]]
at = "2s"
do = "crash"
on = "broker(1)"
for = "60s"
"#,
    },
    // Broker 3 is cut off, broker 2 loses power, broker 1 is cut off: broker 2 is the one that is there.
    Case {
        planted: Planted::EligibleAfterUncleanStop,
        breaks: &[Promise::AckedIsKept, Promise::LeaderCompleteness],
        seeds: 4,
        model: r#"
min.insync.replicas = 2

[producers.web]
into = "orders"
records = 3000
rate = "100/s"

[[faults]]
at = "1s"
do = "isolate"
on = "broker(3)"
for = "100s"

[[faults]]
at = "13s"
do = "power-loss"
on = "broker(2)"
for = "100ms"

[[faults]]
at = "15s"
do = "isolate"
on = "broker(1)"
for = "80s"
"#,
    },
    // A retry after the leader's death is appended again.
    Case {
        planted: Planted::SequencesIgnored,
        breaks: &[Promise::NoDuplicates],
        seeds: 4,
        model: LEADER_DIES,
    },
    // Leadership goes and comes back while five batches are on their way: the first is refused, those behind it are taken.
    Case {
        planted: Planted::SequenceGapsAccepted,
        breaks: &[Promise::OrderKept],
        seeds: 4,
        model: r#"
min.insync.replicas = 2

[broker]
controller.quorum.append.linger.ms = 0

[network]
latency = "500us"
links = [{ between = ["clients", "all-brokers"], latency = "20ms" }]

[producers.web]
into = "orders"
records = 1000
rate = "200/s"
linger.ms = 0

[[faults]]
at = "2s"
do = "elect"
partition = "orders-0"
to = "broker(2)"

[[faults]]
at = "2013ms"
do = "elect"
partition = "orders-0"
to = "broker(1)"
"#,
    },
    // Broker 3 leaves the in-sync set: the leader stops waiting for it before the controller has agreed.
    Case {
        planted: Planted::ShrinkBeforeController,
        breaks: &[Promise::IsrSuperset],
        seeds: 4,
        model: r#"
min.insync.replicas = 2

[broker]
replica.lag.time.max.ms = 2000

[producers.web]
into = "orders"
records = 1000
rate = "100/s"

[[faults]]
at = "1s"
do = "pause"
on = "broker(3)"
for = "6s"
"#,
    },
    // The active controller is cut off from the other voters, but not from the brokers: it lets the leader count itself alone.
    // The others elect one that has heard nothing of it, and that elects who has not what was acknowledged.
    Case {
        planted: Planted::CommitWithoutQuorum,
        breaks: &[Promise::AckedIsKept],
        seeds: 4,
        model: r#"
min.insync.replicas = 1

[cluster]
controllers = 3

[broker]
replica.lag.time.max.ms = 1000

[producers.web]
into = "orders"
records = 500
rate = "100/s"
acks = "all"

[[faults]]
at = "1s"
do = "isolate"
on = "controllers(2,3)"
for = "4s"

[[faults]]
at = "1100ms"
do = "pause"
on = "brokers(2,3)"
for = "4900ms"

[[faults]]
at = "5900ms"
do = "crash"
on = "broker(1)"
for = "60s"
"#,
    },
    Case {
        planted: Planted::AppendUnderFormerEpoch,
        breaks: &[Promise::OneLeaderPerEpoch, Promise::LogMatching],
        seeds: 4,
        model: TAIL_CUT_OFF,
    },
    Case {
        planted: Planted::ConsumersReadLogEnd,
        breaks: &[Promise::CommittedReadsStay],
        seeds: 4,
        model: r#"
min.insync.replicas = 2

[network]
latency = "1ms"
links = [
  { between = ["broker(1)", "brokers(2,3)"], latency = "50ms" },
]

[producers.web]
into = "orders"
records = 1000
rate = "100/s"

[readers.audit]
reads = ["orders"]

[[faults]]
at = "1s"
do = "isolate"
on = "broker(1)"
for = "20s"
"#,
    },
    // Broker 2 leads in a new epoch and loses power with all it has appended under it.
    Case {
        planted: Planted::EpochsOutliveTheirRecords,
        breaks: &[Promise::RecoverableDisk],
        seeds: 4,
        model: r#"
min.insync.replicas = 2

[producers.web]
into = "orders"
records = 3000
rate = "100/s"

[[faults]]
at = "1s"
do = "crash"
on = "broker(1)"
for = "20s"

[[faults]]
after = { leader-change = "orders-0" }
plus = "5s"
do = "power-loss"
lose = "all-unsynced"
on = "broker(2)"
for = "5s"
"#,
    },
    // The followers stand still, and the leader's retention takes what they have not fetched yet.
    Case {
        planted: Planted::RetentionIgnoresHighWatermark,
        breaks: &[Promise::AckedIsKept],
        seeds: 4,
        model: r#"
min.insync.replicas = 2
retention.ms = 1000

[broker]
log.retention.check.interval.ms = 1000

[producers.web]
into = "orders"
records = 200
rate = "10/s"

[[faults]]
at = "3s"
do = "pause"
on = "brokers(2,3)"
for = "6s"
"#,
    },
    // Broker 3 is cut off, then broker 2: it is eligible. Broker 1 loses all it had, and comes back as the last known leader.
    Case {
        planted: Planted::EligibleForgotten,
        breaks: &[Promise::AckedIsKept, Promise::LeaderCompleteness],
        seeds: 4,
        model: r#"
min.insync.replicas = 2

[producers.web]
into = "orders"
records = 3000
rate = "100/s"

[[faults]]
at = "1s"
do = "isolate"
on = "broker(3)"
for = "100s"

[[faults]]
at = "13s"
do = "isolate"
on = "broker(2)"
for = "80s"

[[faults]]
at = "26s"
do = "power-loss"
lose = "all-unsynced"
on = "broker(1)"
for = "5s"
"#,
    },
    Case { planted: Planted::NobodyRejoins, breaks: &[Promise::Progress], seeds: 4, model: LEADER_DIES },
];

/// What breaks no promise, and why.
const PROMISES_KEPT: &[(Planted, &str)] = &[
    (
        Planted::LastKnownLeaderIgnored,
        "who needs it has lost every eligible replica, and is promised no leader",
    ),
    (
        Planted::SessionFromFormerHeartbeat,
        "a broker is given up two seconds too early, which nobody promises",
    ),
    (Planted::ConnectionsNotMuted, "more is appended before it is answered, and answered as truly"),
];

/// What the promises of every seed came to, with the bug and without.
fn judged(case: &Case, planted: Option<Planted>) -> Vec<Judgement> {
    let head = planted.map_or_else(String::new, |planted| format!("planted = \"{}\"\n", planted.word()));
    let model = common::model("planted", &(head + &model(case)));
    (0..case.seeds).map(|seed| one::run(&Arc::clone(&model), seed, false).judgement).collect()
}

#[test]
fn every_planted_bug_is_caught() {
    let mut wrong = Vec::new();
    for case in CASES {
        let name = case.planted.word();
        let planted = judged(case, Some(case.planted));
        for &promise in case.breaks {
            if !planted.iter().any(|judgement| judgement.promise(promise).is_violation()) {
                wrong.push(format!("{name} breaks {promise} in none of {} seeds", case.seeds));
            }
        }
        for (seed, judgement) in judged(case, None).iter().enumerate() {
            let accused = judgement.promises.iter().filter(|judged| judged.is_violation());
            wrong.extend(accused.map(|judged| {
                format!("without {name}, seed {seed}: {} is broken: {:?}", judged.promise, judged.first)
            }));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_planted_bug_has_its_place() {
    let caught = CASES.iter().map(|case| case.planted);
    let mut listed: Vec<Planted> = caught.chain(PROMISES_KEPT.iter().map(|&(planted, _)| planted)).collect();
    listed.sort_unstable();
    assert_eq!(listed, Planted::ALL);
}
