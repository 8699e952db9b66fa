//! One node on a bench: the test says what happens to it and looks at what it asks for. Connections open at once, fsyncs end
//! at once, and nothing else answers unless the test does.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt::Debug;

use highwater::clients::producer::{Producer, ProducerPort};
use highwater::cluster::broker::{Broker, BrokerPort};
use highwater::cluster::controller::{Controller, ControllerPort};
use highwater::cluster::protocol::Message;
use highwater::cluster::store::Store;
use highwater::devices::port::{ConnectionId, Effect, Event, Outbox, Peer, Port, Timer};
use highwater::kernel::units::{NodeId, Span, Time};

/// A kind of node.
pub(crate) trait Node {
    type Port: Port<Message = Message, Store = Store, File: Debug>;

    fn take(&mut self, now: Time, event: Event<Self::Port>, out: &mut Outbox<'_, Self::Port>);

    /// Whether an alarm is never to ring: what it is for is not what these tests are about.
    fn is_dull(timer: &<Self::Port as Port>::Timer) -> bool;
}

impl Node for Broker {
    type Port = BrokerPort;

    fn take(&mut self, now: Time, event: Event<BrokerPort>, out: &mut Outbox<'_, BrokerPort>) {
        self.handle(now, event, out);
    }

    /// Heartbeats, and the controller that is slow to answer.
    fn is_dull(timer: &highwater::cluster::broker::Timer) -> bool {
        use highwater::cluster::broker::Timer::{IsrLine, Lifecycle, LifecycleLine, MetadataLine};
        matches!(timer, Lifecycle | LifecycleLine | MetadataLine | IsrLine)
    }
}

impl Node for Controller {
    type Port = ControllerPort;

    fn take(&mut self, now: Time, event: Event<ControllerPort>, out: &mut Outbox<'_, ControllerPort>) {
        self.handle(now, event, out);
    }

    fn is_dull(_: &highwater::cluster::controller::Timer) -> bool {
        false
    }
}

impl Node for Producer {
    type Port = ProducerPort;

    fn take(&mut self, now: Time, event: Event<ProducerPort>, out: &mut Outbox<'_, ProducerPort>) {
        self.handle(now, event, out);
    }

    fn is_dull(_: &highwater::clients::producer::ProducerTimer) -> bool {
        false
    }
}

/// An alarm that is set: when it rings.
type Alarm<N> = (Time, <<N as Node>::Port as Port>::Timer);

pub(crate) struct Bench<N: Node> {
    pub(crate) node: N,
    pub(crate) store: Store,
    pub(crate) now: Time,
    /// What the node has reported.
    pub(crate) notes: Vec<(Time, <N::Port as Port>::Note)>,
    /// What the node has asked others, unanswered, in order.
    pub(crate) asked: Vec<(Peer, Message)>,
    /// What the node has answered, by connection; none: it let the request pass.
    pub(crate) answers: BTreeMap<u32, Option<Message>>,
    /// The connections it has hung up.
    pub(crate) hung_up: Vec<u32>,
    /// How often it has ended itself.
    pub(crate) exits: u32,
    /// How many fsyncs it has asked for.
    pub(crate) flushes: u32,
    /// What it has asked of its disk, in order: the word and the file.
    pub(crate) disk: Vec<String>,
    /// Whether fsyncs do not end for now.
    pub(crate) disk_stalls: bool,
    stalled: Vec<Event<N::Port>>,
    alarms: BTreeMap<u32, Alarm<N>>,
    connections: u32,
}

impl<N: Node> Bench<N> {
    pub(crate) fn new(node: N) -> Bench<N> {
        Bench {
            node,
            store: Store::default(),
            now: Time::ZERO,
            notes: Vec::new(),
            asked: Vec::new(),
            answers: BTreeMap::new(),
            hung_up: Vec::new(),
            exits: 0,
            flushes: 0,
            disk: Vec::new(),
            disk_stalls: false,
            stalled: Vec::new(),
            alarms: BTreeMap::new(),
            connections: 0,
        }
    }

    /// Something happens to the node.
    pub(crate) fn feed(&mut self, event: Event<N::Port>) {
        self.run(|node, now, out| node.take(now, event, out));
    }

    /// The node is made to do something, and what it asks for is carried out.
    pub(crate) fn run(&mut self, what: impl FnOnce(&mut N, Time, &mut Outbox<'_, N::Port>)) {
        let mut events = VecDeque::new();
        let mut effects = Vec::new();
        what(&mut self.node, self.now, &mut Outbox::new(&mut effects, &mut self.store));
        self.carry_out(effects, &mut events);
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            self.node.take(self.now, event, &mut Outbox::new(&mut effects, &mut self.store));
            self.carry_out(effects, &mut events);
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect<N::Port>>, events: &mut VecDeque<Event<N::Port>>) {
        for effect in effects {
            self.disk.extend(asked_of_disk(&effect));
            match effect {
                Effect::Connect { peer, .. } => events.push_back(Event::Connected(peer)),
                Effect::Send(peer, message, _) => self.asked.push((peer, message)),
                Effect::Respond(connection, answer, _) => {
                    let former = self.answers.insert(connection.slot, answer);
                    assert!(former.is_none(), "one answer a request");
                }
                Effect::Hangup(connection) => self.hung_up.push(connection.slot),
                Effect::TakeNext(_) => (),
                Effect::SetTimerDrawn(timer, distribution) => {
                    self.alarms.insert(timer.slot(), (self.now + distribution.median(), timer));
                }
                Effect::SetTimer(timer, _, after) => {
                    self.alarms.insert(timer.slot(), (self.now + after, timer));
                }
                Effect::CancelTimer(timer) => {
                    self.alarms.remove(&timer.slot());
                }
                Effect::Replace(file, _, token) | Effect::Flush(file, token) => {
                    self.flushes += u32::from(matches!(effect, Effect::Flush(..)));
                    let ends = Event::Flushed(file, token);
                    if self.disk_stalls { self.stalled.push(ends) } else { events.push_back(ends) }
                }
                Effect::Note(note) => self.notes.push((self.now, note)),
                Effect::Close(peer) => self.asked.retain(|&(asked, _)| asked != peer),
                Effect::Exit => self.exits += 1,
                Effect::Listen
                | Effect::StopListening
                | Effect::Append(..)
                | Effect::Truncate(..)
                | Effect::Delete(_) => (),
            }
        }
    }

    /// Fsyncs that have been under way end.
    pub(crate) fn disk_goes_on(&mut self) {
        self.disk_stalls = false;
        for event in std::mem::take(&mut self.stalled) {
            self.feed(event);
        }
    }

    /// So many milliseconds pass, and alarms ring.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let end = self.now + Span::from_milliseconds(milliseconds);
        loop {
            let alarms = self.alarms.iter().filter(|(_, alarm)| alarm.0 <= end && !N::is_dull(&alarm.1));
            let Some((&slot, &(at, timer))) = alarms.min_by_key(|(_, alarm)| alarm.0) else { break };
            self.alarms.remove(&slot);
            self.now = at;
            self.feed(Event::Timer(timer));
        }
        self.now = end;
    }

    /// No alarm rings any more.
    pub(crate) fn silence(&mut self) {
        self.alarms.clear();
    }

    /// A request reaches the node on a connection of its own, which is named.
    pub(crate) fn request(&mut self, from: u16, message: Message) -> u32 {
        self.connections += 1;
        let connection = ConnectionId { slot: self.connections, generation: 0 };
        self.feed(Event::Request(connection, NodeId(from), message));
        connection.slot
    }

    /// Takes the oldest unanswered request of the node's that `is` one of those.
    pub(crate) fn take_asked<T>(&mut self, is: impl Fn(&Message) -> Option<T>) -> Option<(Peer, T)> {
        let place = self.asked.iter().position(|(_, message)| is(message).is_some())?;
        let (peer, message) = self.asked.remove(place);
        is(&message).map(|found| (peer, found))
    }

    /// Milliseconds since the beginning.
    pub(crate) fn milliseconds(at: Time) -> u64 {
        at.nanoseconds() / 1_000_000
    }
}

fn asked_of_disk<P: Port<File: Debug>>(effect: &Effect<P>) -> Option<String> {
    match effect {
        Effect::Append(file, _) => Some(format!("append {file:?}")),
        Effect::Truncate(file, _) => Some(format!("truncate {file:?}")),
        Effect::Replace(file, _, _) => Some(format!("replace {file:?}")),
        Effect::Flush(file, _) => Some(format!("flush {file:?}")),
        Effect::Delete(file) => Some(format!("delete {file:?}")),
        Effect::Connect { .. }
        | Effect::Send(..)
        | Effect::Respond(..)
        | Effect::Hangup(_)
        | Effect::SetTimer(..)
        | Effect::SetTimerDrawn(..)
        | Effect::CancelTimer(_)
        | Effect::Note(_)
        | Effect::Close(_)
        | Effect::Listen
        | Effect::StopListening
        | Effect::TakeNext(_)
        | Effect::Exit => None,
    }
}
