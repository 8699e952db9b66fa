//! A connection of a broker that carries one request at a time: to the controller, or to a leader it fetches from.
//!
//! It connects, backs off, gives up waiting. What is said over it, and what to do when it breaks, is its owner's. Kafka runs
//! each of these on a client of its own with one request in flight (`NodeToControllerRequestThread`, `BrokerBlockingSender`,
//! the raft client).

use super::{BrokerPort, Timer};
use crate::cluster::protocol::Message;
use crate::devices::port::{Effect, Outbox, Peer};
use crate::kernel::units::{Bytes, Ratio, Span};

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
}

/// `socket.connection.setup.timeout.ms`; it doubles with each attempt in a row that came to nothing.
const SETUP_TIMEOUT: Span = Span::from_seconds(10);
/// `socket.connection.setup.timeout.max.ms`.
const SETUP_TIMEOUT_MAX: Span = Span::from_seconds(30);

/// One line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) peer: Peer,
    pub(super) options: LineOptions,
    timer: Timer,
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
}

/// What an alarm of a line meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// The back-off is over: connect again if there is something to say.
    MayConnect,
    /// Nothing came in time; the connection is closed.
    GaveUp,
}

impl Line {
    pub(super) fn new(peer: Peer, options: LineOptions, timer: Timer) -> Line {
        Line { peer, options, timer, state: State::Down, failures: 0, failed_setups: 0 }
    }

    /// Whether a request can go now. If not, and nothing is under way to change that, a connection is asked for.
    pub(super) fn ready(&mut self, out: &mut Outbox<'_, BrokerPort>) -> bool {
        if self.state == State::Down {
            self.state = State::Connecting;
            out.ask(Effect::Connect { peer: self.peer, round_trips: self.options.round_trips });
            self.set_jittered(SETUP_TIMEOUT, self.failed_setups, SETUP_TIMEOUT_MAX, out);
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

    pub(super) fn send(&mut self, message: Message, bytes: Bytes, out: &mut Outbox<'_, BrokerPort>) {
        assert_eq!(self.state, State::Idle, "a line carries one request at a time");
        self.state = State::Waiting;
        out.send(self.peer, message, bytes);
        out.set_timer(self.timer, self.options.request_timeout);
    }

    pub(super) fn connected(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        assert_eq!(self.state, State::Connecting, "a connection that was asked for opens");
        self.state = State::Idle;
        self.failures = 0;
        self.failed_setups = 0;
        out.cancel_timer(self.timer);
    }

    pub(super) fn answered(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        assert_eq!(self.state, State::Waiting, "an answer follows a request");
        self.state = State::Idle;
        out.cancel_timer(self.timer);
    }

    /// The connection has ended, or could not be opened. Gives whether a request was lost with it.
    pub(super) fn disconnected(&mut self, out: &mut Outbox<'_, BrokerPort>) -> bool {
        let was_waiting = self.state == State::Waiting;
        self.back_off(out);
        was_waiting
    }

    pub(super) fn alarm(&mut self, out: &mut Outbox<'_, BrokerPort>) -> Alarm {
        if self.state == State::BackingOff {
            self.state = State::Down;
            return Alarm::MayConnect;
        }
        out.ask(Effect::Close(self.peer));
        self.back_off(out);
        Alarm::GaveUp
    }

    /// Ends the connection for good.
    pub(super) fn close(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        match self.state {
            State::Down | State::BackingOff => (),
            State::Connecting | State::Idle | State::Waiting => out.ask(Effect::Close(self.peer)),
        }
        out.cancel_timer(self.timer);
        self.state = State::Down;
        self.failures = 0;
        self.failed_setups = 0;
    }

    fn back_off(&mut self, out: &mut Outbox<'_, BrokerPort>) {
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
    fn set_jittered(&self, first: Span, failures: u32, max: Span, out: &mut Outbox<'_, BrokerPort>) {
        let span = (first * (1 << failures.min(20))).min(max);
        let jitter = span.scaled(Ratio::new(1, 5));
        out.ask(Effect::SetTimer(self.timer, span - jitter, span + jitter));
    }
}
