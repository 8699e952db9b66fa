//! The controller: who is alive, who leads, who is in sync (`QuorumController`).
//!
//! A request leads to records; records are appended to the metadata log, replayed into the image, and answered once a majority of
//! the voters has them. Of several controllers one is active; the others follow its log, and one of them takes over when it is
//! gone.
//! The controller never knows what is in a partition's log, nor whether a broker it does not hear from is dead.
//!
//! | file | what it holds |
//! |---|---|
//! | `registration` | a process has started and wants to be its broker |
//! | [`heartbeat`] | a broker lives, wants to stop, or is silent |
//! | `sessions` | when brokers were last heard of |
//! | `membership` | what the coming and going of brokers does to partitions |
//! | `alter_partition` | a leader proposes in-sync sets |
//! | [`partition_change`] | a partition's next state |
//! | [`election`] | who leads |
//! | `administration` | leadership moved, partitions reassigned |
//! | `topics` | partitions and topics created, topics deleted |
//! | `settings` | settings changed |
//! | `metadata_fetch` | brokers learn what has been decided |
//! | `metadata_log` | what is on disk |
//! | `quorum` | who of the voters leads |
//! | `replication` | what is decided on its way to a majority |

pub mod election;
pub mod heartbeat;
pub mod partition_change;

mod administration;
mod alter_partition;
mod membership;
mod metadata_fetch;
mod metadata_log;
mod quorum;
mod registration;
mod replication;
mod sessions;
mod settings;
#[cfg(test)]
mod testing;
mod topics;

use std::collections::VecDeque;

use self::heartbeat::Brokers;
use self::metadata_fetch::ParkedFetch;
use self::metadata_log::{MetadataLog, Standing};
use self::partition_change::PartitionRules;
use self::quorum::Role;
use self::replication::{Deferred, Reports};
use self::sessions::Sessions;
use super::generation::Generation;
use super::happened::{Decision, Happened};
use super::line::Line;
use super::metadata_image::{MetadataImage, Registration};
use super::options::ControllerOptions;
use super::planted::Planted;
use super::protocol::{Message, MetadataRecord, PartitionState, QuorumAnswer};
use super::setting::SettingNames;
use super::store::Store;
use super::units::{BrokerEpoch, MetadataOffset, PartitionId, QuorumEpoch, Replicas, Voters};
use crate::devices::port::{self, ConnectionId, Effect, Event, Outbox, Peer, Port};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// The vocabulary of the controller.
#[derive(Clone, Copy, Debug)]
pub struct ControllerPort;

impl Port for ControllerPort {
    type Message = Message;
    type Timer = Timer;
    type File = File;
    type Note = Happened;
    type Store = Store;
}

/// The controller's alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Look for a broker that has not been heard of for its session.
    FenceStaleBrokers,
    /// Look for partitions without a leader that may have one uncleanly.
    ElectUncleanLeaders,
    /// Look for partitions that their preferred replica does not lead.
    ElectPreferredLeaders,
    /// The time of this voter's role is over: a fetch timeout, an election timeout, or a leader's without a majority.
    Quorum,
    /// What was decided has waited long enough to be written.
    Linger,
    /// Tell voters that do not fetch who leads.
    Greet,
    /// Let voters know that the leader lives (`NoOpRecord`).
    NoOp,
    /// The line to this voter.
    VoterLine(NodeId),
    /// This node's fetch of metadata has waited long enough.
    FetchWait(NodeId),
}

impl port::Timer for Timer {
    fn slot(self) -> u32 {
        match self {
            Timer::FenceStaleBrokers => 0,
            Timer::ElectUncleanLeaders => 1,
            Timer::ElectPreferredLeaders => 2,
            Timer::Quorum => 3,
            Timer::Linger => 4,
            Timer::Greet => 5,
            Timer::NoOp => 6,
            Timer::VoterLine(node) => 7 + 2 * u32::from(node.0),
            Timer::FetchWait(node) => 8 + 2 * u32::from(node.0),
        }
    }
}

/// The controller's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// `__cluster_metadata-0`.
    MetadataLog,
    /// `quorum-state` (`FileQuorumStateStore`).
    QuorumState,
}

/// A controller.
#[derive(Clone, Debug)]
pub struct Controller {
    id: NodeId,
    generation: &'static Generation,
    voters: Voters,
    options: ControllerOptions,
    /// By partition.
    rules: Vec<PartitionRules>,
    /// The same before anything was set otherwise.
    rules_at_start: Vec<PartitionRules>,
    /// Partitions that are not there when the run begins, and who holds them once they are created.
    to_come: Vec<(PartitionId, Replicas)>,
    brokers: u16,
    planted: Option<Planted>,
    /// Whether it has started within this run. The first start stands for a process that has been running for long.
    has_started: bool,
    durable: Durable,
    volatile: Volatile,
}

/// What a controller is given of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// The first partition of its topic.
    pub first_of_topic: PartitionId,
    /// Its state as the run begins; none: it is still to be created.
    pub state: Option<PartitionState>,
    /// Who holds a replica of it, or will once it is created.
    pub replicas: Replicas,
    /// `min.insync.replicas` of its topic.
    pub min_insync_replicas: u16,
    /// `unclean.leader.election.enable` of its topic.
    pub unclean: bool,
    /// What its topic sets itself.
    pub own: SettingNames,
}

/// What a process leaves behind.
#[derive(Clone, Debug)]
struct Durable {
    /// Of a running leader, also what is not written yet.
    log: MetadataLog,
    /// The records below are on disk. A single voter does not count.
    flushed: MetadataOffset,
    standing: Standing,
    /// How often the standing has been written. What was being written when a process died counts as written.
    standing_writes: u32,
}

/// What a process has in memory only.
#[derive(Clone, Debug)]
struct Volatile {
    /// What the log adds up to: on an active controller all of it, on others as far as it is committed.
    image: MetadataImage,
    sessions: Sessions,
    brokers: Brokers,
    /// By node: the fetch that waits for records.
    parked: Vec<Option<ParkedFetch>>,
    /// Records decided on while handling an event, until they are appended together.
    planned: Vec<MetadataRecord>,
    role: Role,
    /// Whether it is the active controller.
    active: bool,
    /// By voter's place.
    lines: Vec<Line<Timer>>,
    /// The records below are committed, as far as this process knows.
    high_watermark: MetadataOffset,
    /// The records below are in the file, if not on disk.
    written: MetadataOffset,
    /// Whether there are records that wait to be written.
    lingers: bool,
    /// Fsyncs under way: their tokens, and up to where the file is on disk when they are over.
    flushing: Vec<(u32, MetadataOffset)>,
    flushes: u32,
    /// Answers that wait for records to be committed.
    deferred: VecDeque<Deferred>,
    /// What records that are not committed yet are to be reported as.
    unreported: VecDeque<Reports>,
    /// Which write of the standing was over last: until the newest is, nothing is said to other voters.
    standing_written: u32,
    /// Answers to voters that wait for it.
    unanswered: Vec<(ConnectionId, QuorumAnswer)>,
    /// The time of its role was over meanwhile.
    rang: bool,
    /// Whom it hands over to, having resigned.
    successors: Replicas,
    /// It was asked to end, and waits for its successor.
    stopping: bool,
}

/// From when a controller begins sessions to when it begins its periodic tasks.
const ACTIVATION: Span = Span::from_milliseconds(1);

/// About what a response takes on the wire before its lists.
const ANSWER_SIZE: Bytes = Bytes::new(60);

impl Controller {
    /// A controller of a run that begins with brokers 1 to `brokers` registered and unfenced, and these partitions.
    pub fn new(
        id: NodeId,
        voters: Voters,
        generation: &'static Generation,
        options: ControllerOptions,
        partitions: &[Given],
        brokers: u16,
        planted: Option<Planted>,
    ) -> Controller {
        let eligible = options.eligible_leader_replicas;
        let rules = partitions.iter().map(|given| PartitionRules::of(given, generation, eligible, planted));
        let rules: Vec<PartitionRules> = rules.collect();
        let numbered = || (0..).map(PartitionId).zip(partitions);
        let there = numbered().filter_map(|(partition, given)| Some((partition, given.state?)));
        let log = MetadataLog::genesis(brokers, there);
        let to_come = numbered().filter(|(_, given)| given.state.is_none());
        let to_come = to_come.map(|(partition, given)| (partition, given.replicas)).collect();
        let standing = Standing { epoch: QuorumEpoch(0), voted: None, leader: Some(voters.first) };
        let volatile = Volatile::new(options, voters, brokers, rules.len(), planted);
        let durable = Durable { flushed: log.end(), log, standing, standing_writes: 0 };
        let mut controller = Controller {
            id,
            generation,
            voters,
            options,
            rules_at_start: rules.clone(),
            rules,
            to_come,
            brokers,
            planted,
            has_started: false,
            durable,
            volatile,
        };
        controller.volatile = controller.load(controller.durable.log.end());
        controller
    }

    /// What happens to the controller, and what it asks for.
    pub fn handle(&mut self, now: Time, event: Event<ControllerPort>, out: &mut Outbox<'_, ControllerPort>) {
        match event {
            Event::Start => self.on_start(now, out),
            Event::Request(connection, _, request) => self.on_request(now, connection, request, out),
            Event::Timer(Timer::FenceStaleBrokers) => self.on_fence_stale_brokers(now, out),
            Event::Timer(Timer::ElectUncleanLeaders) => self.on_elect_unclean_leaders(out),
            Event::Timer(Timer::ElectPreferredLeaders) => self.on_elect_preferred_leaders(out),
            Event::Timer(Timer::Quorum) => self.on_quorum_timer(out),
            Event::Timer(Timer::Linger) => self.on_linger(now, out),
            Event::Timer(Timer::Greet) => self.on_greet(out),
            Event::Timer(Timer::NoOp) => self.on_no_op(out),
            Event::Timer(Timer::VoterLine(voter)) => self.on_voter_line(voter, out),
            Event::Timer(Timer::FetchWait(node)) => self.on_fetch_wait(node, out),
            Event::Stop => self.on_stop(out),
            Event::Flushed(File::MetadataLog, token) => self.on_flushed(now, token, out),
            Event::Flushed(File::QuorumState, token) => self.on_standing_written(now, token, out),
            // A fault the controller does not survive (`fatalFaultHandler`).
            Event::FlushFailed(File::MetadataLog | File::QuorumState, _) => out.ask(Effect::Exit),
            Event::Connected(peer) => {
                let place = self.place_of(peer);
                self.volatile.lines[place].connected(out);
                self.speak_to(place, out);
            }
            Event::Disconnected(peer) => {
                let place = self.place_of(peer);
                self.volatile.lines[place].disconnected(out);
            }
            Event::Response(peer, message) => self.on_response(now, peer, message, out),
        }
    }

    /// The process ends: what it had in memory is gone. A single voter's image is what its disk says; among several, what is
    /// committed is known again only once the leader has told.
    pub fn crash(&mut self) {
        self.durable.log.truncate(self.volatile.written);
        let known = if self.is_alone() { self.durable.log.end() } else { MetadataOffset(0) };
        self.volatile = self.load(known);
        self.reload_settings(known);
    }

    /// The machine has lost power: of several voters' logs only what was fsynced is left. Gives the length of the file.
    pub fn lose_unsynced(&mut self) -> Bytes {
        if !self.is_alone() {
            self.durable.log.truncate(self.durable.flushed);
            self.volatile = self.load(MetadataOffset(0));
            self.reload_settings(MetadataOffset(0));
        }
        self.durable.log.bytes_up_to(self.durable.log.end())
    }

    /// Whether it is the active controller, as far as it knows, and in which epoch.
    pub fn active_epoch(&self) -> Option<QuorumEpoch> {
        self.volatile.active.then_some(self.durable.standing.epoch)
    }

    /// Which node it is.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Every record it has, by offset.
    pub fn metadata_log(&self) -> &[MetadataRecord] {
        self.durable.log.records()
    }

    /// What has been decided so far.
    pub fn image(&self) -> &MetadataImage {
        &self.volatile.image
    }

    /// A partition as it has been decided. Panics if there is no such partition.
    pub fn partition(&self, partition: PartitionId) -> &PartitionState {
        self.volatile.image.partition(partition)
    }

    /// A broker's registration.
    pub fn broker(&self, broker: NodeId) -> &Registration {
        self.volatile.image.broker(broker)
    }

    fn on_start(&mut self, now: Time, out: &mut Outbox<'_, ControllerPort>) {
        if self.is_alone() {
            self.activate(now, out);
        } else {
            self.join_quorum(now, out);
        }
        self.has_started = true;
        out.ask(Effect::Listen);
    }

    /// The controller becomes active: every unfenced broker has a fresh session (`ClusterControlManager.activate`).
    fn activate(&mut self, now: Time, out: &mut Outbox<'_, ControllerPort>) {
        self.volatile.active = true;
        if !self.is_alone() {
            out.note(Happened::ActiveController { epoch: self.durable.standing.epoch, active: true });
        }
        let Volatile { image, sessions, brokers, .. } = &mut self.volatile;
        for (broker, registration) in image.brokers() {
            brokers.register(broker, registration.fenced);
            if !registration.fenced {
                sessions.touch(broker, registration.broker_epoch, now);
            }
        }
        let periodic = [
            (Timer::FenceStaleBrokers, self.fencing_period()),
            (Timer::ElectUncleanLeaders, self.options.unclean_leader_election_interval),
            (Timer::ElectPreferredLeaders, self.rebalance_period()),
        ];
        for (timer, period) in periodic.into_iter().filter(|&(_, period)| period != Span::FOREVER) {
            // A run begins in the middle of a period. Later it is counted from somewhat after the sessions, so that after eight
            // looks those of nine seconds are over (`CompleteActivationEvent.processBatchEndOffset`).
            if self.has_started {
                out.set_timer(timer, period + ACTIVATION);
            } else {
                out.ask(Effect::SetTimer(timer, Span::ZERO, period));
            }
        }
    }

    fn on_request(
        &mut self,
        now: Time,
        connection: ConnectionId,
        request: Message,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let active = self.volatile.active;
        match request {
            Message::RegisterBroker(request) if active => self.on_register(now, connection, request, out),
            Message::RegisterBroker(_) => registration::refuse(connection, out),
            Message::Heartbeat(request) if active => self.on_heartbeat(now, connection, request, out),
            Message::Heartbeat(_) => heartbeat::refuse(connection, out),
            Message::AlterPartitions(request) if active => self.on_alter_partitions(connection, request, out),
            Message::AlterPartitions(_) => alter_partition::refuse(connection, out),
            Message::FetchMetadata(request) => self.on_fetch_metadata(now, connection, request, out),
            Message::Administer(request) if active => self.on_administer(request, out),
            // Nobody reads the answer.
            Message::Administer(_) => (),
            Message::Vote(request) => self.on_vote(connection, request, out),
            Message::BeginQuorumEpoch(request) => self.on_begin_quorum_epoch(connection, request, out),
            Message::EndQuorumEpoch(request) => self.on_end_quorum_epoch(connection, request, out),
            Message::Produce(_)
            | Message::Produced(_)
            | Message::Fetch(_)
            | Message::Fetched(_)
            | Message::ListOffsets(_)
            | Message::ListedOffset(_)
            | Message::FindLeaders
            | Message::Leaders(_)
            | Message::InitProducerId
            | Message::ProducerIdAnswer(_)
            | Message::RegisteredBroker(_)
            | Message::HeartbeatAnswer(_)
            | Message::AlteredPartitions(_)
            | Message::MetadataRecords(_)
            | Message::QuorumAnswer(_) => {
                panic!(
                    "a controller is asked for registrations, heartbeats, in-sync sets, metadata and votes, not \
                    {request:?}"
                )
            }
        }
    }

    fn on_response(&mut self, now: Time, peer: Peer, message: Message, out: &mut Outbox<'_, ControllerPort>) {
        let place = self.place_of(peer);
        self.volatile.lines[place].answered();
        match message {
            Message::MetadataRecords(response) => self.on_records(now, place, response, out),
            Message::QuorumAnswer(answer) => self.on_quorum_answer(place, answer, out),
            Message::Produce(_)
            | Message::Produced(_)
            | Message::Fetch(_)
            | Message::Fetched(_)
            | Message::ListOffsets(_)
            | Message::ListedOffset(_)
            | Message::FindLeaders
            | Message::Leaders(_)
            | Message::InitProducerId
            | Message::ProducerIdAnswer(_)
            | Message::RegisterBroker(_)
            | Message::RegisteredBroker(_)
            | Message::Heartbeat(_)
            | Message::HeartbeatAnswer(_)
            | Message::AlterPartitions(_)
            | Message::AlteredPartitions(_)
            | Message::Administer(_)
            | Message::FetchMetadata(_)
            | Message::Vote(_)
            | Message::BeginQuorumEpoch(_)
            | Message::EndQuorumEpoch(_) => panic!("{peer:?} answers a controller with {message:?}"),
        }
    }

    fn place_of(&self, peer: Peer) -> usize {
        self.voters.place(peer.node).expect("a controller connects to voters only")
    }

    /// Decides on a record.
    fn plan(&mut self, record: MetadataRecord) {
        self.volatile.planned.push(record);
    }

    /// Makes a record the state of things, and reports what that changed once it is committed.
    fn replay(
        &mut self,
        offset: MetadataOffset,
        record: &MetadataRecord,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let Volatile { image, brokers, .. } = &mut self.volatile;
        let mut reports = [None; 2];
        match *record {
            MetadataRecord::RegisterBroker { broker, .. } => {
                image.replay(offset, record);
                brokers.register(broker, true);
                reports[0] = Some(Happened::Registered { broker, epoch: BrokerEpoch(offset.0) });
            }
            MetadataRecord::BrokerChange { broker, broker_epoch: epoch, fenced, in_controlled_shutdown } => {
                let old = *image.broker(broker);
                image.replay(offset, record);
                brokers.register(broker, fenced);
                if fenced != old.fenced {
                    reports[0] = Some(Happened::Fenced { broker, epoch, fenced });
                }
                if in_controlled_shutdown && !old.in_controlled_shutdown {
                    reports[1] = Some(Happened::ShuttingDown { broker, epoch });
                }
            }
            MetadataRecord::LeaderChange { .. } => image.replay(offset, record),
            MetadataRecord::Config { of, setting } => {
                image.replay(offset, record);
                self.put_setting(of, setting);
                reports[0] = Some(Happened::Set { of, setting });
            }
            MetadataRecord::Partition { partition, state, election } => {
                let old = *image.partition(partition);
                image.replay(offset, record);
                let (old_leader, old_isr, state) = (old.leader, old.isr.bits(), Decision::of(&state));
                reports[0] = Some(Happened::Decided { partition, old_leader, old_isr, state, election });
            }
        }
        if offset < self.volatile.high_watermark {
            self.report(offset, reports, out);
        } else {
            self.volatile.unreported.push_back((offset, reports));
        }
    }

    /// The memory of a process that has read its log up to here and heard of nobody yet.
    fn load(&self, end: MetadataOffset) -> Volatile {
        let log = &self.durable.log;
        let mut volatile =
            Volatile::new(self.options, self.voters, self.brokers, self.rules.len(), self.planted);
        for (offset, record) in log.records()[..end.0 as usize].iter().enumerate() {
            volatile.image.replay(MetadataOffset(offset as u64), record);
        }
        volatile.high_watermark = end;
        volatile.written = log.end();
        volatile.standing_written = self.durable.standing_writes;
        volatile
    }
}

impl Volatile {
    fn new(
        options: ControllerOptions,
        voters: Voters,
        brokers: u16,
        partitions: usize,
        planted: Option<Planted>,
    ) -> Volatile {
        Volatile {
            image: MetadataImage::new(brokers, partitions),
            sessions: Sessions::new(options.broker_session_timeout, planted),
            brokers: Brokers::new(brokers),
            parked: vec![None; usize::from(brokers.max(voters.first.0 + voters.count)) + 1],
            planned: Vec::new(),
            role: Role::Unattached,
            active: false,
            lines: Controller::lines(voters, options.quorum_request_timeout),
            high_watermark: MetadataOffset(0),
            written: MetadataOffset(0),
            lingers: false,
            flushing: Vec::new(),
            flushes: 0,
            deferred: VecDeque::new(),
            unreported: VecDeque::new(),
            standing_written: 0,
            unanswered: Vec::new(),
            rang: false,
            successors: Replicas::NONE,
            stopping: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{Bench, Described};
    use super::*;
    use crate::cluster::generation::Version;

    #[test]
    fn a_run_begins_with_everybody_serving() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false), (&[2, 3], 5, false)]);
        for broker in 1..=3 {
            let registration = bench.controller.broker(NodeId(broker));
            assert!(registration.is_active() && registration.has_epoch(BrokerEpoch(u64::from(broker) - 1)));
        }
        assert_eq!(bench.controller.metadata_log().len(), 3 + 3 + 2);
        assert_eq!(bench.described(1), Described(2, &[2, 3], &[], 0).owned());
        let min_isr = bench.controller.rules[1].min_isr(bench.controller.image());
        assert_eq!(min_isr, 2, "no more than there are replicas");
        bench.start();
        bench.run(60_000);
        assert_eq!(bench.controller.metadata_log().len(), 3 + 3 + 2, "nothing happens as long as all live");
    }

    #[test]
    fn a_version_elects_uncleanly_by_itself_or_does_not() {
        for version in Version::ALL {
            let bench = Bench::of(version, false, 2, &[(&[1, 2], 1, true)]);
            assert_eq!(bench.controller.rules[0].unclean, version != Version::V3_6, "{version:?}");
        }
    }

    #[test]
    fn a_failed_fsync_ends_the_process() {
        let mut bench = Bench::new(1, &[]);
        assert!(!bench.tell(Event::Flushed(File::MetadataLog, 0)));
        assert!(bench.tell(Event::FlushFailed(File::MetadataLog, 0)));
    }
}
