//! `flush.messages`: the fsync of a log that an append brings about, and who waits for it (`UnifiedLog.append`, `flush`).
//!
//! `Departure from Kafka:` the fsync begins with the append and holds up the request it belongs to, or the follower's next
//! fetch; there it also holds the log's lock, so that appends of other requests to the same partition wait. `flush.ms` and
//! `log.flush.scheduler.interval.ms`, by which Kafka never flushes unless they are set, have no effect here.

use super::storage::File;
use super::{BrokerPort, Node};
use crate::devices::port::Outbox;
use crate::kernel::units::Time;

/// Whom the end of an fsync of a log is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlushFor {
    /// A produce request, by its place.
    Produce(u32),
    /// A fetcher, by its place.
    Fetcher(u32),
}

impl FlushFor {
    /// The token of the fsync.
    pub(super) fn token(self) -> u32 {
        match self {
            FlushFor::Produce(slot) => 2 * slot,
            FlushFor::Fetcher(thread) => 2 * thread + 1,
        }
    }

    fn of(token: u32) -> FlushFor {
        if token.is_multiple_of(2) { FlushFor::Produce(token / 2) } else { FlushFor::Fetcher(token / 2) }
    }
}

impl Node<'_> {
    /// Whether so many messages were appended to a log since its last fsync that it is time for the next, which counts as
    /// begun.
    pub(super) fn is_flush_due(&mut self, place: usize) -> bool {
        let Some(messages) = self.running.replicas[place].options.flush_messages else { return false };
        let (end, flushed) = (self.stored.logs[place].end(), &mut self.running.flushed[place]);
        let is_due = end.0 - flushed.0 >= messages;
        if is_due {
            *flushed = end;
        }
        is_due
    }

    /// An fsync has ended.
    pub(super) fn on_flushed(&mut self, now: Time, file: File, token: u32, out: &mut Outbox<'_, BrokerPort>) {
        match (file, FlushFor::of(token)) {
            (File::HighWatermarks, _) => self.stored.on_high_watermarks_flushed(token),
            (File::CleanShutdown, _) => panic!("only a shutdown leaves the clean-shutdown file"),
            (File::Log(_), FlushFor::Produce(slot)) => self.on_produce_flushed(now, slot, out),
            (File::Log(_), FlushFor::Fetcher(thread)) => self.on_fetcher_flushed(now, thread as usize, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_whom_it_is_for() {
        for whom in [FlushFor::Produce(0), FlushFor::Fetcher(0), FlushFor::Produce(7), FlushFor::Fetcher(7)] {
            assert_eq!(FlushFor::of(whom.token()), whom);
        }
    }
}
