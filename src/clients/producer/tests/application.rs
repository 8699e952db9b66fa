//! The application: when it sends, what holds it up, and how it ends.

use super::*;

#[test]
fn a_full_buffer_blocks_and_then_fails() {
    let two_batches = ProducerOptions {
        batch_size: Bytes::new(200),
        buffer_memory: Bytes::new(400),
        max_block: MS(1_000),
        ..options()
    };
    let mut rig = Rig::started(two_batches, workload(4), 1);
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[1-1]#1"]);
    assert_eq!((rig.producer.sent(), rig.producer.unanswered()), (2, 2));
    rig.pass(MS(999));
    rig.answer(1, ErrorCode::None);
    assert_eq!(rig.read(), ["0-0 success", "to 1: p0[2-2]#2"]);
    rig.pass(MS(1_000));
    assert_eq!(rig.read(), ["3-3 TimeoutException"]);
    assert!(!rig.has_ended && rig.producer.unanswered() == 2);
}

#[test]
fn without_metadata_a_send_blocks_and_then_fails() {
    let short = ProducerOptions { max_block: MS(1_000), ..options() };
    let mut rig = Rig::new(short, paced(3), 1);
    rig.silent = vec![NodeId(1), NodeId(2), NodeId(3)];
    rig.feed(Event::Start);
    rig.pass(MS(999));
    assert!(rig.read().is_empty());
    rig.pass(MS(1));
    assert_eq!(rig.read(), ["0-0 TimeoutException"], "the next has a second of its own");
    rig.silent.clear();
    rig.pass(MS(999));
    assert!(rig.read().is_empty(), "still connecting to a broker that was silent");
    rig.pass(MS(60_000));
    assert!(rig.has_ended);
}

#[test]
fn records_that_can_never_be_sent_are_refused_at_once() {
    let cases = [
        (ProducerOptions { max_request_size: Bytes::new(150), ..options() }, 0),
        (ProducerOptions { buffer_memory: Bytes::new(150), ..options() }, 3),
    ];
    for (options, keys) in cases {
        let mut rig = Rig::started(options, Workload { keys, ..workload(2) }, 1);
        assert_eq!(rig.read(), ["0-0 RecordTooLargeException", "1-1 RecordTooLargeException"]);
        assert!(rig.has_ended);
    }
}

#[test]
fn without_acks_what_is_handed_over_is_delivered() {
    let zero = ProducerOptions { acks: Acks::Zero, idempotence: false, ..options() };
    let mut rig = Rig::started(zero, Workload { waits: Waits::Every(1), ..workload(3) }, 1);
    let expected = ["to 1: p0[0-0]", "0-0 success", "to 1: p0[1-1]", "1-1 success"];
    assert_eq!(rig.read()[..4], expected);
    assert!(rig.has_ended, "nothing is waited for");
    let mut rig = Rig::started(zero, paced(2), 1);
    rig.disconnect(1);
    rig.pass(MS(2_000));
    assert_eq!(rig.read(), ["to 1: p0[0-0]", "0-0 success", "to 1: p0[1-1]", "1-1 success"]);
}

#[test]
fn an_application_that_waits_sends_in_groups() {
    for (sends, groups) in [(1, vec!["[0-0]", "[1-1]", "[2-2]"]), (2, vec!["[0-1]", "[2-2]"])] {
        let waiting = Workload { waits: Waits::Every(sends), ..workload(3) };
        let mut rig = Rig::started(options(), waiting, 1);
        for group in groups {
            let words = rig.read();
            assert!(words.len() == 1 && words[0].contains(group), "{words:?}");
            rig.answer(1, ErrorCode::None);
            rig.words.retain(|word| word.starts_with("to"));
        }
        assert!(rig.has_ended);
    }
}

#[test]
fn an_application_that_exits_takes_what_is_in_memory() {
    let exits = Workload { at_end: AtEnd::Exit, ..workload(3) };
    let mut rig = Rig::started(options(), exits, 1);
    assert_eq!(rig.read(), ["gone"], "not even drained");
    assert!(rig.has_ended && rig.producer.is_done());
    let mut rig = Rig::started(options(), Workload { waits: Waits::Every(3), ..exits }, 1);
    rig.answer(1, ErrorCode::None);
    assert_eq!(rig.read(), ["to 1: p0[0-2]#0", "0-2 success"], "it had waited for all");
    assert!(rig.has_ended);
}

#[test]
fn records_come_at_their_rate() {
    // The rig rings a Poisson alarm after its mean.
    for (rate, sent) in [(Rate::Every(MS(10)), 3), (Rate::Poisson(MS(10)), 2), (Rate::Unbounded, 5)] {
        let mut rig = Rig::started(options(), Workload { rate, ..workload(5) }, 1);
        rig.pass(MS(25));
        assert_eq!(rig.producer.sent(), sent, "{rate:?}");
    }
    // One that was held up catches up.
    let held_up = Workload { waits: Waits::Every(1), ..paced(5) };
    let mut rig = Rig::started(options(), held_up, 1);
    rig.pass(MS(100));
    assert_eq!(rig.producer.sent(), 1);
    for _ in 0..5 {
        rig.answer(1, ErrorCode::None);
    }
    assert!(rig.has_ended);
}

#[test]
fn a_killed_process_does_nothing_more() {
    let mut rig = Rig::started(options(), paced(5), 1);
    rig.read();
    assert_eq!(rig.producer.unanswered(), 1);
    rig.producer.crash();
    rig.pass(MS(200_000));
    assert!(rig.read().is_empty() && rig.producer.is_done() && !rig.has_ended);
}
