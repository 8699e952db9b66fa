//! When Kafka promises that an acknowledged record stays: the budget of unclean stops.
//!
//! KIP-966 claims that nothing is lost as long as fewer than `min.insync.replicas` replicas stop uncleanly and lose records.
//! Made checkable: let m be the lesser of `min.insync.replicas` and the number of replicas. A replica is **impaired** from any
//! unclean stop until, registered anew, it is re-admitted to the in-sync set (one that was never removed, because it was the
//! last: until it leads again), and **short** for the same span if the stop also took a record that had been below its log
//! end. The budget is **kept** for a record if since its append
//!
//! - nobody was elected uncleanly ([`Election::Unclean`]);
//! - whenever some replica was short, fewer than m were impaired;
//! - without eligible leader replicas also: no replica was short while it was the only one in the in-sync set.
//!
//! Nor is it kept once a log has a gap: a power loss may take the end of a segment that is not fsynced, or whose fsync was a
//! lie, and leave the next one. Recovery does not see that, so the replica is short for ever without anybody knowing. Nor once
//! a byte of any copy has gone bad.
//!
//! Where `min.insync.replicas` is changed while the cluster runs, m is what it was when all who hold a replica knew of it before
//! the append, or lower since. With eligible leader replicas any change of it also ends their eligibility
//! (`ConfigurationControlManager.createClearElrRecordsAsNeeded`): what was written before rests on those in sync alone then.
//! Where brokers have other values of it, m is the least that any who may hold a replica has.
//!
//! An election of the last known leader ([`Election::LastKnown`]) breaks nothing by itself, although Kafka marks it as unclean
//! (`PartitionChangeBuilder.canElectLastKnownLeader`, `LeaderRecoveryState.RECOVERING`). It can only come about once the
//! in-sync set and the eligible replicas, m or more together, have all been emptied by unclean stops. If one of those stops
//! took records, the second clause has broken the budget already; if none did, the last known leader still has all that was
//! committed, and KIP-966's claim covers it.
//!
//! Controllers have no part in it. A decision counts once a majority of the voters has it on disk, so no fault of theirs undoes
//! one; a lost quorum only keeps decisions from being made, and a new active controller goes by the in-sync sets, eligible
//! replicas and fences of the one before. What is lost while they fail is lost as at any other time.
//!
//! The budget never knows what was found broken: it is told what befell replicas, and asked.

use std::fmt;

use super::breach::Breach;
use crate::cluster::happened::Election;
use crate::cluster::log::Log;
use crate::cluster::protocol::{LogEntry, PartitionState, Resource};
use crate::cluster::setting::Setting;
use crate::cluster::units::{BatchId, LeaderEpoch, Offset, PartitionId, Replicas};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::world::budget::{Required, Standing};
use crate::world::min_isr::{self, Change, MinIsr};

/// Whether Kafka promises it, and why or why not, in words its users know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promised {
    /// It does.
    pub yes: bool,
    /// Because of this setting, fault or KIP.
    pub reason: String,
}

/// The first time a batch was put in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Append {
    /// Which entry of the trace.
    pub n: EventSeq,
    /// In which partition.
    pub partition: PartitionId,
    /// Under which leadership.
    pub epoch: LeaderEpoch,
}

/// Another time a batch was put in a log: a retry that was not recognised, or that nobody could recognise.
#[derive(Clone, Copy, Debug)]
struct Again {
    batch: BatchId,
    append: Append,
    base_offset: Offset,
}

/// Every partition's budget, and when every batch was first appended.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    partitions: Vec<Account>,
    /// Which partitions each broker has a replica of; broker 1 comes first.
    of_broker: Vec<Vec<PartitionId>>,
    appends: Vec<Option<Append>>,
    /// What leaders appended beyond that.
    again: Vec<Again>,
    /// Of batches that were appended more than once: which append was acknowledged since the newest attempt, of several the
    /// first.
    acknowledged: Vec<(BatchId, Append)>,
    min_isr: MinIsr,
    eligible_leader_replicas: bool,
}

/// One partition's budget.
#[derive(Clone, Debug)]
struct Account {
    standing: Standing,
    /// The breach that goes on.
    still: Option<Breach>,
    /// The last breach that is over, with its last entry.
    over: Option<(EventSeq, Breach)>,
    first_append: Option<EventSeq>,
    /// The newest leadership that was given uncleanly. What a leader of an older one still appends afterwards, cut off from the
    /// controller, has no budget either.
    unclean: Option<(LeaderEpoch, Breach)>,
    /// A gap in a replica's log, which nobody ever sees.
    gap: Option<Breach>,
    /// The first byte that went bad in any of its logs.
    rotten: Option<Breach>,
    /// What was written before `min.insync.replicas` was raised, in the order of the raises.
    earlier: Vec<Earlier>,
    /// It is being raised: what will hold, and who has not heard of it.
    raise: Option<(Required, Replicas)>,
}

/// The budget of what was written before `min.insync.replicas` was raised.
#[derive(Clone, Debug)]
struct Earlier {
    /// The last entry of the trace before the raise counted.
    until: EventSeq,
    required: Required,
    still: Option<Breach>,
    over: Option<(EventSeq, Breach)>,
}

impl Budget {
    /// Nothing has happened yet.
    pub fn new(model: &Model) -> Budget {
        let mut budget = Budget::default();
        budget.reset(model);
        budget
    }

    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.eligible_leader_replicas = model.controller_options.eligible_leader_replicas;
        self.appends.clear();
        self.again.clear();
        self.acknowledged.clear();
        self.min_isr.clear();
        self.partitions.clear();
        for partitions in &mut self.of_broker {
            partitions.clear();
        }
        self.of_broker.resize_with(usize::from(model.cluster.brokers), Vec::new);
        let mut each = model.holders().zip(model.at_start());
        for topic in &model.topics {
            for &replicas in &topic.assignment {
                let partition = PartitionId(self.partitions.len() as u32);
                let (holders, in_sync) = each.next().expect("one a partition");
                for replica in holders.iter() {
                    self.of_broker[usize::from(replica.0) - 1].push(partition);
                }
                self.partitions.push(Account {
                    standing: Standing::new(replicas, in_sync, topic.options.min_insync_replicas),
                    still: None,
                    over: None,
                    first_append: None,
                    unclean: None,
                    gap: None,
                    rotten: None,
                    earlier: Vec::new(),
                    raise: None,
                });
            }
        }
    }

    /// A batch was put in a log, by a leader or by one that copies.
    #[inline]
    pub fn appended(&mut self, n: EventSeq, partition: PartitionId, entry: LogEntry, leading: bool) {
        let LogEntry { base_offset, batch, epoch } = entry;
        let place = batch.0 as usize;
        if place >= self.appends.len() {
            self.appends.resize(place + 1, None);
        }
        let append = Append { n, partition, epoch };
        if self.appends[place].is_none() {
            self.appends[place] = Some(append);
            self.partitions[partition.0 as usize].first_append.get_or_insert(n);
        } else if leading {
            self.again.push(Again { batch, append, base_offset });
        }
    }

    /// A producer tries a batch again: what was acknowledged of it before, it has not heard of.
    #[cold]
    pub fn attempted_again(&mut self, batch: BatchId) {
        self.acknowledged.retain(|&(other, _)| other != batch);
    }

    /// A broker acknowledges a batch that its log has at this offset.
    #[inline]
    pub fn acknowledged(&mut self, log: Option<&Log>, base_offset: Offset, batch: BatchId) {
        if !self.again.is_empty() {
            self.acknowledged_one_of(log, base_offset, batch);
        }
    }

    fn acknowledged_one_of(&mut self, log: Option<&Log>, base_offset: Offset, batch: BatchId) {
        let is_it = |again: &&Again| again.batch == batch;
        let entry = log.and_then(|log| log.holds(base_offset)).filter(|entry| entry.batch == batch);
        let (Some(entry), true) = (entry, self.again.iter().any(|again| is_it(&again))) else { return };
        // A leadership is one broker's, and an offset in it one append.
        let mut others = self.again.iter().rev().filter(is_it);
        let other = others.find(|one| one.append.epoch == entry.epoch && one.base_offset == base_offset);
        let append = other.map(|again| again.append).or(self.append(batch)).expect("it was appended before");
        match self.acknowledged.iter_mut().find(|(other, _)| *other == batch) {
            Some((_, known)) if append.n < known.n => *known = append,
            Some(_) => (),
            None => self.acknowledged.push((batch, append)),
        }
    }

    /// The controller changed a setting. A raise of a partition's `min.insync.replicas` counts once all whom it concerns, of
    /// those who may hold a replica, know of it.
    pub fn set(&mut self, n: EventSeq, now: Time, model: &Model, set: (Resource, Setting)) {
        self.min_isr.set(model, set, |Change { partition, least, unaware }| {
            let account = &mut self.partitions[partition.0 as usize];
            let still_unaware = account.raise.iter().flat_map(|(_, unaware)| unaware.iter());
            let unaware = still_unaware.fold(unaware, |all, one| all.with(one));
            account.raise = account.standing.set(least).map(|required| (required, unaware));
            let lowest = *account.standing.required();
            account.earlier.iter_mut().for_each(|earlier| earlier.required = earlier.required.lower(lowest));
            account.look(n, now, self.eligible_leader_replicas);
        });
    }

    /// A broker has heard of a change of a setting.
    pub fn heard(
        &mut self,
        n: EventSeq,
        now: Time,
        model: &Model,
        (of, setting): (Resource, Setting),
        broker: NodeId,
    ) {
        if !matches!(setting, Setting::MinInsyncReplicas(_)) {
            return;
        }
        for partition in min_isr::concerned(model, of) {
            let account = &mut self.partitions[partition.0 as usize];
            let Some((required, unaware)) = &mut account.raise else { continue };
            *unaware = unaware.without(broker);
            if unaware.is_empty() {
                let required = *required;
                account.raise = None;
                let before = std::mem::replace(account.standing.required(), required);
                let (still, over) = (account.still.take(), account.over.take());
                account.earlier.push(Earlier { until: n, required: before, still, over });
                account.look(n, now, self.eligible_leader_replicas);
            }
        }
    }

    /// The most that a leader of a partition may require to be in sync.
    pub fn most_required(&self, model: &Model, partition: PartitionId) -> u16 {
        let in_file = || model.partition(partition).0.options.min_insync_replicas;
        self.min_isr.of(partition).map_or_else(in_file, |(_, most)| most)
    }

    /// A node stopped uncleanly: its process crashed, or its machine lost power.
    pub fn stopped(&mut self, n: EventSeq, now: Time, node: NodeId) {
        self.each_of(n, now, node, Standing::stopped);
    }

    /// A power loss or a wipe took records that had been below a log's end.
    pub fn lost(&mut self, n: EventSeq, now: Time, node: NodeId, partition: PartitionId) {
        let account = &mut self.partitions[partition.0 as usize];
        account.standing.lost(node);
        account.look(n, now, self.eligible_leader_replicas);
    }

    /// A power loss took records from the middle of a log: a segment ends before the next begins.
    pub fn gap(&mut self, now: Time, node: NodeId, partition: PartitionId) {
        let breach = Breach::Gap { at: now, broker: node };
        self.partitions[partition.0 as usize].gap.get_or_insert(breach);
    }

    /// What one copy of a log has at an offset cannot be read: a byte of it went bad ([`Breach::Rotten`]), or it was appended
    /// behind half a batch ([`Breach::BehindTorn`]). There it is another batch from here on.
    pub fn spoilt(
        &mut self,
        (partition, offset): (PartitionId, Offset),
        breach: Breach,
        of: BatchId,
        batch: BatchId,
    ) {
        self.partitions[partition.0 as usize].rotten.get_or_insert(breach);
        if let Some(append) = self.append(of) {
            let entry = LogEntry { base_offset: offset, batch, epoch: append.epoch };
            self.appended(append.n, partition, entry, false);
        }
    }

    /// The first byte that went bad in any log.
    pub fn first_rotten(&self) -> Option<(PartitionId, Breach)> {
        let partitions = (0..self.partitions.len() as u32).map(PartitionId);
        { partitions }.find_map(|partition| Some((partition, self.partitions[partition.0 as usize].rotten?)))
    }

    /// A broker registered anew.
    pub fn registered(&mut self, n: EventSeq, now: Time, node: NodeId) {
        self.each_of(n, now, node, Standing::registered);
    }

    /// The controller changed a partition.
    pub fn decided(
        &mut self,
        n: EventSeq,
        now: Time,
        partition: PartitionId,
        old_leader: Option<NodeId>,
        state: &PartitionState,
        election: Option<Election>,
    ) {
        let account = &mut self.partitions[partition.0 as usize];
        let is_emptied = state.leader.is_some_and(|leader| account.standing.is_emptied(leader));
        account.standing.decided(old_leader, state);
        account.look(n, now, self.eligible_leader_replicas);
        let breach = match (election, state.leader) {
            (Some(Election::Unclean), Some(leader)) => Breach::UncleanElection { at: now, leader },
            (Some(Election::Eligible), Some(leader)) if is_emptied => Breach::EmptyLeader { at: now, leader },
            (
                None
                | Some(
                    Election::Clean
                    | Election::Eligible
                    | Election::LastKnown
                    | Election::Unclean
                    | Election::Nobody,
                ),
                _,
            ) => return,
        };
        account.over = Some((n, breach));
        account.earlier.iter_mut().for_each(|earlier| earlier.over = Some((n, breach)));
        account.unclean = Some((state.leader_epoch, breach));
    }

    /// When and where a batch was first put in a log; none: never.
    #[inline]
    pub fn append(&self, batch: BatchId) -> Option<Append> {
        *self.appends.get(batch.0 as usize)?
    }

    /// Which append of a batch its producer was told of; none: none ever was made. If two were acknowledged at the same time,
    /// which may be if the one was made on a connection the producer had given up, it is the first.
    pub fn append_told(&self, batch: BatchId) -> Option<Append> {
        let known = self.acknowledged.iter().find(|&&(other, _)| other == batch);
        known.map(|&(_, append)| append).or(self.append(batch))
    }

    /// What broke the budget of a batch since it was first appended; none: it was kept so far.
    pub fn breach_since_append(&self, batch: BatchId) -> Option<Breach> {
        self.breach_since_this(self.append(batch)?)
    }

    /// What broke the budget of a batch since this append of it; none: it was kept so far.
    pub fn breach_since_this(&self, append: Append) -> Option<Breach> {
        let unclean = self.partitions[append.partition.0 as usize].unclean;
        let overtaken = unclean.filter(|&(epoch, _)| append.epoch < epoch).map(|(_, breach)| breach);
        self.breach_since(append.partition, append.n).or(overtaken)
    }

    /// Whether a promise that rests on the budget was given, with the breach that says it was not.
    pub fn promised(model: &Model, partition: PartitionId, breach: Option<Breach>) -> Promised {
        match breach {
            None => Promised::within_budget(),
            Some(breach) => Promised::no(breach.reason(model, partition)),
        }
    }

    /// What broke a partition's budget at or after an entry of the trace.
    pub fn breach_since(&self, partition: PartitionId, n: EventSeq) -> Option<Breach> {
        let account = &self.partitions[partition.0 as usize];
        let earlier = account.earlier.iter().find(|earlier| n <= earlier.until);
        let (still, over) =
            earlier.map_or((account.still, account.over), |earlier| (earlier.still, earlier.over));
        still
            .or(account.gap)
            .or(account.rotten)
            .or_else(|| over.filter(|&(last, _)| last >= n).map(|(_, breach)| breach))
    }

    /// The first partition whose budget was broken for any of its records, and how.
    pub fn any_breach(&self) -> Option<(PartitionId, Breach)> {
        (0..self.partitions.len() as u32).map(PartitionId).find_map(|partition| {
            let first = self.partitions[partition.0 as usize].first_append?;
            Some((partition, self.breach_since(partition, first)?))
        })
    }

    fn each_of(&mut self, n: EventSeq, now: Time, node: NodeId, change: impl Fn(&mut Standing, NodeId)) {
        // Clients and controllers stop too, and have no replica.
        let Some(partitions) = self.of_broker.get(usize::from(node.0).wrapping_sub(1)) else { return };
        for partition in partitions {
            let account = &mut self.partitions[partition.0 as usize];
            change(&mut account.standing, node);
            account.look(n, now, self.eligible_leader_replicas);
        }
    }
}

impl Account {
    /// Looks whether a breach begins, goes on, or is over.
    fn look(&mut self, n: EventSeq, now: Time, eligible_leader_replicas: bool) {
        let found = self.standing.excess(eligible_leader_replicas).map(|excess| Breach::of(excess, now));
        goes_on(n, found, &mut self.still, &mut self.over);
        for Earlier { required, still, over, .. } in &mut self.earlier {
            let excess = self.standing.excess_of(*required, eligible_leader_replicas);
            goes_on(n, excess.map(|excess| Breach::of(excess, now)), still, over);
        }
    }
}

fn goes_on(
    n: EventSeq,
    found: Option<Breach>,
    still: &mut Option<Breach>,
    over: &mut Option<(EventSeq, Breach)>,
) {
    match (found, *still) {
        (Some(breach), None) => *still = Some(breach),
        (None, Some(breach)) => {
            *over = Some((n, breach));
            *still = None;
        }
        (Some(_), Some(_)) | (None, None) => (),
    }
}

impl Promised {
    /// Kafka promises it, because.
    pub fn yes(reason: impl Into<String>) -> Promised {
        Promised { yes: true, reason: reason.into() }
    }

    /// Kafka does not promise it, because.
    pub fn no(reason: impl Into<String>) -> Promised {
        Promised { yes: false, reason: reason.into() }
    }

    /// Kafka promises it because the budget was kept.
    pub fn within_budget() -> Promised {
        Promised::yes(
            "never were as many replicas as min.insync.replicas out of sync after an unclean stop while \
            one had lost records, and nobody was elected uncleanly (KIP-966)",
        )
    }
}

impl fmt::Display for Promised {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", if self.yes { "promised" } else { "not promised" }, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{Hand, Step, model};
    use crate::cluster::happened::Election;
    use crate::scenario::words::Promise;

    /// The record is put in a log, this befalls the cluster, and the record is gone: was it promised to stay?
    #[track_caller]
    fn promised(eligible_leader_replicas: bool, min_insync_replicas: u16, steps: &[Step]) -> bool {
        let mut model = model();
        model.controller_options.eligible_leader_replicas = eligible_leader_replicas;
        model.topics[0].options.min_insync_replicas = min_insync_replicas;
        let steps = [&[Send, Put(1, 0, 0), Success(0)], steps, &[Cut(1, 0)]].concat();
        let judged = Hand::play(model, &steps).judged(Promise::AckedIsKept);
        assert_eq!(judged.held, Held::Broken);
        judged.promised.yes
    }

    #[test]
    fn crashes_alone_never_break_the_budget() {
        assert!(promised(true, 2, &[Crash(1), Crash(2), Crash(3)]));
        assert!(promised(true, 1, &[Crash(1), Crash(2), Crash(3)]));
        // A power loss that takes nothing is a crash.
        assert!(promised(true, 1, &[Power(1, 1)]));
    }

    #[test]
    fn one_power_loss_is_within_min_insync_replicas_of_two() {
        assert!(promised(true, 2, &[Power(1, 0)]));
        assert!(!promised(true, 1, &[Power(1, 0)]));
        assert!(promised(true, 3, &[Power(1, 0), Crash(2)]));
    }

    #[test]
    fn another_unclean_stop_before_the_first_is_back_in_sync_is_one_too_many() {
        assert!(!promised(true, 2, &[Power(1, 0), Crash(2)]));
        assert!(!promised(true, 2, &[Crash(2), Power(1, 0)]));
        assert!(!promised(true, 2, &[Power(1, 0), Start(1, 0), Crash(2)]), "started is not in sync");
        let back = [Power(1, 0), Isr(&[2, 3]), Start(1, 0), Register(1), Isr(&[1, 2, 3]), Crash(2)];
        assert!(promised(true, 2, &back), "in sync again");
        let stale = [Power(1, 0), Isr(&[2, 3]), Start(1, 0), Isr(&[1, 2, 3]), Crash(2)];
        assert!(!promised(true, 2, &stale), "in the set before it has even registered");
    }

    #[test]
    fn min_insync_replicas_counts_as_at_most_the_replicas() {
        assert!(promised(true, 7, &[Power(1, 0), Crash(2)]));
        assert!(!promised(true, 7, &[Power(1, 0), Crash(2), Crash(3)]));
    }

    #[test]
    fn a_lower_setting_counts_for_what_was_written_before_and_a_higher_one_does_not() {
        let power = [Power(1, 0)];
        assert!(!promised(true, 2, &[&[Require(1)][..], &power].concat()));
        assert!(!promised(true, 2, &[&power[..], &[Require(1)]].concat()));
        let all_hear = [Require(2), Hear(1), Hear(2), Hear(3)];
        assert!(!promised(true, 1, &[&all_hear[..], &power].concat()));
        // Written since: once all have heard of it.
        for (heard, expected) in [(2, false), (3, false), (4, true)] {
            let put = [Send, Put(1, 0, 0), Success(0)];
            let steps = [&all_hear[..heard], &put, &[Power(1, 0), Strike(1)]].concat();
            let mut model = model();
            model.topics[0].options.min_insync_replicas = 1;
            let judged = Hand::play(model, &steps[..]).judged(Promise::AckedIsKept);
            assert_eq!((judged.held, judged.promised.yes), (Held::Broken, expected), "{heard} steps");
        }
    }

    #[test]
    fn a_change_of_the_setting_leaves_only_those_in_sync() {
        let eligible = [IsrAndElr(&[1], &[2, 3])];
        assert!(promised(true, 2, &[&eligible[..], &[Power(1, 0)]].concat()));
        assert!(!promised(true, 2, &[&eligible[..], &[Require(3), Power(1, 0)]].concat()));
        assert!(promised(true, 2, &[Isr(&[1, 2]), Require(3), Power(1, 0)]), "two are in sync");
    }

    #[test]
    fn a_sole_member_is_impaired_until_it_leads_again() {
        let down = [Isr(&[1]), Power(1, 0), Nobody(&[1]), Start(1, 0), Register(1)];
        let again = [Elect(1, &[1], Election::Clean), Crash(2)];
        assert!(!promised(true, 2, &[&down[..], &again[1..]].concat()));
        assert!(promised(true, 2, &[&down[..], &again].concat()));
    }

    #[test]
    fn without_eligible_leader_replicas_the_only_member_may_not_be_short() {
        for steps in [&[Isr(&[1]), Power(1, 0)][..], &[Power(1, 0), Isr(&[1])]] {
            assert!(promised(true, 2, steps));
            assert!(!promised(false, 2, steps));
        }
    }

    #[test]
    fn of_elections_only_an_unclean_one_breaks_it() {
        for (election, kept) in [
            (Election::Clean, true),
            (Election::Eligible, true),
            (Election::LastKnown, true),
            (Election::Unclean, false),
        ] {
            assert_eq!(promised(true, 2, &[Elect(2, &[2], election)]), kept, "{election:?}");
        }
    }

    #[test]
    fn an_eligible_one_whose_replica_was_taken_away_has_nothing() {
        let elected = Elect(2, &[2], Election::Eligible);
        let eligible = IsrAndElr(&[1], &[2, 3]);
        assert!(promised(true, 2, &[eligible, elected]));
        let back = [eligible, Reassigned(&[1]), Reassigned(&[1, 2]), eligible];
        assert!(!promised(true, 2, &[&back[..], &[elected]].concat()));
        // Once it has left the ELR, as one in sync does, it may come back to it.
        let in_sync = [IsrAndElr(&[1, 2], &[]), eligible, elected];
        assert!(promised(true, 2, &[&back[..], &in_sync].concat()));
    }

    #[test]
    fn reasons_are_in_words_kafka_users_know() {
        let steps = [At(500), Send, Put(1, 0, 0), Success(0), Power(1, 0), Power(2, 0), Crash(3)];
        let judged = Hand::play(model(), &steps).judged(Promise::AckedIsKept);
        assert_eq!(
            judged.promised.reason,
            "at 0.500 s 2 of 3 replicas of orders-0 had stopped uncleanly and were not back in sync, \
            and broker 1 had lost records; min.insync.replicas=2 allows 1 (KIP-966)"
        );
    }

    #[test]
    fn a_reassignment_changes_who_counts_and_how_many_may_be_missing() {
        // Reassigned to the one that lies there with half a log: none of one may be impaired.
        assert!(!promised(true, 2, &[Power(1, 0), Reassigned(&[1])]));
        assert!(promised(true, 2, &[Crash(1), Reassigned(&[1])]));
        // Reassigned away from it: it does not matter any more, whoever crashes next.
        let away = [Power(1, 0), Isr(&[2, 3]), Reassigned(&[2, 3]), Crash(2)];
        assert!(promised(true, 2, &away));
        assert!(!promised(true, 2, &[away[0], away[1], away[3]]));
    }
}
