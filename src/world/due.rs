//! What the queue holds: everything that is still to happen.

use crate::clients::consumer::ReaderTimer;
use crate::clients::producer::ProducerTimer;
use crate::cluster::broker::storage::File;
use crate::cluster::{broker, controller};
use crate::devices::network::Pending;
use crate::devices::port::Timer;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::NodeId;

/// Something to happen, and the entry it goes back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) what: What,
    pub(super) cause: EventSeq,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Something on a wire.
    Network(Pending),
    /// An alarm of a process, and its slot.
    Alarm(NodeId, u32, AnyTimer),
    /// An fsync ends.
    Fsync { node: NodeId, file: AnyFile, token: u32, incarnation: u32 },
    /// A broker's thread is done with a request.
    Handled(u32),
    /// A process starts, unless another start has been ordered since.
    Start { node: NodeId, order: u32 },
    /// A fault strikes.
    Strike(u32),
    /// A fault is over.
    Over(u32),
    /// A topic that a fault has deleted is to be made anew.
    MakeAnew(u32),
}

impl What {
    /// Whether it has begun and ends by itself, unlike what comes again and again.
    pub(super) fn is_under_way(self) -> bool {
        match self {
            What::Network(_)
            | What::Fsync { .. }
            | What::Handled(_)
            | What::Start { .. }
            | What::MakeAnew(_) => true,
            What::Alarm(..) | What::Strike(_) | What::Over(_) => false,
        }
    }
}

/// An alarm of any kind of node.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyTimer {
    Broker(broker::Timer),
    Controller(controller::Timer),
    Producer(ProducerTimer),
    Reader(ReaderTimer),
}

/// A file of any kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AnyFile {
    Broker(broker::storage::File),
    Controller(controller::File),
}

impl AnyFile {
    /// Whether its fsync is one of the log directory too: it is written anew under another name and renamed
    /// (`Utils.atomicMoveWithFallback`), next to the clean-shutdown file.
    pub(super) fn lies_in_log_dir(self) -> bool {
        match self {
            AnyFile::Broker(
                File::HighWatermarks | File::RecoveryPoints | File::LogStarts | File::CleanShutdown,
            ) => true,
            AnyFile::Broker(File::Log(..) | File::LeaderEpochs(_) | File::ProducerSnapshot(_))
            | AnyFile::Controller(_) => false,
        }
    }
}

impl AnyTimer {
    #[inline]
    pub(super) fn slot(self) -> u32 {
        match self {
            AnyTimer::Broker(timer) => timer.slot(),
            AnyTimer::Controller(timer) => timer.slot(),
            AnyTimer::Producer(timer) => timer.slot(),
            AnyTimer::Reader(timer) => timer.slot(),
        }
    }
}
