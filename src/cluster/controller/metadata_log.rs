//! What a controller's disk holds: the metadata log, the one every run begins with, and its standing in the quorum.

use crate::cluster::protocol::{MetadataRecord, PartitionState};
use crate::cluster::units::{BrokerEpoch, Incarnation, MetadataOffset, PartitionId, QuorumEpoch};
use crate::kernel::units::{Bytes, NodeId};

/// The log `__cluster_metadata`.
///
/// Departure from Kafka: there are no snapshots, nor the NoOpRecord every `metadata.max.idle.interval.ms`. A single voter's
/// records are never lost once they are written; there a power loss can take them until their fsync is over, and brokers have
/// heard of them. Of several, the leader goes on while its fsync is under way; there its one thread waits for it, and answers
/// nobody meanwhile.
#[derive(Clone, Debug)]
pub(super) struct MetadataLog {
    records: Vec<MetadataRecord>,
    /// Where the epochs begin, but for the first, of which all is that every voter has from the beginning.
    epochs: Vec<(QuorumEpoch, MetadataOffset)>,
    genesis: MetadataOffset,
}

impl MetadataLog {
    /// The log a run begins with: brokers 1 to `brokers` registered by their first process and unfenced, then the
    /// partitions.
    pub(super) fn genesis(
        brokers: u16,
        partitions: impl Iterator<Item = (PartitionId, PartitionState)>,
    ) -> MetadataLog {
        let most = partitions.size_hint().1.unwrap_or(0);
        let mut records = Vec::with_capacity(2 * usize::from(brokers) + most);
        for broker in (1..=brokers).map(NodeId) {
            records.push(MetadataRecord::RegisterBroker { broker, incarnation: Incarnation(1) });
        }
        for broker in (1..=brokers).map(NodeId) {
            records.push(MetadataRecord::BrokerChange {
                broker,
                broker_epoch: BrokerEpoch(u64::from(broker.0) - 1),
                fenced: false,
                in_controlled_shutdown: false,
            });
        }
        records.extend(partitions.map(|(partition, state)| MetadataRecord::Partition {
            partition,
            state,
            election: None,
        }));
        let genesis = MetadataOffset(records.len() as u64);
        MetadataLog { records, epochs: Vec::new(), genesis }
    }

    /// Puts a record at the end and gives its offset.
    pub(super) fn append(&mut self, record: MetadataRecord) -> MetadataOffset {
        let offset = self.end();
        if let MetadataRecord::LeaderChange { epoch, .. } = record {
            assert!(epoch > self.last_epoch(), "epochs only grow");
            self.epochs.push((epoch, offset));
        }
        self.records.push(record);
        offset
    }

    /// Cuts the log. What every voter has from the beginning is never cut.
    pub(super) fn truncate(&mut self, end: MetadataOffset) {
        assert!(end >= self.genesis, "nobody differs in what all began with");
        self.records.truncate(end.0 as usize);
        self.epochs.retain(|&(_, start)| start < end);
    }

    /// Every record.
    pub(super) fn records(&self) -> &[MetadataRecord] {
        &self.records
    }

    /// Where the next record goes.
    pub(super) fn end(&self) -> MetadataOffset {
        MetadataOffset(self.records.len() as u64)
    }

    /// Where what a run begins with ends.
    pub(super) fn genesis_end(&self) -> MetadataOffset {
        self.genesis
    }

    /// Under which leadership the last record was appended.
    pub(super) fn last_epoch(&self) -> QuorumEpoch {
        self.epochs.last().map_or(QuorumEpoch(0), |&(epoch, _)| epoch)
    }

    /// Where the epoch of the last record begins.
    pub(super) fn last_epoch_start(&self) -> MetadataOffset {
        self.epochs.last().map_or(MetadataOffset(0), |&(_, start)| start)
    }

    /// The largest epoch up to this one that the log has, and where it ends (`endOffsetForEpoch`).
    pub(super) fn end_of(&self, epoch: QuorumEpoch) -> (QuorumEpoch, MetadataOffset) {
        let next = self.epochs.partition_point(|&(one, _)| one <= epoch);
        let found = if next == 0 { QuorumEpoch(0) } else { self.epochs[next - 1].0 };
        (found, self.epochs.get(next).map_or(self.end(), |&(_, start)| start))
    }

    /// How long the file is up to here. What a run begins with takes no room in it.
    pub(super) fn bytes_up_to(&self, end: MetadataOffset) -> Bytes {
        self.records[self.genesis.0 as usize..end.0 as usize]
            .iter()
            .map(size)
            .fold(Bytes::ZERO, |all, one| all + one)
    }
}

/// A voter's standing in the quorum (`quorum-state`, `FileQuorumStateStore`).
///
/// Departure from Kafka: one fsync writes it; there another follows, of its directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The newest epoch it has heard of.
    pub(super) epoch: QuorumEpoch,
    /// Whom it has voted for in that epoch.
    pub(super) voted: Option<NodeId>,
    /// Who leads in that epoch, if it knows.
    pub(super) leader: Option<NodeId>,
}

/// About what a record takes in the log and on the wire, its share of the batch included.
pub(super) fn size(record: &MetadataRecord) -> Bytes {
    Bytes::new(match record {
        MetadataRecord::RegisterBroker { .. } => 200,
        MetadataRecord::BrokerChange { .. } => 90,
        MetadataRecord::LeaderChange { .. } | MetadataRecord::Config { .. } => 100,
        MetadataRecord::Partition { .. } => 130,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_end_where_the_next_begins_and_go_with_their_records() {
        let mut log = MetadataLog::genesis(2, [].into_iter());
        let change = |epoch| MetadataRecord::LeaderChange { leader: NodeId(4), epoch: QuorumEpoch(epoch) };
        for epoch in [2, 5] {
            log.append(change(epoch));
            log.append(MetadataRecord::RegisterBroker { broker: NodeId(1), incarnation: Incarnation(2) });
        }
        let ends = |log: &MetadataLog| {
            [0, 1, 2, 4, 5, 9].map(|epoch| {
                let (found, end) = log.end_of(QuorumEpoch(epoch));
                (found.0, end.0)
            })
        };
        assert_eq!(ends(&log), [(0, 4), (0, 4), (2, 6), (2, 6), (5, 8), (5, 8)]);
        log.truncate(MetadataOffset(7));
        assert_eq!((log.last_epoch(), log.end()), (QuorumEpoch(5), MetadataOffset(7)));
        assert_eq!(log.last_epoch_start(), MetadataOffset(6));
        log.truncate(MetadataOffset(6));
        assert_eq!(ends(&log), [(0, 4), (0, 4), (2, 6), (2, 6), (2, 6), (2, 6)]);
        assert_eq!(log.bytes_up_to(MetadataOffset(6)), Bytes::new(300));
    }
}
