//! How far replicas differ in what both have for committed.

use super::look::Look;
use crate::cluster::log::Log;
use crate::cluster::units::{Offset, PartitionId};
use crate::kernel::units::NodeId;

/// Offsets below the lower of two running replicas' high watermarks at which they differ, each counted once however many
/// pairs differ there.
pub(super) fn diverged(look: &impl Look) -> u64 {
    let mut offsets = 0;
    let mut ranges = Vec::new();
    for partition in (0..look.model().partition_count() as u32).map(PartitionId) {
        let running: Vec<(&Log, Offset)> = look
            .partition(partition)
            .replicas
            .iter()
            .filter_map(|replica: NodeId| {
                Some((look.log(replica, partition)?, look.high_watermark(replica, partition)?))
            })
            .collect();
        ranges.clear();
        for (place, &(one, one_high_watermark)) in running.iter().enumerate() {
            for &(other, other_high_watermark) in &running[place + 1..] {
                differing(one, other, one_high_watermark.min(other_high_watermark), &mut ranges);
            }
        }
        ranges.sort_unstable();
        let mut covered = 0;
        for &(from, to) in &ranges {
            let from = from.max(covered);
            offsets += to.saturating_sub(from);
            covered = covered.max(to);
        }
    }
    offsets
}

/// The ranges of offsets below `below` at which two logs do not have the same record.
fn differing(one: &Log, other: &Log, below: Offset, ranges: &mut Vec<(u64, u64)>) {
    let end_of = |log: &Log, index: usize| {
        if index + 1 < log.len() { log.entry(index + 1).base_offset } else { log.end() }
    };
    let mut at = one.start().max(other.start());
    let first = |log: &Log| {
        let gone = log.entries().take_while(|entry| entry.base_offset < at).count();
        log.first() + gone
    };
    let (mut left, mut right) = (first(one), first(other));
    // Nearly always they are alike: what is the same entry for entry need not be looked at offset for offset.
    let both = (one.len() - left).min(other.len() - right);
    let alike = (0..both).take_while(|&next| one.entry(left + next) == other.entry(right + next)).count();
    if alike > 1 {
        (left, right) = (left + alike - 1, right + alike - 1);
        at = at.max(one.entry(left).base_offset);
    }
    while at < below && left < one.len() && right < other.len() {
        let same = one.entry(left) == other.entry(right);
        let end = end_of(one, left).min(end_of(other, right)).min(below);
        if !same {
            ranges.push((at.0, end.0));
        }
        at = end;
        left += usize::from(end_of(one, left) <= at);
        right += usize::from(end_of(other, right) <= at);
    }
    if at < below {
        // One of them ends below both high watermarks.
        ranges.push((at.0, below.0));
    }
}

#[cfg(test)]
mod tests {
    use crate::check::hand::Step::*;
    use crate::check::hand::{Hand, Step, model};
    use crate::cluster::happened::Election;
    use crate::scenario::words::Count;

    #[test]
    fn offsets_that_differ_below_both_high_watermarks_are_counted_once() {
        let one = [Send; 5].as_slice();
        let begin = [Put(1, 0, 0), Put(1, 1, 0), Put(1, 2, 0), Copy(2, 0, 0), Copy(3, 0, 0)];
        let elect = [Elect(2, &[2, 3], Election::Clean), Put(2, 3, 1), Put(2, 4, 1)];
        let copy = [Copy(3, 3, 1), Copy(3, 4, 1)];
        // (what they learn, and how many offsets differ)
        let cases: [(&[Step], u64); 5] = [
            (&[Learn(1, 2), Learn(2, 3), Learn(3, 3)], 1),
            (&[Learn(1, 3), Learn(2, 3), Learn(3, 3)], 2),
            (&[Learn(1, 1), Learn(2, 3), Learn(3, 3)], 0),
            (&[Learn(1, 3), Learn(2, 1), Learn(3, 3)], 2),
            (&[Learn(1, 2), Learn(2, 3), Learn(3, 3), Crash(1)], 0),
        ];
        for (learn, differ) in cases {
            let steps = [one, &begin, &elect, &copy, learn].concat();
            let outcome = Hand::play(model(), &steps).judge().outcome;
            assert_eq!(outcome.total.get(Count::Diverged), Some(differ), "{learn:?}");
        }
    }
}
