//! What clients ask before they send or read: who leads, and a producer id.

use super::turns::Turn;
use super::{BrokerPort, Node};
use crate::cluster::protocol::{Leaders, Message, PartitionLeader, ProducerIdAnswer};
use crate::devices::port::{ConnectionId, Outbox};
use crate::kernel::units::Bytes;

impl Node<'_> {
    /// Metadata request: who leads what, as this broker knows it.
    pub(super) fn on_find_leaders(&mut self, connection: ConnectionId, out: &mut Outbox<'_, BrokerPort>) {
        if self.waits_its_turn(connection, Turn::FindLeaders) {
            return;
        }
        let partitions = out.store.leaders.take();
        let image = &self.running.image;
        let list = out.store.leaders.get_mut(partitions);
        list.extend(image.partitions().map(|(partition, state)| {
            let leader = state.leader.filter(|&leader| !image.broker(leader).fenced);
            PartitionLeader { partition, leader, epoch: state.leader_epoch }
        }));
        let bytes = Bytes::new(60 + 40 * list.len() as u64);
        out.respond(connection, Message::Leaders(Leaders { partitions }), bytes);
    }

    /// InitProducerId request of a producer that is idempotent and no more (`RPCProducerIdManager.generateProducerId`).
    pub(super) fn on_init_producer_id(&mut self, connection: ConnectionId, out: &mut Outbox<'_, BrokerPort>) {
        if self.waits_its_turn(connection, Turn::InitProducerId) {
            return;
        }
        let producer_id = self.stored.next_producer_id(self.config.id, self.config.brokers);
        out.respond(connection, Message::ProducerIdAnswer(ProducerIdAnswer { producer_id }), Bytes::new(40));
    }
}
