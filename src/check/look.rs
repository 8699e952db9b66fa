//! What a check may look at.

use crate::cluster::log::Log;
use crate::cluster::protocol::PartitionState;
use crate::cluster::store::Store;
use crate::cluster::units::{Offset, PartitionId};
use crate::kernel::units::NodeId;
use crate::scenario::model::Model;
use crate::world::observe::View;

/// What an operator could see. The world's [`View`] is one; a check never knows that there may be others, which is how its
/// own tests show it logs that were written by hand.
pub trait Look {
    /// The experiment.
    fn model(&self) -> &Model;
    /// Every batch.
    fn store(&self) -> &Store;
    /// A replica's log as its machine holds it, whether or not the broker runs; none if that broker has no replica.
    fn log(&self, broker: NodeId, partition: PartitionId) -> Option<&Log>;
    /// A replica's high watermark; none while its broker does not run or has not loaded it.
    fn high_watermark(&self, broker: NodeId, partition: PartitionId) -> Option<Offset>;
    /// What the controller has decided on a partition.
    fn partition(&self, partition: PartitionId) -> &PartitionState;
}

impl Look for View<'_> {
    fn model(&self) -> &Model {
        self.model
    }

    fn store(&self) -> &Store {
        self.store
    }

    #[inline]
    fn log(&self, broker: NodeId, partition: PartitionId) -> Option<&Log> {
        View::log(self, broker, partition)
    }

    #[inline]
    fn high_watermark(&self, broker: NodeId, partition: PartitionId) -> Option<Offset> {
        View::high_watermark(self, broker, partition)
    }

    fn partition(&self, partition: PartitionId) -> &PartitionState {
        View::partition(self, partition)
    }
}
