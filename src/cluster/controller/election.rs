//! Who leads: the order of preference (`PartitionChangeBuilder.electAnyLeader`, `electPreferredLeader`).

use crate::cluster::happened::Election;
use crate::cluster::protocol::PartitionState;
use crate::cluster::units::Replicas;
use crate::kernel::units::NodeId;

/// What an election is about.
#[derive(Clone, Copy, Debug)]
pub struct Ballot<'a> {
    /// The partition as it stands. Its replicas, in-sync set and ELR do not count here.
    pub state: &'a PartitionState,
    /// The replicas that are to be, in assignment order.
    pub replicas: &'a Replicas,
    /// The in-sync set that is to be.
    pub isr: &'a Replicas,
    /// The eligible leader replicas that are to be.
    pub elr: &'a Replicas,
    /// Whether the last known leader can be elected: only if KIP-966 is in force.
    pub last_known_leader: bool,
    /// Whether the first in assignment order comes before the leader.
    pub preferred: bool,
    /// `unclean.leader.election.enable` of the topic.
    pub unclean: bool,
}

/// The leader and how it came to be, or nobody. A leader that can stay stays, as `Clean`. `is_active` says who may lead
/// at all: registered, unfenced, not shutting down.
pub fn elect(ballot: Ballot<'_>, is_active: impl Fn(NodeId) -> bool) -> Option<(NodeId, Election)> {
    let Ballot { state, replicas, isr, elr, last_known_leader, preferred, unclean } = ballot;
    let from_isr = |replica: NodeId| isr.contains(replica) && is_active(replica);
    let from_elr = |replica: NodeId| isr.is_empty() && elr.contains(replica) && is_active(replica);

    let first = replicas.iter().next().filter(|_| preferred);
    if let Some(replica) = first.filter(|&replica| from_isr(replica)) {
        return Some((replica, Election::Clean));
    }
    if let Some(replica) = first.filter(|&replica| from_elr(replica)) {
        return Some((replica, Election::Eligible));
    }
    if let Some(leader) = state.leader.filter(|&leader| from_isr(leader) || from_elr(leader)) {
        return Some((leader, Election::Clean));
    }
    if let Some(replica) = replicas.iter().find(|&replica| from_isr(replica)) {
        return Some((replica, Election::Clean));
    }
    if let Some(replica) = replicas.iter().find(|&replica| from_elr(replica)) {
        return Some((replica, Election::Eligible));
    }
    if last_known_leader
        && isr.is_empty()
        && elr.is_empty()
        && let Some(replica) = state.last_known_leader.filter(|&replica| is_active(replica))
    {
        return Some((replica, Election::LastKnown));
    }
    if unclean {
        return replicas.iter().find(|&replica| is_active(replica)).map(|one| (one, Election::Unclean));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::controller::testing::{ids, partition};

    #[test]
    fn the_order_of_preference() {
        use Election::{Clean, Eligible, LastKnown, Unclean};
        // replicas, leader, last known leader; target in-sync set, target ELR; active; ELR on, unclean; elected
        type Case<'a> =
            ((&'a [u16], u16, u16), (&'a [u16], &'a [u16]), &'a [u16], (bool, bool), Option<(u16, Election)>);
        let cases: &[Case<'_>] = &[
            // The leader stays although another is preferred.
            ((&[1, 2, 3], 3, 0), (&[1, 2, 3], &[]), &[1, 2, 3], (true, false), Some((3, Clean))),
            // Assignment order, not the order of the in-sync set.
            ((&[3, 1, 2], 3, 0), (&[2, 1], &[]), &[1, 2], (true, false), Some((1, Clean))),
            // A leader outside the in-sync set that is to be has to go.
            ((&[1, 2, 3], 1, 0), (&[2, 3], &[]), &[1, 2, 3], (true, false), Some((2, Clean))),
            // One that is only eligible stays as well.
            ((&[2, 1, 3], 1, 0), (&[], &[1, 2]), &[1, 2], (true, false), Some((1, Clean))),
            // Fenced members are passed over.
            ((&[1, 2, 3], 1, 0), (&[1, 2, 3], &[]), &[3], (true, false), Some((3, Clean))),
            // The ELR counts only while nobody is in sync, dead members included.
            ((&[1, 2, 3], 0, 0), (&[1], &[2]), &[2, 3], (true, false), None),
            ((&[1, 2, 3], 0, 0), (&[], &[2, 3]), &[2, 3], (true, false), Some((2, Eligible))),
            ((&[1, 2, 3], 0, 1), (&[], &[2, 3]), &[1, 3], (true, true), Some((3, Eligible))),
            // The last known leader waits until in-sync set and ELR are empty, and comes before any other replica.
            ((&[1, 2, 3], 0, 1), (&[], &[2]), &[1], (true, false), None),
            ((&[1, 2, 3], 0, 1), (&[2], &[]), &[1, 3], (true, false), None),
            ((&[1, 2, 3], 0, 2), (&[], &[]), &[1, 2, 3], (true, true), Some((2, LastKnown))),
            ((&[1, 2, 3], 0, 2), (&[], &[]), &[1, 3], (true, false), None),
            ((&[1, 2, 3], 0, 2), (&[], &[]), &[1, 2], (false, false), None),
            // Unclean: the first live replica in assignment order, whatever it has.
            ((&[1, 2, 3], 0, 0), (&[1], &[]), &[2, 3], (false, true), Some((2, Unclean))),
            ((&[1, 2, 3], 0, 1), (&[], &[2]), &[3], (true, true), Some((3, Unclean))),
            ((&[1, 2, 3], 1, 0), (&[1], &[]), &[], (true, true), None),
        ];
        for case in cases {
            let &((replicas, leader, last_known), (isr, elr), active, (eligible, unclean), expected) = case;
            let mut state = partition(replicas, &[], leader);
            state.last_known_leader = (last_known > 0).then_some(NodeId(last_known));
            let (isr, elr, active) = (ids(isr), ids(elr), ids(active));
            let ballot = Ballot {
                state: &state,
                replicas: &state.replicas,
                isr: &isr,
                elr: &elr,
                last_known_leader: eligible,
                preferred: false,
                unclean,
            };
            let elected = elect(ballot, |replica| active.contains(replica));
            assert_eq!(elected, expected.map(|(node, how)| (NodeId(node), how)), "{case:?}");
        }
    }

    #[test]
    fn a_preferred_election_takes_the_first_replica_if_it_may_lead() {
        use Election::{Clean, Eligible};
        // leader; in-sync set, ELR; active; elected
        type Case<'a> = (u16, (&'a [u16], &'a [u16]), &'a [u16], Option<(u16, Election)>);
        let cases: &[Case<'_>] = &[
            (2, (&[1, 2, 3], &[]), &[1, 2, 3], Some((1, Clean))),
            (2, (&[2, 3], &[]), &[1, 2, 3], Some((2, Clean))),
            (2, (&[1, 2, 3], &[]), &[2, 3], Some((2, Clean))),
            (2, (&[1, 3], &[]), &[2, 3], Some((3, Clean))),
            (0, (&[], &[1, 3]), &[1, 3], Some((1, Eligible))),
            (0, (&[], &[3]), &[1, 2], None),
        ];
        for case in cases {
            let &(leader, (isr, elr), active, expected) = case;
            let state = partition(&[1, 2, 3], &[], leader);
            let (isr, elr, active) = (ids(isr), ids(elr), ids(active));
            let ballot = Ballot {
                state: &state,
                replicas: &state.replicas,
                isr: &isr,
                elr: &elr,
                last_known_leader: true,
                preferred: true,
                unclean: false,
            };
            let elected = elect(ballot, |replica| active.contains(replica));
            assert_eq!(elected, expected.map(|(node, how)| (NodeId(node), how)), "{case:?}");
        }
    }
}
