//! What the coming and going of a broker does to partitions (`ReplicationControlManager.handleBroker…`,
//! `generateLeaderAndIsrUpdates`, `maybeElectUncleanLeaders`). Records are planned here and committed by the caller.

use super::heartbeat::SOON;
use super::partition_change::{PartitionRules, Target, next_state};
use super::{Controller, ControllerPort, Timer, Volatile};
use crate::cluster::planted::Planted;
use crate::cluster::protocol::{MetadataRecord, PartitionState};
use crate::devices::port::Outbox;
use crate::kernel::units::NodeId;

/// What has become of a broker, as far as partitions care.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// It may no longer lead or be in sync.
    Left(NodeId),
    /// It may lead from now on, although the image still has it fenced.
    Returned(NodeId),
    /// It stopped uncleanly: it may have lost what it had, and is no longer eligible either.
    StoppedUncleanly(NodeId),
    /// Nothing: look whether somebody can lead by now.
    None,
}

/// The most elections one run of a periodic task makes (`MAX_ELECTIONS_PER_IMBALANCE`).
pub(super) const MOST_ELECTIONS: usize = 1_000;

impl Controller {
    /// A broker is fenced: its partitions first, then its registration.
    pub(super) fn plan_fencing(&mut self, broker: NodeId) {
        self.plan_partitions(Move::Left(broker), usize::MAX, |state, _| state.isr.contains(broker));
        self.plan_broker_change(broker, |fenced, _| *fenced = true);
    }

    /// A broker is unfenced: partitions without a leader are looked at again.
    pub(super) fn plan_unfencing(&mut self, broker: NodeId) {
        self.plan_broker_change(broker, |fenced, _| *fenced = false);
        self.plan_partitions(Move::Returned(broker), usize::MAX, |state, _| state.leader.is_none());
    }

    /// A broker begins to hand over what it leads.
    pub(super) fn plan_controlled_shutdown(&mut self, broker: NodeId) {
        if !self.volatile.image.broker(broker).in_controlled_shutdown {
            self.plan_broker_change(broker, |_, in_controlled_shutdown| *in_controlled_shutdown = true);
        }
        self.plan_partitions(Move::Left(broker), usize::MAX, |state, _| state.isr.contains(broker));
    }

    /// A new process of a broker has come; the former one's stop was clean or not. After an unclean stop the broker leaves the
    /// ELR too; whatever it is still in sync with it leaves either way.
    pub(super) fn plan_restart(&mut self, broker: NodeId, was_clean: bool) {
        if !was_clean && Planted::RestartStaysInSync.is(self.planted) {
            return;
        }
        let stays_eligible = Planted::EligibleAfterUncleanStop.is(self.planted);
        let moved =
            if was_clean || stays_eligible { Move::Left(broker) } else { Move::StoppedUncleanly(broker) };
        self.plan_partitions(moved, usize::MAX, |state, _| {
            state.isr.contains(broker) || (!was_clean && state.elr.contains(broker))
        });
    }

    /// The periodic look for partitions without a leader whose topic allows unclean elections.
    pub(super) fn on_elect_unclean_leaders(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        let is_done = self.elect_unclean_leaders(out);
        let period = self.options.unclean_leader_election_interval;
        out.set_timer(Timer::ElectUncleanLeaders, if is_done { period } else { SOON });
    }

    /// Gives whether that was all of them.
    pub(super) fn elect_unclean_leaders(&mut self, out: &mut Outbox<'_, ControllerPort>) -> bool {
        self.plan_partitions(Move::None, MOST_ELECTIONS, |state, rules| {
            state.leader.is_none() && rules.unclean
        });
        let is_done = self.volatile.planned.len() < MOST_ELECTIONS;
        self.commit_planned(out);
        is_done
    }

    fn plan_broker_change(&mut self, broker: NodeId, change: impl FnOnce(&mut bool, &mut bool)) {
        let registration = self.volatile.image.broker(broker);
        let (mut fenced, mut in_controlled_shutdown) =
            (registration.fenced, registration.in_controlled_shutdown);
        let broker_epoch = registration.broker_epoch;
        change(&mut fenced, &mut in_controlled_shutdown);
        self.plan(MetadataRecord::BrokerChange { broker, broker_epoch, fenced, in_controlled_shutdown });
    }

    /// Plans the next states of the partitions the move concerns, at most so many.
    fn plan_partitions(
        &mut self,
        moved: Move,
        most: usize,
        concerns: impl Fn(&PartitionState, &PartitionRules) -> bool,
    ) {
        let Volatile { image, planned, .. } = &mut self.volatile;
        let is_active = |replica| match moved {
            Move::Left(broker) | Move::StoppedUncleanly(broker) if broker == replica => false,
            Move::Returned(broker) if broker == replica => true,
            Move::Left(_) | Move::StoppedUncleanly(_) | Move::Returned(_) | Move::None => {
                image.is_active(replica)
            }
        };
        let mut left = most;
        for (partition, state) in image.partitions() {
            let rules = &self.rules[partition.0 as usize];
            if !concerns(state, rules) {
                continue;
            }
            let (isr, unclean_shutdown) = match moved {
                Move::Left(broker) => (state.isr.without(broker), None),
                Move::StoppedUncleanly(broker) => (state.isr.without(broker), Some(broker)),
                Move::Returned(_) | Move::None => (state.isr, None),
            };
            let target = Target { isr, unclean_shutdown, ..Target::as_is(state) };
            if let Some((state, election)) =
                next_state(state, target, (rules, rules.min_isr(image)), is_active)
            {
                planned.push(MetadataRecord::Partition { partition, state, election });
                left -= 1;
                if left == 0 {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, Described};
    use super::*;
    use crate::cluster::protocol::{ErrorCode, Heartbeat};
    use crate::kernel::units::Span;

    #[test]
    fn only_what_a_broker_is_in_changes_when_it_goes() {
        let mut bench = Bench::new(4, &[(&[1, 2, 3], 2, false), (&[2, 3, 4], 2, false), (&[4, 1], 1, false)]);
        bench.start();
        bench.kill(1);
        bench.run(12_000);
        let after =
            [Described(2, &[2, 3], &[], 0), Described(2, &[2, 3, 4], &[], 0), Described(4, &[4], &[], 0)];
        for (partition, expected) in after.iter().enumerate() {
            assert_eq!(bench.described(partition as u32), expected.owned(), "partition {partition}");
        }
    }

    #[test]
    fn a_broker_in_controlled_shutdown_that_goes_on_living_stays_out() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        bench.run(100);
        let stopping = Heartbeat { want_shut_down: true, ..bench.heartbeat_of(1) };
        bench.beat(stopping);
        // Fenced while shutting down, unfenced by a heartbeat that no longer asks: the registration remembers.
        bench.kill(1);
        bench.run(12_000);
        assert!(bench.controller.broker(NodeId(1)).fenced);
        let answer = bench.beat(bench.heartbeat_of(1));
        assert_eq!((answer.error, answer.is_fenced), (ErrorCode::None, false));
        assert!(!bench.controller.image().is_active(NodeId(1)));
    }

    #[test]
    fn a_broker_unfenced_in_controlled_shutdown_may_lead_what_nobody_else_can() {
        let mut bench = Bench::new(1, &[(&[1], 1, false)]);
        bench.start();
        let stopping = Heartbeat { want_shut_down: true, ..bench.heartbeat_of(1) };
        for begins in [true, false] {
            let before = bench.controller.metadata_log().len();
            assert!(!bench.beat(stopping).should_shut_down);
            assert_eq!(bench.described(0), Described(0, &[], &[1], 1).owned());
            let records = bench.controller.metadata_log().len() - before;
            assert_eq!(records, if begins { 2 } else { 1 }, "its registration says so once");
            bench.kill(1);
            bench.run(12_000);
            bench.beat(bench.heartbeat_of(1));
            assert_eq!(bench.described(0), Described(1, &[1], &[], 0).owned());
        }
    }

    #[test]
    fn the_periodic_look_elects_uncleanly_where_that_has_come_to_be_allowed() {
        let mut bench = Bench::new(3, &[(&[1, 2], 1, false), (&[2, 1], 1, false)]);
        bench.start();
        bench.run(100);
        for broker in [2, 1] {
            bench.kill(broker);
            bench.run(12_000);
        }
        bench.restart(2);
        let left = [Described(0, &[], &[1], 1).owned(), Described(0, &[], &[1], 1).owned()];
        assert_eq!([bench.described(0), bench.described(1)], left);
        bench.controller.rules[1].unclean = true;
        bench.run(300_000);
        let after = [left[0].clone(), Described(2, &[2], &[], 0).owned()];
        assert_eq!([bench.described(0), bench.described(1)], after);
        assert!(bench.partition(1).recovering);
    }

    #[test]
    fn one_look_elects_so_many_and_the_next_comes_soon() {
        let partitions = vec![(&[1_u16, 2][..], 1, false); MOST_ELECTIONS + 1];
        let mut bench = Bench::new(2, &partitions);
        bench.controller.options.unclean_leader_election_interval = Span::from_seconds(30);
        bench.start();
        for broker in [2, 1] {
            bench.kill(broker);
            bench.run(12_000);
        }
        bench.restart(2);
        bench.controller.rules.iter_mut().for_each(|rules| rules.unclean = true);
        let led = |bench: &Bench| {
            bench.controller.image().partitions().filter(|(_, one)| one.leader.is_some()).count()
        };
        for (wait, expected) in
            [(5_999, 0), (1, MOST_ELECTIONS), (9, MOST_ELECTIONS), (1, MOST_ELECTIONS + 1)]
        {
            bench.run(wait);
            assert_eq!(led(&bench), expected);
        }
    }
}
