//! The simulator's own numbers, on the models below `models/bench/`: digest and all checks on, medians over several runs.
//!
//! Beside them a bare loop on `std::collections::BinaryHeap`, pop and push, for the machine's state at that moment: quote the
//! two together. `cargo bench` prints the table of the README.

#![allow(clippy::disallowed_types, reason = "a bench measures the wall clock")]
#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use highwater::check::Checks;
use highwater::scenario::model::Model;
use highwater::scenario::words::Count;
use highwater::scenario::{builtin, file};
use highwater::world::world::World;

/// The median of these is printed.
const RUNS: u64 = 7;
/// Whole cases in one of them.
const CASES: u64 = 500;

fn main() {
    // Cargo asks every target for its tests too; this one has none.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("| what | measured |");
    println!("|---|---|");
    let one = measure("bench/one-record-at-a-time", 1);
    println!("| one acks=all record at a time | {} ns an acknowledged record |", one.nanoseconds / one.acked);
    println!("| its events | {:.2} a record |", one.events as f64 / one.acked as f64);
    let case = measure("bench/whole-case", CASES);
    println!("| whole small cases | {} a second |", 1_000_000_000 * CASES / case.nanoseconds);
    println!("| their events | {} a case |", case.events / CASES);
    let idle = measure("bench/idle-hour", 1);
    println!("| an idle hour | {:.1} ms |", idle.nanoseconds as f64 / 1e6);
    for pending in [12, 1_000] {
        let times: Vec<u64> = (0..RUNS).map(|_| bare_loop(pending)).collect();
        println!("| bare loop, pop and push, {pending} pending | {} ns an event |", median(times));
    }
}

struct Measured {
    nanoseconds: u64,
    acked: u64,
    events: u64,
}

/// Runs a model with so many seeds one after the other in one world; the time is the median of several such rows.
fn measure(name: &str, seeds: u64) -> Measured {
    let model = builtin::find(name).expect("it is compiled in");
    let model = Arc::new(file::read(model.name, model.text).expect("it is well formed"));
    let mut world = World::new(&model, model.seed, false, Checks::new(&model));
    let (mut times, mut acked, mut events) = (Vec::new(), 0, 0);
    for _ in 0..RUNS {
        (acked, events) = (0, 0);
        let started = Instant::now();
        for seed in 0..seeds {
            acked += case(&model, &mut world, seed);
            events += world.events();
        }
        times.push(started.elapsed().as_nanos() as u64);
    }
    Measured { nanoseconds: median(times), acked, events }
}

/// One case, judged.
fn case(model: &Arc<Model>, world: &mut World<Checks>, seed: u64) -> u64 {
    world.reset(model, seed);
    world.observer_mut().reset(model);
    let ending = world.run();
    let judgement = world.observer().judge(&world.view(), &ending);
    assert!(!judgement.is_violation(), "{} --seed {seed}: what Kafka promises is kept", model.name);
    judgement.outcome.total.get(Count::Acked).expect("a number")
}

/// Nanoseconds to take the next event of so many and put another in.
fn bare_loop(pending: u64) -> u64 {
    const EVENTS: u64 = 1_000_000;
    let mut heap: BinaryHeap<Reverse<(u64, u64)>> =
        (0..pending).map(|n| Reverse((n * 7_919 % 1_000, n))).collect();
    let mut state = 1_u64;
    let started = Instant::now();
    for n in 0..EVENTS {
        let Reverse((time, _)) = heap.pop().expect("some are pending");
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        heap.push(Reverse((time + (state >> 54), n)));
    }
    std::hint::black_box(&heap);
    started.elapsed().as_nanos() as u64 / EVENTS
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}
