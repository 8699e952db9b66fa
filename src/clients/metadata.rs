//! What a client knows of who leads its partitions, and when it asks again: `Metadata` and the `DefaultMetadataUpdater` of
//! `NetworkClient`.
//!
//! `Departure from Kafka:` the brokers a client may ask are those of `bootstrap.servers` from first to last, whichever of
//! them the cluster says are alive; `metadata.recovery.strategy` therefore has nothing to do. Which of them is asked first
//! goes round instead of being drawn.

use crate::cluster::backoff::Backoff;
use crate::cluster::network_client::{ConnectionTimer, NetworkClient};
use crate::cluster::protocol::{Leaders, Message, PartitionLeader};
use crate::cluster::store::Store;
use crate::cluster::units::{LeaderEpoch, PartitionId};
use crate::devices::port::{Effect, Outbox, Port};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// The size of a Metadata request for one topic.
const REQUEST_BYTES: Bytes = Bytes::new(60);

/// The leaders of a client's partitions, as it knows them.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    brokers: Vec<NodeId>,
    max_age: Span,
    backoff: Backoff,
    partitions: Vec<Known>,
    /// Of each topic, one after the other, where the places of its partitions end.
    topics: Vec<u32>,
    /// The place of each partition from the lowest id on; [`NOWHERE`] for those that are not the client's.
    places: Vec<u32>,
    lowest: u32,
    /// Partitions that the newest answer had.
    there: u32,
    needed: bool,
    in_progress: bool,
    /// The alarm that ends the wait after a refresh is set.
    backing_off: bool,
    failures: u32,
    /// `equivalentResponseCount`: refreshes in a row that said nothing new.
    equivalent: u32,
    /// When what is known becomes too old.
    expires: Time,
    asked: usize,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// Which partition: another since its topic was made anew.
    id: PartitionId,
    /// The newest answer had it.
    is_there: bool,
    leader: Option<NodeId>,
    epoch: Option<LeaderEpoch>,
}

impl Known {
    /// Nothing but its id.
    fn unknown(id: PartitionId) -> Known {
        Known { id, is_there: false, leader: None, epoch: None }
    }
}

const NOWHERE: u32 = u32::MAX;

/// What a client finds its way with.
pub(super) struct MetadataOptions {
    /// `metadata.max.age.ms`.
    pub(super) max_age: Span,
    /// `retry.backoff.ms` and `retry.backoff.max.ms`.
    pub(super) backoff: Backoff,
    /// `bootstrap.servers`: brokers 1 to this.
    pub(super) brokers: u16,
    /// Where the round of brokers begins.
    pub(super) first_asked: usize,
}

impl Metadata {
    /// Nothing is known yet of the partitions these topics may have, first and whenever they are made anew, and it is to be
    /// asked for.
    pub(super) fn new<'a>(
        topics: impl Iterator<Item = &'a [Vec<PartitionId>]> + Clone,
        options: MetadataOptions,
    ) -> Metadata {
        let partitions = topics.clone().flatten().flatten();
        let lowest = partitions.clone().min().map_or(0, |partition| partition.0);
        let highest = partitions.clone().max().map_or(0, |partition| partition.0);
        let mut places = vec![NOWHERE; (highest - lowest + 1) as usize];
        let (mut partitions, mut ends) = (Vec::new(), Vec::new());
        for lives in topics {
            let begin = partitions.len() as u32;
            partitions.extend(lives[0].iter().copied().map(Known::unknown));
            ends.push(partitions.len() as u32);
            for life in lives {
                for (place, partition) in (begin..).zip(life) {
                    places[(partition.0 - lowest) as usize] = place;
                }
            }
        }
        Metadata {
            brokers: (1..=options.brokers).map(NodeId).collect(),
            max_age: options.max_age,
            backoff: options.backoff,
            partitions,
            topics: ends,
            places,
            lowest,
            there: 0,
            needed: true,
            in_progress: false,
            backing_off: false,
            failures: 0,
            equivalent: 0,
            expires: Time::NEVER,
            asked: options.first_asked,
        }
    }

    /// The process is gone, and another knows nothing; which broker it asks first goes on round.
    pub(super) fn forget(&mut self) {
        for known in &mut self.partitions {
            *known = Known::unknown(known.id);
        }
        (self.there, self.needed, self.in_progress, self.backing_off) = (0, true, false, false);
        (self.failures, self.equivalent, self.expires) = (0, 0, Time::NEVER);
    }

    /// How many partitions there are, those with the lowest places; none: the topic has not been seen.
    #[inline]
    pub(super) fn partition_count(&self) -> usize {
        self.there as usize
    }

    /// Which partition is at `place`: of a topic that was made anew, that of the newest answer that had one.
    #[inline]
    pub(super) fn id(&self, place: usize) -> PartitionId {
        self.partitions[place].id
    }

    /// Whether the partition at `place` is there.
    #[inline]
    pub(super) fn is_there(&self, place: usize) -> bool {
        self.partitions[place].is_there
    }

    /// Where a partition stands among the client's, if it is one of them.
    #[inline]
    pub(super) fn place(&self, partition: PartitionId) -> Option<usize> {
        let place = *self.places.get(partition.0.checked_sub(self.lowest)? as usize)?;
        (place != NOWHERE).then_some(place as usize)
    }

    /// Who leads the partition at `place`.
    #[inline]
    pub(super) fn leader(&self, place: usize) -> Option<NodeId> {
        let Known { is_there, leader, .. } = self.partitions[place];
        leader.filter(|_| is_there)
    }

    /// The newest leader epoch seen of the partition at `place`.
    #[inline]
    pub(super) fn epoch(&self, place: usize) -> Option<LeaderEpoch> {
        self.partitions[place].epoch
    }

    /// Whether it is time to ask and nobody is being asked: until then, nothing else is sent (`NetworkClient.isReady`).
    #[inline]
    pub(super) fn is_due(&self, now: Time) -> bool {
        (self.needed || now >= self.expires) && !self.in_progress && !self.backing_off
    }

    /// Whom to ask something that any broker can answer.
    pub(super) fn least_loaded<C: Copy>(&self, network: &NetworkClient<C>) -> Option<NodeId> {
        network.least_loaded(&self.brokers, self.asked)
    }

    /// When what is known becomes too old.
    pub(super) fn expires(&self) -> Time {
        self.expires
    }

    /// Something was wrong with what is known: ask as soon as may be.
    #[inline]
    pub(super) fn request_update(&mut self) {
        self.needed = true;
    }

    /// Asks if it is time and somebody can be asked. Says whether a request went out.
    pub(super) fn maybe_update<P, C: Copy>(
        &mut self,
        now: Time,
        network: &mut NetworkClient<C>,
        (context, timeout): (C, Span),
        out: &mut Outbox<P>,
    ) -> bool
    where
        P: Port<Message = Message, Timer: ConnectionTimer>,
    {
        if !self.is_due(now) {
            return false;
        }
        let Some(node) = self.least_loaded(network) else { return false };
        if !network.can_send(node) {
            if !network.is_any_connecting() {
                network.ready(now, node, out);
                self.asked = usize::from(node.0);
            }
            return false;
        }
        if now >= self.expires {
            // What is merely old is no sign that asking is in vain.
            self.equivalent = 0;
        }
        network.send(node, (Message::FindLeaders, REQUEST_BYTES), (context, now + timeout), out);
        self.in_progress = true;
        self.asked = usize::from(node.0);
        true
    }

    /// An answer has come; `alarm` ends the wait before the next question. Says whether any leader or its epoch changed.
    pub(super) fn on_response<P>(
        &mut self,
        now: Time,
        answer: Leaders,
        alarm: P::Timer,
        out: &mut Outbox<P>,
    ) -> bool
    where
        P: Port<Store = Store>,
    {
        self.needed = false;
        self.equivalent += 1;
        let (before, mut changed) = (std::mem::take(&mut self.there), false);
        self.partitions.iter_mut().for_each(|known| known.is_there = false);
        for &PartitionLeader { partition, leader, epoch } in out.store.leaders.get(answer.partitions) {
            let Some(place) = self.place(partition) else { continue };
            self.there += 1;
            // A topic of another id: what was known was of that one (`updateLatestMetadata`).
            if self.partitions[place].id != partition {
                self.partitions[place] = Known::unknown(partition);
            }
            self.partitions[place].is_there = true;
            changed |= self.learn(place, leader, epoch);
            // LEADER_NOT_AVAILABLE; or it names a leader of long ago, and by newer news nobody leads, for which who has
            // something to send or to fetch asks on (`unknownLeaderTopics`).
            self.needed |= leader.is_none() || self.leader(place).is_none();
        }
        // UNKNOWN_TOPIC_OR_PARTITION: the broker asked has not heard of it. A topic's first partition is there if any is.
        let mut begin = 0;
        for &end in &self.topics {
            self.needed |= !self.partitions[begin as usize].is_there;
            begin = end;
        }
        changed |= self.there != before;
        self.expires = now + self.max_age;
        self.failures = 0;
        self.finish(alarm, out);
        changed
    }

    /// A connection ended, or could not be made: with it the question, if that `was_asked` over it. A question that is due and
    /// has found nobody fails as well (`handleServerDisconnect`).
    pub(super) fn on_disconnected<P: Port>(
        &mut self,
        now: Time,
        was_asked: bool,
        alarm: P::Timer,
        out: &mut Outbox<P>,
    ) {
        if was_asked || self.is_due(now) {
            self.failures += 1;
            self.equivalent = 0;
            self.finish(alarm, out);
        }
        self.needed = true;
    }

    /// The wait after a refresh is over.
    pub(super) fn on_alarm(&mut self) {
        self.backing_off = false;
    }

    /// An answer to another request said who leads (KIP-951). Says whether that was news.
    pub(super) fn hint(&mut self, place: usize, (leader, epoch): (NodeId, LeaderEpoch)) -> bool {
        if self.partitions[place].epoch.is_some_and(|known| epoch <= known) {
            return false;
        }
        self.learn(place, Some(leader), epoch)
    }

    fn learn(&mut self, place: usize, leader: Option<NodeId>, epoch: LeaderEpoch) -> bool {
        let known = &mut self.partitions[place];
        if known.epoch.is_some_and(|known| epoch < known) {
            return false;
        }
        let is_newer = known.epoch.is_none_or(|known| epoch > known);
        if is_newer {
            self.equivalent = 0;
        }
        let changed = is_newer || known.leader != leader;
        (known.leader, known.epoch) = (leader, Some(epoch));
        changed
    }

    /// `timeToAllowUpdate`: after every refresh, good or bad, there is a wait.
    fn finish<P: Port>(&mut self, alarm: P::Timer, out: &mut Outbox<P>) {
        let beyond_first = self.failures.saturating_sub(1).max(self.equivalent.saturating_sub(1));
        let range = self.backoff.after(beyond_first);
        self.in_progress = false;
        self.backing_off = true;
        out.ask(Effect::SetTimer(alarm, range.least, range.most));
    }
}
