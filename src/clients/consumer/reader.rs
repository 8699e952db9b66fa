//! The plain reader: its topics from their beginning, no group, nothing committed (`AbstractFetch`, `FetchCollector`,
//! `SubscriptionState`).
//!
//! It begins with the partitions that are there, at their beginning. One that it hears of later, because partitions were added
//! or the topic was made anew, it takes as a subscribed consumer would that has no committed offset there: by
//! `auto.offset.reset`.
//!
//! `Departure from Kafka:`
//! - It starts at the beginning (`seekToBeginning`), and does not ask where that is before it finds that it is not offset 0.
//! - A new partition is its own as soon as its metadata has it; a group rebalances first, within some tens of milliseconds.
//! - It asks about each partition it has to find a position in with a request of its own.
//! - Kafka checks the position with OffsetsForLeaderEpoch when the leader epoch changes (KIP-320). Here the first fetch under
//!   the new epoch carries the epoch of the last record read, and the leader says with the answer where the logs part.
//! - A partition whose fetch failed is left alone for `retry.backoff.ms`, unless another broker leads it by then; Kafka asks
//!   again at once until new metadata comes.
//! - Records are handed over as they arrive; `max.poll.records` and prefetching do not matter to a handler that takes no time.

use std::convert::Infallible;

use super::reading::{Reading, Reset};
use crate::clients::happened::Happened;
use crate::clients::metadata::{Metadata, MetadataOptions};
use crate::clients::options::ReaderOptions;
use crate::clients::retriable::{Class, class};
use crate::cluster::backoff::Backoff;
use crate::cluster::network_client::{ConnectionTimer, NetworkClient, NetworkOptions};
use crate::cluster::protocol::{
    ErrorCode, Fetch, FetchLimits, FetchPartition, Fetched, FetchedPartition, Fetcher, ListOffsets,
    ListedOffset, Message,
};
use crate::cluster::store::Store;
use crate::cluster::units::{Offset, PartitionId};
use crate::devices::port::{Channel, Effect, Event, Outbox, Peer, Port, Timer};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// The reader's vocabulary.
#[derive(Clone, Copy, Debug)]
pub enum ReaderPort {}

impl Port for ReaderPort {
    type Message = Message;
    type Timer = ReaderTimer;
    type File = Infallible;
    type Note = Happened;
    type Store = Store;
}

/// The reader's alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderTimer {
    /// The earliest of its time-outs and of ageing metadata. It may ring for nothing.
    Wake,
    /// Metadata may be asked for again.
    Metadata,
    /// Of the connection to a broker: see [`ConnectionTimer`].
    Connection(NodeId),
    /// A partition may be fetched again; it is given by its place among those assigned.
    Retry(u32),
}

impl Timer for ReaderTimer {
    fn slot(self) -> u32 {
        match self {
            ReaderTimer::Wake => 0,
            ReaderTimer::Metadata => 1,
            ReaderTimer::Connection(node) => 2 + 2 * u32::from(node.0),
            ReaderTimer::Retry(place) => 3 + 2 * place,
        }
    }
}

impl ConnectionTimer for ReaderTimer {
    fn connection(node: NodeId) -> ReaderTimer {
        ReaderTimer::Connection(node)
    }
}

/// The reader's connections to brokers.
pub const READER_CHANNEL: Channel = Channel(0);

/// `max.in.flight.requests.per.connection` of a consumer; it is no setting.
const MAX_IN_FLIGHT: u32 = 100;

/// The size of a Fetch request beside its partitions, and what each of them adds.
const REQUEST_BYTES: (Bytes, Bytes) = (Bytes::new(80), Bytes::new(40));

/// What a reader is made of.
#[derive(Clone, Copy, Debug)]
pub struct ReaderSetup<'a> {
    /// Its node.
    pub id: NodeId,
    /// Its settings.
    pub options: ReaderOptions,
    /// Of each topic it reads, the partitions it may have, and those it may have whenever it is made anew.
    pub topics: &'a [Vec<Vec<PartitionId>>],
    /// `bootstrap.servers`: brokers 1 to this.
    pub brokers: u16,
}

/// A reader.
#[derive(Clone, Debug)]
pub struct Reader {
    options: ReaderOptions,
    retry_backoff: Backoff,
    partitions: Vec<Reading>,
    /// It has partitions, or had.
    has_begun: bool,
    network: NetworkClient<Request>,
    metadata: Metadata,
    /// By node number.
    nodes: Vec<Node>,
    to_look_at: Vec<NodeId>,
    /// For when [`ReaderTimer::Wake`] is set.
    wakes: Time,
    failed: Vec<Request>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    leads: Vec<u32>,
    /// A fetch is unanswered.
    is_asked: bool,
    to_look_at: bool,
}

#[derive(Clone, Copy, Debug)]
enum Request {
    Metadata,
    Fetch(NodeId),
    /// Where a partition begins or ends, by its place.
    ListOffsets(u32),
}

impl Reader {
    /// A reader whose process has not started.
    pub fn new(setup: ReaderSetup<'_>) -> Reader {
        let ReaderSetup { id, options, topics, brokers } = setup;
        let retry_backoff = Backoff::new(options.retry_backoff, options.retry_backoff_max);
        Reader {
            options,
            retry_backoff,
            partitions: topics.iter().flat_map(|lives| &lives[0]).map(|&id| Reading::of(id)).collect(),
            has_begun: false,
            network: NetworkClient::new(NetworkOptions {
                channel: READER_CHANNEL,
                round_trips: 2,
                max_in_flight: MAX_IN_FLIGHT,
                reconnect_backoff: Backoff::new(options.reconnect_backoff, options.reconnect_backoff_max),
                connection_setup_timeout: Backoff::new(
                    options.connection_setup_timeout,
                    options.connection_setup_timeout_max,
                ),
            }),
            metadata: Metadata::new(
                topics.iter().map(Vec::as_slice),
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
            failed: Vec::new(),
        }
    }

    /// Something has happened to the reader.
    pub fn handle(&mut self, now: Time, event: Event<ReaderPort>, out: &mut Outbox<ReaderPort>) {
        match event {
            Event::Start => (),
            Event::Connected(peer) => self.on_connected(peer, out),
            Event::Disconnected(peer) => self.on_disconnected(now, peer, out),
            Event::Response(peer, message) => self.on_response(now, peer, message, out),
            Event::Timer(timer) => self.on_timer(now, timer, out),
            Event::Stop => unreachable!("nobody asks a client to end"),
            Event::Request(_, from, _) => unreachable!("nobody connects to a client, but node {from} did"),
            Event::Flushed(file, _) | Event::FlushFailed(file, _) => match file {},
        }
        self.fetch_what_is_ready(now, out);
    }

    /// The next offset it will read of a partition; none if that is not one of its own, or not yet, or it reads it no more, or
    /// not before newer records come.
    pub fn position(&self, partition: PartitionId) -> Option<Offset> {
        let reading = &self.partitions[self.metadata.place(partition)?];
        let reads = reading.id == partition && reading.is_assigned && !reading.gave_up;
        (reads && !reading.waits_for_records()).then_some(reading.position)
    }

    fn on_connected(&mut self, peer: Peer, out: &mut Outbox<ReaderPort>) {
        self.network.on_connected(peer.node, out);
        self.look_at(peer.node);
    }

    fn on_disconnected(&mut self, now: Time, peer: Peer, out: &mut Outbox<ReaderPort>) {
        let mut failed = std::mem::take(&mut self.failed);
        self.network.on_disconnected(now, peer.node, &mut failed, out);
        self.lost_connection(now, failed, out);
    }

    fn on_response(&mut self, now: Time, peer: Peer, message: Message, out: &mut Outbox<ReaderPort>) {
        match (self.network.on_response(peer.node), message) {
            (Request::Metadata, Message::Leaders(answer)) => {
                let changed = self.metadata.on_response(now, answer, ReaderTimer::Metadata, out);
                if changed {
                    self.assign(out);
                }
                // Every poll asks anew while it knows no leader, whatever an answer older than that said (`AbstractFetch`).
                let unknown = (0..self.partitions.len()).any(|place| self.lacks_leader(place));
                if changed || unknown {
                    self.leaders_changed();
                }
                self.wake_by(now, self.metadata.expires(), out);
            }
            (Request::Fetch(node), Message::Fetched(answer)) => self.on_fetched(node, answer, out),
            (Request::ListOffsets(place), Message::ListedOffset(answer)) => {
                self.on_listed_offset(now, place, peer.node, answer, out);
            }
            (request, answer) => unreachable!("{request:?} was answered with {answer:?}"),
        }
    }

    /// Partitions that it hears of are its own, and others no more. One that was only not heard of by the broker that answered
    /// goes on where it was.
    fn assign(&mut self, out: &mut Outbox<ReaderPort>) {
        let policy = self.options.auto_offset_reset;
        for (place, reading) in self.partitions.iter_mut().enumerate() {
            let (id, is_there) = (self.metadata.id(place), self.metadata.is_there(place));
            let is_new = is_there && (reading.is_untouched || reading.id != id);
            if reading.id != id {
                *reading = Reading::of(id);
            }
            reading.is_assigned = is_there;
            if is_new {
                reading.is_untouched = false;
                if self.has_begun {
                    reading.begin_by(policy, out);
                }
            }
        }
        self.has_begun |= self.metadata.partition_count() > 0;
    }

    /// Whether a partition is its own and nobody leads it, as far as it knows.
    fn lacks_leader(&self, place: usize) -> bool {
        self.partitions[place].is_assigned && self.metadata.leader(place).is_none()
    }

    fn on_timer(&mut self, now: Time, timer: ReaderTimer, out: &mut Outbox<ReaderPort>) {
        match timer {
            ReaderTimer::Wake => self.on_wake(now, out),
            ReaderTimer::Metadata => self.metadata.on_alarm(),
            ReaderTimer::Connection(node) => {
                if self.network.on_alarm(now, node, out) {
                    self.metadata.on_disconnected(now, false, ReaderTimer::Metadata, out);
                }
                self.look_at(node);
            }
            ReaderTimer::Retry(place) => {
                self.partitions[place as usize].not_from = None;
                if let Some(leader) = self.metadata.leader(place as usize) {
                    self.look_at(leader);
                }
            }
        }
    }

    fn on_wake(&mut self, now: Time, out: &mut Outbox<ReaderPort>) {
        self.wakes = Time::NEVER;
        let mut failed = std::mem::take(&mut self.failed);
        self.network.expire(now, &mut failed, out);
        if failed.is_empty() {
            self.failed = failed;
        } else {
            self.lost_connection(now, failed, out);
        }
        for deadline in [self.network.next_deadline(), self.metadata.expires()] {
            if deadline > now {
                self.wake_by(now, deadline, out);
            }
        }
    }

    /// Records, or why not, of every partition asked for.
    fn on_fetched(&mut self, node: NodeId, answer: Fetched, out: &mut Outbox<ReaderPort>) {
        self.nodes[usize::from(node.0)].is_asked = false;
        self.look_at(node);
        let (mut first_entry, mut news) = (0, false);
        for at in 0..out.store.fetched.get(answer.partitions).len() {
            let part = out.store.fetched.get(answer.partitions)[at];
            let entries = first_entry..first_entry + part.entries as usize;
            first_entry = entries.end;
            let place = self.metadata.place(part.partition).expect("only what was asked for is answered");
            // Another answer was faster.
            let reading = &self.partitions[place];
            let is_awaited = part.partition == reading.id && part.fetch_offset == reading.position;
            if !is_awaited || !reading.is_placed() {
                continue;
            }
            if part.error != ErrorCode::None {
                news |= self.on_error(place, node, part, out);
                continue;
            }
            let reading = &mut self.partitions[place];
            reading.checked = reading.asked;
            if let Some((epoch, end)) = part.diverging {
                reading.read_epoch = Some(epoch);
                reading.position = reading.position.min(end);
                continue;
            }
            let mut corrupt = false;
            for entry in entries {
                let entry = out.store.entries.get(answer.entries)[entry];
                if self.options.check_crcs && out.store.batch(entry.batch).rotten {
                    reading.found_corrupt(entry, out);
                    corrupt = true;
                    break;
                }
                reading.read(entry, out);
            }
            if corrupt {
                // What was fetched of others lies behind it (`FetchCollector.collectFetch`).
                self.partitions.iter_mut().for_each(|reading| reading.gave_up = true);
            }
        }
        if news {
            self.leaders_changed();
        }
    }

    /// A partition could not be read. Says whether the answer told of another leader.
    fn on_error(
        &mut self,
        place: usize,
        node: NodeId,
        part: FetchedPartition,
        out: &mut Outbox<ReaderPort>,
    ) -> bool {
        if part.error == ErrorCode::OffsetOutOfRange {
            self.partitions[place].out_of_range(self.options.auto_offset_reset, out);
            return false;
        }
        self.back_off(place, node, part.error, out);
        part.current_leader.is_some_and(|hint| self.metadata.hint(place, hint))
    }

    fn back_off(&mut self, place: usize, node: NodeId, error: ErrorCode, out: &mut Outbox<ReaderPort>) {
        self.partitions[place].not_from = Some(node);
        let range = self.retry_backoff.after(0);
        out.ask(Effect::SetTimer(ReaderTimer::Retry(place as u32), range.least, range.most));
        // `FetchCollector` asks for metadata after OFFSET_NOT_AVAILABLE as well.
        if class(error) == Class::InvalidMetadata || error == ErrorCode::OffsetNotAvailable {
            self.metadata.request_update();
        }
    }

    /// Where to go on in a partition (`OffsetFetcher.resetPositionsAsync`).
    fn on_listed_offset(
        &mut self,
        now: Time,
        place: u32,
        node: NodeId,
        answer: ListedOffset,
        out: &mut Outbox<ReaderPort>,
    ) {
        self.look_at(node);
        let reading = &mut self.partitions[place as usize];
        // The topic may have been made anew since.
        let Some(reset) = reading.reset.as_mut().filter(|_| reading.id == answer.partition) else { return };
        reset.is_asked = false;
        if answer.error != ErrorCode::None {
            // Whatever it is, other than after a fetch (`OffsetFetcherUtils.onSuccessfulResponseForResettingPositions`).
            self.metadata.request_update();
            return self.back_off(place as usize, node, answer.error, out);
        }
        let Some(offset) = answer.offset else {
            // There is no such record. Nothing is done about that before the question would have been over
            // (`SubscriptionState.setNextAllowedRetry`).
            reset.found_nothing = true;
            let after = if reset.deadline > now { reset.deadline.since(now) } else { Span::ZERO };
            reading.not_from = Some(node);
            return out.set_timer(ReaderTimer::Retry(place), after);
        };
        self.partitions[place as usize].go_on_at(offset, out);
    }

    /// Asks a broker where to go on in the partitions it leads.
    fn list_offsets(&mut self, now: Time, node: NodeId, out: &mut Outbox<ReaderPort>) {
        for index in 0..self.nodes[usize::from(node.0)].leads.len() {
            let place = self.nodes[usize::from(node.0)].leads[index];
            let reading = &self.partitions[place as usize];
            let Some(reset @ Reset { to, is_asked: false, .. }) = reading.reset else { continue };
            if reading.not_from == Some(node) || !self.network.ready(now, node, out) {
                continue;
            }
            let deadline = now + self.options.request_timeout;
            self.partitions[place as usize].reset = Some(Reset { is_asked: true, deadline, ..reset });
            let request = ListOffsets {
                replica: None,
                partition: self.partitions[place as usize].id,
                current_leader_epoch: self.metadata.epoch(place as usize),
                end: to.asked_at(now, out.store),
            };
            let message = (Message::ListOffsets(request), REQUEST_BYTES.0);
            self.network.send(node, message, (Request::ListOffsets(place), deadline), out);
            self.wake_by(now, deadline, out);
        }
    }

    /// A connection ended, and with it these requests.
    fn lost_connection(&mut self, now: Time, mut failed: Vec<Request>, out: &mut Outbox<ReaderPort>) {
        let was_asked = failed.iter().any(|request| matches!(request, Request::Metadata));
        self.metadata.on_disconnected(now, was_asked, ReaderTimer::Metadata, out);
        for request in failed.drain(..) {
            match request {
                Request::Metadata => (),
                Request::ListOffsets(place) => {
                    // None if the topic was made anew since.
                    if let Some(reset) = &mut self.partitions[place as usize].reset {
                        reset.is_asked = false;
                    }
                    if let Some(leader) = self.metadata.leader(place as usize) {
                        self.look_at(leader);
                    }
                }
                Request::Fetch(node) => {
                    self.nodes[usize::from(node.0)].is_asked = false;
                    self.look_at(node);
                }
            }
        }
        self.failed = failed;
    }

    /// Asks for metadata if that is due, and every broker to be looked at for records.
    fn fetch_what_is_ready(&mut self, now: Time, out: &mut Outbox<ReaderPort>) {
        let timeout = self.options.request_timeout;
        if self.metadata.maybe_update(now, &mut self.network, (Request::Metadata, timeout), out) {
            self.wake_by(now, now + timeout, out);
        }
        while !self.metadata.is_due(now)
            && let Some(node) = self.to_look_at.pop()
        {
            self.nodes[usize::from(node.0)].to_look_at = false;
            self.fetch_from(now, node, out);
        }
    }

    /// Fetches all a broker leads, unless it is being asked already.
    fn fetch_from(&mut self, now: Time, node: NodeId, out: &mut Outbox<ReaderPort>) {
        self.list_offsets(now, node, out);
        let Node { leads, is_asked, .. } = &self.nodes[usize::from(node.0)];
        let is_wanted = |&place: &u32| self.partitions[place as usize].may_fetch_from(node);
        if *is_asked || !leads.iter().any(is_wanted) || !self.network.ready(now, node, out) {
            return;
        }
        let list = out.store.fetch.take();
        let mut bytes = REQUEST_BYTES.0;
        for &place in leads {
            let epoch = self.metadata.epoch(place as usize);
            let reading = &mut self.partitions[place as usize];
            if !reading.may_fetch_from(node) {
                continue;
            }
            reading.asked = epoch;
            out.store.fetch.get_mut(list).push(FetchPartition {
                partition: reading.id,
                current_leader_epoch: epoch,
                fetch_offset: reading.position,
                last_fetched_epoch: reading.read_epoch.filter(|_| reading.checked != epoch),
                log_start_offset: Offset::ZERO,
                max_bytes: self.options.max_partition_fetch_bytes,
            });
            bytes += REQUEST_BYTES.1;
        }
        let limits = out.store.fetch_limits_id(FetchLimits {
            max_wait: self.options.fetch_max_wait,
            min_bytes: self.options.fetch_min_bytes,
            max_bytes: self.options.fetch_max_bytes,
        });
        let message = Message::Fetch(Fetch { fetcher: Fetcher::Consumer, limits, partitions: list });
        let deadline = now + self.options.request_timeout;
        self.network.send(node, (message, bytes), (Request::Fetch(node), deadline), out);
        self.nodes[usize::from(node.0)].is_asked = true;
        self.wake_by(now, deadline, out);
    }

    fn look_at(&mut self, node: NodeId) {
        let entry = &mut self.nodes[usize::from(node.0)];
        if !entry.to_look_at {
            entry.to_look_at = true;
            self.to_look_at.push(node);
        }
    }

    fn leaders_changed(&mut self) {
        for node in &mut self.nodes {
            node.leads.clear();
        }
        for place in 0..self.partitions.len() {
            if let Some(leader) = self.metadata.leader(place) {
                self.nodes[usize::from(leader.0)].leads.push(place as u32);
                self.look_at(leader);
            } else if self.lacks_leader(place) {
                self.metadata.request_update();
            }
        }
    }

    fn wake_by(&mut self, now: Time, at: Time, out: &mut Outbox<ReaderPort>) {
        if at < self.wakes {
            self.wakes = at;
            out.set_timer(ReaderTimer::Wake, at.since(now));
        }
    }
}
