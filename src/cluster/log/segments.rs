//! The files a log consists of: where each begins, when the next is begun, and what recovery makes of those that a power
//! loss has cut (`LogSegments`, `LogSegment.shouldRoll`, `LogLoader.recoverLog`).
//!
//! `Departure from Kafka:` `segment.jitter.ms` is 0, and no index ever fills up before its segment does.

use super::Log;
use crate::cluster::store::Store;
use crate::cluster::units::Offset;
use crate::kernel::units::{Bytes, Span, Time};

/// When a log begins another segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    /// `segment.bytes`: none gets larger.
    pub bytes: Bytes,
    /// `segment.ms`: from the timestamp of its first batch to that of its last is no longer.
    pub span: Span,
}

impl SegmentLimits {
    /// One segment for ever.
    pub const NONE: SegmentLimits = SegmentLimits { bytes: Bytes::new(1 << 62), span: Span::FOREVER };
}

/// One segment. The last of a log is the active one: appends go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its first offset, by which its file is named.
    pub base: Offset,
    /// The size of all batches before it, back to the beginning of the log, whether or not they are still there.
    pub position: Bytes,
    /// The index of its first batch.
    pub(super) first: usize,
    /// The greatest timestamp of its batches, once it is not active any more.
    largest: Time,
}

/// All segments of a log.
#[derive(Clone, Debug)]
pub(super) struct Segments {
    /// There is always one.
    pub(super) list: Vec<Segment>,
    limits: SegmentLimits,
    /// The size of the whole log beyond which the active segment does not go.
    rolls_at: Bytes,
    /// A batch with a later timestamp does not go to the active segment; zero: not known yet.
    rolls_after: Time,
}

impl Segments {
    pub(super) fn new(limits: SegmentLimits) -> Segments {
        let mut segments =
            Segments { list: Vec::new(), limits, rolls_at: Bytes::ZERO, rolls_after: Time::ZERO };
        segments.begin_anew(Offset::ZERO);
        segments
    }

    /// One empty segment, and nothing before it.
    pub(super) fn begin_anew(&mut self, base: Offset) {
        self.list.clear();
        self.push(Segment { base, position: Bytes::ZERO, first: 0, largest: Time::ZERO });
    }

    fn push(&mut self, segment: Segment) {
        self.list.push(segment);
        self.last_has_changed();
    }

    #[inline]
    fn active(&self) -> &Segment {
        self.list.last().expect("a log has a segment")
    }

    /// Another segment is active, or the active one begins with another batch.
    fn last_has_changed(&mut self) {
        self.rolls_at = self.active().position + self.limits.bytes;
        self.rolls_after = Time::ZERO;
    }

    /// The log has been cut to end there.
    #[inline]
    pub(super) fn truncated(&mut self, end: Offset) {
        while self.list.len() > 1 && self.active().base > end {
            self.list.pop();
        }
        self.last_has_changed();
    }
}

/// What is left of one segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Which.
    pub base: Offset,
    /// Its length now; none: the file is gone.
    pub length: Option<Bytes>,
}

impl Segments {
    /// Behind the last batch of the segment that holds this one, by index; the log has `len`.
    #[inline]
    pub(super) fn end_of_segment(&self, index: usize, len: usize) -> usize {
        if index >= self.active().first {
            return len;
        }
        self.list[self.list.partition_point(|segment| segment.first <= index)].first
    }
}

impl Log {
    /// The segments in order. There is always one.
    pub fn segments(&self) -> &[Segment] {
        &self.segments.list
    }

    /// The segment that is appended to.
    #[inline]
    pub fn active_segment(&self) -> Segment {
        *self.segments.active()
    }

    /// How large a segment is, by its place.
    pub fn segment_bytes(&self, place: usize) -> Bytes {
        let end = self.segments.list.get(place + 1).map_or(self.bytes, |next| next.position);
        end - self.segments.list[place].position
    }

    /// The size of all segments there are.
    pub fn size(&self) -> Bytes {
        self.bytes - self.segments.list[0].position
    }

    /// The greatest timestamp of a segment, by its place.
    pub fn largest_timestamp(&self, place: usize, store: &Store) -> Time {
        match self.segments.list.get(place + 1) {
            Some(_) => self.segments.list[place].largest,
            None => self.largest_from(self.segments.list[place].first, store),
        }
    }

    /// `segment.bytes`.
    #[inline]
    pub fn segment_limit(&self) -> Bytes {
        self.segments.limits.bytes
    }

    /// `segment.bytes` and `segment.ms` are others from now on.
    pub fn set_limits(&mut self, limits: SegmentLimits) {
        self.segments.limits = limits;
        self.segments.last_has_changed();
    }

    /// Whether another segment must be begun before so many bytes with this greatest timestamp are appended.
    #[inline]
    pub fn must_roll(&mut self, bytes: Bytes, timestamp: Time, store: &Store) -> bool {
        let fits = self.bytes + bytes <= self.segments.rolls_at && timestamp <= self.segments.rolls_after;
        !fits && self.must_roll_slowly(bytes, timestamp, store)
    }

    #[cold]
    fn must_roll_slowly(&mut self, bytes: Bytes, timestamp: Time, store: &Store) -> bool {
        let first = self.segments.active().first;
        // An empty segment takes anything.
        if first == self.len {
            return false;
        }
        if self.segments.rolls_after == Time::ZERO {
            self.segments.rolls_after = self.rolls_after(store.batch(self.entry_at(first).batch).timestamp);
        }
        self.bytes + bytes > self.segments.rolls_at || timestamp > self.segments.rolls_after
    }

    /// Timestamps are whole milliseconds, so that a batch is too late by one at least.
    fn rolls_after(&self, first: Time) -> Time {
        const ALMOST: Span = Span::from_nanoseconds(999_999);
        first.whole_milliseconds() + (self.segments.limits.span + ALMOST)
    }

    /// Begins another segment at the log end.
    pub fn roll(&mut self, store: &Store) {
        let old = self.segments.active();
        assert!(old.first < self.len, "an empty segment is not followed by another");
        let largest = self.largest_from(old.first, store);
        self.segments.list.last_mut().expect("a log has a segment").largest = largest;
        let (base, position, first) = (self.end, self.bytes, self.len);
        self.segments.push(Segment { base, position, first, largest: Time::ZERO });
    }

    fn largest_from(&self, first: usize, store: &Store) -> Time {
        let timestamps = (first..self.len).map(|index| store.batch(self.entry_at(index).batch).timestamp);
        timestamps.max().unwrap_or_default()
    }

    /// Which segment holds an offset, by its place: the last that begins at or before it, or else the first.
    pub fn segment_of(&self, offset: Offset) -> usize {
        self.segments.list.partition_point(|segment| segment.base <= offset).saturating_sub(1)
    }

    /// A power loss has left `left` of each segment's file, by its place: makes of it what the next start finds.
    ///
    /// Recovery scans the segment that holds the recovery point and those after it, one by one. Where a batch is torn it cuts,
    /// and throws away the segments behind. It does not see that a segment ends before the next begins: if a file was cut
    /// between two batches, the log has a gap there and goes on behind it. What lies before the recovery point is not
    /// looked at. Without a recovery point nothing is, as after a clean stop: a torn batch stays where it is, and if it is the
    /// last the log ends before it.
    pub fn recover(
        &mut self,
        left: &[Bytes],
        recovery_point: Option<Offset>,
        store: &Store,
        files: &mut Vec<Recovered>,
    ) -> Offset {
        assert_eq!(left.len(), self.segments.list.len(), "a file a segment");
        let scanned = recovery_point.map_or(usize::MAX, |offset| self.segment_of(offset));
        // The offset up to which nothing is missing.
        let mut whole = self.end;
        let mut place = 0;
        while place < self.segments.list.len() {
            let (size, left) = (self.segment_bytes(place), left[place]);
            let base = self.segments.list[place].base;
            if left < size {
                let (from, to) = self.batches_beyond(place, left, store);
                whole = whole.min(self.entry_at(from).base_offset);
                let kept = self.keep_batches(place, from..to, store);
                files.push(Recovered { base, length: Some(kept) });
                let is_last = place + 1 == self.segments.list.len();
                self.torn_tail |= kept < left && place < scanned && is_last;
                if kept < left && place >= scanned {
                    self.drop_segments_behind(place, from, kept, files);
                }
            }
            place += 1;
        }
        self.load_end(store);
        self.first = self.first.min(self.len);
        self.start = self.start.min(self.end);
        self.segments.last_has_changed();
        whole.min(self.end)
    }

    /// What an unclean start does besides about batches of which a byte has gone bad: from the segment that holds the recovery
    /// point on it cuts at the first whose checksum is wrong, and throws away the segments behind (`LogSegment.recover`). Adds
    /// what has become of files.
    pub fn cut_rotten(&mut self, recovery_point: Offset, store: &Store, files: &mut Vec<Recovered>) {
        let scanned = self.segment_of(recovery_point);
        let is_rotten = |&index: &usize| store.batch(self.entry_at(index).batch).rotten;
        let Some(from) = (self.segments.list[scanned].first..self.len).find(is_rotten) else { return };
        let behind = self.segments.list.partition_point(|segment| segment.first <= from);
        let place = behind - 1;
        let to = self.segments.list.get(behind).map_or(self.len, |next| next.first);
        let kept = self.keep_batches(place, from..to, store);
        files.push(Recovered { base: self.segments.list[place].base, length: Some(kept) });
        self.drop_segments_behind(place, from, kept, files);
        self.load_end(store);
        self.first = self.first.min(self.len);
        self.start = self.start.min(self.end);
        self.segments.last_has_changed();
    }

    /// The segment at this place, of so many bytes and up to this batch, is the last from here on.
    fn drop_segments_behind(&mut self, place: usize, len: usize, bytes: Bytes, files: &mut Vec<Recovered>) {
        let gone = self.segments.list.drain(place + 1..).map(|segment| segment.base);
        files.extend(gone.map(|base| Recovered { base, length: None }));
        self.len = len;
        self.bytes = self.segments.list[place].position + bytes;
    }

    /// A process loads the log, which ends where its last batch does (`LogSegment.readNextOffset`).
    pub fn load_end(&mut self, store: &Store) {
        let active = self.segments.active();
        self.end = match self.len.checked_sub(1).filter(|&last| last >= active.first) {
            Some(last) => {
                let entry = self.entry_at(last);
                entry.base_offset.plus(u64::from(store.batch(entry.batch).records))
            }
            None => active.base,
        };
    }

    /// The batches of a segment that do not lie within its first bytes.
    fn batches_beyond(&self, place: usize, left: Bytes, store: &Store) -> (usize, usize) {
        let first = self.segments.list[place].first;
        let to = self.segments.list.get(place + 1).map_or(self.len, |next| next.first);
        let mut bytes = Bytes::ZERO;
        for index in first..to {
            bytes += store.batch(self.entry_at(index).batch).bytes;
            if bytes > left {
                return (index, to);
            }
        }
        (to, to)
    }

    /// Takes batches from the end of a segment; what lies behind moves up. Gives the segment's size then.
    fn keep_batches(&mut self, place: usize, gone: std::ops::Range<usize>, store: &Store) -> Bytes {
        let bytes = gone.clone().map(|index| store.batch(self.entry_at(index).batch).bytes);
        let less = bytes.fold(Bytes::ZERO, |sum, bytes| sum + bytes);
        let kept = self.segment_bytes(place) - less;
        for index in gone.end..self.len {
            let entry = self.entry_at(index);
            self.put(index - gone.len(), entry);
        }
        self.len -= gone.len();
        self.bytes = self.bytes - less;
        for later in &mut self.segments.list[place + 1..] {
            later.first -= gone.len();
            later.position = later.position - less;
        }
        kept
    }

    /// The log begins at `start` from here on; what lies before is not read any more. Segments that hold nothing else stay
    /// until they are taken away. Gives whether that is news.
    pub fn raise_start(&mut self, start: Offset) -> bool {
        if start <= self.start {
            return false;
        }
        assert!(start <= self.end, "a log does not begin behind its end");
        self.start = start;
        self.first = self.first_at_or_after(start);
        self.epochs.truncate_to_start(start);
        true
    }

    /// A process loads the log, which begins where its first segment does or, if that is later, where the checkpoint says. If
    /// it ends before that, everything goes (`LogLoader.deleteSegmentsIfLogStartGreaterThanLogEnd`).
    pub fn load_start(&mut self, checkpoint: Offset) {
        if self.end < checkpoint {
            return self.restart_at(checkpoint);
        }
        let oldest = self.segments.list[0];
        self.start = checkpoint.max(oldest.base);
        self.first = oldest.first;
        self.first = self.first_at_or_after(self.start);
    }

    /// Takes the oldest segments away, which all lie below the log start.
    pub fn remove_segments(&mut self, count: usize) {
        assert!(count < self.segments.list.len(), "a log has a segment");
        assert!(self.segments.list[count].base <= self.start, "what is read is not taken away");
        self.segments.list.drain(..count);
    }

    /// Forgets everything and goes on at `offset` (`truncateFullyAndStartAt`).
    pub fn restart_at(&mut self, offset: Offset) {
        self.clear();
        self.start = offset;
        self.end = offset;
        self.segments.begin_anew(offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::protocol::LogEntry;
    use crate::cluster::store::MessageRun;
    use crate::cluster::units::{LeaderEpoch, MessageId, ProducerEpoch, ProducerId, Sequence};

    fn at(milliseconds: u64) -> Time {
        Time::ZERO + Span::from_milliseconds(milliseconds)
    }

    /// Appends a batch of ten records of that size and timestamp.
    fn append(log: &mut Log, store: &mut Store, bytes: u64, timestamp: u64) {
        let (bytes, timestamp) = (Bytes::new(bytes), at(timestamp));
        let run = MessageRun { first: MessageId(0), count: 10 };
        let producer = (ProducerId(0), ProducerEpoch(0), Sequence(0));
        let batch = store.add_batch(producer, &[run], bytes, timestamp);
        if log.must_roll(bytes, timestamp, store) {
            log.roll(store);
        }
        log.append(LogEntry { base_offset: log.end(), batch, epoch: LeaderEpoch(0) }, 10, bytes);
    }

    /// Batches of 100 bytes, three a segment.
    fn filled(batches: u64) -> (Log, Store) {
        let limits = SegmentLimits { bytes: Bytes::new(300), span: Span::FOREVER };
        let (mut log, mut store) = (Log::with_limits(limits), Store::default());
        for number in 0..batches {
            append(&mut log, &mut store, 100, number);
        }
        (log, store)
    }

    fn bases(log: &Log) -> Vec<u64> {
        log.segments().iter().map(|segment| segment.base.0).collect()
    }

    fn offsets(log: &Log) -> Vec<u64> {
        log.entries().map(|entry| entry.base_offset.0).collect()
    }

    #[test]
    fn a_read_ends_with_the_segment() {
        let (log, store) = filled(8);
        // From where, up to where, how many bytes; what comes.
        let cases: [(u64, u64, u64, &[u64]); 5] = [
            (0, 80, 1_000, &[0, 10, 20]),
            (25, 80, 1_000, &[20]),
            (30, 80, 200, &[30, 40]),
            (60, 80, 1_000, &[60, 70]),
            (0, 20, 1_000, &[0, 10]),
        ];
        for (from, limit, bytes, expected) in cases {
            let mut read = Vec::new();
            let into = &mut |entry: LogEntry, _| read.push(entry.base_offset.0);
            log.read(Offset(from), Offset(limit), Bytes::new(bytes), &store, into);
            assert_eq!(read, expected, "from {from} below {limit}, {bytes} bytes");
        }
    }

    #[test]
    fn a_segment_is_full_by_size_or_by_the_timestamps_of_its_first_and_the_next_batch() {
        // `segment.ms`; size and timestamp of each batch; where segments begin.
        type Case = (u64, &'static [(u64, u64)], &'static [u64]);
        let cases: [Case; 6] = [
            (1_000, &[(100, 0), (100, 1), (100, 2), (100, 3)], &[0, 30]),
            (1_000, &[(100, 0), (150, 0), (51, 0)], &[0, 20]),
            (1_000, &[(100, 0), (150, 0), (50, 0)], &[0]),
            (1_000, &[(1, 7), (1, 1_007), (1, 1_008), (1, 2_008), (1, 2_009)], &[0, 20, 40]),
            // Timestamps are the producers': they may go back, and what is early never begins a segment.
            (1_000, &[(1, 5_000), (1, 1), (1, 6_000), (1, 6_001)], &[0, 30]),
            (1_000, &[(300, 0), (300, 0), (1, 0)], &[0, 10, 20]),
        ];
        for (number, (span, batches, begin)) in cases.into_iter().enumerate() {
            let limits = SegmentLimits { bytes: Bytes::new(300), span: Span::from_milliseconds(span) };
            let (mut log, mut store) = (Log::with_limits(limits), Store::default());
            for &(bytes, timestamp) in batches {
                append(&mut log, &mut store, bytes, timestamp);
            }
            assert_eq!(bases(&log), begin, "case {number}");
        }
    }

    #[test]
    fn a_truncation_takes_whole_segments_and_the_last_goes_on() {
        for (to, begin, end) in
            [(75, vec![0, 30, 60], 75), (60, vec![0, 30, 60], 60), (59, vec![0, 30], 59), (0, vec![0], 0)]
        {
            let (mut log, mut store) = filled(8);
            log.truncate_to(Offset(to), &store);
            assert_eq!((bases(&log), log.end().0), (begin, end), "to {to}");
            let room = 3 - (log.segment_bytes(log.segments().len() - 1).get() / 100) as usize;
            let before = log.segments().len();
            for _ in 0..=room {
                append(&mut log, &mut store, 100, 100);
            }
            assert_eq!(log.segments().len(), before + 1, "to {to}: it has room for {room}");
        }
    }

    #[test]
    fn segments_are_taken_from_the_start_and_indexes_stay() {
        let (mut log, mut store) = filled(8);
        let seventh = log.entry(6);
        assert!(log.raise_start(Offset(50)) && !log.raise_start(Offset(40)));
        assert_eq!((bases(&log), offsets(&log)), (vec![0, 30, 60], vec![50, 60, 70]));
        log.remove_segments(1);
        assert_eq!((bases(&log), log.size()), (vec![30, 60], Bytes::new(500)));
        assert_eq!((log.first(), log.entry(6)), (5, seventh));
        append(&mut log, &mut store, 100, 100);
        assert_eq!(log.len(), 9);
        log.truncate_to(Offset(55), &store);
        assert_eq!((log.start(), log.end(), offsets(&log)), (Offset(50), Offset(55), vec![]));
        // Below what there is: everything goes, and the log begins there.
        log.truncate_to(Offset(20), &store);
        assert_eq!((log.start(), log.end(), bases(&log)), (Offset(20), Offset(20), vec![20]));
        append(&mut log, &mut store, 100, 100);
        assert_eq!(offsets(&log), [20]);
    }

    #[test]
    fn recovery_cuts_at_the_first_torn_batch_and_not_before_the_recovery_point() {
        // The recovery point; what is left of each segment; the offsets there are then, where the log ends, up to where it is
        // whole, and the segments.
        type Case = (u64, [u64; 3], &'static [u64], u64, u64, &'static [u64]);
        let cases: [Case; 8] = [
            (0, [300, 300, 200], &[0, 10, 20, 30, 40, 50, 60, 70], 80, 80, &[0, 30, 60]),
            (0, [300, 300, 150], &[0, 10, 20, 30, 40, 50, 60], 70, 70, &[0, 30, 60]),
            (70, [300, 300, 0], &[0, 10, 20, 30, 40, 50], 60, 60, &[0, 30, 60]),
            // Torn: what is behind goes.
            (0, [300, 250, 200], &[0, 10, 20, 30, 40], 50, 50, &[0, 30]),
            (30, [300, 1, 200], &[0, 10, 20], 30, 30, &[0, 30]),
            // Cut between two batches: nobody notices.
            (0, [300, 200, 200], &[0, 10, 20, 30, 40, 60, 70], 80, 50, &[0, 30, 60]),
            (0, [300, 0, 200], &[0, 10, 20, 60, 70], 80, 30, &[0, 30, 60]),
            // Torn where nobody looks.
            (60, [300, 250, 200], &[0, 10, 20, 30, 40, 60, 70], 80, 50, &[0, 30, 60]),
        ];
        for (recovery_point, left, there, end, whole, begin) in cases {
            let (mut log, mut store) = filled(8);
            let mut files = Vec::new();
            let up_to = log.recover(&left.map(Bytes::new), Some(Offset(recovery_point)), &store, &mut files);
            let case = format!("{recovery_point} {left:?}");
            assert_eq!((offsets(&log), log.end().0, up_to.0), (there.to_vec(), end, whole), "{case}");
            assert_eq!(
                (bases(&log), log.bytes().get()),
                (begin.to_vec(), 100 * there.len() as u64),
                "{case}"
            );
            let kept = files.iter().filter_map(|file| file.length).map(Bytes::get);
            let lengths: Vec<u64> = kept.collect();
            assert!(lengths.iter().all(|length| length % 100 == 0), "{case}: {lengths:?}");
            append(&mut log, &mut store, 100, 100);
            assert_eq!(log.entries().last().map(|entry| entry.base_offset.0), Some(end), "{case}");
        }
    }

    #[test]
    fn recovery_cuts_at_a_bad_byte_and_not_before_the_recovery_point() {
        // The recovery point, which batch has the bad byte; the offsets there are then, and the segments.
        type Case = (u64, usize, &'static [u64], &'static [u64]);
        const ALL: &[u64] = &[0, 10, 20, 30, 40, 50, 60, 70];
        let cases: [Case; 6] = [
            (0, 0, &[], &[0]),
            (0, 4, &[0, 10, 20, 30], &[0, 30]),
            (50, 4, &[0, 10, 20, 30], &[0, 30]),
            (30, 3, &[0, 10, 20], &[0, 30]),
            (60, 4, ALL, &[0, 30, 60]),
            (80, 7, &[0, 10, 20, 30, 40, 50, 60], &[0, 30, 60]),
        ];
        for (recovery_point, bad, there, begin) in cases {
            let (mut log, mut store) = filled(8);
            log.replace(bad, store.add_rotten(log.entry(bad).batch));
            let mut files = Vec::new();
            log.cut_rotten(Offset(recovery_point), &store, &mut files);
            let case = format!("{recovery_point} {bad}");
            let end = 10 * there.len() as u64;
            assert_eq!((offsets(&log), log.end().0), (there.to_vec(), end), "{case}");
            assert_eq!((bases(&log), log.bytes().get()), (begin.to_vec(), 10 * end), "{case}");
            let gone = files.iter().filter(|file| file.length.is_none()).count();
            assert_eq!(gone, 3 - begin.len(), "{case}: {files:?}");
            append(&mut log, &mut store, 100, 100);
            assert_eq!(log.entries().last().map(|entry| entry.base_offset.0), Some(end), "{case}");
        }
    }

    #[test]
    fn without_a_scan_a_torn_tail_stays_until_it_is_cut() {
        for (recovery_point, left, torn) in
            [(None, 150, true), (Some(Offset(70)), 150, false), (None, 100, false), (None, 200, false)]
        {
            let (mut log, store) = filled(8);
            log.recover(&[300, 300, left].map(Bytes::new), recovery_point, &store, &mut Vec::new());
            assert_eq!(log.has_torn_tail(), torn, "{recovery_point:?} {left}");
            log.truncate_to(log.end(), &store);
            assert_eq!(log.has_torn_tail(), torn, "nothing is cut");
            log.truncate_to(Offset(60), &store);
            assert!(!log.has_torn_tail());
        }
    }
}
