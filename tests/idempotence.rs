//! Idempotence from the producer to the log: retries are recognised wherever the batch is known, and a broker that has
//! started anew knows only the last one.

mod common;

use std::ops::RangeInclusive;

use highwater::check::Judgement;
use highwater::explore::one;
use highwater::scenario::words::Count;

/// In debug fewer: the same code takes ten times as long.
const SEEDS: u64 = if cfg!(debug_assertions) { 12 } else { 200 };

/// Answers of a leader that nobody deposes are lost with its connections, and every batch is sent again.
const ANSWERS_ARE_LOST: &str = r#"
    kafka = "4.1"
    network.latency = { uniform = ["1ms", "20ms"] }
    topics.orders = { partitions = 2, replication.factor = 3, min.insync.replicas = 2 }
    [producers.web]
    into = "orders"
    records = 400
    rate = "100/s"
    acks = "all"
    linger.ms = 0
    request.timeout.ms = 700
    delivery.timeout.ms = 60000
    enable.idempotence = false
    [[faults]]
    at = "1s"
    do = "isolate"
    on = "leader(orders-0)"
    for = "1500ms"
    [[faults]]
    at = "3s"
    do = "pause"
    on = "leader(orders-1)"
    for = "2s"
    [run]
    until = "60s"
"#;

/// The leader is killed between the append and the answer; who follows knows the producer from the same log.
const THE_LEADER_IS_KILLED: &str = r#"
    kafka = "4.1"
    network.latency = { uniform = ["1ms", "20ms"] }
    topics.orders = { partitions = 1, replication.factor = 3, min.insync.replicas = 2 }
    [producers.web]
    into = "orders"
    records = 400
    rate = "100/s"
    acks = "all"
    linger.ms = 0
    enable.idempotence = false
    [[faults]]
    at = "1s"
    do = "crash"
    on = "leader(orders-0)"
    for = "15s"
    [run]
    until = "60s"
"#;

/// A follower cannot be heard, so that nothing is committed and requests time out in the brokers, one after the other.
const NOTHING_IS_COMMITTED: &str = r#"
    kafka = "4.1"
    network.latency = { uniform = ["1ms", "20ms"] }
    broker."replica.lag.time.max.ms" = 10000
    topics.orders = { partitions = 1, replication.factor = 3, min.insync.replicas = 2 }
    [producers.web]
    into = "orders"
    records = 300
    rate = "100/s"
    acks = "all"
    linger.ms = 0
    request.timeout.ms = 1000
    delivery.timeout.ms = 60000
    enable.idempotence = false
    [[faults]]
    at = "1s"
    do = "pause"
    on = "follower(orders-0)"
    for = "6s"
    [run]
    until = "60s"
"#;

/// Broker 3 has what broker 2, far from the leader, has not; it follows broker 2 and cuts that; then it leads. Its producers
/// are those of the log it has cut.
const A_FOLLOWER_CUTS_AND_LEADS: &str = r#"
    kafka = "4.1"
    cluster = { brokers = 3, racks = ["a", "b", "c"] }
    network = { latency = { uniform = ["1ms", "5ms"] }, links = [{ between = ["rack(a)", "rack(b)"], latency = "30ms" }] }
    topics.orders = { assignment = [[1, 2, 3]], min.insync.replicas = 2 }
    [producers.web]
    into = "orders"
    records = 200
    rate = "100/s"
    acks = "all"
    linger.ms = 0
    request.timeout.ms = 24000
    delivery.timeout.ms = 100000
    enable.idempotence = false
    [[faults]]
    at = "1s"
    do = "isolate"
    on = "broker(1)"
    for = "13s"
    [[faults]]
    at = "12s"
    do = "isolate"
    on = "broker(2)"
    for = "14s"
    [run]
    until = "60s"
"#;

/// The only replica is killed with several batches of the producer appended and their answers on the way.
const THE_ONLY_BROKER_STARTS_ANEW: &str = r#"
    kafka = "4.1"
    cluster = { brokers = 1, start_time = "1s" }
    network.latency = { uniform = ["20ms", "40ms"] }
    topics.orders = { partitions = 1, replication.factor = 1 }
    [producers.web]
    into = "orders"
    records = 200
    rate = "100/s"
    acks = "all"
    linger.ms = 0
    enable.idempotence = false
    max.in.flight.requests.per.connection = 5
    [[faults]]
    at = "1s"
    do = "isolate"
    on = "broker(1)"
    for = "500ms"
    [[faults]]
    at = "1200ms"
    do = "power-loss"
    lose = "nothing"
    on = "broker(1)"
    for = "1s"
    [run]
    until = "60s"
"#;

/// What must come out over all seeds, without idempotence and with it.
struct Case {
    name: &'static str,
    text: &'static str,
    without: Expected,
    with: Expected,
}

struct Expected {
    duplicated: RangeInclusive<u64>,
    reordered: RangeInclusive<u64>,
}

const NONE: RangeInclusive<u64> = 0..=0;
const SOME: RangeInclusive<u64> = 1..=u64::MAX;

const CASES: [Case; 5] = [
    Case {
        name: "answers are lost",
        text: ANSWERS_ARE_LOST,
        without: Expected { duplicated: SOME, reordered: SOME },
        with: Expected { duplicated: NONE, reordered: NONE },
    },
    Case {
        name: "the leader is killed",
        text: THE_LEADER_IS_KILLED,
        without: Expected { duplicated: SOME, reordered: SOME },
        with: Expected { duplicated: NONE, reordered: NONE },
    },
    Case {
        name: "nothing is committed",
        text: NOTHING_IS_COMMITTED,
        without: Expected { duplicated: SOME, reordered: SOME },
        with: Expected { duplicated: NONE, reordered: NONE },
    },
    Case {
        name: "a follower cuts its log and leads",
        text: A_FOLLOWER_CUTS_AND_LEADS,
        without: Expected { duplicated: NONE, reordered: SOME },
        with: Expected { duplicated: NONE, reordered: NONE },
    },
    // The snapshot a start loads has one batch of each producer: the others are taken for gaps, the producer begins a new
    // epoch, and what it numbers anew is appended again.
    Case {
        name: "the only broker starts anew",
        text: THE_ONLY_BROKER_STARTS_ANEW,
        without: Expected { duplicated: SOME, reordered: SOME },
        with: Expected { duplicated: SOME, reordered: NONE },
    },
];

#[test]
fn retries_are_recognised_where_the_batch_is_known() {
    for case in CASES {
        for (idempotence, expected) in [(false, &case.without), (true, &case.with)] {
            let (mut duplicated, mut reordered) = (0, 0);
            for seed in 0..SEEDS {
                let judgement = judge(case.text, idempotence, seed);
                duplicated += count(&judgement, Count::Duplicated);
                reordered += count(&judgement, Count::Reordered);
            }
            let name = format!("{}, idempotence {idempotence}, over {SEEDS} seeds", case.name);
            assert!(expected.duplicated.contains(&duplicated), "{name}: {duplicated} duplicated");
            assert!(expected.reordered.contains(&reordered), "{name}: {reordered} reordered");
        }
    }
}

#[test]
fn a_retry_is_answered_no_sooner_than_the_first_attempt_would_be() {
    for seed in 0..SEEDS {
        // Five batches that nobody may call committed before the follower goes on: six seconds, less one to notice.
        let longest = count(&judge(NOTHING_IS_COMMITTED, true, seed), Count::AnswerLongest);
        assert!(longest > 5_000_000_000, "seed {seed}: every answer came within {longest} ns");
    }
}

/// A run in which every message must be told success and kept.
fn judge(text: &str, idempotence: bool, seed: u64) -> Judgement {
    let setting = format!("enable.idempotence = {idempotence}");
    let text = text.replace("enable.idempotence = false", &setting);
    let model = common::model("idempotence", &text);
    let run = one::run(&model, seed, false);
    let run_of = format!("seed {seed} of {text}");
    assert!(run.ending.settled, "{:?}: {run_of}", run.ending.unquiet);
    assert!(run.ending.faults_took_effect, "nothing happened: {run_of}");
    let counts = &run.judgement.outcome.total;
    assert_eq!(counts.get(Count::Acked), counts.get(Count::Sent), "{run_of}");
    assert_eq!(counts.get(Count::Lost), Some(0), "{run_of}");
    run.judgement
}

fn count(judgement: &Judgement, count: Count) -> u64 {
    judgement.outcome.total.get(count).expect("a number that is always there")
}
