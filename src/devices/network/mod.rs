//! Connections that behave like TCP, over links that are slow, lossy or cut.
//!
//! It never knows what a message means: messages are `Copy` handles with a size. It owns neither a queue nor chance: the
//! world keeps each [`Pending`] until its instant and hands it back to [`Network::arrive`].
//!
//! | file | what it holds |
//! |---|---|
//! | this one | what a node or a fault does to the network now |
//! | `arrival` | what happens when something reaches the other machine, or does not |
//! | `connection` | the state of one connection, and when what is sent on it arrives |
//! | `backoff` | when a kernel tries again, and when it gives up |
//! | `tests` | each rule as a case |
//!
//! The rules: bytes arrive in order or the connection breaks. A lost packet is a late one. The accepting side is handed one
//! request of a connection at a time. What has reached its machine is handled in the end, though the client has closed
//! meanwhile. A process that dies resets its connections after one latency; a machine that loses power, a cut and a
//! pause say nothing.
//!
//! # Departure from Kafka:
//! Acknowledgements are not packets: what is cut in one direction only passes in the other and is never sent twice. A
//! retransmission takes as long as the first attempt, and carries all that waits behind it. Bandwidth is each
//! connection's own in each direction, not shared. What was sent over a slow link is as late as it was to be when the link is
//! quick again, as in the queue of Linux's netem, which stamps each packet as it comes in; but no kernel sends it once more.

mod arrival;
mod backoff;
mod connection;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use self::connection::{ClientEnd, Connection, DOWN, END, SYN, ServerEnd, UP, Way};
use super::port::{ConnectionId, Peer};
use crate::kernel::chance::Chance;
use crate::kernel::distribution::Distribution;
use crate::kernel::units::{Bytes, NodeId, Ratio, Span, Time};

/// The links of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a message is under way, one way, where no link says otherwise.
    pub latency: Distribution,
    /// The probability that a packet is lost: seen as a retransmission delay.
    pub loss: Ratio,
    /// Bytes a second of every link; none: without limit.
    pub bandwidth: Option<Bytes>,
    /// Links with a latency of their own; the last that fits counts.
    pub links: Vec<Link>,
}

/// A latency between two sets of nodes, both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// One side.
    pub one: Vec<NodeId>,
    /// The other.
    pub other: Vec<NodeId>,
    /// How long a message is under way, one way.
    pub latency: Distribution,
}

/// How much slower than usual a direction of a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slower {
    /// So many times the latency it would have had.
    pub factor: u32,
    /// And so much more.
    pub extra: Span,
}

/// The links as they are now.
#[derive(Clone, Debug)]
struct Links {
    options: Options,
    /// What slows a direction down, for as long as it does.
    slow: Vec<(NodeId, NodeId, Slower)>,
    /// How many cuts lie on each direction that has any.
    cuts: BTreeMap<(NodeId, NodeId), u32>,
}

/// What the network asks of the world.
pub trait Surroundings<M> {
    /// The chance to draw from.
    fn chance(&self) -> &Chance;
    /// Whether a message that has come through is kept back until [`Network::let_go`], and all behind it on its connection.
    fn keeps_back(&self, _from: NodeId, _to: NodeId, _message: &M) -> bool {
        false
    }
    /// Hand `pending` to [`Network::arrive`] at this instant; what is scheduled for one instant, in the order of asking.
    fn schedule(&mut self, at: Time, pending: Pending);
    /// This message reaches nobody any more: what it refers to can be released.
    fn lost(&mut self, message: M);
}

/// Something on its way, for [`Network::arrive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    slot: u32,
    generation: u32,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The client's first packet, for the first time or again.
    Syn,
    /// The last leg of the set-up is back at the client.
    Opened,
    /// The next message, or after the last one the end, of this way.
    Data(Way),
    /// All that was stuck on this way, once more.
    Retransmission(Way),
    /// The accepting machine knows of no such connection, and says so.
    Reset,
}

/// What a node is told when something has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery<M> {
    /// Nothing that a process would see.
    Nothing,
    /// The client's connection is open.
    Connected(Hearer),
    /// The client's connection has ended, or could not be opened.
    Disconnected(Hearer),
    /// A request, to the accepting side; the next of the connection comes from `respond`.
    Request {
        /// Who accepted the connection.
        server: NodeId,
        /// The connection to answer on.
        connection: ConnectionId,
        /// Who opened it.
        from: NodeId,
        /// The request.
        message: M,
    },
    /// The answer to the client's oldest unanswered request.
    Response(Hearer, M),
}

/// The client's side of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hearer {
    /// Who opened the connection.
    pub client: NodeId,
    /// To whom.
    pub peer: Peer,
    /// Which of the client's connections to this peer, from 1.
    pub ordinal: u32,
}

/// All connections of a run, and the state of the machines and links under them.
#[derive(Clone, Debug)]
pub struct Network<M> {
    links: Links,
    /// By node id.
    nodes: Vec<Node>,
    /// The first `used` have served in this run; the others keep their memory from earlier ones.
    connections: Vec<Connection<M>>,
    used: usize,
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Node {
    /// Whether the machine has power.
    on: bool,
    /// Whether a process accepts connections.
    listening: bool,
    /// One for each peer it ever connected to, in the order of peers.
    opened: Vec<Opened>,
}

/// What a client has opened to one peer.
#[derive(Clone, Copy, Debug)]
struct Opened {
    peer: Peer,
    /// How many connections there have been.
    ordinal: u32,
    /// The latest connection, as long as it has not ended.
    slot: Option<u32>,
    /// Whether the client itself has closed the latest.
    closed: bool,
}

impl<M: Copy> Network<M> {
    /// A network of nodes 0 to `nodes`: all machines have power, no process listens.
    pub fn new(options: &Options, nodes: u16) -> Network<M> {
        let mut network = Network {
            links: Links { options: options.clone(), slow: Vec::new(), cuts: BTreeMap::new() },
            nodes: Vec::new(),
            connections: Vec::new(),
            used: 0,
            free: Vec::new(),
        };
        network.reset(options, nodes);
        network
    }

    /// Begins anew and keeps the memory. Messages under way are forgotten, not reported as lost.
    pub fn reset(&mut self, options: &Options, nodes: u16) {
        assert!(options.bandwidth != Some(Bytes::ZERO), "a link has some bandwidth");
        self.links.options.clone_from(options);
        self.links.slow.clear();
        self.nodes.resize_with(usize::from(nodes) + 1, || Node {
            on: true,
            listening: false,
            opened: Vec::new(),
        });
        for node in &mut self.nodes {
            node.on = true;
            node.listening = false;
            node.opened.clear();
        }
        self.used = 0;
        self.free.clear();
        self.links.cuts.clear();
    }

    /// Opens a connection. Panics if the client has one to this peer, open or opening.
    pub fn connect(
        &mut self,
        now: Time,
        client: NodeId,
        peer: Peer,
        round_trips: u8,
        around: &mut impl Surroundings<M>,
    ) {
        assert!(round_trips > 0, "TCP alone takes one round trip");
        let latency = self.links.options.latency_between(client, peer.node);
        let slot = self.allocate();
        let opened = &mut self.nodes[usize::from(client.0)].opened;
        let place = match opened.binary_search_by_key(&peer, |opened| opened.peer) {
            Ok(place) => place,
            Err(place) => {
                opened.insert(place, Opened { peer, ordinal: 0, slot: None, closed: false });
                place
            }
        };
        let opened = &mut opened[place];
        assert!(opened.slot.is_none(), "{client} has a connection to {peer:?}");
        *opened = Opened { peer, ordinal: opened.ordinal + 1, slot: Some(slot), closed: false };

        let connection = &mut self.connections[slot as usize];
        connection.open(client, peer, opened.ordinal, latency, round_trips, around.chance());
        let at = connection.arrival(now, UP, SYN, None, &self.links, around.chance());
        connection.asked = at;
        around.schedule(at, connection.pending(slot, What::Syn));
    }

    /// Sends a request. If the connection has ended and the client has not been told yet, the request is lost. Panics if
    /// the connection is still opening.
    #[inline]
    pub fn send(
        &mut self,
        now: Time,
        client: NodeId,
        peer: Peer,
        message: M,
        bytes: Bytes,
        around: &mut impl Surroundings<M>,
    ) {
        let Some(slot) = self.opened(client, peer).and_then(|opened| opened.slot) else {
            return around.lost(message);
        };
        let connection = &mut self.connections[slot as usize];
        assert!(connection.client_end == ClientEnd::Open, "{client} waits for the connection to {peer:?}");
        connection.ways[UP.index()].under_way.push_back(message);
        let number = connection.number(UP);
        let at = connection.arrival(now, UP, number, Some(bytes), &self.links, around.chance());
        around.schedule(at, connection.pending(slot, What::Data(UP)));
    }

    /// Answers the request being handled, or lets it pass without an answer. The next request of the connection, if it
    /// waits already, is returned: deliver it at this instant, when the node is done with what it is handling. On a
    /// connection that has ended nothing happens and the answer is lost. Panics if no request is being handled.
    #[inline]
    pub fn respond(
        &mut self,
        now: Time,
        id: ConnectionId,
        answer: Option<M>,
        bytes: Bytes,
        around: &mut impl Surroundings<M>,
    ) -> Delivery<M> {
        let connection = &mut self.connections[id.slot as usize];
        if connection.generation != id.generation || connection.server_end != ServerEnd::Open {
            if let Some(message) = answer {
                around.lost(message);
            }
            return Delivery::Nothing;
        }
        assert!(connection.busy || connection.unanswered > 0, "{id:?} has no request to answer");
        if let Some(message) = answer {
            if connection.client_end == ClientEnd::Ended {
                around.lost(message);
            } else {
                connection.ways[DOWN.index()].under_way.push_back(message);
                let number = connection.number(DOWN);
                let at = connection.arrival(now, DOWN, number, Some(bytes), &self.links, around.chance());
                around.schedule(at, connection.pending(id.slot, What::Data(DOWN)));
            }
        }
        if connection.unanswered > 0 {
            connection.unanswered -= 1;
            self.settle(id.slot);
            return Delivery::Nothing;
        }
        match connection.waiting.pop_front() {
            Some(message) => connection.request(id.slot, message),
            None => {
                connection.busy = false;
                self.settle(id.slot);
                Delivery::Nothing
            }
        }
    }

    /// The request being handled is to be answered later, before all that come after it: the next of the connection, if it waits
    /// already, is returned, as by `respond`. On a connection that has ended nothing happens.
    pub fn take_next(&mut self, id: ConnectionId) -> Delivery<M> {
        let connection = &mut self.connections[id.slot as usize];
        if connection.generation != id.generation || connection.server_end != ServerEnd::Open {
            return Delivery::Nothing;
        }
        assert!(connection.busy, "{id:?} has no request to leave for later");
        connection.unanswered += 1;
        match connection.waiting.pop_front() {
            Some(message) => connection.request(id.slot, message),
            None => {
                connection.busy = false;
                Delivery::Nothing
            }
        }
    }

    /// The accepting side ends the connection: the other is told after one latency, in order behind the answers sent.
    /// Requests that wait are lost, the one being handled needs no answer.
    pub fn hangup(&mut self, now: Time, id: ConnectionId, around: &mut impl Surroundings<M>) {
        if self.connections[id.slot as usize].generation == id.generation {
            self.server_leaves(now, id.slot, around);
        }
    }

    /// The client ends its connection to `peer`, open or opening; it hears nothing more of it. What is on the wire still
    /// arrives, or is lost if it meets a cut.
    pub fn close(&mut self, now: Time, client: NodeId, peer: Peer, around: &mut impl Surroundings<M>) {
        let opened = &mut self.nodes[usize::from(client.0)].opened;
        let Ok(place) = opened.binary_search_by_key(&peer, |opened| opened.peer) else { return };
        opened[place].closed = true;
        if let Some(slot) = opened[place].slot {
            self.client_leaves(now, slot, around);
        }
    }

    /// Whether the client still wants to hear of this connection: it has neither closed it nor opened another since. To
    /// be asked for what was held back while the client's process stood still.
    pub fn is_wanted(&self, hearer: Hearer) -> bool {
        self.opened(hearer.client, hearer.peer)
            .is_some_and(|opened| opened.ordinal == hearer.ordinal && !opened.closed)
    }

    /// A process accepts connections on this machine.
    #[cold]
    pub fn process_started(&mut self, node: NodeId) {
        let node = &mut self.nodes[usize::from(node.0)];
        assert!(node.on, "a process needs a machine with power");
        node.listening = true;
    }

    /// The process has ended, of whatever cause: its kernel ends its connections and tells the other sides.
    pub fn process_died(&mut self, now: Time, node: NodeId, around: &mut impl Surroundings<M>) {
        for slot in 0..self.used as u32 {
            if self.connections[slot as usize].client == node {
                self.client_leaves(now, slot, around);
            }
        }
        self.stop_serving(now, node, around);
    }

    /// The process accepts no connection any more, and ends those it has accepted. Those it has opened stay.
    #[cold]
    pub fn stop_serving(&mut self, now: Time, node: NodeId, around: &mut impl Surroundings<M>) {
        self.nodes[usize::from(node.0)].listening = false;
        for slot in 0..self.used as u32 {
            if self.connections[slot as usize].peer.node == node {
                self.server_leaves(now, slot, around);
            }
        }
    }

    /// The machine has lost power, and its process with it: nobody is told.
    pub fn machine_died(&mut self, now: Time, node: NodeId, around: &mut impl Surroundings<M>) {
        let state = &mut self.nodes[usize::from(node.0)];
        state.on = false;
        state.listening = false;
        for slot in 0..self.used as u32 {
            // What its kernel would have sent again is gone.
            let connection = &mut self.connections[slot as usize];
            for (way, sender) in [(UP, connection.client), (DOWN, connection.peer.node)] {
                if sender == node && connection.ways[way.index()].stuck.is_some() {
                    connection.ways[way.index()].drop_all(around);
                }
            }
            if connection.client == node {
                self.client_leaves(now, slot, around);
            }
            if self.connections[slot as usize].peer.node == node {
                self.server_vanishes(slot, around);
            }
        }
    }

    /// The machine has power again.
    pub fn machine_started(&mut self, node: NodeId) {
        self.nodes[usize::from(node.0)].on = true;
    }

    /// Cuts one direction. Cuts nest: each needs its [`Network::heal`].
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        *self.links.cuts.entry((from, to)).or_insert(0) += 1;
    }

    /// Takes one cut back. What is stuck passes when the sender's kernel next tries. Panics if there is no cut.
    pub fn heal(&mut self, from: NodeId, to: NodeId) {
        match self.links.cuts.entry((from, to)) {
            Entry::Vacant(_) => panic!("a heal needs a cut from {from} to {to}"),
            Entry::Occupied(mut cuts) if *cuts.get() > 1 => *cuts.get_mut() -= 1,
            Entry::Occupied(cuts) => {
                cuts.remove();
            }
        }
    }

    /// Makes one direction slower for what is sent from now on. It nests: each needs its [`Network::at_speed`].
    pub fn slow(&mut self, from: NodeId, to: NodeId, slower: Slower) {
        self.links.slow.push((from, to, slower));
    }

    /// Takes one slowness back. Panics if there is none like it.
    pub fn at_speed(&mut self, from: NodeId, to: NodeId, slower: Slower) {
        let place = self.links.slow.iter().position(|one| *one == (from, to, slower));
        self.links.slow.remove(place.expect("what is taken back was put there"));
    }

    /// What was kept back goes on, unless it is kept back by something else still.
    pub fn let_go(&mut self, now: Time, around: &mut impl Surroundings<M>) {
        for slot in 0..self.used as u32 {
            let connection = &mut self.connections[slot as usize];
            for way in [UP, DOWN] {
                let stream = &mut connection.ways[way.index()];
                if std::mem::take(&mut stream.kept_back) {
                    let arrivals = 1 + std::mem::take(&mut stream.passed_over);
                    for _ in 0..arrivals {
                        around.schedule(now, connection.pending(slot, What::Data(way)));
                    }
                }
            }
        }
    }

    /// Takes every cut back.
    pub fn heal_all(&mut self) {
        self.links.cuts.clear();
    }

    /// Whether anything that a client has sent is still to be handled: it is under way, or at a server that has not answered.
    /// The client may be gone.
    pub fn has_requests_of(&self, client: NodeId) -> bool {
        self.connections[..self.used].iter().any(|connection| {
            connection.client == client
                && connection.server_end != ServerEnd::Ended
                && (connection.busy
                    || connection.unanswered > 0
                    || !connection.ways[UP.index()].under_way.is_empty())
        })
    }

    fn opened(&self, client: NodeId, peer: Peer) -> Option<&Opened> {
        let opened = &self.nodes[usize::from(client.0)].opened;
        opened.binary_search_by_key(&peer, |opened| opened.peer).ok().map(|place| &opened[place])
    }

    fn allocate(&mut self) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        if self.used == self.connections.len() {
            self.connections.push(Connection::unused());
        } else {
            self.connections[self.used].generation = 0;
        }
        self.used += 1;
        u32::try_from(self.used - 1).expect("fewer than 2^32 connections")
    }
}

impl Links {
    /// Whether nothing passes from one node to the other.
    #[inline]
    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        !self.cuts.is_empty() && self.cuts.contains_key(&(from, to))
    }

    /// A latency as it is while the link is slow.
    fn slowed(&self, from: NodeId, to: NodeId, latency: Span) -> Span {
        let slow = self.slow.iter().filter(|(one, other, _)| (*one, *other) == (from, to));
        slow.fold(latency, |latency, (_, _, slower)| latency * u64::from(slower.factor) + slower.extra)
    }
}

impl Options {
    fn latency_between(&self, one: NodeId, other: NodeId) -> Distribution {
        let fits = |link: &&Link| {
            (link.one.contains(&one) && link.other.contains(&other))
                || (link.one.contains(&other) && link.other.contains(&one))
        };
        self.links.iter().rev().find(fits).map_or(self.latency, |link| link.latency)
    }
}

/// How the ends of a connection come to be gone.
impl<M: Copy> Network<M> {
    /// The client's end is gone, and nothing reaches it any more.
    fn client_leaves(&mut self, now: Time, slot: u32, around: &mut impl Surroundings<M>) {
        let connection = &mut self.connections[slot as usize];
        if connection.client_end == ClientEnd::Ended {
            return;
        }
        connection.client_end = ClientEnd::Ended;
        let opened = &mut self.nodes[usize::from(connection.client.0)].opened;
        let place = opened
            .binary_search_by_key(&connection.peer, |opened| opened.peer)
            .expect("who connected has an entry for the peer");
        opened[place].slot = None;
        connection.ways[DOWN.index()].drop_all(around);
        let given_up = |since: Time| now.since(since) >= backoff::AFTER_CLOSE;
        if connection.server_end != ServerEnd::Open || connection.ways[UP.index()].stuck.is_some_and(given_up)
        {
            connection.ways[UP.index()].drop_all(around);
        }
        self.settle(slot);
    }

    /// The accepting end is gone, and its kernel says so behind the answers already sent.
    fn server_leaves(&mut self, now: Time, slot: u32, around: &mut impl Surroundings<M>) {
        if self.connections[slot as usize].server_end != ServerEnd::Open {
            return;
        }
        self.server_vanishes(slot, around);
        let connection = &mut self.connections[slot as usize];
        if connection.client_end != ClientEnd::Ended {
            connection.ways[DOWN.index()].ends = true;
            let at = connection.arrival(now, DOWN, END, None, &self.links, around.chance());
            around.schedule(at, connection.pending(slot, What::Data(DOWN)));
        }
    }

    /// The accepting end is gone without a word.
    fn server_vanishes(&mut self, slot: u32, around: &mut impl Surroundings<M>) {
        let connection = &mut self.connections[slot as usize];
        if connection.server_end != ServerEnd::Open {
            return;
        }
        connection.server_end = ServerEnd::Ended;
        connection.busy = false;
        connection.unanswered = 0;
        connection.waiting.drain(..).for_each(|message| around.lost(message));
        if connection.client_end == ClientEnd::Ended {
            connection.ways[UP.index()].drop_all(around);
            self.settle(slot);
        }
    }

    /// Frees the slot once the client is gone and nothing is left for the accepting side.
    fn settle(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if connection.client_end == ClientEnd::Ended
            && connection.ways[UP.index()].under_way.is_empty()
            && !connection.busy
            && connection.unanswered == 0
        {
            connection.server_end = ServerEnd::Ended;
            connection.generation = connection.generation.wrapping_add(1);
            self.free.push(slot);
        }
    }
}
