//! One run is a value: a model, its schedule and a seed decide every byte, whoever watches, whatever ran before, in debug
//! and in release.
//!
//! `UPDATE_EXPECT=1 cargo test --test determinism` writes `tests/digests.txt` anew. A digest that changed means that every
//! run of every seed may have changed: say in the commit why.

mod common;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use highwater::clients::app::Waits;
use highwater::clients::happened::Happened as Client;
use highwater::kernel::trace::{Digest, Entry};
use highwater::kernel::units::Time;
use highwater::scenario::fault::When;
use highwater::scenario::model::Model;
use highwater::world::happened::Happened;
use highwater::world::observe::{Observer, View};
use highwater::world::run::Ending;
use highwater::world::world::World;

/// Small models that together use every device and every kind of fault. In each, the faults stand in the order in which
/// they strike, and the sends go on until the last has ended.
const MODELS: [(&str, &str); 7] = [
    ("every-fault", EVERY_FAULT),
    ("acks-0-over-a-bad-network", ACKS_0),
    ("acks-1-and-power", ACKS_1),
    ("three-producers", THREE_PRODUCERS),
    ("after-what-happened", AFTER),
    ("stops-and-moves", STOPS_AND_MOVES),
    ("three-controllers", THREE_CONTROLLERS),
];

const EVERY_FAULT: &str = r#"
    kafka = "4.1"
    cluster = { brokers = 3, start_time = { uniform = ["1s", "3s"] } }
    network = { latency = { lognormal = ["1ms", "20ms"] }, loss = "1/500" }
    disk = { fsync = { exponential = "3ms" }, survives = "any-prefix" }
    topics.orders = { partitions = 3, replication.factor = 3, min.insync.replicas = 2, flush.messages = 3 }
    producers.web = { into = "orders", records = 160, rate = { poisson = "8/s" }, acks = "all" }
    readers.audit = { reads = ["orders"] }
    faults = [
        { at = "300ms", do = "crash", on = "leader(orders-0)", for = "2s" },
        { at = "1s", do = "pause", on = "follower(orders-1)", for = "3s" },
        { at = "2500ms", do = "isolate", on = "broker(3)", for = "4s" },
        { at = "7s", do = "power-loss", on = "leader(orders-2)", for = "1s" },
        { at = "9s", do = "pause", on = "controller", for = "500ms" },
    ]
    run.until = "60s"
"#;

const THREE_CONTROLLERS: &str = r#"
    kafka = "4.1"
    cluster = { brokers = 3, controllers = 3, start_time = { uniform = ["1s", "3s"] },
                metadata_time = { lognormal = ["5ms", "80ms"] }, request_time = { exponential = "1ms" }, request_threads = 2 }
    network = { latency = { lognormal = ["1ms", "20ms"] }, loss = "1/500" }
    disk = { fsync = { exponential = "3ms" } }
    topics.orders = { partitions = 2, replication.factor = 3, min.insync.replicas = 2 }
    producers.web = { into = "orders", records = 300, rate = "10/s", acks = "all" }
    faults = [
        { at = "2s", do = "crash", on = "controller", for = "4s" },
        { at = "3s", do = "crash", on = "leader(orders-0)", for = "2s" },
        { at = "12s", do = "power-loss", on = "controller", for = "1s" },
        { at = "16s", do = "isolate", on = "controllers(1,2)", for = "5s" },
        { at = "24s", do = "stop", on = "controller", for = "1s" },
        { at = "27s", do = "pause", on = "controllers", for = "3s" },
    ]
    run.until = "60s"
"#;

const ACKS_0: &str = r#"
    kafka = "4.1"
    network = { latency = { exponential = "4ms" }, loss = "1/50", bandwidth = "1MB/s" }
    topics.orders = { partitions = 4, replication.factor = 3, min.insync.replicas = 1 }
    producers.web = { into = "orders", records = 300, rate = "60/s", size = "1kB", keys = 5, acks = 0 }
    faults = [
        { at = "100ms", do = "isolate", on = "brokers(1,2)", for = "700ms" },
        { at = "900ms", do = "crash", on = "leader(orders-3)", for = "1s" },
        { at = "2s", do = "isolate", on = "controller", for = "2s" },
    ]
    run.until = "60s"
"#;

const ACKS_1: &str = r#"
    kafka = "4.1"
    cluster = { brokers = 5, racks = ["a", "b"] }
    network = { latency = { uniform = ["1ms", "10ms"] }, links = [{ between = ["rack(a)", "rack(b)"], latency = "30ms" }] }
    disk.survives = "any-prefix"
    topics.orders = { partitions = 2, replication.factor = 3, min.insync.replicas = 2 }
    producers.web = { into = "orders", records = 250, rate = "50/s", acks = 1, linger.ms = 20, retries = 3 }
    readers.audit = { reads = ["orders"], start = "1s" }
    faults = [
        { at = "500ms", do = "power-loss", on = "rack(a)", for = "1s" },
        { at = "1s", do = "power-loss", on = "isr(orders-1)", for = "2s", lose = "all-unsynced" },
        { at = "4s", do = "crash", on = "all-brokers", for = "500ms" },
    ]
    run.until = "60s"
"#;

const THREE_PRODUCERS: &str = r#"
    kafka = "4.1"
    network.latency = { lognormal = ["500us", "100ms"] }
    topics.orders = { partitions = 2, replication.factor = 3, min.insync.replicas = 2 }
    topics.audit = { assignment = [[2, 3], [3, 1]] }
    producers.web = { into = "orders", records = 100, rate = "25/s", acks = "all", linger.ms = 0 }
    producers.mobile = { into = "orders", start = "1s", records = 40, acks = 1, waits = "each", at_end = "exit" }
    producers.log = { into = "audit", records = 150, rate = { poisson = "40/s" }, acks = 0, size = "5kB" }
    readers.all = { reads = ["audit", "orders"] }
    faults = [
        { at = "400ms", do = "pause", on = "broker(1)", for = "1500ms" },
        { at = "600ms", do = "isolate", on = "follower(orders-1,1)", for = "1s" },
        { at = "2s", do = "power-loss", on = "broker(3)", for = "1s", lose = { records = 2 } },
    ]
    run.until = "60s"
"#;

const AFTER: &str = r#"
    kafka = "4.1"
    network.latency = { uniform = ["500us", "5ms"] }
    topics.orders = { partitions = 2, replication.factor = 3, min.insync.replicas = 1 }
    producers.web = { into = "orders", records = 300, rate = "20/s", acks = "all", keys = 7 }
    faults = [
        { after = { ack = 10 }, do = "crash", on = "leader(orders-0)", for = "1s" },
        { after = { isr = "orders-0", size = 2, plus = "50ms" }, do = "pause", on = "leader(orders-1)", for = "2s" },
        { after = { leader-change = "orders-0", plus = "1s" }, do = "isolate", on = "isr(orders-1)", for = "300ms" },
    ]
    run.until = "60s"
"#;

const STOPS_AND_MOVES: &str = r#"
    kafka = "4.1"
    cluster = { brokers = 5, start_time = { uniform = ["100ms", "300ms"] } }
    network.latency = { lognormal = ["500us", "10ms"] }
    disk.fsync = { exponential = "3ms" }
    topics.orders = { assignment = [[1, 2, 3], [2, 3, 4]], min.insync.replicas = 2 }
    broker.leader.imbalance.check.interval.seconds = 3
    producers.web = { into = "orders", records = 300, rate = "20/s", acks = "all" }
    readers.audit = { reads = ["orders"] }
    faults = [
        { at = "500ms", do = "stop", on = "leader(orders-0)", for = "200ms" },
        { at = "1s", do = "elect", partition = "orders-1", to = "broker(3)" },
        { at = "2s", do = "reassign", partition = "orders-1", replicas = [5, 3] },
        { at = "3s", do = "crash", on = "leader(orders-1)", for = "1s" },
        { at = "6s", do = "reassign", partition = "orders-0", replicas = [4, 1, 2] },
        { at = "7s", do = "stop", on = "brokers(1,4)", for = "1s" },
        { at = "8s", do = "elect", partition = "orders-0", unclean = true },
    ]
    run.until = "60s"
"#;

/// How many seeds are run: `HIGHWATER_SEEDS`, or what takes some seconds, which in debug is a tenth of the pace.
fn seeds() -> u64 {
    let default = if cfg!(debug_assertions) { 15 } else { 1_000 };
    std::env::var_os("HIGHWATER_SEEDS").map_or(default, |seeds| {
        seeds.to_str().and_then(|seeds| seeds.parse().ok()).expect("HIGHWATER_SEEDS is a number of seeds")
    })
}

/// The seeds of the committed digests.
const COMMITTED: u64 = 4;

fn models() -> impl Iterator<Item = (&'static str, Arc<Model>)> {
    MODELS.into_iter().map(|(name, text)| (name, common::model(name, text)))
}

/// A whole run with its trace.
fn run(model: &Arc<Model>, seed: u64) -> World<()> {
    let mut world = World::new(model, seed, true, ());
    world.run();
    world
}

fn entries<O: Observer>(world: &World<O>) -> &[Entry<Happened>] {
    world.trace().entries().expect("the trace was to be kept")
}

#[test]
fn the_same_seed_gives_the_same_run_in_a_new_world_and_in_a_used_one() {
    // One world for all: each run finds in it what the last left, of another seed or another model.
    let mut used: Option<World<()>> = None;
    for (name, model) in models() {
        let mut last = None;
        for seed in 0..seeds() {
            let mut new = World::new(&model, seed, false, ());
            let first = (new.run(), new.trace().digest(), new.events());
            let world = used.get_or_insert_with(|| World::new(&model, seed, false, ()));
            world.reset(&model, seed);
            let second = (world.run(), world.trace().digest(), world.events());
            assert_eq!(first, second, "{name} with seed {seed}: a world that has run before is not as new");
            assert_ne!(last.replace(first.1), Some(first.1), "{name}: seed {seed} changes nothing");
        }
    }
}

/// The digests that debug and release, and every machine, must agree on.
#[test]
fn digests_are_those_committed() {
    let mut digests =
        String::from("# model, seed, digest; written by UPDATE_EXPECT=1 cargo test --test determinism\n");
    for (name, model) in models() {
        for seed in 0..COMMITTED {
            writeln!(digests, "{name} {seed} {}", run(&model, seed).trace().digest())
                .expect("a string takes all");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/digests.txt");
    #[allow(clippy::disallowed_methods, reason = "the one switch of this test, and no model depends on it")]
    let update = std::env::var("UPDATE_EXPECT").is_ok();
    if update {
        return fs::write(&path, digests).expect("the digests can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    for (was, is) in committed.lines().zip(digests.lines()) {
        assert_eq!(was, is, "if runs were meant to change, UPDATE_EXPECT=1 writes tests/digests.txt anew");
    }
    assert_eq!(committed, digests, "UPDATE_EXPECT=1 writes tests/digests.txt anew");
}

#[test]
fn a_copied_world_goes_on_like_the_one_it_was_copied_from() {
    for (name, model) in models() {
        let whole = run(&model, 1);
        let end = whole.now().nanoseconds();
        for part in 0..8 {
            let instant = Time::from_nanoseconds(end / 8 * part);
            let mut world = World::new(&model, 1, true, ());
            assert_eq!(world.run_to(instant), None, "{name} ended before {instant}");
            let mut copy = world.clone();
            // The copy first, to its end: it must leave nothing behind in the other.
            let ending = copy.run();
            assert_eq!(ending, world.run(), "{name} copied at {instant}");
            for (who, world) in [("the copy", &copy), ("the original", &world)] {
                assert_same(&format!("{name}, {who} from {instant} on"), entries(world), entries(&whole));
                assert_eq!(world.trace().digest(), whole.trace().digest());
            }
        }
    }
}

#[test]
fn a_fault_taken_away_changes_nothing_before_it_would_have_struck() {
    each_fault_taken_away(|what, instant, with, without| {
        assert!(healed(without) > instant, "{what}: the run must go on until {instant}");
        assert_same(what, before(with, instant), before(without, instant));
    });
}

#[test]
fn a_fault_taken_away_moves_neither_the_sends_nor_the_other_faults() {
    let mut compared = 0;
    each_fault_taken_away(|what, instant, with, without| {
        let model = with.view().model;
        for producer in 0..model.producers.len() {
            let (one, other) = (calls(with, producer), calls(without, producer));
            // Who has not heard of its topic yet, or waits for answers, is held up by faults, as it should be.
            if one[0] < instant && model.producers[producer].workload.waits == Waits::None {
                let moved = one.iter().zip(&other).find(|(one, other)| one != other);
                assert_eq!(
                    (moved, one.len()),
                    (None, other.len()),
                    "{what}: the sends of producer {producer}"
                );
                compared += 1;
            }
        }
        for (place, fault) in without.view().model.faults.iter().enumerate() {
            let before = model.faults.iter().position(|one| one == fault).expect("it was there before");
            if matches!(fault.when, When::At(_)) {
                assert_eq!(struck(with, before), struck(without, place), "{what}: fault {before}");
            }
        }
    });
    assert!(
        compared > 10 * seeds().min(100),
        "most producers have heard of their topic in time, not {compared}"
    );
}

/// Runs every model with all its faults and with all but one: for each, what it is, when the one strikes, and both runs.
fn each_fault_taken_away(mut check: impl FnMut(&str, Time, &World<()>, &World<()>)) {
    for (name, model) in models() {
        let less: Vec<Arc<Model>> = (0..model.faults.len()).map(|fault| without(&model, fault)).collect();
        for seed in 0..seeds().min(100) {
            let with = run(&model, seed);
            for (fault, less) in less.iter().enumerate() {
                let what = format!("{name} with seed {seed} without fault {fault}");
                let instant = struck(&with, fault).expect("every fault of these models strikes");
                check(&what, instant, &with, &run(less, seed));
            }
        }
    }
}

#[test]
fn nobody_changes_a_run_by_watching_it_or_by_keeping_its_trace() {
    for (name, model) in models() {
        let kept = run(&model, 2);
        let watched = {
            let mut world = World::new(&model, 2, false, Watcher::default());
            world.run();
            let Watcher { entries: seen, .. } = world.observer();
            assert_same(&format!("{name} as its observer was told"), seen, entries(&kept));
            assert!(world.trace().entries().is_none(), "nobody asked for a trace");
            world.trace().digest()
        };
        assert_eq!(watched, kept.trace().digest(), "{name} watched");
        assert_eq!(digest_of_one_not_watched(&model), kept.trace().digest(), "{name} without a trace");
    }
}

/// The models reach what they are made for: a fault that never strikes, or an act that never ends, would prove nothing.
#[test]
fn the_models_do_what_they_are_made_for() {
    for (name, model) in models() {
        let mut world = World::new(&model, 0, true, ());
        let Ending { settled, unquiet, .. } = world.run();
        assert!(settled, "{name} does not settle: {unquiet:?}");
        for fault in 0..model.faults.len() {
            assert!(struck(&world, fault).is_some(), "fault {fault} of {name} does not strike");
        }
    }
}

/// Looks at everything it may look at, and writes down everything it is told.
#[derive(Clone, Debug, Default)]
struct Watcher {
    entries: Vec<Entry<Happened>>,
    looked: u64,
}

impl Observer for Watcher {
    fn observe(&mut self, view: &View<'_>, entry: &Entry<Happened>) {
        self.entries.push(*entry);
        for broker in view.model.brokers() {
            self.looked += u64::from(view.is_running(broker));
            for partition in view.model.topics.iter().flat_map(|topic| topic.partitions()) {
                self.looked += view.log(broker, partition).map_or(0, |log| log.end().0);
                self.looked += view.high_watermark(broker, partition).map_or(0, |offset| offset.0);
                self.looked += view.partition(partition).isr.len() as u64;
            }
        }
    }
}

fn digest_of_one_not_watched(model: &Arc<Model>) -> Digest {
    let mut world = World::new(model, 2, false, ());
    world.run();
    world.trace().digest()
}

/// The model less one fault.
fn without(model: &Arc<Model>, fault: usize) -> Arc<Model> {
    let mut without = Model::clone(model);
    without.faults.remove(fault);
    Arc::new(without)
}

/// When a producer made its calls.
fn calls(world: &World<()>, producer: usize) -> Vec<Time> {
    let node = world.view().model.producer_node(producer);
    entries(world)
        .iter()
        .filter(|entry| entry.node == node && matches!(entry.what, Happened::Client(Client::Called { .. })))
        .map(|entry| entry.t)
        .collect()
}

/// When a fault struck, whether or not it could apply.
fn struck(world: &World<()>, fault: usize) -> Option<Time> {
    let strikes = [Happened::Struck { fault: fault as u32 }, Happened::NoEffect { fault: fault as u32 }];
    entries(world).iter().find(|entry| strikes.contains(&entry.what)).map(|entry| entry.t)
}

fn healed(world: &World<()>) -> Time {
    let healed = entries(world).iter().find(|entry| entry.what == Happened::Healed);
    healed.expect("every run is healed").t
}

/// What happened before an instant.
fn before(world: &World<()>, instant: Time) -> &[Entry<Happened>] {
    let entries = entries(world);
    &entries[..entries.partition_point(|entry| entry.t < instant)]
}

/// Names the first entry in which two traces differ, rather than printing both.
fn assert_same(what: &str, one: &[Entry<Happened>], other: &[Entry<Happened>]) {
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one, other, "{what}");
    }
    assert_eq!(one.len(), other.len(), "{what}: one trace goes on where the other ends");
}
