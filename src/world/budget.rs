//! Who of a partition's replicas has stopped uncleanly and is not back in sync, and who of them has lost records: what Kafka's
//! promises are good for is counted in these (KIP-966).
//!
//! The world asks it whether a fault would be one too many; who judges a run keeps another of its own. It never knows what was
//! promised.

use super::happened::Happened;
use super::min_isr::MinIsr;
use crate::cluster;
use crate::cluster::protocol::PartitionState;
use crate::cluster::units::{PartitionId, Replicas};
use crate::kernel::units::NodeId;
use crate::scenario::model::Model;

/// The replicas of one partition.
#[derive(Clone, Debug)]
pub struct Standing {
    isr: Replicas,
    elr: Replicas,
    /// Who has a replica: a reassignment changes that.
    replicas: Replicas,
    /// How many replicas count: one that is added does once so many are in sync, as before nothing rests on it.
    counted: usize,
    /// Of those who are eligible, those whose replica a reassignment took away: given one again, it is empty.
    emptied: Replicas,
    /// What holds of records that are written now.
    required: Required,
    /// Stopped uncleanly and not back in sync.
    impaired: Replicas,
    /// Of the impaired, those that have registered since.
    registered: Replicas,
    /// Of the impaired, those whose stop took records.
    short: Replicas,
    /// Its topic was deleted: nothing can befall it any more.
    is_removed: bool,
}

/// How many replicas Kafka's promises rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Required {
    /// `min.insync.replicas`.
    pub min_insync_replicas: u16,
    /// It was changed while replicas were eligible that were not in sync, and are no longer (ClearElrRecord): how many were in
    /// sync then, one at least.
    pub left_in_sync: Option<u8>,
}

/// What is more than Kafka's promises are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// As many replicas as may not are impaired while one of them is short.
    TooManyImpaired {
        /// Who.
        impaired: Replicas,
        /// The first of those that are short.
        short: NodeId,
        /// Of how many replicas.
        of: u8,
        /// How many may be.
        most: u8,
        /// By what.
        required: Required,
    },
    /// Without eligible leader replicas, the only in-sync replica is short.
    OnlyMemberShort(NodeId),
}

impl Standing {
    /// Of these replicas those are in sync: all, or none of a partition that is still to be created.
    pub fn new(replicas: Replicas, in_sync: Replicas, min_insync_replicas: u16) -> Standing {
        Standing {
            isr: in_sync,
            elr: Replicas::NONE,
            replicas,
            counted: replicas.len(),
            emptied: Replicas::NONE,
            required: Required { min_insync_replicas, left_in_sync: None },
            impaired: Replicas::NONE,
            registered: Replicas::NONE,
            short: Replicas::NONE,
            is_removed: false,
        }
    }

    /// A replica's broker stopped uncleanly.
    pub fn stopped(&mut self, node: NodeId) {
        self.impaired = self.impaired.with(node);
        self.registered = self.registered.without(node);
    }

    /// Its stop took records that had been below its log end.
    pub fn lost(&mut self, node: NodeId) {
        self.impaired = self.impaired.with(node);
        self.short = self.short.with(node);
    }

    /// A broker registered anew. Only from here on is it its restarted self that is admitted or elected: before, the
    /// controller may still elect the dead one.
    pub fn registered(&mut self, node: NodeId) {
        if self.impaired.contains(node) {
            self.registered = self.registered.with(node);
        }
    }

    /// The controller changed the partition: who is admitted to the in-sync set again, or leads again as the last of it, is no
    /// longer impaired.
    pub fn decided(&mut self, old_leader: Option<NodeId>, state: &PartitionState) {
        if !state.is_there() {
            (self.impaired, self.short, self.is_removed) = (Replicas::NONE, Replicas::NONE, true);
        } else if self.replicas != state.replicas {
            // Who holds no replica any more, or holds another one, is out of it.
            self.replicas = state.replicas;
            self.counted = self.counted.min(state.replicas.len());
            let still = |all: &Replicas| Replicas::of(all.iter().filter(|&one| state.replicas.contains(one)));
            (self.impaired, self.short) = (still(&self.impaired), still(&self.short));
            self.registered = still(&self.registered);
        }
        let registered = self.registered;
        for replica in registered.iter() {
            let admitted = state.isr.contains(replica) && !self.isr.contains(replica);
            let leads_again =
                state.isr.contains(replica) && state.leader == Some(replica) && old_leader != Some(replica);
            if admitted || leads_again {
                self.impaired = self.impaired.without(replica);
                self.short = self.short.without(replica);
                self.registered = self.registered.without(replica);
            }
        }
        self.counted = self.counted.max(state.isr.len());
        let emptied = |one: &NodeId| self.emptied.contains(*one) || !state.replicas.contains(*one);
        self.emptied = Replicas::of(state.elr.iter().filter(emptied));
        (self.isr, self.elr) = (state.isr, state.elr);
    }

    /// Whether this one is eligible though its replica was taken away.
    pub fn is_emptied(&self, node: NodeId) -> bool {
        self.emptied.contains(node)
    }

    /// `min.insync.replicas` is another. What was written before is as safe as the lower of the two makes it, and as those in
    /// sync make it if others were eligible. Gives what holds of records written under a higher one, once brokers know of it.
    pub fn set(&mut self, min_insync_replicas: u16) -> Option<Required> {
        let (new, replicas) = (Required { min_insync_replicas, left_in_sync: None }, self.counted);
        self.required = self.required.lower(new);
        if !self.elr.is_empty() && self.isr.len() < self.required.too_many(replicas) {
            self.required.left_in_sync = Some(self.isr.len().max(1) as u8);
        }
        (new.too_many(replicas) > self.required.too_many(replicas)).then_some(new)
    }

    /// What holds of records that are written now.
    pub fn required(&mut self) -> &mut Required {
        &mut self.required
    }

    /// What is too much now for records that are written now, if anything.
    pub fn excess(&self, eligible_leader_replicas: bool) -> Option<Excess> {
        self.excess_of(self.required, eligible_leader_replicas)
    }

    /// What is too much now for records that rest on so many, if anything.
    pub fn excess_of(&self, required: Required, eligible_leader_replicas: bool) -> Option<Excess> {
        let short = self.short.iter().next().filter(|_| !self.is_removed)?;
        let too_many = required.too_many(self.counted);
        if self.impaired.len() >= too_many {
            let (of, most) = (self.replicas.len() as u8, too_many.saturating_sub(1) as u8);
            return Some(Excess::TooManyImpaired { impaired: self.impaired, short, of, most, required });
        }
        let only = self.isr.iter().next().filter(|_| self.isr.len() == 1)?;
        (!eligible_leader_replicas && self.short.contains(only)).then_some(Excess::OnlyMemberShort(only))
    }
}

impl Required {
    /// m, the lesser of `min.insync.replicas` and the number of replicas: so many impaired are too many.
    fn too_many(self, replicas: usize) -> usize {
        let left = self.left_in_sync.map_or(usize::MAX, usize::from);
        usize::from(self.min_insync_replicas).min(replicas).min(left)
    }

    /// What holds where both do.
    pub fn lower(self, other: Required) -> Required {
        let lefts = self.left_in_sync.into_iter().chain(other.left_in_sync);
        Required {
            min_insync_replicas: self.min_insync_replicas.min(other.min_insync_replicas),
            left_in_sync: lefts.min(),
        }
    }
}

/// Every partition's replicas.
#[derive(Clone, Debug, Default)]
pub(super) struct Standings {
    /// With who may come to hold a replica.
    partitions: Vec<(Replicas, Standing)>,
    min_isr: MinIsr,
    eligible_leader_replicas: bool,
}

impl Standings {
    pub(super) fn reset(&mut self, model: &Model) {
        self.eligible_leader_replicas = model.controller_options.eligible_leader_replicas;
        self.partitions.clear();
        self.min_isr.clear();
        let mut each = model.holders().zip(model.at_start());
        for topic in &model.topics {
            for &replicas in &topic.assignment {
                let (holders, in_sync) = each.next().expect("one a partition");
                let standing = Standing::new(replicas, in_sync, topic.options.min_insync_replicas);
                self.partitions.push((holders, standing));
            }
        }
    }

    /// Something has happened.
    pub(super) fn see(&mut self, model: &Model, node: NodeId, what: &Happened) {
        type Cluster = cluster::happened::Happened;
        if let Happened::Crashed | Happened::PowerLost | Happened::Halted = what {
            self.each_of(node, Standing::stopped);
        } else if let Happened::Lost { partition, old, new } = what
            && new < old
        {
            self.partitions[partition.0 as usize].1.lost(node);
        } else if let Happened::Cluster(Cluster::Registered { broker, .. }) = what {
            self.each_of(*broker, Standing::registered);
        } else if let Happened::Cluster(Cluster::Set { of, setting }) = *what
            && node > NodeId(model.cluster.brokers)
        {
            // A higher one would let more strike, and is not waited for.
            self.min_isr.set(model, (of, setting), |change| {
                let _ = self.partitions[change.partition.0 as usize].1.set(change.least);
            });
        } else if let Happened::Cluster(Cluster::Decided { partition, old_leader, state, .. }) = what {
            self.partitions[partition.0 as usize].1.decided(*old_leader, &state.state());
        }
    }

    /// Whether it would be too much for some partition if these stopped now, and those of them whose records a stop may take
    /// lost some.
    pub(super) fn would_exceed(&self, stop: &[NodeId], loses: impl Fn(NodeId, PartitionId) -> bool) -> bool {
        self.partitions.iter().enumerate().any(|(place, (replicas, standing))| {
            let mut standing = standing.clone();
            for &node in stop.iter().filter(|&&node| replicas.contains(node)) {
                standing.stopped(node);
                if loses(node, PartitionId(place as u32)) {
                    standing.lost(node);
                }
            }
            standing.excess(self.eligible_leader_replicas).is_some()
        })
    }

    fn each_of(&mut self, node: NodeId, change: impl Fn(&mut Standing, NodeId)) {
        for (_, standing) in self.partitions.iter_mut().filter(|(replicas, _)| replicas.contains(node)) {
            change(standing, node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_is_added_counts_once_it_is_in_sync() {
        let set = |ids: &[u16]| Replicas::of(ids.iter().copied().map(NodeId));
        // The replicas and the in-sync set, one state after the other; then broker 1 loses records: is that too much?
        type Case<'a> = (&'a [(&'a [u16], &'a [u16])], bool);
        let cases: &[Case<'_>] = &[
            (&[(&[1], &[1])], true),
            (&[(&[1], &[1]), (&[2, 1], &[1])], true),
            (&[(&[1], &[1]), (&[1, 2, 3], &[1])], true),
            (&[(&[1], &[1]), (&[1, 2, 3], &[1, 2])], false),
            (&[(&[1], &[1]), (&[1, 2, 3], &[1, 2]), (&[1, 2, 3], &[1])], false),
            (&[(&[1, 2], &[1, 2]), (&[1], &[1])], true),
        ];
        for case in cases {
            let &(states, too_much) = case;
            let (replicas, isr) = states[0];
            let mut standing = Standing::new(set(replicas), set(isr), 2);
            for (replicas, isr) in &states[1..] {
                standing.decided(Some(NodeId(1)), &PartitionState::created(set(replicas), set(isr)));
            }
            standing.lost(NodeId(1));
            assert_eq!(standing.excess(true).is_some(), too_much, "{case:?}");
        }
    }
}
