//! The producer of Kafka's Java client (preset `java-4.1`) with the application around it, in one process.
//!
//! It never knows what becomes of a batch beyond the answers it gets, nor why a connection broke. The
//! `application` makes each `call`, for which the `partitioner` may choose where the record goes; records are gathered by
//! `accumulator`, numbered by `sequences` under an id from `producer_id`, and sent by `sender`.
//!
//! `Departure from Kafka:` the application's thread and the sender's are one: what the application sends in one instant is
//! drained after it, in slices of a few hundred records. A wait before a retry is drawn once, where Kafka draws it anew
//! whenever it looks.

mod accumulator;
mod application;
mod call;
mod partitioner;
mod producer_id;
mod record_size;
mod sender;
mod sequences;
#[cfg(test)]
mod tests;

use std::convert::Infallible;

use self::accumulator::{Accumulator, Place, Slot};
use self::application::Application;
use self::partitioner::Partitioner;
use self::producer_id::Question;
use self::sender::{Failure, Node};
use self::sequences::ProducerIdentity;
use super::app::Workload;
use super::happened::Happened;
use super::metadata::{Metadata, MetadataOptions};
use super::options::ProducerOptions;
use crate::cluster::backoff::Backoff;
use crate::cluster::network_client::{ConnectionTimer, NetworkClient, NetworkOptions};
use crate::cluster::protocol::Message;
use crate::cluster::store::Store;
use crate::cluster::units::{MessageId, PartitionId};
use crate::devices::port::{Channel, Event, Outbox, Peer, Port, Timer};
use crate::kernel::units::{Bytes, NodeId, Time};

/// The producer's vocabulary.
#[derive(Clone, Copy, Debug)]
pub enum ProducerPort {}

impl Port for ProducerPort {
    type Message = Message;
    type Timer = ProducerTimer;
    type File = Infallible;
    type Note = Happened;
    type Store = Store;
}

/// The producer's alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerTimer {
    /// The earliest time-out: of requests, deliveries, ageing metadata. It may ring for nothing.
    Wake,
    /// The next record is due.
    Due,
    /// The application goes on after a slice.
    Resume,
    /// Metadata may be asked for again.
    Metadata,
    /// An id may be asked for again.
    ProducerId,
    /// What failed is sent again.
    Again,
    /// Of the connection to a broker: see [`ConnectionTimer`].
    Connection(NodeId),
    /// The first batch of a partition has lingered, or may be tried again; the partition is given by its place in the topic.
    Batch(u32),
}

impl Timer for ProducerTimer {
    fn slot(self) -> u32 {
        match self {
            ProducerTimer::Wake => 0,
            ProducerTimer::Due => 1,
            ProducerTimer::Resume => 2,
            ProducerTimer::Metadata => 3,
            ProducerTimer::ProducerId => 4,
            // Nodes count from 1.
            ProducerTimer::Again => 5,
            ProducerTimer::Connection(node) => 5 + 2 * u32::from(node.0),
            ProducerTimer::Batch(place) => 6 + 2 * place,
        }
    }
}

impl ConnectionTimer for ProducerTimer {
    fn connection(node: NodeId) -> ProducerTimer {
        ProducerTimer::Connection(node)
    }
}

/// The producer's connections to brokers.
pub const PRODUCER_CHANNEL: Channel = Channel(0);

/// What a producer is made of.
#[derive(Clone, Copy, Debug)]
pub struct ProducerSetup<'a> {
    /// Its node.
    pub id: NodeId,
    /// Its settings.
    pub options: ProducerOptions,
    /// What its application does.
    pub workload: Workload,
    /// The number of its first message; the others follow.
    pub first_message: MessageId,
    /// The partitions that the topic it sends to may have, in order; then those it may have whenever it is made anew.
    pub lives: &'a [Vec<PartitionId>],
    /// `bootstrap.servers`: brokers 1 to this.
    pub brokers: u16,
    /// Drawn bits ([`Purpose::Partitioner`](crate::kernel::chance::Purpose::Partitioner)) that decide where records without
    /// keys go.
    pub partitioner_key: u64,
}

/// A producer and its application, from the start of the process to its end.
#[derive(Clone, Debug)]
pub struct Producer {
    options: ProducerOptions,
    retry_backoff: Backoff,
    process: Process,
    application: Application,
    partitioner: Partitioner,
    accumulator: Accumulator,
    /// With idempotence.
    identity: Option<ProducerIdentity>,
    question: Question,
    network: NetworkClient<Request>,
    metadata: Metadata,
    /// By node number.
    nodes: Vec<Node>,
    /// Brokers for which there may be something to send.
    to_look_at: Vec<NodeId>,
    /// For when [`ProducerTimer::Wake`] is set.
    wakes: Time,
    /// [`ProducerTimer::Again`] is set.
    pauses: bool,
    /// SIGTERM has come: the application makes no more calls and ends as it does at its end.
    is_asked_to_end: bool,
    /// Its machine's clock was set, and its sender has not woken since.
    clock_was_set: bool,
    /// A `send()` has woken the sender since that was set.
    woken: bool,
    /// Room for requests that have failed.
    failed: Vec<Request>,
}

/// Whether an event is one for which the sender's thread leaves its `poll()`; the application's own are not.
fn wakes_sender(event: Event<ProducerPort>) -> bool {
    match event {
        Event::Connected(_) | Event::Disconnected(_) | Event::Response(..) => true,
        Event::Timer(timer) => match timer {
            ProducerTimer::Wake
            | ProducerTimer::Metadata
            | ProducerTimer::ProducerId
            | ProducerTimer::Connection(_)
            | ProducerTimer::Batch(_) => true,
            ProducerTimer::Due | ProducerTimer::Resume | ProducerTimer::Again => false,
        },
        Event::Start | Event::Stop | Event::Request(..) | Event::Flushed(..) | Event::FlushFailed(..) => {
            false
        }
    }
}

/// How far the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    NotStarted,
    Running,
    /// `flush()` was called, and is called again until nothing is left to be sent again: what waits is sent without
    /// lingering.
    Flushing,
    /// `close()` was called: the same, and nothing more can be sent.
    Closing,
    Ended,
}

/// What was sent, to be found again with the answer.
#[derive(Clone, Copy, Debug)]
enum Request {
    Metadata,
    ProducerId,
    /// The batches of a Produce request begin with this one and are linked.
    Produce(Slot),
}

impl Producer {
    /// A producer whose process has not started.
    pub fn new(setup: ProducerSetup<'_>) -> Producer {
        let ProducerSetup { id, options, workload, first_message, lives, brokers, partitioner_key } = setup;
        let partitions = lives.first().filter(|first| !first.is_empty()).expect("a topic has partitions");
        let retry_backoff = Backoff::new(options.retry_backoff, options.retry_backoff_max);
        // `batch.size` of 0 turns batching off: every batch is full with its first record.
        let batch_size = options.batch_size.max(Bytes::new(1));
        Producer {
            options,
            retry_backoff,
            process: Process::NotStarted,
            application: Application::new(workload, first_message),
            partitioner: Partitioner::new(partitioner_key, batch_size),
            accumulator: Accumulator::new(partitions, batch_size, options.buffer_memory),
            identity: options.idempotence.then(ProducerIdentity::new),
            question: if options.idempotence { Question::Due } else { Question::Settled },
            network: NetworkClient::new(NetworkOptions {
                channel: PRODUCER_CHANNEL,
                round_trips: 2,
                max_in_flight: options.max_in_flight,
                reconnect_backoff: Backoff::new(options.reconnect_backoff, options.reconnect_backoff_max),
                connection_setup_timeout: Backoff::new(
                    options.connection_setup_timeout,
                    options.connection_setup_timeout_max,
                ),
            }),
            metadata: Metadata::new(
                std::iter::once(lives),
                MetadataOptions {
                    max_age: options.metadata_max_age,
                    backoff: retry_backoff,
                    brokers,
                    first_asked: id.0.into(),
                },
            ),
            nodes: vec![Node::default(); usize::from(brokers) + 1],
            to_look_at: Vec::new(),
            wakes: Time::NEVER,
            pauses: false,
            is_asked_to_end: false,
            clock_was_set: false,
            woken: false,
            failed: Vec::new(),
        }
    }

    /// Something has happened to the producer.
    pub fn handle(&mut self, now: Time, event: Event<ProducerPort>, out: &mut Outbox<ProducerPort>) {
        if self.process == Process::Ended {
            return;
        }
        self.application.begin_slice();
        match event {
            Event::Start => self.on_start(out),
            Event::Connected(peer) => self.on_connected(peer, out),
            Event::Disconnected(peer) => self.on_disconnected(now, peer, out),
            Event::Response(peer, message) => self.on_response(now, peer, message, out),
            Event::Timer(timer) => self.on_timer(now, timer, out),
            Event::Stop => self.on_stop(out),
            Event::Request(_, from, _) => unreachable!("nobody connects to a client, but node {from} did"),
            Event::Flushed(file, _) | Event::FlushFailed(file, _) => match file {},
        }
        if self.clock_was_set && wakes_sender(event) {
            self.look_at_clock(now, out);
        }
        self.go_on(now, out);
    }

    /// Its machine's clock was set. The sender looks at it when it wakes next: by what comes over the network, or by a `send()`
    /// that begins or fills a batch, or when what it waited for is due by the monotonic clock.
    pub fn clock_was_set(&mut self) {
        self.clock_was_set = true;
        self.woken = false;
    }

    fn look_at_clock(&mut self, now: Time, out: &mut Outbox<ProducerPort>) {
        self.clock_was_set = false;
        self.on_wake(now, out);
    }

    /// The process is gone, killed or ended, and with it all it had in memory. What was killed may be started again: as
    /// another producer to the brokers, for an id is the process's (KIP-98).
    pub fn crash(&mut self) {
        self.network.clear();
        if self.process == Process::Ended && !self.is_asked_to_end {
            return;
        }
        self.is_asked_to_end = false;
        self.process = Process::NotStarted;
        self.application.forget();
        self.partitioner.begin_anew();
        self.accumulator.clear(self.options.buffer_memory);
        self.identity = self.options.idempotence.then(ProducerIdentity::new);
        self.question = if self.options.idempotence { Question::Due } else { Question::Settled };
        self.metadata.forget();
        self.nodes.fill_with(Node::default);
        self.to_look_at.clear();
        self.wakes = Time::NEVER;
        self.pauses = false;
    }

    /// Nobody starts the application again to make the calls it has not made: how many these are.
    pub fn make_no_more_calls(&mut self) -> u32 {
        self.application.give_up()
    }

    /// How many messages the application has handed over without having been told what became of them.
    pub fn unanswered(&self) -> u32 {
        self.application.unanswered()
    }

    /// How many `send()` calls have been made; a call that blocks counts once it has returned.
    pub fn sent(&self) -> u32 {
        self.application.sent()
    }

    /// Whether the application has made its last `send()`.
    pub fn has_sent_all(&self) -> bool {
        self.application.has_sent_all()
    }

    /// Whether nothing more will come of this producer: the process has ended, or all is sent and answered.
    pub fn is_done(&self) -> bool {
        self.process == Process::Ended || self.application.is_through()
    }

    fn on_start(&mut self, out: &mut Outbox<ProducerPort>) {
        assert_eq!(self.process, Process::NotStarted, "a producer has one process");
        self.process = Process::Running;
        self.application.start(out);
    }

    fn on_stop(&mut self, out: &mut Outbox<ProducerPort>) {
        self.is_asked_to_end = true;
        self.application.stop(out);
    }

    fn on_connected(&mut self, peer: Peer, out: &mut Outbox<ProducerPort>) {
        self.network.on_connected(peer.node, out);
        self.look_at(peer.node);
    }

    fn on_disconnected(&mut self, now: Time, peer: Peer, out: &mut Outbox<ProducerPort>) {
        let mut failed = std::mem::take(&mut self.failed);
        self.network.on_disconnected(now, peer.node, &mut failed, out);
        self.fail_requests(now, failed, Failure::Disconnected, out);
    }

    fn on_response(&mut self, now: Time, peer: Peer, message: Message, out: &mut Outbox<ProducerPort>) {
        let request = self.network.on_response(peer.node);
        self.look_at(peer.node);
        match (request, message) {
            (Request::Metadata, Message::Leaders(answer)) => {
                if self.metadata.on_response(now, answer, ProducerTimer::Metadata, out) {
                    for (place, partition) in self.accumulator.partitions.iter_mut().enumerate() {
                        partition.id = self.metadata.id(place);
                    }
                    self.leaders_changed();
                }
                self.wake_by(now, self.metadata.expires(), out);
            }
            (Request::ProducerId, Message::ProducerIdAnswer(answer)) => self.on_producer_id(now, answer, out),
            (Request::Produce(first), Message::Produced(answer)) => {
                self.on_produced(now, first, answer, out);
            }
            (request, answer) => unreachable!("{request:?} was answered with {answer:?}"),
        }
    }

    fn on_timer(&mut self, now: Time, timer: ProducerTimer, out: &mut Outbox<ProducerPort>) {
        match timer {
            ProducerTimer::Wake => self.on_wake(now, out),
            ProducerTimer::Due => self.application.on_due(out),
            ProducerTimer::Resume => (),
            ProducerTimer::Again => {
                self.pauses = false;
                self.application.on_again();
            }
            ProducerTimer::Metadata => self.metadata.on_alarm(),
            ProducerTimer::ProducerId => self.on_producer_id_alarm(),
            ProducerTimer::Connection(node) => {
                if self.network.on_alarm(now, node, out) {
                    self.metadata.on_disconnected(now, false, ProducerTimer::Metadata, out);
                }
                self.look_at(node);
            }
            ProducerTimer::Batch(place) => self.on_waited(Place(place)),
        }
    }

    fn on_wake(&mut self, now: Time, out: &mut Outbox<ProducerPort>) {
        self.wakes = Time::NEVER;
        let mut failed = std::mem::take(&mut self.failed);
        self.network.expire(now, &mut failed, out);
        self.fail_requests(now, failed, Failure::TimedOut, out);
        if self.question == Question::Settled {
            self.expire_batches(now, out);
        }
        self.look_at_all();
        let deadlines = [
            self.network.next_deadline(),
            self.accumulator.next_expiry(self.options.delivery_timeout),
            self.metadata.expires(),
            self.application.blocked_since().map_or(Time::NEVER, |since| since + self.options.max_block),
        ];
        for deadline in deadlines {
            // What is past has been seen to, or waits for something else than time.
            if deadline > now {
                self.wake_by(now, deadline, out);
            }
        }
    }

    /// What follows from anything that may have happened.
    fn go_on(&mut self, now: Time, out: &mut Outbox<ProducerPort>) {
        loop {
            self.run_application(now, out);
            if self.process == Process::Ended {
                return;
            }
            if self.clock_was_set {
                if !self.woken {
                    // The sender sleeps.
                    break;
                }
                self.look_at_clock(now, out);
            }
            self.send_what_is_ready(now, out);
            if !self.can_application_go_on(now) {
                break;
            }
        }
        self.pause_or_end(now, out);
    }

    /// Makes sure of being woken at this instant at the latest.
    #[inline]
    fn wake_by(&mut self, now: Time, at: Time, out: &mut Outbox<ProducerPort>) {
        if at < self.wakes {
            self.wakes = at;
            out.set_timer(ProducerTimer::Wake, at.since(now));
        }
    }
}
