//! What clients report as having happened: the words of the trace that are theirs.

use crate::cluster::protocol::ErrorCode;
use crate::cluster::units::{BatchId, LeaderEpoch, MessageId, Offset, PartitionId, ProducerEpoch};
use crate::kernel::trace::What;

/// The last thing a client library reported for a message, whether or not the application looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged; with `acks=0`, handed to the socket.
    Success,
    /// The brokers refused it, for good or once too often.
    Refused(ErrorCode),
    /// `delivery.timeout.ms`, or `max.block.ms` while metadata was waited for, ran out (`TimeoutException`).
    TimedOut,
    /// There was no room in `buffer.memory`, for `max.block.ms` or at all (`BufferExhaustedException`).
    BufferExhausted,
    /// The connection broke and nothing could be tried again (`NetworkException`, `DisconnectException`).
    Disconnected,
    /// Larger than the client lets through (`RecordTooLargeException`).
    TooLarge,
}

impl Outcome {
    /// The outcome as one integer for the trace: 0 success, 1000 and up the client's own errors, else the error code.
    pub fn integer(self) -> i64 {
        match self {
            Outcome::Success => 0,
            Outcome::Refused(error) => error as i64,
            Outcome::TimedOut => 1_000,
            Outcome::Disconnected => 1_001,
            Outcome::TooLarge => 1_002,
            Outcome::BufferExhausted => 1_003,
        }
    }

    /// The exception or error as the library calls it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Refused(error) => error.name(),
            Outcome::TimedOut => "TimeoutException",
            Outcome::Disconnected => "NetworkException",
            Outcome::TooLarge => "RecordTooLargeException",
            Outcome::BufferExhausted => "BufferExhaustedException",
        }
    }

    /// Whether the same record would fail in the same way if it were sent anew.
    pub fn is_about_the_record(self) -> bool {
        match self {
            Outcome::TooLarge => true,
            Outcome::Refused(error) => matches!(
                error,
                ErrorCode::MessageTooLarge | ErrorCode::InvalidRequiredAcks | ErrorCode::InvalidRequest
            ),
            Outcome::Success | Outcome::TimedOut | Outcome::BufferExhausted | Outcome::Disconnected => false,
        }
    }
}

/// What happened at a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The application called `send()`.
    Called {
        /// The message, numbered over all producers in the order of the model, each from its own first on.
        message: MessageId,
        /// Which partition the record goes to; none if the call failed before one was chosen.
        partition: Option<PartitionId>,
    },
    /// The application called `send()` once more for a message: another record, and another story to the brokers.
    CalledAgain {
        /// The message.
        message: MessageId,
        /// Which partition the record goes to; none if the call failed before one was chosen.
        partition: Option<PartitionId>,
    },
    /// The application makes fewer calls than it was to make.
    GaveUp {
        /// How many it does not make.
        calls: u32,
    },
    /// Messages went into a batch that is closed now.
    Batched {
        /// Which.
        batch: BatchId,
        /// Where it goes.
        partition: PartitionId,
    },
    /// A batch was put on the wire.
    Attempted {
        /// Which.
        batch: BatchId,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// An idempotent producer gave its batches whose fate is open new numbers, under its next epoch
    /// (`TransactionManager.bumpIdempotentProducerEpoch`): to a broker that has one of them, the same batch is another now.
    Renumbered {
        /// Of which partition.
        partition: PartitionId,
        /// How many batches.
        batches: u32,
        /// The epoch they have now.
        epoch: ProducerEpoch,
        /// Whether a numbered batch before them was told failure.
        gave_up: bool,
    },
    /// The library told the application what became of some consecutive messages.
    Told {
        /// The first.
        first: MessageId,
        /// How many.
        count: u32,
        /// What.
        outcome: Outcome,
    },
    /// A process of a producer has ended of its own will with messages in its memory that nobody had been told about.
    Gone,
    /// A reader's position was not in the log, and it goes on elsewhere.
    Reset {
        /// Where.
        partition: PartitionId,
        /// Its position.
        old: Offset,
        /// Where it goes on; none: nowhere, and the application is told.
        new: Option<Offset>,
    },
    /// A reader came to a batch whose checksum is wrong. The application is told, at every `poll()`, until it seeks past it.
    Corrupt {
        /// From where.
        partition: PartitionId,
        /// The offset of its first record.
        base_offset: Offset,
        /// Which batch.
        batch: BatchId,
    },
    /// A reader was handed the records of a batch.
    Read {
        /// From where.
        partition: PartitionId,
        /// The offset of its first record.
        base_offset: Offset,
        /// Which batch.
        batch: BatchId,
        /// Its leader epoch.
        epoch: LeaderEpoch,
    },
}

impl What for Happened {
    fn code(&self) -> u16 {
        match self {
            Happened::Called { .. } => 101,
            Happened::Batched { .. } => 102,
            Happened::Attempted { .. } => 103,
            Happened::Told { .. } => 104,
            Happened::Gone => 105,
            Happened::Read { .. } => 106,
            Happened::CalledAgain { .. } => 107,
            Happened::GaveUp { .. } => 108,
            Happened::Renumbered { .. } => 109,
            Happened::Reset { .. } => 110,
            Happened::Corrupt { .. } => 111,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Happened::Called { .. } => "called",
            Happened::Batched { .. } => "batched",
            Happened::Attempted { .. } => "attempted",
            Happened::Told { .. } => "told",
            Happened::Gone => "gone",
            Happened::Read { .. } => "read",
            Happened::CalledAgain { .. } => "called-again",
            Happened::GaveUp { .. } => "gave-up",
            Happened::Renumbered { .. } => "renumbered",
            Happened::Reset { .. } => "reset",
            Happened::Corrupt { .. } => "corrupt",
        }
    }

    #[inline]
    fn integers(&self, each: &mut impl FnMut(&'static str, i64)) {
        match *self {
            Happened::Called { message, partition } | Happened::CalledAgain { message, partition } => {
                each("message", message.0.into());
                each("partition", partition.map_or(-1, |partition| partition.0.into()));
            }
            Happened::GaveUp { calls } => each("calls", calls.into()),
            Happened::Batched { batch, partition } => {
                each("batch", batch.0.into());
                each("partition", partition.0.into());
            }
            Happened::Attempted { batch, attempt } => {
                each("batch", batch.0.into());
                each("attempt", attempt.into());
            }
            Happened::Renumbered { partition, batches, epoch, gave_up } => {
                each("partition", partition.0.into());
                each("batches", batches.into());
                each("epoch", epoch.0.into());
                each("gave_up", gave_up.into());
            }
            Happened::Told { first, count, outcome } => {
                each("message", first.0.into());
                each("count", count.into());
                each("outcome", outcome.integer());
            }
            Happened::Gone => (),
            Happened::Reset { partition, old, new } => {
                each("partition", partition.0.into());
                each("old", old.0 as i64);
                each("new", new.map_or(-1, |new| new.0 as i64));
            }
            Happened::Corrupt { partition, base_offset, batch } => {
                each("partition", partition.0.into());
                each("offset", base_offset.0 as i64);
                each("batch", batch.0.into());
            }
            Happened::Read { partition, base_offset, batch, epoch } => {
                each("partition", partition.0.into());
                each("offset", base_offset.0 as i64);
                each("batch", batch.0.into());
                each("epoch", epoch.0.into());
            }
        }
    }
}
