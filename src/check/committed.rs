//! The shadow two invariants share: what leaders have committed, and how far each replica's log is known to agree with it.
//!
//! A list of committed entries grows when a leader raises its high watermark over entries of its log. A replica's log matches
//! the list as far as the two were compared, entry by entry, since its last truncation; so each entry is compared once a
//! replica, whatever the length of the log. Both begin at offset 0, so that where they are equal an entry has the same index
//! in both.
//!
//! Only leaders add to the list. One that commits something else where an earlier leader had committed before takes the rest
//! of the list off and puts its own there: what is gone then has been counted when that leader began to lead.

use std::ops::Range;

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
    replicas: Replicas,
    entries: Vec<LogEntry>,
    /// By replica, in assignment order: how many entries of its log are known to be those of the list.
    matched: [usize; Replicas::MOST],
    /// From which entry on the list was committed under which epoch.
    epochs: Vec<(LeaderEpoch, usize)>,
}

/// What raising a high watermark has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The first entry below the new high watermark at which the replica's log is not what a leader had committed.
    pub differs: Option<usize>,
    /// The entries that are committed only now.
    pub fresh: Range<usize>,
}

impl Committed {
    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.partitions.resize_with(model.partition_count(), CommittedLog::default);
        for (partition, replicas) in self.partitions.iter_mut().zip(model.holders()) {
            partition.replicas = replicas;
            partition.entries.clear();
            partition.epochs.clear();
            partition.matched = [0; Replicas::MOST];
        }
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
        &self.replicas
    }

    /// The nth committed entry.
    pub fn entry(&self, index: usize) -> LogEntry {
        self.entries[index]
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
        let slot = self.slot(replica);
        let before = self.entries.len();
        let differs = self.compare(slot, log, below, before);
        let Some(epoch) = leading else { return Raised { differs, fresh: before..before } };
        if let Some(index) = differs {
            if self.epochs.last().is_some_and(|&(newest, _)| epoch < newest) {
                // A leader of the past does not overrule a later one.
                return Raised { differs, fresh: before..before };
            }
            self.cut(index);
        }
        let begin = self.entries.len();
        if self.matched[slot] == begin {
            self.commit(slot, log, below, epoch);
        }
        Raised { differs, fresh: begin..self.entries.len() }
    }

    /// The first entry committed under an epoch before `epoch` that a log does not have; none: it has all.
    pub fn missing(&mut self, replica: NodeId, log: &Log, epoch: LeaderEpoch) -> Option<usize> {
        let until = self
            .epochs
            .iter()
            .find(|&&(committed_under, _)| committed_under >= epoch)
            .map_or(self.entries.len(), |&(_, from)| from);
        let slot = self.slot(replica);
        match self.compare(slot, log, Offset(u64::MAX), until) {
            Some(index) => Some(index),
            None => (self.matched[slot] < until).then_some(self.matched[slot]),
        }
    }

    /// How many entries committed under an epoch before `epoch` there are from the nth on.
    pub fn committed_before(&self, epoch: LeaderEpoch, index: usize) -> usize {
        let until =
            self.epochs.iter().find(|&&(under, _)| under >= epoch).map_or(self.entries.len(), |e| e.1);
        until.saturating_sub(index)
    }

    /// A replica's log was cut to this end.
    pub fn truncated(&mut self, replica: NodeId, end: Offset) {
        let slot = self.slot(replica);
        let known = &self.entries[..self.matched[slot]];
        // A log is cut between batches, so what begins below its end is there as a whole.
        self.matched[slot] = known.partition_point(|entry| entry.base_offset < end);
    }

    /// Compares on from where the last comparison ended, below an offset and below the nth entry of the list.
    #[inline]
    fn compare(&mut self, slot: usize, log: &Log, below: Offset, until: usize) -> Option<usize> {
        let mut index = self.matched[slot];
        let end = until.min(log.len());
        while index < end {
            let entry = log.entry(index);
            if entry.base_offset >= below {
                break;
            }
            if entry != self.entries[index] {
                self.matched[slot] = index;
                return Some(index);
            }
            index += 1;
        }
        self.matched[slot] = index;
        None
    }

    fn commit(&mut self, slot: usize, log: &Log, below: Offset, epoch: LeaderEpoch) {
        let begin = self.entries.len();
        for index in begin..log.len() {
            let entry = log.entry(index);
            if entry.base_offset >= below {
                break;
            }
            self.entries.push(entry);
        }
        self.matched[slot] = self.entries.len();
        if self.entries.len() > begin && self.epochs.last().is_none_or(|&(newest, _)| newest != epoch) {
            self.epochs.push((epoch, begin));
        }
    }

    fn cut(&mut self, index: usize) {
        self.entries.truncate(index);
        self.epochs.retain(|&(_, from)| from < index);
        for matched in &mut self.matched {
            *matched = (*matched).min(index);
        }
    }

    #[inline]
    fn slot(&self, replica: NodeId) -> usize {
        self.replicas.iter().position(|one| one == replica).expect("only a replica reports on its log")
    }
}
