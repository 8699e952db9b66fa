//! How far the fault schedule has come, and what of it waits for an instant or for something to happen.

use super::link::Hold;
use crate::clients;
use crate::clients::happened::Outcome;
use crate::cluster;
use crate::cluster::units::PartitionId;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::fault::{Trigger, When};
use crate::scenario::model::Model;
use crate::world::budget::Standings;
use crate::world::due::{Due, What};
use crate::world::happened::Happened;
use crate::world::observe::Observer;
use crate::world::world::World;

/// How far the schedule has come.
#[derive(Clone, Debug, Default)]
pub(in crate::world) struct Schedule {
    pub(super) states: Vec<State>,
    /// Faults that still wait for something to happen.
    watching: usize,
    /// Faults that have not ended, or have no end and have not struck.
    pub(super) outstanding: usize,
    /// Whether any fault did something.
    pub(in crate::world) took_effect: bool,
    acks: u64,
    leader_changes: Vec<u32>,
    /// Who has stopped uncleanly, if a fault may have to be withheld for it.
    pub(super) standings: Option<Standings>,
    /// Messages that are kept back now.
    pub(in crate::world) holds: Vec<Hold>,
    /// Ends of fsyncs that have come while their disk stalled.
    pub(super) stalled: Vec<(NodeId, Due)>,
    /// Ends of fsyncs that were asked for while their disk was slow.
    pub(super) slowed: Vec<(NodeId, Due)>,
    /// Until then somebody may wait by a clock that was set back.
    pub(in crate::world) waits_until: Time,
    /// The topics that are to be deleted, by their first partitions: a second fault deletes nothing of them.
    pub(super) deleted: Vec<PartitionId>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    watches: bool,
    pub(super) struck: bool,
    pub(super) ended: bool,
    /// Whom it struck.
    pub(super) nodes: Vec<NodeId>,
    /// Which directions of links it struck.
    pub(super) ways: Vec<(NodeId, NodeId)>,
}

impl Schedule {
    pub(in crate::world) fn reset(&mut self, model: &Model) {
        let faults = &model.faults;
        self.states.clear();
        self.states.resize_with(faults.len(), State::default);
        self.outstanding = faults.len();
        self.holds.clear();
        self.stalled.clear();
        self.slowed.clear();
        self.waits_until = Time::ZERO;
        self.deleted.clear();
        let withholds = faults.iter().any(|fault| fault.within_budget);
        self.standings = withholds.then(Standings::default);
        self.watching = usize::from(withholds);
        if let Some(standings) = &mut self.standings {
            standings.reset(model);
        }
        self.took_effect = false;
        self.acks = 0;
        self.leader_changes.clear();
    }

    /// Whether some fault waits for something to happen, or depends on it.
    #[inline]
    pub(in crate::world) fn is_watching(&self) -> bool {
        self.watching > 0
    }

    /// Whether every fault has struck and ended.
    pub(in crate::world) fn is_over(&self) -> bool {
        self.outstanding == 0
    }

    pub(super) fn close(&mut self, fault: usize) {
        if !std::mem::replace(&mut self.states[fault].ended, true) {
            self.outstanding -= 1;
        }
    }
}

impl<O: Observer> World<O> {
    /// Puts the schedule's instants into the queue, and watches for the rest.
    pub(in crate::world) fn arm_schedule(&mut self) {
        for fault in 0..self.model.faults.len() {
            match self.model.faults[fault].when {
                When::At(time) => {
                    self.queue.push(time, Due { what: What::Strike(fault as u32), cause: EventSeq(0) });
                }
                When::After(..) => {
                    self.schedule.states[fault].watches = true;
                    self.schedule.watching += 1;
                }
            }
        }
        self.schedule.leader_changes.resize(self.model.partition_count(), 0);
    }

    /// Something has happened; perhaps a fault waited for it.
    // Apart from what runs always: in most runs no fault waits.
    #[cold]
    pub(in crate::world) fn watch(&mut self, node: NodeId, what: &Happened, cause: EventSeq) {
        if let Some(standings) = &mut self.schedule.standings {
            standings.see(&self.model, node, what);
        }
        if self.schedule.watching > usize::from(self.schedule.standings.is_some()) {
            self.watch_triggers(what, cause);
        }
    }

    fn watch_triggers(&mut self, what: &Happened, cause: EventSeq) {
        let mut decided = None;
        if let Happened::Client(clients::happened::Happened::Told {
            count, outcome: Outcome::Success, ..
        }) = what
        {
            self.schedule.acks += u64::from(*count);
        } else if let Happened::Cluster(cluster::happened::Happened::Decided {
            partition,
            state,
            election,
            ..
        }) = what
        {
            let partition = self.model.in_file(*partition);
            if election.is_some() && state.leader().is_some() {
                self.schedule.leader_changes[partition.0 as usize] += 1;
            }
            let state = state.state();
            if state.is_there() {
                decided = Some((partition, state.isr.len()));
            }
        } else {
            return;
        }
        for fault in 0..self.schedule.states.len() {
            if !self.schedule.states[fault].watches {
                continue;
            }
            let When::After(trigger, plus) = self.model.faults[fault].when else { continue };
            let fires = match trigger {
                Trigger::Ack(count) => self.schedule.acks >= count,
                Trigger::Isr(partition, size) => decided == Some((partition, usize::from(size))),
                Trigger::LeaderChange(partition, nth) => {
                    self.schedule.leader_changes[partition.0 as usize] >= nth
                }
            };
            if fires {
                self.schedule.states[fault].watches = false;
                self.schedule.watching -= 1;
                self.queue.push(self.now + plus, Due { what: What::Strike(fault as u32), cause });
            }
        }
    }
}
