//! The connections of one node to others and what is unanswered on them: `NetworkClient`, `ClusterConnectionStates` and
//! `InFlightRequests` of Kafka, as far as brokers and clients share them.
//!
//! It sets one alarm a connection, named by [`ConnectionTimer`]: how long to wait before connecting again, or how long a
//! connection may take to be made. Requests have deadlines instead; the owner asks for the next one
//! ([`NetworkClient::next_deadline`]), keeps a single alarm for it among its own, and calls [`NetworkClient::expire`].
//!
//! `Departure from Kafka:` a connection counts as being made until ApiVersions is answered, so that the time limit of
//! `socket.connection.setup.timeout.ms` covers both; Kafka gives ApiVersions a `request.timeout.ms` of its own. Bootstrap
//! servers and brokers are the same nodes, with one connection each. Connections never idle out.

use std::collections::VecDeque;

use super::backoff::{Backoff, SpanRange};
use crate::devices::port::{Channel, Effect, Outbox, Peer, Port, Timer};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// The alarms a node keeps for its connections.
pub trait ConnectionTimer: Timer {
    /// The alarm of the connection to `node`.
    fn connection(node: NodeId) -> Self;
}

/// How connections are made and used.
#[derive(Clone, Copy, Debug)]
pub struct NetworkOptions {
    /// Which of the connections between two nodes these are.
    pub channel: Channel,
    /// How many round trips pass before the first request may go: 1 between brokers, 2 with ApiVersions.
    pub round_trips: u8,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: u32,
    /// `reconnect.backoff.ms` and `reconnect.backoff.max.ms`.
    pub reconnect_backoff: Backoff,
    /// `socket.connection.setup.timeout.ms` and `socket.connection.setup.timeout.max.ms`.
    pub connection_setup_timeout: Backoff,
}

/// Connections to other nodes. `C` is what the owner wants to find again with an answer.
#[derive(Clone, Debug)]
pub struct NetworkClient<C> {
    options: NetworkOptions,
    /// By node number.
    connections: Vec<Connection<C>>,
}

#[derive(Clone, Debug)]
struct Connection<C> {
    state: State,
    /// `failedAttempts`: failures since it was last ready.
    failures: u32,
    /// `failedConnectAttempts`: how many attempts in a row never became a connection.
    failed_setups: u32,
    /// When it was last begun or lost.
    attempted: Time,
    in_flight: VecDeque<InFlight<C>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not connected, and may be at once.
    Disconnected,
    /// Not connected, and not to be until the alarm.
    BackingOff,
    /// Being made, until the alarm at the latest.
    Connecting,
    /// Requests may go.
    Connected,
}

#[derive(Clone, Copy, Debug)]
struct InFlight<C> {
    context: C,
    deadline: Time,
}

impl<C: Copy> NetworkClient<C> {
    /// No connection yet.
    pub fn new(options: NetworkOptions) -> NetworkClient<C> {
        NetworkClient { options, connections: Vec::new() }
    }

    /// The connection to `node`, as the world knows it.
    #[inline]
    pub fn peer(&self, node: NodeId) -> Peer {
        Peer { node, channel: self.options.channel }
    }

    /// Whether a request may go to `node` now; if not, begins to connect where that is possible (`KafkaClient.ready`).
    /// What keeps it from being ready ends with `on_connected`, `on_alarm` or `on_response`.
    pub fn ready<P>(&mut self, now: Time, node: NodeId, out: &mut Outbox<P>) -> bool
    where
        P: Port<Timer: ConnectionTimer>,
    {
        if self.can_send(node) {
            return true;
        }
        if self.can_connect(node) {
            self.connect(now, node, out);
        }
        false
    }

    /// Whether a request may go to `node` now.
    #[inline]
    pub fn can_send(&self, node: NodeId) -> bool {
        self.connections.get(usize::from(node.0)).is_some_and(|connection| {
            connection.state == State::Connected
                && connection.in_flight.len() < self.options.max_in_flight as usize
        })
    }

    /// Whether a connection to `node` is open.
    #[inline]
    pub fn is_connected(&self, node: NodeId) -> bool {
        self.state(node) == State::Connected
    }

    /// Whether a connection to any node is being made.
    pub fn is_any_connecting(&self) -> bool {
        self.connections.iter().any(|connection| connection.state == State::Connecting)
    }

    /// Which of `nodes` to ask something any of them can answer (`leastLoadedNode`): one with nothing in flight, else the
    /// least in flight, else one being connected to, else the one that was left alone the longest; none if all must wait.
    /// `offset` is where the search begins; Kafka draws it.
    pub fn least_loaded(&self, nodes: &[NodeId], offset: usize) -> Option<NodeId> {
        let (mut ready, mut connecting, mut connectable) = (None, None, None);
        for place in 0..nodes.len() {
            let node = nodes[(offset + place) % nodes.len()];
            if self.can_send(node) {
                let load = self.in_flight(node);
                if load == 0 {
                    return Some(node);
                }
                if ready.is_none_or(|(least, _)| load < least) {
                    ready = Some((load, node));
                }
                continue;
            }
            match self.state(node) {
                State::Connecting => connecting = Some(node),
                State::Disconnected => {
                    let attempted = self.attempted(node);
                    if connectable.is_none_or(|(earliest, _)| attempted < earliest) {
                        connectable = Some((attempted, node));
                    }
                }
                State::BackingOff | State::Connected => (),
            }
        }
        ready.map(|(_, node)| node).or(connecting).or(connectable.map(|(_, node)| node))
    }

    /// Sends a request that will be answered. The owner sees to its deadline.
    #[inline]
    pub fn send<P: Port>(
        &mut self,
        node: NodeId,
        (message, bytes): (P::Message, Bytes),
        (context, deadline): (C, Time),
        out: &mut Outbox<P>,
    ) {
        debug_assert!(self.can_send(node), "a request goes only where the client is ready");
        self.connection(node).in_flight.push_back(InFlight { context, deadline });
        out.send(self.peer(node), message, bytes);
    }

    /// How many requests to `node` are unanswered.
    #[inline]
    pub fn in_flight(&self, node: NodeId) -> usize {
        self.connections.get(usize::from(node.0)).map_or(0, |connection| connection.in_flight.len())
    }

    /// How many requests are unanswered.
    pub fn in_flight_in_all(&self) -> usize {
        self.connections.iter().map(|connection| connection.in_flight.len()).sum()
    }

    /// When the next request times out, if none is answered before.
    pub fn next_deadline(&self) -> Time {
        let requests = self.connections.iter().flat_map(|connection| &connection.in_flight);
        requests.map(|request| request.deadline).min().unwrap_or(Time::NEVER)
    }

    /// The connection is open.
    pub fn on_connected<P>(&mut self, node: NodeId, out: &mut Outbox<P>)
    where
        P: Port<Timer: ConnectionTimer>,
    {
        let connection = self.connection(node);
        assert_eq!(connection.state, State::Connecting, "only a connection being made becomes open");
        connection.state = State::Connected;
        connection.failures = 0;
        connection.failed_setups = 0;
        out.cancel_timer(P::Timer::connection(node));
    }

    /// The connection has ended, or could not be made. Its requests are added to `failed`, the oldest first.
    pub fn on_disconnected<P>(&mut self, now: Time, node: NodeId, failed: &mut Vec<C>, out: &mut Outbox<P>)
    where
        P: Port<Timer: ConnectionTimer>,
    {
        let backoff = self.options.reconnect_backoff;
        let connection = self.connection(node);
        if connection.state == State::Connecting {
            connection.failed_setups += 1;
        } else {
            connection.failed_setups = 0;
        }
        let range = backoff.after(connection.failures);
        connection.failures += 1;
        connection.attempted = now;
        connection.state = State::BackingOff;
        failed.extend(connection.in_flight.drain(..).map(|request| request.context));
        set(node, range, out);
    }

    /// The alarm of a connection: it may be tried again, or took too long to be made and is given up. It is never made
    /// with anything in flight. Says whether it was given up.
    pub fn on_alarm<P>(&mut self, now: Time, node: NodeId, out: &mut Outbox<P>) -> bool
    where
        P: Port<Timer: ConnectionTimer>,
    {
        let peer = self.peer(node);
        let connection = self.connection(node);
        match connection.state {
            State::BackingOff => {
                connection.state = State::Disconnected;
                false
            }
            State::Connecting => {
                out.ask(Effect::Close(peer));
                self.on_disconnected(now, node, &mut Vec::new(), out);
                true
            }
            State::Disconnected | State::Connected => {
                unreachable!("a connection has an alarm only while it is made or backing off")
            }
        }
    }

    /// The answer to the oldest request to `node`: what was sent with it.
    #[inline]
    pub fn on_response(&mut self, node: NodeId) -> C {
        let oldest = self.connection(node).in_flight.pop_front();
        oldest.expect("an answer belongs to a request in flight").context
    }

    /// Closes every connection with a request past its deadline. All requests of such a connection are added to `failed`.
    pub fn expire<P>(&mut self, now: Time, failed: &mut Vec<C>, out: &mut Outbox<P>)
    where
        P: Port<Timer: ConnectionTimer>,
    {
        for place in 0..self.connections.len() {
            if self.connections[place].in_flight.iter().any(|request| request.deadline <= now) {
                let node = NodeId(place as u16);
                out.ask(Effect::Close(self.peer(node)));
                self.on_disconnected(now, node, failed, out);
            }
        }
    }

    /// Forgets all connections: the process is gone.
    pub fn clear(&mut self) {
        self.connections.clear();
    }

    fn can_connect(&self, node: NodeId) -> bool {
        self.state(node) == State::Disconnected
    }

    fn connect<P>(&mut self, now: Time, node: NodeId, out: &mut Outbox<P>)
    where
        P: Port<Timer: ConnectionTimer>,
    {
        let (peer, options) = (self.peer(node), self.options);
        let connection = self.connection(node);
        connection.state = State::Connecting;
        connection.attempted = now;
        out.ask(Effect::Connect { peer, round_trips: options.round_trips });
        set(node, options.connection_setup_timeout.after(connection.failed_setups), out);
    }

    fn state(&self, node: NodeId) -> State {
        self.connections.get(usize::from(node.0)).map_or(State::Disconnected, |connection| connection.state)
    }

    fn attempted(&self, node: NodeId) -> Time {
        self.connections.get(usize::from(node.0)).map_or(Time::ZERO, |connection| connection.attempted)
    }

    #[inline]
    fn connection(&mut self, node: NodeId) -> &mut Connection<C> {
        let place = usize::from(node.0);
        if place >= self.connections.len() {
            self.connections.resize_with(place + 1, Connection::default);
        }
        &mut self.connections[place]
    }
}

impl<C> Default for Connection<C> {
    fn default() -> Self {
        Connection {
            state: State::Disconnected,
            failures: 0,
            failed_setups: 0,
            attempted: Time::ZERO,
            in_flight: VecDeque::new(),
        }
    }
}

fn set<P>(node: NodeId, range: SpanRange, out: &mut Outbox<P>)
where
    P: Port<Timer: ConnectionTimer>,
{
    // FOREVER is never reached as a time-out: such an alarm is no alarm.
    if range.least == Span::FOREVER {
        return out.cancel_timer(P::Timer::connection(node));
    }
    out.ask(Effect::SetTimer(P::Timer::connection(node), range.least, range.most));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Alarm(u16);

    impl Timer for Alarm {
        fn slot(self) -> u32 {
            self.0.into()
        }
    }

    impl ConnectionTimer for Alarm {
        fn connection(node: NodeId) -> Alarm {
            Alarm(node.0)
        }
    }

    #[derive(Debug)]
    struct Plain;

    impl Port for Plain {
        type Message = &'static str;
        type Timer = Alarm;
        type File = ();
        type Note = ();
        type Store = ();
    }

    const NODE: NodeId = NodeId(2);

    fn client(max_in_flight: u32) -> NetworkClient<u32> {
        let ms = Span::from_milliseconds;
        NetworkClient::new(NetworkOptions {
            channel: Channel(0),
            round_trips: 2,
            max_in_flight,
            reconnect_backoff: Backoff::new(ms(50), ms(1_000)),
            connection_setup_timeout: Backoff::new(ms(10_000), ms(30_000)),
        })
    }

    fn at(ms: u64) -> Time {
        Time::ZERO + Span::from_milliseconds(ms)
    }

    /// What `step` asks for, in words.
    fn asked(step: impl FnOnce(&mut Outbox<Plain>)) -> Vec<String> {
        let mut effects = Vec::new();
        step(&mut Outbox::new(&mut effects, &mut ()));
        let word = |effect: &Effect<Plain>| match effect {
            Effect::Connect { round_trips, .. } => format!("connect {round_trips}"),
            Effect::Close(_) => "close".to_owned(),
            Effect::Send(_, what, _) => format!("send {what}"),
            Effect::SetTimer(_, least, most) => format!("alarm {least} {most}"),
            Effect::CancelTimer(_) => "cancel".to_owned(),
            other @ (Effect::Listen
            | Effect::StopListening
            | Effect::Respond(..)
            | Effect::TakeNext(_)
            | Effect::Hangup(_)
            | Effect::SetTimerDrawn(..)
            | Effect::Append(..)
            | Effect::Truncate(..)
            | Effect::Replace(..)
            | Effect::Flush(..)
            | Effect::Delete(_)
            | Effect::Note(())
            | Effect::Exit) => panic!("nothing else is asked for: {other:?}"),
        };
        effects.iter().map(word).collect()
    }

    fn send(client: &mut NetworkClient<u32>, context: u32, deadline: Time, out: &mut Outbox<Plain>) {
        client.send(NODE, ("request", Bytes::ZERO), (context, deadline), out);
    }

    #[test]
    fn it_connects_once_and_keeps_the_limit_of_requests() {
        let mut client = client(2);
        let asked = asked(|out| {
            assert!(!client.ready(at(0), NODE, out) && !client.ready(at(0), NODE, out));
            client.on_connected(NODE, out);
            for context in [7, 8] {
                assert!(client.ready(at(1), NODE, out));
                send(&mut client, context, at(100), out);
            }
            assert!(!client.ready(at(1), NODE, out), "two are in flight");
        });
        assert_eq!(asked, ["connect 2", "alarm 8 s 12 s", "cancel", "send request", "send request"]);
        assert_eq!((client.on_response(NODE), client.on_response(NODE)), (7, 8), "in order");
        assert!(client.can_send(NODE));
    }

    #[test]
    fn one_late_request_fails_all_of_its_connection() {
        let mut client = client(5);
        let mut failed = Vec::new();
        let words = asked(|out| {
            client.ready(at(0), NODE, out);
            client.on_connected(NODE, out);
            send(&mut client, 1, at(500), out);
            send(&mut client, 2, at(300), out);
            assert_eq!(client.next_deadline(), at(300));
            client.expire(at(299), &mut failed, out);
            assert!(failed.is_empty());
            client.expire(at(300), &mut failed, out);
        });
        assert_eq!(failed, [1, 2]);
        assert_eq!(words[words.len() - 2..], ["close", "alarm 40 ms 60 ms"]);
        assert_eq!(client.next_deadline(), Time::NEVER);
    }

    #[test]
    fn waits_grow_while_nothing_becomes_a_connection() {
        let mut client = client(5);
        let mut failed = Vec::new();
        let words = asked(|out| {
            for _ in 0..3 {
                assert!(!client.ready(at(0), NODE, out));
                client.on_disconnected(at(0), NODE, &mut failed, out);
                assert!(!client.ready(at(0), NODE, out), "it backs off");
                assert!(!client.on_alarm(at(1), NODE, out), "and may try again");
            }
            assert!(!client.ready(at(0), NODE, out));
            assert!(client.on_alarm(at(1), NODE, out), "it took too long to be made");
            assert!(!client.on_alarm(at(1), NODE, out));
            client.ready(at(0), NODE, out);
            client.on_connected(NODE, out);
            client.on_disconnected(at(0), NODE, &mut failed, out);
        });
        let expected = [
            "connect 2",
            "alarm 8 s 12 s",
            "alarm 40 ms 60 ms",
            "connect 2",
            "alarm 16 s 24 s",
            "alarm 80 ms 120 ms",
            "connect 2",
            "alarm 24 s 30 s",
            "alarm 160 ms 240 ms",
            "connect 2",
            "alarm 24 s 30 s",
            "close",
            "alarm 320 ms 480 ms",
            "connect 2",
            "alarm 24 s 30 s",
            "cancel",
            "alarm 40 ms 60 ms",
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn the_least_loaded_is_asked() {
        let nodes = [NodeId(1), NodeId(2), NodeId(3)];
        let mut client = client(5);
        assert_eq!(client.least_loaded(&nodes, 4), Some(NodeId(2)), "from the offset on");
        asked(|out| {
            client.ready(at(5), NodeId(1), out);
            assert_eq!(client.least_loaded(&nodes, 1), Some(NodeId(1)), "one being connected to");
            client.ready(at(5), NODE, out);
            client.on_connected(NodeId(1), out);
            client.on_connected(NODE, out);
            send(&mut client, 1, at(9), out);
            assert_eq!(client.least_loaded(&nodes, 1), Some(NodeId(1)), "nothing in flight");
            let mut failed = Vec::new();
            for node in nodes {
                client.on_disconnected(at(6), node, &mut failed, out);
            }
            assert_eq!(client.least_loaded(&nodes, 0), None, "all back off");
        });
    }
}
