//! Metadata on its way from the log to what a broker does: its loader has one thread, and takes its time (`MetadataLoader`,
//! `BrokerMetadataPublisher.onMetadataUpdate`, `ReplicaManager.applyDelta`). First replicas change their roles; followers begin
//! to fetch last, after as much time again. Until then those that followed another leader go on fetching from that, where a new
//! leader fetches no more from when it changes its role (`applyLocalLeadersDelta`, `applyLocalFollowersDelta`).
//!
//! Departure from Kafka: there clients are told of a change a little before the replicas' roles are changed, leaders' before
//! followers'; here all of that is one instant. And what comes while it acts is acted upon together afterwards, not batch by
//! batch.

use super::{BrokerPort, Node, Timer};
use crate::cluster::protocol::MetadataRecord;
use crate::cluster::replica::Role;
use crate::cluster::units::{LeaderEpoch, MetadataOffset};
use crate::devices::port::{Effect, Outbox};
use crate::kernel::distribution::Distribution;
use crate::kernel::units::{NodeId, Span, Time};

/// What has been fetched and not yet acted upon.
#[derive(Clone, Debug, Default)]
pub(super) struct Unpublished {
    records: Vec<MetadataRecord>,
    /// With so many of them it is busy, or with nothing but [`Unpublished::followers`].
    acting: usize,
    /// Replicas that follow and do not fetch yet: their places, whom, and in which epoch.
    followers: Vec<(u32, NodeId, LeaderEpoch)>,
}

impl Unpublished {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.followers.is_empty()
    }
}

impl Node<'_> {
    /// From where the log is to be fetched.
    pub(super) fn metadata_end(&self) -> MetadataOffset {
        MetadataOffset(self.running.image.end().0 + self.running.unpublished.records.len() as u64)
    }

    fn publishes_at_once(&self) -> bool {
        self.config.metadata_time == Distribution::Constant(Span::ZERO)
    }

    /// Records have been fetched: they are acted upon in its time.
    pub(super) fn publish(
        &mut self,
        now: Time,
        records: &[MetadataRecord],
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        if self.publishes_at_once() {
            self.replay(now, self.running.image.end(), records, out);
            return self.end_idle_fetchers(out);
        }
        let is_busy = !self.running.unpublished.is_empty();
        self.running.unpublished.records.extend_from_slice(records);
        if !is_busy {
            self.act(out);
        }
    }

    /// Whether the replica follows a leader whose successor it will fetch from only later.
    pub(super) fn goes_on_fetching(&self, place: usize) -> bool {
        let follows = match &self.running.replicas[place].role {
            Role::Follower(follower) => follower.leader.is_some(),
            Role::Leader(_) | Role::Waiting => false,
        };
        follows && !self.publishes_at_once()
    }

    /// The replica at this place is to fetch from its leader: at once where nothing takes time, and as a run begins.
    pub(super) fn begin_to_fetch(
        &mut self,
        now: Time,
        place: usize,
        (leader, epoch): (NodeId, LeaderEpoch),
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        if self.publishes_at_once() || now == Time::ZERO {
            return self.add_to_fetcher(now, place, leader, out);
        }
        let unpublished = &mut self.running.unpublished;
        if unpublished.acting == 0 && unpublished.followers.is_empty() {
            out.ask(Effect::SetTimerDrawn(Timer::Publishing, self.config.metadata_time));
        }
        unpublished.followers.push((place as u32, leader, epoch));
    }

    /// What it was busy with is done: roles have changed, or their followers fetch.
    pub(super) fn on_published(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        let Unpublished { records, acting, .. } = &mut self.running.unpublished;
        if *acting > 0 {
            let done: Vec<MetadataRecord> = records.drain(..std::mem::take(acting)).collect();
            self.replay(now, self.running.image.end(), &done, out);
            if !self.running.unpublished.followers.is_empty() {
                return;
            }
        } else {
            for (place, leader, epoch) in std::mem::take(&mut self.running.unpublished.followers) {
                let place = place as usize;
                let replica = &self.running.replicas[place];
                let Role::Follower(follower) = replica.role else { continue };
                if replica.leader_epoch == Some(epoch) {
                    if follower.epoch != epoch {
                        self.follow(now, place, Some(leader), epoch, out);
                    }
                    self.add_to_fetcher(now, place, leader, out);
                }
            }
        }
        self.end_idle_fetchers(out);
        if !self.running.unpublished.records.is_empty() {
            self.act(out);
        }
    }

    fn act(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        self.running.unpublished.acting = self.running.unpublished.records.len();
        out.ask(Effect::SetTimerDrawn(Timer::Publishing, self.config.metadata_time));
    }
}
