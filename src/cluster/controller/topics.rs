//! Partitions and topics created, and topics deleted (`ReplicationControlManager.createPartitions`, `createTopics`,
//! `deleteTopics`).
//!
//! Departure from Kafka: who holds a new partition is settled with the model, where Kafka's `StripedReplicaPlacer` draws it, and
//! avoids fenced brokers in the first place. A topic that is made anew has its id from the beginning of the run: other
//! partitions than the deleted one's. A deleted topic is a record for each of its partitions, not a RemoveTopicRecord; and
//! nobody creates a topic by asking for it (`auto.create.topics.enable`).

use super::{Controller, ControllerPort};
use crate::cluster::protocol::{MetadataRecord, PartitionState, TopicChange};
use crate::cluster::units::Replicas;
use crate::devices::port::Outbox;

impl Controller {
    /// CreatePartitions: a topic has more from now on.
    pub(super) fn on_create_partitions(
        &mut self,
        request: TopicChange,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        if self.partition(request.first).is_there() {
            self.create(request, out);
        }
    }

    /// CreateTopics: a topic is there from now on.
    pub(super) fn on_create_topic(&mut self, request: TopicChange, out: &mut Outbox<'_, ControllerPort>) {
        if !self.partition(request.first).is_there() {
            self.create(request, out);
        }
    }

    /// DeleteTopics: all partitions are no more.
    pub(super) fn on_delete_topic(&mut self, request: TopicChange, out: &mut Outbox<'_, ControllerPort>) {
        for partition in request.partitions() {
            let state = self.partition(partition);
            if state.is_there() {
                let state = state.removed();
                self.plan(MetadataRecord::Partition { partition, state, election: None });
            }
        }
        self.commit_planned(out);
    }

    /// Creates what is not there. Whoever of a new partition's replicas is alive is in sync from the beginning; where nobody is,
    /// nothing at all is created (INVALID_REPLICATION_FACTOR).
    fn create(&mut self, request: TopicChange, out: &mut Outbox<'_, ControllerPort>) {
        let image = &self.volatile.image;
        let new = request.partitions().filter(|&partition| !image.partition(partition).is_there());
        for partition in new {
            let place = self.to_come.binary_search_by_key(&partition, |&(partition, _)| partition);
            let (_, replicas) = self.to_come[place.expect("what is created was to come")];
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
        bench.administer(Administer::CreatePartitions(TopicChange::new(PartitionId(0), total)));
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
        let nothing = TopicChange::new(partition, 1);
        bench.administer(Administer::CreatePartitions(nothing));
        assert_eq!(bench.controller.metadata_log().len(), records);
    }

    #[test]
    fn a_topic_is_deleted_once_and_made_anew_as_another() {
        let mut bench = bench();
        let records = |bench: &Bench| bench.controller.metadata_log().len();
        let old = TopicChange::new(PartitionId(0), 2);
        let anew = TopicChange::new(PartitionId(2), 2);
        let before = records(&bench);
        bench.administer(Administer::CreateTopic(old));
        bench.administer(Administer::DeleteTopic(anew));
        assert_eq!(records(&bench), before, "it is there, and the other is not");
        for deletions in [2, 0] {
            let before = records(&bench);
            bench.administer(Administer::DeleteTopic(old));
            assert_eq!(records(&bench), before + deletions);
        }
        assert!(!bench.partition(0).is_there() && !bench.partition(1).is_there());
        assert_eq!(bench.partition(1).partition_epoch, PartitionEpoch(10), "brokers go by what is newer");
        bench.run(600_000);
        bench.administer(Administer::CreateTopic(anew));
        let there: Vec<_> = bench.controller.image().partitions().map(|(partition, _)| partition.0).collect();
        assert_eq!(there, [2, 3]);
        assert_eq!(bench.described(3), Described(1, &[1, 2, 3], &[], 0).owned());
    }
}
