//! Faults as data: what strikes, whom, when, and for how long.

use super::words::{FaultKind, MessageKind};
use crate::cluster::protocol::{ElectLeaders, Reassign};
use crate::cluster::setting::Setting;
use crate::cluster::units::{Offset, PartitionId, TopicId};
use crate::devices::clock::Jump;
use crate::devices::network::Slower;
use crate::kernel::units::{NodeId, Span, Time};

/// One fault of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it strikes.
    pub when: When,
    /// What it does.
    pub action: Action,
    /// To whom.
    pub on: Target,
    /// How long it lasts; none: until the heal act.
    pub lasts: Option<Span>,
    /// It is withheld if, when it strikes, it would exceed what Kafka's promises are good for (`budget = "promised"`).
    pub within_budget: bool,
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At an instant.
    At(Time),
    /// Some time after something has happened.
    After(Trigger, Span),
}

/// Something a fault can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// So many messages have been told success, over all producers.
    Ack(u64),
    /// The controller's in-sync set of this partition has this size.
    Isr(PartitionId, u16),
    /// The leader of this partition has changed so many times.
    LeaderChange(PartitionId, u32),
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `crash`: kill -9. The page cache stays.
    Crash,
    /// `stop`: SIGTERM, which a broker answers with a controlled shutdown. It starts again when the fault is over, or once it
    /// has ended if that is later.
    Stop,
    /// `power-loss`: the machine goes dark. Of what was not durable, the disk keeps what `lose` leaves.
    PowerLoss(Lose),
    /// `pause`: the process stands still (SIGSTOP); its kernel goes on receiving.
    Pause,
    /// `isolate`: every link between the target and everybody else is cut; apart: also those within it.
    Isolate {
        /// Also from each other.
        apart: bool,
    },
    /// `wipe`: the process is killed, and its disk loses everything. It starts on an empty one.
    Wipe,
    /// `cut`: nothing passes from the target to these.
    Cut {
        /// The other end.
        to: Target,
        /// Nor back, unless only one way is cut.
        one_way: bool,
    },
    /// `slow-link`: what the target sends to these takes longer.
    SlowLink {
        /// The other end.
        to: Target,
        /// And back, unless only one way is slow.
        one_way: bool,
        /// How much longer.
        slower: Slower,
    },
    /// `hold`: messages of one kind from the target to these are kept back until the fault is over, and whatever is behind them
    /// on the same connection.
    Hold {
        /// The other end.
        to: Target,
        /// Which messages.
        what: MessageKind,
    },
    /// `slow-disk`: an fsync takes so many times as long. What is not done when that is over takes its usual time.
    SlowDisk(u32),
    /// `stall-disk`: no fsync ends.
    StallDisk,
    /// `full-disk`: nothing more can be written; a broker that tries ends.
    FullDisk,
    /// `fsync-fails`: an fsync that ends has failed; a broker whose fsync fails ends.
    FsyncFails,
    /// `fsync-lies`: an fsync ends well and makes nothing durable.
    FsyncLies,
    /// `bit-rot`: a byte of a batch in the target's copy of a log goes bad, and stays so.
    BitRot {
        /// Of which partition; none: one it has records of is drawn.
        partition: Option<PartitionId>,
        /// Which batch, by an offset it holds; none: any of the log, each as likely.
        offset: Option<Offset>,
    },
    /// `clock-jump`: the clock of the target's machine is set forward or back.
    ClockJump(Jump),
    /// `elect`: an administrator moves leadership.
    Elect(ElectLeaders),
    /// `reassign`: an administrator moves replicas.
    Reassign(Reassign),
    /// `add-partitions`: an administrator gives the topic that is its target more partitions.
    AddPartitions {
        /// So many in all.
        total: u32,
    },
    /// `delete-topic`: an administrator deletes the topic that is its target, and makes it anew, as the file has it, when the
    /// fault is over: after `for`, or with the heal act.
    DeleteTopic,
    /// `set`: an administrator changes a setting (kafka-configs).
    Set(Whose, Setting),
}

/// Whose setting is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of the topic that is the target.
    Topic,
    /// Each broker's own that is the target (`--entity-name 2`).
    EachBroker,
    /// That of all brokers, but for those that have one of their own (`--entity-default`); the target is all of them.
    AllBrokers,
}

impl Action {
    /// What it is called.
    pub fn kind(&self) -> FaultKind {
        match self {
            Action::Crash => FaultKind::Crash,
            Action::PowerLoss(_) => FaultKind::PowerLoss,
            Action::Wipe => FaultKind::Wipe,
            Action::Pause => FaultKind::Pause,
            Action::Isolate { .. } => FaultKind::Isolate,
            Action::Cut { .. } => FaultKind::Cut,
            Action::SlowLink { .. } => FaultKind::SlowLink,
            Action::Hold { .. } => FaultKind::Hold,
            Action::SlowDisk(_) => FaultKind::SlowDisk,
            Action::StallDisk => FaultKind::StallDisk,
            Action::FullDisk => FaultKind::FullDisk,
            Action::FsyncFails => FaultKind::FsyncFails,
            Action::FsyncLies => FaultKind::FsyncLies,
            Action::BitRot { .. } => FaultKind::BitRot,
            Action::ClockJump(_) => FaultKind::ClockJump,
            Action::Stop => FaultKind::Stop,
            Action::Elect(_) => FaultKind::Elect,
            Action::Reassign(_) => FaultKind::Reassign,
            Action::AddPartitions { .. } => FaultKind::AddPartitions,
            Action::DeleteTopic => FaultKind::DeleteTopic,
            Action::Set(..) => FaultKind::Set,
        }
    }
}

/// What a power loss takes of the bytes that were not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lose {
    /// What the disk's `survives` says.
    Drawn,
    /// `"all-unsynced"`: everything that was never fsynced, even if written back.
    AllUnsynced,
    /// `"nothing"`.
    Nothing,
    /// `{ records = n }`: the last n records of each log, as far as they were never fsynced.
    Records(u64),
}

/// Whom a fault strikes. Resolved when it strikes. Brokers count from 1; followers from 0 in assignment order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `broker(2)`, `brokers(1,3)`, and `all-brokers` written out.
    Brokers(Vec<NodeId>),
    /// `rack(a)` written out as its brokers, with its name.
    Rack(String, Vec<NodeId>),
    /// `leader(orders-0)`.
    Leader(PartitionId),
    /// `follower(orders-0)` and `follower(orders-0,1)`: the nth replica in assignment order that does not lead.
    Follower(PartitionId, u16),
    /// `isr(orders-0)`: everyone in the controller's in-sync set.
    Isr(PartitionId),
    /// What an administrator changes; its leader counts as struck.
    Partition(PartitionId),
    /// The same of a topic; the leader of its first partition counts as struck.
    Topic(TopicId),
    /// `controller`: the active one.
    Controller,
    /// `controllers`.
    Controllers,
    /// `controller(2)`, `controllers(1,2)`.
    SomeControllers(Vec<NodeId>),
    /// `clients`: every producer and reader.
    Clients,
    /// `producer(web)`, by its place in the model.
    Producer(usize),
    /// A list: all of them together.
    All(Vec<Target>),
}
