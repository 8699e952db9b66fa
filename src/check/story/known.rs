//! What the kept entries say about one message: its batches, who answered for it, and what its sender was told.

use crate::clients::happened::{Happened as Client, Outcome};
use crate::cluster::happened::Happened as Cluster;
use crate::cluster::store::Store;
use crate::cluster::units::{BatchId, MessageId, PartitionId};
use crate::kernel::trace::Entry;
use crate::kernel::units::{NodeId, Time};
use crate::world::happened::Happened;

/// What the entries say about one message.
pub(super) struct Known {
    /// Every batch it was in.
    pub(super) batches: Vec<BatchId>,
    /// Who answered with success first, when, and which entry says so.
    pub(super) acked: Option<(NodeId, Time, usize)>,
    /// When its sender was told success last.
    pub(super) told: Option<(Time, usize)>,
    /// Where it was appended first.
    pub(super) appended: Option<(PartitionId, usize)>,
    /// Where it was to go.
    pub(super) partition: Option<PartitionId>,
    /// Who refused it last, when, and why.
    pub(super) refused: Option<(NodeId, Time, &'static str)>,
}

impl Known {
    /// Reads the entries.
    pub(super) fn find(store: &Store, entries: &[Entry<Happened>], message: MessageId) -> Known {
        let batches = (0..store.batch_count() as u32).map(BatchId).filter(|&batch| {
            // Where a byte of it has gone bad it is not what was sent.
            !store.batch(batch).rotten
                && store
                    .message_runs(batch)
                    .iter()
                    .any(|run| (run.first.0..run.first.0 + run.count).contains(&message.0))
        });
        let mut known = Known {
            batches: batches.collect(),
            acked: None,
            told: None,
            appended: None,
            partition: None,
            refused: None,
        };
        for (place, entry) in entries.iter().enumerate() {
            match entry.what {
                Happened::Cluster(happened) => known.cluster(place, entry, happened),
                Happened::Client(Client::Called { message: called, partition }) if called == message => {
                    known.partition = partition;
                }
                Happened::Client(Client::Told { first, count, outcome: Outcome::Success })
                    if (first.0..first.0 + count).contains(&message.0) =>
                {
                    known.told = Some((entry.t, place));
                }
                Happened::Client(_)
                | Happened::Sent { .. }
                | Happened::Answered { .. }
                | Happened::Delivered { .. }
                | Happened::Fsynced { .. }
                | Happened::Struck { .. }
                | Happened::NoEffect { .. }
                | Happened::Withheld { .. }
                | Happened::Ended { .. }
                | Happened::Crashed
                | Happened::Stopping
                | Happened::Stopped
                | Happened::PowerLost
                | Happened::Halted
                | Happened::Lost { .. }
                | Happened::Started { .. }
                | Happened::Paused
                | Happened::Wiped
                | Happened::Link { .. }
                | Happened::Disk { .. }
                | Happened::Rotted { .. }
                | Happened::ClockSet { .. }
                | Happened::Resumed
                | Happened::Isolated
                | Happened::Joined
                | Happened::Healed
                | Happened::Settled
                | Happened::Unsettled => (),
            }
        }
        known
    }

    fn cluster(&mut self, place: usize, entry: &Entry<Happened>, happened: Cluster) {
        match happened {
            Cluster::Appended { partition, batch, .. } if self.batches.contains(&batch) => {
                self.appended.get_or_insert((partition, place));
            }
            Cluster::Acked { batch, .. } if self.batches.contains(&batch) => {
                self.acked.get_or_insert((entry.node, entry.t, place));
            }
            Cluster::Refused { batch, error, .. } if self.batches.contains(&batch) => {
                self.refused = Some((entry.node, entry.t, error.name()));
            }
            Cluster::Appended { .. }
            | Cluster::Acked { .. }
            | Cluster::Refused { .. }
            | Cluster::HighWatermark { .. }
            | Cluster::Rolled { .. }
            | Cluster::LogStart { .. }
            | Cluster::Restarted { .. }
            | Cluster::Truncated { .. }
            | Cluster::CutByRecovery { .. }
            | Cluster::AppendedBehindTorn { .. }
            | Cluster::Deleted { .. }
            | Cluster::Leads { .. }
            | Cluster::Follows { .. }
            | Cluster::Fetched { .. }
            | Cluster::Isr { .. }
            | Cluster::Recovered { .. }
            | Cluster::Registered { .. }
            | Cluster::Fenced { .. }
            | Cluster::Set { .. }
            | Cluster::ShuttingDown { .. }
            | Cluster::ActiveController { .. }
            | Cluster::Decided { .. } => (),
        }
    }
}
