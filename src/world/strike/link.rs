//! Links that are cut or slow, and messages that are kept back.

use crate::cluster::protocol::Message;
use crate::devices::network::Slower;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::NodeId;
use crate::scenario::fault::Action;
use crate::scenario::words::MessageKind;
use crate::world::happened::{Happened, LinkChange};
use crate::world::observe::Observer;
use crate::world::world::World;

/// Messages of one kind on one way are kept back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::world) struct Hold {
    from: NodeId,
    to: NodeId,
    what: MessageKind,
}

impl Hold {
    /// Whether this message is one of them.
    pub(in crate::world) fn keeps_back(self, from: NodeId, to: NodeId, message: &Message) -> bool {
        self.from == from && self.to == to && Some(self.what) == kind(message)
    }
}

impl<O: Observer> World<O> {
    /// The directions of links that a fault at these nodes is about; none if it is about no links.
    pub(super) fn ways(&self, nodes: &[NodeId], action: &Action) -> Option<Vec<(NodeId, NodeId)>> {
        let mut ways = Vec::new();
        let mut join = |from: NodeId, to: NodeId| {
            if from != to && !ways.contains(&(from, to)) {
                ways.push((from, to));
            }
        };
        let (to, one_way) = match action {
            Action::Isolate { apart } => {
                let all = (1..=self.model.node_count()).map(NodeId);
                for other in all.filter(|node| *apart || !nodes.contains(node)) {
                    for &node in nodes {
                        join(node, other);
                        join(other, node);
                    }
                }
                return Some(ways);
            }
            Action::Cut { to, one_way } | Action::SlowLink { to, one_way, .. } => (to, *one_way),
            Action::Hold { to, .. } => (to, true),
            Action::Crash
            | Action::PowerLoss(_)
            | Action::Wipe
            | Action::Pause
            | Action::SlowDisk(_)
            | Action::StallDisk
            | Action::FullDisk
            | Action::FsyncFails
            | Action::FsyncLies
            | Action::BitRot { .. }
            | Action::ClockJump(_)
            | Action::Stop
            | Action::Elect(_)
            | Action::Reassign(_)
            | Action::AddPartitions { .. }
            | Action::DeleteTopic
            | Action::Set(..) => return None,
        };
        for other in self.resolve(to) {
            for &node in nodes {
                join(node, other);
                if !one_way {
                    join(other, node);
                }
            }
        }
        Some(ways)
    }

    pub(super) fn isolate(&mut self, nodes: &[NodeId], ways: &[(NodeId, NodeId)], cause: EventSeq) {
        ways.iter().for_each(|&(from, to)| self.network.cut(from, to));
        for &node in nodes {
            self.note(node, Happened::Isolated, cause);
        }
    }

    pub(super) fn join(&mut self, nodes: &[NodeId], ways: &[(NodeId, NodeId)], cause: EventSeq) {
        ways.iter().for_each(|&(from, to)| self.network.heal(from, to));
        for &node in nodes {
            self.note(node, Happened::Joined, cause);
        }
    }

    pub(super) fn cut(&mut self, ways: &[(NodeId, NodeId)], cause: EventSeq) {
        ways.iter().for_each(|&(from, to)| self.network.cut(from, to));
        self.note_ways(ways, LinkChange::Cut, cause);
    }

    pub(super) fn mend(&mut self, ways: &[(NodeId, NodeId)], cause: EventSeq) {
        ways.iter().for_each(|&(from, to)| self.network.heal(from, to));
        self.note_ways(ways, LinkChange::Joined, cause);
    }

    pub(super) fn slow(&mut self, ways: &[(NodeId, NodeId)], slower: Slower, cause: EventSeq) {
        ways.iter().for_each(|&(from, to)| self.network.slow(from, to, slower));
        self.note_ways(ways, LinkChange::Slowed, cause);
    }

    pub(super) fn bring_to_speed(&mut self, ways: &[(NodeId, NodeId)], slower: Slower, cause: EventSeq) {
        ways.iter().for_each(|&(from, to)| self.network.at_speed(from, to, slower));
        self.note_ways(ways, LinkChange::AtSpeed, cause);
    }

    pub(super) fn hold(&mut self, ways: &[(NodeId, NodeId)], what: MessageKind, cause: EventSeq) {
        self.schedule.holds.extend(ways.iter().map(|&(from, to)| Hold { from, to, what }));
        self.note_ways(ways, LinkChange::KeepsBack(what), cause);
    }

    pub(super) fn let_go(&mut self, ways: &[(NodeId, NodeId)], what: MessageKind, cause: EventSeq) {
        for &(from, to) in ways {
            let holds = &mut self.schedule.holds;
            let place = holds.iter().position(|hold| *hold == Hold { from, to, what });
            holds.remove(place.expect("what ends has begun"));
        }
        self.note_ways(ways, LinkChange::LetsGo(what), cause);
        let (network, now, mut around) = self.around(cause);
        network.let_go(now, &mut around);
    }

    fn note_ways(&mut self, ways: &[(NodeId, NodeId)], change: LinkChange, cause: EventSeq) {
        for &(from, to) in ways {
            self.note(from, Happened::Link { to, change }, cause);
        }
    }
}

fn kind(message: &Message) -> Option<MessageKind> {
    Some(match message {
        Message::Produce(_) => MessageKind::Produce,
        Message::Produced(_) => MessageKind::ProduceResponse,
        Message::Fetch(_) => MessageKind::Fetch,
        Message::Fetched(_) => MessageKind::FetchResponse,
        Message::ListOffsets(_) => MessageKind::ListOffsets,
        Message::ListedOffset(_) => MessageKind::ListOffsetsResponse,
        Message::FindLeaders => MessageKind::Metadata,
        Message::Leaders(_) => MessageKind::MetadataResponse,
        Message::RegisterBroker(_) => MessageKind::BrokerRegistration,
        Message::RegisteredBroker(_) => MessageKind::BrokerRegistrationResponse,
        Message::Heartbeat(_) => MessageKind::Heartbeat,
        Message::HeartbeatAnswer(_) => MessageKind::HeartbeatResponse,
        Message::AlterPartitions(_) => MessageKind::AlterPartition,
        Message::AlteredPartitions(_) => MessageKind::AlterPartitionResponse,
        Message::InitProducerId => MessageKind::InitProducerId,
        Message::ProducerIdAnswer(_) => MessageKind::InitProducerIdResponse,
        Message::FetchMetadata(_) => MessageKind::FetchMetadata,
        Message::MetadataRecords(_) => MessageKind::FetchMetadataResponse,
        // An administrator's requests go over no network.
        Message::Administer(_) => return None,
        // What voters say to each other has no name in a model.
        Message::Vote(_)
        | Message::BeginQuorumEpoch(_)
        | Message::EndQuorumEpoch(_)
        | Message::QuorumAnswer(_) => return None,
    })
}
