//! `order-kept`: the first copies of a producer's messages are in the settled log in the order of its `send()` calls, partition
//! by partition.
//!
//! Where Kafka makes it: a leader refuses a batch whose sequence does not follow the last (`OutOfOrderSequenceException`), and
//! the client sends the batches behind a failed one again in their order (`RecordAccumulator.insertInSequenceOrder`,
//! KAFKA-5494). Without idempotence: with one request in flight, or none ever sent again, nothing that succeeds can overtake.
//!
//! What it rests on: either of these. Without idempotence, for messages that were not told failure: a request that the client
//! has given up is still handled, after those it sent later on another connection. With acks=0 that may befall every request:
//! each counts as answered once it is sent (`NetworkClient.handleCompletedSends`), and so none holds back the next. With
//! idempotence, a broker that still knows the producer's last batches ([`reloads`](crate::check::reloads)), and that knew of the
//! producer from its first batch on: a leader that does not takes whatever sequence comes first
//! ([`LateStart`](crate::check::outcome::LateStart)). And one process that sent each message once: what an application sends
//! again comes later, and a request of a process that is gone is still handled, after those of the next.
//!
//! What it does not check: messages that are not in the log, and the order between producers or partitions.

use super::held_if_retried;
use super::no_duplicates::{Known, not_recognised, sent_again};
use crate::check::Judged;
use crate::check::finding::{Finding, Findings};
use crate::check::history::History;
use crate::check::look::Look;
use crate::check::outcome::{Inversion, Outcome};
use crate::check::promised::Promised;
use crate::check::reloads::Reloads;
use crate::cluster::units::{Acks, PartitionId};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;

/// Reads the verdict from the closed books.
pub fn judge(look: &impl Look, history: &History, reloads: &Reloads, outcome: &Outcome) -> Judged {
    let (model, numbering) = (look.model(), history.numbering());
    let known = (reloads, outcome.late_starts.as_slice());
    let mut findings = Findings::default();
    for inversion in &outcome.inversions {
        let producer = numbering.producer(inversion.message);
        let failed = history.is_failed(inversion.message);
        let promised = match own_doing(model, history, producer, inversion) {
            Some(reason) => Promised::no(reason),
            None => promised(model, known, producer, Some((inversion.partition, failed))),
        };
        findings.add(promised.yes, || {
            let text = format!(
                "record {} of producer {} comes after record {} in {}, at offset {} (batch {})",
                numbering.number(inversion.message),
                model.producers[producer].name,
                numbering.number(inversion.after),
                model.partition_name(inversion.partition),
                inversion.base_offset,
                inversion.batch,
            );
            let at = history.told_at(inversion.message);
            (promised, Finding { promise: Promise::OrderKept, at, text, witnesses: Vec::new() })
        });
    }
    let held = held_if_retried(history, outcome);
    let all = || {
        let each = (0..model.producers.len()).map(|producer| match history.first_again(producer) {
            Some(message) => Promised::no(sent_again(model, history, producer, message)),
            None if history.processes(producer) > 1 => Promised::no(several_processes(model, producer)),
            None => promised(model, known, producer, None),
        });
        let mut each = each.collect::<Vec<_>>().into_iter();
        let first = each.next().unwrap_or_else(|| Promised::yes("nobody sends anything"));
        if first.yes { each.find(|promised| !promised.yes).unwrap_or(first) } else { first }
    };
    Judged::by_findings(Promise::OrderKept, &findings, held, all)
}

/// Why an inversion is the application's own doing.
fn own_doing(model: &Model, history: &History, producer: usize, inversion: &Inversion) -> Option<String> {
    let Inversion { message, after, .. } = *inversion;
    if let Some(again) = [message, after].into_iter().find(|&message| history.times_again(message) > 0) {
        return Some(sent_again(model, history, producer, again));
    }
    let is_of_two = history.process(message) != history.process(after);
    is_of_two.then(|| several_processes(model, producer))
}

fn several_processes(model: &Model, producer: usize) -> String {
    let name = &model.producers[producer].name;
    format!(
        "producer {name} had several processes: a request of one that is gone is still handled, after those of the next"
    )
}

/// Whether nothing of a producer can be overtaken: a message in one partition, which was told failure or not, or everything.
fn promised(model: &Model, known: Known<'_>, producer: usize, one: Option<(PartitionId, bool)>) -> Promised {
    let options = &model.producers[producer].options;
    if !options.idempotence && one.is_some_and(|(_, failed)| failed) {
        return Promised::no("a request that the client gave up is still handled, after those it sent later");
    }
    if options.acks == Acks::Zero {
        return Promised::no(
            "acks=0: nothing is answered, and what was sent on a connection that has ended is still handled, after what went \
             over the next",
        );
    }
    if options.max_in_flight == 1 {
        return Promised::yes(
            "max.in.flight.requests.per.connection=1: nothing is sent before the last is answered",
        );
    }
    if options.retries == 0 {
        return Promised::yes("retries=0: nothing is sent again");
    }
    match not_recognised(model, known, producer, one.map(|(partition, _)| partition)) {
        Some(reason) if options.idempotence => Promised::no(reason),
        Some(_) => Promised::no(format!(
            "producer {} is not idempotent and has up to {} requests in flight: a retry can come after what was sent \
             later",
            model.producers[producer].name, options.max_in_flight,
        )),
        None => Promised::yes(
            "enable.idempotence is in effect: a leader takes batches in their order only (KIP-98)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{Step, answers, model};
    use crate::cluster::units::Acks;
    use crate::scenario::words::Promise::OrderKept as PROMISE;

    const SWAPPED: [Step; 8] =
        [Send, Send, Send, Retry(1), Put(1, 0, 0), Put(1, 2, 0), Put(1, 1, 0), Commit(1, 3, 0)];

    #[test]
    fn a_record_that_was_overtaken_is_found() {
        let judged = answers(model(), &SWAPPED, PROMISE, (Held::Broken, true));
        assert_eq!(
            judged.first.expect("a finding").text,
            "record 2 of producer web comes after record 3 in orders-0, at offset 2 (batch 1)"
        );
    }

    #[test]
    fn what_is_sent_again_or_by_another_process_has_no_place() {
        let again = [&SWAPPED[..3], &[Resend(1)], &SWAPPED[3..]].concat();
        answers(model(), &again, PROMISE, (Held::Broken, false));
        let restarted = [&[Send, Send, Begin][..], &SWAPPED[2..]].concat();
        answers(model(), &restarted, PROMISE, (Held::Broken, false));
        let both_by_the_second = [&[Send, Begin][..], &SWAPPED[1..]].concat();
        answers(model(), &both_by_the_second, PROMISE, (Held::Broken, true));
    }

    #[test]
    fn one_in_flight_or_no_retries_keep_the_order_too() {
        for (acks, max_in_flight, retries, promised) in [
            (Acks::All, 5, 3, false),
            (Acks::All, 1, 3, true),
            (Acks::One, 1, 3, true),
            (Acks::All, 5, 0, true),
            (Acks::Zero, 1, 3, false),
            (Acks::Zero, 1, 0, false),
        ] {
            let mut plain = model();
            let options = &mut plain.producers[0].options;
            options.acks = acks;
            options.idempotence = false;
            options.max_in_flight = max_in_flight;
            options.retries = retries;
            answers(plain, &SWAPPED, PROMISE, (Held::Broken, promised));
        }
    }

    #[test]
    fn a_leader_that_knows_nothing_of_a_producer_takes_whatever_comes_first() {
        let steps = [Send, Send, Retry(0), Put(1, 1, 0), Put(1, 0, 0), Commit(1, 2, 0)];
        let judged = answers(model(), &steps, PROMISE, (Held::Broken, false));
        assert_eq!(
            judged.promised.reason,
            "a leader of orders-0 knew nothing of producer web and so took the first batch that came (batch 1), whatever \
             its sequence: earlier ones were still under way to another broker"
        );
    }

    #[test]
    fn second_copies_have_no_order() {
        let copy = [Send, Send, Retry(0), Put(1, 0, 0), Put(1, 1, 0), Put(1, 0, 0), Commit(1, 3, 0)];
        answers(model(), &copy, PROMISE, (Held::Kept, true));
        let once = [Send, Send, Put(1, 0, 0), Put(1, 1, 0), Commit(1, 2, 0)];
        answers(model(), &once, PROMISE, (Held::NotTested, true));
    }
}
