//! A replica's log: batches in their places, and where each leader epoch begins.
//!
//! The log is what its files hold as the process wrote them. It never knows how much of that is durable: the disk counts
//! bytes, and after a power loss the log is made of those that are left ([`Log::recover`]).
//!
//! Entries lie in chunks that a copy of the log shares until one of the two writes. Batches that retention has taken keep
//! their places there, so that the others keep theirs.

pub mod epoch_cache;
pub mod producer_state;
pub mod segments;

use std::sync::Arc;

use self::epoch_cache::EpochCache;
use self::segments::{SegmentLimits, Segments};
use super::protocol::LogEntry;
use super::store::Store;
use super::units::{BatchId, LeaderEpoch, Offset};
use crate::kernel::units::Bytes;

const CHUNK: usize = 64;
const EMPTY: LogEntry = LogEntry { base_offset: Offset(0), batch: BatchId(0), epoch: LeaderEpoch(0) };

/// The log of one replica.
#[derive(Clone, Debug)]
pub struct Log {
    chunks: Vec<Arc<[LogEntry; CHUNK]>>,
    /// The index of the first batch at or above the log start.
    first: usize,
    /// The index behind the last batch.
    len: usize,
    start: Offset,
    end: Offset,
    /// The size of all batches, back to the beginning of the log, whether or not they are still there.
    bytes: Bytes,
    epochs: EpochCache,
    segments: Segments,
    /// Behind the last batch lies half of another that no start has cut.
    torn_tail: bool,
}

impl Default for Log {
    fn default() -> Log {
        Log::new()
    }
}

impl Log {
    /// An empty log that begins at 0 and has one segment for ever.
    pub fn new() -> Log {
        Log::with_limits(SegmentLimits::NONE)
    }

    /// An empty log that begins at 0.
    pub fn with_limits(limits: SegmentLimits) -> Log {
        Log {
            chunks: Vec::new(),
            first: 0,
            len: 0,
            start: Offset::ZERO,
            end: Offset::ZERO,
            bytes: Bytes::ZERO,
            epochs: EpochCache::default(),
            segments: Segments::new(limits),
            torn_tail: false,
        }
    }

    /// The first offset that is still there (`logStartOffset`).
    #[inline]
    pub fn start(&self) -> Offset {
        self.start
    }

    /// The offset the next record gets (`logEndOffset`).
    #[inline]
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The size of all batches, back to the beginning of the log, whether or not they are still there.
    #[inline]
    pub fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// Where each leader epoch begins.
    #[inline]
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// The epoch of the newest record or, on a leader that has appended nothing yet, its own (`latestEpoch`).
    #[inline]
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest()
    }

    /// The index of the first batch that is still there. Removal at the start changes no batch's index.
    #[inline]
    pub fn first(&self) -> usize {
        self.first
    }

    /// The index behind the last batch.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no batch.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first == self.len
    }

    /// The batch with this index.
    #[inline]
    pub fn entry(&self, index: usize) -> LogEntry {
        assert!(
            (self.first..self.len).contains(&index),
            "entry {index} of a log from {} to {}",
            self.first,
            self.len
        );
        self.entry_at(index)
    }

    /// The same, also of a batch below the log start.
    #[inline]
    fn entry_at(&self, index: usize) -> LogEntry {
        self.chunks[index / CHUNK][index % CHUNK]
    }

    /// All batches in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = LogEntry> + '_ {
        (self.first..self.len).map(|index| self.entry(index))
    }

    /// The batches that begin at `from` or later, in order.
    pub fn entries_from(&self, from: Offset) -> impl DoubleEndedIterator<Item = LogEntry> + '_ {
        (self.first_at_or_after(from)..self.len).map(|index| self.entry(index))
    }

    /// Puts a batch at the end. Gives whether its epoch is new to the log, in which case the leader-epoch file is written
    /// and fsynced first (`LeaderEpochFileCache.assign`).
    #[inline]
    pub fn append(&mut self, entry: LogEntry, records: u64, bytes: Bytes) -> bool {
        // Where the leader's log has a gap, a follower's gets one.
        assert!(entry.base_offset >= self.end, "a batch goes to the end of the log");
        let new_epoch = self.epochs.assign(entry.epoch, entry.base_offset);
        if self.len / CHUNK == self.chunks.len() {
            self.chunks.push(Arc::new([EMPTY; CHUNK]));
        }
        self.put(self.len, entry);
        self.len += 1;
        self.end = entry.base_offset.plus(records);
        self.bytes += bytes;
        new_epoch
    }

    /// Whether half a batch lies behind the last, which no start has cut.
    #[inline]
    pub fn has_torn_tail(&self) -> bool {
        self.torn_tail
    }

    /// A start that scans the log cuts it behind the last whole batch; or something was appended there.
    pub fn cut_torn_tail(&mut self) {
        self.torn_tail = false;
    }

    /// The batch with this index is another from here on, of the same records and size: a byte of it has gone bad.
    pub fn replace(&mut self, index: usize, batch: BatchId) {
        self.put(index, LogEntry { batch, ..self.entry(index) });
    }

    #[inline]
    fn put(&mut self, index: usize, entry: LogEntry) {
        Arc::make_mut(&mut self.chunks[index / CHUNK])[index % CHUNK] = entry;
    }

    /// Notes that an epoch begins at the log end: what a new leader does before it appends (`assignEpochStartOffset`).
    pub fn begin_epoch(&mut self, epoch: LeaderEpoch) -> bool {
        self.epochs.assign(epoch, self.end)
    }

    /// The log has been loaded: epochs without a record are forgotten (`LogLoader.load`).
    pub fn loaded(&mut self) {
        self.epochs.truncate_from(self.end);
        self.epochs.truncate_to_start(self.start);
    }

    /// Cuts every batch that holds a record at `offset` or later (`UnifiedLog.truncateTo`). Whole batches go, and the log ends
    /// at `offset` all the same, until it is loaded again. Epochs that begin at or after `offset` go even if no batch does
    /// (KAFKA-10706). Gives where the batches end.
    pub fn truncate_to(&mut self, offset: Offset, store: &Store) -> Offset {
        let before = self.end;
        let floor = self.segments.list[0];
        while self.end > offset && self.len > floor.first {
            let entry = self.entry_at(self.len - 1);
            let built = store.batch(entry.batch);
            if entry.base_offset.plus(u64::from(built.records)) <= offset {
                // Recovery has left a gap behind this batch.
                self.end = entry.base_offset.plus(u64::from(built.records));
                break;
            }
            self.len -= 1;
            self.end = entry.base_offset;
            self.bytes = self.bytes - built.bytes;
        }
        if offset < floor.base {
            self.restart_at(offset);
            return offset;
        }
        let left = self.end;
        self.end = offset.min(before);
        self.start = self.start.min(self.end);
        self.first = self.first.min(self.len);
        self.torn_tail &= self.end == before;
        self.segments.truncated(self.end);
        self.epochs.truncate_from(self.end);
        left
    }

    /// The size of the batches that end at `offset` or before, back to the beginning of the log.
    pub fn bytes_up_to(&self, offset: u64, store: &Store) -> Bytes {
        let mut bytes = self.bytes;
        let mut end = self.end;
        for entry in self.entries().rev() {
            if end.0 <= offset {
                break;
            }
            end = entry.base_offset;
            bytes = bytes - store.batch(entry.batch).bytes;
        }
        bytes
    }

    /// The batch that holds an offset; in a gap the one before it.
    pub fn holds(&self, offset: Offset) -> Option<LogEntry> {
        let is_there = offset >= self.start && offset < self.end && !self.is_empty();
        is_there.then(|| self.entry(self.holding(offset)))
    }

    /// The index of the batch that begins at this offset, if it is still there.
    #[inline]
    pub fn index_at(&self, base_offset: Offset) -> Option<usize> {
        let index = self.first_at_or_after(base_offset);
        (index < self.len && self.entry_at(index).base_offset == base_offset).then_some(index)
    }

    /// Copies the batches from the one that holds `from` on, as long as they begin below `limit` and their sizes add up to
    /// at most `max_bytes`; the first comes whatever its size, and all come from the segment that holds it (`LocalLog.read`).
    /// Gives how many.
    #[inline]
    pub fn read(
        &self,
        from: Offset,
        limit: Offset,
        max_bytes: Bytes,
        store: &Store,
        into: &mut impl FnMut(LogEntry, Bytes),
    ) -> u32 {
        if from >= limit || self.is_empty() {
            return 0;
        }
        let mut read = 0;
        let mut total = Bytes::ZERO;
        let first = self.first_to_read(from, store);
        for index in first..self.segments.end_of_segment(first, self.len) {
            let entry = self.entry(index);
            if entry.base_offset >= limit {
                break;
            }
            let bytes = store.batch(entry.batch).bytes;
            if read > 0 && total + bytes > max_bytes {
                break;
            }
            total += bytes;
            read += 1;
            into(entry, bytes);
        }
        read
    }

    /// Forgets everything and keeps the memory that no copy shares.
    pub fn clear(&mut self) {
        self.chunks.retain(|chunk| Arc::strong_count(chunk) == 1);
        self.first = 0;
        self.len = 0;
        self.start = Offset::ZERO;
        self.end = Offset::ZERO;
        self.bytes = Bytes::ZERO;
        self.epochs.clear();
        self.torn_tail = false;
        self.segments.begin_anew(Offset::ZERO);
    }

    /// The batch that holds `offset` or, where recovery has left a gap, the next.
    #[inline]
    fn first_to_read(&self, offset: Offset, store: &Store) -> usize {
        let index = self.holding(offset);
        let entry = self.entry(index);
        let in_gap = entry.base_offset < offset
            && entry.base_offset.plus(u64::from(store.batch(entry.batch).records)) <= offset;
        index + usize::from(in_gap)
    }

    /// The batch that holds `offset`, or the last before it.
    #[inline]
    fn holding(&self, offset: Offset) -> usize {
        let last = self.len - 1;
        // Readers are near the end.
        if self.entry(last).base_offset <= offset {
            return last;
        }
        self.partition_point(|entry| entry.base_offset <= offset).saturating_sub(1).max(self.first)
    }

    fn first_at_or_after(&self, offset: Offset) -> usize {
        if offset >= self.end {
            return self.len;
        }
        self.partition_point(|entry| entry.base_offset < offset)
    }

    fn partition_point(&self, below: impl Fn(LogEntry) -> bool) -> usize {
        let (mut low, mut high) = (self.first, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            if below(self.entry(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::store::MessageRun;
    use crate::cluster::units::{MessageId, ProducerEpoch, ProducerId, Sequence};
    use crate::kernel::units::Time;

    fn filled(batches: u32) -> (Log, Store) {
        let (mut log, mut store) = (Log::new(), Store::default());
        for n in 0..batches {
            let run = MessageRun { first: MessageId(n * 10), count: 10 };
            let batch = store.add_batch(
                (ProducerId(0), ProducerEpoch(0), Sequence(0)),
                &[run],
                Bytes::new(100),
                Time::ZERO,
            );
            let entry = LogEntry { base_offset: log.end(), batch, epoch: LeaderEpoch(n / 50) };
            assert_eq!(log.append(entry, 10, Bytes::new(100)), n % 50 == 0);
        }
        (log, store)
    }

    fn read(log: &Log, store: &Store, from: u64, limit: u64, max_bytes: u64) -> Vec<u64> {
        let mut bases = Vec::new();
        log.read(Offset(from), Offset(limit), Bytes::new(max_bytes), store, &mut |entry, _| {
            bases.push(entry.base_offset.0);
        });
        bases
    }

    #[test]
    fn reads_begin_with_the_batch_that_holds_the_offset() {
        let (log, store) = filled(200);
        let cases = [
            (0, 2_000, 250, vec![0, 10]),
            (15, 2_000, 250, vec![10, 20]),
            (1_995, 2_000, 250, vec![1_990]),
            (0, 2_000, 1, vec![0]),
            (0, 15, 1_000, vec![0, 10]),
            (10, 10, 1_000, vec![]),
        ];
        for (from, limit, max_bytes, bases) in cases {
            assert_eq!(read(&log, &store, from, limit, max_bytes), bases, "from {from} below {limit}");
        }
    }

    #[test]
    fn truncation_cuts_whole_batches_and_the_epochs_above() {
        let (mut log, store) = filled(200);
        assert_eq!(log.truncate_to(Offset(1_005), &store), Offset(1_000));
        assert_eq!((log.end(), log.len(), log.bytes()), (Offset(1_005), 100, Bytes::new(10_000)));
        log.load_end(&store);
        log.loaded();
        assert_eq!((log.end(), log.latest_epoch()), (Offset(1_000), Some(LeaderEpoch(1))));
    }

    #[test]
    fn a_torn_batch_is_not_there() {
        let (mut log, store) = filled(3);
        let mut files = Vec::new();
        assert_eq!(log.recover(&[Bytes::new(250)], Some(Offset::ZERO), &store, &mut files), Offset(20));
        assert_eq!((log.end(), log.bytes()), (Offset(20), Bytes::new(200)));
        assert_eq!(files, [segments::Recovered { base: Offset::ZERO, length: Some(Bytes::new(200)) }]);
    }

    #[test]
    fn a_copy_does_not_hear_of_later_writes() {
        let (mut log, store) = filled(3);
        let copy = log.clone();
        log.truncate_to(Offset(10), &store);
        let other = LogEntry { base_offset: Offset(10), batch: BatchId(0), epoch: LeaderEpoch(9) };
        log.append(other, 10, Bytes::new(100));
        assert_eq!(copy.entry(1).epoch, LeaderEpoch(0));
        assert_eq!(log.entry(1).epoch, LeaderEpoch(9));
    }
}
