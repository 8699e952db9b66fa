//! What befalls brokers, as stories name it.

use super::replay::{Down, Health};
use crate::world::happened::{Happened, LinkChange};

/// What can befall a broker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Crash,
    Stop,
    PowerLoss,
    Halt,
    Wipe,
    Pause,
    Isolate,
}

pub(super) fn is_cut(what: Happened) -> bool {
    matches!(what, Happened::Link { change: LinkChange::Cut, .. })
}

pub(super) fn befell(what: Happened) -> Option<Fault> {
    match what {
        Happened::Crashed => Some(Fault::Crash),
        Happened::Stopping => Some(Fault::Stop),
        Happened::PowerLost => Some(Fault::PowerLoss),
        Happened::Halted => Some(Fault::Halt),
        Happened::Wiped => Some(Fault::Wipe),
        Happened::Paused => Some(Fault::Pause),
        Happened::Isolated => Some(Fault::Isolate),
        Happened::Cluster(_)
        | Happened::Client(_)
        | Happened::Sent { .. }
        | Happened::Answered { .. }
        | Happened::Delivered { .. }
        | Happened::Fsynced { .. }
        | Happened::Struck { .. }
        | Happened::NoEffect { .. }
        | Happened::Withheld { .. }
        | Happened::Ended { .. }
        | Happened::Lost { .. }
        | Happened::Started { .. }
        | Happened::Stopped
        | Happened::Link { .. }
        | Happened::Disk { .. }
        | Happened::Rotted { .. }
        | Happened::ClockSet { .. }
        | Happened::Resumed
        | Happened::Joined
        | Happened::Healed
        | Happened::Settled
        | Happened::Unsettled => None,
    }
}

/// What a broker suffers from, the worst first.
pub(super) fn trouble(health: Health) -> Option<String> {
    match health {
        Health { down: Some((at, Down::LostPower)), .. } => Some(format!("lost power at {at}")),
        Health { down: Some((at, Down::Crashed)), .. } => Some(format!("crashed at {at}")),
        Health { down: Some((at, Down::Stopped)), .. } => Some(format!("had stopped in order at {at}")),
        Health { isolated: Some(at), .. } => Some(format!("was cut off from everybody else at {at}")),
        Health { paused: Some(at), .. } => Some(format!("stood still from {at} on")),
        Health { down: None, isolated: None, paused: None, .. } => None,
    }
}
