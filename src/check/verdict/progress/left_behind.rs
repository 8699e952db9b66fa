//! What faults leave behind that the heal act does not undo, and that nobody gets past.

use super::{Reason, sends_again};
use crate::check::invariant::recoverable_disk::has_gap;
use crate::check::look::Look;
use crate::check::promised::Budget;
use crate::cluster::log::Log;
use crate::cluster::units::{PartitionEpoch, PartitionId};
use crate::kernel::units::NodeId;

/// Each of them.
pub(super) const REASONS: [Reason; 4] = [nobody_may_lead, unreadable, gap, fewer_partitions];

/// Every replica that was in sync or eligible has stopped uncleanly, and the last known leader is not one either, or is not
/// elected as long as a broker is eligible that holds no replica any more: only an operator can choose.
fn nobody_may_lead(look: &dyn Look, _: &Budget) -> Option<String> {
    let partition = partitions(look).find(|&partition| {
        let state = look.partition(partition);
        state.leader.is_none()
            && state.isr.is_empty()
            && !state.elr.iter().any(|broker| state.replicas.contains(broker))
            && !(state.elr.is_empty() && state.last_known_leader.is_some())
    })?;
    let (name, elr) = (look.model().partition_name(partition), look.partition(partition).elr);
    let strangers = if elr.is_empty() {
        String::new()
    } else {
        format!(
            ": eligible is only who lost his replica to a reassignment ({elr}), and while he is, not even the last known leader \
            is elected (PartitionChangeBuilder.maybePopulateTargetElr)"
        )
    };
    Some(format!("nobody is left who may lead {name} (KIP-966){strangers}"))
}

/// A batch that cannot be read, of which a byte went bad or in front of which lies half another: whoever copies the log, or reads
/// it with `check.crcs`, asks for it again and again.
fn unreadable(look: &dyn Look, _: &Budget) -> Option<String> {
    let (broker, partition, offset) = logs(look).find_map(|(broker, partition, log)| {
        let entry = log.entries().find(|entry| look.store().batch(entry.batch).rotten)?;
        Some((broker, partition, entry.base_offset))
    })?;
    Some(format!(
        "the batch at offset {offset} in broker {broker}'s copy of {} cannot be read, and who copies the log, or reads it, \
         stands still in front of it (AbstractFetcherThread.processFetchRequest)",
        look.model().partition_name(partition)
    ))
}

/// Records missing in the middle of a log, which no start looks for.
fn gap(look: &dyn Look, _: &Budget) -> Option<String> {
    let (_, partition, _) = logs(look).find(|(_, _, log)| has_gap(log, look.store()))?;
    Some(format!(
        "a log of {} has a gap, which no start looks for (LogLoader.recoverLog): nobody can copy it to its end",
        look.model().partition_name(partition)
    ))
}

/// A topic made anew with fewer partitions than it had, a producer that goes by no keys, and an application that sends again what
/// failed.
fn fewer_partitions(look: &dyn Look, _: &Budget) -> Option<String> {
    let model = look.model();
    let is_there = |partition: &PartitionId| look.partition(*partition).is_there();
    let was_there = |partition: &PartitionId| look.partition(*partition).partition_epoch > PartitionEpoch(0);
    let topic = model.topics.iter().find(|topic| {
        let Some(former) = topic.anew.map(|anew| anew.of) else { return false };
        let had = model.topics[former.0 as usize].partitions().filter(was_there).count();
        let has = topic.partitions().filter(is_there).count();
        let mut producers = model.producers.iter().filter(|producer| producer.into == former);
        let sticks = producers.any(|producer| {
            sends_again(producer) && (producer.workload.keys == 0 || producer.options.ignore_keys)
        });
        has > 0 && has < had && sticks
    })?;
    Some(format!(
        "{} was made anew with fewer partitions than it had: a producer goes on filling the one it sticks to, although that is \
         gone, until it has filled batch.size, and what it sends again may come there again \
         (BuiltInPartitioner.peekCurrentPartitionInfo)",
        topic.name
    ))
}

/// Those that are there.
fn partitions(look: &dyn Look) -> impl Iterator<Item = PartitionId> {
    let all = (0..look.model().partition_count() as u32).map(PartitionId);
    all.filter(|&partition| look.partition(partition).is_there())
}

/// Every replica's.
fn logs(look: &dyn Look) -> impl Iterator<Item = (NodeId, PartitionId, &Log)> {
    partitions(look).flat_map(move |partition| {
        let replicas = look.partition(partition).replicas;
        let logs = replicas.iter().map(move |broker| (broker, look.log(broker, partition)));
        let logs: Vec<_> = logs.collect();
        logs.into_iter().filter_map(move |(broker, log)| Some((broker, partition, log?)))
    })
}
