//! The producer, driven by hand: what it sends and tells, as words.

mod application;
mod producer_id;
mod sending;

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::clients::app::{AtEnd, Full, OnError, Rate, Waits};
use crate::clients::options::PartitionerClass;
use crate::cluster::protocol::{
    ErrorCode, Leaders, PartitionLeader, ProducePartition, Produced, ProducedPartition, ProducerIdAnswer,
};
use crate::cluster::units::{Acks, LeaderEpoch, Offset, ProducerId};
use crate::devices::port::Effect;
use crate::kernel::distribution::Distribution;
use crate::kernel::units::Span;

const MS: fn(u64) -> Span = Span::from_milliseconds;

/// `java-4.1`, but that nothing lingers.
fn options() -> ProducerOptions {
    ProducerOptions {
        acks: Acks::All,
        idempotence: true,
        retries: i32::MAX as u32,
        linger: Span::ZERO,
        batch_size: Bytes::new(16_384),
        buffer_memory: Bytes::new(33_554_432),
        max_block: MS(60_000),
        max_request_size: Bytes::new(1_048_576),
        max_in_flight: 5,
        request_timeout: MS(30_000),
        delivery_timeout: MS(120_000),
        retry_backoff: MS(100),
        retry_backoff_max: MS(1_000),
        reconnect_backoff: MS(50),
        reconnect_backoff_max: MS(1_000),
        metadata_max_age: MS(300_000),
        connection_setup_timeout: MS(10_000),
        connection_setup_timeout_max: MS(30_000),
        partitioner: PartitionerClass::BuiltIn,
        ignore_keys: false,
        adaptive_partitioning: true,
        availability_timeout: Span::ZERO,
    }
}

fn workload(records: u32) -> Workload {
    Workload {
        start: Time::ZERO,
        records,
        rate: Rate::Unbounded,
        size: Bytes::new(100),
        keys: 0,
        waits: Waits::None,
        at_end: AtEnd::Close,
        on_error: OnError::Ignore,
        full: Full::Block,
    }
}

/// One record a millisecond, each a batch of its own as long as nothing holds batches back.
fn paced(records: u32) -> Workload {
    Workload { rate: Rate::Every(MS(1)), ..workload(records) }
}

/// A producer, its alarms, and brokers that answer when they are told to.
struct Rig {
    producer: Producer,
    store: Store,
    now: Time,
    alarms: BTreeMap<u32, (Time, ProducerTimer)>,
    /// Who leads each partition; brokers answer FindLeaders with it at once.
    leaders: Vec<Option<NodeId>>,
    /// The first of these: another once the topic was made anew.
    first: u32,
    epoch: LeaderEpoch,
    /// Brokers that neither connect nor answer.
    silent: Vec<NodeId>,
    /// Produce requests that are not answered.
    requests: VecDeque<(NodeId, Vec<ProducePartition>)>,
    /// What has happened since it was last read.
    words: Vec<String>,
    questions: u32,
    /// Brokers leave InitProducerId unanswered.
    gives_no_id: bool,
    asked_for_id: u32,
    has_ended: bool,
    sets: u32,
    /// Whom it has tried to connect to.
    connects: Vec<NodeId>,
}

impl Rig {
    fn new(options: ProducerOptions, workload: Workload, partitions: u32) -> Rig {
        let ids = |first: u32| (first..first + partitions).map(PartitionId).collect();
        let setup = ProducerSetup {
            id: NodeId(9),
            options,
            workload,
            first_message: MessageId(0),
            lives: &[ids(10), ids(20)],
            brokers: 3,
            partitioner_key: 1,
        };
        Rig {
            producer: Producer::new(setup),
            store: Store::default(),
            now: Time::ZERO,
            alarms: BTreeMap::new(),
            leaders: (0..partitions).map(|place| Some(NodeId(place as u16 % 3 + 1))).collect(),
            first: 10,
            epoch: LeaderEpoch(0),
            silent: Vec::new(),
            requests: VecDeque::new(),
            words: Vec::new(),
            questions: 0,
            gives_no_id: false,
            asked_for_id: 0,
            has_ended: false,
            sets: 0,
            connects: Vec::new(),
        }
    }

    fn started(options: ProducerOptions, workload: Workload, partitions: u32) -> Rig {
        let mut rig = Rig::new(options, workload, partitions);
        rig.feed(Event::Start);
        rig
    }

    /// One event, and all that brokers answer to it at once.
    fn feed(&mut self, event: Event<ProducerPort>) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            self.producer.handle(self.now, event, &mut Outbox::new(&mut effects, &mut self.store));
            if let Event::Response(_, message) = event {
                self.store.release(message);
            }
            for effect in effects {
                self.carry_out(effect, &mut events);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect<ProducerPort>, events: &mut VecDeque<Event<ProducerPort>>) {
        if let Effect::Connect { peer, .. } = effect {
            self.connects.push(peer.node);
        }
        match effect {
            Effect::Connect { peer, .. } if !self.silent.contains(&peer.node) => {
                events.push_back(Event::Connected(peer));
            }
            Effect::Connect { .. } | Effect::Close(_) => (),
            Effect::Send(peer, Message::FindLeaders, _) => {
                self.questions += 1;
                if !self.silent.contains(&peer.node) {
                    let partitions = self.store.leaders.take();
                    for (place, &leader) in self.leaders.iter().enumerate() {
                        let partition = PartitionId(self.first + place as u32);
                        let entry = PartitionLeader { partition, leader, epoch: self.epoch };
                        self.store.leaders.get_mut(partitions).push(entry);
                    }
                    events.push_back(Event::Response(peer, Message::Leaders(Leaders { partitions })));
                }
            }
            Effect::Send(peer, Message::InitProducerId, _) => {
                self.asked_for_id += 1;
                if !self.gives_no_id && !self.silent.contains(&peer.node) {
                    let producer_id = ProducerId(1_000);
                    let answer = ProducerIdAnswer { producer_id };
                    events.push_back(Event::Response(peer, Message::ProducerIdAnswer(answer)));
                }
            }
            Effect::Send(peer, Message::Produce(request), _) => {
                let batches = self.store.produce.get(request.partitions).to_vec();
                self.store.release(Message::Produce(request));
                let sent: Vec<String> = batches.iter().map(|part| self.describe(*part)).collect();
                self.words.push(format!("to {}: {}", peer.node, sent.join(" ")));
                if request.acks != Acks::Zero {
                    self.requests.push_back((peer.node, batches));
                }
            }
            Effect::SetTimer(timer, least, _) => {
                self.sets += 1;
                self.alarms.insert(timer.slot(), (self.now + least, timer));
            }
            Effect::SetTimerDrawn(timer, Distribution::Exponential(mean)) => {
                self.alarms.insert(timer.slot(), (self.now + mean, timer));
            }
            Effect::CancelTimer(timer) => {
                self.alarms.remove(&timer.slot());
            }
            Effect::Note(Happened::Told { first, count, outcome }) => {
                let last = first.0 + count - 1;
                self.words.push(format!("{first}-{last} {}", outcome.name()));
            }
            Effect::Note(Happened::Gone) => self.words.push("gone".to_owned()),
            Effect::Note(
                Happened::Called { .. }
                | Happened::CalledAgain { .. }
                | Happened::GaveUp { .. }
                | Happened::Batched { .. }
                | Happened::Attempted { .. }
                | Happened::Renumbered { .. }
                | Happened::Reset { .. }
                | Happened::Corrupt { .. }
                | Happened::Read { .. },
            ) => (),
            Effect::Exit => self.has_ended = true,
            other @ (Effect::Listen
            | Effect::StopListening
            | Effect::Send(..)
            | Effect::Respond(..)
            | Effect::SetTimerDrawn(..)
            | Effect::TakeNext(_)
            | Effect::Hangup(_)
            | Effect::Append(..)
            | Effect::Truncate(..)
            | Effect::Replace(..)
            | Effect::Flush(..)
            | Effect::Delete(_)) => panic!("a producer asks for nothing of the kind: {other:?}"),
        }
    }

    /// `p0[3-5]#2`: messages 3 to 5 for partition 0, numbered from 2; with its epoch once that is not 0.
    fn describe(&self, part: ProducePartition) -> String {
        let batch = self.store.batch(part.batch);
        let messages: Vec<u32> = self.store.messages(part.batch).map(|message| message.0).collect();
        let ends = (messages.first(), messages.last());
        let (Some(first), Some(last)) = ends else { panic!("a batch has messages") };
        let number = match (batch.producer_id, batch.producer_epoch) {
            (ProducerId(0), _) => String::new(),
            (_, epoch) if epoch.0 == 0 => format!("#{}", batch.base_sequence),
            (_, epoch) => format!("#{}e{epoch}", batch.base_sequence),
        };
        format!("p{}[{first}-{last}]{number}", part.partition.0 - 10)
    }

    /// Lets so much time pass and rings what is due.
    fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while let Some((&slot, &(at, timer))) =
            self.alarms.iter().filter(|(_, alarm)| alarm.0 <= end).min_by_key(|(_, alarm)| alarm.0)
        {
            self.alarms.remove(&slot);
            self.now = at;
            self.feed(Event::Timer(timer));
        }
        self.now = end;
    }

    /// A broker answers its oldest request; with a hint, who leads instead.
    fn answer_with(&mut self, node: u16, error: ErrorCode, current_leader: Option<(NodeId, LeaderEpoch)>) {
        let node = NodeId(node);
        let oldest = self.requests.iter().position(|request| request.0 == node);
        let (_, batches) =
            self.requests.remove(oldest.expect("the broker was asked")).expect("it was just found");
        let partitions = self.store.produced.take();
        for ProducePartition { partition, batch } in batches {
            let base_offset = Offset::ZERO;
            let part = ProducedPartition { partition, batch, error, base_offset, current_leader };
            self.store.produced.get_mut(partitions).push(part);
        }
        let peer = Peer { node, channel: PRODUCER_CHANNEL };
        self.feed(Event::Response(peer, Message::Produced(Produced { partitions })));
    }

    fn answer(&mut self, node: u16, error: ErrorCode) {
        self.answer_with(node, error, None);
    }

    fn disconnect(&mut self, node: u16) {
        let peer = Peer { node: NodeId(node), channel: PRODUCER_CHANNEL };
        self.requests.retain(|request| request.0 != peer.node);
        self.feed(Event::Disconnected(peer));
    }

    fn read(&mut self) -> Vec<String> {
        std::mem::take(&mut self.words)
    }
}
