//! What a replica knows of the idempotent producers that wrote to its log: `ProducerStateManager`, `ProducerStateEntry` and
//! `ProducerAppendInfo`, without transactions.
//!
//! A leader asks it about every batch before the append ([`ProducerState::admit`]); leaders and followers alike tell it of
//! every batch they have appended. It is as volatile as the process. How many batches of a producer it can recognise
//! again, its window, depends on what it was last made from (`UnifiedLog.rebuildProducerState`):
//!
//! | last made by | from | the window |
//! |---|---|---|
//! | appends alone | – | the newest five |
//! | a start, clean or not | the snapshot at the log end, which has the last batch of each producer | one |
//! | a truncation to an offset with a snapshot | that snapshot | one |
//! | a truncation to above the newest snapshot | that snapshot, then the log from there | one and those since, up to five |
//! | a truncation to below every snapshot | the log from its start | the newest five |
//! | a full truncation (`truncateFullyAndStartAt`) | nothing | none |
//!
//! Snapshots are files, which a crash leaves: one is written when a segment is begun, at its first offset, and one at the log
//! end by a clean stop and by the recovery after any other. Of those that are at no segment's beginning a start keeps the
//! newest (`removeStraySnapshots`). They outlive the batches that retention takes, and so do the producers in them.
//!
//! `Departure from Kafka:` a snapshot is durable as soon as it is written, where one that is written when a segment is begun is
//! fsynced with that segment's predecessor; what a power loss took would be made again from the log, with the same content.

use super::Log;
use crate::cluster::protocol::ErrorCode;
use crate::cluster::store::{Batch, Store};
use crate::cluster::units::{Offset, ProducerEpoch, ProducerId, Sequence};
use crate::kernel::units::{Span, Time};

/// How many batches of a producer are recognised (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
const WINDOW: usize = 5;

/// The producers of one replica.
#[derive(Clone, Debug, Default)]
pub struct ProducerState {
    producers: Vec<Producer>,
}

/// The snapshots of one replica, by rising offset. They are on its disk.
#[derive(Clone, Debug, Default)]
pub struct Snapshots(Vec<Snapshot>);

/// What a leader makes of a batch before it appends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is to be appended.
    New,
    /// It is in the log already, from the first offset to below the second: nothing is appended, and that is a success.
    Duplicate(Offset, Offset),
    /// It is not to be appended, and this is the answer.
    Refused(ErrorCode),
}

/// One producer (`ProducerStateEntry`).
#[derive(Clone, Copy, Debug)]
struct Producer {
    id: ProducerId,
    epoch: ProducerEpoch,
    /// The greatest timestamp among the records of its newest batch.
    last_timestamp: Time,
    /// Its newest batches of this epoch, the newest last; there is always one.
    window: [Known; WINDOW],
    len: u8,
}

/// A batch that is recognised (`BatchMetadata`).
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    base_sequence: Sequence,
    records: u32,
    base_offset: Offset,
}

/// The last batch of each producer below an offset (`ProducerStateManager.writeSnapshot`).
#[derive(Clone, Debug)]
struct Snapshot {
    offset: Offset,
    producers: Vec<Producer>,
}

impl ProducerState {
    /// What a process that starts has: the last batch of each producer in its newest snapshot and in the log behind it.
    pub fn load(
        log: &Log,
        snapshots: &mut Snapshots,
        store: &Store,
        now: Time,
        expiration: Span,
    ) -> ProducerState {
        let mut state = ProducerState::default();
        let from = state.load_snapshot(log, snapshots, now, expiration);
        if from < log.end() {
            state.replay(log, from, store);
            state.take_snapshot(log, snapshots);
            state.load_snapshot(log, snapshots, now, expiration);
        }
        snapshots.remove_stray(log);
        state
    }

    /// What the leader is to do with a batch of a client (`UnifiedLog.analyzeAndValidateProducerState`). First, whether it
    /// is one of the batches known, with exactly its sequences; then its epoch; then whether its first sequence is the
    /// next. From a producer that is not known, any sequence will do (KIP-360); what is older than the window is out of
    /// order (KAFKA-6683).
    #[inline]
    pub fn admit(&self, batch: &Batch) -> Admission {
        if batch.producer_id == ProducerId::NONE {
            return Admission::New;
        }
        let Some(producer) = self.producers.iter().find(|producer| producer.id == batch.producer_id) else {
            return Admission::New;
        };
        if batch.producer_epoch < producer.epoch {
            return Admission::Refused(ErrorCode::InvalidProducerEpoch);
        }
        let expected = if batch.producer_epoch > producer.epoch {
            Sequence(0)
        } else {
            let same =
                |known: &&Known| (known.base_sequence, known.records) == (batch.base_sequence, batch.records);
            if let Some(known) = producer.window().iter().find(same) {
                return Admission::Duplicate(known.base_offset, known.end());
            }
            producer.newest().next_sequence()
        };
        if batch.base_sequence == expected {
            Admission::New
        } else {
            Admission::Refused(ErrorCode::OutOfOrderSequenceNumber)
        }
    }

    /// A batch was appended at this offset. Nothing is checked: what came from a leader was checked there.
    #[inline]
    pub fn appended(&mut self, batch: &Batch, base_offset: Offset) {
        if batch.producer_id == ProducerId::NONE {
            return;
        }
        let known = Known { base_sequence: batch.base_sequence, records: batch.records, base_offset };
        let found = self.producers.iter_mut().find(|producer| producer.id == batch.producer_id);
        match found {
            Some(producer) => producer.add(batch, known),
            None => self.producers.push(Producer::new(batch, known)),
        }
    }

    /// The log has been cut (`ProducerStateManager.truncateAndReload`, then the log replayed from the snapshot on). Where
    /// nobody was known before, whom the log still names is not looked for.
    pub fn truncated(
        &mut self,
        log: &Log,
        snapshots: &mut Snapshots,
        store: &Store,
        now: Time,
        expiration: Span,
    ) {
        let knew_nobody = self.producers.is_empty();
        let from = self.load_snapshot(log, snapshots, now, expiration);
        if !knew_nobody {
            self.replay(log, from, store);
        }
        self.take_snapshot(log, snapshots);
    }

    /// The log goes on elsewhere, empty (`truncateFullyAndStartAt`).
    pub fn restarted(&mut self, snapshots: &mut Snapshots) {
        self.producers.clear();
        snapshots.0.clear();
    }

    /// Forgets producers whose newest record is as old as `producer.id.expiration.ms` by its own timestamp, which the
    /// producer made (`removeExpiredProducers`).
    pub fn expire(&mut self, now: Time, expiration: Span) {
        self.producers.retain(|producer| !producer.has_expired(now, expiration));
    }

    /// Takes in the batches that begin at `from` or later.
    fn replay(&mut self, log: &Log, from: Offset, store: &Store) {
        for entry in log.entries_from(from) {
            self.appended(store.batch(entry.batch), entry.base_offset);
        }
    }

    /// Keeps the last batch of each producer under the log end, unless that is done or there is no log. Gives whether it did.
    pub fn take_snapshot(&self, log: &Log, snapshots: &mut Snapshots) -> bool {
        let newest = snapshots.0.last().map_or(log.start(), |snapshot| snapshot.offset);
        let is_news = log.end() > newest;
        if is_news {
            let producers = self.producers.iter().map(Producer::last_batch_only).collect();
            snapshots.0.push(Snapshot { offset: log.end(), producers });
        }
        is_news
    }

    /// Knows what the newest snapshot says and nothing else, but for producers that have expired since. Gives the offset
    /// up to which that is.
    fn load_snapshot(&mut self, log: &Log, snapshots: &mut Snapshots, now: Time, expiration: Span) -> Offset {
        snapshots.0.retain(|snapshot| snapshot.offset > log.start() && snapshot.offset <= log.end());
        self.producers.clear();
        let Some(snapshot) = snapshots.0.last() else { return log.start() };
        self.producers.extend_from_slice(&snapshot.producers);
        let offset = snapshot.offset;
        self.expire(now, expiration);
        offset
    }
}

impl Snapshots {
    /// Keeps those at the beginning of a segment, and of the others the newest if no segment begins behind it.
    fn remove_stray(&mut self, log: &Log) {
        let active = log.active_segment().base;
        let newest = self.0.last().map(|snapshot| snapshot.offset);
        let is_base = |offset| log.segments().binary_search_by_key(&offset, |segment| segment.base).is_ok();
        self.0.retain(|snapshot| {
            is_base(snapshot.offset) || newest == Some(snapshot.offset) && snapshot.offset > active
        });
    }
}

impl Producer {
    fn new(batch: &Batch, known: Known) -> Producer {
        let mut window = [Known::default(); WINDOW];
        window[0] = known;
        Producer {
            id: batch.producer_id,
            epoch: batch.producer_epoch,
            last_timestamp: batch.timestamp,
            window,
            len: 1,
        }
    }

    /// Another batch; under another epoch those before count for nothing.
    #[inline]
    fn add(&mut self, batch: &Batch, known: Known) {
        if batch.producer_epoch != self.epoch {
            self.epoch = batch.producer_epoch;
            self.len = 0;
        }
        if self.len as usize == WINDOW {
            self.window.copy_within(1.., 0);
            self.len -= 1;
        }
        self.window[self.len as usize] = known;
        self.len += 1;
        self.last_timestamp = batch.timestamp;
    }

    #[inline]
    fn window(&self) -> &[Known] {
        &self.window[..self.len as usize]
    }

    #[inline]
    fn newest(&self) -> &Known {
        &self.window[self.len as usize - 1]
    }

    fn last_batch_only(&self) -> Producer {
        let mut window = [Known::default(); WINDOW];
        window[0] = *self.newest();
        Producer { window, len: 1, ..*self }
    }

    fn has_expired(&self, now: Time, expiration: Span) -> bool {
        self.last_timestamp + expiration <= now
    }
}

impl Known {
    #[inline]
    fn next_sequence(&self) -> Sequence {
        self.base_sequence.plus(self.records)
    }

    #[inline]
    fn end(&self) -> Offset {
        self.base_offset.plus(u64::from(self.records))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::protocol::LogEntry;
    use crate::cluster::store::MessageRun;
    use crate::cluster::units::{LeaderEpoch, MessageId};
    use crate::kernel::units::Bytes;

    const DAY: Span = Span::from_seconds(86_400);
    const MOST: u32 = i32::MAX as u32;

    /// A log with what is known of its producers.
    #[derive(Default)]
    struct Replica {
        store: Store,
        log: Log,
        state: ProducerState,
        snapshots: Snapshots,
        now: Time,
    }

    /// A batch: producer, epoch, first sequence, records.
    type Sent = (u64, u16, u32, u32);

    impl Replica {
        fn build(&mut self, (id, epoch, sequence, records): Sent) -> Batch {
            let producer = (ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
            let run = MessageRun { first: MessageId(0), count: records };
            let batch = self.store.add_batch(producer, &[run], Bytes::new(100), self.now);
            *self.store.batch(batch)
        }

        /// The answer to a batch; it is appended if that is the answer.
        fn produce(&mut self, sent: Sent) -> Admission {
            let batch = self.build(sent);
            let admission = self.state.admit(&batch);
            if admission == Admission::New {
                self.append(sent);
            }
            admission
        }

        fn append(&mut self, sent: Sent) {
            let built = self.build(sent);
            let batch = crate::cluster::units::BatchId(self.store.batch_count() as u32 - 1);
            let base_offset = self.log.end();
            let entry = LogEntry { base_offset, batch, epoch: LeaderEpoch(0) };
            self.log.append(entry, u64::from(built.records), built.bytes);
            self.state.appended(&built, base_offset);
        }

        fn restart(&mut self) {
            self.state = ProducerState::load(&self.log, &mut self.snapshots, &self.store, self.now, DAY);
        }

        fn cut(&mut self, end: u64) {
            assert!(Offset(end) < self.log.end(), "a truncation cuts something");
            self.log.truncate_to(Offset(end), &self.store);
            self.state.truncated(&self.log, &mut self.snapshots, &self.store, self.now, DAY);
        }
    }

    #[test]
    fn a_batch_is_new_or_known_or_refused() {
        use Admission::{Duplicate, New, Refused};
        use ErrorCode::{InvalidProducerEpoch, OutOfOrderSequenceNumber};
        let known = |base, end| Duplicate(Offset(base), Offset(end));
        // What was sent before, all of it in order; then what comes, and the answer.
        let cases: [(&str, &[Sent], Sent, Admission); 18] = [
            ("a producer nobody knows begins anywhere", &[], (7, 0, 5, 2), New),
            ("and under any epoch", &[(8, 0, 0, 2)], (7, 3, 9, 2), New),
            ("the next sequence", &[(7, 0, 5, 2)], (7, 0, 7, 2), New),
            ("the same again", &[(8, 0, 0, 3), (7, 0, 5, 2)], (7, 0, 5, 2), known(3, 5)),
            ("the one before", &[(7, 0, 0, 2), (7, 0, 2, 4)], (7, 0, 0, 2), known(0, 2)),
            (
                "the same beginning, but longer",
                &[(7, 0, 0, 2)],
                (7, 0, 0, 3),
                Refused(OutOfOrderSequenceNumber),
            ),
            ("the same end, but shorter", &[(7, 0, 0, 2)], (7, 0, 1, 1), Refused(OutOfOrderSequenceNumber)),
            ("a gap", &[(7, 0, 0, 2)], (7, 0, 3, 1), Refused(OutOfOrderSequenceNumber)),
            ("a new epoch at 0", &[(7, 0, 0, 2)], (7, 1, 0, 2), New),
            ("a new epoch elsewhere", &[(7, 0, 0, 2)], (7, 1, 2, 2), Refused(OutOfOrderSequenceNumber)),
            ("an old epoch", &[(7, 0, 0, 2), (7, 1, 0, 2)], (7, 0, 2, 2), Refused(InvalidProducerEpoch)),
            (
                "the same of an old epoch",
                &[(7, 0, 0, 2), (7, 1, 0, 1)],
                (7, 0, 0, 2),
                Refused(InvalidProducerEpoch),
            ),
            (
                "the last of its window",
                &[(7, 0, 0, 1), (7, 0, 1, 1), (7, 0, 2, 1), (7, 0, 3, 1), (7, 0, 4, 1)],
                (7, 0, 0, 1),
                known(0, 1),
            ),
            (
                "one too old",
                &[(7, 0, 0, 1), (7, 0, 1, 1), (7, 0, 2, 1), (7, 0, 3, 1), (7, 0, 4, 1), (7, 0, 5, 1)],
                (7, 0, 0, 1),
                Refused(OutOfOrderSequenceNumber),
            ),
            ("after the highest sequence comes 0", &[(7, 0, MOST - 1, 2)], (7, 0, 0, 1), New),
            ("or what is left of the batch", &[(7, 0, MOST - 1, 5)], (7, 0, 3, 1), New),
            ("another producer's sequences do not count", &[(7, 0, 0, 2), (8, 0, 0, 9)], (7, 0, 2, 1), New),
            ("without idempotence nothing is known", &[(0, 0, 0, 2)], (0, 0, 0, 2), New),
        ];
        for (name, before, sent, answer) in cases {
            let mut replica = Replica::default();
            for &earlier in before {
                assert_eq!(replica.produce(earlier), New, "{name}: {earlier:?} is in order");
            }
            assert_eq!(replica.produce(sent), answer, "{name}");
        }
    }

    #[test]
    fn a_follower_takes_what_its_leader_took() {
        let mut replica = Replica::default();
        for sent in [(7, 1, 0, 1), (7, 0, 5, 1), (7, 0, 9, 1)] {
            replica.append(sent);
        }
        assert_eq!(replica.produce((7, 0, 9, 1)), Admission::Duplicate(Offset(2), Offset(3)));
        assert_eq!(replica.produce((7, 0, 10, 1)), Admission::New);
    }

    /// What befalls a log of batches of two records by one producer.
    enum Step {
        Append(u32),
        Restart,
        /// Leaves so many batches.
        Cut(u64),
    }

    #[test]
    fn the_window_is_what_it_was_last_made_from() {
        use Step::{Append, Cut, Restart};
        let cases: [(&[Step], std::ops::Range<u32>); 9] = [
            (&[Append(10)], 5..10),
            (&[Append(10), Restart], 9..10),
            (&[Append(10), Restart, Append(2)], 9..12),
            (&[Append(10), Cut(6)], 1..6),
            (&[Append(8), Restart, Cut(6)], 1..6),
            (&[Append(4), Restart, Append(4), Cut(6)], 3..6),
            (&[Append(4), Restart, Append(4), Cut(4)], 3..4),
            (&[Append(8), Cut(6), Append(2), Cut(7)], 5..7),
            (&[Append(8), Cut(0)], 0..0),
        ];
        for (number, (steps, window)) in cases.into_iter().enumerate() {
            let mut replica = Replica::default();
            for step in steps {
                match *step {
                    Append(batches) => {
                        for _ in 0..batches {
                            let sequence = replica.log.end().0 as u32;
                            assert_eq!(replica.produce((7, 0, sequence, 2)), Admission::New, "case {number}");
                        }
                    }
                    Restart => replica.restart(),
                    Cut(batches) => replica.cut(2 * batches),
                }
            }
            for batch in 0..12 {
                let sent = replica.build((7, 0, 2 * batch, 2));
                let known = matches!(replica.state.admit(&sent), Admission::Duplicate(..));
                assert_eq!(known, window.contains(&batch), "case {number}, batch {batch}");
            }
        }
    }

    #[test]
    fn a_producer_expires_by_the_time_of_its_newest_record() {
        let at = |seconds| Time::ZERO + Span::from_seconds(seconds);
        let mut replica = Replica::default();
        replica.append((7, 0, 0, 1));
        replica.now = at(10);
        replica.append((8, 0, 0, 1));
        for (now, seven, eight) in
            [(at(86_399), true, true), (at(86_400), false, true), (at(86_410), false, false)]
        {
            replica.state.expire(now, DAY);
            for (id, known) in [(7, seven), (8, eight)] {
                // What is known refuses a gap; what is not takes anything.
                let sent = replica.build((id, 0, 5, 1));
                assert_eq!(replica.state.admit(&sent) != Admission::New, known, "producer {id} at {now:?}");
            }
        }
    }

    #[test]
    fn what_has_expired_comes_back_only_from_a_log_replayed() {
        // Whether producer 8 is known as well, which has not expired; whether 7 is known after a start, and after a cut.
        for (other, started, cut) in [(false, false, false), (true, false, true)] {
            let mut replica = Replica::default();
            replica.append((7, 0, 0, 1));
            replica.append((7, 0, 1, 1));
            replica.now = Time::ZERO + DAY;
            if other {
                replica.append((8, 0, 0, 1));
            }
            replica.append((0, 0, 0, 1));
            replica.append((0, 0, 0, 1));
            replica.state.expire(replica.now, DAY);
            let known = |replica: &mut Replica| {
                let sent = replica.build((7, 0, 1, 1));
                replica.state.admit(&sent) != Admission::New
            };
            assert!(!known(&mut replica), "it has expired");
            let end = replica.log.end().0;
            replica.cut(end - 1);
            assert_eq!(known(&mut replica), cut, "other: {other}");
            replica.restart();
            assert_eq!(known(&mut replica), started, "other: {other}");
        }
    }
}
