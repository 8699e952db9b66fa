//! `leader-completeness`: a broker that becomes leader of epoch e has every record that was ever below a leader's high watermark
//! in an epoch before e.
//!
//! Where Kafka makes it: leaders come from the in-sync set or from the eligible leader replicas (KIP-966,
//! `PartitionChangeBuilder.electAnyLeader`), and the high watermark waits for every member of the largest in-sync set the
//! controller may have accepted (KIP-497, `Partition.maximalIsr`), so whoever can be elected has what was committed.
//!
//! What it rests on: the budget ([`promised`](crate::check::promised)). An unclean election, or too many power losses at once,
//! takes it away.
//!
//! When it is checked: as soon as a broker has learned that it leads. A process that finds itself the leader because its
//! former self was elected takes no request before it is registered and unfenced, which ends that leadership
//! (`BrokerServer.startup`, `ReplicationControlManager.handleBrokerShutdown`); it is checked only if it serves all the same.
//!
//! What it does not check: records that were acknowledged and never below a high watermark (acks=1), and what a leader loses
//! after it began to lead. A leader of the past that commits on although a later one has begun is checked: what it commits
//! must be in the later one's log.

use crate::check::committed::{Committed, Raised};
use crate::check::finding::{Finding, Findings};
use crate::check::look::Look;
use crate::check::promised::Budget;
use crate::check::shadow::has;
use crate::cluster::protocol::PartitionState;
use crate::cluster::units::{LeaderEpoch, PartitionId};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;

/// Who leads each partition.
#[derive(Clone, Debug, Default)]
pub struct LeaderCompleteness {
    partitions: Vec<Leadership>,
    /// By broker, broker 1 first: whether it has stopped and is still registered as its former self.
    former: Vec<bool>,
    changed: bool,
    findings: Findings,
}

/// Who leads one partition.
#[derive(Clone, Copy, Debug, Default)]
struct Leadership {
    /// Whom the controller elected last.
    elected: LeaderEpoch,
    leader: Option<NodeId>,
    /// The newest epoch that was given to a process that has stopped since, or had already.
    of_former_self: Option<LeaderEpoch>,
    /// The newest epoch so far under which somebody has begun to lead, and who, unless its process has stopped since.
    newest: Option<(LeaderEpoch, Option<NodeId>)>,
    /// A process that took its former self's leadership up and has served nobody yet.
    unserving: Option<(LeaderEpoch, NodeId)>,
}

impl LeaderCompleteness {
    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.partitions.clear();
        for replicas in model.at_start() {
            self.partitions.push(Leadership { leader: replicas.iter().next(), ..Leadership::default() });
        }
        self.former.clear();
        self.former.resize(usize::from(model.cluster.brokers) + 1, false);
        self.changed = false;
        self.findings.clear();
    }

    /// A node stopped uncleanly.
    pub fn stopped(&mut self, node: NodeId) {
        let Some(former) = self.former.get_mut(usize::from(node.0)) else { return };
        *former = true;
        for partition in &mut self.partitions {
            if partition.leader == Some(node) {
                partition.of_former_self = Some(partition.elected);
            }
            // What it loses from here on is not held against its leadership.
            if let Some((_, newest)) = &mut partition.newest
                && *newest == Some(node)
            {
                *newest = None;
            }
        }
    }

    /// The controller registered a broker's process.
    pub fn registered(&mut self, broker: NodeId) {
        self.former[usize::from(broker.0)] = false;
    }

    /// The controller changed a partition.
    pub fn decided(&mut self, partition: PartitionId, state: &PartitionState) {
        let partition = &mut self.partitions[partition.0 as usize];
        let is_created = partition.leader.is_none() && state.leader.is_some();
        if state.leader_epoch != partition.elected || is_created {
            partition.elected = state.leader_epoch;
            partition.leader = state.leader;
            if state.leader.is_some_and(|leader| self.former[usize::from(leader.0)]) {
                partition.of_former_self = Some(state.leader_epoch);
            }
        }
    }

    /// A broker has learned that it leads. Gives whether it has begun to, later than all others.
    pub fn leads(
        &mut self,
        look: &impl Look,
        known: (&mut Committed, &Budget),
        at: (EventSeq, Time),
        leader: NodeId,
        partition: PartitionId,
        epoch: LeaderEpoch,
    ) -> bool {
        let leadership = &mut self.partitions[partition.0 as usize];
        if self.former[usize::from(leader.0)] || leadership.of_former_self == Some(epoch) {
            leadership.unserving = Some((epoch, leader));
            return false;
        }
        self.began(look, known, at, leader, partition, epoch)
    }

    /// A leader has served somebody: appended for a producer, or taken a follower's fetch. Gives its epoch if only now it has
    /// begun to lead, later than all others.
    #[inline]
    pub fn served(
        &mut self,
        look: &impl Look,
        known: (&mut Committed, &Budget),
        at: (EventSeq, Time),
        leader: NodeId,
        partition: PartitionId,
    ) -> Option<LeaderEpoch> {
        if let Some((epoch, unserving)) = self.partitions[partition.0 as usize].unserving
            && unserving == leader
        {
            self.partitions[partition.0 as usize].unserving = None;
            return self.began(look, known, at, leader, partition, epoch).then_some(epoch);
        }
        None
    }

    /// The newest leader that has begun, unless its process has stopped since.
    #[inline]
    pub fn newest(&self, partition: PartitionId) -> Option<(LeaderEpoch, NodeId)> {
        let (epoch, leader) = self.partitions[partition.0 as usize].newest?;
        Some((epoch, leader?))
    }

    fn began(
        &mut self,
        look: &impl Look,
        (committed, budget): (&mut Committed, &Budget),
        (n, now): (EventSeq, Time),
        leader: NodeId,
        partition: PartitionId,
        epoch: LeaderEpoch,
    ) -> bool {
        let leadership = &mut self.partitions[partition.0 as usize];
        self.changed |= leadership.newest.is_some_and(|(before, _)| before != epoch);
        // A process that takes up its former self's leadership under the same epoch is not a later leader.
        let is_newest = leadership.newest.is_none_or(|(before, _)| before < epoch);
        if leadership.newest.is_none_or(|(before, _)| before <= epoch) {
            leadership.newest = Some((epoch, Some(leader)));
        }
        let log = look.log(leader, partition).expect("a leader has a replica");
        let committed = committed.partition(partition);
        let Some(index) = committed.missing(leader, log, epoch) else { return is_newest };
        let entry = committed.entry(index);
        let breach = budget.breach_since_append(entry.batch);
        self.findings.add(breach.is_none(), || {
            let more = match committed.committed_before(epoch, index) - 1 {
                0 => String::new(),
                1 => " and one committed batch after it".to_owned(),
                more => format!(" and {more} committed batches after it"),
            };
            let name = look.model().partition_name(partition);
            let text = format!(
                "broker {leader} leads {name} in epoch {epoch} without what a leader had committed at offset {} \
                 (batch {}){more}; its log ends at {}",
                entry.base_offset,
                entry.batch,
                log.end(),
            );
            let witnesses = budget.append(entry.batch).map(|append| append.n).into_iter().chain([n]).collect();
            let finding = Finding { promise: Promise::LeaderCompleteness, at: now, text, witnesses };
            (Budget::promised(look.model(), partition, breach), finding)
        });
        is_newest
    }

    /// A leader has committed something. If another has begun to lead since, that one must have it.
    #[inline]
    pub fn committed(
        &mut self,
        look: &impl Look,
        (committed, budget): (&mut Committed, &Budget),
        (n, now): (EventSeq, Time),
        leader: NodeId,
        (partition, epoch): (PartitionId, LeaderEpoch),
        raised: &Raised,
    ) {
        let Some((newest, Some(later))) = self.partitions[partition.0 as usize].newest else { return };
        // Of a deleted topic whoever has not heard of it yet may still commit.
        if epoch >= newest || !look.partition(partition).is_there() {
            return;
        }
        // A leader of a former assignment has deleted its replica.
        let Some(log) = look.log(later, partition) else { return };
        let committed = committed.partition(partition);
        let lacks = |index: usize| !has(log, committed.entry(index));
        let Some(index) = raised.fresh.clone().find(|&index| lacks(index)) else { return };
        let entry = committed.entry(index);
        let breach = budget.breach_since_append(entry.batch);
        self.findings.add(breach.is_none(), || {
            let name = look.model().partition_name(partition);
            let text = format!(
                "broker {leader} committed batch {} at offset {} of {name} in epoch {epoch}, and broker {later}, \
                 which leads in epoch {newest}, does not have it",
                entry.batch, entry.base_offset,
            );
            let witnesses = budget.append(entry.batch).map(|append| append.n).into_iter().chain([n]).collect();
            let finding = Finding { promise: Promise::LeaderCompleteness, at: now, text, witnesses };
            (Budget::promised(look.model(), partition, breach), finding)
        });
    }

    /// What was found.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether the leader of any partition ever changed.
    pub fn tested(&self) -> bool {
        self.changed
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{Step, answers, model};
    use crate::cluster::happened::Election;
    use crate::scenario::words::Promise::LeaderCompleteness as PROMISE;

    /// Two records that brokers 1 and 2 have, the first committed.
    const BEGIN: [Step; 9] = [
        Send,
        Send,
        Put(1, 0, 0),
        Copy(2, 0, 0),
        Put(1, 1, 0),
        Copy(2, 1, 0),
        Copy(3, 0, 0),
        Commit(1, 1, 0),
        Learn(2, 1),
    ];

    #[test]
    fn a_leader_without_a_committed_record_is_found() {
        let steps = [&BEGIN[..], &[Commit(1, 2, 0), Crash(1), Elect(3, &[2, 3], Election::Clean), Leads(3)]];
        let judged = answers(model(), &steps.concat(), PROMISE, (Held::Broken, true));
        assert_eq!(judged.findings, 1);
        assert_eq!(
            judged.first.expect("a finding").text,
            "broker 3 leads orders-0 in epoch 1 without what a leader had committed at offset 1 (batch 1); \
             its log ends at 1"
        );
    }

    #[test]
    fn a_leader_with_another_record_in_its_place_is_found() {
        let steps = [Send, Send, Put(1, 0, 0), Put(2, 1, 0), Commit(1, 1, 0), Crash(1)];
        let steps = [&steps[..], &[Elect(2, &[2], Election::Clean), Leads(2)]].concat();
        answers(model(), &steps, PROMISE, (Held::Broken, true));
    }

    #[test]
    fn the_uncommitted_may_be_missing() {
        let steps = [&BEGIN[..], &[Crash(1), Elect(3, &[2, 3], Election::Clean), Leads(3)]];
        answers(model(), &steps.concat(), PROMISE, (Held::Kept, true));
    }

    #[test]
    fn an_unclean_election_may_lose_what_was_committed() {
        let steps = [&BEGIN[..], &[Commit(1, 2, 0), Crash(1), Elect(3, &[3], Election::Unclean), Leads(3)]];
        answers(model(), &steps.concat(), PROMISE, (Held::Broken, false));
    }

    #[test]
    fn a_leader_of_the_past_that_commits_on_is_found() {
        let steps = [&BEGIN[..], &[Elect(3, &[2, 3], Election::Clean), Leads(3), Commit(1, 2, 0)]];
        answers(model(), &steps.concat(), PROMISE, (Held::Broken, true));
        let steps = [&BEGIN[..], &[Elect(2, &[2, 3], Election::Clean), Leads(2), Commit(1, 2, 0)]];
        answers(model(), &steps.concat(), PROMISE, (Held::Kept, true));
    }

    #[test]
    fn what_a_truncation_took_is_missed_later() {
        // Broker 2 is compared while it has both, then cuts: what was known of it is no longer true.
        let cut = [Commit(1, 2, 0), Learn(2, 2), Cut(2, 1), Crash(1)];
        let steps = [&BEGIN[..], &cut, &[Elect(2, &[2, 3], Election::Clean), Leads(2)]];
        answers(model(), &steps.concat(), PROMISE, (Held::Broken, true));
    }

    #[test]
    fn a_process_that_takes_up_its_former_selfs_leadership_is_checked_once_it_serves() {
        // Broker 3 lacks the second record; elected before or after it stopped, it is not yet the one who was elected.
        let elect = Elect(3, &[2, 3], Election::Clean);
        for stop in [[Commit(1, 2, 0), Crash(3), elect], [Commit(1, 2, 0), elect, Crash(3)]] {
            let idle = [&BEGIN[..], &stop, &[Start(3, 0), Leads(3)]].concat();
            answers(model(), &idle, PROMISE, (Held::NotTested, true));
            let serving = [&idle[..], &[Send, Put(3, 2, 1)]].concat();
            answers(model(), &serving, PROMISE, (Held::Broken, true));
        }
        let again = [Commit(1, 2, 0), Crash(3), Start(3, 0), Register(3), elect, Leads(3)];
        answers(model(), &[&BEGIN[..], &again].concat(), PROMISE, (Held::Broken, true));
    }

    #[test]
    fn what_retention_took_is_not_missed_and_what_comes_behind_is() {
        let elect = [Crash(1), Elect(2, &[2, 3], Election::Clean), Leads(2)];
        let removed = [Commit(1, 2, 0), Learn(2, 2), Remove(2, 1)];
        answers(model(), &[&BEGIN[..], &removed, &elect].concat(), PROMISE, (Held::Kept, true));
        // Broker 3 begins anew where its leader's log does: the second record has another index there.
        let restarted = [Commit(1, 2, 0), Remove(1, 1), Restart(3, 1)];
        let leads = [Crash(1), Elect(3, &[2, 3], Election::Clean), Leads(3)];
        let without = [&BEGIN[..], &restarted, &leads].concat();
        answers(model(), &without, PROMISE, (Held::Broken, true));
        let with = [&BEGIN[..], &restarted, &[Copy(3, 1, 0), Learn(3, 2)], &leads].concat();
        answers(model(), &with, PROMISE, (Held::Kept, true));
        // It commits on, and what it has committed is on the list.
        let on = [Send, Put(3, 2, 1), Commit(3, 3, 1), Elect(2, &[2], Election::Clean), Leads(2)];
        answers(model(), &[&with[..], &on].concat(), PROMISE, (Held::Broken, true));
    }

    #[test]
    fn without_a_change_of_leader_nothing_is_tested() {
        answers(model(), &BEGIN, PROMISE, (Held::NotTested, true));
    }
}
