//! Produce requests: the gate, the append, and the wait for the in-sync replicas (`ReplicaManager.appendRecords`,
//! `Partition.appendRecordsToLeader`, `DelayedProduce`).

use super::flush::Waits;
use super::storage::File;
use super::turns::Turn;
use super::{BrokerPort, Node, Timer};
use crate::cluster::happened::Happened;
use crate::cluster::log::producer_state::Admission;
use crate::cluster::options::TopicOptions;
use crate::cluster::planted::Planted;
use crate::cluster::protocol::{
    ErrorCode, LogEntry, Message, Produce, ProducePartition, Produced, ProducedPartition,
};
use crate::cluster::store::Batch;
use crate::cluster::units::{Acks, BatchId, Offset, PartitionId};
use crate::devices::port::{ConnectionId, Effect, Outbox};
use crate::kernel::units::{Bytes, Span, Time};

/// A request that waits, with acks=all for the in-sync replicas or with any for an fsync; or a place for one.
#[derive(Clone, Debug, Default)]
pub(super) struct ParkedProduce {
    asker: Option<Asker>,
    asked: Vec<ProducePartition>,
    /// What has become of the first of them.
    entries: Vec<Appended>,
    /// Whether its alarm is set. One that comes when it is not is that of a request answered since.
    has_alarm: bool,
}

/// Who produces, and how.
#[derive(Clone, Copy, Debug)]
struct Asker {
    connection: ConnectionId,
    acks: Acks,
    timeout: Span,
}

/// How far an append has come.
enum Append {
    /// It is over.
    Done(Appended),
    /// It ends with the fsync of the log.
    Flushes(Appended),
}

/// One partition of a produce request, and what has become of it so far.
#[derive(Clone, Copy, Debug)]
struct Appended {
    partition: PartitionId,
    batch: BatchId,
    base_offset: Offset,
    /// The high watermark that means success.
    required: Offset,
    /// The answer, once there is one.
    answer: Option<ErrorCode>,
}

impl ParkedProduce {
    /// Whether nothing waits here.
    pub(super) fn is_free(&self) -> bool {
        self.asker.is_none()
    }

    /// Whether it waits for nothing but its turn.
    pub(super) fn is_decided(&self) -> bool {
        self.entries.iter().all(|entry| entry.answer.is_some())
    }
}

impl Node<'_> {
    pub(super) fn on_produce(
        &mut self,
        now: Time,
        connection: ConnectionId,
        request: Produce,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let slot = self.free_produce();
        let parked = &mut self.running.parked_produces[slot];
        parked.asker = Some(Asker { connection, acks: request.acks, timeout: request.timeout });
        parked.asked.extend_from_slice(out.store.produce.get(request.partitions));
        self.go_on_with_produce(now, slot, out);
    }

    /// The batches are appended one partition after the other; only then is anybody answered or woken. A log that is being
    /// fsynced holds that up.
    pub(super) fn go_on_with_produce(&mut self, now: Time, slot: usize, out: &mut Outbox<'_, BrokerPort>) {
        let parked = &mut self.running.parked_produces[slot];
        let asker = parked.asker.expect("a request that is being handled");
        let mut entries = std::mem::take(&mut parked.entries);
        while let Some(&asked) = self.running.parked_produces[slot].asked.get(entries.len()) {
            if self.waits_for_log(asked.partition, slot) {
                self.running.parked_produces[slot].entries = entries;
                return;
            }
            match self.append(now, slot, asked, asker.acks, out) {
                Append::Done(entry) => entries.push(entry),
                Append::Flushes(entry) => {
                    entries.push(entry);
                    self.running.parked_produces[slot].entries = entries;
                    return;
                }
            }
        }
        match asker.acks {
            Acks::Zero => {
                // Nobody reads an answer, so an error can only be told by hanging up (`KafkaApis.handleProduceRequest`).
                if entries.iter().all(|entry| entry.answer.is_none()) {
                    out.ask(Effect::Respond(asker.connection, None, Bytes::ZERO));
                } else {
                    out.ask(Effect::Hangup(asker.connection));
                }
            }
            Acks::One => {
                for entry in &mut entries {
                    entry.answer = entry.answer.or(Some(ErrorCode::None));
                }
                self.answer_produce(asker, &entries, out);
            }
            Acks::All => {
                for entry in &mut entries {
                    entry.answer = entry.answer.or_else(|| self.produce_outcome(entry));
                }
                if entries.iter().any(|entry| entry.answer.is_none()) {
                    for entry in &entries {
                        if let (None, Some(place)) = (entry.answer, self.place(entry.partition)) {
                            self.running.waiting[place].produces.push(slot as u32);
                        }
                    }
                    self.running.parked_produces[slot].entries = entries;
                    // The purgatory's timer counts whole milliseconds, from the last one on (`SystemTimer.add`).
                    let expires = now.whole_milliseconds() + asker.timeout;
                    self.running.parked_produces[slot].has_alarm = true;
                    out.set_timer(Timer::ProduceExpires(slot as u32), expires.max(now).since(now));
                    self.let_next_come(asker.connection, slot as u32, out);
                    return self.wake_after_append(now, slot, out);
                }
                if self.waits_its_turn(asker.connection, Turn::Produce(slot as u32)) {
                    self.running.parked_produces[slot].entries = entries;
                    return self.wake_after_append(now, slot, out);
                }
                self.answer_produce(asker, &entries, out);
            }
        }
        entries.clear();
        let parked = &mut self.running.parked_produces[slot];
        parked.entries = entries;
        parked.asker = None;
        self.wake_after_append(now, slot, out);
    }

    /// Whether another append holds the lock of this log; if so the request at `slot` comes after it.
    fn waits_for_log(&mut self, partition: PartitionId, slot: usize) -> bool {
        let Some(place) = self.place(partition) else { return false };
        let waits =
            self.running.flushes[place].is_locked() && self.running.replicas[place].leader().is_some();
        if waits {
            self.running.flushes[place].wait(slot as u32);
        }
        waits
    }

    /// The gate, what is known of the producer, then the append. An answer means that nothing was appended, and why.
    fn append(
        &mut self,
        now: Time,
        slot: usize,
        asked: ProducePartition,
        acks: Acks,
        out: &mut Outbox<'_, BrokerPort>,
    ) -> Append {
        let ProducePartition { partition, batch } = asked;
        let refuse = |error| {
            let (base_offset, required, answer) = (Offset::ZERO, Offset::ZERO, Some(error));
            Append::Done(Appended { partition, batch, base_offset, required, answer })
        };
        let Some(place) = self.place(partition) else {
            return refuse(self.why_not_here(partition));
        };
        let min_isr = self.min_isr(place);
        let replica = &self.running.replicas[place];
        let Some(leader) = replica.leader() else {
            return refuse(self.why_not_here(partition));
        };
        // The gate looks at the accepted in-sync set, never at the maximal one, and only for acks=all.
        if acks == Acks::All && leader.isr.committed().len() < min_isr {
            return refuse(ErrorCode::NotEnoughReplicas);
        }
        let mut built = *out.store.batch(batch);
        if built.bytes > replica.options.max_message_bytes {
            return refuse(ErrorCode::MessageTooLarge);
        }
        // Before anybody asks whether it is in the log already: a retry that has become too old is refused though it is.
        if replica.options.log_append_time {
            built.timestamp = now.whole_milliseconds();
        } else if is_out_of_time(now, &built, &replica.options) {
            return refuse(ErrorCode::InvalidTimestamp);
        }
        let mut epoch = leader.epoch();
        if built.bytes > self.stored.logs[place].segment_limit() {
            return refuse(ErrorCode::RecordListTooLarge);
        }
        // What turns out to be a duplicate may begin a segment too.
        self.maybe_roll(place, (built.bytes, built.timestamp), out);
        let replica = &self.running.replicas[place];
        if Planted::AppendUnderFormerEpoch.is(self.config.planted) {
            epoch.0 = epoch.0.saturating_sub(1);
        }
        let admission = if Planted::SequencesIgnored.is(self.config.planted) {
            Admission::New
        } else {
            replica.producers.admit(&built)
        };
        match admission {
            _ if Planted::SequencesIgnored.is(self.config.planted) => (),
            Admission::New => (),
            Admission::Duplicate(base_offset, end) => {
                let known = self.stored.logs[place].entries_from(base_offset).next();
                let known =
                    known.map(|entry| (entry.base_offset, out.store.batch(entry.batch).base_sequence));
                assert!(
                    base_offset < self.stored.logs[place].start()
                        || known == Some((base_offset, built.base_sequence)),
                    "what is recognised is in the log, unless retention has taken it"
                );
                // A success like the first one, and as far from being answered if the in-sync replicas have yet to fetch it.
                self.advance_high_watermark(now, place, out);
                return Append::Done(Appended { partition, batch, base_offset, required: end, answer: None });
            }
            Admission::Refused(_) if Planted::SequenceGapsAccepted.is(self.config.planted) => (),
            Admission::Refused(error) => return refuse(error),
        }
        if self.stored.disk_is_full {
            // An error of the log directory ends a broker that has no other.
            out.ask(Effect::Exit);
            return refuse(ErrorCode::KafkaStorageError);
        }
        if self.running.replicas[place].options.log_append_time {
            out.store.set_append_time(batch, built.timestamp);
        }
        let log = &mut self.stored.logs[place];
        let base_offset = log.end();
        log.append(LogEntry { base_offset, batch, epoch }, u64::from(built.records), built.bytes);
        self.running.replicas[place].producers.appended(&built, base_offset);
        let (end, segment) = (log.end(), log.active_segment().base);
        out.ask(Effect::Append(File::Log(partition, segment), built.bytes));
        out.note(Happened::Appended { partition, batch, base_offset, end, epoch, leading: true });
        if self.stored.logs[place].has_torn_tail() {
            self.append_behind_torn(place, out);
        }
        let appended = Appended { partition, batch, base_offset, required: end, answer: None };
        if self.flush_after_append(place, Waits::Produce(slot), out) {
            return Append::Flushes(appended);
        }
        // The leader may be alone in the in-sync set; whoever waited for the high watermark is woken after the answer.
        self.advance_high_watermark(now, place, out);
        Append::Done(appended)
    }

    /// The batch just appended lies behind half of another that no start has cut: whoever reads there takes the two for one,
    /// whose checksum is wrong.
    ///
    /// `Departure from Kafka:` the reader then goes on behind this batch; there it would take what follows for nonsense as
    /// well, as far as the index does not help it.
    pub(super) fn append_behind_torn(&mut self, place: usize, out: &mut Outbox<'_, BrokerPort>) {
        let log = &mut self.stored.logs[place];
        log.cut_torn_tail();
        let index = log.len() - 1;
        let LogEntry { base_offset, batch: of, .. } = log.entry(index);
        let batch = out.store.add_rotten(of);
        self.stored.rot(place, index, batch);
        let partition = self.running.replicas[place].partition;
        out.note(Happened::AppendedBehindTorn { partition, base_offset, of, batch });
    }

    /// What can be said of an appended batch now (`DelayedProduce.tryComplete`, `checkEnoughReplicasReachOffset`). Unlike the
    /// gate this looks at the maximal in-sync set.
    fn produce_outcome(&self, entry: &Appended) -> Option<ErrorCode> {
        if Planted::AckAfterAppend.is(self.config.planted) {
            return Some(ErrorCode::None);
        }
        let place = self.place(entry.partition)?;
        let replica = &self.running.replicas[place];
        // Of a deleted topic the log is still there while an append holds its lock, and nobody is answered for it any more
        // (`ReplicaManager.stopPartitions`).
        if self.running.image.find_partition(entry.partition).is_none() {
            return Some(ErrorCode::UnknownTopicOrPartition);
        }
        let Some(leader) = replica.leader() else { return Some(ErrorCode::NotLeaderOrFollower) };
        if replica.high_watermark < entry.required {
            None
        } else if leader.isr.maximal().len() >= self.min_isr(place) {
            Some(ErrorCode::None)
        } else {
            Some(ErrorCode::NotEnoughReplicasAfterAppend)
        }
    }

    /// A request's last batch has been appended: whoever waited for that goes on.
    fn wake_after_append(&mut self, now: Time, slot: usize, out: &mut Outbox<'_, BrokerPort>) {
        let mut asked = std::mem::take(&mut self.running.parked_produces[slot].asked);
        for one in &asked {
            if let Some(place) = self.place(one.partition) {
                self.complete_produces(place, out);
                self.complete_fetches(now, place, out);
            }
        }
        asked.clear();
        self.running.parked_produces[slot].asked = asked;
    }

    /// Answers those waiting for this replica that can be answered now.
    pub(super) fn complete_produces(&mut self, place: usize, out: &mut Outbox<'_, BrokerPort>) {
        let mut index = 0;
        while let Some(&slot) = self.running.waiting[place].produces.get(index) {
            let mut entries = std::mem::take(&mut self.running.parked_produces[slot as usize].entries);
            for entry in &mut entries {
                entry.answer = entry.answer.or_else(|| self.produce_outcome(entry));
            }
            let done = entries.iter().all(|entry| entry.answer.is_some());
            self.running.parked_produces[slot as usize].entries = entries;
            if done {
                // This takes it off the list.
                self.answer_parked_produce(slot, out);
            } else {
                index += 1;
            }
        }
    }

    /// `request.timeout.ms` has passed: what is not decided is told REQUEST_TIMED_OUT. The records stay in the log.
    pub(super) fn expire_produce(&mut self, slot: u32, out: &mut Outbox<'_, BrokerPort>) {
        let parked = &mut self.running.parked_produces[slot as usize];
        if !parked.has_alarm {
            return;
        }
        for entry in &mut parked.entries {
            entry.answer = entry.answer.or(Some(ErrorCode::RequestTimedOut));
        }
        self.answer_parked_produce(slot, out);
    }

    /// All of it is decided.
    pub(super) fn answer_parked_produce(&mut self, slot: u32, out: &mut Outbox<'_, BrokerPort>) {
        let parked = &mut self.running.parked_produces[slot as usize];
        let asker = parked.asker.expect("a waiting produce has somebody who asked");
        let mut entries = std::mem::take(&mut parked.entries);
        parked.has_alarm = false;
        for entry in &entries {
            if let Some(place) = self.stored.place(entry.partition) {
                self.running.waiting[place].produces.retain(|&waiting| waiting != slot);
            }
        }
        if !self.is_its_turn(asker.connection, slot) {
            self.running.parked_produces[slot as usize].entries = entries;
            return;
        }
        self.answer_produce(asker, &entries, out);
        entries.clear();
        let parked = &mut self.running.parked_produces[slot as usize];
        parked.entries = entries;
        parked.asker = None;
        self.take_turns(asker.connection, out);
    }

    fn answer_produce(&mut self, asker: Asker, entries: &[Appended], out: &mut Outbox<'_, BrokerPort>) {
        let Asker { connection, acks, .. } = asker;
        let partitions = out.store.produced.take();
        for entry in entries {
            let error = entry.answer.expect("an answer for each partition");
            let Appended { partition, batch, base_offset, .. } = *entry;
            let current_leader =
                (error == ErrorCode::NotLeaderOrFollower).then(|| self.leader_hint(partition)).flatten();
            let result = ProducedPartition { partition, batch, error, base_offset, current_leader };
            out.store.produced.get_mut(partitions).push(result);
            out.note(if error == ErrorCode::None {
                Happened::Acked { partition, batch, base_offset, acks }
            } else {
                Happened::Refused { partition, batch, error }
            });
        }
        let bytes = Bytes::new(30 + 60 * entries.len() as u64);
        out.respond(connection, Message::Produced(Produced { partitions }), bytes);
    }

    /// Forgets producers that have written nothing for `producer.id.expiration.ms`, and comes again.
    pub(super) fn on_producer_id_expiration(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        let period = self.config.options.producer_id_expiration_check_interval;
        out.set_timer(Timer::ProducerIdExpiration, period);
        let expiration = self.running.producer_id_expiration;
        for replica in &mut self.running.replicas {
            replica.producers.expire(now, expiration);
        }
    }

    /// A place for a request that waits.
    fn free_produce(&mut self) -> usize {
        if let Some(slot) = self.running.parked_produces.iter().position(ParkedProduce::is_free) {
            return slot;
        }
        self.running.parked_produces.push(ParkedProduce::default());
        self.running.parked_produces.len() - 1
    }
}

/// Whether some record is too far ahead of this broker's clock, or too far behind (`LogValidator.recordHasInvalidTimestamp`).
///
/// `Departure from Kafka:` all records of a refused batch are told the same; there the client tells the others of a batch
/// KafkaException, and the bad ones, if they are several, InvalidRecordException (`Sender.failBatch`). Of a batch the newest
/// record and the first are looked at; with a clock that was set back meanwhile another may be older than the first.
#[inline]
fn is_out_of_time(now: Time, built: &Batch, options: &TopicOptions) -> bool {
    let (newest, today) = (built.timestamp.whole_milliseconds(), now.whole_milliseconds());
    let is_too_old = || {
        let spans = Span::from_milliseconds(built.spans.into());
        let first = newest.since_start().nanoseconds().saturating_sub(spans.nanoseconds());
        today.since(Time::from_nanoseconds(first)) > options.timestamp_before_max
    };
    newest.since(today) > options.timestamp_after_max
        || options.timestamp_before_max < Span::FOREVER && is_too_old()
}
