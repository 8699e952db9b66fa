//! `log-matching`: (a) the same offset and leader epoch mean the same batch on any two replicas; (b) below the lower of two
//! replicas' high watermarks their logs are equal.
//!
//! Where Kafka makes it: (a) one leader an epoch numbers the records, and followers append what it sent at the offsets it gave
//! (`UnifiedLog.appendAsFollower`); (b) a follower cuts its log back to where the leader's epochs say that the two part before
//! it fetches on (KIP-101, KIP-279, KIP-595; `AbstractFetcherThread.truncateOnFetchResponse`).
//!
//! What it rests on: (a) nothing but the protocol; (b) the budget ([`promised`](crate::check::promised)): what an unclean
//! election or too many power losses rewrote may stay different.
//!
//! What it does not check: logs above the lower high watermark, which may differ until the follower has truncated; and
//! replicas whose broker does not run: those have no high watermark. Each entry of a log is compared once, when the high
//! watermark first passes it, and again only after a truncation or a loss: a byte that goes bad later is not found here.

use crate::check::committed::{Committed, Raised};
use crate::check::finding::{Finding, Findings};
use crate::check::look::Look;
use crate::check::promised::{Budget, Promised};
use crate::cluster::protocol::LogEntry;
use crate::cluster::units::{BatchId, LeaderEpoch, Offset, PartitionId, Replicas};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;

/// Why (a) is promised.
pub const ALWAYS: &str = "an offset has one batch in one leader epoch, whatever the settings and the \
faults";

/// What was appended where under which epoch.
#[derive(Clone, Debug, Default)]
pub struct LogMatching {
    partitions: Vec<Appended>,
    followed: bool,
    findings: Findings,
}

/// All appends of one partition.
#[derive(Clone, Debug, Default)]
struct Appended {
    replicas: Replicas,
    /// By leader epoch: where each batch began, rising. Whoever appends at an offset first says what belongs there.
    epochs: Vec<Vec<(Offset, BatchId)>>,
    /// By replica: the epoch it appended in last, and which of that epoch's entries should be its next.
    next: [(LeaderEpoch, usize); Replicas::MOST],
}

impl LogMatching {
    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.partitions.resize_with(model.partition_count(), Appended::default);
        for (partition, replicas) in self.partitions.iter_mut().zip(model.holders()) {
            partition.replicas = replicas;
            partition.epochs.iter_mut().for_each(Vec::clear);
            partition.next = [(LeaderEpoch(0), 0); Replicas::MOST];
        }
        self.followed = false;
        self.findings.clear();
    }

    /// (a) A replica has appended a batch.
    #[inline]
    pub fn appended(
        &mut self,
        look: &impl Look,
        budget: &Budget,
        (n, now): (EventSeq, Time),
        (replica, leading): (NodeId, bool),
        partition: PartitionId,
        entry: LogEntry,
    ) {
        self.followed |= !leading;
        let Some((offset, batch)) = self.partitions[partition.0 as usize].append(replica, entry) else {
            return;
        };
        self.findings.add(true, || {
            let finding = Finding {
                promise: Promise::LogMatching,
                at: now,
                text: format!(
                    "broker {replica} appended batch {} at offset {} of {} in epoch {}, where the log of \
                that epoch has batch {batch} at offset {offset}",
                    entry.batch,
                    entry.base_offset,
                    look.model().partition_name(partition),
                    entry.epoch,
                ),
                witnesses: budget.append(batch).map(|append| append.n).into_iter().chain([n]).collect(),
            };
            (Promised::yes(ALWAYS), finding)
        });
    }

    /// (b) A replica has a new high watermark, and its log below it was compared with what had been committed.
    #[inline]
    pub fn raised(
        &mut self,
        look: &impl Look,
        (committed, budget): (&mut Committed, &Budget),
        (n, now): (EventSeq, Time),
        replica: NodeId,
        (partition, high_watermark): (PartitionId, Offset),
        raised: &Raised,
    ) {
        let Some(offset) = raised.differs else { return };
        let log = look.log(replica, partition).expect("a replica with a high watermark has a log");
        let Some(entry) = log.holds(offset) else { return };
        // The one who committed the other record may have lost it by now, or not run: then no two logs differ.
        let other = committed.partition(partition).replicas().iter().find_map(|other| {
            let theirs = look.log(other, partition)?;
            let below = look.high_watermark(other, partition)?.min(high_watermark);
            let there = theirs.holds(offset)?;
            (other != replica && there != entry && there.base_offset < below).then_some((other, there))
        });
        let Some((other, there)) = other else { return };
        let breach =
            budget.breach_since_append(entry.batch).or_else(|| budget.breach_since_append(there.batch));
        self.findings.add(breach.is_none(), || {
            let finding = Finding {
                promise: Promise::LogMatching,
                at: now,
                text: format!(
                    "below both high watermarks of {}, broker {replica} has batch {} of epoch {} at offset \
                {} and broker {other} has batch {} of epoch {} at offset {}",
                    look.model().partition_name(partition),
                    entry.batch,
                    entry.epoch,
                    entry.base_offset,
                    there.batch,
                    there.epoch,
                    there.base_offset,
                ),
                witnesses: [entry.batch, there.batch]
                    .into_iter()
                    .filter_map(|batch| Some(budget.append(batch)?.n))
                    .chain([n])
                    .collect(),
            };
            (Budget::promised(look.model(), partition, breach), finding)
        });
    }

    /// What was found.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether any replica ever appended what another had.
    pub fn tested(&self) -> bool {
        self.followed
    }
}

impl Appended {
    /// Notes an append, or gives the one it contradicts.
    #[inline]
    fn append(&mut self, replica: NodeId, entry: LogEntry) -> Option<(Offset, BatchId)> {
        let slot = self.replicas.iter().position(|one| one == replica).expect("only a replica appends");
        let epoch = entry.epoch.0 as usize;
        if epoch >= self.epochs.len() {
            self.epochs.resize_with(epoch + 1, Vec::new);
        }
        let entries = &mut self.epochs[epoch];
        let (last, next) = self.next[slot];
        let place = if last == entry.epoch
            && entries.get(next).is_some_and(|&(offset, _)| offset == entry.base_offset)
        {
            next
        } else if entries.last().is_none_or(|&(offset, _)| offset < entry.base_offset) {
            entries.push((entry.base_offset, entry.batch));
            entries.len() - 1
        } else {
            entries.partition_point(|&(offset, _)| offset < entry.base_offset)
        };
        self.next[slot] = (entry.epoch, place + 1);
        let known = entries[place];
        (known != (entry.base_offset, entry.batch)).then_some(known)
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{Step, answers, model};
    use crate::cluster::happened::Election;
    use crate::scenario::words::Promise::LogMatching as PROMISE;

    #[test]
    fn another_batch_at_the_same_offset_and_epoch_is_found() {
        let steps = [Send, Send, Send, Put(1, 0, 0), Put(1, 1, 0), Copy(2, 0, 0), Copy(2, 2, 0)];
        let judged = answers(model(), &steps, PROMISE, (Held::Broken, true));
        assert_eq!(
            judged.first.expect("a finding").text,
            "broker 2 appended batch 2 at offset 1 of orders-0 in epoch 0, where the log of that epoch \
            has batch 1 at offset 1"
        );
    }

    #[test]
    fn another_batch_under_another_epoch_is_no_finding() {
        let steps = [
            Send,
            Send,
            Put(1, 0, 0),
            Crash(1),
            Elect(2, &[2, 3], Election::Clean),
            Leads(2),
            Put(2, 1, 1),
            Copy(3, 1, 1),
            Commit(2, 1, 1),
            Learn(3, 1),
            Start(1, 0),
            Cut(1, 0),
            Copy(1, 1, 1),
            Learn(1, 1),
        ];
        answers(model(), &steps, PROMISE, (Held::Kept, true));
    }

    /// KIP-101's second case: broker 2 lost the second record, leads, and puts another in its place; broker 1 comes back with the
    /// old one below its high watermark.
    const DIVERGED: [Step; 19] = [
        Send,
        Send,
        Send,
        Put(1, 0, 0),
        Put(1, 1, 0),
        Copy(2, 0, 0),
        Copy(2, 1, 0),
        Commit(1, 2, 0),
        Learn(2, 2),
        Power(1, 2),
        Power(2, 1),
        Start(2, 1),
        Elect(2, &[2], Election::LastKnown),
        Leads(2),
        Put(2, 2, 1),
        Commit(2, 2, 1),
        Start(1, 2),
        Learn(1, 2),
        Learn(1, 2),
    ];

    #[test]
    fn logs_that_differ_below_both_high_watermarks_are_found() {
        let judged = answers(model(), &DIVERGED, PROMISE, (Held::Broken, false));
        assert_eq!(
            judged.first.expect("a finding").text,
            "below both high watermarks of orders-0, broker 1 has batch 1 of epoch 0 at offset 1 and \
            broker 2 has batch 2 of epoch 1 at offset 1"
        );
        assert!(judged.promised.reason.contains("2 of 3 replicas"), "{}", judged.promised.reason);
    }

    #[test]
    fn a_high_watermark_below_the_difference_is_no_finding() {
        let mut steps = DIVERGED[..16].to_vec();
        steps.extend([Start(1, 1), Cut(1, 1), Copy(1, 2, 1), Learn(1, 2)]);
        answers(model(), &steps, PROMISE, (Held::Kept, false));
    }

    #[test]
    fn a_log_is_compared_again_after_a_truncation() {
        let steps = [
            Send,
            Send,
            Put(1, 0, 0),
            Copy(2, 0, 0),
            Commit(1, 1, 0),
            Learn(2, 1),
            Cut(2, 0),
            Elect(3, &[2, 3], Election::Clean),
            Copy(2, 1, 1),
            Learn(2, 1),
        ];
        answers(model(), &steps, PROMISE, (Held::Broken, true));
    }

    #[test]
    fn a_leader_alone_tests_nothing() {
        answers(model(), &[Send, Put(1, 0, 0), Commit(1, 1, 0)], PROMISE, (Held::NotTested, true));
    }
}
