//! Brokers and the other voters fetch what has been decided (Fetch on `__cluster_metadata`, `KafkaRaftClient`): a long poll.

use super::quorum::Role;
use super::{ANSWER_SIZE, Controller, ControllerPort, Timer, metadata_log};
use crate::cluster::protocol::{ErrorCode, FetchMetadata, Message, MetadataRecords};
use crate::cluster::units::{MetadataOffset, QuorumEpoch};
use crate::devices::port::{ConnectionId, Effect, Outbox};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// A fetch that waits for records.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParkedFetch {
    connection: ConnectionId,
    offset: MetadataOffset,
    /// Where the voter that asks stands, if it is one: it has what is not committed, too.
    voter: Option<usize>,
}

/// `KafkaRaftClient.MAX_FETCH_WAIT_MS`.
const MOST_WAIT: Span = Span::from_milliseconds(500);
/// The most records one response carries.
const MOST_RECORDS: usize = 1_000;

impl Controller {
    /// Fetch on the metadata log: answered at once if there is something, otherwise when there is, or after its time. A
    /// voter's says how far it has the log on its disk.
    ///
    /// Departure from Kafka: brokers are sent only committed records, at the moment they are; there a broker also fetches what
    /// is not committed yet, and learns from a later response that it is.
    pub(super) fn on_fetch_metadata(
        &mut self,
        now: Time,
        connection: ConnectionId,
        request: FetchMetadata,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let FetchMetadata { replica, epoch, offset, last_epoch } = request;
        // A process that has started anew fetches on a new connection: nobody waits on the old one.
        if let Some(former) = self.volatile.parked[usize::from(replica.0)].take() {
            out.ask(Effect::Respond(former.connection, None, Bytes::ZERO));
            out.cancel_timer(Timer::FetchWait(replica));
        }
        let place = self.voters.place(replica);
        if let Some(error) = self.why_not_fetched_from(epoch, place.is_some()) {
            return self.refuse_fetch(connection, error, out);
        }
        // It does not know yet how far records are committed (KIP-1166).
        let mut is_news = false;
        if let Some(place) = place {
            let (own_epoch, own_end) = self.durable.log.end_of(last_epoch);
            if own_epoch != last_epoch || own_end < offset {
                return self.tell_divergence(connection, own_end, out);
            }
            let Role::Leader(leading) = &mut self.volatile.role else {
                panic!("only a leader is fetched from")
            };
            leading.ends[place] = offset;
            let told = leading.told[place];
            self.count_fetch(place, out);
            self.advance_high_watermark(now, out);
            is_news = told < self.volatile.high_watermark;
        }
        let fetch = ParkedFetch { connection, offset, voter: place };
        if is_news || offset < self.end_for(fetch.voter) {
            return self.send_records(fetch, out);
        }
        self.volatile.parked[usize::from(replica.0)] = Some(fetch);
        out.set_timer(Timer::FetchWait(replica), MOST_WAIT);
    }

    /// A fetch has waited for as long as it may: it is answered with nothing.
    pub(super) fn on_fetch_wait(&mut self, node: NodeId, out: &mut Outbox<'_, ControllerPort>) {
        let parked = self.volatile.parked[usize::from(node.0)].take();
        self.send_records(parked.expect("the alarm of a fetch is taken back when it is answered"), out);
    }

    /// Answers every fetch that waits and has something to wait for no longer: a voter's always has.
    pub(super) fn answer_parked(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        let leads = matches!(self.volatile.role, Role::Leader(_)) || self.is_alone();
        for place in 0..self.volatile.parked.len() {
            let Some(parked) = self.volatile.parked[place] else { continue };
            if leads && parked.voter.is_none() && parked.offset >= self.end_for(None) {
                continue;
            }
            self.volatile.parked[place] = None;
            out.cancel_timer(Timer::FetchWait(NodeId(place as u16)));
            if leads {
                self.send_records(parked, out);
            } else {
                self.refuse_fetch(parked.connection, ErrorCode::NotLeaderOrFollower, out);
            }
        }
    }

    /// `metadata.max.idle.interval.ms` is over: voters hear from their leader.
    ///
    /// Departure from Kafka: without a record, and also when others were written meanwhile.
    pub(super) fn on_no_op(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        out.set_timer(Timer::NoOp, self.options.metadata_max_idle_interval);
        self.answer_parked(out);
    }

    /// Up to where a fetch is answered with records.
    fn end_for(&self, voter: Option<usize>) -> MetadataOffset {
        if voter.is_some() { self.volatile.written } else { self.volatile.high_watermark }
    }

    /// Why this one cannot be fetched from in that epoch (`validateLeaderOnlyRequest`). A broker behind is told with its records.
    fn why_not_fetched_from(&self, epoch: QuorumEpoch, votes: bool) -> Option<ErrorCode> {
        let own = self.durable.standing.epoch;
        if !matches!(self.volatile.role, Role::Leader(_)) && !self.is_alone() {
            Some(ErrorCode::NotLeaderOrFollower)
        } else if epoch > own {
            Some(ErrorCode::UnknownLeaderEpoch)
        } else {
            (votes && epoch < own).then_some(ErrorCode::FencedLeaderEpoch)
        }
    }

    fn send_records(&mut self, fetch: ParkedFetch, out: &mut Outbox<'_, ControllerPort>) {
        let ParkedFetch { connection, offset, voter } = fetch;
        if let (Role::Leader(leading), Some(place)) = (&mut self.volatile.role, voter) {
            leading.told[place] = self.volatile.high_watermark;
        }
        let end = self.end_for(voter).max(offset);
        // A broker that was told what was never committed may be ahead of the log.
        let rest = self.durable.log.records().get(offset.0 as usize..end.0 as usize).unwrap_or_default();
        let sent = &rest[..rest.len().min(MOST_RECORDS)];
        let answer = self.no_records(out);
        out.store.metadata.get_mut(answer.records).extend_from_slice(sent);
        let size = sent.iter().map(metadata_log::size).fold(ANSWER_SIZE, |all, one| all + one);
        out.respond(connection, Message::MetadataRecords(answer), size);
    }

    fn tell_divergence(
        &self,
        connection: ConnectionId,
        end: MetadataOffset,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let answer = MetadataRecords { diverging: true, up_to: end, ..self.no_records(out) };
        out.respond(connection, Message::MetadataRecords(answer), ANSWER_SIZE);
    }

    fn refuse_fetch(&self, connection: ConnectionId, error: ErrorCode, out: &mut Outbox<'_, ControllerPort>) {
        let answer = MetadataRecords { error, ..self.no_records(out) };
        out.respond(connection, Message::MetadataRecords(answer), ANSWER_SIZE);
    }

    /// A response without records.
    fn no_records(&self, out: &mut Outbox<'_, ControllerPort>) -> MetadataRecords {
        MetadataRecords {
            error: ErrorCode::None,
            leader: self.durable.standing.leader,
            epoch: self.durable.standing.epoch,
            diverging: false,
            up_to: self.volatile.high_watermark,
            records: out.store.metadata.take(),
        }
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
        assert_eq!(bench.fetch(2, 0), Some(end as usize), "there is something at once");
        assert_eq!(bench.fetch(2, end), None);
        bench.run(499);
        assert_eq!(bench.fetch(3, end), None);
        assert_eq!(bench.fetched(2), None);
        bench.run(1);
        assert_eq!(bench.fetched(2), Some(0), "its time is over");
        bench.propose(0, &[1, 2]);
        assert_eq!(bench.fetched(3), Some(1), "whoever waits hears of it at once");
        assert_eq!(bench.fetched(2), None);
        bench.run(10_000);
        assert_eq!(bench.fetched(3), None, "answered once");
    }

    #[test]
    fn a_later_fetch_of_a_broker_takes_the_place_of_one_that_waits() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        let end = bench.controller.metadata_log().len() as u64;
        assert_eq!(bench.fetch(2, end), None);
        bench.run(300);
        assert_eq!(bench.fetch(2, end), None);
        assert_eq!(bench.let_pass, 1);
        bench.run(300);
        assert_eq!(bench.fetched(2), None, "the former alarm is gone");
        bench.run(200);
        assert_eq!(bench.fetched(2), Some(0));
    }

    #[test]
    fn a_response_has_so_many_records_and_no_more() {
        let partitions = vec![(&[1_u16, 2][..], 1, false); MOST_RECORDS];
        let mut bench = Bench::new(3, &partitions);
        bench.start();
        assert_eq!(bench.fetch(1, 0), Some(MOST_RECORDS));
        assert_eq!(bench.fetch(1, MOST_RECORDS as u64), Some(6));
    }
}
