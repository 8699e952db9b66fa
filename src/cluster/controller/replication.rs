//! The metadata log on its way to a majority: what is decided is written, fetched by the other voters, committed, and only
//! then answered and made known (`KafkaRaftClient`, `QuorumController`'s deferred events).
//!
//! A record counts for a voter once it is on that voter's disk: a follower fetches from beyond it only then. Whoever is active
//! goes by all it has decided; everybody else only by what is committed.

use super::quorum::Role;
use super::{ANSWER_SIZE, Controller, ControllerPort, File, Timer, Volatile, metadata_log};
use crate::cluster::happened::Happened;
use crate::cluster::planted::Planted;
use crate::cluster::protocol::{
    AlteredPartition, AlteredPartitions, ErrorCode, FetchMetadata, HeartbeatAnswer, Message, MetadataRecords,
    RegisteredBroker,
};
use crate::cluster::units::{MetadataOffset, Voters};
use crate::devices::port::{ConnectionId, Effect, Outbox};
use crate::kernel::units::{Bytes, Time};

/// An answer that waits until what led to it is committed.
#[derive(Clone, Debug)]
pub(super) struct Deferred {
    /// It may go once everything below is committed.
    end: MetadataOffset,
    connection: ConnectionId,
    answer: Answer,
    /// What the answer's list holds, if it has one: the list itself is given back meanwhile.
    altered: Vec<AlteredPartition>,
}

/// What a broker is answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Registered(RegisteredBroker),
    Heartbeat(HeartbeatAnswer),
    Altered(AlteredPartitions),
}

/// What a record that was replayed is to be reported as, once it is committed.
pub(super) type Reports = (MetadataOffset, [Option<Happened>; 2]);

impl Controller {
    /// Whether there is no other voter.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        self.voters.count == 1
    }

    /// Answers once what has been decided so far is committed: also an answer that tells only what is, for that may rest on
    /// what is not (`QuorumController`, `deferredEventQueue`).
    pub(super) fn answer(
        &mut self,
        connection: ConnectionId,
        answer: Answer,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let end = self.volatile.image.end();
        if end <= self.volatile.high_watermark {
            return respond(connection, answer, out);
        }
        let mut altered = Vec::new();
        if let Answer::Altered(answer) = answer {
            altered.append(out.store.altered.get_mut(answer.partitions));
            out.store.altered.give_back(answer.partitions);
        }
        self.volatile.deferred.push_back(Deferred { end, connection, answer, altered });
    }

    /// Appends what was decided on and makes it the state of things here. It is written somewhat later, with whatever else comes
    /// (`controller.quorum.append.linger.ms`, `BatchAccumulator`).
    pub(super) fn commit_planned(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        if self.volatile.planned.is_empty() {
            return;
        }
        let mut planned = std::mem::take(&mut self.volatile.planned);
        for &record in &planned {
            let offset = self.durable.log.append(record);
            self.replay(offset, &record, out);
        }
        planned.clear();
        self.volatile.planned = planned;
        if !self.volatile.lingers {
            self.volatile.lingers = true;
            out.set_timer(Timer::Linger, self.options.quorum_append_linger);
        }
    }

    pub(super) fn on_linger(&mut self, now: Time, out: &mut Outbox<'_, ControllerPort>) {
        self.write(out);
        if self.is_alone() {
            // It counts before it is on disk (`KafkaRaftClient.flushLeaderLog`).
            self.commit_up_to(now, self.volatile.written, out);
        }
        // Voters may have it before it is on this disk.
        self.answer_parked(out);
        if Planted::CommitWithoutQuorum.is(self.planted) {
            self.advance_high_watermark(now, out);
        }
    }

    /// Writes what is not in the file yet.
    pub(super) fn write(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        self.volatile.lingers = false;
        let (written, end) = (self.volatile.written, self.durable.log.end());
        if written < end {
            let records = &self.durable.log.records()[written.0 as usize..];
            let bytes = records.iter().map(metadata_log::size).fold(Bytes::ZERO, |all, one| all + one);
            self.volatile.written = end;
            out.ask(Effect::Append(File::MetadataLog, bytes));
            self.flush(out);
        }
    }

    /// Has what is written fsynced.
    pub(super) fn flush(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        self.volatile.flushes += 1;
        self.volatile.flushing.push((self.volatile.flushes, self.volatile.written));
        out.ask(Effect::Flush(File::MetadataLog, self.volatile.flushes));
    }

    /// What was written is on disk: for a leader that counts, and a follower fetches what comes next.
    pub(super) fn on_flushed(&mut self, now: Time, token: u32, out: &mut Outbox<'_, ControllerPort>) {
        let done = self.volatile.flushing.partition_point(|&(flush, _)| flush <= token);
        if let Some((_, end)) = self.volatile.flushing.drain(..done).next_back() {
            self.durable.flushed = self.durable.flushed.max(end);
        }
        match self.volatile.role {
            Role::Leader(_) if !self.is_alone() => self.advance_high_watermark(now, out),
            Role::Follower { leader, .. } => {
                let place = self.voters.place(leader).expect("a leader is a voter");
                self.speak_to(place, out);
            }
            Role::Leader(_)
            | Role::Unattached
            | Role::Prospective(_)
            | Role::Candidate(_)
            | Role::Resigned(_) => (),
        }
    }

    /// What a follower asks of its leader, once all it has is on disk.
    pub(super) fn fetch_request(&self) -> Option<Message> {
        let log = &self.durable.log;
        (self.durable.flushed == log.end()).then(|| {
            Message::FetchMetadata(FetchMetadata {
                replica: self.id,
                epoch: self.durable.standing.epoch,
                offset: log.end(),
                last_epoch: log.last_epoch(),
            })
        })
    }

    /// The leader has answered a fetch.
    pub(super) fn on_records(
        &mut self,
        now: Time,
        place: usize,
        response: MetadataRecords,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let retry = self.options.quorum_retry_backoff;
        let follows = matches!(self.volatile.role, Role::Follower { leader, .. }
            if self.voters.place(leader) == Some(place));
        if response.error != ErrorCode::None {
            self.volatile.lines[place].rest(retry, retry, out);
        } else if follows && response.epoch == self.durable.standing.epoch {
            self.volatile.role = Role::Follower { leader: self.voters.node(place), has_fetched: true };
            self.set_fetch_timeout(out);
            self.take_records(now, response, out);
        }
        self.hear_of(response.epoch, response.leader, out);
    }

    fn take_records(&mut self, now: Time, response: MetadataRecords, out: &mut Outbox<'_, ControllerPort>) {
        let log = &mut self.durable.log;
        if response.diverging {
            // An epoch of which the leader has nothing goes as a whole.
            let end = if response.up_to < log.end() { response.up_to } else { log.last_epoch_start() };
            return self.truncate(end, out);
        }
        for &record in out.store.metadata.get(response.records) {
            log.append(record);
        }
        let committed = response.up_to.min(log.end());
        self.write(out);
        if committed > self.volatile.high_watermark {
            self.commit_up_to(now, committed, out);
        }
    }

    fn truncate(&mut self, end: MetadataOffset, out: &mut Outbox<'_, ControllerPort>) {
        if Planted::CommitWithoutQuorum.is(self.planted) && end < self.volatile.high_watermark {
            self.volatile.high_watermark = end;
            self.volatile.image = self.load(end).image;
            self.reload_settings(end);
        }
        assert!(end >= self.volatile.high_watermark, "what is committed is never cut (KAFKA-12460)");
        self.durable.log.truncate(end);
        self.durable.flushed = self.durable.flushed.min(end);
        self.volatile.written = self.volatile.written.min(end);
        for (_, up_to) in &mut self.volatile.flushing {
            *up_to = end.min(*up_to);
        }
        out.ask(Effect::Truncate(File::MetadataLog, self.durable.log.bytes_up_to(end)));
    }

    /// Lets a leader's high watermark go as far as a majority's disks do, once that is beyond the beginning of its epoch
    /// (`LeaderState.maybeUpdateHighWatermark`).
    pub(super) fn advance_high_watermark(&mut self, now: Time, out: &mut Outbox<'_, ControllerPort>) {
        let Role::Leader(leading) = self.volatile.role else { panic!("only a leader counts") };
        let mut ends = leading.ends;
        ends[self.voters.place(self.id).expect("a controller is a voter")] = self.durable.flushed;
        let ends = &mut ends[..usize::from(self.voters.count).min(Voters::MOST)];
        ends.sort_unstable();
        let mut end = ends[ends.len() - self.voters.majority()];
        if Planted::CommitWithoutQuorum.is(self.planted) && self.volatile.active {
            end = self.volatile.written;
        }
        if end > leading.epoch_start && end > self.volatile.high_watermark {
            self.commit_up_to(now, end, out);
        }
    }

    fn commit_up_to(&mut self, now: Time, end: MetadataOffset, out: &mut Outbox<'_, ControllerPort>) {
        self.volatile.high_watermark = end;
        while self.volatile.unreported.front().is_some_and(|&(offset, _)| offset < end) {
            let (offset, reports) = self.volatile.unreported.pop_front().expect("it was just looked at");
            self.report(offset, reports, out);
        }
        // Whoever is not active goes by what is committed.
        while self.volatile.image.end() < end {
            let offset = self.volatile.image.end();
            let record = self.durable.log.records()[offset.0 as usize];
            self.replay(offset, &record, out);
        }
        while self.volatile.deferred.front().is_some_and(|deferred| deferred.end <= end) {
            let deferred = self.volatile.deferred.pop_front().expect("it was just looked at");
            deferred.go(out);
        }
        if let Role::Leader(leading) = self.volatile.role {
            if !self.volatile.active && end > leading.epoch_start {
                self.activate(now, out);
            }
            self.answer_parked(out);
        }
    }

    /// Reports what a committed record changed, if no controller has before.
    pub(super) fn report(
        &mut self,
        offset: MetadataOffset,
        reports: [Option<Happened>; 2],
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        if offset < self.durable.log.genesis_end() || offset < out.store.reported {
            return;
        }
        out.store.reported = MetadataOffset(offset.0 + 1);
        reports.into_iter().flatten().for_each(|happened| out.note(happened));
    }

    /// It is no longer active: what it has not written is forgotten, nobody is answered as if it had been committed, and it
    /// goes back to what it knows to be (`QuorumController.renounce`).
    pub(super) fn renounce(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        self.durable.log.truncate(self.volatile.written);
        self.volatile.lingers = false;
        self.volatile.planned.clear();
        self.volatile.unreported.clear();
        for Deferred { connection, answer, .. } in std::mem::take(&mut self.volatile.deferred) {
            Deferred { end: MetadataOffset(0), connection, answer: answer.refused(), altered: Vec::new() }
                .go(out);
        }
        if std::mem::take(&mut self.volatile.active) {
            out.note(Happened::ActiveController { epoch: self.durable.standing.epoch, active: false });
            for timer in [Timer::FenceStaleBrokers, Timer::ElectUncleanLeaders, Timer::ElectPreferredLeaders]
            {
                out.cancel_timer(timer);
            }
        }
        let Volatile { image, sessions, brokers, .. } = self.load(self.volatile.high_watermark);
        (self.volatile.image, self.volatile.sessions, self.volatile.brokers) = (image, sessions, brokers);
        self.reload_settings(self.volatile.high_watermark);
        self.answer_parked(out);
    }
}

impl Deferred {
    fn go(mut self, out: &mut Outbox<'_, ControllerPort>) {
        if let Answer::Altered(answer) = &mut self.answer {
            answer.partitions = out.store.altered.take();
            out.store.altered.get_mut(answer.partitions).append(&mut self.altered);
        }
        respond(self.connection, self.answer, out);
    }
}

impl Answer {
    /// The same from a controller that is not active. A list, if it has one, is empty.
    fn refused(self) -> Answer {
        let error = ErrorCode::NotController;
        match self {
            Answer::Registered(answer) => Answer::Registered(RegisteredBroker { error, ..answer }),
            Answer::Heartbeat(answer) => Answer::Heartbeat(HeartbeatAnswer { error, ..answer }),
            Answer::Altered(answer) => Answer::Altered(AlteredPartitions { error, ..answer }),
        }
    }
}

/// Answers at once.
pub(super) fn respond(connection: ConnectionId, answer: Answer, out: &mut Outbox<'_, ControllerPort>) {
    let (message, size) = match answer {
        Answer::Registered(answer) => (Message::RegisteredBroker(answer), ANSWER_SIZE),
        Answer::Heartbeat(answer) => (Message::HeartbeatAnswer(answer), ANSWER_SIZE),
        Answer::Altered(answer) => {
            let partitions = out.store.altered.get(answer.partitions).len();
            (Message::AlteredPartitions(answer), ANSWER_SIZE + Bytes::new(40 * partitions as u64))
        }
    };
    out.respond(connection, message, size);
}
