//! Changes of the in-sync set: when a leader proposes them, how they reach the controller, and what the answer means
//! (`Partition.maybeShrinkIsr`, `maybeExpandIsr`, `AlterPartitionManager`).

use super::{BrokerPort, Line, Node, Timer};
use crate::cluster::happened::Happened;
use crate::cluster::line::Alarm;
use crate::cluster::metadata_image::MetadataImage;
use crate::cluster::planted::Planted;
use crate::cluster::protocol::{
    AlterPartition, AlterPartitions, AlteredPartition, AlteredPartitions, ErrorCode, Message,
};
use crate::cluster::replica::leader::FetchedAs;
use crate::cluster::units::{PartitionId, Replicas};
use crate::devices::port::Outbox;
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// After an error of a request as a whole it is sent again (`AlterPartitionManager`, 50 ms).
const RETRY: Span = Span::from_milliseconds(50);

/// Proposals of this broker that the controller has not answered. One request at a time carries them all.
#[derive(Clone, Debug)]
pub(super) struct IsrChanges {
    pub(super) line: Line,
    unsent: Vec<Unsent>,
    /// How many of `unsent`, from the first, are in the request under way.
    under_way: usize,
}

#[derive(Clone, Copy, Debug)]
struct Unsent {
    proposal: u32,
    change: AlterPartition,
}

impl IsrChanges {
    pub(super) fn new(line: Line) -> IsrChanges {
        IsrChanges { line, unsent: Vec::new(), under_way: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unsent.is_empty()
    }

    /// The connection broke: nothing is under way any more. What was is sent again.
    pub(super) fn lost(&mut self) {
        self.under_way = 0;
    }
}

/// Whether a broker may be in the in-sync set as far as this image knows: unfenced, not shutting down, and fetching under the
/// registration that stands, or before it had any (KIP-841, KIP-903, `isBrokerEpochIsrEligible`).
#[inline]
pub(super) fn is_eligible(image: &MetadataImage, broker: NodeId, fetched_as: Option<FetchedAs>) -> bool {
    let registration = image.broker(broker);
    let is_known =
        |fetched_as: FetchedAs| fetched_as.epoch().is_none_or(|epoch| epoch == registration.broker_epoch);
    registration.is_active() && fetched_as.is_some_and(is_known)
}

impl Node<'_> {
    /// Looks at every partition this broker leads, every half of `replica.lag.time.max.ms`.
    pub(super) fn on_isr_expiration(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        let lag_max = self.config.options.replica_lag_time_max;
        out.set_timer(Timer::IsrExpiration, lag_max / 2);
        for place in 0..self.running.replicas.len() {
            let Some(leader) = self.running.replicas[place].leader() else { continue };
            let laggards = leader.out_of_sync(now, self.stored.logs[place].end(), lag_max);
            if laggards.is_empty() {
                continue;
            }
            let isr =
                Replicas::of(leader.isr.committed().iter().filter(|&member| !laggards.contains(member)));
            self.propose(place, isr, false, out);
        }
        self.send_isr_changes(now, out);
    }

    /// A follower has fetched: perhaps it may join.
    #[inline]
    pub(super) fn maybe_expand_isr(
        &mut self,
        now: Time,
        place: usize,
        broker: NodeId,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let replica = &self.running.replicas[place];
        let leader = replica.leader().expect("only a leader is fetched from");
        if leader.isr.committed().contains(broker) || Planted::NobodyRejoins.is(self.config.planted) {
            return;
        }
        let fetched_as = leader.remote(broker).and_then(|remote| remote.fetched_as);
        let eligible = is_eligible(&self.running.image, broker, fetched_as);
        if leader.should_expand(broker, replica.high_watermark, eligible) {
            let isr = leader.isr.committed().with(broker);
            self.propose(place, isr, true, out);
            self.send_isr_changes(now, out);
        }
    }

    fn propose(&mut self, place: usize, isr: Replicas, expands: bool, out: &mut Outbox<'_, BrokerPort>) {
        let (me, my_epoch) = (self.config.id, self.running.lifecycle.broker_epoch());
        let replica = &mut self.running.replicas[place];
        let (partition, partition_epoch) = (replica.partition, replica.partition_epoch);
        // A second proposal for a partition whose first is still unanswered is not attempted.
        if self.running.isr.unsent.iter().any(|unsent| unsent.change.partition == partition) {
            return;
        }
        let leader = replica.leader_mut().expect("only a leader proposes");
        let mut isr_epochs = [None; Replicas::MOST];
        for (epoch, member) in isr_epochs.iter_mut().zip(isr.iter()) {
            let fetched_as = leader.remote(member).and_then(|remote| remote.fetched_as);
            *epoch = if member == me { my_epoch } else { fetched_as.and_then(FetchedAs::epoch) };
        }
        let leader_epoch = leader.epoch();
        // As if it expanded: the maximal set is the proposed one at once.
        let expands = expands || Planted::ShrinkBeforeController.is(self.config.planted);
        let proposal = leader.isr.propose(isr, expands).number;
        let (committed, maximal) = (*leader.isr.committed(), *leader.isr.maximal());
        let change =
            AlterPartition { partition, leader_epoch, partition_epoch, isr, isr_epochs, recovered: true };
        self.running.isr.unsent.push(Unsent { proposal, change });
        out.note(Happened::Isr { partition, committed, maximal, epoch: leader_epoch });
    }

    pub(super) fn send_isr_changes(&mut self, _now: Time, out: &mut Outbox<'_, BrokerPort>) {
        // A process that has not registered would be told STALE_BROKER_EPOCH, again and again until it has.
        let Some(broker_epoch) = self.running.lifecycle.broker_epoch() else { return };
        let isr = &mut self.running.isr;
        if isr.unsent.is_empty() || !self.running.controller.is_reached_by(&mut isr.line, out) {
            return;
        }
        let partitions = out.store.alter.take();
        out.store.alter.get_mut(partitions).extend(isr.unsent.iter().map(|unsent| unsent.change));
        isr.under_way = isr.unsent.len();
        let request = AlterPartitions { broker: self.config.id, broker_epoch, partitions };
        isr.line.send(Message::AlterPartitions(request), Bytes::new(60 + 60 * isr.under_way as u64), out);
    }

    pub(super) fn on_altered(
        &mut self,
        now: Time,
        response: AlteredPartitions,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        self.running.isr.line.answered();
        let under_way = std::mem::take(&mut self.running.isr.under_way);
        if response.error == ErrorCode::NotController {
            // The connection is closed, and the next goes to whom the metadata log then has as controller.
            return self.running.isr.line.give_up(out);
        }
        if response.error != ErrorCode::None {
            return out.set_timer(Timer::IsrRetry, RETRY);
        }
        let sent: Vec<Unsent> = self.running.isr.unsent.drain(..under_way).collect();
        for (index, unsent) in sent.into_iter().enumerate() {
            let answer = out.store.altered.get(response.partitions)[index];
            self.take_answer(now, unsent, answer, out);
        }
        self.send_isr_changes(now, out);
    }

    /// What the controller's answer to one proposal means (`handleAlterPartitionUpdate`, `handleAlterPartitionError`).
    fn take_answer(
        &mut self,
        now: Time,
        unsent: Unsent,
        answer: AlteredPartition,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        assert_eq!(answer.partition, unsent.change.partition, "answers have the order of the request");
        let Some(place) = self.place(answer.partition) else { return };
        let replica = &mut self.running.replicas[place];
        let (partition, own_partition_epoch) = (replica.partition, replica.partition_epoch);
        // Metadata was quicker: the answer is about a state that is gone.
        let Some(leader) = replica.leader_mut().filter(|leader| leader.isr.awaits(unsent.proposal)) else {
            return;
        };
        let epoch = leader.epoch();
        match effect_of(answer.error) {
            Answer::Applied => {
                if answer.leader_epoch != epoch || answer.partition_epoch < own_partition_epoch {
                    return;
                }
                leader.isr.commit(answer.isr);
                replica.partition_epoch = answer.partition_epoch;
                self.note_isr(place, out);
                self.after_isr_change(now, place, out);
            }
            Answer::NotApplied => {
                leader.isr.revert();
                self.note_isr(place, out);
            }
            // The state is out of date: it stays pending until metadata overrides it.
            Answer::AwaitMetadata => (),
            Answer::Retry => {
                if self.running.isr.unsent.iter().all(|other| other.change.partition != partition) {
                    self.running.isr.unsent.push(unsent);
                }
            }
        }
    }

    /// The in-sync set is another: the high watermark may go on, and with it those who waited.
    pub(super) fn after_isr_change(&mut self, now: Time, place: usize, out: &mut Outbox<'_, BrokerPort>) {
        if self.advance_high_watermark(now, place, out) {
            self.complete_produces(place, out);
            self.complete_fetches(now, place, out);
        }
    }

    pub(super) fn note_isr(&mut self, place: usize, out: &mut Outbox<'_, BrokerPort>) {
        let replica = &self.running.replicas[place];
        let partition: PartitionId = replica.partition;
        let Some(leader) = replica.leader() else { return };
        let (committed, maximal) = (*leader.isr.committed(), *leader.isr.maximal());
        out.note(Happened::Isr { partition, committed, maximal, epoch: leader.epoch() });
    }

    pub(super) fn on_isr_line(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        match self.running.isr.line.alarm(out) {
            Alarm::MayConnect => self.send_isr_changes(now, out),
            Alarm::GaveUp => self.running.isr.lost(),
            Alarm::Stale => (),
        }
    }
}

enum Answer {
    Applied,
    NotApplied,
    AwaitMetadata,
    Retry,
}

/// Only two errors prove that a proposal was not applied.
fn effect_of(error: ErrorCode) -> Answer {
    if error == ErrorCode::None {
        Answer::Applied
    } else if [ErrorCode::OperationNotAttempted, ErrorCode::IneligibleReplica].contains(&error) {
        Answer::NotApplied
    } else if [
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::InvalidUpdateVersion,
        ErrorCode::InvalidRequest,
        ErrorCode::NewLeaderElected,
    ]
    .contains(&error)
    {
        Answer::AwaitMetadata
    } else {
        Answer::Retry
    }
}
