//! Clocks that are set.

use crate::clients::consumer::{ReaderPort, ReaderTimer};
use crate::devices::clock::Jump;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Span, Time};
use crate::world::happened::Happened;
use crate::world::observe::Observer;
use crate::world::world::World;

impl<O: Observer> World<O> {
    /// Clocks are set forward or back. A reader, which polls all the time, looks at once whether its time is up; a producer when
    /// its sender wakes next.
    ///
    /// `Departure from Kafka:` what a client waits for before it connects or asks again counts by the time of day as well, but by
    /// the monotonic clock here. So do time-outs of the requests of brokers: each waits for one answer, and sees it before it
    /// looks at a clock.
    pub(super) fn set_clocks(&mut self, nodes: &[NodeId], jump: Jump, cause: EventSeq) {
        if let Jump::Back(by) = jump {
            // However often, and however far.
            let since_start = self.schedule.waits_until.max(self.now).since_start() + by;
            self.schedule.waits_until = Time::ZERO + since_start;
        }
        for &node in nodes {
            let machine = &mut self.machines[usize::from(node.0)];
            machine.clock.jump(jump);
            let is_running = machine.running;
            let cause = self.note(node, Happened::ClockSet { jump }, cause);
            if !is_running || node < self.model.producer_node(0) {
                continue;
            }
            let client = usize::from(node.0 - self.model.producer_node(0).0);
            match self.producers.get_mut(client) {
                Some(producer) => producer.clock_was_set(),
                None => self.set_timer::<ReaderPort>(node, ReaderTimer::Wake, Span::ZERO, cause),
            }
        }
    }
}
