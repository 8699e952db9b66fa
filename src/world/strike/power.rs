//! Machines that go dark, and disks that lose what they held.

use crate::cluster::broker::storage::File;
use crate::cluster::controller;
use crate::cluster::units::{Offset, PartitionId};
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
        } else if let Some(place) = self.model.voters().place(node) {
            self.lose_metadata(node, place);
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

    /// Several controllers' logs are fsynced before they count: all that was not is lost. Of a single one's nothing is.
    ///
    /// Departure from Kafka: a controller's disk never lies about an fsync.
    fn lose_metadata(&mut self, node: NodeId, place: usize) {
        let length = self.controllers[place].lose_unsynced();
        if self.controllers.len() > 1 {
            let (now, mut survivors) = (self.now, Vec::new());
            let disk = &mut self.disks[usize::from(node.0) - 1];
            disk.power_loss(now, disk::Lose::AllUnsynced, &self.chance, &mut survivors);
            disk.truncate(AnyFile::Controller(controller::File::MetadataLog), length);
        }
    }

    /// What the dark machine's disk has left, and what that makes of its logs.
    fn lose_bytes(&mut self, node: NodeId, lose: Lose, cause: EventSeq) {
        let (now, place) = (self.now, usize::from(node.0) - 1);
        let partitions = self.brokers[place].partitions().to_vec();
        let durable: Vec<Vec<Bytes>> = partitions
            .iter()
            .map(|&partition| {
                let (disk, log) = (&self.disks[place], self.brokers[place].log(partition));
                let segments = log.expect("a partition it has").segments().iter();
                segments.map(|segment| disk.durable(segment_file(partition, segment.base))).collect()
            })
            .collect();
        let mut how = match lose {
            Lose::Drawn => disk::Lose::Drawn,
            Lose::AllUnsynced => disk::Lose::AllUnsynced,
            Lose::Nothing | Lose::Records(_) => disk::Lose::Nothing,
        };
        if self.disks[place].comes_back(now, how, &self.chance).is_some() {
            self.brokers[place].stored_mut().clean_shutdown_comes_back();
            if self.disks[place].has_journal() {
                how = disk::Lose::AllUnsynced;
            }
        }
        let mut survivors = Vec::new();
        self.disks[place].power_loss(now, how, &self.chance, &mut survivors);
        let mut files = Vec::new();
        for (partition, durable) in partitions.into_iter().zip(durable) {
            let log = self.brokers[place].log(partition).expect("a partition it has");
            let keep = match lose {
                Lose::Records(records) => log.bytes_up_to(log.end().0.saturating_sub(records), &self.store),
                Lose::Drawn | Lose::AllUnsynced | Lose::Nothing => log.bytes(),
            };
            let left: Vec<Bytes> = log
                .segments()
                .iter()
                .zip(durable)
                .map(|(segment, durable)| {
                    let length = self.disks[place].length(segment_file(partition, segment.base));
                    length.min(keep.saturating_sub(segment.position).max(durable))
                })
                .collect();
            files.clear();
            let stored = self.brokers[place].stored_mut();
            let (old, new) = stored.lose(partition, &left, &self.store, &mut files);
            for file in &files {
                match file.length {
                    Some(length) => self.disks[place].truncate(segment_file(partition, file.base), length),
                    None => self.disks[place].delete(segment_file(partition, file.base)),
                }
            }
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
            let partitions = self.brokers[place].partitions().iter();
            let ends = partitions.map(|&partition| {
                (partition, self.brokers[place].log(partition).expect("a partition it has").end())
            });
            let ends: Vec<_> = ends.collect();
            self.brokers[place].stored_mut().wipe();
            for (partition, old) in ends {
                if old > Offset::ZERO {
                    self.note(node, Happened::Lost { partition, old, new: Offset::ZERO }, cause);
                }
            }
        }
    }
}

fn segment_file(partition: PartitionId, base: Offset) -> AnyFile {
    AnyFile::Broker(File::Log(partition, base))
}
