//! Where a follower fetches next, and when (`AbstractFetcherThread`, `PartitionFetchState`).

use crate::cluster::units::{LeaderEpoch, Offset};
use crate::kernel::units::{NodeId, Time};

/// A replica that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    /// Whom; none while nobody leads.
    pub leader: Option<NodeId>,
    /// Under which epoch.
    pub epoch: LeaderEpoch,
    /// From where: its log end.
    pub fetch_offset: Offset,
    /// The epoch of its newest record.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Not before this instant: after an error it waits `replica.fetch.backoff.ms`.
    pub ready_at: Time,
    /// It has waited so, and nothing it fetched has settled it since: if it must cut its log next, it waits once more
    /// (`updateFetchOffsetAndMaybeMarkTruncationComplete` copies the delay, which starts it again).
    pub waits_again: bool,
    /// It has had an answer without an error (`lag`).
    pub answered: bool,
    /// Its leader says the epoch is old: it waits for metadata (`markPartitionFailed`).
    pub failed: bool,
}

impl Follower {
    /// Whether it may be part of a fetch now.
    #[inline]
    pub fn is_ready(&self, now: Time) -> bool {
        !self.failed && self.ready_at <= now
    }
}
