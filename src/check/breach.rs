//! What breaks the budget of a partition, in words Kafka's users know.

use crate::cluster::units::{Offset, PartitionId, Replicas};
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::world::budget::{Excess, Required};

/// What broke a partition's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// A broker was elected though neither in sync nor eligible.
    UncleanElection {
        /// When.
        at: Time,
        /// Who.
        leader: NodeId,
    },
    /// A broker was elected as eligible whose replica, and with it its log, a reassignment had taken away.
    EmptyLeader {
        /// When.
        at: Time,
        /// Who.
        leader: NodeId,
    },
    /// As many replicas as may not were impaired while one of them was short.
    TooManyImpaired {
        /// Since when.
        at: Time,
        /// Who.
        impaired: Replicas,
        /// The first of those that were short.
        short: NodeId,
        /// Of how many replicas.
        of: u8,
        /// How many may be.
        most: u8,
        /// By what.
        required: Required,
    },
    /// A power loss took records from the middle of a log, and its recovery did not see it.
    Gap {
        /// When.
        at: Time,
        /// Whose.
        broker: NodeId,
    },
    /// A byte of a batch went bad in one copy of the log.
    Rotten {
        /// When.
        at: Time,
        /// Whose.
        broker: NodeId,
        /// Where the batch begins.
        offset: Offset,
    },
    /// A batch was appended behind half of another, which no start had cut.
    BehindTorn {
        /// When.
        at: Time,
        /// Whose.
        broker: NodeId,
        /// Where the batch begins.
        offset: Offset,
    },
    /// Without eligible leader replicas, the only in-sync replica was short.
    OnlyMemberShort {
        /// Since when.
        at: Time,
        /// Who.
        broker: NodeId,
    },
}

impl Breach {
    /// What a standing shows to be too much.
    pub(super) fn of(excess: Excess, now: Time) -> Breach {
        match excess {
            Excess::TooManyImpaired { impaired, short, of, most, required } => {
                Breach::TooManyImpaired { at: now, impaired, short, of, most, required }
            }
            Excess::OnlyMemberShort(broker) => Breach::OnlyMemberShort { at: now, broker },
        }
    }

    /// The breach as a reason, in words Kafka's users know.
    pub fn reason(self, model: &Model, partition: PartitionId) -> String {
        let name = model.partition_name(partition);
        match self {
            Breach::UncleanElection { at, leader } => format!(
                "broker {leader} was elected leader of {name} at {at} though it was neither in sync nor \
                eligible: an unclean election promises nothing"
            ),
            Breach::EmptyLeader { at, leader } => format!(
                "broker {leader} was elected leader of {name} at {at} as eligible, though a reassignment had taken its \
                replica and all that was in it: no reassignment ends eligibility \
                (PartitionChangeBuilder.maybePopulateTargetElr)"
            ),
            Breach::TooManyImpaired { at, impaired, short, of: replicas, most, required } => {
                let Required { min_insync_replicas: configured, left_in_sync } = required;
                let cleared =
                    ", as a change of it ended the eligibility of all who were not in sync (ClearElrRecord)";
                format!(
                    "at {at} {} of {replicas} replicas of {name} had stopped uncleanly and were not \
                    back in sync, and broker {short} had lost records; \
                    min.insync.replicas={configured} allows {}{} (KIP-966)",
                    impaired.len(),
                    if most == 0 { "none".to_owned() } else { most.to_string() },
                    if left_in_sync.is_some() { cleared } else { "" },
                )
            }
            Breach::Gap { at, broker } => format!(
                "at {at} broker {broker} lost records in the middle of its log of {name}, and no start looks whether \
                one segment ends where the next begins (LogLoader.recoverLog)"
            ),
            Breach::Rotten { at, broker, offset } => format!(
                "at {at} a byte of the batch at offset {offset} of {name} went bad in broker {broker}'s copy, and no promise \
                is made of disks that rot"
            ),
            Breach::BehindTorn { at, broker, offset } => format!(
                "at {at} broker {broker} appended the batch at offset {offset} of {name} behind half of another, which its \
                start had not cut: a clean-shutdown file was there, which after a power loss may be an old one, as nothing \
                fsyncs its directory when it is deleted (CleanShutdownFileHandler.delete)"
            ),
            Breach::OnlyMemberShort { at, broker } => format!(
                "at {at} broker {broker} was the only in-sync replica of {name} and had lost \
                records, and eligible leader replicas (KIP-966) are off"
            ),
        }
    }
}
