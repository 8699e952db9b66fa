//! Registration and heartbeats (`kafka.server.BrokerLifecycleManager`).

use super::{BrokerPort, Line, Node, Timer};
use crate::cluster::line::Alarm;
use crate::cluster::protocol::{
    ErrorCode, Heartbeat, HeartbeatAnswer, Message, RegisterBroker, RegisteredBroker,
};
use crate::cluster::units::BrokerEpoch;
use crate::devices::port::{Effect, Outbox};
use crate::kernel::units::{Bytes, Span, Time};

/// After its first answer in controlled shutdown a broker asks again this soon.
const SOON_IN_SHUTDOWN: Span = Span::from_milliseconds(50);
/// A broker that has caught up asks again this soon, so that a start without recovery is quick.
const SOON: Span = Span::from_milliseconds(10);

/// How far a process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not registered yet.
    Registering,
    /// Registered, and not caught up with the metadata log (`STARTING`).
    Starting,
    /// Caught up, and still fenced (`RECOVERY`).
    Recovery,
    /// Unfenced at least once (`RUNNING`).
    Running,
    /// Asks to be let go (`PENDING_CONTROLLED_SHUTDOWN`), and whether that was answered once.
    PendingShutdown(bool),
    /// Ends, whatever the controller says (`SHUTTING_DOWN`).
    ShuttingDown,
}

/// A broker's standing with the controller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifecycle {
    pub(super) line: Line,
    state: State,
    broker_epoch: Option<BrokerEpoch>,
    /// The registration of the former process, if that left a clean-shutdown file.
    previous_broker_epoch: Option<BrokerEpoch>,
    /// The next heartbeat goes as soon as the one under way is answered (`nextSchedulingShouldBeImmediate`).
    at_once: bool,
}

impl Lifecycle {
    pub(super) fn new(line: Line, previous_broker_epoch: Option<BrokerEpoch>) -> Lifecycle {
        Lifecycle {
            line,
            state: State::Registering,
            broker_epoch: None,
            previous_broker_epoch,
            at_once: false,
        }
    }

    /// In the middle of its life.
    pub(super) fn running(line: Line, broker_epoch: BrokerEpoch) -> Lifecycle {
        Lifecycle { state: State::Running, broker_epoch: Some(broker_epoch), ..Lifecycle::new(line, None) }
    }

    /// The registration; none before there is one.
    #[inline]
    pub(super) fn broker_epoch(&self) -> Option<BrokerEpoch> {
        self.broker_epoch
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Whether it has had all metadata since it registered.
    pub(super) fn has_caught_up(&self) -> bool {
        match self.state {
            State::Registering | State::Starting => false,
            State::Recovery | State::Running | State::PendingShutdown(_) | State::ShuttingDown => true,
        }
    }

    /// Whether it has begun its controlled shutdown (`ReplicaManager.isInControlledShutdown`).
    pub(super) fn is_stopping(&self) -> bool {
        matches!(self.state, State::PendingShutdown(_) | State::ShuttingDown)
    }

    /// Whether nothing is left to do but to write down what must be.
    pub(super) fn is_shutting_down(&self) -> bool {
        self.state == State::ShuttingDown
    }

    /// From now on every heartbeat asks to be let go.
    pub(super) fn begin_controlled_shutdown(&mut self) {
        assert_eq!(self.state, State::Running, "only a broker that serves has something to hand over");
        self.state = State::PendingShutdown(false);
        self.at_once = self.line.is_waiting();
    }

    /// It no longer speaks to the controller.
    pub(super) fn shut_down(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        self.state = State::ShuttingDown;
        self.line.close(out);
    }
}

impl Node<'_> {
    /// Registers, or sends a heartbeat, as soon as the line is free.
    pub(super) fn communicate(&mut self, _now: Time, out: &mut Outbox<'_, BrokerPort>) {
        let lifecycle = &mut self.running.lifecycle;
        if !self.running.controller.is_reached_by(&mut lifecycle.line, out) {
            return;
        }
        let broker = self.config.id;
        let message = match lifecycle.state {
            State::Registering => Message::RegisterBroker(RegisterBroker {
                broker,
                incarnation: self.stored.incarnation,
                previous_broker_epoch: lifecycle.previous_broker_epoch,
            }),
            State::ShuttingDown => return,
            State::Starting | State::Recovery | State::Running | State::PendingShutdown(_) => {
                Message::Heartbeat(Heartbeat {
                    broker,
                    broker_epoch: lifecycle.broker_epoch.expect("a heartbeat follows a registration"),
                    metadata_offset: self.running.image.end(),
                    want_fence: lifecycle.state == State::Starting,
                    want_shut_down: lifecycle.is_stopping(),
                })
            }
        };
        lifecycle.line.send(message, Bytes::new(120), out);
    }

    pub(super) fn on_registered(
        &mut self,
        now: Time,
        response: RegisteredBroker,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let lifecycle = &mut self.running.lifecycle;
        lifecycle.line.answered();
        if response.error == ErrorCode::NotController {
            return self.leave_controller(out);
        }
        if response.error == ErrorCode::None {
            lifecycle.state = State::Starting;
            lifecycle.broker_epoch = Some(response.broker_epoch);
            self.communicate(now, out);
        } else {
            // DUPLICATE_BROKER_REGISTRATION as long as the session of its former self lasts.
            self.communicate_later(out);
        }
    }

    pub(super) fn on_heartbeat_answer(
        &mut self,
        now: Time,
        answer: HeartbeatAnswer,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let lifecycle = &mut self.running.lifecycle;
        lifecycle.line.answered();
        if answer.error == ErrorCode::NotController {
            return self.leave_controller(out);
        }
        if answer.error != ErrorCode::None {
            return self.communicate_later(out);
        }
        match lifecycle.state {
            State::Registering => panic!("no heartbeat before the registration"),
            State::Starting if answer.is_caught_up => {
                // With nothing to recover it is ready to be unfenced at once.
                lifecycle.state = State::Recovery;
                self.delete_stray_replicas(now, out);
                self.communicate(now, out);
            }
            State::Starting => out.set_timer(Timer::Lifecycle, SOON),
            State::Recovery => {
                if !answer.is_fenced {
                    // Only now are requests accepted (`BrokerServer.startup`): a process that has taken up what its former self
                    // led, as older metadata has it, serves nobody.
                    lifecycle.state = State::Running;
                    out.ask(Effect::Listen);
                }
                self.communicate_later(out);
            }
            State::Running => self.communicate_later(out),
            State::PendingShutdown(_) if answer.should_shut_down => self.shut_down(out),
            State::PendingShutdown(answered) => {
                lifecycle.state = State::PendingShutdown(true);
                if std::mem::take(&mut lifecycle.at_once) {
                    self.communicate(now, out);
                } else if answered {
                    self.communicate_later(out);
                } else {
                    out.set_timer(Timer::Lifecycle, SOON_IN_SHUTDOWN);
                }
            }
            State::ShuttingDown => panic!("the line is closed"),
        }
    }

    fn communicate_later(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        // Never at once after a failure.
        self.running.lifecycle.at_once = false;
        out.set_timer(Timer::Lifecycle, self.config.options.broker_heartbeat_interval);
    }

    /// NOT_CONTROLLER: the connection is closed, and the same request goes to whom the metadata log then has as controller
    /// (`NodeToControllerRequestThread.maybeDisconnectAndUpdateController`).
    fn leave_controller(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        self.running.lifecycle.line.give_up(out);
        out.cancel_timer(Timer::Lifecycle);
    }

    /// The connection broke under a request, or could not be opened: the line's back-off brings the next attempt.
    pub(super) fn on_lifecycle_lost(&mut self, _request: bool, out: &mut Outbox<'_, BrokerPort>) {
        out.ask(Effect::CancelTimer(Timer::Lifecycle));
    }

    pub(super) fn on_lifecycle_line(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        match self.running.lifecycle.line.alarm(out) {
            Alarm::MayConnect => self.communicate(now, out),
            // The request's time is over: the next attempt is due when a heartbeat would be (`onTimeout`).
            Alarm::GaveUp => self.communicate_later(out),
            Alarm::Stale => (),
        }
    }
}
