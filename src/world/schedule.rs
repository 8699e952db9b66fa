//! The fault schedule as it is carried out: what waits for an instant or for something to happen, whom it strikes, what it
//! undoes when it is over.

use super::due::{AnyFile, Due, What};
use super::happened::Happened;
use super::machine::Held;
use super::observe::Observer;
use super::spoken::Told;
use super::world::World;
use crate::clients;
use crate::clients::happened::Outcome;
use crate::cluster;
use crate::cluster::broker::storage::File;
use crate::cluster::protocol::Message;
use crate::cluster::units::PartitionId;
use crate::devices::disk;
use crate::devices::network::Delivery;
use crate::devices::port::ConnectionId;
use crate::kernel::chance::{Occasion, Purpose};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{Bytes, NodeId};
use crate::scenario::fault::{Action, Fault, Lose, Target, Trigger, When};

/// How far the schedule has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    states: Vec<State>,
    /// Faults that still wait for something to happen.
    watching: usize,
    /// Faults that have not ended, or have no end and have not struck.
    outstanding: usize,
    /// Whether any fault did something.
    pub(super) took_effect: bool,
    acks: u64,
    leader_changes: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct State {
    watches: bool,
    struck: bool,
    ended: bool,
    /// Whom it struck.
    nodes: Vec<NodeId>,
}

impl Schedule {
    pub(super) fn reset(&mut self, faults: &[Fault]) {
        self.states.clear();
        self.states.resize_with(faults.len(), State::default);
        self.watching = 0;
        self.outstanding = faults.len();
        self.took_effect = false;
        self.acks = 0;
        self.leader_changes.clear();
    }

    /// Whether some fault waits for something to happen.
    #[inline]
    pub(super) fn is_watching(&self) -> bool {
        self.watching > 0
    }

    /// Whether every fault has struck and ended.
    pub(super) fn is_over(&self) -> bool {
        self.outstanding == 0
    }

    fn close(&mut self, fault: usize) {
        if !std::mem::replace(&mut self.states[fault].ended, true) {
            self.outstanding -= 1;
        }
    }
}

impl<O: Observer> World<O> {
    /// Puts the schedule's instants into the queue, and watches for the rest.
    pub(super) fn arm_schedule(&mut self) {
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
    pub(super) fn watch_triggers(&mut self, what: &Happened, cause: EventSeq) {
        let mut decided = None;
        if let Happened::Client(clients::happened::Happened::Told {
            count, outcome: Outcome::Success, ..
        }) = what
        {
            self.schedule.acks += u64::from(*count);
        } else if let Happened::Cluster(cluster::happened::Happened::Decided {
            partition,
            old_leader,
            state,
            ..
        }) = what
        {
            if state.leader != *old_leader && state.leader.is_some() {
                self.schedule.leader_changes[partition.0 as usize] += 1;
            }
            decided = Some((*partition, state.isr.len()));
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

    /// A fault's time has come.
    pub(super) fn strike(&mut self, fault: usize, cause: EventSeq) {
        if self.is_healed() {
            return;
        }
        let described = self.model.faults[fault].clone();
        let nodes: Vec<NodeId> = self
            .resolve(&described.on)
            .into_iter()
            .filter(|&node| self.can_strike(node, &described.action))
            .collect();
        let number = fault as u32;
        self.schedule.states[fault].struck = true;
        let Some(&first) = nodes.first() else {
            self.note(NodeId::NOBODY, Happened::NoEffect { fault: number }, cause);
            return self.schedule.close(fault);
        };
        self.schedule.took_effect = true;
        let cause = self.note(first, Happened::Struck { fault: number }, cause);
        match &described.action {
            Action::Crash => nodes.iter().for_each(|&node| self.crash(node, cause)),
            Action::Stop => nodes.iter().for_each(|&node| self.stop(node, cause)),
            Action::PowerLoss(lose) => nodes.iter().for_each(|&node| self.lose_power(node, *lose, cause)),
            Action::Pause => nodes.iter().for_each(|&node| self.pause(node, cause)),
            Action::Isolate => self.isolate(&nodes, cause),
            Action::Elect(request) => self.administer(Message::ElectLeaders(*request), cause),
            Action::Reassign(request) => self.administer(Message::Reassign(*request), cause),
        }
        self.schedule.states[fault].nodes = nodes;
        match described.lasts {
            Some(span) => {
                self.queue.push(self.now + span, Due { what: What::Over(number), cause });
            }
            // It lasts until the heal act, which it does not keep from coming.
            None => self.schedule.outstanding -= 1,
        }
    }

    /// A fault is over, by its own time or by the heal act.
    pub(super) fn end_fault(&mut self, fault: usize, cause: EventSeq) {
        let state = &mut self.schedule.states[fault];
        if state.ended || !state.struck {
            return;
        }
        let nodes = std::mem::take(&mut state.nodes);
        if self.model.faults[fault].lasts.is_some() {
            self.schedule.close(fault);
        } else {
            self.schedule.states[fault].ended = true;
        }
        let first = nodes.first().copied().unwrap_or(NodeId::NOBODY);
        let cause = self.note(first, Happened::Ended { fault: fault as u32 }, cause);
        match self.model.faults[fault].action {
            Action::Crash => {
                for &node in &nodes {
                    self.machines[usize::from(node.0)].killed -= 1;
                    self.start_if_possible(node, cause);
                }
            }
            Action::Stop => {
                for &node in &nodes {
                    self.machines[usize::from(node.0)].stopped -= 1;
                    self.start_if_possible(node, cause);
                }
            }
            Action::PowerLoss(_) => {
                for &node in &nodes {
                    let machine = &mut self.machines[usize::from(node.0)];
                    machine.dark -= 1;
                    if machine.dark == 0 {
                        self.network.machine_started(node);
                    }
                    self.start_if_possible(node, cause);
                }
            }
            Action::Pause => nodes.iter().for_each(|&node| self.resume(node, cause)),
            Action::Isolate => self.join(&nodes, cause),
            // What an administrator did is not undone.
            Action::Elect(_) | Action::Reassign(_) => (),
        }
        self.schedule.states[fault].nodes = nodes;
    }

    /// Ends every fault that still lasts.
    pub(super) fn end_all_faults(&mut self, cause: EventSeq) {
        for fault in 0..self.schedule.states.len() {
            self.end_fault(fault, cause);
        }
    }

    /// Whom a target means now.
    fn resolve(&self, target: &Target) -> Vec<NodeId> {
        let led_by = |partition: PartitionId| self.controller.partition(partition).leader;
        match target {
            Target::Brokers(brokers) | Target::Rack(_, brokers) => brokers.clone(),
            Target::Leader(partition) => led_by(*partition).into_iter().collect(),
            Target::Follower(partition, nth) => {
                let state = self.controller.partition(*partition);
                let mut followers = state.replicas.iter().filter(|&replica| state.leader != Some(replica));
                followers.nth(usize::from(*nth)).into_iter().collect()
            }
            Target::Isr(partition) => self.controller.partition(*partition).isr.iter().collect(),
            Target::Partition(partition) => {
                vec![led_by(*partition).unwrap_or(self.model.controller())]
            }
            Target::Controller => vec![self.model.controller()],
        }
    }

    /// Whether a fault means anything to this node now. A machine loses its page cache even if its process is dead already.
    fn can_strike(&self, node: NodeId, action: &Action) -> bool {
        let machine = &self.machines[usize::from(node.0)];
        match action {
            Action::Crash | Action::Pause => machine.running,
            Action::Stop => machine.running && !machine.stopping,
            Action::PowerLoss(_) => machine.dark == 0,
            Action::Isolate => true,
            Action::Elect(_) | Action::Reassign(_) => {
                self.machines[usize::from(self.model.controller().0)].running
            }
        }
    }

    fn crash(&mut self, node: NodeId, cause: EventSeq) {
        self.machines[usize::from(node.0)].killed += 1;
        self.end_process(node, cause);
        self.note(node, Happened::Crashed, cause);
    }

    /// Asks the process to end (SIGTERM). One that stands still hears of it when it goes on.
    fn stop(&mut self, node: NodeId, cause: EventSeq) {
        let machine = &mut self.machines[usize::from(node.0)];
        machine.stopped += 1;
        machine.stopping = true;
        let is_paused = machine.paused > 0;
        let cause = self.note(node, Happened::Stopping, cause);
        if is_paused {
            self.machines[usize::from(node.0)].held.push((Held::Stop, cause));
        } else {
            self.tell(node, Told::Stop, cause);
        }
    }

    /// Hands an administrator's request to the controller, over no network. One that stands still has it when it goes on.
    fn administer(&mut self, message: Message, cause: EventSeq) {
        let nowhere = ConnectionId { slot: u32::MAX, generation: u32::MAX };
        let (server, from) = (self.model.controller(), NodeId::NOBODY);
        self.deliver(Delivery::Request { server, connection: nowhere, from, message }, cause);
    }

    fn lose_power(&mut self, node: NodeId, lose: Lose, cause: EventSeq) {
        let machine = &mut self.machines[usize::from(node.0)];
        machine.dark += 1;
        if machine.running {
            self.end_process(node, cause);
        } else {
            // A start under way comes to nothing, and the kernel with its sockets is gone.
            self.machines[usize::from(node.0)].starts += 1;
            let (network, now, mut around) = self.around(cause);
            network.machine_died(now, node, &mut around);
        }
        let cause = self.note(node, Happened::PowerLost, cause);
        if usize::from(node.0) <= self.brokers.len() {
            self.lose_bytes(node, lose, cause);
        }
    }

    /// What the dark machine's disk has left, and what that makes of its logs.
    fn lose_bytes(&mut self, node: NodeId, lose: Lose, cause: EventSeq) {
        let (now, place) = (self.now, usize::from(node.0) - 1);
        let partitions = self.brokers[place].partitions().to_vec();
        let durable: Vec<Bytes> = partitions
            .iter()
            .map(|&partition| self.disks[place].durable(AnyFile::Broker(File::Log(partition))))
            .collect();
        let how = match lose {
            Lose::Drawn => disk::Lose::Drawn,
            Lose::AllUnsynced => disk::Lose::AllUnsynced,
            Lose::Nothing | Lose::Records(_) => disk::Lose::Nothing,
        };
        let mut survivors = Vec::new();
        self.disks[place].power_loss(now, how, &self.chance, &mut survivors);
        for (partition, durable) in partitions.into_iter().zip(durable) {
            let file = AnyFile::Broker(File::Log(partition));
            let mut left = self.disks[place].length(file);
            if let Lose::Records(records) = lose {
                let log = self.brokers[place].log(partition).expect("a partition it has");
                let keep = log.bytes_up_to(log.end().0.saturating_sub(records), &self.store);
                left = left.min(keep.max(durable));
            }
            let (old, new, length) = self.brokers[place].stored_mut().lose(partition, left, &self.store);
            self.disks[place].truncate(file, length);
            if old != new {
                self.note(node, Happened::Lost { partition, old, new }, cause);
            }
        }
    }

    fn pause(&mut self, node: NodeId, cause: EventSeq) {
        self.machines[usize::from(node.0)].paused += 1;
        self.note(node, Happened::Paused, cause);
    }

    fn resume(&mut self, node: NodeId, cause: EventSeq) {
        let machine = &mut self.machines[usize::from(node.0)];
        // It may have been killed while it stood still.
        if machine.paused == 0 {
            return;
        }
        machine.paused -= 1;
        if machine.paused == 0 {
            self.note(node, Happened::Resumed, cause);
            self.release_held(node);
        }
    }

    /// Cuts every link between the set and everybody else.
    fn isolate(&mut self, nodes: &[NodeId], cause: EventSeq) {
        for &node in nodes {
            for other in self.outside(nodes) {
                self.network.cut(node, other);
                self.network.cut(other, node);
            }
            self.note(node, Happened::Isolated, cause);
        }
    }

    fn join(&mut self, nodes: &[NodeId], cause: EventSeq) {
        for &node in nodes {
            for other in self.outside(nodes) {
                self.network.heal(node, other);
                self.network.heal(other, node);
            }
            self.note(node, Happened::Joined, cause);
        }
    }

    fn outside(&self, nodes: &[NodeId]) -> Vec<NodeId> {
        (1..=self.model.node_count()).map(NodeId).filter(|node| !nodes.contains(node)).collect()
    }

    /// Orders the start of a process if nothing keeps it from running.
    pub(super) fn start_if_possible(&mut self, node: NodeId, cause: EventSeq) {
        let machine = &mut self.machines[usize::from(node.0)];
        if machine.running || machine.exited || machine.is_kept_down() {
            return;
        }
        machine.starts += 1;
        let (order, occasion) = (machine.starts, Occasion(u64::from(machine.starts), 0));
        let draw = self.chance.draw(Purpose::StartUp, u64::from(node.0), occasion);
        let takes = self.model.cluster.start_time.sample(draw);
        self.queue.push(self.now + takes, Due { what: What::Start { node, order }, cause });
    }

    /// A process that was ordered to start has come up.
    pub(super) fn on_start(&mut self, node: NodeId, order: u32, cause: EventSeq) {
        let machine = &self.machines[usize::from(node.0)];
        let overtaken = machine.starts != order || machine.running || machine.is_kept_down();
        if !overtaken {
            self.begin_process(node, cause);
        }
    }
}
