//! All that a node may be told and all that it may ask.
//!
//! A node has one way in, `handle(&mut self, now, event, &mut Outbox)`, and is pure: no clock, no chance, no I/O inside.
//! Where something is left to chance it asks with a range, and the world draws. The world alone carries effects out, in
//! the order they were asked for.

use crate::kernel::distribution::Distribution;
use crate::kernel::units::{Bytes, NodeId, Span};

/// The vocabulary of one kind of node.
pub trait Port {
    /// What its messages are: a small `Copy` value; anything long lies in the store.
    type Message: Copy;
    /// The alarms it can set.
    type Timer: Timer;
    /// Names of the files on its disk.
    type File: Copy + Ord;
    /// What it reports as having happened.
    type Note: Copy;
    /// Where the long parts of messages lie.
    type Store;
}

/// An alarm of a node. There is at most one alarm a slot: setting it again moves it.
pub trait Timer: Copy {
    /// A small number that is this alarm's own within its node.
    fn slot(self) -> u32;
}

/// A connection as the side that opened it knows it: to whom, and which of several. At most one is open a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The node at the other end.
    pub node: NodeId,
    /// Which of the connections to it: a fetcher, a heartbeat channel and a client each have their own.
    pub channel: Channel,
}

/// Keeps the connections of one node to another apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(pub u8);

/// A connection as the side that accepted it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Where it lies.
    pub slot: u32,
    /// Which of those that lay there: a connection that has ended is never mistaken for a later one.
    pub generation: u32,
}

/// What a node may be told.
#[derive(Clone, Copy, Debug)]
pub enum Event<P: Port> {
    /// The process begins, with nothing but what its disk holds.
    Start,
    /// A connection this node asked for is open.
    Connected(Peer),
    /// A connection this node opened, or was opening, has ended. What was unanswered on it stays unanswered.
    Disconnected(Peer),
    /// The answer to the oldest unanswered request of a connection this node opened.
    Response(Peer, P::Message),
    /// A request. The next of the same connection comes only after this one's `Respond`, or once it is asked for.
    Request(ConnectionId, NodeId, P::Message),
    /// An alarm this node set.
    Timer(P::Timer),
    /// The process is asked to end (SIGTERM): it does so when it sees fit, by `Exit`.
    Stop,
    /// An fsync this node asked for has ended well. The token is the one it was asked with.
    Flushed(P::File, u32),
    /// An fsync this node asked for has failed. The token is the one it was asked with.
    FlushFailed(P::File, u32),
}

/// What a node may ask.
#[derive(Clone, Copy, Debug)]
pub enum Effect<P: Port> {
    /// Accept connections from now on. Until then, and after the process has ended, they are refused.
    Listen,
    /// Accept no connection any more, and end those that were accepted: the other sides are told after one latency.
    StopListening,
    /// Open a connection; answered by `Connected` or `Disconnected`, or not at all while the other side says nothing.
    Connect {
        /// To whom.
        peer: Peer,
        /// How many round trips pass before the first request may go: 1 for TCP alone, 2 with ApiVersions.
        round_trips: u8,
    },
    /// Close a connection this node opened. No `Disconnected` follows.
    Close(Peer),
    /// Send a request on an open connection.
    Send(Peer, P::Message, Bytes),
    /// Answer the request being handled on this connection, or with `None` let it pass without an answer. Either way the
    /// next request of the connection may come. An answer to a connection that has ended goes nowhere.
    Respond(ConnectionId, Option<P::Message>, Bytes),
    /// The next request of this connection may come although the one being handled is yet to be answered. Answers must still be
    /// asked for in the order of the requests.
    TakeNext(ConnectionId),
    /// The accepting side ends the connection: the other is told after one latency.
    Hangup(ConnectionId),
    /// Set an alarm, or move it, to a drawn instant between `now` plus the least and `now` plus the most.
    SetTimer(P::Timer, Span, Span),
    /// Set an alarm, or move it, to an instant drawn so far from now. Exponential ones, one after the other, are a Poisson
    /// process.
    SetTimerDrawn(P::Timer, Distribution),
    /// Take an alarm back; nothing happens if it is not set.
    CancelTimer(P::Timer),
    /// Put bytes at the end of a file: they are in the page cache at once.
    Append(P::File, Bytes),
    /// Cut a file to this length.
    Truncate(P::File, Bytes),
    /// Write a small file anew in one stroke (temporary file, fsync, rename); answered by `Flushed` when it is durable.
    Replace(P::File, Bytes, u32),
    /// Make durable what a file holds now; answered by `Flushed` with the token.
    Flush(P::File, u32),
    /// Take a file away.
    Delete(P::File),
    /// Report what has happened.
    Note(P::Note),
    /// The process ends of its own will.
    Exit,
}

/// What a node asks while it handles one event, and the store its messages refer to.
pub struct Outbox<'a, P: Port> {
    effects: &'a mut Vec<Effect<P>>,
    /// Where the long parts of messages lie.
    pub store: &'a mut P::Store,
}

impl<'a, P: Port> Outbox<'a, P> {
    /// An outbox that adds to `effects`.
    pub fn new(effects: &'a mut Vec<Effect<P>>, store: &'a mut P::Store) -> Outbox<'a, P> {
        Outbox { effects, store }
    }

    /// Asks for one effect.
    #[inline]
    pub fn ask(&mut self, effect: Effect<P>) {
        self.effects.push(effect);
    }

    /// Reports what has happened.
    #[inline]
    pub fn note(&mut self, note: P::Note) {
        self.effects.push(Effect::Note(note));
    }

    /// Sets an alarm exactly `after` from now. An alarm for never is taken back.
    #[inline]
    pub fn set_timer(&mut self, timer: P::Timer, after: Span) {
        if after == Span::FOREVER {
            return self.cancel_timer(timer);
        }
        self.effects.push(Effect::SetTimer(timer, after, after));
    }

    /// Takes an alarm back.
    #[inline]
    pub fn cancel_timer(&mut self, timer: P::Timer) {
        self.effects.push(Effect::CancelTimer(timer));
    }

    /// Sends a request on an open connection.
    #[inline]
    pub fn send(&mut self, peer: Peer, message: P::Message, bytes: Bytes) {
        self.effects.push(Effect::Send(peer, message, bytes));
    }

    /// Answers the request being handled on a connection.
    #[inline]
    pub fn respond(&mut self, connection: ConnectionId, message: P::Message, bytes: Bytes) {
        self.effects.push(Effect::Respond(connection, Some(message), bytes));
    }
}
