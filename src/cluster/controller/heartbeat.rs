//! What a heartbeat does, and what its absence does (`BrokerHeartbeatManager`, `processBrokerHeartbeat`,
//! `maybeFenceOneStaleBroker`).

use super::replication::{Answer, respond};
use super::{Controller, ControllerPort, Timer};
use crate::cluster::protocol::{ErrorCode, Heartbeat, HeartbeatAnswer};
use crate::cluster::units::MetadataOffset;
use crate::devices::port::{ConnectionId, Outbox};
use crate::kernel::units::{NodeId, Span, Time};

/// What a broker may do (`BrokerControlState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlState {
    /// Neither lead nor be in sync.
    Fenced,
    /// Serve.
    Unfenced,
    /// Hand over what it leads.
    ControlledShutdown,
    /// Stop, at once.
    ShutdownNow,
}

/// What a heartbeat leads to (`calculateNextBrokerState`). `leads` says whether the broker leads any partition, `passed`
/// whether every active broker's metadata has passed the broker's shutdown.
pub fn next_state(
    current: ControlState,
    wants: (WantsFence, WantsShutDown),
    is_caught_up: bool,
    leads: impl Fn() -> bool,
    passed: impl Fn() -> bool,
) -> ControlState {
    use ControlState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};
    let (WantsFence(fence), WantsShutDown(shut_down)) = wants;
    match current {
        Fenced if shut_down => ShutdownNow,
        Fenced if !fence && is_caught_up => Unfenced,
        Fenced => Fenced,
        Unfenced if fence && shut_down => ShutdownNow,
        Unfenced if fence => Fenced,
        Unfenced if shut_down && leads() => ControlledShutdown,
        Unfenced if shut_down => ShutdownNow,
        Unfenced => Unfenced,
        ControlledShutdown if leads() || !passed() => ControlledShutdown,
        ControlledShutdown | ShutdownNow => ShutdownNow,
    }
}

/// A heartbeat's `want_fence`.
#[derive(Clone, Copy, Debug)]
pub struct WantsFence(pub bool);

/// A heartbeat's `want_shut_down`.
#[derive(Clone, Copy, Debug)]
pub struct WantsShutDown(pub bool);

impl Controller {
    /// The period at which stale brokers are looked for (`maybeFenceStaleBrokerPeriodNs`).
    pub(super) fn fencing_period(&self) -> Span {
        (self.options.broker_session_timeout / 8).max(Span::from_milliseconds(1))
    }

    /// BrokerHeartbeat.
    ///
    /// Departure from Kafka: the controller is never so busy that a heartbeat expires in its queue.
    pub(super) fn on_heartbeat(
        &mut self,
        now: Time,
        connection: ConnectionId,
        request: Heartbeat,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let Heartbeat { broker, broker_epoch, metadata_offset, want_fence, want_shut_down } = request;
        // Contact counts even under an epoch that is over: Kafka notes it before it looks.
        self.volatile.sessions.touch(broker, broker_epoch, now);
        let registration = *self.volatile.image.broker(broker);
        if !registration.has_epoch(broker_epoch) {
            return self.answer(connection, Answer::Heartbeat(STALE), out);
        }
        let is_caught_up = metadata_offset.0 > registration.broker_epoch.0;

        let brokers = &self.volatile.brokers;
        let current = brokers.state(broker);
        let next = next_state(
            current,
            (WantsFence(want_fence), WantsShutDown(want_shut_down)),
            is_caught_up,
            || self.volatile.image.leads_any(broker),
            || brokers.have_passed_shutdown(broker),
        );
        if next != current {
            match next {
                ControlState::Fenced | ControlState::ShutdownNow => self.plan_fencing(broker),
                ControlState::Unfenced => self.plan_unfencing(broker),
                ControlState::ControlledShutdown => self.plan_controlled_shutdown(broker),
            }
        }
        let is_fenced = matches!(next, ControlState::Fenced | ControlState::ShutdownNow);
        self.volatile.brokers.touch(broker, is_fenced, metadata_offset);
        self.commit_planned(out);
        if next == ControlState::ControlledShutdown {
            self.volatile.brokers.begin_shutdown(broker, self.volatile.image.end());
        }

        let should_shut_down = next == ControlState::ShutdownNow;
        let answer = HeartbeatAnswer { error: ErrorCode::None, is_caught_up, is_fenced, should_shut_down };
        self.answer(connection, Answer::Heartbeat(answer), out);
    }

    /// The look for stale brokers, periodic or when the next session may end
    /// (`QuorumController.rescheduleMaybeFenceStaleBrokers` before 4.0): at most one is fenced, so that what this does is seen
    /// before the next.
    pub(super) fn on_fence_stale_brokers(&mut self, now: Time, out: &mut Outbox<'_, ControllerPort>) {
        let Some((broker, epoch)) = self.volatile.sessions.remove_expired(now) else {
            let periodic = self.generation.looks_for_stale_brokers_periodically;
            let after =
                if periodic { self.fencing_period() } else { self.volatile.sessions.until_first_end(now) };
            return out.set_timer(Timer::FenceStaleBrokers, after);
        };
        // A session of a former registration just goes.
        if self.volatile.image.broker(broker).has_epoch(epoch) {
            self.plan_fencing(broker);
            self.commit_planned(out);
        }
        out.set_timer(Timer::FenceStaleBrokers, SOON);
    }
}

/// After how long a periodic task that did not finish runs again (`PeriodicTask.DEFAULT_IMMEDIATE_PERIOD_NS`).
pub(super) const SOON: Span = Span::from_milliseconds(10);

const STALE: HeartbeatAnswer = HeartbeatAnswer {
    error: ErrorCode::StaleBrokerEpoch,
    is_caught_up: false,
    is_fenced: true,
    should_shut_down: false,
};

/// The answer of a controller that is not active.
pub(super) fn refuse(connection: ConnectionId, out: &mut Outbox<'_, ControllerPort>) {
    let answer = HeartbeatAnswer { error: ErrorCode::NotController, ..STALE };
    respond(connection, Answer::Heartbeat(answer), out);
}

/// What heartbeats say of each broker, beside its registration (`BrokerHeartbeatState`). Not in the log: a controller that
/// starts knows neither how far brokers are nor whose shutdown had begun.
#[derive(Clone, Debug)]
pub(super) struct Brokers(Vec<BrokerState>);

#[derive(Clone, Copy, Debug)]
struct BrokerState {
    registered: bool,
    fenced: bool,
    /// The records below it have been replayed.
    metadata_offset: MetadataOffset,
    /// In controlled shutdown: the end of the log once it had been decided.
    shutdown_offset: Option<MetadataOffset>,
}

impl Brokers {
    pub(super) fn new(brokers: u16) -> Brokers {
        Brokers(vec![UNREGISTERED; usize::from(brokers) + 1])
    }

    /// Follows a registration as it is replayed. How far the broker is counts as unknown until it is heard of again: one just
    /// unfenced holds up the shutdowns of others so long.
    pub(super) fn register(&mut self, broker: NodeId, fenced: bool) {
        self.0[usize::from(broker.0)].registered = true;
        self.touch(broker, fenced, MetadataOffset(0));
    }

    /// Follows a heartbeat. A fenced broker is no longer in controlled shutdown: its next heartbeat lets it stop.
    fn touch(&mut self, broker: NodeId, fenced: bool, metadata_offset: MetadataOffset) {
        let state = &mut self.0[usize::from(broker.0)];
        state.fenced = fenced;
        state.metadata_offset = metadata_offset;
        if fenced {
            state.shutdown_offset = None;
        }
    }

    /// Remembers where the log ended when the broker's shutdown was first granted.
    fn begin_shutdown(&mut self, broker: NodeId, end: MetadataOffset) {
        let state = &mut self.0[usize::from(broker.0)];
        assert!(!state.fenced, "a fenced broker does not enter controlled shutdown");
        state.shutdown_offset.get_or_insert(end);
    }

    fn state(&self, broker: NodeId) -> ControlState {
        let state = self.0[usize::from(broker.0)];
        match (state.shutdown_offset, state.fenced) {
            (Some(_), _) => ControlState::ControlledShutdown,
            (None, true) => ControlState::Fenced,
            (None, false) => ControlState::Unfenced,
        }
    }

    /// Whether every active broker has replayed what moved leadership away from this one.
    fn have_passed_shutdown(&self, broker: NodeId) -> bool {
        let end = self.0[usize::from(broker.0)].shutdown_offset;
        let active = |one: &&BrokerState| one.registered && !one.fenced && one.shutdown_offset.is_none();
        self.0.iter().filter(active).all(|one| end <= Some(one.metadata_offset))
    }
}

const UNREGISTERED: BrokerState = BrokerState {
    registered: false,
    fenced: true,
    metadata_offset: MetadataOffset(0),
    shutdown_offset: None,
};

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, Described};
    use super::*;
    use crate::cluster::generation::Version;
    use crate::cluster::happened::Happened;

    #[test]
    fn the_state_after_a_heartbeat() {
        use ControlState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};
        // now; wants fence, wants shut down, caught up, leads, passed; then
        let cases = [
            (Fenced, [0, 0, 1, 0, 0], Unfenced),
            (Fenced, [0, 0, 0, 0, 0], Fenced),
            (Fenced, [1, 0, 1, 0, 0], Fenced),
            (Fenced, [1, 1, 1, 0, 0], ShutdownNow),
            (Fenced, [0, 1, 0, 1, 0], ShutdownNow),
            (Unfenced, [0, 0, 1, 1, 0], Unfenced),
            (Unfenced, [0, 0, 0, 1, 0], Unfenced),
            (Unfenced, [1, 0, 1, 1, 0], Fenced),
            (Unfenced, [1, 1, 1, 1, 0], ShutdownNow),
            (Unfenced, [0, 1, 1, 1, 1], ControlledShutdown),
            (Unfenced, [0, 1, 1, 0, 0], ShutdownNow),
            (ControlledShutdown, [0, 1, 1, 1, 1], ControlledShutdown),
            (ControlledShutdown, [0, 1, 1, 0, 0], ControlledShutdown),
            (ControlledShutdown, [0, 1, 1, 0, 1], ShutdownNow),
            (ControlledShutdown, [0, 0, 1, 0, 1], ShutdownNow),
            (ControlledShutdown, [1, 1, 1, 1, 1], ControlledShutdown),
        ];
        for (current, bits, expected) in cases {
            let [fence, shut_down, caught_up, leads, passed] = bits.map(|bit| bit == 1);
            let wants = (WantsFence(fence), WantsShutDown(shut_down));
            let next = next_state(current, wants, caught_up, || leads, || passed);
            assert_eq!(next, expected, "{current:?} {bits:?}");
        }
    }

    /// Session 9 s, looked at every 1.125 s: 9 to 10.125 s after the last heartbeat, which is 7 to 10.125 s after a death at
    /// any time between two heartbeats.
    #[test]
    fn a_silent_broker_is_fenced_after_its_session_and_before_an_eighth_more() {
        let mut after: Vec<u64> = Vec::new();
        for phase in (25..=1_125).step_by(50) {
            let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
            bench.first_look = Span::from_milliseconds(phase);
            bench.start();
            bench.run(4_000);
            bench.kill(1);
            bench.run(12_000);
            let fenced = |(_, note): &&(Time, Happened)| {
                matches!(note, Happened::Fenced { broker: NodeId(1), fenced: true, .. })
            };
            let at: Vec<Time> = bench.notes.iter().filter(fenced).map(|&(at, _)| at).collect();
            let [at] = at[..] else { panic!("fenced once, not at {at:?}") };
            // The last heartbeat was at 4 s.
            after.push(at.nanoseconds() / 1_000_000 - 4_000);
            assert_eq!(bench.described(0), Described(2, &[2, 3], &[], 0).owned());
        }
        assert!(after.iter().all(|ms| (9_000..=10_125).contains(ms)), "{after:?}");
        assert!(after.iter().max() > after.iter().min().map(|least| least + 900).as_ref(), "{after:?}");
    }

    /// Before 4.0 the look is at the end of the session, whenever the first look was.
    #[test]
    fn before_4_0_a_silent_broker_is_fenced_when_its_session_ends() {
        for (version, expected) in [(Version::V3_6, 9_000), (Version::V3_9, 9_000), (Version::V4_1, 9_600)] {
            let mut bench = Bench::of(version, false, 3, &[(&[1, 2, 3], 2, false)]);
            bench.first_look = Span::from_milliseconds(100);
            bench.start();
            bench.run(4_000);
            bench.kill(1);
            bench.run(12_000);
            let fenced = |(_, note): &&(Time, Happened)| {
                matches!(note, Happened::Fenced { broker: NodeId(1), fenced: true, .. })
            };
            let at: Vec<Time> = bench.notes.iter().filter(fenced).map(|&(at, _)| at).collect();
            let after: Vec<u64> = at.iter().map(|at| at.nanoseconds() / 1_000_000 - 4_000).collect();
            assert_eq!(after, [expected], "{version:?}");
        }
    }

    #[test]
    fn brokers_that_fall_silent_together_are_fenced_one_by_one() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        bench.run(4_000);
        for broker in 1..=3 {
            bench.kill(broker);
        }
        bench.run(12_000);
        let at: Vec<(u16, u64)> = bench
            .notes
            .iter()
            .filter_map(|&(at, note)| {
                let Happened::Fenced { broker, fenced: true, .. } = note else { return None };
                Some((broker.0, at.nanoseconds() / 1_000_000))
            })
            .collect();
        let first = at[0].1;
        assert_eq!(at, [(1, first), (2, first + 10), (3, first + 20)]);
        // Leadership went from hand to hand; the last to be fenced is the last known leader.
        assert_eq!(bench.described(0), Described(0, &[], &[2, 3], 3).owned());
    }

    #[test]
    fn a_fenced_broker_that_is_heard_of_again_serves_again_under_its_epoch() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        bench.kill(1);
        bench.run(12_000);
        let epoch = bench.controller.broker(NodeId(1)).broker_epoch;
        bench.revive(1);
        bench.run(2_000);
        let registration = bench.controller.broker(NodeId(1));
        assert!(registration.is_active() && registration.has_epoch(epoch));
        assert_eq!(bench.described(0), Described(2, &[2, 3], &[], 0).owned(), "it has to catch up first");
    }

    #[test]
    fn a_broker_is_unfenced_only_when_it_has_its_own_registration() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        bench.kill(2);
        bench.run(12_000);
        let epoch = bench.register(2, 2, None).expect("the session is over");
        let mut heartbeat = bench.heartbeat_of(2);
        for (metadata_offset, fenced) in [(epoch.0, true), (epoch.0 + 1, false)] {
            heartbeat.metadata_offset = MetadataOffset(metadata_offset);
            let answer = bench.beat(heartbeat);
            assert_eq!((answer.is_caught_up, answer.is_fenced), (!fenced, fenced), "at {metadata_offset}");
        }
    }

    #[test]
    fn the_session_of_a_former_registration_ends_without_a_fencing() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        bench.run(4_000);
        let late = bench.heartbeat_of(2);
        bench.kill(2);
        bench.run(12_000);
        bench.restart(2);
        assert_eq!(bench.beat(late).error, ErrorCode::StaleBrokerEpoch);
        bench.run(15_000);
        let fenced = |(_, note): &&(Time, Happened)| {
            matches!(note, Happened::Fenced { broker: NodeId(2), fenced: true, .. })
        };
        assert_eq!(bench.notes.iter().filter(fenced).count(), 1);
    }

    #[test]
    fn a_heartbeat_of_another_epoch_is_stale() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        let mut heartbeat = bench.heartbeat_of(1);
        heartbeat.broker_epoch.0 += 1;
        assert_eq!(bench.beat(heartbeat).error, ErrorCode::StaleBrokerEpoch);
        let sessions = &bench.controller.volatile.sessions;
        assert!(sessions.is_valid(NodeId(1), heartbeat.broker_epoch, Time::ZERO), "yet it has a session");
        heartbeat = bench.heartbeat_of(1);
        heartbeat.broker = NodeId(9);
        assert_eq!(bench.beat(heartbeat).error, ErrorCode::StaleBrokerEpoch);
    }

    #[test]
    fn a_controlled_shutdown_waits_for_the_others_to_hear_of_it() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false), (&[2, 3, 1], 2, false)]);
        bench.start();
        bench.run(100);
        let before = bench.controller.metadata_log().len() as u64;
        let stopping = Heartbeat { want_shut_down: true, ..bench.heartbeat_of(1) };
        let answer = bench.beat(stopping);
        assert_eq!((answer.is_fenced, answer.should_shut_down), (false, false));
        assert_eq!(bench.described(0), Described(2, &[2, 3], &[], 0).owned());
        assert_eq!(
            bench.described(1),
            Described(2, &[2, 3], &[], 0).owned(),
            "it leaves what it follows too"
        );

        let shutdown = bench.controller.metadata_log().len() as u64;
        assert_eq!(shutdown, before + 3);
        // What is decided meanwhile does not prolong the wait.
        bench.propose(0, &[2]);
        for (offsets, stops) in
            [([before, shutdown], false), ([shutdown - 1, shutdown], false), ([shutdown; 2], true)]
        {
            for (broker, offset) in [2, 3].into_iter().zip(offsets) {
                bench.beat(Heartbeat {
                    metadata_offset: MetadataOffset(offset),
                    ..bench.heartbeat_of(broker)
                });
            }
            let answer = bench.beat(stopping);
            assert_eq!(answer.should_shut_down, stops, "the others are at {offsets:?}");
            assert_eq!(answer.is_fenced, stops);
        }
        assert!(bench.controller.broker(NodeId(1)).fenced);
        bench.kill(1);
        bench.run(12_000);
        let fenced =
            |(_, note): &&(Time, Happened)| matches!(note, Happened::Fenced { broker: NodeId(1), .. });
        assert_eq!(
            bench.notes.iter().filter(fenced).count(),
            1,
            "the end of its session changes nothing any more"
        );
    }

    #[test]
    fn a_broker_just_unfenced_holds_up_a_shutdown_until_it_is_heard_of_again() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        bench.kill(3);
        bench.run(12_000);
        let stopping = Heartbeat { want_shut_down: true, ..bench.heartbeat_of(1) };
        assert!(!bench.beat(stopping).should_shut_down);
        for (broker, stops) in [(3, false), (2, false), (3, true)] {
            bench.beat(bench.heartbeat_of(broker));
            assert_eq!(bench.beat(stopping).should_shut_down, stops, "{broker} was heard of");
        }
    }

    #[test]
    fn a_follower_of_everything_stops_at_once() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        let answer = bench.beat(Heartbeat { want_shut_down: true, ..bench.heartbeat_of(3) });
        assert!(answer.should_shut_down && answer.is_fenced);
        assert_eq!(bench.described(0), Described(1, &[1, 2], &[], 0).owned());
    }

    #[test]
    fn the_last_leader_stops_leading_in_its_controlled_shutdown_and_stays_eligible() {
        let mut bench = Bench::new(3, &[(&[1], 1, false)]);
        bench.start();
        let stopping = Heartbeat { want_shut_down: true, ..bench.heartbeat_of(1) };
        assert!(!bench.beat(stopping).should_shut_down);
        assert_eq!(bench.described(0), Described(0, &[], &[1], 1).owned());
    }

    #[test]
    fn a_restarted_controller_gives_every_unfenced_broker_a_fresh_session() {
        let mut bench = Bench::new(3, &[(&[1, 2, 3], 2, false)]);
        bench.start();
        bench.run(4_000);
        bench.kill(1);
        bench.run(8_000);
        let before = bench.controller.image().clone();
        bench.controller.crash();
        bench.start();
        assert_eq!(*bench.controller.image(), before, "the image is what the log says");
        bench.run(8_500);
        assert!(bench.controller.broker(NodeId(1)).is_active(), "16.5 s after its last heartbeat");
        bench.run(2_000);
        assert!(bench.controller.broker(NodeId(1)).fenced);
    }
}
