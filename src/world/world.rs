//! The world: nodes, devices and the queue, and the only interpreter of effects.

use std::collections::VecDeque;
use std::sync::Arc;

use super::carry_out::Around;
use super::due::{AnyFile, AnyTimer, Due, What};
use super::furnish::build_controllers;
use super::happened::Happened;
use super::machine::{Held, Machine, Rings, hearer};
use super::observe::{Observer, View};
use super::run::Act;
use super::spoken::{Spoken, Told};
use super::strike::schedule::Schedule;
use super::threads::Threads;
use crate::clients::consumer::{Reader, ReaderPort};
use crate::clients::producer::{Producer, ProducerPort};
use crate::cluster;
use crate::cluster::broker::storage::File;
use crate::cluster::broker::{Broker, BrokerPort};
use crate::cluster::controller::{Controller, ControllerPort};
use crate::cluster::protocol::{Message, PartitionState};
use crate::cluster::store::Store;
use crate::cluster::units::Incarnation;
use crate::devices::disk::Disk;
use crate::devices::network::{Delivery, Network};
use crate::devices::port::{Effect, Outbox};
use crate::kernel::chance::Chance;
use crate::kernel::queue::Queue;
use crate::kernel::trace::{Entry, EventSeq, Trace};
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;

/// Everything there is in one run, and whoever watches it. A copy goes its own way from the instant of copying.
#[derive(Clone, Debug)]
pub struct World<O> {
    pub(super) model: Arc<Model>,
    pub(super) now: Time,
    pub(super) queue: Queue<Due>,
    pub(super) chance: Chance,
    pub(super) network: Network<Message>,
    pub(super) threads: Threads,
    pub(super) store: Store,
    pub(super) brokers: Vec<Broker>,
    pub(super) controllers: Vec<Controller>,
    /// What a majority of the controllers has decided on each partition.
    pub(super) decided: Vec<PartitionState>,
    pub(super) producers: Vec<Producer>,
    pub(super) readers: Vec<Reader>,
    /// By node id.
    pub(super) machines: Vec<Machine>,
    /// By broker, from 1; then the controllers'.
    pub(super) disks: Vec<Disk<AnyFile>>,
    pub(super) schedule: Schedule,
    pub(super) trace: Trace<Happened>,
    pub(super) observer: O,
    /// What is told at this very instant, before the queue is asked again.
    pub(super) ready: VecDeque<(Delivery<Message>, EventSeq)>,
    effects: Effects,
    /// `send()` calls still to be made.
    pub(super) sends_left: u64,
    /// The same by producer.
    pub(super) sends_left_of: Vec<u64>,
    pub(super) act: Act,
}

/// Effects being carried out, one list a kind of node, kept for their memory.
#[derive(Clone, Debug, Default)]
struct Effects {
    broker: Vec<Effect<BrokerPort>>,
    controller: Vec<Effect<ControllerPort>>,
    producer: Vec<Effect<ProducerPort>>,
    reader: Vec<Effect<ReaderPort>>,
}

impl<O: Observer> World<O> {
    /// The world of this model and seed at time zero. With `keep_trace` every entry is kept, not only mixed into the digest.
    pub fn new(model: &Arc<Model>, seed: u64, keep_trace: bool, observer: O) -> World<O> {
        let nodes = model.node_count();
        let mut world = World {
            model: Arc::clone(model),
            now: Time::ZERO,
            queue: Queue::default(),
            chance: Chance::new(seed),
            network: Network::new(&model.network, nodes),
            threads: Threads::new(&model.cluster),
            store: Store::default(),
            brokers: Vec::new(),
            controllers: build_controllers(model),
            decided: Vec::new(),
            producers: Vec::new(),
            readers: Vec::new(),
            machines: Vec::new(),
            disks: Vec::new(),
            schedule: Schedule::default(),
            trace: Trace::new(keep_trace),
            observer,
            ready: VecDeque::new(),
            effects: Effects::default(),
            sends_left: 0,
            sends_left_of: Vec::new(),
            act: Act::Ahead,
        };
        world.furnish();
        world
    }

    /// Begins anew with another seed or model and keeps the memory that can be kept. Equal to a new world, but for the observer,
    /// which stays as it is.
    pub fn reset(&mut self, model: &Arc<Model>, seed: u64) {
        let keep_trace = self.trace.entries().is_some();
        self.model = Arc::clone(model);
        self.now = Time::ZERO;
        self.queue.clear();
        self.chance = Chance::new(seed);
        self.network.reset(&model.network, model.node_count());
        self.threads.reset(&model.cluster);
        self.store.clear();
        self.controllers = build_controllers(model);
        self.brokers.clear();
        self.producers.clear();
        self.readers.clear();
        self.trace = Trace::new(keep_trace);
        self.ready.clear();
        self.act = Act::Ahead;
        self.furnish();
    }

    /// The instant.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many events have been taken from the queue.
    pub fn events(&self) -> u64 {
        self.queue.taken()
    }

    /// What happened: the digest, and the entries if they were kept.
    pub fn trace(&self) -> &Trace<Happened> {
        &self.trace
    }

    /// Whoever watches.
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// The same, for another run.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// What an operator could see now.
    pub fn view(&self) -> View<'_> {
        View { model: &self.model, store: &self.store, brokers: &self.brokers, decided: &self.decided }
    }

    /// Takes the next event that is not after `last`, and everything it leads to at its instant. False if there is none.
    #[inline]
    pub(super) fn step(&mut self, last: Time) -> bool {
        let Some((time, due)) = self.queue.pop_until(last) else { return false };
        self.now = time;
        let Due { what, cause } = due;
        match what {
            What::Network(pending) => {
                let (network, _, mut around) = self.around(cause);
                let delivery = network.arrive(time, pending, &mut around);
                self.deliver_inline(delivery, cause);
            }
            What::Alarm(node, slot, timer) => self.on_alarm(node, slot, timer),
            What::Fsync { node, file, token, incarnation } => {
                self.on_fsync(node, file, token, incarnation, cause)
            }
            What::Handled(slot) => self.on_handled(slot, cause),
            What::Start { node, order } => self.on_start(node, order, cause),
            What::Strike(fault) => self.strike(fault as usize, cause),
            What::Over(fault) => self.end_fault(fault as usize, cause),
            What::MakeAnew(fault) => self.make_anew(fault as usize, cause),
        }
        while let Some((delivery, cause)) = self.ready.pop_front() {
            // Right after an answer that let the next request come, the process may have ended itself.
            let is_orphan = matches!(delivery, Delivery::Request { server, .. }
                if !self.machines[usize::from(server.0)].running);
            if is_orphan {
                self.drop_delivery(delivery);
            } else {
                self.deliver(delivery, cause);
            }
        }
        true
    }

    /// Notes that something has happened, and tells whoever watches.
    // Inlined so that what happened is written once, where it is read.
    #[inline(always)]
    pub(super) fn note(&mut self, node: NodeId, what: Happened, cause: EventSeq) -> EventSeq {
        let entry = Entry { n: self.trace.next(), t: self.now, node, what, cause };
        self.noted(&entry);
        entry.n
    }

    fn noted(&mut self, entry: &Entry<Happened>) {
        self.note_inline(entry);
    }

    /// The same for what is known where it is written to be a message on its way: half of all entries, of which the digest
    /// takes two numbers and most who watch take nothing.
    #[inline(always)]
    pub(super) fn note_message(&mut self, node: NodeId, what: Happened, cause: EventSeq) -> EventSeq {
        let entry = Entry { n: self.trace.next(), t: self.now, node, what, cause };
        self.note_inline(&entry);
        entry.n
    }

    #[inline(always)]
    fn note_inline(&mut self, entry: &Entry<Happened>) {
        self.trace.add(entry);
        let view =
            View { model: &self.model, store: &self.store, brokers: &self.brokers, decided: &self.decided };
        self.observer.observe(&view, entry);
        self.trace.keep(entry);
        if self.schedule.is_watching() {
            // A copy, that the entry itself need not be in memory.
            let what = entry.what;
            self.watch(entry.node, &what, entry.n);
        }
    }

    /// Something has reached a machine: its process is told, or will be when it goes on.
    #[inline(always)]
    fn deliver_inline(&mut self, delivery: Delivery<Message>, cause: EventSeq) {
        match delivery {
            Delivery::Nothing => (),
            Delivery::Connected(hearer) => {
                if !self.is_held(hearer.client, Held::Delivery(delivery), cause) {
                    self.tell(hearer.client, Told::Connected(hearer.peer), cause);
                }
            }
            Delivery::Disconnected(hearer) => {
                if !self.is_held(hearer.client, Held::Delivery(delivery), cause) {
                    self.tell(hearer.client, Told::Disconnected(hearer.peer), cause);
                }
            }
            Delivery::Response(hearer, message) => {
                let node = hearer.client;
                if !self.is_held(node, Held::Delivery(delivery), cause) {
                    let from = hearer.peer.node;
                    let cause = self.note_message(node, Happened::Delivered { from }, cause);
                    self.tell_inline(node, Told::Response(hearer.peer, message), cause);
                    self.store.release(message);
                }
            }
            Delivery::Request { server, connection, from, message } => {
                if self.is_held(server, Held::Delivery(delivery), cause) {
                    return;
                }
                if self.threads.take_time() && usize::from(server.0) <= self.brokers.len() {
                    return self.take_request(server, delivery, cause);
                }
                let cause = self.note_message(server, Happened::Delivered { from }, cause);
                self.tell_inline(server, Told::Request(connection, from, message), cause);
                self.store.release(message);
            }
        }
    }

    /// A request whose time is over.
    pub(super) fn hand_over(&mut self, delivery: Delivery<Message>, cause: EventSeq) {
        let Delivery::Request { server, connection, from, message } = delivery else {
            panic!("only requests are handed over")
        };
        let cause = self.note_message(server, Happened::Delivered { from }, cause);
        self.tell(server, Told::Request(connection, from, message), cause);
        self.store.release(message);
    }

    /// The same, where it is rare.
    #[inline(never)]
    pub(super) fn deliver(&mut self, delivery: Delivery<Message>, cause: EventSeq) {
        self.deliver_inline(delivery, cause);
    }

    /// Whether a process stands still: what reached it is kept for when it goes on.
    #[inline(always)]
    pub(super) fn is_held(&mut self, node: NodeId, what: Held, cause: EventSeq) -> bool {
        let machine = &mut self.machines[usize::from(node.0)];
        let is_paused = machine.is_paused();
        if is_paused {
            machine.held.push((what, cause));
        }
        is_paused
    }

    fn on_alarm(&mut self, node: NodeId, slot: u32, timer: AnyTimer) {
        let machine = &mut self.machines[usize::from(node.0)];
        match machine.rings(slot, self.now) {
            Rings::No => (),
            Rings::Later(at) => {
                self.queue.push(at, Due { what: What::Alarm(node, slot, timer), cause: EventSeq(0) });
            }
            Rings::Now(cause) if machine.is_paused() => {
                machine.held.push((Held::Timer(timer, self.now), cause))
            }
            Rings::Now(cause) => self.tell_inline(node, Told::Timer(timer), cause),
        }
    }

    fn on_fsync(&mut self, node: NodeId, file: AnyFile, token: u32, incarnation: u32, cause: EventSeq) {
        let now = self.now;
        let disk = self.disk(node);
        if let Some(until) = disk.delayed(now, file, token) {
            let due = Due { what: What::Fsync { node, file, token, incarnation }, cause };
            return self.put_off(node, until, due);
        }
        let failed = disk.failed(now, file, token);
        if !failed && !disk.flushed(now, file, token) {
            return;
        }
        if !failed {
            disk.synced(file.lies_in_log_dir());
        }
        if let AnyFile::Broker(File::Log(partition, base)) = file
            && !failed
        {
            let log = self.brokers[usize::from(node.0) - 1].log(partition).expect("a log was fsynced");
            let segment = log.segments()[log.segment_of(base)];
            let bytes = segment.position + self.disk(node).durable(file);
            self.note(node, Happened::Fsynced { partition, bytes }, cause);
        }
        let machine = &mut self.machines[usize::from(node.0)];
        if !machine.running || machine.starts != incarnation {
            return;
        }
        if machine.is_paused() {
            let held = if failed { Held::FlushFailed(file, token) } else { Held::Flushed(file, token) };
            machine.held.push((held, cause));
        } else {
            let told = if failed { Told::FlushFailed(file, token) } else { Told::Flushed(file, token) };
            self.tell(node, told, cause);
        }
    }

    /// The network, and what it needs of the world for one call.
    pub(super) fn around(&mut self, cause: EventSeq) -> (&mut Network<Message>, Time, Around<'_>) {
        let around = Around {
            chance: &self.chance,
            queue: &mut self.queue,
            store: &mut self.store,
            holds: &self.schedule.holds,
            cause,
        };
        (&mut self.network, self.now, around)
    }

    /// A paused process goes on with what reached it meanwhile.
    pub(super) fn release_held(&mut self, node: NodeId) {
        let mut held = std::mem::take(&mut self.machines[usize::from(node.0)].held);
        for (what, cause) in held.drain(..) {
            let machine = &mut self.machines[usize::from(node.0)];
            if !machine.running {
                if let Held::Delivery(delivery) = what {
                    self.drop_delivery(delivery);
                }
                continue;
            }
            match what {
                Held::Timer(timer, at) => {
                    if machine.still_wants(timer.slot(), at) {
                        self.tell(node, Told::Timer(timer), cause);
                    }
                }
                Held::Flushed(file, token) => self.tell(node, Told::Flushed(file, token), cause),
                Held::Stop => self.tell(node, Told::Stop, cause),
                Held::FlushFailed(file, token) => self.tell(node, Told::FlushFailed(file, token), cause),
                Held::Delivery(delivery) => {
                    if hearer(&delivery).is_none_or(|hearer| self.network.is_wanted(hearer)) {
                        self.deliver(delivery, cause);
                    } else {
                        self.drop_delivery(delivery);
                    }
                }
            }
        }
        let machine = &mut self.machines[usize::from(node.0)];
        if machine.held.is_empty() {
            machine.held = held;
        }
    }

    /// What reached a process that is no more.
    pub(super) fn drop_delivery(&mut self, delivery: Delivery<Message>) {
        match delivery {
            Delivery::Response(_, message) | Delivery::Request { message, .. } => self.store.release(message),
            Delivery::Nothing | Delivery::Connected(_) | Delivery::Disconnected(_) => (),
        }
    }

    pub(super) fn disk(&mut self, node: NodeId) -> &mut Disk<AnyFile> {
        &mut self.disks[usize::from(node.0) - 1]
    }

    /// A process starts, with what its disk holds.
    pub(super) fn begin_process(&mut self, node: NodeId, cause: EventSeq) {
        let machine = &mut self.machines[usize::from(node.0)];
        assert!(!machine.running, "a machine has one process");
        machine.running = true;
        machine.starts += 1;
        if node.0 <= self.model.cluster.brokers {
            self.threads.begin(node);
        }
        let incarnation = Incarnation(machine.starts);
        let cause = self.note(node, Happened::Started { incarnation }, cause);
        if self.now == Time::ZERO && node.0 <= self.model.cluster.brokers {
            self.begin_broker(node, cause);
        } else {
            self.tell(node, Told::Start, cause);
        }
    }

    /// At the beginning of the run a broker has been running for long.
    fn begin_broker(&mut self, node: NodeId, cause: EventSeq) {
        let mut effects = std::mem::take(&mut self.effects.broker);
        let broker = &mut self.brokers[usize::from(node.0) - 1];
        let mut out = Outbox::new(&mut effects, &mut self.store);
        let shown = self.machines[usize::from(node.0)].clock.reads(self.now);
        broker.begin(shown, self.controllers[0].metadata_log(), &mut out);
        self.carry_out(node, &mut effects, cause);
        self.effects.broker = effects;
    }

    /// Tells a process something, where it is rare.
    #[inline(never)]
    pub(super) fn tell(&mut self, node: NodeId, told: Told, cause: EventSeq) {
        self.tell_inline(node, told, cause);
    }

    /// Tells a process something, and carries out what it asks for. It knows the time by its machine's clock.
    ///
    /// `Departure from Kafka:` a controller goes by the monotonic clock alone. There its sessions do
    /// (`BrokerHeartbeatTracker`), and its queue; but the timers of the quorum count by the time of day (`KafkaRaftClient`), and
    /// a voter whose clock is set forward holds another election.
    // Inlined where it is often and known what is told, so that nobody looks for it again.
    #[inline(always)]
    fn tell_inline(&mut self, node: NodeId, told: Told, cause: EventSeq) {
        let id = usize::from(node.0);
        let shown = self.machines[id].clock.reads(self.now);
        let brokers = self.brokers.len();
        if id <= brokers {
            let mut effects = std::mem::take(&mut self.effects.broker);
            let mut out = Outbox::new(&mut effects, &mut self.store);
            self.brokers[id - 1].handle(shown, BrokerPort::event(told), &mut out);
            self.carry_out(node, &mut effects, cause);
            self.effects.broker = effects;
        } else if id <= brokers + self.controllers.len() {
            let mut effects = std::mem::take(&mut self.effects.controller);
            let mut out = Outbox::new(&mut effects, &mut self.store);
            self.controllers[id - brokers - 1].handle(self.now, ControllerPort::event(told), &mut out);
            for effect in &effects {
                if let Effect::Note(cluster::happened::Happened::Decided { partition, state, .. }) = effect {
                    self.decided[partition.0 as usize] = state.state();
                }
            }
            self.carry_out(node, &mut effects, cause);
            self.effects.controller = effects;
        } else {
            let client = id - usize::from(self.model.producer_node(0).0);
            if client < self.producers.len() {
                let mut effects = std::mem::take(&mut self.effects.producer);
                let mut out = Outbox::new(&mut effects, &mut self.store);
                self.producers[client].handle(shown, ProducerPort::event(told), &mut out);
                self.carry_out(node, &mut effects, cause);
                self.effects.producer = effects;
            } else {
                self.tell_reader(node, shown, told, cause);
            }
        }
    }

    // Apart, so that what comes more often stays short.
    #[inline(never)]
    fn tell_reader(&mut self, node: NodeId, shown: Time, told: Told, cause: EventSeq) {
        let reader = usize::from(node.0 - self.model.reader_node(0).0);
        let mut effects = std::mem::take(&mut self.effects.reader);
        let mut out = Outbox::new(&mut effects, &mut self.store);
        self.readers[reader].handle(shown, ReaderPort::event(told), &mut out);
        self.carry_out(node, &mut effects, cause);
        self.effects.reader = effects;
    }
}
