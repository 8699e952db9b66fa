//! What happens when something reaches the other machine, or does not.

use super::backoff::{AFTER_CLOSE, CONNECT, DATA};
use super::connection::{ClientEnd, DOWN, RESET, ServerEnd, UP, Way};
use super::{Delivery, Network, Pending, Surroundings, What};
use crate::kernel::units::{NodeId, Time};

impl<M: Copy> Network<M> {
    /// Takes back what [`Surroundings::schedule`] was given, at its instant.
    #[inline(always)]
    pub fn arrive(&mut self, now: Time, pending: Pending, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let Pending { slot, generation, what } = pending;
        if self.connections[slot as usize].generation != generation {
            return Delivery::Nothing;
        }
        match what {
            What::Syn => self.syn(now, slot, around),
            What::Opened => self.last_leg(now, slot, around),
            What::Data(way) => self.data(now, slot, way, around),
            What::Retransmission(way) => self.retransmission(now, slot, way, around),
            What::Reset => self.reset_packet(now, slot, around),
        }
    }

    #[inline(never)]
    fn syn(&mut self, now: Time, slot: u32, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let connection = &self.connections[slot as usize];
        let (client, server) = (connection.client, connection.peer.node);
        if connection.client_end != ClientEnd::Opening {
            return Delivery::Nothing;
        }
        if now.since(connection.asked) >= CONNECT.give_up {
            return self.disconnected(now, slot, around);
        }
        if !self.reaches(client, server) {
            around.schedule(CONNECT.next(connection.asked, now), connection.pending(slot, What::Syn));
            return Delivery::Nothing;
        }
        if !self.nodes[usize::from(server.0)].listening {
            return self.refuse(now, slot, around);
        }

        let connection = &mut self.connections[slot as usize];
        connection.server_end = ServerEnd::Open;
        let at = connection.opened_at(now, &self.links, around.chance());
        around.schedule(at, connection.pending(slot, What::Opened));
        Delivery::Nothing
    }

    #[inline(never)]
    fn last_leg(&mut self, now: Time, slot: u32, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let connection = &self.connections[slot as usize];
        if connection.client_end != ClientEnd::Opening {
            return Delivery::Nothing;
        }
        if self.links.is_cut(connection.peer.node, connection.client) {
            around.schedule(CONNECT.next(connection.asked, now), connection.pending(slot, What::Syn));
            return Delivery::Nothing;
        }
        // Beyond TCP's own round trip it is the process that answers.
        if connection.round_trips > 1 && connection.server_end != ServerEnd::Open {
            return Delivery::Nothing;
        }

        let connection = &mut self.connections[slot as usize];
        connection.client_end = ClientEnd::Open;
        Delivery::Connected(connection.hearer())
    }

    #[inline(always)]
    fn data(&mut self, now: Time, slot: u32, way: Way, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let stream = &mut self.connections[slot as usize].ways[way.index()];
        if stream.stuck.is_some() || stream.kept_back {
            stream.passed_over += 1;
            return Delivery::Nothing;
        }
        self.oldest(now, slot, way, around)
    }

    #[inline(never)]
    fn retransmission(
        &mut self,
        now: Time,
        slot: u32,
        way: Way,
        around: &mut impl Surroundings<M>,
    ) -> Delivery<M> {
        let connection = &mut self.connections[slot as usize];
        let Some(since) = connection.ways[way.index()].stuck else {
            return Delivery::Nothing;
        };
        let is_closed = way == UP && connection.client_end == ClientEnd::Ended;
        let give_up = if is_closed { AFTER_CLOSE } else { DATA.give_up };
        if now.since(since) < give_up {
            return self.oldest(now, slot, way, around);
        }

        match way {
            Way::Up if is_closed => {
                connection.ways[UP.index()].drop_all(around);
                self.settle(slot);
                Delivery::Nothing
            }
            Way::Up => self.disconnected(now, slot, around),
            Way::Down => {
                connection.ways[DOWN.index()].drop_all(around);
                self.server_vanishes(slot, around);
                Delivery::Nothing
            }
        }
    }

    /// The oldest message under way on `way` is at the other machine, if the link lets it pass.
    #[inline(always)]
    fn oldest(&mut self, now: Time, slot: u32, way: Way, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let connection = &mut self.connections[slot as usize];
        let (from, to) = connection.ends(way);
        let oldest = connection.ways[way.index()].under_way.front();
        let is_awaited = match way {
            Way::Up => oldest.is_some(),
            Way::Down => connection.client_end != ClientEnd::Ended,
        };
        if !is_awaited {
            return Delivery::Nothing;
        }
        if !self.nodes[usize::from(to.0)].on || self.links.is_cut(from, to) {
            return self.hold(now, slot, way, around);
        }
        if oldest.is_some_and(|message| around.keeps_back(from, to, message)) {
            // It has come through, so that no kernel sends it again, and waits for `let_go`.
            connection.resume(now, slot, way, around);
            connection.ways[way.index()].kept_back = true;
            return Delivery::Nothing;
        }
        match way {
            Way::Up => self.at_server(now, slot, around),
            Way::Down => self.at_client(now, slot, around),
        }
    }

    #[inline(always)]
    fn at_server(&mut self, now: Time, slot: u32, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let connection = &mut self.connections[slot as usize];
        if connection.server_end != ServerEnd::Open {
            // It stays unacknowledged, and is sent again if the reset does not get through.
            connection.ways[UP.index()].stuck.get_or_insert(now);
            return self.refuse(now, slot, around);
        }
        connection.resume(now, slot, UP, around);
        let message = connection.ways[UP.index()]
            .under_way
            .pop_front()
            .expect("a message is under way: looked at before");
        if connection.busy {
            connection.waiting.push_back(message);
            return Delivery::Nothing;
        }
        connection.request(slot, message)
    }

    #[inline(always)]
    fn at_client(&mut self, now: Time, slot: u32, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let connection = &mut self.connections[slot as usize];
        connection.resume(now, slot, DOWN, around);
        let down = &mut connection.ways[DOWN.index()];
        match down.under_way.pop_front() {
            Some(message) => Delivery::Response(connection.hearer(), message),
            None if down.ends => self.disconnected(now, slot, around),
            None => Delivery::Nothing,
        }
    }

    #[inline(never)]
    fn reset_packet(&mut self, now: Time, slot: u32, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let connection = &self.connections[slot as usize];
        if connection.client_end == ClientEnd::Ended {
            return Delivery::Nothing;
        }
        if !self.links.is_cut(connection.peer.node, connection.client) {
            return self.disconnected(now, slot, around);
        }
        // A reset is sent once: it takes the next attempt of the client's kernel to provoke another.
        if connection.client_end == ClientEnd::Opening {
            around.schedule(CONNECT.next(connection.asked, now), connection.pending(slot, What::Syn));
        } else if let Some(since) = connection.ways[UP.index()].stuck {
            around.schedule(DATA.next(since, now), connection.pending(slot, What::Retransmission(UP)));
        }
        Delivery::Nothing
    }

    /// Keeps what did not get through until the sender's kernel tries again.
    #[inline(never)]
    fn hold(&mut self, now: Time, slot: u32, way: Way, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let connection = &mut self.connections[slot as usize];
        let since = *connection.ways[way.index()].stuck.get_or_insert(now);
        if way == UP && connection.client_end == ClientEnd::Ended && now.since(since) >= AFTER_CLOSE {
            connection.ways[UP.index()].drop_all(around);
            self.settle(slot);
        } else {
            around.schedule(DATA.next(since, now), connection.pending(slot, What::Retransmission(way)));
        }
        Delivery::Nothing
    }

    /// The machine answers that there is no such connection.
    #[inline(never)]
    fn refuse(&mut self, now: Time, slot: u32, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let connection = &mut self.connections[slot as usize];
        let at = connection.arrival(now, DOWN, RESET, None, &self.links, around.chance());
        around.schedule(at, connection.pending(slot, What::Reset));
        Delivery::Nothing
    }

    #[inline(never)]
    fn disconnected(&mut self, now: Time, slot: u32, around: &mut impl Surroundings<M>) -> Delivery<M> {
        let connection = &mut self.connections[slot as usize];
        let hearer = connection.hearer();
        connection.ways[UP.index()].drop_all(around);
        self.client_leaves(now, slot, around);
        Delivery::Disconnected(hearer)
    }

    #[inline]
    fn reaches(&self, from: NodeId, to: NodeId) -> bool {
        self.nodes[usize::from(to.0)].on && !self.links.is_cut(from, to)
    }
}
