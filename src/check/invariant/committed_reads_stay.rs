//! `committed-reads-stay`: what a reader got at an offset of a partition is what every later leader has there.
//!
//! Where Kafka makes it: a consumer is given what lies below the leader's high watermark only
//! (`Partition.fetchRecords`, `FetchIsolation.HIGH_WATERMARK`), and what is below a high watermark stays (KIP-966).
//!
//! What it rests on: the budget ([`promised`](crate::check::promised)) since the record was appended, as for
//! `leader-completeness`.
//!
//! When it is checked: as soon as a broker has begun to lead, as `leader-completeness` has it; when a record is read while a
//! later leader than that of its epoch has begun; when an offset is read again; and in the settled world.
//!
//! What it does not check: a reader that left something out, which is not this promise's; what another reads there later is
//! not followed either. What retention takes was there.

use crate::check::finding::{Finding, Findings};
use crate::check::look::Look;
use crate::check::promised::Budget;
use crate::check::shadow::{Shadow, has};
use crate::cluster::protocol::LogEntry;
use crate::cluster::units::{LeaderEpoch, Offset, PartitionId};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct CommittedReadsStay {
    partitions: Vec<Reads>,
    changed: bool,
    findings: Findings,
}

/// What was read of one partition, each offset once.
#[derive(Clone, Debug, Default)]
struct Reads {
    list: Shadow,
    end: Offset,
    newest: EventSeq,
}

impl CommittedReadsStay {
    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.partitions.resize_with(model.partition_count(), Reads::default);
        for (reads, replicas) in self.partitions.iter_mut().zip(model.holders()) {
            reads.list.reset(replicas);
            reads.end = Offset::ZERO;
            reads.newest = EventSeq(0);
        }
        self.changed = false;
        self.findings.clear();
    }

    /// A reader was handed a batch; `leads` is the newest leader that has begun, if its process has not stopped.
    #[inline]
    pub fn read(
        &mut self,
        look: &impl Look,
        budget: &Budget,
        at: (EventSeq, Time),
        leads: Option<(LeaderEpoch, NodeId)>,
        (partition, entry): (PartitionId, LogEntry),
    ) {
        let reads = &mut self.partitions[partition.0 as usize];
        // A reader that lost something to retention goes on behind it.
        if entry.base_offset < reads.end {
            return self.read_again(look, budget, at, partition, entry);
        }
        reads.push(at.0, entry, look);
        let Some((epoch, leader)) = leads.filter(|&(epoch, _)| epoch > entry.epoch) else { return };
        // Of a deleted topic whoever has not heard of it yet may still be read.
        if !look.partition(partition).is_there() {
            return;
        }
        let index = reads.list.entries().len() - 1;
        // A leader of a former assignment has deleted its replica.
        let Some(log) = look.log(leader, partition) else { return };
        if !has(log, entry) {
            self.missing(look, budget, at, leader, (partition, Some(epoch)), index);
        }
    }

    /// A replica's log was cut to this end.
    pub fn truncated(&mut self, replica: NodeId, partition: PartitionId, end: Offset) {
        self.partitions[partition.0 as usize].list.truncated(replica, end);
    }

    /// Somebody reads an offset that was read before.
    fn read_again(
        &mut self,
        look: &impl Look,
        budget: &Budget,
        (n, now): (EventSeq, Time),
        partition: PartitionId,
        entry: LogEntry,
    ) {
        let reads = &mut self.partitions[partition.0 as usize];
        let entries = reads.list.entries();
        let index = entries.partition_point(|known| known.base_offset < entry.base_offset);
        let Some(&known) = entries.get(index) else { return };
        let end = entry.base_offset.plus(u64::from(look.store().batch(entry.batch).records));
        // What lies between two parts that were read is not followed.
        if known == entry || end <= known.base_offset {
            return;
        }
        let breach = budget.breach_since_append(known.batch);
        self.findings.add(breach.is_none(), || {
            let name = look.model().partition_name(partition);
            let text = format!(
                "a reader was given batch {} of epoch {} at offset {} of {name}, where batch {} of epoch {} at offset \
                 {} had been read",
                entry.batch, entry.epoch, entry.base_offset, known.batch, known.epoch, known.base_offset,
            );
            let finding =
                Finding { promise: Promise::CommittedReadsStay, at: now, text, witnesses: vec![n] };
            (Budget::promised(look.model(), partition, breach), finding)
        });
        reads.cut(index);
        if reads.end == entry.base_offset {
            reads.push(n, entry, look);
        }
    }

    /// A broker has begun to lead, later than all others.
    pub fn began(
        &mut self,
        look: &impl Look,
        budget: &Budget,
        at: (EventSeq, Time),
        leader: NodeId,
        (partition, epoch): (PartitionId, LeaderEpoch),
    ) {
        let list = &mut self.partitions[partition.0 as usize].list;
        self.changed |= !list.entries().is_empty();
        let log = look.log(leader, partition).expect("a leader has a replica");
        let (slot, until) = (list.slot(leader), list.entries().len());
        list.compare(slot, log, Offset(u64::MAX), until);
        if let Some(index) = list.missing(leader, log) {
            self.missing(look, budget, at, leader, (partition, Some(epoch)), index);
        }
    }

    fn missing(
        &mut self,
        look: &impl Look,
        budget: &Budget,
        (n, now): (EventSeq, Time),
        leader: NodeId,
        (partition, epoch): (PartitionId, Option<LeaderEpoch>),
        index: usize,
    ) {
        let reads = &mut self.partitions[partition.0 as usize];
        let entry = reads.list.entries()[index];
        let breach = budget.breach_since_append(entry.batch);
        self.findings.add(breach.is_none(), || {
            let name = look.model().partition_name(partition);
            let leads = match epoch {
                Some(epoch) => format!("leads {name} in epoch {epoch}"),
                None => format!("leads {name} in the end"),
            };
            let text = format!(
                "broker {leader} {leads} without what a reader got at offset {} (batch {})",
                entry.base_offset, entry.batch,
            );
            let append = budget.append(entry.batch).map(|append| append.n);
            let witnesses = append.into_iter().chain([reads.newest, n]).collect();
            let finding = Finding { promise: Promise::CommittedReadsStay, at: now, text, witnesses };
            (Budget::promised(look.model(), partition, breach), finding)
        });
        reads.cut(index);
    }

    /// Holds what was read against the settled leaders: all findings of the run.
    pub fn settled(&self, look: &impl Look, budget: &Budget, now: Time) -> Findings {
        let mut all = self.clone();
        for partition in (0..self.partitions.len() as u32).map(PartitionId) {
            let Some(leader) = look.partition(partition).leader else { continue };
            let Some(log) = look.log(leader, partition) else { continue };
            if let Some(index) = self.partitions[partition.0 as usize].list.missing(leader, log) {
                all.missing(look, budget, (EventSeq(0), now), leader, (partition, None), index);
            }
        }
        all.findings
    }

    /// Whether any broker began to lead after something had been read.
    pub fn tested(&self) -> bool {
        self.changed
    }
}

impl Reads {
    #[inline]
    fn push(&mut self, n: EventSeq, entry: LogEntry, look: &impl Look) {
        self.list.push(entry);
        self.end = entry.base_offset.plus(u64::from(look.store().batch(entry.batch).records));
        self.newest = n;
    }

    fn cut(&mut self, index: usize) {
        self.end = self.list.entries()[index].base_offset;
        self.list.cut(index);
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{Step, answers, model};
    use crate::cluster::happened::Election;
    use crate::scenario::words::Promise::CommittedReadsStay as PROMISE;

    /// Two records, of which broker 2 has the first; both are read.
    const BEGIN: [Step; 7] =
        [Send, Send, Put(1, 0, 0), Copy(2, 0, 0), Put(1, 1, 0), Read(0, 0, 0), Read(1, 1, 0)];

    #[test]
    fn a_leader_without_what_was_read_is_found() {
        let steps = [&BEGIN[..], &[Crash(1), Elect(2, &[2, 3], Election::Clean), Leads(2)]].concat();
        let judged = answers(model(), &steps, PROMISE, (Held::Broken, true));
        assert_eq!(judged.findings, 1);
        assert_eq!(
            judged.first.expect("a finding").text,
            "broker 2 leads orders-0 in epoch 1 without what a reader got at offset 1 (batch 1)"
        );
        let unclean = [&BEGIN[..], &[Crash(1), Elect(2, &[2], Election::Unclean), Leads(2)]].concat();
        answers(model(), &unclean, PROMISE, (Held::Broken, false));
        let kept = [&BEGIN[..6], &[Crash(1), Elect(2, &[2, 3], Election::Clean), Leads(2)]].concat();
        answers(model(), &kept, PROMISE, (Held::Kept, true));
    }

    #[test]
    fn what_is_read_late_must_be_with_the_leader_there_is() {
        let elect = [Crash(1), Elect(2, &[2, 3], Election::Clean), Leads(2)];
        let steps = [&BEGIN[..6], &elect, &[Read(1, 1, 0)]].concat();
        answers(model(), &steps, PROMISE, (Held::Broken, true));
    }

    #[test]
    fn another_record_at_an_offset_that_was_read_is_found() {
        let again = [&BEGIN[..], &[Read(0, 0, 0), Read(1, 1, 0)]].concat();
        answers(model(), &again, PROMISE, (Held::NotTested, true));
        let other = [&BEGIN[..], &[Send, Read(2, 1, 1)]].concat();
        let judged = answers(model(), &other, PROMISE, (Held::Broken, true));
        assert_eq!(
            judged.first.expect("a finding").text,
            "a reader was given batch 2 of epoch 1 at offset 1 of orders-0, where batch 1 of epoch 0 at offset 1 had \
             been read"
        );
    }

    #[test]
    fn what_the_settled_leader_lost_is_found() {
        answers(model(), &[&BEGIN[..], &[Cut(1, 1)]].concat(), PROMISE, (Held::Broken, true));
        answers(model(), &BEGIN, PROMISE, (Held::NotTested, true));
    }
}
