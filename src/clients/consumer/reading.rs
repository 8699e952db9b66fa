//! How far a reader is in one partition (`SubscriptionState.TopicPartitionState`).

use super::reader::ReaderPort;
use crate::clients::happened::Happened;
use crate::clients::options::OffsetReset;
use crate::cluster::protocol::{LogEnd, LogEntry};
use crate::cluster::store::Store;
use crate::cluster::units::{LeaderEpoch, Offset, PartitionId};
use crate::devices::port::Outbox;
use crate::kernel::units::{NodeId, Span, Time};

/// How far it is in one partition.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) id: PartitionId,
    /// It has heard of the partition, and not that it is gone.
    pub(super) is_assigned: bool,
    /// It has never been its own.
    pub(super) is_untouched: bool,
    pub(super) position: Offset,
    /// The leader epoch of the record before the position.
    pub(super) read_epoch: Option<LeaderEpoch>,
    /// The leader epoch under which the position was found to be right.
    pub(super) checked: Option<LeaderEpoch>,
    /// The leader epoch of the newest fetch.
    pub(super) asked: Option<LeaderEpoch>,
    /// Until its alarm it is not to be fetched from this broker.
    pub(super) not_from: Option<NodeId>,
    /// The position is not in the log: it is to go on at this end.
    pub(super) reset: Option<Reset>,
    /// It is not in the log, and `auto.offset.reset` is `none`; or any partition has a batch there whose checksum is wrong: the
    /// application has been told and reads no more.
    pub(super) gave_up: bool,
}

/// A position that is sought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset {
    /// Where.
    pub(super) to: Sought,
    /// A question is under way.
    pub(super) is_asked: bool,
    /// Until when the newest question may go unanswered.
    pub(super) deadline: Time,
    /// There was no such record.
    pub(super) found_nothing: bool,
}

/// Where to go on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sought {
    /// At an end of the log.
    End(LogEnd),
    /// At the first record stamped no longer ago than that.
    Ago(Span),
}

impl Sought {
    /// As the question has it now (`AutoOffsetResetStrategy.timestamp`).
    pub(super) fn asked_at(self, now: Time, store: &mut Store) -> LogEnd {
        match self {
            Sought::End(end) => end,
            Sought::Ago(span) => {
                let since = now.nanoseconds().saturating_sub(span.nanoseconds());
                LogEnd::Since(store.stamp_id(Time::from_nanoseconds(since).whole_milliseconds()))
            }
        }
    }
}

impl Reading {
    /// Nothing of it was read yet.
    pub(super) fn of(id: PartitionId) -> Reading {
        Reading {
            id,
            is_assigned: false,
            is_untouched: true,
            position: Offset::ZERO,
            read_epoch: None,
            checked: None,
            asked: None,
            not_from: None,
            reset: None,
            gave_up: false,
        }
    }

    /// Whether its position may be in the log.
    pub(super) fn is_placed(&self) -> bool {
        self.reset.is_none() && !self.gave_up
    }

    /// Whether it has asked where to go on and there was no such record.
    pub(super) fn waits_for_records(&self) -> bool {
        self.reset.is_some_and(|reset| reset.found_nothing)
    }

    /// Whether a broker that leads it is to be asked for more.
    pub(super) fn may_fetch_from(&self, node: NodeId) -> bool {
        self.not_from != Some(node) && self.is_placed()
    }

    /// It begins with a partition that was added (`SubscriptionState.resetInitializingPositions`).
    pub(super) fn begin_by(&mut self, policy: OffsetReset, out: &mut Outbox<ReaderPort>) {
        match policy {
            OffsetReset::Earliest => (),
            OffsetReset::Latest => self.seek(Sought::End(LogEnd::Latest)),
            OffsetReset::Ago(span) => self.seek(Sought::Ago(span)),
            // NoOffsetForPartitionException.
            OffsetReset::None => {
                self.gave_up = true;
                out.note(Happened::Reset { partition: self.id, old: self.position, new: None });
            }
        }
    }

    /// The position is not in the log (`FetchCollector.handleInitializeErrors`).
    pub(super) fn out_of_range(&mut self, policy: OffsetReset, out: &mut Outbox<ReaderPort>) {
        // It has read nothing, and wants to begin at the beginning.
        let is_new = self.position == Offset::ZERO;
        match policy {
            OffsetReset::Earliest => self.seek(Sought::End(LogEnd::Earliest)),
            OffsetReset::Latest | OffsetReset::None | OffsetReset::Ago(_) if is_new => {
                self.seek(Sought::End(LogEnd::Earliest));
            }
            OffsetReset::Latest => self.seek(Sought::End(LogEnd::Latest)),
            OffsetReset::Ago(span) => self.seek(Sought::Ago(span)),
            OffsetReset::None => {
                self.gave_up = true;
                out.note(Happened::Reset { partition: self.id, old: self.position, new: None });
            }
        }
    }

    fn seek(&mut self, to: Sought) {
        self.reset = Some(Reset { to, is_asked: false, deadline: Time::ZERO, found_nothing: false });
    }

    /// The position that was sought.
    pub(super) fn go_on_at(&mut self, offset: Offset, out: &mut Outbox<ReaderPort>) {
        out.note(Happened::Reset { partition: self.id, old: self.position, new: Some(offset) });
        self.reset = None;
        self.position = offset;
        self.read_epoch = None;
    }

    /// The checksum of a batch is wrong (`CompletedFetch.maybeEnsureValid`): what came before it has been handed over, and from
    /// here on every `poll()` throws.
    pub(super) fn found_corrupt(&self, entry: LogEntry, out: &mut Outbox<ReaderPort>) {
        let LogEntry { base_offset, batch, .. } = entry;
        out.note(Happened::Corrupt { partition: self.id, base_offset, batch });
    }

    /// Hands a batch over, of which the first records may lie before the position.
    pub(super) fn read(&mut self, entry: LogEntry, out: &mut Outbox<ReaderPort>) {
        let LogEntry { base_offset, batch, epoch } = entry;
        let end = base_offset.plus(out.store.batch(batch).records.into());
        if end <= self.position {
            return;
        }
        self.position = end;
        self.read_epoch = Some(epoch);
        out.note(Happened::Read { partition: self.id, base_offset, batch, epoch });
    }
}
