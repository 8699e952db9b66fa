//! Elections, eligible leader replicas and what an unclean stop does (`PartitionChangeBuilder`,
//! `ReplicationControlManager`, KIP-966).

use highwater::cluster::generation::Version;
use highwater::cluster::protocol::{Administer, Message, Resource};
use highwater::cluster::setting::Setting;
use highwater::cluster::units::{BrokerEpoch, Replicas};
use highwater::kernel::units::NodeId;

use crate::broker::{self, ids, state};
use crate::controller::Desk;
use crate::worlds;

/// `PartitionChangeBuilder.electAnyLeader`.
#[test]
fn r1_7_1_who_is_elected() {
    // In-sync set and eligible replicas, last known leader, who lives, unclean allowed; then the leader.
    type Case = (&'static str, &'static [u16], &'static [u16], u16, &'static [u16], bool, u16);
    let cases: [Case; 7] = [
        ("assignment order, not the order of the in-sync set", &[3, 2], &[], 0, &[1, 2, 3], false, 2),
        ("the first of them that lives", &[2, 3], &[], 0, &[1, 3], false, 3),
        ("eligible ones while somebody is in sync, though dead", &[2], &[3], 0, &[1, 3], false, 0),
        ("eligible ones while nobody is in sync", &[], &[2, 3], 0, &[1, 3], true, 3),
        ("the last known leader when nobody is either", &[], &[], 3, &[1, 2, 3], false, 3),
        ("nobody else without unclean elections", &[], &[], 3, &[1, 2], false, 0),
        ("with them the first alive in assignment order", &[], &[], 3, &[1, 2], true, 1),
    ];
    for (name, isr, elr, last, alive, unclean, expected) in cases {
        let mut before = state(isr, 0);
        (before.elr, before.last_known_leader) = (ids(elr), (last > 0).then_some(NodeId(last)));
        let ballot = highwater::cluster::controller::election::Ballot {
            state: &before,
            replicas: &before.replicas,
            isr: &ids(isr),
            elr: &ids(elr),
            last_known_leader: true,
            preferred: false,
            unclean,
        };
        let elected = highwater::cluster::controller::election::elect(ballot, |one| alive.contains(&one.0));
        assert_eq!(elected.map_or(0, |(leader, _)| leader.0), expected, "{name}");
    }
    // A leader that can stay stays, though another is preferred.
    let mut desk = Desk::of(state(&[1, 2, 3], 3), 2, false, |_| ());
    desk.kill(2);
    assert_eq!(desk.state().leader, Some(NodeId(3)));
}

/// KAFKA-15021.
#[test]
fn r1_7_2_another_leader_is_another_leader_epoch_and_any_change_another_partition_epoch() {
    let mut desk = Desk::new();
    desk.pass(3_000);
    let before = desk.state();
    desk.kill(3);
    let shrunk = desk.state();
    assert_eq!(
        shrunk.leader_epoch, before.leader_epoch,
        "a smaller in-sync set is no new leadership (since 3.6)"
    );
    assert_eq!(shrunk.partition_epoch, before.partition_epoch.next());
    desk.kill(1);
    let moved = desk.state();
    assert_eq!((moved.leader, moved.leader_epoch), (Some(NodeId(2)), before.leader_epoch.next()));
    desk.kill(2);
    assert_eq!(desk.state().leader_epoch, moved.leader_epoch.next(), "nobody is another leader too");
    // An unclean election leaves the leader alone in sync, and to recover.
    let mut desk = Desk::of(state(&[1, 2, 3], 1), 2, true, |_| ());
    for broker in [3, 2, 1] {
        desk.kill(broker);
    }
    desk.come_back(3);
    let state = desk.state();
    assert_eq!((state.leader, state.isr, state.elr), (Some(NodeId(3)), ids(&[3]), Replicas::NONE));
    assert!(state.recovering);
}

/// `LeaderAndIsr.newLeaderAndIsr` of the old controller.
#[test]
fn r1_7_2_before_3_6_a_smaller_in_sync_set_was_a_new_leadership() {
    for (version, epochs) in [(Version::V2_8, 1), (Version::V3_6, 0), (Version::V4_1, 0)] {
        let mut desk = Desk::with(version, false);
        let before = desk.state().leader_epoch;
        desk.kill_slowly(3);
        assert_eq!(desk.state().isr, ids(&[1, 2]), "{version:?}");
        assert_eq!(desk.state().leader_epoch.0 - before.0, epochs, "{version:?}");
    }
}

/// `Partition.makeLeader`: nothing is repaired.
#[test]
fn r1_7_2_a_leader_that_is_to_recover_says_at_once_that_it_has() {
    let mut recovering = state(&[1], 1);
    recovering.recovering = true;
    let mut desk = broker::Desk::of(recovering, 1, |_| ());
    desk.follower_at(2, 0);
    let (_, changes) = desk.proposed().expect("broker 2 may join");
    assert!(changes[0].recovered);
}

/// Available in 4.0, where it is off; before there is none.
#[test]
fn r1_7_3_before_4_1_nobody_is_eligible_who_is_not_in_sync() {
    for (version, described) in [
        (Version::V2_8, (0, vec![1], vec![])),
        (Version::V3_9, (0, vec![1], vec![])),
        (Version::V4_1, (0, vec![], vec![1, 2])),
        (Version::V4_3, (0, vec![], vec![1, 2])),
    ] {
        let mut desk = Desk::with(version, false);
        for broker in [3, 2, 1] {
            desk.kill_slowly(broker);
        }
        assert_eq!(desk.described(), described, "{version:?}");
    }
}

#[test]
fn r1_7_3_who_leaves_below_min_isr_is_eligible_until_there_are_enough_again() {
    assert!(Version::V4_1.generation().controller.eligible_leader_replicas, "on for new clusters since 4.1");
    let mut desk = Desk::new();
    desk.kill(3);
    assert_eq!(desk.described(), (1, vec![1, 2], vec![]), "two are enough");
    desk.kill(2);
    assert_eq!(desk.described(), (1, vec![1], vec![2]));
    desk.kill(1);
    assert_eq!(desk.described(), (0, vec![], vec![1, 2]));
    // Broker 2 is heard of again: the same process, with all it had.
    assert!(!desk.beat(desk.heartbeat(2)).is_fenced);
    assert_eq!(desk.described(), (2, vec![2], vec![1]), "elected from there it is in sync");
    assert!(!desk.state().recovering);
    desk.beat(desk.heartbeat(3));
    let answer = desk.alter(2, desk.proposal(&[2, 3])).expect("broker 2 leads");
    assert_eq!(answer.isr, ids(&[2, 3]));
    assert_eq!(desk.described(), (2, vec![2, 3], vec![]));
}

/// `ReplicationControlManager.handleBrokerUncleanShutdown`, KAFKA-18635.
#[test]
fn r1_7_4_an_unclean_restart_loses_isr_and_elr_and_a_clean_one_keeps_the_elr() {
    for (previous, described) in [
        (None, (1, vec![1], vec![])),
        (Some(BrokerEpoch(0)), (1, vec![1], vec![])),
        (Some(BrokerEpoch(1)), (1, vec![1], vec![2])),
    ] {
        let mut desk = Desk::new();
        desk.kill(3);
        desk.kill(2);
        assert_eq!(desk.described(), (1, vec![1], vec![2]));
        desk.register(2, previous).expect("its session is over");
        assert_eq!(desk.described(), described, "the clean-shutdown file says {previous:?}, it was 1");
    }
}

/// `ConfigurationControlManager.isDisallowedBrokerMinIsrTransition`; what all brokers have can be set, and ends the eligibility
/// of those who were under another.
#[test]
fn r1_7_5_brokers_do_not_disagree_on_min_insync_replicas_while_somebody_is_eligible() {
    let mut desk = Desk::new();
    desk.kill(3);
    desk.kill(2);
    for (of, elr) in [(Some(NodeId(1)), vec![2]), (None, vec![])] {
        let before = desk.bench.node.metadata_log().len();
        let setting = Setting::MinInsyncReplicas(1);
        desk.bench.request(1, Message::Administer(Administer::Set(Resource::Broker(of), setting)));
        assert_eq!(desk.bench.node.metadata_log().len() > before, of.is_none(), "{of:?}");
        assert_eq!(desk.described(), (1, vec![1], elr), "{of:?}");
    }
}

#[test]
fn r1_7_6_of_the_last_known_eligible_ones_only_the_leader_is_remembered() {
    let mut desk = Desk::new();
    for broker in [3, 2, 1] {
        desk.kill(broker);
    }
    assert_eq!(desk.state().last_known_leader, Some(NodeId(1)));
    // All come back having lost whatever they lost: the one that led last leads.
    for broker in [3, 2] {
        desk.come_back(broker);
        assert_eq!(desk.state().leader, None);
    }
    desk.come_back(1);
    let state = desk.state();
    assert_eq!((state.leader, state.last_known_leader, state.recovering), (Some(NodeId(1)), None, true));
}

/// KIP-966: fewer than `min.insync.replicas` stops that lose data lose no acknowledged record.
#[test]
fn r1_7_7_one_lossy_stop_with_min_isr_two_loses_nothing_and_two_may() {
    for (on, loses) in [("\"broker(1)\"", false), ("\"brokers(1,2,3)\"", true)] {
        let run = worlds::run(&format!(
            "topics.orders = {{ partitions = 1, replication.factor = 3, min.insync.replicas = 2 }}\n\
             producers.web = {{ into = \"orders\", records = 500, rate = \"1000/s\", acks = \"all\" }}\n\
             faults = [{{ at = \"250ms\", do = \"power-loss\", on = {on}, for = \"15s\", lose = \"all-unsynced\" }}]\n\
             run.until = \"90s\"\n"
        ));
        assert_eq!(run.lost() > 0, loses, "power loss {on}");
    }
}

/// KAFKA-12670.
#[test]
fn r1_7_8_unclean_elections_are_the_topics_choice_and_leaderless_partitions_are_looked_at_every_five_minutes()
{
    assert_eq!(
        Version::V4_1.generation().controller.unclean_leader_election_interval,
        highwater::kernel::units::Span::from_seconds(300)
    );
    for (unclean, leader) in [(true, Some(NodeId(3))), (false, None)] {
        let mut desk = Desk::of(state(&[1, 2], 1), 1, unclean, |_| ());
        desk.kill(2);
        desk.kill(1);
        assert_eq!(desk.state().leader, unclean.then_some(NodeId(3)), "whoever lives, at once");
        desk.pass(300_000);
        assert_eq!(desk.state().leader, leader);
    }
}

/// Until 3.8 KRaft's controller did not look at the setting (seen on a real cluster of 3.6); ZooKeeper's did.
#[test]
fn r1_7_8_the_controller_of_3_6_elects_nobody_uncleanly_by_itself() {
    for (version, leader) in [
        (Version::V2_8, Some(NodeId(3))),
        (Version::V3_6, None),
        (Version::V3_9, Some(NodeId(3))),
        (Version::V4_1, Some(NodeId(3))),
    ] {
        let mut desk = Desk::with(version, true);
        for broker in [2, 3, 1] {
            desk.kill_slowly(broker);
        }
        desk.come_back(3);
        desk.pass(300_000);
        assert_eq!(desk.state().leader, leader, "{version:?}");
    }
}

/// `QuorumController.maybeBalancePartitionLeaders`.
#[test]
fn r1_7_9_leadership_goes_back_to_the_preferred_replica_every_five_minutes_under_a_new_epoch() {
    for (isr, leader) in [(&[1, 2, 3], 1), (&[3, 2, 1], 1)] {
        let before = state(isr, 2);
        let mut desk = Desk::of(before, 2, false, |_| ());
        desk.pass(299_999);
        assert_eq!(desk.state().leader, Some(NodeId(2)));
        desk.pass(1);
        let after = desk.state();
        assert_eq!((after.leader, after.leader_epoch), (Some(NodeId(leader)), before.leader_epoch.next()));
    }
    // Not in sync, it does not.
    let mut desk = Desk::of(state(&[2, 3], 2), 2, false, |_| ());
    desk.pass(600_000);
    assert_eq!(desk.state().leader, Some(NodeId(2)));
}
