//! Where a log begins: old segments deleted, a leader's log start followed, and a log begun anew where a leader's begins
//! (`LogManager.cleanupLogs`, `UnifiedLog.deleteOldSegments`, `UnifiedLog.maybeIncrementLogStartOffset`,
//! `UnifiedLog.truncateFullyAndStartAt`).
//!
//! Each replica looks at its own log and its own high watermark, and deletes whole segments, the oldest first. A record thus
//! stays at least as long as `retention.ms` says, and longer by what its segment waits to be full and the check to come.
//!
//! `Departure from Kafka:` `cleanup.policy` is `delete`; nobody deletes records by request (DeleteRecords); a log whose lock an
//! append holds while it is fsynced is looked at when the check comes again, and not as soon as the lock is free.

use super::storage::File;
use super::{BrokerPort, Node, Timer};
use crate::cluster::happened::Happened;
use crate::cluster::log::Log;
use crate::cluster::planted::Planted;
use crate::cluster::store::Store;
use crate::cluster::units::Offset;
use crate::devices::port::{Effect, Outbox};
use crate::kernel::units::{Bytes, Span, Time};

impl Node<'_> {
    /// `log.retention.check.interval.ms`: deletes what is too old or too much, and comes again.
    pub(super) fn on_log_retention(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        out.set_timer(Timer::LogRetention, self.config.options.log_retention_check_interval);
        for place in 0..self.running.replicas.len() {
            if self.stored.present[place] && !self.running.flushes[place].is_locked() {
                self.delete_old_segments(now, place, out);
            }
        }
    }

    /// First what lies below the log start, then what is too much, then what is too old.
    fn delete_old_segments(&mut self, now: Time, place: usize, out: &mut Outbox<'_, BrokerPort>) {
        let options = self.running.replicas[place].options;
        let passed = {
            let log = &self.stored.logs[place];
            log.segments()[1..].iter().take_while(|next| next.base <= log.start()).count()
        };
        self.delete_segments(place, passed, out);
        if let Some(most) = options.retention_bytes {
            let mut over = self.stored.logs[place].size().saturating_sub(most);
            let too_many = self.deletable(place, out.store, |log, segment, _| {
                let bytes = log.segment_bytes(segment);
                let is_over = over >= bytes;
                over = over.saturating_sub(bytes);
                is_over
            });
            self.delete_segments(place, too_many, out);
        }
        if options.retention_span < Span::FOREVER {
            let today = now.whole_milliseconds();
            let too_old = self.deletable(place, out.store, |log, segment, store| {
                let newest = log.largest_timestamp(segment, store).whole_milliseconds();
                today.since(newest) > options.retention_span
            });
            self.delete_segments(place, too_old, out);
        }
    }

    /// How many of the oldest segments are such and lie below the high watermark. An empty last one never counts.
    fn deletable(
        &self,
        place: usize,
        store: &Store,
        mut is_such: impl FnMut(&Log, usize, &Store) -> bool,
    ) -> usize {
        let (log, high_watermark) = (&self.stored.logs[place], self.running.replicas[place].high_watermark);
        let any_offset = Planted::RetentionIgnoresHighWatermark.is(self.config.planted);
        (0..log.segments().len())
            .take_while(|&segment| {
                let next = log.segments().get(segment + 1);
                let end = next.map_or(log.end(), |next| next.base);
                let is_empty = next.is_none() && log.segment_bytes(segment) == Bytes::ZERO;
                !is_empty && (any_offset || high_watermark >= end) && is_such(log, segment, store)
            })
            .count()
    }

    /// Deletes the oldest segments. If that is all of them, another is begun first.
    fn delete_segments(&mut self, place: usize, count: usize, out: &mut Outbox<'_, BrokerPort>) {
        if count == 0 {
            return;
        }
        if count == self.stored.logs[place].segments().len() {
            self.roll(place, out);
        }
        let start = self.stored.logs[place].segments()[count].base;
        self.raise_log_start(place, start, true, out);
        for _ in 0..count {
            let base = self.stored.logs[place].segments()[0].base;
            self.stored.logs[place].remove_segments(1);
            self.delete_segment(place, base, out);
        }
        self.running.flushes[place].removed_up_to(start);
    }

    /// The log begins at `start` or later.
    #[inline]
    pub(super) fn raise_log_start(
        &mut self,
        place: usize,
        start: Offset,
        retention: bool,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let log = &mut self.stored.logs[place];
        let old = log.start();
        if start <= old {
            return;
        }
        log.raise_start(start);
        let partition = self.running.replicas[place].partition;
        out.note(Happened::LogStart { partition, old, new: start, retention });
        let replica = &mut self.running.replicas[place];
        if replica.high_watermark < start {
            assert!(self.config.planted.is_some(), "what is deleted lies below the high watermark");
            let old = std::mem::replace(&mut replica.high_watermark, start);
            let (epoch, leading) = (replica.leader_epoch.unwrap_or_default(), replica.leader().is_some());
            out.note(Happened::HighWatermark { partition, old, new: start, epoch, leading });
        }
    }

    /// A follower's log ends before its leader's begins: everything goes, and it begins there.
    pub(super) fn restart_log(&mut self, place: usize, start: Offset, out: &mut Outbox<'_, BrokerPort>) {
        let replica = &mut self.running.replicas[place];
        let log = &mut self.stored.logs[place];
        let (partition, old, epoch) =
            (replica.partition, log.end(), replica.leader_epoch.unwrap_or_default());
        let bases: Vec<Offset> = log.segments().iter().map(|segment| segment.base).collect();
        log.restart_at(start);
        replica.producers.restarted(&mut self.stored.snapshots[place]);
        for base in bases {
            self.delete_segment(place, base, out);
        }
        self.cut_flushes(place, start);
        out.note(Happened::Restarted { partition, old, new: start, epoch });
        self.follow_high_watermark(place, start, out);
        self.write_recovery_points(out);
    }

    /// Writes down where logs begin that begin behind the first offset of their first segment, and comes again
    /// (`checkpointLogStartOffsets`).
    pub(super) fn on_log_start_checkpoint(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        let period = self.config.options.log_flush_start_offset_checkpoint_interval;
        out.set_timer(Timer::LogStartCheckpoint, period);
        self.write_log_starts(out);
    }

    /// `Departure from Kafka:` the file is not written while it would be, and was, empty.
    pub(super) fn write_log_starts(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        if let Some((bytes, token)) = self.stored.write_log_starts() {
            out.ask(Effect::Replace(File::LogStarts, bytes, token));
        }
    }
}
