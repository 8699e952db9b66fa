//! Fetch requests of followers and consumers, and fetches that wait for records (`ReplicaManager.fetchMessages`,
//! `Partition.fetchRecords`, `DelayedFetch`).

use super::{BrokerPort, Node, Timer};
use crate::cluster::happened::Happened;
use crate::cluster::planted::Planted;
use crate::cluster::protocol::{
    ErrorCode, Fetch, FetchLimits, FetchPartition, Fetched, FetchedPartition, Fetcher, ListOffsets,
    ListedOffset, LogEnd, LogEntry, Message,
};
use crate::cluster::replica::divergence::{Comparison, compare};
use crate::cluster::replica::leader::FetchedAs;
use crate::cluster::store::{List, Store};
use crate::cluster::units::{BrokerEpoch, LeaderEpoch, Offset, PartitionId};
use crate::devices::port::{ConnectionId, Outbox};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// A fetch that waits for records, or a place for one.
#[derive(Clone, Debug, Default)]
pub(super) struct ParkedFetch {
    waiting: Option<(ConnectionId, Asker)>,
    partitions: Vec<FetchPartition>,
}

/// Who fetches, and how much is wanted.
#[derive(Clone, Copy, Debug)]
struct Asker {
    fetcher: Fetcher,
    min_bytes: Bytes,
    max_bytes: Bytes,
}

/// What was read of all partitions.
struct Reading {
    partitions: List<FetchedPartition>,
    entries: List<crate::cluster::protocol::LogEntry>,
    bytes: Bytes,
    /// An error or a divergence: nothing to wait for.
    urgent: bool,
}

impl Node<'_> {
    pub(super) fn on_fetch(
        &mut self,
        now: Time,
        connection: ConnectionId,
        request: Fetch,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let FetchLimits { max_wait, min_bytes, max_bytes } = out.store.fetch_limits(request.limits);
        let asker = Asker { fetcher: request.fetcher, min_bytes, max_bytes };
        let slot = self.free_fetch();
        let mut asked = std::mem::take(&mut self.running.parked_fetches[slot].partitions);
        asked.extend_from_slice(out.store.fetch.get(request.partitions));
        let waits = max_wait > Span::ZERO && min_bytes > Bytes::ZERO;
        if !(waits && self.has_nothing_for(now, asker.fetcher, &asked, out)) {
            let reading = self.read(now, asker, &asked, true, out);
            if reading.urgent || reading.bytes >= min_bytes || !waits {
                asked.clear();
                self.running.parked_fetches[slot].partitions = asked;
                return answer(connection, reading, out);
            }
            out.store.fetched.give_back(reading.partitions);
            out.store.entries.give_back(reading.entries);
        }
        for one in &asked {
            if let Some(place) = self.place(one.partition) {
                self.running.waiting[place].fetches.push(slot as u32);
            }
        }
        self.running.parked_fetches[slot] =
            ParkedFetch { waiting: Some((connection, asker)), partitions: asked };
        out.set_timer(Timer::FetchExpires(slot as u32), max_wait);
    }

    /// Whether a follower stands at the log end of all it asks for, and nothing is wrong: then it has told how far it is, and
    /// nothing need be read. What [`Node::read`] would find, for the commonest of requests.
    fn has_nothing_for(
        &mut self,
        now: Time,
        fetcher: Fetcher,
        asked: &[FetchPartition],
        out: &mut Outbox<'_, BrokerPort>,
    ) -> bool {
        let Fetcher::Replica(broker, epoch) = fetcher else { return false };
        let stands_at_the_end = |one: &FetchPartition| {
            let Some(place) = self.place(one.partition) else { return false };
            let Some(leader) = self.running.replicas[place].leader() else { return false };
            let log = &self.stored.logs[place];
            let agrees = |last| compare(log, last, one.fetch_offset) == Comparison::Agrees;
            one.fetch_offset == log.end()
                && one.last_fetched_epoch.is_none_or(agrees)
                && self.check_epoch(place, one.current_leader_epoch).is_ok()
                && leader.remote(broker).is_some()
        };
        if !asked.iter().all(stands_at_the_end) {
            return false;
        }
        asked.iter().all(|one| {
            let place = self.place(one.partition).expect("it was just looked at");
            self.follower_fetched(now, place, (broker, epoch), one.fetch_offset, one.fetch_offset, out)
                .is_ok()
        })
    }

    /// Reads every partition in order. A follower's fetch also tells how far it is: read first, then noted, so that the very
    /// fetch that commits a record carries the high watermark from before.
    fn read(
        &mut self,
        now: Time,
        asker: Asker,
        asked: &[FetchPartition],
        update: bool,
        out: &mut Outbox<'_, BrokerPort>,
    ) -> Reading {
        let (partitions, entries) = (out.store.fetched.take(), out.store.entries.take());
        let mut reading = Reading { partitions, entries, bytes: Bytes::ZERO, urgent: false };
        for one in asked {
            let before = reading.bytes;
            let room = asker.max_bytes.saturating_sub(before);
            let mut result = FetchedPartition {
                partition: one.partition,
                fetch_offset: one.fetch_offset,
                error: ErrorCode::None,
                high_watermark: Offset::ZERO,
                log_start_offset: Offset::ZERO,
                diverging: None,
                current_leader: None,
                entries: 0,
            };
            let to = (&mut reading, &mut result);
            if let Err(mut error) = self.read_partition(now, asker.fetcher, one, room, update, to, out) {
                if self.running.image.find_partition(one.partition).is_none() {
                    error = ErrorCode::UnknownTopicId;
                }
                // What was read before the error showed is not sent: the others' entries would be taken for this one's.
                let entries = out.store.entries.get_mut(entries);
                entries.truncate(entries.len() - result.entries as usize);
                reading.bytes = before;
                (result.error, result.entries) = (error, 0);
                result.current_leader = self.leader_hint(one.partition);
                (result.high_watermark, result.log_start_offset) = (Offset::ZERO, Offset::ZERO);
            }
            reading.urgent |= result.error != ErrorCode::None || result.diverging.is_some();
            out.store.fetched.get_mut(partitions).push(result);
        }
        reading
    }

    #[allow(clippy::too_many_arguments, reason = "one partition of one request, read into one response")]
    fn read_partition(
        &mut self,
        now: Time,
        fetcher: Fetcher,
        asked: &FetchPartition,
        room: Bytes,
        update: bool,
        (reading, result): (&mut Reading, &mut FetchedPartition),
        out: &mut Outbox<'_, BrokerPort>,
    ) -> Result<(), ErrorCode> {
        let place = self.place(asked.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        self.check_epoch(place, asked.current_leader_epoch)?;
        let (replica, log) = (&self.running.replicas[place], &self.stored.logs[place]);
        let leader = replica.leader().ok_or(ErrorCode::NotLeaderOrFollower)?;
        let limit = match fetcher {
            Fetcher::Replica(broker, _) => {
                leader.remote(broker).ok_or(ErrorCode::UnknownLeaderEpoch)?;
                log.end()
            }
            Fetcher::Consumer if Planted::ConsumersReadLogEnd.is(self.config.planted) => log.end(),
            Fetcher::Consumer => replica.high_watermark,
        };
        (result.high_watermark, result.log_start_offset) = (replica.high_watermark, log.start());
        if let Some(last) = asked.last_fetched_epoch {
            match compare(log, last, asked.fetch_offset) {
                Comparison::Agrees => (),
                // A diverging follower's offset says nothing, so nothing is noted of it (KAFKA-13141).
                Comparison::Diverges(epoch, end) => {
                    result.diverging = Some((epoch, end));
                    if let (Fetcher::Replica(broker, epoch), true) =
                        (fetcher, Planted::DivergingFetchCounts.is(self.config.planted))
                    {
                        let end = log.end();
                        self.follower_fetched(now, place, (broker, epoch), asked.fetch_offset, end, out)?;
                    }
                    return Ok(());
                }
                Comparison::OutOfRange => return Err(ErrorCode::OffsetOutOfRange),
            }
        }
        if asked.fetch_offset < log.start() || asked.fetch_offset > log.end() {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let log_end = log.end();
        // The first partition with records may exceed the response's room; the others may not.
        if room > Bytes::ZERO || reading.bytes == Bytes::ZERO {
            let max_bytes = asked.max_bytes.min(room);
            let mut bytes = Bytes::ZERO;
            // The list is moved out while the store is asked for the sizes of batches.
            let mut found = std::mem::take(out.store.entries.get_mut(reading.entries));
            result.entries = log.read(asked.fetch_offset, limit, max_bytes, out.store, &mut |entry, size| {
                found.push(entry);
                bytes += size;
            });
            *out.store.entries.get_mut(reading.entries) = found;
            reading.bytes += bytes;
        }
        if let (Fetcher::Replica(broker, epoch), true) = (fetcher, update) {
            self.follower_fetched(now, place, (broker, epoch), asked.fetch_offset, log_end, out)?;
        }
        Ok(())
    }

    /// ListOffsets request: where the log begins or ends, or the first record from a time on is
    /// (`Partition.fetchOffsetForTimestamp`). The end of a consumer's log is the high watermark, and is not told as long as that
    /// lies below the beginning of this leadership (KIP-207).
    ///
    /// `Departure from Kafka:` of the records of a batch the first is told, though its own timestamp may lie before; only
    /// consumers ask by time.
    pub(super) fn on_list_offsets(
        &mut self,
        connection: ConnectionId,
        request: ListOffsets,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let partition = request.partition;
        let is_there = self.running.image.find_partition(partition).is_some();
        let listed = match self.list_offset(request, out.store) {
            Ok(offset) => ListedOffset { partition, error: ErrorCode::None, offset },
            Err(error) if is_there => ListedOffset { partition, error, offset: None },
            Err(_) => ListedOffset { partition, error: ErrorCode::UnknownTopicOrPartition, offset: None },
        };
        out.respond(connection, Message::ListedOffset(listed), Bytes::new(60));
    }

    fn list_offset(&self, request: ListOffsets, store: &Store) -> Result<Option<Offset>, ErrorCode> {
        let ListOffsets { replica: asker, partition, current_leader_epoch, end } = request;
        let place = self.place(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        self.check_epoch(place, current_leader_epoch)?;
        let (replica, log) = (&self.running.replicas[place], &self.stored.logs[place]);
        let leader = replica.leader().ok_or(ErrorCode::NotLeaderOrFollower)?;
        match (end, asker) {
            (LogEnd::Earliest, _) => Ok(Some(log.start())),
            (LogEnd::Latest, Some(_)) => Ok(Some(log.end())),
            (LogEnd::Latest, None) if replica.high_watermark < leader.start() => {
                Err(ErrorCode::OffsetNotAvailable)
            }
            (LogEnd::Latest, None) => Ok(Some(replica.high_watermark)),
            (LogEnd::Since(stamp), _) => {
                let time = store.stamp(stamp);
                let is_it =
                    |entry: &LogEntry| store.batch(entry.batch).timestamp.whole_milliseconds() >= time;
                let found = log.entries().find(is_it).map(|entry| entry.base_offset.max(log.start()));
                match found.filter(|&offset| offset < replica.high_watermark) {
                    Some(offset) => Ok(Some(offset)),
                    None if replica.high_watermark < leader.start() => Err(ErrorCode::OffsetNotAvailable),
                    None => Ok(None),
                }
            }
        }
    }

    /// A follower that fetches from its log end tells the leader what it has (`updateFollowerFetchState`).
    fn follower_fetched(
        &mut self,
        now: Time,
        place: usize,
        (broker, broker_epoch): (NodeId, Option<BrokerEpoch>),
        fetch_offset: Offset,
        log_end: Offset,
        out: &mut Outbox<'_, BrokerPort>,
    ) -> Result<(), ErrorCode> {
        // A fetch of an earlier life of that broker counts for nothing (KAFKA-15221), once the present one is unfenced
        // (`getAliveBrokerEpoch`).
        let registration = self.running.image.broker(broker);
        let is_stale = |epoch: BrokerEpoch| epoch < registration.broker_epoch;
        if !registration.fenced && broker_epoch.is_some_and(is_stale) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let replica = &mut self.running.replicas[place];
        let partition = replica.partition;
        let leader = replica.leader_mut().expect("checked by the read");
        // One added by a reassignment may have heard of it before this leader has (`followerReplicaOrThrow`).
        if leader.remote(broker).is_none() {
            return Err(ErrorCode::UnknownLeaderEpoch);
        }
        let leader_epoch = leader.epoch();
        let old = leader.fetched(broker, fetch_offset, FetchedAs::from_epoch(broker_epoch), now, log_end);
        let mut moved = old != Some(fetch_offset);
        let follows = Planted::HighWatermarkFollowsLastFetch.is(self.config.planted)
            && fetch_offset != replica.high_watermark;
        if follows {
            let (old, epoch) = (std::mem::replace(&mut replica.high_watermark, fetch_offset), leader_epoch);
            out.note(Happened::HighWatermark { partition, old, new: fetch_offset, epoch, leading: true });
        }
        if moved {
            out.note(Happened::Fetched { partition, replica: broker, old, new: fetch_offset });
        }
        self.maybe_expand_isr(now, place, broker, out);
        moved = moved && self.advance_high_watermark(now, place, out);
        if moved || follows {
            self.complete_produces(place, out);
            self.complete_fetches(now, place, out);
        }
        Ok(())
    }

    /// The asker's idea of the leader epoch against this broker's own (`checkCurrentLeaderEpoch`). Without one it has no replica
    /// any more: another has (`ReplicaManager.getPartitionOrError`).
    fn check_epoch(&self, place: usize, asked: Option<LeaderEpoch>) -> Result<(), ErrorCode> {
        match (asked, self.running.replicas[place].leader_epoch) {
            (Some(asked), Some(own)) if asked < own => Err(ErrorCode::FencedLeaderEpoch),
            (Some(asked), Some(own)) if asked > own => Err(ErrorCode::UnknownLeaderEpoch),
            (_, None) => Err(ErrorCode::NotLeaderOrFollower),
            (Some(_), Some(_)) | (None, Some(_)) => Ok(()),
        }
    }

    /// Answers those waiting for this replica that now have enough, or nothing to wait for.
    pub(super) fn complete_fetches(&mut self, now: Time, place: usize, out: &mut Outbox<'_, BrokerPort>) {
        let mut index = 0;
        while let Some(&slot) = self.running.waiting[place].fetches.get(index) {
            if self.is_fetch_ready(slot, out) {
                // This takes it off the list.
                self.answer_parked_fetch(now, slot, out);
            } else {
                index += 1;
            }
        }
    }

    /// `DelayedFetch.tryComplete`. A follower waits for the log end to move; that the high watermark did is not enough, which is
    /// why an idle follower learns of it up to `replica.fetch.wait.max.ms` late.
    fn is_fetch_ready(&self, slot: u32, out: &Outbox<'_, BrokerPort>) -> bool {
        let parked = &self.running.parked_fetches[slot as usize];
        let (_, asker) = parked.waiting.expect("a fetch that waits");
        let mut available = Bytes::ZERO;
        for asked in &parked.partitions {
            let Some(place) = self.place(asked.partition) else { return true };
            let (replica, log) = (&self.running.replicas[place], &self.stored.logs[place]);
            if replica.leader().is_none() || self.check_epoch(place, asked.current_leader_epoch).is_err() {
                return true;
            }
            let limit = match asker.fetcher {
                Fetcher::Replica(_, _) => log.end(),
                Fetcher::Consumer => replica.high_watermark,
            };
            if asked.fetch_offset >= limit {
                continue;
            }
            if asker.min_bytes <= Bytes::new(1) {
                return true;
            }
            let max_bytes = asked.max_bytes.min(asker.min_bytes);
            log.read(asked.fetch_offset, limit, max_bytes, out.store, &mut |_, size| available += size);
        }
        available >= asker.min_bytes
    }

    /// A fetch has waited for `fetch.max.wait.ms`; if it has been answered meanwhile, its alarm was left as it was.
    pub(super) fn expire_fetch(&mut self, now: Time, slot: u32, out: &mut Outbox<'_, BrokerPort>) {
        if self.running.parked_fetches[slot as usize].waiting.is_some() {
            self.answer_parked_fetch(now, slot, out);
        }
    }

    /// Answers a waiting fetch with what there is. It reads afresh, and what it tells of the follower was noted when it came.
    pub(super) fn answer_parked_fetch(&mut self, now: Time, slot: u32, out: &mut Outbox<'_, BrokerPort>) {
        let parked = &mut self.running.parked_fetches[slot as usize];
        let (connection, asker) = parked.waiting.take().expect("a fetch that waits");
        let mut asked = std::mem::take(&mut parked.partitions);
        for one in &asked {
            if let Some(place) = self.stored.place(one.partition) {
                self.running.waiting[place].fetches.retain(|&waiting| waiting != slot);
            }
        }
        let reading = self.read(now, asker, &asked, false, out);
        asked.clear();
        self.running.parked_fetches[slot as usize].partitions = asked;
        answer(connection, reading, out);
    }

    /// Why a partition that this broker does not lead cannot be written here. Requests name the topic by its id (KIP-516).
    ///
    /// `Departure from Kafka:` before 4.1 Produce requests name it by its name, and one that is made anew by the same.
    pub(super) fn why_not_here(&self, partition: PartitionId) -> ErrorCode {
        match self.running.image.find_partition(partition) {
            Some(_) => ErrorCode::NotLeaderOrFollower,
            None => ErrorCode::UnknownTopicId,
        }
    }

    /// The leader and epoch this broker's metadata has for a partition.
    pub(super) fn leader_hint(&self, partition: PartitionId) -> Option<(NodeId, LeaderEpoch)> {
        let state = self.running.image.find_partition(partition)?;
        state.leader.map(|leader| (leader, state.leader_epoch))
    }

    /// A place for a fetch that waits.
    fn free_fetch(&mut self) -> usize {
        if let Some(slot) = self.running.parked_fetches.iter().position(|parked| parked.waiting.is_none()) {
            return slot;
        }
        self.running.parked_fetches.push(ParkedFetch::default());
        self.running.parked_fetches.len() - 1
    }
}

fn answer(connection: ConnectionId, reading: Reading, out: &mut Outbox<'_, BrokerPort>) {
    let Reading { partitions, entries, bytes, .. } = reading;
    let overhead = Bytes::new(40 + 50 * out.store.fetched.get(partitions).len() as u64);
    out.respond(connection, Message::Fetched(Fetched { partitions, entries }), bytes + overhead);
}
