//! Broker 1 of three on a bench, with one partition.

use highwater::cluster::broker::{Broker, Holds};
use highwater::cluster::controller::{Controller, Given};
use highwater::cluster::generation::Version;
use highwater::cluster::happened::Happened;
use highwater::cluster::options::{BrokerOptions, TopicOptions};
use highwater::cluster::protocol::{
    AlterPartition, AlteredPartition, AlteredPartitions, ErrorCode, Fetch, FetchLimits, FetchPartition,
    Fetched, FetchedPartition, Fetcher, HeartbeatAnswer, ListOffsets, LogEnd, LogEntry, Message,
    MetadataRecord, MetadataRecords, PartitionState, Produce, ProducePartition, RegisteredBroker,
};
use highwater::cluster::store::MessageRun;
use highwater::cluster::units::{
    Acks, BatchId, BrokerEpoch, Incarnation, LeaderEpoch, MessageId, MetadataOffset, Offset, PartitionEpoch,
    PartitionId, ProducerEpoch, ProducerId, Replicas, Sequence,
};
use highwater::devices::port::{Event, Peer};
use highwater::kernel::distribution::Distribution;
use highwater::kernel::units::{Bytes, NodeId, Span, Time};

use crate::bench::Bench;
use crate::controller::ALONE;

pub(crate) const ORDERS: PartitionId = PartitionId(0);

/// The broker, and what the controller has told it last.
pub(crate) struct Desk {
    pub(crate) bench: Bench<Broker>,
    pub(crate) state: PartitionState,
    /// The metadata log as the controller has it.
    records: Vec<MetadataRecord>,
    /// How many partitions there are.
    partitions: u32,
}

/// What an answered fetch said of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: u64,
    pub(crate) diverging: Option<(u32, u64)>,
    /// How many batches.
    pub(crate) batches: u32,
}

/// A fetch of the partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// 0: a consumer.
    pub(crate) by: u16,
    /// None: its process has not registered.
    pub(crate) broker_epoch: Option<u64>,
    pub(crate) offset: u64,
    pub(crate) leader_epoch: u32,
    pub(crate) last_epoch: Option<u32>,
    pub(crate) max_wait: u64,
}

pub(crate) fn ids(numbers: &[u16]) -> Replicas {
    Replicas::of(numbers.iter().map(|&number| NodeId(number)))
}

/// Replicas 1, 2 and 3 in the sixth leader epoch.
pub(crate) fn state(isr: &[u16], leader: u16) -> PartitionState {
    PartitionState {
        replicas: ids(&[1, 2, 3]),
        removing: 0,
        isr: ids(isr),
        elr: Replicas::NONE,
        last_known_leader: None,
        leader: (leader > 0).then_some(NodeId(leader)),
        leader_epoch: LeaderEpoch(5),
        partition_epoch: PartitionEpoch(9),
        recovering: false,
    }
}

impl Desk {
    /// Kafka 4.1 with this in-sync set, led by broker 1, and this `min.insync.replicas`.
    pub(crate) fn leading(isr: &[u16], min_insync_replicas: u16) -> Desk {
        Desk::of(state(isr, 1), min_insync_replicas, |_| ())
    }

    /// Broker 1 follows broker 2.
    pub(crate) fn following() -> Desk {
        Desk::of(state(&[1, 2, 3], 2), 2, |_| ())
    }

    pub(crate) fn of(
        state: PartitionState,
        min_insync_replicas: u16,
        change: impl FnOnce(&mut BrokerOptions),
    ) -> Desk {
        let topic = TopicOptions { min_insync_replicas, ..Version::V4_1.generation().topic };
        Desk::with(Version::V4_1, state, topic, change)
    }

    /// Of this version, with a topic of this kind.
    pub(crate) fn with(
        version: Version,
        state: PartitionState,
        topic: TopicOptions,
        change: impl FnOnce(&mut BrokerOptions),
    ) -> Desk {
        Desk::of_several(1, version, state, topic, change)
    }

    /// With so many partitions, all alike; what is said of one is said of the first.
    pub(crate) fn of_several(
        partitions: usize,
        version: Version,
        state: PartitionState,
        topic: TopicOptions,
        change: impl FnOnce(&mut BrokerOptions),
    ) -> Desk {
        let generation = version.generation();
        let mut options = generation.broker;
        change(&mut options);
        let controller = Controller::new(
            NodeId(4),
            ALONE,
            generation,
            generation.controller,
            &vec![
                Given {
                    first_of_topic: ORDERS,
                    state: Some(state),
                    replicas: state.replicas,
                    min_insync_replicas: topic.min_insync_replicas,
                    unclean: false,
                    own: topic.own,
                };
                partitions
            ],
            3,
            None,
        );
        let records = controller.metadata_log().to_vec();
        let held = vec![(topic, Holds::FromTheBeginning); partitions];
        let at_once = Distribution::Constant(Span::ZERO);
        let broker = Broker::new(
            NodeId(1),
            generation,
            options,
            &generation.controller,
            3,
            ALONE,
            &held,
            at_once,
            None,
        );
        let mut bench = Bench::new(broker);
        bench.run(|broker, now, out| broker.begin(now, &records, out));
        Desk { bench, state, records, partitions: partitions as u32 }
    }

    /// The controller's records reach the broker.
    pub(crate) fn publish(&mut self, record: MetadataRecord) {
        self.records.push(record);
        self.answer_metadata();
    }

    /// The broker's fetch of metadata is answered with all it has not.
    fn answer_metadata(&mut self) {
        let asks = |message: &Message| {
            let Message::FetchMetadata(fetch) = message else { return None };
            Some(*fetch)
        };
        let (peer, fetch) = self.bench.take_asked(asks).expect("a broker always fetches metadata");
        let offset = fetch.offset;
        let records = self.bench.store.metadata.take();
        self.bench.store.metadata.get_mut(records).extend_from_slice(&self.records[offset.0 as usize..]);
        let answer = MetadataRecords {
            error: ErrorCode::None,
            leader: Some(ALONE.first),
            epoch: fetch.epoch,
            diverging: false,
            up_to: MetadataOffset(self.records.len() as u64),
            records,
        };
        self.bench.feed(Event::Response(peer, Message::MetadataRecords(answer)));
    }

    /// The controller has decided on the partition.
    pub(crate) fn decide(&mut self, change: impl FnOnce(&mut PartitionState)) {
        self.state.partition_epoch = self.state.partition_epoch.next();
        change(&mut self.state);
        self.publish(MetadataRecord::Partition { partition: ORDERS, state: self.state, election: None });
    }

    /// The controller has elected a leader, or nobody.
    pub(crate) fn elect(&mut self, leader: u16, isr: &[u16]) {
        self.decide(|state| {
            state.leader = (leader > 0).then_some(NodeId(leader));
            state.isr = ids(isr);
            state.leader_epoch = state.leader_epoch.next();
        });
    }

    /// A broker is fenced, or no longer; it registered before this broker's time.
    pub(crate) fn fence(&mut self, broker: u16, fenced: bool) {
        self.change_broker(broker, fenced, false);
    }

    /// Another process of a broker registers and is unfenced.
    pub(crate) fn registers_anew(&mut self, broker: u16) {
        let (broker, broker_epoch) = (NodeId(broker), BrokerEpoch(self.metadata_end()));
        self.publish(MetadataRecord::RegisterBroker { broker, incarnation: Incarnation(2) });
        let (fenced, in_controlled_shutdown) = (false, false);
        self.publish(MetadataRecord::BrokerChange { broker, broker_epoch, fenced, in_controlled_shutdown });
    }

    /// A broker's controlled shutdown begins.
    pub(crate) fn begins_to_stop(&mut self, broker: u16) {
        self.change_broker(broker, false, true);
    }

    fn change_broker(&mut self, broker: u16, fenced: bool, in_controlled_shutdown: bool) {
        self.publish(MetadataRecord::BrokerChange {
            broker: NodeId(broker),
            broker_epoch: BrokerEpoch(u64::from(broker) - 1),
            fenced,
            in_controlled_shutdown,
        });
    }

    /// A batch of a producer with so many records: id, epoch, first sequence.
    pub(crate) fn batch(&mut self, (id, epoch, sequence): (u64, u16, u32), records: u32) -> BatchId {
        let producer = (ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
        let run = MessageRun { first: MessageId(0), count: records };
        self.bench.store.add_batch(producer, &[run], Bytes::new(100), self.bench.now)
    }

    /// A batch whose records are stamped so many milliseconds ahead.
    pub(crate) fn batch_of(&mut self, ahead: u64) -> BatchId {
        let producer = (ProducerId::NONE, ProducerEpoch(0), Sequence(0));
        let run = MessageRun { first: MessageId(0), count: 1 };
        let timestamp = self.bench.now + Span::from_milliseconds(ahead);
        self.bench.store.add_batch(producer, &[run], Bytes::new(100), timestamp)
    }

    /// A batch of one record and so many bytes.
    pub(crate) fn large_batch(&mut self, bytes: u64) -> BatchId {
        let producer = (ProducerId::NONE, ProducerEpoch(0), Sequence(0));
        let run = MessageRun { first: MessageId(0), count: 1 };
        self.bench.store.add_batch(producer, &[run], Bytes::new(bytes), self.bench.now)
    }

    /// Where the metadata log ends.
    pub(crate) fn metadata_end(&self) -> u64 {
        self.records.len() as u64
    }

    /// A produce request with one batch, whose producer waits 30 s for its answer.
    pub(crate) fn send(&mut self, acks: Acks, batch: BatchId) -> u32 {
        let partitions = self.bench.store.produce.one(ProducePartition { partition: ORDERS, batch });
        let timeout = Span::from_seconds(30);
        self.bench.request(9, Message::Produce(Produce { acks, timeout, partitions }))
    }

    /// A produce request with so many records of a producer without idempotence.
    pub(crate) fn produce(&mut self, acks: Acks, records: u32) -> u32 {
        let batch = self.batch((0, 0, 0), records);
        self.send(acks, batch)
    }

    /// How a produce request was answered, if it was, and the offset it was told.
    pub(crate) fn produced(&self, connection: u32) -> Option<(ErrorCode, u64)> {
        let answer = self.bench.answers.get(&connection)?;
        let Some(Message::Produced(answer)) = answer else {
            panic!("not an answer to a produce: {answer:?}")
        };
        let part = self.bench.store.produced.get(answer.partitions)[0];
        Some((part.error, part.base_offset.0))
    }

    pub(crate) fn error(&self, connection: u32) -> Option<ErrorCode> {
        self.produced(connection).map(|(error, _)| error)
    }

    /// A fetch as it should be, which waits for nothing.
    pub(crate) fn ask(&self, by: u16, offset: u64) -> Ask {
        Ask {
            by,
            broker_epoch: Some(u64::from(by.saturating_sub(1))),
            offset,
            leader_epoch: self.state.leader_epoch.0,
            last_epoch: None,
            max_wait: 0,
        }
    }

    pub(crate) fn send_fetch(&mut self, ask: Ask) -> u32 {
        self.send_fetch_of(1, ask)
    }

    /// The same question about each of the first so many partitions.
    pub(crate) fn send_fetch_of(&mut self, count: u32, ask: Ask) -> u32 {
        let partitions = self.bench.store.fetch.take();
        self.bench.store.fetch.get_mut(partitions).extend((0..count).map(|partition| FetchPartition {
            partition: PartitionId(partition),
            current_leader_epoch: Some(LeaderEpoch(ask.leader_epoch)),
            fetch_offset: Offset(ask.offset),
            last_fetched_epoch: ask.last_epoch.map(LeaderEpoch),
            log_start_offset: Offset::ZERO,
            max_bytes: Bytes::new(1 << 20),
        }));
        let fetcher = match ask.by {
            0 => Fetcher::Consumer,
            by => Fetcher::Replica(NodeId(by), ask.broker_epoch.map(BrokerEpoch)),
        };
        let limits = self.bench.store.fetch_limits_id(FetchLimits {
            max_wait: Span::from_milliseconds(ask.max_wait),
            min_bytes: Bytes::new(1),
            max_bytes: Bytes::new(10 << 20),
        });
        let fetch = Fetch { fetcher, limits, partitions };
        self.bench.request(ask.by, Message::Fetch(fetch))
    }

    /// How a fetch was answered, if it was.
    pub(crate) fn got(&self, connection: u32) -> Option<Got> {
        let answer = self.bench.answers.get(&connection)?;
        let Some(Message::Fetched(answer)) = answer else { panic!("not an answer to a fetch: {answer:?}") };
        let part = self.bench.store.fetched.get(answer.partitions)[0];
        Some(Got {
            error: part.error,
            high_watermark: part.high_watermark.0,
            diverging: part.diverging.map(|(epoch, end)| (epoch.0, end.0)),
            batches: part.entries,
        })
    }

    /// A fetch that is answered at once.
    pub(crate) fn fetch(&mut self, ask: Ask) -> Got {
        let connection = self.send_fetch(ask);
        self.got(connection).expect("a fetch that waits for nothing is answered at once")
    }

    /// ListOffsets: where the log ends, as a follower or, without one, a consumer is told.
    pub(crate) fn latest(&mut self, replica: Option<u16>) -> Result<u64, ErrorCode> {
        self.list(replica, LogEnd::Latest).map(|offset| offset.expect("a log has an end"))
    }

    /// ListOffsets: where the first record is, for a consumer, that is stamped with this millisecond or a later one.
    pub(crate) fn since(&mut self, milliseconds: u64) -> Result<Option<u64>, ErrorCode> {
        let time = Time::ZERO + Span::from_milliseconds(milliseconds);
        let stamp = self.bench.store.stamp_id(time);
        self.list(None, LogEnd::Since(stamp))
    }

    fn list(&mut self, replica: Option<u16>, end: LogEnd) -> Result<Option<u64>, ErrorCode> {
        let request = ListOffsets {
            replica: replica.map(NodeId),
            partition: ORDERS,
            current_leader_epoch: Some(self.state.leader_epoch),
            end,
        };
        let connection = self.bench.request(9, Message::ListOffsets(request));
        let Some(Some(Message::ListedOffset(listed))) = self.bench.answers.get(&connection) else {
            panic!("it is answered at once")
        };
        let offset = listed.offset.map(|offset| offset.0);
        if listed.error == ErrorCode::None { Ok(offset) } else { Err(listed.error) }
    }

    /// A follower says that its log ends here.
    pub(crate) fn follower_at(&mut self, replica: u16, offset: u64) -> Got {
        self.fetch(self.ask(replica, offset))
    }

    pub(crate) fn high_watermark(&self) -> u64 {
        self.bench.node.high_watermark(ORDERS).expect("the broker runs").0
    }

    pub(crate) fn end(&self) -> u64 {
        self.bench.node.log(ORDERS).expect("it has a replica").end().0
    }

    /// The epoch of each batch of its log.
    pub(crate) fn epochs(&self) -> Vec<u32> {
        let log = self.bench.node.log(ORDERS).expect("it has a replica");
        log.entries().map(|entry| entry.epoch.0).collect()
    }

    /// What the broker proposes to the controller and has no answer to: to whom, and each partition's change.
    pub(crate) fn proposed(&mut self) -> Option<(Peer, Vec<AlterPartition>)> {
        let (peer, list) = self.bench.take_asked(|message| {
            let Message::AlterPartitions(request) = message else { return None };
            Some(request.partitions)
        })?;
        Some((peer, self.bench.store.alter.get(list).to_vec()))
    }

    /// Whether a proposal waits for its answer.
    pub(crate) fn asks_the_controller(&self) -> bool {
        self.bench.asked.iter().any(|(_, message)| matches!(message, Message::AlterPartitions(_)))
    }

    /// The in-sync set the broker proposes.
    pub(crate) fn proposed_isr(&mut self) -> Option<(Peer, Replicas)> {
        self.proposed().map(|(peer, changes)| (peer, changes[0].isr))
    }

    /// The controller accepts a proposal: the answer is there before the metadata.
    pub(crate) fn accept(&mut self, (peer, isr): (Peer, Replicas)) {
        let partition_epoch = self.state.partition_epoch.next();
        let answer = self.alteration(ErrorCode::None, isr, partition_epoch);
        self.alter_answer(peer, ErrorCode::None, Some(answer));
    }

    /// The controller refuses a proposal.
    pub(crate) fn refuse(&mut self, peer: Peer, error: ErrorCode) {
        let answer = self.alteration(error, Replicas::NONE, PartitionEpoch(0));
        self.alter_answer(peer, ErrorCode::None, Some(answer));
    }

    fn alteration(&self, error: ErrorCode, isr: Replicas, epoch: PartitionEpoch) -> AlteredPartition {
        AlteredPartition {
            partition: ORDERS,
            error,
            leader: self.state.leader,
            leader_epoch: self.state.leader_epoch,
            isr,
            partition_epoch: epoch,
            recovering: false,
        }
    }

    pub(crate) fn alter_answer(&mut self, peer: Peer, error: ErrorCode, one: Option<AlteredPartition>) {
        let partitions = self.bench.store.altered.take();
        self.bench.store.altered.get_mut(partitions).extend(one);
        let answer = Message::AlteredPartitions(AlteredPartitions { error, partitions });
        self.bench.feed(Event::Response(peer, answer));
    }

    /// The fetch with which the broker follows, unanswered so far.
    pub(crate) fn fetches(&mut self) -> Option<(Peer, Fetch, FetchPartition)> {
        let (peer, fetch) = self.bench.take_asked(|message| {
            let Message::Fetch(fetch) = message else { return None };
            Some(*fetch)
        })?;
        Some((peer, fetch, self.bench.store.fetch.get(fetch.partitions)[0]))
    }

    /// The newest fetch, which is to that broker; those before it are forgotten.
    pub(crate) fn take_fetch_to(&mut self, leader: u16) -> (Peer, Fetch, FetchPartition) {
        loop {
            let found = self.fetches().expect("it fetches");
            if found.0.node == NodeId(leader) {
                return found;
            }
        }
    }

    /// The leader answers the fetch with batches of one record, of these epochs, and its high watermark.
    pub(crate) fn feed_batches(&mut self, epochs: &[u32], high_watermark: u64) {
        let batches: Vec<_> = epochs.iter().map(|&epoch| (self.batch((0, 0, 0), 1), epoch)).collect();
        self.feed_answer(&batches, &|part| part.high_watermark = Offset(high_watermark));
    }

    /// The leader answers the fetch with these batches of one record and their epochs, changed as needed.
    pub(crate) fn feed_answer(&mut self, batches: &[(BatchId, u32)], change: &dyn Fn(&mut FetchedPartition)) {
        let (peer, _, asked) = self.fetches().expect("a follower fetches");
        self.answer_fetch(peer, asked, batches, change);
    }

    pub(crate) fn answer_fetch(
        &mut self,
        peer: Peer,
        asked: FetchPartition,
        batches: &[(BatchId, u32)],
        change: &dyn Fn(&mut FetchedPartition),
    ) {
        let entries = self.bench.store.entries.take();
        for (place, &(batch, epoch)) in batches.iter().enumerate() {
            let base_offset = asked.fetch_offset.plus(place as u64);
            let entry = LogEntry { base_offset, batch, epoch: LeaderEpoch(epoch) };
            self.bench.store.entries.get_mut(entries).push(entry);
        }
        let mut part = FetchedPartition {
            partition: ORDERS,
            fetch_offset: asked.fetch_offset,
            error: ErrorCode::None,
            high_watermark: Offset::ZERO,
            log_start_offset: Offset::ZERO,
            diverging: None,
            current_leader: None,
            entries: batches.len() as u32,
        };
        change(&mut part);
        let partitions = self.bench.store.fetched.one(part);
        for other in (1..self.partitions).map(PartitionId) {
            let nothing =
                FetchedPartition { partition: other, fetch_offset: Offset::ZERO, entries: 0, ..part };
            self.bench.store.fetched.get_mut(partitions).push(nothing);
        }
        self.bench.feed(Event::Response(peer, Message::Fetched(Fetched { partitions, entries })));
    }

    /// The process is asked to stop, is let go and ends.
    pub(crate) fn stop(&mut self) {
        self.bench.feed(Event::Stop);
        let (peer, _) = self
            .bench
            .take_asked(|message| matches!(message, Message::Heartbeat(_)).then_some(()))
            .expect("it asks to be let go");
        let (error, is_caught_up, is_fenced, should_shut_down) = (ErrorCode::None, true, true, true);
        let answer = HeartbeatAnswer { error, is_caught_up, is_fenced, should_shut_down };
        self.bench.feed(Event::Response(peer, Message::HeartbeatAnswer(answer)));
    }

    /// The process is killed and starts again; the disk has what it had.
    pub(crate) fn restart(&mut self) {
        self.bench.node.crash();
        self.bench.silence();
        self.bench.asked.clear();
        self.bench.feed(Event::Start);
    }

    /// The process is killed, and a new one comes up to lead under the next epoch.
    pub(crate) fn restart_and_lead(&mut self) {
        self.restart();
        self.registers();
        self.state.partition_epoch = self.state.partition_epoch.next();
        self.state.leader_epoch = self.state.leader_epoch.next();
        self.records.push(MetadataRecord::Partition { partition: ORDERS, state: self.state, election: None });
        self.answer_metadata();
        self.is_unfenced();
    }

    /// The new process is registered and unfenced, as the controller's records have it.
    pub(crate) fn registers(&mut self) {
        let (peer, _) = self
            .bench
            .take_asked(|message| {
                let Message::RegisterBroker(request) = message else { return None };
                Some(*request)
            })
            .expect("a new process registers");
        let epoch = BrokerEpoch(self.metadata_end());
        let answer = RegisteredBroker { error: ErrorCode::None, broker_epoch: epoch };
        self.bench.feed(Event::Response(peer, Message::RegisteredBroker(answer)));
        self.records.push(MetadataRecord::RegisterBroker { broker: NodeId(1), incarnation: Incarnation(2) });
        let (fenced, in_controlled_shutdown) = (false, false);
        let change = MetadataRecord::BrokerChange {
            broker: NodeId(1),
            broker_epoch: epoch,
            fenced,
            in_controlled_shutdown,
        };
        self.records.push(change);
    }

    /// It hears that it has caught up, and then that it is unfenced.
    pub(crate) fn is_unfenced(&mut self) {
        for is_fenced in [true, false] {
            let (peer, request) = self
                .bench
                .take_asked(|message| {
                    let Message::Heartbeat(request) = message else { return None };
                    Some(*request)
                })
                .expect("it sends heartbeats until it serves");
            assert_eq!(request.want_fence, is_fenced, "it asks to be unfenced once it has caught up");
            let (error, is_caught_up, should_shut_down) = (ErrorCode::None, true, false);
            let answer = HeartbeatAnswer { error, is_caught_up, is_fenced, should_shut_down };
            self.bench.feed(Event::Response(peer, Message::HeartbeatAnswer(answer)));
        }
    }

    /// The high watermark the newest start found.
    pub(crate) fn recovered_high_watermark(&self) -> u64 {
        let found = self.bench.notes.iter().rev().find_map(|(_, note)| {
            let Happened::Recovered { high_watermark, .. } = note else { return None };
            Some(high_watermark.0)
        });
        found.expect("a start reports what it found")
    }
}
