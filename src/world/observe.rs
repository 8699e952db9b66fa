//! The hook: who watches a run is told of everything that happens, at once, and may look at what an operator could see.

use super::happened::Happened;
use crate::cluster::broker::Broker;
use crate::cluster::log::Log;
use crate::cluster::protocol::PartitionState;
use crate::cluster::store::Store;
use crate::cluster::units::{Offset, PartitionId};
use crate::kernel::trace::Entry;
use crate::kernel::units::NodeId;
use crate::scenario::model::Model;

/// Somebody who watches. It keeps its own shadow of what it needs, changed by what it is told, and never drives the world.
pub trait Observer {
    /// Something has happened; the view shows the world just after.
    fn observe(&mut self, view: &View<'_>, entry: &Entry<Happened>);
}

/// Nobody watches.
impl Observer for () {
    fn observe(&mut self, _: &View<'_>, _: &Entry<Happened>) {}
}

/// Two watch, the first first.
impl<A: Observer, B: Observer> Observer for (A, B) {
    #[inline]
    fn observe(&mut self, view: &View<'_>, entry: &Entry<Happened>) {
        self.0.observe(view, entry);
        self.1.observe(view, entry);
    }
}

/// What an operator could see: files on disks, the controller's decisions, the batches that were sent.
pub struct View<'a> {
    /// The experiment.
    pub model: &'a Model,
    /// Every batch.
    pub store: &'a Store,
    pub(super) brokers: &'a [Broker],
    pub(super) decided: &'a [PartitionState],
}

impl View<'_> {
    /// A replica's log as its disk (page cache included) holds it, whether or not the broker runs; none if that broker has
    /// no replica of the partition.
    #[inline]
    pub fn log(&self, broker: NodeId, partition: PartitionId) -> Option<&Log> {
        self.broker(broker).log(partition)
    }

    /// A replica's high watermark; none while its broker does not run or has not loaded it.
    #[inline]
    pub fn high_watermark(&self, broker: NodeId, partition: PartitionId) -> Option<Offset> {
        self.broker(broker).high_watermark(partition)
    }

    /// Whether the broker's process runs (a paused one does).
    pub fn is_running(&self, broker: NodeId) -> bool {
        self.broker(broker).is_running()
    }

    /// What has been decided on a partition, and is committed.
    pub fn partition(&self, partition: PartitionId) -> &PartitionState {
        &self.decided[partition.0 as usize]
    }

    fn broker(&self, broker: NodeId) -> &Broker {
        &self.brokers[usize::from(broker.0) - 1]
    }
}
