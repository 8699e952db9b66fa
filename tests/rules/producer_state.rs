//! What brokers know of idempotent producers (`ProducerStateManager`, `ProducerAppendInfo`, `ProducerStateEntry`).

use highwater::cluster::generation::Version;
use highwater::cluster::happened::Happened as Cluster;
use highwater::cluster::protocol::ErrorCode::{self, InvalidProducerEpoch, OutOfOrderSequenceNumber};
use highwater::cluster::protocol::Message;
use highwater::cluster::store::MessageRun;
use highwater::cluster::units::{Acks, LeaderEpoch, MessageId, Offset, ProducerEpoch, ProducerId, Sequence};
use highwater::kernel::units::{Bytes, Span, Time};

use crate::broker::{Desk, state};

/// A batch: producer epoch, first sequence, records. The producer is number 7.
type Sent = (u16, u32, u32);

const MOST: u32 = i32::MAX as u32;
const NONE: ErrorCode = ErrorCode::None;

/// The answer to a batch with acks=1, and the offset it was told.
fn answer(desk: &mut Desk, (epoch, sequence, records): Sent) -> (ErrorCode, u64) {
    let batch = desk.batch((7, epoch, sequence), records);
    let connection = desk.send(Acks::One, batch);
    desk.produced(connection).expect("acks=1 is answered at once")
}

/// What is sent before, what is sent then, and the offset or the error it is told.
type Case<'a> = (&'a str, &'a [Sent], Sent, Result<u64, ErrorCode>);

/// The first batches are taken; then the last is answered so.
fn hold(cases: &[Case<'_>]) {
    for &(name, before, sent, expected) in cases {
        let mut desk = Desk::leading(&[1], 1);
        for &earlier in before {
            assert_eq!(answer(&mut desk, earlier).0, NONE, "{name}: {earlier:?} is in order");
        }
        let (error, offset) = answer(&mut desk, sent);
        let found = if error == NONE { Ok(offset) } else { Err(error) };
        assert_eq!(found, expected, "{name}");
    }
}

/// So many batches of one record.
const SIX: [Sent; 6] = [(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 5, 1)];

#[test]
fn r3_1_1_the_five_newest_batches_are_known_and_only_clients_are_checked() {
    hold(&[
        ("the fifth from the end", &SIX[..5], SIX[0], Ok(0)),
        ("of six", &SIX, SIX[1], Ok(1)),
        ("the sixth from the end", &SIX, SIX[0], Err(OutOfOrderSequenceNumber)),
    ]);
    let mut desk = Desk::following();
    let batches = [desk.batch((7, 1, 0), 1), desk.batch((7, 0, 9), 1)];
    desk.feed_answer(&[(batches[0], 5), (batches[1], 5)], &|_| ());
    assert_eq!(desk.end(), 2, "a follower takes an old epoch and a gap from its leader");
}

#[test]
fn r3_1_2_a_duplicate_is_a_success_at_its_old_offsets_and_waits_like_the_first() {
    hold(&[
        ("the newest", &[(0, 0, 3), (0, 3, 2)], (0, 3, 2), Ok(3)),
        ("one before", &[(0, 0, 3), (0, 3, 2)], (0, 0, 3), Ok(0)),
        ("other boundaries: longer", &[(0, 0, 3)], (0, 0, 4), Err(OutOfOrderSequenceNumber)),
        ("other boundaries: a part", &[(0, 0, 3)], (0, 1, 2), Err(OutOfOrderSequenceNumber)),
    ]);
    let mut desk = Desk::leading(&[1, 2], 2);
    let batch = desk.batch((7, 0, 0), 2);
    let [first, again] = [desk.send(Acks::All, batch), desk.send(Acks::All, batch)];
    assert_eq!(
        (desk.end(), desk.produced(again)),
        (2, None),
        "nothing is written, and it is not answered yet"
    );
    desk.follower_at(2, 2);
    assert_eq!([first, again].map(|one| desk.produced(one)), [Some((NONE, 0)); 2]);
}

#[test]
fn r3_1_3_an_older_epoch_is_refused() {
    hold(&[
        ("the next in the old epoch", &[(0, 0, 1), (1, 0, 1)], (0, 1, 1), Err(InvalidProducerEpoch)),
        ("the same again in the old epoch", &[(0, 0, 1), (1, 0, 1)], (0, 0, 1), Err(InvalidProducerEpoch)),
    ]);
}

/// KIP-360.
#[test]
fn r3_1_4_the_next_sequence_or_zero_in_a_new_epoch_or_any_of_one_unknown() {
    hold(&[
        ("nobody knows it", &[], (3, 9, 1), Ok(0)),
        ("the next", &[(0, 9, 2)], (0, 11, 1), Ok(2)),
        ("a gap", &[(0, 9, 2)], (0, 12, 1), Err(OutOfOrderSequenceNumber)),
        ("before it", &[(0, 9, 2)], (0, 5, 1), Err(OutOfOrderSequenceNumber)),
        ("a new epoch at 0", &[(0, 9, 2)], (1, 0, 1), Ok(2)),
        ("a new epoch elsewhere", &[(0, 9, 2)], (1, 11, 1), Err(OutOfOrderSequenceNumber)),
        ("after 2^31 - 1 comes 0", &[(0, MOST, 1)], (0, 0, 1), Ok(1)),
    ]);
}

/// KAFKA-6683.
#[test]
fn r3_1_5_a_duplicate_older_than_the_cache_is_out_of_order() {
    hold(&[("six batches later", &SIX, SIX[0], Err(OutOfOrderSequenceNumber))]);
}

/// `ProducerStateManager.writeSnapshot`.
#[test]
fn r3_1_6_after_a_restart_only_the_last_batch_is_known() {
    let mut desk = Desk::leading(&[1], 1);
    for sent in SIX {
        answer(&mut desk, sent);
    }
    desk.restart_and_lead();
    assert_eq!(answer(&mut desk, SIX[5]), (NONE, 5));
    assert_eq!(answer(&mut desk, SIX[4]).0, OutOfOrderSequenceNumber, "known before, not any more");
    assert_eq!(answer(&mut desk, (0, 6, 1)), (NONE, 6));
    assert_eq!(answer(&mut desk, SIX[5]), (NONE, 5), "and the window fills again");
    // A clean stop writes no more down.
    let mut desk = Desk::leading(&[1], 1);
    for sent in SIX {
        answer(&mut desk, sent);
    }
    desk.stop();
    desk.restart_and_lead();
    assert_eq!(answer(&mut desk, SIX[5]), (NONE, 5));
    assert_eq!(answer(&mut desk, SIX[4]).0, OutOfOrderSequenceNumber);
}

/// The same where a truncation goes back to a snapshot close by, here that of the segment's beginning.
#[test]
fn r3_1_7_a_truncation_begins_with_the_newest_snapshot_below_it() {
    for (segment, known) in [(1 << 30, true), (450, false)] {
        let version = Version::V4_1;
        let mut topic = version.generation().topic;
        topic.segments.bytes = Bytes::new(segment);
        let mut desk = Desk::with(version, state(&[1, 2, 3], 2), topic, |_| ());
        for (epoch, sequence, records) in SIX {
            let batch = desk.batch((7, epoch, sequence), records);
            desk.feed_answer(&[(batch, 5)], &|_| ());
        }
        // With segments of four batches a snapshot was taken at offset 4.
        desk.feed_answer(&[], &|part| part.diverging = Some((LeaderEpoch(5), Offset(5))));
        desk.elect(1, &[1, 2, 3]);
        assert_eq!(answer(&mut desk, SIX[4]), (NONE, 4));
        assert_eq!(answer(&mut desk, SIX[3]), (NONE, 3), "the last of the snapshot");
        let expected = if known { NONE } else { OutOfOrderSequenceNumber };
        assert_eq!(answer(&mut desk, SIX[2]).0, expected, "segments of {segment} bytes");
    }
}

/// `ProducerStateManager.removeStraySnapshots`: a start keeps those at a segment's beginning.
#[test]
fn r3_1_7_a_truncation_after_a_restart_finds_the_snapshots_of_segments() {
    let version = Version::V4_1;
    let mut topic = version.generation().topic;
    topic.segments.bytes = Bytes::new(450);
    let mut desk = Desk::with(version, state(&[1], 1), topic, |_| ());
    for sent in SIX {
        answer(&mut desk, sent);
    }
    desk.restart_and_lead();
    desk.elect(2, &[1, 2, 3]);
    desk.feed_answer(&[], &|part| part.diverging = Some((LeaderEpoch(5), Offset(5))));
    assert_eq!(desk.end(), 5);
    desk.elect(1, &[1, 2, 3]);
    assert_eq!(answer(&mut desk, SIX[3]), (NONE, 3), "the last of the snapshot at 4");
    assert_eq!(answer(&mut desk, SIX[2]).0, OutOfOrderSequenceNumber, "which has no more");
}

/// `UnifiedLog.close`. What is written down when a segment is begun goes with the segment before it.
#[test]
fn r3_1_7_a_clean_stop_writes_down_producers_whose_batches_retention_has_taken() {
    for (clean, expected) in [(true, OutOfOrderSequenceNumber), (false, NONE)] {
        let version = Version::V4_1;
        let mut topic = version.generation().topic;
        (topic.segments.bytes, topic.retention_span) = (Bytes::new(450), Span::from_seconds(250));
        let mut desk = Desk::with(version, state(&[1], 1), topic, |_| ());
        for sent in &SIX[..4] {
            answer(&mut desk, *sent);
        }
        desk.bench.pass(100_000);
        let other = desk.batch((8, 0, 0), 1);
        desk.send(Acks::One, other);
        desk.bench.pass(250_000);
        let starts = desk
            .bench
            .notes
            .iter()
            .any(|(_, note)| matches!(note, Cluster::LogStart { new, .. } if new.0 == 4));
        assert!(starts, "the first segment is gone");
        assert_eq!(answer(&mut desk, SIX[5]).0, OutOfOrderSequenceNumber, "and the producer known");
        if clean {
            desk.stop();
        }
        desk.restart_and_lead();
        assert_eq!(answer(&mut desk, SIX[5]).0, expected, "clean: {clean}");
    }
}

/// `ProducerStateManager.truncateAndReload`.
#[test]
fn r3_1_7_a_truncation_forgets_what_was_cut() {
    let mut desk = Desk::following();
    let batches: Vec<_> =
        SIX.iter().map(|&(epoch, sequence, records)| desk.batch((7, epoch, sequence), records)).collect();
    let entries: Vec<_> = batches.iter().map(|&batch| (batch, 5)).collect();
    desk.feed_answer(&entries, &|_| ());
    desk.feed_answer(&[], &|part| part.diverging = Some((LeaderEpoch(5), Offset(4))));
    assert_eq!(desk.end(), 4);
    desk.elect(1, &[1, 2, 3]);
    assert_eq!(answer(&mut desk, SIX[3]), (NONE, 3), "still in the log");
    assert_eq!(answer(&mut desk, SIX[5]).0, OutOfOrderSequenceNumber, "5 without 4 is a gap");
    assert_eq!(answer(&mut desk, SIX[4]), (NONE, 4), "cut, and therefore new");
}

/// `ProducerStateManager.removeExpiredProducers`.
#[test]
fn r3_1_8_a_producer_is_forgotten_by_the_time_its_records_say() {
    const DAY: u64 = 86_400_000;
    let mut desk = Desk::leading(&[1], 1);
    answer(&mut desk, (0, 0, 1));
    desk.bench.pass(DAY - 1);
    assert_eq!(answer(&mut desk, (0, 5, 1)).0, OutOfOrderSequenceNumber, "known for a day");
    desk.bench.pass(600_001);
    assert_eq!(answer(&mut desk, (0, 5, 1)).0, NONE, "looked for every ten minutes");
    // Records stamped a day ago: forgotten at the next look, and a retry is written again.
    let mut desk = Desk::leading(&[1], 1);
    desk.bench.pass(DAY);
    let old = (ProducerId(7), ProducerEpoch(0), Sequence(0));
    let run = MessageRun { first: MessageId(0), count: 1 };
    let batch = desk.bench.store.add_batch(old, &[run], Bytes::new(100), Time::ZERO);
    desk.send(Acks::One, batch);
    desk.bench.pass(600_000);
    desk.send(Acks::One, batch);
    assert_eq!(desk.end(), 2, "the same batch twice");
    // Also if it wrote newer ones before: the last batch counts (`ProducerStateEntry.update`).
    let mut desk = Desk::leading(&[1], 1);
    desk.bench.pass(DAY);
    answer(&mut desk, (0, 0, 1));
    let next = (ProducerId(7), ProducerEpoch(0), Sequence(1));
    let batch = desk.bench.store.add_batch(next, &[run], Bytes::new(100), Time::ZERO);
    desk.send(Acks::One, batch);
    desk.bench.pass(600_000);
    desk.send(Acks::One, batch);
    assert_eq!(desk.end(), 3);
}

/// `RPCProducerIdManager`.
#[test]
fn r3_1_10_every_producer_gets_an_id_of_its_own() {
    let mut desk = Desk::leading(&[1], 1);
    let mut ids: Vec<u64> = Vec::new();
    for _ in 0..2_500 {
        let connection = desk.bench.request(9, Message::InitProducerId);
        let answer = desk.bench.answers.remove(&connection).flatten();
        let Some(Message::ProducerIdAnswer(answer)) = answer else { panic!("not an id: {answer:?}") };
        ids.push(answer.producer_id.0);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), ids.contains(&0)), (2_500, false));
}
