//! The three acts of a run: faults, heal, settle.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::due::{Due, What};
use super::happened::Happened;
use super::observe::Observer;
use super::world::World;
use crate::clients;
use crate::cluster::broker::Broker;
use crate::cluster::units::PartitionId;
use crate::devices::disk::Disk;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Span, Time};
use crate::scenario::model::Model;

/// Whether all is quiet is asked this often while the world settles.
const LOOKS_EVERY: Span = Span::from_milliseconds(100);

/// Hears of something that is not quiet, and says whether to go on.
type Say<'a> = dyn FnMut(&dyn Fn() -> String) -> ControlFlow<()> + 'a;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Whether all became quiet within the bound.
    pub settled: bool,
    /// What was not quiet at the bound, in words; empty if settled.
    pub unquiet: Vec<String>,
    /// When the run ended.
    pub at: Time,
    /// Whether any fault of the schedule did something.
    pub faults_took_effect: bool,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing has begun.
    Ahead,
    /// Faults strike.
    Faults,
    /// Everything works again; it becomes quiet, or not by the bound. The next look whether it has is at `look`.
    Settling { bound: Time, look: Time },
    /// All is quiet, or the bound has passed.
    Over,
}

impl<O: Observer> World<O> {
    /// Runs the world from where it stands to its end.
    pub fn run(&mut self) -> Ending {
        self.run_to(Time::NEVER).expect("a run ends at the bound for settling, if not before")
    }

    /// Runs on through everything that happens up to `last` and stands still there; how the run ended, if it did by then.
    pub fn run_to(&mut self, last: Time) -> Option<Ending> {
        if self.act == Act::Ahead {
            self.open();
            self.act = Act::Faults;
        }
        if self.act == Act::Faults {
            let until = self.model.until;
            while !self.faults_are_over() && self.step(until.min(last)) {}
            if !self.faults_are_over() && last < until {
                return None;
            }
            self.heal();
        }
        loop {
            let Act::Settling { bound, look } = self.act else { panic!("the run has ended") };
            while self.step(look.min(last)) {}
            if last < look {
                return None;
            }
            self.now = look;
            let is_quiet = self.is_quiet();
            if is_quiet || look == bound {
                return Some(self.close(is_quiet));
            }
            self.act = Act::Settling { bound, look: bound.min(look + LOOKS_EVERY) };
        }
    }

    /// Starts what is there from the beginning, and the schedule.
    fn open(&mut self) {
        let model = Arc::clone(&self.model);
        // Controllers first: brokers begin with what has been decided.
        for node in model.voters().iter().chain(model.brokers()) {
            self.begin_process(node, EventSeq(0));
        }
        let starts: Vec<Time> = self
            .model
            .producers
            .iter()
            .map(|producer| producer.workload.start)
            .chain(self.model.readers.iter().map(|reader| reader.start))
            .collect();
        for (place, start) in starts.into_iter().enumerate() {
            let node = self.model.producer_node(place);
            let due = Due { what: What::Start { node, order: 0 }, cause: EventSeq(0) };
            self.queue.push(start, due);
        }
        self.arm_schedule();
    }

    /// Whether every producer has made its last `send()` and every fault has struck and ended.
    #[inline]
    fn faults_are_over(&self) -> bool {
        self.sends_left == 0 && self.schedule.is_over()
    }

    pub(super) fn is_healed(&self) -> bool {
        matches!(self.act, Act::Settling { .. } | Act::Over)
    }

    /// A `send()` has been made, or some never will be: so many less to wait for.
    #[inline(always)]
    pub(super) fn count_sends(&mut self, node: NodeId, note: &Happened) {
        if let Happened::Client(clients::happened::Happened::Called { .. }) = note {
            self.wait_for_less(node, 1);
        } else if let Happened::Client(clients::happened::Happened::GaveUp { calls }) = note {
            self.wait_for_less(node, u64::from(*calls));
        }
    }

    #[inline]
    pub(super) fn wait_for_less(&mut self, node: NodeId, sends: u64) {
        self.sends_left -= sends;
        self.sends_left_of[usize::from(node.0 - self.model.producer_node(0).0)] -= sends;
    }

    /// Faults end, processes start, links open: one instant. The bound for settling counts from when what has begun under a fault
    /// and ends by itself is over, and leaves time for what is still to be sent.
    fn heal(&mut self) {
        // At `until` nothing need have happened for a while.
        if !self.faults_are_over() {
            self.now = self.model.until;
        }
        let cause = self.note(NodeId::NOBODY, Happened::Healed, EventSeq(0));
        let look = self.now + LOOKS_EVERY;
        self.act = Act::Settling { bound: Time::NEVER, look };
        self.end_all_faults(cause);
        let bound = Time::ZERO + (self.over_by().since_start() + self.sends_take() + self.model.settle_bound);
        self.act = Act::Settling { bound, look: bound.min(look) };
    }

    /// When everything is over that has begun and ends by itself: messages over links that were slow, or that a kernel tries to
    /// deliver, fsyncs, starts, and waits by the time of day of a clock that was set back (`PartitionFetchState.delay`,
    /// `Replica.lastCaughtUpTimeMs`, `ProducerBatch.retryBackoffMs`), which take so much longer.
    fn over_by(&self) -> Time {
        let under_way = self.queue.pending().filter(|(_, due)| due.what.is_under_way()).map(|(at, _)| at);
        let disks = self.disks.iter().map(Disk::idle);
        let others = [self.now, self.schedule.waits_until];
        under_way.chain(disks).chain(others).max().expect("an instant is among them")
    }

    /// How long those take that go on sending.
    fn sends_take(&self) -> Span {
        let producers = self.model.producers.iter().zip(&self.sends_left_of);
        producers.map(|(producer, &left)| producer.takes(left)).max().unwrap_or(Span::ZERO)
    }

    fn close(&mut self, settled: bool) -> Ending {
        self.act = Act::Over;
        let mut unquiet = Vec::new();
        if settled {
            self.note(NodeId::NOBODY, Happened::Settled, EventSeq(0));
        } else {
            self.note(NodeId::NOBODY, Happened::Unsettled, EventSeq(0));
            let _ = self.list_unquiet(&mut |what| {
                unquiet.push(what());
                ControlFlow::Continue(())
            });
        }
        Ending { settled, unquiet, at: self.now, faults_took_effect: self.schedule.took_effect }
    }

    fn is_quiet(&self) -> bool {
        self.list_unquiet(&mut |_| ControlFlow::Break(())).is_continue()
    }

    /// Names everything that is not quiet, until it is told to break off: processes that do not serve, replicas out of sync, high
    /// watermarks below log ends, sends unanswered or under way, readers behind.
    fn list_unquiet(&self, say: &mut Say<'_>) -> ControlFlow<()> {
        let model = &self.model;
        for (place, broker) in self.brokers.iter().enumerate() {
            let node = NodeId(place as u16 + 1);
            if !broker.is_serving() {
                say(&|| format!("{} does not serve", model.node_name(node)))?;
            } else if !broker.is_quiet() {
                say(&|| format!("{} has something under way", model.node_name(node)))?;
            }
        }
        if self.active_controller().is_none() {
            say(&|| "no controller is active".to_owned())?;
        }
        for partition in all_partitions(model).filter(|one| self.decided[one.0 as usize].is_there()) {
            self.list_unquiet_partition(partition, say)?;
        }
        for (place, producer) in self.producers.iter().enumerate() {
            let node = model.producer_node(place);
            if self.is_present(node) && !producer.is_done() {
                say(&|| format!("{} waits for answers", model.node_name(node)))?;
            } else if self.network.has_requests_of(node) {
                // Told or gone, it may still be the sender of what a kernel tries to deliver.
                say(&|| format!("requests of {} are under way", model.node_name(node)))?;
            }
        }
        for (place, reader) in self.readers.iter().enumerate() {
            let node = model.reader_node(place);
            for partition in all_partitions(model) {
                let Some(position) = reader.position(partition) else { continue };
                let end = self.leader_of(partition).and_then(|leader| leader.high_watermark(partition));
                if end.is_some_and(|end| position < end) {
                    say(&|| {
                        let (node, name) = (model.node_name(node), model.partition_name(partition));
                        format!("{node} has not read all of {name}")
                    })?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn list_unquiet_partition(&self, partition: PartitionId, say: &mut Say<'_>) -> ControlFlow<()> {
        let model = &self.model;
        let state = &self.decided[partition.0 as usize];
        let Some(leader) = self.leader_of(partition).filter(|leader| leader.leads(partition)) else {
            return say(&|| format!("{} has no leader", model.partition_name(partition)));
        };
        if !state.isr.same_set(&state.replicas) {
            say(&|| {
                format!("{} has {} in sync of {}", model.partition_name(partition), state.isr, state.replicas)
            })?;
        }
        let end = leader.log(partition).map(|log| log.end());
        for replica in state.replicas.iter() {
            let broker = &self.brokers[usize::from(replica.0) - 1];
            if broker.log(partition).map(|log| log.end()) != end {
                say(&|| {
                    format!("{} has not all of {}", model.node_name(replica), model.partition_name(partition))
                })?;
            } else if broker.high_watermark(partition) != end {
                say(&|| {
                    let (node, name) = (model.node_name(replica), model.partition_name(partition));
                    format!("{node} has a high watermark below the log end of {name}")
                })?;
            }
        }
        ControlFlow::Continue(())
    }

    fn leader_of(&self, partition: PartitionId) -> Option<&Broker> {
        self.decided[partition.0 as usize].leader.map(|leader| &self.brokers[usize::from(leader.0) - 1])
    }

    /// Whether a client's process is there, or will come.
    fn is_present(&self, node: NodeId) -> bool {
        !self.machines[usize::from(node.0)].exited
    }
}

/// Every partition of the run.
fn all_partitions(model: &Model) -> impl Iterator<Item = PartitionId> + use<> {
    (0..model.partition_count() as u32).map(PartitionId)
}
