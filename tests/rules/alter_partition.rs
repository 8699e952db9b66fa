//! Changes of the in-sync set on their way through the controller (`AlterPartitionManager`,
//! `ReplicationControlManager.validateAlterPartitionData`, `Partition.handleAlterPartitionError`).

use highwater::cluster::generation::Version;
use highwater::cluster::protocol::ErrorCode::{
    self, FencedLeaderEpoch, IneligibleReplica, InvalidRequest, InvalidUpdateVersion, NewLeaderElected,
    NotController, NotEnoughReplicas, OperationNotAttempted, StaleBrokerEpoch, UnknownServerError,
    UnknownTopicOrPartition,
};
use highwater::cluster::protocol::{AlterPartition, Heartbeat};
use highwater::cluster::units::{Acks, BrokerEpoch, MetadataOffset};
use highwater::kernel::units::NodeId;

use crate::broker::{Desk, ids, state};
use crate::controller;

#[test]
fn r1_5_2_one_request_is_in_flight_and_never_times_out_and_a_refused_one_goes_again_after_50_ms() {
    let mut desk = Desk::leading(&[1], 1);
    desk.follower_at(2, 0);
    let (peer, _) = desk.proposed().expect("broker 2 may join");
    desk.bench.pass(600_000);
    assert!(desk.proposed().is_none(), "it waits as long as it takes");
    desk.alter_answer(peer, StaleBrokerEpoch, None);
    desk.bench.pass(49);
    assert!(desk.proposed().is_none());
    desk.bench.pass(1);
    let (_, changes) = desk.proposed().expect("the same again");
    assert_eq!(changes[0].isr, ids(&[1, 2]));
}

/// `AlterPartitionManager.maybePropagateIsrChanges`: all that is pending goes together.
#[test]
fn r1_5_2_one_request_carries_the_proposals_of_all_partitions() {
    let version = Version::V4_1;
    let mut desk = Desk::of_several(3, version, state(&[1, 3], 1), version.generation().topic, |_| ());
    desk.send_fetch_of(3, desk.ask(2, 0));
    let (_, changes) = desk.proposed().expect("broker 2 may join all three");
    let partitions: Vec<u32> = changes.iter().map(|change| change.partition.0).collect();
    assert_eq!(partitions, [0, 1, 2]);
    assert!(desk.proposed().is_none());
}

/// KAFKA-14154.
#[test]
fn r1_5_3_what_the_controller_checks_in_which_order() {
    type Case = (&'static str, u16, &'static [u16], fn(&mut AlterPartition), ErrorCode);
    let cases: [Case; 13] = [
        ("as it should be", 1, &[1, 2], |_| (), ErrorCode::None),
        ("no such partition", 2, &[9], |one| one.partition.0 = 7, UnknownTopicOrPartition),
        ("leader epoch ahead", 2, &[9], |one| one.leader_epoch.0 += 1, NotController),
        ("partition epoch ahead", 2, &[9], |one| one.partition_epoch.0 += 1, NotController),
        ("leader epoch behind", 2, &[9], |one| one.leader_epoch.0 -= 1, FencedLeaderEpoch),
        ("not the leader", 2, &[9], |one| one.partition_epoch.0 -= 1, InvalidRequest),
        ("partition epoch behind", 1, &[9], |one| one.partition_epoch.0 -= 1, InvalidUpdateVersion),
        ("not a replica", 1, &[1, 9], |_| (), InvalidRequest),
        ("without the leader", 1, &[2], |_| (), InvalidRequest),
        ("recovering, with others", 1, &[1, 3], |one| one.recovered = false, InvalidRequest),
        ("a fenced member", 1, &[1, 2, 3], |_| (), IneligibleReplica),
        ("a registration the member never had", 1, &[1, 2], of_nobody, IneligibleReplica),
        (
            "a former life of a member",
            1,
            &[1, 2],
            |one| one.isr_epochs[1] = Some(BrokerEpoch(77)),
            IneligibleReplica,
        ),
    ];
    for (name, broker, isr, edit, error) in cases {
        let mut desk = controller::Desk::new();
        desk.pass(3_000);
        desk.kill(3);
        let before = desk.state();
        let mut proposed = desk.proposal(isr);
        edit(&mut proposed);
        let answer = desk.alter(broker, proposed).expect("the sender is registered");
        assert_eq!(answer.error, error, "{name}");
        assert_eq!(desk.state(), before, "{name}: nothing changes");
        let stale = desk.alter_as(broker, BrokerEpoch(77), proposed);
        assert_eq!(stale.err(), Some(StaleBrokerEpoch), "{name}: the sender's registration comes first");
    }
}

fn of_nobody(one: &mut AlterPartition) {
    one.isr_epochs[1] = Some(BrokerEpoch(u64::MAX));
}

/// A broker that is about to stop leads on what nobody else can lead, and may be in no proposal.
#[test]
fn r1_5_3_a_member_that_is_about_to_stop_is_not_eligible() {
    let mut desk = controller::Desk::of(state(&[1, 2], 2), 1, false, |_| ());
    desk.pass(3_000);
    desk.beat(Heartbeat { want_shut_down: true, metadata_offset: MetadataOffset(5), ..desk.heartbeat(2) });
    assert!(desk.bench.node.broker(NodeId(2)).in_controlled_shutdown);
    assert_eq!(desk.described(), (1, vec![1], vec![]));
    let answer = desk.alter(1, desk.proposal(&[1, 2])).expect("the sender is registered");
    assert_eq!(answer.error, IneligibleReplica);
}

#[test]
fn r1_5_4_only_two_errors_prove_that_a_proposal_was_not_applied() {
    enum Then {
        /// What was committed counts again.
        Reverts,
        /// The joining replica is waited for until metadata comes.
        Waits,
        /// The same is proposed again.
        Retries,
    }
    use Then::{Retries, Reverts, Waits};
    let cases = [
        (IneligibleReplica, Reverts),
        (OperationNotAttempted, Reverts),
        (UnknownTopicOrPartition, Waits),
        (FencedLeaderEpoch, Waits),
        (InvalidUpdateVersion, Waits),
        (InvalidRequest, Waits),
        (NewLeaderElected, Waits),
        (NotController, Retries),
        (UnknownServerError, Retries),
    ];
    for (error, then) in cases {
        let mut desk = Desk::leading(&[1], 1);
        desk.follower_at(2, 0);
        let (peer, _) = desk.proposed().expect("broker 2 may join");
        desk.fence(2, true);
        desk.refuse(peer, error);
        desk.bench.pass(100);
        let again = desk.proposed().is_some();
        desk.produce(Acks::One, 1);
        let (retries, moves) = match then {
            Reverts => (false, true),
            Waits => (false, false),
            Retries => (true, false),
        };
        assert_eq!((again, desk.high_watermark() == 1), (retries, moves), "{error}");
        desk.decide(|state| state.isr = ids(&[1]));
        desk.produce(Acks::One, 1);
        assert_eq!(desk.high_watermark(), 2, "{error}: metadata settles it");
    }
    // An accepted state older than what metadata has said since changes nothing.
    let mut desk = Desk::leading(&[1], 1);
    desk.follower_at(2, 0);
    let (peer, _) = desk.proposed().expect("broker 2 may join");
    for _ in 0..2 {
        desk.decide(|state| state.isr = ids(&[1]));
    }
    desk.state.partition_epoch.0 -= 2;
    desk.accept((peer, ids(&[1, 2])));
    desk.fence(2, true);
    desk.produce(Acks::One, 1);
    assert_eq!(desk.high_watermark(), 1, "broker 2 is not waited for");
    // Nor does metadata that is older than what an answer has said.
    let mut desk = Desk::leading(&[1], 2);
    desk.follower_at(2, 0);
    let change = desk.proposed_isr().expect("broker 2 may join");
    desk.state.partition_epoch.0 += 1;
    desk.accept(change);
    desk.state.partition_epoch.0 -= 1;
    desk.decide(|state| state.isr = ids(&[1]));
    let accepted = desk.produce(Acks::All, 1);
    assert_eq!(desk.error(accepted), None, "two are in sync");
    // But metadata of the very state that the last answer has told ends the next proposal.
    let mut desk = Desk::leading(&[1], 1);
    desk.follower_at(2, 0);
    let change = desk.proposed_isr().expect("broker 2 may join");
    desk.accept(change);
    desk.follower_at(3, 0);
    assert!(desk.proposed_isr().is_some());
    desk.fence(3, true);
    desk.produce(Acks::One, 1);
    desk.follower_at(2, 1);
    assert_eq!(desk.high_watermark(), 0, "broker 3 is waited for");
    desk.decide(|state| state.isr = ids(&[1, 2]));
    assert_eq!(desk.high_watermark(), 1);
    // Success settles it at once, but only of the leadership it was asked in.
    for (other_epoch, expected) in [(false, 0), (true, 1)] {
        let mut desk = Desk::leading(&[1], 1);
        desk.follower_at(2, 0);
        let change = desk.proposed_isr().expect("broker 2 may join");
        if other_epoch {
            desk.elect(1, &[1]);
            desk.fence(2, true);
        }
        desk.accept(change);
        desk.produce(Acks::One, 1);
        assert_eq!(desk.high_watermark(), expected, "another leadership meanwhile: {other_epoch}");
    }
    // One that begins another leadership, as it ends a reassignment, is left to the metadata.
    let mut desk = Desk::leading(&[1], 2);
    desk.follower_at(2, 0);
    let change = desk.proposed_isr().expect("broker 2 may join");
    desk.state.leader_epoch = desk.state.leader_epoch.next();
    desk.accept(change);
    let refused = desk.produce(Acks::All, 1);
    assert_eq!(desk.error(refused), Some(NotEnoughReplicas));
}

/// KIP-903.
#[test]
fn r1_5_5_a_proposal_names_the_registration_each_member_fetched_with() {
    let mut desk = Desk::leading(&[1, 3], 1);
    desk.follower_at(2, 0);
    let (_, changes) = desk.proposed().expect("broker 2 may join");
    assert_eq!(changes[0].isr, ids(&[1, 3, 2]));
    let expected = [Some(BrokerEpoch(0)), None, Some(BrokerEpoch(1))];
    assert_eq!(
        changes[0].isr_epochs[..3],
        expected,
        "none (-1) of one that has not fetched in this leadership"
    );
    let state = desk.state;
    assert_eq!(
        (changes[0].leader_epoch, changes[0].partition_epoch),
        (state.leader_epoch, state.partition_epoch)
    );
}
