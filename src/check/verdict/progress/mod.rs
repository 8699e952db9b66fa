//! `progress`: once all faults are over, everything becomes quiet within the bound: each partition is led, every replica is in
//! sync and has everything, every `send()` is answered, every reader has read all.
//!
//! Where Kafka makes it: elections, fetchers, retries and reconnections that never give up.
//!
//! What it rests on: that nothing goes on for ever. What only takes its time is no reason: the bound counts from when it is over
//! (see `world::run`). What never ends is one of two things, each a list of reasons:
//!
//! | file | what it holds |
//! |---|---|
//! | `left_behind` | what faults leave behind that the heal act does not undo, and that nobody gets past |
//! | `restless` | settings under which Kafka never comes to rest, faults or none |
//!
//! What it does not check: how quick anything is while faults last.

mod left_behind;
mod restless;

use crate::check::finding::Finding;
use crate::check::look::Look;
use crate::check::promised::{Budget, Promised};
use crate::check::{Held, Judged};
use crate::clients::app::OnError;
use crate::scenario::model::Producer;
use crate::scenario::words::Promise;
use crate::world::run::Ending;

/// Why it is promised.
const ALWAYS: &str =
    "faults are over, processes run, links are open, and every partition has a replica that may lead";

/// Something that never ends, in words Kafka's users know, if it is there.
type Reason = fn(&dyn Look, &Budget) -> Option<String>;

/// Reads the verdict from how the run ended.
pub fn judge(look: &impl Look, budget: &Budget, ending: &Ending, struck: bool) -> Judged {
    let promise = Promise::Progress;
    if ending.settled {
        let held = if struck { Held::Kept } else { Held::NotTested };
        return Judged { promise, held, promised: Promised::yes(ALWAYS), findings: 0, first: None };
    }
    let mut reasons = left_behind::REASONS.iter().chain(&restless::REASONS);
    let never = reasons.find_map(|reason| reason(look, budget));
    let promised = never.map_or_else(|| Promised::yes(ALWAYS), Promised::no);
    let text = format!("after {} {}", ending.at, ending.unquiet.join(", and "));
    let first = Finding { promise, at: ending.at, text, witnesses: Vec::new() };
    let findings = ending.unquiet.len() as u64;
    Judged { promise, held: Held::Broken, promised, findings, first: Some(first) }
}

/// Whether the application sends again what was refused, for as long as it is.
fn sends_again(producer: &Producer) -> bool {
    match producer.workload.on_error {
        OnError::Resend | OnError::Outbox => true,
        OnError::Ignore | OnError::Log | OnError::Stop => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{Step, answers, model};
    use crate::clients::app::{OnError, Waits};
    use crate::cluster::generation::Version;
    use crate::cluster::units::Acks;
    use crate::kernel::units::{Bytes, Span};
    use crate::scenario::model::Model;
    use crate::scenario::words::Promise::Progress as PROMISE;

    #[test]
    fn what_is_not_quiet_is_told() {
        let judged = answers(model(), &[Unsettled], PROMISE, (Held::Broken, true));
        assert_eq!(judged.first.expect("a finding").text, "after 0.000 s broker 1 has something under way");
        assert_eq!(judged.findings, 1);
    }

    #[test]
    fn without_a_fault_nothing_is_tested() {
        answers(model(), &[Send], PROMISE, (Held::NotTested, true));
        answers(model(), &[Send, Strike(1), Crash(1)], PROMISE, (Held::Kept, true));
    }

    /// What happens to the cluster of this model, and a part of the reason why it need not become quiet, if there is one.
    struct Row(fn(&mut Model), &'static [Step], Option<&'static str>);

    #[test]
    fn only_what_never_ends_is_a_reason() {
        let rows = [
            // Left behind: nobody who may lead.
            Row(as_it_is, &[Crash(1), Nobody(&[1])], None),
            Row(as_it_is, &[Crash(1), Nobody(&[])], Some("nobody is left who may lead orders-0")),
            Row(as_it_is, &[IsrAndElr(&[1], &[2]), Crash(1), Nobody(&[])], None),
            Row(
                as_it_is,
                &[IsrAndElr(&[1], &[2]), Reassigned(&[1]), Crash(1), Nobody(&[])],
                Some("eligible is only who lost his replica to a reassignment (2)"),
            ),
            // A batch that nobody can read, until it is no more in anybody's log.
            Row(
                as_it_is,
                &[Send, Put(1, 0, 0), Rot(1, 0)],
                Some("at offset 0 in broker 1's copy of orders-0"),
            ),
            Row(as_it_is, &[Send, Put(1, 0, 0), Rot(1, 0), Cut(1, 0)], None),
            Row(as_it_is, &[Send, Send, Put(1, 0, 0), Put(1, 1, 0), Rot(1, 0), Remove(1, 1)], None),
            // Records missing in the middle of a log.
            Row(as_it_is, &[Send, Send, Put(1, 0, 0), PutBehindGap(1, 1, 0)], Some("has a gap")),
            Row(as_it_is, &[Send, Send, Put(1, 0, 0), PutBehindGap(1, 1, 0), Cut(1, 1)], None),
            // Settings: sessions that end between two heartbeats.
            Row(|model| session(model, 9_000), &[], None),
            Row(|model| session(model, 2_000), &[], Some("broker.heartbeat.interval.ms")),
            Row(|model| session(model, 1_000), &[], Some("broker.heartbeat.interval.ms")),
            // More required in sync than there are, and an application that does not take no for an answer.
            Row(|model| require(model, Version::V3_6, 3, OnError::Resend), &[], None),
            Row(|model| require(model, Version::V3_6, 4, OnError::Resend), &[], Some("KAFKA-15583")),
            Row(|model| require(model, Version::V3_6, 4, OnError::Outbox), &[], Some("KAFKA-15583")),
            Row(|model| require(model, Version::V3_6, 4, OnError::Log), &[], None),
            Row(|model| require(model, Version::V3_9, 4, OnError::Resend), &[], None),
            Row(acks_one, &[], None),
            // Batches that are split into themselves.
            Row(|model| refuse_batches(model, 10_000, OnError::Resend), &[], Some("batch.size")),
            Row(|model| refuse_batches(model, 10_000, OnError::Log), &[], None),
            Row(refuse_batches_waited_for, &[], Some("waits for it")),
            Row(|model| refuse_batches(model, 16_384, OnError::Resend), &[], None),
        ];
        for (number, Row(change, steps, reason)) in rows.into_iter().enumerate() {
            let mut model = model();
            change(&mut model);
            let steps = [steps, &[Unsettled]].concat();
            let judged = answers(model, &steps, PROMISE, (Held::Broken, reason.is_none()));
            let told = &judged.promised.reason;
            assert!(reason.is_none_or(|reason| told.contains(reason)), "row {number}: {told}");
        }
    }

    fn as_it_is(_: &mut Model) {}

    fn session(model: &mut Model, milliseconds: u64) {
        model.controller_options.broker_session_timeout = Span::from_milliseconds(milliseconds);
        model.broker.broker_heartbeat_interval = Span::from_milliseconds(2_000);
    }

    fn require(model: &mut Model, kafka: Version, min_insync_replicas: u16, on_error: OnError) {
        model.kafka = kafka;
        model.topics[0].options.min_insync_replicas = min_insync_replicas;
        model.producers[0].workload.on_error = on_error;
    }

    fn refuse_batches(model: &mut Model, max_message_bytes: u64, on_error: OnError) {
        model.topics[0].options.max_message_bytes = Bytes::new(max_message_bytes);
        model.producers[0].options.batch_size = Bytes::new(16_384);
        model.producers[0].workload.on_error = on_error;
    }

    fn refuse_batches_waited_for(model: &mut Model) {
        refuse_batches(model, 10_000, OnError::Log);
        model.producers[0].workload.waits = Waits::Every(7);
    }

    fn acks_one(model: &mut Model) {
        require(model, Version::V3_6, 4, OnError::Resend);
        model.producers[0].options.acks = Acks::One;
    }
}
