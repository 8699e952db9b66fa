//! `isr-superset`: the broker that leads at the controller's current epoch has a maximal in-sync set that holds everyone in the
//! controller's.
//!
//! Where Kafka makes it: a leader counts whom it proposes before the controller knows, and counts whom it would leave out until
//! the controller has agreed (KIP-497, `Partition.maximalIsr`); only the leader's proposals add to the controller's set.
//!
//! What it rests on: that the leader remembers what it proposed. It forgets a proposal when the metadata log tells it what the
//! answer to its last one had told already: news of the partition epoch it has count, and end whatever is pending
//! (`Partition.makeLeader`, `updateAssignmentAndIsr`, 4.1). A controller that accepts the forgotten one is ahead of the leader
//! then, until the next news; the high watermark still waits for the newcomer as one that is caught up. Nothing else excuses
//! it.
//!
//! What it does not check: leaders of the past, and a broker that has not learned yet that it leads.

use crate::check::finding::{Finding, Findings};
use crate::check::look::Look;
use crate::check::promised::Promised;
use crate::cluster::protocol::PartitionState;
use crate::cluster::units::{LeaderEpoch, PartitionId, Replicas};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;

/// Why it is promised.
pub const ALWAYS: &str =
    "a leader's maximal in-sync set holds the controller's, whatever the settings and the faults (KIP-497)";

/// Why it is not promised of a proposal that the leader has forgotten.
const FORGOTTEN: &str = "metadata of the partition epoch that a leader has from an answer already ends its next \
proposal, which the controller may accept all the same (Partition.makeLeader)";

/// Both ideas of every in-sync set.
#[derive(Clone, Debug, Default)]
pub struct IsrSuperset {
    partitions: Vec<Both>,
    changed: bool,
    findings: Findings,
}

/// Two ideas of one partition's in-sync set.
#[derive(Clone, Copy, Debug, Default)]
struct Both {
    /// The controller's newest word, and in which entry of the trace it fell.
    leader: Option<NodeId>,
    epoch: LeaderEpoch,
    isr: Replicas,
    decided: EventSeq,
    /// The newest leadership that somebody has taken up and whose process has not stopped.
    led: Option<Led>,
}

/// What one leader counts.
#[derive(Clone, Copy, Debug)]
struct Led {
    by: NodeId,
    epoch: LeaderEpoch,
    committed: Replicas,
    maximal: Replicas,
    /// Whom it has proposed since it last knew the controller to have accepted all of them, and does not wait for.
    dropped: Replicas,
    since: EventSeq,
}

impl IsrSuperset {
    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.partitions.clear();
        for replicas in model.at_start() {
            let leader = replicas.iter().next();
            self.partitions.push(Both { leader, isr: replicas, ..Both::default() });
        }
        self.changed = false;
        self.findings.clear();
    }

    /// A node stopped: what it led it leads no longer.
    pub fn stopped(&mut self, node: NodeId) {
        for both in &mut self.partitions {
            both.led = both.led.filter(|led| led.by != node);
        }
    }

    /// The controller changed a partition.
    pub fn decided(
        &mut self,
        look: &impl Look,
        at: (EventSeq, Time),
        partition: PartitionId,
        state: &PartitionState,
    ) {
        let both = &mut self.partitions[partition.0 as usize];
        // Neither its creation nor its deletion is a change of it.
        self.changed |= !both.isr.is_empty() && state.is_there() && !both.isr.same_set(&state.isr);
        both.leader = state.leader;
        both.epoch = state.leader_epoch;
        both.isr = state.isr;
        both.decided = at.0;
        self.hold(look, at, partition);
    }

    /// A broker leads, or its in-sync set is another, with these members counted.
    pub fn counts(
        &mut self,
        look: &impl Look,
        at: (EventSeq, Time),
        by: NodeId,
        partition: PartitionId,
        (epoch, committed, maximal): (LeaderEpoch, Replicas, Replicas),
    ) {
        let led = &mut self.partitions[partition.0 as usize].led;
        if led.is_some_and(|led| led.epoch > epoch) {
            return;
        }
        let mut dropped = Replicas::NONE;
        if let Some(before) = led.filter(|led| led.by == by && led.epoch == epoch) {
            let was_pending = !before.maximal.same_set(&before.committed);
            let proposed = before.maximal.iter().filter(|_| was_pending);
            dropped = proposed.fold(before.dropped, |all, member| all.with(member));
        }
        if committed.is_superset(&dropped) {
            dropped = Replicas::NONE;
        }
        *led = Some(Led { by, epoch, maximal, dropped, committed, since: at.0 });
        self.hold(look, at, partition);
    }

    fn hold(&mut self, look: &impl Look, (n, now): (EventSeq, Time), partition: PartitionId) {
        let Both { leader, epoch, isr, decided, led } = self.partitions[partition.0 as usize];
        let Some(led) = led.filter(|led| leader == Some(led.by) && led.epoch == epoch) else { return };
        if led.maximal.is_superset(&isr) {
            return;
        }
        let missing = isr.iter().filter(|&member| !led.maximal.contains(member));
        let is_forgotten = missing.into_iter().all(|member| led.dropped.contains(member));
        self.findings.add(!is_forgotten, || {
            let name = look.model().partition_name(partition);
            let finding = Finding {
                promise: Promise::IsrSuperset,
                at: now,
                text: format!(
                    "broker {}, leader of {name} in epoch {epoch}, waits for {} only, and {isr} are in sync for the \
                     controller",
                    led.by, led.maximal,
                ),
                witnesses: vec![decided.min(led.since), n],
            };
            (if is_forgotten { Promised::no(FORGOTTEN) } else { Promised::yes(ALWAYS) }, finding)
        });
    }

    /// What was found.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether any in-sync set ever changed.
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
    use crate::scenario::words::Promise::IsrSuperset as PROMISE;

    #[test]
    fn a_leader_that_waits_for_fewer_is_found() {
        let steps = [Isr(&[1, 2]), Counts(1, &[1, 2], 0), Counts(1, &[1], 0)];
        let judged = answers(model(), &steps, PROMISE, (Held::Broken, true));
        assert_eq!(
            judged.first.expect("a finding").text,
            "broker 1, leader of orders-0 in epoch 0, waits for 1 only, and 1, 2 are in sync for the controller"
        );
        // Somebody joins whom the leader does not count.
        let steps = [Isr(&[1, 2]), Counts(1, &[1, 2], 0), Isr(&[1, 2, 3])];
        answers(model(), &steps, PROMISE, (Held::Broken, true));
    }

    #[test]
    fn a_proposal_that_the_leader_has_forgotten_is_not_promised() {
        let forgets = [Isr(&[1, 2]), Counts(1, &[1, 2], 0), Counts(1, &[1, 2, 3], 0)];
        let accepted = [&forgets[..], &[Counts(1, &[1, 2], 0), Isr(&[1, 2, 3])]].concat();
        answers(model(), &accepted, PROMISE, (Held::Broken, false));
        let another =
            [&forgets[..], &[Counts(1, &[1, 2], 0), Counts(1, &[1, 2], 0), Isr(&[1, 2, 3])]].concat();
        answers(model(), &another, PROMISE, (Held::Broken, false));
    }

    #[test]
    fn a_leader_may_wait_for_more() {
        let steps = [Isr(&[1, 2]), Counts(1, &[1, 2], 0), Counts(1, &[1, 2, 3], 0), Isr(&[1, 2, 3])];
        answers(model(), &steps, PROMISE, (Held::Kept, true));
    }

    #[test]
    fn leaders_of_the_past_and_dead_ones_count_for_nothing() {
        let elect = Elect(2, &[2, 3], Election::Clean);
        answers(model(), &[elect, Counts(1, &[1], 0)], PROMISE, (Held::Kept, true));
        answers(model(), &[elect, Leads(2), Counts(1, &[1], 0)], PROMISE, (Held::Kept, true));
        answers(model(), &[Isr(&[1]), Counts(1, &[1], 0), Crash(1), Isr(&[2])], PROMISE, (Held::Kept, true));
    }

    #[test]
    fn without_a_change_nothing_is_tested() {
        answers(model(), &[Send, Put(1, 0, 0)], PROMISE, (Held::NotTested, true));
    }
}
