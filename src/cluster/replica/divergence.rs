//! Where two logs part, and what the follower cuts (KIP-101, KIP-279, KIP-595).

use crate::cluster::log::Log;
use crate::cluster::units::{LeaderEpoch, Offset};

/// What a leader finds when it holds a follower's fetch against its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// As far as epochs tell, the follower's log is a beginning of the leader's.
    Agrees,
    /// It is not: the largest epoch up to the follower's that the leader has, and where that ends.
    Diverges(LeaderEpoch, Offset),
    /// The leader cannot tell: the epoch is newer than all it has, or the offset is below its log start.
    OutOfRange,
}

/// Holds a follower's last epoch and log end against the leader's log (`Partition.readRecords`). A fetch below the log start is
/// out of range even if it diverges (KAFKA-12996).
#[inline]
pub fn compare(log: &Log, last_fetched_epoch: LeaderEpoch, fetch_offset: Offset) -> Comparison {
    let Some((epoch, end)) = log.epochs().end_offset_for(last_fetched_epoch, log.end()) else {
        return Comparison::OutOfRange;
    };
    if fetch_offset < log.start() {
        Comparison::OutOfRange
    } else if epoch < last_fetched_epoch || end < fetch_offset {
        Comparison::Diverges(epoch, end)
    } else {
        Comparison::Agrees
    }
}

/// Where a follower cuts its log when the leader has told it `epoch` and its `end` (`getOffsetTruncationState`). If the
/// follower knows that epoch, the logs agree up to the lower of its two ends. If not, it cuts to the end of the largest smaller
/// epoch it knows, and the next fetch goes on from there.
pub fn truncation_offset(log: &Log, epoch: LeaderEpoch, end: Offset) -> Offset {
    match log.epochs().end_offset_for(epoch, log.end()) {
        Some((known, own_end)) if known == epoch => own_end.min(end).min(log.end()),
        Some((_, own_end)) => own_end.min(log.end()),
        // The leader's epoch is newer than all of the follower's, so its end is all there is to go by.
        None => end.min(log.end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::protocol::LogEntry;
    use crate::cluster::units::BatchId;
    use crate::kernel::units::Bytes;

    /// A log of one-record batches with these epochs.
    fn log(epochs: &[u32]) -> Log {
        let mut log = Log::new();
        for &epoch in epochs {
            let entry = LogEntry { base_offset: log.end(), batch: BatchId(0), epoch: LeaderEpoch(epoch) };
            log.append(entry, 1, Bytes::new(10));
        }
        log
    }

    /// Fetches until nothing diverges, and gives where the follower's log has been cut.
    fn settle(leader: &[u32], follower: &[u32]) -> u64 {
        let (leader, mut own) = (log(leader), follower.to_vec());
        loop {
            let following = log(&own);
            let Some(last) = following.latest_epoch() else { return 0 };
            match compare(&leader, last, following.end()) {
                Comparison::Agrees => return own.len() as u64,
                Comparison::Diverges(epoch, end) => {
                    own.truncate(truncation_offset(&following, epoch, end).0 as usize)
                }
                Comparison::OutOfRange => panic!("the leader knows epochs up to its own"),
            }
        }
    }

    /// KAFKA-12996.
    #[test]
    fn what_lies_below_the_log_start_is_out_of_range_even_if_it_diverges() {
        let mut leader = log(&[0, 0, 2, 2, 2, 2]);
        let diverges = Comparison::Diverges(LeaderEpoch(0), Offset(2));
        assert_eq!(compare(&leader, LeaderEpoch(1), Offset(3)), diverges);
        leader.raise_start(Offset(4));
        assert_eq!(compare(&leader, LeaderEpoch(1), Offset(3)), Comparison::OutOfRange);
        assert_ne!(compare(&leader, LeaderEpoch(1), Offset(4)), Comparison::OutOfRange);
    }

    #[test]
    fn a_follower_cuts_to_where_the_logs_part_and_no_further() {
        let cases: [(&str, &[u32], &[u32], u64); 6] = [
            ("nothing to cut", &[0, 0, 1], &[0, 0, 1], 3),
            ("the leader is ahead", &[0, 0, 1, 1], &[0, 0], 2),
            ("an old leader's tail", &[0, 0, 2], &[0, 0, 0, 0], 2),
            ("the leader lost its tail and has written since", &[0, 3], &[0, 0, 0], 1),
            ("KIP-279: each has an epoch the other never saw", &[0, 1, 1, 3], &[0, 2, 2], 1),
            ("several rounds", &[0, 1, 4, 6], &[0, 2, 3, 5], 1),
        ];
        for (what, leader, follower, kept) in cases {
            assert_eq!(settle(leader, follower), kept, "{what}");
        }
    }
}
