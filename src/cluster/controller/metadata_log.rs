//! What the controller's disk holds: the metadata log, and the one every run begins with.

use crate::cluster::protocol::{MetadataRecord, PartitionState};
use crate::cluster::units::{BrokerEpoch, Incarnation, MetadataOffset, PartitionId};
use crate::kernel::units::{Bytes, NodeId};

/// The log `__cluster_metadata`.
///
/// Departure from Kafka: one controller, no Raft. A record counts as committed and durable as soon as it is appended, so an
/// answer does not wait for the fsync; with several voters this is where a high watermark belongs. Nor are there snapshots,
/// or the NoOpRecord every 500 ms.
#[derive(Clone, Debug)]
pub(super) struct MetadataLog {
    records: Vec<MetadataRecord>,
}

impl MetadataLog {
    /// The log a run begins with: brokers 1 to `brokers` registered by their first process and unfenced, then the
    /// partitions.
    pub(super) fn genesis(
        brokers: u16,
        partitions: impl ExactSizeIterator<Item = PartitionState>,
    ) -> MetadataLog {
        let mut records = Vec::with_capacity(2 * usize::from(brokers) + partitions.len());
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
        records.extend(partitions.enumerate().map(|(place, state)| {
            let place = u32::try_from(place).expect("fewer than 2^32 partitions");
            MetadataRecord::Partition { partition: PartitionId(place), state }
        }));
        MetadataLog { records }
    }

    /// Puts a record at the end and gives its offset.
    pub(super) fn append(&mut self, record: MetadataRecord) -> MetadataOffset {
        self.records.push(record);
        MetadataOffset(self.records.len() as u64 - 1)
    }

    /// The committed records: all of them.
    pub(super) fn committed(&self) -> &[MetadataRecord] {
        &self.records
    }
}

/// About what a record takes in the log and on the wire, its share of the batch included.
pub(super) fn size(record: &MetadataRecord) -> Bytes {
    Bytes::new(match record {
        MetadataRecord::RegisterBroker { .. } => 200,
        MetadataRecord::BrokerChange { .. } => 90,
        MetadataRecord::Partition { .. } => 130,
    })
}
