//! What brokers and controllers report as having happened: the words of the trace that are theirs.
//!
//! Each carries old and new of what it changed, so that a viewer can rebuild log strips, in-sync sets and high watermarks
//! with no knowledge of the protocol, and a check can keep its shadow state.

use super::protocol::{ErrorCode, PartitionState, Resource};
use super::setting::Setting;
use super::units::{
    Acks, BatchId, BrokerEpoch, LeaderEpoch, Offset, PartitionEpoch, PartitionId, QuorumEpoch, Replicas,
};
use crate::kernel::trace::What;
use crate::kernel::units::NodeId;

/// How a leader came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// From the in-sync set.
    Clean,
    /// From the eligible leader replicas (KIP-966).
    Eligible,
    /// The last known leader, when nobody was in sync or eligible: it may have lost anything.
    LastKnown,
    /// Any live replica: `unclean.leader.election.enable`.
    Unclean,
    /// Nobody: the partition is offline.
    Nobody,
}

/// A [`PartitionState`] in few bytes: whoever is in sync or eligible is so by the place among the members. Everything that
/// happens is as large as the largest of it, and a decision is both the largest and rare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who holds a replica, then who is eligible though a reassignment took his away.
    members: Replicas,
    /// How many of them hold a replica.
    replicas: u8,
    isr: u8,
    elr: u8,
    removing: u8,
    recovering: bool,
    last_known_leader: NodeId,
    leader: NodeId,
    leader_epoch: LeaderEpoch,
    partition_epoch: PartitionEpoch,
}

impl Decision {
    /// This state. Of those who are eligible without a replica no more are told than there is room for. Panics if anybody in
    /// sync holds no replica.
    pub fn of(state: &PartitionState) -> Decision {
        let mut members = state.replicas;
        for broker in state.elr.iter().filter(|&broker| !state.replicas.contains(broker)) {
            if members.len() < Replicas::MOST {
                members.push(broker);
            }
        }
        assert!(state.replicas.is_superset(&state.isr), "whoever is in sync holds a replica");
        let places = |set: &Replicas| {
            let places = set.iter().filter_map(|broker| members.iter().position(|member| member == broker));
            places.fold(0, |places, place| places | 1 << place)
        };
        Decision {
            members,
            replicas: state.replicas.len() as u8,
            isr: places(&state.isr),
            elr: places(&state.elr),
            removing: state.removing,
            recovering: state.recovering,
            last_known_leader: state.last_known_leader.unwrap_or(NodeId::NOBODY),
            leader: state.leader.unwrap_or(NodeId::NOBODY),
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
        }
    }

    /// The state, its sets in assignment order.
    pub fn state(&self) -> PartitionState {
        let set = |places: u8| {
            let members = self.members.iter().enumerate().filter(|&(place, _)| places >> place & 1 == 1);
            Replicas::of(members.map(|(_, broker)| broker))
        };
        PartitionState {
            replicas: Replicas::of(self.members.iter().take(usize::from(self.replicas))),
            isr: set(self.isr),
            elr: set(self.elr),
            removing: self.removing,
            recovering: self.recovering,
            last_known_leader: somebody(self.last_known_leader),
            leader: self.leader(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
        }
    }

    /// Who leads.
    pub fn leader(&self) -> Option<NodeId> {
        somebody(self.leader)
    }
}

fn somebody(node: NodeId) -> Option<NodeId> {
    (node != NodeId::NOBODY).then_some(node)
}

const _: () = assert!(size_of::<Happened>() <= 56);

/// What happened at a broker or a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A batch was put at the end of a replica's log.
    Appended {
        /// Where.
        partition: PartitionId,
        /// What.
        batch: BatchId,
        /// At which offset; the log end before.
        base_offset: Offset,
        /// The log end after.
        end: Offset,
        /// Under which leadership.
        epoch: LeaderEpoch,
        /// Whether by the leader, from a producer; otherwise by a follower, from its leader.
        leading: bool,
    },
    /// A replica's high watermark moved.
    HighWatermark {
        /// Where.
        partition: PartitionId,
        /// From.
        old: Offset,
        /// To. A follower's may be lower than before; a leader's may not.
        new: Offset,
        /// The leader epoch the replica is in.
        epoch: LeaderEpoch,
        /// Whether the replica leads.
        leading: bool,
    },
    /// A replica cut its log.
    Truncated {
        /// Where.
        partition: PartitionId,
        /// The log end before.
        old: Offset,
        /// The log end after.
        new: Offset,
        /// The leader epoch the replica is in.
        epoch: LeaderEpoch,
    },
    /// A replica began another segment.
    Rolled {
        /// Where.
        partition: PartitionId,
        /// The log end: the segment's first offset.
        base: Offset,
    },
    /// A replica's log begins later than before: retention has taken the oldest segments, or its leader's log does.
    LogStart {
        /// Where.
        partition: PartitionId,
        /// Where it began.
        old: Offset,
        /// Where it begins.
        new: Offset,
        /// Whether by this replica's own retention; otherwise because its leader's log does.
        retention: bool,
    },
    /// A follower whose log ends before its leader's begins has thrown it away and goes on there
    /// (`truncateFullyAndStartAt`).
    Restarted {
        /// Where.
        partition: PartitionId,
        /// The log end before.
        old: Offset,
        /// Where the log begins and ends now.
        new: Offset,
        /// The leader epoch the replica is in.
        epoch: LeaderEpoch,
    },
    /// A broker that no longer holds a replica deleted its log.
    Deleted {
        /// Which.
        partition: PartitionId,
        /// The log end before.
        old: Offset,
    },
    /// A replica has learned that it leads.
    Leads {
        /// What.
        partition: PartitionId,
        /// Under which epoch.
        epoch: LeaderEpoch,
        /// Its log end then.
        start: Offset,
        /// Its high watermark then.
        high_watermark: Offset,
        /// The in-sync set it was given.
        isr: Replicas,
    },
    /// A replica has learned that another leads, or nobody.
    Follows {
        /// What.
        partition: PartitionId,
        /// Under which epoch.
        epoch: LeaderEpoch,
        /// Whom.
        leader: Option<NodeId>,
    },
    /// A follower's fetch told the leader how far it is.
    Fetched {
        /// What.
        partition: PartitionId,
        /// Who.
        replica: NodeId,
        /// Its log end as known before; none: nothing was known in this epoch.
        old: Option<Offset>,
        /// Its log end now.
        new: Offset,
    },
    /// A leader's own idea of the in-sync set changed: proposed, accepted, or taken back.
    Isr {
        /// What.
        partition: PartitionId,
        /// The set the controller is known to have accepted.
        committed: Replicas,
        /// The set the high watermark waits for.
        maximal: Replicas,
        /// Under which leadership.
        epoch: LeaderEpoch,
    },
    /// A leader answered a produce request with success.
    Acked {
        /// What.
        partition: PartitionId,
        /// Which batch.
        batch: BatchId,
        /// Where it lies.
        base_offset: Offset,
        /// How it was asked.
        acks: Acks,
    },
    /// A leader refused, or could not answer for, a batch.
    Refused {
        /// What.
        partition: PartitionId,
        /// Which batch.
        batch: BatchId,
        /// Why.
        error: ErrorCode,
    },
    /// A process that started has loaded a log.
    Recovered {
        /// What.
        partition: PartitionId,
        /// Its end.
        end: Offset,
        /// The high watermark it starts with.
        high_watermark: Offset,
        /// Whether the last stop was clean.
        clean: bool,
        /// Where the first segment begins that was scanned; the log end if none was.
        scanned_from: Offset,
    },
    /// The batch appended last lies behind half of another, which no start has cut: nobody can read it.
    AppendedBehindTorn {
        /// Where.
        partition: PartitionId,
        /// Where the batch begins.
        base_offset: Offset,
        /// Which it was.
        of: BatchId,
        /// Which it is now.
        batch: BatchId,
    },
    /// A process that started after an unclean stop has cut a log at the first batch whose checksum was wrong, because a byte
    /// of it had gone bad.
    CutByRecovery {
        /// Which.
        partition: PartitionId,
        /// Its end before.
        old: Offset,
        /// Its end after.
        new: Offset,
    },
    /// The controller registered a broker.
    Registered {
        /// Which.
        broker: NodeId,
        /// Its epoch.
        epoch: BrokerEpoch,
    },
    /// The controller fenced a broker, or let it back.
    Fenced {
        /// Which.
        broker: NodeId,
        /// Its epoch.
        epoch: BrokerEpoch,
        /// Fenced, or no longer.
        fenced: bool,
    },
    /// The controller let a broker begin its controlled shutdown.
    ShuttingDown {
        /// Which.
        broker: NodeId,
        /// Its epoch.
        epoch: BrokerEpoch,
    },
    /// Of several controllers this one became the active one, or is so no longer. A process that ends does not say so.
    ActiveController {
        /// The epoch of the quorum in which it leads or led.
        epoch: QuorumEpoch,
        /// Became, or no longer is.
        active: bool,
    },
    /// The controller changed a setting, or a broker that it concerns has heard of that.
    Set {
        /// Whose.
        of: Resource,
        /// What it set.
        setting: Setting,
    },
    /// The controller changed a partition.
    Decided {
        /// Which.
        partition: PartitionId,
        /// Leader before.
        old_leader: Option<NodeId>,
        /// In-sync set before, as [`Replicas::bits`].
        old_isr: i64,
        /// Everything after.
        state: Decision,
        /// How the leader came to be, if it changed.
        election: Option<Election>,
    },
}

fn node(node: Option<NodeId>) -> i64 {
    node.map_or(-1, |node| i64::from(node.0))
}

fn offset(offset: Offset) -> i64 {
    offset.0 as i64
}

impl What for Happened {
    fn code(&self) -> u16 {
        match self {
            Happened::Appended { .. } => 1,
            Happened::HighWatermark { .. } => 2,
            Happened::Truncated { .. } => 3,
            Happened::Leads { .. } => 4,
            Happened::Follows { .. } => 5,
            Happened::Fetched { .. } => 6,
            Happened::Isr { .. } => 7,
            Happened::Acked { .. } => 8,
            Happened::Refused { .. } => 9,
            Happened::Recovered { .. } => 10,
            Happened::Registered { .. } => 11,
            Happened::Fenced { .. } => 12,
            Happened::ShuttingDown { .. } => 13,
            Happened::Decided { .. } => 14,
            Happened::Deleted { .. } => 15,
            Happened::Rolled { .. } => 16,
            Happened::ActiveController { .. } => 17,
            Happened::LogStart { .. } => 18,
            Happened::Restarted { .. } => 19,
            Happened::CutByRecovery { .. } => 20,
            Happened::AppendedBehindTorn { .. } => 21,
            Happened::Set { .. } => 22,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Happened::Appended { .. } => "appended",
            Happened::HighWatermark { .. } => "hw",
            Happened::Truncated { .. } => "truncated",
            Happened::Leads { .. } => "leads",
            Happened::Follows { .. } => "follows",
            Happened::Fetched { .. } => "fetched",
            Happened::Isr { .. } => "isr",
            Happened::Acked { .. } => "acked",
            Happened::Refused { .. } => "refused",
            Happened::Recovered { .. } => "recovered",
            Happened::Registered { .. } => "registered",
            Happened::Fenced { .. } => "fenced",
            Happened::ShuttingDown { .. } => "shutting-down",
            Happened::Decided { .. } => "epoch",
            Happened::Deleted { .. } => "deleted",
            Happened::Rolled { .. } => "rolled",
            Happened::ActiveController { .. } => "active-controller",
            Happened::LogStart { .. } => "log-start",
            Happened::Restarted { .. } => "restarted",
            Happened::Set { .. } => "set",
            Happened::CutByRecovery { .. } => "cut-by-recovery",
            Happened::AppendedBehindTorn { .. } => "behind-torn",
        }
    }

    #[inline]
    fn integers(&self, each: &mut impl FnMut(&'static str, i64)) {
        match *self {
            Happened::Appended { partition, batch, base_offset, end, epoch, leading } => {
                each("partition", partition.0.into());
                each("batch", batch.0.into());
                each("old", offset(base_offset));
                each("new", offset(end));
                each("epoch", epoch.0.into());
                each("leading", leading.into());
            }
            Happened::HighWatermark { partition, old, new, epoch, leading } => {
                each("partition", partition.0.into());
                each("old", offset(old));
                each("new", offset(new));
                each("epoch", epoch.0.into());
                each("leading", leading.into());
            }
            Happened::Truncated { partition, old, new, epoch } => {
                each("partition", partition.0.into());
                each("old", offset(old));
                each("new", offset(new));
                each("epoch", epoch.0.into());
            }
            Happened::LogStart { partition, old, new, retention } => {
                each("partition", partition.0.into());
                each("old", offset(old));
                each("new", offset(new));
                each("retention", retention.into());
            }
            Happened::Restarted { partition, old, new, epoch } => {
                each("partition", partition.0.into());
                each("old", offset(old));
                each("new", offset(new));
                each("epoch", epoch.0.into());
            }
            Happened::Rolled { partition, base } => {
                each("partition", partition.0.into());
                each("base", offset(base));
            }
            Happened::Deleted { partition, old } => {
                each("partition", partition.0.into());
                each("old", offset(old));
            }
            Happened::Leads { partition, epoch, start, high_watermark, isr } => {
                each("partition", partition.0.into());
                each("epoch", epoch.0.into());
                each("end", offset(start));
                each("hw", offset(high_watermark));
                each("isr", isr.bits());
            }
            Happened::Follows { partition, epoch, leader } => {
                each("partition", partition.0.into());
                each("epoch", epoch.0.into());
                each("leader", node(leader));
            }
            Happened::Fetched { partition, replica, old, new } => {
                each("partition", partition.0.into());
                each("replica", replica.0.into());
                each("old", old.map_or(-1, offset));
                each("new", offset(new));
            }
            Happened::Isr { partition, committed, maximal, epoch } => {
                each("partition", partition.0.into());
                each("isr", committed.bits());
                each("maximal", maximal.bits());
                each("epoch", epoch.0.into());
            }
            Happened::Acked { partition, batch, base_offset, acks } => {
                each("partition", partition.0.into());
                each("batch", batch.0.into());
                each("offset", offset(base_offset));
                each("acks", if acks == Acks::All { -1 } else { acks as i64 });
            }
            Happened::Refused { partition, batch, error } => {
                each("partition", partition.0.into());
                each("batch", batch.0.into());
                each("error", error as i64);
            }
            Happened::Recovered { partition, end, high_watermark, clean, scanned_from } => {
                each("partition", partition.0.into());
                each("end", offset(end));
                each("hw", offset(high_watermark));
                each("clean", clean.into());
                each("scanned_from", offset(scanned_from));
            }
            Happened::AppendedBehindTorn { partition, base_offset, of, batch } => {
                each("partition", partition.0.into());
                each("offset", offset(base_offset));
                each("old", of.0.into());
                each("batch", batch.0.into());
            }
            Happened::CutByRecovery { partition, old, new } => {
                each("partition", partition.0.into());
                each("old", offset(old));
                each("new", offset(new));
            }
            Happened::Registered { broker, epoch } => {
                each("broker", broker.0.into());
                each("broker_epoch", epoch.0 as i64);
            }
            Happened::Fenced { broker, epoch, fenced } => {
                each("broker", broker.0.into());
                each("broker_epoch", epoch.0 as i64);
                each("fenced", fenced.into());
            }
            Happened::ShuttingDown { broker, epoch } => {
                each("broker", broker.0.into());
                each("broker_epoch", epoch.0 as i64);
            }
            Happened::Set { of, setting } => {
                match of {
                    Resource::Topic(of) => each("partition", of.first.0.into()),
                    Resource::Broker(broker) => each("broker", node(broker)),
                }
                each("setting", setting.place().into());
                each("value", setting.number());
            }
            Happened::ActiveController { epoch, active } => {
                each("epoch", epoch.0.into());
                each("active", active.into());
            }
            Happened::Decided { partition, old_leader, old_isr, state, election } => {
                let PartitionState { isr, elr, leader, leader_epoch, partition_epoch, .. } = state.state();
                let PartitionEpoch(partition_epoch) = partition_epoch;
                each("partition", partition.0.into());
                each("old_leader", node(old_leader));
                each("leader", node(leader));
                each("old_isr", old_isr);
                each("isr", isr.bits());
                each("elr", elr.bits());
                each("epoch", leader_epoch.0.into());
                each("partition_epoch", partition_epoch.into());
                each("election", election.map_or(-1, |how| how as i64));
            }
        }
    }
}
