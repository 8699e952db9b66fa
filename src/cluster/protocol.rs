//! Every request and response, one documented variant each.
//!
//! A message is `Copy`; its lists lie in the [`store`](super::store). Names are those of Kafka's protocol
//! (`clients/src/main/resources/common/message/*.json`), fields only those that decide something here.

pub use super::administer::{Administer, ElectLeaders, Reassign, Resource, TopicChange};
pub use super::error_code::ErrorCode;
use super::happened::Election;
use super::setting::Setting;
use super::store::{FetchLimitsId, List, StampId};
use super::units::{
    Acks, BatchId, BrokerEpoch, Incarnation, LeaderEpoch, MetadataOffset, Offset, PartitionEpoch,
    PartitionId, ProducerId, QuorumEpoch, Replicas,
};
use crate::kernel::units::{Bytes, NodeId, Span};

/// A request or a response.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// Produce: append these batches.
    Produce(Produce),
    /// What became of a produce request.
    Produced(Produced),
    /// Fetch: from a follower or a consumer.
    Fetch(Fetch),
    /// Records, or why not.
    Fetched(Fetched),
    /// ListOffsets: where a partition's log begins or ends.
    ListOffsets(ListOffsets),
    /// The answer to `ListOffsets`.
    ListedOffset(ListedOffset),
    /// Metadata: who leads what, as the asked broker knows it.
    FindLeaders,
    /// The answer to `FindLeaders`.
    Leaders(Leaders),
    /// InitProducerId without a transactional id: a producer asks for an id of its own.
    InitProducerId,
    /// The answer to `InitProducerId`.
    ProducerIdAnswer(ProducerIdAnswer),
    /// BrokerRegistration: a process has started.
    RegisterBroker(RegisterBroker),
    /// The answer to `RegisterBroker`.
    RegisteredBroker(RegisteredBroker),
    /// BrokerHeartbeat.
    Heartbeat(Heartbeat),
    /// The answer to `Heartbeat`.
    HeartbeatAnswer(HeartbeatAnswer),
    /// AlterPartition: a leader proposes in-sync sets.
    AlterPartitions(AlterPartitions),
    /// The answer to `AlterPartitions`.
    AlteredPartitions(AlteredPartitions),
    /// An administrator asks for something. Nobody reads the answer.
    Administer(Administer),
    /// Fetch on `__cluster_metadata`: what has been decided from an offset on.
    FetchMetadata(FetchMetadata),
    /// The answer to `FetchMetadata`.
    MetadataRecords(MetadataRecords),
    /// Vote: a voter of the metadata quorum wants to lead.
    Vote(Vote),
    /// BeginQuorumEpoch: a voter leads.
    BeginQuorumEpoch(BeginQuorumEpoch),
    /// EndQuorumEpoch: a leader resigns.
    EndQuorumEpoch(EndQuorumEpoch),
    /// The answer to `Vote`, `BeginQuorumEpoch` and `EndQuorumEpoch`.
    QuorumAnswer(QuorumAnswer),
}

// A message is copied on its way: what is rare does not make what is frequent dear.
const _: () = assert!(size_of::<Message>() <= 32);

/// Produce request.
#[derive(Clone, Copy, Debug)]
pub struct Produce {
    /// When to answer.
    pub acks: Acks,
    /// How long the broker may wait for the in-sync replicas: the producer's `request.timeout.ms`.
    pub timeout: Span,
    /// One batch a partition.
    pub partitions: List<ProducePartition>,
}

/// One partition of a produce request.
#[derive(Clone, Copy, Debug)]
pub struct ProducePartition {
    /// Where to.
    pub partition: PartitionId,
    /// What.
    pub batch: BatchId,
}

/// Produce response.
#[derive(Clone, Copy, Debug)]
pub struct Produced {
    /// In the order of the request.
    pub partitions: List<ProducedPartition>,
}

/// One partition of a produce response.
#[derive(Clone, Copy, Debug)]
pub struct ProducedPartition {
    /// Which.
    pub partition: PartitionId,
    /// The batch the request brought.
    pub batch: BatchId,
    /// Whether it was appended as asked.
    pub error: ErrorCode,
    /// Where its first record lies, without an error.
    pub base_offset: Offset,
    /// With `NOT_LEADER_OR_FOLLOWER`: the leader and epoch the broker knows of (KIP-951, since 3.7).
    pub current_leader: Option<(NodeId, LeaderEpoch)>,
}

/// Who fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetcher {
    /// A follower, with its broker epoch (KIP-903); none (-1) before its process has registered: then nobody checks it.
    Replica(NodeId, Option<BrokerEpoch>),
    /// A consumer: reads below the high watermark only.
    Consumer,
}

/// Fetch request.
#[derive(Clone, Copy, Debug)]
pub struct Fetch {
    /// Who asks.
    pub fetcher: Fetcher,
    /// When to answer, and with how much at most.
    pub limits: FetchLimitsId,
    /// What is asked for.
    pub partitions: List<FetchPartition>,
}

/// When a fetch is to be answered, and with how much at most: the same in every request of one fetcher, so it lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// How long the broker may wait for `min_bytes`.
    pub max_wait: Span,
    /// Answer at once when there are so many.
    pub min_bytes: Bytes,
    /// Answer with no more than so many, but always with one batch.
    pub max_bytes: Bytes,
}

/// One partition of a fetch request.
#[derive(Clone, Copy, Debug)]
pub struct FetchPartition {
    /// Which.
    pub partition: PartitionId,
    /// The leader epoch the asker believes in; none: do not check.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// From where. A follower's is its log end: this is how it acknowledges.
    pub fetch_offset: Offset,
    /// The epoch of the asker's last record; none if it has no record (KIP-595 divergence detection).
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Where the asker's log begins.
    pub log_start_offset: Offset,
    /// No more than so many of this partition, but always one batch.
    pub max_bytes: Bytes,
}

/// Fetch response.
#[derive(Clone, Copy, Debug)]
pub struct Fetched {
    /// In the order of the request.
    pub partitions: List<FetchedPartition>,
    /// The entries of all partitions, one partition after the other.
    pub entries: List<LogEntry>,
}

/// One partition of a fetch response.
#[derive(Clone, Copy, Debug)]
pub struct FetchedPartition {
    /// Which.
    pub partition: PartitionId,
    /// The offset that was asked for.
    pub fetch_offset: Offset,
    /// Whether it was read.
    pub error: ErrorCode,
    /// The leader's high watermark before this very request moved it.
    pub high_watermark: Offset,
    /// Where the leader's log begins.
    pub log_start_offset: Offset,
    /// The asker's log differs: the largest epoch up to its own that the leader has, and where that ends.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// The leader and epoch the broker knows of, with an error that says they are others (KIP-951).
    pub current_leader: Option<(NodeId, LeaderEpoch)>,
    /// How many of the response's entries are this partition's.
    pub entries: u32,
}

/// ListOffsets request, of one partition.
#[derive(Clone, Copy, Debug)]
pub struct ListOffsets {
    /// The follower that asks; none: a consumer, whose log ends at the high watermark.
    pub replica: Option<NodeId>,
    /// Which.
    pub partition: PartitionId,
    /// The leader epoch the asker believes in; none: do not check.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// Which end.
    pub end: LogEnd,
}

/// An end of a log, as the special timestamps of ListOffsets name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEnd {
    /// The log start offset (`EARLIEST_TIMESTAMP`).
    Earliest,
    /// The log end; a consumer's is the high watermark (`LATEST_TIMESTAMP`).
    Latest,
    /// No end but the first record with such a timestamp or a later one.
    Since(StampId),
}

/// ListOffsets response.
#[derive(Clone, Copy, Debug)]
pub struct ListedOffset {
    /// Which partition.
    pub partition: PartitionId,
    /// Whether it could be told.
    pub error: ErrorCode,
    /// Where, without an error; none: there is no such record (`UNKNOWN_OFFSET`).
    pub offset: Option<Offset>,
}

/// A batch in its place: what a log consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Where its first record lies.
    pub base_offset: Offset,
    /// Which batch.
    pub batch: BatchId,
    /// Under which leadership it was appended.
    pub epoch: LeaderEpoch,
}

/// Metadata response.
#[derive(Clone, Copy, Debug)]
pub struct Leaders {
    /// Every partition, in order.
    pub partitions: List<PartitionLeader>,
}

/// Who leads one partition.
#[derive(Clone, Copy, Debug)]
pub struct PartitionLeader {
    /// Which.
    pub partition: PartitionId,
    /// Its leader, if it has one that is not fenced.
    pub leader: Option<NodeId>,
    /// Of which epoch.
    pub epoch: LeaderEpoch,
}

/// InitProducerId response. The epoch is 0.
#[derive(Clone, Copy, Debug)]
pub struct ProducerIdAnswer {
    /// The id, which no other producer has or will have.
    pub producer_id: ProducerId,
}

/// BrokerRegistration request.
#[derive(Clone, Copy, Debug)]
pub struct RegisterBroker {
    /// Which broker.
    pub broker: NodeId,
    /// Which start of it.
    pub incarnation: Incarnation,
    /// The broker epoch in the clean-shutdown file; none if the last stop was unclean or there was none (KIP-966).
    pub previous_broker_epoch: Option<BrokerEpoch>,
}

/// BrokerRegistration response.
#[derive(Clone, Copy, Debug)]
pub struct RegisteredBroker {
    /// `DUPLICATE_BROKER_REGISTRATION` while the former self's session lasts.
    pub error: ErrorCode,
    /// The epoch of the registration, without an error.
    pub broker_epoch: BrokerEpoch,
}

/// BrokerHeartbeat request.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Which broker.
    pub broker: NodeId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// How far it has replayed the metadata log: everything below.
    pub metadata_offset: MetadataOffset,
    /// Whether it wants to be fenced: it has not caught up yet.
    pub want_fence: bool,
    /// Whether it wants to stop.
    pub want_shut_down: bool,
}

/// BrokerHeartbeat response.
#[derive(Clone, Copy, Debug)]
pub struct HeartbeatAnswer {
    /// Whether the heartbeat counted.
    pub error: ErrorCode,
    /// Whether the broker's metadata holds its own registration.
    pub is_caught_up: bool,
    /// Whether it is fenced.
    pub is_fenced: bool,
    /// Whether it may stop now.
    pub should_shut_down: bool,
}

/// AlterPartition request.
#[derive(Clone, Copy, Debug)]
pub struct AlterPartitions {
    /// The leader that asks.
    pub broker: NodeId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// What it proposes.
    pub partitions: List<AlterPartition>,
}

/// One partition of an AlterPartition request.
#[derive(Clone, Copy, Debug)]
pub struct AlterPartition {
    /// Which.
    pub partition: PartitionId,
    /// The leadership under which it is proposed.
    pub leader_epoch: LeaderEpoch,
    /// The state it starts from.
    pub partition_epoch: PartitionEpoch,
    /// The in-sync set that should be.
    pub isr: Replicas,
    /// Each member's broker epoch as of its last fetch; none: not checked (KIP-903).
    pub isr_epochs: [Option<BrokerEpoch>; Replicas::MOST],
    /// Whether the leader has recovered from an unclean election (KIP-704).
    pub recovered: bool,
}

/// AlterPartition response.
#[derive(Clone, Copy, Debug)]
pub struct AlteredPartitions {
    /// An error of the request as a whole.
    pub error: ErrorCode,
    /// In the order of the request; empty with an error.
    pub partitions: List<AlteredPartition>,
}

/// One partition of an AlterPartition response.
#[derive(Clone, Copy, Debug)]
pub struct AlteredPartition {
    /// Which.
    pub partition: PartitionId,
    /// Why it was not accepted.
    pub error: ErrorCode,
    /// The leader.
    pub leader: Option<NodeId>,
    /// Of which epoch.
    pub leader_epoch: LeaderEpoch,
    /// The in-sync set that now is.
    pub isr: Replicas,
    /// The state's count.
    pub partition_epoch: PartitionEpoch,
    /// Whether the leader has still to recover.
    pub recovering: bool,
}

/// Fetch request on `__cluster_metadata`, from a voter or, as an observer, a broker. It may wait for
/// `KafkaRaftClient.MAX_FETCH_WAIT_MS`.
#[derive(Clone, Copy, Debug)]
pub struct FetchMetadata {
    /// Who asks.
    pub replica: NodeId,
    /// The leadership of the quorum it believes in.
    pub epoch: QuorumEpoch,
    /// The first record it does not have.
    pub offset: MetadataOffset,
    /// A voter's: under which leadership its last record was appended.
    pub last_epoch: QuorumEpoch,
}

/// Fetch response on `__cluster_metadata`.
#[derive(Clone, Copy, Debug)]
pub struct MetadataRecords {
    /// `NOT_LEADER_OR_FOLLOWER`, `FENCED_LEADER_EPOCH` or `UNKNOWN_LEADER_EPOCH` from one that does not lead the quorum, or not
    /// in the asker's epoch.
    pub error: ErrorCode,
    /// The leader of the quorum as the answering voter knows it.
    pub leader: Option<NodeId>,
    /// Of which epoch.
    pub epoch: QuorumEpoch,
    /// The asking voter's log differs.
    pub diverging: bool,
    /// The records below are committed. If the logs diverge: where, in the leader's, the largest epoch up to the asker's ends.
    pub up_to: MetadataOffset,
    /// Records, from where they were asked for: for brokers, committed ones.
    pub records: List<MetadataRecord>,
}

/// Vote request of the metadata quorum (KIP-595, KIP-996).
#[derive(Clone, Copy, Debug)]
pub struct Vote {
    /// Who wants to lead.
    pub candidate: NodeId,
    /// In which epoch; of a pre-vote, the epoch it is in.
    pub epoch: QuorumEpoch,
    /// Under which leadership its last record was appended.
    pub last_epoch: QuorumEpoch,
    /// Where its log ends.
    pub end: MetadataOffset,
    /// Whether it only asks if it would be elected.
    pub pre_vote: bool,
}

/// BeginQuorumEpoch request: a voter has been elected.
#[derive(Clone, Copy, Debug)]
pub struct BeginQuorumEpoch {
    /// Who leads.
    pub leader: NodeId,
    /// In which epoch.
    pub epoch: QuorumEpoch,
}

/// EndQuorumEpoch request: the leader of the quorum resigns.
#[derive(Clone, Copy, Debug)]
pub struct EndQuorumEpoch {
    /// Who led.
    pub leader: NodeId,
    /// In which epoch.
    pub epoch: QuorumEpoch,
    /// The other voters, those that have most first.
    pub successors: Replicas,
}

/// The answer to Vote, BeginQuorumEpoch and EndQuorumEpoch.
#[derive(Clone, Copy, Debug)]
pub struct QuorumAnswer {
    /// The epoch the answering voter is in.
    pub epoch: QuorumEpoch,
    /// The leader of that epoch, if it knows.
    pub leader: Option<NodeId>,
    /// Of a vote: whether it was given.
    pub granted: bool,
}

/// A record of the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataRecord {
    /// RegisterBrokerRecord: a broker registered, fenced at first. Its epoch is the record's own offset.
    RegisterBroker {
        /// Which broker.
        broker: NodeId,
        /// Which start of it.
        incarnation: Incarnation,
    },
    /// BrokerRegistrationChangeRecord.
    BrokerChange {
        /// Which broker.
        broker: NodeId,
        /// Its registration.
        broker_epoch: BrokerEpoch,
        /// Whether it is fenced from here on.
        fenced: bool,
        /// Whether it is in controlled shutdown from here on.
        in_controlled_shutdown: bool,
    },
    /// LeaderChangeMessage: with it every leadership of the quorum begins. Not in the log a run begins with.
    LeaderChange {
        /// Who leads.
        leader: NodeId,
        /// In which epoch.
        epoch: QuorumEpoch,
    },
    /// PartitionRecord or PartitionChangeRecord: the whole state from here on.
    Partition {
        /// Which.
        partition: PartitionId,
        /// Its state.
        state: PartitionState,
        /// How the leader came to be, if it is another. Kafka's record does not say, and nobody goes by it.
        election: Option<Election>,
    },
    /// ConfigRecord: a setting is another from here on.
    Config {
        /// Whose.
        of: Resource,
        /// What is set.
        setting: Setting,
    },
}

/// A partition as the controller has decided it (`PartitionRegistration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Who holds a replica, in assignment order: the first is preferred. While it is being reassigned, whoever is to leave
    /// comes last.
    pub replicas: Replicas,
    /// How many of `replicas`, from the last, are to leave (`removingReplicas`).
    pub removing: u8,
    /// Who is in sync.
    pub isr: Replicas,
    /// Who may still lead though not in sync (KIP-966).
    pub elr: Replicas,
    /// Who led last, when nobody is in sync or eligible.
    pub last_known_leader: Option<NodeId>,
    /// Who leads.
    pub leader: Option<NodeId>,
    /// The count of leaderships.
    pub leader_epoch: LeaderEpoch,
    /// The count of states.
    pub partition_epoch: PartitionEpoch,
    /// Whether the leader was elected uncleanly and has not reported since (KIP-704).
    pub recovering: bool,
}

impl PartitionState {
    /// A partition that nobody has heard of.
    pub const NONE: PartitionState = PartitionState {
        replicas: Replicas::NONE,
        removing: 0,
        isr: Replicas::NONE,
        elr: Replicas::NONE,
        last_known_leader: None,
        leader: None,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        recovering: false,
    };

    /// One that was just created: the first of those in sync leads.
    pub fn created(replicas: Replicas, isr: Replicas) -> PartitionState {
        PartitionState { replicas, isr, leader: isr.iter().next(), ..PartitionState::NONE }
    }

    /// The same partition, no more.
    pub fn removed(&self) -> PartitionState {
        let (leader_epoch, partition_epoch) = (self.leader_epoch, self.partition_epoch.next());
        PartitionState { leader_epoch, partition_epoch, ..PartitionState::NONE }
    }

    /// Whether there is such a partition.
    #[inline]
    pub fn is_there(&self) -> bool {
        !self.replicas.is_empty()
    }
}
