//! Faults as they strike and end: whom, what they do, what they undo.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | a fault's time has come, or is over; whom it means |
//! | [`schedule`] | what waits for an instant or for something to happen |
//! | `process` | processes killed, stopped and started |
//! | `power` | machines that go dark, disks that lose what they held |
//! | [`link`] | links that are cut or slow, messages that are kept back |
//! | `clock` | clocks that are set |
//! | `topic` | what an administrator does |
//! | `disk` | disks that are slow, stall, are full, fail or lie, and bytes that go bad |

mod clock;
mod disk;
pub(super) mod link;
mod power;
mod process;
pub(super) mod schedule;
mod topic;

use std::sync::Arc;

use super::due::{Due, What};
use super::happened::Happened;
use super::observe::Observer;
use super::world::World;
use crate::cluster::broker::storage::File;
use crate::cluster::log::segments::Segment;
use crate::cluster::protocol::{ElectLeaders, Reassign};
use crate::cluster::units::PartitionId;
use crate::devices::disk::Ill;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::NodeId;
use crate::scenario::fault::{Action, Fault, Target};
use crate::world::due::AnyFile;

impl<O: Observer> World<O> {
    /// A fault's time has come.
    pub(super) fn strike(&mut self, fault: usize, cause: EventSeq) {
        if self.is_healed() {
            return;
        }
        let model = Arc::clone(&self.model);
        let described = &model.faults[fault];
        let mut nodes = self.resolve(&described.on);
        nodes.retain(|&node| self.can_strike(node, described));
        let ways = self.ways(&nodes, &described.action);
        let number = fault as u32;
        self.schedule.states[fault].struck = true;
        let Some(&first) = nodes.first().filter(|_| ways.as_ref().is_none_or(|ways| !ways.is_empty())) else {
            self.note(NodeId::NOBODY, Happened::NoEffect { fault: number }, cause);
            return self.schedule.close(fault);
        };
        if self.would_exceed(described, &nodes) {
            self.note(first, Happened::Withheld { fault: number }, cause);
            return self.schedule.close(fault);
        }
        self.schedule.took_effect = true;
        let cause = self.note(first, Happened::Struck { fault: number }, cause);
        let ways = ways.unwrap_or_default();
        match &described.action {
            Action::Crash => nodes.iter().for_each(|&node| self.crash(node, cause)),
            Action::Stop => nodes.iter().for_each(|&node| self.stop(node, cause)),
            Action::PowerLoss(lose) => nodes.iter().for_each(|&node| self.lose_power(node, *lose, cause)),
            Action::Wipe => self.wipe(&nodes, cause),
            Action::Pause => nodes.iter().for_each(|&node| self.pause(node, fault as u32, cause)),
            Action::Isolate { .. } => self.isolate(&nodes, &ways, cause),
            Action::Cut { .. } => self.cut(&ways, cause),
            Action::SlowLink { slower, .. } => self.slow(&ways, *slower, cause),
            Action::Hold { what, .. } => self.hold(&ways, *what, cause),
            Action::BitRot { .. } => self.rot(fault, &nodes, cause),
            Action::ClockJump(jump) => self.set_clocks(&nodes, *jump, cause),
            Action::Elect(request) => self.elect(*request, cause),
            Action::Reassign(request) => self.reassign(*request, cause),
            Action::AddPartitions { total } => self.add_partitions(described, *total, cause),
            Action::DeleteTopic => self.delete_topic(described, cause),
            Action::Set(whose, setting) => self.set(described, &nodes, (*whose, *setting), cause),
            action @ (Action::SlowDisk(_)
            | Action::StallDisk
            | Action::FullDisk
            | Action::FsyncFails
            | Action::FsyncLies) => self.sicken(&nodes, action, cause),
        }
        let state = &mut self.schedule.states[fault];
        state.nodes = nodes;
        state.ways = ways;
        match described.lasts {
            Some(span) => {
                self.queue.push(self.now + span, Due { what: What::Over(number), cause });
            }
            // It lasts until the heal act, which it does not keep from coming.
            None => {
                self.schedule.outstanding -= 1;
                if matches!(described.action, Action::Crash | Action::Stop | Action::PowerLoss(_)) {
                    self.schedule.states[fault]
                        .nodes
                        .clone()
                        .into_iter()
                        .for_each(|node| self.expect_no_more_calls(node, cause));
                }
            }
        }
    }

    /// A fault is over, by its own time or by the heal act.
    pub(super) fn end_fault(&mut self, fault: usize, cause: EventSeq) {
        let state = &mut self.schedule.states[fault];
        if state.ended || !state.struck {
            return;
        }
        let (nodes, ways) = (std::mem::take(&mut state.nodes), std::mem::take(&mut state.ways));
        let model = Arc::clone(&self.model);
        let described = &model.faults[fault];
        if described.lasts.is_some() {
            self.schedule.close(fault);
        } else {
            self.schedule.states[fault].ended = true;
        }
        let first = nodes.first().copied().unwrap_or(NodeId::NOBODY);
        let cause = self.note(first, Happened::Ended { fault: fault as u32 }, cause);
        match &described.action {
            Action::Crash | Action::Wipe => nodes.iter().for_each(|&node| self.spare(node, cause)),
            Action::Stop => nodes.iter().for_each(|&node| self.allow(node, cause)),
            Action::PowerLoss(_) => nodes.iter().for_each(|&node| self.restore_power(node, cause)),
            Action::Pause => nodes.iter().for_each(|&node| self.resume(node, fault as u32, cause)),
            Action::Isolate { .. } => self.join(&nodes, &ways, cause),
            Action::Cut { .. } => self.mend(&ways, cause),
            Action::SlowLink { slower, .. } => self.bring_to_speed(&ways, *slower, cause),
            Action::Hold { what, .. } => self.let_go(&ways, *what, cause),
            Action::DeleteTopic => self.make_anew(fault, cause),
            // What else an administrator did is not undone.
            Action::Elect(_) | Action::Reassign(_) | Action::AddPartitions { .. } | Action::Set(..) => (),
            // What has gone bad stays so.
            Action::BitRot { .. } => (),
            Action::ClockJump(jump) => self.set_clocks(&nodes, jump.undone(), cause),
            action @ (Action::SlowDisk(_)
            | Action::StallDisk
            | Action::FullDisk
            | Action::FsyncFails
            | Action::FsyncLies) => self.cure(&nodes, action, cause),
        }
    }

    /// Ends every fault that still lasts.
    pub(super) fn end_all_faults(&mut self, cause: EventSeq) {
        for fault in 0..self.schedule.states.len() {
            self.end_fault(fault, cause);
        }
    }

    /// Whom a target means now, each once.
    fn resolve(&self, target: &Target) -> Vec<NodeId> {
        let decided = |partition: &PartitionId| &self.decided[self.as_it_is_now(*partition).0 as usize];
        match target {
            Target::Brokers(brokers) | Target::Rack(_, brokers) => brokers.clone(),
            Target::Leader(partition) => decided(partition).leader.into_iter().collect(),
            Target::Follower(partition, nth) => {
                let state = decided(partition);
                let mut followers = state.replicas.iter().filter(|&replica| state.leader != Some(replica));
                followers.nth(usize::from(*nth)).into_iter().collect()
            }
            Target::Isr(partition) => decided(partition).isr.iter().collect(),
            Target::Partition(partition) => {
                vec![decided(partition).leader.unwrap_or(self.model.controller())]
            }
            Target::Topic(topic) => {
                let first = self.model.topics[topic.0 as usize].first_partition;
                vec![decided(&first).leader.unwrap_or(self.model.controller())]
            }
            // A single controller is meant even when it does not run.
            Target::Controller if self.model.cluster.controllers == 1 => vec![self.model.controller()],
            Target::Controller => self.active_controller().into_iter().collect(),
            Target::Controllers => self.model.voters().iter().collect(),
            Target::SomeControllers(controllers) => controllers.clone(),
            Target::Clients => self.model.clients().collect(),
            Target::Producer(place) => vec![self.model.producer_node(*place)],
            Target::All(targets) => {
                let mut all = Vec::new();
                for node in targets.iter().flat_map(|target| self.resolve(target)) {
                    if !all.contains(&node) {
                        all.push(node);
                    }
                }
                all
            }
        }
    }

    /// Whether a fault means anything to this node now. A machine loses its page cache even if its process is dead already.
    fn can_strike(&self, node: NodeId, fault: &Fault) -> bool {
        let machine = &self.machines[usize::from(node.0)];
        let is_reader = node >= self.model.reader_node(0);
        match &fault.action {
            Action::Pause => machine.running,
            Action::Crash => machine.running && !is_reader,
            Action::Stop => machine.running && !machine.stopping && !is_reader,
            Action::Elect(ElectLeaders { partition, .. }) | Action::Reassign(Reassign { partition, .. }) => {
                let partition = self.as_it_is_now(*partition);
                self.active_controller().is_some() && self.decided[partition.0 as usize].is_there()
            }
            Action::AddPartitions { total } => {
                self.active_controller().is_some() && self.has_fewer_partitions(fault, *total)
            }
            Action::DeleteTopic => self.active_controller().is_some() && self.may_be_deleted(fault),
            Action::Set(whose, _) => self.may_be_set(fault, *whose, node),
            Action::PowerLoss(_) => {
                let is_client = node >= self.model.producer_node(0);
                machine.dark == 0 && !is_reader && (machine.running || !is_client)
            }
            Action::Wipe => usize::from(node.0) <= self.brokers.len(),
            Action::BitRot { partition, offset } => self.has_batch(node, *partition, *offset),
            Action::ClockJump(_) => self.model.voters().place(node).is_none(),
            Action::Isolate { .. } | Action::Cut { .. } | Action::SlowLink { .. } | Action::Hold { .. } => {
                true
            }
            Action::SlowDisk(_)
            | Action::StallDisk
            | Action::FullDisk
            | Action::FsyncFails
            | Action::FsyncLies => usize::from(node.0) <= self.disks.len(),
        }
    }

    /// Whether a fault that may be withheld would be more than Kafka's promises are good for. A broker whose disk fails it is
    /// about to stop. What a power loss takes is drawn when it strikes: until then, anything that was never fsynced.
    fn would_exceed(&self, fault: &Fault, nodes: &[NodeId]) -> bool {
        let Some(standings) = self.schedule.standings.as_ref().filter(|_| fault.within_budget) else {
            return false;
        };
        let (stops, takes, takes_all) = match &fault.action {
            // Asked to stop before it serves, a broker stops as if it were killed.
            Action::Crash | Action::Stop | Action::FullDisk | Action::FsyncFails => (true, false, false),
            Action::PowerLoss(_) => (true, true, false),
            Action::Wipe => (true, true, true),
            // A promise knows no bit rot at all.
            Action::BitRot { .. } => return true,
            Action::Pause
            | Action::Isolate { .. }
            | Action::Cut { .. }
            | Action::SlowLink { .. }
            | Action::Hold { .. }
            | Action::SlowDisk(_)
            | Action::StallDisk
            | Action::FsyncLies
            | Action::ClockJump(_)
            | Action::Elect(_)
            | Action::Reassign(_)
            | Action::AddPartitions { .. }
            | Action::DeleteTopic
            | Action::Set(..) => (false, false, false),
        };
        if !stops {
            return false;
        }
        let failed =
            |node: &NodeId| !nodes.contains(node) && self.disks[usize::from(node.0) - 1].fails_writers();
        let mut stop = nodes.to_vec();
        stop.extend(self.model.brokers().filter(failed));
        standings.would_exceed(&stop, |node, partition| {
            let place = usize::from(node.0) - 1;
            let is_unsynced = |segment: &Segment| {
                let (disk, file) = (&self.disks[place], AnyFile::Broker(File::Log(partition, segment.base)));
                disk.durable(file) < disk.length(file)
            };
            let log = self.brokers[place].log(partition);
            let is_any_unsynced = || log.is_some_and(|log| log.segments().iter().any(is_unsynced));
            takes && nodes.contains(&node) && (takes_all || is_any_unsynced())
        })
    }
}

/// What an action does to a disk, if it is one of those that do.
fn ill(action: &Action) -> Option<Ill> {
    match action {
        Action::SlowDisk(factor) => Some(Ill::Slow(*factor)),
        Action::StallDisk => Some(Ill::Stalled),
        Action::FullDisk => Some(Ill::Full),
        Action::FsyncFails => Some(Ill::FailsFsyncs),
        Action::FsyncLies => Some(Ill::LiesAboutFsyncs),
        Action::Crash
        | Action::PowerLoss(_)
        | Action::Wipe
        | Action::Pause
        | Action::Isolate { .. }
        | Action::Cut { .. }
        | Action::SlowLink { .. }
        | Action::Hold { .. }
        | Action::BitRot { .. }
        | Action::ClockJump(_)
        | Action::Stop
        | Action::Elect(_)
        | Action::Reassign(_)
        | Action::AddPartitions { .. }
        | Action::DeleteTopic
        | Action::Set(..) => None,
    }
}
