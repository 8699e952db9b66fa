//! Partitions created (`ReplicationControlManager.createPartitions`).
//!
//! Departure from Kafka: who holds a new partition is settled with the model, where Kafka's `StripedReplicaPlacer` draws it, and
//! avoids fenced brokers in the first place.

use super::{Controller, ControllerPort};
use crate::cluster::protocol::{CreatePartitions, MetadataRecord, PartitionState};
use crate::cluster::units::Replicas;
use crate::devices::port::Outbox;

impl Controller {
    /// CreatePartitions: a topic has more from now on. Whoever of a new partition's replicas is alive is in sync from the
    /// beginning; where nobody is, nothing at all is created (INVALID_REPLICATION_FACTOR).
    pub(super) fn on_create_partitions(
        &mut self,
        request: CreatePartitions,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let CreatePartitions { first, total } = request;
        let image = &self.volatile.image;
        if !image.partition(first).is_there() {
            return;
        }
        let wanted = first.0..first.0 + total;
        for &(partition, replicas) in &self.to_come {
            if !wanted.contains(&partition.0) || image.partition(partition).is_there() {
                continue;
            }
            let isr = Replicas::of(replicas.iter().filter(|&replica| image.is_active(replica)));
            if isr.is_empty() {
                return self.volatile.planned.clear();
            }
            let state = PartitionState::created(replicas, isr);
            self.volatile.planned.push(MetadataRecord::Partition { partition, state, election: None });
        }
        self.commit_planned(out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, Described, ids};
    use super::*;
    use crate::cluster::protocol::{Administer, ElectLeaders, Reassign};
    use crate::cluster::units::{LeaderEpoch, PartitionEpoch, PartitionId};

    /// Two partitions and room for two more.
    fn bench() -> Bench {
        let to_come = (&[][..], 2, false);
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false), (&[2, 3, 1], 2, false), to_come, to_come]);
        bench.start();
        bench
    }

    fn add(bench: &mut Bench, total: u32) {
        bench.administer(Administer::CreatePartitions(CreatePartitions { first: PartitionId(0), total }));
    }

    #[test]
    fn a_topic_gets_more_partitions_and_never_fewer() {
        // How many are wanted, and how many there are then.
        for (wanted, expected) in [(&[3][..], 3), (&[4], 4), (&[3, 4], 4), (&[2], 2), (&[4, 3], 4)] {
            let mut bench = bench();
            wanted.iter().for_each(|&total| add(&mut bench, total));
            assert_eq!(bench.controller.image().partitions().count(), expected, "{wanted:?}");
        }
        let mut bench = bench();
        let records = bench.controller.metadata_log().len();
        add(&mut bench, 4);
        let state = bench.partition(3);
        assert_eq!(bench.described(3), Described(1, &[1, 2, 3], &[], 0).owned());
        assert_eq!((state.leader_epoch, state.partition_epoch), (LeaderEpoch(0), PartitionEpoch(0)));
        assert_eq!(bench.controller.metadata_log().len(), records + 2);
    }

    #[test]
    fn whoever_is_not_alive_is_not_in_sync_in_a_new_partition() {
        let mut bench = bench();
        bench.kill(1);
        bench.run(12_000);
        add(&mut bench, 3);
        assert_eq!(bench.described(2), Described(2, &[2, 3], &[], 0).owned());
        for broker in [2, 3] {
            bench.kill(broker);
            bench.run(12_000);
        }
        add(&mut bench, 4);
        assert!(!bench.partition(3).is_there(), "nobody would lead it");
    }

    #[test]
    fn nothing_else_befalls_a_partition_that_is_not_there() {
        let mut bench = bench();
        let records = bench.controller.metadata_log().len();
        let partition = PartitionId(3);
        let elect = ElectLeaders { partition, to: None, unclean: true };
        bench.administer(Administer::Elect(elect));
        bench.administer(Administer::Elect(ElectLeaders { unclean: false, ..elect }));
        bench.administer(Administer::Reassign(Reassign { partition, replicas: ids(&[1]) }));
        let nothing = CreatePartitions { first: partition, total: 1 };
        bench.administer(Administer::CreatePartitions(nothing));
        assert_eq!(bench.controller.metadata_log().len(), records);
    }
}
