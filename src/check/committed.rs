//! What leaders have committed: the shadow two invariants share.
//!
//! A list of committed entries grows when a leader raises its high watermark over entries of its log.
//!
//! Only leaders add to the list. One that commits something else where an earlier leader had committed before takes the rest
//! of the list off and puts its own there: what is gone then has been counted when that leader began to lead.

use std::ops::Range;

use super::shadow::Shadow;
use crate::cluster::log::Log;
use crate::cluster::protocol::LogEntry;
use crate::cluster::units::{LeaderEpoch, Offset, PartitionId, Replicas};
use crate::kernel::units::NodeId;
use crate::scenario::model::Model;

/// What was committed, by partition.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    partitions: Vec<CommittedLog>,
}

/// What was committed in one partition.
#[derive(Clone, Debug, Default)]
pub struct CommittedLog {
    list: Shadow,
    /// From which entry on the list was committed under which epoch.
    epochs: Vec<(LeaderEpoch, usize)>,
}

/// What raising a high watermark has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// Where the first entry below the new high watermark begins in whose place the replica's log has something else than what
    /// a leader had committed.
    pub differs: Option<Offset>,
    /// The entries that are committed only now.
    pub fresh: Range<usize>,
}

impl Committed {
    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.partitions.resize_with(model.partition_count(), CommittedLog::default);
        for (partition, replicas) in self.partitions.iter_mut().zip(model.holders()) {
            partition.list.reset(replicas);
            partition.epochs.clear();
        }
    }

    /// What was committed in one partition, to be read.
    pub fn get(&self, partition: PartitionId) -> &CommittedLog {
        &self.partitions[partition.0 as usize]
    }

    /// What was committed in one partition.
    #[inline]
    pub fn partition(&mut self, partition: PartitionId) -> &mut CommittedLog {
        &mut self.partitions[partition.0 as usize]
    }
}

impl CommittedLog {
    /// Who holds a replica.
    pub fn replicas(&self) -> &Replicas {
        self.list.replicas()
    }

    /// The nth committed entry.
    pub fn entry(&self, index: usize) -> LogEntry {
        self.list.entries()[index]
    }

    /// A replica has a new high watermark: compares what of its log lies below it and was not compared yet. A leader, whose
    /// epoch is `leading`, commits what is beyond the list.
    #[inline]
    pub fn raise(
        &mut self,
        replica: NodeId,
        log: &Log,
        below: Offset,
        leading: Option<LeaderEpoch>,
    ) -> Raised {
        let slot = self.list.slot(replica);
        let before = self.list.entries().len();
        let differing = self.list.compare(slot, log, below, before);
        let differs = differing.map(|index| self.list.entries()[index].base_offset);
        let Some(epoch) = leading else { return Raised { differs, fresh: before..before } };
        if let Some(index) = differing {
            if self.epochs.last().is_some_and(|&(newest, _)| epoch < newest) {
                // A leader of the past does not overrule a later one.
                return Raised { differs, fresh: before..before };
            }
            self.cut(index);
        }
        let begin = self.list.entries().len();
        if self.list.matched(slot) == begin {
            self.commit(slot, log, below, epoch);
        }
        Raised { differs, fresh: begin..self.list.entries().len() }
    }

    /// The first entry committed under an epoch before `epoch` that a log does not have; none: it has all.
    pub fn missing(&mut self, replica: NodeId, log: &Log, epoch: LeaderEpoch) -> Option<usize> {
        let until = self.until(epoch);
        let slot = self.list.slot(replica);
        match self.list.compare(slot, log, Offset(u64::MAX), until) {
            Some(index) => Some(index),
            None => (self.list.matched(slot) < until).then_some(self.list.matched(slot)),
        }
    }

    /// How many entries committed under an epoch before `epoch` there are from the nth on.
    pub fn committed_before(&self, epoch: LeaderEpoch, index: usize) -> usize {
        self.until(epoch).saturating_sub(index)
    }

    /// All committed entries.
    pub fn entries(&self) -> &[LogEntry] {
        self.list.entries()
    }

    /// The entries that begin below an offset.
    pub fn below(&self, offset: Offset) -> &[LogEntry] {
        let entries = self.list.entries();
        &entries[..entries.partition_point(|entry| entry.base_offset < offset)]
    }

    /// A replica's log was cut to this end.
    pub fn truncated(&mut self, replica: NodeId, end: Offset) {
        self.list.truncated(replica, end);
    }

    /// How many entries were committed under an epoch before `epoch`.
    fn until(&self, epoch: LeaderEpoch) -> usize {
        let later = self.epochs.iter().find(|&&(under, _)| under >= epoch);
        later.map_or(self.list.entries().len(), |&(_, from)| from)
    }

    fn commit(&mut self, slot: usize, log: &Log, below: Offset, epoch: LeaderEpoch) {
        let begin = self.list.entries().len();
        let mut index = self.list.behind(slot, log);
        while index < log.len() {
            let entry = log.entry(index);
            if entry.base_offset >= below {
                break;
            }
            self.list.push(entry);
            index += 1;
        }
        self.list.is_of(slot, index);
        let is_new = self.epochs.last().is_none_or(|&(newest, _)| newest != epoch);
        if self.list.entries().len() > begin && is_new {
            self.epochs.push((epoch, begin));
        }
    }

    fn cut(&mut self, index: usize) {
        self.list.cut(index);
        self.epochs.retain(|&(_, from)| from < index);
    }
}
