//! The application: when it calls `send()`, what a call does, what it does with a failure, and how the process ends.
//!
//! Records are due at instants of their own, whether or not the application was held up before: one that was blocked or
//! waited for answers catches up at once. While its process is away nothing falls due. A send that blocks for metadata is
//! reported as called when the metadata is there, for only then is its partition known.
//!
//! `Departure from Kafka:` there is none to depart from, but applications differ: one that sends again does so 100 ms after
//! the first failure, and with what failed since; an outbox is written, and what was told success taken from it, at once.

use std::collections::VecDeque;

use super::accumulator::Place;
use super::{Process, Producer, ProducerPort, ProducerTimer};
use crate::clients::app::{AtEnd, OnError, Rate, Waits, Workload};
use crate::clients::happened::{Happened, Outcome};
use crate::cluster::store::MessageRun;
use crate::cluster::units::MessageId;
use crate::devices::port::{Effect, Outbox};
use crate::kernel::distribution::Distribution;
use crate::kernel::units::{Span, Time};

/// How many records an application may send before the sender has its turn: what is reported of them fits into a cache.
const SLICE: u32 = 256;

/// How long an application that sends again waits after a failure: one that sent at once what the buffer has just refused
/// would never do anything else.
const PAUSE: Span = Span::from_milliseconds(100);

/// What the application has done so far.
#[derive(Clone, Debug)]
pub(super) struct Application {
    pub(super) workload: Workload,
    pub(super) first: MessageId,
    /// How many records it should have sent by now.
    due: u32,
    /// How many calls have returned, those of messages sent again aside.
    sent: u32,
    /// How many calls have returned whose answer nobody has told it.
    pub(super) unanswered: u32,
    pub(super) blocked: Option<Call>,
    /// It waits for all answers before it goes on.
    waits: bool,
    /// How many more calls it may make before the sender has its turn.
    pub(super) slice: u32,
    /// Messages to be sent again, now.
    again: VecDeque<MessageId>,
    /// The same, after the pause.
    failed: Vec<MessageId>,
    /// The outbox, by number of message: what need not be sent any more. Without one, empty.
    settled: Vec<bool>,
}

/// A call of `send()` that has not returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) message: MessageId,
    pub(super) is_again: bool,
    /// When it was made: `max.block.ms` counts from here.
    pub(super) since: Time,
    /// The partition once it is chosen: it waits for memory then, and for metadata before.
    pub(super) place: Option<Place>,
}

impl Application {
    pub(super) fn new(workload: Workload, first: MessageId) -> Application {
        Application {
            workload,
            first,
            due: 0,
            sent: 0,
            unanswered: 0,
            blocked: None,
            waits: false,
            slice: SLICE,
            again: VecDeque::new(),
            failed: Vec::new(),
            settled: Vec::new(),
        }
    }

    pub(super) fn unanswered(&self) -> u32 {
        self.unanswered
    }

    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    pub(super) fn has_sent_all(&self) -> bool {
        self.sent == self.workload.records
    }

    /// Whether nothing is left to be sent, for the first time or again, and everything is answered.
    pub(super) fn is_through(&self) -> bool {
        self.has_sent_all() && self.has_all_answers()
    }

    fn has_all_answers(&self) -> bool {
        self.unanswered == 0 && self.again.is_empty() && self.failed.is_empty() && self.blocked.is_none()
    }

    /// Whether a call waits for memory: then nothing lingers (`BufferPool.queued`).
    pub(super) fn waits_for_memory(&self) -> bool {
        self.blocked.is_some_and(|blocked| blocked.place.is_some())
    }

    /// When the call was made that has not returned.
    pub(super) fn blocked_since(&self) -> Option<Time> {
        self.blocked.map(|blocked| blocked.since)
    }

    pub(super) fn begin_slice(&mut self) {
        self.slice = SLICE;
    }

    /// The first record is due at once, but for a Poisson process, where it comes after a gap like every other.
    pub(super) fn start(&mut self, out: &mut Outbox<ProducerPort>) {
        self.due = self.sent;
        for number in 0..self.settled.len() as u32 {
            if !self.settled[number as usize] {
                self.again.push_back(MessageId(self.first.0 + number));
            }
        }
        match self.workload.rate {
            Rate::Unbounded => self.due = self.workload.records,
            Rate::Every(_) if !self.has_sent_all() => self.on_due(out),
            Rate::Every(_) => (),
            Rate::Poisson(_) => self.set_due_alarm(out),
        }
    }

    /// The process is gone, and with it all that only it knew. A call that waits for memory was made, one that waits for
    /// metadata was not.
    pub(super) fn forget(&mut self) {
        if self.blocked.take().is_some_and(|call| call.place.is_some() && !call.is_again) {
            self.sent += 1;
        }
        self.unanswered = 0;
        self.waits = false;
        self.again.clear();
        self.failed.clear();
    }

    /// The process is to end: nothing new falls due in it.
    pub(super) fn stop(&mut self, out: &mut Outbox<ProducerPort>) {
        self.due = self.sent;
        out.ask(Effect::CancelTimer(ProducerTimer::Due));
    }

    /// The next record is due, unless no more are to come.
    pub(super) fn on_due(&mut self, out: &mut Outbox<ProducerPort>) {
        if self.due < self.workload.records {
            self.due += 1;
            self.set_due_alarm(out);
        }
    }

    fn set_due_alarm(&self, out: &mut Outbox<ProducerPort>) {
        if self.due == self.workload.records {
            return;
        }
        match self.workload.rate {
            Rate::Unbounded => (),
            Rate::Every(gap) => out.set_timer(ProducerTimer::Due, gap),
            Rate::Poisson(mean) => {
                out.ask(Effect::SetTimerDrawn(ProducerTimer::Due, Distribution::Exponential(mean)));
            }
        }
    }

    /// The pause is over: what failed is sent again.
    pub(super) fn on_again(&mut self) {
        self.again.extend(self.failed.drain(..));
    }

    /// No more calls are made but the one that has not returned. Says how many that are fewer than were to be made.
    pub(super) fn give_up(&mut self) -> u32 {
        let records = self.sent + u32::from(self.blocked.is_some_and(|call| !call.is_again));
        self.due = self.due.min(records);
        std::mem::replace(&mut self.workload.records, records) - records
    }

    /// A call has returned. With `waits`, every so many the application stops until all are answered.
    #[inline]
    pub(super) fn returned(&mut self, is_again: bool) {
        if is_again {
            return;
        }
        self.sent += 1;
        self.waits = match self.workload.waits {
            Waits::None => false,
            Waits::Every(sends) => self.sent.is_multiple_of(sends),
        };
    }

    #[inline]
    fn holds_back(&self) -> bool {
        self.waits && !self.has_all_answers()
    }

    /// Whether there is a call to be made.
    #[inline]
    fn has_a_call(&self) -> bool {
        self.sent < self.due && !self.holds_back() || !self.again.is_empty()
    }

    /// The call to be made now: what is sent again goes first.
    pub(super) fn next_call(&mut self, now: Time) -> Call {
        let again = self.again.pop_front();
        let message = again.unwrap_or(MessageId(self.first.0 + self.sent));
        Call { message, is_again: again.is_some(), since: now, place: None }
    }

    /// Notes that a call was made; with an outbox, the message is in it from now on.
    pub(super) fn called(&mut self, call: &Call) {
        if self.workload.on_error == OnError::Outbox && !call.is_again {
            self.settled.push(false);
        }
    }

    /// The application hears what became of some messages and does about failures what it does. `can_send`: a call would not
    /// fail because the producer is being closed. Says whether it gives up.
    fn hears(&mut self, run: MessageRun, outcome: Outcome, can_send: bool) -> bool {
        let messages = run.first.0..run.first.0 + run.count;
        let again = match self.workload.on_error {
            OnError::Ignore | OnError::Log => return false,
            OnError::Stop => return outcome != Outcome::Success,
            OnError::Resend => outcome != Outcome::Success && !outcome.is_about_the_record(),
            OnError::Outbox => {
                let is_settled = outcome == Outcome::Success || outcome.is_about_the_record();
                if is_settled {
                    let numbers =
                        (messages.start - self.first.0) as usize..(messages.end - self.first.0) as usize;
                    self.settled[numbers].fill(true);
                }
                !is_settled
            }
        };
        if again && can_send {
            self.failed.extend(messages.map(MessageId));
        }
        false
    }

    /// The application threw a message away; an outbox has it still.
    pub(super) fn dropped(&mut self, message: MessageId) {
        if self.workload.on_error == OnError::Outbox {
            self.failed.push(message);
        }
    }

    /// Whether there is nothing that it means to send again before it ends.
    fn leaves_nothing(&self) -> bool {
        self.workload.at_end == AtEnd::Exit || self.again.is_empty() && self.failed.is_empty()
    }

    /// Whether the application sees to everything it has sent before it closes the producer.
    fn sees_to_all(&self) -> bool {
        match self.workload.at_end {
            AtEnd::Close => self.workload.on_error == OnError::Outbox,
            AtEnd::Flush => true,
            AtEnd::Exit => false,
        }
    }
}

impl Producer {
    /// Sends what is due, as far as nothing blocks.
    pub(super) fn run_application(&mut self, now: Time, out: &mut Outbox<ProducerPort>) {
        while self.can_application_go_on(now) {
            self.call_send(now, out);
        }
        if self.has_finished() && self.application.workload.at_end == AtEnd::Exit {
            self.end(out);
        }
    }

    /// Whether the application could make a call now, or one that blocked could return.
    #[inline]
    pub(super) fn can_application_go_on(&self, now: Time) -> bool {
        let application = &self.application;
        if !matches!(self.process, Process::Running | Process::Flushing) || application.slice == 0 {
            return false;
        }
        match application.blocked {
            None => application.has_a_call(),
            Some(Call { since, .. }) if now >= since + self.options.max_block => true,
            Some(Call { place: None, .. }) => self.metadata.partition_count() > 0,
            Some(Call { place: Some(_), .. }) => self.accumulator.has_memory(application.workload.size),
        }
    }

    /// After everything else: the application goes on later, or closes the producer, or is done.
    pub(super) fn pause_or_end(&mut self, now: Time, out: &mut Outbox<ProducerPort>) {
        if self.process == Process::Running && self.has_finished() {
            let sees_to_all = self.application.sees_to_all();
            self.process = if sees_to_all { Process::Flushing } else { Process::Closing };
            self.look_at_all();
            self.send_what_is_ready(now, out);
        }
        let is_through = match self.process {
            Process::NotStarted | Process::Running | Process::Ended => false,
            Process::Flushing => self.application.has_all_answers(),
            // `Sender.run`: also for answers that nobody waits for any more.
            Process::Closing => self.application.unanswered == 0 && self.network.in_flight_in_all() == 0,
        };
        if is_through {
            return self.end(out);
        }
        let application = &self.application;
        if application.slice == 0 && application.blocked.is_none() && application.has_a_call() {
            out.set_timer(ProducerTimer::Resume, Span::ZERO);
        }
    }

    /// Tells the application what became of some messages.
    #[inline]
    pub(super) fn tell(&mut self, run: MessageRun, outcome: Outcome, out: &mut Outbox<ProducerPort>) {
        let MessageRun { first, count } = run;
        self.application.unanswered -= count;
        out.note(Happened::Told { first, count, outcome });
        let can_send = self.process != Process::Closing;
        if self.application.hears(run, outcome, can_send) {
            let calls = self.application.give_up();
            if calls > 0 {
                out.note(Happened::GaveUp { calls });
            }
        }
        self.pause_if_anything_failed(out);
    }

    /// What failed is sent again after a pause.
    #[inline]
    pub(super) fn pause_if_anything_failed(&mut self, out: &mut Outbox<ProducerPort>) {
        if !self.application.failed.is_empty() && !self.pauses {
            self.pauses = true;
            out.set_timer(ProducerTimer::Again, PAUSE);
        }
    }

    /// The application has nothing more to do than to end.
    fn has_finished(&self) -> bool {
        let application = &self.application;
        self.process == Process::Running
            && (application.has_sent_all() || self.is_asked_to_end)
            && application.blocked.is_none()
            && !application.holds_back()
            && application.leaves_nothing()
    }

    /// The process ends. That is worth a word only if it takes something with it.
    fn end(&mut self, out: &mut Outbox<ProducerPort>) {
        if self.application.unanswered > 0 {
            out.note(Happened::Gone);
        }
        self.process = Process::Ended;
        out.ask(Effect::Exit);
    }
}
