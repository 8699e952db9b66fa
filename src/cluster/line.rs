//! A connection of a broker or controller that carries one request at a time: to a controller, or to a leader to fetch from.
//!
//! It connects, backs off, gives up waiting. What is said over it, and what to do when it breaks, is its owner's. Kafka runs
//! each of these on a client of its own with one request in flight (`NodeToControllerRequestThread`, `BrokerBlockingSender`,
//! the raft client).

use super::protocol::Message;
use crate::devices::port::{Effect, Outbox, Peer, Port, Timer};
use crate::kernel::units::{Bytes, NodeId, Ratio, Span};

/// How a line behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineOptions {
    /// Round trips before the first request: 1, or 2 with ApiVersions.
    pub(super) round_trips: u8,
    /// How long to wait for an answer.
    pub(super) request_timeout: Span,
    /// Before connecting again, at first; doubles with each failure.
    pub(super) reconnect_backoff: Span,
    /// At most.
    pub(super) reconnect_backoff_max: Span,
    /// How long to wait for a connection; it doubles with each attempt in a row that came to nothing.
    pub(super) setup_timeout: Span,
}

/// `socket.connection.setup.timeout.ms`.
pub(super) const SETUP_TIMEOUT: Span = Span::from_seconds(10);
/// `socket.connection.setup.timeout.max.ms`.
const SETUP_TIMEOUT_MAX: Span = Span::from_seconds(30);

/// One line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<T> {
    pub(super) peer: Peer,
    pub(super) options: LineOptions,
    timer: T,
    state: State,
    failures: u32,
    /// `failedConnectAttempts`: how many attempts in a row never became a connection.
    failed_setups: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down,
    BackingOff,
    Connecting,
    Idle,
    Waiting,
    Resting,
}

/// What an alarm of a line meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// The back-off, or the rest, is over: there may be something to say.
    MayConnect,
    /// Nothing came in time; the connection is closed.
    GaveUp,
    /// It was of a request that has been answered since.
    Stale,
}

impl<T: Timer> Line<T> {
    pub(super) fn new(peer: Peer, options: LineOptions, timer: T) -> Line<T> {
        Line { peer, options, timer, state: State::Down, failures: 0, failed_setups: 0 }
    }

    /// Whether a request can go now. If not, and nothing is under way to change that, a connection is asked for.
    pub(super) fn ready<P: Port<Message = Message, Timer = T>>(&mut self, out: &mut Outbox<'_, P>) -> bool {
        if self.state == State::Down {
            self.state = State::Connecting;
            out.ask(Effect::Connect { peer: self.peer, round_trips: self.options.round_trips });
            self.set_jittered(self.options.setup_timeout, self.failed_setups, SETUP_TIMEOUT_MAX, out);
        }
        self.state == State::Idle
    }

    /// Whether nothing of it is there or under way.
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Down
    }

    /// Whether a request waits for its answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// Whether a request can go now, or a connection be asked for: nothing is under way that its owner will hear of.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.state, State::Down | State::Idle)
    }

    pub(super) fn send<P: Port<Message = Message, Timer = T>>(
        &mut self,
        message: Message,
        bytes: Bytes,
        out: &mut Outbox<'_, P>,
    ) {
        assert_eq!(self.state, State::Idle, "a line carries one request at a time");
        self.state = State::Waiting;
        out.send(self.peer, message, bytes);
        out.set_timer(self.timer, self.options.request_timeout);
    }

    pub(super) fn connected<P: Port<Message = Message, Timer = T>>(&mut self, out: &mut Outbox<'_, P>) {
        assert_eq!(self.state, State::Connecting, "a connection that was asked for opens");
        self.state = State::Idle;
        self.failures = 0;
        self.failed_setups = 0;
        out.cancel_timer(self.timer);
    }

    /// The alarm of the request stays set: the next request moves it, and if there is none it says nothing.
    pub(super) fn answered(&mut self) {
        assert_eq!(self.state, State::Waiting, "an answer follows a request");
        self.state = State::Idle;
    }

    /// The connection has ended, or could not be opened. Gives whether a request was lost with it.
    pub(super) fn disconnected<P: Port<Message = Message, Timer = T>>(
        &mut self,
        out: &mut Outbox<'_, P>,
    ) -> bool {
        let was_waiting = self.state == State::Waiting;
        self.back_off(out);
        was_waiting
    }

    pub(super) fn alarm<P: Port<Message = Message, Timer = T>>(&mut self, out: &mut Outbox<'_, P>) -> Alarm {
        match self.state {
            State::BackingOff => self.state = State::Down,
            State::Resting => self.state = State::Idle,
            State::Idle => return Alarm::Stale,
            State::Down | State::Connecting | State::Waiting => {
                self.give_up(out);
                return Alarm::GaveUp;
            }
        }
        Alarm::MayConnect
    }

    /// Closes the connection, and backs off before the next.
    pub(super) fn give_up<P: Port<Message = Message, Timer = T>>(&mut self, out: &mut Outbox<'_, P>) {
        out.ask(Effect::Close(self.peer));
        self.back_off(out);
    }

    /// Says nothing for a while, drawn from the least to the most; then its alarm is as after a back-off.
    pub(super) fn rest<P: Port<Message = Message, Timer = T>>(
        &mut self,
        least: Span,
        most: Span,
        out: &mut Outbox<'_, P>,
    ) {
        self.state = match self.state {
            State::Down | State::BackingOff => State::BackingOff,
            State::Idle | State::Resting => State::Resting,
            State::Connecting | State::Waiting => panic!("a line that waits does not rest"),
        };
        out.ask(Effect::SetTimer(self.timer, least, most));
    }

    /// From now on it is a line to this node. Nothing of it may be there but a back-off.
    pub(super) fn aim(&mut self, node: NodeId) {
        assert!(
            matches!(self.state, State::Down | State::BackingOff),
            "a line that is there stays where it is"
        );
        self.peer.node = node;
    }

    /// Forgets that it is to back off, as a line to a node that has done nothing to deserve it.
    pub(super) fn forgive<P: Port<Message = Message, Timer = T>>(&mut self, out: &mut Outbox<'_, P>) {
        assert_eq!(self.state, State::BackingOff, "who is to be forgiven has failed");
        out.cancel_timer(self.timer);
        self.state = State::Down;
    }

    /// Ends the connection for good.
    pub(super) fn close<P: Port<Message = Message, Timer = T>>(&mut self, out: &mut Outbox<'_, P>) {
        match self.state {
            State::Down | State::BackingOff => (),
            State::Connecting | State::Idle | State::Waiting | State::Resting => {
                out.ask(Effect::Close(self.peer))
            }
        }
        out.cancel_timer(self.timer);
        self.state = State::Down;
        self.failures = 0;
        self.failed_setups = 0;
    }

    fn back_off<P: Port<Message = Message, Timer = T>>(&mut self, out: &mut Outbox<'_, P>) {
        if self.state == State::Connecting {
            self.failed_setups += 1;
        }
        let (backoff, max) = (self.options.reconnect_backoff, self.options.reconnect_backoff_max);
        self.set_jittered(backoff, self.failures, max, out);
        self.failures += 1;
        self.state = State::BackingOff;
    }

    /// Sets the alarm to a span that doubles with each failure up to `max`, give or take a fifth (`ExponentialBackoff` with the
    /// jitter of `ClusterConnectionStates`).
    fn set_jittered<P: Port<Message = Message, Timer = T>>(
        &self,
        first: Span,
        failures: u32,
        max: Span,
        out: &mut Outbox<'_, P>,
    ) {
        let span = (first * (1 << failures.min(20))).min(max);
        let jitter = span.scaled(Ratio::new(1, 5));
        out.ask(Effect::SetTimer(self.timer, span - jitter, span + jitter));
    }
}
