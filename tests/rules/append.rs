//! Append and acks (`ReplicaManager.appendRecords`, `Partition.appendRecordsToLeader`, `DelayedProduce`).

use highwater::cluster::generation::Version;
use highwater::cluster::options::TopicOptions;
use highwater::cluster::protocol::ErrorCode::{
    self, FencedLeaderEpoch, InvalidProducerEpoch, InvalidTimestamp, MessageTooLarge, NotEnoughReplicas,
    NotEnoughReplicasAfterAppend, NotLeaderOrFollower, OutOfOrderSequenceNumber, RequestTimedOut,
    UnknownTopicOrPartition,
};
use highwater::cluster::protocol::{MetadataRecord, PartitionState, Resource, TopicChange};
use highwater::cluster::setting::Setting;
use highwater::cluster::units::{Acks, LeaderEpoch, Offset};
use highwater::kernel::units::{Bytes, NodeId, Span, Time};
use highwater::scenario::file;

use crate::broker::{Ask, Desk, ORDERS, ids, state};

/// Broker 1 leads a topic of this version with what `changes` in its settings.
fn leading(version: Version, isr: &[u16], change: impl FnOnce(&mut TopicOptions)) -> Desk {
    let mut topic = version.generation().topic;
    change(&mut topic);
    Desk::with(version, state(isr, 1), topic, |_| ())
}

/// `ReplicaManager.isValidRequiredAcks`: here a model with any other is refused before it runs.
#[test]
fn r1_1_1_acks_is_minus_one_zero_or_one() {
    for (acks, is_legal) in
        [("-1", true), ("0", true), ("1", true), ("\"all\"", true), ("2", false), ("-2", false)]
    {
        let text = format!(
            "format = 1\nkafka = \"4.1\"\ntopics.t = {{ partitions = 1 }}\n\
             producers.p = {{ into = \"t\", records = 1, rate = \"1/s\", acks = {acks} }}\nrun.until = \"1s\"\n"
        );
        assert_eq!(file::read("acks", &text).is_ok(), is_legal, "acks = {acks}");
    }
}

#[test]
fn r1_1_2_the_gate_looks_at_the_committed_isr_and_only_for_acks_all() {
    let mut desk = Desk::leading(&[1], 2);
    let refused = desk.produce(Acks::All, 1);
    assert_eq!((desk.error(refused), desk.end()), (Some(NotEnoughReplicas), 0), "nothing is written");
    let one = desk.produce(Acks::One, 1);
    assert_eq!((desk.error(one), desk.end()), (Some(ErrorCode::None), 1));
    desk.produce(Acks::Zero, 1);
    assert_eq!(desk.end(), 2);
    // Broker 2 is about to join: the maximal set has two members, the committed one has not.
    desk.follower_at(2, 2);
    let change = desk.proposed_isr().expect("it may join");
    let refused = desk.produce(Acks::All, 1);
    assert_eq!(desk.error(refused), Some(NotEnoughReplicas), "the joining replica does not count yet");
    desk.accept(change);
    let accepted = desk.produce(Acks::All, 1);
    assert_eq!((desk.error(accepted), desk.end()), (None, 3));
}

/// KAFKA-15583.
#[test]
fn r1_1_3_min_isr_counts_as_at_most_the_number_of_replicas() {
    for (min_isr, isr, is_taken) in
        [(5, &[1, 2, 3][..], true), (3, &[1, 2, 3], true), (5, &[1, 2], false), (3, &[1, 2], false)]
    {
        let mut desk = Desk::leading(isr, min_isr);
        let connection = desk.produce(Acks::All, 1);
        let expected = if is_taken { None } else { Some(NotEnoughReplicas) };
        assert_eq!(desk.error(connection), expected, "min.insync.replicas = {min_isr}, in sync {isr:?}");
    }
}

/// KAFKA-15583: until 3.6 more replicas can be required than there are.
#[test]
fn r1_1_3_before_3_7_it_counts_as_it_is_written() {
    for (version, expected) in [
        (Version::V2_8, Some(NotEnoughReplicas)),
        (Version::V3_6, Some(NotEnoughReplicas)),
        (Version::V3_9, None),
    ] {
        let mut desk = leading(version, &[1, 2, 3], |topic| topic.min_insync_replicas = 5);
        let connection = desk.produce(Acks::All, 1);
        assert_eq!(desk.error(connection), expected, "{version:?}");
    }
}

/// `UnifiedLog.append`, `LeaderEpochFileCache.assign`.
#[test]
fn r1_1_4_an_append_stamps_offset_and_epoch_and_goes_to_the_page_cache_only() {
    let mut desk = Desk::leading(&[1], 1);
    desk.produce(Acks::One, 3);
    desk.elect(1, &[1]);
    let second = desk.produce(Acks::One, 2);
    assert_eq!(desk.produced(second), Some((ErrorCode::None, 3)), "offsets go on from the log end");
    assert_eq!(desk.epochs(), [5, 6], "each batch has the leadership it was appended in");
    let log = desk.bench.node.log(ORDERS).expect("it has a replica");
    assert_eq!(log.epochs().entries(), [(LeaderEpoch(5), Offset(0)), (LeaderEpoch(6), Offset(3))]);
    assert_eq!(desk.bench.flushes, 0, "flush.messages is not set: nothing is fsynced");
    // A batch known already is a success at its old place, and nothing is written.
    let known = desk.batch((7, 0, 0), 2);
    for _ in 0..2 {
        let connection = desk.send(Acks::One, known);
        assert_eq!((desk.produced(connection), desk.end()), (Some((ErrorCode::None, 5)), 7));
    }
}

/// `LeaderEpochFileCache.assign`: the file is fsynced before the epoch's first batch is written.
#[test]
fn r1_1_4_a_new_epoch_is_durable_before_its_first_batch() {
    let mut desk = Desk::leading(&[1], 1);
    desk.bench.pass(1);
    desk.bench.disk.clear();
    desk.bench.disk_stalls = true;
    desk.elect(1, &[1]);
    let connection = desk.produce(Acks::One, 1);
    assert_eq!(
        (desk.bench.disk.as_slice(), desk.end()),
        (&["replace LeaderEpochs(PartitionId(0))".to_owned()][..], 0)
    );
    desk.bench.disk_goes_on();
    assert_eq!((desk.error(connection), desk.end()), (Some(ErrorCode::None), 1));
}

/// `UnifiedLog.append`: so many unflushed, and the append itself waits for the fsync.
#[test]
fn r1_1_4_the_fsync_of_flush_messages_is_part_of_the_append() {
    let mut desk = leading(Version::V4_1, &[1], |topic| topic.flush_messages = Some(3));
    desk.bench.disk_stalls = true;
    let first = desk.produce(Acks::All, 2);
    assert_eq!((desk.error(first), desk.bench.flushes), (Some(ErrorCode::None), 0), "two are not three");
    let second = desk.produce(Acks::All, 1);
    let third = desk.produce(Acks::All, 1);
    assert_eq!(
        (desk.end(), desk.high_watermark(), desk.bench.flushes),
        (3, 2, 1),
        "the log is locked meanwhile"
    );
    assert_eq!((desk.error(second), desk.error(third)), (None, None));
    desk.bench.disk_goes_on();
    assert_eq!((desk.error(second), desk.error(third)), (Some(ErrorCode::None), Some(ErrorCode::None)));
    assert_eq!((desk.end(), desk.high_watermark()), (4, 4));
}

/// `UnifiedLog.maybeRoll` comes before the batch, and what is known of producers is written down with it.
#[test]
fn r1_1_4_a_batch_that_does_not_fit_begins_a_segment() {
    let mut desk = leading(Version::V4_1, &[1], |topic| topic.segments.bytes = Bytes::new(250));
    for sequence in 0..3 {
        let batch = desk.batch((7, 0, sequence), 1);
        desk.send(Acks::One, batch);
    }
    let log = |base| format!("Log(PartitionId(0), Offset({base}))");
    let expected = [
        format!("append {}", log(0)),
        format!("append {}", log(0)),
        "replace ProducerSnapshot(PartitionId(0))".to_owned(),
        format!("flush {}", log(0)),
        format!("append {}", log(2)),
    ];
    assert_eq!(desk.bench.disk, expected);
}

/// `ReplicaManager.addCompletePurgatoryAction`.
#[test]
fn r1_1_5_an_append_tries_the_high_watermark_and_wakes_who_waits() {
    // Alone in sync: the high watermark moves with the append, and a consumer that waits is answered.
    let mut desk = Desk::leading(&[1], 1);
    let consumer = desk.send_fetch(Ask { max_wait: 500, ..desk.ask(0, 0) });
    assert_eq!(desk.got(consumer), None);
    let produce = desk.produce(Acks::All, 1);
    assert_eq!((desk.high_watermark(), desk.error(produce)), (1, Some(ErrorCode::None)));
    assert_eq!(desk.got(consumer).map(|got| (got.high_watermark, got.batches)), Some((1, 1)));
    // With followers it does not move, and only a follower that waits is answered.
    let mut desk = Desk::leading(&[1, 2, 3], 2);
    let consumer = desk.send_fetch(Ask { max_wait: 500, ..desk.ask(0, 0) });
    let follower = desk.send_fetch(Ask { max_wait: 500, ..desk.ask(2, 0) });
    desk.produce(Acks::One, 1);
    assert_eq!((desk.high_watermark(), desk.got(consumer)), (0, None));
    assert_eq!(desk.got(follower).map(|got| got.batches), Some(1));
}

/// `DelayedFetch.tryComplete`: who has asked under a former epoch of the same leader is told so then, whatever there is to read.
#[test]
fn r1_1_5_an_append_wakes_who_has_asked_under_a_former_epoch() {
    let mut desk = Desk::leading(&[1, 2], 2);
    let consumer = desk.send_fetch(Ask { max_wait: 500, ..desk.ask(0, 0) });
    desk.elect(1, &[1, 2]);
    assert_eq!(desk.got(consumer), None, "the election alone wakes nobody");
    desk.produce(Acks::One, 1);
    assert_eq!(desk.got(consumer).map(|got| got.error), Some(FencedLeaderEpoch));
}

/// `KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecords`.
#[test]
fn r1_1_6_acks_says_when_a_produce_is_answered() {
    let mut desk = Desk::leading(&[1, 2], 2);
    let zero = desk.produce(Acks::Zero, 1);
    assert!(matches!(desk.bench.answers.get(&zero), Some(None)), "no answer, but the connection goes on");
    let one = desk.produce(Acks::One, 1);
    assert_eq!(desk.error(one), Some(ErrorCode::None), "as soon as it is appended");
    let all = desk.produce(Acks::All, 1);
    desk.follower_at(2, 2);
    assert_eq!(desk.error(all), None);
    desk.follower_at(2, 3);
    assert_eq!(desk.error(all), Some(ErrorCode::None), "when the high watermark is past its last record");
    let late = desk.produce(Acks::All, 1);
    desk.bench.pass(29_999);
    assert_eq!(desk.error(late), None);
    desk.bench.pass(1);
    assert_eq!(desk.error(late), Some(RequestTimedOut), "the producer's request.timeout.ms");
    // Nobody reads an answer to acks=0, so an error ends the connection.
    desk.elect(2, &[1, 2]);
    let refused = desk.produce(Acks::Zero, 1);
    assert_eq!(desk.bench.hung_up, [refused]);
}

/// `DelayedProduce.tryComplete`, `Partition.checkEnoughReplicasReachOffset`.
#[test]
fn r1_1_7_a_waiting_produce_ends_by_high_watermark_step_down_or_time() {
    type Then = fn(&mut Desk);
    let cases: [(&str, Then, Option<ErrorCode>); 5] = [
        (
            "the high watermark is below its end",
            |desk| {
                desk.follower_at(2, 1);
            },
            None,
        ),
        (
            "the high watermark is at its end",
            |desk| {
                desk.follower_at(2, 2);
            },
            Some(ErrorCode::None),
        ),
        ("another leads", |desk| desk.elect(2, &[1, 2]), Some(NotLeaderOrFollower)),
        ("nobody leads", |desk| desk.elect(0, &[1]), Some(NotLeaderOrFollower)),
        ("its time is over", |desk| desk.bench.pass(30_000), Some(RequestTimedOut)),
    ];
    for (name, then, expected) in cases {
        let mut desk = Desk::leading(&[1, 2], 2);
        let connection = desk.produce(Acks::All, 2);
        then(&mut desk);
        assert_eq!(
            (desk.error(connection), desk.end()),
            (expected, 2),
            "{name}; the records stay in the log"
        );
    }
}

/// The high watermark of old did not wait for min.insync.replicas: it passes the records when a follower is given up, and then
/// there are too few.
#[test]
fn r1_1_7_with_too_few_in_sync_at_its_end_the_records_stay_and_the_producer_hears_so() {
    for (version, expected) in [(Version::V3_6, Some(NotEnoughReplicasAfterAppend)), (Version::V4_1, None)] {
        let mut desk = leading(version, &[1, 2], |topic| topic.min_insync_replicas = 2);
        desk.bench.pass(16_000);
        let connection = desk.produce(Acks::All, 1);
        desk.bench.pass(29_000);
        let change = desk.proposed_isr().expect("broker 2 has never been heard of");
        assert_eq!(desk.error(connection), None, "the shrink is only proposed: broker 2 still counts");
        desk.accept(change);
        assert_eq!((desk.error(connection), desk.end()), (expected, 1), "{version:?}");
        let refused = desk.produce(Acks::All, 1);
        assert_eq!((desk.error(refused), desk.end()), (Some(NotEnoughReplicas), 1), "the gate");
    }
}

/// The gate looks at who is in sync, the answer also at who is about to be. Only a high watermark that does not wait for
/// min.insync.replicas, as of old, gets there.
#[test]
fn r1_1_7_at_its_end_a_replica_that_is_about_to_join_counts() {
    let mut desk = leading(Version::V3_6, &[1, 2, 3], |topic| topic.min_insync_replicas = 3);
    desk.bench.pass(16_000);
    desk.follower_at(3, 0);
    let connection = desk.produce(Acks::All, 1);
    desk.bench.pass(29_000);
    let (peer, isr) = desk.proposed_isr().expect("broker 2 has never been heard of");
    assert!(isr.same_set(&ids(&[1, 3])));
    desk.accept((peer, isr));
    desk.follower_at(2, 0);
    assert!(desk.proposed_isr().is_some_and(|(_, isr)| isr.len() == 3));
    desk.follower_at(2, 1);
    desk.follower_at(3, 1);
    assert_eq!((desk.high_watermark(), desk.error(connection)), (1, Some(ErrorCode::None)));
}

/// `ReplicaManager.stopPartitions`, `getPartitionOrError`: the metadata has the partition elsewhere by then, or not at all.
#[test]
fn r1_1_7_a_waiting_produce_ends_when_the_replica_goes() {
    type Change = fn(&mut PartitionState);
    let cases: [(&str, Change, ErrorCode); 2] = [
        (
            "it is moved",
            |state| {
                state.replicas = ids(&[2, 3]);
                state.isr = ids(&[2, 3]);
                state.leader = Some(NodeId(2));
                state.leader_epoch = state.leader_epoch.next();
            },
            NotLeaderOrFollower,
        ),
        ("its topic is deleted", |state| *state = state.removed(), UnknownTopicOrPartition),
    ];
    for (name, change, expected) in cases {
        let mut desk = Desk::leading(&[1, 2], 2);
        let connection = desk.produce(Acks::All, 1);
        assert_eq!(desk.error(connection), None);
        desk.decide(change);
        assert_eq!(desk.error(connection), Some(expected), "{name}");
    }
}

/// KAFKA-15583.
#[test]
fn r1_1_8_a_shrink_below_min_isr_freezes_the_high_watermark_and_the_produce_times_out() {
    let mut desk = Desk::leading(&[1, 2], 2);
    desk.follower_at(2, 0);
    desk.bench.pass(20_000);
    let connection = desk.produce(Acks::All, 1);
    desk.bench.pass(25_000);
    let change = desk.proposed_isr().expect("broker 2 has not been heard of for 45 s");
    desk.accept(change);
    assert_eq!((desk.high_watermark(), desk.error(connection)), (0, None), "alone, and yet it may not go on");
    desk.bench.pass(5_000);
    assert_eq!(desk.error(connection), Some(RequestTimedOut), "not NOT_ENOUGH_REPLICAS_AFTER_APPEND");
}

/// `ReplicaManager.completeDelayedOperationsWhenNotPartitionLeader`, KAFKA-2960.
#[test]
fn r1_1_9_a_step_down_answers_every_waiting_produce() {
    let mut desk = Desk::leading(&[1, 2, 3], 2);
    let waiting = [desk.produce(Acks::All, 1), desk.produce(Acks::All, 1), desk.produce(Acks::All, 1)];
    desk.elect(2, &[1, 2, 3]);
    assert_eq!(waiting.map(|connection| desk.error(connection)), [Some(NotLeaderOrFollower); 3]);
}

/// It waits for an offset, whatever the epoch.
#[test]
fn r1_1_9_a_leader_elected_again_keeps_them_waiting() {
    let mut desk = Desk::leading(&[1, 2], 2);
    let connection = desk.produce(Acks::All, 1);
    desk.elect(1, &[1, 2]);
    assert_eq!(desk.error(connection), None);
    desk.follower_at(2, 1);
    assert_eq!(desk.error(connection), Some(ErrorCode::None), "acknowledged under the next epoch");
}

#[test]
fn r1_1_10_max_message_bytes_and_no_more() {
    let mut desk = Desk::leading(&[1], 1);
    let batch = desk.large_batch(1_048_588);
    let connection = desk.send(Acks::All, batch);
    assert_eq!((desk.error(connection), desk.end()), (Some(ErrorCode::None), 1));
}

#[test]
fn r1_1_10_refusals_of_the_gate_leave_no_record_and_later_errors_may() {
    type Case = (&'static str, fn(&mut Desk) -> u32, ErrorCode, bool);
    let cases: [Case; 8] = [
        (
            "below min.insync.replicas",
            |desk| {
                desk.elect(1, &[1]);
                desk.produce(Acks::All, 1)
            },
            NotEnoughReplicas,
            false,
        ),
        (
            "too large",
            |desk| {
                let batch = desk.large_batch(1_048_589);
                desk.send(Acks::All, batch)
            },
            MessageTooLarge,
            false,
        ),
        (
            "from more than an hour ahead",
            |desk| {
                let batch = desk.batch_of(3_600_001);
                desk.send(Acks::All, batch)
            },
            InvalidTimestamp,
            false,
        ),
        (
            "a gap in the sequence",
            |desk| {
                let first = desk.batch((7, 0, 0), 1);
                desk.send(Acks::One, first);
                let gap = desk.batch((7, 0, 2), 1);
                desk.send(Acks::All, gap)
            },
            OutOfOrderSequenceNumber,
            false,
        ),
        (
            "an old producer epoch",
            |desk| {
                let first = desk.batch((7, 1, 0), 1);
                desk.send(Acks::One, first);
                let old = desk.batch((7, 0, 1), 1);
                desk.send(Acks::All, old)
            },
            InvalidProducerEpoch,
            false,
        ),
        (
            "not the leader",
            |desk| {
                desk.elect(2, &[1, 2]);
                desk.produce(Acks::All, 1)
            },
            NotLeaderOrFollower,
            false,
        ),
        (
            "no longer the leader",
            |desk| {
                let connection = desk.produce(Acks::All, 1);
                desk.elect(2, &[1, 2]);
                connection
            },
            NotLeaderOrFollower,
            true,
        ),
        (
            "not in time",
            |desk| {
                let connection = desk.produce(Acks::All, 1);
                desk.bench.pass(30_000);
                connection
            },
            RequestTimedOut,
            true,
        ),
    ];
    for (name, then, error, is_written) in cases {
        let mut desk = Desk::leading(&[1, 2], 2);
        let connection = then(&mut desk);
        assert_eq!(desk.error(connection), Some(error), "{name}");
        // Some cases need a batch before.
        let before = u64::from([OutOfOrderSequenceNumber, InvalidProducerEpoch].contains(&error));
        assert_eq!(desk.end() - before, u64::from(is_written), "{name}");
    }
}

/// What is set while a broker runs holds from when it has heard of it; the topic's own before the broker's own, and that before
/// what all brokers have.
#[test]
fn r1_1_2_the_gate_goes_by_what_min_insync_replicas_is_set_to() {
    let topic = Resource::Topic(TopicChange::new(ORDERS, 1));
    let [broker, other, all] = [Some(NodeId(1)), Some(NodeId(2)), None].map(Resource::Broker);
    // Of whom it is set, one after the other, to what, and whether two in sync are enough then.
    let cases: &[&[(Resource, u16, bool)]] = &[
        &[(topic, 3, false), (topic, 1, true), (topic, 2, true), (all, 3, true), (broker, 3, true)],
        &[(all, 3, false), (other, 1, false), (broker, 1, true), (all, 3, true), (topic, 3, false)],
        &[(broker, 3, false), (all, 1, false), (topic, 1, true)],
    ];
    for case in cases {
        let mut desk = leading(Version::V4_1, &[1, 2], |topic| topic.min_insync_replicas = 2);
        for &(of, value, is_enough) in *case {
            desk.publish(MetadataRecord::Config { of, setting: Setting::MinInsyncReplicas(value) });
            let connection = desk.produce(Acks::All, 1);
            assert_eq!(
                desk.error(connection),
                (!is_enough).then_some(NotEnoughReplicas),
                "{case:?}: {value}"
            );
        }
    }
}

/// `LogValidator`, before `ProducerStateManager` is asked: of what its producer wrote into it, and only of that.
#[test]
fn r1_1_4_a_batch_is_refused_by_its_timestamps_or_has_the_leaders() {
    const APPEND: bool = true;
    /// Whether the time is the append's, by how many milliseconds the batch is written before now, by how many its first
    /// record before that, and whether it is refused where 1 000 are too many.
    const CASES: [(bool, u64, u64, bool); 6] = [
        (!APPEND, 1_000, 0, false),
        (!APPEND, 1_001, 0, true),
        (!APPEND, 600, 400, false),
        (!APPEND, 600, 401, true),
        (APPEND, 1_001, 0, false),
        (APPEND, 0, 5_000, false),
    ];
    for case in CASES {
        let (log_append_time, before, spans, is_refused) = case;
        let mut desk = leading(Version::V4_1, &[1], |topic| {
            topic.timestamp_before_max = Span::from_milliseconds(1_000);
            topic.log_append_time = log_append_time;
        });
        desk.bench.pass(10_000);
        let batch = desk.batch((7, 0, 0), 2);
        let written = desk.bench.now;
        desk.bench.store.begins_at(batch, Time::from_nanoseconds(written.nanoseconds() - spans * 1_000_000));
        desk.bench.pass(before);
        let connection = desk.send(Acks::One, batch);
        let error = if is_refused { InvalidTimestamp } else { ErrorCode::None };
        assert_eq!(desk.error(connection), Some(error), "{case:?}");
        let appended = desk.bench.now;
        let timestamp = if log_append_time { appended } else { written };
        assert_eq!(desk.bench.store.batch(batch).timestamp, timestamp.whole_milliseconds(), "{case:?}");
        if is_refused {
            continue;
        }
        // A retry of what is there is too old now; with the append's time it is recognised, and stays what it is.
        desk.bench.pass(1_001);
        let connection = desk.send(Acks::One, batch);
        let error = if log_append_time { ErrorCode::None } else { InvalidTimestamp };
        assert_eq!(desk.error(connection), Some(error), "{case:?}");
        assert_eq!(
            (desk.end(), desk.bench.store.batch(batch).timestamp),
            (2, timestamp.whole_milliseconds())
        );
    }
}
