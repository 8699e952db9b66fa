//! Everything that can happen in a run: what nodes report, and what befalls them.

use crate::clients;
use crate::cluster;
use crate::cluster::units::{BatchId, Incarnation, Offset, PartitionId};
use crate::devices::clock::Jump;
use crate::kernel::trace::What;
use crate::kernel::units::{Bytes, NodeId};
use crate::scenario::words::{FaultKind, MessageKind};

/// One happening; the node is the entry's.
// Its tag is its own: where one is made its kind is known, and nobody need look for it again within what a node reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Happened {
    /// A broker or controller reports.
    Cluster(cluster::happened::Happened),
    /// A client reports.
    Client(clients::happened::Happened),
    /// The node put a message on the wire.
    Sent {
        /// To whom.
        to: NodeId,
        /// How large.
        bytes: Bytes,
    },
    /// The node put an answer on the wire.
    Answered {
        /// On which connection.
        connection: u32,
        /// How large.
        bytes: Bytes,
    },
    /// A message reached the node and is being handled.
    Delivered {
        /// From whom.
        from: NodeId,
    },
    /// What the node's disk holds of a partition's log has become durable up to here.
    Fsynced {
        /// Whose log.
        partition: PartitionId,
        /// How many bytes of it are durable.
        bytes: Bytes,
    },
    /// A fault of the schedule struck; the node is the first it struck.
    Struck {
        /// Its place in the schedule.
        fault: u32,
    },
    /// A fault of the schedule could not apply.
    NoEffect {
        /// Its place in the schedule.
        fault: u32,
    },
    /// A drawn fault would have been more than Kafka's promises are good for, and did not strike.
    Withheld {
        /// Its place in the schedule.
        fault: u32,
    },
    /// A fault's time was over.
    Ended {
        /// Its place in the schedule.
        fault: u32,
    },
    /// The node's process was killed; its page cache stays.
    Crashed,
    /// The node's machine lost power.
    PowerLost,
    /// The node's process ended itself because its disk failed it; its page cache stays.
    Halted,
    /// The node's disk lost everything.
    Wiped,
    /// Something befell, or left, the way from the node to another.
    Link {
        /// The other end.
        to: NodeId,
        /// What.
        change: LinkChange,
    },
    /// Something is wrong with the node's disk, or no longer.
    Disk {
        /// What: one of the kinds that are of disks.
        what: FaultKind,
        /// Whether it is over.
        over: bool,
    },
    /// The clock of the node's machine was set.
    ClockSet {
        /// Forward or back.
        jump: Jump,
    },
    /// A byte of a batch in the node's copy of a log has gone bad.
    Rotted {
        /// Whose log.
        partition: PartitionId,
        /// Where the batch begins.
        base_offset: Offset,
        /// Which it was.
        of: BatchId,
        /// Which it is now.
        batch: BatchId,
    },
    /// A power loss took the end of a log: only what was left on the disk remains.
    Lost {
        /// Whose log.
        partition: PartitionId,
        /// Its end before.
        old: Offset,
        /// Its end after.
        new: Offset,
    },
    /// The node's process starts.
    Started {
        /// The count of its starts.
        incarnation: Incarnation,
    },
    /// The node's process was asked to end (SIGTERM).
    Stopping,
    /// The node's process, which was asked to, has ended.
    Stopped,
    /// The node's process stands still.
    Paused,
    /// The node's process goes on.
    Resumed,
    /// The node was cut off from everyone outside the fault's set.
    Isolated,
    /// The node's links work again.
    Joined,
    /// The heal act: faults end, processes start, links open.
    Healed,
    /// Everything is quiet.
    Settled,
    /// The bound for settling passed first.
    Unsettled,
}

/// What can befall one direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// Nothing passes.
    Cut,
    /// It is no longer cut.
    Joined,
    /// It is slow.
    Slowed,
    /// It is no longer slow.
    AtSpeed,
    /// Messages of one kind are kept back.
    KeepsBack(MessageKind),
    /// They no longer are.
    LetsGo(MessageKind),
}

impl What for Happened {
    #[inline(always)]
    fn code(&self) -> u16 {
        match self {
            Happened::Cluster(happened) => happened.code(),
            Happened::Client(happened) => happened.code(),
            Happened::Sent { .. } => 201,
            Happened::Delivered { .. } => 202,
            Happened::Fsynced { .. } => 203,
            Happened::Struck { .. } => 204,
            Happened::NoEffect { .. } => 205,
            Happened::Ended { .. } => 206,
            Happened::Crashed => 207,
            Happened::PowerLost => 208,
            Happened::Lost { .. } => 209,
            Happened::Started { .. } => 210,
            Happened::Paused => 211,
            Happened::Resumed => 212,
            Happened::Isolated => 213,
            Happened::Joined => 214,
            Happened::Healed => 215,
            Happened::Settled => 216,
            Happened::Unsettled => 217,
            Happened::Answered { .. } => 218,
            Happened::Stopping => 219,
            Happened::Stopped => 220,
            Happened::Withheld { .. } => 230,
            Happened::Halted => 231,
            Happened::Wiped => 232,
            Happened::Link { .. } => 233,
            Happened::Disk { .. } => 234,
            Happened::Rotted { .. } => 235,
            Happened::ClockSet { .. } => 236,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Happened::Cluster(happened) => happened.word(),
            Happened::Client(happened) => happened.word(),
            Happened::Sent { .. } => "sent",
            Happened::Delivered { .. } => "delivered",
            Happened::Fsynced { .. } => "fsynced",
            Happened::Struck { .. } => "fault",
            Happened::NoEffect { .. } => "no-effect",
            Happened::Ended { .. } => "fault-ended",
            Happened::Crashed => "crashed",
            Happened::PowerLost => "power-lost",
            Happened::Lost { .. } => "lost",
            Happened::Started { .. } => "started",
            Happened::Paused => "paused",
            Happened::Resumed => "resumed",
            Happened::Isolated => "isolated",
            Happened::Joined => "joined",
            Happened::Healed => "healed",
            Happened::Settled => "settled",
            Happened::Unsettled => "unsettled",
            Happened::Answered { .. } => "answered",
            Happened::Stopping => "stopping",
            Happened::Stopped => "stopped",
            Happened::Withheld { .. } => "fault-withheld",
            Happened::Halted => "halted",
            Happened::Wiped => "wiped",
            Happened::Link { .. } => "link",
            Happened::Disk { .. } => "disk",
            Happened::Rotted { .. } => "rotted",
            Happened::ClockSet { .. } => "clock-set",
        }
    }

    #[inline(always)]
    fn integers(&self, each: &mut impl FnMut(&'static str, i64)) {
        match *self {
            Happened::Cluster(ref happened) => happened.integers(each),
            Happened::Client(ref happened) => happened.integers(each),
            Happened::Sent { to, bytes } => {
                each("to", to.0.into());
                each("bytes", bytes.get() as i64);
            }
            Happened::Answered { connection, bytes } => {
                each("connection", connection.into());
                each("bytes", bytes.get() as i64);
            }
            Happened::Delivered { from } => each("from", from.0.into()),
            Happened::Fsynced { partition, bytes } => {
                each("partition", partition.0.into());
                each("bytes", bytes.get() as i64);
            }
            Happened::Struck { fault }
            | Happened::NoEffect { fault }
            | Happened::Withheld { fault }
            | Happened::Ended { fault } => each("fault", fault.into()),
            Happened::Link { to, change } => {
                each("to", to.0.into());
                let (change, what) = change.numbers();
                each("change", change);
                if let Some(what) = what {
                    each("what", what as i64);
                }
            }
            Happened::Disk { what, over } => {
                each("what", what as i64);
                each("over", over.into());
            }
            Happened::ClockSet { jump } => each("ms", jump.milliseconds()),
            Happened::Rotted { partition, base_offset, of, batch } => {
                each("partition", partition.0.into());
                each("offset", base_offset.0 as i64);
                each("old", of.0.into());
                each("batch", batch.0.into());
            }
            Happened::Lost { partition, old, new } => {
                each("partition", partition.0.into());
                each("old", old.0 as i64);
                each("new", new.0 as i64);
            }
            Happened::Started { incarnation } => each("incarnation", incarnation.0.into()),
            Happened::Crashed
            | Happened::Stopping
            | Happened::Stopped
            | Happened::PowerLost
            | Happened::Halted
            | Happened::Wiped
            | Happened::Paused
            | Happened::Resumed
            | Happened::Isolated
            | Happened::Joined
            | Happened::Healed
            | Happened::Settled
            | Happened::Unsettled => (),
        }
    }
}

impl LinkChange {
    /// Its number in a trace, and the kind of message it is about.
    fn numbers(self) -> (i64, Option<MessageKind>) {
        match self {
            LinkChange::Cut => (0, None),
            LinkChange::Joined => (1, None),
            LinkChange::Slowed => (2, None),
            LinkChange::AtSpeed => (3, None),
            LinkChange::KeepsBack(kind) => (4, Some(kind)),
            LinkChange::LetsGo(kind) => (5, Some(kind)),
        }
    }
}
