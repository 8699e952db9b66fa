//! When retries of an idempotent producer may not be recognised: brokers had to forget what they knew of it, or it gave its
//! batches other numbers.
//!
//! A broker knows a producer's last five batches, and recognises a retry of any. A snapshot of that knowledge holds only the
//! last one (`ProducerStateManager`, `ProducerStateEntry`), and is loaded when a process starts and when a log is cut: a retry
//! of an earlier batch is out of order then, and what the client makes of that may be a copy. So retries are recognised as long
//! as no broker loaded a producer's state while more than one of its batches was unanswered.
//!
//! A producer that gave a batch up (`delivery.timeout.ms`) and then hears that what followed is out of order, or that has a batch
//! refused for good, goes on under its next epoch, and numbers anew all that is still unanswered
//! (`TransactionManager.bumpIdempotentProducerEpoch`). What of that is in the log already, or comes there from a connection that
//! the client has closed, is there twice then.
//!
//! This never knows whether a duplicate came of it.

use crate::check::clocks::Clocks;
use crate::check::history::History;
use crate::check::look::Look;
use crate::check::promised::Budget;
use crate::cluster::setting::Setting;
use crate::cluster::units::{BatchId, PartitionId, ProducerEpoch};
use crate::devices::clock::Jump;
use crate::kernel::units::{NodeId, Span, Time};
use crate::scenario::model::Model;

/// Every reload with more than one batch unanswered, and every renumbering after a batch was given up.
#[derive(Clone, Debug, Default)]
pub struct Reloads {
    /// By broker, broker 1 first: whether its process has stopped and not started since.
    stopped: Vec<bool>,
    reloads: Vec<Reload>,
    renumberings: Vec<Renumbering>,
    clocks: Clocks,
    /// The least that `producer.id.expiration.ms` has been; none: no run yet.
    expiration: Option<Span>,
}

/// One reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whose state, by the producer's place in the model.
    pub producer: usize,
    /// Of which partition.
    pub partition: PartitionId,
    at: Time,
    broker: NodeId,
    unanswered: usize,
}

impl Reloads {
    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.stopped.clear();
        self.stopped.resize(usize::from(model.cluster.brokers) + 1, false);
        self.reloads.clear();
        self.renumberings.clear();
        self.clocks.reset(model);
        self.expiration = Some(model.broker.producer_id_expiration);
    }

    /// The controller changed a setting.
    pub fn set(&mut self, setting: Setting) {
        if let Setting::ProducerIdExpiration(span) = setting {
            self.expiration = self.expiration.map(|least| least.min(span));
        }
    }

    /// The least that `producer.id.expiration.ms` has been of any broker.
    pub fn least_expiration(&self) -> Span {
        self.expiration.expect("a run has a model")
    }

    /// A clock was set: a broker forgets whose newest record is old by its own.
    pub fn clock_was_set(&mut self, node: NodeId, jump: Jump) {
        self.clocks.set(node, jump);
    }

    /// How far the clocks were set.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// A node's process stopped.
    pub fn stopped(&mut self, node: NodeId) {
        if let Some(stopped) = self.stopped.get_mut(usize::from(node.0)) {
            *stopped = true;
        }
    }

    /// A process has loaded a partition's log, and with it what is known of its producers.
    pub fn recovered(
        &mut self,
        look: &impl Look,
        known: (&History, &Budget),
        now: Time,
        broker: NodeId,
        partition: PartitionId,
    ) {
        // The first start has nothing to load.
        if self.stopped[usize::from(broker.0)] {
            self.reloaded(look, known, now, broker, partition);
        }
    }

    /// A broker has loaded what a snapshot says of a partition's producers: it started, or cut its log.
    pub fn reloaded(
        &mut self,
        look: &impl Look,
        (history, budget): (&History, &Budget),
        now: Time,
        broker: NodeId,
        partition: PartitionId,
    ) {
        let mut unanswered = vec![0; look.model().producers.len()];
        for batch in (0..look.store().batch_count() as u32).map(BatchId) {
            let first = look.store().message_runs(batch)[0].first;
            let is_here = budget.append(batch).is_some_and(|append| append.partition == partition);
            if is_here && !look.store().batch(batch).rotten && !history.is_told(first) {
                unanswered[history.numbering().producer(first)] += 1;
            }
        }
        for (producer, unanswered) in unanswered.into_iter().enumerate() {
            if unanswered > 1 {
                self.reloads.push(Reload { producer, partition, at: now, broker, unanswered });
            }
        }
    }

    /// A producer has numbered batches anew after it gave one up.
    pub fn renumbered(
        &mut self,
        at: Time,
        producer: usize,
        partition: PartitionId,
        batches: u32,
        epoch: ProducerEpoch,
    ) {
        self.renumberings.push(Renumbering { producer, partition, at, batches, epoch });
    }

    /// The first renumbering of a producer's batches, of one partition or of any.
    pub fn first_renumbering(&self, producer: usize, partition: Option<PartitionId>) -> Option<&Renumbering> {
        let is_it = |one: &&Renumbering| {
            one.producer == producer && partition.is_none_or(|partition| one.partition == partition)
        };
        self.renumberings.iter().find(is_it)
    }

    /// The first reload of a producer's state, of one partition or of any.
    pub fn first(&self, producer: usize, partition: Option<PartitionId>) -> Option<&Reload> {
        let is_it = |reload: &&Reload| {
            reload.producer == producer && partition.is_none_or(|partition| reload.partition == partition)
        };
        self.reloads.iter().find(is_it)
    }
}

/// One renumbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renumbering {
    /// Whose batches, by the producer's place in the model.
    pub producer: usize,
    /// Of which partition.
    pub partition: PartitionId,
    at: Time,
    batches: u32,
    epoch: ProducerEpoch,
}

impl Renumbering {
    /// It as a reason, in words Kafka's users know.
    pub fn reason(&self, model: &Model) -> String {
        format!(
            "at {} producer {} had given up a batch of {}, went on under epoch {}, and numbered {} unanswered {} anew: a \
             broker that has one takes it for another",
            self.at,
            model.producers[self.producer].name,
            model.partition_name(self.partition),
            self.epoch,
            self.batches,
            if self.batches == 1 { "batch" } else { "batches" },
        )
    }
}

impl Reload {
    /// The reload as a reason, in words Kafka's users know.
    pub fn reason(&self, model: &Model) -> String {
        format!(
            "at {} broker {} loaded what a snapshot says of producer {} in {}, which is the last batch, while {} were \
             unanswered",
            self.at,
            self.broker,
            model.producers[self.producer].name,
            model.partition_name(self.partition),
            self.unanswered,
        )
    }
}
