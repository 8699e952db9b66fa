//! Quantities that can be worked out by hand from the settings: the mean over many seeds lies within four standard errors of the
//! formula. Each derivation stands above its case; times are in milliseconds.

mod common;

use std::collections::BTreeMap;

use highwater::clients::happened::Happened as Client;
use highwater::explore::one::{self, Run};
use highwater::scenario::words::Count;
use highwater::world::happened::Happened;

struct Case {
    /// Three brokers unless it says otherwise.
    model: &'static str,
    seeds: u64,
    /// Whether `measure` needs the entries.
    keep_trace: bool,
    /// The quantity, of one run.
    measure: fn(&Run) -> f64,
    /// Its mean.
    expected: f64,
}

/// A heartbeat goes every `broker.heartbeat.interval.ms` (2000) after the answer to the last, a round trip of 1 ms: when the
/// broker dies, the last was sent between 0 and 2001 ms ago, and arrives after 0.5 ms all the same. The session lasts 9000 ms
/// from then, and the controller looks every eighth of that, 1125 ms, at any point of which the session ends. What it decides
/// counts 25 ms later (`controller.quorum.append.linger.ms`).
const CRASH_TO_FENCING: Case = Case {
    model: r#"
        kafka = "4.1"
        network.latency = "500us"
        topics.orders = { replication.factor = 3, min.insync.replicas = 2 }
        producers.web = { into = "orders", records = 1 }
        faults = [{ at = "20s", do = "crash", on = "broker(1)", for = "15s" }]
    "#,
    seeds: 1_000,
    keep_trace: false,
    measure: |run| milliseconds(run.faults[0].leader_changed_after.expect("another leads").nanoseconds()),
    expected: 9_000.0 - 2_001.0 / 2.0 + 0.5 + 1_125.0 / 2.0 + 25.0,
};

/// A record arrives every 10 ms, the first of them 0.5 ms after a whole ten; a follower's next fetch, which says that it has it,
/// is there 1 ms later. The link is cut at a whole ten and 5 ms: the follower was seen to have everything 3.5 ms before. It is
/// to leave when that was more than `replica.lag.time.max.ms` (6000) ago; the leader looks every half of it, 3000 ms, and its
/// proposal is with the controller after 0.5 ms, and counts 25 ms later.
const STUCK_TO_EVICTION: Case = Case {
    model: r#"
        kafka = "4.1"
        broker.replica.lag.time.max.ms = 6000
        network.latency = "500us"
        topics.orders = { replication.factor = 3, min.insync.replicas = 2 }
        producers.web = { into = "orders", records = 1500, rate = "100/s", acks = "1", linger.ms = 0 }
        faults = [{ at = "4005ms", do = "cut", from = "broker(1)", to = "broker(3)", for = "10s" }]
    "#,
    seeds: 1_000,
    keep_trace: false,
    measure: |run| milliseconds(run.faults[0].isr_shrunk_after.expect("it leaves").nanoseconds()),
    expected: 6_000.0 - 3.5 + 0.5 + 3_000.0 / 2.0 + 25.0,
};

/// Broker 2 leads next. What it lacks when the leader dies is what was appended since the leader answered its last fetch: the
/// answer and the next fetch take X + Y, each uniform between 25 and 75 ms, and 200 records a second leave none of them waiting.
/// The age of a renewal process whose intervals are C = X + Y is E[C²] / 2E[C] in the mean, with E[C] = 100 ms and
/// E[C²] = 100² + 2 · 50² / 12. Records come one by one at random, acks=1 has acknowledged each of them.
const LOST_WITH_ACKS_ONE: Case = Case {
    model: r#"
        kafka = "4.1"
        network.latency = "100us"
        network.links = [{ between = ["broker(1)", "broker(2)"], latency = { uniform = ["25ms", "75ms"] } }]
        topics.orders = { replication.factor = 3, min.insync.replicas = 2 }
        producers.web = { into = "orders", records = 1000, rate = { poisson = "200/s" }, acks = "1", linger.ms = 0 }
        faults = [{ at = "4s", do = "crash", on = "broker(1)", for = "12s" }]
    "#,
    seeds: 1_000,
    keep_trace: false,
    measure: |run| count(run, Count::Lost),
    expected: 0.2 * (100.0 * 100.0 + 2.0 * 50.0 * 50.0 / 12.0) / (2.0 * 100.0),
};

/// The log is fsynced at every 30th record (`flush.messages`), and no page is so old that the kernel has written it. Some 800
/// records arrived at random: at the power loss 0 to 29 are behind the last fsync, all as likely. The only replica has lost them.
const LOST_WITH_FLUSH_MESSAGES: Case = Case {
    model: r#"
        kafka = "4.1"
        network.latency = "10us"
        disk = { fsync = "10us", survives = "written" }
        topics.orders = { replication.factor = 1, flush.messages = 30 }
        producers.web = { into = "orders", records = 1000, rate = { poisson = "100/s" }, acks = "1", linger.ms = 0 }
        faults = [{ at = "8s", do = "power-loss", on = "broker(1)", for = "1s" }]
    "#,
    seeds: 3_000,
    keep_trace: false,
    measure: |run| count(run, Count::Lost),
    expected: (30.0 - 1.0) / 2.0,
};

/// A record every 100 ms finds the fetches of both followers parked. acks=all waits, besides the round trip of 2 ms that acks=1
/// waits for, until the slower of the two has been answered and has fetched again: two ways, each uniform between 1 and 9 ms.
/// The sum of two uniforms is 2 · 1 ms + 8 ms · Z, with Z triangular on 0..2, and the greater of two such Z has the mean
/// ∫ 1 - F(z)² dz = 2 - 1/20 - (1 - 1/3 + 1/20) = 37/30.
const LATENCY_OF_ACKS_ALL: Case = Case {
    model: r#"
        kafka = "4.1"
        network.latency = "1ms"
        network.links = [{ between = ["broker(1)", "brokers(2,3)"], latency = { uniform = ["1ms", "9ms"] } }]
        topics.orders = { replication.factor = 3, min.insync.replicas = 2 }
        producers.web = { into = "orders", records = 60, rate = "10/s", acks = "all", linger.ms = 0 }
    "#,
    seeds: 400,
    keep_trace: true,
    // The first second is for finding the cluster.
    measure: |run| mean(sends(run).into_iter().skip(10).map(|(called, told)| told - called)) - 2.0,
    expected: 2.0 + 8.0 * 37.0 / 30.0,
};

/// One record a request and one request in flight: a queue with 60 random arrivals a second and S = 10 ms of service, the round
/// trip. The broker stands still for 5 s. K records wait when it goes on, the first of them already there, 5 ms from its answer:
/// K S - 5 ms of work. It takes that divided by 1 - ρ until nobody waits, with ρ = 60/s · 10 ms, as more arrive meanwhile.
/// E[K] is 300 that arrived, and ρ + ρ² / 2(1 - ρ) that were there before (Pollaczek and Khinchine) but for the one that was
/// already answered, with the chance ρ / 2.
const DRAIN_AFTER_AN_OUTAGE: Case = Case {
    model: r#"
        kafka = "4.1"
        network.latency = "5ms"
        topics.orders = { replication.factor = 1 }
        producers.web = { into = "orders", records = 1800, rate = { poisson = "60/s" }, acks = "1", linger.ms = 0,
                          batch.size = 0, max.in.flight.requests.per.connection = 1 }
        faults = [{ at = "5s", do = "pause", on = "broker(1)", for = "5s" }]
    "#,
    seeds: 400,
    keep_trace: true,
    measure: |run| {
        let sends = sends(run);
        // Answers come in the order of calls: nobody waits when one has come before the next call.
        let drained = sends.windows(2).find(|pair| pair[0].1 > 10_000.0 && pair[0].1 <= pair[1].0);
        drained.expect("it drains in the end")[0].1 - 10_000.0
    },
    expected: ((300.0 + 0.6 + 0.36 / 0.8 - 0.3) * 10.0 - 5.0) / (1.0 - 0.6),
};

/// Every attempt is refused for want of replicas, a round trip of 1 ms. The waits between the eight attempts are 100 ms
/// (`retry.backoff.ms`), doubled each time, a fifth more or less, and never above 1000 ms (`retry.backoff.max.ms`): the means are
/// 100, 200, 400 and 800 ms, and from there on that of 800 to 1000 ms.
const EIGHT_ATTEMPTS: Case = Case {
    model: r#"
        kafka = "4.1"
        cluster.brokers = 2
        network.latency = "500us"
        topics.orders = { replication.factor = 2, min.insync.replicas = 2 }
        producers.web = { into = "orders", records = 1, start = "15s" }
        faults = [{ at = "1s", do = "crash", on = "broker(2)", for = "40s" }]
    "#,
    seeds: 1_000,
    keep_trace: true,
    measure: |run| {
        let entries = run.entries().expect("the trace was to be kept").iter();
        let attempts: Vec<f64> = entries
            .filter(|entry| matches!(entry.what, Happened::Client(Client::Attempted { .. })))
            .map(|entry| milliseconds(entry.t.nanoseconds()))
            .collect();
        attempts[7] - attempts[0]
    },
    expected: 7.0 * 1.0 + 100.0 + 200.0 + 400.0 + 800.0 + 3.0 * 900.0,
};

/// Runs the seeds of a case, and holds their mean against the formula.
#[track_caller]
fn agrees(case: &Case) {
    let model = common::model("closed form", case.model);
    let values: Vec<f64> =
        (0..case.seeds).map(|seed| (case.measure)(&one::run(&model, seed, case.keep_trace))).collect();
    let mean = mean(values.iter().copied());
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let runs = case.seeds as f64;
    let error = (squares / (runs - 1.0) / runs).sqrt();
    assert!(
        (mean - case.expected).abs() <= 4.0 * error,
        "{mean:.3} in the mean of {} runs, {error:.3} its standard error, and {:.3} by the formula",
        case.seeds,
        case.expected
    );
}

/// When each message was given to `send()`, and when it was told success; in the order of calls.
fn sends(run: &Run) -> Vec<(f64, f64)> {
    let mut sends = BTreeMap::new();
    for entry in run.entries().expect("the trace was to be kept") {
        let at = milliseconds(entry.t.nanoseconds());
        if let Happened::Client(Client::Called { message, .. }) = entry.what {
            sends.insert(message.0, (at, f64::NAN));
        }
        if let Happened::Client(Client::Told { first, count, .. }) = entry.what {
            for message in first.0..first.0 + count {
                sends.get_mut(&message).expect("it was sent").1 = at;
            }
        }
    }
    sends.into_values().collect()
}

fn count(run: &Run, count: Count) -> f64 {
    run.judgement.outcome.total.get(count).expect("a number") as f64
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn from_a_crash_to_the_fencing() {
    agrees(&CRASH_TO_FENCING);
}

#[test]
fn from_a_stuck_follower_to_its_eviction() {
    agrees(&STUCK_TO_EVICTION);
}

#[test]
fn what_acks_one_loses_with_its_leader() {
    agrees(&LOST_WITH_ACKS_ONE);
}

#[test]
fn what_a_flush_interval_loses() {
    agrees(&LOST_WITH_FLUSH_MESSAGES);
}

#[test]
fn how_much_longer_acks_all_takes() {
    agrees(&LATENCY_OF_ACKS_ALL);
}

#[test]
fn how_long_a_backlog_lasts() {
    agrees(&DRAIN_AFTER_AN_OUTAGE);
}

#[test]
fn how_long_eight_attempts_take() {
    agrees(&EIGHT_ATTEMPTS);
}
