//! A partition's next state: in-sync set, ELR, leader and epochs together (`PartitionChangeBuilder.build`).

use super::Given;
use super::election::{Ballot, elect};
use crate::cluster::generation::Generation;
use crate::cluster::happened::Election;
use crate::cluster::metadata_image::MetadataImage;
use crate::cluster::planted::Planted;
use crate::cluster::protocol::PartitionState;
use crate::cluster::setting::SettingNames;
use crate::cluster::units::{PartitionId, Replicas};
use crate::kernel::units::NodeId;

/// The rules under which one partition changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionRules {
    /// The first partition of its topic.
    pub first_of_topic: PartitionId,
    /// `min.insync.replicas` of the topic.
    pub min_insync_replicas: usize,
    /// It counts as no more than there are replicas.
    pub min_isr_capped_by_replicas: bool,
    /// `unclean.leader.election.enable` of the topic.
    pub unclean: bool,
    /// What the topic sets itself, and brokers do not change.
    pub own: SettingNames,
    /// `eligible.leader.replicas.version` is at least 1.
    pub eligible_leader_replicas: bool,
    /// A shrinking in-sync set starts a new leader epoch (KAFKA-15021).
    pub isr_shrink_starts_epoch: bool,
    /// What is broken on purpose.
    pub planted: Option<Planted>,
}

impl PartitionRules {
    /// Those of one partition, with eligible leader replicas or without.
    pub(super) fn of(
        given: &Given,
        generation: &Generation,
        eligible_leader_replicas: bool,
        planted: Option<Planted>,
    ) -> PartitionRules {
        PartitionRules {
            first_of_topic: given.first_of_topic,
            min_insync_replicas: usize::from(given.min_insync_replicas),
            min_isr_capped_by_replicas: generation.min_isr_capped_by_replicas,
            unclean: given.unclean && generation.elects_unclean_by_itself,
            own: given.own,
            eligible_leader_replicas,
            isr_shrink_starts_epoch: generation.isr_shrink_starts_epoch,
            planted,
        }
    }

    /// How large an in-sync set must be. Of the topic's first partition so many replicas count as there are before the change,
    /// with those that are to leave; for every partition (`getTopicEffectiveMinIsr`).
    pub fn min_isr(&self, image: &MetadataImage) -> usize {
        let first = image.partition(self.first_of_topic).replicas.len();
        let most = if self.min_isr_capped_by_replicas { first } else { usize::MAX };
        self.min_insync_replicas.min(most)
    }
}

/// What is to become of a partition.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Who holds a replica, whoever is to leave last, and how many that are.
    pub replicas: (Replicas, u8),
    /// The in-sync set, as far as the election leaves it be.
    pub isr: Replicas,
    /// A broker that has come back from an unclean stop: it does not enter the ELR, and leaves it.
    pub unclean_shutdown: Option<NodeId>,
    /// Whether the leader has still to recover.
    pub recovering: bool,
    /// Whether the preferred replica is to lead, if it can.
    pub preferred: bool,
}

impl Target {
    /// Nothing else than there is.
    pub fn as_is(state: &PartitionState) -> Target {
        Target {
            replicas: (state.replicas, state.removing),
            isr: state.isr,
            unclean_shutdown: None,
            recovering: state.recovering,
            preferred: false,
        }
    }
}

/// The next state, and how the leader came to be if another leads (or nobody); none if nothing changes. `min_isr` is how large
/// the in-sync set must be.
///
/// Departure from Kafka: a log directory is never offline on a live broker.
pub fn next_state(
    old: &PartitionState,
    target: Target,
    (rules, min_isr): (&PartitionRules, usize),
    is_active: impl Fn(NodeId) -> bool,
) -> Option<(PartitionState, Option<Election>)> {
    let on = rules.eligible_leader_replicas;
    let target = completed(target);
    let (replicas, removing) = target.replicas;
    let elr = target_elr(old, &target, rules, min_isr);
    let ballot = Ballot {
        state: old,
        replicas: &replicas,
        isr: &target.isr,
        elr: &elr,
        last_known_leader: on && !Planted::LastKnownLeaderIgnored.is(rules.planted),
        preferred: target.preferred,
        unclean: rules.unclean && !target.preferred,
    };
    let elected = if Planted::ElectAnyLiveReplica.is(rules.planted) {
        let first = old.leader.iter().copied().chain(old.replicas.iter()).find(|&replica| is_active(replica));
        first.map(|one| (one, if target.isr.contains(one) { Election::Clean } else { Election::Eligible }))
    } else {
        elect(ballot, is_active)
    };

    let mut new = *old;
    (new.replicas, new.removing) = (replicas, removing);
    new.leader = elected.map(|(leader, _)| leader);
    new.recovering = target.recovering;
    let changed_leader = new.leader != old.leader;
    let election = changed_leader.then(|| elected.map_or(Election::Nobody, |(_, how)| how));
    (new.isr, new.elr) = match (election, new.leader) {
        (Some(Election::LastKnown | Election::Unclean), Some(leader)) => {
            new.recovering = true;
            (Replicas::of([leader]), Replicas::NONE)
        }
        (Some(Election::Eligible), Some(leader)) => (Replicas::of([leader]), elr.without(leader)),
        // Without the ELR the last member stays in the in-sync set whatever becomes of it: nobody else may lead.
        _ if target.isr.is_empty() && !on => (old.isr, elr),
        _ => (target.isr, elr),
    };
    let starts_epoch = changed_leader
        || !replicas.is_superset(&old.replicas)
        || (rules.isr_shrink_starts_epoch && !new.isr.is_superset(&old.isr));
    if on && changed_leader {
        // Remembered from when the partition becomes leaderless until somebody leads again.
        new.last_known_leader = if new.leader.is_none() { old.leader } else { None };
    }

    if new == *old && !starts_epoch {
        return None;
    }
    if starts_epoch {
        new.leader_epoch = old.leader_epoch.next();
    }
    new.partition_epoch = old.partition_epoch.next();
    Some((new, election))
}

/// A reassignment is complete once everybody who is to stay is in sync: then the others leave
/// (`PartitionReassignmentReplicas.maybeCompleteReassignment`).
fn completed(mut target: Target) -> Target {
    let (replicas, removing) = target.replicas;
    let (stay, leave) = replicas.as_slice().split_at(replicas.len() - usize::from(removing));
    let isr = Replicas::of(target.isr.iter().filter(|member| !leave.contains(member)));
    let stay = Replicas::of(stay.iter().copied());
    if removing > 0 && isr.is_superset(&stay) {
        (target.replicas, target.isr) = ((stay, 0), isr);
    }
    target
}

/// Who may lead besides the in-sync set: whoever left it while it was, or thereby became, smaller than min.insync.replicas
/// (`maybePopulateTargetElr`). In the order of their numbers. Nobody asks whether they still hold a replica.
fn target_elr(old: &PartitionState, target: &Target, rules: &PartitionRules, min_isr: usize) -> Replicas {
    let is_full = target.isr.len() >= min_isr;
    if !rules.eligible_leader_replicas || is_full || Planted::EligibleForgotten.is(rules.planted) {
        return Replicas::NONE;
    }
    let mut members = [NodeId::NOBODY; 2 * Replicas::MOST];
    let mut len = 0;
    for replica in old.elr.iter().chain(old.isr.iter()) {
        if !target.isr.contains(replica) && target.unclean_shutdown != Some(replica) {
            members[len] = replica;
            len += 1;
        }
    }
    let members = &mut members[..len];
    members.sort_unstable();
    members.iter().fold(Replicas::NONE, |all, &replica| all.with(replica))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::controller::testing::{Described, describe, ids, partition};
    use crate::cluster::units::{LeaderEpoch, PartitionEpoch};

    const ELR: PartitionRules = PartitionRules {
        first_of_topic: PartitionId(0),
        min_insync_replicas: 2,
        min_isr_capped_by_replicas: true,
        unclean: false,
        own: SettingNames::NONE,
        eligible_leader_replicas: true,
        isr_shrink_starts_epoch: false,
        planted: None,
    };
    const NO_ELR: PartitionRules = PartitionRules { eligible_leader_replicas: false, ..ELR };
    const UNCLEAN: PartitionRules = PartitionRules { unclean: true, ..ELR };
    const OLD: PartitionRules = PartitionRules { isr_shrink_starts_epoch: true, ..NO_ELR };

    /// One change: the target in-sync set, who stopped uncleanly (0: nobody), who is active; the state after, whether a
    /// leader epoch began, and how the leader came to be.
    type Step<'a> = ((&'a [u16], u16, &'a [u16]), Described<'a>, bool, Option<Election>);

    /// Replicas 1, 2, 3 led by 1, through the steps; each must be a change.
    fn through(rules: &PartitionRules, steps: &[Step<'_>]) {
        let mut state = partition(&[1, 2, 3], &[1, 2, 3], 1);
        for step in steps {
            let &((isr, unclean, active), expected, starts_epoch, election) = step;
            let active = ids(active);
            let target = Target {
                isr: ids(isr),
                unclean_shutdown: (unclean > 0).then_some(NodeId(unclean)),
                ..Target::as_is(&state)
            };
            let (new, how) = next_state(&state, target, (rules, 2), |one| active.contains(one))
                .unwrap_or_else(|| panic!("{step:?} changes {state:?}"));
            assert_eq!(describe(&new), expected.owned(), "{step:?}");
            assert_eq!(how, election, "{step:?}");
            assert_eq!(new.partition_epoch, PartitionEpoch(state.partition_epoch.0 + 1));
            let epochs = u32::from(starts_epoch);
            assert_eq!(new.leader_epoch, LeaderEpoch(state.leader_epoch.0 + epochs), "{step:?}");
            assert_eq!(new.recovering, state.recovering || unclean_election(how), "{step:?}");
            state = new;
        }
    }

    fn unclean_election(how: Option<Election>) -> bool {
        matches!(how, Some(Election::LastKnown | Election::Unclean))
    }

    #[test]
    fn the_elr_fills_below_min_isr_and_empties_at_it() {
        use Election::{Clean, Eligible, Nobody};
        through(
            &ELR,
            &[
                ((&[1, 2], 0, &[1, 2]), Described(1, &[1, 2], &[], 0), false, None),
                ((&[1], 0, &[1]), Described(1, &[1], &[2], 0), false, None),
                ((&[], 0, &[]), Described(0, &[], &[1, 2], 1), true, Some(Nobody)),
                ((&[], 0, &[2]), Described(2, &[2], &[1], 0), true, Some(Eligible)),
                ((&[2, 3], 0, &[2, 3]), Described(2, &[2, 3], &[], 0), false, None),
                ((&[3], 0, &[3]), Described(3, &[3], &[2], 0), true, Some(Clean)),
            ],
        );
    }

    #[test]
    fn unclean_stops_empty_the_elr_and_the_last_known_leader_is_left() {
        use Election::{LastKnown, Nobody};
        through(
            &ELR,
            &[
                ((&[1], 0, &[1]), Described(1, &[1], &[2, 3], 0), false, None),
                ((&[], 0, &[]), Described(0, &[], &[1, 2, 3], 1), true, Some(Nobody)),
                ((&[], 3, &[]), Described(0, &[], &[1, 2], 1), false, None),
                ((&[], 2, &[3]), Described(0, &[], &[1], 1), false, None),
                ((&[], 1, &[2, 3]), Described(0, &[], &[], 1), false, None),
                ((&[], 0, &[1, 2, 3]), Described(1, &[1], &[], 0), true, Some(LastKnown)),
            ],
        );
    }

    #[test]
    fn the_last_known_leader_is_who_led_when_leaders_ended() {
        use Election::{Clean, Nobody};
        through(
            &ELR,
            &[
                ((&[3], 0, &[3]), Described(3, &[3], &[1, 2], 0), true, Some(Clean)),
                ((&[], 3, &[]), Described(0, &[], &[1, 2], 3), true, Some(Nobody)),
            ],
        );
    }

    #[test]
    fn without_the_elr_the_last_member_stays_in_sync() {
        use Election::{Clean, Nobody};
        let steps: [Step<'_>; 3] = [
            ((&[1], 0, &[1]), Described(1, &[1], &[], 0), false, None),
            ((&[], 0, &[]), Described(0, &[1], &[], 0), true, Some(Nobody)),
            ((&[1], 0, &[1, 2, 3]), Described(1, &[1], &[], 0), true, Some(Clean)),
        ];
        through(&NO_ELR, &steps);
        let [shrunk, rest @ ..] = steps;
        let (change, expected, _, election) = shrunk;
        let shrunk = (change, expected, true, election);
        through(&OLD, &[shrunk, rest[0], rest[1]]);
    }

    #[test]
    fn an_unclean_election_leaves_the_leader_alone_and_recovering() {
        use Election::{Nobody, Unclean};
        through(
            &UNCLEAN,
            &[
                ((&[1], 0, &[1]), Described(1, &[1], &[2, 3], 0), false, None),
                ((&[], 0, &[]), Described(0, &[], &[1, 2, 3], 1), true, Some(Nobody)),
                ((&[], 2, &[]), Described(0, &[], &[1, 3], 1), false, None),
                ((&[], 0, &[2]), Described(2, &[2], &[], 0), true, Some(Unclean)),
            ],
        );
    }

    #[test]
    fn nothing_to_change_is_no_change() {
        let mut state = partition(&[1, 2, 3], &[1, 2, 3], 1);
        assert_eq!(next_state(&state, Target::as_is(&state), (&ELR, 2), |_| true), None);
        // Leaderless, and nobody who may lead is back.
        state = PartitionState { leader: None, isr: Replicas::NONE, elr: ids(&[1]), ..state };
        state.last_known_leader = Some(NodeId(1));
        assert_eq!(next_state(&state, Target::as_is(&state), (&ELR, 2), |one| one != NodeId(1)), None);
        // The end of a recovery is a change of its own.
        state = PartitionState { recovering: true, ..partition(&[1, 2, 3], &[1], 1) };
        let recovered = Target { recovering: false, ..Target::as_is(&state) };
        let (new, how) = next_state(&state, recovered, (&NO_ELR, 2), |_| true).expect("a change");
        assert_eq!((new.recovering, new.leader_epoch, how), (false, state.leader_epoch, None));
    }

    #[test]
    fn a_reassignment_is_complete_once_all_who_stay_are_in_sync() {
        use Election::Clean;
        // replicas, how many of them are to leave, in-sync set, leader; proposed in-sync set; replicas after, leave, in-sync
        // set, leader; whether a leader epoch began, and how the leader came to be
        type State<'a> = (&'a [u16], u8, &'a [u16], u16);
        type Case<'a> = (State<'a>, &'a [u16], State<'a>, bool, Option<Election>);
        let cases: &[Case<'_>] = &[
            (
                ([1, 2, 4, 3].as_slice(), 1, &[1, 2, 3], 1),
                &[1, 2],
                (&[1, 2, 4, 3], 1, &[1, 2], 1),
                false,
                None,
            ),
            ((&[1, 2, 4, 3], 1, &[1, 2, 3], 1), &[1, 2, 3, 4], (&[1, 2, 4], 0, &[1, 2, 4], 1), true, None),
            ((&[4, 5, 1, 2], 2, &[1, 2], 1), &[1, 2, 4], (&[4, 5, 1, 2], 2, &[1, 2, 4], 1), false, None),
            ((&[4, 5, 1, 2], 2, &[1, 2, 4], 1), &[1, 2, 4, 5], (&[4, 5], 0, &[4, 5], 4), true, Some(Clean)),
            // What is only added is there from the beginning.
            ((&[1, 2, 3], 0, &[1, 2], 1), &[1, 2, 3], (&[1, 2, 3], 0, &[1, 2, 3], 1), false, None),
        ];
        for case in cases {
            let &((replicas, removing, isr, leader), proposed, after, starts_epoch, how) = case;
            let state = PartitionState { removing, ..partition(replicas, isr, leader) };
            let target = Target { isr: ids(proposed), ..Target::as_is(&state) };
            let (new, election) = next_state(&state, target, (&ELR, 2), |_| true).expect("a change");
            let expected = (ids(after.0), after.1, ids(after.2), Some(NodeId(after.3)));
            assert_eq!((new.replicas, new.removing, new.isr, new.leader), expected, "{case:?}");
            assert_eq!((new.leader_epoch > state.leader_epoch, election), (starts_epoch, how), "{case:?}");
        }
    }
}
