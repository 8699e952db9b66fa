//! `one-leader-per-epoch`: no two brokers append client records to a partition under one leader epoch.
//!
//! Where Kafka makes it: the controller raises the leader epoch with every change of the leader
//! (`PartitionChangeBuilder.triggerLeaderEpochBumpIfNeeded`), and a leader writes the epoch it was elected under into its
//! batches (`UnifiedLog.appendAsLeader`).
//!
//! What it rests on: nothing but the protocol; no fault excuses it.
//!
//! What it does not check: who thinks that it leads, as long as it appends nothing; and a leader of the past that appends under
//! its own epoch, which nobody forbids it until it hears of the next.

use crate::check::finding::{Finding, Findings};
use crate::check::look::Look;
use crate::check::promised::Promised;
use crate::cluster::units::{LeaderEpoch, PartitionId};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;

/// Why it is promised.
pub const ALWAYS: &str = "every leader has an epoch of its own, whatever the settings and the faults";

/// Who appended under which epoch.
#[derive(Clone, Debug, Default)]
pub struct OneLeaderPerEpoch {
    partitions: Vec<Appends>,
    changed: bool,
    findings: Findings,
}

/// Who appended under which epoch of one partition.
#[derive(Clone, Debug, Default)]
struct Appends {
    /// The newest append's epoch and leader: the next is almost always the same.
    newest: Option<(LeaderEpoch, NodeId)>,
    /// By epoch: who appended first, and in which entry of the trace.
    leaders: Vec<Option<(NodeId, EventSeq)>>,
}

impl OneLeaderPerEpoch {
    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.partitions.resize_with(model.partition_count(), Appends::default);
        for partition in &mut self.partitions {
            partition.newest = None;
            partition.leaders.clear();
        }
        self.changed = false;
        self.findings.clear();
    }

    /// A leader has appended for a producer.
    #[inline]
    pub fn appended(
        &mut self,
        look: &impl Look,
        at: (EventSeq, Time),
        leader: NodeId,
        partition: PartitionId,
        epoch: LeaderEpoch,
    ) {
        if self.partitions[partition.0 as usize].newest != Some((epoch, leader)) {
            self.another(look, at, leader, partition, epoch);
        }
    }

    fn another(
        &mut self,
        look: &impl Look,
        (n, now): (EventSeq, Time),
        leader: NodeId,
        partition: PartitionId,
        epoch: LeaderEpoch,
    ) {
        let appends = &mut self.partitions[partition.0 as usize];
        self.changed |= appends.newest.is_some();
        appends.newest = Some((epoch, leader));
        let place = epoch.0 as usize;
        if place >= appends.leaders.len() {
            appends.leaders.resize(place + 1, None);
        }
        let (first, since) = *appends.leaders[place].get_or_insert((leader, n));
        if first == leader {
            return;
        }
        self.findings.add(true, || {
            let name = look.model().partition_name(partition);
            let finding = Finding {
                promise: Promise::OneLeaderPerEpoch,
                at: now,
                text: format!(
                    "broker {leader} appended to {name} under leader epoch {epoch}, under which broker {first} \
                     had appended"
                ),
                witnesses: vec![since, n],
            };
            (Promised::yes(ALWAYS), finding)
        });
    }

    /// What was found.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether any partition was appended to under another epoch or by another broker than before.
    pub fn tested(&self) -> bool {
        self.changed
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{answers, model};
    use crate::cluster::happened::Election;
    use crate::scenario::words::Promise::OneLeaderPerEpoch as PROMISE;

    #[test]
    fn two_brokers_under_one_epoch_are_found() {
        let steps = [Send, Send, Put(1, 0, 0), Put(2, 1, 0)];
        let judged = answers(model(), &steps, PROMISE, (Held::Broken, true));
        assert_eq!(
            judged.first.expect("a finding").text,
            "broker 2 appended to orders-0 under leader epoch 0, under which broker 1 had appended"
        );
    }

    #[test]
    fn a_leader_of_the_past_appends_under_its_own() {
        let elect = Elect(2, &[2, 3], Election::Clean);
        let steps = [Send, Send, Send, Put(1, 0, 0), elect, Leads(2), Put(2, 1, 1), Put(1, 2, 0)];
        answers(model(), &steps, PROMISE, (Held::Kept, true));
        answers(model(), &[&steps[..], &[Send, Put(1, 3, 1)]].concat(), PROMISE, (Held::Broken, true));
    }

    #[test]
    fn one_leader_all_along_tests_nothing() {
        answers(model(), &[Send, Put(1, 0, 0), Copy(2, 0, 0)], PROMISE, (Held::NotTested, true));
    }
}
