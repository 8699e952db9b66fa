//! What a request takes a broker, if it takes any time: so many threads, each at one request at a time, and a queue before them
//! (`RequestChannel`, `KafkaRequestHandlerPool`; `num.io.threads`).
//!
//! A request that has had its time is handled, at one instant; what waits in a purgatory after that keeps no thread.
//!
//! Departure from Kafka: no request is worth more time than another, but by what is drawn; the queue has no limit
//! (`queued.max.requests`); and a process that has stood still begins anew with what it was at.

use super::due::{Due, What};
use super::machine::Held;
use super::observe::Observer;
use super::world::World;
use crate::cluster::protocol::Message;
use crate::devices::network::Delivery;
use crate::kernel::chance::{Occasion, Purpose};
use crate::kernel::distribution::Distribution;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Span, Time};
use crate::scenario::model::Cluster;

/// The threads of all brokers.
#[derive(Clone, Debug)]
pub(super) struct Threads {
    time: Distribution,
    each: usize,
    /// Until when each is at work, broker by broker.
    busy: Vec<Time>,
    /// What they are at, or will be.
    taken: Vec<Option<Taken>>,
    free: Vec<u32>,
}

/// A request that a thread is at, or will be.
#[derive(Clone, Copy, Debug)]
struct Taken {
    server: NodeId,
    delivery: Delivery<Message>,
    /// Which process of the broker it came to.
    incarnation: u32,
}

impl Threads {
    pub(super) fn new(cluster: &Cluster) -> Threads {
        let (time, each) = (cluster.request_time, usize::from(cluster.request_threads));
        let mut threads = Threads { time, each, busy: Vec::new(), taken: Vec::new(), free: Vec::new() };
        threads.reset(cluster);
        threads
    }

    /// Begins anew, and keeps the memory.
    pub(super) fn reset(&mut self, cluster: &Cluster) {
        (self.time, self.each) = (cluster.request_time, usize::from(cluster.request_threads));
        self.busy.clear();
        if self.take_time() {
            self.busy.resize(self.each * usize::from(cluster.brokers), Time::ZERO);
        }
        self.taken.clear();
        self.free.clear();
    }

    /// Whether requests take any time.
    #[inline]
    pub(super) fn take_time(&self) -> bool {
        self.time != Distribution::Constant(Span::ZERO)
    }

    /// A new process has all its threads free.
    pub(super) fn begin(&mut self, broker: NodeId) {
        if self.take_time() {
            self.of(broker).fill(Time::ZERO);
        }
    }

    fn of(&mut self, broker: NodeId) -> &mut [Time] {
        let first = (usize::from(broker.0) - 1) * self.each;
        &mut self.busy[first..first + self.each]
    }

    fn put(&mut self, taken: Taken) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.taken[slot as usize] = Some(taken);
                slot
            }
            None => {
                self.taken.push(Some(taken));
                self.taken.len() as u32 - 1
            }
        }
    }
}

impl<O: Observer> World<O> {
    /// A request has come to a broker: the thread that is free first takes it.
    pub(super) fn take_request(&mut self, server: NodeId, delivery: Delivery<Message>, cause: EventSeq) {
        let Delivery::Request { connection, .. } = delivery else { panic!("only requests are taken") };
        let occasion = Occasion(self.now.nanoseconds(), u64::from(connection.slot));
        let draw = self.chance.draw(Purpose::RequestTime, u64::from(server.0), occasion);
        let time = self.threads.time.sample(draw);
        let first = self.threads.of(server).iter_mut().min().expect("a broker has threads");
        let done = (*first).max(self.now) + time;
        *first = done;
        let incarnation = self.machines[usize::from(server.0)].starts;
        let slot = self.threads.put(Taken { server, delivery, incarnation });
        self.queue.push(done, Due { what: What::Handled(slot), cause });
    }

    /// A thread is done with a request, unless its process is.
    pub(super) fn on_handled(&mut self, slot: u32, cause: EventSeq) {
        let taken = self.threads.taken[slot as usize].take();
        let Taken { server, delivery, incarnation } = taken.expect("a request is handled once");
        self.threads.free.push(slot);
        let machine = &self.machines[usize::from(server.0)];
        if !machine.running || machine.starts != incarnation {
            self.drop_delivery(delivery);
        } else if !self.is_held(server, Held::Delivery(delivery), cause) {
            self.hand_over(delivery, cause);
        }
    }
}
