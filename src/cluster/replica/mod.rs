//! One replica of a partition: what it is by role, and the rules that decide its log and its high watermark.
//!
//! A replica never knows of connections, of purgatories or of the disk: it is told offsets and epochs and gives decisions.
//!
//! | file | what it holds |
//! |---|---|
//! | [`leader`] | what a leader knows of its followers, and the high watermark |
//! | [`isr`] | the in-sync set: committed, proposed, maximal; when it shrinks and expands |
//! | [`follower`] | where a follower fetches next, and when |
//! | [`divergence`] | where two logs part, and what the follower cuts |

pub mod divergence;
pub mod follower;
pub mod isr;
pub mod leader;

use self::follower::Follower;
use self::leader::Leader;
use super::log::producer_state::ProducerState;
use super::options::TopicOptions;
use super::units::{LeaderEpoch, Offset, PartitionEpoch, PartitionId};

/// The volatile state of one replica. Its log is on the disk.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Of which partition.
    pub partition: PartitionId,
    /// The topic's settings.
    pub options: TopicOptions,
    /// The producers that wrote to its log.
    pub producers: ProducerState,
    /// The high watermark: what is below it is committed, as far as this replica knows.
    pub high_watermark: Offset,
    /// The newest leader epoch it has heard of; none before the first.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The newest partition epoch it has heard of.
    pub partition_epoch: PartitionEpoch,
    /// What it is.
    pub role: Role,
}

/// What a replica is. What a role forbids, its type cannot do.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a replica lies where it is; nothing is moved when roles change but the role"
)]
pub enum Role {
    /// It has not been told yet, or nobody leads.
    Waiting,
    /// It leads.
    Leader(Leader),
    /// It follows.
    Follower(Follower),
}

impl Replica {
    /// A replica that has loaded its log and heard nothing.
    pub fn new(
        partition: PartitionId,
        options: TopicOptions,
        producers: ProducerState,
        high_watermark: Offset,
    ) -> Replica {
        Replica {
            partition,
            options,
            producers,
            high_watermark,
            leader_epoch: None,
            partition_epoch: PartitionEpoch(0),
            role: Role::Waiting,
        }
    }

    /// The leader it is.
    #[inline]
    pub fn leader(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower(_) | Role::Waiting => None,
        }
    }

    /// The leader it is, to be changed.
    #[inline]
    pub fn leader_mut(&mut self) -> Option<&mut Leader> {
        match &mut self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower(_) | Role::Waiting => None,
        }
    }

    /// The follower it is, to be changed.
    #[inline]
    pub fn follower_mut(&mut self) -> Option<&mut Follower> {
        match &mut self.role {
            Role::Follower(follower) => Some(follower),
            Role::Leader(_) | Role::Waiting => None,
        }
    }
}
