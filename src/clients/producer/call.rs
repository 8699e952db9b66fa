//! One call of `send()`: which partition it goes to, whether there is room for it, and how it fails (`KafkaProducer.doSend`,
//! `RecordAccumulator.append`).

use super::accumulator::{Appended, Place, Record};
use super::application::Call;
use super::partitioner::{self, Standing};
use super::{Producer, ProducerPort, record_size};
use crate::clients::app::{Full, Workload};
use crate::clients::happened::{Happened, Outcome};
use crate::clients::options::PartitionerClass;
use crate::cluster::store::MessageRun;
use crate::cluster::units::MessageId;
use crate::devices::port::Outbox;
use crate::kernel::units::{NodeId, Span, Time};

impl Producer {
    /// One call of `send()`, or another try at one that blocked (`KafkaProducer.doSend`).
    pub(super) fn call_send(&mut self, now: Time, out: &mut Outbox<ProducerPort>) {
        let call = self.application.blocked.take().unwrap_or_else(|| self.application.next_call(now));
        let Call { message, is_again, since, place } = call;
        let is_too_late = now >= since + self.options.max_block;
        let Workload { size, full, .. } = self.application.workload;
        let record = Record { message, size };
        let place = match place {
            Some(place) => place,
            None if self.metadata.partition_count() == 0 => {
                if is_too_late {
                    self.note_call(&call, None, out);
                    return self.fail_send(&call, Outcome::TimedOut, out);
                }
                return self.block(now, call, out);
            }
            None if self.is_too_large() => {
                let place = self.fixed_place(message);
                self.note_call(&call, place, out);
                return self.fail_send(&call, Outcome::TooLarge, out);
            }
            None => {
                let (place, appended) = self.choose_and_append(now, record);
                self.note_call(&call, Some(place), out);
                if let Some(appended) = appended {
                    return self.accept(place, appended, is_again);
                }
                place
            }
        };
        if self.accumulator.has_memory(size) {
            let appended = self.accumulator.begin(now, place, record);
            self.wake_by(now, now + self.options.delivery_timeout, out);
            return self.accept(place, appended, is_again);
        }
        match full {
            Full::Block if !is_too_late => self.block(now, Call { place: Some(place), ..call }, out),
            Full::Block | Full::Reject => self.fail_send(&call, Outcome::BufferExhausted, out),
            Full::Drop => {
                self.application.slice -= 1;
                self.application.returned(is_again);
                self.application.dropped(message);
                self.pause_if_anything_failed(out);
            }
        }
    }

    /// Reports a call whose partition is known, or never will be.
    #[inline]
    fn note_call(&mut self, call: &Call, place: Option<Place>, out: &mut Outbox<ProducerPort>) {
        self.application.called(call);
        let partition = place.map(|place| self.accumulator.partition(place).id);
        let message = call.message;
        out.note(match call.is_again {
            false => Happened::Called { message, partition },
            true => Happened::CalledAgain { message, partition },
        });
    }

    /// The partition of the next record, and what adding it to an open batch there came to.
    fn choose_and_append(&mut self, now: Time, record: Record) -> (Place, Option<Appended>) {
        if let Some(place) = self.fixed_place(record.message) {
            return (place, self.accumulator.append(now, place, record));
        }
        let partitions = self.metadata.partition_count();
        let is_adaptive = self.options.adaptive_partitioning && self.accumulator.used() >= partitions;
        loop {
            let Producer { metadata, accumulator, nodes, network, options, .. } = self;
            let standing = |place: Place| {
                let leader = metadata.leader(place.0 as usize);
                let waiting = accumulator.partition(place).queue.len() as u32;
                let is_stuck = |leader: NodeId| {
                    let timeout = options.availability_timeout;
                    let drained = nodes[usize::from(leader.0)].drained;
                    timeout > Span::ZERO
                        && waiting > 0
                        && !network.can_send(leader)
                        && drained.is_some_and(|drained| now > drained + timeout)
                };
                Standing {
                    has_leader: leader.is_some(),
                    is_stuck: is_adaptive && leader.is_some_and(is_stuck),
                    waiting: is_adaptive.then_some(waiting),
                }
            };
            let place = self.partitioner.sticky(partitions, standing);
            if self.has_had_its_turn(place) {
                continue;
            }
            let appended = self.accumulator.append(now, place, record);
            // A batch without room for it is no longer open, and the turn may end here.
            if appended.is_none() && self.has_had_its_turn(place) {
                continue;
            }
            return (place, appended);
        }
    }

    /// Ends the turn of the sticky partition if it has had its share and has nothing open (`partitionChanged`).
    fn has_had_its_turn(&mut self, place: Place) -> bool {
        let is_over = self.partitioner.has_had_its_share() && self.accumulator.has_nothing_open(place);
        if is_over {
            self.partitioner.turn();
        }
        is_over
    }

    /// Where a record goes that has no choice. Key `n` is the decimal number n; message m of this producer has key m modulo
    /// `keys`.
    fn fixed_place(&mut self, message: MessageId) -> Option<Place> {
        let partitions = self.metadata.partition_count();
        if self.sticks() {
            return None;
        }
        match self.options.partitioner {
            PartitionerClass::RoundRobin => {
                let metadata = &self.metadata;
                let has_leader = |place: Place| metadata.leader(place.0 as usize).is_some();
                Some(self.partitioner.in_turn(partitions, has_leader))
            }
            PartitionerClass::BuiltIn => {
                let keys = self.application.workload.keys;
                let key = (message.0 - self.application.first.0).checked_rem(keys)?;
                Some(partitioner::for_key(key, partitions))
            }
        }
    }

    /// Whether records go to the same partition for a batch.
    #[inline]
    fn sticks(&self) -> bool {
        (self.application.workload.keys == 0 || self.options.ignore_keys)
            && self.options.partitioner == PartitionerClass::BuiltIn
    }

    /// Whether `max.request.size` or `buffer.memory` can never hold a record.
    fn is_too_large(&self) -> bool {
        let size = self.application.workload.size;
        record_size::upper_bound(size) > self.options.max_request_size
            || self.accumulator.needs(size) > self.options.buffer_memory
    }

    /// The record is in a batch: the call returns.
    fn accept(&mut self, place: Place, appended: Appended, is_again: bool) {
        if self.sticks() {
            self.partitioner.produced(appended.bytes, self.accumulator.has_nothing_open(place));
        }
        self.application.slice -= 1;
        self.application.unanswered += 1;
        self.application.returned(is_again);
        if appended.wakes_sender {
            self.woken = true;
            self.enlist(place);
        }
    }

    /// The call fails: the future it returns, or the exception, says so at once.
    fn fail_send(&mut self, call: &Call, outcome: Outcome, out: &mut Outbox<ProducerPort>) {
        self.application.slice -= 1;
        self.application.unanswered += 1;
        self.application.returned(call.is_again);
        self.tell(MessageRun { first: call.message, count: 1 }, outcome, out);
    }

    fn block(&mut self, now: Time, call: Call, out: &mut Outbox<ProducerPort>) {
        self.application.blocked = Some(call);
        self.wake_by(now, call.since + self.options.max_block, out);
        if call.place.is_some() {
            self.look_at_all();
        }
    }
}
