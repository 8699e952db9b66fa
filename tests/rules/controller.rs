//! The controller of three brokers on a bench; the brokers only heartbeat, every 2 s, while they live.

use std::collections::BTreeMap;

use highwater::cluster::controller::{Controller, Given};
use highwater::cluster::generation::Version;
use highwater::cluster::happened::Happened;
use highwater::cluster::options::ControllerOptions;
use highwater::cluster::protocol::{
    AlterPartition, AlterPartitions, AlteredPartition, ErrorCode, Heartbeat, HeartbeatAnswer, Message,
    PartitionState, RegisterBroker,
};
use highwater::cluster::setting::SettingNames;
use highwater::cluster::units::{BrokerEpoch, Incarnation, Replicas, Voters};
use highwater::devices::port::Event;
use highwater::kernel::units::{NodeId, Span, Time};

use crate::bench::Bench;
use crate::broker::{ORDERS, ids, state};

/// A single voter.
pub(crate) const ALONE: Voters = Voters { first: NodeId(4), count: 1 };

/// Three of them, of which the first is active.
pub(crate) const THREE: Voters = Voters { first: NodeId(4), count: 3 };

/// A controller of three brokers: with one partition, its min.insync.replicas, and whether it may be led uncleanly.
pub(crate) fn voter(
    id: NodeId,
    voters: Voters,
    options: ControllerOptions,
    (state, min_insync_replicas, unclean): (PartitionState, u16, bool),
) -> Controller {
    let given = given(state, min_insync_replicas, unclean);
    Controller::new(id, voters, Version::V4_1.generation(), options, &[given], 3, None)
}

fn given(state: PartitionState, min_insync_replicas: u16, unclean: bool) -> Given {
    Given {
        first_of_topic: ORDERS,
        state: Some(state),
        replicas: state.replicas,
        min_insync_replicas,
        unclean,
        own: SettingNames::NONE,
    }
}

pub(crate) struct Desk {
    pub(crate) bench: Bench<Controller>,
    /// The registration each living broker has, by broker.
    pub(crate) alive: BTreeMap<u16, BrokerEpoch>,
    incarnations: u32,
    next_beat: u64,
}

/// Leader, in-sync set, eligible leader replicas; 0 is nobody.
pub(crate) type Described = (u16, Vec<u16>, Vec<u16>);

pub(crate) fn described(state: &PartitionState) -> Described {
    let numbers = |all: &Replicas| all.iter().map(|one| one.0).collect();
    (state.leader.map_or(0, |one| one.0), numbers(&state.isr), numbers(&state.elr))
}

impl Desk {
    /// Partition `orders-0`: replicas 1, 2, 3, all in sync and led by 1, `min.insync.replicas` = 2. What is decided is written
    /// at once.
    pub(crate) fn new() -> Desk {
        Desk::of(state(&[1, 2, 3], 1), 2, false, |_| ())
    }

    pub(crate) fn of(
        state: PartitionState,
        min_insync_replicas: u16,
        unclean: bool,
        change: impl FnOnce(&mut ControllerOptions),
    ) -> Desk {
        let mut options = Version::V4_1.generation().controller;
        options.quorum_append_linger = Span::ZERO;
        change(&mut options);
        Desk::at(voter(NodeId(4), ALONE, options, (state, min_insync_replicas, unclean)))
    }

    /// The same partition as ever, with another version of Kafka.
    pub(crate) fn with(version: Version, unclean: bool) -> Desk {
        let generation = version.generation();
        let state = state(&[1, 2, 3], 1);
        let given = given(state, 2, unclean);
        let options = ControllerOptions { quorum_append_linger: Span::ZERO, ..generation.controller };
        Desk::at(Controller::new(NodeId(4), ALONE, generation, options, &[given], 3, None))
    }

    /// The controller's process begins.
    pub(crate) fn at(controller: Controller) -> Desk {
        let alive = (1..=3).map(|broker| (broker, BrokerEpoch(u64::from(broker) - 1))).collect();
        let mut bench = Bench::new(controller);
        bench.feed(Event::Start);
        Desk { bench, alive, incarnations: 1, next_beat: 2_000 }
    }

    pub(crate) fn state(&self) -> PartitionState {
        *self.bench.node.partition(ORDERS)
    }

    pub(crate) fn described(&self) -> Described {
        described(&self.state())
    }

    /// So many milliseconds pass; whoever lives sends heartbeats.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let end = Bench::<Controller>::milliseconds(self.bench.now) + milliseconds;
        while self.next_beat <= end {
            self.bench.pass(self.next_beat - Bench::<Controller>::milliseconds(self.bench.now));
            self.next_beat += 2_000;
            for broker in self.alive.keys().copied().collect::<Vec<_>>() {
                self.beat(self.heartbeat(broker));
            }
        }
        self.bench.pass(end - Bench::<Controller>::milliseconds(self.bench.now));
    }

    /// The heartbeat of a broker that has replayed everything and wants nothing.
    pub(crate) fn heartbeat(&self, broker: u16) -> Heartbeat {
        Heartbeat {
            broker: NodeId(broker),
            broker_epoch: self.bench.node.broker(NodeId(broker)).broker_epoch,
            metadata_offset: self.bench.node.image().end(),
            want_fence: false,
            want_shut_down: false,
        }
    }

    pub(crate) fn beat(&mut self, heartbeat: Heartbeat) -> HeartbeatAnswer {
        let answer = self.ask(heartbeat.broker.0, Message::Heartbeat(heartbeat));
        let Message::HeartbeatAnswer(answer) = answer else { panic!("not an answer: {answer:?}") };
        answer
    }

    /// The broker's process is gone, and long enough for that to be noticed.
    pub(crate) fn kill(&mut self, broker: u16) {
        self.alive.remove(&broker);
        self.pass(12_000);
    }

    /// The same where sessions last 18 s.
    pub(crate) fn kill_slowly(&mut self, broker: u16) {
        self.kill(broker);
        self.pass(12_000);
    }

    /// A new process of a broker registers, once.
    pub(crate) fn register(
        &mut self,
        broker: u16,
        previous_broker_epoch: Option<BrokerEpoch>,
    ) -> Result<BrokerEpoch, ErrorCode> {
        self.incarnations += 1;
        let incarnation = Incarnation(self.incarnations);
        let request = RegisterBroker { broker: NodeId(broker), incarnation, previous_broker_epoch };
        let answer = self.ask(broker, Message::RegisterBroker(request));
        let Message::RegisteredBroker(answer) = answer else { panic!("not an answer: {answer:?}") };
        if answer.error == ErrorCode::None { Ok(answer.broker_epoch) } else { Err(answer.error) }
    }

    /// A new process of a broker whose last stop was not clean comes up to serve.
    pub(crate) fn come_back(&mut self, broker: u16) {
        let epoch = self.register(broker, None).expect("its former session is over");
        assert!(!self.beat(self.heartbeat(broker)).is_fenced, "it has replayed its registration");
        self.alive.insert(broker, epoch);
    }

    /// What broker 1 would propose: an in-sync set, from the state that stands.
    pub(crate) fn proposal(&self, isr: &[u16]) -> AlterPartition {
        let state = self.state();
        AlterPartition {
            partition: ORDERS,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: ids(isr),
            isr_epochs: [None; Replicas::MOST],
            recovered: true,
        }
    }

    /// A broker proposes; the answer for the partition, or the error of the request as a whole.
    pub(crate) fn alter(
        &mut self,
        broker: u16,
        proposed: AlterPartition,
    ) -> Result<AlteredPartition, ErrorCode> {
        let broker_epoch = self.bench.node.broker(NodeId(broker)).broker_epoch;
        self.alter_as(broker, broker_epoch, proposed)
    }

    pub(crate) fn alter_as(
        &mut self,
        broker: u16,
        broker_epoch: BrokerEpoch,
        proposed: AlterPartition,
    ) -> Result<AlteredPartition, ErrorCode> {
        let partitions = self.bench.store.alter.one(proposed);
        let request = AlterPartitions { broker: NodeId(broker), broker_epoch, partitions };
        let answer = self.ask(broker, Message::AlterPartitions(request));
        let Message::AlteredPartitions(answer) = answer else { panic!("not an answer: {answer:?}") };
        self.bench.store.altered.get(answer.partitions).first().copied().ok_or(answer.error)
    }

    /// When a broker was fenced, each time.
    pub(crate) fn fenced_at(&self, broker: u16) -> Vec<Time> {
        let is_it = |note: &Happened| {
            let Happened::Fenced { broker: one, fenced, .. } = note else { return false };
            *fenced && *one == NodeId(broker)
        };
        self.bench.notes.iter().filter(|(_, note)| is_it(note)).map(|&(at, _)| at).collect()
    }

    fn ask(&mut self, broker: u16, request: Message) -> Message {
        let connection = self.bench.request(broker, request);
        self.bench.pass(0);
        self.bench.answers.remove(&connection).flatten().expect("the controller answers at once")
    }
}
