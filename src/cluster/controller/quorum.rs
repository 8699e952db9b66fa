//! Who of the voters leads: a voter's roles, and how it comes from one to another (`KafkaRaftClient`, `QuorumState`; KIP-595,
//! and pre-votes of KIP-996).
//!
//! The leader of the quorum becomes the active controller once its epoch's first record is committed. A single voter always
//! leads, and none of this happens.
//!
//! Before it tells anybody of a new epoch, a vote or a leader it writes that down, which takes an fsync.
//!
//! Departure from Kafka: while it writes that down, a voter still takes fetches; there its one thread waits. Voters never change
//! (KIP-853). One that knows no leader waits for the leader's BeginQuorumEpoch, which comes every half of
//! `controller.quorum.fetch.timeout.ms`; there it fetches from one voter after the other until one names the leader. And a fetch
//! timeout rings up to [`DRIFT`] late: on a running cluster two voters whose fetches were last answered at the same time found
//! out 1 to 28 ms apart, most of them 1 or 2, and six of 22 deaths of an active controller split the vote.

use super::{Controller, ControllerPort, File, Timer};
use crate::cluster::line::{Alarm, Line, LineOptions};
use crate::cluster::protocol::{
    BeginQuorumEpoch, EndQuorumEpoch, Message, MetadataRecord, QuorumAnswer, Vote,
};
use crate::cluster::units::{MetadataOffset, QuorumEpoch, Replicas, Voters};
use crate::devices::port::{Channel, ConnectionId, Effect, Outbox, Peer};
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// What a voter is in its epoch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// It leads.
    Leader(Leading),
    /// It fetches from the leader.
    Follower {
        /// Whom.
        leader: NodeId,
        /// Whether the leader has answered a fetch: then it is not given up for another that asks.
        has_fetched: bool,
    },
    /// It knows no leader, and waits for one.
    Unattached,
    /// It asks whether it would be elected.
    Prospective(Votes),
    /// It wants to be elected.
    Candidate(Votes),
    /// It has led, and tells the others that it does no more. Which of them have been told, by place.
    Resigned(Places),
}

/// What a leader knows of the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leading {
    /// Where the record of its own election lies.
    pub(super) epoch_start: MetadataOffset,
    /// From where each voter fetched last, by place: it has everything below on its disk.
    pub(super) ends: [MetadataOffset; Voters::MOST],
    /// How far each voter has been told that records are committed, by place.
    pub(super) told: [MetadataOffset; Voters::MOST],
    /// Who has fetched since a majority last had.
    pub(super) fetched: Places,
    /// Who need not be told for the moment that this one leads.
    greeted: Places,
    /// Who has fetched since that was looked at last.
    recent: Places,
}

/// A set of voters, by their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(u8);

impl Places {
    pub(super) fn contains(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }

    pub(super) fn insert(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }
}

/// The votes of an election (`EpochElection`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Votes {
    granted: Places,
    rejected: Places,
}

impl Votes {
    fn is_recorded(self, place: usize) -> bool {
        self.granted.contains(place) || self.rejected.contains(place)
    }

    /// Whether so many can no longer be against the rest.
    fn is_lost(self, voters: Voters) -> bool {
        usize::from(voters.count) - self.rejected.len() < voters.majority()
    }
}

/// `BeginQuorumEpoch` and the like on the wire.
const SIZE: Bytes = Bytes::new(120);
/// `quorum-state`, in JSON.
const STANDING_SIZE: Bytes = Bytes::new(150);
/// How late a fetch timeout may be noticed.
const DRIFT: Span = Span::from_milliseconds(5);
/// The reconnect back-offs of the raft client (`KafkaRaftManager`).
const RECONNECT: Span = Span::from_milliseconds(50);
const RECONNECT_MAX: Span = Span::from_milliseconds(500);
/// The voters' connections to each other.
const QUORUM: Channel = Channel(0);

impl Controller {
    /// The lines to all voters, by place; the one to itself is never used.
    pub(super) fn lines(voters: Voters, request_timeout: Span) -> Vec<Line<Timer>> {
        let options = LineOptions {
            round_trips: 2,
            request_timeout,
            reconnect_backoff: RECONNECT,
            reconnect_backoff_max: RECONNECT_MAX,
            setup_timeout: request_timeout,
        };
        let line = |node| Line::new(Peer { node, channel: QUORUM }, options, Timer::VoterLine(node));
        voters.iter().map(line).collect()
    }

    /// A voter's process begins. At the beginning of the run the first has led for long, and the others are somewhere between
    /// two fetches; later it is what its disk says (`QuorumState.initialize`).
    pub(super) fn join_quorum(&mut self, now: Time, out: &mut Outbox<'_, ControllerPort>) {
        if !self.has_started {
            if self.id == self.voters.first {
                self.lead(self.durable.log.genesis_end(), out);
                return self.activate(now, out);
            }
            self.follow(self.voters.first, out);
            self.volatile.role = Role::Follower { leader: self.voters.first, has_fetched: true };
            return;
        }
        self.write_standing(out);
        self.flush(out);
        match self.durable.standing.leader {
            Some(leader) if leader == self.id => {
                self.volatile.role = Role::Resigned(Places::default());
                self.set_election_timeout(out);
                self.speak_to_all(out);
            }
            Some(leader) => self.follow(leader, out),
            None => self.wait_for_leader(out),
        }
    }

    /// The time of its role is over.
    pub(super) fn on_quorum_timer(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        if self.is_writing_standing() {
            self.volatile.rang = true;
            return;
        }
        match self.volatile.role {
            // No majority has fetched for one and a half fetch timeouts (KAFKA-15489).
            Role::Leader(_) => self.resign(out),
            Role::Follower { .. } | Role::Unattached | Role::Candidate(_) => self.ask_for_pre_votes(out),
            Role::Prospective(_) => self.give_up_election(out),
            Role::Resigned(_) if self.volatile.stopping => out.ask(Effect::Exit),
            Role::Resigned(_) => {
                let next = QuorumEpoch(self.durable.standing.epoch.0 + 1);
                self.enter_epoch(next, None, out);
            }
        }
    }

    /// It is asked to end: at once, unless it leads. Then it resigns first, and waits for another to be elected.
    pub(super) fn on_stop(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        match self.volatile.role {
            Role::Leader(_) if self.voters.count > 1 => {
                self.volatile.stopping = true;
                self.resign(out);
            }
            Role::Leader(_)
            | Role::Follower { .. }
            | Role::Unattached
            | Role::Prospective(_)
            | Role::Candidate(_)
            | Role::Resigned(_) => out.ask(Effect::Exit),
        }
    }

    /// Vote.
    pub(super) fn on_vote(
        &mut self,
        connection: ConnectionId,
        request: Vote,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let Vote { candidate, epoch, last_epoch, end, pre_vote } = request;
        if epoch > self.durable.standing.epoch {
            self.enter_epoch(epoch, None, out);
        }
        let log = &self.durable.log;
        let is_up_to_date = (last_epoch, end) >= (log.last_epoch(), log.end());
        let standing = &mut self.durable.standing;
        let granted = epoch == standing.epoch
            && match self.volatile.role {
                Role::Leader(_) => false,
                Role::Follower { has_fetched, .. } => pre_vote && !has_fetched && is_up_to_date,
                Role::Candidate(_) | Role::Resigned(_) => pre_vote && is_up_to_date,
                Role::Unattached | Role::Prospective(_) if pre_vote => is_up_to_date,
                Role::Unattached | Role::Prospective(_) => match (standing.voted, standing.leader) {
                    (Some(voted), _) => voted == candidate,
                    (None, Some(_)) => false,
                    (None, None) => is_up_to_date,
                },
            };
        if granted && !pre_vote && standing.voted.is_none() {
            standing.voted = Some(candidate);
            self.write_standing(out);
            self.set_election_timeout(out);
        }
        self.answer_voter(connection, granted, out);
    }

    /// BeginQuorumEpoch.
    pub(super) fn on_begin_quorum_epoch(
        &mut self,
        connection: ConnectionId,
        request: BeginQuorumEpoch,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        self.hear_of(request.epoch, Some(request.leader), out);
        self.answer_voter(connection, false, out);
    }

    /// EndQuorumEpoch: whoever has most wants to be elected at once, the others somewhat later, each twice as long after.
    pub(super) fn on_end_quorum_epoch(
        &mut self,
        connection: ConnectionId,
        request: EndQuorumEpoch,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let EndQuorumEpoch { leader, epoch, successors } = request;
        self.hear_of(epoch, Some(leader), out);
        let follows = matches!(self.volatile.role, Role::Follower { leader: one, .. } if one == leader);
        if follows && epoch == self.durable.standing.epoch {
            let most = self.options.quorum_election_backoff_max;
            let backoff = match successors.iter().position(|one| one == self.id) {
                Some(0) => Span::ZERO,
                Some(place) => (most / (1 << (successors.len() - 1)) * (1 << (place - 1))).min(most),
                None => most,
            };
            out.set_timer(Timer::Quorum, backoff);
        }
        self.answer_voter(connection, false, out);
    }

    /// A voter has answered.
    pub(super) fn on_quorum_answer(
        &mut self,
        place: usize,
        answer: QuorumAnswer,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let QuorumAnswer { epoch, leader, granted } = answer;
        if epoch == self.durable.standing.epoch {
            match &mut self.volatile.role {
                Role::Leader(leading) => leading.greeted.insert(place),
                Role::Resigned(told) => told.insert(place),
                Role::Follower { .. } | Role::Unattached => (),
                Role::Prospective(votes) | Role::Candidate(votes) => {
                    let one_more = if granted { &mut votes.granted } else { &mut votes.rejected };
                    one_more.insert(place);
                    let (votes, majority) = (*votes, self.voters.majority());
                    let is_pre_vote = matches!(self.volatile.role, Role::Prospective(_));
                    if votes.granted.len() >= majority {
                        if is_pre_vote { self.ask_for_votes(out) } else { self.win(out) }
                    } else if is_pre_vote && votes.is_lost(self.voters) {
                        // A candidate waits for its time to be over instead.
                        self.give_up_election(out);
                    }
                }
            }
        }
        self.hear_of(epoch, leader, out);
    }

    /// Says to a voter what is to be said, if its line is free.
    pub(super) fn speak_to(&mut self, place: usize, out: &mut Outbox<'_, ControllerPort>) {
        let voter = self.voters.node(place);
        if voter == self.id || self.volatile.lines[place].is_waiting() || self.is_writing_standing() {
            return;
        }
        let Some(message) = self.to_say(voter, place) else { return };
        let line = &mut self.volatile.lines[place];
        if line.ready(out) {
            line.send(message, SIZE, out);
        }
    }

    fn to_say(&self, voter: NodeId, place: usize) -> Option<Message> {
        let (epoch, id) = (self.durable.standing.epoch, self.id);
        let vote = |pre_vote| {
            let (last_epoch, end) = (self.durable.log.last_epoch(), self.durable.log.end());
            Message::Vote(Vote { candidate: id, epoch, last_epoch, end, pre_vote })
        };
        match self.volatile.role {
            Role::Leader(leading) if !leading.greeted.contains(place) => {
                Some(Message::BeginQuorumEpoch(BeginQuorumEpoch { leader: id, epoch }))
            }
            Role::Follower { leader, .. } if leader == voter => self.fetch_request(),
            Role::Prospective(votes) if !votes.is_recorded(place) && !votes.is_lost(self.voters) => {
                Some(vote(true))
            }
            Role::Candidate(votes) if !votes.is_recorded(place) && !votes.is_lost(self.voters) => {
                Some(vote(false))
            }
            Role::Resigned(told) if !told.contains(place) => {
                let successors = self.volatile.successors;
                Some(Message::EndQuorumEpoch(EndQuorumEpoch { leader: id, epoch, successors }))
            }
            Role::Leader(_)
            | Role::Follower { .. }
            | Role::Unattached
            | Role::Prospective(_)
            | Role::Candidate(_)
            | Role::Resigned(_) => None,
        }
    }

    pub(super) fn on_voter_line(&mut self, voter: NodeId, out: &mut Outbox<'_, ControllerPort>) {
        let place = self.voters.place(voter).expect("lines go to voters");
        match self.volatile.lines[place].alarm(out) {
            Alarm::MayConnect => self.speak_to(place, out),
            // The line backs off and comes again.
            Alarm::GaveUp | Alarm::Stale => (),
        }
    }

    /// Tells those who have not fetched for a while that this one leads.
    pub(super) fn on_greet(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        let Role::Leader(leading) = &mut self.volatile.role else { panic!("only a leader greets") };
        leading.greeted = std::mem::take(&mut leading.recent);
        out.set_timer(Timer::Greet, self.options.quorum_fetch_timeout / 2);
        self.speak_to_all(out);
    }

    /// A voter has fetched from this leader; a majority that does keeps it in office.
    pub(super) fn count_fetch(&mut self, place: usize, out: &mut Outbox<'_, ControllerPort>) {
        let Role::Leader(leading) = &mut self.volatile.role else { panic!("only a leader is fetched from") };
        leading.greeted.insert(place);
        leading.recent.insert(place);
        leading.fetched.insert(place);
        // With itself.
        if leading.fetched.len() + 1 >= self.voters.majority() {
            leading.fetched = Places::default();
            self.set_check_quorum(out);
        }
    }

    /// What an answer or a request says of an epoch (`maybeTransition`).
    pub(super) fn hear_of(
        &mut self,
        epoch: QuorumEpoch,
        leader: Option<NodeId>,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let standing = self.durable.standing;
        let leader = leader.filter(|&leader| leader != self.id);
        if epoch > standing.epoch
            || (epoch == standing.epoch && standing.leader.is_none() && leader.is_some())
        {
            self.enter_epoch(epoch, leader, out);
        }
        self.speak_to_all(out);
    }

    fn enter_epoch(
        &mut self,
        epoch: QuorumEpoch,
        leader: Option<NodeId>,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        self.step_down(out);
        let standing = &mut self.durable.standing;
        if epoch > standing.epoch {
            standing.voted = None;
        }
        (standing.epoch, standing.leader) = (epoch, leader);
        self.write_standing(out);
        if self.volatile.stopping {
            return out.ask(Effect::Exit);
        }
        match leader {
            Some(leader) => self.follow(leader, out),
            None => self.wait_for_leader(out),
        }
    }

    fn follow(&mut self, leader: NodeId, out: &mut Outbox<'_, ControllerPort>) {
        self.volatile.role = Role::Follower { leader, has_fetched: false };
        self.set_fetch_timeout(out);
        self.speak_to_all(out);
    }

    fn wait_for_leader(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        self.volatile.role = Role::Unattached;
        self.set_election_timeout(out);
    }

    fn ask_for_pre_votes(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        self.volatile.role = Role::Prospective(self.own_vote());
        self.set_election_timeout(out);
        self.speak_to_all(out);
    }

    fn ask_for_votes(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        let standing = &mut self.durable.standing;
        standing.epoch.0 += 1;
        (standing.voted, standing.leader) = (Some(self.id), None);
        self.write_standing(out);
        self.volatile.role = Role::Candidate(self.own_vote());
        self.set_election_timeout(out);
        self.speak_to_all(out);
    }

    fn own_vote(&self) -> Votes {
        let mut votes = Votes::default();
        votes.granted.insert(self.voters.place(self.id).expect("a controller is a voter"));
        votes
    }

    /// It would not be elected, or was not told in time (`prospectiveTransitionAfterElectionLoss`).
    fn give_up_election(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        match self.durable.standing.leader {
            Some(leader) if leader != self.id => self.follow(leader, out),
            Some(_) | None => self.wait_for_leader(out),
        }
    }

    /// Elected: it leads once that is written down.
    fn win(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        if self.durable.standing.leader != Some(self.id) {
            self.durable.standing.leader = Some(self.id);
            self.write_standing(out);
        }
    }

    /// What its log holds beyond what it knows to be committed is committed with the record of its election.
    fn take_office(&mut self, now: Time, out: &mut Outbox<'_, ControllerPort>) {
        let epoch = self.durable.standing.epoch;
        let epoch_start = self.durable.log.append(MetadataRecord::LeaderChange { leader: self.id, epoch });
        self.lead(epoch_start, out);
        self.write(out);
        self.advance_high_watermark(now, out);
    }

    fn lead(&mut self, epoch_start: MetadataOffset, out: &mut Outbox<'_, ControllerPort>) {
        self.volatile.role = Role::Leader(Leading {
            epoch_start,
            ends: [MetadataOffset(0); Voters::MOST],
            told: [MetadataOffset(0); Voters::MOST],
            fetched: Places::default(),
            greeted: Places::default(),
            recent: Places::default(),
        });
        if self.is_alone() {
            return;
        }
        self.set_check_quorum(out);
        out.set_timer(Timer::Greet, self.options.quorum_fetch_timeout / 2);
        // A run begins in the middle of an interval.
        let interval = self.options.metadata_max_idle_interval;
        if interval < Span::FOREVER {
            let least = if self.has_started { interval } else { Span::ZERO };
            out.ask(Effect::SetTimer(Timer::NoOp, least, interval));
        }
        self.speak_to_all(out);
    }

    fn resign(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        let Role::Leader(leading) = self.volatile.role else { panic!("only a leader resigns") };
        let mut others: Vec<usize> = (0..usize::from(self.voters.count)).collect();
        others.retain(|&place| self.voters.node(place) != self.id);
        others.sort_by_key(|&place| std::cmp::Reverse(leading.ends[place]));
        self.volatile.successors = Replicas::of(others.into_iter().map(|place| self.voters.node(place)));
        self.step_down(out);
        self.volatile.role = Role::Resigned(Places::default());
        self.set_election_timeout(out);
        self.speak_to_all(out);
    }

    /// Whatever only a leader has ends.
    fn step_down(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        if !matches!(self.volatile.role, Role::Leader(_)) {
            return;
        }
        self.volatile.role = Role::Unattached;
        for timer in [Timer::Greet, Timer::NoOp, Timer::Linger] {
            out.cancel_timer(timer);
        }
        self.renounce(out);
    }

    fn speak_to_all(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        for place in 0..usize::from(self.voters.count) {
            self.speak_to(place, out);
        }
    }

    fn answer_voter(
        &mut self,
        connection: ConnectionId,
        granted: bool,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        let super::Standing { epoch, leader, .. } = self.durable.standing;
        let answer = QuorumAnswer { epoch, leader, granted };
        if self.is_writing_standing() {
            return self.volatile.unanswered.push((connection, answer));
        }
        out.respond(connection, Message::QuorumAnswer(answer), SIZE);
    }

    /// Writes down epoch, vote and leader (`QuorumState.durableTransitionTo`): until that is on disk nobody hears of it.
    fn write_standing(&mut self, out: &mut Outbox<'_, ControllerPort>) {
        self.durable.standing_writes += 1;
        out.ask(Effect::Replace(File::QuorumState, STANDING_SIZE, self.durable.standing_writes));
    }

    fn is_writing_standing(&self) -> bool {
        self.volatile.standing_written != self.durable.standing_writes
    }

    /// The standing is on disk: whatever waited for that goes on.
    pub(super) fn on_standing_written(
        &mut self,
        now: Time,
        token: u32,
        out: &mut Outbox<'_, ControllerPort>,
    ) {
        self.volatile.standing_written = token;
        if self.is_writing_standing() {
            return;
        }
        for (connection, answer) in std::mem::take(&mut self.volatile.unanswered) {
            out.respond(connection, Message::QuorumAnswer(answer), SIZE);
        }
        let is_elected = self.durable.standing.leader == Some(self.id);
        if is_elected && matches!(self.volatile.role, Role::Candidate(_)) {
            self.volatile.rang = false;
            return self.take_office(now, out);
        }
        if std::mem::take(&mut self.volatile.rang) {
            self.on_quorum_timer(out);
        }
        self.speak_to_all(out);
    }

    pub(super) fn set_fetch_timeout(&self, out: &mut Outbox<'_, ControllerPort>) {
        let timeout = self.options.quorum_fetch_timeout;
        out.ask(Effect::SetTimer(Timer::Quorum, timeout, timeout + DRIFT));
    }

    /// `randomElectionTimeoutMs`: once to twice `controller.quorum.election.timeout.ms`.
    fn set_election_timeout(&self, out: &mut Outbox<'_, ControllerPort>) {
        let timeout = self.options.quorum_election_timeout;
        out.ask(Effect::SetTimer(Timer::Quorum, timeout, timeout * 2));
    }

    /// `LeaderState.CHECK_QUORUM_TIMEOUT_FACTOR`: one and a half fetch timeouts.
    fn set_check_quorum(&self, out: &mut Outbox<'_, ControllerPort>) {
        out.set_timer(Timer::Quorum, self.options.quorum_fetch_timeout * 3 / 2);
    }
}
