//! Machines that go dark, and disks that lose what they held.

use crate::cluster::broker::storage::File;
use crate::devices::disk;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{Bytes, NodeId};
use crate::scenario::fault::Lose;
use crate::world::due::AnyFile;
use crate::world::happened::Happened;
use crate::world::observe::Observer;
use crate::world::world::World;

impl<O: Observer> World<O> {
    pub(super) fn lose_power(&mut self, node: NodeId, lose: Lose, cause: EventSeq) {
        let machine = &mut self.machines[usize::from(node.0)];
        machine.dark += 1;
        machine.exited |= node >= self.model.producer_node(0);
        if machine.running {
            self.end_process(node, cause);
        } else {
            // A start under way comes to nothing, and the kernel with its sockets is gone.
            self.machines[usize::from(node.0)].starts += 1;
            let (network, now, mut around) = self.around(cause);
            network.machine_died(now, node, &mut around);
        }
        let cause = self.note(node, Happened::PowerLost, cause);
        if usize::from(node.0) <= self.brokers.len() {
            self.lose_bytes(node, lose, cause);
        }
    }

    pub(super) fn restore_power(&mut self, node: NodeId, cause: EventSeq) {
        let machine = &mut self.machines[usize::from(node.0)];
        machine.dark -= 1;
        if machine.dark == 0 {
            self.network.machine_started(node);
        }
        self.start_if_possible(node, cause);
    }

    /// What the dark machine's disk has left, and what that makes of its logs.
    fn lose_bytes(&mut self, node: NodeId, lose: Lose, cause: EventSeq) {
        let (now, place) = (self.now, usize::from(node.0) - 1);
        let partitions = self.brokers[place].partitions().to_vec();
        let durable: Vec<Bytes> = partitions
            .iter()
            .map(|&partition| self.disks[place].durable(AnyFile::Broker(File::Log(partition))))
            .collect();
        let how = match lose {
            Lose::Drawn => disk::Lose::Drawn,
            Lose::AllUnsynced => disk::Lose::AllUnsynced,
            Lose::Nothing | Lose::Records(_) => disk::Lose::Nothing,
        };
        let mut survivors = Vec::new();
        self.disks[place].power_loss(now, how, &self.chance, &mut survivors);
        for (partition, durable) in partitions.into_iter().zip(durable) {
            let file = AnyFile::Broker(File::Log(partition));
            let mut left = self.disks[place].length(file);
            if let Lose::Records(records) = lose {
                let log = self.brokers[place].log(partition).expect("a partition it has");
                let keep = log.bytes_up_to(log.end().0.saturating_sub(records), &self.store);
                left = left.min(keep.max(durable));
            }
            let (old, new, length) = self.brokers[place].stored_mut().lose(partition, left, &self.store);
            self.disks[place].truncate(file, length);
            if old != new {
                self.note(node, Happened::Lost { partition, old, new }, cause);
            }
        }
    }

    /// Processes are killed and their disks lose everything: logs, checkpoints, the clean-shutdown file.
    ///
    /// They start on empty, formatted disks. That those have directory ids the controller has never heard of keeps no replica
    /// from being elected: the only one of a partition leads again, with nothing (observed of 4.1.1).
    pub(super) fn wipe(&mut self, nodes: &[NodeId], cause: EventSeq) {
        for &node in nodes {
            if self.machines[usize::from(node.0)].running {
                self.crash(node, cause);
            } else {
                // A start under way comes to nothing.
                let machine = &mut self.machines[usize::from(node.0)];
                machine.killed += 1;
                machine.starts += 1;
            }
        }
        for &node in nodes {
            let cause = self.note(node, Happened::Wiped, cause);
            let place = usize::from(node.0) - 1;
            self.disks[place].wipe();
            for partition in self.brokers[place].partitions().to_vec() {
                let stored = self.brokers[place].stored_mut();
                let (old, new, _) = stored.lose(partition, Bytes::ZERO, &self.store);
                if old != new {
                    self.note(node, Happened::Lost { partition, old, new }, cause);
                }
            }
            self.brokers[place].stored_mut().wipe();
        }
    }
}
