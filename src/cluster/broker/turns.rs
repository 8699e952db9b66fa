//! Requests of a connection that are handled before the one ahead of them is answered: only if that is planted
//! ([`Planted::ConnectionsNotMuted`]). They are still answered in turn, as clients take answers for their oldest request.

use super::{BrokerPort, Node};
use crate::cluster::planted::Planted;
use crate::devices::port::{ConnectionId, Effect, Outbox};

/// A request whose answer comes after those of all before it on its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    connection: ConnectionId,
    turn: Turn,
}

/// What is to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// A produce, by its place among the parked: once all of it is decided.
    Produce(u32),
    /// What can be answered at once, when its turn has come.
    FindLeaders,
    /// The same.
    InitProducerId,
}

impl Node<'_> {
    /// A produce waits for its followers: the next request may come.
    pub(super) fn let_next_come(
        &mut self,
        connection: ConnectionId,
        slot: u32,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        if Planted::ConnectionsNotMuted.is(self.config.planted) {
            self.running.turns.push(Waits { connection, turn: Turn::Produce(slot) });
            out.ask(Effect::TakeNext(connection));
        }
    }

    /// Whether something that could be answered has to wait for others of its connection; then it does.
    #[inline]
    pub(super) fn waits_its_turn(&mut self, connection: ConnectionId, turn: Turn) -> bool {
        let waits = self.running.turns.iter().any(|ahead| ahead.connection == connection);
        if waits {
            self.running.turns.push(Waits { connection, turn });
        }
        waits
    }

    /// Whether a produce that is decided may be answered now. If not, it will be in its turn.
    #[inline]
    pub(super) fn is_its_turn(&mut self, connection: ConnectionId, slot: u32) -> bool {
        let first = self.running.turns.iter().find(|ahead| ahead.connection == connection);
        first.is_none_or(|ahead| matches!(ahead.turn, Turn::Produce(first) if first == slot))
    }

    /// The first of a connection has been answered: whatever could not go because of it follows.
    #[inline]
    pub(super) fn take_turns(&mut self, connection: ConnectionId, out: &mut Outbox<'_, BrokerPort>) {
        if self.running.turns.is_empty() {
            return;
        }
        let of_it = |ahead: &Waits| ahead.connection == connection;
        if let Some(answered) = self.running.turns.iter().position(of_it) {
            self.running.turns.remove(answered);
        }
        let Some(next) = self.running.turns.iter().position(of_it) else { return };
        match self.running.turns[next].turn {
            Turn::Produce(slot) if self.running.parked_produces[slot as usize].is_decided() => {
                self.answer_parked_produce(slot, out);
            }
            Turn::Produce(_) => (),
            Turn::FindLeaders => {
                self.running.turns.remove(next);
                self.on_find_leaders(connection, out);
            }
            Turn::InitProducerId => {
                self.running.turns.remove(next);
                self.on_init_producer_id(connection, out);
            }
        }
    }
}
