//! What a leader knows of its followers, and the high watermark that follows from it (`kafka.cluster.Partition`,
//! `org.apache.kafka.server.replica.Replica`).

use super::isr::Isr;
use crate::cluster::protocol::PartitionState;
use crate::cluster::units::{BrokerEpoch, LeaderEpoch, Offset, Replicas};
use crate::kernel::units::{NodeId, Span, Time};

/// A replica that leads.
#[derive(Clone, Debug)]
pub struct Leader {
    me: NodeId,
    epoch: LeaderEpoch,
    start: Offset,
    replicas: Replicas,
    /// The in-sync set.
    pub isr: Isr,
    remotes: [Remote; Replicas::MOST],
}

/// A follower as the leader sees it through its fetches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remote {
    /// Its log end: the offset of its last fetch. None: it has not fetched in this leadership.
    pub log_end: Option<Offset>,
    /// As whom it fetched last; none: it has not in this leadership.
    pub fetched_as: Option<FetchedAs>,
    last_fetch: Option<Time>,
    leader_end_at_last_fetch: Option<Offset>,
    /// None: never, which at the beginning of a run is not the same as at time zero.
    last_caught_up: Option<Time>,
}

/// As whom a follower fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchedAs {
    /// A process that has not registered yet.
    Unregistered,
    /// The process of this registration.
    Registered(BrokerEpoch),
}

impl FetchedAs {
    /// What a fetch with this broker epoch says.
    pub fn from_epoch(epoch: Option<BrokerEpoch>) -> FetchedAs {
        epoch.map_or(FetchedAs::Unregistered, FetchedAs::Registered)
    }

    /// The epoch to be checked, if there is one.
    pub fn epoch(self) -> Option<BrokerEpoch> {
        match self {
            FetchedAs::Unregistered => None,
            FetchedAs::Registered(epoch) => Some(epoch),
        }
    }
}

impl Leader {
    /// A replica that becomes leader. Every follower's log end is unknown, so the high watermark cannot move until each
    /// member of the in-sync set has fetched; members count as caught up now, others as never (`resetReplicaState`).
    pub fn new(me: NodeId, state: &PartitionState, now: Time, log_end: Offset) -> Leader {
        let mut leader = Leader {
            me,
            epoch: state.leader_epoch,
            start: log_end,
            replicas: state.replicas,
            isr: Isr::committed_as(state.isr),
            remotes: [Remote::default(); Replicas::MOST],
        };
        for (place, replica) in state.replicas.iter().enumerate() {
            if state.isr.contains(replica) {
                leader.remotes[place].last_caught_up = Some(now);
            }
        }
        leader
    }

    /// A leader elected again, under another epoch: it keeps what it knows of its followers' logs.
    pub fn renew(&mut self, state: &PartitionState, now: Time, log_end: Offset) {
        self.adopt(state);
        self.epoch = state.leader_epoch;
        self.start = log_end;
        for (place, replica) in state.replicas.iter().enumerate() {
            let in_sync = state.isr.contains(replica).then_some(now);
            let remote = &mut self.remotes[place];
            remote.last_caught_up = in_sync;
            remote.last_fetch = in_sync;
            remote.leader_end_at_last_fetch = Some(log_end);
        }
    }

    /// The controller's newest word within the same epoch: replicas and in-sync set; whatever was pending is settled.
    pub fn adopt(&mut self, state: &PartitionState) {
        if self.replicas != state.replicas {
            let (before, known) = (self.replicas, self.remotes);
            for (place, replica) in state.replicas.iter().enumerate() {
                let old_place = before.iter().position(|old| old == replica);
                self.remotes[place] = old_place.map_or(Remote::default(), |old| known[old]);
            }
            self.replicas = state.replicas;
        }
        self.isr.commit(state.isr);
    }

    /// Under which epoch it leads.
    #[inline]
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// Its log end when it became leader under this epoch.
    #[inline]
    pub fn start(&self) -> Offset {
        self.start
    }

    /// What is known of a follower; none if it holds no replica.
    #[inline]
    pub fn remote(&self, replica: NodeId) -> Option<&Remote> {
        self.replicas.iter().position(|one| one == replica).map(|place| &self.remotes[place])
    }

    /// All followers with what is known of them.
    #[inline]
    pub fn remotes(&self) -> impl Iterator<Item = (NodeId, &Remote)> {
        self.replicas.iter().zip(&self.remotes).filter(|&(replica, _)| replica != self.me)
    }

    /// A follower has fetched from `fetch_offset` at `now`, when the log ended at `log_end` before the read. Gives its log
    /// end as known before. It counts as caught up now if it asked for the log end, or as of its previous fetch if it asked
    /// for what was the log end then: a follower that is steadily a little behind stays in sync.
    #[inline]
    pub fn fetched(
        &mut self,
        replica: NodeId,
        fetch_offset: Offset,
        fetched_as: FetchedAs,
        now: Time,
        log_end: Offset,
    ) -> Option<Offset> {
        let place =
            self.replicas.iter().position(|one| one == replica).expect("a replica of the partition fetches");
        let remote = &mut self.remotes[place];
        if fetch_offset >= log_end {
            remote.last_caught_up = remote.last_caught_up.max(Some(now));
        } else if remote.leader_end_at_last_fetch.is_none_or(|end| fetch_offset >= end) {
            remote.last_caught_up = remote.last_caught_up.max(remote.last_fetch);
        }
        remote.last_fetch = Some(now);
        remote.leader_end_at_last_fetch = remote.leader_end_at_last_fetch.max(Some(log_end));
        remote.fetched_as = Some(fetched_as);
        remote.log_end.replace(fetch_offset)
    }

    /// Where the high watermark may go: the least log end among the leader, everyone in the maximal in-sync set, and whoever is
    /// caught up and may join it (`maybeIncrementLeaderHW`). None: it must stand still, because the in-sync set is smaller than
    /// `min_isr` or somebody who counts has not fetched yet. The result may lie below where it is.
    #[inline]
    pub fn high_watermark_limit(
        &self,
        now: Time,
        log_end: Offset,
        min_isr: Option<usize>,
        lag_max: Span,
        may_join: impl Fn(NodeId, Option<FetchedAs>) -> bool,
    ) -> Option<Offset> {
        if min_isr.is_some_and(|least| self.isr.committed().len() < least) {
            return None;
        }
        let maximal = self.isr.maximal();
        let mut limit = log_end;
        for (replica, remote) in self.remotes() {
            let behind = remote.log_end.is_none_or(|end| end < limit);
            if behind
                && (maximal.contains(replica)
                    || (remote.is_caught_up(log_end, now, lag_max) && may_join(replica, remote.fetched_as)))
            {
                limit = remote.log_end?;
            }
        }
        Some(limit)
    }

    /// The members of the in-sync set that have not caught up for `lag_max`; nobody while a change is pending.
    pub fn out_of_sync(&self, now: Time, log_end: Offset, lag_max: Span) -> Replicas {
        if self.isr.pending().is_some() {
            return Replicas::NONE;
        }
        Replicas::of(self.remotes().filter_map(|(replica, remote)| {
            (self.isr.committed().contains(replica) && !remote.is_caught_up(log_end, now, lag_max))
                .then_some(replica)
        }))
    }

    /// Whether a follower that has just fetched should be proposed for the in-sync set: nothing is pending, it is not in, it is
    /// eligible, and it has all that is committed and all from before this leadership (KAFKA-7128).
    pub fn should_expand(&self, replica: NodeId, high_watermark: Offset, eligible: bool) -> bool {
        eligible
            && self.isr.pending().is_none()
            && !self.isr.committed().contains(replica)
            && self
                .remote(replica)
                .and_then(|remote| remote.log_end)
                .is_some_and(|end| end >= high_watermark && end >= self.start)
    }
}

impl Remote {
    /// Whether it has all of the log, or had within `lag_max`: an idle follower is never out of sync.
    #[inline]
    fn is_caught_up(&self, leader_end: Offset, now: Time, lag_max: Span) -> bool {
        self.log_end == Some(leader_end) || self.last_caught_up.is_some_and(|at| now.since(at) <= lag_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::units::PartitionEpoch;

    const LAG: Span = Span::from_seconds(30);

    fn leader(isr: &[u16], now: Time) -> Leader {
        Leader::new(NodeId(1), &state(&[1, 2, 3], isr), now, Offset(100))
    }

    fn state(replicas: &[u16], isr: &[u16]) -> PartitionState {
        let set = |ids: &[u16]| Replicas::of(ids.iter().copied().map(NodeId));
        PartitionState {
            replicas: set(replicas),
            isr: set(isr),
            removing: 0,
            elr: Replicas::NONE,
            last_known_leader: None,
            leader: Some(NodeId(1)),
            leader_epoch: LeaderEpoch(4),
            partition_epoch: PartitionEpoch(9),
            recovering: false,
        }
    }

    const REGISTERED: FetchedAs = FetchedAs::Registered(BrokerEpoch(1));

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_seconds(seconds)
    }

    fn limit(leader: &Leader, now: Time, min_isr: usize, joinable: bool) -> Option<u64> {
        leader
            .high_watermark_limit(now, Offset(110), Some(min_isr), LAG, |_, _| joinable)
            .map(|offset| offset.0)
    }

    #[test]
    fn the_high_watermark_waits_for_every_member_to_fetch_in_this_leadership() {
        let mut leader = leader(&[1, 2, 3], at(100));
        assert_eq!(limit(&leader, at(100), 2, true), None);
        leader.fetched(NodeId(2), Offset(105), FetchedAs::Registered(BrokerEpoch(1)), at(101), Offset(110));
        assert_eq!(limit(&leader, at(101), 2, true), None);
        leader.fetched(NodeId(3), Offset(102), FetchedAs::Registered(BrokerEpoch(1)), at(101), Offset(110));
        assert_eq!(limit(&leader, at(101), 2, true), Some(102));
    }

    #[test]
    fn below_min_insync_replicas_it_stands_still() {
        let leader = leader(&[1], at(100));
        assert_eq!(limit(&leader, at(100), 2, false), None);
        assert_eq!(limit(&leader, at(100), 1, false), Some(110));
    }

    #[test]
    fn it_waits_for_a_replica_that_is_about_to_join() {
        let mut leader = leader(&[1, 3], at(100));
        leader.fetched(NodeId(3), Offset(110), FetchedAs::Registered(BrokerEpoch(1)), at(100), Offset(110));
        leader.fetched(NodeId(2), Offset(108), FetchedAs::Registered(BrokerEpoch(1)), at(100), Offset(108));
        assert_eq!(limit(&leader, at(101), 1, true), Some(108));
        assert_eq!(limit(&leader, at(101), 1, false), Some(110));
        assert_eq!(limit(&leader, at(131), 1, true), Some(110), "not caught up any more");
    }

    /// `Replica.resetReplicaState` of a leader that is elected again.
    #[test]
    fn elected_again_it_knows_where_its_followers_are_and_counts_their_time_anew() {
        let mut leader = leader(&[1, 2], at(100));
        for follower in [2, 3] {
            leader.fetched(NodeId(follower), Offset(100), REGISTERED, at(100), Offset(100));
        }
        let again = PartitionState { leader_epoch: LeaderEpoch(5), ..state(&[1, 2, 3], &[1, 2]) };
        leader.renew(&again, at(110), Offset(110));
        assert_eq!((leader.epoch(), leader.start()), (LeaderEpoch(5), Offset(110)));
        for follower in [2, 3] {
            assert_eq!(leader.remote(NodeId(follower)).and_then(|one| one.log_end), Some(Offset(100)));
        }
        // Who is in sync is so as of now.
        assert!(leader.out_of_sync(at(140), Offset(111), LAG).is_empty());
        assert_eq!(leader.out_of_sync(at(141), Offset(111), LAG).as_slice(), [NodeId(2)]);
        // Who is not has never caught up, and is not waited for before it does: not even if it asks for what was the end then.
        leader.fetched(NodeId(2), Offset(110), REGISTERED, at(111), Offset(110));
        assert_eq!(limit(&leader, at(111), 1, true), Some(110));
        leader.fetched(NodeId(2), Offset(115), REGISTERED, at(112), Offset(115));
        for fetch in [110, 112] {
            leader.fetched(NodeId(3), Offset(fetch), REGISTERED, at(112), Offset(115));
            let limit = leader.high_watermark_limit(at(112), Offset(115), Some(1), LAG, |_, _| true);
            assert_eq!(limit, Some(Offset(115)), "asked for {fetch}");
        }
        leader.fetched(NodeId(3), Offset(115), REGISTERED, at(113), Offset(115));
        leader.fetched(NodeId(2), Offset(120), REGISTERED, at(113), Offset(120));
        let limit = leader.high_watermark_limit(at(113), Offset(120), Some(1), LAG, |_, _| true);
        assert_eq!(limit, Some(Offset(115)));
    }

    #[test]
    fn a_reassignment_leaves_what_is_known_of_those_that_stay() {
        let mut leader = leader(&[1, 2, 3], at(100));
        for (follower, end) in [(2, 102), (3, 103)] {
            leader.fetched(NodeId(follower), Offset(end), REGISTERED, at(100), Offset(110));
        }
        let end = |leader: &Leader, one| leader.remote(NodeId(one)).map(|one| one.log_end);
        leader.adopt(&state(&[1, 4, 3, 2], &[1, 2, 3]));
        assert_eq!(
            [2, 3, 4, 5].map(|one| end(&leader, one)),
            [Some(Some(Offset(102))), Some(Some(Offset(103))), Some(None), None]
        );
        leader.adopt(&state(&[3, 1], &[1, 3]));
        assert_eq!([2, 3].map(|one| end(&leader, one)), [None, Some(Some(Offset(103)))]);
        leader.adopt(&state(&[1, 2, 3], &[1, 3]));
        assert_eq!(end(&leader, 2), Some(None), "who comes back is unknown");
    }

    #[test]
    fn a_follower_steadily_a_little_behind_stays_in_sync() {
        let mut leader = leader(&[1, 2], at(100));
        let mut end = 110;
        for second in 101..200 {
            // It asks each time for what was the end at its previous fetch.
            leader.fetched(
                NodeId(2),
                Offset(end - 10),
                FetchedAs::Registered(BrokerEpoch(1)),
                at(second),
                Offset(end),
            );
            end += 10;
        }
        assert!(leader.out_of_sync(at(200), Offset(end), LAG).is_empty());
        assert_eq!(leader.out_of_sync(at(240), Offset(end), LAG).as_slice(), [NodeId(2)]);
    }

    #[test]
    fn an_idle_follower_is_never_out_of_sync() {
        let mut leader = leader(&[1, 2], at(100));
        leader.fetched(NodeId(2), Offset(110), FetchedAs::Registered(BrokerEpoch(1)), at(100), Offset(110));
        assert!(leader.out_of_sync(at(9_000), Offset(110), LAG).is_empty());
        assert_eq!(leader.out_of_sync(at(9_000), Offset(111), LAG).as_slice(), [NodeId(2)]);
    }

    #[test]
    fn to_join_a_follower_must_have_what_was_there_before_this_leadership() {
        let mut leader = leader(&[1], at(100));
        for (end, joins) in [(99, false), (100, true)] {
            leader.fetched(
                NodeId(2),
                Offset(end),
                FetchedAs::Registered(BrokerEpoch(1)),
                at(100),
                Offset(100),
            );
            assert_eq!(
                leader.should_expand(NodeId(2), Offset(50), true),
                joins,
                "log end {end}, epoch start 100"
            );
        }
        assert!(!leader.should_expand(NodeId(2), Offset(50), false), "fenced");
    }
}
