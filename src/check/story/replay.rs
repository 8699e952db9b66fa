//! The cluster rebuilt from the kept entries: what each replica's log held, how much of it was durable, and who was up.

use crate::cluster::happened::Happened as Cluster;
use crate::cluster::store::Store;
use crate::cluster::units::{BatchId, Offset, PartitionId};
use crate::kernel::trace::Entry;
use crate::kernel::units::{Bytes, NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::FaultKind;
use crate::world::happened::{Happened, LinkChange};

/// The cluster as of one entry.
#[derive(Clone, Debug)]
pub(super) struct Replay<'a> {
    store: &'a Store,
    partitions: Vec<Partition>,
    /// By broker, broker 1 first.
    brokers: Vec<Health>,
    /// The directions of links that are cut, each as often as it is, and since when.
    cuts: Vec<(NodeId, NodeId, Time)>,
}

/// How a broker fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// Since when its process is gone, and of what.
    pub(super) down: Option<(Time, Down)>,
    /// Since when it stands still.
    pub(super) paused: Option<Time>,
    /// Since when it is cut off.
    pub(super) isolated: Option<Time>,
    /// Since when its disk lies about fsyncs.
    pub(super) lies: Option<Time>,
}

/// What ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Down {
    /// It stopped in order.
    Stopped,
    /// It was killed.
    Crashed,
    /// Its machine lost power.
    LostPower,
}

/// One partition.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    /// Whom the controller has as leader.
    pub(super) leader: Option<NodeId>,
    /// In assignment order.
    pub(super) replicas: Vec<Replica>,
}

/// One replica's log.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    /// Whose.
    pub(super) broker: NodeId,
    /// Where it ends.
    pub(super) end: Offset,
    /// Where it begins.
    start: Offset,
    batches: Vec<Held>,
    durable: Bytes,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    batch: BatchId,
    base_offset: Offset,
    /// The size of the log up to its end.
    bytes: Bytes,
}

impl<'a> Replay<'a> {
    /// The cluster at the beginning: everything is empty, and the first replica leads.
    pub(super) fn new(model: &Model, store: &'a Store) -> Replay<'a> {
        let partitions = model.holders().zip(model.at_start()).map(|(replicas, at_start)| Partition {
            leader: at_start.iter().next(),
            replicas: replicas.iter().map(Replica::new).collect(),
        });
        Replay {
            store,
            partitions: partitions.collect(),
            brokers: vec![Health::default(); usize::from(model.cluster.brokers)],
            cuts: Vec::new(),
        }
    }

    /// One partition.
    pub(super) fn partition(&self, partition: PartitionId) -> &Partition {
        &self.partitions[partition.0 as usize]
    }

    /// How a broker fares.
    pub(super) fn health(&self, broker: NodeId) -> Health {
        self.brokers[usize::from(broker.0) - 1]
    }

    /// How every broker fares, broker 1 first.
    pub(super) fn healths(&self) -> &[Health] {
        &self.brokers
    }

    /// The nodes that links which are cut would join to this one; `new`: only those cut at this instant.
    pub(super) fn cut_from(&self, node: NodeId, new: Option<Time>) -> Vec<NodeId> {
        let mut others = Vec::new();
        for &(from, to, since) in &self.cuts {
            if (from == node || to == node) && new.is_none_or(|new| new == since) {
                others.push(if from == node { to } else { from });
            }
        }
        others.sort_unstable();
        others.dedup();
        others
    }

    /// Since when links of this node are cut; none: since different instants, or not at all.
    pub(super) fn cut_since(&self, node: NodeId) -> Option<Time> {
        let mut cuts = self.cuts.iter().filter(|(from, to, _)| *from == node || *to == node);
        let (_, _, first) = *cuts.next()?;
        cuts.all(|(_, _, since)| *since == first).then_some(first)
    }

    /// Takes the next entry in.
    pub(super) fn apply(&mut self, entry: &Entry<Happened>) {
        match entry.what {
            Happened::Cluster(happened) => self.apply_cluster(entry.node, happened),
            Happened::Fsynced { partition, bytes } => {
                self.replica(partition, entry.node).durable = bytes;
            }
            Happened::Lost { partition, new, .. } => {
                self.replica(partition, entry.node).cut(new);
            }
            Happened::Rotted { partition, of, batch, .. } => {
                self.replica(partition, entry.node).spoil(of, batch);
            }
            Happened::Stopped => self.change(entry.node, |health| {
                *health = Health { down: Some((entry.t, Down::Stopped)), paused: None, ..*health };
            }),
            Happened::Crashed | Happened::Halted => self.change(entry.node, |health| {
                *health = Health { down: Some((entry.t, Down::Crashed)), paused: None, ..*health };
            }),
            Happened::PowerLost => self.change(entry.node, |health| {
                *health = Health { down: Some((entry.t, Down::LostPower)), paused: None, ..*health };
            }),
            Happened::Started { .. } => self.change(entry.node, |health| health.down = None),
            Happened::Paused => self.change(entry.node, |health| health.paused = Some(entry.t)),
            Happened::Resumed => self.change(entry.node, |health| health.paused = None),
            Happened::Isolated => self.change(entry.node, |health| health.isolated = Some(entry.t)),
            Happened::Joined => self.change(entry.node, |health| health.isolated = None),
            Happened::Healed => self.brokers.iter_mut().for_each(|health| {
                health.paused = None;
                health.isolated = None;
            }),
            Happened::Link { to, change: LinkChange::Cut } => self.cuts.push((entry.node, to, entry.t)),
            Happened::Link { to, change: LinkChange::Joined } => {
                let ends = (entry.node, to);
                let place = self.cuts.iter().position(|&(from, to, _)| (from, to) == ends);
                self.cuts.remove(place.expect("a link that is joined was cut"));
            }
            Happened::Disk { what: FaultKind::FsyncLies, over } => {
                let since = (!over).then_some(entry.t);
                self.change(entry.node, |health| health.lies = since);
            }
            Happened::Client(_)
            | Happened::Sent { .. }
            | Happened::Answered { .. }
            | Happened::Delivered { .. }
            | Happened::Struck { .. }
            | Happened::NoEffect { .. }
            | Happened::Stopping
            | Happened::Withheld { .. }
            | Happened::Ended { .. }
            | Happened::Wiped
            | Happened::ClockSet { .. }
            | Happened::Link { .. }
            | Happened::Disk { .. }
            | Happened::Settled
            | Happened::Unsettled => (),
        }
    }

    fn apply_cluster(&mut self, node: NodeId, happened: Cluster) {
        match happened {
            Cluster::Appended { partition, batch, base_offset, end, .. } => {
                let size = self.store.batch(batch).bytes;
                let replica = self.replica(partition, node);
                let bytes = replica.bytes() + size;
                replica.batches.push(Held { batch, base_offset, bytes });
                replica.end = end;
            }
            Cluster::AppendedBehindTorn { partition, of, batch, .. } => {
                self.replica(partition, node).spoil(of, batch);
            }
            Cluster::Deleted { partition, .. } => self.replica(partition, node).cut(Offset::ZERO),
            Cluster::Truncated { partition, new, .. } | Cluster::CutByRecovery { partition, new, .. } => {
                self.replica(partition, node).cut(new)
            }
            Cluster::LogStart { partition, new, .. } => self.replica(partition, node).start = new,
            Cluster::Restarted { partition, new, .. } => {
                let replica = self.replica(partition, node);
                replica.cut(Offset::ZERO);
                replica.start = new;
                replica.end = new;
            }
            Cluster::Decided { partition, state, .. } => {
                self.partitions[partition.0 as usize].leader = state.leader();
            }
            Cluster::HighWatermark { .. }
            | Cluster::Rolled { .. }
            | Cluster::Leads { .. }
            | Cluster::Follows { .. }
            | Cluster::Fetched { .. }
            | Cluster::Isr { .. }
            | Cluster::Acked { .. }
            | Cluster::Refused { .. }
            | Cluster::Recovered { .. }
            | Cluster::Registered { .. }
            | Cluster::Fenced { .. }
            | Cluster::Set { .. }
            | Cluster::ShuttingDown { .. }
            | Cluster::ActiveController { .. } => (),
        }
    }

    fn replica(&mut self, partition: PartitionId, broker: NodeId) -> &mut Replica {
        self.partitions[partition.0 as usize]
            .replicas
            .iter_mut()
            .find(|replica| replica.broker == broker)
            .expect("only a replica reports on its log")
    }

    /// Clients and controllers fare this way or that too, and have no log.
    fn change(&mut self, node: NodeId, change: impl FnOnce(&mut Health)) {
        if let Some(health) = self.brokers.get_mut(usize::from(node.0).wrapping_sub(1)) {
            change(health);
        }
    }
}

impl Partition {
    /// One replica.
    pub(super) fn replica(&self, broker: NodeId) -> &Replica {
        self.replicas.iter().find(|replica| replica.broker == broker).expect("a replica of the partition")
    }

    /// In how many logs a batch is, and on how many disks.
    pub(super) fn copies(&self, batch: BatchId) -> (usize, usize) {
        let found = || self.replicas.iter().filter_map(|replica| replica.find(&[batch]));
        (found().count(), found().filter(|&(_, _, durable)| durable).count())
    }

    /// Who has any of these batches.
    pub(super) fn holders(&self, batches: &[BatchId]) -> Vec<NodeId> {
        self.replicas
            .iter()
            .filter(|replica| replica.find(batches).is_some())
            .map(|replica| replica.broker)
            .collect()
    }
}

impl Replica {
    fn new(broker: NodeId) -> Replica {
        Replica { broker, end: Offset::ZERO, start: Offset::ZERO, batches: Vec::new(), durable: Bytes::ZERO }
    }

    /// Where the first of these batches lies that is there, and whether it is durable.
    pub(super) fn find(&self, batches: &[BatchId]) -> Option<(Offset, BatchId, bool)> {
        // What is asked for was mostly written a moment ago.
        let held = self.batches.iter().rev().take_while(|held| held.base_offset >= self.start);
        let held = { held }.find(|held| batches.contains(&held.batch))?;
        Some((held.base_offset, held.batch, held.bytes <= self.durable))
    }

    /// A batch it has is another from here on: nobody can read it.
    fn spoil(&mut self, of: BatchId, batch: BatchId) {
        let held = self.batches.iter_mut().rev().find(|held| held.batch == of);
        held.expect("what goes bad was there").batch = batch;
    }

    /// The batch that covers an offset.
    pub(super) fn at(&self, offset: Offset) -> Option<BatchId> {
        let held = self.batches.iter().rev().find(|held| held.base_offset <= offset)?;
        (offset >= self.start && offset < self.end).then_some(held.batch)
    }

    fn bytes(&self) -> Bytes {
        self.batches.last().map_or(Bytes::ZERO, |held| held.bytes)
    }

    fn cut(&mut self, end: Offset) {
        while self.batches.last().is_some_and(|held| held.base_offset >= end) {
            self.batches.pop();
        }
        self.end = end.min(self.end);
        self.start = self.start.min(self.end);
        self.durable = Bytes::new(self.durable.get().min(self.bytes().get()));
    }
}
