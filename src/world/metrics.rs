//! What followed each fault of the schedule: a new leader, an in-sync set that shrank and was whole again, the next success.
//!
//! Everything is as the controller's log has it ([`Happened::Decided`](cluster::happened::Happened::Decided)), counted from the
//! strike. A fault touches the partitions that have a replica on a broker it struck; where it touched several, the longest
//! span counts of those partitions where the thing happened at all.

use super::happened::Happened;
use super::observe::{Observer, View};
use crate::clients;
use crate::cluster;
use crate::cluster::protocol::PartitionState;
use crate::cluster::units::{PartitionId, Replicas};
use crate::kernel::trace::Entry;
use crate::kernel::units::{NodeId, Span, Time};
use crate::scenario::model::{FaultMark, Model};

/// Watches what follows each fault.
#[derive(Clone, Debug)]
pub struct Metrics {
    faults: Vec<AfterFault>,
    partitions: Vec<Partition>,
    /// The fault that is striking: whatever befalls nodes at the same instant is its doing.
    striking: Option<u32>,
    /// The first fault no success was told after.
    unanswered: usize,
    /// Faults that struck, in the order of striking.
    struck: Vec<u32>,
}

/// What followed one fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AfterFault {
    /// Whether it struck.
    pub fate: Fate,
    /// When it struck; none: it has not, or had no effect.
    pub struck: Option<Time>,
    /// The first node it struck.
    pub node: Option<NodeId>,
    /// Until the controller had chosen another leader than the one at the strike.
    pub leader_changed_after: Option<Span>,
    /// Until the in-sync set was smaller than at the strike.
    pub isr_shrunk_after: Option<Span>,
    /// Until the in-sync set, after that, held every replica.
    pub isr_restored_after: Option<Span>,
    /// Until any message was told success.
    pub first_ack_after: Option<Span>,
}

/// What became of a fault of the schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// Its time never came.
    #[default]
    Waits,
    /// It struck.
    Struck,
    /// It meant nothing to whom it should strike.
    NoEffect,
    /// It would have been more than Kafka's promises are good for.
    Withheld,
}

impl Fate {
    /// Its word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Fate::Waits => "never came",
            Fate::Struck => "struck",
            Fate::NoEffect => "no effect",
            Fate::Withheld => "withheld",
        }
    }
}

/// A partition as the controller has it, and the faults that touched it.
#[derive(Clone, Debug)]
struct Partition {
    replicas: Replicas,
    isr: Replicas,
    leader: Option<NodeId>,
    touched: Vec<Touched>,
}

/// A fault that touched a partition, and what the partition was like then.
#[derive(Clone, Copy, Debug)]
struct Touched {
    fault: u32,
    leader: Option<NodeId>,
    isr: usize,
    changed: bool,
    shrunk: bool,
    restored: bool,
}

impl Metrics {
    /// Nothing has struck yet.
    pub fn new(model: &Model) -> Metrics {
        let mut metrics = Metrics {
            faults: Vec::new(),
            partitions: Vec::new(),
            striking: None,
            unanswered: 0,
            struck: Vec::new(),
        };
        metrics.reset(model);
        metrics
    }

    /// The same for another run, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.faults.clear();
        self.faults.resize(model.faults.len(), AfterFault::default());
        self.partitions.clear();
        for replicas in model.at_start() {
            self.partitions.push(Partition {
                replicas,
                isr: replicas,
                leader: replicas.iter().next(),
                touched: Vec::new(),
            });
        }
        self.striking = None;
        self.unanswered = 0;
        self.struck.clear();
    }

    /// What followed each fault, in the order of the schedule.
    pub fn faults(&self) -> &[AfterFault] {
        &self.faults
    }

    /// What [`Observer::observe`] does; it looks at nothing but the entry.
    #[inline]
    pub fn see(&mut self, entry: &Entry<Happened>) {
        match entry.what {
            Happened::Struck { fault } => self.struck(entry.t, entry.node, fault),
            Happened::NoEffect { fault } => self.faults[fault as usize].fate = Fate::NoEffect,
            Happened::Withheld { fault } => self.faults[fault as usize].fate = Fate::Withheld,
            Happened::Crashed
            | Happened::PowerLost
            | Happened::Stopping
            | Happened::Halted
            | Happened::Wiped
            | Happened::Link { .. }
            | Happened::Disk { .. }
            | Happened::Rotted { .. }
            | Happened::ClockSet { .. }
            | Happened::Paused
            | Happened::Isolated => {
                self.befell(entry.t, entry.node);
            }
            Happened::Cluster(cluster::happened::Happened::Decided { partition, state, .. }) => {
                self.decided(entry.t, partition, &state.state());
            }
            Happened::Client(clients::happened::Happened::Told {
                outcome: clients::happened::Outcome::Success,
                ..
            }) => self.acked(entry.t),
            Happened::Cluster(_)
            | Happened::Client(_)
            | Happened::Sent { .. }
            | Happened::Answered { .. }
            | Happened::Delivered { .. }
            | Happened::Fsynced { .. }
            | Happened::Ended { .. }
            | Happened::Lost { .. }
            | Happened::Started { .. }
            | Happened::Stopped
            | Happened::Resumed
            | Happened::Joined
            | Happened::Healed
            | Happened::Settled
            | Happened::Unsettled => (),
        }
    }

    fn struck(&mut self, now: Time, node: NodeId, fault: u32) {
        let after = &mut self.faults[fault as usize];
        assert!(after.struck.is_none(), "a fault strikes once");
        after.struck = Some(now);
        after.fate = Fate::Struck;
        after.node = Some(node);
        self.struck.push(fault);
        self.striking = Some(fault);
        self.touch(fault, node);
    }

    fn befell(&mut self, now: Time, node: NodeId) {
        let Some(fault) = self.striking else { return };
        if self.faults[fault as usize].struck == Some(now) {
            self.touch(fault, node);
        }
    }

    fn touch(&mut self, fault: u32, node: NodeId) {
        for partition in &mut self.partitions {
            let known = partition.touched.last().is_some_and(|touched| touched.fault == fault);
            if partition.replicas.contains(node) && !known {
                partition.touched.push(Touched {
                    fault,
                    leader: partition.leader,
                    isr: partition.isr.len(),
                    changed: false,
                    shrunk: false,
                    restored: false,
                });
            }
        }
    }

    fn decided(&mut self, now: Time, partition: PartitionId, state: &PartitionState) {
        let partition = &mut self.partitions[partition.0 as usize];
        for touched in &mut partition.touched {
            let after = &mut self.faults[touched.fault as usize];
            let span = now.since(after.struck.expect("only a fault that struck touches"));
            // Time goes on, so that the last partition's span is the longest.
            if !touched.changed && state.leader.is_some() && state.leader != touched.leader {
                touched.changed = true;
                after.leader_changed_after = Some(span);
            }
            if !touched.shrunk && state.is_there() && state.isr.len() < touched.isr {
                touched.shrunk = true;
                after.isr_shrunk_after = Some(span);
            }
            if touched.shrunk && !touched.restored && state.isr.len() == state.replicas.len() {
                touched.restored = true;
                after.isr_restored_after = Some(span);
            }
        }
        partition.replicas = state.replicas;
        partition.leader = state.leader;
        partition.isr = state.isr;
    }

    fn acked(&mut self, now: Time) {
        for &fault in &self.struck[self.unanswered..] {
            let after = &mut self.faults[fault as usize];
            after.first_ack_after = after.struck.map(|struck| now.since(struck));
        }
        self.unanswered = self.struck.len();
    }
}

impl Observer for Metrics {
    #[inline]
    fn observe(&mut self, _: &View<'_>, entry: &Entry<Happened>) {
        self.see(entry);
    }
}

impl AfterFault {
    /// One of the spans by its name; none: it did not happen.
    pub fn get(&self, mark: FaultMark) -> Option<Span> {
        match mark {
            FaultMark::LeaderChangedAfter => self.leader_changed_after,
            FaultMark::IsrShrunkAfter => self.isr_shrunk_after,
            FaultMark::IsrRestoredAfter => self.isr_restored_after,
            FaultMark::FirstAckAfter => self.first_ack_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::happened::Outcome;
    use crate::cluster::happened::Decision;
    use crate::cluster::units::{LeaderEpoch, MessageId, PartitionEpoch};
    use crate::kernel::trace::EventSeq;

    /// Partition 0 on brokers 1, 2, 3 and partition 1 on 2, 3, 1; so many faults in the schedule.
    fn metrics(faults: usize) -> Metrics {
        let partition = |replicas: [u16; 3]| Partition {
            replicas: Replicas::of(replicas.map(NodeId)),
            isr: Replicas::of(replicas.map(NodeId)),
            leader: Some(NodeId(replicas[0])),
            touched: Vec::new(),
        };
        Metrics {
            faults: vec![AfterFault::default(); faults],
            partitions: vec![partition([1, 2, 3]), partition([2, 3, 1])],
            striking: None,
            unanswered: 0,
            struck: Vec::new(),
        }
    }

    fn decided(partition: u32, leader: u16, isr: &[u16]) -> Happened {
        let all = Replicas::of([1, 2, 3].map(NodeId));
        Happened::Cluster(cluster::happened::Happened::Decided {
            partition: PartitionId(partition),
            old_leader: None,
            old_isr: all.bits(),
            state: Decision::of(&PartitionState {
                replicas: all,
                isr: Replicas::of(isr.iter().map(|&broker| NodeId(broker))),
                removing: 0,
                elr: Replicas::NONE,
                last_known_leader: None,
                leader: (leader > 0).then_some(NodeId(leader)),
                leader_epoch: LeaderEpoch(0),
                partition_epoch: PartitionEpoch(0),
                recovering: false,
            }),
            election: None,
        })
    }

    fn told(outcome: Outcome) -> Happened {
        Happened::Client(clients::happened::Happened::Told { first: MessageId(0), count: 1, outcome })
    }

    fn watch(faults: usize, told: &[(u64, u16, Happened)]) -> Vec<[Option<u64>; 4]> {
        let mut metrics = metrics(faults);
        for &(seconds, node, what) in told {
            let t = Time::ZERO + Span::from_seconds(seconds);
            metrics.see(&Entry { n: EventSeq(0), t, node: NodeId(node), what, cause: EventSeq(0) });
        }
        let seconds =
            |after: &AfterFault, mark| after.get(mark).map(|span| span.nanoseconds() / 1_000_000_000);
        let spans = |after: &AfterFault| FaultMark::ALL.map(|(mark, _)| seconds(after, mark));
        metrics.faults().iter().map(spans).collect()
    }

    #[test]
    fn the_longest_of_the_partitions_counts() {
        let struck = Happened::Struck { fault: 0 };
        let steps = [
            (0, 7, told(Outcome::Success)),
            (1, 1, struck),
            (1, 1, Happened::PowerLost),
            (2, 7, told(Outcome::TimedOut)),
            (3, 9, decided(1, 2, &[2, 3])),
            (4, 9, decided(0, 0, &[1])),
            (6, 9, decided(0, 2, &[2, 3])),
            (7, 7, told(Outcome::Success)),
            (8, 7, told(Outcome::Success)),
            (9, 9, decided(0, 3, &[1, 2, 3])),
            (20, 9, decided(1, 2, &[1, 2, 3])),
        ];
        assert_eq!(watch(1, &steps), [[Some(5), Some(3), Some(19), Some(6)]]);
    }

    #[test]
    fn a_fault_that_changed_nothing_has_no_spans() {
        let struck = Happened::Struck { fault: 0 };
        let whole = decided(0, 1, &[1, 2, 3]);
        assert_eq!(watch(2, &[(1, 2, struck), (2, 9, whole)]), [[None; 4], [None; 4]]);
    }

    #[test]
    fn every_fault_is_counted_from_its_own_strike() {
        let steps = [
            (1, 1, Happened::Struck { fault: 1 }),
            (2, 9, decided(0, 2, &[2, 3])),
            (5, 2, Happened::Struck { fault: 0 }),
            (9, 9, decided(0, 3, &[3])),
            (9, 7, told(Outcome::Success)),
        ];
        let expected = [[Some(4), Some(4), None, Some(4)], [Some(1), Some(1), None, Some(8)]];
        assert_eq!(watch(2, &steps), expected);
    }

    #[test]
    fn nodes_struck_at_the_same_instant_count_as_one_fault() {
        // The controller is struck first and has no partition; the broker after it has.
        let steps = [
            (1, 4, Happened::Struck { fault: 0 }),
            (1, 4, Happened::Isolated),
            (1, 1, Happened::Isolated),
            (3, 9, decided(0, 2, &[2, 3])),
        ];
        assert_eq!(watch(1, &steps), [[Some(2), Some(2), None, None]]);
    }
}
