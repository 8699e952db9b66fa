//! Batches being built, waiting, or under way: `RecordAccumulator`, `ProducerBatch` and `BufferPool`.

use std::collections::VecDeque;

use super::record_size;
use super::sequences::Sequences;
use crate::cluster::store::MessageRun;
use crate::cluster::units::{
    BatchId, LeaderEpoch, MessageId, PartitionId, ProducerEpoch, ProducerId, Sequence,
};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// A partition, by its place among those of the producer's topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(pub(super) u32);

/// A batch in the producer's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

/// A batch, from its first record to its last answer.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) place: Place,
    /// The messages in it.
    pub(super) runs: Vec<MessageRun>,
    pub(super) records: u32,
    pub(super) bytes: Bytes,
    /// What it holds of `buffer.memory`; also how large it may become.
    memory: Bytes,
    /// `createdMs`: `delivery.timeout.ms` counts from here.
    pub(super) created: Time,
    /// The time of the newest `send()` in it.
    pub(super) timestamp: Time,
    /// Nothing is added any more.
    closed: bool,
    /// In the store, since it was first drained or since its sequence was last rewritten.
    pub(super) stored: Option<BatchId>,
    /// For which partition it was last drained.
    pub(super) drained_for: PartitionId,
    /// Its place in the producer's count, with idempotence.
    pub(super) identity: Option<Identity>,
    /// It was numbered anew and has not been sent since (`sequenceHasBeenReset`).
    pub(super) was_rewritten: bool,
    /// `attempts`: how often it was put back into its queue.
    pub(super) retries: u32,
    /// How often it was put on the wire.
    pub(super) sent: u32,
    /// `inRetry`.
    pub(super) in_retry: bool,
    /// `lastAttemptMs`: when it was made, or last put back.
    pub(super) attempted: Time,
    /// It was put back and its wait is not over.
    pub(super) backing_off: bool,
    /// The newest leader epoch known when it was last looked at, and after how many retries that one appeared.
    leader_epoch: Option<LeaderEpoch>,
    retries_at_epoch: u32,
    /// The application has been told; the batch is kept only because its request is still unanswered.
    pub(super) is_told: bool,
    /// The next batch of the same request.
    pub(super) next: Option<Slot>,
}

/// What a batch is known by at the brokers, with idempotence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer: (ProducerId, ProducerEpoch),
    pub(super) base: Sequence,
}

/// What the producer holds for one partition.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    /// Another since the topic was made anew.
    pub(super) id: PartitionId,
    /// Batches not under way; records are added to the last.
    pub(super) queue: VecDeque<Slot>,
    /// Batches under way that nobody was told about, in the order of sending.
    pub(super) in_flight: Vec<Slot>,
    /// Nothing is drained until what is under way is answered (`guaranteeMessageOrder`).
    pub(super) is_muted: bool,
    /// In whose queue of partitions it waits to be looked at.
    pub(super) waits_for: Option<NodeId>,
    /// For which batch its alarm is set.
    pub(super) alarm_for: Option<Slot>,
    pub(super) sequences: Sequences,
    /// A batch was begun for it.
    is_used: bool,
}

/// All partitions, all batches, and the memory they may take.
#[derive(Clone, Debug)]
pub(super) struct Accumulator {
    batch_size: Bytes,
    /// What is left of `buffer.memory`.
    free_memory: Bytes,
    pub(super) partitions: Vec<Partition>,
    batches: Vec<Batch>,
    free: Vec<Slot>,
    /// Partitions that a batch was begun for.
    used: u32,
}

/// What adding a record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Appended {
    /// How many bytes it added, a new batch's own included.
    pub(super) bytes: Bytes,
    /// Whether there may now be something to send that was not before: a batch was begun, or is full.
    pub(super) wakes_sender: bool,
}

/// One record to be added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) message: MessageId,
    pub(super) size: Bytes,
}

impl Accumulator {
    pub(super) fn new(partitions: &[PartitionId], batch_size: Bytes, buffer_memory: Bytes) -> Accumulator {
        Accumulator {
            batch_size,
            free_memory: buffer_memory,
            partitions: partitions.iter().copied().map(Partition::empty).collect(),
            batches: Vec::new(),
            free: Vec::new(),
            used: 0,
        }
    }

    /// All is gone, and the memory free.
    pub(super) fn clear(&mut self, buffer_memory: Bytes) {
        self.free_memory = buffer_memory;
        self.batches.clear();
        self.free.clear();
        self.used = 0;
        for partition in &mut self.partitions {
            *partition = Partition::empty(partition.id);
        }
    }

    #[inline]
    pub(super) fn batch(&self, slot: Slot) -> &Batch {
        &self.batches[slot.0 as usize]
    }

    #[inline]
    pub(super) fn batch_mut(&mut self, slot: Slot) -> &mut Batch {
        &mut self.batches[slot.0 as usize]
    }

    #[inline]
    pub(super) fn partition(&self, place: Place) -> &Partition {
        &self.partitions[place.0 as usize]
    }

    #[inline]
    pub(super) fn partition_mut(&mut self, place: Place) -> &mut Partition {
        &mut self.partitions[place.0 as usize]
    }

    /// Adds a record to the open batch of a partition, if there is one with room; closes it if there is not.
    #[inline]
    pub(super) fn append(&mut self, now: Time, place: Place, record: Record) -> Option<Appended> {
        let partition = &self.partitions[place.0 as usize];
        let &slot = partition.queue.back()?;
        let batch = &mut self.batches[slot.0 as usize];
        let bytes = record_size::record(record.size, batch.records, now.since(batch.created));
        if batch.is_full() || batch.bytes + bytes > batch.memory {
            batch.closed = true;
            return None;
        }
        batch.add(now, record.message, bytes);
        Some(Appended { bytes, wakes_sender: batch.is_full() })
    }

    /// What a batch that begins with a record of this size takes of `buffer.memory`.
    #[inline]
    pub(super) fn needs(&self, size: Bytes) -> Bytes {
        self.batch_size.max(record_size::upper_bound(size))
    }

    /// Whether there is memory for a batch that begins with a record of this size.
    #[inline]
    pub(super) fn has_memory(&self, size: Bytes) -> bool {
        self.needs(size) <= self.free_memory
    }

    /// Begins a batch with a record. There must be memory for it.
    pub(super) fn begin(&mut self, now: Time, place: Place, record: Record) -> Appended {
        let memory = self.needs(record.size);
        self.free_memory = self.free_memory - memory;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.batches.push(Batch::empty());
            Slot((self.batches.len() - 1) as u32)
        });
        let batch = &mut self.batches[slot.0 as usize];
        let mut runs = std::mem::take(&mut batch.runs);
        runs.clear();
        *batch = Batch { place, runs, memory, created: now, attempted: now, ..Batch::empty() };
        let bytes = record_size::record(record.size, 0, Span::ZERO);
        batch.add(now, record.message, bytes);
        let partition = self.partition_mut(place);
        partition.queue.push_back(slot);
        let was_used = std::mem::replace(&mut partition.is_used, true);
        self.used += u32::from(!was_used);
        Appended { bytes: record_size::BATCH_OVERHEAD + bytes, wakes_sender: true }
    }

    /// For how many partitions a batch was begun.
    #[inline]
    pub(super) fn used(&self) -> usize {
        self.used as usize
    }

    /// Whether nothing can be added to a partition without a new batch (`allBatchesFull`).
    #[inline]
    pub(super) fn has_nothing_open(&self, place: Place) -> bool {
        self.partition(place).queue.back().is_none_or(|&slot| self.batch(slot).is_full())
    }

    /// Whether the first batch of a partition is as large as it will become.
    #[inline]
    pub(super) fn has_full_head(&self, place: Place) -> bool {
        let queue = &self.partition(place).queue;
        queue.len() > 1 || queue.front().is_some_and(|&slot| self.batch(slot).is_full())
    }

    /// Takes the first batch of a partition, for good or for a request: nothing is added to it any more.
    #[inline]
    pub(super) fn take_head(&mut self, place: Place) -> Slot {
        let head = self.partition_mut(place).queue.pop_front();
        let slot = head.expect("a batch is taken from a queue that has one");
        self.batch_mut(slot).closed = true;
        slot
    }

    /// Puts a batch back that is to be tried again: first, or with idempotence before those that come after it in the
    /// producer's count (`reenqueue`, `insertInSequenceOrder`).
    pub(super) fn put_back(&mut self, slot: Slot) {
        let Batch { place, identity, .. } = *self.batch(slot);
        let mut before = 0;
        if let Some(Identity { base, .. }) = identity {
            let is_before =
                |&&other: &&Slot| self.batch(other).identity.is_some_and(|identity| identity.base < base);
            before = self.partition(place).queue.iter().take_while(is_before).count();
        }
        self.partition_mut(place).queue.insert(before, slot);
    }

    /// A batch is no longer under way.
    #[inline]
    pub(super) fn leave_flight(&mut self, slot: Slot) {
        let place = self.batch(slot).place;
        let in_flight = &mut self.partition_mut(place).in_flight;
        if let Some(found) = in_flight.iter().position(|&other| other == slot) {
            in_flight.remove(found);
        }
    }

    /// Gives the memory of a batch back, and leaves the batch.
    #[inline]
    pub(super) fn give_back_memory(&mut self, slot: Slot) {
        let memory = std::mem::take(&mut self.batch_mut(slot).memory);
        self.free_memory += memory;
    }

    /// Forgets a batch: nothing refers to it any more.
    #[inline]
    pub(super) fn free(&mut self, slot: Slot) {
        self.give_back_memory(slot);
        let place = self.batch(slot).place;
        let partition = self.partition_mut(place);
        if partition.alarm_for == Some(slot) {
            partition.alarm_for = None;
        }
        self.free.push(slot);
    }

    /// When the next batch has been undelivered for `timeout`.
    pub(super) fn next_expiry(&self, timeout: Span) -> Time {
        let first = |partition: &Partition| {
            let waiting = partition.queue.front().into_iter().chain(partition.in_flight.first());
            waiting.map(|&slot| self.batch(slot).created + timeout).min()
        };
        self.partitions.iter().filter_map(first).min().unwrap_or(Time::NEVER)
    }
}

impl Partition {
    fn empty(id: PartitionId) -> Partition {
        Partition {
            id,
            queue: VecDeque::new(),
            in_flight: Vec::new(),
            is_muted: false,
            waits_for: None,
            alarm_for: None,
            sequences: Sequences::default(),
            is_used: false,
        }
    }
}

impl Batch {
    fn empty() -> Batch {
        Batch {
            place: Place(0),
            runs: Vec::new(),
            records: 0,
            bytes: record_size::BATCH_OVERHEAD,
            memory: Bytes::ZERO,
            created: Time::ZERO,
            timestamp: Time::ZERO,
            closed: false,
            stored: None,
            drained_for: PartitionId(0),
            identity: None,
            was_rewritten: false,
            retries: 0,
            sent: 0,
            in_retry: false,
            attempted: Time::ZERO,
            backing_off: false,
            leader_epoch: None,
            retries_at_epoch: 0,
            is_told: false,
            next: None,
        }
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.closed || self.bytes >= self.memory
    }

    #[inline]
    fn add(&mut self, now: Time, message: MessageId, bytes: Bytes) {
        self.records += 1;
        self.bytes += bytes;
        self.timestamp = self.timestamp.max(now);
        match self.runs.last_mut() {
            Some(run) if run.first.0 + run.count == message.0 => run.count += 1,
            _ => self.runs.push(MessageRun { first: message, count: 1 }),
        }
    }

    /// Whether `delivery.timeout.ms` has passed.
    #[inline]
    pub(super) fn has_expired(&self, now: Time, timeout: Span) -> bool {
        self.created + timeout <= now
    }

    /// Notes the newest leader epoch, and says whether the leader changed after the batch was last tried: then there is no
    /// wait (`hasLeaderChangedForTheOngoingRetry`).
    #[inline]
    pub(super) fn has_new_leader(&mut self, epoch: Option<LeaderEpoch>) -> bool {
        if epoch > self.leader_epoch {
            self.leader_epoch = epoch;
            self.retries_at_epoch = self.retries;
        }
        self.retries > 0 && self.retries == self.retries_at_epoch
    }

    /// It is as if it had never been tried.
    pub(super) fn forget_attempts(&mut self) {
        let Batch { leader_epoch, retries_at_epoch, .. } = Batch::empty();
        (self.leader_epoch, self.retries_at_epoch) = (leader_epoch, retries_at_epoch);
        (self.retries, self.in_retry, self.backing_off, self.was_rewritten) = (0, false, false, false);
    }

    /// The sequence after its last.
    pub(super) fn next_sequence(&self) -> Option<Sequence> {
        self.identity.map(|identity| Sequence(identity.base.0 + self.records))
    }
}
