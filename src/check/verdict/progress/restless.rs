//! Settings under which Kafka never comes to rest, faults or none.

use super::{Reason, sends_again};
use crate::check::look::Look;
use crate::check::promised::Budget;
use crate::cluster::units::{Acks, PartitionId};

/// Each of them.
pub(super) const REASONS: [Reason; 2] = [sessions_end_between_heartbeats, more_in_sync_than_there_are];

/// The controller fences a broker that it has not heard of for a session (`BrokerHeartbeatTracker.isExpired`), and a broker sends
/// the next heartbeat an interval after the answer to the last (`BrokerLifecycleManager.scheduleNextCommunicationAfterSuccess`).
fn sessions_end_between_heartbeats(look: &dyn Look, _: &Budget) -> Option<String> {
    let model = look.model();
    let (session, interval) =
        (model.controller_options.broker_session_timeout, model.broker.broker_heartbeat_interval);
    // A heartbeat and its answer, and one may be twice as slow as another.
    (session <= interval + model.network.latency.median() * 4).then(|| {
        format!(
            "brokers send a heartbeat every {interval} (broker.heartbeat.interval.ms), and their sessions are over after \
             {session} (broker.session.timeout.ms)"
        )
    })
}

/// More replicas are required in sync than there are: an application that sends again what was refused does so for ever.
fn more_in_sync_than_there_are(look: &dyn Look, budget: &Budget) -> Option<String> {
    let model = look.model();
    if model.kafka.generation().min_isr_capped_by_replicas {
        return None;
    }
    let mut partitions = (0..model.partition_count() as u32).map(PartitionId);
    let partition = partitions.find(|&partition| {
        let (state, topic) = (look.partition(partition), model.partition(partition).0);
        let in_file = topic.anew.map_or(model.topic_of(partition), |anew| anew.of);
        let mut producers = model.producers.iter().filter(|producer| producer.into == in_file);
        state.is_there()
            && usize::from(budget.most_required(model, partition)) > state.replicas.len()
            && producers.any(|producer| producer.options.acks == Acks::All && sends_again(producer))
    })?;
    Some(format!(
        "min.insync.replicas={} is more than the replicas of {}: before 3.7 acks=all is refused there (KAFKA-15583), and the \
         application sends again what was refused",
        budget.most_required(model, partition),
        model.partition_name(partition)
    ))
}
