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
    assert_eq!(rig.read(), ["3-3 BufferExhaustedException"]);
    assert!(!rig.has_ended && rig.producer.unanswered() == 2);
}

/// `RecordAccumulator.ready`: `exhausted`.
#[test]
fn nothing_lingers_while_a_call_waits_for_memory() {
    // Room for the batches of two partitions, of six.
    let two = ProducerOptions {
        linger: MS(1_000),
        batch_size: Bytes::new(400),
        buffer_memory: Bytes::new(800),
        ..options()
    };
    let mut rig = Rig::new(two, Workload { keys: 50, ..workload(50) }, 6);
    rig.leaders = vec![Some(NodeId(1)); 6];
    rig.feed(Event::Start);
    let words = rig.read();
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(words[0].matches('p').count(), 2, "{words:?}");
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
fn a_full_buffer_drops_or_rejects() {
    let one_batch =
        ProducerOptions { batch_size: Bytes::new(200), buffer_memory: Bytes::new(200), ..options() };
    let cases = [
        (Full::Drop, OnError::Log, &["to 1: p0[0-0]#0"][..], 1),
        (Full::Reject, OnError::Log, &["to 1: p0[0-0]#0", "1-1 BufferExhaustedException"], 1),
        (Full::Reject, OnError::Resend, &["to 1: p0[0-0]#0", "1-1 BufferExhaustedException"], 2),
        // An outbox has what its application throws away.
        (Full::Drop, OnError::Outbox, &["to 1: p0[0-0]#0"], 2),
    ];
    for (full, on_error, at_once, arrive) in cases {
        let mut rig = Rig::started(one_batch, Workload { full, on_error, ..paced(2) }, 1);
        rig.pass(MS(10));
        // Nothing is drained before the application has had its turn; one record a millisecond.
        assert_eq!(rig.read(), at_once, "{full:?} {on_error:?}");
        rig.answer(1, ErrorCode::None);
        rig.pass(MS(100));
        let then = rig.read();
        assert_eq!(then[0], "0-0 success");
        assert_eq!(then.get(1).map(String::as_str), (arrive == 2).then_some("to 1: p0[1-1]#1"), "{full:?}");
        while !rig.requests.is_empty() {
            rig.answer(1, ErrorCode::None);
        }
        assert!(rig.has_ended, "{full:?} {on_error:?}");
    }
}

#[test]
fn what_failed_is_sent_again_or_is_the_last() {
    let no_retries = ProducerOptions { retries: 0, idempotence: false, ..options() };
    let refused = |on_error, error, expected: &[&str]| {
        let mut rig = Rig::started(no_retries, Workload { on_error, ..paced(3) }, 1);
        rig.read();
        rig.answer(1, error);
        rig.pass(MS(101));
        while !rig.requests.is_empty() {
            rig.answer(1, ErrorCode::None);
        }
        assert!(rig.has_ended);
        rig.words.retain(|word| !word.ends_with("success"));
        assert_eq!(rig.read(), expected, "{on_error:?} {error:?}");
    };
    let full = ErrorCode::NotEnoughReplicas;
    let all = ["0-0 NOT_ENOUGH_REPLICAS", "to 1: p0[1-1]", "to 1: p0[2-2]"];
    refused(OnError::Ignore, full, &all);
    refused(OnError::Log, full, &all);
    let again = [&all[..], &["to 1: p0[0-0]"]].concat();
    refused(OnError::Resend, full, &again);
    refused(OnError::Outbox, full, &again);
    refused(OnError::Stop, full, &all[..1]);
    // It would be too large again.
    refused(OnError::Resend, ErrorCode::MessageTooLarge, &["0-0 MESSAGE_TOO_LARGE", all[1], all[2]]);
}

#[test]
fn one_that_waits_sends_again_before_it_goes_on() {
    let no_retries = ProducerOptions { retries: 0, idempotence: false, ..options() };
    let waiting = Workload { waits: Waits::Every(1), on_error: OnError::Resend, ..workload(2) };
    let mut rig = Rig::started(no_retries, waiting, 1);
    rig.answer(1, ErrorCode::NotEnoughReplicas);
    rig.pass(MS(100));
    rig.answer(1, ErrorCode::None);
    let expected =
        ["to 1: p0[0-0]", "0-0 NOT_ENOUGH_REPLICAS", "to 1: p0[0-0]", "0-0 success", "to 1: p0[1-1]"];
    assert_eq!(rig.read(), expected);
}

#[test]
fn what_fails_while_it_closes_cannot_be_sent_again_but_while_it_flushes() {
    let no_retries = ProducerOptions { retries: 0, idempotence: false, linger: MS(50), ..options() };
    for (at_end, on_error, sends_again) in [
        (AtEnd::Close, OnError::Resend, false),
        (AtEnd::Flush, OnError::Resend, true),
        // An outbox is not closed before it is empty.
        (AtEnd::Close, OnError::Outbox, true),
        (AtEnd::Flush, OnError::Log, false),
    ] {
        let mut rig = Rig::started(no_retries, Workload { at_end, on_error, ..workload(1) }, 1);
        assert_eq!(rig.read(), ["to 1: p0[0-0]"], "nothing lingers at the end");
        rig.answer(1, ErrorCode::NotEnoughReplicas);
        assert_eq!(rig.has_ended, !sends_again, "{at_end:?} {on_error:?}");
        rig.pass(MS(100));
        assert_eq!(rig.read().len(), 1 + usize::from(sends_again));
        if sends_again {
            rig.answer(1, ErrorCode::None);
        }
        assert!(rig.has_ended);
    }
}

/// `Sender.run`: what is under way may still reach a broker.
#[test]
fn close_waits_for_requests_though_their_batches_were_given_up() {
    let short = ProducerOptions { delivery_timeout: MS(1_000), ..options() };
    for (at_end, waits) in [(AtEnd::Close, true), (AtEnd::Flush, false)] {
        let mut rig = Rig::started(short, Workload { at_end, ..workload(1) }, 1);
        rig.pass(MS(1_000));
        assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "0-0 TimeoutException"]);
        assert_eq!(rig.has_ended, !waits);
        rig.answer(1, ErrorCode::None);
        assert!(rig.has_ended && rig.read().is_empty());
    }
}

#[test]
fn a_killed_process_does_nothing_more_and_the_next_goes_on() {
    for on_error in [OnError::Log, OnError::Outbox] {
        let mut rig = Rig::started(options(), Workload { on_error, ..paced(5) }, 1);
        rig.pass(MS(2));
        rig.answer(1, ErrorCode::None);
        assert_eq!(rig.producer.unanswered(), 2);
        rig.read();
        rig.producer.crash();
        (rig.alarms, rig.requests) = Default::default();
        rig.pass(MS(200_000));
        assert!(rig.read().is_empty() && !rig.producer.is_done() && !rig.has_ended);
        rig.feed(Event::Start);
        rig.pass(MS(5));
        // Under an id of its own, which the rig always gives the same: numbers begin at 0.
        let next = match on_error {
            OnError::Outbox => vec!["to 1: p0[1-3]#0", "to 1: p0[4-4]#3"],
            OnError::Ignore | OnError::Log | OnError::Resend | OnError::Stop => {
                vec!["to 1: p0[3-3]#0", "to 1: p0[4-4]#1"]
            }
        };
        assert_eq!((rig.read(), rig.asked_for_id), (next.into_iter().map(str::to_owned).collect(), 2));
    }
}

#[test]
fn a_call_that_waited_for_memory_was_made_and_one_for_metadata_was_not() {
    let one_batch =
        ProducerOptions { batch_size: Bytes::new(200), buffer_memory: Bytes::new(200), ..options() };
    for (is_silent, sent) in [(false, 2), (true, 0)] {
        let mut rig = Rig::new(one_batch, workload(3), 1);
        if is_silent {
            rig.silent = vec![NodeId(1), NodeId(2), NodeId(3)];
        }
        rig.feed(Event::Start);
        rig.producer.crash();
        assert_eq!(rig.producer.sent(), sent);
        assert_eq!(rig.producer.make_no_more_calls(), 3 - sent);
    }
}

/// The partitions of what was sent, in the order of sending.
fn partitions(rig: &mut Rig) -> String {
    let words = rig.read();
    words.iter().flat_map(|word| word.split('p').skip(1).map(|rest| rest[..1].to_owned())).collect()
}

#[test]
fn the_class_of_the_partitioner_and_what_it_looks_at() {
    let each = ProducerOptions { batch_size: Bytes::ZERO, ..options() };
    let round_robin = ProducerOptions { partitioner: PartitionerClass::RoundRobin, ..each };
    let mut rig = Rig::started(round_robin, Workload { keys: 1, ..paced(6) }, 3);
    rig.pass(MS(10));
    assert_eq!(partitions(&mut rig), "012012", "whatever the key");
    let mut rig = Rig::started(each, Workload { keys: 1, ..paced(6) }, 3);
    rig.pass(MS(10));
    let by_key = partitions(&mut rig);
    assert!(by_key.chars().all(|one| by_key.starts_with(one)), "{by_key}");
    let mut rig =
        Rig::started(ProducerOptions { ignore_keys: true, ..each }, Workload { keys: 1, ..paced(30) }, 3);
    rig.pass(MS(50));
    let without = partitions(&mut rig);
    assert!(["0", "1", "2"].iter().all(|one| without.contains(one)), "{without}");
}

#[test]
fn a_leader_that_takes_nothing_is_given_less_or_after_a_while_nothing() {
    let one_each = ProducerOptions { batch_size: Bytes::ZERO, max_in_flight: 1, ..options() };
    for (adaptive_partitioning, availability_timeout, to_the_silent) in
        [(false, MS(0), 50..=90), (true, MS(0), 10..=45), (true, MS(20), 1..=20)]
    {
        let options = ProducerOptions { adaptive_partitioning, availability_timeout, ..one_each };
        let mut rig = Rig::started(options, paced(200), 3);
        for _ in 0..200 {
            rig.pass(MS(1));
            // Broker 1 never answers.
            for node in [2, 3] {
                while rig.requests.iter().any(|request| request.0 == NodeId(node)) {
                    rig.answer(node, ErrorCode::None);
                }
            }
        }
        let queued = rig.producer.accumulator.partition(Place(0)).queue.len();
        assert!(to_the_silent.contains(&queued), "{queued} {adaptive_partitioning} {availability_timeout}");
    }
}

#[test]
fn a_leader_that_cannot_be_reached_is_stuck_from_when_there_is_something_for_it() {
    for (availability_timeout, to_the_silent) in [(MS(0), 8..=20), (MS(20), 2..=6)] {
        let one_each = ProducerOptions { batch_size: Bytes::ZERO, availability_timeout, ..options() };
        let mut rig = Rig::new(one_each, paced(200), 3);
        rig.silent = vec![NodeId(2)];
        rig.now = Time::ZERO + MS(100_000);
        rig.feed(Event::Start);
        for _ in 0..200 {
            rig.pass(MS(1));
            for node in [1, 3] {
                while rig.requests.iter().any(|request| request.0 == NodeId(node)) {
                    rig.answer(node, ErrorCode::None);
                }
            }
        }
        let queued = rig.producer.accumulator.partition(Place(1)).queue.len();
        assert!(to_the_silent.contains(&queued), "{queued} {availability_timeout}");
    }
}
