//! The follower's side: one loop for each leader, that fetches for every partition it leads
//! (`AbstractFetcherThread`, `ReplicaFetcherThread`; `num.replica.fetchers` = 1).
//!
//! `Departure from Kafka:` every fetch names all its partitions, where a session names those that changed (KIP-227); what the
//! two say is the same.

use super::flush::Waits;
use super::out_of_range::OutOfRange;
use super::storage::File;
use super::{BrokerPort, FETCHER, Line, Node, Timer};
use crate::cluster::happened::Happened;
use crate::cluster::line::{Alarm, LineOptions, SETUP_TIMEOUT};
use crate::cluster::log::Log;
use crate::cluster::planted::Planted;
use crate::cluster::protocol::{
    ErrorCode, Fetch, FetchLimits, FetchPartition, Fetched, FetchedPartition, Fetcher, LogEnd, LogEntry,
    Message,
};
use crate::cluster::replica::divergence::truncation_offset;
use crate::cluster::replica::follower::Follower;
use crate::cluster::units::{LeaderEpoch, Offset};
use crate::devices::port::{Effect, Outbox, Peer};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// One loop.
#[derive(Clone, Debug)]
pub(super) struct FetcherThread {
    leader: NodeId,
    pub(super) line: Line,
    /// The replicas it fetches for, by their places.
    pub(super) places: Vec<u32>,
    /// What the request under way asks for, with its places.
    asked: Vec<(u32, FetchPartition)>,
    pub(super) out_of_range: OutOfRange,
    /// How many fsyncs it waits for before it goes on.
    pub(super) flushing: u32,
}

impl FetcherThread {
    /// Whether it fetches for this replica; those asked about one after the other are found quickly if they stand so.
    #[inline]
    fn fetches_for(&self, place: u32, looked_at: &mut usize) -> bool {
        let (before, rest) = self.places.split_at((*looked_at).min(self.places.len()));
        match rest.iter().position(|&one| one == place) {
            Some(found) => {
                *looked_at = before.len() + found + 1;
                true
            }
            None => before.contains(&place),
        }
    }
}

impl Node<'_> {
    /// The loop that fetches from `leader`.
    pub(super) fn fetcher_of(&self, leader: NodeId) -> Option<usize> {
        self.running.fetchers.iter().position(|thread| thread.leader == leader)
    }

    /// Fetches for this replica from `leader` from now on.
    pub(super) fn add_to_fetcher(
        &mut self,
        now: Time,
        place: usize,
        leader: NodeId,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let thread = self.fetcher_of(leader).unwrap_or_else(|| {
            let place = self.running.fetchers.len();
            // The inter-broker sender asks for no ApiVersions and has no back-off of its own: the loop backs off.
            let options = LineOptions {
                round_trips: 1,
                request_timeout: self.config.options.replica_socket_timeout,
                reconnect_backoff: Span::ZERO,
                reconnect_backoff_max: Span::ZERO,
                setup_timeout: SETUP_TIMEOUT,
            };
            let line =
                Line::new(Peer { node: leader, channel: FETCHER }, options, Timer::FetcherLine(place as u32));
            self.running.fetchers.push(FetcherThread {
                leader,
                line,
                places: Vec::new(),
                asked: Vec::new(),
                out_of_range: OutOfRange::default(),
                flushing: 0,
            });
            place
        });
        self.running.fetchers[thread].places.push(place as u32);
        self.fetch_from(now, thread, out);
    }

    /// Fetches for this replica no more. Its loop goes on for now, and with it the request under way: a replica that follows the
    /// same leader again, under another epoch, may be told what was asked under the old one.
    pub(super) fn remove_from_fetchers(&mut self, place: usize) {
        for thread in &mut self.running.fetchers {
            thread.places.retain(|&one| one as usize != place);
        }
    }

    /// Loops without replicas end, and their connections with them (`shutdownIdleFetcherThreads`, after each publication of
    /// metadata).
    pub(super) fn end_idle_fetchers(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        for (index, thread) in self.running.fetchers.iter_mut().enumerate() {
            if thread.places.is_empty() && !thread.line.is_closed() {
                thread.line.close(out);
                thread.out_of_range.forget();
                out.cancel_timer(Timer::FetcherBackoff(index as u32));
            }
        }
    }

    /// The next request, if the line is free and a partition is ready.
    pub(super) fn fetch_from(&mut self, now: Time, place: usize, out: &mut Outbox<'_, BrokerPort>) {
        let (options, planted) = (&self.config.options, self.config.planted);
        let running = &mut *self.running;
        let thread = &mut running.fetchers[place];
        if !thread.line.is_free() || thread.places.is_empty() || thread.flushing > 0 {
            return;
        }
        if !thread.out_of_range.is_empty() {
            return self.look_for_end(now, place, LogEnd::Latest, out);
        }
        thread.asked.clear();
        let mut ready_at = Time::NEVER;
        for &one in &thread.places {
            let replica = &mut running.replicas[one as usize];
            let Some(follower) = replica.follower_mut() else { continue };
            if !follower.is_ready(now) {
                if !follower.failed {
                    ready_at = ready_at.min(follower.ready_at);
                }
                continue;
            }
            let (follower, partition) = (*follower, replica.partition);
            let log = &self.stored.logs[one as usize];
            thread.asked.push((
                one,
                FetchPartition {
                    partition,
                    current_leader_epoch: Some(follower.epoch),
                    fetch_offset: follower.fetch_offset,
                    last_fetched_epoch: follower
                        .last_fetched_epoch
                        .filter(|_| !Planted::ForgetLastFetchedEpoch.is(planted)),
                    log_start_offset: log.start(),
                    max_bytes: options.replica_fetch_max_bytes,
                },
            ));
        }
        if thread.asked.is_empty() {
            if ready_at < Time::NEVER {
                out.set_timer(Timer::FetcherBackoff(place as u32), ready_at.since(now));
            }
            return;
        }
        if !thread.line.ready(out) {
            return;
        }
        let partitions = out.store.fetch.take();
        out.store.fetch.get_mut(partitions).extend(thread.asked.iter().map(|&(_, asked)| asked));
        let limits = out.store.fetch_limits_id(FetchLimits {
            max_wait: options.replica_fetch_wait_max,
            min_bytes: options.replica_fetch_min_bytes,
            max_bytes: options.replica_fetch_response_max_bytes,
        });
        let fetcher = Fetcher::Replica(self.config.id, running.lifecycle.broker_epoch());
        let fetch = Fetch { fetcher, limits, partitions };
        let bytes = Bytes::new(80 + 50 * thread.asked.len() as u64);
        thread.line.send(Message::Fetch(fetch), bytes, out);
    }

    pub(super) fn on_fetched(
        &mut self,
        now: Time,
        peer: Peer,
        response: Fetched,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let thread = self.fetcher_of(peer.node).expect("a fetcher asked");
        self.running.fetchers[thread].line.answered();
        let asked = std::mem::take(&mut self.running.fetchers[thread].asked);
        let mut first_entry = 0;
        // What was asked for stands in the order of the places, as long as those are the same.
        let mut looked_at = 0;
        for (index, (place, asked)) in asked.iter().enumerate() {
            let result = out.store.fetched.get(response.partitions)[index];
            assert_eq!(result.partition, asked.partition, "a response has the order of its request");
            let entries = first_entry..first_entry + result.entries as usize;
            first_entry = entries.end;
            let is_mine = self.running.fetchers[thread].fetches_for(*place, &mut looked_at);
            let place = *place as usize;
            // A partition that has moved on meanwhile, to another offset, leader or epoch, has no use for the answer.
            let must_match = self.config.generation.response_must_match_epoch;
            let current = self.running.replicas[place].follower_mut().copied().filter(|follower| {
                is_mine
                    && follower.is_ready(now)
                    && follower.fetch_offset == asked.fetch_offset
                    && (!must_match || asked.current_leader_epoch == Some(follower.epoch))
            });
            if let Some(follower) = current {
                let end = self.stored.logs[place].end();
                self.take_in(now, (thread, place), follower, asked, result, (response, entries), out);
                let has_appended = self.stored.logs[place].end() > end;
                if has_appended && self.flush_after_append(place, Waits::Fetcher(thread), out) {
                    self.running.fetchers[thread].flushing += 1;
                }
            }
        }
        self.running.fetchers[thread].asked = asked;
        self.fetch_from(now, thread, out);
    }

    #[allow(clippy::too_many_arguments, reason = "one partition of one response")]
    fn take_in(
        &mut self,
        now: Time,
        (thread, place): (usize, usize),
        follower: Follower,
        asked: &FetchPartition,
        result: FetchedPartition,
        (response, entries): (Fetched, std::ops::Range<usize>),
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        if result.error == ErrorCode::FencedLeaderEpoch && asked.current_leader_epoch == Some(follower.epoch)
        {
            self.running.replicas[place].follower_mut().expect("it follows").failed = true;
            return;
        }
        if result.error == ErrorCode::OffsetOutOfRange {
            return self.running.fetchers[thread].out_of_range.add(place);
        }
        if result.error != ErrorCode::None {
            return self.delay(now, place);
        }
        // Divergence is settled before, and instead of, everything else the response says (KAFKA-14704).
        if let Some((epoch, end)) = result.diverging {
            let offset = truncation_offset(&self.stored.logs[place], epoch, end);
            self.truncate(now, place, offset, out);
            if follower.waits_again {
                self.delay(now, place);
            }
            return;
        }
        let settles = !entries.is_empty() || !follower.answered;
        let list = out.store.entries.get(response.entries);
        let (mut end, mut bytes, mut timestamp) = (entries.start, Bytes::ZERO, Time::ZERO);
        for entry in &list[entries.clone()] {
            // A batch newer than the request's epoch was read after the sender had changed its role (KAFKA-18723).
            if asked.current_leader_epoch.is_some_and(|epoch| entry.epoch > epoch) {
                break;
            }
            let built = out.store.batch(entry.batch);
            if built.rotten {
                // Nothing of the response is appended (CorruptRecordException): it asks again, and again in vain.
                return self.delay(now, place);
            }
            end += 1;
            bytes += built.bytes;
            timestamp = timestamp.max(built.timestamp);
        }
        if end > entries.start {
            if bytes > self.stored.logs[place].segment_limit() {
                // What one response has must go into one segment (RecordBatchTooLargeException): the fetcher gives up.
                self.running.replicas[place].follower_mut().expect("it follows").failed = true;
                return;
            }
            if self.stored.disk_is_full {
                // An error of the log directory ends a broker that has no other.
                return out.ask(Effect::Exit);
            }
            self.maybe_roll(place, (bytes, timestamp), out);
        }
        for index in entries.start..end {
            let entry = out.store.entries.get(response.entries)[index];
            if self.append_as_follower(place, entry, out) {
                self.write_leader_epochs(place, Waits::Fetcher(thread), out);
                self.running.fetchers[thread].flushing += 1;
            }
        }
        let end = self.stored.logs[place].end();
        self.follow_high_watermark(place, result.high_watermark.min(end), out);
        self.raise_log_start(place, result.log_start_offset, false, out);
        self.refresh_fetch_state(place);
        if settles {
            let follower = self.running.replicas[place].follower_mut().expect("it follows");
            (follower.waits_again, follower.answered) = (false, true);
        }
    }

    /// Gives whether the epoch is new to the log.
    fn append_as_follower(
        &mut self,
        place: usize,
        entry: LogEntry,
        out: &mut Outbox<'_, BrokerPort>,
    ) -> bool {
        let partition = self.running.replicas[place].partition;
        let built = *out.store.batch(entry.batch);
        let log = &mut self.stored.logs[place];
        let new_epoch = log.append(entry, u64::from(built.records), built.bytes);
        let (end, segment) = (log.end(), log.active_segment().base);
        out.ask(Effect::Append(File::Log(partition, segment), built.bytes));
        let LogEntry { base_offset, batch, epoch } = entry;
        self.running.replicas[place].producers.appended(&built, base_offset);
        out.note(Happened::Appended { partition, batch, base_offset, end, epoch, leading: false });
        if self.stored.logs[place].has_torn_tail() {
            self.append_behind_torn(place, out);
        }
        new_epoch
    }

    pub(super) fn follow_high_watermark(
        &mut self,
        place: usize,
        new: Offset,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let replica = &mut self.running.replicas[place];
        let old = std::mem::replace(&mut replica.high_watermark, new);
        if old != new {
            let (partition, epoch) = (replica.partition, replica.leader_epoch.unwrap_or_default());
            out.note(Happened::HighWatermark { partition, old, new, epoch, leading: false });
        }
    }

    /// Cuts the log, and the high watermark with it if that lies above.
    pub(super) fn truncate(
        &mut self,
        now: Time,
        place: usize,
        offset: Offset,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let (replica, log) = (&mut self.running.replicas[place], &mut self.stored.logs[place]);
        let (partition, old, epoch) =
            (replica.partition, log.end(), replica.leader_epoch.unwrap_or_default());
        let bases: Vec<Offset> = log.segments().iter().map(|segment| segment.base).collect();
        let left = log.truncate_to(offset, out.store);
        let (new, active) = (log.end(), log.active_segment());
        if new < old {
            let (snapshots, expiration) =
                (&mut self.stored.snapshots[place], self.running.producer_id_expiration);
            replica.producers.truncated(log, snapshots, out.store, now, expiration);
        }
        out.ask(Effect::Truncate(File::Log(partition, active.base), log.bytes() - active.position));
        for base in bases.into_iter().filter(|&base| base > active.base) {
            self.delete_segment(place, base, out);
        }
        out.note(Happened::Truncated { partition, old, new: left, epoch });
        self.cut_flushes(place, left);
        if new < old {
            self.write_recovery_points(out);
        }
        let high_watermark = self.running.replicas[place].high_watermark;
        self.follow_high_watermark(place, high_watermark.min(new), out);
        self.refresh_fetch_state(place);
    }

    /// A follower fetches from its log end, with the epoch of its newest record.
    pub(super) fn refresh_fetch_state(&mut self, place: usize) {
        let log = &self.stored.logs[place];
        let (end, epoch) = (log.end(), log.latest_epoch());
        let follower = self.running.replicas[place].follower_mut().expect("it follows");
        follower.fetch_offset = end;
        follower.last_fetched_epoch = epoch;
    }

    pub(super) fn delay(&mut self, now: Time, place: usize) {
        let backoff = self.config.options.replica_fetch_backoff;
        let follower = self.running.replicas[place].follower_mut().expect("it follows");
        (follower.ready_at, follower.waits_again) = (now + backoff, true);
    }

    /// The request failed, or there is no connection: every partition of the loop waits (`delayPartitions`).
    pub(super) fn on_fetcher_failed(&mut self, now: Time, thread: usize, out: &mut Outbox<'_, BrokerPort>) {
        self.running.fetchers[thread].out_of_range.forget();
        for index in 0..self.running.fetchers[thread].places.len() {
            let place = self.running.fetchers[thread].places[index] as usize;
            if self.running.replicas[place].follower_mut().is_some_and(|follower| follower.is_ready(now)) {
                self.delay(now, place);
            }
        }
        self.fetch_from(now, thread, out);
    }

    pub(super) fn on_fetcher_line(&mut self, now: Time, thread: usize, out: &mut Outbox<'_, BrokerPort>) {
        match self.running.fetchers[thread].line.alarm(out) {
            Alarm::MayConnect => self.fetch_from(now, thread, out),
            Alarm::GaveUp => self.on_fetcher_failed(now, thread, out),
            Alarm::Stale => (),
        }
    }
}

/// A replica that begins to follow: from its log end, with the epoch of its newest record (KAFKA-10554, since 2.7).
pub(super) fn follow(log: &Log, leader: Option<NodeId>, epoch: LeaderEpoch) -> Follower {
    Follower {
        leader,
        epoch,
        fetch_offset: log.end(),
        last_fetched_epoch: log.latest_epoch(),
        waits_again: false,
        answered: false,
        ready_at: Time::ZERO,
        failed: false,
    }
}
