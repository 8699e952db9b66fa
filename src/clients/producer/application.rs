//! The application: when it calls `send()`, what a call does, and how the process ends.
//!
//! Records are due at instants of their own, whether or not the application was held up before: one that was blocked or
//! waited for answers catches up at once. A send that blocks for metadata is reported as called when the metadata is there,
//! for only then is its partition known.

use super::accumulator::{Appended, Place, Record};
use super::{Process, Producer, ProducerPort, ProducerTimer, partitioner, record_size};
use crate::clients::app::{AtEnd, Rate, Waits, Workload};
use crate::clients::happened::{Happened, Outcome};
use crate::cluster::store::MessageRun;
use crate::cluster::units::MessageId;
use crate::devices::port::{Effect, Outbox};
use crate::kernel::units::{Span, Time};

/// How many records an application may send before the sender has its turn: what is reported of them fits into a cache.
const SLICE: u32 = 256;

/// What the application has done so far.
#[derive(Clone, Debug)]
pub(super) struct Application {
    workload: Workload,
    first: MessageId,
    /// How many records it should have sent by now.
    due: u32,
    /// How many calls have returned.
    sent: u32,
    /// How many of these nobody has told it about.
    unanswered: u32,
    blocked: Option<Blocked>,
    /// It waits for all answers before it goes on.
    waits: bool,
    /// How many more calls it may make before the sender has its turn.
    slice: u32,
}

/// A call of `send()` that has not returned.
#[derive(Clone, Copy, Debug)]
struct Blocked {
    /// When it was made: `max.block.ms` counts from here.
    since: Time,
    /// The partition once it is chosen: it waits for memory then, and for metadata before.
    place: Option<Place>,
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
        match self.workload.rate {
            Rate::Unbounded => self.due = self.workload.records,
            Rate::Every(_) if self.workload.records > 0 => self.on_due(out),
            Rate::Every(_) => (),
            Rate::Poisson(_) => self.set_due_alarm(out),
        }
    }

    /// The next record is due.
    pub(super) fn on_due(&mut self, out: &mut Outbox<ProducerPort>) {
        self.due += 1;
        self.set_due_alarm(out);
    }

    fn set_due_alarm(&self, out: &mut Outbox<ProducerPort>) {
        if self.due == self.workload.records {
            return;
        }
        match self.workload.rate {
            Rate::Unbounded => (),
            Rate::Every(gap) => out.set_timer(ProducerTimer::Due, gap),
            Rate::Poisson(mean) => out.ask(Effect::SetTimerExponential(ProducerTimer::Due, mean)),
        }
    }

    /// A call has returned. With `waits`, every so many the application stops until all are answered.
    #[inline]
    fn returned(&mut self) {
        self.sent += 1;
        self.waits = match self.workload.waits {
            Waits::None => false,
            Waits::Every(sends) => self.sent.is_multiple_of(sends),
        };
    }

    #[inline]
    fn holds_back(&self) -> bool {
        self.waits && self.unanswered > 0
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
        if self.process != Process::Running
            || application.sent == application.due
            || application.slice == 0
            || application.holds_back()
        {
            return false;
        }
        match application.blocked {
            None => true,
            Some(Blocked { since, .. }) if now >= since + self.options.max_block => true,
            Some(Blocked { place: None, .. }) => self.metadata.is_known(),
            Some(Blocked { place: Some(_), .. }) => self.accumulator.has_memory(application.workload.size),
        }
    }

    /// After everything else: the application goes on later, or closes the producer, or is done.
    pub(super) fn pause_or_end(&mut self, now: Time, out: &mut Outbox<ProducerPort>) {
        if self.process == Process::Running && self.has_finished() {
            self.process = Process::Closing;
            self.look_at_all();
            self.send_what_is_ready(now, out);
        }
        if self.process == Process::Closing {
            if self.application.unanswered == 0 {
                self.end(out);
            }
            return;
        }
        let application = &self.application;
        let is_due = application.sent < application.due;
        if is_due && application.slice == 0 && application.blocked.is_none() && !application.holds_back() {
            out.set_timer(ProducerTimer::Resume, Span::ZERO);
        }
    }

    /// Tells the application what became of some messages.
    #[inline]
    pub(super) fn tell(&mut self, run: MessageRun, outcome: Outcome, out: &mut Outbox<ProducerPort>) {
        let MessageRun { first, count } = run;
        self.application.unanswered -= count;
        out.note(Happened::Told { first, count, outcome });
    }

    /// The application has nothing more to do than to end.
    fn has_finished(&self) -> bool {
        self.process == Process::Running && self.application.has_sent_all() && !self.application.holds_back()
    }

    /// The process ends. That is worth a word only if it takes something with it.
    fn end(&mut self, out: &mut Outbox<ProducerPort>) {
        if self.application.unanswered > 0 {
            out.note(Happened::Gone);
        }
        self.process = Process::Ended;
        out.ask(Effect::Exit);
    }

    /// One call of `send()`, or another try at one that blocked (`KafkaProducer.doSend`).
    fn call_send(&mut self, now: Time, out: &mut Outbox<ProducerPort>) {
        let Blocked { since, place } =
            self.application.blocked.take().unwrap_or(Blocked { since: now, place: None });
        let is_too_late = now >= since + self.options.max_block;
        let Workload { size, .. } = self.application.workload;
        let message = MessageId(self.application.first.0 + self.application.sent);
        let record = Record { message, size };
        let place = match place {
            Some(place) => place,
            None if !self.metadata.is_known() => {
                if is_too_late {
                    out.note(Happened::Called { message, partition: None });
                    return self.fail_send(message, Outcome::TimedOut, out);
                }
                return self.block(now, Blocked { since, place: None }, out);
            }
            None if self.is_too_large() => {
                let partition = self.place_by_key().map(|place| self.accumulator.partition(place).id);
                out.note(Happened::Called { message, partition });
                return self.fail_send(message, Outcome::TooLarge, out);
            }
            None => {
                let (place, appended) = self.choose_and_append(now, record);
                let partition = self.accumulator.partition(place).id;
                out.note(Happened::Called { message, partition: Some(partition) });
                if let Some(appended) = appended {
                    return self.accept(place, appended);
                }
                place
            }
        };
        if self.accumulator.has_memory(size) {
            let appended = self.accumulator.begin(now, place, record);
            self.wake_by(now, now + self.options.delivery_timeout, out);
            self.accept(place, appended);
        } else if is_too_late {
            self.fail_send(message, Outcome::TimedOut, out);
        } else {
            self.block(now, Blocked { since, place: Some(place) }, out);
        }
    }

    /// The partition of the next record, and what adding it to an open batch there came to.
    fn choose_and_append(&mut self, now: Time, record: Record) -> (Place, Option<Appended>) {
        if let Some(place) = self.place_by_key() {
            return (place, self.accumulator.append(now, place, record));
        }
        loop {
            let (metadata, partitions) = (&self.metadata, self.accumulator.partitions.len());
            let has_leader = |place: Place| metadata.leader(place.0 as usize).is_some();
            let place = self.partitioner.sticky(partitions, has_leader);
            if self.has_had_its_turn(place) {
                continue;
            }
            let appended = self.accumulator.append(now, place, record);
            // A batch without room for it is no longer open, and the turn may end here.
            if appended.is_none() && self.has_had_its_turn(place) {
                continue;
            }
            return (place, appended);
        }
    }

    /// Ends the turn of the sticky partition if it has had its share and has nothing open (`partitionChanged`).
    fn has_had_its_turn(&mut self, place: Place) -> bool {
        let is_over = self.partitioner.has_had_its_share() && self.accumulator.has_nothing_open(place);
        if is_over {
            self.partitioner.turn();
        }
        is_over
    }

    /// Key `n` is the decimal number n; message m of this producer has key m modulo `keys`.
    fn place_by_key(&self) -> Option<Place> {
        let keys = self.application.workload.keys;
        let key = self.application.sent.checked_rem(keys)?;
        Some(partitioner::for_key(key, self.accumulator.partitions.len()))
    }

    /// Whether `max.request.size` or `buffer.memory` can never hold a record.
    fn is_too_large(&self) -> bool {
        let size = self.application.workload.size;
        record_size::upper_bound(size) > self.options.max_request_size
            || self.accumulator.needs(size) > self.options.buffer_memory
    }

    /// The record is in a batch: the call returns.
    fn accept(&mut self, place: Place, appended: Appended) {
        if self.application.workload.keys == 0 {
            self.partitioner.produced(appended.bytes, self.accumulator.has_nothing_open(place));
        }
        self.application.slice -= 1;
        self.application.unanswered += 1;
        self.application.returned();
        if appended.wakes_sender {
            self.enlist(place);
        }
    }

    /// The call fails: the future it returns, or the exception, says so at once.
    fn fail_send(&mut self, message: MessageId, outcome: Outcome, out: &mut Outbox<ProducerPort>) {
        self.application.slice -= 1;
        self.application.unanswered += 1;
        self.tell(MessageRun { first: message, count: 1 }, outcome, out);
        self.application.returned();
    }

    fn block(&mut self, now: Time, blocked: Blocked, out: &mut Outbox<ProducerPort>) {
        self.application.blocked = Some(blocked);
        self.wake_by(now, blocked.since + self.options.max_block, out);
        if blocked.place.is_some() {
            self.look_at_all();
        }
    }
}
