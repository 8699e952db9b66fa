//! The reader, driven by hand.

use super::*;
use crate::clients::happened::Happened;
use crate::clients::options::{OffsetReset, ReaderOptions};
use crate::cluster::protocol::{
    ErrorCode, Fetch, FetchPartition, Fetched, FetchedPartition, Leaders, ListedOffset, LogEnd, LogEntry,
    Message, PartitionLeader,
};
use crate::cluster::store::{MessageRun, Store};
use crate::cluster::units::{
    LeaderEpoch, MessageId, Offset, PartitionId, ProducerEpoch, ProducerId, Sequence,
};
use crate::devices::port::{Effect, Event, Outbox, Peer};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

const FIRST: PartitionId = PartitionId(4);
const SECOND: PartitionId = PartitionId(5);
const ANEW: [PartitionId; 2] = [PartitionId(8), PartitionId(9)];
const MS: fn(u64) -> Span = Span::from_milliseconds;

fn options() -> ReaderOptions {
    ReaderOptions {
        auto_offset_reset: OffsetReset::Latest,
        check_crcs: true,
        fetch_max_wait: MS(500),
        fetch_min_bytes: Bytes::new(1),
        fetch_max_bytes: Bytes::new(52_428_800),
        max_partition_fetch_bytes: Bytes::new(1_048_576),
        request_timeout: MS(30_000),
        retry_backoff: MS(100),
        retry_backoff_max: MS(1_000),
        reconnect_backoff: MS(50),
        reconnect_backoff_max: MS(1_000),
        metadata_max_age: MS(300_000),
        connection_setup_timeout: MS(10_000),
        connection_setup_timeout_max: MS(30_000),
    }
}

/// A reader of two partitions, which brokers that answer FindLeaders at once lead; one led by 0 is not there.
struct Rig {
    reader: Reader,
    store: Store,
    now: Time,
    leaders: [(u16, u32); 2],
    /// The topic was made anew: its partitions are others.
    is_anew: bool,
    alarms: Vec<(Time, ReaderTimer)>,
    fetches: Vec<(u16, Vec<FetchPartition>)>,
    read: Vec<(PartitionId, u64)>,
    questions: u32,
    /// What it has asked about the ends of logs.
    sought: Vec<(u16, LogEnd)>,
    resets: Vec<(u64, Option<u64>)>,
    /// The batch at this offset has a bad byte.
    rots: Option<u64>,
    /// What such a question is answered with once.
    refusal: Option<ErrorCode>,
    /// Where the first record of a time on lies, if there is one.
    since: Option<u64>,
    /// From which times on it has asked.
    stamps: Vec<Time>,
}

impl Rig {
    fn started(leaders: [(u16, u32); 2]) -> Rig {
        Rig::with(options(), leaders)
    }

    fn with(options: ReaderOptions, leaders: [(u16, u32); 2]) -> Rig {
        let setup = ReaderSetup {
            id: NodeId(9),
            options,
            topics: &[vec![vec![FIRST, SECOND], ANEW.to_vec()]],
            brokers: 3,
        };
        let mut rig = Rig {
            reader: Reader::new(setup),
            store: Store::default(),
            now: Time::ZERO,
            leaders,
            is_anew: false,
            alarms: Vec::new(),
            fetches: Vec::new(),
            read: Vec::new(),
            questions: 0,
            sought: Vec::new(),
            resets: Vec::new(),
            rots: Option::None,
            refusal: None,
            since: Option::None,
            stamps: Vec::new(),
        };
        rig.feed(Event::Start);
        rig
    }

    fn feed(&mut self, event: Event<ReaderPort>) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut effects = Vec::new();
            self.reader.handle(self.now, event, &mut Outbox::new(&mut effects, &mut self.store));
            if let Event::Response(_, message) = event {
                self.store.release(message);
            }
            for effect in effects {
                match effect {
                    Effect::Connect { peer, .. } => events.push(Event::Connected(peer)),
                    Effect::Send(peer, Message::FindLeaders, _) => {
                        self.questions += 1;
                        let partitions = self.store.leaders.take();
                        let ids = if self.is_anew { ANEW } else { [FIRST, SECOND] };
                        let led = ids.into_iter().zip(self.leaders);
                        for (partition, (leader, epoch)) in led.filter(|&(_, (leader, _))| leader > 0) {
                            let leader = Some(NodeId(leader));
                            let entry = PartitionLeader { partition, leader, epoch: LeaderEpoch(epoch) };
                            self.store.leaders.get_mut(partitions).push(entry);
                        }
                        events.push(Event::Response(peer, Message::Leaders(Leaders { partitions })));
                    }
                    Effect::Send(peer, Message::Fetch(fetch), _) => self.take(peer, fetch),
                    Effect::Send(peer, Message::ListOffsets(request), _) => {
                        self.sought.push((peer.node.0, request.end));
                        if let LogEnd::Since(stamp) = request.end {
                            self.stamps.push(self.store.stamp(stamp));
                        }
                        let offset = match request.end {
                            LogEnd::Earliest => Some(Offset(7)),
                            LogEnd::Latest => Some(Offset(99)),
                            LogEnd::Since(_) => self.since.map(Offset),
                        };
                        let (partition, error) =
                            (request.partition, self.refusal.take().unwrap_or(ErrorCode::None));
                        let answer = Message::ListedOffset(ListedOffset { partition, error, offset });
                        events.push(Event::Response(peer, answer));
                    }
                    Effect::Note(Happened::Reset { old, new, .. }) => {
                        self.resets.push((old.0, new.map(|new| new.0)));
                    }
                    Effect::SetTimer(timer, least, _) => {
                        self.alarms.retain(|alarm| alarm.1 != timer);
                        self.alarms.push((self.now + least, timer));
                    }
                    Effect::CancelTimer(timer) => self.alarms.retain(|alarm| alarm.1 != timer),
                    Effect::Note(Happened::Read { partition, base_offset, .. }) => {
                        self.read.push((partition, base_offset.0));
                    }
                    Effect::Close(_) | Effect::Note(Happened::Corrupt { .. }) => (),
                    other @ (Effect::Listen
                    | Effect::StopListening
                    | Effect::Send(..)
                    | Effect::Respond(..)
                    | Effect::TakeNext(_)
                    | Effect::Hangup(_)
                    | Effect::SetTimerDrawn(..)
                    | Effect::Append(..)
                    | Effect::Truncate(..)
                    | Effect::Replace(..)
                    | Effect::Flush(..)
                    | Effect::Delete(_)
                    | Effect::Note(_)
                    | Effect::Exit) => panic!("a reader asks for nothing of the kind: {other:?}"),
                }
            }
        }
    }

    fn take(&mut self, peer: Peer, fetch: Fetch) {
        self.fetches.push((peer.node.0, self.store.fetch.get(fetch.partitions).to_vec()));
        self.store.release(Message::Fetch(fetch));
    }

    fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(place) = (0..self.alarms.len())
            .filter(|&place| self.alarms[place].0 <= end)
            .min_by_key(|&place| self.alarms[place].0)
        {
            let (at, timer) = self.alarms.remove(place);
            self.now = at;
            self.feed(Event::Timer(timer));
        }
        self.now = end;
    }

    /// A broker answers its oldest fetch: `answer` fills in each partition, and says which batches (base, records) it has.
    fn answer(&mut self, node: u16, mut answer: impl FnMut(&mut FetchedPartition) -> Vec<(u64, u32)>) {
        let oldest = self.fetches.iter().position(|fetch| fetch.0 == node).expect("the broker was asked");
        let (_, asked) = self.fetches.remove(oldest);
        let (partitions, entries) = (self.store.fetched.take(), self.store.entries.take());
        for part in asked {
            let mut fetched = FetchedPartition {
                partition: part.partition,
                fetch_offset: part.fetch_offset,
                error: ErrorCode::None,
                high_watermark: Offset::ZERO,
                log_start_offset: Offset::ZERO,
                diverging: None,
                current_leader: None,
                entries: 0,
            };
            let batches = answer(&mut fetched);
            fetched.entries = batches.len() as u32;
            self.store.fetched.get_mut(partitions).push(fetched);
            for (base, count) in batches {
                let runs = [MessageRun { first: MessageId(0), count }];
                let producer = (ProducerId(0), ProducerEpoch(0), Sequence(0));
                let mut batch = self.store.add_batch(producer, &runs, Bytes::new(100), Time::ZERO);
                if self.rots == Some(base) {
                    batch = self.store.add_rotten(batch);
                }
                let entry = LogEntry { base_offset: Offset(base), batch, epoch: LeaderEpoch(3) };
                self.store.entries.get_mut(entries).push(entry);
            }
        }
        let peer = Peer { node: NodeId(node), channel: READER_CHANNEL };
        self.feed(Event::Response(peer, Message::Fetched(Fetched { partitions, entries })));
    }

    fn fail(&mut self, node: u16, error: ErrorCode, current_leader: Option<(NodeId, LeaderEpoch)>) {
        self.answer(node, |part| {
            (part.error, part.current_leader, part.log_start_offset) = (error, current_leader, Offset(7));
            Vec::new()
        });
    }

    fn positions(&self) -> [u64; 2] {
        [FIRST, SECOND].map(|partition| self.reader.position(partition).expect("it is read").0)
    }

    /// Of each unanswered fetch: whom, and how many partitions.
    fn asked(&self) -> Vec<(u16, usize)> {
        self.fetches.iter().map(|(node, partitions)| (*node, partitions.len())).collect()
    }
}

#[test]
fn each_leader_is_asked_for_all_it_leads_one_request_at_a_time() {
    let mut rig = Rig::started([(1, 0), (1, 0)]);
    assert_eq!(rig.asked(), [(1, 2)]);
    rig.answer(1, |part| if part.partition == FIRST { vec![(0, 5), (5, 2)] } else { vec![(0, 1)] });
    assert_eq!(rig.read, [(FIRST, 0), (FIRST, 5), (SECOND, 0)]);
    assert_eq!((rig.positions(), rig.asked()), ([7, 1], vec![(1, 2)]));
    let mut asked = Rig::started([(1, 0), (2, 0)]).asked();
    asked.sort_unstable();
    assert_eq!(asked, [(1, 1), (2, 1)]);
    assert_eq!(rig.reader.position(PartitionId(3)), None);
}

#[test]
fn a_batch_may_begin_before_the_position() {
    let mut rig = Rig::started([(1, 0), (2, 0)]);
    rig.answer(1, |_| vec![(0, 5)]);
    rig.answer(1, |_| vec![(0, 5), (3, 4)]);
    assert_eq!(rig.read, [(FIRST, 0), (FIRST, 3)], "the first was read before");
    assert_eq!(rig.positions(), [7, 0]);
}

#[test]
fn errors_lead_to_metadata_or_to_a_wait() {
    let cases = [
        // (error, whether metadata is asked for)
        (ErrorCode::NotLeaderOrFollower, true),
        (ErrorCode::FencedLeaderEpoch, true),
        (ErrorCode::UnknownLeaderEpoch, false),
        (ErrorCode::OffsetNotAvailable, true),
    ];
    for (error, asks) in cases {
        let mut rig = Rig::started([(1, 0), (2, 0)]);
        rig.pass(MS(200));
        rig.fail(1, error, None);
        assert_eq!((rig.questions, rig.positions()[0]), (1 + u32::from(asks), 0), "{error}");
        assert_eq!(rig.asked(), [(2, 1)], "{error}: it is left alone");
        rig.pass(MS(80));
        assert_eq!(rig.asked(), [(2, 1), (1, 1)], "{error}: and asked again");
    }
}

#[test]
fn a_position_that_is_not_in_the_log_is_reset_as_the_policy_says() {
    use OffsetReset::{Earliest, Latest, None};
    // The policy, what was read before, and where it goes on.
    for (policy, read, goes_on) in [
        (Earliest, 5, Some(7)),
        (Latest, 5, Some(99)),
        (None, 5, Option::None),
        // Who has read nothing begins at the beginning.
        (Earliest, 0, Some(7)),
        (Latest, 0, Some(7)),
        (None, 0, Some(7)),
    ] {
        let mut rig = Rig::with(ReaderOptions { auto_offset_reset: policy, ..options() }, [(1, 0), (2, 0)]);
        if read > 0 {
            rig.answer(1, |_| vec![(0, read)]);
        }
        rig.fail(1, ErrorCode::OffsetOutOfRange, Option::None);
        let end = if goes_on == Some(99) { LogEnd::Latest } else { LogEnd::Earliest };
        assert_eq!(rig.sought, goes_on.map_or(vec![], |_| vec![(1, end)]), "{policy:?} after {read}");
        assert_eq!(rig.resets, [(read.into(), goes_on)], "{policy:?} after {read}");
        assert_eq!(rig.reader.position(FIRST).map(|position| position.0), goes_on);
        let asks_on = rig.fetches.iter().any(|(node, _)| *node == 1);
        assert_eq!(asks_on, goes_on.is_some(), "{policy:?} after {read}");
    }
}

/// KIP-1106, `SubscriptionState.setNextAllowedRetry`.
#[test]
fn by_duration_goes_on_at_what_is_no_older_and_asks_again_after_the_request_timeout() {
    for (age, since) in [(3_600_000, Time::ZERO), (1_500, Time::ZERO + MS(198_500))] {
        let options = ReaderOptions { auto_offset_reset: OffsetReset::Ago(MS(age)), ..options() };
        let mut rig = Rig::with(options, [(1, 0), (2, 0)]);
        rig.answer(1, |_| vec![(0, 5)]);
        rig.pass(MS(200_000));
        rig.fetches.retain(|fetch| fetch.0 == 1);
        rig.fetches.truncate(1);
        rig.fail(1, ErrorCode::OffsetOutOfRange, Option::None);
        assert_eq!(rig.stamps, [since], "the run began no earlier");
        assert_eq!((rig.resets.len(), rig.reader.position(FIRST)), (0, None), "there is no such record");
        rig.pass(MS(29_999));
        assert_eq!(rig.sought.len(), 1);
        rig.since = Some(42);
        rig.pass(MS(1));
        assert_eq!(rig.resets, [(5, Some(42))]);
        assert_eq!(rig.stamps[1], Time::ZERO + MS(230_000 - age.min(230_000)));
        assert_eq!(rig.positions()[0], 42);
    }
}

/// KIP-207: a new leader does not know yet where its log ends for consumers.
#[test]
fn an_end_that_is_not_known_yet_is_asked_for_again_after_the_backoff() {
    for error in
        [ErrorCode::OffsetNotAvailable, ErrorCode::NotLeaderOrFollower, ErrorCode::UnknownLeaderEpoch]
    {
        let mut rig = Rig::started([(1, 0), (2, 0)]);
        rig.answer(1, |_| vec![(0, 5)]);
        rig.pass(MS(200));
        rig.refusal = Some(error);
        rig.fail(1, ErrorCode::OffsetOutOfRange, None);
        assert_eq!((rig.sought.len(), rig.resets.len()), (1, 0), "{error}");
        assert_eq!(rig.questions, 2, "{error}: metadata is asked for, whatever it is");
        rig.pass(MS(79));
        assert_eq!(rig.sought.len(), 1, "{error}: retry.backoff.ms less a fifth");
        rig.pass(MS(1));
        assert_eq!((rig.sought.len(), rig.resets.as_slice()), (2, &[(5, Some(99))][..]), "{error}");
        assert_eq!(rig.positions()[0], 99, "{error}");
    }
}

#[test]
fn a_bad_byte_stops_all_reading_if_checksums_are_looked_at() {
    for (check_crcs, read, first, second) in
        [(true, vec![(FIRST, 0)], None, None), (false, vec![(FIRST, 0), (FIRST, 5)], Some(9), Some(0))]
    {
        let mut rig = Rig::with(ReaderOptions { check_crcs, ..options() }, [(1, 0), (2, 0)]);
        rig.rots = Some(5);
        rig.answer(1, |_| vec![(0, 5), (5, 4)]);
        assert_eq!(rig.read, read);
        let positions = [FIRST, SECOND].map(|partition| rig.reader.position(partition));
        assert_eq!(positions.map(|one| one.map(|one| one.0)), [first, second], "{check_crcs}");
    }
}

#[test]
fn a_partition_that_is_added_is_begun_as_the_policy_says() {
    use OffsetReset::{Earliest, Latest, None};
    for (policy, sought, begins) in [
        (Earliest, vec![], Some(0)),
        (Latest, vec![(2, LogEnd::Latest)], Some(99)),
        (None, vec![], Option::None),
    ] {
        let mut rig = Rig::with(ReaderOptions { auto_offset_reset: policy, ..options() }, [(1, 0), (0, 0)]);
        assert_eq!(
            (rig.reader.position(FIRST), rig.reader.position(SECOND)),
            (Some(Offset(0)), Option::None)
        );
        assert_eq!(rig.questions, 1, "what is not there is not asked for");
        rig.leaders[1] = (2, 0);
        rig.pass(MS(200));
        assert_eq!(rig.reader.position(SECOND), Option::None, "{policy:?}");
        rig.fail(1, ErrorCode::NotLeaderOrFollower, Option::None);
        assert_eq!(rig.reader.position(SECOND).map(|position| position.0), begins, "{policy:?}");
        assert_eq!((&rig.sought, rig.asked().contains(&(2, 1))), (&sought, begins.is_some()), "{policy:?}");
    }
}

#[test]
fn a_topic_made_anew_is_begun_as_the_policy_says() {
    for (policy, begins) in
        [(OffsetReset::Earliest, Some(0)), (OffsetReset::Latest, Some(99)), (OffsetReset::None, None)]
    {
        let mut rig = Rig::with(ReaderOptions { auto_offset_reset: policy, ..options() }, [(1, 0), (0, 0)]);
        rig.answer(1, |_| vec![(0, 5)]);
        rig.pass(MS(200));
        rig.leaders[0] = (0, 0);
        rig.fail(1, ErrorCode::UnknownTopicId, None);
        assert_eq!((rig.reader.position(FIRST), rig.asked()), (None, vec![]), "{policy:?}: it is gone");
        // One broker had not heard of it yet: it goes on where it was.
        rig.leaders[0] = (1, 0);
        rig.pass(MS(1_000));
        assert_eq!((rig.reader.position(FIRST), rig.asked()), (Some(Offset(5)), vec![(1, 1)]), "{policy:?}");
        (rig.is_anew, rig.read) = (true, Vec::new());
        rig.fail(1, ErrorCode::UnknownTopicId, None);
        rig.pass(MS(1_000));
        assert_eq!(rig.reader.position(FIRST), None, "{policy:?}");
        assert_eq!(rig.reader.position(ANEW[0]).map(|position| position.0), begins, "{policy:?}");
        assert_eq!(rig.asked().len(), usize::from(begins.is_some()), "{policy:?}");
    }
}

#[test]
fn another_leader_is_asked_at_once() {
    for hinted in [true, false] {
        let mut rig = Rig::started([(1, 0), (2, 0)]);
        rig.pass(MS(200));
        rig.leaders[0] = (3, 1);
        let hint = hinted.then_some((NodeId(3), LeaderEpoch(1)));
        rig.fail(1, ErrorCode::NotLeaderOrFollower, hint);
        assert_eq!(rig.asked(), [(2, 1), (3, 1)], "hinted: {hinted}");
        assert_eq!(rig.fetches[1].1[0].current_leader_epoch, Some(LeaderEpoch(1)));
    }
}

#[test]
fn under_a_new_leader_the_position_is_checked_once() {
    let mut rig = Rig::started([(1, 3), (2, 0)]);
    assert_eq!(rig.fetches[1].1[0].last_fetched_epoch, None, "nothing was read");
    rig.answer(1, |_| vec![(0, 5)]);
    rig.leaders[0] = (3, 4);
    rig.pass(MS(200));
    rig.fail(1, ErrorCode::NotLeaderOrFollower, None);
    assert_eq!(rig.fetches[1].1[0].last_fetched_epoch, Some(LeaderEpoch(3)));
    rig.answer(3, |part| {
        part.diverging = Some((LeaderEpoch(3), Offset(2)));
        Vec::new()
    });
    assert_eq!(rig.positions()[0], 2, "what lies there now is read");
    assert_eq!(rig.fetches[1].1[0].last_fetched_epoch, None);
}

#[test]
fn a_silent_broker_is_given_up_after_the_request_timeout() {
    let mut rig = Rig::started([(1, 0), (2, 0)]);
    rig.fetches.clear();
    rig.pass(MS(29_999));
    assert!(rig.fetches.is_empty());
    rig.pass(MS(100));
    assert_eq!(rig.asked().len(), 2, "connected and asked again");
    rig.feed(Event::Disconnected(Peer { node: NodeId(1), channel: READER_CHANNEL }));
    rig.pass(MS(100));
    assert_eq!(rig.asked().len(), 3);
}
