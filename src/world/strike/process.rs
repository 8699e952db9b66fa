//! Processes killed, stopped where they stand, and started.

use crate::clients;
use crate::cluster::protocol::{Administer, Message};
use crate::devices::network::Delivery;
use crate::devices::port::ConnectionId;
use crate::kernel::chance::{Occasion, Purpose};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Span};
use crate::world::due::{Due, What};
use crate::world::happened::Happened;
use crate::world::machine::Held;
use crate::world::observe::Observer;
use crate::world::spoken::Told;
use crate::world::world::World;

impl<O: Observer> World<O> {
    /// `kill -9`.
    pub(super) fn crash(&mut self, node: NodeId, cause: EventSeq) {
        self.machines[usize::from(node.0)].killed += 1;
        self.end_process(node, cause);
        self.note(node, Happened::Crashed, cause);
    }

    /// What killed the process is over.
    pub(super) fn spare(&mut self, node: NodeId, cause: EventSeq) {
        self.machines[usize::from(node.0)].killed -= 1;
        self.start_if_possible(node, cause);
    }

    /// A process that does not come back before everything heals: if it is a client's, the calls it has not made are waited
    /// for no more, and when it comes back it does not make them.
    pub(in crate::world) fn expect_no_more_calls(&mut self, node: NodeId, cause: EventSeq) {
        let client = usize::from(node.0).wrapping_sub(usize::from(self.model.producer_node(0).0));
        let Some(producer) = self.producers.get_mut(client) else { return };
        let calls = producer.make_no_more_calls();
        if calls > 0 {
            self.wait_for_less(node, calls.into());
            self.note(node, Happened::Client(clients::happened::Happened::GaveUp { calls }), cause);
        }
    }

    /// Asks the process to end (SIGTERM). One that stands still hears of it when it goes on.
    pub(super) fn stop(&mut self, node: NodeId, cause: EventSeq) {
        let machine = &mut self.machines[usize::from(node.0)];
        machine.stopped += 1;
        machine.stopping = true;
        let is_paused = machine.is_paused();
        let cause = self.note(node, Happened::Stopping, cause);
        if is_paused {
            self.machines[usize::from(node.0)].held.push((Held::Stop, cause));
        } else {
            self.tell(node, Told::Stop, cause);
        }
    }

    /// What was asked to end may run again.
    pub(super) fn allow(&mut self, node: NodeId, cause: EventSeq) {
        self.machines[usize::from(node.0)].stopped -= 1;
        self.start_if_possible(node, cause);
    }

    /// Hands an administrator's request to the controller, over no network. One that stands still has it when it goes on.
    pub(super) fn administer(&mut self, request: Administer, cause: EventSeq) {
        let nowhere = ConnectionId { slot: u32::MAX, generation: u32::MAX };
        let Some(server) = self.active_controller() else { return };
        let (from, message) = (NodeId::NOBODY, Message::Administer(request));
        self.deliver(Delivery::Request { server, connection: nowhere, from, message }, cause);
    }

    /// The active controller: of several that believe to be, the one of the newest epoch.
    pub(in crate::world) fn active_controller(&self) -> Option<NodeId> {
        let running = self.controllers.iter().filter(|one| self.machines[usize::from(one.id().0)].running);
        let active = running.filter_map(|one| Some((one.active_epoch()?, one.id())));
        active.max().map(|(_, id)| id)
    }

    pub(super) fn pause(&mut self, node: NodeId, fault: u32, cause: EventSeq) {
        self.machines[usize::from(node.0)].pauses.push(fault);
        self.note(node, Happened::Paused, cause);
    }

    pub(super) fn resume(&mut self, node: NodeId, fault: u32, cause: EventSeq) {
        let machine = &mut self.machines[usize::from(node.0)];
        // It may have been killed while it stood still.
        let Some(place) = machine.pauses.iter().position(|&pause| pause == fault) else { return };
        machine.pauses.remove(place);
        if !machine.is_paused() {
            self.note(node, Happened::Resumed, cause);
            self.release_held(node);
        }
    }

    /// Orders the start of a process if nothing keeps it from running. A client's takes no time.
    pub(in crate::world) fn start_if_possible(&mut self, node: NodeId, cause: EventSeq) {
        let machine = &mut self.machines[usize::from(node.0)];
        if machine.running || machine.is_kept_down() {
            return;
        }
        machine.starts += 1;
        let (order, occasion) = (machine.starts, Occasion(u64::from(machine.starts), 0));
        let takes = if node >= self.model.producer_node(0) {
            Span::ZERO
        } else {
            let draw = self.chance.draw(Purpose::StartUp, u64::from(node.0), occasion);
            self.model.cluster.start_time.sample(draw)
        };
        self.queue.push(self.now + takes, Due { what: What::Start { node, order }, cause });
    }

    /// A process that was ordered to start has come up.
    pub(in crate::world) fn on_start(&mut self, node: NodeId, order: u32, cause: EventSeq) {
        let machine = &self.machines[usize::from(node.0)];
        let overtaken = machine.starts != order || machine.running || machine.is_kept_down();
        if !overtaken {
            self.begin_process(node, cause);
        }
    }
}
