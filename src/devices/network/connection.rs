//! The state of one connection, and when what is sent on it arrives.

use std::collections::VecDeque;

use super::backoff::{self, Backoff};
use super::{Delivery, Hearer, Links, Pending, Surroundings, What};
use crate::devices::port::{Channel, ConnectionId, Peer};
use crate::kernel::chance::{Chance, Draws, Occasion, Purpose};
use crate::kernel::distribution::Distribution;
use crate::kernel::units::{Bytes, NodeId, Ratio, Span, Time};

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the client to the accepting side.
    Up,
    /// Back.
    Down,
}

pub(super) const UP: Way = Way::Up;
pub(super) const DOWN: Way = Way::Down;

/// Numbers in a draw's occasion for packets that carry no message; messages count from 0.
pub(super) const SYN: u64 = 1 << 40;
/// The connection ends.
pub(super) const END: u64 = SYN + 1_000;
/// There is no such connection.
pub(super) const RESET: u64 = SYN + 1_001;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientEnd {
    Opening,
    Open,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerEnd {
    /// Not accepted yet.
    Absent,
    Open,
    Ended,
}

#[derive(Clone, Debug)]
pub(super) struct Connection<M> {
    /// Moves on when the slot is freed, so that nobody mistakes the next connection for this one.
    pub(super) generation: u32,
    pub(super) client_end: ClientEnd,
    pub(super) server_end: ServerEnd,
    /// Whether the accepting side is handling a request.
    pub(super) busy: bool,
    /// How many requests before that are still to be answered.
    pub(super) unanswered: u32,
    pub(super) round_trips: u8,
    pub(super) client: NodeId,
    pub(super) peer: Peer,
    ordinal: u32,
    latency: Distribution,
    latencies: Draws,
    /// When the first attempt to open reaches the other machine.
    pub(super) asked: Time,
    pub(super) ways: [Stream<M>; 2],
    /// Requests that have reached the accepting machine and wait for the one being handled.
    pub(super) waiting: VecDeque<M>,
}

/// One direction of a connection. Each message under way, and the end, has a `What::Data` in the world's queue.
#[derive(Clone, Debug)]
pub(super) struct Stream<M> {
    pub(super) under_way: VecDeque<M>,
    /// The end follows what is under way.
    pub(super) ends: bool,
    /// When the oldest under way was first seen not to get through; the kernel then tries at intervals.
    pub(super) stuck: Option<Time>,
    /// What has come through is kept back, and nothing of this way is handed over.
    pub(super) kept_back: bool,
    /// How many arrivals have come and gone behind the one that is stuck, or kept back.
    pub(super) passed_over: u32,
    /// How many messages have been sent.
    sent: u64,
    /// Nothing arrives before this.
    last: Time,
    /// When the link has taken all that was sent, where bandwidth is limited.
    clear: Time,
}

impl<M: Copy> Connection<M> {
    pub(super) fn unused() -> Connection<M> {
        let stream = || Stream {
            under_way: VecDeque::new(),
            ends: false,
            stuck: None,
            kept_back: false,
            passed_over: 0,
            sent: 0,
            last: Time::ZERO,
            clear: Time::ZERO,
        };
        Connection {
            generation: 0,
            client_end: ClientEnd::Ended,
            server_end: ServerEnd::Ended,
            busy: false,
            unanswered: 0,
            round_trips: 1,
            client: NodeId::NOBODY,
            peer: Peer { node: NodeId::NOBODY, channel: Channel(0) },
            ordinal: 0,
            latency: Distribution::Constant(Span::ZERO),
            latencies: Draws::default(),
            asked: Time::ZERO,
            ways: [stream(), stream()],
            waiting: VecDeque::new(),
        }
    }

    /// Makes the slot a new connection that is opening; the memory of the last one serves again.
    pub(super) fn open(
        &mut self,
        client: NodeId,
        peer: Peer,
        ordinal: u32,
        latency: Distribution,
        round_trips: u8,
        chance: &Chance,
    ) {
        self.client_end = ClientEnd::Opening;
        self.server_end = ServerEnd::Absent;
        self.busy = false;
        self.unanswered = 0;
        self.round_trips = round_trips;
        self.client = client;
        self.peer = peer;
        self.ordinal = ordinal;
        self.latency = latency;
        self.latencies = chance.draws(Purpose::Latency, self.entity(), ordinal.into());
        for stream in &mut self.ways {
            stream.under_way.clear();
            stream.ends = false;
            stream.stuck = None;
            stream.kept_back = false;
            stream.passed_over = 0;
            stream.sent = 0;
            stream.last = Time::ZERO;
            stream.clear = Time::ZERO;
        }
        self.waiting.clear();
    }

    /// The number of the next message of this way.
    #[inline]
    pub(super) fn number(&mut self, way: Way) -> u64 {
        let stream = &mut self.ways[way.index()];
        stream.sent += 1;
        stream.sent - 1
    }

    /// When a packet sent now arrives: never before an earlier one of its way. Without a size it passes the link at once.
    #[inline]
    pub(super) fn arrival(
        &mut self,
        now: Time,
        way: Way,
        number: u64,
        bytes: Option<Bytes>,
        links: &Links,
        chance: &Chance,
    ) -> Time {
        let under_way = self.under_way(way, number, links, chance);
        let stream = &mut self.ways[way.index()];
        let mut leaves = now;
        if let (Some(bandwidth), Some(bytes)) = (links.options.bandwidth, bytes) {
            leaves = stream.clear.max(now) + time_to_pass(bytes, bandwidth);
            stream.clear = leaves;
        }
        stream.last = stream.last.max(leaves + under_way);
        stream.last
    }

    /// When the last of the legs that follow the first packet is back at the client.
    pub(super) fn opened_at(&mut self, now: Time, links: &Links, chance: &Chance) -> Time {
        let mut at = now;
        for leg in 1..u64::from(self.round_trips) * 2 {
            let way = if leg % 2 == 1 { DOWN } else { UP };
            at += self.under_way(way, SYN + leg, links, chance);
        }
        let down = &mut self.ways[DOWN.index()];
        down.last = down.last.max(at);
        down.last
    }

    /// How long a packet is under way. The draw depends on the connection and the packet, on no other traffic.
    #[inline]
    fn under_way(&self, way: Way, number: u64, links: &Links, chance: &Chance) -> Span {
        let occasion = number * 2 + way.index() as u64;
        let mut latency = if let Distribution::Constant(span) = self.latency {
            span
        } else {
            self.latency.sample(self.latencies.draw(occasion))
        };
        if !links.slow.is_empty() {
            let (from, to) = self.ends(way);
            latency = links.slowed(from, to, latency);
        }
        if links.options.loss.numerator() > 0 {
            latency = latency + self.sent_again_for(number, occasion, links.options.loss, chance);
        }
        latency
    }

    /// How much later a packet comes because it was lost, perhaps more than once.
    #[cold]
    fn sent_again_for(&self, number: u64, occasion: u64, loss: Ratio, chance: &Chance) -> Span {
        let backoff: &Backoff = if number == SYN { &backoff::CONNECT } else { &backoff::DATA };
        backoff.delay(|attempt: u64| {
            let occasion = Occasion(u64::from(self.ordinal), (attempt << 48) | occasion);
            chance.draw(Purpose::Loss, self.entity(), occasion).happens(loss)
        })
    }

    /// Client, server and channel as one number.
    #[inline]
    fn entity(&self) -> u64 {
        u64::from(self.client.0) << 32 | u64::from(self.peer.node.0) << 16 | u64::from(self.peer.channel.0)
    }

    /// Hands a request to the accepting side.
    #[inline]
    pub(super) fn request(&mut self, slot: u32, message: M) -> Delivery<M> {
        self.busy = true;
        Delivery::Request {
            server: self.peer.node,
            connection: ConnectionId { slot, generation: self.generation },
            from: self.client,
            message,
        }
    }

    /// From whom to whom a way leads.
    #[inline]
    pub(super) fn ends(&self, way: Way) -> (NodeId, NodeId) {
        match way {
            Way::Up => (self.client, self.peer.node),
            Way::Down => (self.peer.node, self.client),
        }
    }

    /// If the way was stuck, it no longer is: what would have arrived meanwhile follows at this instant.
    #[inline]
    pub(super) fn resume(&mut self, now: Time, slot: u32, way: Way, around: &mut impl Surroundings<M>) {
        if self.ways[way.index()].stuck.is_some() {
            self.resume_stuck(now, slot, way, around);
        }
    }

    #[cold]
    fn resume_stuck(&mut self, now: Time, slot: u32, way: Way, around: &mut impl Surroundings<M>) {
        let stream = &mut self.ways[way.index()];
        stream.stuck = None;
        for _ in 0..std::mem::take(&mut stream.passed_over) {
            around.schedule(now, self.pending(slot, What::Data(way)));
        }
    }

    #[inline]
    pub(super) fn pending(&self, slot: u32, what: What) -> Pending {
        Pending { slot, generation: self.generation, what }
    }

    #[inline]
    pub(super) fn hearer(&self) -> Hearer {
        Hearer { client: self.client, peer: self.peer, ordinal: self.ordinal }
    }
}

impl<M: Copy> Stream<M> {
    /// Gives up everything that has not arrived.
    pub(super) fn drop_all(&mut self, around: &mut impl Surroundings<M>) {
        self.under_way.drain(..).for_each(|message| around.lost(message));
        self.ends = false;
        self.stuck = None;
        self.kept_back = false;
        self.passed_over = 0;
    }
}

impl Way {
    #[inline]
    pub(super) fn index(self) -> usize {
        match self {
            Way::Up => 0,
            Way::Down => 1,
        }
    }
}

/// Rounded up, so that something always takes some time.
fn time_to_pass(bytes: Bytes, bandwidth: Bytes) -> Span {
    let nanoseconds = (u128::from(bytes.get()) * 1_000_000_000).div_ceil(u128::from(bandwidth.get()));
    Span::from_nanoseconds(u64::try_from(nanoseconds).expect("a message passes within centuries"))
}
