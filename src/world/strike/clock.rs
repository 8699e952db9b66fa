//! Clocks that are set.

use crate::clients::consumer::{ReaderPort, ReaderTimer};
use crate::clients::producer::{ProducerPort, ProducerTimer};
use crate::devices::clock::Jump;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Span};
use crate::world::happened::Happened;
use crate::world::observe::Observer;
use crate::world::world::World;

impl<O: Observer> World<O> {
    /// Clocks are set forward or back. A client looks at once whether its time is up.
    ///
    /// `Departure from Kafka:` there it looks when it wakes next: by an answer, by the next `send()` or `poll()`, after 30 s at
    /// the latest; and what it waits for before it connects or asks again counts by the time of day as well, but by the monotonic
    /// clock here. So do time-outs of the requests of brokers: each waits for one answer, and sees it before it looks at a clock.
    pub(super) fn set_clocks(&mut self, nodes: &[NodeId], jump: Jump, cause: EventSeq) {
        for &node in nodes {
            let machine = &mut self.machines[usize::from(node.0)];
            machine.clock.jump(jump);
            let is_running = machine.running;
            let cause = self.note(node, Happened::ClockSet { jump }, cause);
            if !is_running || node < self.model.producer_node(0) {
                continue;
            }
            if node < self.model.reader_node(0) {
                self.set_timer::<ProducerPort>(node, ProducerTimer::Wake, Span::ZERO, cause);
            } else {
                self.set_timer::<ReaderPort>(node, ReaderTimer::Wake, Span::ZERO, cause);
            }
        }
    }
}
