//! What the metadata log says so far: registrations and partitions (`MetadataImage`, and within the controller
//! `ClusterControlManager` and `ReplicationControlManager`).
//!
//! The controller and every broker build one by replaying the same records, each at its own pace.

use super::protocol::{MetadataRecord, PartitionState};
use super::units::{BrokerEpoch, Incarnation, MetadataOffset, PartitionId};
use crate::kernel::units::NodeId;

/// A broker as the log has it (`BrokerRegistration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Whether it ever registered; if not, the rest means nothing.
    pub registered: bool,
    /// The offset of its registration's record.
    pub broker_epoch: BrokerEpoch,
    /// Which start of its process registered.
    pub incarnation: Incarnation,
    /// Whether it is fenced: it may neither lead nor be in sync.
    pub fenced: bool,
    /// Whether it is in controlled shutdown: likewise.
    pub in_controlled_shutdown: bool,
}

/// The state the records below [`end`](MetadataImage::end) add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataImage {
    /// By node; the first is nobody's.
    brokers: Vec<Registration>,
    partitions: Vec<PartitionState>,
    end: MetadataOffset,
}

impl MetadataImage {
    /// The image of an empty log, for brokers 1 to `brokers` and so many partitions. Replaying allocates nothing.
    pub fn new(brokers: u16, partitions: usize) -> MetadataImage {
        MetadataImage {
            brokers: vec![Registration::NONE; usize::from(brokers) + 1],
            partitions: vec![PartitionState::NONE; partitions],
            end: MetadataOffset(0),
        }
    }

    /// Takes in the record at `offset`. Panics if that is not the next one.
    pub fn replay(&mut self, offset: MetadataOffset, record: &MetadataRecord) {
        assert_eq!(offset, self.end, "records are replayed in order, each once");
        match *record {
            MetadataRecord::RegisterBroker { broker, incarnation } => {
                self.brokers[usize::from(broker.0)] = Registration {
                    registered: true,
                    broker_epoch: BrokerEpoch(offset.0),
                    incarnation,
                    fenced: true,
                    in_controlled_shutdown: false,
                };
            }
            MetadataRecord::BrokerChange { broker, broker_epoch, fenced, in_controlled_shutdown } => {
                let registration = &mut self.brokers[usize::from(broker.0)];
                assert!(
                    registration.has_epoch(broker_epoch),
                    "a change is of the registration that stands, {registration:?}, not of epoch {broker_epoch}"
                );
                registration.fenced = fenced;
                registration.in_controlled_shutdown = in_controlled_shutdown;
            }
            MetadataRecord::LeaderChange { .. } | MetadataRecord::Config { .. } => (),
            MetadataRecord::Partition { partition, state, .. } => {
                self.partitions[partition.0 as usize] = state
            }
        }
        self.end = MetadataOffset(offset.0 + 1);
    }

    /// The offset of the record that comes next: everything below is in here.
    pub fn end(&self) -> MetadataOffset {
        self.end
    }

    /// A broker's registration; [`Registration::NONE`] for a node nobody has heard of.
    #[inline]
    pub fn broker(&self, broker: NodeId) -> &Registration {
        self.brokers.get(usize::from(broker.0)).unwrap_or(&Registration::NONE)
    }

    /// Every broker that has registered, by node.
    pub fn brokers(&self) -> impl Iterator<Item = (NodeId, &Registration)> {
        let all = self.brokers.iter().enumerate();
        all.filter(|(_, one)| one.registered).map(|(node, one)| (NodeId(node as u16), one))
    }

    /// Whether a broker may lead and be in sync (`ClusterControlManager.isActive`).
    #[inline]
    pub fn is_active(&self, broker: NodeId) -> bool {
        self.broker(broker).is_active()
    }

    /// A partition's state, [`PartitionState::NONE`] if it is not there now. Panics if it never can be.
    #[inline]
    pub fn partition(&self, partition: PartitionId) -> &PartitionState {
        &self.partitions[partition.0 as usize]
    }

    /// A partition's state, if there is such a partition.
    pub fn find_partition(&self, partition: PartitionId) -> Option<&PartitionState> {
        self.partitions.get(partition.0 as usize).filter(|state| state.is_there())
    }

    /// Every partition that is there, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionId, &PartitionState)> {
        let all = self.partitions.iter().enumerate();
        all.filter(|(_, state)| state.is_there()).map(|(place, state)| (PartitionId(place as u32), state))
    }

    /// Every partition that may ever be there.
    pub fn all(&self) -> &[PartitionState] {
        &self.partitions
    }

    /// Whether a broker leads any partition.
    pub fn leads_any(&self, broker: NodeId) -> bool {
        self.partitions.iter().any(|state| state.leader == Some(broker))
    }
}

impl Registration {
    /// That of a broker that never registered.
    pub const NONE: Registration = Registration {
        registered: false,
        broker_epoch: BrokerEpoch(0),
        incarnation: Incarnation(0),
        fenced: true,
        in_controlled_shutdown: false,
    };

    /// Whether the broker may lead and be in sync.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.registered && !self.fenced && !self.in_controlled_shutdown
    }

    /// Whether this is the registration of that epoch (`checkBrokerEpoch`).
    #[inline]
    pub fn has_epoch(&self, epoch: BrokerEpoch) -> bool {
        self.registered && self.broker_epoch == epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTER: MetadataRecord =
        MetadataRecord::RegisterBroker { broker: NodeId(2), incarnation: Incarnation(1) };

    fn change(epoch: u64, fenced: bool, in_controlled_shutdown: bool) -> MetadataRecord {
        let broker_epoch = BrokerEpoch(epoch);
        MetadataRecord::BrokerChange { broker: NodeId(2), broker_epoch, fenced, in_controlled_shutdown }
    }

    #[test]
    fn a_broker_is_active_between_unfencing_and_the_next_trouble() {
        let mut image = MetadataImage::new(3, 0);
        let told = [
            (REGISTER, false),
            (change(0, false, false), true),
            (change(0, false, true), false),
            (REGISTER, false),
            (change(3, false, false), true),
            (change(3, true, false), false),
        ];
        for (offset, (record, active)) in told.into_iter().enumerate() {
            image.replay(MetadataOffset(offset as u64), &record);
            assert_eq!(image.is_active(NodeId(2)), active, "after {record:?}");
        }
        assert_eq!(image.broker(NodeId(2)).broker_epoch, BrokerEpoch(3));
        assert_eq!(image.brokers().map(|(node, _)| node).collect::<Vec<_>>(), [NodeId(2)]);
        assert!(!image.is_active(NodeId(3)) && !image.is_active(NodeId(99)));
        assert_eq!(image.end(), MetadataOffset(6));
    }

    #[test]
    #[should_panic(expected = "in order, each once")]
    fn a_record_left_out_is_noticed() {
        MetadataImage::new(3, 0).replay(MetadataOffset(1), &REGISTER);
    }

    #[test]
    #[should_panic(expected = "the registration that stands")]
    fn a_change_of_a_former_registration_is_noticed() {
        let mut image = MetadataImage::new(3, 0);
        image.replay(MetadataOffset(0), &REGISTER);
        image.replay(MetadataOffset(1), &change(7, false, false));
    }
}
