//! What an administrator does: topics get more partitions, are deleted, and made anew; settings are changed.

use crate::cluster::protocol::{Administer, ElectLeaders, Reassign, Resource, TopicChange};
use crate::cluster::setting::Setting;
use crate::cluster::units::{PartitionEpoch, PartitionId};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Span};
use crate::scenario::fault::{Fault, Target, Whose};
use crate::scenario::model::Topic;
use crate::world::due::{Due, What};
use crate::world::observe::Observer;
use crate::world::world::World;

/// An administrator whose topic is not there yet asks again so soon.
const ASKS_AGAIN: Span = Span::from_milliseconds(100);

impl<O: Observer> World<O> {
    /// ElectLeaders.
    pub(super) fn elect(&mut self, request: ElectLeaders, cause: EventSeq) {
        let partition = self.as_it_is_now(request.partition);
        self.administer(Administer::Elect(ElectLeaders { partition, ..request }), cause);
    }

    /// AlterPartitionReassignments.
    pub(super) fn reassign(&mut self, request: Reassign, cause: EventSeq) {
        let partition = self.as_it_is_now(request.partition);
        self.administer(Administer::Reassign(Reassign { partition, ..request }), cause);
    }

    /// CreatePartitions.
    pub(super) fn add_partitions(&mut self, fault: &Fault, total: u32, cause: EventSeq) {
        let first = self.topic(fault).expect("a fault strikes what is there").first_partition;
        self.administer(Administer::CreatePartitions(TopicChange::new(first, total)), cause);
    }

    /// IncrementalAlterConfigs.
    pub(super) fn set(
        &mut self,
        fault: &Fault,
        brokers: &[NodeId],
        (whose, setting): (Whose, Setting),
        cause: EventSeq,
    ) {
        match whose {
            Whose::Topic => {
                let of = Resource::Topic(self.whole_topic(fault));
                self.administer(Administer::Set(of, setting), cause);
            }
            Whose::EachBroker => {
                for &broker in brokers {
                    self.administer(Administer::Set(Resource::Broker(Some(broker)), setting), cause);
                }
            }
            Whose::AllBrokers => self.administer(Administer::Set(Resource::Broker(None), setting), cause),
        }
    }

    /// Whether a setting can be changed: a broker's own is asked of that broker, which tells the controller
    /// (`ConfigAdminManager.validateResourceNameIsCurrentNodeId`).
    pub(super) fn may_be_set(&self, fault: &Fault, whose: Whose, node: NodeId) -> bool {
        let can_be_asked = match whose {
            Whose::Topic => self.topic(fault).is_some(),
            Whose::EachBroker => self.machines[usize::from(node.0)].running,
            Whose::AllBrokers => true,
        };
        can_be_asked && self.active_controller().is_some()
    }

    /// Whether a topic is there that nobody has asked to delete.
    pub(super) fn may_be_deleted(&self, fault: &Fault) -> bool {
        self.topic(fault).is_some_and(|topic| !self.schedule.deleted.contains(&topic.first_partition))
    }

    /// DeleteTopics.
    pub(super) fn delete_topic(&mut self, fault: &Fault, cause: EventSeq) {
        let change = self.whole_topic(fault);
        self.schedule.deleted.push(change.first);
        self.administer(Administer::DeleteTopic(change), cause);
    }

    /// The topic a fault strikes, with all the partitions that are there.
    fn whole_topic(&self, fault: &Fault) -> TopicChange {
        let topic = self.topic(fault).expect("a fault strikes what is there");
        TopicChange::new(topic.first_partition, topic.assignment.len() as u32)
    }

    /// CreateTopics, for the topic that a fault has deleted: again and again, until it is there.
    pub(in crate::world) fn make_anew(&mut self, fault: usize, cause: EventSeq) {
        let anew = self.model.topics.iter().find(|topic| topic.anew.is_some_and(|anew| anew.by == fault));
        let anew = anew.expect("a deleted topic is made anew");
        let change = TopicChange::new(anew.first_partition, anew.created_with);
        // Another fault may have deleted it since.
        let state = &self.decided[change.first.0 as usize];
        if state.is_there() || state.partition_epoch > PartitionEpoch(0) {
            return;
        }
        // What was decided on the deletion may not be committed yet.
        if self.topic(&self.model.faults[fault]).is_none() {
            self.administer(Administer::CreateTopic(change), cause);
        }
        self.queue.push(self.now + ASKS_AGAIN, Due { what: What::MakeAnew(fault as u32), cause });
    }

    /// The topic an administrator changes, as it is now; none if it is deleted.
    pub(super) fn topic(&self, fault: &Fault) -> Option<&Topic> {
        let Target::Topic(topic) = fault.on else { panic!("{:?} is no topic", fault.on) };
        self.model.lives(topic).find(|topic| self.decided[topic.first_partition.0 as usize].is_there())
    }

    /// A partition as the file has it, as the one it is since its topic was made anew, if it was.
    pub(super) fn as_it_is_now(&self, partition: PartitionId) -> PartitionId {
        let number = partition.0 - self.model.partition(partition).0.first_partition.0;
        let mut lives = self.model.lives(self.model.topic_of(partition));
        let now = lives.find(|topic| self.decided[topic.first_partition.0 as usize].is_there());
        now.map_or(partition, |topic| PartitionId(topic.first_partition.0 + number))
    }

    /// Whether a topic is there and has fewer partitions than so many.
    pub(super) fn has_fewer_partitions(&self, fault: &Fault, total: u32) -> bool {
        let last = |topic: &Topic| topic.first_partition.0 + total - 1;
        self.topic(fault).is_some_and(|topic| !self.decided[last(topic) as usize].is_there())
    }
}
