//! Disks that are slow, stall, are full, fail or lie, and bytes that go bad.

use super::ill;
use crate::cluster::protocol::LogEntry;
use crate::cluster::units::{Offset, PartitionId};
use crate::devices::disk::Ill;
use crate::kernel::chance::{Chance, Occasion, Purpose};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::fault::Action;
use crate::world::due::{Due, What};
use crate::world::happened::Happened;
use crate::world::observe::Observer;
use crate::world::world::World;

impl<O: Observer> World<O> {
    pub(super) fn sicken(&mut self, nodes: &[NodeId], action: &Action, cause: EventSeq) {
        let ill = ill(action).expect("an action on disks");
        for &node in nodes {
            let now = self.now;
            self.disk(node).falls_ill(now, ill);
            self.tell_whether_full(node);
            self.note(node, Happened::Disk { what: action.kind(), over: false }, cause);
        }
    }

    /// The disk is well again. Who ended because of it is started again by whoever mended it.
    pub(super) fn cure(&mut self, nodes: &[NodeId], action: &Action, cause: EventSeq) {
        let ill = ill(action).expect("an action on disks");
        for &node in nodes {
            let now = self.now;
            self.disk(node).recovers(now, ill);
            self.tell_whether_full(node);
            let cause = self.note(node, Happened::Disk { what: action.kind(), over: true }, cause);
            match ill {
                Ill::Stalled => self.resume_fsyncs(node),
                Ill::Slow(_) => self.hasten_fsyncs(node),
                Ill::Full | Ill::FailsFsyncs | Ill::LiesAboutFsyncs => (),
            }
            if !self.disk(node).fails_writers() {
                self.machines[usize::from(node.0)].halted = false;
                self.start_if_possible(node, cause);
            }
        }
    }

    /// A stall has put off the end of an fsync: it comes later, or nobody knows yet when.
    pub(in crate::world) fn put_off(&mut self, node: NodeId, until: Time, due: Due) {
        if until == Time::NEVER {
            self.schedule.stalled.push((node, due));
        } else {
            self.queue.push(until, due);
        }
    }

    /// The fsyncs whose end has come in the stall are looked at again.
    fn resume_fsyncs(&mut self, node: NodeId) {
        let now = self.now;
        let (queue, stalled) = (&mut self.queue, &mut self.schedule.stalled);
        stalled.retain(|&(whose, due)| {
            if whose == node {
                queue.push(now, due);
            }
            whose != node
        });
    }

    /// An fsync is asked for while its disk is slow: it ends sooner if the disk is well before that.
    #[cold]
    pub(in crate::world) fn expect_sooner(&mut self, node: NodeId, due: Due) {
        self.schedule.slowed.push((node, due));
    }

    /// The disk is less slow: what it was asked for meanwhile ends sooner. Nobody minds that its former end comes as well.
    fn hasten_fsyncs(&mut self, node: NodeId) {
        let (queue, disk) = (&mut self.queue, &self.disks[usize::from(node.0) - 1]);
        let starts = self.machines[usize::from(node.0)].starts;
        self.schedule.slowed.retain(|&(whose, due)| {
            let What::Fsync { file, token, incarnation, .. } = due.what else {
                unreachable!("only fsyncs are put here")
            };
            // A process that is no more is told of nothing.
            let is_awaited = whose == node && incarnation == starts;
            let ends = disk.ends(file, token).filter(|_| is_awaited);
            if let Some(ends) = ends {
                queue.push(ends, due);
            }
            whose != node || (ends.is_some() && disk.is_slow())
        });
    }

    /// Whether a broker has such a batch.
    pub(super) fn has_batch(
        &self,
        node: NodeId,
        partition: Option<PartitionId>,
        offset: Option<Offset>,
    ) -> bool {
        let Some(broker) = self.brokers.get(usize::from(node.0).wrapping_sub(1)) else { return false };
        let has = |partition| {
            broker.log(partition).is_some_and(|log| match offset {
                Some(offset) => log.holds(offset).is_some(),
                None => !log.is_empty(),
            })
        };
        match partition {
            Some(partition) => has(partition),
            None => broker.partitions().iter().any(|&partition| has(partition)),
        }
    }

    /// A byte of a batch goes bad, on each of these brokers one.
    pub(super) fn rot(&mut self, fault: usize, nodes: &[NodeId], cause: EventSeq) {
        let Action::BitRot { partition, offset } = self.model.faults[fault].action else {
            unreachable!("only bit rot rots")
        };
        for &node in nodes {
            let drawn = |chance: &Chance, what, bound: usize| {
                let draw = chance.draw(Purpose::BitRot, u64::from(node.0), Occasion(fault as u64, what));
                draw.below(bound as u64) as usize
            };
            let partition = partition.unwrap_or_else(|| {
                let held = self.brokers[usize::from(node.0) - 1].partitions().iter();
                let such = held.filter(|&&partition| self.has_batch(node, Some(partition), offset));
                let such: Vec<PartitionId> = such.copied().collect();
                such[drawn(&self.chance, 0, such.len())]
            });
            let broker = &mut self.brokers[usize::from(node.0) - 1];
            let log = broker.log(partition).expect("a partition it has");
            let index = match offset.and_then(|offset| log.holds(offset)) {
                Some(entry) => log.index_at(entry.base_offset).expect("a batch begins where it begins"),
                None => log.first() + drawn(&self.chance, 1, log.len() - log.first()),
            };
            let LogEntry { base_offset, batch: of, .. } = log.entry(index);
            let batch = self.store.add_rotten(of);
            broker.rot(partition, index, batch);
            self.note(node, Happened::Rotted { partition, base_offset, of, batch }, cause);
        }
    }

    fn tell_whether_full(&mut self, node: NodeId) {
        let is_full = self.disk(node).is_full();
        if let Some(broker) = self.brokers.get_mut(usize::from(node.0) - 1) {
            broker.set_disk_full(is_full);
        }
    }
}
