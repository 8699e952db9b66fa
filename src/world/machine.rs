//! A machine, its process, and the process's alarms.

use super::due::AnyTimer;
use crate::cluster::protocol::Message;
use crate::devices::clock::Clock;
use crate::devices::network::{Delivery, Hearer};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::Time;

/// The state of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    /// How many power losses are on it.
    pub(super) dark: u32,
    /// How many crashes keep its process from running.
    pub(super) killed: u32,
    /// How many controlled stops keep its process from starting.
    pub(super) stopped: u32,
    /// Its process has been asked to end, and will.
    pub(super) stopping: bool,
    /// Which faults make its process stand still. They are the process's: the next one runs, and their end says nothing to it.
    pub(super) pauses: Vec<u32>,
    /// Whether a process runs.
    pub(super) running: bool,
    /// The process has ended of its own will and does not come back.
    pub(super) exited: bool,
    /// The process has ended itself because its disk failed it: it comes back when the disk is well.
    pub(super) halted: bool,
    /// The count of starts ordered: one that was overtaken by another fault is not carried out.
    pub(super) starts: u32,
    /// What its processes take for the time of day.
    pub(super) clock: Clock,
    alarms: Vec<Alarm>,
    /// What reached a paused process.
    pub(super) held: Vec<(Held, EventSeq)>,
}

/// One alarm. Moving it later, and taking it back, leaves the queue alone: when the queued event comes, it is held against
/// what is wanted now.
#[derive(Clone, Copy, Debug)]
struct Alarm {
    wanted: Time,
    queued: Time,
    cause: EventSeq,
}

/// What reached a paused process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Held {
    Delivery(Delivery<Message>),
    Timer(AnyTimer, Time),
    Flushed(super::due::AnyFile, u32),
    Stop,
    FlushFailed(super::due::AnyFile, u32),
}

impl Alarm {
    const UNSET: Alarm = Alarm { wanted: Time::NEVER, queued: Time::NEVER, cause: EventSeq(0) };
}

/// What to do when a queued alarm comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rings {
    /// Nobody wants it any more.
    No,
    /// It has been moved: queue it for then.
    Later(Time),
    /// Now, because of this.
    Now(EventSeq),
}

impl Machine {
    pub(super) fn reset(&mut self) {
        self.alarms.clear();
        self.held.clear();
        let (alarms, held) = (std::mem::take(&mut self.alarms), std::mem::take(&mut self.held));
        *self = Machine { alarms, held, ..Machine::default() };
    }

    /// Whether its process stands still.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        !self.pauses.is_empty()
    }

    /// Whether something keeps its process from being started.
    pub(super) fn is_kept_down(&self) -> bool {
        self.exited || self.halted || self.killed > 0 || self.dark > 0 || self.stopped > 0
    }

    /// Wants an alarm at `at`. Gives whether an event must be queued for it.
    #[inline]
    pub(super) fn want(&mut self, slot: u32, at: Time, cause: EventSeq) -> bool {
        let slot = slot as usize;
        if slot >= self.alarms.len() {
            self.alarms.resize(slot + 1, Alarm::UNSET);
        }
        let alarm = &mut self.alarms[slot];
        alarm.wanted = at;
        alarm.cause = cause;
        let queue = at < alarm.queued;
        if queue {
            alarm.queued = at;
        }
        queue
    }

    /// Takes an alarm back.
    #[inline]
    pub(super) fn unwant(&mut self, slot: u32) {
        if let Some(alarm) = self.alarms.get_mut(slot as usize) {
            alarm.wanted = Time::NEVER;
        }
    }

    /// The queued event of an alarm has come.
    #[inline]
    pub(super) fn rings(&mut self, slot: u32, now: Time) -> Rings {
        let alarm = &mut self.alarms[slot as usize];
        if alarm.queued != now {
            return Rings::No;
        }
        alarm.queued = Time::NEVER;
        if alarm.wanted == Time::NEVER {
            Rings::No
        } else if alarm.wanted > now {
            alarm.queued = alarm.wanted;
            Rings::Later(alarm.wanted)
        } else if !self.pauses.is_empty() {
            // It stays wanted until the process goes on and hears of it.
            Rings::Now(alarm.cause)
        } else {
            alarm.wanted = Time::NEVER;
            Rings::Now(alarm.cause)
        }
    }

    /// A paused process goes on and is to hear of an alarm that came at `at`: whether it still wants it.
    pub(super) fn still_wants(&mut self, slot: u32, at: Time) -> bool {
        let alarm = &mut self.alarms[slot as usize];
        let wanted = alarm.wanted == at;
        if wanted {
            alarm.wanted = Time::NEVER;
        }
        wanted
    }

    /// The process is gone, and its alarms with it.
    pub(super) fn forget_alarms(&mut self) {
        for alarm in &mut self.alarms {
            alarm.wanted = Time::NEVER;
        }
        self.held.clear();
    }
}

/// The client a delivery is for, if it is one that a client hears of its own connection.
pub(super) fn hearer(delivery: &Delivery<Message>) -> Option<Hearer> {
    match delivery {
        Delivery::Connected(hearer) | Delivery::Disconnected(hearer) | Delivery::Response(hearer, _) => {
            Some(*hearer)
        }
        Delivery::Request { .. } | Delivery::Nothing => None,
    }
}
