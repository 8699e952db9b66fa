//! When a log is fsynced, and who waits for that (`UnifiedLog.append`, `UnifiedLog.flush`, `LogManager.flushDirtyLogs`).
//!
//! With `flush.messages` the fsync is part of the append, which holds the log's lock: the thread that appends, a handler of
//! produce requests or a follower's fetcher, goes on only when it has ended. Meanwhile other appends wait for the lock, and
//! so does the high watermark, whoever would move it; reads do not: a follower may have the records before the leader's
//! disk has. What a leader has not fsynced thus never counts for the high watermark.
//!
//! An epoch that is new to a log is written to the leader-epoch file, and fsynced, before a leader serves under it and before
//! a follower appends its first batch (`LeaderEpochFileCache.assign`).
//!
//! With `flush.ms` a task of the log manager asks for the fsync, and nobody waits but that task.
//!
//! `Departure from Kafka:` the fsync of a segment is one, where Kafka fsyncs its indexes after it; a change of role waits for
//! the one fsync under way and not for appends behind it; what waits for the lock is let in as it came; a follower's fetch
//! that would move the high watermark is answered without waiting. A fetcher's thread appends what one response has for all
//! its partitions at once, and then waits for all their fsyncs; of an epoch too. What a truncation takes from the leader-epoch
//! file is gone at once, where Kafka writes it without waiting (KAFKA-15046).

use super::storage::File;
use super::{BrokerPort, Node, Timer};
use crate::cluster::happened::Happened;
use crate::cluster::units::{Offset, PartitionId};
use crate::devices::port::{Effect, Outbox};
use crate::kernel::units::{Bytes, Span, Time};

/// How far one log is flushed, and whether its lock is held by an append that waits for its fsync.
#[derive(Clone, Debug, Default)]
pub(super) struct LogFlush {
    /// What is below it is on the disk, as far as this process knows (`recoveryPoint`).
    recovery_point: Offset,
    last_flush: Time,
    /// How many fsyncs an append or a change of role waits for.
    locked: u32,
    /// Produce requests that wait for the lock, by their places among the parked.
    appends: Vec<u32>,
    /// A change of role waits for the lock.
    role_changes: bool,
}

/// An fsync under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flushing {
    token: u32,
    place: u32,
    /// Up to where the log is flushed then.
    up_to: Offset,
    /// Where the last segment begins that it is of.
    segment: Offset,
    waits: Waits,
}

/// Who goes on when an fsync has ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waits {
    /// A produce request.
    Produce(usize),
    /// A fetcher's thread.
    Fetcher(usize),
    /// A replica that begins to lead.
    Leader,
    /// Nobody but the task of `flush.ms`.
    Nobody,
    /// Nobody but a task of its own, after another segment was begun.
    Roll,
}

impl LogFlush {
    /// A log loaded at `now`, flushed up to there.
    pub(super) fn loaded(now: Time, recovery_point: Offset) -> LogFlush {
        LogFlush { recovery_point, last_flush: now, ..LogFlush::default() }
    }

    /// Whether an append or a change of role waits for an fsync.
    #[inline]
    pub(super) fn is_locked(&self) -> bool {
        self.locked > 0
    }

    /// `recoveryPoint`.
    pub(super) fn recovery_point(&self) -> Offset {
        self.recovery_point
    }

    /// A produce request waits for the lock.
    pub(super) fn wait(&mut self, produce: u32) {
        self.appends.push(produce);
    }

    /// A change of role waits for the lock.
    pub(super) fn change_role_later(&mut self) {
        self.role_changes = true;
    }

    /// The log is gone. Who waits for the lock is let in, and finds nothing to append to.
    pub(super) fn deleted(&mut self, now: Time) {
        let appends = std::mem::take(&mut self.appends);
        *self = LogFlush { appends, ..LogFlush::loaded(now, Offset::ZERO) };
    }

    /// What lay below has been deleted.
    pub(super) fn removed_up_to(&mut self, start: Offset) {
        self.recovery_point = self.recovery_point.max(start);
    }

    /// The log was cut to end there.
    fn truncated(&mut self, end: Offset) {
        self.recovery_point = self.recovery_point.min(end);
    }
}

/// Names fsyncs that nobody is to be told of.
const NOBODY: u32 = 0;

impl Flushing {
    /// Whether it is of the log at this place.
    pub(super) fn is_of(&self, place: usize) -> bool {
        self.place as usize == place
    }
}

impl Node<'_> {
    /// Records have been appended: if `flush.messages` of them are not flushed, the append goes on when they are. Gives
    /// whether that is so.
    #[inline]
    pub(super) fn flush_after_append(
        &mut self,
        place: usize,
        waits: Waits,
        out: &mut Outbox<'_, BrokerPort>,
    ) -> bool {
        let Some(most) = self.running.replicas[place].options.flush_messages else { return false };
        let flush = &mut self.running.flushes[place];
        if self.stored.logs[place].end().0 - flush.recovery_point.0 < most {
            return false;
        }
        flush.locked += 1;
        self.flush_log(place, waits, out);
        true
    }

    /// The leader-epoch file has an epoch more: who has it goes on when that is durable.
    pub(super) fn write_leader_epochs(
        &mut self,
        place: usize,
        waits: Waits,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let token = self.stored.next_flush_token();
        self.running.flushes[place].locked += 1;
        let (up_to, segment) = (Offset::ZERO, Offset::ZERO);
        self.running.flushing.push(Flushing { token, place: place as u32, up_to, segment, waits });
        let epochs = self.stored.logs[place].epochs().entries().len() as u64;
        let file = File::LeaderEpochs(self.running.replicas[place].partition);
        out.ask(Effect::Replace(file, Bytes::new(10 + 12 * epochs), token));
    }

    fn flush_log(&mut self, place: usize, waits: Waits, out: &mut Outbox<'_, BrokerPort>) {
        self.flush_segments(place, self.stored.logs[place].end(), waits, out);
    }

    /// Fsyncs the segments from the recovery point on that begin below `up_to`, one after the other (`LocalLog.flush`). Who
    /// waits goes on after the last.
    fn flush_segments(
        &mut self,
        place: usize,
        up_to: Offset,
        waits: Waits,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let token = self.stored.next_flush_token();
        let log = &self.stored.logs[place];
        let partition = self.running.replicas[place].partition;
        let from = log.segment_of(self.running.flushes[place].recovery_point);
        let bases = log.segments()[from..].iter().map(|segment| segment.base);
        let mut bases = bases.take_while(|&base| base < up_to).peekable();
        while let Some(segment) = bases.next() {
            let is_last = bases.peek().is_none();
            out.ask(Effect::Flush(File::Log(partition, segment), if is_last { token } else { NOBODY }));
            if is_last {
                self.running.flushing.push(Flushing { token, place: place as u32, up_to, segment, waits });
            }
        }
    }

    /// Before so many bytes with this greatest timestamp are appended: begins another segment if they do not go into this one
    /// (`UnifiedLog.maybeRoll`).
    #[inline]
    pub(super) fn maybe_roll(
        &mut self,
        place: usize,
        (bytes, timestamp): (Bytes, Time),
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        if self.stored.logs[place].must_roll(bytes, timestamp, out.store) {
            self.roll(place, out);
        }
    }

    /// Begins another segment. What is known of the producers is written down, and that and the segments before are fsynced
    /// by a task that nobody waits for (`flush-log`).
    pub(super) fn roll(&mut self, place: usize, out: &mut Outbox<'_, BrokerPort>) {
        let (log, replica) = (&mut self.stored.logs[place], &self.running.replicas[place]);
        log.roll(out.store);
        let (partition, base) = (replica.partition, log.end());
        if replica.producers.take_snapshot(log, &mut self.stored.snapshots[place]) {
            out.ask(Effect::Replace(File::ProducerSnapshot(partition), Bytes::new(100), NOBODY));
        }
        out.note(Happened::Rolled { partition, base });
        if base > self.running.flushes[place].recovery_point {
            self.flush_segments(place, base, Waits::Roll, out);
        }
    }

    /// The log was cut to end there, or begun anew: what takes the place of the rest is in no fsync under way.
    pub(super) fn cut_flushes(&mut self, place: usize, end: Offset) {
        self.running.flushes[place].truncated(end);
        for flushing in self.running.flushing.iter_mut().filter(|flushing| flushing.is_of(place)) {
            flushing.up_to = flushing.up_to.min(end);
        }
    }

    /// A segment's file is gone: a task that asked for its fsync hears no more of it.
    pub(super) fn delete_segment(&mut self, place: usize, base: Offset, out: &mut Outbox<'_, BrokerPort>) {
        out.ask(Effect::Delete(File::Log(self.running.replicas[place].partition, base)));
        self.running.flushing.retain(|flushing| {
            let is_a_task = matches!(flushing.waits, Waits::Nobody | Waits::Roll);
            !(is_a_task && flushing.is_of(place) && flushing.segment == base)
        });
    }

    /// `flush.ms`: fsyncs what has not been fsynced for so long, and comes again.
    ///
    /// By default `log.flush.scheduler.interval.ms` is for ever, and then this comes once, `log.initial.task.delay.ms` after the
    /// start, whatever `flush.ms` says.
    pub(super) fn on_log_flush(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        out.set_timer(Timer::LogFlush, self.config.options.log_flush_scheduler_interval);
        // The task itself waits for the fsyncs it asks for, so that it never runs twice at a time.
        if self.running.flushing.iter().any(|flushing| matches!(flushing.waits, Waits::Nobody)) {
            return;
        }
        for place in 0..self.running.replicas.len() {
            let flush = &self.running.flushes[place];
            let due = now.since(flush.last_flush) >= self.running.replicas[place].options.flush_interval;
            if due && self.stored.logs[place].end() > flush.recovery_point {
                self.flush_log(place, Waits::Nobody, out);
            }
        }
    }

    /// An fsync of a log, or of its leader-epoch file, has ended.
    pub(super) fn on_log_flushed(
        &mut self,
        now: Time,
        partition: PartitionId,
        token: u32,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        if token == NOBODY {
            return;
        }
        let under_way = &mut self.running.flushing;
        // Told of it only after it has stood still, a process may have deleted the file meanwhile.
        let Some(index) = under_way.iter().position(|flushing| flushing.token == token) else { return };
        let ended = under_way.swap_remove(index);
        let place = ended.place as usize;
        assert_eq!(
            self.running.replicas[place].partition, partition,
            "an fsync is of the file it was asked for"
        );
        let flush = &mut self.running.flushes[place];
        if ended.up_to > flush.recovery_point {
            flush.recovery_point = ended.up_to;
            flush.last_flush = now;
        }
        match ended.waits {
            Waits::Produce(slot) => {
                self.unlock(place);
                let moved = self.advance_high_watermark(now, place, out);
                self.go_on_with_produce(now, slot, out);
                if moved {
                    self.complete_produces(place, out);
                    self.complete_fetches(now, place, out);
                }
                self.after_unlock(now, place, out);
            }
            Waits::Fetcher(thread) => {
                self.unlock(place);
                self.after_unlock(now, place, out);
                self.running.fetchers[thread].flushing -= 1;
                self.fetch_from(now, thread, out);
            }
            Waits::Leader => {
                self.unlock(place);
                self.after_isr_change(now, place, out);
                self.after_unlock(now, place, out);
            }
            Waits::Nobody | Waits::Roll => (),
        }
    }

    fn unlock(&mut self, place: usize) {
        self.running.flushes[place].locked -= 1;
    }

    /// Lets in who waited for the lock.
    fn after_unlock(&mut self, now: Time, place: usize, out: &mut Outbox<'_, BrokerPort>) {
        if self.running.flushes[place].is_locked() {
            return;
        }
        if std::mem::take(&mut self.running.flushes[place].role_changes) {
            let state = *self.running.image.partition(self.running.replicas[place].partition);
            self.apply(now, place, &state, out);
            self.end_idle_fetchers(out);
        }
        while !self.running.flushes[place].is_locked() && !self.running.flushes[place].appends.is_empty() {
            let slot = self.running.flushes[place].appends.remove(0);
            self.go_on_with_produce(now, slot as usize, out);
        }
    }

    /// The instant a task of the log manager first runs in a new process, and in one that has been running for long.
    pub(super) fn schedule_log_tasks(&self, running_for_long: bool, out: &mut Outbox<'_, BrokerPort>) {
        let options = &self.config.options;
        for (timer, period) in [
            (Timer::LogFlush, options.log_flush_scheduler_interval),
            (Timer::RecoveryPointCheckpoint, options.log_flush_offset_checkpoint_interval),
            (Timer::LogRetention, options.log_retention_check_interval),
            (Timer::LogStartCheckpoint, options.log_flush_start_offset_checkpoint_interval),
        ] {
            if !running_for_long {
                out.set_timer(timer, options.log_initial_task_delay);
            } else if period < Span::FOREVER {
                out.ask(Effect::SetTimer(timer, Span::ZERO, period));
            }
        }
    }

    /// Writes every log's recovery point down, and comes again (`checkpointLogRecoveryOffsets`).
    pub(super) fn on_recovery_point_checkpoint(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        let period = self.config.options.log_flush_offset_checkpoint_interval;
        out.set_timer(Timer::RecoveryPointCheckpoint, period);
        self.write_recovery_points(out);
    }

    /// Also after a truncation: a recovery point above what is left would have the next start trust what takes its place.
    pub(super) fn write_recovery_points(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        let all = self.running.flushes.iter().map(LogFlush::recovery_point);
        let (bytes, token) = self.stored.write_recovery_points(all);
        out.ask(Effect::Replace(File::RecoveryPoints, bytes, token));
    }
}
