//! `high-watermark-never-retreats`: on the leader, within one leader epoch, the high watermark only rises.
//!
//! Where Kafka makes it: `Partition.maybeIncrementLeaderHW` goes through `UnifiedLog.maybeIncrementHighWatermark`, which keeps
//! the greater of old and new; a leader truncates nothing.
//!
//! What it rests on: nothing but the leader's own code; no fault excuses it.
//!
//! What it does not check: followers and new leaders, whose high watermark may lie below what the former leader had told
//! readers (KIP-207 makes consumers wait until it has caught up again). Nor a process that starts while the controller still
//! has its former self as leader: it begins with what its checkpoint says, in the same epoch, and takes no request before it
//! has caught up with its own registration and so with the end of that epoch (`BrokerServer.startup`: the metadata is
//! published before `enableRequestProcessing`).

use crate::check::finding::{Finding, Findings};
use crate::check::look::Look;
use crate::check::promised::Promised;
use crate::cluster::units::{LeaderEpoch, Offset, PartitionId, Replicas};
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;

/// Why it is promised.
pub const ALWAYS: &str =
    "a leader's high watermark only rises within its epoch, whatever the settings and the faults";

/// The high watermark of every leadership.
#[derive(Clone, Debug, Default)]
pub struct HighWatermarkNeverRetreats {
    partitions: Vec<[Option<Leadership>; Replicas::MOST]>,
    replicas: Vec<Replicas>,
    moved: bool,
    findings: Findings,
}

/// The newest leadership of one replica.
#[derive(Clone, Copy, Debug)]
struct Leadership {
    epoch: LeaderEpoch,
    high_watermark: Offset,
    since: EventSeq,
}

impl HighWatermarkNeverRetreats {
    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.replicas.clear();
        self.replicas.extend(model.holders());
        self.partitions.clear();
        self.partitions.resize(self.replicas.len(), [None; Replicas::MOST]);
        self.moved = false;
        self.findings.clear();
    }

    /// A node's process starts: what it led before is over.
    pub fn started(&mut self, node: NodeId) {
        for (known, replicas) in self.partitions.iter_mut().zip(&self.replicas) {
            if let Some(slot) = replicas.iter().position(|one| one == node) {
                known[slot] = None;
            }
        }
    }

    /// A leader has this high watermark: it began to lead with it, or it moved there.
    #[inline]
    pub fn has(
        &mut self,
        look: &impl Look,
        (n, now): (EventSeq, Time),
        leader: NodeId,
        partition: PartitionId,
        epoch: LeaderEpoch,
        high_watermark: Offset,
    ) {
        let slot = self.replicas[partition.0 as usize]
            .iter()
            .position(|one| one == leader)
            .expect("only a replica leads");
        let known = &mut self.partitions[partition.0 as usize][slot];
        let before = known.replace(Leadership { epoch, high_watermark, since: n });
        let Some(before) = before.filter(|before| before.epoch == epoch) else { return };
        self.moved |= high_watermark > before.high_watermark;
        if high_watermark >= before.high_watermark {
            return;
        }
        self.findings.add(true, || {
            let finding = Finding {
                promise: Promise::HighWatermarkNeverRetreats,
                at: now,
                text: format!(
                    "broker {leader}, leader of {} in epoch {epoch}, took its high watermark back from {} \
                to {high_watermark}",
                    look.model().partition_name(partition),
                    before.high_watermark,
                ),
                witnesses: vec![before.since, n],
            };
            (Promised::yes(ALWAYS), finding)
        });
    }

    /// What was found.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether any leader's high watermark ever moved.
    pub fn tested(&self) -> bool {
        self.moved
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{answers, model};
    use crate::cluster::happened::Election;
    use crate::scenario::words::Promise::HighWatermarkNeverRetreats as PROMISE;

    #[test]
    fn a_retreat_within_an_epoch_is_found() {
        let steps =
            [Send, Send, Put(1, 0, 0), Put(1, 1, 0), Commit(1, 2, 0), Commit(1, 1, 0), Commit(1, 2, 0)];
        let judged = answers(model(), &steps, PROMISE, (Held::Broken, true));
        assert_eq!(judged.findings, 1);
        assert_eq!(
            judged.first.expect("a finding").text,
            "broker 1, leader of orders-0 in epoch 0, took its high watermark back from 2 to 1"
        );
    }

    #[test]
    fn followers_and_new_leaders_may_be_lower() {
        let steps = [
            Send,
            Send,
            Put(1, 0, 0),
            Put(1, 1, 0),
            Copy(2, 0, 0),
            Copy(2, 1, 0),
            Commit(1, 2, 0),
            Learn(2, 2),
            Learn(2, 1),
            Elect(2, &[2], Election::Clean),
            Leads(2),
            Commit(2, 1, 1),
            Commit(2, 2, 1),
        ];
        answers(model(), &steps, PROMISE, (Held::Kept, true));
    }

    #[test]
    fn a_process_that_starts_begins_with_its_checkpoint() {
        let steps = [Send, Put(1, 0, 0), Commit(1, 1, 0), Crash(1), Start(1, 0), Leads(1), Commit(1, 1, 0)];
        answers(model(), &steps, PROMISE, (Held::Kept, true));
    }

    #[test]
    fn a_mark_that_never_moved_tests_nothing() {
        answers(model(), &[Send, Put(1, 0, 0)], PROMISE, (Held::NotTested, true));
    }
}
