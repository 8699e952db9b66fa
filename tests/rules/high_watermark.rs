//! The high watermark (`Partition.maybeIncrementLeaderHW`, `UnifiedLog.maybeUpdateHighWatermark`).

use highwater::cluster::generation::Version;
use highwater::cluster::happened::Happened;
use highwater::cluster::options::TopicOptions;
use highwater::cluster::protocol::ErrorCode::{
    self, FencedLeaderEpoch, IneligibleReplica, NotLeaderOrFollower, OffsetNotAvailable,
};
use highwater::cluster::units::{Acks, Offset};

use crate::broker::{Ask, Desk, ids, state};
use crate::worlds;

#[test]
fn r1_2_1_it_is_the_least_log_end_of_the_maximal_isr() {
    let mut desk = Desk::leading(&[1, 2, 3], 2);
    desk.produce(Acks::One, 5);
    desk.follower_at(2, 4);
    desk.follower_at(3, 3);
    assert_eq!(desk.high_watermark(), 3);
}

#[test]
fn r1_2_1_it_stands_still_below_min_isr() {
    let mut desk = Desk::leading(&[1], 2);
    desk.produce(Acks::One, 5);
    desk.follower_at(2, 5);
    assert_eq!(desk.high_watermark(), 0, "the committed in-sync set has one member");
}

/// KAFKA-15583.
#[test]
fn r1_2_1_before_3_7_it_does_not_wait_for_min_isr() {
    for (version, expected) in [(Version::V2_8, 5), (Version::V3_6, 5), (Version::V3_9, 0)] {
        let topic = TopicOptions { min_insync_replicas: 2, ..version.generation().topic };
        let mut desk = Desk::with(version, state(&[1], 1), topic, |_| ());
        desk.produce(Acks::One, 5);
        assert_eq!(desk.high_watermark(), expected, "{version:?}");
    }
}

#[test]
fn r1_2_1_it_waits_for_a_replica_out_of_sync_that_is_caught_up_and_may_join() {
    type Then = fn(&mut Desk);
    let cases: [(&str, Then, u64); 3] = [
        ("as it is", |_| (), 0),
        ("fenced", |desk| desk.fence(2, true), 1),
        ("registered anew, and not heard of since", |desk| desk.registers_anew(2), 1),
    ];
    for (name, then, expected) in cases {
        let mut desk = Desk::leading(&[1, 3], 1);
        desk.follower_at(3, 0);
        desk.follower_at(2, 0);
        let (peer, _) = desk.proposed_isr().expect("broker 2 may join");
        desk.refuse(peer, IneligibleReplica);
        then(&mut desk);
        desk.produce(Acks::One, 1);
        desk.follower_at(3, 1);
        assert_eq!(desk.high_watermark(), expected, "broker 2, caught up just now: {name}");
    }
}

/// `Replica.resetReplicaState`: who is not in sync when a leadership begins counts as caught up never, however young the
/// cluster is, so that it does not hold the high watermark back.
#[test]
fn r1_2_1_it_does_not_wait_for_a_replica_out_of_sync_that_was_never_caught_up() {
    let mut desk = Desk::leading(&[1, 3], 1);
    desk.produce(Acks::One, 5);
    desk.follower_at(3, 5);
    desk.follower_at(2, 0);
    desk.produce(Acks::One, 1);
    desk.follower_at(3, 6);
    assert_eq!((desk.high_watermark(), desk.proposed_isr()), (6, None));
}

/// KIP-497.
#[test]
fn r1_2_2_a_pending_expansion_counts_at_once_and_a_pending_shrink_not_before_it_is_accepted() {
    let mut desk = Desk::leading(&[1], 1);
    desk.follower_at(2, 0);
    let joining = desk.proposed_isr().expect("broker 2 may join");
    desk.produce(Acks::One, 1);
    assert_eq!(desk.high_watermark(), 0, "broker 2 is waited for before the controller has said anything");
    desk.bench.pass(31_000);
    desk.produce(Acks::One, 1);
    assert_eq!(desk.high_watermark(), 0, "though it has not caught up for longer than the lag allows");
    desk.accept(joining);
    desk.follower_at(2, 2);
    assert_eq!(desk.high_watermark(), 2);
    desk.produce(Acks::One, 1);
    desk.bench.pass(45_000);
    let leaving = desk.proposed_isr().expect("broker 2 has been silent");
    desk.produce(Acks::One, 1);
    assert_eq!(desk.high_watermark(), 2, "still waited for");
    desk.accept(leaving);
    assert_eq!(desk.high_watermark(), 4);
}

#[test]
fn r1_2_3_a_leaders_only_rises_and_a_followers_follows_even_backwards() {
    let mut desk = Desk::leading(&[1, 2], 1);
    desk.produce(Acks::One, 5);
    for (end, expected) in [(3, 3), (1, 3), (5, 5), (0, 5)] {
        desk.follower_at(2, end);
        assert_eq!(desk.high_watermark(), expected, "the follower said {end}");
    }
    let mut desk = Desk::following();
    for (batches, leaders, expected) in [(2, 1, 1), (1, 9, 3), (0, 2, 2)] {
        desk.feed_batches(&vec![5; batches], leaders);
        assert_eq!(desk.high_watermark(), expected, "the leader said {leaders}; not above the own log end");
    }
}

/// KAFKA-13091.
#[test]
fn r1_2_4_it_is_tried_at_fetch_append_election_and_accepted_proposal() {
    // A follower's fetch that moved its log end.
    let mut desk = Desk::leading(&[1, 2], 1);
    desk.produce(Acks::One, 2);
    desk.follower_at(2, 1);
    assert_eq!(desk.high_watermark(), 1);
    // An accepted shrink.
    desk.bench.pass(45_000);
    let leaving = desk.proposed_isr().expect("broker 2 has been silent");
    desk.accept(leaving);
    assert_eq!(desk.high_watermark(), 2);
    // An append.
    desk.produce(Acks::One, 1);
    assert_eq!(desk.high_watermark(), 3);
    // A shrink that the controller has decided on its own, as it does when it fences a broker.
    let mut desk = Desk::leading(&[1, 2], 1);
    let connection = desk.produce(Acks::All, 2);
    desk.decide(|state| state.isr = ids(&[1]));
    assert_eq!((desk.high_watermark(), desk.error(connection)), (2, Some(ErrorCode::None)));
    // Becoming leader, alone in sync, with records above the high watermark.
    let mut desk = Desk::following();
    desk.feed_batches(&[5, 5], 1);
    desk.elect(1, &[1]);
    assert_eq!(desk.high_watermark(), 1, "one is below min.insync.replicas");
    let mut desk = Desk::of(state(&[1, 2, 3], 2), 1, |_| ());
    desk.feed_batches(&[5, 5], 1);
    desk.elect(1, &[1]);
    assert_eq!(desk.high_watermark(), 2);
}

/// `Partition.updateFollowerFetchState`: a fetch from where the last one was does not move it, and one that moves the follower is
/// first a reason to let it join.
#[test]
fn r1_2_4_a_fetch_that_moves_nobody_is_no_occasion_and_joining_comes_before() {
    // Broker 2, caught up and refused, is waited for.
    let waiting = || {
        let mut desk = Desk::leading(&[1, 3], 1);
        desk.follower_at(3, 0);
        desk.follower_at(2, 0);
        let (peer, _) = desk.proposed_isr().expect("broker 2 may join");
        desk.refuse(peer, IneligibleReplica);
        desk.produce(Acks::One, 2);
        desk.follower_at(3, 2);
        assert_eq!(desk.high_watermark(), 0);
        desk
    };
    let mut desk = waiting();
    desk.fence(2, true);
    desk.follower_at(3, 2);
    assert_eq!(desk.high_watermark(), 0, "nobody has moved");
    desk.produce(Acks::One, 1);
    assert_eq!(desk.high_watermark(), 2);
    // So long after, it no longer counts as caught up; as it joins it is waited for all the same.
    let mut desk = waiting();
    desk.bench.pass(31_000);
    desk.follower_at(2, 1);
    assert!(desk.proposed_isr().is_some());
    assert_eq!(desk.high_watermark(), 1);
}

#[test]
fn r1_2_5_a_new_leader_waits_for_every_member_to_fetch() {
    let mut desk = Desk::following();
    desk.feed_batches(&[5, 5, 5], 1);
    desk.elect(1, &[1, 2, 3]);
    assert_eq!(desk.high_watermark(), 1, "what it had as a follower");
    let begun = desk.bench.notes.iter().find_map(|(_, note)| {
        let Happened::Leads { start, .. } = note else { return None };
        Some(*start)
    });
    assert_eq!(begun, Some(Offset(3)), "the leadership begins at the log end");
    desk.follower_at(2, 3);
    assert_eq!(desk.high_watermark(), 1, "nothing is known of broker 3 in this epoch");
    desk.follower_at(3, 2);
    assert_eq!(desk.high_watermark(), 2);
}

/// `Partition.fetchRecords` reads first and notes the follower's position after; KAFKA-9731 took the short cut away.
#[test]
fn r1_2_6_a_follower_learns_of_it_a_round_late_and_on_an_idle_partition_up_to_500_ms_late() {
    let mut desk = Desk::leading(&[1, 2], 2);
    desk.produce(Acks::One, 1);
    let got = desk.follower_at(2, 1);
    assert_eq!(
        (got.high_watermark, desk.high_watermark()),
        (0, 1),
        "the fetch that commits carries the old one"
    );
    assert_eq!(desk.follower_at(2, 1).high_watermark, 1);
    // Idle: a fetch that waits is not answered because the high watermark moved.
    let mut desk = Desk::leading(&[1, 2, 3], 2);
    desk.produce(Acks::One, 1);
    let parked = desk.send_fetch(Ask { max_wait: 500, ..desk.ask(2, 1) });
    desk.follower_at(3, 1);
    assert_eq!((desk.high_watermark(), desk.got(parked)), (1, None));
    desk.bench.pass(499);
    assert_eq!(desk.got(parked), None);
    desk.bench.pass(1);
    assert_eq!(desk.got(parked).map(|got| (got.error, got.high_watermark)), Some((ErrorCode::None, 1)));
}

/// `ReplicaManager.checkpointHighWatermarks`.
#[test]
fn r1_2_7_it_is_written_down_every_five_seconds_and_a_restart_begins_with_that() {
    let mut desk = Desk::leading(&[1], 1);
    desk.produce(Acks::One, 3);
    desk.bench.pass(4_999);
    desk.restart();
    assert_eq!(desk.recovered_high_watermark(), 0, "nothing was written");
    let mut desk = Desk::leading(&[1], 1);
    desk.produce(Acks::One, 3);
    desk.bench.pass(5_000);
    desk.produce(Acks::One, 2);
    assert_eq!(desk.high_watermark(), 5);
    desk.restart();
    assert_eq!(desk.recovered_high_watermark(), 3);
}

/// `ReplicaManager.shutdown`; `UnifiedLog.loadHighWatermark` keeps it within the log.
#[test]
fn r1_2_7_a_clean_stop_writes_it_and_a_start_keeps_it_within_the_log() {
    let found = |fault: &str| {
        let run = worlds::run(&format!(
            "topics.orders = {{ partitions = 1, replication.factor = 3 }}\n\
             producers.web = {{ into = \"orders\", records = 700, rate = \"100/s\", acks = \"all\" }}\n\
             faults = [{{ at = \"6900ms\", on = \"broker(2)\", for = \"1s\", {fault} }}]\nrun.until = \"60s\"\n"
        ));
        let recovered = run.cluster().filter_map(|(_, node, what)| {
            let Happened::Recovered { end, high_watermark, .. } = what else { return None };
            (node == 2).then_some((end.0, high_watermark.0))
        });
        recovered.last().expect("it starts again")
    };
    let (end, high_watermark) = found("do = \"stop\"");
    assert!(high_watermark > 650 && high_watermark <= end, "{high_watermark} of {end}: as it stopped");
    let (end, high_watermark) = found("do = \"crash\"");
    assert!((400..=510).contains(&high_watermark) && end > 650, "{high_watermark} of {end}: of 5 s");
    assert_eq!(found("do = \"power-loss\", lose = \"all-unsynced\""), (0, 0), "no more than the log has");
}

/// KIP-207, `Partition.fetchOffsetForTimestamp`.
#[test]
fn r1_2_8_a_consumer_is_not_told_where_the_log_ends_while_that_is_below_the_leaderships_start() {
    let mut desk = Desk::following();
    desk.feed_batches(&[5, 5, 5], 1);
    assert_eq!(desk.latest(None), Err(NotLeaderOrFollower));
    desk.elect(1, &[1, 2, 3]);
    assert_eq!(desk.latest(None), Err(OffsetNotAvailable), "1 is known to be committed, 3 may have been");
    assert_eq!(desk.latest(Some(2)), Ok(3), "a follower is told the log end");
    desk.follower_at(2, 3);
    desk.follower_at(3, 2);
    assert_eq!((desk.high_watermark(), desk.latest(None)), (2, Err(OffsetNotAvailable)));
    desk.follower_at(3, 3);
    assert_eq!(desk.latest(None), Ok(3));
    desk.produce(Acks::One, 1);
    assert_eq!(desk.latest(None), Ok(3), "the high watermark");
    desk.state.leader_epoch.0 -= 1;
    assert_eq!(desk.latest(None), Err(FencedLeaderEpoch), "asked under an older epoch");
}

/// `Partition.fetchOffsetForTimestamp`, `ReplicaManager.fetchOffset`: what lies above the high watermark is not told.
#[test]
fn r1_2_8_nor_where_the_first_record_of_a_time_on_is() {
    let mut desk = Desk::leading(&[1, 2], 2);
    for _ in 0..3 {
        desk.bench.pass(100);
        desk.produce(Acks::One, 2);
    }
    desk.follower_at(2, 4);
    for (milliseconds, expected) in
        [(0, Some(0)), (100, Some(0)), (101, Some(2)), (200, Some(2)), (201, None), (301, None)]
    {
        assert_eq!(desk.since(milliseconds), Ok(expected), "since {milliseconds} ms");
    }
    // The next leadership begins above the high watermark: it may yet rise to that.
    desk.elect(1, &[1, 2]);
    for (milliseconds, expected) in
        [(200, Ok(Some(2))), (201, Err(OffsetNotAvailable)), (301, Err(OffsetNotAvailable))]
    {
        assert_eq!(desk.since(milliseconds), expected, "since {milliseconds} ms");
    }
    desk.follower_at(2, 6);
    assert_eq!((desk.since(201), desk.since(301)), (Ok(Some(4)), Ok(None)));
}

/// Fetch has no such guard.
#[test]
fn r1_2_8_a_leader_with_a_lagging_high_watermark_serves_consumers_fewer_records() {
    let mut desk = Desk::following();
    desk.feed_batches(&[5, 5, 5], 1);
    desk.elect(1, &[1, 2, 3]);
    let got = desk.fetch(desk.ask(0, 0));
    assert_eq!((got.error, got.high_watermark, got.batches), (ErrorCode::None, 1, 1));
}
