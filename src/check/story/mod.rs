//! What became of a record, in sentences: who acknowledged it, where its bytes were then, what destroyed them, and who was
//! elected at which log end.
//!
//! A story is told from the kept entries alone, so that everything in it happened. It never judges: that something is lost it
//! is told.

mod again;
mod fate;
mod kept;
mod known;
mod lost;
mod removed;
mod replay;
mod untold;
mod words;

use self::words::either;
use super::outcome::Outcome;
use super::{Held, Judgement};
use crate::cluster::store::Store;
use crate::kernel::trace::Entry;
use crate::scenario::model::Model;
use crate::scenario::words::{Count, Promise};
use crate::world::happened::Happened;

/// The verdict on a run, in a few sentences. The story of a loss needs the entries; without them it says only what is gone.
pub fn verdict_sentence(
    model: &Model,
    store: &Store,
    entries: &[Entry<Happened>],
    judgement: &Judgement,
) -> String {
    let mut sentences = match judgement.outcome.lost.as_slice() {
        [] => vec![kept::story(model, store, entries, judgement)],
        lost => lost::story(model, store, entries, lost),
    };
    if judgement.outcome.total.number(Count::Removed) > 0 {
        sentences.extend(removed::story(model, store, entries));
    }
    sentences.extend(untold::story(model, entries, &judgement.outcome));
    sentences.extend(failed(&judgement.outcome));
    for judged in &judgement.promises {
        if judged.held == Held::Broken
            && judged.promise != Promise::AckedIsKept
            && let Some(first) = &judged.first
        {
            sentences.push(format!("The promise {} is broken: {}.", judged.promise, first.text));
            sentences.extend(how_it_came(model, store, entries, judgement, judged.promise));
        }
    }
    sentences.join(" ")
}

/// How a promise about retries came to be broken, told of the first record it happened to.
fn how_it_came(
    model: &Model,
    store: &Store,
    entries: &[Entry<Happened>],
    Judgement { outcome, .. }: &Judgement,
    promise: Promise,
) -> Option<String> {
    if promise == Promise::NoDuplicates {
        again::copied(model, store, entries, outcome.copies.first()?)
    } else if promise == Promise::OrderKept {
        again::overtaken(model, store, entries, outcome.inversions.first()?)
    } else {
        None
    }
}

/// What is to be said of records that were told failure.
fn failed(outcome: &Outcome) -> Option<String> {
    let [failed, ghost, unnoticed] =
        [Count::Failed, Count::Ghost, Count::Unnoticed].map(|count| outcome.total.number(count));
    let there = match ghost {
        0 => format!(" and {} in no log", either(failed as usize, "is", "are")),
        _ if ghost == failed => {
            format!(", though the log has {}", either(failed as usize, "it", "all of them"))
        }
        _ => format!(", though the log has {ghost} of them"),
    };
    let unseen = match unnoticed {
        0 => String::new(),
        _ => format!("; the application does not look, and misses {unnoticed}"),
    };
    let records = either(failed as usize, "record was", "records were");
    (failed > 0).then(|| format!("{failed} {records} told as failed{there}{unseen}."))
}

#[cfg(test)]
mod tests {
    use crate::check::hand::Step::*;
    use crate::check::hand::{Hand, Step, model, model_with_acks};
    use crate::cluster::happened::Election;
    use crate::cluster::units::{Acks, PartitionId};
    use crate::scenario::fault::Target;
    use crate::scenario::model::Model;

    /// A record that only the leader has is acknowledged with acks=1.
    const ALONE: [Step; 9] = [
        Send,
        Put(1, 0, 0),
        Copy(2, 0, 0),
        Copy(3, 0, 0),
        At(512),
        Send,
        Put(1, 1, 0),
        Ack(1, 1),
        Success(1),
    ];

    /// A record that every broker has in its page cache, with the first durable everywhere, is acknowledged.
    const EVERYWHERE: [Step; 18] = [
        Send,
        Put(1, 0, 0),
        Copy(2, 0, 0),
        Copy(3, 0, 0),
        Fsync(1, 1),
        Fsync(2, 1),
        Fsync(3, 1),
        Commit(1, 1, 0),
        Ack(1, 0),
        Success(0),
        At(512),
        Send,
        Put(1, 1, 0),
        Copy(2, 1, 0),
        Copy(3, 1, 0),
        Commit(1, 2, 0),
        Ack(1, 1),
        Success(1),
    ];

    fn tell(model: Model, begin: &[Step], then: &[Step], sentences: &[&str]) {
        let hand = Hand::play(model, &[begin, then].concat());
        assert_eq!(hand.sentence(), sentences.join(" "));
    }

    #[test]
    fn nobody_was_told_what_a_process_took_with_it() {
        let then = [Send, At(700), Send, Put(1, 2, 0), Commit(1, 3, 0), Kill];
        tell(
            model_with_acks(Acks::One),
            &ALONE,
            &then,
            &[
                "The one acknowledged record is in the leader's log; it was in the logs of at least 1 broker, \
                but not necessarily on any disk, when a broker acknowledged it.",
                "Nobody was told what became of 3 records of producer web: 1 is in no log.",
                "Its process was killed at 0.700 s.",
            ],
        );
    }

    #[test]
    fn the_leader_alone_had_it_and_crashed() {
        let then = [
            At(513),
            Strike(1),
            Crash(1),
            At(9_100),
            Elect(2, &[2, 3], Election::Clean),
            Leads(2),
            Commit(2, 1, 1),
            At(10_200),
            Start(1, 0),
            Cut(1, 1),
        ];
        tell(
            model_with_acks(Acks::One),
            &ALONE,
            &then,
            &[
                "Record 2 of producer web was acknowledged by broker 1 at 0.512 s and is gone.",
                "Broker 1 had it at offset 1 of orders-0, in its page cache only; brokers 2 and 3 did \
                not have it (their logs ended at 1).",
                "At 0.513 s the process of broker 1 crashed.",
                "At 9.100 s broker 2 was elected from the in-sync set, its log ending at 1 and the \
                record not in it.",
                "At 10.200 s broker 1 cut its log back to 1 to agree with its leader, broker 2, and the \
                record with it.",
                "No log has it in the end.",
            ],
        );
    }

    #[test]
    fn the_leader_alone_had_it_and_lost_power() {
        let then = [
            At(513),
            Strike(1),
            Power(1, 0),
            At(9_100),
            Elect(2, &[2, 3], Election::Clean),
            Leads(2),
            At(9_200),
            Send,
            Put(2, 2, 1),
            Copy(3, 2, 1),
            Commit(2, 2, 1),
        ];
        tell(
            model_with_acks(Acks::One),
            &ALONE,
            &then,
            &[
                "Record 2 of producer web was acknowledged by broker 1 at 0.512 s and is gone.",
                "Broker 1 had it at offset 1 of orders-0, in its page cache only; brokers 2 and 3 did \
                not have it (their logs ended at 1).",
                "At 0.513 s broker 1 lost power and with it everything from offset 0 on.",
                "At 9.100 s broker 2 was elected from the in-sync set, its log ending at 1 and the \
                record not in it.",
                "No log has it in the end; offset 1 of orders-0 holds another record now.",
            ],
        );
    }

    #[test]
    fn the_whole_cluster_lost_power() {
        let then = [
            At(600),
            Strike(1),
            Power(1, 1),
            Power(2, 1),
            Power(3, 1),
            At(9_000),
            Nobody(&[3]),
            At(20_000),
            Start(3, 0),
            Register(3),
            Elect(3, &[3], Election::Clean),
            Leads(3),
            Commit(3, 1, 2),
        ];
        tell(
            model(),
            &EVERYWHERE,
            &then,
            &[
                "Record 2 of producer web was acknowledged by broker 1 at 0.512 s and is gone.",
                "Brokers 1, 2 and 3 had it at offset 1 of orders-0, in their page caches only.",
                "At 0.600 s brokers 1, 2 and 3 lost power, and with it offsets of their logs: broker 1 \
                from 1 on, broker 2 from 1 on and broker 3 from 1 on.",
                "At 20.000 s broker 3 was elected from the in-sync set, its log ending at 1 and the \
                record not in it.",
                "No log has it in the end.",
                "The promise leader-completeness is broken: broker 3 leads orders-0 in epoch 2 without what a \
             leader had committed at offset 1 (batch 1); its log ends at 1.",
            ],
        );
    }

    #[test]
    fn a_leader_cut_off_acknowledged_what_nobody_else_had() {
        let steps = [
            At(100),
            Strike(1),
            Isolate(1),
            At(200),
            Send,
            Put(1, 0, 0),
            Ack(1, 0),
            Success(0),
            At(9_000),
            Elect(2, &[2, 3], Election::Clean),
            Leads(2),
            At(12_000),
            Cut(1, 0),
        ];
        tell(
            model_with_acks(Acks::One),
            &[],
            &steps,
            &[
                "Record 1 of producer web was acknowledged by broker 1 at 0.200 s and is gone.",
                "Broker 1 had it at offset 0 of orders-0, in its page cache only; brokers 2 and 3 did \
                not have it (their logs ended at 0).",
                "Broker 1 was cut off from everybody else at 0.100 s.",
                "At 9.000 s broker 2 was elected from the in-sync set, its log ending at 0 and the \
                record not in it.",
                "At 12.000 s broker 1 cut its log back to 0 to agree with its leader, broker 2, and the \
                record with it.",
                "No log has it in the end.",
            ],
        );
    }

    #[test]
    fn an_unclean_election_left_it_on_a_broker_that_does_not_count() {
        let begin = [
            Isr(&[1]),
            At(512),
            Send,
            Send,
            Put(1, 0, 0),
            Put(1, 1, 0),
            Fsync(1, 2),
            Ack(1, 0),
            Ack(1, 1),
            Success(0),
            Success(1),
        ];
        let then = [
            At(600),
            Strike(1),
            Crash(1),
            At(9_000),
            Nobody(&[1]),
            At(9_500),
            Elect(2, &[2], Election::Unclean),
        ];
        tell(
            model(),
            &begin,
            &then,
            &[
                "2 acknowledged records are gone; this is the first.",
                "Record 1 of producer web was acknowledged by broker 1 at 0.512 s and is gone.",
                "Broker 1 had it at offset 0 of orders-0, durable on its disk; brokers 2 and 3 did not \
                have it (their logs ended at 0).",
                "At 0.600 s the process of broker 1 crashed.",
                "At 9.500 s broker 2 was elected uncleanly, though it was neither in sync nor eligible, \
                its log ending at 0 and the record not in it.",
                "In the end broker 1 still has it, but not as part of the log that counts.",
            ],
        );
    }

    #[test]
    fn it_spread_before_the_fault_and_the_last_known_leader_had_lost_it() {
        let then = [
            At(550),
            Copy(2, 1, 0),
            At(600),
            Strike(1),
            Power(1, 1),
            At(700),
            Crash(2),
            At(9_000),
            Nobody(&[]),
            At(9_500),
            Start(1, 0),
            Elect(1, &[1], Election::LastKnown),
            At(9_900),
            Start(2, 0),
            Cut(2, 1),
        ];
        tell(
            model_with_acks(Acks::One),
            &ALONE,
            &then,
            &[
                "Record 2 of producer web was acknowledged by broker 1 at 0.512 s and is gone.",
                "Broker 1 had it at offset 1 of orders-0, in its page cache only; brokers 2 and 3 did \
                not have it (their logs ended at 1).",
                "Just before 0.600 s brokers 1 and 2 had it at offset 1 of orders-0, in their page \
                caches only; broker 3 did not have it (its log ended at 1).",
                "At 0.600 s broker 1 lost power and with it everything from offset 1 on.",
                "At 0.700 s the process of broker 2 crashed.",
                "At 9.500 s broker 1 was elected as the last known leader, when nobody was in sync or \
                eligible, its log ending at 1 and the record not in it.",
                "At 9.900 s broker 2 cut its log back to 1 to agree with its leader, broker 1, and the \
                record with it.",
                "No log has it in the end.",
            ],
        );
    }

    #[test]
    fn acks_0_is_told_before_any_broker_has_it() {
        let never = [Send, At(10), Success(0), At(11), Strike(1), Crash(1)];
        tell(
            model_with_acks(Acks::Zero),
            &[],
            &never,
            &[
                "Record 1 of producer web was told success at 0.010 s, as soon as it was handed to the \
                socket (acks=0), and is gone.",
                "No broker ever appended it.",
                "Broker 1, which led orders-0 then, crashed at 0.011 s.",
            ],
        );
        let later = [Send, At(10), Success(0), At(11), Put(1, 0, 0), At(12), Strike(1), Power(1, 0)];
        tell(
            model_with_acks(Acks::Zero),
            &[],
            &later,
            &[
                "Record 1 of producer web was told success at 0.010 s, as soon as it was handed to the \
                socket (acks=0), and is gone.",
                "At 0.011 s broker 1 had it at offset 0 of orders-0, in its page cache only; brokers 2 \
                and 3 did not have it (their logs ended at 0).",
                "At 0.012 s broker 1 lost power and with it everything from offset 0 on.",
                "No log has it in the end.",
            ],
        );
    }

    #[test]
    fn when_nothing_is_lost_only_what_the_entries_show_is_said() {
        tell(
            model(),
            &EVERYWHERE,
            &[],
            &["All 2 acknowledged records are in their leaders' logs; each was in the logs of at \
                least 3 brokers, but not necessarily on any disk, when a broker acknowledged it."],
        );
        tell(
            model(),
            &EVERYWHERE[..10],
            &[],
            &[
                "The one acknowledged record is in the leader's log; it was in the logs of at least 3 brokers, and on at \
                least 3 disks, when a broker acknowledged it.",
            ],
        );
        tell(
            model(),
            &[Send],
            &[],
            &[
                "No record was told success, so none could be lost.",
                "Nobody was told what became of 1 record of producer web: it is in no log.",
            ],
        );
        tell(
            model(),
            &EVERYWHERE,
            &[Nobody(&[])],
            &["2 of 2 acknowledged records cannot be read: their partition has no leader, or they lie \
                at or above its high watermark."],
        );
        let told = [Send, Put(1, 0, 0), Success(0), Commit(1, 1, 0)];
        tell(
            model_with_acks(Acks::Zero),
            &told,
            &[],
            &["The one acknowledged record is in the leader's log."],
        );
    }

    #[test]
    fn links_that_are_cut_and_disks_that_lie_are_named() {
        let then = [
            At(600),
            Apart(1, 2),
            Apart(2, 1),
            // Another fault.
            Strike(1),
            Apart(1, 4),
            Apart(4, 1),
            At(9_100),
            Elect(2, &[2, 3], Election::Clean),
            Leads(2),
            At(12_000),
            Cut(1, 1),
        ];
        let had = "Broker 1 had it at offset 1 of orders-0, in its page cache only; brokers 2 and 3 did not have it \
            (their logs ended at 1).";
        let elected = "At 9.100 s broker 2 was elected from the in-sync set, its log ending at 1 and the record \
            not in it.";
        let acked = "Record 2 of producer web was acknowledged by broker 1 at 0.512 s and is gone.";
        let cut_back = "At 12.000 s broker 1 cut its log back to 1 to agree with its leader, broker 2, and the record with it.";
        let apart = "At 0.600 s broker 1 was cut off from broker 2 and the controller.";
        let gone = "No log has it in the end.";
        let one = || model_with_acks(Acks::One);
        tell(one(), &ALONE, &then, &[acked, had, apart, elected, cut_back, gone]);

        let begin = [&[At(100), Apart(3, 1), Apart(1, 3), Lies(1), Lies(2)][..], &ALONE].concat();
        let lied = "The disks of brokers 1 and 2 lied about fsyncs from 0.100 s on.";
        let then = [&then[..1], &then[6..]].concat();
        let apart = "Broker 1 was cut off from broker 3 at 0.100 s.";
        tell(one(), &begin, &then, &[acked, had, apart, lied, elected, cut_back, gone]);
    }

    #[test]
    fn what_no_broker_ever_had_is_told_by_what_befell_the_leader() {
        let told = "Record 1 of producer web was told success at 0.000 s, as soon as it was handed to the socket (acks=0), \
            and is gone.";
        let never = "No broker ever appended it.";
        let crashed = "Broker 1, which led orders-0 then, crashed at 2.000 s.";
        let begin = [Send, Success(0), At(1_000), AskedToStop(1)];
        tell(model_with_acks(Acks::Zero), &begin, &[], &[told, never]);
        tell(model_with_acks(Acks::Zero), &begin, &[At(2_000), Crash(1)], &[told, never, crashed]);
    }

    #[test]
    fn those_of_one_fate_are_named_together_and_so_is_who_asked_for_it() {
        let begin =
            [&[At(100), Isolate(2), Isolate(3), At(200), Send, Put(1, 0, 0), Ack(1, 0), Success(0)][..]];
        let elected = [At(9_000), Elect(2, &[2, 3], Election::Clean), Leads(2), At(12_000), Cut(1, 0)];
        let acked = "Record 1 of producer web was acknowledged by broker 1 at 0.200 s and is gone.";
        let had = "Broker 1 had it at offset 0 of orders-0, in its page cache only; brokers 2 and 3 did not have it \
            (their logs ended at 0).";
        let fate = "Brokers 2 and 3 were cut off from everybody else at 0.100 s.";
        let cut = "At 12.000 s broker 1 cut its log back to 0 to agree with its leader, broker 2, and the record with it.";
        for (struck, asked) in [(true, ", as an administrator had asked"), (false, "")] {
            let mut model = model_with_acks(Acks::One);
            model.faults[0].on = Target::Partition(PartitionId(0));
            let how = format!(
                "At 9.000 s broker 2 was elected from the in-sync set{asked}, its log ending at 0 and the record not in it."
            );
            let strikes: &[Step] = if struck { &[Strike(1)] } else { &[] };
            let then = [strikes, &elected].concat();
            tell(model, &begin.concat(), &then, &[acked, had, fate, &how, cut, "No log has it in the end."]);
        }
    }

    #[test]
    fn a_second_copy_and_what_was_overtaken_say_how() {
        let kept = "The one acknowledged record is in the leader's log; it was in the logs of at least 1 broker, \
            but not necessarily on any disk, when a broker acknowledged it.";
        let begin = [Send, Put(1, 0, 0), At(20), Ack(1, 0), At(3_000), Retry(0), At(3_001), Put(1, 0, 0)];
        let end = [Commit(1, 2, 0), Success(0)];
        let twice = "The promise no-duplicates is broken: record 1 of producer web is in orders-0 more than once, again \
            at offset 1 (batch 0).";
        let how = "Broker 1 had appended record 1 of producer web at 0.000 s, offset 0, and answered at 0.020 s; the producer \
            had not heard of it when it sent the record again at 3.000 s; broker 1 appended it anew at 3.001 s.";
        tell(model(), &begin, &end, &[kept, twice, how]);
        let silent = [&begin[..2], &begin[4..]].concat();
        let how = "Broker 1 had appended record 1 of producer web at 0.000 s, offset 0, and had not answered when it was \
            sent again at 3.000 s; broker 1 appended it anew at 3.001 s.";
        tell(model(), &silent, &end, &["The one acknowledged record is in the leader's log.", twice, how]);

        let begin =
            [Send, Send, Retry(0), At(10), Put(1, 1, 0), At(3_000), Retry(0), At(3_001), Put(1, 0, 0)];
        let overtaken = "The promise order-kept is broken: record 1 of producer web comes after record 2 in orders-0, at \
            offset 1 (batch 0).";
        let how = "Record 1 of producer web was not answered after it was sent at 0.000 s, and was sent again at 3.000 s; \
            broker 1 appended it at 3.001 s.";
        let both = "All 2 acknowledged records are in their leaders' logs.";
        let end = [Commit(1, 2, 0), Success(0), Success(1)];
        tell(model(), &begin, &end, &[both, overtaken, how]);
    }

    #[test]
    fn failures_are_counted() {
        let begin = [Send, Send, Put(1, 0, 0), Put(1, 1, 0), Commit(1, 2, 0)];
        let one = "The one acknowledged record is in the leader's log.";
        let there = "1 record was told as failed, though the log has it.";
        tell(model(), &begin, &[Success(0), Failure(1)], &[one, there]);
        let none = "2 records were told as failed, though the log has 1 of them; the application does not look, and \
            misses 1.";
        tell(
            model(),
            &begin,
            &[Send, Failure(1), Failure(2)],
            &["No record was told success, so none could be lost.", none],
        );
    }
}
