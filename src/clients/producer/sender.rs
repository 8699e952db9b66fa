//! What is sent when, and what becomes of it: `Sender`, and the part of `RecordAccumulator` that says which batches are
//! ready.
//!
//! `Departure from Kafka:` a batch that reaches `delivery.timeout.ms` at the instant it could be sent is not sent any more.
//! Of the metadata errors only those of the asked partitions matter.
//! With `acks=0` a batch is told success as it is handed over: a socket takes any number of bytes. Kafka's producer tells it once
//! the socket has taken all of it (`NetworkClient.handleCompletedSends`), and sends nothing else to that broker before. Behind a
//! link that is cut, what a socket does not hold (`send.buffer.bytes`, 128 KiB) thus waits in the producer, and ends as failed
//! after `delivery.timeout.ms`; here it is told success as well, and is lost if the connection breaks.

use std::collections::VecDeque;

use super::accumulator::{Batch, Place, Slot};
use super::producer_id::Question;
use super::record_size::{PARTITION_OVERHEAD, REQUEST_OVERHEAD};
use super::{Process, Producer, ProducerPort, ProducerTimer, Request};
use crate::clients::happened::{Happened, Outcome};
use crate::clients::retriable::{Class, class};
use crate::cluster::protocol::{ErrorCode, Message, Produce, ProducePartition, Produced};
use crate::cluster::units::{Acks, ProducerEpoch, ProducerId, Sequence};
use crate::devices::port::{Effect, Outbox};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// What waits for one broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// Partitions it leads with batches in their queues; the first to be drained stands first.
    waiting: VecDeque<Place>,
    /// It is among those to be looked at.
    to_look_at: bool,
    /// When it last took a request, or since when there has been one for it (`NodeLatencyStats.drainTimeMs`).
    pub(super) drained: Option<Time>,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection ended.
    Disconnected,
    /// `request.timeout.ms` passed for it or for another on the same connection.
    TimedOut,
}

/// The batches of a request in the making.
struct Drained {
    first: Slot,
    last: Slot,
    bytes: Bytes,
}

impl Producer {
    /// Sends all that is ready, and asks for metadata if that is due (`Sender.runOnce`).
    pub(super) fn send_what_is_ready(&mut self, now: Time, out: &mut Outbox<ProducerPort>) {
        if let Some(identity) = &mut self.identity
            && identity.settle(&mut self.accumulator, out)
        {
            if identity.needs_id() && self.question == Question::Settled {
                self.question = Question::Due;
            }
            self.look_at_all();
        }
        let timeout = self.options.request_timeout;
        if self.metadata.maybe_update(now, &mut self.network, (Request::Metadata, timeout), out) {
            self.wake_by(now, now + timeout, out);
        }
        // Nothing overtakes a question for metadata that is due, and no batch the one for an id.
        while !self.metadata.is_due(now)
            && self.has_id_or_asks(now, out)
            && let Some(node) = self.to_look_at.pop()
        {
            self.nodes[usize::from(node.0)].to_look_at = false;
            self.send_to(now, node, out);
        }
    }

    /// There may be something to send to a broker.
    #[inline]
    pub(super) fn look_at(&mut self, node: NodeId) {
        let entry = &mut self.nodes[usize::from(node.0)];
        if !entry.to_look_at {
            entry.to_look_at = true;
            self.to_look_at.push(node);
        }
    }

    /// There may be something to send to any broker.
    pub(super) fn look_at_all(&mut self) {
        for place in (0..self.nodes.len()).rev() {
            if !self.nodes[place].waiting.is_empty() {
                self.look_at(NodeId(place as u16));
            }
        }
    }

    /// A partition has batches in its queue: its leader is to be looked at. Without a leader, metadata is asked for.
    #[inline]
    pub(super) fn enlist(&mut self, place: Place) {
        let leader = self.metadata.leader(place.0 as usize);
        let partition = self.accumulator.partition_mut(place);
        match leader {
            Some(leader) => {
                if partition.waits_for.is_none() {
                    partition.waits_for = Some(leader);
                    self.nodes[usize::from(leader.0)].waiting.push_back(place);
                }
                self.look_at(leader);
            }
            None => self.metadata.request_update(),
        }
    }

    /// Other brokers may lead: what waits, waits for them.
    pub(super) fn leaders_changed(&mut self) {
        for node in &mut self.nodes {
            node.waiting.clear();
        }
        for place in (0..self.accumulator.partitions.len() as u32).map(Place) {
            let partition = self.accumulator.partition_mut(place);
            partition.waits_for = None;
            if !partition.queue.is_empty() {
                self.enlist(place);
            }
        }
    }

    /// The alarm of a partition's first batch: it has waited enough, if it is the one the alarm was for.
    pub(super) fn on_waited(&mut self, place: Place) {
        let partition = self.accumulator.partition_mut(place);
        let (alarm_for, head) = (partition.alarm_for.take(), partition.queue.front().copied());
        if let Some(slot) = head
            && alarm_for == head
        {
            self.accumulator.batch_mut(slot).backing_off = false;
        }
        if head.is_some() {
            self.enlist(place);
        }
    }

    /// The answer to a Produce request.
    pub(super) fn on_produced(
        &mut self,
        now: Time,
        first: Slot,
        answer: Produced,
        out: &mut Outbox<ProducerPort>,
    ) {
        let (mut next, mut news) = (Some(first), false);
        for at in 0..out.store.produced.get(answer.partitions).len() {
            let result = out.store.produced.get(answer.partitions)[at];
            let slot = next.expect("an answer has a result for each batch of its request, and no more");
            let Batch { next: after, place, drained_for, .. } = *self.accumulator.batch(slot);
            assert_eq!(drained_for, result.partition, "results are in order");
            next = after;
            let refused = Outcome::Refused(result.error);
            self.complete(now, slot, result.error, refused, out);
            let moved = matches!(result.error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
            let is_now = self.accumulator.partition(place).id == result.partition;
            if moved
                && is_now
                && let Some(hint) = result.current_leader
            {
                news |= self.metadata.hint(place.0 as usize, hint);
            }
        }
        assert_eq!(next, None, "an answer has a result for each batch of its request");
        if news {
            self.leaders_changed();
        }
    }

    /// Requests that will not be answered.
    pub(super) fn fail_requests(
        &mut self,
        now: Time,
        mut failed: Vec<Request>,
        failure: Failure,
        out: &mut Outbox<ProducerPort>,
    ) {
        let (error, outcome) = match failure {
            Failure::Disconnected => (ErrorCode::NetworkException, Outcome::Disconnected),
            Failure::TimedOut => (ErrorCode::RequestTimedOut, Outcome::TimedOut),
        };
        // A broker was lost, perhaps a leader. A time-out that found nothing lost none.
        if failure == Failure::Disconnected || !failed.is_empty() {
            let was_asked = failed.iter().any(|request| matches!(request, Request::Metadata));
            self.metadata.on_disconnected(now, was_asked, ProducerTimer::Metadata, out);
        }
        for request in failed.drain(..) {
            match request {
                Request::Metadata => (),
                Request::ProducerId => self.on_producer_id_failure(out),
                Request::Produce(first) => {
                    let mut next = Some(first);
                    while let Some(slot) = next {
                        next = self.accumulator.batch(slot).next;
                        self.complete(now, slot, error, outcome, out);
                    }
                }
            }
        }
        self.failed = failed;
    }

    /// Gives up every batch older than `delivery.timeout.ms`, under way or not.
    pub(super) fn expire_batches(&mut self, now: Time, out: &mut Outbox<ProducerPort>) {
        let timeout = self.options.delivery_timeout;
        for place in (0..self.accumulator.partitions.len() as u32).map(Place) {
            while let Some(&slot) = self.accumulator.partition(place).queue.front()
                && self.accumulator.batch(slot).has_expired(now, timeout)
            {
                self.accumulator.take_head(place);
                self.give_up(slot, out);
                self.accumulator.free(slot);
            }
            // One that is younger holds up those that were sent again after it.
            while let Some(&slot) = self.accumulator.partition(place).in_flight.first()
                && self.accumulator.batch(slot).has_expired(now, timeout)
            {
                self.accumulator.leave_flight(slot);
                self.give_up(slot, out);
            }
        }
    }

    fn give_up(&mut self, slot: Slot, out: &mut Outbox<ProducerPort>) {
        self.fail(slot, Outcome::TimedOut, None, false, out);
        if let Some(identity) = &mut self.identity
            && self.accumulator.batch(slot).in_retry
        {
            identity.mark_unresolved(&mut self.accumulator, slot);
        }
    }

    /// Sends a broker as many requests as it may have, as long as something is ready for it.
    fn send_to(&mut self, now: Time, node: NodeId, out: &mut Outbox<ProducerPort>) {
        // With all in flight that may be, an answer will come, or the connection ends.
        while (!self.network.is_connected(node) || self.network.can_send(node))
            && self.is_any_ready(now, node, out)
        {
            self.nodes[usize::from(node.0)].drained.get_or_insert(now);
            if !self.network.ready(now, node, out) {
                break;
            }
            let Some(drained) = self.drain(now, node, out) else { break };
            self.nodes[usize::from(node.0)].drained = Some(now);
            self.send(now, node, drained, out);
        }
    }

    /// Whether a batch for a broker is ready; if none is, sees to it that one will be (`RecordAccumulator.ready`).
    fn is_any_ready(&mut self, now: Time, node: NodeId, out: &mut Outbox<ProducerPort>) -> bool {
        for at in 0..self.nodes[usize::from(node.0)].waiting.len() {
            let place = self.nodes[usize::from(node.0)].waiting[at];
            let partition = self.accumulator.partition(place);
            let Some(&head) = partition.queue.front() else { continue };
            if partition.is_muted || self.is_backing_off(now, place, head, out) {
                continue;
            }
            let lingers_until = self.accumulator.batch(head).attempted + self.options.linger;
            if now >= lingers_until
                || self.accumulator.has_full_head(place)
                || self.application.waits_for_memory()
                || matches!(self.process, Process::Flushing | Process::Closing)
            {
                return true;
            }
            // One that was tried before is closed, and does not linger: the alarm is for nothing else.
            let wait = lingers_until.since(now);
            self.set_alarm(place, head, (wait, wait), out);
        }
        false
    }

    /// Whether a batch put back must wait still. If so, the alarm of its partition is set for it.
    #[inline]
    fn is_backing_off(
        &mut self,
        now: Time,
        place: Place,
        head: Slot,
        out: &mut Outbox<ProducerPort>,
    ) -> bool {
        let epoch = self.metadata.epoch(place.0 as usize);
        let batch = self.accumulator.batch_mut(head);
        if batch.has_new_leader(epoch) || !batch.backing_off {
            return false;
        }
        let range = self.retry_backoff.after(batch.retries - 1).less(now.since(batch.attempted));
        self.set_alarm(place, head, (range.least, range.most), out);
        true
    }

    /// Sets the alarm of a partition for its first batch, unless it is set for that already.
    #[inline]
    fn set_alarm(
        &mut self,
        place: Place,
        head: Slot,
        (least, most): (Span, Span),
        out: &mut Outbox<ProducerPort>,
    ) {
        let partition = self.accumulator.partition_mut(place);
        if partition.alarm_for != Some(head) {
            partition.alarm_for = Some(head);
            out.ask(Effect::SetTimer(ProducerTimer::Batch(place.0), least, most));
        }
    }

    /// Takes the first batch of every partition a broker leads that is not held back, whether or not it lingers, up to
    /// `max.request.size` (`drainBatchesForOneNode`).
    fn drain(&mut self, now: Time, node: NodeId, out: &mut Outbox<ProducerPort>) -> Option<Drained> {
        let mut waiting = std::mem::take(&mut self.nodes[usize::from(node.0)].waiting);
        let mut drained: Option<Drained> = None;
        for _ in 0..waiting.len() {
            let place = waiting.pop_front().expect("as many as were counted");
            let partition = self.accumulator.partition_mut(place);
            let Some(&head) = partition.queue.front() else {
                partition.waits_for = None;
                continue;
            };
            if partition.is_muted || self.is_backing_off(now, place, head, out) {
                waiting.push_back(place);
                continue;
            }
            let bytes = self.accumulator.batch(head).bytes;
            let is_too_much =
                drained.as_ref().is_some_and(|so_far| so_far.bytes + bytes > self.options.max_request_size);
            let must_wait = self
                .identity
                .as_ref()
                .is_some_and(|identity| identity.must_wait(&self.accumulator, place, head));
            if is_too_much || must_wait {
                waiting.push_front(place);
                break;
            }
            self.accumulator.take_head(place);
            self.prepare(head, out);
            match &mut drained {
                None => drained = Some(Drained { first: head, last: head, bytes }),
                Some(so_far) => {
                    self.accumulator.batch_mut(so_far.last).next = Some(head);
                    *so_far = Drained { first: so_far.first, last: head, bytes: so_far.bytes + bytes };
                }
            }
            let partition = self.accumulator.partition_mut(place);
            if partition.queue.is_empty() {
                partition.waits_for = None;
            } else {
                waiting.push_back(place);
            }
        }
        self.nodes[usize::from(node.0)].waiting = waiting;
        drained
    }

    /// A batch goes into a request: it is numbered and stored, if it was not before.
    #[inline]
    fn prepare(&mut self, slot: Slot, out: &mut Outbox<ProducerPort>) {
        if let Some(identity) = &self.identity {
            identity.number(&mut self.accumulator, slot);
        }
        self.store(slot, out);
        let only_one = self.options.max_in_flight == 1;
        let batch = self.accumulator.batch_mut(slot);
        batch.next = None;
        batch.sent += 1;
        batch.was_rewritten = false;
        let place = batch.place;
        let partition = self.accumulator.partition_mut(place);
        partition.in_flight.push(slot);
        partition.is_muted = only_one;
        if partition.alarm_for == Some(slot) {
            partition.alarm_for = None;
        }
    }

    #[inline]
    fn store(&mut self, slot: Slot, out: &mut Outbox<ProducerPort>) {
        let partition = self.accumulator.partition(self.accumulator.batch(slot).place).id;
        let batch = self.accumulator.batch_mut(slot);
        if batch.stored.is_some() && batch.drained_for == partition {
            return;
        }
        batch.drained_for = partition;
        let producer = batch.identity.map_or((ProducerId(0), ProducerEpoch(0), Sequence(0)), |identity| {
            (identity.producer.0, identity.producer.1, identity.base)
        });
        let id = out.store.add_batch(producer, &batch.runs, batch.bytes, batch.timestamp);
        if batch.created < batch.timestamp {
            out.store.begins_at(id, batch.created);
        }
        batch.stored = Some(id);
        out.note(Happened::Batched { batch: id, partition });
    }

    fn send(&mut self, now: Time, node: NodeId, drained: Drained, out: &mut Outbox<ProducerPort>) {
        let partitions = out.store.produce.take();
        let mut bytes = drained.bytes + REQUEST_OVERHEAD;
        let mut next = Some(drained.first);
        while let Some(slot) = next {
            let batch = self.accumulator.batch(slot);
            let (id, partition) = (batch.stored.expect("a drained batch is stored"), batch.drained_for);
            out.store.produce.get_mut(partitions).push(ProducePartition { partition, batch: id });
            out.note(Happened::Attempted { batch: id, attempt: batch.sent });
            bytes += PARTITION_OVERHEAD;
            next = batch.next;
        }
        let (acks, timeout) = (self.options.acks, self.options.request_timeout);
        let message = Message::Produce(Produce { acks, timeout, partitions });
        if acks == Acks::Zero {
            out.send(self.network.peer(node), message, bytes);
            self.succeed_all(now, drained.first, out);
        } else {
            // A clock of whole milliseconds has to show more than the time-out (`InFlightRequests.hasExpiredRequest`), while
            // the broker, which waits as long for its replicas, answers at the full count: mostly it is first.
            let deadline = now.whole_milliseconds() + timeout + Span::from_milliseconds(1);
            self.network.send(node, (message, bytes), (Request::Produce(drained.first), deadline), out);
            self.wake_by(now, deadline, out);
        }
    }

    /// With `acks=0`, what was handed to the socket was delivered.
    fn succeed_all(&mut self, now: Time, first: Slot, out: &mut Outbox<ProducerPort>) {
        let mut next = Some(first);
        while let Some(slot) = next {
            next = self.accumulator.batch(slot).next;
            self.complete(now, slot, ErrorCode::None, Outcome::Success, out);
        }
    }

    /// A batch is no longer under way: it is in the log, or tried again, or given up as `outcome` (`completeBatch`).
    fn complete(
        &mut self,
        now: Time,
        slot: Slot,
        error: ErrorCode,
        outcome: Outcome,
        out: &mut Outbox<ProducerPort>,
    ) {
        self.accumulator.leave_flight(slot);
        let Batch { place, retries, records, is_told, .. } = *self.accumulator.batch(slot);
        let partition = self.accumulator.partition_mut(place);
        partition.is_muted = false;
        if let Some(&first) = partition.in_flight.first()
            && self.accumulator.batch(first).has_expired(now, self.options.delivery_timeout)
        {
            // This one held it up.
            self.wake_by(now, now, out);
        }
        if matches!(error, ErrorCode::None | ErrorCode::DuplicateSequenceNumber) {
            self.succeed(slot, out);
        } else if error == ErrorCode::MessageTooLarge && records > 1 && !is_told {
            self.split(slot);
        } else {
            if self.can_retry(now, slot, error) {
                self.try_again(now, slot);
            } else {
                self.fail(slot, outcome, Some(error), retries < self.options.retries, out);
                self.accumulator.free(slot);
            }
            if class(error) == Class::InvalidMetadata {
                self.metadata.request_update();
            }
        }
        // It may have held up the others of its partition, which another broker leads by now.
        if !self.accumulator.partition(place).queue.is_empty() {
            self.enlist(place);
        }
    }

    #[inline]
    fn succeed(&mut self, slot: Slot, out: &mut Outbox<ProducerPort>) {
        if let Some(identity) = &self.identity {
            identity.on_success(&mut self.accumulator, slot);
        }
        self.tell_all(slot, Outcome::Success, out);
        self.accumulator.free(slot);
    }

    /// The broker takes no batch so large. Kafka splits it by `batch.size`, within which it was made: what comes out is the
    /// same batch, without its memory and its retries, tried again at once (KAFKA-8350).
    fn split(&mut self, slot: Slot) {
        self.accumulator.give_back_memory(slot);
        let batch = self.accumulator.batch_mut(slot);
        batch.forget_attempts();
        self.accumulator.put_back(slot);
    }

    fn can_retry(&mut self, now: Time, slot: Slot, error: ErrorCode) -> bool {
        let batch = self.accumulator.batch(slot);
        !batch.is_told
            && !batch.has_expired(now, self.options.delivery_timeout)
            && batch.retries < self.options.retries
            && (class(error) != Class::Fatal
                || self
                    .identity
                    .as_mut()
                    .is_some_and(|identity| identity.can_retry(&mut self.accumulator, slot, error)))
    }

    fn try_again(&mut self, now: Time, slot: Slot) {
        let batch = self.accumulator.batch_mut(slot);
        batch.retries += 1;
        batch.attempted = now;
        batch.in_retry = true;
        batch.backing_off = true;
        self.accumulator.put_back(slot);
    }

    fn fail(
        &mut self,
        slot: Slot,
        outcome: Outcome,
        error: Option<ErrorCode>,
        adjust: bool,
        out: &mut Outbox<ProducerPort>,
    ) {
        if self.accumulator.batch(slot).is_told {
            return;
        }
        self.tell_all(slot, outcome, out);
        if let Some(identity) = &mut self.identity {
            identity.on_failure(&mut self.accumulator, slot, error, adjust);
        }
    }

    /// Tells the application about the messages of a batch, once.
    #[inline]
    fn tell_all(&mut self, slot: Slot, outcome: Outcome, out: &mut Outbox<ProducerPort>) {
        let batch = self.accumulator.batch_mut(slot);
        if std::mem::replace(&mut batch.is_told, true) {
            return;
        }
        for at in 0..batch.runs.len() {
            let run = self.accumulator.batch(slot).runs[at];
            self.tell(run, outcome, out);
        }
    }
}
