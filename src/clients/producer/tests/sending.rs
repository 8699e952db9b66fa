//! Batches: when they go, in which order, how often, and under which numbers.

use super::*;

#[test]
fn all_is_sent_told_and_closed() {
    let mut rig = Rig::started(options(), workload(3), 1);
    assert_eq!(rig.read(), ["to 1: p0[0-2]#0"]);
    assert!(rig.producer.has_sent_all() && !rig.producer.is_done() && rig.producer.unanswered() == 3);
    rig.answer(1, ErrorCode::None);
    assert_eq!(rig.read(), ["0-2 success"]);
    assert!(rig.has_ended && rig.producer.is_done());
    assert_eq!(rig.store.lists_in_use(), 0);
}

#[test]
fn batches_close_by_size_or_by_linger() {
    // 61 bytes for the batch and 109 for a record: three fit into 400, not four.
    let lingering = ProducerOptions { linger: MS(5), batch_size: Bytes::new(400), ..options() };
    let mut rig = Rig::started(lingering, paced(5), 1);
    rig.pass(MS(2));
    assert!(rig.read().is_empty(), "three records linger");
    rig.pass(MS(1));
    assert_eq!(rig.read(), ["to 1: p0[0-2]#0"], "the fourth begins a batch, which fills the first");
    rig.pass(Span::from_nanoseconds(999_999));
    assert!(rig.read().is_empty());
    rig.pass(MS(5));
    assert_eq!(rig.read(), ["to 1: p0[3-4]#3"], "closing does not linger");

    let mut rig = Rig::started(lingering, Workload { rate: Rate::Every(MS(4)), ..workload(9) }, 1);
    rig.pass(MS(5));
    assert_eq!(rig.read(), ["to 1: p0[0-1]#0"], "five milliseconds after its first record");
    rig.pass(MS(8));
    assert_eq!(rig.read(), ["to 1: p0[2-3]#2"]);
}

#[test]
fn no_more_requests_are_in_flight_than_may_be() {
    for max_in_flight in [1, 2, 5] {
        let mut rig = Rig::started(ProducerOptions { max_in_flight, ..options() }, paced(20), 1);
        rig.pass(MS(10));
        assert_eq!(rig.requests.len(), max_in_flight as usize);
        rig.read();
        rig.answer(1, ErrorCode::None);
        let first = max_in_flight;
        assert_eq!(rig.read(), ["0-0 success".to_owned(), format!("to 1: p0[{first}-10]#{first}")]);
    }
}

#[test]
fn one_batch_of_each_partition_goes_into_a_request() {
    let mut rig = Rig::new(options(), Workload { keys: 50, ..workload(50) }, 6);
    rig.leaders = vec![Some(NodeId(1)); 6];
    rig.feed(Event::Start);
    let words = rig.read();
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(words[0].matches('p').count(), 6, "{words:?}");
    rig.answer(1, ErrorCode::None);
    assert!(rig.has_ended);
}

/// `RecordAccumulator.drainBatchesForOneNode`.
#[test]
fn a_request_holds_batches_up_to_its_most_and_one_at_least() {
    for (most, batches) in [(2_000, 2), (500, 1)] {
        let small = ProducerOptions { max_request_size: Bytes::new(most), max_in_flight: 1, ..options() };
        let mut rig = Rig::new(small, Workload { keys: 50, ..workload(50) }, 6);
        rig.leaders = vec![Some(NodeId(1)); 6];
        rig.feed(Event::Start);
        // Each partition has about eight records of 109 bytes.
        let mut requests = 0;
        while !rig.has_ended {
            requests += 1;
            let words = rig.read();
            let sent = words.iter().find(|word| word.starts_with("to 1")).expect("something is sent");
            assert!((1..=batches).contains(&sent.matches('p').count()), "{sent}");
            rig.answer(1, ErrorCode::None);
        }
        assert!(requests >= 6 / batches, "{requests}");
    }
}

#[test]
fn after_a_disconnection_batches_keep_their_numbers_and_their_order() {
    let mut rig = Rig::started(options(), paced(3), 1);
    rig.pass(MS(2));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[1-1]#1", "to 1: p0[2-2]#2"]);
    rig.disconnect(1);
    rig.pass(MS(79));
    assert!(rig.read().is_empty(), "a retry waits at least 80 ms");
    rig.pass(MS(1));
    // The first alone, until it is known to be in the log: then the rest.
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0"]);
    rig.answer(1, ErrorCode::DuplicateSequenceNumber);
    assert_eq!(rig.read(), ["0-0 success", "to 1: p0[1-1]#1"]);
    rig.answer(1, ErrorCode::None);
    rig.pass(Span::ZERO);
    assert_eq!(rig.read(), ["1-1 success", "to 1: p0[2-2]#2"]);
}

#[test]
fn a_retry_overtakes_without_idempotence_and_is_overtaken() {
    let cases = [
        // (idempotence, in flight, what is sent when the first of two was refused)
        (false, 5, vec!["to 1: p0[0-0]", "to 1: p0[1-1]", "1-1 success", "to 1: p0[0-0]"]),
        (true, 5, vec!["to 1: p0[0-0]#0", "to 1: p0[1-1]#1", "to 1: p0[0-0]#0"]),
        (false, 1, vec!["to 1: p0[0-0]", "to 1: p0[0-0]"]),
    ];
    for (idempotence, max_in_flight, expected) in cases {
        let mut rig = Rig::started(ProducerOptions { idempotence, max_in_flight, ..options() }, paced(2), 1);
        rig.pass(MS(1));
        rig.answer(1, ErrorCode::NotEnoughReplicas);
        if max_in_flight > 1 {
            // A broker that refused 0 refuses 1 if it looks at numbers.
            let next = if idempotence { ErrorCode::OutOfOrderSequenceNumber } else { ErrorCode::None };
            rig.answer(1, next);
        }
        rig.pass(MS(80));
        assert_eq!(rig.read(), expected);
        rig.answer(1, ErrorCode::None);
        if !rig.producer.is_done() {
            rig.answer(1, ErrorCode::None);
        }
        assert!(rig.has_ended, "{:?}", rig.read());
    }
}

#[test]
fn delivery_has_its_time() {
    // Under way: it is told as timed out, and what the answer says then does not matter.
    let short = ProducerOptions { delivery_timeout: MS(40_000), request_timeout: MS(39_990), ..options() };
    let mut rig = Rig::started(short, workload(1), 1);
    rig.silent = vec![NodeId(1), NodeId(2), NodeId(3)];
    rig.read();
    rig.pass(MS(39_989));
    assert!(rig.read().is_empty());
    rig.pass(MS(11));
    assert_eq!(rig.read(), ["0-0 TimeoutException"]);
    assert!(rig.has_ended);

    // Nobody leads: it never goes anywhere.
    let mut rig = Rig::new(short, workload(2), 1);
    rig.leaders = vec![None];
    rig.feed(Event::Start);
    rig.pass(MS(40_000));
    assert_eq!(rig.read(), ["0-1 TimeoutException"]);
    assert!(rig.questions > 20, "it asks for the leader all the time: {}", rig.questions);

    // The answer comes after all.
    let late = ProducerOptions { delivery_timeout: MS(1_000), ..options() };
    let mut rig = Rig::started(late, Workload { rate: Rate::Every(MS(5_000)), ..workload(2) }, 1);
    rig.pass(MS(2_000));
    rig.answer(1, ErrorCode::None);
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "0-0 TimeoutException"]);
    rig.pass(MS(3_000));
    assert_eq!(rig.read(), ["to 1: p0[1-1]#1"]);
}

#[test]
fn what_is_refused_at_the_instant_its_time_is_up_is_told_as_refused() {
    let short = ProducerOptions { delivery_timeout: MS(1_000), ..options() };
    let mut rig = Rig::started(short, workload(1), 1);
    rig.pass(MS(999));
    rig.now += MS(1);
    rig.answer(1, ErrorCode::NotEnoughReplicas);
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "0-0 NOT_ENOUGH_REPLICAS"]);
}

/// `TransactionManager.maybeResolveSequences`.
#[test]
fn while_the_fate_of_one_that_was_given_up_is_open_nothing_new_is_sent() {
    let short = ProducerOptions { delivery_timeout: MS(1_000), ..options() };
    let mut rig = Rig::started(short, Workload { rate: Rate::Every(MS(500)), ..workload(3) }, 1);
    rig.pass(MS(600));
    rig.disconnect(1);
    rig.pass(MS(800));
    let sent = ["to 1: p0[0-0]#0", "to 1: p0[1-1]#1", "to 1: p0[0-0]#0", "0-0 TimeoutException"];
    assert_eq!(rig.read()[..4], sent);
    assert_eq!(rig.producer.sent(), 3);
    rig.answer(1, ErrorCode::None);
    rig.pass(MS(1));
    assert_eq!(rig.requests.len(), 1, "of 1, not of 2");
    rig.answer(1, ErrorCode::None);
    assert_eq!(rig.read().last().map(String::as_str), Some("to 1: p0[2-2]#2"), "there is no gap after all");
}

/// `TransactionManager.canRetry`.
#[test]
fn behind_one_that_was_given_up_only_the_next_number_ends_the_epoch_if_it_is_out_of_order() {
    use ErrorCode::{NotEnoughReplicas, OutOfOrderSequenceNumber};
    let short = ProducerOptions { delivery_timeout: MS(1_000), ..options() };
    let cases = [
        ([OutOfOrderSequenceNumber, OutOfOrderSequenceNumber], "to 1: p0[1-1]#0e1"),
        ([NotEnoughReplicas, OutOfOrderSequenceNumber], "to 1: p0[1-1]#1"),
    ];
    for (answers, again) in cases {
        let mut rig = Rig::started(short, Workload { rate: Rate::Every(MS(400)), ..workload(3) }, 1);
        rig.answer(1, NotEnoughReplicas);
        rig.pass(MS(1_000));
        let sent = ["to 1: p0[0-0]#0", "to 1: p0[0-0]#0", "to 1: p0[1-1]#1", "to 1: p0[2-2]#2"];
        assert_eq!(rig.read(), [&sent[..], &["0-0 TimeoutException"]].concat());
        rig.answer(1, NotEnoughReplicas);
        answers.into_iter().for_each(|error| rig.answer(1, error));
        rig.pass(MS(80));
        assert_eq!(rig.read(), [again], "{answers:?}");
    }
}

/// `TxnPartitionEntry.maybeUpdateLastAckedSequence`.
#[test]
fn what_is_in_the_log_after_all_counts_though_a_later_one_was_first() {
    let short = ProducerOptions { delivery_timeout: MS(1_000), ..options() };
    let mut rig = Rig::started(short, Workload { rate: Rate::Every(MS(600)), ..workload(3) }, 1);
    rig.pass(MS(601));
    rig.answer(1, ErrorCode::NotEnoughReplicas);
    rig.pass(MS(499));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[1-1]#1", "to 1: p0[0-0]#0"]);
    rig.answer(1, ErrorCode::None);
    rig.pass(Span::ZERO);
    assert_eq!(rig.read(), ["1-1 success", "0-0 TimeoutException"], "1 had held it up");
    rig.answer(1, ErrorCode::None);
    rig.pass(MS(100));
    assert_eq!(rig.read(), ["to 1: p0[2-2]#2"], "there is no gap");
}

#[test]
fn one_that_is_out_of_order_and_has_no_retries_left_ends_the_epoch_all_the_same() {
    let one = ProducerOptions { retries: 1, ..options() };
    let mut rig = Rig::started(one, Workload { rate: Rate::Every(MS(500)), ..workload(2) }, 1);
    rig.answer(1, ErrorCode::OutOfOrderSequenceNumber);
    rig.pass(MS(80));
    rig.answer(1, ErrorCode::OutOfOrderSequenceNumber);
    rig.pass(MS(420));
    let told = "0-0 OUT_OF_ORDER_SEQUENCE_NUMBER";
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[0-0]#0e1", told, "to 1: p0[1-1]#0e2"]);
}

/// `RecordAccumulator.shouldStopDrainBatchesForPartition`.
#[test]
fn an_epoch_that_one_partition_ended_begins_in_another_when_nothing_is_under_way_there() {
    let each = ProducerOptions { partitioner: PartitionerClass::RoundRobin, ..options() };
    let mut rig = Rig::started(each, paced(4), 2);
    rig.pass(MS(1));
    rig.answer(1, ErrorCode::MessageTooLarge);
    rig.pass(MS(2));
    let sent = ["to 1: p0[0-0]#0", "to 2: p1[1-1]#0", "0-0 MESSAGE_TOO_LARGE", "to 1: p0[2-2]#0e1"];
    assert_eq!(rig.read(), sent, "3 waits for 1");
    rig.answer(2, ErrorCode::None);
    assert_eq!(rig.read(), ["1-1 success", "to 2: p1[3-3]#0e1"]);
}

/// `ProducerBatch.sequenceHasBeenReset`.
#[test]
fn what_was_numbered_anew_under_way_is_out_of_order_of_course() {
    let mut rig = Rig::started(options(), paced(3), 1);
    rig.pass(MS(2));
    rig.read();
    rig.answer(1, ErrorCode::MessageTooLarge);
    rig.answer(1, ErrorCode::OutOfOrderSequenceNumber);
    rig.answer(1, ErrorCode::OutOfOrderSequenceNumber);
    rig.pass(MS(80));
    assert_eq!(rig.read(), ["0-0 MESSAGE_TOO_LARGE", "to 1: p0[1-1]#0e1"], "and ends no other epoch");
}

#[test]
fn what_was_given_up_leaves_a_gap_that_ends_the_epoch() {
    let short = ProducerOptions { delivery_timeout: MS(1_000), ..options() };
    let mut rig = Rig::started(short, Workload { rate: Rate::Every(MS(2_000)), ..workload(2) }, 1);
    rig.disconnect(1);
    rig.pass(MS(500));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[0-0]#0"]);
    rig.pass(MS(1_500));
    assert_eq!(rig.read(), ["0-0 TimeoutException", "to 1: p0[1-1]#0e1"], "it cannot know of 0");
}

#[test]
fn out_of_order_at_the_next_number_ends_the_epoch_and_is_tried_again() {
    let mut rig = Rig::started(options(), paced(2), 1);
    rig.pass(MS(1));
    rig.answer(1, ErrorCode::None);
    rig.answer(1, ErrorCode::OutOfOrderSequenceNumber);
    rig.pass(MS(80));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[1-1]#1", "0-0 success", "to 1: p0[1-1]#0e1"]);
}

#[test]
fn what_was_numbered_anew_and_sent_ends_another_epoch_if_it_is_out_of_order_again() {
    let mut rig = Rig::started(options(), paced(3), 1);
    rig.pass(MS(2));
    for _ in 0..3 {
        rig.answer(1, ErrorCode::OutOfOrderSequenceNumber);
    }
    rig.pass(MS(300));
    rig.answer(1, ErrorCode::None);
    rig.read();
    // The leader is another, which has nothing of epoch 1 (`ProducerBatch.close`).
    rig.answer(1, ErrorCode::OutOfOrderSequenceNumber);
    rig.pass(MS(300));
    assert_eq!(rig.read(), ["to 1: p0[1-1]#0e2"]);
}

#[test]
fn of_what_is_under_way_the_first_that_was_sent_is_given_up_first() {
    let plain = ProducerOptions { idempotence: false, delivery_timeout: MS(31_000), ..options() };
    let mut rig = Rig::started(plain, Workload { rate: Rate::Every(MS(500)), ..workload(2) }, 1);
    rig.pass(MS(500));
    rig.answer(1, ErrorCode::NotEnoughReplicas);
    rig.pass(MS(80));
    assert_eq!(rig.read(), ["to 1: p0[0-0]", "to 1: p0[1-1]", "to 1: p0[0-0]"]);
    // 1 times out with its request at 30.5 s, and 0 with it (`Sender.getExpiredInflightBatches`).
    rig.pass(MS(29_919));
    assert!(rig.read().is_empty());
    let mut rig = Rig::started(
        ProducerOptions { request_timeout: MS(31_000), ..plain },
        Workload { rate: Rate::Every(MS(500)), ..workload(2) },
        1,
    );
    rig.pass(MS(500));
    rig.answer(1, ErrorCode::NotEnoughReplicas);
    rig.pass(MS(30_999));
    rig.read();
    assert_eq!(rig.now, Time::ZERO + MS(31_499));
    assert_eq!(rig.producer.unanswered(), 2, "0 is older than 31 s, and behind 1");
    rig.pass(MS(1));
    assert_eq!(rig.read(), ["1-1 TimeoutException", "0-0 TimeoutException"]);
}

#[test]
fn retries_end() {
    let cases = [
        // (error, retries, attempts, told)
        (ErrorCode::NotEnoughReplicas, 2, 3, "0-0 NOT_ENOUGH_REPLICAS"),
        (ErrorCode::NotEnoughReplicas, 0, 1, "0-0 NOT_ENOUGH_REPLICAS"),
        (ErrorCode::InvalidRequiredAcks, 2, 1, "0-0 INVALID_REQUIRED_ACKS"),
        (ErrorCode::MessageTooLarge, 2, 1, "0-0 MESSAGE_TOO_LARGE"),
    ];
    for (error, retries, attempts, told) in cases {
        let plain = ProducerOptions { idempotence: false, retries, ..options() };
        let mut rig = Rig::started(plain, workload(1), 1);
        for _ in 0..attempts {
            rig.answer(1, error);
            rig.pass(MS(2_000));
        }
        let words = rig.read();
        assert_eq!(words.iter().filter(|word| word.starts_with("to 1")).count(), attempts, "{error}");
        assert_eq!(words.last().map(String::as_str), Some(told));
        assert!(rig.has_ended);
    }
    let plain = ProducerOptions { idempotence: false, retries: 0, ..options() };
    let mut rig = Rig::started(plain, workload(1), 1);
    rig.disconnect(1);
    assert_eq!(rig.read(), ["to 1: p0[0-0]", "0-0 NetworkException"]);
    let mut rig = Rig::started(plain, workload(1), 1);
    rig.pass(MS(30_000));
    assert_eq!(rig.read(), ["to 1: p0[0-0]"], "its clock must show more than the time-out");
    rig.pass(MS(1));
    assert_eq!(rig.read(), ["0-0 TimeoutException"]);
}

#[test]
fn a_batch_too_large_for_the_broker_is_split_into_itself_until_its_time_is_up() {
    let mut rig = Rig::started(options(), workload(3), 1);
    for _ in 0..4 {
        rig.answer(1, ErrorCode::MessageTooLarge);
    }
    assert_eq!(rig.read(), ["to 1: p0[0-2]#0"; 5]);
    rig.pass(MS(120_000));
    assert!(rig.read().contains(&"0-2 TimeoutException".to_owned()));
}

#[test]
fn a_batch_that_was_split_begins_its_retries_anew() {
    let mut rig = Rig::started(options(), workload(2), 1);
    rig.leaders = vec![Some(NodeId(2))];
    rig.epoch = LeaderEpoch(1);
    rig.answer_with(1, ErrorCode::NotLeaderOrFollower, Some((NodeId(2), LeaderEpoch(1))));
    rig.answer(2, ErrorCode::MessageTooLarge);
    assert_eq!(rig.read(), ["to 1: p0[0-1]#0", "to 2: p0[0-1]#0", "to 2: p0[0-1]#0"], "neither waits");
    rig.answer(2, ErrorCode::NotEnoughReplicas);
    rig.pass(MS(79));
    assert!(rig.read().is_empty(), "the leader did not change since");
    rig.pass(MS(1));
    assert_eq!(rig.read(), ["to 2: p0[0-1]#0"]);
}

#[test]
fn a_new_leader_is_found_by_hint_or_by_asking() {
    for hinted in [true, false] {
        let mut rig = Rig::started(options(), workload(2), 1);
        rig.read();
        rig.pass(MS(1_000));
        let asked_before = rig.questions;
        rig.leaders = vec![Some(NodeId(2))];
        rig.epoch = LeaderEpoch(1);
        let hint = hinted.then_some((NodeId(2), LeaderEpoch(1)));
        rig.answer_with(1, ErrorCode::NotLeaderOrFollower, hint);
        // The leader changed: there is no wait before the retry, whichever way that was learned.
        assert_eq!(rig.read(), ["to 2: p0[0-1]#0"], "hinted: {hinted}");
        assert_eq!(rig.questions, asked_before + 1);
    }
    // Only with an error that says that another leads (`Sender.completeBatch`).
    let mut rig = Rig::started(options(), workload(1), 1);
    rig.pass(MS(1_000));
    rig.answer_with(1, ErrorCode::NotEnoughReplicas, Some((NodeId(3), LeaderEpoch(1))));
    rig.pass(MS(80));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[0-0]#0"]);
    // Old news is none: the partition's leader stays, and the retry waits.
    let mut rig = Rig::started(options(), workload(1), 1);
    rig.pass(MS(1_000));
    rig.answer_with(1, ErrorCode::NotLeaderOrFollower, Some((NodeId(3), LeaderEpoch(0))));
    rig.pass(MS(80));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[0-0]#0"]);
}

#[test]
fn old_news_of_a_leader_does_not_end_the_search_for_one() {
    let mut rig = Rig::new(options(), workload(1), 1);
    // Nobody leads; then a broker that was cut off names who did before; then somebody does.
    for (leader, epoch, sent) in [(None, 3, false), (Some(1), 0, false), (Some(2), 4, true)] {
        rig.leaders = vec![leader.map(NodeId)];
        rig.epoch = LeaderEpoch(epoch);
        if epoch == 3 {
            rig.feed(Event::Start);
        }
        rig.pass(MS(3_000));
        assert_eq!(!rig.read().is_empty(), sent, "epoch {epoch}");
    }
}

#[test]
fn metadata_is_asked_for_again_when_it_is_old() {
    let mut rig = Rig::started(options(), Workload { rate: Rate::Every(MS(3_600_000)), ..workload(2) }, 1);
    rig.answer(1, ErrorCode::None);
    rig.pass(MS(3_000_000));
    assert_eq!(rig.questions, 11);
    // None of them said anything new, but that what is known is old is no failure: the wait begins with the least
    // (`Metadata.timeToAllowUpdate`).
    rig.leaders = vec![None];
    while rig.questions == 11 {
        rig.pass(MS(1_000));
    }
    rig.pass(MS(1_000));
    assert!(rig.questions >= 14, "{}", rig.questions);
}

#[test]
fn a_question_for_metadata_that_fails_begins_the_waits_anew() {
    let mut rig = Rig::new(options(), workload(1), 1);
    rig.leaders = vec![None];
    rig.feed(Event::Start);
    rig.pass(MS(10_000));
    // Answers that say nothing new are 800 ms apart by now.
    rig.silent = vec![NodeId(1), NodeId(2), NodeId(3)];
    let asked = rig.questions;
    while rig.questions == asked {
        rig.pass(MS(1));
    }
    rig.silent.clear();
    (1..=3).for_each(|node| rig.disconnect(node));
    rig.pass(MS(79));
    assert_eq!(rig.questions, asked + 1);
    rig.pass(MS(1));
    assert_eq!(rig.questions, asked + 2, "`Metadata.failedUpdate`");
}

#[test]
fn a_question_for_metadata_that_is_due_and_finds_nobody_waits_before_the_next() {
    let plain = ProducerOptions { idempotence: false, ..options() };
    let mut rig = Rig::new(plain, workload(1), 1);
    rig.silent = vec![NodeId(1), NodeId(2), NodeId(3)];
    rig.feed(Event::Start);
    let tried = rig.connects.len();
    let mut at = Vec::new();
    for _ in 0..3 {
        let node = *rig.connects.last().expect("it tries one");
        rig.disconnect(node.0);
        let (before, now) = (rig.connects.len(), rig.now);
        while rig.connects.len() == before {
            rig.pass(MS(1));
        }
        at.push(rig.now.since(now));
    }
    assert_eq!(tried, 1);
    // `NetworkClient.DefaultMetadataUpdater.handleServerDisconnect`: it doubles.
    assert_eq!(at, [MS(80), MS(160), MS(320)]);
}

#[test]
fn an_alarm_is_not_set_for_every_record() {
    let mut rig = Rig::started(options(), Workload { waits: Waits::Every(1), ..workload(1_000) }, 1);
    let before = rig.sets;
    for _ in 0..1_000 {
        rig.answer(1, ErrorCode::None);
    }
    assert!(rig.has_ended);
    assert_eq!(rig.sets, before);
}

#[test]
fn a_burst_goes_in_full_batches_and_every_message_is_told_once() {
    let burst = Workload { size: Bytes::new(1_000), ..workload(10_000) };
    let small = ProducerOptions { buffer_memory: Bytes::new(200_000), ..options() };
    let mut rig = Rig::started(small, burst, 3);
    let mut told = vec![0; 10_000];
    while !rig.has_ended {
        let node = rig.requests.front().map(|request| request.0.0);
        match node {
            Some(node) => rig.answer(node, ErrorCode::None),
            None => rig.pass(Span::ZERO),
        }
        for word in rig.read() {
            let Some(range) = word.strip_suffix(" success") else { continue };
            let (first, last) = range.split_once('-').expect("a range");
            let bound = |text: &str| text.parse::<usize>().expect("a number");
            told[bound(first)..=bound(last)].iter_mut().for_each(|times| *times += 1);
        }
    }
    assert!(told.iter().all(|&times| times == 1));
    // 16 records of 1 010 bytes fill a batch of 16 384.
    assert_eq!(rig.store.batch_count(), 10_000 / 16);
}

#[test]
fn what_was_not_answered_goes_to_the_topic_made_anew() {
    let every = Workload { rate: Rate::Every(MS(100)), ..workload(5) };
    let mut rig = Rig::started(options(), every, 1);
    rig.answer(1, ErrorCode::None);
    rig.pass(MS(100));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "0-0 success", "to 1: p0[1-1]#1"]);
    // The topic is deleted: what is called from now on waits for metadata.
    let leaders = std::mem::take(&mut rig.leaders);
    rig.answer(1, ErrorCode::UnknownTopicId);
    rig.pass(MS(200));
    assert!(rig.read().is_empty() && rig.producer.sent() == 2);
    (rig.leaders, rig.first) = (leaders, 20);
    rig.pass(MS(1_000));
    let sent = ["to 1: p10[1-1]#1", "to 1: p10[2-3]#2", "to 1: p10[4-4]#4"];
    assert_eq!(rig.read(), sent, "numbered as if it were the same topic");
    sent.iter().for_each(|_| rig.answer(1, ErrorCode::None));
    assert_eq!(rig.read(), ["1-1 success", "2-3 success", "4-4 success"]);
    assert!(rig.has_ended);
}
