//! The Java producer on a bench, with one partition led by broker 1. Questions for metadata and for a producer id are answered
//! at once; Produce requests when the test says so.

use highwater::clients::app::{AtEnd, Full, OnError, Rate, Waits, Workload};
use highwater::clients::happened::Happened;
use highwater::clients::options::ProducerOptions;
use highwater::clients::presets::Library;
use highwater::clients::producer::{Producer, ProducerSetup};
use highwater::cluster::protocol::{
    ErrorCode, Leaders, Message, PartitionLeader, Produced, ProducedPartition, ProducerIdAnswer,
};
use highwater::cluster::units::{BatchId, LeaderEpoch, MessageId, Offset, ProducerId};
use highwater::devices::port::{Event, Peer};
use highwater::kernel::units::{Bytes, NodeId, Span, Time};

use crate::bench::Bench;
use crate::broker::ORDERS;

pub(crate) struct Desk {
    pub(crate) bench: Bench<Producer>,
    /// Produce requests without an answer, oldest first, with their one batch.
    requests: Vec<(Peer, BatchId)>,
    /// Every batch ever put on the wire, as `first-last#sequence.epoch`.
    pub(crate) wire: Vec<String>,
    /// How many ids were given.
    pub(crate) ids: u64,
}

/// `java-4.1` that lingers for nothing.
pub(crate) fn options() -> ProducerOptions {
    ProducerOptions { linger: Span::ZERO, ..Library::Java41.producer() }
}

impl Desk {
    /// One record a millisecond, so many in all, each a batch of its own; the application waits for nothing.
    pub(crate) fn new(options: ProducerOptions, records: u32) -> Desk {
        Desk::paced(options, records, 1)
    }

    /// One record every so many milliseconds.
    pub(crate) fn paced(options: ProducerOptions, records: u32, every: u64) -> Desk {
        let pace = |workload: &mut Workload| workload.rate = Rate::Every(Span::from_milliseconds(every));
        Desk::with(options, pace, records)
    }

    /// One record a millisecond, but for what `changes`.
    pub(crate) fn with(options: ProducerOptions, changes: impl FnOnce(&mut Workload), records: u32) -> Desk {
        let mut workload = Workload {
            start: Time::ZERO,
            records,
            rate: Rate::Every(Span::from_milliseconds(1)),
            size: Bytes::new(100),
            keys: 0,
            waits: Waits::None,
            at_end: AtEnd::Close,
            on_error: OnError::Ignore,
            full: Full::Block,
        };
        changes(&mut workload);
        let producer = Producer::new(ProducerSetup {
            id: NodeId(9),
            options,
            workload,
            first_message: MessageId(0),
            lives: &[vec![ORDERS]],
            brokers: 3,
            partitioner_key: 1,
        });
        let mut desk = Desk { bench: Bench::new(producer), requests: Vec::new(), wire: Vec::new(), ids: 0 };
        desk.feed(Event::Start);
        desk
    }

    pub(crate) fn feed(&mut self, event: Event<highwater::clients::producer::ProducerPort>) {
        self.bench.feed(event);
        self.answer_questions();
    }

    /// So many milliseconds pass, one by one.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.bench.pass(1);
            self.answer_questions();
        }
    }

    /// The broker answers the oldest request.
    pub(crate) fn answer(&mut self, error: ErrorCode) {
        let (peer, batch) = self.requests.remove(0);
        let part = ProducedPartition {
            partition: ORDERS,
            batch,
            error,
            base_offset: Offset::ZERO,
            current_leader: None,
        };
        let partitions = self.bench.store.produced.one(part);
        self.feed(Event::Response(peer, Message::Produced(Produced { partitions })));
    }

    /// The connection breaks with everything on it.
    pub(crate) fn disconnect(&mut self) {
        let (peer, _) = self.requests[0];
        self.requests.clear();
        self.feed(Event::Disconnected(peer));
    }

    /// The process is killed, with its connections and alarms.
    pub(crate) fn kill(&mut self) {
        self.requests.clear();
        self.bench.node.crash();
        self.bench.silence();
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// What the application was told, in order: `first-last outcome`.
    pub(crate) fn told(&self) -> Vec<String> {
        let words = self.bench.notes.iter().filter_map(|(_, note)| {
            let Happened::Told { first, count, outcome } = note else { return None };
            Some(format!("{first}-{} {}", first.0 + count - 1, outcome.name()))
        });
        words.collect()
    }

    fn answer_questions(&mut self) {
        while !self.bench.asked.is_empty() {
            let (peer, message) = self.bench.asked.remove(0);
            if let Message::Produce(request) = message {
                let batch = self.bench.store.produce.get(request.partitions)[0].batch;
                self.wire.push(self.describe(batch));
                self.requests.push((peer, batch));
                continue;
            }
            let answer = if let Message::FindLeaders = message {
                let leader = Some(NodeId(1));
                let one = PartitionLeader { partition: ORDERS, leader, epoch: LeaderEpoch(0) };
                Message::Leaders(Leaders { partitions: self.bench.store.leaders.one(one) })
            } else {
                assert!(matches!(message, Message::InitProducerId), "a producer does not ask {message:?}");
                self.ids += 1;
                Message::ProducerIdAnswer(ProducerIdAnswer { producer_id: ProducerId(1_000 * self.ids) })
            };
            self.bench.feed(Event::Response(peer, answer));
        }
    }

    fn describe(&self, id: BatchId) -> String {
        let batch = self.bench.store.batch(id);
        let messages: Vec<u32> = self.bench.store.messages(id).map(|message| message.0).collect();
        let (first, last) = (messages[0], messages[messages.len() - 1]);
        if batch.producer_id == ProducerId::NONE {
            return format!("{first}-{last}");
        }
        format!("{first}-{last}#{}.{}", batch.base_sequence, batch.producer_epoch)
    }
}
