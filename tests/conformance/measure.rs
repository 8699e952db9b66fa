//! What is measured of a run: the quantities of `observed.toml`, by their names.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a measurement looks at one kind of entry and passes over the others"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use highwater::clients;
use highwater::clients::happened::Outcome;
use highwater::cluster::happened::Happened as InCluster;
use highwater::cluster::protocol::{ErrorCode, PartitionState};
use highwater::cluster::units::{MessageId, PartitionId, Replicas};
use highwater::explore::one::Run;
use highwater::kernel::units::{NodeId, Time};
use highwater::scenario::fault::When;
use highwater::scenario::model::{FaultMark, Model};
use highwater::scenario::words::Count;
use highwater::world::happened::Happened;

use super::Value;

/// Of the topic that is written to; others are there for what they do to it.
const FIRST: PartitionId = PartitionId(0);

/// A quantity of one run: a count (`lost`, `producers.p.failed`, `answer_longest`), what followed a fault
/// (`faults.1.leader_changed_after`), or
/// - `acked between A and B`: how many messages were told success from A to B, in ms;
/// - `state at T`: leader, in-sync set, eligible leader replicas and last known leader at T ms;
/// - `high watermark at T`: of whoever leads at T ms, as it knows it;
/// - `readable after leader change`: from the first other leader's election until its high watermark is as high as it can be;
/// - `unfenced after fault N`: from the fault until every broker is registered and unfenced again;
/// - `first success after leader change`: from the first other leader's election until a message was told success;
/// - `success after T`: from T ms until a message was told success;
/// - `leader L after T` and `replicas A B after T`: from T ms, or from `fault N`, until L led or the replicas were A and B;
/// - `segments deleted on B`: how many of broker B's segments of partition 0 retention took, by its own or its leader's;
/// - `log start on B at T`: where broker B's log of partition 0 begins at T ms;
/// - `log starts`: of every replica of partition 0 in the end, as often as they differ;
/// - `fsyncs on B`, `fsync N on B after T`: how often broker B's log of partition 0 was fsynced, and how long after T ms the
///   Nth time was;
/// - `keys in two partitions`: how many of the first producer's keys have records in more than one;
/// - `sent to new partitions`: how many `send()` calls went to a partition that was not there at the start;
/// - `new partition after fault N`: from the fault until the first of them;
/// - `another controller after fault N`: from the instant of fault N until another controller was active;
/// - `errors`: what the failed messages were told, and how often.
pub(super) fn measure(model: &Arc<Model>, run: &Run, what: &str) -> Value {
    let words: Vec<&str> = what.split(' ').collect();
    let number = |word: &str| word.parse::<u64>().unwrap_or_else(|_| panic!("{word} in {what} is no number"));
    let time = |word: &str| Time::from_nanoseconds(number(word) * 1_000_000);
    match words[..] {
        ["acked", "between", from, "and", to] => Value::Number(acked_between(run, time(from), time(to))),
        ["state", "at", at] => Value::Words(described(&state_at(model, run, time(at)))),
        ["high", "watermark", "at", at] => Value::Number(high_watermark_at(model, run, time(at))),
        ["readable", "after", "leader", "change"] => readable_after(run),
        ["unfenced", "after", "fault", fault] => unfenced_after(model, run, number(fault) as usize),
        ["first", "success", "after", "leader", "change"] => success_after_change(run),
        ["success", "after", at] => success_after(run, time(at)),
        ["leader", leader, "after", ref since @ ..] => {
            decided_after(run, began(run, since), |state| state.leader == Some(NodeId(number(leader) as u16)))
        }
        ["replicas", ref rest @ ..] => {
            let after = rest.iter().position(|&word| word == "after").expect("since when");
            let replicas: Vec<NodeId> = rest[..after].iter().map(|one| NodeId(number(one) as u16)).collect();
            decided_after(run, began(run, &rest[after + 1..]), |state| {
                let mut now: Vec<NodeId> = state.replicas.iter().collect();
                now.sort();
                now == replicas
            })
        }
        ["segments", "deleted", "on", broker] => Value::Number(segments_deleted(run, number(broker))),
        ["log", "start", "on", broker, "at", at] => {
            Value::Number(log_starts(model, run, time(at))[number(broker) as usize] as i64)
        }
        ["log", "starts"] => {
            let (all, starts) = (model.topics[0].assignment[0], log_starts(model, run, Time::NEVER));
            let different: BTreeSet<u64> = all.iter().map(|node| starts[usize::from(node.0)]).collect();
            Value::Number(different.len() as i64)
        }
        ["fsyncs", "on", broker] => Value::Number(fsyncs(run, number(broker)).len() as i64),
        ["fsync", nth, "on", broker, "after", at] => {
            let fsync = fsyncs(run, number(broker)).get(number(nth) as usize - 1).copied();
            fsync.map_or(Value::Never, |when| milliseconds(when, time(at)))
        }
        ["another", "controller", "after", "fault", fault] => taken_over(model, run, number(fault) as usize),
        ["keys", "in", "two", "partitions"] => Value::Number(keys_in_two_partitions(model, run)),
        ["sent", "to", "new", "partitions"] => {
            Value::Number(calls(run).filter(|&(_, _, to)| is_new(model, to)).count() as i64)
        }
        ["new", "partition", "after", "fault", fault] => {
            let struck = run.faults[number(fault) as usize - 1].struck.expect("the fault struck");
            let first = calls(run).find(|&(_, _, to)| is_new(model, to));
            first.map_or(Value::Never, |(at, ..)| milliseconds(at, struck))
        }
        ["errors"] => errors(run),
        [one] => single(model, run, one),
        _ => panic!("there is no quantity `{what}`"),
    }
}

fn single(model: &Model, run: &Run, what: &str) -> Value {
    let outcome = &run.judgement.outcome;
    let count = |word: &str| Count::from_word(word).unwrap_or_else(|| panic!("there is no count `{word}`"));
    let (value, is_span) = match what.split('.').collect::<Vec<_>>()[..] {
        ["faults", fault, mark] => {
            let fault: usize = fault.parse().expect("the number of a fault");
            let known = FaultMark::ALL.iter().find(|(_, name)| *name == mark);
            let (mark, _) = known.unwrap_or_else(|| panic!("nothing is called {mark}"));
            (run.faults[fault - 1].get(*mark).map(|span| span.nanoseconds()), true)
        }
        ["producers", name, word] => {
            let place =
                model.producers.iter().position(|producer| producer.name == name).expect("a producer");
            (outcome.producers[place].get(count(word)), count(word).is_span())
        }
        [word] => (outcome.total.get(count(word)), count(word).is_span()),
        _ => panic!("there is no quantity `{what}`"),
    };
    match value {
        Some(nanoseconds) if is_span => Value::Number((nanoseconds / 1_000_000) as i64),
        Some(number) => Value::Number(number as i64),
        None => Value::Never,
    }
}

/// `T` in ms, or `fault N`.
fn began(run: &Run, words: &[&str]) -> Time {
    match words {
        ["fault", fault] => {
            let fault: usize = fault.parse().expect("the number of a fault");
            run.faults[fault - 1].struck.expect("the fault struck")
        }
        [at] => Time::from_nanoseconds(at.parse::<u64>().expect("ms") * 1_000_000),
        _ => panic!("{words:?} is no instant"),
    }
}

/// From an instant until the controller has decided on partition 0 so.
fn decided_after(run: &Run, since: Time, is_so: impl Fn(&PartitionState) -> bool) -> Value {
    let mut later = run.entries().expect("kept").iter().filter(|entry| entry.t >= since);
    let so = later.find(|entry| match entry.what {
        Happened::Cluster(InCluster::Decided { partition: FIRST, state, .. }) => is_so(&state.state()),
        _ => false,
    });
    so.map_or(Value::Never, |entry| milliseconds(entry.t, since))
}

fn acked_between(run: &Run, from: Time, to: Time) -> i64 {
    let told = run.entries().expect("kept").iter().filter(|entry| (from..=to).contains(&entry.t));
    told.map(|entry| match entry.what {
        Happened::Client(clients::happened::Happened::Told { count, outcome: Outcome::Success, .. }) => {
            i64::from(count)
        }
        _ => 0,
    })
    .sum()
}

fn success_after(run: &Run, at: Time) -> Value {
    let told = run.entries().expect("kept").iter().find(|entry| {
        let success = matches!(
            entry.what,
            Happened::Client(clients::happened::Happened::Told { outcome: Outcome::Success, .. })
        );
        success && entry.t >= at
    });
    told.map_or(Value::Never, |entry| milliseconds(entry.t, at))
}

/// Segments that began below where the log begins in the end, but for those that a replica never had.
fn segments_deleted(run: &Run, broker: u64) -> i64 {
    let of_broker = || run.entries().expect("kept").iter().filter(|entry| u64::from(entry.node.0) == broker);
    let mut starts = of_broker().filter_map(|entry| match entry.what {
        Happened::Cluster(InCluster::LogStart { new, .. }) => Some(new),
        _ => None,
    });
    let start = starts.next_back();
    let bases = of_broker().filter_map(|entry| match entry.what {
        Happened::Cluster(InCluster::Rolled { base, .. }) => Some(base),
        _ => None,
    });
    bases.filter(|&base| Some(base) <= start).count() as i64
}

/// Where the logs of partition 0 begin, by broker.
fn log_starts(model: &Model, run: &Run, at: Time) -> Vec<u64> {
    let mut starts: Vec<u64> = vec![0; usize::from(model.cluster.brokers) + 1];
    for entry in run.entries().expect("kept").iter().take_while(|entry| entry.t <= at) {
        if let Happened::Cluster(InCluster::LogStart { new, .. } | InCluster::Restarted { new, .. }) =
            entry.what
        {
            starts[usize::from(entry.node.0)] = new.0;
        }
    }
    starts
}

/// When which message was called into which partition.
fn calls(run: &Run) -> impl Iterator<Item = (Time, MessageId, PartitionId)> {
    run.entries().expect("kept").iter().filter_map(|entry| match entry.what {
        Happened::Client(clients::happened::Happened::Called { message, partition }) => {
            Some((entry.t, message, partition?))
        }
        _ => None,
    })
}

/// Whether a partition was not there when the run began.
fn is_new(model: &Model, partition: PartitionId) -> bool {
    let (topic, number) = model.partition(partition);
    number >= topic.at_start()
}

fn keys_in_two_partitions(model: &Model, run: &Run) -> i64 {
    let mut partitions = std::collections::BTreeMap::<u32, BTreeSet<PartitionId>>::new();
    for (_, message, partition) in calls(run) {
        partitions.entry(message.0 % model.producers[0].workload.keys).or_default().insert(partition);
    }
    partitions.values().filter(|partitions| partitions.len() > 1).count() as i64
}

fn fsyncs(run: &Run, broker: u64) -> Vec<Time> {
    let of_broker = run.entries().expect("kept").iter().filter(|entry| u64::from(entry.node.0) == broker);
    of_broker.filter(|entry| matches!(entry.what, Happened::Fsynced { .. })).map(|entry| entry.t).collect()
}

fn milliseconds(at: Time, since: Time) -> Value {
    Value::Number((at.since(since).nanoseconds() / 1_000_000) as i64)
}

/// When another controller became active after a fault, which has an instant.
fn taken_over(model: &Model, run: &Run, fault: usize) -> Value {
    let When::At(struck) = model.faults[fault - 1].when else { panic!("fault {fault} has no instant") };
    let taken = run.entries().expect("kept").iter().find(|entry| {
        let active =
            matches!(entry.what, Happened::Cluster(InCluster::ActiveController { active: true, .. }));
        active && entry.t >= struck
    });
    taken.map_or(Value::Never, |entry| milliseconds(entry.t, struck))
}

/// The first election of another leader.
fn change(run: &Run) -> Option<(Time, NodeId)> {
    run.entries().expect("kept").iter().find_map(|entry| match entry.what {
        Happened::Cluster(InCluster::Decided { state, old_leader, .. }) if state.leader() != old_leader => {
            Some((entry.t, state.leader()?))
        }
        _ => None,
    })
}

fn success_after_change(run: &Run) -> Value {
    change(run).map_or(Value::Never, |(at, _)| success_after(run, at))
}

fn errors(run: &Run) -> Value {
    let mut counts = std::collections::BTreeMap::new();
    for entry in run.entries().expect("kept") {
        if let Happened::Client(clients::happened::Happened::Told { count, outcome, .. }) = entry.what
            && outcome != Outcome::Success
        {
            *counts.entry(exception(outcome)).or_insert(0) += count;
        }
    }
    let each: Vec<String> = counts.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
    Value::Words(each.join(", "))
}

/// The class of the Java client's exception.
fn exception(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Refused(ErrorCode::NotEnoughReplicas) => "NotEnoughReplicasException",
        Outcome::Refused(ErrorCode::NotEnoughReplicasAfterAppend) => "NotEnoughReplicasAfterAppendException",
        Outcome::Refused(ErrorCode::RequestTimedOut) => "TimeoutException",
        Outcome::Refused(ErrorCode::InvalidTimestamp) => "InvalidTimestampException",
        Outcome::Success
        | Outcome::Refused(_)
        | Outcome::TimedOut
        | Outcome::BufferExhausted
        | Outcome::Disconnected
        | Outcome::TooLarge => outcome.name(),
    }
}

/// What the controller had decided on partition 0.
fn state_at(model: &Model, run: &Run, at: Time) -> PartitionState {
    let replicas = model.topics[0].assignment[0];
    let first = PartitionState {
        replicas,
        isr: replicas,
        elr: Replicas::NONE,
        removing: 0,
        last_known_leader: None,
        leader: replicas.as_slice().first().copied(),
        leader_epoch: highwater::cluster::units::LeaderEpoch(0),
        partition_epoch: highwater::cluster::units::PartitionEpoch(0),
        recovering: false,
    };
    let entries = run.entries().expect("kept").iter().take_while(|entry| entry.t <= at);
    entries.fold(first, |before, entry| match entry.what {
        Happened::Cluster(InCluster::Decided { partition: FIRST, state, .. }) => state.state(),
        _ => before,
    })
}

fn described(state: &PartitionState) -> String {
    let node = |node: Option<NodeId>| node.map_or("nobody".to_owned(), |node| node.to_string());
    let set = |set: Replicas| {
        let mut set: Vec<NodeId> = set.iter().collect();
        set.sort();
        let names: Vec<String> = set.iter().map(NodeId::to_string).collect();
        if names.is_empty() { "nobody".to_owned() } else { names.join(" ") }
    };
    let (leader, last) = (node(state.leader), node(state.last_known_leader));
    format!("leader {leader}, isr {}, elr {}, last known {last}", set(state.isr), set(state.elr))
}

fn high_watermark_at(model: &Model, run: &Run, at: Time) -> i64 {
    let leader = state_at(model, run, at).leader.expect("somebody leads");
    let entries = run.entries().expect("kept").iter().take_while(|entry| entry.t <= at);
    let moves = entries.filter(|entry| entry.node == leader).filter_map(|entry| match entry.what {
        Happened::Cluster(InCluster::HighWatermark { new, .. }) => Some(new),
        Happened::Cluster(InCluster::Leads { high_watermark, .. }) => Some(high_watermark),
        _ => None,
    });
    moves.last().map_or(0, |offset| offset.0 as i64)
}

fn readable_after(run: &Run) -> Value {
    let entries = run.entries().expect("kept");
    let Some((at, leader)) = change(run) else { return Value::Never };
    let end = entries.iter().filter_map(|entry| match entry.what {
        Happened::Cluster(InCluster::Appended { end, .. }) if entry.node == leader => Some(end),
        _ => None,
    });
    let end = end.max();
    let reached =
        entries.iter().filter(|entry| entry.t >= at && entry.node == leader).find(|entry| match entry.what {
            Happened::Cluster(InCluster::HighWatermark { new, .. }) => Some(new) == end,
            Happened::Cluster(InCluster::Leads { high_watermark, .. }) => Some(high_watermark) == end,
            _ => false,
        });
    reached.map_or(Value::Never, |entry| milliseconds(entry.t, at))
}

fn unfenced_after(model: &Model, run: &Run, fault: usize) -> Value {
    let Some(struck) = run.faults[fault - 1].struck else { return Value::Never };
    let mut last = vec![None; usize::from(model.cluster.brokers) + 1];
    for entry in run.entries().expect("kept").iter().filter(|entry| entry.t > struck) {
        if let Happened::Cluster(InCluster::Fenced { broker, fenced, .. }) = entry.what {
            last[usize::from(broker.0)] = (!fenced).then_some(entry.t);
        }
    }
    match last.into_iter().flatten().max() {
        Some(at) => milliseconds(at, struck),
        None => Value::Never,
    }
}
