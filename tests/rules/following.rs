//! The follower's fetch loop (`AbstractFetcherThread`, `ReplicaFetcherThread`) and what the leader says to it
//! (`Partition.fetchRecords`).

use highwater::cluster::generation::Version;
use highwater::cluster::happened::Happened;
use highwater::cluster::options::TopicOptions;
use highwater::cluster::protocol::ErrorCode::{
    self, FencedLeaderEpoch, NotLeaderOrFollower, OffsetOutOfRange, UnknownLeaderEpoch,
};
use highwater::cluster::protocol::{Fetcher, ListedOffset, LogEnd, Message, MetadataRecord};
use highwater::cluster::units::{Acks, BrokerEpoch, Incarnation, LeaderEpoch, Offset, PartitionId};
use highwater::devices::port::Event;
use highwater::kernel::units::{Bytes, NodeId, Span};

use crate::broker::{Ask, Desk, ORDERS, ids, state};

#[test]
fn r1_3_1_one_fetch_at_a_time_and_the_next_from_the_new_log_end() {
    let mut desk = Desk::following();
    let (peer, _, asked) = desk.fetches().expect("it begins to fetch at once");
    assert_eq!((peer.node, asked.fetch_offset), (NodeId(2), Offset(0)));
    desk.bench.pass(10_000);
    assert!(desk.fetches().is_none(), "one is under way");
    let batches = [(desk.batch((0, 0, 0), 1), 5), (desk.batch((0, 0, 0), 1), 5)];
    desk.answer_fetch(peer, asked, &batches, &|_| ());
    let (_, _, asked) = desk.fetches().expect("the next follows");
    assert_eq!(asked.fetch_offset, Offset(2));
    assert!(desk.fetches().is_none());
}

/// KAFKA-10554.
#[test]
fn r1_3_2_a_new_leadership_is_followed_from_the_own_log_end_and_newest_epoch() {
    let mut desk = Desk::following();
    desk.feed_batches(&[4, 5, 5], 1);
    desk.elect(3, &[1, 2, 3]);
    let (peer, _, asked) = desk.take_fetch_to(3);
    assert_eq!(peer.node, NodeId(3));
    assert_eq!(
        (asked.fetch_offset, asked.last_fetched_epoch),
        (Offset(3), Some(LeaderEpoch(5))),
        "nothing is cut first"
    );
    assert_eq!(desk.high_watermark(), 1);
}

#[test]
fn r1_3_3_what_a_fetch_says() {
    let mut desk = Desk::following();
    desk.feed_batches(&[5, 5], 0);
    let (_, fetch, asked) = desk.fetches().expect("it follows");
    assert_eq!(fetch.fetcher, Fetcher::Replica(NodeId(1), Some(BrokerEpoch(0))), "KIP-903");
    let limits = desk.bench.store.fetch_limits(fetch.limits);
    assert_eq!((limits.max_wait, limits.min_bytes), (Span::from_milliseconds(500), Bytes::new(1)));
    assert_eq!(asked.current_leader_epoch, Some(LeaderEpoch(5)));
    assert_eq!((asked.fetch_offset, asked.last_fetched_epoch), (Offset(2), Some(LeaderEpoch(5))));
    assert_eq!(asked.log_start_offset, Offset(0));
}

/// `Partition.localLogWithEpochOrThrow`; KAFKA-13837, KAFKA-14078, KAFKA-15221.
#[test]
fn r1_3_4_the_leader_checks_epoch_then_leadership_then_assignment_then_broker_epoch() {
    type Case = (&'static str, fn(&mut Desk), fn(&mut Ask), ErrorCode);
    let moves = |desk: &mut Desk| {
        desk.decide(|state| {
            (state.replicas, state.isr) = (ids(&[2, 3]), ids(&[2, 3]));
            (state.leader, state.leader_epoch) = (Some(NodeId(2)), state.leader_epoch.next());
        });
    };
    let cases: [Case; 9] = [
        ("as it should be", |_| (), |_| (), ErrorCode::None),
        ("an older leader epoch", |_| (), |ask| ask.leader_epoch -= 1, FencedLeaderEpoch),
        ("a newer leader epoch", |_| (), |ask| ask.leader_epoch += 1, UnknownLeaderEpoch),
        (
            "an older epoch of one that does not lead",
            |desk| desk.elect(2, &[1, 2, 3]),
            |ask| ask.leader_epoch -= 1,
            FencedLeaderEpoch,
        ),
        ("not the leader", |desk| desk.elect(2, &[1, 2, 3]), |_| (), NotLeaderOrFollower),
        ("the leader's replica is moved away", moves, |_| (), NotLeaderOrFollower),
        ("it is, by a newer epoch", moves, |ask| ask.leader_epoch += 1, NotLeaderOrFollower),
        ("not a replica", |_| (), |ask| ask.by = 9, UnknownLeaderEpoch),
        ("a former life of the follower", re_register, |_| (), NotLeaderOrFollower),
    ];
    for (name, before, edit, error) in cases {
        let mut desk = Desk::leading(&[1, 2, 3], 2);
        before(&mut desk);
        let mut ask = desk.ask(2, 0);
        edit(&mut ask);
        assert_eq!(desk.fetch(ask).error, error, "{name}");
    }
}

/// `Replica.updateFetchStateOrThrow` comes after the read: what was read goes nowhere, and its lists serve again.
#[test]
fn r1_3_4_a_fetch_refused_after_reading_says_nothing_of_what_it_read() {
    let version = Version::V4_1;
    let topic = TopicOptions { min_insync_replicas: 2, ..version.generation().topic };
    let mut desk = Desk::of_several(2, version, state(&[1, 2, 3], 1), topic, |_| ());
    desk.produce(Acks::One, 1);
    re_register(&mut desk);
    let mut in_use = Vec::new();
    // A former life of broker 2, broker 2 as it is, a consumer.
    for (by, broker_epoch, error, batches) in
        [(2, Some(1), NotLeaderOrFollower, 0), (2, None, ErrorCode::None, 1), (0, None, ErrorCode::None, 0)]
    {
        let connection = desk.send_fetch_of(2, Ask { broker_epoch, ..desk.ask(by, 0) });
        let Some(Some(Message::Fetched(answer))) = desk.bench.answers.get(&connection) else {
            panic!("it waits for nothing")
        };
        let store = &mut desk.bench.store;
        let parts: Vec<_> =
            store.fetched.get(answer.partitions).iter().map(|part| (part.error, part.entries)).collect();
        assert_eq!(parts, [(error, batches), (error, 0)], "asked by {by} as {broker_epoch:?}");
        assert_eq!(store.entries.get(answer.entries).len(), batches as usize);
        store.release(Message::Fetched(*answer));
        in_use.push((store.fetched.in_use(), store.entries.in_use()));
    }
    assert_eq!(in_use, [in_use[0]; 3], "no list is kept");
    // Nor by one that waits, has read in vain, and is answered in the end.
    let parked = desk.send_fetch_of(2, Ask { max_wait: 500, ..desk.ask(0, 0) });
    assert_eq!(desk.got(parked), None);
    let store = &desk.bench.store;
    assert_eq!((store.fetched.in_use(), store.entries.in_use()), in_use[0]);
}

/// A new process of broker 2 registers and is unfenced.
fn re_register(desk: &mut Desk) {
    let epoch = BrokerEpoch(desk.metadata_end());
    let broker = NodeId(2);
    desk.publish(MetadataRecord::RegisterBroker { broker, incarnation: Incarnation(2) });
    let (fenced, in_controlled_shutdown) = (false, false);
    desk.publish(MetadataRecord::BrokerChange {
        broker,
        broker_epoch: epoch,
        fenced,
        in_controlled_shutdown,
    });
}

/// A leader in epoch 5 with batches of epochs 1, 1, 3, 5, 5.
fn leader_of_three_epochs() -> Desk {
    let mut desk = Desk::following();
    desk.feed_batches(&[1, 1, 3], 0);
    desk.elect(1, &[1, 2, 3]);
    desk.produce(Acks::One, 1);
    desk.produce(Acks::One, 1);
    desk
}

/// KIP-595, KAFKA-12996, KAFKA-13141.
#[test]
fn r1_3_5_a_diverging_fetch_is_told_where_and_counts_for_nothing() {
    // Last epoch and offset; what is said.
    let cases = [
        (Some(6), 5, Ok(None)),
        (Some(6), 4, Ok(None)),
        (Some(3), 3, Ok(None)),
        (Some(3), 4, Ok(Some((3, 3)))),
        (Some(2), 2, Ok(Some((1, 2)))),
        (Some(2), 3, Ok(Some((1, 2)))),
        (Some(4), 4, Ok(Some((3, 3)))),
        (Some(7), 4, Err(OffsetOutOfRange)),
        (None, 6, Err(OffsetOutOfRange)),
    ];
    for (last_epoch, offset, expected) in cases {
        let mut desk = leader_of_three_epochs();
        let got = desk.fetch(Ask { last_epoch, ..desk.ask(2, offset) });
        let said = if got.error == ErrorCode::None { Ok(got.diverging) } else { Err(got.error) };
        assert_eq!(said, expected, "{last_epoch:?} {offset}");
        let noted = desk.bench.notes.iter().any(|(_, note)| matches!(note, Happened::Fetched { .. }));
        assert_eq!(noted, expected == Ok(None), "the follower's position is noted only if the logs agree");
        assert!(got.diverging.is_none() || got.batches == 0);
    }
    // Below the log's start it is out of range, also where it diverges (KAFKA-12996).
    for (last_epoch, offset, expected) in [
        (Some(5), 6, ErrorCode::OffsetOutOfRange),
        (Some(1), 6, ErrorCode::OffsetOutOfRange),
        (Some(5), 7, ErrorCode::None),
    ] {
        let mut desk = Desk::following();
        desk.feed_batches(&[1], 0);
        desk.feed_answer(&[], &|part| part.error = OffsetOutOfRange);
        list(&mut desk, LogEnd::Latest, ErrorCode::None, 9);
        list(&mut desk, LogEnd::Earliest, ErrorCode::None, 7);
        desk.feed_batches(&[5, 5], 0);
        desk.elect(1, &[1, 2, 3]);
        let got = desk.fetch(Ask { last_epoch, ..desk.ask(2, offset) });
        assert_eq!((got.error, got.diverging), (expected, None), "{last_epoch:?} {offset} of a log from 7");
    }
}

/// `LeaderEpochFileCache.endOffsetFor`.
#[test]
fn r1_3_6_where_an_epoch_ends() {
    let desk = leader_of_three_epochs();
    let log = desk.bench.node.log(ORDERS).expect("it has a replica");
    let end_of = |epoch| {
        log.epochs().end_offset_for(LeaderEpoch(epoch), log.end()).map(|(epoch, end)| (epoch.0, end.0))
    };
    let ends: Vec<_> = (0..=7).map(end_of).collect();
    let expected = [
        Some((0, 0)),
        Some((1, 2)),
        Some((1, 2)),
        Some((3, 3)),
        Some((3, 3)),
        Some((3, 3)),
        Some((6, 5)),
        None,
    ];
    assert_eq!(ends, expected, "the newest ends at the log end, an unknown old one where the oldest begins");
}

/// `AbstractFetcherThread.getOffsetTruncationState`, KIP-279.
#[test]
fn r1_3_7_the_follower_cuts_to_the_lower_end_of_the_common_epoch_and_asks_again() {
    // Own epochs; what the leader says; where that cuts.
    let cases = [
        (&[1, 3, 3, 3][..], (3, 2), 2),
        (&[1, 3, 3, 3], (3, 9), 4),
        (&[1, 3, 3, 3], (2, 3), 1),
        (&[1, 1, 4, 5], (3, 4), 2),
        (&[2, 2, 3], (1, 1), 0),
    ];
    for (own, (epoch, end), cut) in cases {
        let mut desk = Desk::following();
        desk.feed_batches(own, 0);
        desk.feed_answer(&[], &|part| part.diverging = Some((LeaderEpoch(epoch), Offset(end))));
        assert_eq!(desk.end(), cut, "{own:?}, told ({epoch}, {end})");
        let (_, _, asked) = desk.fetches().expect("it asks again at once");
        let newest = own[..cut as usize].last().copied();
        assert_eq!((asked.fetch_offset, asked.last_fetched_epoch), (Offset(cut), newest.map(LeaderEpoch)));
    }
}

/// KAFKA-18991, since 4.1; before, the offset alone had to match.
#[test]
fn r1_3_8_before_4_1_an_answer_of_another_epoch_counts_if_the_offset_is_the_same() {
    for (version, expected) in [(Version::V3_6, 2), (Version::V3_9, 2), (Version::V4_1, 1)] {
        let topic = TopicOptions { min_insync_replicas: 2, ..version.generation().topic };
        let mut desk = Desk::with(version, state(&[1, 2, 3], 2), topic, |_| ());
        desk.feed_batches(&[5], 0);
        let (peer, _, asked) = desk.fetches().expect("it follows");
        desk.elect(2, &[1, 2, 3]);
        let batch = desk.batch((0, 0, 0), 1);
        desk.answer_fetch(peer, asked, &[(batch, 5)], &|_| ());
        assert_eq!(desk.end(), expected, "{version:?}");
    }
}

/// The log has gone on by other ways meanwhile: what was asked for is there already, and something else.
#[test]
fn r1_3_8_before_4_1_the_offset_has_to_be_the_same() {
    let topic = TopicOptions { min_insync_replicas: 1, ..Version::V3_9.generation().topic };
    let mut desk = Desk::of_several(2, Version::V3_9, state(&[1, 2, 3], 2), topic, |_| ());
    let (peer, _, asked) = desk.fetches().expect("it follows");
    desk.decide(|state| (state.leader, state.leader_epoch) = (Some(NodeId(1)), LeaderEpoch(6)));
    desk.produce(Acks::One, 1);
    desk.decide(|state| (state.leader, state.leader_epoch) = (Some(NodeId(2)), LeaderEpoch(7)));
    let batch = desk.batch((0, 0, 0), 1);
    desk.answer_fetch(peer, asked, &[(batch, 5)], &|_| ());
    assert_eq!(desk.end(), 1);
}

/// `AbstractFetcherThread.processFetchRequest`: what is no longer fetched for has no use for the answer, under any epoch.
#[test]
fn r1_3_8_an_answer_for_a_replica_that_is_fetched_for_no_more_is_dropped() {
    let topic = Version::V4_1.generation().topic;
    let mut desk = Desk::of_several(2, Version::V4_1, state(&[1, 2, 3], 2), topic, |_| ());
    let (peer, _, asked) = desk.fetches().expect("it follows");
    desk.bench.feed(Event::Stop);
    desk.decide(|state| state.isr = ids(&[2, 3]));
    let batch = desk.batch((0, 0, 0), 1);
    desk.answer_fetch(peer, asked, &[(batch, 5)], &|_| ());
    assert_eq!(desk.end(), 0, "it is about to stop, and out of sync");
    let (_, fetch, asked) = desk.fetches().expect("the loop goes on");
    assert_eq!((desk.bench.store.fetch.get(fetch.partitions).len(), asked.partition), (1, PartitionId(1)));
}

/// KAFKA-14704, KAFKA-18991.
#[test]
fn r1_3_8_an_answer_counts_only_in_the_epoch_and_at_the_offset_it_was_asked_for() {
    let mut desk = Desk::following();
    desk.feed_batches(&[5], 0);
    // The same leader under another epoch: the answer to what was asked before is dropped.
    let (peer, _, asked) = desk.fetches().expect("it follows");
    desk.elect(2, &[1, 2, 3]);
    let batch = desk.batch((0, 0, 0), 1);
    desk.answer_fetch(peer, asked, &[(batch, 5)], &|part| part.high_watermark = Offset(2));
    assert_eq!((desk.end(), desk.high_watermark()), (1, 0));
    let (_, _, asked) = desk.fetches().expect("it asks again, on the same connection");
    assert_eq!((asked.fetch_offset, asked.current_leader_epoch), (Offset(1), Some(LeaderEpoch(6))));
    let mut desk = Desk::following();
    desk.feed_batches(&[5], 0);
    // A diverging answer is heard before anything else it says.
    desk.feed_answer(&[], &|part| {
        part.diverging = Some((LeaderEpoch(5), Offset(0)));
        part.high_watermark = Offset(1);
    });
    assert_eq!((desk.end(), desk.high_watermark()), (0, 0));
}

#[test]
fn r1_3_9_a_follower_takes_what_its_leader_took_and_waits_after_an_error() {
    let mut desk = Desk::following();
    // Sequences that a leader would refuse are taken, and known from then on.
    let batches = [desk.batch((7, 0, 4), 1), desk.batch((7, 0, 9), 1)];
    desk.feed_answer(&[(batches[0], 5), (batches[1], 5)], &|_| ());
    assert_eq!(desk.end(), 2);
    desk.feed_answer(&[], &|part| part.error = NotLeaderOrFollower);
    desk.bench.pass(999);
    assert!(desk.fetches().is_none(), "replica.fetch.backoff.ms is not over");
    desk.bench.pass(1);
    assert!(desk.fetches().is_some());
    desk.elect(1, &[1, 2, 3]);
    let again = desk.send(Acks::One, batches[1]);
    assert_eq!(desk.produced(again), Some((ErrorCode::None, 1)), "recognised where it lies");
}

/// KAFKA-18723.
#[test]
fn r1_3_9_batches_of_a_later_leadership_than_was_asked_are_left_out() {
    let mut desk = Desk::following();
    let batches = [desk.batch((0, 0, 0), 1), desk.batch((0, 0, 0), 1)];
    desk.feed_answer(&[(batches[0], 5), (batches[1], 6)], &|part| part.high_watermark = Offset(2));
    assert_eq!((desk.end(), desk.high_watermark()), (1, 1));
}

/// `UnifiedLog.maybeIncrementLogStartOffset` in `ReplicaFetcherThread.processPartitionData`.
#[test]
fn r1_3_9_the_log_start_follows_the_leaders() {
    let mut desk = Desk::following();
    for (batches, leaders, expected) in [(3, 1, 1), (0, 0, 1), (0, 3, 3)] {
        let batches: Vec<_> = (0..batches).map(|_| (desk.batch((0, 0, 0), 1), 5)).collect();
        desk.feed_answer(&batches, &|part| {
            (part.log_start_offset, part.high_watermark) = (Offset(leaders), Offset(3));
        });
        let log = desk.bench.node.log(ORDERS).expect("it has a replica");
        assert_eq!((log.start().0, log.end().0), (expected, 3), "the leader's begins at {leaders}");
    }
}

/// `AbstractFetcherThread.processFetchRequest`: what it did not expect makes the partition a failed one.
#[test]
fn r1_3_9_after_what_it_cannot_append_it_fetches_no_more_until_new_metadata() {
    let version = Version::V4_1;
    let mut topic = version.generation().topic;
    // Smaller than the leader's.
    topic.segments.bytes = Bytes::new(150);
    let mut desk = Desk::with(version, state(&[1, 2, 3], 2), topic, |_| ());
    let batches = [desk.batch((0, 0, 0), 1), desk.batch((0, 0, 0), 1)];
    desk.feed_answer(&[(batches[0], 5), (batches[1], 5)], &|_| ());
    desk.bench.pass(60_000);
    assert!(desk.end() == 0 && desk.fetches().is_none());
    desk.elect(3, &[1, 2, 3]);
    assert!(desk.fetches().is_some());
}

/// `AbstractFetcherThread.updateFetchOffsetAndMaybeMarkTruncationComplete` (seen on a real cluster: the old leader, refused
/// once by a new one that had not heard yet, copied nothing for a second after it had cut its log).
#[test]
fn r1_3_9_a_cut_after_an_error_waits_once_more() {
    // Whether records came between the error and the cut, and whether the follower waits after the cut.
    for (records, waits) in [(false, true), (true, false)] {
        let mut desk = Desk::following();
        desk.feed_batches(&[1, 3], 0);
        desk.feed_answer(&[], &|part| part.error = NotLeaderOrFollower);
        desk.bench.pass(1000);
        if records {
            desk.feed_batches(&[3], 0);
        }
        desk.feed_answer(&[], &|part| part.diverging = Some((LeaderEpoch(1), Offset(1))));
        assert_eq!(desk.end(), 1);
        assert_eq!(desk.fetches().is_none(), waits, "records: {records}");
        if waits {
            desk.bench.pass(999);
            assert!(desk.fetches().is_none(), "replica.fetch.backoff.ms is not over");
            desk.bench.pass(1);
            assert!(desk.fetches().is_some());
        }
    }
}

/// The leader says where its log ends, or begins.
fn list(desk: &mut Desk, end: LogEnd, error: ErrorCode, offset: u64) {
    let (peer, asked) = desk
        .bench
        .take_asked(|message| {
            let Message::ListOffsets(request) = message else { return None };
            Some(*request)
        })
        .expect("it asks where the leader's log ends or begins");
    assert_eq!((asked.end, asked.current_leader_epoch), (end, Some(LeaderEpoch(5))));
    let offset = (error == ErrorCode::None).then_some(Offset(offset));
    let answer = ListedOffset { partition: asked.partition, error, offset };
    desk.bench.feed(Event::Response(peer, Message::ListedOffset(answer)));
}

/// `AbstractFetcherThread.fetchOffsetAndTruncate`, KAFKA-7414.
#[test]
fn r1_3_10_out_of_range_cuts_to_the_leaders_end_or_begins_at_its_start_or_changes_nothing() {
    // Where the leader's log ends and begins; the own start, end and high watermark then.
    let cases = [
        ((3, 0), (0, 3, 3)),
        ((9, 7), (7, 7, 7)),
        ((9, 5), (0, 5, 4)),
        ((9, 2), (0, 5, 4)),
        ((5, 2), (0, 5, 4)),
    ];
    for ((ends, begins), expected) in cases {
        let mut desk = Desk::following();
        desk.feed_batches(&[1, 1, 1, 1, 1], 4);
        desk.feed_answer(&[], &|part| part.error = OffsetOutOfRange);
        assert!(desk.fetches().is_none(), "first it asks");
        list(&mut desk, LogEnd::Latest, ErrorCode::None, ends);
        if ends >= 5 {
            list(&mut desk, LogEnd::Earliest, ErrorCode::None, begins);
        }
        let start = desk.bench.node.log(ORDERS).expect("it has a replica").start().0;
        assert_eq!((start, desk.end(), desk.high_watermark()), expected, "{begins} to {ends}");
        let (_, _, asked) = desk.fetches().expect("then it goes on");
        assert_eq!(asked.fetch_offset.0, expected.1);
    }
    for (error, goes_on) in [(UnknownLeaderEpoch, true), (FencedLeaderEpoch, false)] {
        let mut desk = Desk::following();
        desk.feed_batches(&[1, 1, 1, 1, 1], 4);
        desk.feed_answer(&[], &|part| part.error = OffsetOutOfRange);
        list(&mut desk, LogEnd::Latest, error, 0);
        assert!(desk.fetches().is_none(), "{error}: not at once");
        desk.bench.pass(1_000);
        assert_eq!(desk.fetches().is_some(), goes_on, "{error}: after replica.fetch.backoff.ms");
        assert_eq!(desk.end(), 5);
    }
}

/// `ProducerStateManager.truncateFullyAndStartAt`.
#[test]
fn r1_3_10_a_log_that_begins_anew_knows_no_producers() {
    let mut desk = Desk::following();
    let batch = desk.batch((7, 0, 0), 1);
    desk.feed_answer(&[(batch, 5)], &|_| ());
    desk.feed_answer(&[], &|part| part.error = OffsetOutOfRange);
    list(&mut desk, LogEnd::Latest, ErrorCode::None, 9);
    list(&mut desk, LogEnd::Earliest, ErrorCode::None, 7);
    desk.elect(1, &[1, 2, 3]);
    let again = desk.send(Acks::One, batch);
    assert_eq!(desk.produced(again), Some((ErrorCode::None, 7)));
}

/// `AbstractFetcherThread.truncateToEpochEndOffsets` and the like look whether the leadership is still the same.
#[test]
fn r1_3_10_what_was_asked_of_a_former_leadership_cuts_nothing() {
    let mut desk = Desk::following();
    desk.feed_batches(&[1, 1, 1, 1, 1], 4);
    desk.feed_answer(&[], &|part| part.error = OffsetOutOfRange);
    desk.elect(2, &[1, 2, 3]);
    list(&mut desk, LogEnd::Latest, ErrorCode::None, 3);
    assert_eq!(desk.end(), 5);
    let (_, _, asked) = desk.fetches().expect("it goes on, under the other epoch");
    assert_eq!((asked.fetch_offset, asked.current_leader_epoch), (Offset(5), Some(LeaderEpoch(6))));
}

/// `AbstractFetcherThread.onPartitionFenced`.
#[test]
fn r1_3_11_a_fenced_follower_waits_for_metadata() {
    let mut desk = Desk::following();
    desk.feed_answer(&[], &|part| part.error = FencedLeaderEpoch);
    desk.bench.pass(60_000);
    assert!(desk.fetches().is_none(), "asking again would be answered the same");
    desk.elect(2, &[1, 2, 3]);
    assert!(desk.fetches().is_some());
}

/// KAFKA-10706.
#[test]
fn r1_3_12_a_cut_prunes_epochs_and_drags_the_high_watermark_down() {
    let mut desk = Desk::following();
    desk.feed_batches(&[1, 3, 3], 3);
    desk.feed_answer(&[], &|part| part.diverging = Some((LeaderEpoch(1), Offset(1))));
    let log = desk.bench.node.log(ORDERS).expect("it has a replica");
    assert_eq!((log.end(), log.epochs().entries()), (Offset(1), &[(LeaderEpoch(1), Offset(0))][..]));
    assert_eq!(desk.high_watermark(), 1);
    let written = desk.bench.disk.last().map(String::as_str);
    assert_eq!(written, Some("replace RecoveryPoints"), "`LogManager.truncateTo` writes them down");
    // A leader that appended nothing has its epoch in the cache; to cut at the log end takes it away.
    desk.elect(1, &[1, 2, 3]);
    desk.elect(2, &[1, 2, 3]);
    let (peer, _, asked) = desk.take_fetch_to(2);
    assert_eq!(asked.last_fetched_epoch, Some(LeaderEpoch(6)));
    desk.answer_fetch(peer, asked, &[], &|part| part.diverging = Some((LeaderEpoch(1), Offset(1))));
    let (_, _, asked) = desk.fetches().expect("it asks again");
    assert_eq!((asked.fetch_offset, asked.last_fetched_epoch), (Offset(1), Some(LeaderEpoch(1))));
}
