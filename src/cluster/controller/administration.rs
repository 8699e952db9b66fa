//! Leadership moved and partitions reassigned, by an administrator or by the controller itself
//! (`ReplicationControlManager.electLeader`, `maybeBalancePartitionLeaders`, `changePartitionReassignment`).
//!
//! Departure from Kafka: a reassignment is never cancelled; and `leader.imbalance.per.broker.percentage`, which KRaft has never
//! looked at, does not exist.

use super::heartbeat::SOON;
use super::membership::MOST_ELECTIONS;
use super::partition_change::{PartitionRules, Target, next_state};
use super::{Controller, ControllerPort, Timer, Volatile};
use crate::cluster::protocol::{Administer, ElectLeaders, MetadataRecord, PartitionState, Reassign};
use crate::cluster::units::{PartitionId, Replicas};
use crate::devices::port::Outbox;
use crate::kernel::units::{NodeId, Span};

impl Controller {
    /// An administrator asks for something.
    pub(super) fn on_administer(&mut self, request: Administer, out: &mut Outbox<'_, ControllerPort>) {
        match request {
            Administer::Elect(request) => self.on_elect_leaders(request, out),
            Administer::Reassign(request) => self.on_reassign(request, out),
            Administer::CreatePartitions(request) => self.on_create_partitions(request, out),
            Administer::DeleteTopic(request) => self.on_delete_topic(request, out),
            Administer::CreateTopic(request) => self.on_create_topic(request, out),
            Administer::Set(of, setting) => self.on_set(of, setting, out),
        }
    }

    /// How often leadership is brought back to preferred replicas.
    pub(super) fn rebalance_period(&self) -> Span {
        match self.options.auto_leader_rebalance {
            true => self.options.leader_imbalance_check_interval,
            false => Span::FOREVER,
        }
    }

    /// The periodic look for partitions that another than their preferred replica leads, or nobody.
    pub(super) fn on_elect_preferred_leaders(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        for place in 0..self.rules.len() {
            if self.volatile.planned.len() == MOST_ELECTIONS {
                break;
            }
            let partition = PartitionId(place as u32);
            if !has_preferred_leader(self.partition(partition)) {
                self.plan_preferred_election(partition);
            }
        }
        let is_done = self.volatile.planned.len() < MOST_ELECTIONS;
        self.commit_planned(out);
        out.set_timer(Timer::ElectPreferredLeaders, if is_done { self.rebalance_period() } else { SOON });
    }

    /// ElectLeaders. Where no election is needed, or nobody can be elected, nothing changes.
    fn on_elect_leaders(&mut self, request: ElectLeaders, out: &mut Outbox<'_, ControllerPort>) {
        let ElectLeaders { partition, to, unclean } = request;
        let state = *self.partition(partition);
        if !state.is_there() {
            return;
        }
        if unclean {
            if state.leader.is_none() {
                let rules = PartitionRules { unclean, ..self.rules[partition.0 as usize] };
                self.plan_change(partition, Target::as_is(&state), &rules);
            }
            return self.commit_planned(out);
        }
        if let Some(first) = to.filter(|&to| state.replicas.contains(to)) {
            let others = state.replicas.without(first);
            self.on_reassign(Reassign { partition, replicas: in_front(first, &others) }, out);
        }
        if !has_preferred_leader(self.partition(partition)) {
            self.plan_preferred_election(partition);
        }
        self.commit_planned(out);
    }

    /// AlterPartitionReassignments: who is new is added at once, who is to leave goes last, and leaves when all others are in
    /// sync. Nobody is elected uncleanly for that, whatever the topic says. Where somebody would be elected who has held no
    /// replica so far, the request fails: the controller does not know its directory (`LeaderAcceptor`).
    fn on_reassign(&mut self, request: Reassign, out: &mut Outbox<'_, ControllerPort>) {
        let Reassign { partition, replicas: wanted } = request;
        let state = *self.partition(partition);
        if !state.is_there() {
            return;
        }
        let mut leaving = [NodeId::NOBODY; Replicas::MOST];
        let mut len = 0;
        for replica in state.replicas.iter().filter(|&replica| !wanted.contains(replica)) {
            leaving[len] = replica;
            len += 1;
        }
        leaving[..len].sort_unstable();
        let replicas = Replicas::of(wanted.iter().chain(leaving[..len].iter().copied()));
        let rules = PartitionRules { unclean: false, ..self.rules[partition.0 as usize] };
        let target = Target { replicas: (replicas, len as u8), ..Target::as_is(&state) };
        self.plan_change(partition, target, &rules);
        if let [MetadataRecord::Partition { state: PartitionState { leader: Some(leader), .. }, .. }] =
            self.volatile.planned[..]
            && !state.replicas.contains(leader)
        {
            return self.volatile.planned.clear();
        }
        self.commit_planned(out);
    }

    fn plan_preferred_election(&mut self, partition: PartitionId) {
        let rules = self.rules[partition.0 as usize];
        let target = Target { preferred: true, ..Target::as_is(self.partition(partition)) };
        self.plan_change(partition, target, &rules);
    }

    fn plan_change(&mut self, partition: PartitionId, target: Target, rules: &PartitionRules) {
        let Volatile { image, planned, .. } = &mut self.volatile;
        if let Some((state, election)) =
            next_state(image.partition(partition), target, (rules, rules.min_isr(image)), |one| {
                image.is_active(one)
            })
        {
            planned.push(MetadataRecord::Partition { partition, state, election });
        }
    }
}

fn has_preferred_leader(state: &PartitionState) -> bool {
    state.leader == state.replicas.iter().next()
}

fn in_front(first: NodeId, others: &Replicas) -> Replicas {
    Replicas::of(std::iter::once(first).chain(others.iter()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, Described, ids};
    use super::*;
    use crate::cluster::happened::{Election, Happened};
    use crate::cluster::protocol::ErrorCode;

    /// The elections the controller has made, in order.
    fn elections(bench: &Bench) -> Vec<Election> {
        let election = |(_, note): &(_, Happened)| {
            let Happened::Decided { election, .. } = note else { return None };
            *election
        };
        bench.notes.iter().filter_map(election).collect()
    }

    #[test]
    fn what_elections_an_administrator_gets() {
        use Election::{Clean, Eligible, LastKnown, Nobody, Unclean};
        /// Who dies, one after the other, and who comes back; then an election: of whom (0: of the preferred replica),
        /// whether uncleanly; the partition after, and who was elected how.
        type Case<'a> = (&'a [u16], &'a [u16], (u16, bool), (Described<'a>, &'a [u16]), &'a [Election]);
        let all = &[1_u16, 2, 3][..];
        let cases: &[Case<'_>] = &[
            (&[], &[], (0, false), (Described(1, all, &[], 0), all), &[]),
            (&[], &[], (3, false), (Described(3, all, &[], 0), &[3, 1, 2]), &[Clean]),
            (&[], &[], (3, true), (Described(1, all, &[], 0), all), &[]),
            (&[], &[], (4, false), (Described(1, all, &[], 0), all), &[]),
            // Not in sync: the assignment is reordered, and the leader stays.
            (&[3], &[], (3, false), (Described(1, &[1, 2], &[], 0), &[3, 1, 2]), &[]),
            (&[1], &[1], (0, false), (Described(2, &[2, 3], &[], 0), all), &[Clean]),
            // Nobody who may lead is there; only an unclean election helps.
            (&[3, 2, 1], &[3], (0, false), (Described(0, &[], &[1, 2], 1), all), &[Nobody]),
            (&[3, 2, 1], &[3], (0, true), (Described(3, &[3], &[], 0), all), &[Nobody, Unclean]),
            (&[3, 2, 1], &[3, 2, 1], (0, true), (Described(1, &[1], &[], 0), all), &[Nobody, LastKnown]),
        ];
        for case in cases {
            let &(dead, back, (to, unclean), (after, replicas), expected) = case;
            let mut bench = Bench::new(4, &[(&[1, 2, 3], 2, false)]);
            bench.start();
            for &broker in dead {
                bench.kill(broker);
                bench.run(12_000);
            }
            back.iter().for_each(|&broker| bench.restart(broker));
            let to = (to > 0).then_some(NodeId(to));
            let request = ElectLeaders { partition: PartitionId(0), to, unclean };
            bench.administer(Administer::Elect(request));
            assert_eq!(bench.described(0), after.owned(), "{case:?}");
            assert_eq!(bench.partition(0).replicas, ids(replicas), "{case:?}");
            assert_eq!(elections(&bench), expected, "{case:?}");
        }
        // Stopped in order, the preferred replica is eligible, and an ordinary election takes it.
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        bench.run(4_000);
        [3, 2, 1].into_iter().for_each(|broker| bench.stop(broker));
        [2, 1].into_iter().for_each(|broker| bench.restart(broker));
        assert_eq!(elections(&bench), [Nobody, Eligible]);
        assert_eq!(bench.described(0), Described(2, &[2], &[1], 0).owned());
    }

    /// Steps of a reassignment: what is asked or proposed, and what the partition is then: replicas, how many are to leave,
    /// in-sync set, leader.
    #[test]
    fn replicas_are_moved_step_by_step() {
        #[derive(Debug)]
        enum Do<'a> {
            /// AlterPartitionReassignments.
            Ask(&'a [u16]),
            /// The leader proposes this in-sync set.
            Sync(&'a [u16]),
            /// `kill -9`, and long enough for it to be noticed.
            Kill(u16),
        }
        use Do::{Ask, Kill, Sync};
        type Steps<'a> = &'a [(Do<'a>, (&'a [u16], u8, &'a [u16], u16))];
        let cases: &[Steps<'_>] = &[
            &[(Ask(&[3, 2, 1]), (&[3, 2, 1], 0, &[1, 2, 3], 1))],
            &[
                (Ask(&[1, 2, 3, 4]), (&[1, 2, 3, 4], 0, &[1, 2, 3], 1)),
                (Sync(&[1, 2, 3, 4]), (&[1, 2, 3, 4], 0, &[1, 2, 3, 4], 1)),
            ],
            // Only removed: there is nothing to wait for.
            &[(Ask(&[2, 3]), (&[2, 3], 0, &[2, 3], 2))],
            &[
                (Ask(&[4, 5]), (&[4, 5, 1, 2, 3], 3, &[1, 2, 3], 1)),
                (Sync(&[1, 2, 3, 5]), (&[4, 5, 1, 2, 3], 3, &[1, 2, 3, 5], 1)),
                // The leader dies: whoever is in sync and comes first leads, and the move goes on.
                (Kill(1), (&[4, 5, 1, 2, 3], 3, &[2, 3, 5], 5)),
                (Sync(&[2, 3, 5, 4]), (&[4, 5], 0, &[5, 4], 5)),
            ],
            // Another wish before the first is fulfilled: 4, half way, is to leave again.
            &[
                (Ask(&[1, 2, 4]), (&[1, 2, 4, 3], 1, &[1, 2, 3], 1)),
                (Ask(&[1, 2, 5]), (&[1, 2, 5, 3, 4], 2, &[1, 2, 3], 1)),
                (Sync(&[1, 2, 3, 5]), (&[1, 2, 5], 0, &[1, 2, 5], 1)),
            ],
        ];
        for steps in cases {
            let mut bench = Bench::new(5, &[(&[1, 2, 3], 2, false)]);
            bench.start();
            for (step, (what, after)) in steps.iter().enumerate() {
                match *what {
                    Ask(replicas) => bench.administer(Administer::Reassign(Reassign {
                        partition: PartitionId(0),
                        replicas: ids(replicas),
                    })),
                    Sync(isr) => bench.propose(0, isr),
                    Kill(broker) => {
                        bench.kill(broker);
                        bench.run(12_000);
                    }
                }
                let state = bench.partition(0);
                let expected = (ids(after.0), after.1, ids(after.2), Some(NodeId(after.3)));
                assert_eq!(
                    (state.replicas, state.removing, state.isr, state.leader),
                    expected,
                    "{steps:?}, step {step}"
                );
            }
        }
    }

    /// Observed of a running 4.1 cluster: of three replicas one is left, below min.insync.replicas = 2, and the others stay
    /// eligible though they hold nothing any more. Its broker dies by `kill -9` and comes back.
    #[test]
    fn who_loses_his_replica_can_stay_eligible_and_in_the_way() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        let to = |replicas: &[u16]| {
            Administer::Reassign(Reassign { partition: PartitionId(0), replicas: ids(replicas) })
        };
        bench.administer(to(&[1]));
        assert_eq!(bench.described(0), Described(1, &[1], &[2, 3], 0).owned());
        bench.kill(1);
        bench.run(12_000);
        assert_eq!(bench.described(0), Described(0, &[], &[1, 2, 3], 1).owned());
        bench.restart(1);
        assert_eq!(
            bench.described(0),
            Described(0, &[], &[2, 3], 1).owned(),
            "not even as last known leader"
        );
        for (broker, after) in [(2, Described(0, &[], &[3], 1)), (3, Described(0, &[], &[], 1))] {
            bench.kill(broker);
            bench.run(12_000);
            bench.restart(broker);
            let expected = if broker == 3 { Described(1, &[1], &[], 0) } else { after };
            assert_eq!(bench.described(0), expected.owned());
        }
        // Not to be given a replica again while nobody leads: it would lead at once.
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        bench.administer(to(&[1]));
        bench.kill(1);
        bench.run(12_000);
        bench.administer(to(&[2, 3]));
        assert_eq!(bench.described(0), Described(0, &[], &[1, 2, 3], 1).owned());
        assert_eq!(bench.partition(0).replicas, ids(&[1]));
    }

    /// The first partition's replicas count for all of its topic, with those that are to leave.
    #[test]
    fn min_isr_is_capped_by_what_the_first_partition_has() {
        // Both partitions' replicas, and who is eligible on the second once 3 has left its in-sync set.
        let cases: [(&[u16], &[u16], &[u16]); 3] =
            [(&[1, 2, 3], &[1, 2, 3], &[3]), (&[1, 2], &[1, 2, 3], &[]), (&[1, 2, 3, 4], &[1, 2, 3], &[3])];
        for (first, second, eligible) in cases {
            let mut bench = Bench::new(4, &[(first, 4, false), (second, 3, false)]);
            bench.controller.rules[1].first_of_topic = PartitionId(0);
            bench.start();
            bench.propose(1, &[1, 2]);
            assert_eq!(bench.described(1), Described(1, &[1, 2], eligible, 0).owned(), "{first:?}");
        }
        // A single replica on its way from 1 to 2: while there are two, min.insync.replicas = 2 counts.
        let mut bench = Bench::new(3, &[(&[1], 2, false)]);
        bench.start();
        let request = Reassign { partition: PartitionId(0), replicas: ids(&[2]) };
        bench.administer(Administer::Reassign(request));
        let answer = bench.alter(1, bench.proposal(0, &[1, 2])).expect("registered");
        assert_eq!(answer.error, ErrorCode::NewLeaderElected);
        assert_eq!(bench.described(0), Described(2, &[2], &[1], 0).owned());
    }

    #[test]
    fn nobody_is_elected_uncleanly_for_a_reassignment_or_as_preferred() {
        let mut bench = Bench::new(3, &[(&[1, 2], 1, false)]);
        bench.start();
        bench.propose(0, &[1]);
        bench.kill(1);
        bench.run(12_000);
        bench.controller.rules[0].unclean = true;
        let request = Reassign { partition: PartitionId(0), replicas: ids(&[2, 1]) };
        bench.administer(Administer::Reassign(request));
        assert_eq!(bench.partition(0).replicas, ids(&[2, 1]));
        assert_eq!(bench.described(0), Described(0, &[], &[1], 1).owned());
        let request = ElectLeaders { partition: PartitionId(0), to: None, unclean: false };
        bench.administer(Administer::Elect(request));
        assert_eq!(bench.described(0), Described(0, &[], &[1], 1).owned());
    }

    #[test]
    fn leadership_goes_back_to_preferred_replicas_by_itself_if_that_is_wanted() {
        for (wanted, leader) in [(true, 1), (false, 2)] {
            let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false), (&[2, 3, 1], 2, false)]);
            bench.controller.options.auto_leader_rebalance = wanted;
            bench.start();
            bench.kill(1);
            bench.run(12_000);
            bench.restart(1);
            bench.propose(0, &[2, 3, 1]);
            assert_eq!(bench.described(0), Described(2, &[2, 3, 1], &[], 0).owned());
            bench.run(300_000);
            assert_eq!(bench.described(0), Described(leader, &[2, 3, 1], &[], 0).owned());
            assert_eq!(bench.described(1).0, 2);
        }
    }
}
