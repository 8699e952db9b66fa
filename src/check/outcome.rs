//! What became of the messages, as numbers.

use crate::cluster::units::{BatchId, MessageId, Offset, PartitionId};
use crate::scenario::model::Model;
use crate::scenario::words::Count;

/// The books of a run, closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Over the whole run.
    pub total: Counts,
    /// By producer, in the order of the model.
    pub producers: Vec<Counts>,
    /// The messages that were told success and are out of the log, in the order of their numbers.
    pub lost: Vec<MessageId>,
    /// Copies in settled logs beyond the first, in the order of partitions and offsets.
    pub copies: Vec<Copied>,
    /// Adjacent first copies that are not in the order of `send()`, in the order of partitions and offsets.
    pub inversions: Vec<Inversion>,
    /// Idempotent producers whose first batch in a settled log is not the first that they made for it, in the order of
    /// partitions.
    pub late_starts: Vec<LateStart>,
}

/// A copy of a message beyond the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Of which message.
    pub message: MessageId,
    /// Where.
    pub partition: PartitionId,
    /// Where its batch begins.
    pub base_offset: Offset,
    /// Its batch.
    pub batch: BatchId,
}

/// A message behind one that was sent later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inversion {
    /// Which.
    pub message: MessageId,
    /// Behind which.
    pub after: MessageId,
    /// Where.
    pub partition: PartitionId,
    /// Where its batch begins.
    pub base_offset: Offset,
    /// Its batch.
    pub batch: BatchId,
}

/// An idempotent producer's first batch in a log, when it is not the first that the producer made for it: the leader that
/// appended it knew nothing of the producer, and takes any sequence then (KAFKA-15591).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateStart {
    /// Whose, by the producer's place in the model.
    pub producer: usize,
    /// Where.
    pub partition: PartitionId,
    /// Its first batch there.
    pub batch: BatchId,
}

/// Every [`Count`], of a run or of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts([Option<u64>; Count::ALL.len()]);

impl LateStart {
    /// It as a reason, in words Kafka's users know.
    pub(super) fn reason(&self, model: &Model) -> String {
        let (topic, _) = model.partition(self.partition);
        if topic.anew.is_some() {
            return format!(
                "topic {} was made anew, and its brokers knew nothing of producer {}: they took the first batch that came \
                 (batch {}), whatever its sequence",
                topic.name, model.producers[self.producer].name, self.batch,
            );
        }
        format!(
            "a leader of {} knew nothing of producer {} and so took the first batch that came (batch {}), whatever its \
             sequence: earlier ones were still under way to another broker",
            model.partition_name(self.partition),
            model.producers[self.producer].name,
            self.batch,
        )
    }
}

impl Default for Counts {
    /// Nothing happened: spans are not there, all else is 0.
    fn default() -> Counts {
        let mut counts = Counts([Some(0); Count::ALL.len()]);
        for &count in Count::ALL {
            if count.is_span() {
                counts.set(count, None);
            }
        }
        counts
    }
}

impl Counts {
    /// A number, or a span in nanoseconds. None: nobody was told anything, so there is no answer to measure; or it is a number
    /// of the whole run only (`diverged` is no producer's).
    #[inline]
    pub fn get(&self, count: Count) -> Option<u64> {
        self.0[count as usize]
    }

    /// A number that is always there.
    pub(super) fn number(&self, count: Count) -> u64 {
        self.get(count).expect("a count that every scope has")
    }

    pub(super) fn set(&mut self, count: Count, value: Option<u64>) {
        self.0[count as usize] = value;
    }

    #[inline]
    pub(super) fn add(&mut self, count: Count, more: u64) {
        let number = &mut self.0[count as usize];
        *number = Some(number.unwrap_or(0) + more);
    }
}
