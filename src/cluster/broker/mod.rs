//! A broker: requests and alarms in, effects out. Its logs are on its disk; everything else a crash takes.
//!
//! | file | what it holds |
//! |---|---|
//! | `produce` | the gate, the append, and requests that wait for the in-sync replicas |
//! | `fetch` | reads for followers and consumers, and fetches that wait for records |
//! | `fetcher` | the other side: one loop a leader, that follows its partitions |
//! | `out_of_range` | a follower whose fetch is out of its leader's range |
//! | `isr_changes` | proposals to the controller: shrink, expand, and their answers |
//! | `lifecycle` | registration, heartbeats |
//! | `metadata` | the controller's log replayed, and what a change makes of each replica |
//! | `lookup` | what clients ask before they send or read |
//! | `publishing` | the time it takes to act on metadata |
//! | `metadata_fetch` | whom that log is fetched from, and who is the controller |
//! | `turns` | planted: requests of a connection that are handled before the one ahead is answered |
//! | `shutdown` | controlled shutdown, and what is written down before the process ends |
//! | `retention` | where a log begins: old segments deleted, a leader's log start followed |
//! | `flush` | when a log is fsynced, and who waits for that |
//! | [`storage`] | files, checkpoints, and what a start makes of them |

mod fetch;
mod fetcher;
mod flush;
mod isr_changes;
mod lifecycle;
mod lookup;
mod metadata;
mod metadata_fetch;
mod out_of_range;
mod produce;
mod publishing;
mod retention;
mod shutdown;
pub mod storage;
mod turns;

use self::fetch::ParkedFetch;
use self::fetcher::FetcherThread;
use self::flush::{Flushing, LogFlush};
use self::isr_changes::IsrChanges;
use self::lifecycle::Lifecycle;
use self::metadata_fetch::KnownController;
use self::produce::ParkedProduce;
use self::publishing::Unpublished;
use self::storage::{File, Stored};
use self::turns::Waits;
use super::generation::Generation;
use super::happened::Happened;
use super::log::Log;
use super::metadata_image::MetadataImage;
use super::options::{BrokerOptions, ControllerOptions, TopicOptions};
use super::planted::Planted;
use super::protocol::{Message, MetadataRecord};
use super::replica::{Replica, Role};
use super::setting::SettingNames;
use super::store::Store;
use super::units::{BatchId, Offset, PartitionId, Voters};
use crate::devices::port::{Channel, ConnectionId, Effect, Event, Outbox, Peer, Port};
use crate::kernel::distribution::Distribution;
use crate::kernel::units::{NodeId, Span, Time};

/// What a broker speaks.
#[derive(Clone, Copy, Debug)]
pub enum BrokerPort {}

impl Port for BrokerPort {
    type Message = Message;
    type Timer = Timer;
    type File = File;
    type Note = Happened;
    type Store = Store;
}

/// A broker's alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The next registration or heartbeat is due.
    Lifecycle,
    /// The line for registration and heartbeats.
    LifecycleLine,
    /// The line on which the metadata log is fetched.
    MetadataLine,
    /// The line for proposals to the controller.
    IsrLine,
    /// Proposals are to be sent again.
    IsrRetry,
    /// The in-sync sets are to be looked at (`isr-expiration`, every half of `replica.lag.time.max.ms`).
    IsrExpiration,
    /// The high watermarks are to be written down.
    HighWatermarkCheckpoint,
    /// Producers are to be forgotten that have written nothing for long (`PeriodicProducerExpirationCheck`).
    ProducerIdExpiration,
    /// The controller has had its time to let this broker go.
    ControlledShutdown,
    /// `flush.ms` is to be looked at.
    LogFlush,
    /// The recovery points are to be written down.
    RecoveryPointCheckpoint,
    /// Old segments are to be looked for.
    LogRetention,
    /// The log start offsets are to be written down.
    LogStartCheckpoint,
    /// Metadata has been acted upon.
    Publishing,
    /// The line to a leader, by the fetcher's place.
    FetcherLine(u32),
    /// A fetcher without a ready partition looks again.
    FetcherBackoff(u32),
    /// A waiting fetch has waited long enough.
    FetchExpires(u32),
    /// A waiting produce has waited long enough.
    ProduceExpires(u32),
}

impl crate::devices::port::Timer for Timer {
    #[inline]
    fn slot(self) -> u32 {
        const SINGLE: u32 = 14;
        const KINDS: u32 = 4;
        match self {
            Timer::Lifecycle => 0,
            Timer::LifecycleLine => 1,
            Timer::MetadataLine => 2,
            Timer::IsrLine => 3,
            Timer::IsrRetry => 4,
            Timer::IsrExpiration => 5,
            Timer::HighWatermarkCheckpoint => 6,
            Timer::ProducerIdExpiration => 7,
            Timer::ControlledShutdown => 8,
            Timer::LogFlush => 9,
            Timer::RecoveryPointCheckpoint => 10,
            Timer::LogRetention => 11,
            Timer::LogStartCheckpoint => 12,
            Timer::Publishing => 13,
            Timer::FetcherLine(place) => SINGLE + KINDS * place,
            Timer::FetcherBackoff(place) => SINGLE + KINDS * place + 1,
            Timer::FetchExpires(place) => SINGLE + KINDS * place + 2,
            Timer::ProduceExpires(place) => SINGLE + KINDS * place + 3,
        }
    }
}

const METADATA: Channel = Channel(0);
const LIFECYCLE: Channel = Channel(1);
const ISR: Channel = Channel(2);
const FETCHER: Channel = Channel(3);

/// A connection with one request at a time.
type Line = super::line::Line<Timer>;

/// A broker.
#[derive(Clone, Debug)]
pub struct Broker {
    config: Config,
    stored: Stored,
    running: Option<Running>,
}

/// Whether a broker holds a replica of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// At no time of the run.
    Never,
    /// Perhaps, once a fault of the schedule has reassigned it.
    Later,
    /// By the assignment the partition was created with.
    FromTheBeginning,
}

/// What never changes while a run lasts.
#[derive(Clone, Debug)]
struct Config {
    id: NodeId,
    generation: &'static Generation,
    options: BrokerOptions,
    /// Every partition's topic settings.
    topics: Vec<TopicOptions>,
    brokers: u16,
    voters: Voters,
    /// `broker.session.timeout.ms`.
    session_timeout: Span,
    /// `controller.quorum.request.timeout.ms`.
    quorum_request_timeout: Span,
    /// How long it takes to act on metadata.
    metadata_time: Distribution,
    planted: Option<Planted>,
}

/// What a crash takes.
#[derive(Clone, Debug)]
struct Running {
    image: MetadataImage,
    unpublished: Unpublished,
    replicas: Vec<Replica>,
    lifecycle: Lifecycle,
    metadata_line: Line,
    controller: KnownController,
    isr: IsrChanges,
    fetchers: Vec<FetcherThread>,
    parked_fetches: Vec<ParkedFetch>,
    parked_produces: Vec<ParkedProduce>,
    /// Only if connections are not muted.
    turns: Vec<Waits>,
    /// Fetches and produces that wait for a replica, by its place among this broker's.
    waiting: Vec<Waiting>,
    /// The run begins, and finds it leading.
    has_led_for_long: bool,
    /// Once it shuts down: how many files are still to be fsynced.
    unflushed: u32,
    /// Once every log is flushed: names the write of their recovery points.
    last_recovery_points: Option<u32>,
    /// What was set for this broker alone, and counts before what is set for all.
    own_settings: SettingNames,
    /// `producer.id.expiration.ms`.
    producer_id_expiration: Span,
    /// How far each log is flushed.
    flushes: Vec<LogFlush>,
    /// Fsyncs of logs under way.
    flushing: Vec<Flushing>,
}

/// Who waits for one replica, by their places among the parked.
#[derive(Clone, Debug, Default)]
struct Waiting {
    fetches: Vec<u32>,
    produces: Vec<u32>,
}

impl Broker {
    /// A broker whose machine is there and whose process has not started. `partitions` holds, for every partition of the run,
    /// its topic's settings and whether this broker holds a replica of it.
    #[allow(clippy::too_many_arguments, reason = "each is one fact of the model, given once")]
    pub fn new(
        id: NodeId,
        generation: &'static Generation,
        options: BrokerOptions,
        controller_options: &ControllerOptions,
        brokers: u16,
        voters: Voters,
        partitions: &[(TopicOptions, Holds)],
        metadata_time: Distribution,
        planted: Option<Planted>,
    ) -> Broker {
        let topics = partitions.iter().map(|&(topic, _)| topic).collect();
        let held = partitions.iter().enumerate().filter_map(|(place, &(topic, holds))| {
            let partition = PartitionId(place as u32);
            match holds {
                Holds::Never => None,
                Holds::Later => Some((partition, topic.segments, false)),
                Holds::FromTheBeginning => Some((partition, topic.segments, true)),
            }
        });
        let stored = Stored::new(partitions.len(), held, planted);
        let config = Config {
            id,
            generation,
            options,
            topics,
            brokers,
            voters,
            session_timeout: controller_options.broker_session_timeout,
            quorum_request_timeout: controller_options.quorum_request_timeout,
            metadata_time,
            planted,
        };
        Broker { config, stored, running: None }
    }

    /// Handles one event. Pure: equal state, time and event give equal state and effects.
    pub fn handle(&mut self, now: Time, event: Event<BrokerPort>, out: &mut Outbox<'_, BrokerPort>) {
        if let Event::Start = event {
            return self.on_start(now, out);
        }
        let Some(running) = &mut self.running else {
            panic!("only a running process is told of {event:?}");
        };
        let mut node = Node { config: &self.config, stored: &mut self.stored, running };
        if node.running.lifecycle.is_shutting_down() {
            return node.on_event_in_shutdown(event, out);
        }
        match event {
            Event::Start => (),
            Event::Stop => node.on_stop(now, out),
            Event::Connected(peer) => node.on_connected(now, peer, out),
            Event::Disconnected(peer) => node.on_disconnected(now, peer, out),
            Event::Response(peer, message) => node.on_response(now, peer, message, out),
            Event::Request(connection, from, message) => node.on_request(now, connection, from, message, out),
            Event::Timer(timer) => node.on_timer(now, timer, out),
            Event::Flushed(file, token) => node.on_flushed(now, file, token, out),
            // With one log directory, a failure of it ends the broker (`ReplicaManager.handleLogDirFailure`: exit status 1).
            Event::FlushFailed(_, _) => out.ask(Effect::Exit),
        }
    }

    /// The process is killed: what it held in memory is gone.
    pub fn crash(&mut self) {
        self.running = None;
    }

    /// Begins in the middle of its life: registered, unfenced and with all metadata, as the run finds it.
    pub fn begin(&mut self, now: Time, metadata: &[MetadataRecord], out: &mut Outbox<'_, BrokerPort>) {
        self.start(now, out);
        let Some(running) = &mut self.running else { unreachable!("it has just started") };
        let mut node = Node { config: &self.config, stored: &mut self.stored, running };
        node.begin(now, metadata, out);
    }

    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether it is registered and unfenced, as far as it knows.
    pub fn is_serving(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.lifecycle.is_running())
    }

    /// Whether its last process ended well and none runs yet.
    pub fn has_stopped_cleanly(&self) -> bool {
        self.running.is_none() && self.stored.clean_shutdown.is_some()
    }

    /// The log of a replica as its disk, page cache included, holds it.
    #[inline]
    pub fn log(&self, partition: PartitionId) -> Option<&Log> {
        self.stored.place(partition).map(|place| &self.stored.logs[place])
    }

    /// The log of a replica, for a disk that has lost some of it.
    pub fn stored_mut(&mut self) -> &mut Stored {
        assert!(self.running.is_none(), "a disk loses bytes only while its machine is dark");
        &mut self.stored
    }

    /// A byte of a batch in a replica's log goes bad: the batch with this index is this one from here on.
    ///
    /// `Departure from Kafka:` whoever reads it next has it, whether or not it was still in the page cache.
    pub fn rot(&mut self, partition: PartitionId, index: usize, batch: BatchId) {
        let place = self.stored.place(partition).expect("a batch is of a replica this broker has");
        self.stored.rot(place, index, batch);
    }

    /// Whether its disk takes anything more. A broker that would write to a full one ends.
    pub fn set_disk_full(&mut self, is_full: bool) {
        self.stored.disk_is_full = is_full;
    }

    /// The partitions it has replicas of.
    pub fn partitions(&self) -> &[PartitionId] {
        &self.stored.partitions
    }

    /// A replica's high watermark.
    #[inline]
    pub fn high_watermark(&self, partition: PartitionId) -> Option<Offset> {
        let place = self.stored.place(partition)?;
        self.running.as_ref().map(|running| running.replicas[place].high_watermark)
    }

    /// Whether it believes that it leads a partition.
    pub fn leads(&self, partition: PartitionId) -> bool {
        let (Some(place), Some(running)) = (self.stored.place(partition), &self.running) else {
            return false;
        };
        running.replicas[place].leader().is_some()
    }

    /// Whether anything is under way that will change a log, a high watermark or an in-sync set without a new cause.
    pub fn is_quiet(&self) -> bool {
        let Some(running) = &self.running else { return true };
        running.parked_produces.iter().all(ParkedProduce::is_free)
            && running.flushing.is_empty()
            && running.isr.is_empty()
            && running.unpublished.is_empty()
            && running.replicas.iter().zip(&self.stored.logs).all(|(replica, log)| match &replica.role {
                Role::Waiting => true,
                Role::Leader(leader) => {
                    replica.high_watermark == log.end()
                        && leader.isr.pending().is_none()
                        && leader.isr.committed().iter().all(|member| {
                            member == self.config.id
                                || leader
                                    .remote(member)
                                    .is_some_and(|remote| remote.log_end == Some(log.end()))
                        })
                }
                Role::Follower(_) => replica.high_watermark == log.end(),
            })
    }
}

/// A running broker, taken apart so that its parts can be borrowed one by one.
struct Node<'a> {
    config: &'a Config,
    stored: &'a mut Stored,
    running: &'a mut Running,
}

impl Node<'_> {
    fn on_request(
        &mut self,
        now: Time,
        connection: ConnectionId,
        from: NodeId,
        message: Message,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        match message {
            Message::Produce(request) => self.on_produce(now, connection, request, out),
            Message::Fetch(request) => self.on_fetch(now, connection, request, out),
            Message::ListOffsets(request) => self.on_list_offsets(connection, request, out),
            Message::FindLeaders => self.on_find_leaders(connection, out),
            Message::InitProducerId => self.on_init_producer_id(connection, out),
            Message::Produced(_)
            | Message::Fetched(_)
            | Message::ListedOffset(_)
            | Message::Leaders(_)
            | Message::ProducerIdAnswer(_)
            | Message::RegisterBroker(_)
            | Message::RegisteredBroker(_)
            | Message::Heartbeat(_)
            | Message::Administer(_)
            | Message::HeartbeatAnswer(_)
            | Message::AlterPartitions(_)
            | Message::AlteredPartitions(_)
            | Message::FetchMetadata(_)
            | Message::Vote(_)
            | Message::BeginQuorumEpoch(_)
            | Message::EndQuorumEpoch(_)
            | Message::QuorumAnswer(_)
            | Message::MetadataRecords(_) => panic!("node {from} asks a broker for {message:?}"),
        }
    }

    fn on_response(&mut self, now: Time, peer: Peer, message: Message, out: &mut Outbox<'_, BrokerPort>) {
        match message {
            Message::Fetched(response) => self.on_fetched(now, peer, response, out),
            Message::ListedOffset(response) => self.on_listed_offset(now, peer, response, out),
            Message::RegisteredBroker(response) => self.on_registered(now, response, out),
            Message::HeartbeatAnswer(response) => self.on_heartbeat_answer(now, response, out),
            Message::AlteredPartitions(response) => self.on_altered(now, response, out),
            Message::MetadataRecords(response) => self.on_metadata_records(now, response, out),
            Message::Produce(_)
            | Message::Produced(_)
            | Message::Fetch(_)
            | Message::ListOffsets(_)
            | Message::FindLeaders
            | Message::Leaders(_)
            | Message::InitProducerId
            | Message::ProducerIdAnswer(_)
            | Message::RegisterBroker(_)
            | Message::Heartbeat(_)
            | Message::Administer(_)
            | Message::AlterPartitions(_)
            | Message::FetchMetadata(_)
            | Message::Vote(_)
            | Message::BeginQuorumEpoch(_)
            | Message::EndQuorumEpoch(_)
            | Message::QuorumAnswer(_) => panic!("{peer:?} answers a broker with {message:?}"),
        }
    }

    fn on_timer(&mut self, now: Time, timer: Timer, out: &mut Outbox<'_, BrokerPort>) {
        match timer {
            Timer::Lifecycle => self.communicate(now, out),
            Timer::LifecycleLine => self.on_lifecycle_line(now, out),
            Timer::MetadataLine => self.on_metadata_line(now, out),
            Timer::IsrLine => self.on_isr_line(now, out),
            Timer::IsrRetry => self.send_isr_changes(now, out),
            Timer::IsrExpiration => self.on_isr_expiration(now, out),
            Timer::HighWatermarkCheckpoint => self.on_high_watermark_checkpoint(out),
            Timer::ProducerIdExpiration => self.on_producer_id_expiration(now, out),
            Timer::ControlledShutdown => self.shut_down(out),
            Timer::LogFlush => self.on_log_flush(now, out),
            Timer::RecoveryPointCheckpoint => self.on_recovery_point_checkpoint(out),
            Timer::LogRetention => self.on_log_retention(now, out),
            Timer::LogStartCheckpoint => self.on_log_start_checkpoint(out),
            Timer::Publishing => self.on_published(now, out),
            Timer::FetcherLine(place) => self.on_fetcher_line(now, place as usize, out),
            Timer::FetcherBackoff(place) => self.fetch_from(now, place as usize, out),
            Timer::FetchExpires(place) => self.expire_fetch(now, place, out),
            Timer::ProduceExpires(place) => self.expire_produce(place, out),
        }
    }

    fn on_flushed(&mut self, now: Time, file: File, token: u32, out: &mut Outbox<'_, BrokerPort>) {
        match file {
            File::Log(partition, _) | File::LeaderEpochs(partition) => {
                self.on_log_flushed(now, partition, token, out)
            }
            File::HighWatermarks
            | File::RecoveryPoints
            | File::LogStarts
            | File::CleanShutdown
            | File::ProducerSnapshot(_) => {
                self.stored.on_flushed(file, token);
            }
        }
    }

    fn on_connected(&mut self, now: Time, peer: Peer, out: &mut Outbox<'_, BrokerPort>) {
        match peer.channel {
            METADATA => {
                self.running.metadata_line.connected(out);
                self.fetch_metadata(out);
            }
            LIFECYCLE => {
                self.running.lifecycle.line.connected(out);
                self.communicate(now, out);
            }
            ISR => {
                self.running.isr.line.connected(out);
                self.send_isr_changes(now, out);
            }
            Channel(_) => {
                let place = self.fetcher_of(peer.node).expect("a fetcher asked for the connection");
                self.running.fetchers[place].line.connected(out);
                self.fetch_from(now, place, out);
            }
        }
    }

    fn on_disconnected(&mut self, now: Time, peer: Peer, out: &mut Outbox<'_, BrokerPort>) {
        match peer.channel {
            METADATA => {
                self.running.metadata_line.disconnected(out);
                self.ask_elsewhere(out);
            }
            LIFECYCLE => {
                let lost = self.running.lifecycle.line.disconnected(out);
                self.on_lifecycle_lost(lost, out);
            }
            ISR => {
                self.running.isr.line.disconnected(out);
                self.running.isr.lost();
            }
            Channel(_) => {
                if let Some(place) = self.fetcher_of(peer.node) {
                    self.running.fetchers[place].line.disconnected(out);
                    self.on_fetcher_failed(now, place, out);
                }
            }
        }
    }

    /// Where a partition's replica lies among this broker's.
    #[inline]
    fn place(&self, partition: PartitionId) -> Option<usize> {
        self.stored.place(partition)
    }

    /// How large the in-sync set must be.
    #[inline]
    fn min_isr(&self, place: usize) -> usize {
        let replica = &self.running.replicas[place];
        let least = usize::from(replica.options.min_insync_replicas);
        if self.config.generation.min_isr_capped_by_replicas {
            // Of a deleted topic's partition nothing is known any more.
            match self.running.image.partition(replica.partition).replicas.len() {
                0 => least,
                replicas => least.min(replicas),
            }
        } else {
            least
        }
    }

    /// Lets the high watermark go as far as it may, and whoever waited for that go on. Gives whether it moved.
    fn advance_high_watermark(&mut self, now: Time, place: usize, out: &mut Outbox<'_, BrokerPort>) -> bool {
        let planted = self.config.planted;
        let waits = self.config.generation.high_watermark_waits_for_min_isr
            && !Planted::HighWatermarkBelowMinIsr.is(planted);
        let min_isr = waits.then(|| self.min_isr(place));
        let (log, replica) = (&self.stored.logs[place], &mut self.running.replicas[place]);
        let (old, partition) = (replica.high_watermark, replica.partition);
        let Role::Leader(leader) = &replica.role else { return false };
        if self.running.flushes[place].is_locked() {
            return false;
        }
        let (image, lag_max) = (&self.running.image, self.config.options.replica_lag_time_max);
        let limit = if Planted::HighWatermarkIgnoresFollowers.is(planted) {
            Some(log.end())
        } else {
            leader.high_watermark_limit(now, log.end(), min_isr, lag_max, |broker, epoch| {
                isr_changes::is_eligible(image, broker, epoch)
            })
        };
        let Some(new) = limit.filter(|&limit| limit > old) else { return false };
        let epoch = leader.epoch();
        replica.high_watermark = new;
        out.note(Happened::HighWatermark { partition, old, new, epoch, leading: true });
        true
    }
}
