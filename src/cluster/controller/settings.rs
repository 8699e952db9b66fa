//! Settings changed while the cluster runs (`ConfigurationControlManager.incrementalAlterConfigs`).
//!
//! What one broker is set to decides nothing here: the controller looks at what is set for its own node
//! (`currentControllerConfig`), and that is no broker's.

use super::{Controller, ControllerPort};
use crate::cluster::protocol::{MetadataRecord, PartitionState, Resource};
use crate::cluster::setting::Setting;
use crate::cluster::units::{MetadataOffset, PartitionId, Replicas};
use crate::devices::port::Outbox;

impl Controller {
    /// IncrementalAlterConfigs. Whoever is eligible was so under another `min.insync.replicas`, and is no longer
    /// (ClearElrRecord): where that of all brokers is set, in every topic, even in one that has its own, and even if it is set
    /// to what it is (KAFKA-14136: what brokers are set to is written again).
    ///
    /// With KRaft no election follows: a partition that may be led uncleanly from now on waits for the next look at those
    /// without a leader (`unclean.leader.election.interval.ms`), or for one of its brokers to come back.
    pub(super) fn on_set(&mut self, of: Resource, setting: Setting, out: &mut Outbox<'_, ControllerPort>) {
        if !self.may_be_set(of, setting) {
            return;
        }
        self.plan(MetadataRecord::Config { of, setting });
        if matches!(setting, Setting::MinInsyncReplicas(_)) && self.options.eligible_leader_replicas {
            for partition in self.partitions_of(of) {
                let state = *self.partition(partition);
                let cleared = PartitionState { elr: Replicas::NONE, last_known_leader: None, ..state };
                if cleared != state {
                    // A change like any other (`PartitionRegistration.merge`).
                    let state = PartitionState { partition_epoch: state.partition_epoch.next(), ..cleared };
                    self.plan(MetadataRecord::Partition { partition, state, election: None });
                }
            }
        }
        self.commit_planned(out);
        if setting == Setting::UncleanLeaderElection(true) && self.generation.elects_when_unclean_is_set {
            self.elect_unclean_leaders(out);
        }
    }

    /// Whether a change is made: of what is there, and not of a topic's setting to what it is.
    ///
    /// With eligible leader replicas no broker may have a `min.insync.replicas` of its own, or leaders would disagree with the
    /// controller on who is eligible (KAFKA-16540).
    fn may_be_set(&self, of: Resource, setting: Setting) -> bool {
        let is_min_isr = matches!(setting, Setting::MinInsyncReplicas(_));
        match of {
            Resource::Topic(of) => {
                let rules = &self.rules[of.first.0 as usize];
                let is_so = rules.own.contains(setting)
                    && setting == Setting::MinInsyncReplicas(rules.min_insync_replicas as u16);
                self.partition(of.first).is_there() && !is_so
            }
            Resource::Broker(Some(_)) => !(is_min_isr && self.options.eligible_leader_replicas),
            Resource::Broker(None) => true,
        }
    }

    /// The partitions that a change of a setting may concern.
    fn partitions_of(&self, of: Resource) -> impl Iterator<Item = PartitionId> + use<> {
        let (first, total) = match of {
            Resource::Topic(of) => (of.first.0, of.total.get()),
            Resource::Broker(None) => (0, self.rules.len() as u32),
            Resource::Broker(Some(_)) => (0, 0),
        };
        (first..first + total).map(PartitionId)
    }

    /// A setting is another: from here on partitions change by it.
    pub(super) fn put_setting(&mut self, of: Resource, setting: Setting) {
        let by_itself = self.generation.elects_unclean_by_itself;
        let is_own = matches!(of, Resource::Topic(_));
        for partition in self.partitions_of(of) {
            let rules = &mut self.rules[partition.0 as usize];
            if is_own {
                rules.own = rules.own.with(setting);
            } else if rules.own.contains(setting) {
                continue;
            }
            if let Setting::MinInsyncReplicas(replicas) = setting {
                rules.min_insync_replicas = usize::from(replicas);
            } else if let Setting::UncleanLeaderElection(is_on) = setting {
                rules.unclean = is_on && by_itself;
            }
        }
    }

    /// Settings are as the records up to here say.
    pub(super) fn reload_settings(&mut self, end: MetadataOffset) {
        let settings = |record: &MetadataRecord| match *record {
            MetadataRecord::Config { of, setting } => Some((of, setting)),
            MetadataRecord::RegisterBroker { .. }
            | MetadataRecord::BrokerChange { .. }
            | MetadataRecord::LeaderChange { .. }
            | MetadataRecord::Partition { .. } => None,
        };
        let (records, mut up_to_here) = (self.durable.log.records(), Vec::new());
        up_to_here.extend(records[..end.0 as usize].iter().filter_map(settings));
        self.rules.clone_from(&self.rules_at_start);
        for (of, setting) in up_to_here {
            self.put_setting(of, setting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, Described};
    use super::*;
    use crate::cluster::generation::Version;
    use crate::cluster::protocol::{Administer, TopicChange};
    use crate::cluster::units::PartitionEpoch;
    use crate::kernel::units::{NodeId, Span};

    /// The first topic has two partitions, the other the third.
    const ORDERS: Resource = Resource::Topic(TopicChange::new(PartitionId(0), 2));

    /// Both of two replicas required in sync, of three.
    fn bench() -> Bench {
        let mut bench =
            Bench::new(3, &[(&[1, 2, 3], 2, false), (&[2, 3, 1], 2, false), (&[1, 2, 3], 2, false)]);
        bench.start();
        bench
    }

    fn set(bench: &mut Bench, of: Resource, setting: Setting) {
        bench.administer(Administer::Set(of, setting));
    }

    #[test]
    fn a_change_of_min_isr_ends_eligibility() {
        const TWO: Setting = Setting::MinInsyncReplicas(2);
        /// Of whom it is set, one after the other, and to what; who is eligible in the first topic then, and in the other.
        type Case<'a> = (&'a [(Resource, u16)], &'a [u16], &'a [u16]);
        let broker = Resource::Broker(Some(NodeId(1)));
        let cases: &[Case<'_>] = &[
            (&[], &[2], &[2]),
            (&[(ORDERS, 1)], &[], &[2]),
            (&[(ORDERS, 3)], &[], &[2]),
            // Set to what brokers have it is another, set to what it is itself it is none.
            (&[(ORDERS, 2)], &[], &[2]),
            (&[(Resource::Broker(None), 3)], &[], &[]),
            (&[(Resource::Broker(None), 2)], &[], &[]),
            (&[(broker, 1)], &[2], &[2]),
        ];
        for case in cases {
            let &(settings, orders, other) = case;
            let mut bench = bench();
            for partition in [0, 2] {
                bench.propose(partition, &[1, 2]);
                bench.propose(partition, &[1]);
            }
            let before = bench.partition(0).partition_epoch;
            for &(of, value) in settings {
                set(&mut bench, of, Setting::MinInsyncReplicas(value));
            }
            assert_eq!(bench.described(0), Described(1, &[1], orders, 0).owned(), "{case:?}");
            assert_eq!(bench.described(2), Described(1, &[1], other, 0).owned(), "{case:?}");
            let changes = u32::from(orders.is_empty());
            assert_eq!(bench.partition(0).partition_epoch, PartitionEpoch(before.0 + changes), "{case:?}");
        }
        let mut bench = bench();
        set(&mut bench, ORDERS, TWO);
        bench.propose(0, &[1, 2]);
        bench.propose(0, &[1]);
        set(&mut bench, ORDERS, TWO);
        assert_eq!(bench.described(0), Described(1, &[1], &[2], 0).owned(), "it was so");
        set(&mut bench, Resource::Broker(None), TWO);
        assert_eq!(bench.described(0), Described(1, &[1], &[], 0).owned(), "it has its own, and is cleared");
    }

    #[test]
    fn partitions_change_by_what_is_set_from_then_on() {
        let broker = Resource::Broker(Some(NodeId(1)));
        /// Of whom it is set, one after the other; what the first topic requires then, and the other.
        type Case<'a> = (&'a [(Resource, u16)], usize, usize);
        let cases: &[Case<'_>] = &[
            (&[(ORDERS, 3)], 3, 2),
            (&[(Resource::Broker(None), 3)], 3, 3),
            (&[(ORDERS, 1), (Resource::Broker(None), 3)], 1, 3),
            (&[(Resource::Broker(None), 3), (ORDERS, 1), (Resource::Broker(None), 2)], 1, 2),
            (&[(broker, 3)], 2, 2),
        ];
        for case in cases {
            let &(settings, orders, other) = case;
            let mut bench = bench();
            for &(of, value) in settings {
                set(&mut bench, of, Setting::MinInsyncReplicas(value));
            }
            for again in [false, true] {
                if again {
                    bench.controller.crash();
                }
                let required = |place: usize| bench.controller.rules[place].min_insync_replicas;
                assert_eq!((required(1), required(2)), (orders, other), "{case:?}, {again}");
            }
            bench.controller.reload_settings(bench.controller.durable.log.genesis_end());
            assert_eq!(bench.controller.rules[1].min_insync_replicas, 2);
            assert!(!bench.controller.rules[1].own.contains(Setting::MinInsyncReplicas(1)));
        }
        // Under 1 nobody who leaves is eligible; under 3 whoever does.
        for (value, elr) in [(1, &[][..]), (3, &[3])] {
            let mut bench = bench();
            set(&mut bench, ORDERS, Setting::MinInsyncReplicas(value));
            bench.propose(0, &[1, 2]);
            assert_eq!(bench.described(0), Described(1, &[1, 2], elr, 0).owned(), "{value}");
        }
    }

    #[test]
    fn with_eligible_leader_replicas_no_broker_has_a_min_isr_of_its_own() {
        for (eligible, written) in [(true, 0), (false, 1)] {
            let mut bench = bench();
            bench.controller.options.eligible_leader_replicas = eligible;
            let before = bench.controller.metadata_log().len();
            set(&mut bench, Resource::Broker(Some(NodeId(2))), Setting::MinInsyncReplicas(1));
            assert_eq!(bench.controller.metadata_log().len() - before, written, "{eligible}");
        }
    }

    #[test]
    fn unclean_elections_that_are_allowed_wait_for_the_next_look() {
        let on = Setting::UncleanLeaderElection(true);
        let offline = Described(0, &[], &[1], 1);
        // Of whom; when somebody is elected: not at all, at once, at the next look.
        let cases = [
            (Version::V4_1, ORDERS, [false, true]),
            (Version::V4_1, Resource::Broker(None), [false, true]),
            (Version::V4_1, Resource::Broker(Some(NodeId(2))), [false, false]),
            (Version::V2_8, ORDERS, [true, true]),
            (Version::V2_8, Resource::Broker(None), [true, true]),
        ];
        for case in cases {
            let (version, of, elected) = case;
            let eligible = version == Version::V4_1;
            let mut bench = Bench::of(version, eligible, 3, &[(&[1, 2], 1, false), (&[2, 3, 1], 2, false)]);
            bench.controller.options.unclean_leader_election_interval = Span::from_seconds(300);
            bench.start();
            bench.propose(0, &[1]);
            bench.kill(1);
            bench.run(30_000);
            assert!(!eligible || bench.described(0) == offline.owned());
            assert_eq!(bench.partition(0).leader, None);
            set(&mut bench, of, on);
            let leads = |bench: &Bench| bench.partition(0).leader == Some(NodeId(2));
            let at_once = leads(&bench);
            bench.run(300_000);
            assert_eq!([at_once, leads(&bench)], elected, "{case:?}");
        }
    }
}
