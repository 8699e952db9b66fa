//! Registration, heartbeats, fencing and stopping (`ClusterControlManager`, `BrokerHeartbeatManager`,
//! `QuorumController.maybeFenceStaleBroker`).

use highwater::clients::happened::Happened as Client;
use highwater::cluster::happened::Happened as Cluster;
use highwater::cluster::protocol::ErrorCode::{self, DuplicateBrokerRegistration};
use highwater::cluster::protocol::Heartbeat;
use highwater::cluster::units::{Acks, BrokerEpoch, MetadataOffset};
use highwater::devices::port::Event;
use highwater::kernel::units::NodeId;
use highwater::world::happened::Happened;

use crate::bench::Bench;
use crate::broker::{self, state};
use crate::controller::Desk;
use crate::worlds;

#[test]
fn r1_6_1_a_quick_restart_waits_for_the_session_of_the_former_process() {
    let mut desk = Desk::new();
    desk.pass(4_000);
    desk.alive.remove(&1);
    desk.pass(9_000);
    assert_eq!(desk.register(1, None), Err(DuplicateBrokerRegistration), "9 s since its last heartbeat");
    desk.pass(1);
    let end = desk.bench.node.image().end();
    let epoch = desk.register(1, None).expect("the session is over");
    assert!(epoch.0 >= end.0, "the epoch is an offset of the metadata log");
    assert_eq!(desk.described(), (2, vec![2, 3], vec![]), "nobody replaced it before");
}

/// `ClusterControlManager.registerBroker` asks only for the session, whatever the former process ended like.
#[test]
fn r1_6_1_so_does_a_quick_restart_after_a_clean_stop() {
    let mut desk = Desk::new();
    desk.pass(4_000);
    let stopping = Heartbeat { want_shut_down: true, ..desk.heartbeat(3) };
    desk.alive.remove(&3);
    assert!(desk.beat(stopping).should_shut_down, "it leads nothing");
    desk.pass(9_000);
    assert_eq!(desk.register(3, Some(BrokerEpoch(2))), Err(DuplicateBrokerRegistration));
    desk.pass(1);
    assert!(desk.register(3, Some(BrokerEpoch(2))).is_ok());
}

#[test]
fn r1_6_2_a_dead_broker_is_fenced_7_to_10_1_s_later_and_a_new_controller_gives_everybody_a_full_session() {
    // It dies at any time between two heartbeats, and the look comes every 1.125 s.
    let mut after = Vec::new();
    for death in (4_001..=6_000).step_by(37) {
        let mut desk = Desk::new();
        desk.pass(death);
        desk.alive.remove(&1);
        desk.pass(12_000);
        let [at] = desk.fenced_at(1)[..] else { panic!("it is fenced once") };
        after.push(Bench::<highwater::cluster::controller::Controller>::milliseconds(at) - death);
    }
    let (least, most) = (after.iter().min(), after.iter().max());
    assert!(least >= Some(&7_000) && most <= Some(&10_126), "{least:?} to {most:?}");
    assert!(most >= Some(&8_900), "{least:?} to {most:?}");
    // Three at once are fenced one after the other.
    let mut desk = Desk::new();
    desk.pass(4_000);
    desk.alive.clear();
    desk.pass(12_000);
    let mut at = [1, 2, 3].map(|broker| desk.fenced_at(broker)[0]);
    at.sort();
    assert!(at[0] < at[1] && at[1] < at[2]);
    // The controller starts anew 8 s after a death.
    let mut desk = Desk::new();
    desk.pass(4_000);
    desk.alive.remove(&1);
    desk.pass(8_000);
    desk.bench.node.crash();
    desk.bench.feed(Event::Start);
    desk.pass(9_000);
    assert!(desk.fenced_at(1).is_empty());
    desk.pass(1_126);
    assert_eq!(desk.fenced_at(1).len(), 1);
}

/// `BrokerHeartbeatManager.calculateNextBrokerState`.
#[test]
fn r1_6_3_a_broker_is_unfenced_once_it_has_replayed_its_own_registration() {
    let mut desk = Desk::new();
    desk.kill(2);
    let BrokerEpoch(epoch) = desk.register(2, None).expect("its session is over");
    for (offset, is_fenced) in [(epoch - 1, true), (epoch, true), (epoch + 1, false)] {
        // The offset is that of the first record it does not have.
        let beat = Heartbeat { metadata_offset: MetadataOffset(offset), ..desk.heartbeat(2) };
        assert_eq!(desk.beat(beat).is_fenced, is_fenced, "up to {offset}, registered at {epoch}");
    }
    // Who wants to be fenced stays so.
    desk.kill(3);
    desk.register(3, None).expect("its session is over");
    assert!(desk.beat(Heartbeat { want_fence: true, ..desk.heartbeat(3) }).is_fenced);
}

#[test]
fn r1_6_4_fencing_takes_a_broker_out_of_every_isr_and_leaves_its_epoch() {
    let mut desk = Desk::new();
    desk.kill(1);
    assert_eq!(desk.described(), (2, vec![2, 3], vec![]));
    let registration = *desk.bench.node.broker(NodeId(1));
    assert_eq!((registration.fenced, registration.broker_epoch), (true, BrokerEpoch(0)));
    let answer = desk.beat(desk.heartbeat(1));
    assert_eq!(
        (answer.error, answer.is_fenced),
        (ErrorCode::None, false),
        "the same process, the same epoch"
    );
    assert_eq!(desk.bench.node.broker(NodeId(1)).broker_epoch, BrokerEpoch(0));
    assert_eq!(desk.described(), (2, vec![2, 3], vec![]), "to be in sync again it has to fetch");
}

/// It knows of its fencing only from the metadata log.
#[test]
fn r1_6_4_a_fenced_leader_that_has_not_heard_serves_on() {
    let run = worlds::run(
        "topics.orders = { partitions = 1, replication.factor = 3, min.insync.replicas = 2 }\n\
         producers.web = { into = \"orders\", records = 900, rate = \"50/s\", acks = \"1\" }\n\
         readers.audit = { reads = [\"orders\"], max.partition.fetch.bytes = 1 }\n\
         network.latency = \"30ms\"\n\
         faults = [{ at = \"1s\", do = \"cut\", from = \"broker(1)\", to = [\"controllers\"], for = \"14s\" }]\n\
         run.until = \"90s\"\n",
    );
    let entry = |is: &dyn Fn(u16, &Cluster) -> bool| {
        run.cluster().find(|(_, node, what)| is(*node, what)).expect("it happens").0
    };
    let fenced = entry(&|_, what| matches!(what, Cluster::Fenced { broker: NodeId(1), fenced: true, .. }));
    let heard =
        entry(&|node, what| node == 1 && matches!(what, Cluster::Follows { epoch, .. } if epoch.0 > 0));
    let served = |is: fn(&Happened) -> bool| {
        run.entries()[fenced..heard].iter().filter(|entry| is(&entry.what)).count()
    };
    assert!(
        served(|what| matches!(what, Happened::Cluster(Cluster::Acked { acks: Acks::One, .. }))) > 10,
        "acks=1 is answered between the two"
    );
    assert!(
        served(|what| matches!(what, Happened::Client(Client::Read { .. }))) > 0,
        "and a reader that is behind reads on"
    );
}

#[test]
fn r1_6_5_a_stopping_broker_loses_leadership_and_may_stop_once_everybody_has_heard() {
    let mut desk = Desk::new();
    desk.pass(4_000);
    let stopping = Heartbeat { want_shut_down: true, ..desk.heartbeat(1) };
    desk.alive.remove(&1);
    assert!(!desk.beat(stopping).should_shut_down);
    assert_eq!(desk.described(), (2, vec![2, 3], vec![]), "it leads nothing and is in no in-sync set");
    assert!(desk.bench.node.broker(NodeId(1)).in_controlled_shutdown);
    let behind = Heartbeat { metadata_offset: MetadataOffset(7), ..desk.heartbeat(2) };
    desk.beat(behind);
    desk.beat(desk.heartbeat(3));
    assert!(!desk.beat(stopping).should_shut_down, "broker 2 has not heard of it");
    desk.beat(desk.heartbeat(2));
    assert!(desk.beat(stopping).should_shut_down);
}

/// `BrokerServer.shutdown`: high watermarks, then every log, and the clean-shutdown file last of all; with the controller's
/// leave, or after five minutes without.
#[test]
fn r1_6_5_what_a_stopping_broker_writes_in_which_order() {
    for is_let_go in [true, false] {
        let mut desk = broker::Desk::leading(&[1], 1);
        desk.produce(Acks::One, 3);
        // Not a multiple of the checkpoints' period.
        desk.bench.pass(1_234);
        desk.bench.disk.clear();
        desk.bench.disk_stalls = true;
        if is_let_go {
            desk.stop();
        } else {
            desk.bench.feed(Event::Stop);
            desk.bench.pass(299_999);
            let served = desk.produce(Acks::One, 1);
            assert_eq!((desk.error(served), desk.bench.exits), (Some(ErrorCode::None), 0), "it serves on");
            desk.bench.disk.clear();
            desk.bench.pass(1);
        }
        let first = ["replace HighWatermarks", "flush Log(PartitionId(0), Offset(0))"];
        assert_eq!(desk.bench.disk, first, "let go: {is_let_go}");
        desk.bench.disk_goes_on();
        assert_eq!(desk.bench.disk[2..], ["replace RecoveryPoints", "replace CleanShutdown"]);
        assert_eq!(desk.bench.exits, 1);
    }
}

/// KIP-966.
#[test]
fn r1_6_6_without_elr_the_last_replica_stays_in_sync_and_with_it_nobody_need_be() {
    for (elr, described) in [(false, (0, vec![1], vec![])), (true, (0, vec![], vec![1, 2]))] {
        let mut desk =
            Desk::of(state(&[1, 2, 3], 1), 2, false, |options| options.eligible_leader_replicas = elr);
        for broker in [3, 2, 1] {
            desk.kill(broker);
        }
        assert_eq!(desk.described(), described, "eligible leader replicas: {elr}");
    }
}
