//! A leader proposes in-sync sets (`ReplicationControlManager.alterPartition`, `validateAlterPartitionData`).

use super::partition_change::{PartitionRules, Target, next_state};
use super::replication::{Answer, respond};
use super::{Controller, ControllerPort, Volatile};
use crate::cluster::metadata_image::MetadataImage;
use crate::cluster::protocol::{
    AlterPartition, AlterPartitions, AlteredPartition, AlteredPartitions, ErrorCode, MetadataRecord,
    PartitionState,
};
use crate::cluster::units::{LeaderEpoch, PartitionEpoch, PartitionId, Replicas};
use crate::devices::port::{ConnectionId, Outbox};
use crate::kernel::units::NodeId;

impl Controller {
    /// AlterPartition.
    pub(super) fn on_alter_partitions(
        &mut self,
        connection: ConnectionId,
        request: AlterPartitions,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let AlterPartitions { broker, broker_epoch, partitions } = request;
        let answers = out.store.altered.take();
        let mut answer = AlteredPartitions { error: ErrorCode::None, partitions: answers };
        if !self.volatile.image.broker(broker).has_epoch(broker_epoch) {
            answer.error = ErrorCode::StaleBrokerEpoch;
            return self.answer(connection, Answer::Altered(answer), out);
        }
        for place in 0..out.store.alter.get(partitions).len() {
            let proposed = out.store.alter.get(partitions)[place];
            let altered = self.plan_alteration(broker, &proposed);
            out.store.altered.get_mut(answers).push(altered);
        }
        self.commit_planned(out);

        self.answer(connection, Answer::Altered(answer), out);
    }

    /// Plans what is proposed for one partition, if it may be, and gives the answer.
    fn plan_alteration(&mut self, broker: NodeId, proposed: &AlterPartition) -> AlteredPartition {
        let Volatile { image, planned, .. } = &mut self.volatile;
        let partition = proposed.partition;
        let old = match validate(image, broker, proposed) {
            Ok(old) => old,
            Err(error) => return refused(partition, error),
        };
        // An epoch starts where the controller takes somebody out, not where a leader proposes it.
        let rules = &PartitionRules { isr_shrink_starts_epoch: false, ..self.rules[partition.0 as usize] };
        let target = Target { isr: proposed.isr, recovering: !proposed.recovered, ..Target::as_is(old) };
        let Some((state, election)) =
            next_state(old, target, (rules, rules.min_isr(image)), |one| image.is_active(one))
        else {
            return accepted(partition, old);
        };
        planned.push(MetadataRecord::Partition { partition, state, election });
        // A leader that is active and in its own proposal goes on leading, unless that completes a reassignment without it.
        if state.leader == Some(broker) {
            accepted(partition, &state)
        } else {
            refused(partition, ErrorCode::NewLeaderElected)
        }
    }
}

/// The answer of a controller that is not active.
pub(super) fn refuse(connection: ConnectionId, out: &mut Outbox<'_, ControllerPort>) {
    let answer = AlteredPartitions { error: ErrorCode::NotController, partitions: out.store.altered.take() };
    respond(connection, Answer::Altered(answer), out);
}

/// The partition as it stands, or why the proposal is refused. The order of the checks decides what the leader makes of it.
fn validate<'a>(
    image: &'a MetadataImage,
    broker: NodeId,
    proposed: &AlterPartition,
) -> Result<&'a PartitionState, ErrorCode> {
    let state = image.find_partition(proposed.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    // A leader ahead of this controller has heard of a later one (KAFKA-14154).
    if proposed.leader_epoch > state.leader_epoch || proposed.partition_epoch > state.partition_epoch {
        return Err(ErrorCode::NotController);
    }
    if proposed.leader_epoch < state.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if state.leader != Some(broker) {
        return Err(ErrorCode::InvalidRequest);
    }
    if proposed.partition_epoch < state.partition_epoch {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    let isr = &proposed.isr;
    let has_duplicates = isr.iter().enumerate().any(|(place, one)| isr.as_slice()[..place].contains(&one));
    if has_duplicates || !state.replicas.is_superset(isr) || !isr.contains(broker) {
        return Err(ErrorCode::InvalidRequest);
    }
    if !proposed.recovered && (isr.len() > 1 || !state.recovering) {
        return Err(ErrorCode::InvalidRequest);
    }
    let mut members = isr.iter().zip(proposed.isr_epochs);
    if !members.all(|(member, epoch)| {
        let registration = image.broker(member);
        registration.is_active() && epoch.is_none_or(|epoch| registration.has_epoch(epoch))
    }) {
        return Err(ErrorCode::IneligibleReplica);
    }
    Ok(state)
}

fn accepted(partition: PartitionId, state: &PartitionState) -> AlteredPartition {
    AlteredPartition {
        partition,
        error: ErrorCode::None,
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        isr: state.isr,
        partition_epoch: state.partition_epoch,
        recovering: state.recovering,
    }
}

fn refused(partition: PartitionId, error: ErrorCode) -> AlteredPartition {
    AlteredPartition {
        partition,
        error,
        leader: None,
        leader_epoch: LeaderEpoch(0),
        isr: Replicas::NONE,
        partition_epoch: PartitionEpoch(0),
        recovering: false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, Described, ids};
    use super::*;
    use crate::cluster::protocol::Heartbeat;
    use crate::cluster::units::BrokerEpoch;

    /// Partition 0 is led by 1, in sync with 2; 3 is fenced, 4 is in controlled shutdown.
    fn bench() -> Bench {
        let mut bench = Bench::new(4, &[(&[1, 2, 3, 4], 2, false), (&[4, 1], 1, false)]);
        bench.start();
        bench.kill(3);
        bench.run(12_000);
        bench.beat(Heartbeat { want_shut_down: true, ..bench.heartbeat_of(4) });
        assert_eq!(bench.described(0), Described(1, &[1, 2], &[], 0).owned());
        bench
    }

    type Edit = fn(&mut AlterPartition);

    #[test]
    fn each_error_in_its_order() {
        use ErrorCode::*;
        // Each edit alone or with edits of later checks: the earlier one answers.
        let cases: &[(&str, u16, &[u16], Edit, ErrorCode)] = &[
            ("as it should be", 1, &[1], |_| (), None),
            ("no such partition", 2, &[9], |one| one.partition.0 = 7, UnknownTopicOrPartition),
            ("leader epoch ahead", 2, &[9], |one| one.leader_epoch.0 += 1, NotController),
            ("partition epoch ahead, leader epoch behind", 2, &[9], ahead_and_behind, NotController),
            ("leader epoch behind", 2, &[9], |one| one.leader_epoch.0 -= 1, FencedLeaderEpoch),
            ("not the leader", 2, &[9], |one| one.partition_epoch.0 -= 1, InvalidRequest),
            ("partition epoch behind", 1, &[9], |one| one.partition_epoch.0 -= 1, InvalidUpdateVersion),
            ("not a replica", 1, &[1, 9], |_| (), InvalidRequest),
            ("twice the same", 1, &[1, 1], |_| (), InvalidRequest),
            ("without itself", 1, &[2, 3], |_| (), InvalidRequest),
            ("nobody", 1, &[], |_| (), InvalidRequest),
            ("recovering with others", 1, &[1, 3], |one| one.recovered = false, InvalidRequest),
            ("recovering again", 1, &[1], |one| one.recovered = false, InvalidRequest),
            ("a fenced member", 1, &[1, 2, 3], |_| (), IneligibleReplica),
            ("a member that is shutting down", 1, &[1, 2, 4], |_| (), IneligibleReplica),
            (
                "a former epoch of a member",
                1,
                &[1, 2],
                |one| one.isr_epochs[1] = Some(BrokerEpoch(99)),
                IneligibleReplica,
            ),
            ("the epoch of a member", 1, &[1, 2], |one| one.isr_epochs[1] = Some(BrokerEpoch(1)), None),
        ];
        for (name, broker, isr, edit, expected) in cases {
            let mut bench = bench();
            let before = bench.partition(0);
            let mut proposed = bench.proposal(0, isr);
            edit(&mut proposed);
            let answer = bench.alter(*broker, proposed).expect("the request is from a registered broker");
            assert_eq!(answer.error, *expected, "{name}");
            assert_eq!(bench.partition(0) == before, *expected != None || *isr == [1, 2], "{name}");
        }
    }

    fn ahead_and_behind(one: &mut AlterPartition) {
        one.leader_epoch.0 -= 1;
        one.partition_epoch.0 += 1;
    }

    #[test]
    fn a_request_of_another_epoch_is_stale_as_a_whole() {
        let mut bench = bench();
        let proposed = bench.proposal(0, &[1]);
        bench.broker_epochs[1] = BrokerEpoch(77);
        assert_eq!(bench.alter(1, proposed).err(), Some(ErrorCode::StaleBrokerEpoch));
    }

    #[test]
    fn the_answer_has_the_state_that_now_is() {
        let mut bench = bench();
        let before = bench.partition(0);
        let answer = bench.alter(1, bench.proposal(0, &[1])).expect("accepted");
        assert_eq!((answer.leader, answer.isr), (Some(NodeId(1)), ids(&[1])));
        assert_eq!(answer.leader_epoch, before.leader_epoch, "a smaller in-sync set is no new leadership");
        assert_eq!(answer.partition_epoch, before.partition_epoch.next());
        assert_eq!(bench.described(0), Described(1, &[1], &[2], 0).owned());
        let answer = bench.alter(1, bench.proposal(0, &[1, 2])).expect("accepted");
        assert_eq!(answer.isr, ids(&[1, 2]));
        assert_eq!(bench.described(0), Described(1, &[1, 2], &[], 0).owned());
        let answer = bench.alter(1, bench.proposal(0, &[1, 2])).expect("accepted");
        assert_eq!(
            answer.partition_epoch,
            bench.partition(0).partition_epoch,
            "the same again changes nothing"
        );
    }

    #[test]
    fn a_leader_of_last_resort_reports_that_it_has_recovered() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        for broker in [3, 2, 1] {
            bench.kill(broker);
            bench.run(12_000);
        }
        for broker in [3, 2, 1] {
            bench.restart(broker);
        }
        assert!(bench.partition(0).recovering);
        let mut proposed = bench.proposal(0, &[1]);
        proposed.recovered = false;
        assert_eq!(bench.alter(1, proposed).expect("accepted").error, ErrorCode::None);
        proposed.isr = ids(&[1, 2]);
        let answer = bench.alter(1, proposed).expect("answered");
        assert_eq!(answer.error, ErrorCode::InvalidRequest, "nobody joins before it has recovered");
        let answer = bench.alter(1, bench.proposal(0, &[1, 2, 3])).expect("accepted");
        assert_eq!((answer.error, answer.recovering), (ErrorCode::None, false));
        assert_eq!(bench.described(0), Described(1, &[1, 2, 3], &[], 0).owned());
    }
}
