//! How long things take, over a thousand seeds: the simulated times spread as far as those of the real cluster did, and no
//! farther than Kafka's own timers explain. Each bound is derived from the settings it hangs on, which its text names.

mod common;

use highwater::cluster::generation::{Generation, Version};
use highwater::cluster::happened::Happened as Cluster;
use highwater::cluster::units::PartitionId;
use highwater::kernel::trace::Entry;
use highwater::kernel::units::{NodeId, Span, Time};
use highwater::world::happened::Happened;
use highwater::world::observe::{Observer, View};
use highwater::world::world::World;

const SEEDS: u64 = 1_000;

/// On the real cluster most was seen by asking a broker every 50 ms, which hears of a decision some 40 ms after it is made.
const SEEN_LATE: u64 = 100;

/// What a request, its answer and their handling add to a timer of hundreds of milliseconds, in ms.
const HOPS: u64 = 25;

/// Three brokers, a partition with a replica on each; faults come at 20 s.
#[derive(Clone, Copy)]
struct Case {
    what: &'static str,
    version: Version,
    /// What is added to the model.
    model: &'static str,
    measure: Measure,
    /// Run by run, on real clusters of this version or one with the same row; in ms.
    real: &'static [u64],
    /// The least and the most that the settings of the version allow, in ms.
    bounds: fn(&Generation) -> [u64; 2],
}

/// A span of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    /// From the fault until broker 3 is fenced.
    Fenced,
    /// From the fault until broker 3 is out of the in-sync set.
    Evicted,
    /// From the fault until another controller is active.
    TakenOver,
    /// From the election of another leader until readers get all there is from it.
    Readable,
}

const CRASH: &str = r#"
[[faults]]
at = "20s"
do = "crash"
on = "broker(3)"
for = "60s"
"#;

const CASES: &[Case] = &[
    Case {
        what: "fencing after a death",
        version: Version::V4_1,
        model: CRASH,
        measure: Measure::Fenced,
        real: &[
            9848, 8891, 8389, 8752, 8719, 7906, 7324, 8074, 8637, 9104, 7978, 8445, 7919, 8086, 8251, 9148,
            9169, 9175, 9546, 8257, 8230, 8983, 8003, 8629, 7748, 8939, 8913, 8488, 8733, 9125, 7987, 8388,
            8031, 8657,
        ],
        bounds: |row| {
            // The last heartbeat was up to broker.heartbeat.interval.ms before the death; broker.session.timeout.ms after it
            // the session is over, which is looked at eight times a session.
            let (session, beat) = session(row);
            [session - beat, session + session / 8]
        },
    },
    Case {
        what: "fencing after a death, before 4.0",
        version: Version::V3_9,
        model: CRASH,
        measure: Measure::Fenced,
        real: &[8613, 8440, 7813, 9003, 7058, 8751, 8471, 7836, 7061, 8402],
        bounds: |row| {
            // The same, but that the session is looked at when it ends.
            let (session, beat) = session(row);
            [session - beat, session]
        },
    },
    Case {
        what: "fencing after a death, with ZooKeeper",
        version: Version::V2_8,
        model: CRASH,
        measure: Measure::Fenced,
        real: &[17382, 14499],
        bounds: |row| {
            // zookeeper.session.timeout.ms since the last ping, and the look of ZooKeeper's server every tickTime, here an eighth
            // of the session.
            let (session, ping) = session(row);
            assert_eq!(ping * 3, session, "ZooKeeper's client pings after a third of its session");
            [session - ping, session + session / 8]
        },
    },
    Case {
        what: "eviction of a follower that lags",
        version: Version::V4_1,
        model: r#"
[producers.p]
library = "java-4.1"
into = "t"
start = "19s"
records = 500
rate = "10/s"
size = "64B"
acks = "1"
enable.idempotence = false

[[faults]]
at = "20s"
do = "cut"
from = "broker(3)"
to = "broker(1)"
for = "60s"
"#,
        measure: Measure::Evicted,
        real: &[41194, 35936, 31795],
        bounds: |row| {
            // It had all there was at the last record before the cut, 100 ms at most; replica.lag.time.max.ms later it lags, and
            // the leader looks every half of that (`ReplicaManager.startup`).
            let lag = ms(row.broker.replica_lag_time_max);
            [lag - 100, lag + lag / 2]
        },
    },
    Case {
        what: "another controller after the death of the active one",
        version: Version::V4_1,
        model: r#"
[[faults]]
at = "20s"
do = "crash"
on = "controller"
for = "60s"
"#,
        measure: Measure::TakenOver,
        real: &[
            1623, 1680, 1776, 2053, 2056, 2091, 2099, 2134, 2462, 2904, 3485, 1723, 2808, 2039, 3004, 1676,
            2088, 2077, 2999, 1877, 2196, 3200, 2012, 2197,
        ],
        bounds: |row| {
            // The other voters were answered last up to metadata.max.idle.interval.ms before, when there was a record for them,
            // and ask for votes controller.quorum.fetch.timeout.ms later. Votes that are split wait once to twice
            // controller.quorum.election.timeout.ms and controller.quorum.election.backoff.max.ms at most; three times in a row
            // they are not in a thousand.
            let options = &row.controller;
            let fetch = ms(options.quorum_fetch_timeout);
            let split = 2 * ms(options.quorum_election_timeout) + ms(options.quorum_election_backoff_max);
            [fetch - ms(options.metadata_max_idle_interval), fetch + 2 * split]
        },
    },
    Case {
        what: "a new leader can be read",
        version: Version::V4_1,
        model: r#"
[producers.p]
library = "java-4.1"
into = "t"
start = "20s"
records = 20
rate = "50/s"
size = "64B"
acks = "all"
linger.ms = 0

[[faults]]
after = { ack = 20 }
do = "crash"
on = "broker(1)"
for = "60s"
"#,
        measure: Measure::Readable,
        // By the leaders' own logs; clients asked later, and saw it later.
        real: &[5, 20],
        bounds: |row| {
            // No timer: the other follower hears of the election, connects and fetches, four hops. If it asks before the leader
            // itself has heard, it asks again replica.fetch.backoff.ms later.
            [0, 4 * 6 + ms(row.broker.replica_fetch_backoff) + 2 * 6]
        },
    },
];

#[test]
fn times_spread_as_on_the_real_cluster_and_as_the_timers_say() {
    for case in CASES {
        assert_eq!(complaint(case), None, "{}", case.what);
    }
}

#[test]
fn times_of_another_version_or_setting_are_noticed() {
    let [newer, older, _, lagging, ..] = CASES else { panic!("the cases by their places") };
    // A dead follower leaves when it is fenced, not when it lags.
    let dead = Case { model: CRASH, ..*lagging };
    for case in [Case { version: older.version, ..*newer }, Case { version: newer.version, ..*older }, dead] {
        assert!(complaint(&case).is_some(), "{}", case.what);
    }
}

/// What is wrong with the times of a case.
fn complaint(case: &Case) -> Option<String> {
    let took = simulated(case);
    let (least, most) = (took[0], took[took.len() - 1]);
    let [low, high] = (case.bounds)(case.version.generation());
    if least < low.saturating_sub(HOPS) || high + HOPS < most {
        return Some(format!("{least} to {most} ms is not within {low} to {high}"));
    }
    // Where much was observed, the middle of it lies neither among the shortest tenth nor among the longest.
    let mut real = case.real.to_vec();
    real.sort_unstable();
    let half = real[real.len() / 2];
    let below = took.partition_point(|&one| one <= half) * 100 / took.len();
    if real.len() >= 10 && !(10..=90).contains(&below) {
        return Some(format!("half took {half} ms or less, and {below} of a hundred here"));
    }
    let covered = |real: u64| least <= real && real.saturating_sub(SEEN_LATE) <= most;
    let missing = case.real.iter().find(|&&real| !covered(real))?;
    Some(format!("it took {missing} ms, which is not within {least} to {most}"))
}

/// The session and what comes between two signs of life.
fn session(row: &Generation) -> (u64, u64) {
    (ms(row.controller.broker_session_timeout), ms(row.broker.broker_heartbeat_interval))
}

fn ms(span: Span) -> u64 {
    span.nanoseconds() / 1_000_000
}

/// The times of all seeds in ms, ascending.
fn simulated(case: &Case) -> Vec<u64> {
    let latency =
        if case.measure == Measure::Readable { r#"["500us", "6ms"]"# } else { r#"["80us", "150us"]"# };
    let controllers = if case.measure == Measure::TakenOver { 3 } else { 1 };
    // Their threads take some time to come to a vote: so much that as many votes are split as there.
    let links = if case.measure == Measure::TakenOver {
        r#"links = [{ between = ["controllers", "controllers"], latency = { uniform = ["300us", "1500us"] } }]"#
    } else {
        ""
    };
    let text = format!(
        r#"
format = 1
title = "{}"
kafka = "{}"

[cluster]
brokers = 3
controllers = {controllers}

[network]
latency = {{ uniform = {latency} }}
{links}

[disk]
fsync = {{ uniform = ["1ms", "10ms"] }}

[topics.t]
partitions = 1
replication.factor = 3
min.insync.replicas = 1
{}"#,
        case.what,
        case.version.generation().name,
        case.model
    );
    let model = common::model(case.what, &text);
    let watch = Watch { measure: case.measure, since: Time::ZERO + Span::from_seconds(20), took: None };
    let mut world = World::new(&model, 0, false, watch);
    let mut took: Vec<u64> = (0..SEEDS)
        .map(|seed| {
            world.reset(&model, seed);
            *world.observer_mut() = watch;
            let mut until = Time::ZERO + Span::from_seconds(20);
            while world.observer().took.is_none() {
                until += Span::from_seconds(2);
                assert!(world.run_to(until).is_none(), "{} --seed {seed}: it never happened", case.what);
            }
            ms(world.observer().took.expect("it happened"))
        })
        .collect();
    took.sort_unstable();
    took
}

/// Waits for the end of what is measured.
#[derive(Clone, Copy, Debug)]
struct Watch {
    measure: Measure,
    /// Its beginning, as far as it is known.
    since: Time,
    took: Option<Span>,
}

impl Observer for Watch {
    fn observe(&mut self, view: &View<'_>, entry: &Entry<Happened>) {
        let Happened::Cluster(what) = entry.what else { return };
        if self.took.is_some() || entry.t < self.since {
            return;
        }
        let (lagging, dead, partition) = (NodeId(3), NodeId(1), PartitionId(0));
        let is_over = match self.measure {
            Measure::Fenced => {
                matches!(what, Cluster::Fenced { broker, fenced: true, .. } if broker == lagging)
            }
            Measure::Evicted => {
                matches!(what, Cluster::Decided { state, .. } if !state.state().isr.contains(lagging))
            }
            Measure::TakenOver => matches!(what, Cluster::ActiveController { active: true, .. }),
            Measure::Readable => {
                if matches!(what, Cluster::Decided { old_leader: Some(old), .. } if old == dead) {
                    self.since = entry.t;
                }
                let leader = view.partition(partition).leader;
                leader.is_some_and(|leader| leader != dead && is_readable(view, leader, partition))
            }
        };
        if is_over {
            self.took = Some(entry.t.since(self.since));
        }
    }
}

fn is_readable(view: &View<'_>, leader: NodeId, partition: PartitionId) -> bool {
    view.high_watermark(leader, partition) == view.log(leader, partition).map(|log| log.end())
}
