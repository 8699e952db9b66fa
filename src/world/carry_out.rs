//! Effects carried out: the one place where what a node asks for becomes something that happens.

use super::due::{AnyFile, Due, What};
use super::happened::Happened;
use super::machine::Held;
use super::observe::Observer;
use super::spoken::Spoken;
use super::strike::link::Hold;
use super::world::World;
use crate::cluster::broker::Broker;
use crate::cluster::broker::storage::File;
use crate::cluster::protocol::Message;
use crate::cluster::store::Store;
use crate::devices::network::{Delivery, Pending, Surroundings};
use crate::devices::port::{Effect, Timer};
use crate::kernel::chance::{Chance, Occasion, Purpose};
use crate::kernel::distribution::Distribution;
use crate::kernel::queue::Queue;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Span, Time};

/// What the network needs of the world for one call.
pub(super) struct Around<'a> {
    pub(super) chance: &'a Chance,
    pub(super) queue: &'a mut Queue<Due>,
    pub(super) store: &'a mut Store,
    pub(super) holds: &'a [Hold],
    pub(super) cause: EventSeq,
}

impl Surroundings<Message> for Around<'_> {
    fn chance(&self) -> &Chance {
        self.chance
    }

    #[inline]
    fn keeps_back(&self, from: NodeId, to: NodeId, message: &Message) -> bool {
        self.holds.iter().any(|hold| hold.keeps_back(from, to, message))
    }

    #[inline(always)]
    fn schedule(&mut self, at: Time, pending: Pending) {
        self.queue.push(at, Due { what: What::Network(pending), cause: self.cause });
    }

    fn lost(&mut self, message: Message) {
        self.store.release(message);
    }
}

impl<O: Observer> World<O> {
    /// Carries effects out in the order they were asked for.
    #[inline(never)]
    pub(super) fn carry_out<P: Spoken>(
        &mut self,
        node: NodeId,
        effects: &mut Vec<Effect<P>>,
        cause: EventSeq,
    ) {
        let mut asked = effects.iter();
        while let Some(effect) = asked.next() {
            match *effect {
                Effect::Note(note) => {
                    let note = P::note(note);
                    self.count_sends(node, &note);
                    self.note(node, note, cause);
                }
                Effect::Send(peer, message, bytes) => {
                    let sent = self.note_message(node, Happened::Sent { to: peer.node, bytes }, cause);
                    let (network, now, mut around) = self.around(sent);
                    network.send(now, node, peer, message, bytes, &mut around);
                }
                Effect::Respond(connection, message, bytes) => {
                    let sent = match message {
                        Some(_) => self.note_message(
                            node,
                            Happened::Answered { connection: connection.slot, bytes },
                            cause,
                        ),
                        None => cause,
                    };
                    let (network, now, mut around) = self.around(sent);
                    let next = network.respond(now, connection, message, bytes, &mut around);
                    if !matches!(next, Delivery::Nothing) {
                        self.ready.push_back((next, cause));
                    }
                }
                Effect::SetTimer(timer, least, most) => {
                    let after = if least == most {
                        least
                    } else {
                        let between = Distribution::Uniform(least, most);
                        self.draw_span(Purpose::Backoff, node, timer.slot(), between)
                    };
                    self.set_timer::<P>(node, timer, after, cause);
                }
                Effect::SetTimerDrawn(timer, distribution) => {
                    let after = self.draw_span(Purpose::Workload, node, timer.slot(), distribution);
                    self.set_timer::<P>(node, timer, after, cause);
                }
                Effect::CancelTimer(timer) => self.machines[usize::from(node.0)].unwant(timer.slot()),
                Effect::Append(file, bytes) => {
                    let now = self.now;
                    self.disk(node).append(now, P::file(file), bytes);
                }
                Effect::Truncate(file, length) => self.disk(node).truncate(P::file(file), length),
                Effect::Delete(file) => self.take_away(node, P::file(file)),
                Effect::Replace(file, bytes, token) => {
                    let disk = &mut self.disks[usize::from(node.0) - 1];
                    let at = disk.replace(self.now, P::file(file), bytes, token, &self.chance);
                    self.schedule_fsync(node, P::file(file), token, at, cause);
                }
                Effect::Flush(file, token) => {
                    let disk = &mut self.disks[usize::from(node.0) - 1];
                    let at = disk.flush(self.now, P::file(file), token, &self.chance);
                    self.schedule_fsync(node, P::file(file), token, at, cause);
                }
                Effect::Listen => self.network.process_started(node),
                Effect::StopListening => {
                    let (network, now, mut around) = self.around(cause);
                    network.stop_serving(now, node, &mut around);
                }
                Effect::Connect { peer, round_trips } => {
                    let (network, now, mut around) = self.around(cause);
                    network.connect(now, node, peer, round_trips, &mut around);
                }
                Effect::Close(peer) => {
                    let (network, now, mut around) = self.around(cause);
                    network.close(now, node, peer, &mut around);
                }
                Effect::TakeNext(connection) => {
                    let next = self.network.take_next(connection);
                    if !matches!(next, Delivery::Nothing) {
                        self.ready.push_back((next, cause));
                    }
                }
                Effect::Hangup(connection) => {
                    let (network, now, mut around) = self.around(cause);
                    network.hangup(now, connection, &mut around);
                }
                Effect::Exit => {
                    self.exit(node, cause);
                    asked.as_slice().iter().for_each(|behind| self.drop_effect(behind));
                    break;
                }
            }
        }
        effects.clear();
    }

    /// How long until an alarm whose time is drawn.
    // Apart, so that what comes more often stays short.
    #[inline(never)]
    fn draw_span(&self, purpose: Purpose, node: NodeId, slot: u32, distribution: Distribution) -> Span {
        let occasion = Occasion(u64::from(slot), self.now.nanoseconds());
        distribution.sample(self.chance.draw(purpose, u64::from(node.0), occasion))
    }

    #[inline]
    pub(super) fn set_timer<P: Spoken>(
        &mut self,
        node: NodeId,
        timer: P::Timer,
        after: Span,
        cause: EventSeq,
    ) {
        let (slot, at) = (timer.slot(), self.now + after);
        let machine = &mut self.machines[usize::from(node.0)];
        if at == Time::NEVER {
            machine.unwant(slot);
        } else if machine.want(slot, at, cause) {
            let due = Due { what: What::Alarm(node, slot, P::timer(timer)), cause: EventSeq(0) };
            self.queue.push(at, due);
        }
    }

    /// The clean-shutdown file goes without an fsync of its directory (`CleanShutdownFileHandler.delete`).
    fn take_away(&mut self, node: NodeId, file: AnyFile) {
        let now = self.now;
        match file {
            AnyFile::Broker(File::CleanShutdown) => self.disk(node).unlink(now, file),
            AnyFile::Broker(_) | AnyFile::Controller(_) => self.disk(node).delete(file),
        }
    }

    fn schedule_fsync(&mut self, node: NodeId, file: AnyFile, token: u32, at: Time, cause: EventSeq) {
        let incarnation = self.machines[usize::from(node.0)].starts;
        let due = Due { what: What::Fsync { node, file, token, incarnation }, cause };
        self.queue.push(at, due);
        if self.disk(node).is_slow() {
            self.expect_sooner(node, due);
        }
    }

    /// A process ends of its own will: a client's because it is done; a server's because its disk has failed it, until that is
    /// well, or because it was asked to end, in which case it is started again some time.
    fn exit(&mut self, node: NodeId, cause: EventSeq) {
        let is_server = node < self.model.producer_node(0);
        let machine = &mut self.machines[usize::from(node.0)];
        let was_asked = machine.stopping;
        machine.exited |= !is_server && !was_asked;
        // One that stood still may hear of a failure only when the disk is well again, and is started again at once.
        machine.halted |= is_server && !was_asked && self.disks[usize::from(node.0) - 1].fails_writers();
        self.end_process(node, cause);
        if was_asked {
            // Asked to end before it served, a broker ends as if it were killed.
            let is_clean = self.brokers.get(usize::from(node.0) - 1).is_none_or(Broker::has_stopped_cleanly);
            let what = if is_clean { Happened::Stopped } else { Happened::Crashed };
            let cause = self.note(node, what, cause);
            self.start_if_possible(node, cause);
        } else if is_server {
            let cause = self.note(node, Happened::Halted, cause);
            self.start_if_possible(node, cause);
        }
    }

    /// What a process asked for behind its own end.
    #[cold]
    fn drop_effect<P: Spoken>(&mut self, effect: &Effect<P>) {
        if let Effect::Send(_, message, _) | Effect::Respond(_, Some(message), _) = *effect {
            self.store.release(message);
        }
    }

    /// A process is no more: its kernel closes its connections, its memory is gone.
    pub(super) fn end_process(&mut self, node: NodeId, cause: EventSeq) {
        let held = std::mem::take(&mut self.machines[usize::from(node.0)].held);
        for (what, _) in held {
            if let Held::Delivery(delivery) = what {
                self.drop_delivery(delivery);
            }
        }
        // A process that ends while it handles something is not told of the request behind it.
        for (delivery, cause) in std::mem::take(&mut self.ready) {
            if matches!(delivery, Delivery::Request { server, .. } if server == node) {
                self.drop_delivery(delivery);
            } else {
                self.ready.push_back((delivery, cause));
            }
        }
        let machine = &mut self.machines[usize::from(node.0)];
        machine.running = false;
        machine.stopping = false;
        machine.pauses.clear();
        machine.forget_alarms();
        let is_dark = machine.dark > 0;
        let (network, now, mut around) = self.around(cause);
        if is_dark {
            network.machine_died(now, node, &mut around);
        } else {
            network.process_died(now, node, &mut around);
        }
        let id = usize::from(node.0);
        if id <= self.brokers.len() {
            self.brokers[id - 1].crash();
        } else if let Some(place) = self.model.voters().place(node) {
            self.controllers[place].crash();
        } else {
            let client = id - usize::from(self.model.producer_node(0).0);
            match self.producers.get_mut(client) {
                Some(producer) => producer.crash(),
                None => panic!("nothing ends a reader's process"),
            }
        }
    }
}
