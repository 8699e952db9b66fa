//! Disks that are slow, stall, are full, fail or lie.

use super::ill;
use crate::devices::disk::Ill;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::fault::Action;
use crate::world::due::Due;
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
            if ill == Ill::Stalled {
                self.resume_fsyncs(node);
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

    fn tell_whether_full(&mut self, node: NodeId) {
        let is_full = self.disk(node).is_full();
        if let Some(broker) = self.brokers.get_mut(usize::from(node.0) - 1) {
            broker.set_disk_full(is_full);
        }
    }
}
