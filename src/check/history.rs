//! The books: what every message's sender was told, and, at the end, where the message is.
//!
//! A message that its application sends again is the same message. Told is the last thing the library reported of it. The
//! place is read in the settled world: **in** is below the high watermark of the settled leader's log; **unreadable** is at or
//! above it, or there with a bad byte, or, where no leader is, in any replica's log; **out** is everything else, unless it was
//! committed and lies below the beginning of the settled leader's log, without a leader of any replica's, or in a topic that was
//! deleted: then retention or the deletion has **removed** it.
//!
//! A message's batches are not kept here: the store has them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::committed::{Committed, CommittedLog};
use super::diverged::diverged;
use super::look::Look;
use super::numbering::Numbering;
use super::outcome::{Copied, Counts, Inversion, LateStart, Outcome};
use crate::clients::app::OnError;
use crate::clients::happened;
use crate::cluster::log::Log;
use crate::cluster::protocol::LogEntry;
use crate::cluster::store::Store;
use crate::cluster::units::{BatchId, MessageId, PartitionId};
use crate::kernel::units::{Span, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Count;

/// What every sender was told, and when.
#[derive(Clone, Debug)]
pub struct History {
    numbering: Numbering,
    status: Vec<Status>,
    sent: Vec<Time>,
    told: Vec<Time>,
    /// Records handed to readers, by producer.
    read: Vec<u64>,
    /// How often each message was sent again by its application, of those that were.
    again: BTreeMap<MessageId, u32>,
    /// By producer: with which message each process of it but the first began.
    later: Vec<Vec<MessageId>>,
    acked: bool,
    retried: bool,
}

/// How far a message's story is known to its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    NotSent,
    Untold,
    Succeeded,
    Failed,
}

/// What is found on the way through the settled logs.
#[derive(Default)]
struct Found {
    copies: Vec<Copied>,
    inversions: Vec<Inversion>,
    late_starts: Vec<LateStart>,
    /// By producer: the last first copy in this partition.
    last_first: Vec<Option<MessageId>>,
}

/// Where a message is in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Out,
    Removed,
    Unreadable,
    In,
}

impl History {
    /// Empty books for a model's messages.
    pub fn new(model: &Model) -> History {
        let mut history = History {
            numbering: Numbering::default(),
            status: Vec::new(),
            sent: Vec::new(),
            told: Vec::new(),
            read: Vec::new(),
            again: BTreeMap::new(),
            later: Vec::new(),
            acked: false,
            retried: false,
        };
        history.reset(model);
        history
    }

    /// Empty books for another model, with the memory of these.
    pub fn reset(&mut self, model: &Model) {
        self.numbering.reset(model);
        let messages = self.numbering.messages();
        refill(&mut self.status, messages, Status::NotSent);
        refill(&mut self.sent, messages, Time::ZERO);
        refill(&mut self.told, messages, Time::ZERO);
        refill(&mut self.read, self.numbering.producers(), 0);
        self.again.clear();
        refill(&mut self.later, self.numbering.producers(), Vec::new());
        self.acked = false;
        self.retried = false;
    }

    /// The application called `send()`.
    #[inline]
    pub fn called(&mut self, now: Time, message: MessageId) {
        let message = message.0 as usize;
        assert_eq!(self.status[message], Status::NotSent, "a message is sent once");
        self.status[message] = Status::Untold;
        self.sent[message] = now;
    }

    /// The application called `send()` for a message once more.
    pub fn called_again(&mut self, message: MessageId) {
        assert_ne!(self.status[message.0 as usize], Status::NotSent, "only what was sent is sent again");
        *self.again.entry(message).or_default() += 1;
    }

    /// A process of a producer has begun: not its first, if any message was sent or its time to be was gone.
    pub fn process_began(&mut self, producer: usize, is_first: bool) {
        if !is_first {
            let mut messages = self.numbering.of(producer);
            let end = messages.end;
            let first = messages.find(|&message| self.status[message] == Status::NotSent).unwrap_or(end);
            self.later[producer].push(MessageId(first as u32));
        }
    }

    /// How often a message was sent again by its application.
    pub fn times_again(&self, message: MessageId) -> u32 {
        self.again.get(&message).copied().unwrap_or(0)
    }

    /// The first of a producer's messages that was sent again by its application.
    pub fn first_again(&self, producer: usize) -> Option<MessageId> {
        let Range { start, end } = self.numbering.of(producer);
        self.again.range(MessageId(start as u32)..MessageId(end as u32)).next().map(|(&message, _)| message)
    }

    /// How many processes a producer has had.
    pub fn processes(&self, producer: usize) -> usize {
        1 + self.later[producer].len()
    }

    /// Which process of its producer, from 0, first sent a message.
    pub fn process(&self, message: MessageId) -> usize {
        self.later[self.numbering.producer(message)].partition_point(|&first| first <= message)
    }

    /// The library told the application what became of some messages. What it says last counts.
    #[inline]
    pub fn told(&mut self, now: Time, first: MessageId, count: u32, outcome: happened::Outcome) {
        let status = match outcome {
            happened::Outcome::Success => Status::Succeeded,
            happened::Outcome::Refused(_)
            | happened::Outcome::TimedOut
            | happened::Outcome::BufferExhausted
            | happened::Outcome::Disconnected
            | happened::Outcome::TooLarge => Status::Failed,
        };
        self.acked |= status == Status::Succeeded;
        let messages = first.0 as usize..(first.0 + count) as usize;
        for before in &mut self.status[messages.clone()] {
            assert_ne!(*before, Status::NotSent, "only what was sent is answered");
            *before = status;
        }
        self.told[messages].fill(now);
    }

    /// A reader was handed the records of a batch.
    #[inline]
    pub fn was_read(&mut self, batch: BatchId, store: &Store) {
        let producer = self.numbering.producer(store.message_runs(batch)[0].first);
        self.read[producer] += u64::from(store.batch(batch).records);
    }

    /// A batch was put on the wire, for the nth time.
    #[inline]
    pub fn attempted(&mut self, attempt: u32) {
        self.retried |= attempt > 1;
    }

    /// Whether any batch was put on the wire more than once.
    pub fn anything_retried(&self) -> bool {
        self.retried
    }

    /// Whether a message's sender was told anything.
    pub fn is_told(&self, message: MessageId) -> bool {
        matches!(self.status[message.0 as usize], Status::Succeeded | Status::Failed)
    }

    /// Whether a message's sender was told failure.
    pub fn is_failed(&self, message: MessageId) -> bool {
        self.status[message.0 as usize] == Status::Failed
    }

    /// Whether anybody was told success.
    pub fn anything_acked(&self) -> bool {
        self.acked
    }

    /// When a message's sender was told the last thing.
    pub fn told_at(&self, message: MessageId) -> Time {
        self.told[message.0 as usize]
    }

    /// Whose message is whose.
    pub fn numbering(&self) -> &Numbering {
        &self.numbering
    }

    /// Closes the books: gives every message its place and counts. Panics if the counts do not add up.
    pub fn settle(&self, look: &impl Look, committed: &Committed) -> Outcome {
        let producers = self.numbering.producers();
        let mut counts = vec![Counts::default(); producers];
        let mut places = vec![Place::Out; self.numbering.messages()];
        let mut found = Found::default();
        for partition in 0..look.model().partition_count() as u32 {
            refill(&mut found.last_first, producers, None);
            let committed = committed.get(PartitionId(partition));
            self.place(look, PartitionId(partition), committed, &mut places, &mut found);
        }
        let Found { copies, inversions, late_starts, .. } = found;
        for copy in &copies {
            counts[self.numbering.producer(copy.message)].add(Count::Duplicated, 1);
        }
        for inversion in &inversions {
            counts[self.numbering.producer(inversion.message)].add(Count::Reordered, 1);
        }
        let mut lost = Vec::new();
        let mut answers = Vec::new();
        for (producer, counts) in counts.iter_mut().enumerate() {
            let begin = answers.len();
            let ignores = look.model().producers[producer].workload.on_error == OnError::Ignore;
            for message in self.numbering.of(producer) {
                self.count(message, places[message], ignores, counts, &mut lost, &mut answers);
            }
            counts.add(Count::Read, self.read[producer]);
            measure(&mut answers[begin..], counts);
            balance(counts);
        }
        let mut total = add_up(&counts);
        if let [only] = &counts[..] {
            let spans = Count::ALL.iter().filter(|count| count.is_span());
            spans.for_each(|&span| total.set(span, only.get(span)));
        } else {
            measure(&mut answers, &mut total);
        }
        balance(&total);
        total.set(Count::Diverged, Some(diverged(look)));
        for counts in &mut counts {
            counts.set(Count::Diverged, None);
        }
        Outcome { total, producers: counts, lost, copies, inversions, late_starts }
    }

    /// Places what one partition has.
    fn place(
        &self,
        look: &impl Look,
        partition: PartitionId,
        committed: &CommittedLog,
        places: &mut [Place],
        found: &mut Found,
    ) {
        let state = look.partition(partition);
        if !state.is_there() {
            // Never created, or deleted with all that was in it.
            for message in committed.entries().iter().flat_map(|entry| look.store().messages(entry.batch)) {
                places[message.0 as usize] = Place::Removed;
            }
            return;
        }
        let leader = state
            .leader
            .and_then(|leader| Some((look.log(leader, partition)?, look.high_watermark(leader, partition)?)));
        let Some((log, high_watermark)) = leader else {
            let logs = || state.replicas.iter().filter_map(|replica| look.log(replica, partition));
            let start = logs().map(Log::start).max().unwrap_or_default();
            for message in committed.below(start).iter().flat_map(|entry| look.store().messages(entry.batch))
            {
                places[message.0 as usize] = Place::Removed;
            }
            for log in logs() {
                log.entries().for_each(|entry| self.unreadable(look.store(), entry, places));
            }
            return;
        };
        for entry in committed.below(log.start()) {
            for message in look.store().messages(entry.batch) {
                places[message.0 as usize] = Place::Removed;
                found.last_first[self.numbering.producer(message)] = Some(message);
            }
        }
        for entry in log.entries() {
            if entry.base_offset >= high_watermark || look.store().batch(entry.batch).rotten {
                self.unreadable(look.store(), entry, places);
                continue;
            }
            for run in look.store().message_runs(entry.batch) {
                let producer = self.numbering.producer(run.first);
                if found.last_first[producer].is_none() && look.store().batch(entry.batch).base_sequence.0 > 0
                {
                    found.late_starts.push(LateStart { producer, partition, batch: entry.batch });
                }
                for message in run.first.0..run.first.0 + run.count {
                    let place = &mut places[message as usize];
                    let LogEntry { base_offset, batch, .. } = entry;
                    let message = MessageId(message);
                    if *place == Place::In {
                        found.copies.push(Copied { message, partition, base_offset, batch });
                        continue;
                    }
                    // The first copy may be gone.
                    if std::mem::replace(place, Place::In) == Place::Removed {
                        continue;
                    }
                    let before = found.last_first[producer].replace(message);
                    if let Some(after) = before.filter(|&before| before > message) {
                        found.inversions.push(Inversion { message, after, partition, base_offset, batch });
                    }
                }
            }
        }
    }

    fn unreadable(&self, store: &Store, entry: LogEntry, places: &mut [Place]) {
        for message in store.messages(entry.batch) {
            let place = &mut places[message.0 as usize];
            if matches!(*place, Place::Out | Place::Removed) {
                *place = Place::Unreadable;
            }
        }
    }

    fn count(
        &self,
        message: usize,
        place: Place,
        ignores: bool,
        counts: &mut Counts,
        lost: &mut Vec<MessageId>,
        answers: &mut Vec<Span>,
    ) {
        let status = self.status[message];
        match status {
            Status::NotSent => {
                assert_eq!(place, Place::Out, "message {message} is in a log and was never sent");
                return;
            }
            Status::Untold => {
                counts.add(if place == Place::Out { Count::Silent } else { Count::Untold }, 1);
            }
            Status::Succeeded => {
                counts.add(Count::Acked, 1);
                let what = match place {
                    Place::Out => Count::Lost,
                    Place::Removed => Count::Removed,
                    Place::Unreadable => Count::Unreadable,
                    Place::In => Count::Kept,
                };
                counts.add(what, 1);
                if place == Place::Out {
                    lost.push(MessageId(message as u32));
                }
            }
            Status::Failed => {
                counts.add(Count::Failed, 1);
                if place != Place::Out {
                    counts.add(Count::Ghost, 1);
                } else if ignores {
                    counts.add(Count::Unnoticed, 1);
                }
            }
        }
        counts.add(Count::Sent, 1);
        if status != Status::Untold {
            answers.push(self.told[message].since(self.sent[message]));
        }
    }
}

/// The nearest-rank percentiles of the answers: the smallest answer that so many in a hundred do not exceed.
fn measure(answers: &mut [Span], counts: &mut Counts) {
    let Some(last) = answers.len().checked_sub(1) else { return };
    let rank = |percent: usize| (answers.len() * percent).div_ceil(100) - 1;
    let (p50, p99) = (rank(50), rank(99));
    // Each selection leaves what is smaller to its left, so the next has only that to look through.
    let longest = *answers.select_nth_unstable(last).1;
    let ninety_ninth = *answers.select_nth_unstable(p99).1;
    let median = *answers[..=p99].select_nth_unstable(p50).1;
    counts.set(Count::AnswerP50, Some(median.nanoseconds()));
    counts.set(Count::AnswerP99, Some(ninety_ninth.nanoseconds()));
    counts.set(Count::AnswerLongest, Some(longest.nanoseconds()));
}

/// Every message is in exactly one of the five, and every acknowledged one in exactly one of the four.
fn balance(counts: &Counts) {
    let sum = |parts: &[Count]| parts.iter().map(|&part| counts.number(part)).sum::<u64>();
    let ends = [Count::Acked, Count::Failed, Count::Aborted, Count::Silent, Count::Untold];
    assert_eq!(sum(&ends), counts.number(Count::Sent), "acked + failed + aborted + silent + untold = sent");
    let places = [Count::Kept, Count::Lost, Count::Removed, Count::Unreadable];
    assert_eq!(sum(&places), counts.number(Count::Acked), "kept + lost + removed + unreadable = acked");
}

fn add_up(producers: &[Counts]) -> Counts {
    let mut total = Counts::default();
    for counts in producers {
        for &count in Count::ALL {
            if !count.is_span() {
                total.add(count, counts.number(count));
            }
        }
    }
    total
}

fn refill<T: Clone>(list: &mut Vec<T>, len: usize, value: T) {
    list.clear();
    list.resize(len, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::hand::Step::*;
    use crate::check::hand::{Hand, Step, model};
    use crate::cluster::happened::Election;

    /// The counts that are not 0, spans left aside.
    fn counts(steps: &[Step]) -> Vec<(&'static str, u64)> {
        let outcome = Hand::play(model(), steps).judge().outcome;
        let all = Count::ALL.iter().filter(|count| !count.is_span());
        let named = all.map(|&count| (count.word(), outcome.total.number(count)));
        named.filter(|&(_, number)| number > 0).collect()
    }

    #[test]
    fn what_was_committed_and_lies_below_the_log_start_is_removed() {
        let three = [Send, Send, Send, Put(1, 0, 0), Put(1, 1, 0), Put(1, 2, 0)];
        let told = [Success(0), Success(1), Success(2)];
        let committed = [&three[..], &told, &[Commit(1, 3, 0), Remove(1, 2)]].concat();
        assert_eq!(counts(&committed), [("sent", 3), ("acked", 3), ("kept", 1), ("removed", 2)]);
        // What was never committed is lost all the same.
        let early = [&three[..], &told, &[Commit(1, 1, 0), Remove(1, 2), Commit(1, 3, 0)]].concat();
        assert_eq!(counts(&early), [("sent", 3), ("acked", 3), ("kept", 1), ("lost", 1), ("removed", 1)]);
        // Likewise with a topic that was deleted.
        let deleted = [&three[..], &told, &[Commit(1, 2, 0), Delete]].concat();
        assert_eq!(counts(&deleted), [("sent", 3), ("acked", 3), ("lost", 1), ("removed", 2)]);
        // Nobody leads, and one replica has begun later: what others still have cannot be read, the rest is removed.
        let offline = [&three[..], &told, &[Copy(2, 0, 0), Copy(2, 1, 0), Commit(1, 3, 0)]].concat();
        let offline = [&offline[..], &[Remove(1, 2), Nobody(&[])]].concat();
        assert_eq!(counts(&offline), [("sent", 3), ("acked", 3), ("unreadable", 3)]);
        let offline = [&offline[..], &[Remove(2, 1)]].concat();
        assert_eq!(counts(&offline), [("sent", 3), ("acked", 3), ("removed", 1), ("unreadable", 2)]);
        // A leader that still has it makes it readable again.
        let begin = [&three[..], &[Copy(2, 0, 0), Copy(2, 1, 0), Copy(2, 2, 0)], &told].concat();
        let leads = [Elect(2, &[2, 3], Election::Clean), Leads(2), Learn(2, 3)];
        let again = [&begin[..], &[Commit(1, 3, 0), Remove(1, 2), Crash(1)], &leads].concat();
        assert_eq!(counts(&again), [("sent", 3), ("acked", 3), ("kept", 3)]);
    }

    #[test]
    fn every_message_is_in_one_place() {
        // Told success, failure and nothing; each below the high watermark, above it, and nowhere.
        let steps = [
            [Send; 9].as_slice(),
            &[Put(1, 0, 0), Put(1, 1, 0), Put(1, 2, 0), Put(1, 3, 0), Put(1, 4, 0), Put(1, 5, 0)],
            &[Commit(1, 3, 0)],
            &[Success(0), Success(3), Success(6), Failure(1), Failure(4), Failure(7)],
        ];
        assert_eq!(
            counts(&steps.concat()),
            [
                ("sent", 9),
                ("acked", 3),
                ("kept", 1),
                ("lost", 1),
                ("unreadable", 1),
                ("failed", 3),
                ("ghost", 2),
                ("unnoticed", 1),
                ("silent", 1),
                ("untold", 2),
            ]
        );
    }

    #[test]
    fn without_a_leader_a_record_that_is_on_a_disk_is_unreadable() {
        let steps = [Send, Send, Put(1, 0, 0), Success(0), Success(1), Crash(1), Nobody(&[1])];
        assert_eq!(counts(&steps), [("sent", 2), ("acked", 2), ("lost", 1), ("unreadable", 1)]);
    }

    #[test]
    fn second_copies_are_duplicates_and_first_copies_have_an_order() {
        let send = [Send, Send, Send, Success(0), Success(1), Success(2), Again(0), Again(1)];
        let sent = [("sent", 3), ("acked", 3), ("kept", 3)];
        let cases = [
            (vec![0, 1, 2], vec![]),
            (vec![0, 1, 2, 3, 4], vec![("duplicated", 2)]),
            (vec![1, 0, 2], vec![("reordered", 1)]),
            (vec![2, 1, 0, 3], vec![("duplicated", 1), ("reordered", 2)]),
        ];
        for (batches, more) in cases {
            let put = batches.iter().map(|&batch| Put(1, batch, 0));
            let steps: Vec<Step> =
                send.into_iter().chain(put).chain([Commit(1, batches.len() as u64, 0)]).collect();
            assert_eq!(counts(&steps), [&sent[..], &more].concat(), "{batches:?}");
        }
    }

    #[test]
    fn percentiles_are_answers_that_were_given() {
        let mut steps = Vec::new();
        for message in 0..10 {
            steps.extend([
                At(100 * u64::from(message)),
                Send,
                At(101 * u64::from(message) + 1),
                Failure(message),
            ]);
        }
        let outcome = Hand::play(model(), &steps).judge().outcome;
        let ms = |count| outcome.producers[0].get(count).map(|span| span / 1_000_000);
        let spans = [Count::AnswerP50, Count::AnswerP99, Count::AnswerLongest];
        assert_eq!(spans.map(ms), [Some(5), Some(10), Some(10)]);
        let in_all = spans.map(|count| outcome.total.get(count));
        assert_eq!(in_all, spans.map(|count| outcome.producers[0].get(count)), "there is one producer");
        let silent = Hand::play(model(), &[Send]).judge().outcome;
        assert_eq!(silent.total.get(Count::AnswerP50), None, "nobody was told anything");
    }

    #[test]
    #[should_panic(expected = "is in a log and was never sent")]
    fn a_record_out_of_nowhere_is_a_bug_of_ours() {
        Hand::play(model(), &[Again(0), Put(1, 0, 0), Commit(1, 1, 0)]).judge();
    }
}
