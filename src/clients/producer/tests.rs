//! The producer, driven by hand: what it sends and tells, as words.

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::clients::app::{AtEnd, OnError, Rate, Waits};
use crate::cluster::protocol::{
    ErrorCode, Leaders, PartitionLeader, ProducePartition, Produced, ProducedPartition,
};
use crate::cluster::units::{Acks, LeaderEpoch, Offset};
use crate::devices::port::Effect;
use crate::kernel::units::Span;

const MS: fn(u64) -> Span = Span::from_milliseconds;

/// `java-4.1`, but that nothing lingers.
fn options() -> ProducerOptions {
    ProducerOptions {
        acks: Acks::All,
        idempotence: true,
        retries: i32::MAX as u32,
        linger: Span::ZERO,
        batch_size: Bytes::new(16_384),
        buffer_memory: Bytes::new(33_554_432),
        max_block: MS(60_000),
        max_request_size: Bytes::new(1_048_576),
        max_in_flight: 5,
        request_timeout: MS(30_000),
        delivery_timeout: MS(120_000),
        retry_backoff: MS(100),
        retry_backoff_max: MS(1_000),
        reconnect_backoff: MS(50),
        reconnect_backoff_max: MS(1_000),
        metadata_max_age: MS(300_000),
        connection_setup_timeout: MS(10_000),
        connection_setup_timeout_max: MS(30_000),
    }
}

fn workload(records: u32) -> Workload {
    Workload {
        start: Time::ZERO,
        records,
        rate: Rate::Unbounded,
        size: Bytes::new(100),
        keys: 0,
        waits: Waits::None,
        at_end: AtEnd::Close,
        on_error: OnError::Ignore,
    }
}

/// One record a millisecond, each a batch of its own as long as nothing holds batches back.
fn paced(records: u32) -> Workload {
    Workload { rate: Rate::Every(MS(1)), ..workload(records) }
}

/// A producer, its alarms, and brokers that answer when they are told to.
struct Rig {
    producer: Producer,
    store: Store,
    now: Time,
    alarms: BTreeMap<u32, (Time, ProducerTimer)>,
    /// Who leads each partition; brokers answer FindLeaders with it at once.
    leaders: Vec<Option<NodeId>>,
    epoch: LeaderEpoch,
    /// Brokers that neither connect nor answer.
    silent: Vec<NodeId>,
    /// Produce requests that are not answered.
    requests: VecDeque<(NodeId, Vec<ProducePartition>)>,
    /// What has happened since it was last read.
    words: Vec<String>,
    questions: u32,
    has_ended: bool,
    sets: u32,
}

impl Rig {
    fn new(options: ProducerOptions, workload: Workload, partitions: u32) -> Rig {
        let ids: Vec<PartitionId> = (10..10 + partitions).map(PartitionId).collect();
        let setup = ProducerSetup {
            id: NodeId(9),
            options,
            workload,
            first_message: MessageId(0),
            partitions: &ids,
            brokers: 3,
            partitioner_key: 1,
        };
        Rig {
            producer: Producer::new(setup),
            store: Store::default(),
            now: Time::ZERO,
            alarms: BTreeMap::new(),
            leaders: (0..partitions).map(|place| Some(NodeId(place as u16 % 3 + 1))).collect(),
            epoch: LeaderEpoch(0),
            silent: Vec::new(),
            requests: VecDeque::new(),
            words: Vec::new(),
            questions: 0,
            has_ended: false,
            sets: 0,
        }
    }

    fn started(options: ProducerOptions, workload: Workload, partitions: u32) -> Rig {
        let mut rig = Rig::new(options, workload, partitions);
        rig.feed(Event::Start);
        rig
    }

    /// One event, and all that brokers answer to it at once.
    fn feed(&mut self, event: Event<ProducerPort>) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            self.producer.handle(self.now, event, &mut Outbox::new(&mut effects, &mut self.store));
            if let Event::Response(_, message) = event {
                self.store.release(message);
            }
            for effect in effects {
                self.carry_out(effect, &mut events);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect<ProducerPort>, events: &mut VecDeque<Event<ProducerPort>>) {
        match effect {
            Effect::Connect { peer, .. } if !self.silent.contains(&peer.node) => {
                events.push_back(Event::Connected(peer));
            }
            Effect::Connect { .. } | Effect::Close(_) => (),
            Effect::Send(peer, Message::FindLeaders, _) => {
                self.questions += 1;
                if !self.silent.contains(&peer.node) {
                    let partitions = self.store.leaders.take();
                    for (place, &leader) in self.leaders.iter().enumerate() {
                        let partition = PartitionId(10 + place as u32);
                        let entry = PartitionLeader { partition, leader, epoch: self.epoch };
                        self.store.leaders.get_mut(partitions).push(entry);
                    }
                    events.push_back(Event::Response(peer, Message::Leaders(Leaders { partitions })));
                }
            }
            Effect::Send(peer, Message::Produce(request), _) => {
                let batches = self.store.produce.get(request.partitions).to_vec();
                self.store.release(Message::Produce(request));
                let sent: Vec<String> = batches.iter().map(|part| self.describe(*part)).collect();
                self.words.push(format!("to {}: {}", peer.node, sent.join(" ")));
                if request.acks != Acks::Zero {
                    self.requests.push_back((peer.node, batches));
                }
            }
            Effect::SetTimer(timer, least, _) => {
                self.sets += 1;
                self.alarms.insert(timer.slot(), (self.now + least, timer));
            }
            Effect::SetTimerExponential(timer, mean) => {
                self.alarms.insert(timer.slot(), (self.now + mean, timer));
            }
            Effect::CancelTimer(timer) => {
                self.alarms.remove(&timer.slot());
            }
            Effect::Note(Happened::Told { first, count, outcome }) => {
                let last = first.0 + count - 1;
                self.words.push(format!("{first}-{last} {}", outcome.name()));
            }
            Effect::Note(Happened::Gone) => self.words.push("gone".to_owned()),
            Effect::Note(
                Happened::Called { .. }
                | Happened::Batched { .. }
                | Happened::Attempted { .. }
                | Happened::Read { .. },
            ) => (),
            Effect::Exit => self.has_ended = true,
            other @ (Effect::Listen
            | Effect::Send(..)
            | Effect::Respond(..)
            | Effect::Hangup(_)
            | Effect::Append(..)
            | Effect::Truncate(..)
            | Effect::Replace(..)
            | Effect::Flush(..)
            | Effect::Delete(_)) => panic!("a producer asks for nothing of the kind: {other:?}"),
        }
    }

    /// `p0[3-5]#2`: messages 3 to 5 for partition 0, numbered from 2; with its epoch once that is not 0.
    fn describe(&self, part: ProducePartition) -> String {
        let batch = self.store.batch(part.batch);
        let messages: Vec<u32> = self.store.messages(part.batch).map(|message| message.0).collect();
        let ends = (messages.first(), messages.last());
        let (Some(first), Some(last)) = ends else { panic!("a batch has messages") };
        let number = match (batch.producer_id, batch.producer_epoch) {
            (ProducerId(0), _) => String::new(),
            (_, epoch) if epoch.0 == 0 => format!("#{}", batch.base_sequence),
            (_, epoch) => format!("#{}e{epoch}", batch.base_sequence),
        };
        format!("p{}[{first}-{last}]{number}", part.partition.0 - 10)
    }

    /// Lets so much time pass and rings what is due.
    fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while let Some((&slot, &(at, timer))) =
            self.alarms.iter().filter(|(_, alarm)| alarm.0 <= end).min_by_key(|(_, alarm)| alarm.0)
        {
            self.alarms.remove(&slot);
            self.now = at;
            self.feed(Event::Timer(timer));
        }
        self.now = end;
    }

    /// A broker answers its oldest request; with a hint, who leads instead.
    fn answer_with(&mut self, node: u16, error: ErrorCode, current_leader: Option<(NodeId, LeaderEpoch)>) {
        let node = NodeId(node);
        let oldest = self.requests.iter().position(|request| request.0 == node);
        let (_, batches) =
            self.requests.remove(oldest.expect("the broker was asked")).expect("it was just found");
        let partitions = self.store.produced.take();
        for ProducePartition { partition, batch } in batches {
            let base_offset = Offset::ZERO;
            let part = ProducedPartition { partition, batch, error, base_offset, current_leader };
            self.store.produced.get_mut(partitions).push(part);
        }
        let peer = Peer { node, channel: PRODUCER_CHANNEL };
        self.feed(Event::Response(peer, Message::Produced(Produced { partitions })));
    }

    fn answer(&mut self, node: u16, error: ErrorCode) {
        self.answer_with(node, error, None);
    }

    fn disconnect(&mut self, node: u16) {
        let peer = Peer { node: NodeId(node), channel: PRODUCER_CHANNEL };
        self.requests.retain(|request| request.0 != peer.node);
        self.feed(Event::Disconnected(peer));
    }

    fn read(&mut self) -> Vec<String> {
        std::mem::take(&mut self.words)
    }
}

#[test]
fn all_is_sent_told_and_closed() {
    let mut rig = Rig::started(options(), workload(3), 1);
    assert_eq!(rig.read(), ["to 1: p0[0-2]#0"]);
    assert!(rig.producer.has_sent_all() && !rig.producer.is_done() && rig.producer.unanswered() == 3);
    rig.answer(1, ErrorCode::None);
    assert_eq!(rig.read(), ["0-2 success"]);
    assert!(rig.has_ended && rig.producer.is_done());
    assert_eq!(rig.store.lists_in_use(), 0);
}

#[test]
fn batches_close_by_size_or_by_linger() {
    // 61 bytes for the batch and 109 for a record: three fit into 400, not four.
    let lingering = ProducerOptions { linger: MS(5), batch_size: Bytes::new(400), ..options() };
    let mut rig = Rig::started(lingering, paced(5), 1);
    rig.pass(MS(2));
    assert!(rig.read().is_empty(), "three records linger");
    rig.pass(MS(1));
    assert_eq!(rig.read(), ["to 1: p0[0-2]#0"], "the fourth begins a batch, which fills the first");
    rig.pass(Span::from_nanoseconds(999_999));
    assert!(rig.read().is_empty());
    rig.pass(MS(5));
    assert_eq!(rig.read(), ["to 1: p0[3-4]#3"], "closing does not linger");

    let mut rig = Rig::started(lingering, Workload { rate: Rate::Every(MS(4)), ..workload(9) }, 1);
    rig.pass(MS(5));
    assert_eq!(rig.read(), ["to 1: p0[0-1]#0"], "five milliseconds after its first record");
    rig.pass(MS(8));
    assert_eq!(rig.read(), ["to 1: p0[2-3]#2"]);
}

#[test]
fn no_more_requests_are_in_flight_than_may_be() {
    for max_in_flight in [1, 2, 5] {
        let mut rig = Rig::started(ProducerOptions { max_in_flight, ..options() }, paced(20), 1);
        rig.pass(MS(10));
        assert_eq!(rig.requests.len(), max_in_flight as usize);
        rig.read();
        rig.answer(1, ErrorCode::None);
        let first = max_in_flight;
        assert_eq!(rig.read(), ["0-0 success".to_owned(), format!("to 1: p0[{first}-10]#{first}")]);
    }
}

#[test]
fn one_batch_of_each_partition_goes_into_a_request() {
    let mut rig = Rig::new(options(), Workload { keys: 50, ..workload(50) }, 6);
    rig.leaders = vec![Some(NodeId(1)); 6];
    rig.feed(Event::Start);
    let words = rig.read();
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(words[0].matches('p').count(), 6, "{words:?}");
    rig.answer(1, ErrorCode::None);
    assert!(rig.has_ended);
}

#[test]
fn after_a_disconnection_batches_keep_their_numbers_and_their_order() {
    let mut rig = Rig::started(options(), paced(3), 1);
    rig.pass(MS(2));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[1-1]#1", "to 1: p0[2-2]#2"]);
    rig.disconnect(1);
    rig.pass(MS(79));
    assert!(rig.read().is_empty(), "a retry waits at least 80 ms");
    rig.pass(MS(1));
    // The first alone, until it is known to be in the log: then the rest.
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0"]);
    rig.answer(1, ErrorCode::DuplicateSequenceNumber);
    assert_eq!(rig.read(), ["0-0 success", "to 1: p0[1-1]#1"]);
    rig.answer(1, ErrorCode::None);
    rig.pass(Span::ZERO);
    assert_eq!(rig.read(), ["1-1 success", "to 1: p0[2-2]#2"]);
}

#[test]
fn a_retry_overtakes_without_idempotence_and_is_overtaken() {
    let cases = [
        // (idempotence, in flight, what is sent when the first of two was refused)
        (false, 5, vec!["to 1: p0[0-0]", "to 1: p0[1-1]", "1-1 success", "to 1: p0[0-0]"]),
        (true, 5, vec!["to 1: p0[0-0]#0", "to 1: p0[1-1]#1", "to 1: p0[0-0]#0"]),
        (false, 1, vec!["to 1: p0[0-0]", "to 1: p0[0-0]"]),
    ];
    for (idempotence, max_in_flight, expected) in cases {
        let mut rig = Rig::started(ProducerOptions { idempotence, max_in_flight, ..options() }, paced(2), 1);
        rig.pass(MS(1));
        rig.answer(1, ErrorCode::NotEnoughReplicas);
        if max_in_flight > 1 {
            // A broker that refused 0 refuses 1 if it looks at numbers.
            let next = if idempotence { ErrorCode::OutOfOrderSequenceNumber } else { ErrorCode::None };
            rig.answer(1, next);
        }
        rig.pass(MS(80));
        assert_eq!(rig.read(), expected);
        rig.answer(1, ErrorCode::None);
        if !rig.producer.is_done() {
            rig.answer(1, ErrorCode::None);
        }
        assert!(rig.has_ended, "{:?}", rig.read());
    }
}

#[test]
fn delivery_has_its_time() {
    // Under way: it is told as timed out, and what the answer says then does not matter.
    let short = ProducerOptions { delivery_timeout: MS(40_000), request_timeout: MS(39_990), ..options() };
    let mut rig = Rig::started(short, workload(1), 1);
    rig.silent = vec![NodeId(1), NodeId(2), NodeId(3)];
    rig.read();
    rig.pass(MS(39_989));
    assert!(rig.read().is_empty());
    rig.pass(MS(11));
    assert_eq!(rig.read(), ["0-0 TimeoutException"]);
    assert!(rig.has_ended);

    // Nobody leads: it never goes anywhere.
    let mut rig = Rig::new(short, workload(2), 1);
    rig.leaders = vec![None];
    rig.feed(Event::Start);
    rig.pass(MS(40_000));
    assert_eq!(rig.read(), ["0-1 TimeoutException"]);
    assert!(rig.questions > 20, "it asks for the leader all the time: {}", rig.questions);

    // The answer comes after all.
    let late = ProducerOptions { delivery_timeout: MS(1_000), ..options() };
    let mut rig = Rig::started(late, Workload { rate: Rate::Every(MS(5_000)), ..workload(2) }, 1);
    rig.pass(MS(2_000));
    rig.answer(1, ErrorCode::None);
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "0-0 TimeoutException"]);
    rig.pass(MS(3_000));
    assert_eq!(rig.read(), ["to 1: p0[1-1]#1"]);
}

#[test]
fn what_was_given_up_leaves_a_gap_that_ends_the_epoch() {
    let short = ProducerOptions { delivery_timeout: MS(1_000), ..options() };
    let mut rig = Rig::started(short, Workload { rate: Rate::Every(MS(2_000)), ..workload(2) }, 1);
    rig.disconnect(1);
    rig.pass(MS(500));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[0-0]#0"]);
    rig.pass(MS(1_500));
    assert_eq!(rig.read(), ["0-0 TimeoutException", "to 1: p0[1-1]#0e1"], "it cannot know of 0");
}

#[test]
fn out_of_order_at_the_next_number_ends_the_epoch_and_is_tried_again() {
    let mut rig = Rig::started(options(), paced(2), 1);
    rig.pass(MS(1));
    rig.answer(1, ErrorCode::None);
    rig.answer(1, ErrorCode::OutOfOrderSequenceNumber);
    rig.pass(MS(80));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[1-1]#1", "0-0 success", "to 1: p0[1-1]#0e1"]);
}

#[test]
fn retries_end() {
    let cases = [
        // (error, retries, attempts, told)
        (ErrorCode::NotEnoughReplicas, 2, 3, "0-0 NOT_ENOUGH_REPLICAS"),
        (ErrorCode::NotEnoughReplicas, 0, 1, "0-0 NOT_ENOUGH_REPLICAS"),
        (ErrorCode::InvalidRequiredAcks, 2, 1, "0-0 INVALID_REQUIRED_ACKS"),
        (ErrorCode::MessageTooLarge, 2, 1, "0-0 MESSAGE_TOO_LARGE"),
    ];
    for (error, retries, attempts, told) in cases {
        let plain = ProducerOptions { idempotence: false, retries, ..options() };
        let mut rig = Rig::started(plain, workload(1), 1);
        for _ in 0..attempts {
            rig.answer(1, error);
            rig.pass(MS(2_000));
        }
        let words = rig.read();
        assert_eq!(words.iter().filter(|word| word.starts_with("to 1")).count(), attempts, "{error}");
        assert_eq!(words.last().map(String::as_str), Some(told));
        assert!(rig.has_ended);
    }
    let plain = ProducerOptions { idempotence: false, retries: 0, ..options() };
    let mut rig = Rig::started(plain, workload(1), 1);
    rig.disconnect(1);
    assert_eq!(rig.read(), ["to 1: p0[0-0]", "0-0 NetworkException"]);
    let mut rig = Rig::started(plain, workload(1), 1);
    rig.pass(MS(30_000));
    assert_eq!(rig.read(), ["to 1: p0[0-0]", "0-0 TimeoutException"]);
}

#[test]
fn a_batch_too_large_for_the_broker_is_split_into_itself_until_its_time_is_up() {
    let mut rig = Rig::started(options(), workload(3), 1);
    for _ in 0..4 {
        rig.answer(1, ErrorCode::MessageTooLarge);
    }
    assert_eq!(rig.read(), ["to 1: p0[0-2]#0"; 5]);
    rig.pass(MS(120_000));
    assert!(rig.read().contains(&"0-2 TimeoutException".to_owned()));
}

#[test]
fn a_full_buffer_blocks_and_then_fails() {
    let two_batches = ProducerOptions {
        batch_size: Bytes::new(200),
        buffer_memory: Bytes::new(400),
        max_block: MS(1_000),
        ..options()
    };
    let mut rig = Rig::started(two_batches, workload(4), 1);
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[1-1]#1"]);
    assert_eq!((rig.producer.sent(), rig.producer.unanswered()), (2, 2));
    rig.pass(MS(999));
    rig.answer(1, ErrorCode::None);
    assert_eq!(rig.read(), ["0-0 success", "to 1: p0[2-2]#2"]);
    rig.pass(MS(1_000));
    assert_eq!(rig.read(), ["3-3 TimeoutException"]);
    assert!(!rig.has_ended && rig.producer.unanswered() == 2);
}

#[test]
fn without_metadata_a_send_blocks_and_then_fails() {
    let short = ProducerOptions { max_block: MS(1_000), ..options() };
    let mut rig = Rig::new(short, paced(3), 1);
    rig.silent = vec![NodeId(1), NodeId(2), NodeId(3)];
    rig.feed(Event::Start);
    rig.pass(MS(999));
    assert!(rig.read().is_empty());
    rig.pass(MS(1));
    assert_eq!(rig.read(), ["0-0 TimeoutException"], "the next has a second of its own");
    rig.silent.clear();
    rig.pass(MS(999));
    assert!(rig.read().is_empty(), "still connecting to a broker that was silent");
    rig.pass(MS(60_000));
    assert!(rig.has_ended);
}

#[test]
fn records_that_can_never_be_sent_are_refused_at_once() {
    let cases = [
        (ProducerOptions { max_request_size: Bytes::new(150), ..options() }, 0),
        (ProducerOptions { buffer_memory: Bytes::new(150), ..options() }, 3),
    ];
    for (options, keys) in cases {
        let mut rig = Rig::started(options, Workload { keys, ..workload(2) }, 1);
        assert_eq!(rig.read(), ["0-0 RecordTooLargeException", "1-1 RecordTooLargeException"]);
        assert!(rig.has_ended);
    }
}

#[test]
fn without_acks_what_is_handed_over_is_delivered() {
    let zero = ProducerOptions { acks: Acks::Zero, idempotence: false, ..options() };
    let mut rig = Rig::started(zero, Workload { waits: Waits::Every(1), ..workload(3) }, 1);
    let expected = ["to 1: p0[0-0]", "0-0 success", "to 1: p0[1-1]", "1-1 success"];
    assert_eq!(rig.read()[..4], expected);
    assert!(rig.has_ended, "nothing is waited for");
    let mut rig = Rig::started(zero, paced(2), 1);
    rig.disconnect(1);
    rig.pass(MS(2_000));
    assert_eq!(rig.read(), ["to 1: p0[0-0]", "0-0 success", "to 1: p0[1-1]", "1-1 success"]);
}

#[test]
fn an_application_that_waits_sends_in_groups() {
    for (sends, groups) in [(1, vec!["[0-0]", "[1-1]", "[2-2]"]), (2, vec!["[0-1]", "[2-2]"])] {
        let waiting = Workload { waits: Waits::Every(sends), ..workload(3) };
        let mut rig = Rig::started(options(), waiting, 1);
        for group in groups {
            let words = rig.read();
            assert!(words.len() == 1 && words[0].contains(group), "{words:?}");
            rig.answer(1, ErrorCode::None);
            rig.words.retain(|word| word.starts_with("to"));
        }
        assert!(rig.has_ended);
    }
}

#[test]
fn an_application_that_exits_takes_what_is_in_memory() {
    let exits = Workload { at_end: AtEnd::Exit, ..workload(3) };
    let mut rig = Rig::started(options(), exits, 1);
    assert_eq!(rig.read(), ["gone"], "not even drained");
    assert!(rig.has_ended && rig.producer.is_done());
    let mut rig = Rig::started(options(), Workload { waits: Waits::Every(3), ..exits }, 1);
    rig.answer(1, ErrorCode::None);
    assert_eq!(rig.read(), ["to 1: p0[0-2]#0", "0-2 success"], "it had waited for all");
    assert!(rig.has_ended);
}

#[test]
fn a_new_leader_is_found_by_hint_or_by_asking() {
    for hinted in [true, false] {
        let mut rig = Rig::started(options(), workload(2), 1);
        rig.read();
        rig.pass(MS(1_000));
        let asked_before = rig.questions;
        rig.leaders = vec![Some(NodeId(2))];
        rig.epoch = LeaderEpoch(1);
        let hint = hinted.then_some((NodeId(2), LeaderEpoch(1)));
        rig.answer_with(1, ErrorCode::NotLeaderOrFollower, hint);
        // The leader changed: there is no wait before the retry, whichever way that was learned.
        assert_eq!(rig.read(), ["to 2: p0[0-1]#0"], "hinted: {hinted}");
        assert_eq!(rig.questions, asked_before + 1);
    }
    // Old news is none: the partition's leader stays, and the retry waits.
    let mut rig = Rig::started(options(), workload(1), 1);
    rig.pass(MS(1_000));
    rig.answer_with(1, ErrorCode::NotLeaderOrFollower, Some((NodeId(3), LeaderEpoch(0))));
    rig.pass(MS(80));
    assert_eq!(rig.read(), ["to 1: p0[0-0]#0", "to 1: p0[0-0]#0"]);
}

#[test]
fn metadata_is_asked_for_again_when_it_is_old() {
    let mut rig = Rig::started(options(), Workload { rate: Rate::Every(MS(3_600_000)), ..workload(2) }, 1);
    rig.answer(1, ErrorCode::None);
    rig.pass(MS(3_000_000));
    assert_eq!(rig.questions, 11);
}

#[test]
fn records_come_at_their_rate() {
    // The rig rings a Poisson alarm after its mean.
    for (rate, sent) in [(Rate::Every(MS(10)), 3), (Rate::Poisson(MS(10)), 2), (Rate::Unbounded, 5)] {
        let mut rig = Rig::started(options(), Workload { rate, ..workload(5) }, 1);
        rig.pass(MS(25));
        assert_eq!(rig.producer.sent(), sent, "{rate:?}");
    }
    // One that was held up catches up.
    let held_up = Workload { waits: Waits::Every(1), ..paced(5) };
    let mut rig = Rig::started(options(), held_up, 1);
    rig.pass(MS(100));
    assert_eq!(rig.producer.sent(), 1);
    for _ in 0..5 {
        rig.answer(1, ErrorCode::None);
    }
    assert!(rig.has_ended);
}

#[test]
fn a_killed_process_does_nothing_more() {
    let mut rig = Rig::started(options(), paced(5), 1);
    rig.read();
    assert_eq!(rig.producer.unanswered(), 1);
    rig.producer.crash();
    rig.pass(MS(200_000));
    assert!(rig.read().is_empty() && rig.producer.is_done() && !rig.has_ended);
}

#[test]
fn an_alarm_is_not_set_for_every_record() {
    let mut rig = Rig::started(options(), Workload { waits: Waits::Every(1), ..workload(1_000) }, 1);
    let before = rig.sets;
    for _ in 0..1_000 {
        rig.answer(1, ErrorCode::None);
    }
    assert!(rig.has_ended);
    assert_eq!(rig.sets, before);
}

#[test]
fn a_burst_goes_in_full_batches_and_every_message_is_told_once() {
    let burst = Workload { size: Bytes::new(1_000), ..workload(10_000) };
    let small = ProducerOptions { buffer_memory: Bytes::new(200_000), ..options() };
    let mut rig = Rig::started(small, burst, 3);
    let mut told = vec![0; 10_000];
    while !rig.has_ended {
        let node = rig.requests.front().map(|request| request.0.0);
        match node {
            Some(node) => rig.answer(node, ErrorCode::None),
            None => rig.pass(Span::ZERO),
        }
        for word in rig.read() {
            let Some(range) = word.strip_suffix(" success") else { continue };
            let (first, last) = range.split_once('-').expect("a range");
            let bound = |text: &str| text.parse::<usize>().expect("a number");
            told[bound(first)..=bound(last)].iter_mut().for_each(|times| *times += 1);
        }
    }
    assert!(told.iter().all(|&times| times == 1));
    // 16 records of 1 010 bytes fill a batch of 16 384.
    assert_eq!(rig.store.batch_count(), 10_000 / 16);
}
