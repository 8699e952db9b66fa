//! A controller on a bench: brokers that only heartbeat, time that is told.

use std::collections::BTreeMap;

use super::{Controller, ControllerPort, Given, Timer};
use crate::cluster::generation::Version;
use crate::cluster::happened::Happened;
use crate::cluster::protocol::{
    Administer, AlterPartition, AlterPartitions, AlteredPartition, ErrorCode, FetchMetadata, Heartbeat,
    HeartbeatAnswer, Message, PartitionState, RegisterBroker,
};
use crate::cluster::setting::SettingNames;
use crate::cluster::store::Store;
use crate::cluster::units::{
    BrokerEpoch, Incarnation, LeaderEpoch, PartitionEpoch, PartitionId, QuorumEpoch, Replicas, Voters,
};
use crate::devices::port::{ConnectionId, Effect, Event, Outbox, Timer as _};
use crate::kernel::units::{NodeId, Span, Time};

/// A partition: replicas, min.insync.replicas, whether it may be led uncleanly.
pub(crate) type Spec<'a> = (&'a [u16], u16, bool);

/// Leader, in-sync set, ELR, last known leader; 0 is nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Described<'a>(pub(crate) u16, pub(crate) &'a [u16], pub(crate) &'a [u16], pub(crate) u16);

/// The same, to compare.
pub(crate) type Description = (u16, Vec<u16>, Vec<u16>, u16);

impl Described<'_> {
    pub(crate) fn owned(&self) -> Description {
        (self.0, self.1.to_vec(), self.2.to_vec(), self.3)
    }
}

pub(crate) fn describe(state: &PartitionState) -> Description {
    let numbers = |all: &Replicas| all.iter().map(|one| one.0).collect();
    let number = |one: Option<NodeId>| one.map_or(0, |one| one.0);
    (number(state.leader), numbers(&state.isr), numbers(&state.elr), number(state.last_known_leader))
}

pub(crate) fn ids(numbers: &[u16]) -> Replicas {
    Replicas::of(numbers.iter().map(|&number| NodeId(number)))
}

/// A partition in its sixth leader epoch; leader 0 is nobody.
pub(crate) fn partition(replicas: &[u16], isr: &[u16], leader: u16) -> PartitionState {
    PartitionState {
        replicas: ids(replicas),
        isr: ids(isr),
        removing: 0,
        elr: Replicas::NONE,
        last_known_leader: None,
        leader: (leader > 0).then_some(NodeId(leader)),
        leader_epoch: LeaderEpoch(5),
        partition_epoch: PartitionEpoch(9),
        recovering: false,
    }
}

/// The controller, and brokers that heartbeat every 2 s while they live. Each broker has a connection for requests and one
/// for fetches. What is decided is written at once.
pub(crate) struct Bench {
    pub(crate) controller: Controller,
    pub(crate) notes: Vec<(Time, Happened)>,
    /// When after its first start the controller looks for stale brokers.
    pub(crate) first_look: Span,
    /// The epoch each broker believes in, by node.
    pub(crate) broker_epochs: Vec<BrokerEpoch>,
    /// How many requests were let pass without an answer.
    pub(crate) let_pass: u32,
    store: Store,
    now: Time,
    next_beat: Time,
    timers: BTreeMap<u32, (Time, Timer)>,
    answers: BTreeMap<u32, Message>,
    alive: Vec<bool>,
    incarnations: Vec<u32>,
    /// What the clean-shutdown file says, by node.
    clean: Vec<Option<BrokerEpoch>>,
    exited: bool,
}

const BEAT: Span = Span::from_milliseconds(2_000);
const REQUESTS: u32 = 0;
const FETCHES: u32 = 1_000;

impl Bench {
    pub(crate) fn new(brokers: u16, partitions: &[Spec<'_>]) -> Bench {
        Bench::with_elr(true, brokers, partitions)
    }

    pub(crate) fn with_elr(eligible_leader_replicas: bool, brokers: u16, partitions: &[Spec<'_>]) -> Bench {
        Bench::of(Version::V4_1, eligible_leader_replicas, brokers, partitions)
    }

    pub(crate) fn of(
        version: Version,
        eligible_leader_replicas: bool,
        brokers: u16,
        partitions: &[Spec<'_>],
    ) -> Bench {
        let generation = version.generation();
        let mut options = generation.controller;
        options.eligible_leader_replicas = eligible_leader_replicas;
        options.quorum_append_linger = Span::ZERO;
        let partitions = partitions.iter();
        // One of which nobody holds a replica is to come, on all brokers.
        let partitions =
            partitions.zip(0..).map(|(&(replicas, min_insync_replicas, unclean), number)| Given {
                first_of_topic: PartitionId(number),
                state: replicas.first().map(|&leader| partition(replicas, replicas, leader)),
                replicas: Replicas::of((1..=brokers).map(NodeId)),
                min_insync_replicas,
                unclean,
                own: SettingNames::NONE,
            });
        let nodes = usize::from(brokers) + 1;
        let mut alive = vec![true; nodes];
        alive[0] = false;
        Bench {
            controller: Controller::new(
                NodeId(brokers + 1),
                Voters { first: NodeId(brokers + 1), count: 1 },
                generation,
                options,
                &partitions.collect::<Vec<_>>(),
                brokers,
                None,
            ),
            notes: Vec::new(),
            first_look: Span::from_milliseconds(1_125),
            broker_epochs: (0..nodes as u64).map(|node| BrokerEpoch(node.saturating_sub(1))).collect(),
            let_pass: 0,
            store: Store::default(),
            now: Time::ZERO,
            next_beat: Time::ZERO + BEAT,
            timers: BTreeMap::new(),
            answers: BTreeMap::new(),
            alive,
            incarnations: vec![1; nodes],
            clean: vec![None; nodes],
            exited: false,
        }
    }

    /// The controller's process begins, with no alarm set.
    pub(crate) fn start(&mut self) {
        self.timers.clear();
        self.tell(Event::Start);
    }

    /// So many milliseconds pass: alarms ring, brokers that live are heard of.
    pub(crate) fn run(&mut self, milliseconds: u64) {
        let end = self.now + Span::from_milliseconds(milliseconds);
        loop {
            let alarm = self.timers.iter().map(|(&slot, &(at, _))| (at, slot)).min();
            let next = alarm.map_or(self.next_beat, |(at, _)| at.min(self.next_beat));
            if next > end {
                break;
            }
            self.now = next;
            if let Some((_, slot)) = alarm.filter(|&(at, _)| at == next) {
                let (_, timer) = self.timers.remove(&slot).expect("the alarm just found");
                self.tell(Event::Timer(timer));
                continue;
            }
            self.next_beat = next + BEAT;
            for broker in (0..self.alive.len()).filter(|&broker| self.alive[broker]).collect::<Vec<_>>() {
                let heartbeat = self.heartbeat_of(broker as u16);
                self.beat(heartbeat);
            }
        }
        self.now = end;
    }

    /// Tells the controller something; whether it ended.
    pub(crate) fn tell(&mut self, event: Event<ControllerPort>) -> bool {
        let mut effects = Vec::new();
        self.controller.handle(self.now, event, &mut Outbox::new(&mut effects, &mut self.store));
        for effect in effects {
            match effect {
                Effect::Note(note) => self.notes.push((self.now, note)),
                Effect::Respond(connection, Some(answer), _) => {
                    let former = self.answers.insert(connection.slot, answer);
                    assert!(former.is_none(), "one answer a request");
                }
                Effect::Respond(_, None, _) => self.let_pass += 1,
                Effect::SetTimer(timer, least, most) => {
                    let is_first_look = least < most && timer == Timer::FenceStaleBrokers;
                    let after = if is_first_look { self.first_look } else { most };
                    self.timers.insert(timer.slot(), (self.now + after, timer));
                }
                Effect::CancelTimer(timer) => {
                    self.timers.remove(&timer.slot());
                }
                Effect::Append(..) | Effect::Flush(..) | Effect::Listen => (),
                Effect::Exit => self.exited = true,
                Effect::Connect { .. }
                | Effect::Close(_)
                | Effect::Send(..)
                | Effect::TakeNext(_)
                | Effect::Hangup(_)
                | Effect::StopListening
                | Effect::SetTimerDrawn(..)
                | Effect::Truncate(..)
                | Effect::Replace(..)
                | Effect::Delete(_) => panic!("a controller does not ask for {effect:?}"),
            }
        }
        let lingers = |&(at, timer): &(Time, Timer)| at <= self.now && timer == Timer::Linger;
        if self.timers.get(&Timer::Linger.slot()).is_some_and(lingers) {
            self.timers.remove(&Timer::Linger.slot());
            self.tell(Event::Timer(Timer::Linger));
        }
        self.exited
    }

    /// The broker's process is gone, or silent.
    pub(crate) fn kill(&mut self, broker: u16) {
        self.alive[usize::from(broker)] = false;
    }

    /// The broker's process, which was silent, is heard of again.
    pub(crate) fn revive(&mut self, broker: u16) {
        self.alive[usize::from(broker)] = true;
    }

    /// Controlled shutdown, until the broker may stop.
    pub(crate) fn stop(&mut self, broker: u16) {
        self.kill(broker);
        while !self.beat(Heartbeat { want_shut_down: true, ..self.heartbeat_of(broker) }).should_shut_down {
            self.run(500);
        }
        self.clean[usize::from(broker)] = Some(self.broker_epochs[usize::from(broker)]);
    }

    /// A new process of the broker registers, as soon as it may, and is unfenced.
    pub(crate) fn restart(&mut self, broker: u16) {
        let place = usize::from(broker);
        self.incarnations[place] += 1;
        let clean = self.clean[place].take();
        while self.register(broker, self.incarnations[place], clean).is_err() {
            self.run(500);
        }
        assert!(!self.beat(self.heartbeat_of(broker)).is_fenced, "it has its own registration");
        self.revive(broker);
    }

    pub(crate) fn register(
        &mut self,
        broker: u16,
        incarnation: u32,
        previous_broker_epoch: Option<BrokerEpoch>,
    ) -> Result<BrokerEpoch, ErrorCode> {
        let (node, incarnation) = (NodeId(broker), Incarnation(incarnation));
        let request = RegisterBroker { broker: node, incarnation, previous_broker_epoch };
        let answer = self.ask(REQUESTS, broker, Message::RegisterBroker(request));
        let Some(Message::RegisteredBroker(answer)) = answer else { panic!("not an answer: {answer:?}") };
        if answer.error != ErrorCode::None {
            return Err(answer.error);
        }
        self.broker_epochs[usize::from(broker)] = answer.broker_epoch;
        Ok(answer.broker_epoch)
    }

    /// The heartbeat of a broker that has replayed everything and wants nothing.
    pub(crate) fn heartbeat_of(&self, broker: u16) -> Heartbeat {
        Heartbeat {
            broker: NodeId(broker),
            broker_epoch: self.broker_epochs[usize::from(broker)],
            metadata_offset: self.controller.image().end(),
            want_fence: false,
            want_shut_down: false,
        }
    }

    pub(crate) fn beat(&mut self, heartbeat: Heartbeat) -> HeartbeatAnswer {
        let answer = self.ask(REQUESTS, heartbeat.broker.0, Message::Heartbeat(heartbeat));
        let Some(Message::HeartbeatAnswer(answer)) = answer else { panic!("not an answer: {answer:?}") };
        answer
    }

    /// The broker proposes an in-sync set; the answer, or the error of the request as a whole.
    pub(crate) fn alter(
        &mut self,
        broker: u16,
        proposed: AlterPartition,
    ) -> Result<AlteredPartition, ErrorCode> {
        let request = AlterPartitions {
            broker: NodeId(broker),
            broker_epoch: self.broker_epochs[usize::from(broker)],
            partitions: self.store.alter.one(proposed),
        };
        let answer = self.ask(REQUESTS, broker, Message::AlterPartitions(request));
        let Some(Message::AlteredPartitions(answer)) = answer else { panic!("not an answer: {answer:?}") };
        let altered = self.store.altered.get(answer.partitions).first().copied();
        self.store.release(Message::AlteredPartitions(answer));
        altered.ok_or(answer.error)
    }

    /// The partition's leader proposes an in-sync set, and it is accepted.
    pub(crate) fn propose(&mut self, partition: u32, isr: &[u16]) {
        let leader = self.partition(partition).leader.expect("somebody leads");
        let proposed = self.proposal(partition, isr);
        let answer = self.alter(leader.0, proposed).expect("the leader is registered");
        assert_eq!(answer.error, ErrorCode::None);
    }

    /// A proposal of this in-sync set, as a leader makes it that knows how the partition stands.
    pub(crate) fn proposal(&self, partition: u32, isr: &[u16]) -> AlterPartition {
        let state = self.partition(partition);
        AlterPartition {
            partition: PartitionId(partition),
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: ids(isr),
            isr_epochs: [None; Replicas::MOST],
            recovered: true,
        }
    }

    /// The broker fetches metadata; how many records the answer has, if it does not wait.
    pub(crate) fn fetch(&mut self, broker: u16, offset: u64) -> Option<usize> {
        let offset = crate::cluster::units::MetadataOffset(offset);
        let request = FetchMetadata {
            replica: NodeId(broker),
            epoch: QuorumEpoch(0),
            offset,
            last_epoch: QuorumEpoch(0),
        };
        let answer = self.ask(FETCHES, broker, Message::FetchMetadata(request))?;
        Some(self.counted(answer))
    }

    /// What a fetch that waited has been answered since.
    pub(crate) fn fetched(&mut self, broker: u16) -> Option<usize> {
        let answer = self.answers.remove(&(FETCHES + u32::from(broker)))?;
        Some(self.counted(answer))
    }

    /// An administrator asks for something; nobody reads the answer.
    pub(crate) fn administer(&mut self, request: Administer) {
        let answer = self.ask(REQUESTS, 0, Message::Administer(request));
        assert!(answer.is_none(), "{request:?} is not answered");
    }

    pub(crate) fn partition(&self, partition: u32) -> PartitionState {
        *self.controller.partition(PartitionId(partition))
    }

    pub(crate) fn described(&self, partition: u32) -> Description {
        describe(&self.partition(partition))
    }

    fn ask(&mut self, channel: u32, broker: u16, request: Message) -> Option<Message> {
        let connection = ConnectionId { slot: channel + u32::from(broker), generation: 0 };
        self.tell(Event::Request(connection, NodeId(broker), request));
        self.store.release(request);
        self.answers.remove(&connection.slot)
    }

    fn counted(&mut self, answer: Message) -> usize {
        let Message::MetadataRecords(records) = answer else { panic!("not an answer: {answer:?}") };
        let count = self.store.metadata.get(records.records).len();
        self.store.release(answer);
        count
    }
}
