//! Brokers that are asked to stop, as running clusters were seen to: who leads when, when processes end, and how they come back.
//!
//! Observed of Kafka 4.1.1, in ms from SIGTERM: a follower is out of the in-sync set after 55 to 68 and gone after 270 to 480; a
//! leader's partitions are led by others after 58 to 173, the controller lets it go after 2 110 to 2 220 (once the others'
//! next heartbeats have said that they know), and it is gone after 2 490 to 2 710. Started again at once it registers, and is
//! back in sync, 9 100 to 9 800 later: its former session has to run out.

mod common;

use std::ops::RangeInclusive;

use highwater::kernel::trace::What;
use highwater::world::world::World;

/// What happened at a node, by its word and one of its numbers, and when: each time in milliseconds from the beginning of the
/// run, and no more often.
type Seen<'a> = (&'a str, u16, Option<(&'a str, i64)>, &'a [RangeInclusive<u64>]);

const CLEAN: Option<(&str, i64)> = Some(("clean", 1));
const UNCLEAN: Option<(&str, i64)> = Some(("clean", 0));
const CONTROLLER: u16 = 4;

/// One partition on brokers 1, 2 and 3, led by 1; 200 records a second until 4 s; the faults; what is seen after the start.
const CASES: &[(&str, &str, &[Seen<'_>])] = &[
    (
        "a follower",
        r#"{ at = "1s", do = "stop", on = "broker(3)", for = "30s" }"#,
        &[
            ("epoch", CONTROLLER, Some(("isr", 0b110)), &[1_000..=1_068]),
            ("fenced", CONTROLLER, Some(("fenced", 1)), &[1_000..=1_068]),
            ("stopped", 3, None, &[1_001..=1_480]),
            ("recovered", 3, CLEAN, &[32_200..=32_201]),
        ],
    ),
    (
        "the leader, started again at once",
        r#"{ at = "1s", do = "stop", on = "leader(orders-0)", for = "1ms" }"#,
        &[
            ("shutting-down", CONTROLLER, None, &[1_000..=1_173]),
            ("epoch", CONTROLLER, Some(("leader", 2)), &[1_000..=1_173, 12_200..=13_500]),
            ("leads", 2, None, &[1_001..=1_173]),
            ("fenced", CONTROLLER, Some(("fenced", 1)), &[3_000..=3_220]),
            ("stopped", 1, None, &[3_000..=3_710]),
            ("recovered", 1, CLEAN, &[4_200..=4_910]),
            ("registered", CONTROLLER, None, &[12_050..=13_500]),
        ],
    ),
    (
        "all, one after the other: whoever is eligible leads as soon as it is back",
        r#"{ at = "5s", do = "stop", on = "broker(3)", for = "15s" },
           { at = "6s", do = "stop", on = "broker(2)", for = "24s" },
           { at = "7s", do = "stop", on = "broker(1)", for = "33s" }"#,
        &[
            ("epoch", CONTROLLER, Some(("elr", 0b100)), &[6_000..=6_068]),
            ("epoch", CONTROLLER, Some(("leader", -1)), &[7_000..=7_173]),
            // From the eligible leader replicas, in the first moment of its second life, without the others.
            ("epoch", CONTROLLER, Some(("election", 1)), &[31_200..=31_300]),
            ("leads", 2, None, &[31_200..=31_300]),
            ("recovered", 1, CLEAN, &[41_200..=41_201]),
        ],
    ),
    (
        "without a controller: five minutes, then all the same",
        r#"{ at = "500ms", do = "crash", on = "controller", for = "310s" },
           { at = "1s", do = "stop", on = "broker(1)", for = "310s" }"#,
        &[("stopped", 1, None, &[301_000..=301_480]), ("recovered", 1, CLEAN, &[312_200..=312_201])],
    ),
    (
        "killed while it waits to be let go",
        r#"{ at = "1s", do = "stop", on = "broker(1)", for = "20s" },
           { at = "2s", do = "crash", on = "broker(1)", for = "1s" }"#,
        &[
            ("crashed", 1, None, &[2_000..=2_000]),
            ("stopped", 1, None, &[]),
            ("recovered", 1, UNCLEAN, &[22_200..=22_201]),
        ],
    ),
    (
        "before it serves it ends as if it were killed",
        r#"{ at = "1s", do = "crash", on = "broker(3)", for = "100ms" },
           { at = "4s", do = "stop", on = "broker(3)", for = "20s" }"#,
        &[
            ("crashed", 3, None, &[1_000..=1_000, 4_000..=4_000]),
            ("stopped", 3, None, &[]),
            ("recovered", 3, UNCLEAN, &[2_300..=2_301, 25_200..=25_201]),
        ],
    ),
    (
        "while it stands still it does not hear of it",
        r#"{ at = "1s", do = "pause", on = "broker(3)", for = "2s" },
           { at = "2s", do = "stop", on = "broker(3)", for = "20s" }"#,
        &[("stopping", 3, None, &[2_000..=2_000]), ("stopped", 3, None, &[3_000..=3_480])],
    ),
];

#[test]
fn stops_are_as_observed() {
    for &(name, faults, seen) in CASES {
        let text = format!(
            r#"
            cluster = {{ brokers = 3, start_time = "1200ms" }}
            topics.orders = {{ partitions = 1, replication.factor = 3, min.insync.replicas = 2 }}
            producers.web = {{ into = "orders", records = 800, rate = "200/s", acks = "all" }}
            faults = [{faults}]
            run.until = "400s"
            "#
        );
        let model = common::model(name, &text);
        for seed in 0..8 {
            let mut world = World::new(&model, seed, true, ());
            let ending = world.run();
            assert!(ending.settled, "{name}, seed {seed}: {:?}", ending.unquiet);
            for &(word, node, number, expected) in seen {
                let has = |what: &highwater::world::happened::Happened| {
                    let mut found = number.is_none();
                    what.integers(&mut |name, value| found |= Some((name, value)) == number);
                    found
                };
                let entries = world.trace().entries().expect("the trace was to be kept").iter();
                let at: Vec<u64> = entries
                    .filter(|entry| entry.t.nanoseconds() > 0 && entry.node.0 == node)
                    .filter(|entry| entry.what.word() == word && has(&entry.what))
                    .map(|entry| entry.t.nanoseconds() / 1_000_000)
                    .collect();
                let fits = at.len() == expected.len()
                    && at.iter().zip(expected).all(|(at, range)| range.contains(at));
                assert!(
                    fits,
                    "{name}, seed {seed}: {word} {number:?} at node {node} at {at:?} ms, not {expected:?}"
                );
            }
        }
    }
}
