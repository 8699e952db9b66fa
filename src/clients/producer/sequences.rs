//! The numbers that let brokers recognise a batch they have: `TransactionManager` and `TxnPartitionEntry`, without
//! transactions.
//!
//! `Departure from Kafka:` sequences do not wrap at 2^31.

use super::ProducerPort;
use super::accumulator::{Accumulator, Identity, Partition, Place, Slot};
use crate::clients::happened::Happened;
use crate::cluster::protocol::ErrorCode;
use crate::cluster::units::{ProducerEpoch, ProducerId, Sequence};
use crate::devices::port::Outbox;

/// One partition's count.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequences {
    /// Under which id and epoch it runs.
    producer: (ProducerId, ProducerEpoch),
    /// The number of the next record.
    next: Sequence,
    /// The record after the last one known to be in the log: `lastAckedSequence` plus one.
    acked: Sequence,
    /// Batches with a number whose fate is open, under way or to be tried again, in order (`inflightBatchesBySequence`).
    open: Vec<Slot>,
    /// A batch was given up whose fate is open, and this is the number after the highest such: nothing is begun until all
    /// that is open is settled (`partitionsWithUnresolvedSequences`).
    unresolved: Option<Sequence>,
    /// A numbered batch was given up, since the numbers began.
    gave_up: bool,
    /// With the next epoch, the open batches are numbered anew (`partitionsToRewriteSequences`).
    is_to_be_rewritten: bool,
}

/// Who the producer is to the brokers, and whether it must become another.
#[derive(Clone, Debug)]
pub(super) struct ProducerIdentity {
    /// [`ProducerId::NONE`] until a broker has given one.
    id: ProducerId,
    epoch: ProducerEpoch,
    /// `clientSideEpochBumpRequired`.
    needs_bump: bool,
    /// Partitions that are unresolved; none: nothing to look for.
    unresolved: u32,
}

impl ProducerIdentity {
    pub(super) fn new() -> ProducerIdentity {
        ProducerIdentity { id: ProducerId::NONE, epoch: ProducerEpoch(0), needs_bump: false, unresolved: 0 }
    }

    /// A broker has given it an id.
    pub(super) fn begin(&mut self, id: ProducerId) {
        assert_eq!(self.id, ProducerId::NONE, "only one that has no id asks for one");
        self.id = id;
    }

    /// Whether a broker is to be asked for an id.
    pub(super) fn needs_id(&self) -> bool {
        self.id == ProducerId::NONE
    }

    /// Whether a batch at the head of a partition's queue must wait, and with it all that would go to the same broker in
    /// this request (`shouldStopDrainBatchesForPartition`).
    #[inline]
    pub(super) fn must_wait(&self, accumulator: &Accumulator, place: Place, head: Slot) -> bool {
        let sequences = &accumulator.partition(place).sequences;
        let first_open = sequences.open.first();
        match accumulator.batch(head).identity {
            None => {
                first_open.is_some() && sequences.producer != (self.id, self.epoch)
                    || sequences.unresolved.is_some()
            }
            Some(Identity { base, .. }) => first_open
                .is_some_and(|&open| accumulator.batch(open).identity.is_some_and(|open| open.base != base)),
        }
    }

    /// Numbers a batch that is drained for the first time.
    #[inline]
    pub(super) fn number(&self, accumulator: &mut Accumulator, slot: Slot) {
        debug_assert_ne!(self.id, ProducerId::NONE, "nothing is drained without an id");
        let place = accumulator.batch(slot).place;
        if accumulator.batch(slot).identity.is_some() {
            return;
        }
        let sequences = &accumulator.partition(place).sequences;
        if sequences.producer != (self.id, self.epoch) && sequences.open.is_empty() {
            self.begin_anew(accumulator, place);
        }
        let records = accumulator.batch(slot).records;
        let sequences = &mut accumulator.partition_mut(place).sequences;
        let base = sequences.next;
        sequences.next = Sequence(base.0 + records);
        sequences.open.push(slot);
        accumulator.batch_mut(slot).identity = Some(Identity { producer: (self.id, self.epoch), base });
    }

    /// A batch is in the log.
    #[inline]
    pub(super) fn on_success(&self, accumulator: &mut Accumulator, slot: Slot) {
        let batch = accumulator.batch(slot);
        let (place, next) = (batch.place, batch.next_sequence());
        let sequences = &mut accumulator.partition_mut(place).sequences;
        sequences.acked = sequences.acked.max(next.expect("a batch under way has a number"));
        sequences.close(slot);
    }

    /// A batch was given up. `adjust`: it might have been tried again, so that it is known not to be in the log.
    pub(super) fn on_failure(
        &mut self,
        accumulator: &mut Accumulator,
        slot: Slot,
        error: Option<ErrorCode>,
        adjust: bool,
    ) {
        let place = accumulator.batch(slot).place;
        let sequences = &mut accumulator.partition_mut(place).sequences;
        sequences.close(slot);
        sequences.gave_up = true;
        if error == Some(ErrorCode::UnknownProducerId) {
            self.forget_unresolved(accumulator, place);
            let sequences = &mut accumulator.partition_mut(place).sequences;
            (sequences.next, sequences.acked) = (Sequence(0), Sequence(0));
        } else if adjust || error == Some(ErrorCode::OutOfOrderSequenceNumber) {
            self.request_bump(accumulator, place);
        }
    }

    /// A batch was given up for want of time after it had been tried: it may be in the log or not.
    pub(super) fn mark_unresolved(&mut self, accumulator: &mut Accumulator, slot: Slot) {
        let batch = accumulator.batch(slot);
        let (place, next) = (batch.place, batch.next_sequence());
        let sequences = &mut accumulator.partition_mut(place).sequences;
        self.unresolved += u32::from(sequences.unresolved.is_none());
        sequences.unresolved = sequences.unresolved.max(next);
    }

    /// Whether a batch may be tried again after this error, beyond what may be for any producer (`canRetry`).
    pub(super) fn can_retry(&mut self, accumulator: &mut Accumulator, slot: Slot, error: ErrorCode) -> bool {
        let batch = accumulator.batch(slot);
        let place = batch.place;
        let Some(Identity { base, .. }) = batch.identity else { return false };
        let (was_rewritten, sequences) = (batch.was_rewritten, &accumulator.partition(place).sequences);
        if error == ErrorCode::UnknownProducerId {
            if !was_rewritten {
                self.request_bump(accumulator, place);
            }
            return true;
        }
        if error != ErrorCode::OutOfOrderSequenceNumber {
            return false;
        }
        let is_next = match sequences.unresolved {
            None => !was_rewritten && base == sequences.acked,
            Some(unresolved) => base == unresolved,
        };
        if is_next {
            self.request_bump(accumulator, place);
        }
        true
    }

    /// What is to be done before anything is sent: see what came of open questions, and become another if need be
    /// (`maybeResolveSequences`, `bumpIdempotentEpochAndResetIdIfNeeded`). Says whether anything changed.
    pub(super) fn settle(
        &mut self,
        accumulator: &mut Accumulator,
        out: &mut Outbox<'_, ProducerPort>,
    ) -> bool {
        if self.unresolved == 0 && !self.needs_bump {
            return false;
        }
        let mut changed = false;
        for place in (0..accumulator.partitions.len() as u32).map(Place) {
            let sequences = &accumulator.partition(place).sequences;
            if sequences.unresolved.is_some() && sequences.open.is_empty() {
                if sequences.next != sequences.acked {
                    self.request_bump(accumulator, place);
                }
                self.forget_unresolved(accumulator, place);
                changed = true;
            }
        }
        if self.needs_bump {
            self.bump(accumulator, out);
            changed = true;
        }
        changed
    }

    fn request_bump(&mut self, accumulator: &mut Accumulator, place: Place) {
        self.needs_bump = true;
        accumulator.partition_mut(place).sequences.is_to_be_rewritten = true;
    }

    /// The next epoch, or once these are used up, none: a broker is to be asked for another id. What is open then, and to be
    /// rewritten, goes out under no id, as from a producer without idempotence (`resetIdempotentProducerId`).
    fn bump(&mut self, accumulator: &mut Accumulator, out: &mut Outbox<'_, ProducerPort>) {
        const LAST: ProducerEpoch = ProducerEpoch(i16::MAX as u16);
        self.needs_bump = false;
        (self.id, self.epoch) = match self.epoch {
            LAST => (ProducerId::NONE, ProducerEpoch(0)),
            epoch => (self.id, ProducerEpoch(epoch.0 + 1)),
        };
        for place in (0..accumulator.partitions.len() as u32).map(Place) {
            if accumulator.partition(place).sequences.is_to_be_rewritten {
                let Partition { id: partition, sequences, .. } = accumulator.partition(place);
                if !sequences.open.is_empty() {
                    let (batches, gave_up) = (sequences.open.len() as u32, sequences.gave_up);
                    let (partition, epoch) = (*partition, self.epoch);
                    out.note(Happened::Renumbered { partition, batches, epoch, gave_up });
                }
                self.begin_anew(accumulator, place);
                self.forget_unresolved(accumulator, place);
            }
        }
    }

    /// Numbers what is open from 0 under the present epoch (`startSequencesAtBeginning`). A batch is then another to the
    /// brokers, even if they have it.
    fn begin_anew(&self, accumulator: &mut Accumulator, place: Place) {
        let mut next = 0;
        for at in 0..accumulator.partition(place).sequences.open.len() {
            let slot = accumulator.partition(place).sequences.open[at];
            let batch = accumulator.batch_mut(slot);
            batch.identity = Some(Identity { producer: (self.id, self.epoch), base: Sequence(next) });
            batch.was_rewritten = true;
            batch.stored = None;
            next += batch.records;
        }
        let sequences = &mut accumulator.partition_mut(place).sequences;
        sequences.producer = (self.id, self.epoch);
        (sequences.next, sequences.acked) = (Sequence(next), Sequence(0));
        sequences.is_to_be_rewritten = false;
        sequences.gave_up = false;
    }

    fn forget_unresolved(&mut self, accumulator: &mut Accumulator, place: Place) {
        let sequences = &mut accumulator.partition_mut(place).sequences;
        self.unresolved -= u32::from(sequences.unresolved.take().is_some());
    }
}

impl Sequences {
    #[inline]
    fn close(&mut self, slot: Slot) {
        if let Some(found) = self.open.iter().position(|&open| open == slot) {
            self.open.remove(found);
        }
    }
}
