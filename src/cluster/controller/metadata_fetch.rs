//! Brokers fetch what has been decided (Fetch on `__cluster_metadata`, `KafkaRaftClient`): a long poll.

use super::{ANSWER_SIZE, Controller, ControllerPort, Timer, metadata_log};
use crate::cluster::protocol::{ErrorCode, FetchMetadata, Message, MetadataRecords};
use crate::cluster::units::MetadataOffset;
use crate::devices::port::{ConnectionId, Effect, Outbox};
use crate::kernel::units::{Bytes, NodeId, Span};

/// A fetch that waits for records.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParkedFetch {
    connection: ConnectionId,
    offset: MetadataOffset,
}

/// The most records one response carries.
const MOST_RECORDS: usize = 1_000;

impl Controller {
    /// Fetch on the metadata log: answered at once if there is something, otherwise when there is, or after `max_wait`.
    ///
    /// Departure from Kafka: only committed records are sent, at the moment they are; there a broker also fetches what is
    /// not committed yet, and learns from a later response that it is.
    pub(super) fn on_fetch_metadata(
        &mut self,
        connection: ConnectionId,
        request: FetchMetadata,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let FetchMetadata { broker, offset, max_wait } = request;
        assert!(offset <= self.volatile.image.end(), "nobody has records the controller does not have");
        let parked = &mut self.volatile.parked[usize::from(broker.0)];
        // A process that has started anew fetches on a new connection: nobody waits on the old one.
        if let Some(former) = parked.take() {
            out.ask(Effect::Respond(former.connection, None, Bytes::ZERO));
            out.cancel_timer(Timer::FetchWait(broker));
        }
        if offset < self.volatile.image.end() || max_wait == Span::ZERO {
            return self.send_records(ParkedFetch { connection, offset }, out);
        }
        *parked = Some(ParkedFetch { connection, offset });
        out.set_timer(Timer::FetchWait(broker), max_wait);
    }

    /// A fetch has waited for as long as it may: it is answered with nothing.
    pub(super) fn on_fetch_wait(&mut self, broker: NodeId, out: &mut Outbox<'_, ControllerPort>) {
        let parked = self.volatile.parked[usize::from(broker.0)].take();
        self.send_records(parked.expect("the alarm of a fetch is taken back when it is answered"), out);
    }

    /// Answers every fetch that waits.
    pub(super) fn answer_parked(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        for place in 0..self.volatile.parked.len() {
            if let Some(parked) = self.volatile.parked[place].take() {
                out.cancel_timer(Timer::FetchWait(NodeId(place as u16)));
                self.send_records(parked, out);
            }
        }
    }

    fn send_records(&self, fetch: ParkedFetch, out: &mut Outbox<'_, ControllerPort>) {
        let ParkedFetch { connection, offset } = fetch;
        let rest = &self.durable.committed()[offset.0 as usize..];
        let sent = &rest[..rest.len().min(MOST_RECORDS)];
        let records = out.store.metadata.take();
        out.store.metadata.get_mut(records).extend_from_slice(sent);
        let size = sent.iter().map(metadata_log::size).fold(ANSWER_SIZE, |all, one| all + one);
        let answer = MetadataRecords { error: ErrorCode::None, offset, records };
        out.respond(connection, Message::MetadataRecords(answer), size);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn a_fetch_waits_for_records_or_for_its_time() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        let end = bench.controller.metadata_log().len() as u64;
        assert_eq!(bench.fetch(2, 0, 500), Some((0, end as usize)), "there is something at once");
        assert_eq!(bench.fetch(2, end, 500), None);
        assert_eq!(bench.fetch(3, end, 10_000), None);
        bench.run(499);
        assert_eq!(bench.fetched(2), None);
        bench.run(1);
        assert_eq!(bench.fetched(2), Some((end, 0)), "its time is over");
        bench.propose(0, &[1, 2]);
        assert_eq!(bench.fetched(3), Some((end, 1)), "whoever waits hears of it at once");
        assert_eq!(bench.fetched(2), None);
        bench.run(10_000);
        assert_eq!(bench.fetched(3), None, "answered once");
    }

    #[test]
    fn a_later_fetch_of_a_broker_takes_the_place_of_one_that_waits() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        let end = bench.controller.metadata_log().len() as u64;
        assert_eq!(bench.fetch(2, end, 500), None);
        bench.run(300);
        assert_eq!(bench.fetch(2, end, 500), None);
        assert_eq!(bench.let_pass, 1);
        bench.run(300);
        assert_eq!(bench.fetched(2), None, "the former alarm is gone");
        bench.run(200);
        assert_eq!(bench.fetched(2), Some((end, 0)));
    }

    #[test]
    fn a_response_has_so_many_records_and_no_more() {
        let partitions = vec![(&[1_u16, 2][..], 1, false); MOST_RECORDS];
        let mut bench = Bench::new(3, &partitions);
        bench.start();
        assert_eq!(bench.fetch(1, 0, 500), Some((0, MOST_RECORDS)));
        assert_eq!(bench.fetch(1, MOST_RECORDS as u64, 500), Some((MOST_RECORDS as u64, 6)));
    }
}
