//! `no-duplicates`: at most one copy of a message is in the settled log.
//!
//! Where Kafka makes it: a batch carries its producer's id, epoch and sequence, and a leader that knows the batch answers
//! without appending it again (`ProducerStateManager`, `ProducerStateEntry.findDuplicateBatch`, KIP-98).
//!
//! What it rests on: idempotence that is in effect, one session of the producer, and brokers that know its last batches: none
//! loaded them from a snapshot while more than one was unanswered ([`reloads`](crate::check::reloads)), none may forget the
//! producer while it retries, and no leader took another batch of it before the first ([`LateStart`]): the first is out of order
//! then, and the client numbers all that is unanswered anew. So it does after it gave a batch up. What an application sends again
//! is another record to the brokers: so many copies as it called `send()` for a message are its own doing.
//!
//! What it does not check: copies at or above the high watermark, or in a partition without a leader. Those make it inconclusive.

use super::held_if_retried;
use std::collections::BTreeMap;

use crate::check::Judged;
use crate::check::finding::{Finding, Findings};
use crate::check::history::History;
use crate::check::look::Look;
use crate::check::outcome::{LateStart, Outcome};
use crate::check::promised::Promised;
use crate::check::reloads::Reloads;
use crate::cluster::units::{MessageId, PartitionId};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;

/// What brokers had to forget of producers, and what leaders never knew.
pub(super) type Known<'a> = (&'a Reloads, &'a [LateStart]);

/// Reads the verdict from the closed books.
pub fn judge(look: &impl Look, history: &History, reloads: &Reloads, outcome: &Outcome) -> Judged {
    let model = look.model();
    let known = (reloads, outcome.late_starts.as_slice());
    let mut findings = Findings::default();
    let mut own_doing = BTreeMap::new();
    for copy in &outcome.copies {
        let producer = history.numbering().producer(copy.message);
        let times_again = history.times_again(copy.message);
        let own_doing: &mut u32 = own_doing.entry(copy.message).or_insert(times_again);
        let is_own_doing = *own_doing > 0;
        *own_doing = own_doing.saturating_sub(1);
        let promised = match is_own_doing {
            true => Promised::no(format!(
                "the application of producer {} sent it {} times: to brokers, each is another record",
                model.producers[producer].name,
                times_again + 1,
            )),
            false => promised(model, known, producer, Some(copy.partition)),
        };
        findings.add(promised.yes, || {
            let text = format!(
                "record {} of producer {} is in {} more than once, again at offset {} (batch {})",
                history.numbering().number(copy.message),
                model.producers[producer].name,
                model.partition_name(copy.partition),
                copy.base_offset,
                copy.batch,
            );
            let at = history.told_at(copy.message);
            (promised, Finding { promise: Promise::NoDuplicates, at, text, witnesses: Vec::new() })
        });
    }
    let held = held_if_retried(history, outcome);
    let all = || {
        let each = |producer| match history.first_again(producer) {
            Some(message) => Promised::no(sent_again(model, history, producer, message)),
            None => promised(model, known, producer, None),
        };
        (0..model.producers.len()).map(each).find(|promised| !promised.yes).unwrap_or_else(kept)
    };
    Judged::by_findings(Promise::NoDuplicates, &findings, held, all)
}

/// Whether a producer's retries are recognised, in one partition or everywhere.
fn promised(model: &Model, known: Known<'_>, producer: usize, partition: Option<PartitionId>) -> Promised {
    let Some(reason) = not_recognised(model, known, producer, partition) else { return kept() };
    Promised::no(reason)
}

/// That an application sent something again.
pub(super) fn sent_again(model: &Model, history: &History, producer: usize, message: MessageId) -> String {
    format!(
        "the application of producer {} sent record {} again: to brokers, that is another record",
        model.producers[producer].name,
        history.numbering().number(message),
    )
}

/// Why a producer's retries may not be recognised.
pub(super) fn not_recognised(
    model: &Model,
    (reloads, late_starts): Known<'_>,
    producer: usize,
    partition: Option<PartitionId>,
) -> Option<String> {
    let options = &model.producers[producer];
    if !options.options.idempotence {
        let name = &options.name;
        return Some(format!("producer {name} is not idempotent: brokers take a retry for something new"));
    }
    let expiration = reloads.least_expiration();
    if expiration <= options.options.delivery_timeout {
        return Some(format!(
            "producer.id.expiration.ms is {}: a broker forgets a producer that retries for up to {}",
            expiration, options.options.delivery_timeout,
        ));
    }
    let aged = reloads.clocks().aged();
    if expiration <= options.options.delivery_timeout + aged {
        return Some(format!(
            "clocks were set until brokers may have taken a record for {aged} older than it was, and \
             producer.id.expiration.ms is {}: they forget a producer by the time of day",
            expiration,
        ));
    }
    if let Some(reload) = reloads.first(producer, partition) {
        return Some(reload.reason(model));
    }
    let is_it = |late: &&LateStart| {
        late.producer == producer && partition.is_none_or(|partition| late.partition == partition)
    };
    if let Some(late) = late_starts.iter().find(is_it) {
        return Some(late.reason(model));
    }
    let renumbering = reloads.first_renumbering(producer, partition);
    renumbering.map(|renumbering| renumbering.reason(model))
}

fn kept() -> Promised {
    Promised::yes(
        "enable.idempotence is in effect, and no broker lost what it knew of unanswered batches (KIP-98)",
    )
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{Step, answers, model};
    use crate::cluster::setting::Setting;
    use crate::kernel::units::Span;
    use crate::scenario::words::Promise::NoDuplicates as PROMISE;

    const TWICE: [Step; 6] = [Send, Retry(0), Put(1, 0, 0), Put(1, 0, 0), Commit(1, 2, 0), Success(0)];

    #[test]
    fn a_second_copy_is_found() {
        let judged = answers(model(), &TWICE, PROMISE, (Held::Broken, true));
        assert_eq!(
            judged.first.expect("a finding").text,
            "record 1 of producer web is in orders-0 more than once, again at offset 1 (batch 0)"
        );
        let mut plain = model();
        plain.producers[0].options.idempotence = false;
        answers(plain, &TWICE, PROMISE, (Held::Broken, false));
    }

    #[test]
    fn a_broker_that_loaded_a_snapshot_may_not_know_the_last_but_one() {
        let begin = [Send, Send, Retry(0), Put(1, 0, 0), Put(1, 1, 0)];
        let end = [Crash(1), Start(1, 0), Put(1, 0, 0), Commit(1, 3, 0)];
        answers(model(), &[&begin[..], &end].concat(), PROMISE, (Held::Broken, false));
        let one = [&begin[..], &[Success(1)], &end].concat();
        answers(model(), &one, PROMISE, (Held::Broken, true));
    }

    #[test]
    fn a_producer_may_be_forgotten_once_any_broker_remembers_it_for_less_than_it_retries() {
        let minutes = |minutes: u64| Setting::ProducerIdExpiration(Span::from_seconds(60 * minutes));
        for (settings, promised) in [
            (&[(None, minutes(3))][..], true),
            (&[(Some(2), minutes(1))], false),
            (&[(None, minutes(1)), (None, minutes(9))], false),
        ] {
            let mut steps: Vec<Step> =
                settings.iter().map(|&(broker, setting)| Step::SetBrokers(broker, setting)).collect();
            steps.extend(TWICE);
            answers(model(), &steps, PROMISE, (Held::Broken, promised));
        }
    }

    #[test]
    fn so_many_copies_as_an_application_sent_are_its_own_doing() {
        let own = [Send, Failure(0), Resend(0), Retry(0), Put(1, 0, 0), Put(1, 0, 0), Commit(1, 2, 0)];
        let judged = answers(model(), &[&own[..], &[Success(0)]].concat(), PROMISE, (Held::Broken, false));
        assert_eq!(
            judged.promised.reason,
            "the application of producer web sent it 2 times: to brokers, each is another record"
        );
        let one_more = [&own[..6], &[Put(1, 0, 0), Commit(1, 3, 0)]].concat();
        answers(model(), &one_more, PROMISE, (Held::Broken, true));
        let once = [&own[..5], &[Commit(1, 1, 0)]].concat();
        answers(model(), &once, PROMISE, (Held::Kept, false));
    }

    #[test]
    fn a_batch_numbered_anew_is_another_and_that_is_as_kafka_means_it_if_one_was_given_up() {
        for gave_up in [true, false] {
            let steps = [Send, Send, Put(1, 0, 0), Put(1, 1, 0), Failure(0), Retry(1), Renumber(gave_up)];
            let end = [Put(1, 1, 0), Commit(1, 3, 0), Success(1)];
            answers(model(), &[&steps[..], &end].concat(), PROMISE, (Held::Broken, !gave_up));
        }
    }

    #[test]
    fn without_a_retry_nothing_is_tested() {
        answers(model(), &[Send, Put(1, 0, 0), Commit(1, 1, 0)], PROMISE, (Held::NotTested, true));
        let retried = [Send, Retry(0), Put(1, 0, 0)];
        answers(model(), &[&retried[..], &[Commit(1, 1, 0)]].concat(), PROMISE, (Held::Kept, true));
        answers(model(), &[&retried[..], &[Success(0)]].concat(), PROMISE, (Held::Inconclusive, true));
    }
}
