//! Where each leader epoch begins in one log (`LeaderEpochFileCache`).

use crate::cluster::units::{LeaderEpoch, Offset};

/// Epochs and their start offsets, both rising.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCache {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl EpochCache {
    /// The newest epoch.
    #[inline]
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|&(epoch, _)| epoch)
    }

    /// Epochs and their starts in order.
    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// Notes that `epoch` begins at `start`, unless it is known or older than the newest. Entries that begin at or after
    /// `start` are of leaderships that left no record here, and go. Gives whether the file changed.
    #[inline]
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if self.latest().is_some_and(|latest| epoch <= latest) {
            return false;
        }
        self.truncate_from(start);
        self.entries.push((epoch, start));
        true
    }

    /// Forgets every epoch that begins at `end` or later.
    pub fn truncate_from(&mut self, end: Offset) {
        while self.entries.last().is_some_and(|&(_, start)| start >= end) {
            self.entries.pop();
        }
    }

    /// The log begins at `start`: of the epochs that begin at or before it the newest is kept, and begins there
    /// (`truncateFromStart`).
    pub fn truncate_to_start(&mut self, start: Offset) {
        let before = self.entries.partition_point(|&(_, begins)| begins <= start);
        let Some(kept) = before.checked_sub(1) else { return };
        self.entries.drain(..kept);
        self.entries[0].1 = start;
    }

    /// The largest epoch up to `asked` that this log has, and where it ends (`endOffsetFor`): the newest ends at the log end,
    /// any other where the next begins. An epoch older than the oldest ends where the oldest begins. None: `asked` is
    /// newer than everything here.
    pub fn end_offset_for(&self, asked: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        if self.latest() == Some(asked) {
            return Some((asked, log_end));
        }
        let next = self.entries.partition_point(|&(epoch, _)| epoch <= asked);
        let &(_, end) = self.entries.get(next)?;
        Some(match next.checked_sub(1) {
            Some(floor) => (self.entries[floor].0, end),
            None => (asked, end),
        })
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(u32, u64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        for &(epoch, start) in entries {
            assert!(cache.assign(LeaderEpoch(epoch), Offset(start)));
        }
        cache
    }

    #[test]
    fn where_an_epoch_ends() {
        let known = cache(&[(2, 10), (4, 20), (7, 30)]);
        let cases = [
            (7, Some((7, 99))),
            (8, None),
            (6, Some((4, 30))),
            (4, Some((4, 30))),
            (3, Some((2, 20))),
            (2, Some((2, 20))),
            (1, Some((1, 10))),
        ];
        for (asked, answer) in cases {
            let answer = answer.map(|(epoch, end)| (LeaderEpoch(epoch), Offset(end)));
            assert_eq!(known.end_offset_for(LeaderEpoch(asked), Offset(99)), answer, "epoch {asked}");
        }
        assert_eq!(EpochCache::default().end_offset_for(LeaderEpoch(0), Offset(0)), None);
    }

    #[test]
    fn a_log_that_begins_later_keeps_the_epoch_it_begins_in() {
        for (start, kept) in [
            (5, vec![(2, 10), (4, 20), (7, 30)]),
            (10, vec![(2, 10), (4, 20), (7, 30)]),
            (15, vec![(2, 15), (4, 20), (7, 30)]),
            (20, vec![(4, 20), (7, 30)]),
            (40, vec![(7, 40)]),
        ] {
            let mut known = cache(&[(2, 10), (4, 20), (7, 30)]);
            known.truncate_to_start(Offset(start));
            assert_eq!(known, cache(&kept), "start {start}");
        }
    }

    #[test]
    fn a_leadership_that_left_no_record_gives_way() {
        let mut known = cache(&[(1, 0), (2, 5)]);
        assert!(known.assign(LeaderEpoch(3), Offset(5)));
        assert_eq!(known.entries(), [(LeaderEpoch(1), Offset(0)), (LeaderEpoch(3), Offset(5))]);
        assert!(!known.assign(LeaderEpoch(2), Offset(9)), "older than the newest");
    }
}
