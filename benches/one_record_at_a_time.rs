//! W1: one acks=all record in flight at a time, three brokers, links of 1 to 10 ms. Digest and all checks on.
//!
//! Beside it a bare loop on `std::collections::BinaryHeap`, pop and push, for the machine's state: quote the two together.

#![allow(clippy::disallowed_types, reason = "a bench measures the wall clock")]
#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use highwater::check::Checks;
use highwater::scenario::words::Count;
use highwater::scenario::{builtin, file};
use highwater::world::world::World;

/// The median of these runs is printed.
const RUNS: usize = 7;

fn main() {
    let model = builtin::find("bench/one-record-at-a-time").expect("it is compiled in");
    let model = Arc::new(file::read(model.name, model.text).expect("it is well formed"));
    let (mut nanoseconds, mut bare) = (Vec::new(), Vec::new());
    let (mut records, mut events) = (0, 0);
    for _ in 0..RUNS {
        bare.push([bare_loop(12), bare_loop(1_000)]);
        let started = Instant::now();
        let mut world = World::new(&model, model.seed, false, Checks::new(&model));
        let ending = world.run();
        nanoseconds.push(started.elapsed().as_nanos() as u64);
        let judgement = world.observer().judge(&world.view(), &ending);
        records = judgement.outcome.total.get(Count::Acked).expect("a number");
        events = world.events();
        assert!(!judgement.is_violation(), "a healthy run breaks nothing");
    }
    let each = median(&nanoseconds) / records;
    println!("| what | measured |");
    println!("|---|---|");
    println!("| one acks=all record at a time, all checks on | {} ns an acknowledged record |", each);
    println!("| events | {:.2} a record |", events as f64 / records as f64);
    println!("| time an event | {} ns |", median(&nanoseconds) / events);
    for (column, pending) in [12, 1_000].into_iter().enumerate() {
        let times: Vec<u64> = bare.iter().map(|row| row[column]).collect();
        println!("| bare loop, pop and push, {pending} pending | {} ns an event |", median(&times));
    }
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

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
