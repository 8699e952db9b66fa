//! What administrators ask the controller for.

use std::num::NonZeroU32;

use super::setting::Setting;
use super::units::{PartitionId, Replicas};
use crate::kernel::units::NodeId;

/// What an administrator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Administer {
    /// ElectLeaders: another leader.
    Elect(ElectLeaders),
    /// AlterPartitionReassignments: other replicas.
    Reassign(Reassign),
    /// CreatePartitions: a topic has more partitions.
    CreatePartitions(TopicChange),
    /// DeleteTopics: a topic is no more.
    DeleteTopic(TopicChange),
    /// CreateTopics: a topic is there.
    CreateTopic(TopicChange),
    /// IncrementalAlterConfigs: a setting is another.
    Set(Resource, Setting),
}

/// Whose settings are changed (`ConfigResource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic's: those of all partitions it may have.
    Topic(TopicChange),
    /// One broker's; none: those of all brokers, but for what one has of its own (the cluster-wide default, whose name is
    /// empty).
    Broker(Option<NodeId>),
}

/// ElectLeaders request, of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectLeaders {
    /// Which.
    pub partition: PartitionId,
    /// Whom, if not the preferred replica: the assignment is reordered first, with this one in front.
    pub to: Option<NodeId>,
    /// `ElectionType.UNCLEAN`: if there is no leader, whoever is alive.
    pub unclean: bool,
}

/// AlterPartitionReassignments request, of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reassign {
    /// Which.
    pub partition: PartitionId,
    /// Who is to hold a replica, in assignment order.
    pub replicas: Replicas,
}

/// CreatePartitions, DeleteTopics or CreateTopics request, of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicChange {
    /// Its first partition; the others follow.
    pub first: PartitionId,
    /// How many partitions it is about, those that are there included.
    pub total: NonZeroU32,
}

impl TopicChange {
    /// Of so many partitions from this one on. Panics if that is none.
    pub const fn new(first: PartitionId, total: u32) -> TopicChange {
        TopicChange { first, total: NonZeroU32::new(total).expect("a topic has a partition") }
    }

    /// The partitions it is about.
    pub fn partitions(self) -> impl Iterator<Item = PartitionId> {
        (self.first.0..self.first.0 + self.total.get()).map(PartitionId)
    }
}
