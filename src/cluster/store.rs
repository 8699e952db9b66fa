//! Where the long parts of messages lie: every batch ever built, and lists that are used again.
//!
//! A batch is written once and never changes; a log, a request and a response only name it. A list belongs to the message
//! that names it: whoever builds the message takes the list, and the world gives it back once the message has been handled
//! or lost ([`Store::release`]). A node that wants to keep what a list says copies it.

use std::marker::PhantomData;

use super::protocol::{
    AlterPartition, AlteredPartition, FetchLimits, FetchPartition, FetchedPartition, LogEntry, Message,
    MetadataRecord, PartitionLeader, ProducePartition, ProducedPartition,
};
use super::units::{BatchId, MessageId, MetadataOffset, ProducerEpoch, ProducerId, Sequence};
use crate::kernel::units::{Bytes, Time};

/// A run of consecutive messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRun {
    /// The first of them.
    pub first: MessageId,
    /// How many.
    pub count: u32,
}

/// A batch as its producer built it. Offsets and leader epoch are stamped by the leader, beside it, in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Which producer; 0 without idempotence.
    pub producer_id: ProducerId,
    /// Which of its beginnings.
    pub producer_epoch: ProducerEpoch,
    /// The number of its first record.
    pub base_sequence: Sequence,
    /// How many records it has.
    pub records: u32,
    /// Its size on the wire and on disk, header included.
    pub bytes: Bytes,
    /// The greatest timestamp among its records: what its producer has written into it, or, with LogAppendTime, the time of the
    /// leader that appended it last.
    pub timestamp: Time,
    /// By how many milliseconds the timestamp of its first record was before that, as its producer wrote them.
    pub spans: u32,
    /// A byte of it has gone bad where this copy lies: its checksum is wrong (`RecordBatch.isValid`). It is a byte that the
    /// checksum covers: offset, size, leader epoch and magic, which it does not cover, are as they were written.
    pub rotten: bool,
    first_run: u32,
    runs: u32,
}

/// Names a list of the store. A message that carries one must be released when it is done with.
#[derive(Debug)]
pub struct List<T> {
    slot: u32,
    kind: PhantomData<fn() -> T>,
}

/// Names fetch limits of the store. Nothing is to be given back: there are as many as fetchers with different settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimitsId(u32);

/// Names a time of the store: messages have no room for it. Nothing is to be given back: hardly anybody asks by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StampId(u32);

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for List<T> {}

/// Lists of one kind, used again and again.
#[derive(Clone, Debug)]
pub struct Pool<T> {
    lists: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool { lists: Vec::new(), free: Vec::new() }
    }
}

impl<T> Pool<T> {
    /// An empty list.
    #[inline]
    pub fn take(&mut self) -> List<T> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.lists.push(Vec::new());
            u32::try_from(self.lists.len() - 1).expect("fewer than 2^32 lists are in use")
        });
        List { slot, kind: PhantomData }
    }

    /// A list with one element.
    #[inline]
    pub fn one(&mut self, element: T) -> List<T> {
        let list = self.take();
        self.get_mut(list).push(element);
        list
    }

    /// What a list holds.
    #[inline]
    pub fn get(&self, list: List<T>) -> &[T] {
        &self.lists[list.slot as usize]
    }

    /// A list, to be filled.
    #[inline]
    pub fn get_mut(&mut self, list: List<T>) -> &mut Vec<T> {
        &mut self.lists[list.slot as usize]
    }

    /// Empties a list and lets it serve again.
    #[inline]
    pub fn give_back(&mut self, list: List<T>) {
        self.lists[list.slot as usize].clear();
        self.free.push(list.slot);
    }

    /// How many lists are in use.
    pub fn in_use(&self) -> usize {
        self.lists.len() - self.free.len()
    }

    fn clear(&mut self) {
        self.free.clear();
        for (slot, list) in self.lists.iter_mut().enumerate() {
            list.clear();
            self.free.push(slot as u32);
        }
        // Slots are given out in the same order in every run of a reused world.
        self.free.reverse();
    }
}

/// Batches and lists of one run.
#[derive(Clone, Debug, Default)]
pub struct Store {
    batches: Vec<Batch>,
    runs: Vec<MessageRun>,
    limits: Vec<FetchLimits>,
    stamps: Vec<Time>,
    /// Lists of produce requests.
    pub produce: Pool<ProducePartition>,
    /// Lists of produce responses.
    pub produced: Pool<ProducedPartition>,
    /// Lists of fetch requests.
    pub fetch: Pool<FetchPartition>,
    /// Lists of fetch responses.
    pub fetched: Pool<FetchedPartition>,
    /// Log entries of fetch responses.
    pub entries: Pool<LogEntry>,
    /// Lists of metadata responses.
    pub leaders: Pool<PartitionLeader>,
    /// Lists of AlterPartition requests.
    pub alter: Pool<AlterPartition>,
    /// Lists of AlterPartition responses.
    pub altered: Pool<AlteredPartition>,
    /// Metadata records under way to a broker or voter.
    pub metadata: Pool<MetadataRecord>,
    /// Up to where what the metadata log's records changed has been reported, by whichever controller knew first that they
    /// are committed. No node goes by it.
    pub reported: MetadataOffset,
}

impl Store {
    /// Adds a batch with the messages of `runs`; `bytes` includes the header.
    pub fn add_batch(
        &mut self,
        producer: (ProducerId, ProducerEpoch, Sequence),
        runs: &[MessageRun],
        bytes: Bytes,
        timestamp: Time,
    ) -> BatchId {
        let records = runs.iter().map(|run| run.count).sum();
        assert!(records > 0, "a batch has records");
        let first_run = u32::try_from(self.runs.len()).expect("fewer than 2^32 runs of messages");
        self.runs.extend_from_slice(runs);
        let (producer_id, producer_epoch, base_sequence) = producer;
        self.batches.push(Batch {
            producer_id,
            producer_epoch,
            base_sequence,
            records,
            bytes,
            timestamp,
            spans: 0,
            rotten: false,
            first_run,
            runs: runs.len() as u32,
        });
        self.newest_batch()
    }

    /// The first record of a batch has an earlier timestamp than its newest.
    pub fn begins_at(&mut self, id: BatchId, first: Time) {
        let batch = &mut self.batches[id.0 as usize];
        let spans = batch.timestamp.since(first).nanoseconds() / 1_000_000;
        batch.spans = u32::try_from(spans).unwrap_or(u32::MAX);
    }

    /// A leader writes its own time into a batch (`MemoryRecords.setMaxTimestamp`).
    ///
    /// `Departure from Kafka:` a batch that is in several logs, or twice in one, has one timestamp, which is that of its newest
    /// append.
    pub fn set_append_time(&mut self, id: BatchId, now: Time) {
        self.batches[id.0 as usize].timestamp = now;
    }

    /// Adds what becomes of a batch where a byte of it goes bad: another batch, with the same messages.
    pub fn add_rotten(&mut self, of: BatchId) -> BatchId {
        let rotten = Batch { rotten: true, ..*self.batch(of) };
        self.batches.push(rotten);
        self.newest_batch()
    }

    fn newest_batch(&self) -> BatchId {
        BatchId(u32::try_from(self.batches.len() - 1).expect("fewer than 2^32 batches"))
    }

    /// A batch.
    #[inline]
    pub fn batch(&self, id: BatchId) -> &Batch {
        &self.batches[id.0 as usize]
    }

    /// How many batches were ever built.
    pub fn batch_count(&self) -> usize {
        self.batches.len()
    }

    /// The messages of a batch, in its order.
    pub fn messages(&self, id: BatchId) -> impl Iterator<Item = MessageId> + '_ {
        self.message_runs(id).iter().flat_map(|run| (run.first.0..run.first.0 + run.count).map(MessageId))
    }

    /// The messages of a batch as runs, in its order.
    #[inline]
    pub fn message_runs(&self, id: BatchId) -> &[MessageRun] {
        let batch = self.batch(id);
        &self.runs[batch.first_run as usize..(batch.first_run + batch.runs) as usize]
    }

    /// The name of these limits.
    #[inline]
    pub fn fetch_limits_id(&mut self, limits: FetchLimits) -> FetchLimitsId {
        let known = self.limits.iter().position(|&known| known == limits);
        let place = known.unwrap_or_else(|| {
            self.limits.push(limits);
            self.limits.len() - 1
        });
        FetchLimitsId(u32::try_from(place).expect("fewer than 2^32 fetchers"))
    }

    /// The limits of this name.
    #[inline]
    pub fn fetch_limits(&self, id: FetchLimitsId) -> FetchLimits {
        self.limits[id.0 as usize]
    }

    /// The name of a time.
    pub fn stamp_id(&mut self, time: Time) -> StampId {
        self.stamps.push(time);
        StampId(u32::try_from(self.stamps.len() - 1).expect("fewer than 2^32 questions"))
    }

    /// The time of this name.
    pub fn stamp(&self, id: StampId) -> Time {
        self.stamps[id.0 as usize]
    }

    /// Gives back the lists of a message that has been handled or lost.
    #[inline]
    pub fn release(&mut self, message: Message) {
        match message {
            Message::Produce(request) => self.produce.give_back(request.partitions),
            Message::Produced(response) => self.produced.give_back(response.partitions),
            Message::Fetch(request) => self.fetch.give_back(request.partitions),
            Message::Fetched(response) => {
                self.fetched.give_back(response.partitions);
                self.entries.give_back(response.entries);
            }
            Message::Leaders(response) => self.leaders.give_back(response.partitions),
            Message::AlterPartitions(request) => self.alter.give_back(request.partitions),
            Message::AlteredPartitions(response) => self.altered.give_back(response.partitions),
            Message::MetadataRecords(response) => self.metadata.give_back(response.records),
            Message::FindLeaders
            | Message::ListOffsets(_)
            | Message::ListedOffset(_)
            | Message::InitProducerId
            | Message::ProducerIdAnswer(_)
            | Message::RegisterBroker(_)
            | Message::RegisteredBroker(_)
            | Message::Heartbeat(_)
            | Message::Administer(_)
            | Message::HeartbeatAnswer(_)
            | Message::FetchMetadata(_)
            | Message::Vote(_)
            | Message::BeginQuorumEpoch(_)
            | Message::EndQuorumEpoch(_)
            | Message::QuorumAnswer(_) => (),
        }
    }

    /// Lists in use, of all kinds: none once no message is under way.
    pub fn lists_in_use(&self) -> usize {
        self.produce.in_use()
            + self.produced.in_use()
            + self.fetch.in_use()
            + self.fetched.in_use()
            + self.entries.in_use()
            + self.leaders.in_use()
            + self.alter.in_use()
            + self.altered.in_use()
            + self.metadata.in_use()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.batches.clear();
        self.runs.clear();
        self.limits.clear();
        self.stamps.clear();
        self.produce.clear();
        self.produced.clear();
        self.fetch.clear();
        self.fetched.clear();
        self.entries.clear();
        self.leaders.clear();
        self.alter.clear();
        self.altered.clear();
        self.metadata.clear();
        self.reported = MetadataOffset(0);
    }
}
