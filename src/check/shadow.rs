//! A list of log entries that should stay, and how far each replica's log is known to agree with it.
//!
//! A log matches the list as far as the two were compared, entry by entry, since the log was last cut; so each entry is
//! compared once a replica, whatever the length of the log. Both begin at offset 0, so that where they are equal an entry has
//! the same index in both.
//!
//! The list never knows why an entry is on it.

use crate::cluster::log::Log;
use crate::cluster::protocol::LogEntry;
use crate::cluster::units::{Offset, Replicas};
use crate::kernel::units::NodeId;

/// A list of entries of one partition.
#[derive(Clone, Debug, Default)]
pub struct Shadow {
    replicas: Replicas,
    entries: Vec<LogEntry>,
    /// By replica, in assignment order: how many entries of its log are known to be those of the list.
    matched: [usize; Replicas::MOST],
}

impl Shadow {
    /// Empty, for the partition with these replicas.
    pub fn reset(&mut self, replicas: Replicas) {
        self.replicas = replicas;
        self.entries.clear();
        self.matched = [0; Replicas::MOST];
    }

    /// Who holds a replica.
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// The entries in order.
    #[inline]
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// Puts an entry at the end.
    #[inline]
    pub fn push(&mut self, entry: LogEntry) {
        self.entries.push(entry);
    }

    /// Takes off the nth entry and all after it.
    pub fn cut(&mut self, index: usize) {
        self.entries.truncate(index);
        for matched in &mut self.matched {
            *matched = (*matched).min(index);
        }
    }

    /// A replica's place.
    #[inline]
    pub fn slot(&self, replica: NodeId) -> usize {
        self.replicas.iter().position(|one| one == replica).expect("only a replica reports on its log")
    }

    /// How many entries of a replica's log are known to be those of the list.
    #[inline]
    pub fn matched(&self, slot: usize) -> usize {
        self.matched[slot]
    }

    /// The whole list was just taken from this replica's log.
    #[inline]
    pub fn is_of(&mut self, slot: usize) {
        self.matched[slot] = self.entries.len();
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
    pub fn compare(&mut self, slot: usize, log: &Log, below: Offset, until: usize) -> Option<usize> {
        let (matched, differs) = self.agrees(slot, log, below, until);
        self.matched[slot] = matched;
        differs.then_some(matched)
    }

    /// The first entry of the list that a log does not have; none: it has all.
    pub fn missing(&self, replica: NodeId, log: &Log) -> Option<usize> {
        let until = self.entries.len();
        let (matched, _) = self.agrees(self.slot(replica), log, Offset(u64::MAX), until);
        (matched < until).then_some(matched)
    }

    /// How far the two agree, and whether they part there.
    #[inline]
    fn agrees(&self, slot: usize, log: &Log, below: Offset, until: usize) -> (usize, bool) {
        let mut index = self.matched[slot];
        let end = until.min(log.len());
        while index < end {
            let entry = log.entry(index);
            if entry.base_offset >= below {
                break;
            }
            if entry != self.entries[index] {
                return (index, true);
            }
            index += 1;
        }
        (index, false)
    }
}
