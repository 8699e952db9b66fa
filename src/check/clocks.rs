//! How far the machines' clocks were set: what a broker takes for old goes by them.
//!
//! It never knows what came of it.

use crate::devices::clock::Jump;
use crate::kernel::units::{NodeId, Span};
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
    /// The least that any client's has: below zero if one was set back.
    clients_least: i64,
}

impl Clocks {
    /// All are right.
    pub fn reset(&mut self, model: &Model) {
        self.ahead.clear();
        self.ahead.resize(usize::from(model.node_count()) + 1, 0);
        self.first_client = model.producer_node(0).0;
        self.brokers = model.cluster.brokers;
        (self.brokers_most, self.clients_least) = (0, 0);
    }

    /// One was set.
    pub fn set(&mut self, node: NodeId, jump: Jump) {
        let ahead = &mut self.ahead[usize::from(node.0)];
        *ahead += jump.milliseconds();
        if node.0 <= self.brokers {
            self.brokers_most = self.brokers_most.max(*ahead);
        } else if node.0 >= self.first_client {
            self.clients_least = self.clients_least.min(*ahead);
        }
    }

    /// How much older than it is a broker may have taken a client's record for.
    pub fn aged(&self) -> Span {
        Span::from_milliseconds((self.brokers_most - self.clients_least).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::hand::model;

    #[test]
    fn a_record_ages_by_what_a_broker_is_ahead_and_a_client_was_behind() {
        let model = model();
        let seconds = Span::from_seconds;
        let (forward, back) = (|by| Jump::Forward(seconds(by)), |by| Jump::Back(seconds(by)));
        let client = model.producer_node(0);
        let mut clocks = Clocks::default();
        clocks.reset(&model);
        for (node, jump, aged) in [
            (NodeId(1), forward(10), 10),
            (NodeId(2), forward(4), 10),
            (NodeId(1), back(10), 10),
            (client, forward(50), 10),
            (client, back(55), 15),
        ] {
            clocks.set(node, jump);
            assert_eq!(clocks.aged(), seconds(aged), "{node} {jump:?}");
        }
    }
}
