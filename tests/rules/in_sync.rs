//! What "caught up" means, and when the in-sync set shrinks and grows (`Replica`, `Partition.maybeShrinkIsr`,
//! `Partition.maybeExpandIsr`).

use highwater::cluster::happened::Happened;
use highwater::cluster::protocol::ErrorCode::InvalidRequest;
use highwater::cluster::units::Acks;

use crate::broker::{Ask, Desk, ids};

#[test]
fn r1_4_1_a_followers_log_end_is_the_offset_of_its_last_fetch() {
    let mut desk = Desk::leading(&[1, 2], 1);
    desk.produce(Acks::One, 3);
    for offset in [1, 3, 2] {
        desk.follower_at(2, offset);
    }
    let known: Vec<_> = desk
        .bench
        .notes
        .iter()
        .filter_map(|(_, note)| {
            let Happened::Fetched { old, new, .. } = note else { return None };
            Some((old.map(|old| old.0), new.0))
        })
        .collect();
    assert_eq!(known, [(None, 1), (Some(1), 3), (Some(3), 2)]);
}

/// `Replica.updateFetchStateOrThrow`.
#[test]
fn r1_4_2_who_asks_each_time_for_the_log_end_of_last_time_stays_in_sync() {
    // How far behind the log end of its last fetch each fetch is.
    for (behind, stays) in [(0, true), (1, false)] {
        let mut desk = Desk::leading(&[1, 2], 1);
        for second in 0..90 {
            let end = desk.end();
            desk.produce(Acks::One, 10);
            if second % 10 == 0 {
                desk.follower_at(2, end.saturating_sub(behind + 1));
            }
            // The next fetch asks for the log end of the one before, or for one less.
            desk.follower_at(2, end.saturating_sub(behind));
            desk.bench.pass(1_000);
        }
        assert_eq!(desk.proposed_isr().is_none(), stays, "{behind} behind the log end of the fetch before");
    }
}

/// `Replica.isCaughtUp`.
#[test]
fn r1_4_3_a_silent_follower_with_all_of_an_idle_log_is_never_shrunk() {
    let mut desk = Desk::leading(&[1, 2], 1);
    desk.produce(Acks::One, 1);
    desk.follower_at(2, 1);
    desk.bench.pass(3_600_000);
    assert_eq!(desk.proposed_isr(), None, "dead or not, it has everything");
    desk.produce(Acks::One, 1);
    desk.bench.pass(15_000);
    assert_eq!(desk.proposed_isr().map(|(_, isr)| isr), Some(ids(&[1])));
}

/// `ReplicaManager.startup`.
#[test]
fn r1_4_4_laggards_go_together_between_one_and_one_and_a_half_lags() {
    let mut after = Vec::new();
    for start in [15_000_u64, 20_000, 29_999] {
        let mut desk = Desk::leading(&[1, 2, 3], 1);
        desk.bench.pass(start);
        desk.follower_at(2, 0);
        desk.follower_at(3, 0);
        desk.produce(Acks::One, 1);
        let mut waited = 0;
        while !desk.asks_the_controller() {
            desk.bench.pass(1);
            waited += 1;
        }
        after.push(waited);
        let (peer, isr) = desk.proposed_isr().expect("it has just been asked");
        assert_eq!(isr, ids(&[1]), "both at once");
        // While that is unanswered nothing else is proposed, whatever the next look finds.
        desk.follower_at(2, 1);
        desk.bench.pass(60_000);
        assert_eq!(desk.proposed_isr(), None);
        desk.refuse(peer, InvalidRequest);
        desk.bench.pass(60_000);
        assert_eq!(desk.proposed_isr(), None, "this answer leaves it pending until metadata comes");
    }
    assert_eq!(after, [45_000, 40_000, 30_001], "more than 30 s, looked at every 15 s");
}

/// KAFKA-8733.
#[test]
fn r1_4_5_lag_is_measured_by_the_leaders_clock_when_it_handles_the_fetch() {
    let mut desk = Desk::leading(&[1, 2, 3], 1);
    desk.bench.pass(14_000);
    desk.produce(Acks::One, 1);
    desk.follower_at(2, 0);
    desk.follower_at(3, 0);
    // The leader stands still; what the followers sent meanwhile waits in its sockets, and its own look comes first.
    desk.bench.pass(31_000);
    let (_, isr) = desk.proposed_isr().expect("they have not fetched for longer than 30 s");
    assert_eq!(isr, ids(&[1]));
    // A fetch that waits counts from when it came, not from when it is answered.
    let mut desk = Desk::leading(&[1, 2], 1);
    desk.bench.pass(14_000);
    desk.send_fetch(Ask { max_wait: 20_000, ..desk.ask(2, 0) });
    desk.bench.pass(21_000);
    desk.produce(Acks::One, 1);
    desk.bench.pass(10_000);
    assert_eq!(
        desk.proposed_isr().map(|(_, isr)| isr),
        Some(ids(&[1])),
        "31 s after it came, 11 s after the answer"
    );
}

/// `Replica.resetReplicaState`.
#[test]
fn r1_4_6_at_an_election_members_count_as_caught_up_now() {
    let mut desk = Desk::following();
    desk.feed_batches(&[5], 0);
    desk.bench.pass(40_000);
    desk.elect(1, &[1, 2]);
    desk.bench.pass(30_000);
    assert_eq!(desk.proposed_isr(), None, "broker 2 has never fetched, but has all its time");
    desk.bench.pass(15_000);
    assert_eq!(desk.proposed_isr().map(|(_, isr)| isr), Some(ids(&[1])));
}

/// KAFKA-7128, KIP-841, KIP-903.
#[test]
fn r1_4_7_who_may_join() {
    type Case = (&'static str, fn(&mut Desk), fn(&mut Ask), bool);
    let cases: [Case; 8] = [
        ("all that is committed, though behind the log end", |_| (), |ask| ask.offset = 5, true),
        (
            "less than is committed",
            |desk| {
                desk.follower_at(3, 7);
            },
            |ask| ask.offset = 6,
            false,
        ),
        ("less than was there when the leadership began", |_| (), |ask| ask.offset = 2, false),
        ("fenced", |desk| desk.fence(2, true), |ask| ask.offset = 8, false),
        ("about to stop", |desk| desk.begins_to_stop(2), |ask| ask.offset = 8, false),
        ("under another registration", |_| (), |ask| (ask.offset, ask.broker_epoch) = (8, Some(2)), false),
        ("under none", |_| (), |ask| (ask.offset, ask.broker_epoch) = (8, None), true),
        ("while something is pending", |desk| desk.bench.pass(45_000), |ask| ask.offset = 8, false),
    ];
    for (name, before, edit, joins) in cases {
        // Three records from before the leadership, five since.
        let mut desk = Desk::following();
        desk.feed_batches(&[5, 5, 5], 0);
        desk.elect(1, &[1, 3]);
        desk.produce(Acks::One, 5);
        before(&mut desk);
        while desk.proposed_isr().is_some() {}
        let mut ask = desk.ask(2, 0);
        edit(&mut ask);
        desk.fetch(ask);
        let proposed = desk.proposed_isr().map(|(_, isr)| isr);
        assert_eq!(proposed, joins.then(|| ids(&[1, 3, 2])), "{name}");
    }
    // One replica a proposal.
    let mut desk = Desk::leading(&[1], 1);
    desk.follower_at(2, 0);
    desk.follower_at(3, 0);
    let (peer, isr) = desk.proposed_isr().expect("the first");
    assert_eq!((isr, desk.proposed_isr()), (ids(&[1, 2]), None));
    desk.state.isr = isr;
    desk.accept((peer, isr));
    desk.follower_at(3, 0);
    assert_eq!(desk.proposed_isr().map(|(_, isr)| isr), Some(ids(&[1, 2, 3])));
}

/// KAFKA-19996: since the high watermark waits for `min.insync.replicas` it is easily reached.
#[test]
fn r1_4_8_below_min_isr_a_replica_far_behind_joins_and_is_shrunk_again() {
    let mut desk = Desk::leading(&[1], 2);
    desk.produce(Acks::One, 1_000);
    desk.follower_at(2, 0);
    let (peer, isr) =
        desk.proposed_isr().expect("0 is at the high watermark and at the start of the leadership");
    assert_eq!((isr, desk.high_watermark()), (ids(&[1, 2]), 0));
    desk.accept((peer, isr));
    assert_eq!(desk.high_watermark(), 0);
    desk.bench.pass(45_000);
    assert_eq!(desk.proposed_isr().map(|(_, isr)| isr), Some(ids(&[1])), "it has not caught up since");
}
