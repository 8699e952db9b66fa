//! A list of log entries that should stay, and how far each replica's log is known to agree with it.
//!
//! A log matches the list as far as the two were compared, entry by entry, since the log was last cut; so each entry is
//! compared once a replica, whatever the length of the log. Where both are equal an entry of the one is so many places from
//! its index in the other; that number is sought anew when it does not fit, as behind a gap. What retention has taken from a
//! log counts as there: whatever lies below its start.
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
    /// By replica: what to add to an index of the list for that of the log, modulo 2^64.
    shift: [usize; Replicas::MOST],
}

impl Shadow {
    /// Empty, for the partition with these replicas.
    pub fn reset(&mut self, replicas: Replicas) {
        self.replicas = replicas;
        self.entries.clear();
        self.matched = [0; Replicas::MOST];
        self.shift = [0; Replicas::MOST];
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

    /// Where in a log that matches the whole list that which comes behind the list begins.
    #[inline]
    pub fn behind(&self, slot: usize, log: &Log) -> usize {
        let place = self.entries.len().wrapping_add(self.shift[slot]);
        let fits = match self.entries.last() {
            Some(&last) => (log.first() + 1..=log.len()).contains(&place) && log.entry(place - 1) == last,
            None => place == log.first(),
        };
        if fits { place } else { self.behind_slowly(log) }
    }

    #[cold]
    fn behind_slowly(&self, log: &Log) -> usize {
        let Some(last) = self.entries.last() else { return log.first() };
        match log.index_at(last.base_offset) {
            Some(place) => place + 1,
            // Retention has taken it.
            None => log.first(),
        }
    }

    /// The end of the list was just taken from this replica's log, and is as far as `behind` in it.
    #[inline]
    pub fn is_of(&mut self, slot: usize, behind: usize) {
        self.matched[slot] = self.entries.len();
        self.shift[slot] = behind.wrapping_sub(self.entries.len());
    }

    /// A replica's log was cut to this end.
    pub fn truncated(&mut self, replica: NodeId, end: Offset) {
        let slot = self.slot(replica);
        let known = &self.entries[..self.matched[slot]];
        // A log is cut between batches, so what begins below its end is there as a whole.
        self.matched[slot] = known.partition_point(|entry| entry.base_offset < end);
    }

    /// Compares on from where the last comparison ended, below an offset and below the nth entry of the list. Gives the first
    /// entry of the list in whose place the log has another.
    #[inline]
    pub fn compare(&mut self, slot: usize, log: &Log, below: Offset, until: usize) -> Option<usize> {
        let (matched, shift, differs) = self.agrees(slot, log, below, until);
        self.matched[slot] = matched;
        self.shift[slot] = shift;
        differs.then_some(matched)
    }

    /// The first entry of the list that a log does not have; none: it has all.
    pub fn missing(&self, replica: NodeId, log: &Log) -> Option<usize> {
        let until = self.entries.len();
        let (matched, ..) = self.agrees(self.slot(replica), log, Offset(u64::MAX), until);
        (matched < until).then_some(matched)
    }

    /// How far the two agree, how their indexes go together there, and whether they part there.
    #[inline]
    fn agrees(&self, slot: usize, log: &Log, below: Offset, until: usize) -> (usize, usize, bool) {
        let (mut index, mut shift) = (self.matched[slot], self.shift[slot]);
        while index < until {
            let wanted = self.entries[index];
            if wanted.base_offset >= below {
                break;
            }
            let place = index.wrapping_add(shift);
            let is_there = (log.first()..log.len()).contains(&place) && log.entry(place) == wanted;
            if is_there {
                index += 1;
                continue;
            }
            match search(log, wanted) {
                Search::Removed => {
                    index = self.entries.partition_point(|entry| entry.base_offset < log.start());
                }
                Search::Behind => break,
                Search::Other => return (index, shift, true),
                Search::There(place) => {
                    shift = place.wrapping_sub(index);
                    index += 1;
                }
            }
        }
        (index, shift, false)
    }
}

/// What a log has in the place of an entry.
enum Search {
    /// Its log begins behind it.
    Removed,
    /// It ends before it.
    Behind,
    /// Another, or nothing.
    Other,
    /// The same, with this index.
    There(usize),
}

#[cold]
fn search(log: &Log, wanted: LogEntry) -> Search {
    if wanted.base_offset < log.start() {
        return Search::Removed;
    }
    if wanted.base_offset >= log.end() {
        return Search::Behind;
    }
    match log.index_at(wanted.base_offset).filter(|&place| log.entry(place) == wanted) {
        Some(place) => Search::There(place),
        None => Search::Other,
    }
}

/// Whether a log has an entry, or had it before retention took what lies below its start.
pub fn has(log: &Log, wanted: LogEntry) -> bool {
    matches!(search(log, wanted), Search::Removed | Search::There(_))
}
