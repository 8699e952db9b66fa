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
        let mut segments = Segments { list: Vec::new(), limits, rolls_at: Bytes::ZERO, rolls_after: Time::ZERO };
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
    /// looked at.
    pub fn recover(
        &mut self,
        left: &[Bytes],
        recovery_point: Offset,
        store: &Store,
        files: &mut Vec<Recovered>,
    ) -> Offset {
        assert_eq!(left.len(), self.segments.list.len(), "a file a segment");
        let scanned = self.segment_of(recovery_point);
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
                if kept < left && place >= scanned {
                    let gone = self.segments.list.drain(place + 1..).map(|segment| segment.base);
                    files.extend(gone.map(|base| Recovered { base, length: None }));
                    self.len = from;
                    self.bytes = self.segments.list[place].position + kept;
                }
            }
            place += 1;
        }
        let active = self.segments.active();
        self.end = match self.len.checked_sub(1).filter(|&last| last >= active.first) {
            Some(last) => {
                let entry = self.entry_at(last);
                entry.base_offset.plus(u64::from(store.batch(entry.batch).records))
            }
            None => active.base,
        };
        self.first = self.first.min(self.len);
        self.start = self.start.min(self.end);
        self.segments.last_has_changed();
        whole.min(self.end)
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
