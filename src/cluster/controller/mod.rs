//! The controller: who is alive, who leads, who is in sync (`QuorumController`).
//!
//! A request leads to records; records are appended to the metadata log, replayed into the image, and only then answered.
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
//! | `metadata_fetch` | brokers learn what has been decided |
//! | `metadata_log` | what is on disk |
//!
//! Departure from Kafka: there are no topic or configuration requests.

pub mod election;
pub mod heartbeat;
pub mod partition_change;

mod administration;
mod alter_partition;
mod membership;
mod metadata_fetch;
mod metadata_log;
mod registration;
mod sessions;
#[cfg(test)]
mod testing;

use self::heartbeat::Brokers;
use self::metadata_fetch::ParkedFetch;
use self::metadata_log::MetadataLog;
use self::partition_change::PartitionRules;
use self::sessions::Sessions;
use super::generation::Generation;
use super::happened::{Decision, Election, Happened};
use super::metadata_image::{MetadataImage, Registration};
use super::options::ControllerOptions;
use super::planted::Planted;
use super::protocol::{Message, MetadataRecord, PartitionState};
use super::store::Store;
use super::units::{BrokerEpoch, MetadataOffset, PartitionId};
use crate::devices::port::{self, ConnectionId, Effect, Event, Outbox, Port};
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
    /// This broker's fetch of metadata has waited long enough.
    FetchWait(NodeId),
}

impl port::Timer for Timer {
    fn slot(self) -> u32 {
        match self {
            Timer::FenceStaleBrokers => 0,
            Timer::ElectUncleanLeaders => 1,
            Timer::ElectPreferredLeaders => 2,
            // Brokers count from 1.
            Timer::FetchWait(broker) => 2 + u32::from(broker.0),
        }
    }
}

/// The controller's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// `__cluster_metadata-0`.
    MetadataLog,
}

/// A controller.
#[derive(Clone, Debug)]
pub struct Controller {
    id: NodeId,
    options: ControllerOptions,
    /// By partition.
    rules: Vec<PartitionRules>,
    brokers: u16,
    planted: Option<Planted>,
    /// Whether it has started within this run. The first start stands for a process that has been running for long.
    has_started: bool,
    durable: MetadataLog,
    volatile: Volatile,
}

/// What a process has in memory only.
#[derive(Clone, Debug)]
struct Volatile {
    /// What the log adds up to.
    image: MetadataImage,
    sessions: Sessions,
    brokers: Brokers,
    /// By broker: the fetch that waits for records.
    parked: Vec<Option<ParkedFetch>>,
    /// Records decided on while handling an event, until they are committed together.
    planned: Vec<Planned>,
}

/// A record to be, and how the leader came to be if it has another.
#[derive(Clone, Copy, Debug)]
struct Planned {
    record: MetadataRecord,
    election: Option<Election>,
}

/// About what a response takes on the wire before its lists.
const ANSWER_SIZE: Bytes = Bytes::new(60);

impl Controller {
    /// The controller of a run that begins with brokers 1 to `brokers` registered and unfenced, and these partitions; with
    /// each its topic's `min.insync.replicas` and `unclean.leader.election.enable`.
    pub fn new(
        id: NodeId,
        generation: &'static Generation,
        options: ControllerOptions,
        partitions: Vec<(PartitionState, u16, bool)>,
        brokers: u16,
        planted: Option<Planted>,
    ) -> Controller {
        let rules = partitions.iter().map(|&(_, min_insync_replicas, unclean)| PartitionRules {
            min_insync_replicas: usize::from(min_insync_replicas),
            min_isr_capped_by_replicas: generation.min_isr_capped_by_replicas,
            unclean,
            eligible_leader_replicas: options.eligible_leader_replicas,
            isr_shrink_starts_epoch: generation.isr_shrink_starts_epoch,
            planted,
        });
        let rules: Vec<PartitionRules> = rules.collect();
        let durable = MetadataLog::genesis(brokers, partitions.into_iter().map(|(state, ..)| state));
        let volatile = Volatile::load(&durable, options, brokers, rules.len());
        Controller { id, options, rules, brokers, planted, has_started: false, durable, volatile }
    }

    /// What happens to the controller, and what it asks for.
    pub fn handle(&mut self, now: Time, event: Event<ControllerPort>, out: &mut Outbox<'_, ControllerPort>) {
        match event {
            Event::Start => self.on_start(now, out),
            Event::Request(connection, _, request) => self.on_request(now, connection, request, out),
            Event::Timer(Timer::FenceStaleBrokers) => self.on_fence_stale_brokers(now, out),
            Event::Timer(Timer::ElectUncleanLeaders) => self.on_elect_unclean_leaders(out),
            Event::Timer(Timer::ElectPreferredLeaders) => self.on_elect_preferred_leaders(out),
            Event::Timer(Timer::FetchWait(broker)) => self.on_fetch_wait(broker, out),
            // One controller has nobody to hand over to.
            Event::Stop => out.ask(Effect::Exit),
            // What it holds has counted as committed since it was appended.
            Event::Flushed(File::MetadataLog, _) => (),
            // A fault the controller does not survive (`fatalFaultHandler`).
            Event::FlushFailed(File::MetadataLog, _) => out.ask(Effect::Exit),
            Event::Connected(peer) | Event::Disconnected(peer) | Event::Response(peer, _) => {
                panic!("a controller opens no connection, but was told of one to {peer:?}")
            }
        }
    }

    /// The process ends: what it had in memory is gone. Until it starts again its image is what its disk says.
    pub fn crash(&mut self) {
        self.volatile = Volatile::load(&self.durable, self.options, self.brokers, self.rules.len());
    }

    /// Which node it is.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Every record ever committed, by offset.
    pub fn metadata_log(&self) -> &[MetadataRecord] {
        self.durable.committed()
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

    /// The controller becomes active: every unfenced broker has a fresh session (`ClusterControlManager.activate`).
    fn on_start(&mut self, now: Time, out: &mut Outbox<'_, ControllerPort>) {
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
            // A run begins in the middle of a period.
            let least = if self.has_started { period } else { Span::ZERO };
            out.ask(Effect::SetTimer(timer, least, period));
        }
        self.has_started = true;
        out.ask(Effect::Listen);
    }

    fn on_request(
        &mut self,
        now: Time,
        connection: ConnectionId,
        request: Message,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        match request {
            Message::RegisterBroker(request) => self.on_register(now, connection, request, out),
            Message::Heartbeat(request) => self.on_heartbeat(now, connection, request, out),
            Message::AlterPartitions(request) => self.on_alter_partitions(connection, request, out),
            Message::FetchMetadata(request) => self.on_fetch_metadata(connection, request, out),
            Message::ElectLeaders(request) => self.on_elect_leaders(request, out),
            Message::Reassign(request) => self.on_reassign(request, out),
            Message::Produce(_)
            | Message::Produced(_)
            | Message::Fetch(_)
            | Message::Fetched(_)
            | Message::FindLeaders
            | Message::Leaders(_)
            | Message::InitProducerId
            | Message::ProducerIdAnswer(_)
            | Message::RegisteredBroker(_)
            | Message::HeartbeatAnswer(_)
            | Message::AlteredPartitions(_)
            | Message::MetadataRecords(_) => {
                panic!(
                    "a controller is asked for registrations, heartbeats, in-sync sets and metadata, not {request:?}"
                )
            }
        }
    }

    /// Decides on a record that elects nobody.
    fn plan(&mut self, record: MetadataRecord) {
        self.volatile.planned.push(Planned { record, election: None });
    }

    /// Appends what was decided on, makes it the state of things, and tells whoever waits for it.
    fn commit_planned(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        if self.volatile.planned.is_empty() {
            return;
        }
        let mut planned = std::mem::take(&mut self.volatile.planned);
        let mut bytes = Bytes::ZERO;
        for &Planned { record, election } in &planned {
            let offset = self.durable.append(record);
            self.replay(offset, record, election, out);
            bytes += metadata_log::size(&record);
        }
        planned.clear();
        self.volatile.planned = planned;
        out.ask(Effect::Append(File::MetadataLog, bytes));
        out.ask(Effect::Flush(File::MetadataLog, self.volatile.image.end().0 as u32));
        self.answer_parked(out);
    }

    /// Makes a record the state of things, and reports what that changed.
    fn replay(
        &mut self,
        offset: MetadataOffset,
        record: MetadataRecord,
        election: Option<Election>,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let Volatile { image, brokers, .. } = &mut self.volatile;
        match record {
            MetadataRecord::RegisterBroker { broker, .. } => {
                image.replay(offset, &record);
                brokers.register(broker, true);
                out.note(Happened::Registered { broker, epoch: BrokerEpoch(offset.0) });
            }
            MetadataRecord::BrokerChange { broker, broker_epoch: epoch, fenced, in_controlled_shutdown } => {
                let old = *image.broker(broker);
                image.replay(offset, &record);
                brokers.register(broker, fenced);
                if fenced != old.fenced {
                    out.note(Happened::Fenced { broker, epoch, fenced });
                }
                if in_controlled_shutdown && !old.in_controlled_shutdown {
                    out.note(Happened::ShuttingDown { broker, epoch });
                }
            }
            MetadataRecord::Partition { partition, state } => {
                let PartitionState { leader: old_leader, isr: old_isr, .. } = *image.partition(partition);
                image.replay(offset, &record);
                let (old_isr, state) = (old_isr.bits(), Decision::of(&state));
                out.note(Happened::Decided { partition, old_leader, old_isr, state, election });
            }
        }
    }
}

impl Volatile {
    /// The memory of a process that has read its log and heard of nobody yet.
    fn load(durable: &MetadataLog, options: ControllerOptions, brokers: u16, partitions: usize) -> Volatile {
        let mut image = MetadataImage::new(brokers, partitions);
        for (offset, record) in durable.committed().iter().enumerate() {
            image.replay(MetadataOffset(offset as u64), record);
        }
        Volatile {
            image,
            sessions: Sessions::new(options.broker_session_timeout),
            brokers: Brokers::new(brokers),
            parked: vec![None; usize::from(brokers) + 1],
            planned: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{Bench, Described};
    use super::*;

    #[test]
    fn a_run_begins_with_everybody_serving() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false), (&[2, 3], 5, false)]);
        for broker in 1..=3 {
            let registration = bench.controller.broker(NodeId(broker));
            assert!(registration.is_active() && registration.has_epoch(BrokerEpoch(u64::from(broker) - 1)));
        }
        assert_eq!(bench.controller.metadata_log().len(), 3 + 3 + 2);
        assert_eq!(bench.described(1), Described(2, &[2, 3], &[], 0).owned());
        assert_eq!(bench.controller.rules[1].min_isr(2), 2, "no more than there are replicas");
        bench.start();
        bench.run(60_000);
        assert_eq!(bench.controller.metadata_log().len(), 3 + 3 + 2, "nothing happens as long as all live");
    }

    #[test]
    fn a_failed_fsync_ends_the_process() {
        let mut bench = Bench::new(1, &[]);
        assert!(!bench.tell(Event::Flushed(File::MetadataLog, 0)));
        assert!(bench.tell(Event::FlushFailed(File::MetadataLog, 0)));
    }
}
