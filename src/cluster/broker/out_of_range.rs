//! A follower whose fetch was out of its leader's range (`AbstractFetcherThread.handleOutOfRangeError`,
//! `AbstractFetcherThread.fetchOffsetAndTruncate`).
//!
//! It asks where the leader's log ends. If its own ends later it cuts there, even below its high watermark. If not, it asks
//! where the leader's log begins; if its own ends before that, retention has taken what it lacks: everything goes, and it
//! begins there. Else it goes on fetching from its own end, and Kafka admits that the two may differ.
//!
//! The loop asks for one replica after the other and fetches nothing meanwhile.

use super::{BrokerPort, Node};
use crate::cluster::protocol::{ErrorCode, ListOffsets, ListedOffset, LogEnd, Message};
use crate::cluster::units::LeaderEpoch;
use crate::devices::port::{Outbox, Peer};
use crate::kernel::units::{Bytes, Time};

/// What a loop has to ask about replicas that are out of range.
#[derive(Clone, Debug, Default)]
pub(super) struct OutOfRange {
    /// Which, by their places. The first is being asked about.
    places: Vec<u32>,
    /// What has been asked, under which epoch.
    asked: Option<(LogEnd, LeaderEpoch)>,
}

impl OutOfRange {
    /// Whether there is nothing to ask.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// A replica's fetch was out of range.
    pub(super) fn add(&mut self, place: usize) {
        self.places.push(place as u32);
    }

    /// The connection broke, or the loop gave up: the next fetch will be out of range again.
    pub(super) fn forget(&mut self) {
        *self = OutOfRange::default();
    }
}

impl Node<'_> {
    /// Asks where the leader's log ends or begins.
    pub(super) fn look_for_end(
        &mut self,
        now: Time,
        thread: usize,
        end: LogEnd,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let running = &mut *self.running;
        let asking = &mut running.fetchers[thread];
        let place = asking.out_of_range.places[0];
        let replica = &mut running.replicas[place as usize];
        let partition = replica.partition;
        let follower = replica.follower_mut().filter(|_| asking.places.contains(&place));
        let Some(epoch) = follower.map(|follower| follower.epoch) else {
            asking.out_of_range.places.remove(0);
            return self.fetch_from(now, thread, out);
        };
        if !asking.line.ready(out) {
            return;
        }
        asking.out_of_range.asked = Some((end, epoch));
        let replica = Some(self.config.id);
        let request = ListOffsets { replica, partition, current_leader_epoch: Some(epoch), end };
        asking.line.send(Message::ListOffsets(request), Bytes::new(80), out);
    }

    pub(super) fn on_listed_offset(
        &mut self,
        now: Time,
        peer: Peer,
        response: ListedOffset,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let thread = self.fetcher_of(peer.node).expect("a fetcher asked");
        let asking = &mut self.running.fetchers[thread];
        asking.line.answered();
        let (end, epoch) = asking.out_of_range.asked.take().expect("a fetcher asked for this");
        let place = asking.out_of_range.places[0] as usize;
        let is_mine = asking.places.contains(&(place as u32));
        let follower = self.running.replicas[place].follower_mut().copied();
        // It may have changed its role meanwhile.
        let is_current = follower.is_some_and(|follower| is_mine && follower.epoch == epoch);
        let ends_before = response.offset.is_some_and(|offset| offset < self.stored.logs[place].end());
        if is_current && response.error == ErrorCode::None && end == LogEnd::Latest && !ends_before {
            return self.look_for_end(now, thread, LogEnd::Earliest, out);
        }
        if is_current {
            self.go_on_in_range(now, place, (end, response), out);
        }
        self.running.fetchers[thread].out_of_range.places.remove(0);
        self.fetch_from(now, thread, out);
    }

    /// What the leader's last answer means.
    fn go_on_in_range(
        &mut self,
        now: Time,
        place: usize,
        (end, response): (LogEnd, ListedOffset),
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        if response.error == ErrorCode::FencedLeaderEpoch {
            self.running.replicas[place].follower_mut().expect("it follows").failed = true;
            return;
        }
        let Some(offset) = response.offset else {
            return self.delay(now, place);
        };
        // It goes on at once, whatever it had to wait for before.
        let follower = self.running.replicas[place].follower_mut().expect("it follows");
        (follower.waits_again, follower.answered) = (false, true);
        if end == LogEnd::Latest {
            return self.truncate(now, place, offset, out);
        }
        if offset > self.stored.logs[place].end() {
            self.restart_log(place, offset, out);
        }
        self.refresh_fetch_state(place);
    }
}
