//! `recoverable-disk`: what any crash left loads: offsets follow one another, leader epochs never fall, and the log does not end
//! before it begins.
//!
//! Where Kafka makes it: an unclean start scans the segments above the recovery point and cuts at the first batch that is torn
//! (`LogLoader.recoverLog`, `LogSegment.recover`); the leader-epoch file is cut to what is left (`LogLoader.load`,
//! `LeaderEpochFileCache.truncateFromEndAsyncFlush`).
//!
//! What it rests on: the broker's own code, and a disk that does not lie about fsyncs. A gap between two segments is no breach of
//! a promise: no start looks for one.
//!
//! What it does not check: whether everything that should be there is there.

use crate::check::finding::{Finding, Findings};
use crate::check::look::Look;
use crate::check::promised::Promised;
use crate::cluster::log::Log;
use crate::cluster::store::Store;
use crate::cluster::units::PartitionId;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;

/// Why it is promised.
pub const ALWAYS: &str = "no disk of this run lies or rots, and what such a disk holds after a crash loads";

/// Why a gap is not promised not to be there.
const GAP: &str = "of two segments that were not fsynced, or whose fsyncs were lies, a power loss may take the end of the \
first and leave the second, and no start looks whether they join (LogLoader.recoverLog)";

/// Why half a batch is not promised not to be there.
const TORN: &str = "a start that finds a clean-shutdown file scans nothing, and after a power loss the file may be an old \
one that is there again, as nothing fsyncs its directory when it is deleted (CleanShutdownFileHandler.delete)";

/// Every start after a stop.
#[derive(Clone, Debug, Default)]
pub struct RecoverableDisk {
    /// By broker, broker 1 first: whether it has stopped uncleanly and not started since.
    stopped: Vec<bool>,
    loaded: bool,
    findings: Findings,
}

impl RecoverableDisk {
    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.stopped.clear();
        self.stopped.resize(usize::from(model.cluster.brokers) + 1, false);
        self.loaded = false;
        self.findings.clear();
    }

    /// A node stopped uncleanly.
    pub fn stopped(&mut self, node: NodeId) {
        if let Some(stopped) = self.stopped.get_mut(usize::from(node.0)) {
            *stopped = true;
        }
    }

    /// A process has loaded a log.
    pub fn recovered(
        &mut self,
        look: &impl Look,
        (n, now): (EventSeq, Time),
        broker: NodeId,
        partition: PartitionId,
    ) {
        self.loaded |= self.stopped[usize::from(broker.0)];
        let log = look.log(broker, partition).expect("a log that was loaded is there");
        let wrong = first_wrong(log, look.store());
        let torn = || log.has_torn_tail().then(|| format!("behind offset {} lies half a batch", log.end()));
        let (wrong, unpromised) = match (wrong, torn()) {
            (Some((wrong, is_gap)), _) => (wrong, is_gap.then_some(GAP)),
            (None, Some(torn)) => (torn, Some(TORN)),
            (None, None) => return,
        };
        self.findings.add(unpromised.is_none(), || {
            let finding = Finding {
                promise: Promise::RecoverableDisk,
                at: now,
                text: format!("broker {broker} loaded {}: {wrong}", look.model().partition_name(partition)),
                witnesses: vec![n],
            };
            (unpromised.map_or_else(|| Promised::yes(ALWAYS), Promised::no), finding)
        });
    }

    /// What was found.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether any process started again after an unclean stop.
    pub fn tested(&self) -> bool {
        self.loaded
    }
}

/// Whether a log has a gap.
pub fn has_gap(log: &Log, store: &Store) -> bool {
    first_wrong(log, store).is_some_and(|(_, is_gap)| is_gap)
}

/// The first thing that is not as in any log, and whether that is records missing in between.
fn first_wrong(log: &Log, store: &Store) -> Option<(String, bool)> {
    let (start, end) = (log.start(), log.end());
    if end < start {
        return Some((format!("it begins at offset {start} and ends at {end}"), false));
    }
    let mut next = start;
    let mut epoch = None;
    for entry in log.entries() {
        if entry.base_offset != next {
            let text = format!("offset {} comes where {next} should", entry.base_offset);
            return Some((text, entry.base_offset > next));
        }
        if epoch.is_some_and(|before| entry.epoch < before) {
            let text = format!("leader epoch {} at offset {next} comes after a newer one", entry.epoch);
            return Some((text, false));
        }
        epoch = Some(entry.epoch);
        next = next.plus(u64::from(store.batch(entry.batch).records));
    }
    if next != end {
        let is_gap = next < end && log.active_segment().base == end;
        return Some((format!("it ends at offset {end}, and its batches at {next}"), is_gap));
    }
    let &(epoch, begins) = log.epochs().entries().iter().find(|&&(_, begins)| begins > end)?;
    Some((format!("leader epoch {epoch} begins at offset {begins}, and the log ends at {end}"), false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Held;
    use crate::check::hand::Step::*;
    use crate::check::hand::{answers, model};
    use crate::cluster::protocol::LogEntry;
    use crate::cluster::store::MessageRun;
    use crate::cluster::units::{
        BatchId, LeaderEpoch, MessageId, Offset, ProducerEpoch, ProducerId, Sequence,
    };
    use crate::kernel::units::Bytes;
    use crate::scenario::words::Promise::RecoverableDisk as PROMISE;

    #[test]
    fn what_a_crash_left_loads() {
        let steps = [Send, Send, Put(1, 0, 0), Put(1, 1, 0), Power(1, 1), Start(1, 0)];
        answers(model(), &steps, PROMISE, (Held::Kept, true));
        answers(model(), &steps[..5], PROMISE, (Held::NotTested, true));
    }

    #[test]
    fn an_epoch_that_fell_is_found() {
        let steps = [Send, Send, Put(1, 0, 3), Put(1, 1, 2), Crash(1), Start(1, 0)];
        let judged = answers(model(), &steps, PROMISE, (Held::Broken, true));
        assert_eq!(
            judged.first.expect("a finding").text,
            "broker 1 loaded orders-0: leader epoch 2 at offset 1 comes after a newer one"
        );
    }

    #[test]
    fn offsets_and_epochs_that_do_not_fit_are_found() {
        // A log of two batches of two records each, the second in an epoch of its own.
        let mut store = Store::default();
        let mut log = Log::new();
        for (number, records) in [(0, 2), (1, 2)] {
            let run = MessageRun { first: MessageId(2 * number), count: 2 };
            let producer = (ProducerId(0), ProducerEpoch(0), Sequence(0));
            store.add_batch(producer, &[run], Bytes::new(10), Time::ZERO);
            let entry =
                LogEntry { base_offset: log.end(), batch: BatchId(number), epoch: LeaderEpoch(number) };
            log.append(entry, records, Bytes::new(10));
        }
        assert_eq!(first_wrong(&log, &store), None);
        // The file keeps what the log does not have: its second epoch begins behind its end.
        let mut cut = log.clone();
        cut.truncate_to(Offset(2), &store);
        cut.begin_epoch(LeaderEpoch(7));
        assert_eq!(first_wrong(&cut, &store), None, "a leader that has appended nothing yet");
        let mut short = Log::new();
        short.append(log.entry(0), 1, Bytes::new(10));
        let wrong = |log: &Log| first_wrong(log, &store).map(|(text, _)| text);
        assert_eq!(wrong(&short).as_deref(), Some("it ends at offset 1, and its batches at 2"));
        let entry = LogEntry { base_offset: Offset(1), ..log.entry(1) };
        short.append(entry, 2, Bytes::new(10));
        assert_eq!(wrong(&short).as_deref(), Some("offset 1 comes where 2 should"));
    }
}
