//! Whom the metadata log is fetched from, and who is the controller (`KafkaRaftClient` of an observer,
//! `RaftControllerNodeProvider`).
//!
//! A broker fetches from the active controller. One that answers that it is not, or does not answer, sends the broker to
//! whom it names, or else round all voters. What is known of the active controller is known to registration, heartbeats and
//! proposals too, whenever they have to connect.

use super::{BrokerPort, Line, Node};
use crate::cluster::line::Alarm;
use crate::cluster::protocol::{ErrorCode, FetchMetadata, Message, MetadataRecords};
use crate::cluster::units::{QuorumEpoch, Voters};
use crate::devices::port::Outbox;
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// With no controller known, `NodeToControllerRequestThread` looks again this soon.
const LOOK_AGAIN: Span = Span::from_milliseconds(100);

/// The active controller as the metadata log's voters have told.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownController {
    leader: Option<NodeId>,
    epoch: QuorumEpoch,
    /// How many voters in a row had nothing for this broker.
    failures: u16,
}

impl KnownController {
    /// The first voter is active.
    pub(super) fn first(voters: Voters) -> KnownController {
        KnownController { leader: Some(voters.first), epoch: QuorumEpoch(0), failures: 0 }
    }

    /// Nothing is known, but that a single voter cannot be but active.
    pub(super) fn unknown(voters: Voters) -> KnownController {
        let leader = (voters.count == 1).then_some(voters.first);
        KnownController { leader, ..KnownController::first(voters) }
    }

    /// Whether a request can go to the controller over this line now. If not, a connection is asked for, or the line looks
    /// again later.
    pub(super) fn is_reached_by(&self, line: &mut Line, out: &mut Outbox<'_, BrokerPort>) -> bool {
        if line.is_closed() {
            match self.leader {
                Some(leader) => line.aim(leader),
                None => line.rest(LOOK_AGAIN, LOOK_AGAIN, out),
            }
        }
        !line.is_waiting() && line.ready(out)
    }

    /// An answer names the leader of an epoch. An older one knows less than this broker does.
    fn learn(&mut self, epoch: QuorumEpoch, leader: Option<NodeId>) {
        if epoch > self.epoch || (epoch == self.epoch && self.leader.is_none()) {
            (self.epoch, self.leader) = (epoch, leader);
        }
    }
}

impl Node<'_> {
    pub(super) fn fetch_metadata(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        let offset = self.metadata_end();
        let line = &mut self.running.metadata_line;
        if line.is_waiting() || !line.ready(out) {
            return;
        }
        let fetch = FetchMetadata {
            replica: self.config.id,
            epoch: self.running.controller.epoch,
            offset,
            last_epoch: QuorumEpoch(0),
        };
        line.send(Message::FetchMetadata(fetch), Bytes::new(100), out);
    }

    pub(super) fn on_metadata_records(
        &mut self,
        now: Time,
        response: MetadataRecords,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        self.running.metadata_line.answered();
        self.running.controller.learn(response.epoch, response.leader);
        if response.error != ErrorCode::None {
            self.running.metadata_line.give_up(out);
            return self.ask_elsewhere(out);
        }
        self.running.controller.failures = 0;
        if !out.store.metadata.get(response.records).is_empty() {
            // The list is moved out while effects that need the store are asked for.
            let records = std::mem::take(out.store.metadata.get_mut(response.records));
            self.publish(now, &records, out);
            *out.store.metadata.get_mut(response.records) = records;
        }
        self.fetch_metadata(out);
    }

    pub(super) fn on_metadata_line(&mut self, _now: Time, out: &mut Outbox<'_, BrokerPort>) {
        match self.running.metadata_line.alarm(out) {
            Alarm::MayConnect => self.fetch_metadata(out),
            Alarm::GaveUp => self.ask_elsewhere(out),
            Alarm::Stale => (),
        }
    }

    /// A voter had nothing for this broker: the next is asked, at once unless all have been. A single one is asked again once
    /// its line has backed off.
    ///
    /// Departure from Kafka: who is asked next is the active controller as known, or else the next by number, not any; and
    /// one connection is kept, not one a voter.
    pub(super) fn ask_elsewhere(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        let (voters, known) = (self.config.voters, &mut self.running.controller);
        let line = &mut self.running.metadata_line;
        if voters.count == 1 {
            return;
        }
        known.failures += 1;
        let failed = line.peer.node;
        // The controller that was just asked in vain is not asked again before the others.
        let next = known.leader.filter(|&leader| leader != failed && known.failures < voters.count);
        line.aim(next.unwrap_or(voters.after(failed)));
        if !known.failures.is_multiple_of(voters.count) {
            line.forgive(out);
            self.fetch_metadata(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_of_an_older_epoch_stays_with_what_it_knows() {
        let voters = Voters { first: NodeId(4), count: 3 };
        let mut known = KnownController::unknown(voters);
        let told = [
            (0, None, None),
            (0, Some(4), Some(4)),
            (0, None, Some(4)),
            (0, Some(5), Some(4)),
            (2, None, None),
            (1, Some(5), None),
            (2, Some(6), Some(6)),
            (3, Some(5), Some(5)),
        ];
        for (epoch, leader, expected) in told {
            known.learn(QuorumEpoch(epoch), leader.map(NodeId));
            assert_eq!(known.leader, expected.map(NodeId), "after {epoch}, {leader:?}");
        }
        assert_eq!(KnownController::unknown(Voters { count: 1, ..voters }).leader, Some(NodeId(4)));
    }
}
