//! What must hold whatever the settings and the instants: a message told success under `acks=all` is never lost while one
//! broker at a time is down.
//!
//! The judge here is the test's own, of twenty lines, beside whatever `check` says: it writes down what was told success
//! and looks for it in the settled leaders' logs. A case that failed once stands in [`once_failed`] for good.

mod common;
#[path = "common/drawn.rs"]
mod drawn;

use highwater::clients::happened::{Happened as Client, Outcome};
use highwater::cluster::happened::Happened as Cluster;
use highwater::cluster::units::PartitionId;
use highwater::kernel::trace::Entry;
use highwater::kernel::units::NodeId;
use highwater::world::happened::Happened;
use highwater::world::observe::{Observer, View};
use highwater::world::world::World;
use proptest::prelude::*;

/// One experiment.
#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    partitions: u32,
    min_insync_replicas: u32,
    /// Of the processes.
    times: &'static str,
    latency: &'static str,
    survives: &'static str,
    per_second: u64,
    batch_size: u32,
    linger_ms: u32,
    kind: &'static str,
    stops: Vec<Stop>,
}

/// A broker goes down.
#[derive(Clone, Copy, Debug)]
struct Stop {
    on: &'static str,
    /// From the instant at which the one before is surely back in sync.
    after_ms: u64,
    lasts_ms: u64,
}

/// From the end of a fault until its broker is back in sync, at the latest: two seconds to start, some ten until the session
/// of its former self is over and it may register, and then it has to catch up.
const BACK_MS: u64 = 20_000;

impl Case {
    fn model(&self, acks: &str) -> String {
        let Case { partitions, min_insync_replicas, times, latency, survives, per_second, .. } = self;
        let Case { batch_size, linger_ms, kind, .. } = self;
        let mut at = 0;
        let mut faults = String::new();
        for Stop { on, after_ms, lasts_ms } in &self.stops {
            at += after_ms;
            faults += &format!(
                "[[faults]]\nat = \"{at}ms\"\ndo = \"{kind}\"\non = \"{on}\"\nfor = \"{lasts_ms}ms\"\n\n"
            );
            at += lasts_ms + BACK_MS;
        }
        let records = per_second * (at + 1_000) / 1_000;
        format!(
            "kafka = \"4.1\"\n\n[cluster]\n{times}\n\n[network]\nlatency = {latency}\n\n[disk]\nsurvives = \"{survives}\"\n\n\
             [topics.orders]\npartitions = {partitions}\nreplication.factor = 3\n\
             min.insync.replicas = {min_insync_replicas}\n\n\
             [producers.web]\ninto = \"orders\"\nrecords = {records}\nrate = \"{per_second}/s\"\nacks = \"{acks}\"\n\
             batch.size = {batch_size}\nlinger.ms = {linger_ms}\n\n{faults}"
        )
    }
}

/// What became of a case.
struct Outcomes {
    acked: usize,
    /// Told success, and in no settled leader's log below its high watermark.
    lost: Vec<usize>,
    /// What makes the case prove nothing.
    amiss: Option<String>,
}

/// Who writes down what was told success, and who is down.
#[derive(Clone, Debug, Default)]
struct Judge {
    acked: Vec<bool>,
    struck: usize,
    down: Option<Down>,
    two_down: bool,
}

#[derive(Clone, Copy, Debug)]
struct Down {
    broker: NodeId,
    has_registered: bool,
}

impl Observer for Judge {
    fn observe(&mut self, view: &View<'_>, entry: &Entry<Happened>) {
        if let Happened::Client(Client::Told { first, count, outcome: Outcome::Success }) = entry.what {
            self.acked[first.0 as usize..][..count as usize].fill(true);
        }
        if let Happened::Struck { .. } = entry.what {
            self.struck += 1;
        }
        if let Happened::Crashed | Happened::PowerLost = entry.what {
            let down = Down { broker: entry.node, has_registered: false };
            self.two_down |= self.down.replace(down).is_some();
        }
        let Some(down) = &mut self.down else { return };
        if let Happened::Cluster(Cluster::Registered { broker, .. }) = entry.what {
            down.has_registered |= broker == down.broker;
        }
        if let Happened::Cluster(Cluster::Decided { .. }) = entry.what
            && down.has_registered
            && partitions(view).all(|partition| view.partition(partition).isr.contains(down.broker))
        {
            self.down = None;
        }
    }
}

fn partitions(view: &View<'_>) -> impl Iterator<Item = PartitionId> + use<> {
    (0..view.model.partition_count() as u32).map(PartitionId)
}

fn run(case: &Case, acks: &str) -> Outcomes {
    let model = common::model("property", &case.model(acks));
    let records = model.producers[0].workload.records as usize;
    let judge = Judge { acked: vec![false; records], ..Judge::default() };
    let mut world = World::new(&model, case.seed, false, judge);
    let ending = world.run();
    let (view, judge) = (world.view(), world.observer());

    let (mut kept, mut is_any_late) = (vec![false; records], false);
    for partition in partitions(&view) {
        let Some(leader) = view.partition(partition).leader else { continue };
        let log = view.log(leader, partition).expect("a leader has a log");
        let end = view.high_watermark(leader, partition).expect("a settled leader runs");
        let first = log.entries().next().map(|entry| view.store.batch(entry.batch).base_sequence);
        is_any_late |= first.is_some_and(|sequence| sequence.0 > 0);
        for entry in log.entries().take_while(|entry| entry.base_offset < end) {
            view.store.messages(entry.batch).for_each(|message| kept[message.0 as usize] = true);
        }
    }
    let acked = judge.acked.iter().filter(|&&acked| acked).count();
    let amiss = if !ending.settled {
        Some(format!("it does not settle: {:?}", ending.unquiet))
    } else if judge.two_down {
        Some("two brokers were down at once".to_owned())
    } else if judge.struck < case.stops.len() {
        Some(format!("{} of {} faults struck", judge.struck, case.stops.len()))
    } else if acked < records && !is_any_late {
        // With two brokers of three there at any time, nothing is refused for as long as a send may take; but for batches that
        // a former leader refused while the next, which knew nothing of the producer, took a later one: those are out of order
        // for good (`TransactionManager.canRetry`).
        Some(format!("{acked} of {records} messages were told success"))
    } else {
        None
    };
    let lost = (0..records).filter(|&message| judge.acked[message] && !kept[message]).collect();
    Outcomes { acked, lost, amiss }
}

/// Holds a case to the property.
fn check(case: &Case) -> Result<(), TestCaseError> {
    let Outcomes { acked, lost, amiss } = run(case, "all");
    let model = case.model("all");
    prop_assert!(
        lost.is_empty(),
        "of {acked} acknowledged, {lost:?} are lost; seed {}\n\n{model}",
        case.seed
    );
    prop_assert!(amiss.is_none(), "{}; seed {}\n\n{model}", amiss.unwrap_or_default(), case.seed);
    Ok(())
}

fn stops(most: usize) -> impl Strategy<Value = Vec<Stop>> {
    let on = prop::sample::select(vec!["leader(orders-0)", "broker(1)", "broker(2)", "broker(3)"]);
    // Longer and shorter than a session, and so short that the process is back before anyone has missed it.
    let lasts_ms = prop_oneof![0..50_u64, 50..9_000_u64, 9_000..15_000_u64];
    let stop =
        (on, 0..5_000_u64, lasts_ms).prop_map(|(on, after_ms, lasts_ms)| Stop { on, after_ms, lasts_ms });
    prop::collection::vec(stop, 1..=most)
}

fn cases() -> impl Strategy<Value = Case> {
    let latency = prop::sample::select(vec![
        "\"500us\"",
        "{ uniform = [\"1ms\", \"10ms\"] }",
        "{ exponential = \"5ms\" }",
        "{ lognormal = [\"1ms\", \"50ms\"] }",
    ]);
    let times = prop::sample::select(vec![
        "",
        "metadata_time = { lognormal = [\"10ms\", \"200ms\"] }",
        "request_time = { exponential = \"1ms\" }\nrequest_threads = 2",
    ]);
    // A power loss may take what a replica had: with one in-sync replica allowed, that is the promise's own limit.
    let kinds = prop::sample::select(vec![(1, "crash"), (2, "crash"), (2, "power-loss")]);
    let survives = prop::sample::select(vec!["written", "any-prefix", "any-pages"]);
    let batch_size = prop::sample::select(vec![0_u32, 500, 16_384]);
    let linger_ms = prop::sample::select(vec![0_u32, 5, 200]);
    let client = (batch_size, linger_ms, 2..40_u64);
    (any::<u32>(), 1..=3_u32, kinds, (times, latency), survives, client, stops(4)).prop_map(
        |(seed, partitions, kind, (times, latency), survives, client, stops)| {
            let ((min_insync_replicas, kind), (batch_size, linger_ms, per_second)) = (kind, client);
            let seed = u64::from(seed);
            Case {
                seed,
                partitions,
                min_insync_replicas,
                times,
                latency,
                survives,
                per_second,
                batch_size,
                linger_ms,
                kind,
                stops,
            }
        },
    )
}

proptest! {
    #![proptest_config(drawn::config())]

    #[test]
    fn acks_all_loses_nothing_while_one_broker_at_a_time_is_down(case in cases()) {
        check(&case)?;
    }
}

/// Cases that were found once, and two plain ones.
fn once_failed() -> Vec<Case> {
    let plain = Case {
        seed: 0,
        partitions: 1,
        min_insync_replicas: 2,
        times: "",
        latency: "\"500us\"",
        survives: "written",
        per_second: 20,
        batch_size: 16_384,
        linger_ms: 5,
        kind: "crash",
        stops: vec![Stop { on: "leader(orders-0)", after_ms: 1_000, lasts_ms: 5_000 }],
    };
    let power_loss = Case { kind: "power-loss", ..plain.clone() };
    // A leader back before its session was over led on under its old epoch, with the log that the power loss had left.
    let twice = vec![
        Stop { on: "leader(orders-0)", after_ms: 1_034, lasts_ms: 0 },
        Stop { on: "leader(orders-0)", after_ms: 0, lasts_ms: 0 },
    ];
    let led_on = Case { per_second: 2, batch_size: 0, linger_ms: 0, stops: twice, ..power_loss.clone() };
    // A client that heard late of another leader: five batches were refused by the old one while the sixth was taken by the new.
    let late = Case {
        seed: 4_269_431_986,
        partitions: 3,
        latency: "{ uniform = [\"1ms\", \"10ms\"] }",
        per_second: 30,
        batch_size: 0,
        linger_ms: 200,
        stops: vec![Stop { on: "leader(orders-0)", after_ms: 16, lasts_ms: 8_946 }],
        ..power_loss.clone()
    };
    vec![plain, power_loss, led_on, late]
}

#[test]
fn cases_that_failed_once_hold() {
    for case in once_failed() {
        if let Err(error) = check(&case) {
            panic!("{error}");
        }
    }
}

/// The judge can find a loss: with `acks=1` the same faults take what only the leader had.
#[test]
fn acks_1_loses_under_the_same_faults() {
    let stops = vec![Stop { on: "leader(orders-0)", after_ms: 1_000, lasts_ms: 15_000 }];
    let case = Case { latency: "\"40ms\"", per_second: 100, linger_ms: 0, stops, ..once_failed().remove(0) };
    let lost: usize = (0..10).map(|seed| run(&Case { seed, ..case.clone() }, "1").lost.len()).sum();
    assert!(lost > 0, "ten crashes of a leader whose followers lag by 80 ms lose nothing");
}
