//! How far the machines' clocks were set: what a broker takes for old goes by them.
//!
//! It never knows what came of it.

use crate::cluster::setting::Setting;
use crate::devices::clock::Jump;
use crate::kernel::units::{NodeId, Span};
use crate::scenario::fault::{Action, Fault};
use crate::scenario::model::Model;

/// Every clock, as it was set.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    /// By node: milliseconds ahead of the right time.
    ahead: Vec<i64>,
    first_client: u16,
    brokers: u16,
    /// The most that any broker's clock has been ahead.
    brokers_most: i64,
    /// The least that the clock of anybody has who writes timestamps: below zero if one was set back.
    writers_least: i64,
    /// Leaders write them (LogAppendTime), now and then at least.
    leaders_write: bool,
}

impl Clocks {
    /// All are right.
    pub fn reset(&mut self, model: &Model) {
        self.ahead.clear();
        self.ahead.resize(usize::from(model.node_count()) + 1, 0);
        self.first_client = model.producer_node(0).0;
        self.brokers = model.cluster.brokers;
        (self.brokers_most, self.writers_least) = (0, 0);
        let is_set = |fault: &Fault| matches!(fault.action, Action::Set(_, Setting::LogAppendTime(true)));
        self.leaders_write =
            model.topics.iter().any(|topic| topic.options.log_append_time) || model.faults.iter().any(is_set);
    }

    /// One was set.
    pub fn set(&mut self, node: NodeId, jump: Jump) {
        let ahead = &mut self.ahead[usize::from(node.0)];
        *ahead += jump.milliseconds();
        let is_broker = node.0 <= self.brokers;
        if is_broker {
            self.brokers_most = self.brokers_most.max(*ahead);
        }
        if node.0 >= self.first_client || is_broker && self.leaders_write {
            self.writers_least = self.writers_least.min(*ahead);
        }
    }

    /// How much older than it is a broker may have taken a record for.
    pub fn aged(&self) -> Span {
        Span::from_milliseconds((self.brokers_most - self.writers_least).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::hand::model;

    #[test]
    fn a_record_ages_by_what_a_broker_is_ahead_and_who_wrote_it_was_behind() {
        let mut model = model();
        let seconds = Span::from_seconds;
        let (forward, back) = (|by| Jump::Forward(seconds(by)), |by| Jump::Back(seconds(by)));
        let client = model.producer_node(0);
        let mut clocks = Clocks::default();
        // How old a record may look as its producer wrote it, and as its leader did.
        let steps = [
            (NodeId(1), forward(10), [10, 10]),
            (NodeId(2), forward(4), [10, 10]),
            (NodeId(1), back(10), [10, 10]),
            (NodeId(2), back(7), [10, 13]),
            (client, forward(50), [10, 13]),
            (client, back(55), [15, 15]),
        ];
        for leaders_write in [false, true] {
            model.topics[0].options.log_append_time = leaders_write;
            clocks.reset(&model);
            for (node, jump, aged) in steps {
                clocks.set(node, jump);
                let expected = seconds(aged[usize::from(leaders_write)]);
                assert_eq!(clocks.aged(), expected, "{node} {jump:?} {leaders_write}");
            }
        }
    }
}
