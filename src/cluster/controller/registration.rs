//! A process has started and wants to be its broker (`ClusterControlManager.registerBroker`).

use super::replication::{Answer, respond};
use super::{Controller, ControllerPort};
use crate::cluster::protocol::{ErrorCode, MetadataRecord, RegisterBroker, RegisteredBroker};
use crate::cluster::units::BrokerEpoch;
use crate::devices::port::{ConnectionId, Outbox};
use crate::kernel::units::Time;

impl Controller {
    /// BrokerRegistration. A process has to wait until the session of the one before it is over; a session begins with the
    /// first heartbeat, so a process that dies before it can be replaced at once.
    ///
    /// Departure from Kafka: the broker epoch is the offset of the registration's own record; there it is that of the first
    /// record of the batch, which may move partitions before it. And a process that asks again, having missed the answer,
    /// gets the same answer without a new record.
    pub(super) fn on_register(
        &mut self,
        now: Time,
        connection: ConnectionId,
        request: RegisterBroker,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let RegisterBroker { broker, incarnation, previous_broker_epoch } = request;
        let former = *self.volatile.image.broker(broker);
        let epoch = former.broker_epoch;
        if former.registered && former.incarnation == incarnation {
            return self.answer_registration(connection, ErrorCode::None, epoch, out);
        }
        if former.registered && self.volatile.sessions.is_valid(broker, epoch, now) {
            let error = ErrorCode::DuplicateBrokerRegistration;
            return self.answer_registration(connection, error, BrokerEpoch(0), out);
        }

        let is_clean = former.registered && previous_broker_epoch == Some(epoch);
        self.plan_restart(broker, is_clean);
        // Last, so that a controller that dies on the way leaves the broker to register anew and clean up again.
        self.plan(MetadataRecord::RegisterBroker { broker, incarnation });
        self.commit_planned(out);

        let broker_epoch = self.volatile.image.broker(broker).broker_epoch;
        self.answer_registration(connection, ErrorCode::None, broker_epoch, out);
    }

    fn answer_registration(
        &mut self,
        connection: ConnectionId,
        error: ErrorCode,
        broker_epoch: BrokerEpoch,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let answer = RegisteredBroker { error, broker_epoch };
        self.answer(connection, Answer::Registered(answer), out);
    }
}

/// The answer of a controller that is not active.
pub(super) fn refuse(connection: ConnectionId, out: &mut Outbox<'_, ControllerPort>) {
    let answer = RegisteredBroker { error: ErrorCode::NotController, broker_epoch: BrokerEpoch(0) };
    respond(connection, Answer::Registered(answer), out);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, Described};
    use crate::cluster::happened::{Election, Happened};
    use crate::cluster::protocol::ErrorCode;
    use crate::cluster::units::BrokerEpoch;
    use crate::kernel::units::NodeId;

    #[test]
    fn a_quick_restart_waits_for_the_session_of_the_former_process() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        bench.run(4_000);
        bench.kill(1);
        bench.run(8_990);
        assert_eq!(bench.register(1, 2, None), Err(ErrorCode::DuplicateBrokerRegistration));
        assert_eq!(bench.described(0), Described(1, &[1, 2, 3], &[], 0).owned());
        // The session is over before anybody has looked: registering takes the broker out of everything at once.
        bench.run(20);
        let epoch = bench.register(1, 2, None).expect("the session is over");
        assert_eq!(bench.described(0), Described(2, &[2, 3], &[], 0).owned());
        assert!(bench.controller.broker(NodeId(1)).fenced);
        assert_eq!(bench.register(1, 2, None), Ok(epoch), "asking again changes nothing");
        assert!(
            bench.register(1, 3, None).is_ok_and(|next| next > epoch),
            "no heartbeat, no session to wait for"
        );
    }

    /// The in-sync set and ELR that brokers leave, kill by kill, and what their return does. `min.insync.replicas` = 2.
    /// Observed of a running cluster: 3, 2, 1 die by `kill -9`; 3, 2, 1 come back.
    #[test]
    fn stops_and_returns_one_by_one() {
        enum Do {
            /// `kill -9`, and long enough for it to be noticed.
            Kill(u16),
            /// Controlled shutdown, until it may stop.
            Stop(u16),
            /// Register, be unfenced.
            Return(u16),
        }
        use Do::{Kill, Return, Stop};
        let recovering = true;
        type Steps<'a> = &'a [(Do, Described<'a>, bool)];
        let cases: &[(&str, bool, u16, Steps<'_>)] = &[
            (
                "kills, ELR on",
                true,
                2,
                &[
                    (Kill(3), Described(1, &[1, 2], &[], 0), false),
                    (Kill(2), Described(1, &[1], &[2], 0), false),
                    (Kill(1), Described(0, &[], &[1, 2], 1), false),
                    (Return(3), Described(0, &[], &[1, 2], 1), false),
                    (Return(2), Described(0, &[], &[1], 1), false),
                    (Return(1), Described(1, &[1], &[], 0), recovering),
                ],
            ),
            (
                "controlled stops, ELR on",
                true,
                2,
                &[
                    (Stop(3), Described(1, &[1, 2], &[], 0), false),
                    (Stop(2), Described(1, &[1], &[2], 0), false),
                    (Stop(1), Described(0, &[], &[1, 2], 1), false),
                    (Return(3), Described(0, &[], &[1, 2], 1), false),
                    (Return(2), Described(2, &[2], &[1], 0), false),
                    (Return(1), Described(2, &[2], &[1], 0), false),
                ],
            ),
            (
                "kills, ELR off",
                false,
                2,
                &[
                    (Kill(3), Described(1, &[1, 2], &[], 0), false),
                    (Kill(2), Described(1, &[1], &[], 0), false),
                    (Kill(1), Described(0, &[1], &[], 0), false),
                    (Return(3), Described(0, &[1], &[], 0), false),
                    (Return(2), Described(0, &[1], &[], 0), false),
                    (Return(1), Described(1, &[1], &[], 0), false),
                ],
            ),
            (
                "min.insync.replicas = 1, ELR on: the last to go is the only one eligible",
                true,
                1,
                &[
                    (Kill(3), Described(1, &[1, 2], &[], 0), false),
                    (Kill(2), Described(1, &[1], &[], 0), false),
                    (Kill(1), Described(0, &[], &[1], 1), false),
                    (Return(2), Described(0, &[], &[1], 1), false),
                    (Return(1), Described(1, &[1], &[], 0), recovering),
                ],
            ),
            (
                "the last one stops in order and leads without recovery",
                true,
                1,
                &[
                    (Kill(3), Described(1, &[1, 2], &[], 0), false),
                    (Kill(2), Described(1, &[1], &[], 0), false),
                    (Stop(1), Described(0, &[], &[1], 1), false),
                    (Return(2), Described(0, &[], &[1], 1), false),
                    (Return(1), Described(1, &[1], &[], 0), false),
                ],
            ),
        ];
        for (name, eligible_leader_replicas, min_isr, steps) in cases {
            let mut bench = Bench::with_elr(*eligible_leader_replicas, 3, &[(&[1, 2, 3], *min_isr, false)]);
            bench.start();
            bench.run(4_000);
            for (step, (what, expected, recovering)) in steps.iter().enumerate() {
                match *what {
                    Kill(broker) => {
                        bench.kill(broker);
                        bench.run(12_000);
                    }
                    Stop(broker) => bench.stop(broker),
                    Return(broker) => bench.restart(broker),
                }
                assert_eq!(bench.described(0), expected.owned(), "{name}, step {step}");
                assert_eq!(bench.partition(0).recovering, *recovering, "{name}, step {step}");
            }
        }
    }

    #[test]
    fn only_the_epoch_that_ended_last_makes_a_stop_clean() {
        for (previous, elr) in [(None, &[][..]), (Some(0), &[]), (Some(1), &[2])] {
            let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
            bench.start();
            for broker in [3, 2] {
                bench.kill(broker);
                bench.run(12_000);
            }
            assert_eq!(bench.described(0), Described(1, &[1], &[2], 0).owned());
            bench.register(2, 2, previous.map(BrokerEpoch)).expect("the session is over");
            assert_eq!(bench.described(0), Described(1, &[1], elr, 0).owned(), "previous epoch {previous:?}");
        }
    }

    #[test]
    fn an_unclean_election_takes_whoever_is_back_first() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, true)]);
        bench.start();
        for broker in [3, 2, 1] {
            bench.kill(broker);
            bench.run(12_000);
        }
        bench.restart(3);
        assert_eq!(bench.described(0), Described(3, &[3], &[], 0).owned());
        let elections: Vec<Election> = bench
            .notes
            .iter()
            .filter_map(|&(_, note)| {
                let Happened::Decided { election, .. } = note else { return None };
                election
            })
            .collect();
        assert_eq!(elections, [Election::Nobody, Election::Unclean]);
    }
}
