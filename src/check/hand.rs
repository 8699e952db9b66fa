//! A world written by hand, for the checks' own tests: steps that change logs and are told to the checks, right or wrong.
//!
//! One partition, `orders-0`, whose replicas are all brokers; one producer, `web`, whose nth message is the only record of the
//! nth batch.

use super::look::Look;
use super::story::verdict_sentence;
use super::{Checks, Held, Judged, Judgement};
use crate::clients::app::{AtEnd, Full, OnError, Rate, Waits, Workload};
use crate::clients::happened::{Happened as Client, Outcome};
use crate::clients::options::{PartitionerClass, ProducerOptions};
use crate::cluster::generation::Version;
use crate::cluster::happened::{Decision, Election, Happened as Cluster};
use crate::cluster::log::Log;
use crate::cluster::options::TopicOptions;
use crate::cluster::protocol::{ErrorCode, LogEntry, PartitionState, Resource, TopicChange};
use crate::cluster::setting::Setting;
use crate::cluster::store::{MessageRun, Store};
use crate::cluster::units::{
    Acks, BatchId, BrokerEpoch, Incarnation, LeaderEpoch, MessageId, Offset, PartitionEpoch, PartitionId,
    ProducerEpoch, ProducerId, Replicas, Sequence, TopicId,
};
use crate::devices::{disk, network};
use crate::kernel::distribution::Distribution;
use crate::kernel::trace::{Entry, EventSeq};
use crate::kernel::units::{Bytes, NodeId, Ratio, Span, Time};
use crate::scenario::fault::{Action, Fault, Target, When};
use crate::scenario::model::{Cluster as Machines, Expect, Model, Producer, Topic};
use crate::scenario::words::{FaultKind, Promise};
use crate::world::happened::{Happened, LinkChange};
use crate::world::run::Ending;

/// The size of every batch.
pub(super) const BATCH: u64 = 100;
const ORDERS: PartitionId = PartitionId(0);

/// One step. Brokers, batches and offsets are plain numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// So many milliseconds after the beginning.
    At(u64),
    /// The producer sends its next message.
    Send,
    /// Its application sends a message again. A process of the producer begins that is not its first.
    Resend(u32),
    Begin,
    /// The producer's process is killed.
    Kill,
    /// The message's record goes into one more batch, as after a retry that was not recognised.
    Again(u32),
    /// The leader of this epoch appends a batch.
    Put(u16, u32, u32),
    /// The same, and the offset before it is missing.
    PutBehindGap(u16, u32, u32),
    /// The batch that begins at this offset of a broker's log goes bad.
    Rot(u16, u64),
    /// A follower appends a batch that was appended under this epoch.
    Copy(u16, u32, u32),
    /// A leader of this epoch has this high watermark.
    Commit(u16, u64, u32),
    /// A follower has this high watermark.
    Learn(u16, u64),
    /// A broker answers a batch with success.
    Ack(u16, u32),
    /// The producer is told success, and failure.
    Success(u32),
    Failure(u32),
    /// A fault strikes this node first.
    Strike(u16),
    /// A process dies; a machine loses power and its log ends here; a node is cut off.
    Crash(u16),
    /// A broker is asked to stop.
    AskedToStop(u16),
    Power(u16, u64),
    Isolate(u16),
    /// The link from a node to another is cut; a disk lies about fsyncs from now on.
    Apart(u16, u16),
    Lies(u16),
    /// A process starts, with this high watermark.
    Start(u16, u64),
    /// The controller registers a broker's new process.
    Register(u16),
    /// So many batches are durable.
    Fsync(u16, u64),
    /// A follower cuts its log.
    Cut(u16, u64),
    /// Retention takes what lies below this offset from a broker's log; a follower throws its log away and begins there.
    Remove(u16, u64),
    /// The reader finds its position gone, and goes on there.
    Reset(u64, Option<u64>),
    Restart(u16, u64),
    /// The controller elects a leader, with this in-sync set.
    Elect(u16, &'static [u16], Election),
    /// The controller changes the in-sync set, or takes the leader away.
    Isr(&'static [u16]),
    /// A reassignment is complete: these have the replicas, and are in sync.
    Reassigned(&'static [u16]),
    /// The same, and these are eligible besides.
    IsrAndElr(&'static [u16], &'static [u16]),
    Nobody(&'static [u16]),
    /// The controller sets `min.insync.replicas`; a broker hears of it.
    Require(u16),
    Hear(u16),
    /// The controller sets what all brokers have, or what this one has of its own, and those hear of it.
    SetBrokers(Option<u16>, Setting),
    /// The controller deletes the topic, and the brokers their logs.
    Delete,
    /// A broker learns that it leads.
    Leads(u16),
    /// A leader of this epoch waits for these members.
    Counts(u16, &'static [u16], u32),
    /// A reader is handed a batch that lies at this offset and was appended under this epoch.
    Read(u32, u64, u32),
    /// The producer puts a batch on the wire once more.
    Retry(u32),
    /// The producer numbers one batch anew, after it gave one up or not.
    Renumber(bool),
    /// The run ends before everything is quiet.
    Unsettled,
}

/// The world and the checks that watch it.
pub(super) struct Hand {
    pub(super) model: Model,
    pub(super) store: Store,
    pub(super) entries: Vec<Entry<Happened>>,
    checks: Checks,
    logs: Vec<Log>,
    high_watermarks: Vec<Option<Offset>>,
    state: PartitionState,
    now: Time,
    sent: u32,
    settled: bool,
}

impl Hand {
    pub(super) fn new(model: Model) -> Hand {
        let brokers = usize::from(model.cluster.brokers);
        let replicas = model.topics[0].assignment[0];
        Hand {
            checks: Checks::new(&model),
            store: Store::default(),
            entries: Vec::new(),
            logs: vec![Log::new(); brokers],
            high_watermarks: vec![Some(Offset::ZERO); brokers],
            state: PartitionState {
                replicas,
                isr: replicas,
                removing: 0,
                elr: Replicas::NONE,
                last_known_leader: None,
                leader: replicas.iter().next(),
                leader_epoch: LeaderEpoch(0),
                partition_epoch: PartitionEpoch(0),
                recovering: false,
            },
            now: Time::ZERO,
            sent: 0,
            settled: true,
            model,
        }
    }

    /// Plays the steps.
    pub(super) fn play(model: Model, steps: &[Step]) -> Hand {
        let mut hand = Hand::new(model);
        hand.happens(1, leads(LeaderEpoch(0), Offset::ZERO, hand.state.isr));
        for &step in steps {
            hand.step(step);
        }
        hand
    }

    pub(super) fn judge(&self) -> Judgement {
        let unquiet =
            if self.settled { Vec::new() } else { vec!["broker 1 has something under way".to_owned()] };
        let faults_took_effect = !self.model.faults.is_empty();
        let ending = Ending { settled: self.settled, unquiet, at: self.now, faults_took_effect };
        self.checks.judge(self, &ending)
    }

    pub(super) fn judged(&self, promise: Promise) -> Judged {
        self.judge().promise(promise).clone()
    }

    pub(super) fn sentence(&self) -> String {
        verdict_sentence(&self.model, &self.store, &self.entries, &self.judge())
    }

    fn step(&mut self, step: Step) {
        let (producer, reader) = (self.model.producer_node(0).0, self.model.producer_node(0).0 + 1);
        let controller = self.model.controller().0;
        match step {
            Step::At(ms) => self.now = Time::ZERO + Span::from_milliseconds(ms),
            Step::Send => {
                let message = MessageId(self.sent);
                self.sent += 1;
                self.batch(message);
                self.happens(producer, Client::Called { message, partition: Some(ORDERS) });
            }
            Step::Resend(message) => {
                let message = MessageId(message);
                self.happens(producer, Client::CalledAgain { message, partition: Some(ORDERS) });
            }
            Step::Begin => self.happens(producer, Happened::Started { incarnation: Incarnation(3) }),
            Step::Kill => self.happens(producer, Happened::Crashed),
            Step::Again(message) => self.batch(MessageId(message)),
            Step::Put(broker, batch, epoch) => self.append(broker, batch, epoch, true, 0),
            Step::PutBehindGap(broker, batch, epoch) => self.append(broker, batch, epoch, true, 1),
            Step::Rot(broker, offset) => {
                let base_offset = Offset(offset);
                let log = &mut self.logs[index(broker)];
                let place = log.index_at(base_offset).expect("a batch begins there");
                let of = log.entry(place).batch;
                let batch = self.store.add_rotten(of);
                log.replace(place, batch);
                self.happens(broker, Happened::Rotted { partition: ORDERS, base_offset, of, batch });
            }
            Step::Copy(broker, batch, epoch) => self.append(broker, batch, epoch, false, 0),
            Step::Commit(broker, new, epoch) => self.raise(broker, new, LeaderEpoch(epoch), true),
            Step::Learn(broker, new) => self.raise(broker, new, self.state.leader_epoch, false),
            Step::Ack(broker, batch) => {
                let base_offset = self
                    .log_of(broker)
                    .entries()
                    .find(|entry| entry.batch.0 == batch)
                    .expect("a broker acknowledges what it has")
                    .base_offset;
                let acks = self.model.producers[0].options.acks;
                let batch = BatchId(batch);
                self.happens(broker, Cluster::Acked { partition: ORDERS, batch, base_offset, acks });
            }
            Step::Success(message) => self.told(message, Outcome::Success),
            Step::Failure(message) => self.told(message, Outcome::Refused(ErrorCode::NotLeaderOrFollower)),
            Step::Strike(node) => self.happens(node, Happened::Struck { fault: 0 }),
            Step::AskedToStop(broker) => self.happens(broker, Happened::Stopping),
            Step::Crash(broker) => {
                self.high_watermarks[index(broker)] = None;
                self.happens(broker, Happened::Crashed);
            }
            Step::Power(broker, end) => {
                self.high_watermarks[index(broker)] = None;
                self.happens(broker, Happened::PowerLost);
                let old = self.log_of(broker).end();
                self.logs[index(broker)].truncate_to(Offset(end), &self.store);
                if Offset(end) < old {
                    self.happens(broker, Happened::Lost { partition: ORDERS, old, new: Offset(end) });
                }
            }
            Step::Isolate(node) => self.happens(node, Happened::Isolated),
            Step::Apart(node, to) => {
                self.happens(node, Happened::Link { to: NodeId(to), change: LinkChange::Cut });
            }
            Step::Lies(node) => {
                self.happens(node, Happened::Disk { what: FaultKind::FsyncLies, over: false });
            }
            Step::Start(broker, high_watermark) => {
                self.happens(broker, Happened::Started { incarnation: Incarnation(2) });
                self.high_watermarks[index(broker)] = Some(Offset(high_watermark));
                let end = self.log_of(broker).end();
                let high_watermark = Offset(high_watermark);
                let recovered = Cluster::Recovered {
                    partition: ORDERS,
                    end,
                    high_watermark,
                    clean: false,
                    scanned_from: Offset::ZERO,
                };
                self.happens(broker, recovered);
            }
            Step::Register(broker) => {
                let (broker, epoch) = (NodeId(broker), BrokerEpoch(2));
                self.happens(controller, Cluster::Registered { broker, epoch });
            }
            Step::Fsync(broker, batches) => {
                let bytes = Bytes::new(batches * BATCH);
                self.happens(broker, Happened::Fsynced { partition: ORDERS, bytes });
            }
            Step::Cut(broker, new) => {
                let (old, new, epoch) = (self.log_of(broker).end(), Offset(new), self.state.leader_epoch);
                self.logs[index(broker)].truncate_to(new, &self.store);
                let high_watermark = &mut self.high_watermarks[index(broker)];
                *high_watermark = high_watermark.map(|before| before.min(new));
                self.happens(broker, Cluster::Truncated { partition: ORDERS, old, new, epoch });
            }
            Step::Reset(old, new) => {
                let (old, new) = (Offset(old), new.map(Offset));
                self.happens(reader, Client::Reset { partition: ORDERS, old, new });
            }
            Step::Remove(broker, new) => {
                let (old, new) = (self.log_of(broker).start(), Offset(new));
                self.logs[index(broker)].raise_start(new);
                self.happens(broker, Cluster::LogStart { partition: ORDERS, old, new, retention: true });
            }
            Step::Restart(broker, new) => {
                let (old, new, epoch) = (self.log_of(broker).end(), Offset(new), self.state.leader_epoch);
                self.logs[index(broker)].restart_at(new);
                self.high_watermarks[index(broker)] = Some(new);
                self.happens(broker, Cluster::Restarted { partition: ORDERS, old, new, epoch });
            }
            Step::Elect(leader, isr, election) => {
                self.decide(controller, Some(NodeId(leader)), isr, Some(election));
            }
            Step::Isr(isr) => self.decide(controller, self.state.leader, isr, None),
            Step::Reassigned(replicas) => {
                self.state.replicas = Replicas::of(replicas.iter().map(|&broker| NodeId(broker)));
                self.decide(controller, self.state.leader, replicas, None);
            }
            Step::IsrAndElr(isr, elr) => {
                self.state.elr = Replicas::of(elr.iter().map(|&broker| NodeId(broker)));
                self.decide(controller, self.state.leader, isr, None);
            }
            Step::Nobody(isr) => self.decide(controller, None, isr, Some(Election::Nobody)),
            Step::Require(replicas) => self.happens(controller, set(replicas)),
            // What it is set to the broker has in its log; here nobody looks.
            Step::Hear(broker) => self.happens(broker, set(0)),
            Step::SetBrokers(broker, setting) => {
                let of = Resource::Broker(broker.map(NodeId));
                self.happens(controller, Cluster::Set { of, setting });
                for one in (1..=3).filter(|&one| broker.is_none_or(|broker| broker == one)) {
                    self.happens(one, Cluster::Set { of, setting });
                }
            }
            Step::Delete => {
                let old = self.state;
                self.state = old.removed();
                let state = Decision::of(&self.state);
                let (old_leader, old_isr, election) = (old.leader, old.isr.bits(), None);
                let decided = Cluster::Decided { partition: ORDERS, old_leader, old_isr, state, election };
                self.happens(controller, decided);
                for broker in old.replicas.iter() {
                    let end = self.log_of(broker.0).end();
                    self.logs[index(broker.0)].clear();
                    self.happens(broker.0, Cluster::Deleted { partition: ORDERS, old: end });
                }
            }
            Step::Leads(broker) => {
                let start = self.log_of(broker).end();
                self.happens(broker, leads(self.state.leader_epoch, start, self.state.isr));
            }
            Step::Counts(broker, members, epoch) => {
                let maximal = Replicas::of(members.iter().map(|&member| NodeId(member)));
                let (committed, epoch) = (self.state.isr, LeaderEpoch(epoch));
                self.happens(broker, Cluster::Isr { partition: ORDERS, committed, maximal, epoch });
            }
            Step::Read(batch, base_offset, epoch) => {
                let (batch, base_offset, epoch) = (BatchId(batch), Offset(base_offset), LeaderEpoch(epoch));
                self.happens(reader, Client::Read { partition: ORDERS, base_offset, batch, epoch });
            }
            Step::Retry(batch) => {
                self.happens(producer, Client::Attempted { batch: BatchId(batch), attempt: 2 });
            }
            Step::Renumber(gave_up) => {
                let epoch = ProducerEpoch(1);
                self.happens(producer, Client::Renumbered { partition: ORDERS, batches: 1, epoch, gave_up });
            }
            Step::Unsettled => self.settled = false,
        }
    }

    fn batch(&mut self, message: MessageId) {
        let producer = (ProducerId(0), ProducerEpoch(0), Sequence(message.0));
        let run = MessageRun { first: message, count: 1 };
        self.store.add_batch(producer, &[run], Bytes::new(BATCH), self.now);
    }

    fn append(&mut self, broker: u16, batch: u32, epoch: u32, leading: bool, gap: u64) {
        let base_offset = self.log_of(broker).end().plus(gap);
        let (batch, epoch) = (BatchId(batch), LeaderEpoch(epoch));
        self.logs[index(broker)].append(LogEntry { base_offset, batch, epoch }, 1, Bytes::new(BATCH));
        let end = base_offset.plus(1);
        self.happens(
            broker,
            Cluster::Appended { partition: ORDERS, batch, base_offset, end, epoch, leading },
        );
    }

    fn raise(&mut self, broker: u16, new: u64, epoch: LeaderEpoch, leading: bool) {
        let old = self.high_watermarks[index(broker)].replace(Offset(new)).unwrap_or_default();
        let new = Offset(new);
        self.happens(broker, Cluster::HighWatermark { partition: ORDERS, old, new, epoch, leading });
    }

    fn told(&mut self, message: u32, outcome: Outcome) {
        let told = Client::Told { first: MessageId(message), count: 1, outcome };
        self.happens(self.model.producer_node(0).0, told);
    }

    fn decide(&mut self, at: u16, leader: Option<NodeId>, isr: &[u16], election: Option<Election>) {
        let (old_leader, old_isr) = (self.state.leader, self.state.isr);
        self.state.leader = leader;
        self.state.isr = Replicas::of(isr.iter().map(|&broker| NodeId(broker)));
        self.state.partition_epoch = self.state.partition_epoch.next();
        if election.is_some() {
            self.state.leader_epoch = self.state.leader_epoch.next();
        }
        let (old_isr, state) = (old_isr.bits(), Decision::of(&self.state));
        self.happens(at, Cluster::Decided { partition: ORDERS, old_leader, old_isr, state, election });
    }

    fn happens(&mut self, node: u16, what: impl Into<Happened>) {
        let n = EventSeq(self.entries.len() as u64 + 1);
        let entry = Entry { n, t: self.now, node: NodeId(node), what: what.into(), cause: EventSeq(0) };
        self.entries.push(entry);
        let mut checks = self.checks.clone();
        checks.see(self, &entry);
        self.checks = checks;
    }

    fn log_of(&self, broker: u16) -> &Log {
        &self.logs[index(broker)]
    }
}

fn set(min_insync_replicas: u16) -> Cluster {
    let setting = Setting::MinInsyncReplicas(min_insync_replicas);
    Cluster::Set { of: Resource::Topic(TopicChange::new(ORDERS, 1)), setting }
}

impl Look for Hand {
    fn model(&self) -> &Model {
        &self.model
    }
    fn store(&self) -> &Store {
        &self.store
    }
    fn log(&self, broker: NodeId, _: PartitionId) -> Option<&Log> {
        Some(self.log_of(broker.0))
    }
    fn high_watermark(&self, broker: NodeId, _: PartitionId) -> Option<Offset> {
        self.high_watermarks[index(broker.0)]
    }
    fn partition(&self, _: PartitionId) -> &PartitionState {
        &self.state
    }
}

impl From<Cluster> for Happened {
    fn from(happened: Cluster) -> Happened {
        Happened::Cluster(happened)
    }
}

impl From<Client> for Happened {
    fn from(happened: Client) -> Happened {
        Happened::Client(happened)
    }
}

fn leads(epoch: LeaderEpoch, start: Offset, isr: Replicas) -> Cluster {
    Cluster::Leads { partition: ORDERS, epoch, start, high_watermark: Offset::ZERO, isr }
}

fn index(broker: u16) -> usize {
    usize::from(broker) - 1
}

/// Three brokers, min.insync.replicas 2, acks=all, eligible leader replicas on, one power loss in the schedule.
pub(super) fn model() -> Model {
    let generation = Version::V4_1.generation();
    let nothing = Distribution::Constant(Span::ZERO);
    let ms = Span::from_milliseconds;
    Model {
        name: "by hand".to_owned(),
        title: None,
        kafka: Version::V4_1,
        seed: 0,
        planted: None,
        cluster: Machines {
            brokers: 3,
            racks: Vec::new(),
            controllers: 1,
            start_time: nothing,
            metadata_time: nothing,
            request_time: nothing,
            request_threads: 8,
        },
        network: network::Options { latency: nothing, loss: Ratio::ZERO, bandwidth: None, links: Vec::new() },
        disk: disk::Options { fsync: nothing, survives: disk::Survives::Written },
        broker: generation.broker,
        controller_options: generation.controller,
        topics: vec![Topic {
            name: "orders".to_owned(),
            options: TopicOptions { min_insync_replicas: 2, ..generation.topic },
            first_partition: ORDERS,
            assignment: vec![Replicas::of([1, 2, 3].map(NodeId))],
            created_with: 1,
            anew: None,
        }],
        producers: vec![Producer {
            name: "web".to_owned(),
            into: TopicId(0),
            options: ProducerOptions {
                acks: Acks::All,
                idempotence: true,
                retries: u32::MAX,
                linger: ms(0),
                batch_size: Bytes::new(16_384),
                buffer_memory: Bytes::new(1 << 25),
                max_block: ms(60_000),
                max_request_size: Bytes::new(1 << 20),
                max_in_flight: 5,
                request_timeout: ms(30_000),
                delivery_timeout: ms(120_000),
                retry_backoff: ms(100),
                retry_backoff_max: ms(1_000),
                reconnect_backoff: ms(50),
                reconnect_backoff_max: ms(1_000),
                metadata_max_age: ms(300_000),
                connection_setup_timeout: ms(10_000),
                connection_setup_timeout_max: ms(30_000),
                partitioner: PartitionerClass::BuiltIn,
                ignore_keys: false,
                adaptive_partitioning: true,
                availability_timeout: Span::ZERO,
            },
            workload: Workload {
                start: Time::ZERO,
                records: 10,
                rate: Rate::Unbounded,
                size: Bytes::new(BATCH),
                keys: 0,
                waits: Waits::None,
                at_end: AtEnd::Close,
                on_error: OnError::Ignore,
                full: Full::Block,
            },
        }],
        readers: Vec::new(),
        faults: vec![Fault {
            when: When::At(Time::ZERO),
            action: Action::Crash,
            on: Target::Leader(ORDERS),
            lasts: None,
            within_budget: false,
        }],
        chaos: None,
        until: Time::ZERO + Span::from_seconds(30),
        settle_bound: Span::from_seconds(60),
        expect: Expect::default(),
    }
}

/// The same with another `acks`.
pub(super) fn model_with_acks(acks: Acks) -> Model {
    let mut model = model();
    model.producers[0].options.acks = acks;
    model
}

/// What one promise's answers should be: held, and whether Kafka promises it.
pub(super) type Answers = (Held, bool);

/// Plays the steps and holds the answers on one promise against those that should be. Gives the hand for more questions.
#[track_caller]
pub(super) fn answers(model: Model, steps: &[Step], promise: Promise, (held, promised): Answers) -> Judged {
    let judged = Hand::play(model, steps).judged(promise);
    assert_eq!((judged.held, judged.promised.yes), (held, promised), "{judged:?}");
    assert_eq!(judged.held == Held::Broken, judged.first.is_some());
    judged
}
