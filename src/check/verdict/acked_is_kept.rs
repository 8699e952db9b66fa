//! `acked-is-kept`: every message that was told success is in the settled log, or was removed.
//!
//! Where Kafka makes it: with acks=all a produce request is answered once the high watermark has passed it
//! (`DelayedProduce`, `Partition.checkEnoughReplicasReachOffset`), and what is below a high watermark stays (KIP-966).
//!
//! What it rests on: acks=all, and the budget ([`promised`](crate::check::promised)) since the record was appended: of a batch
//! that was appended more than once, since the append whose acknowledgement the producer was told of. acks=1 promises nothing
//! about the followers, acks=0 nothing at all.
//!
//! What it does not check: messages whose partition has no leader in the end, or that lie at or above its high watermark.
//! Those make it inconclusive.

use crate::check::finding::{Finding, Findings};
use crate::check::history::History;
use crate::check::look::Look;
use crate::check::outcome::Outcome;
use crate::check::promised::{Budget, Promised};
use crate::check::{Held, Judged};
use crate::cluster::units::{Acks, BatchId, MessageId};
use crate::scenario::model::Model;
use crate::scenario::words::{Count, Promise};

/// Reads the verdict from the closed books. `struck`: whether any fault took effect.
pub fn judge(
    look: &impl Look,
    history: &History,
    budget: &Budget,
    outcome: &Outcome,
    struck: bool,
) -> Judged {
    let promise = Promise::AckedIsKept;
    if !outcome.lost.is_empty() {
        return broken(look, history, budget, outcome);
    }
    let held = if outcome.total.number(Count::Unreadable) > 0 {
        Held::Inconclusive
    } else if outcome.total.number(Count::Acked) == 0 || !struck {
        Held::NotTested
    } else {
        Held::Kept
    };
    Judged {
        promise,
        held,
        promised: promised_for_all(look.model(), budget, outcome),
        findings: 0,
        first: None,
    }
}

fn broken(look: &impl Look, history: &History, budget: &Budget, outcome: &Outcome) -> Judged {
    let model = look.model();
    let numbering = history.numbering();
    let mut findings = Findings::default();
    for (&message, &batch) in outcome.lost.iter().zip(&batches_told(look, budget, &outcome.lost)) {
        let producer = &model.producers[numbering.producer(message)];
        let without = without_promise(producer.options.acks);
        let place = batch.and_then(|batch| Some((batch, budget.append_told(batch)?)));
        let breach = place.and_then(|(_, append)| Some((append, budget.breach_since_this(append)?)));
        findings.add(without.is_none() && breach.is_none(), || {
            let promised = match (without, breach) {
                (Some(reason), _) => Promised::no(reason),
                (None, Some((append, breach))) => Promised::no(breach.reason(model, append.partition)),
                (None, None) => within_budget(),
            };
            let record = format!("record {} of producer {}", numbering.number(message), producer.name);
            let text = match place {
                None => format!("{record} was told success and was never in any log"),
                Some((batch, append)) => format!(
                    "{record} (batch {batch}) was told success and is not in the settled log of {}",
                    model.partition_name(append.partition),
                ),
            };
            let witnesses = place.map(|(_, append)| append.n).into_iter().collect();
            (
                promised,
                Finding { promise: Promise::AckedIsKept, at: history.told_at(message), text, witnesses },
            )
        });
    }
    let (mut promised, first) = findings.first().cloned().expect("something is lost");
    if promised.yes {
        let (broken, total) = (findings.promised(), findings.total());
        promised.reason = format!("{broken} of {total} lost were promised: {}", promised.reason);
    }
    Judged {
        promise: Promise::AckedIsKept,
        held: Held::Broken,
        promised,
        findings: findings.total(),
        first: Some(first),
    }
}

/// The newest batch each message was in and that was ever appended: an application sends again what failed, or what it was
/// told nothing of, so that what it was told last is of that one.
fn batches_told(look: &impl Look, budget: &Budget, lost: &[MessageId]) -> Vec<Option<BatchId>> {
    let mut told: Vec<Option<BatchId>> = vec![None; lost.len()];
    let batches = (0..look.store().batch_count() as u32).map(BatchId);
    for batch in batches.filter(|&batch| budget.append(batch).is_some()) {
        for run in look.store().message_runs(batch) {
            let begin = lost.partition_point(|&message| message < run.first);
            let end = lost.partition_point(|&message| message.0 < run.first.0 + run.count);
            told[begin..end].fill(Some(batch));
        }
    }
    told
}

fn promised_for_all(model: &Model, budget: &Budget, outcome: &Outcome) -> Promised {
    for (producer, counts) in model.producers.iter().zip(&outcome.producers) {
        if counts.number(Count::Acked) > 0
            && let Some(reason) = without_promise(producer.options.acks)
        {
            return Promised::no(reason);
        }
    }
    match budget.any_breach() {
        Some((partition, breach)) => Promised::no(breach.reason(model, partition)),
        None => within_budget(),
    }
}

fn within_budget() -> Promised {
    Promised::yes(format!("acks=all, and {}", Promised::within_budget().reason))
}

fn without_promise(acks: Acks) -> Option<&'static str> {
    match acks {
        Acks::Zero => Some("acks=0 promises nothing: the client does not wait for any broker"),
        Acks::One => Some("acks=1 promises nothing about the followers: the leader alone has the record"),
        Acks::All => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{Hand, Step, answers, model, model_with_acks};
    use crate::cluster::happened::Election;
    use crate::cluster::setting::Setting;
    use crate::cluster::units::Acks;
    use crate::scenario::words::Promise::AckedIsKept as PROMISE;

    const ACKED: [Step; 7] =
        [Send, Put(1, 0, 0), Copy(2, 0, 0), Copy(3, 0, 0), Commit(1, 1, 0), Ack(1, 0), Success(0)];
    const ALONE: [Step; 4] = [Send, Put(1, 0, 0), Ack(1, 0), Success(0)];
    const TAKEN_OVER: [Step; 5] =
        [Strike(1), Crash(1), Elect(2, &[2, 3], Election::Clean), Leads(2), Learn(2, 0)];

    #[test]
    fn what_was_acked_and_is_gone() {
        let lost = [&ALONE[..], &TAKEN_OVER].concat();
        let judged = answers(model(), &lost, PROMISE, (Held::Broken, true));
        assert_eq!(judged.findings, 1);
        assert_eq!(
            judged.first.expect("a finding").text,
            "record 1 of producer web (batch 0) was told success and is not in the settled log of orders-0"
        );
        for acks in [Acks::Zero, Acks::One] {
            let judged = answers(model_with_acks(acks), &lost, PROMISE, (Held::Broken, false));
            assert!(judged.promised.reason.starts_with(&format!("acks={acks} promises nothing")));
        }
    }

    #[test]
    fn what_was_acked_and_is_there() {
        let kept = [&ACKED[..], &TAKEN_OVER, &[Commit(2, 1, 1)]].concat();
        answers(model(), &kept, PROMISE, (Held::Kept, true));
        answers(model_with_acks(Acks::One), &kept, PROMISE, (Held::Kept, false));
    }

    /// The first append is gone with two machines; the producer has heard of the one after that, or of the first.
    #[test]
    fn what_was_sent_again_counts_from_the_append_it_was_told_of() {
        let gone = [
            Strike(1),
            Power(1, 0),
            Power(2, 0),
            Start(1, 0),
            Register(1),
            Start(2, 0),
            Register(2),
            Elect(3, &[3], Election::Clean),
            Leads(3),
            Isr(&[1, 3]),
            Isr(&[1, 2, 3]),
        ];
        let gone_again = [Elect(1, &[1, 2], Election::Clean), Leads(1), Cut(3, 0)];
        let first = [Send, Put(1, 0, 0)];
        let cases: [(&str, &[Step], &[Step], bool); 4] = [
            ("the same batch again", &[], &[Retry(0), Put(3, 0, 1), Ack(3, 0), Success(0)], true),
            ("an answer was lost", &[Ack(1, 0)], &[Retry(0), Put(3, 0, 1), Ack(3, 0), Success(0)], true),
            ("told before", &[Ack(1, 0), Success(0)], &[Put(3, 0, 1)], false),
            (
                "another batch",
                &[Failure(0)],
                &[Resend(0), Again(0), Put(3, 1, 1), Ack(3, 1), Success(0)],
                true,
            ),
        ];
        for (name, before, then, is_promised) in cases {
            let steps = [&first[..], before, &gone, then, &gone_again].concat();
            let judged = Hand::play(model(), &steps).judged(PROMISE);
            assert_eq!((judged.held, judged.promised.yes), (Held::Broken, is_promised), "{name}");
        }
    }

    #[test]
    fn what_was_acked_and_in_no_log_ever() {
        answers(model(), &[Send, Success(0)], PROMISE, (Held::Broken, true));
    }

    #[test]
    fn what_cannot_be_read_is_no_answer() {
        // Above the new leader's high watermark; and with no leader at all.
        answers(model(), &[&ACKED[..], &TAKEN_OVER].concat(), PROMISE, (Held::Inconclusive, true));
        let offline = [&ACKED[..], &[Strike(1), Crash(1), Nobody(&[1])]].concat();
        answers(model(), &offline, PROMISE, (Held::Inconclusive, true));
    }

    #[test]
    fn what_went_with_its_topic_was_not_lost_and_nothing_befalls_it_any_more() {
        let deleted = [&ACKED[..], &[Strike(1), Delete, Power(1, 0), Power(2, 0), Crash(3)]].concat();
        answers(model(), &deleted, PROMISE, (Held::Kept, true));
        // Two stops before it are too many, and one of them took records.
        let before = [&ACKED[..], &[Strike(1), Power(1, 0), Power(2, 0), Delete]].concat();
        answers(model(), &before, PROMISE, (Held::Kept, false));
    }

    #[test]
    fn without_a_fault_or_an_ack_nothing_is_tested() {
        answers(model(), &ACKED, PROMISE, (Held::NotTested, true));
        answers(model(), &[Send, Strike(1), Crash(1)], PROMISE, (Held::NotTested, true));
    }

    #[test]
    fn of_many_lost_the_promised_one_decides() {
        // Both records are gone; the budget was broken after the first was appended and before the second was.
        let steps = [
            Strike(1),
            Send,
            Put(1, 0, 0),
            Success(0),
            Power(1, 0),
            Power(2, 0),
            Start(1, 0),
            Register(1),
            Start(2, 0),
            Register(2),
            Elect(3, &[3], Election::Clean),
            Isr(&[3]),
            Send,
            Power(3, 0),
            Start(3, 0),
            Register(3),
            Elect(1, &[1], Election::Unclean),
            Isr(&[1, 2]),
            Isr(&[1, 2, 3]),
            Put(1, 1, 2),
            Success(1),
            Elect(2, &[2, 3], Election::Clean),
            Learn(2, 0),
        ];
        answers(model(), &steps[..17], PROMISE, (Held::Broken, false));
        let judged = answers(model(), &steps, PROMISE, (Held::Broken, true));
        assert_eq!(judged.findings, 2);
        assert!(
            judged.promised.reason.starts_with("1 of 2 lost were promised"),
            "{}",
            judged.promised.reason
        );
        assert!(judged.first.expect("a finding").text.starts_with("record 2 of"));
    }

    #[test]
    fn what_counts_is_the_least_that_any_broker_has_unless_the_topic_has_its_own() {
        let require = |broker, replicas| SetBrokers(broker, Setting::MinInsyncReplicas(replicas));
        // Whether the topic has its own, what is set before a record is written and one copy lost, and whether it is
        // promised to stay.
        let cases: &[(bool, &[Step], bool)] = &[
            (false, &[], true),
            (false, &[require(Some(3), 1)], false),
            (true, &[require(Some(3), 1)], true),
            (false, &[require(None, 1)], false),
            (true, &[require(None, 1)], true),
            (false, &[require(None, 1), require(None, 2)], true),
            (false, &[require(Some(3), 1), require(None, 3)], false),
            (false, &[require(Some(3), 1), require(Some(3), 2)], true),
            (false, &[require(Some(3), 1), Require(2), Hear(1), Hear(2), Hear(3)], true),
        ];
        for &(is_own, settings, expected) in cases {
            let mut model = model();
            model.controller_options.eligible_leader_replicas = false;
            if is_own {
                Setting::MinInsyncReplicas(2).put(&mut model.topics[0].options);
            }
            let steps = [settings, &[Send, Put(1, 0, 0), Success(0), Power(1, 0), Cut(1, 0)]].concat();
            let judged = Hand::play(model, &steps).judged(PROMISE);
            assert_eq!((judged.held, judged.promised.yes), (Held::Broken, expected), "{is_own} {settings:?}");
        }
    }
}
