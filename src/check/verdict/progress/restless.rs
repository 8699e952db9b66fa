//! Settings under which Kafka never comes to rest, faults or none.

use super::{Reason, sends_again};
use crate::check::look::Look;
use crate::check::promised::Budget;
use crate::clients::app::Waits;
use crate::cluster::setting::Setting;
use crate::cluster::units::{Acks, PartitionId};
use crate::scenario::fault::Action;

/// Each of them.
pub(super) const REASONS: [Reason; 3] =
    [sessions_end_between_heartbeats, more_in_sync_than_there_are, batches_larger_than_brokers_take];

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

/// A batch of several records that is larger than `max.message.bytes` is split by `batch.size` and so into itself, until
/// `delivery.timeout.ms` (KAFKA-8350): an application that sends its records again fills another such batch, and one that waits
/// for answers has the same before it with every few records.
fn batches_larger_than_brokers_take(look: &dyn Look, _: &Budget) -> Option<String> {
    let model = look.model();
    let set = model.faults.iter().filter_map(|fault| {
        let Action::Set(_, Setting::MaxMessageBytes(most)) = fault.action else { return None };
        Some(most)
    });
    let set = set.min();
    model.producers.iter().find_map(|producer| {
        let topic = &model.topics[producer.into.0 as usize];
        let most =
            set.map_or(topic.options.max_message_bytes, |set| set.min(topic.options.max_message_bytes));
        let gathered = producer.options.batch_size;
        let does = match (sends_again(producer), producer.workload.waits) {
            (true, _) => "sends again what was refused",
            (false, Waits::Every(_)) => "waits for it before it goes on",
            (false, Waits::None) => return None,
        };
        (gathered > most).then(|| {
            format!(
                "producer {} gathers {} bytes in a batch (batch.size), brokers take no more than {} of {} \
                 (max.message.bytes), such a batch is tried until delivery.timeout.ms, and the application {does}",
                producer.name,
                gathered.get(),
                most.get(),
                topic.name
            )
        })
    })
}
