//! `progress`: once all faults are over, everything becomes quiet within the bound: each partition is led, every replica is in
//! sync and has everything, every `send()` is answered, every reader has read all.
//!
//! Where Kafka makes it: elections, fetchers, retries and reconnections that never give up.
//!
//! What it rests on: somebody who may lead each partition. Where every replica that was in sync or eligible has stopped uncleanly
//! and the last known leader is not one either, only an operator can choose (KIP-966).
//!
//! What it does not check: how quick anything is while faults last.

use crate::check::clocks::Clocks;
use crate::check::finding::Finding;
use crate::check::invariant::recoverable_disk::has_gap;
use crate::check::look::Look;
use crate::check::promised::{Budget, Promised};
use crate::check::{Held, Judged};
use crate::clients::app::Waits;
use crate::cluster::units::{PartitionEpoch, PartitionId};
use crate::kernel::units::Span;
use crate::scenario::fault::{Action, Fault};
use crate::scenario::words::Promise;
use crate::world::run::Ending;

/// Why it is promised.
const ALWAYS: &str =
    "faults are over, processes run, links are open, and every partition has a replica that may lead";

/// Reads the verdict from how the run ended.
pub fn judge(look: &impl Look, budget: &Budget, clocks: &Clocks, ending: &Ending, struck: bool) -> Judged {
    let promise = Promise::Progress;
    let promised = promised(look);
    if ending.settled {
        let held = if struck { Held::Kept } else { Held::NotTested };
        return Judged { promise, held, promised, findings: 0, first: None };
    }
    let clock = || clocks.set_back().map(|back| Promised::no(back.reason(look.model())));
    let promised = rot(look, budget)
        .or_else(|| gap(look))
        .or_else(clock)
        .or_else(|| late(look))
        .or_else(|| impossible(look, budget))
        .or_else(|| restless(look))
        .or_else(|| slow_sender(look))
        .or_else(|| fewer_partitions(look))
        .unwrap_or(promised);
    let text = format!("after {} {}", ending.at, ending.unquiet.join(", and "));
    let first = Finding { promise, at: ending.at, text, witnesses: Vec::new() };
    let findings = ending.unquiet.len() as u64;
    Judged { promise, held: Held::Broken, promised, findings, first: Some(first) }
}

fn promised(look: &impl Look) -> Promised {
    for partition in (0..look.model().partition_count() as u32).map(PartitionId) {
        let state = look.partition(partition);
        if state.is_there()
            && state.leader.is_none()
            && state.isr.is_empty()
            && state.elr.is_empty()
            && state.last_known_leader.is_none()
        {
            let name = look.model().partition_name(partition);
            return Promised::no(format!("nobody is left who may lead {name} (KIP-966)"));
        }
    }
    Promised::yes(ALWAYS)
}

/// A bad byte, in front of which whoever copies the log, or reads it, stands still.
fn rot(look: &impl Look, budget: &Budget) -> Option<Promised> {
    let (partition, breach) = budget.first_rotten()?;
    Some(Promised::no(breach.reason(look.model(), partition)))
}

/// More replicas are required in sync than there are: an application that sends again what was refused does so for ever.
fn impossible(look: &impl Look, budget: &Budget) -> Option<Promised> {
    let model = look.model();
    let mut partitions = (0..model.partition_count() as u32).map(PartitionId);
    let partition = partitions.find(|&partition| {
        let (state, min_isr) = (look.partition(partition), budget.most_required(model, partition));
        state.is_there() && usize::from(min_isr) > state.replicas.len()
    });
    let partition = partition.filter(|_| !model.kafka.generation().min_isr_capped_by_replicas)?;
    let name = model.partition_name(partition);
    Some(Promised::no(format!(
        "min.insync.replicas={} is more than the replicas of {name}: before 3.7 acks=all is refused there (KAFKA-15583)",
        budget.most_required(model, partition)
    )))
}

/// Brokers whose sessions end between two heartbeats.
fn restless(look: &impl Look) -> Option<Promised> {
    let model = look.model();
    let (session, interval) =
        (model.controller_options.broker_session_timeout, model.broker.broker_heartbeat_interval);
    // A heartbeat and its answer, and the next is due an interval later.
    (session <= interval + model.network.latency.median() * 4).then(|| {
        Promised::no(format!(
            "brokers send a heartbeat every {interval} (broker.heartbeat.interval.ms), and their sessions are over after \
             {session} (broker.session.timeout.ms)"
        ))
    })
}

/// An application that waits for answers that linger, for longer than the bound in all.
fn slow_sender(look: &impl Look) -> Option<Promised> {
    let model = look.model();
    model.producers.iter().find_map(|producer| {
        let at_once = match producer.workload.waits {
            Waits::None => return None,
            Waits::Every(records) => records.max(1),
        };
        let takes = producer.options.linger * u64::from(producer.workload.records / at_once);
        // Answers take some time besides.
        (takes + takes / 4 >= model.settle_bound).then(|| {
            Promised::no(format!(
                "the application of producer {} waits for answers that linger: its records take {takes}, and the bound is {}",
                producer.name, model.settle_bound
            ))
        })
    })
}

/// A topic made anew with fewer partitions than it had.
fn fewer_partitions(look: &impl Look) -> Option<Promised> {
    let model = look.model();
    let is_there = |partition: &PartitionId| look.partition(*partition).is_there();
    let was_there = |partition: &PartitionId| look.partition(*partition).partition_epoch > PartitionEpoch(0);
    let topic = model.topics.iter().find(|topic| {
        let former = topic.anew.map(|anew| &model.topics[anew.of.0 as usize]);
        let had = former.map_or(0, |former| former.partitions().filter(was_there).count());
        let has = topic.partitions().filter(is_there).count();
        has > 0 && has < had
    })?;
    Some(Promised::no(format!(
        "{} was made anew with fewer partitions than it had: a producer goes on filling the one it sticks to, although that is \
         gone, until it has filled batch.size, and what it sends again may come there again \
         (BuiltInPartitioner.peekCurrentPartitionInfo)",
        topic.name
    )))
}

/// A message or an fsync that was under way, slowly, when the faults ended, and is so for longer than the bound.
fn late(look: &impl Look) -> Option<Promised> {
    let model = look.model();
    let slowness = |fault: &Fault| {
        if let Action::SlowLink { slower, .. } = &fault.action {
            model.network.latency.median() * u64::from(slower.factor) + slower.extra
        } else if let Action::SlowDisk(factor) = &fault.action {
            model.disk.fsync.median() * u64::from(*factor)
        } else {
            Span::ZERO
        }
    };
    let slowest = model.faults.iter().map(slowness).max()?;
    // A question and its answer, on a connection that has to be opened.
    (slowest * 4 >= model.settle_bound).then(|| {
        Promised::no(format!(
            "what was under way over a slow link or to a slow disk when the faults ended takes {slowest}, and the bound is {}",
            model.settle_bound
        ))
    })
}

/// A gap in a log, to whose end nobody can copy it.
fn gap(look: &impl Look) -> Option<Promised> {
    let mut partitions = (0..look.model().partition_count() as u32).map(PartitionId);
    let partition = partitions.find(|&partition| {
        let replicas = look.partition(partition).replicas;
        replicas.iter().filter_map(|broker| look.log(broker, partition)).any(|log| has_gap(log, look.store()))
    })?;
    let name = look.model().partition_name(partition);
    Some(Promised::no(format!(
        "a log of {name} has a gap, which no start looks for (LogLoader.recoverLog): nobody can copy it to its end"
    )))
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{answers, model};
    use crate::clients::app::Waits;
    use crate::cluster::generation::Version;
    use crate::devices::network::Slower;
    use crate::kernel::distribution::Distribution;
    use crate::kernel::units::Span;
    use crate::scenario::fault::{Action, Target};
    use crate::scenario::words::Promise::Progress as PROMISE;

    #[test]
    fn what_is_not_quiet_is_told() {
        let judged = answers(model(), &[Unsettled], PROMISE, (Held::Broken, true));
        assert_eq!(judged.first.expect("a finding").text, "after 0.000 s broker 1 has something under way");
        assert_eq!(judged.findings, 1);
    }

    #[test]
    fn what_is_slower_than_the_bound_is_not_promised_to_be_over() {
        let slow_link = |extra| Action::SlowLink {
            to: Target::Clients,
            one_way: false,
            slower: Slower { factor: 1, extra: Span::from_seconds(extra) },
        };
        for (action, promised) in [
            (slow_link(10), true),
            (slow_link(3_600), false),
            (Action::SlowDisk(200), true),
            (Action::SlowDisk(1_000_000), false),
        ] {
            let mut model = model();
            model.faults[0].action = action;
            model.disk.fsync = Distribution::Constant(Span::from_milliseconds(2));
            answers(model, &[Unsettled], PROMISE, (Held::Broken, promised));
        }
    }

    #[test]
    fn more_in_sync_than_there_are_is_not_promised_before_3_7() {
        for (kafka, min_insync_replicas, promised) in
            [(Version::V3_6, 3, true), (Version::V3_6, 4, false), (Version::V3_9, 4, true)]
        {
            let mut model = model();
            model.kafka = kafka;
            model.topics[0].options.min_insync_replicas = min_insync_replicas;
            answers(model, &[Unsettled], PROMISE, (Held::Broken, promised));
        }
    }

    #[test]
    fn sessions_shorter_than_heartbeats_are_never_quiet() {
        for (session, promised) in [(9_000, true), (2_000, false), (1_000, false)] {
            let mut model = model();
            model.controller_options.broker_session_timeout = Span::from_milliseconds(session);
            model.broker.broker_heartbeat_interval = Span::from_milliseconds(2_000);
            answers(model, &[Unsettled], PROMISE, (Held::Broken, promised));
        }
    }

    #[test]
    fn an_application_that_waits_too_often_is_not_promised_to_end() {
        for (waits, linger, promised) in
            [(Waits::Every(1), 5, true), (Waits::None, 60_000, true), (Waits::Every(1), 60_000, false)]
        {
            let mut model = model();
            model.producers[0].workload.waits = waits;
            model.producers[0].options.linger = Span::from_milliseconds(linger);
            answers(model, &[Unsettled], PROMISE, (Held::Broken, promised));
        }
    }

    #[test]
    fn only_somebody_who_may_lead_can_go_on() {
        answers(model(), &[Strike(1), Crash(1), Nobody(&[]), Unsettled], PROMISE, (Held::Broken, false));
        answers(model(), &[Strike(1), Crash(1), Nobody(&[1]), Unsettled], PROMISE, (Held::Broken, true));
    }

    #[test]
    fn without_a_fault_nothing_is_tested() {
        answers(model(), &[Send], PROMISE, (Held::NotTested, true));
        answers(model(), &[Send, Strike(1), Crash(1)], PROMISE, (Held::Kept, true));
    }
}
