//! A broker's files, and what a start makes of them.
//!
//! `Departure from Kafka:` a power loss takes the same epochs from the leader-epoch file as records from the log, which is what
//! loading makes of it; loading and recovering logs takes no time of its own; files of removed segments go at once, where
//! Kafka renames them first and deletes them after `file.delete.delay.ms`.

use super::BrokerPort;
use crate::cluster::happened::Happened;
use crate::cluster::log::Log;
use crate::cluster::log::producer_state::Snapshots;
use crate::cluster::log::segments::{Recovered, SegmentLimits};
use crate::cluster::planted::Planted;
use crate::cluster::store::Store;
use crate::cluster::units::{BatchId, BrokerEpoch, Incarnation, Offset, PartitionId, ProducerId};
use crate::devices::port::{Effect, Outbox};
use crate::kernel::units::{Bytes, NodeId};

/// A file of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// A segment of a partition's log, by its first offset.
    Log(PartitionId, Offset),
    /// `leader-epoch-checkpoint` of a partition: where each leader epoch begins.
    LeaderEpochs(PartitionId),
    /// `replication-offset-checkpoint`: every replica's high watermark.
    HighWatermarks,
    /// `.kafka_cleanshutdown`: that the last process ended well, and its registration.
    CleanShutdown,
    /// `recovery-point-offset-checkpoint`: up to where every log is flushed.
    RecoveryPoints,
    /// `log-start-offset-checkpoint`: where the logs begin that begin within their first segment.
    LogStarts,
    /// The newest producer snapshot of a partition.
    ProducerSnapshot(PartitionId),
}

/// A checkpoint file: an offset for every replica, written anew each time (`OffsetCheckpointFile`).
#[derive(Clone, Debug)]
struct Checkpoint {
    offsets: Vec<Offset>,
    next: Vec<Offset>,
    token: u32,
}

impl Checkpoint {
    fn new(replicas: usize) -> Checkpoint {
        Checkpoint { offsets: vec![Offset::ZERO; replicas], next: Vec::new(), token: 0 }
    }

    /// Begins to write it. Gives the size of the file and the token of its fsync.
    fn write(&mut self, all: impl Iterator<Item = Offset>) -> (Bytes, u32) {
        self.next.clear();
        self.next.extend(all);
        self.token = self.token.wrapping_add(1);
        (Bytes::new(10 + 20 * self.next.len() as u64), self.token)
    }

    /// The fsync has ended.
    fn written(&mut self, token: u32) {
        if token == self.token && !self.next.is_empty() {
            std::mem::swap(&mut self.offsets, &mut self.next);
            self.next.clear();
        }
    }
}

/// What is on a broker's disk, page cache included.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The partitions this broker has replicas of, or may come to have, in order.
    pub partitions: Vec<PartitionId>,
    /// Their logs.
    pub logs: Vec<Log>,
    /// What was written down of their producers.
    pub(super) snapshots: Vec<Snapshots>,
    /// Whether the log is there.
    pub(super) present: Vec<bool>,
    places: Vec<u32>,
    high_watermarks: Checkpoint,
    recovery_points: Checkpoint,
    log_starts: Checkpoint,
    flush_token: u32,
    /// Whether a byte of any log has gone bad.
    rotten: bool,
    /// How often the process has started.
    pub incarnation: Incarnation,
    /// Nothing more can be written (`ENOSPC`).
    pub(super) disk_is_full: bool,
    /// The clean-shutdown file: the broker epoch of the last run, if that ended well.
    pub clean_shutdown: Option<BrokerEpoch>,
    /// What it said before the process that runs, or ran last, took it away.
    deleted_clean_shutdown: Option<BrokerEpoch>,
    /// How many producer ids the broker has given out.
    producer_ids: u64,
    planted: Option<Planted>,
}

const NOWHERE: u32 = u32::MAX;

impl Stored {
    /// An empty disk for the replicas of `held`, of so many partitions in all; with each whether its log is there already.
    pub(super) fn new(
        partitions: usize,
        held: impl Iterator<Item = (PartitionId, SegmentLimits, bool)>,
        planted: Option<Planted>,
    ) -> Stored {
        let mut logs = Vec::new();
        let (held, present): (Vec<PartitionId>, Vec<bool>) = held
            .map(|(partition, limits, present)| {
                logs.push(Log::with_limits(limits));
                (partition, present)
            })
            .unzip();
        let mut places = vec![NOWHERE; partitions];
        for (place, partition) in held.iter().enumerate() {
            places[partition.0 as usize] = place as u32;
        }
        Stored {
            logs,
            snapshots: vec![Snapshots::default(); held.len()],
            present,
            high_watermarks: Checkpoint::new(held.len()),
            recovery_points: Checkpoint::new(held.len()),
            log_starts: Checkpoint::new(held.len()),
            flush_token: 0,
            rotten: false,
            incarnation: Incarnation(0),
            disk_is_full: false,
            clean_shutdown: None,
            deleted_clean_shutdown: None,
            producer_ids: 0,
            planted,
            partitions: held,
            places,
        }
    }

    /// Where a partition's replica lies among this broker's.
    #[inline]
    pub(super) fn place(&self, partition: PartitionId) -> Option<usize> {
        match self.places.get(partition.0 as usize) {
            Some(&NOWHERE) | None => None,
            Some(&place) => Some(place as usize),
        }
    }

    /// A byte of a stored batch goes bad.
    pub(super) fn rot(&mut self, place: usize, index: usize, batch: BatchId) {
        self.logs[place].replace(index, batch);
        self.rotten = true;
    }

    /// An unclean start cuts each log at the first batch it looks at whose checksum is wrong. What a power loss tore was cut
    /// when that came.
    pub(super) fn cut_rotten(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        self.logs.iter_mut().for_each(Log::cut_torn_tail);
        if !self.rotten {
            return;
        }
        let mut files = Vec::new();
        for (place, log) in self.logs.iter_mut().enumerate() {
            let partition = self.partitions[place];
            log.load_end(out.store);
            let old = log.end();
            log.cut_rotten(self.recovery_points.offsets[place], out.store, &mut files);
            for Recovered { base, length } in files.drain(..) {
                let file = File::Log(partition, base);
                out.ask(length.map_or(Effect::Delete(file), |length| Effect::Truncate(file, length)));
            }
            let new = log.end();
            if new < old {
                out.note(Happened::CutByRecovery { partition, old, new });
            }
        }
    }

    /// A start: counts it, forgets what was being written, and gives the high watermark each replica begins with: what the
    /// checkpoint says, within the log.
    pub(super) fn start(&mut self, store: &Store) -> impl Iterator<Item = Offset> + '_ {
        self.incarnation = Incarnation(self.incarnation.0 + 1);
        self.high_watermarks.next.clear();
        self.recovery_points.next.clear();
        self.log_starts.next.clear();
        for (log, &start) in self.logs.iter_mut().zip(&self.log_starts.offsets) {
            log.load_end(store);
            log.load_start(start);
        }
        if !Planted::EpochsOutliveTheirRecords.is(self.planted) {
            self.logs.iter_mut().for_each(Log::loaded);
        }
        self.logs
            .iter()
            .zip(&self.high_watermarks.offsets)
            .map(|(log, &written)| written.clamp(log.start(), log.end()))
    }

    /// An id no producer ever had, from blocks of 1000 (`ProducerIdsBlock`).
    ///
    /// `Departure from Kafka:` the controller allots no blocks (AllocateProducerIds): the nth block of each of `brokers` is
    /// fixed beforehand, `me` never waits for one, and goes on in it after a restart, where Kafka's broker takes another. There
    /// a process answers COORDINATOR_LOAD_IN_PROGRESS until its first block has come: who asks it first has his id
    /// `retry.backoff.ms` later, and while no controller is active not at all (`RPCProducerIdManager.generateProducerId`).
    pub(super) fn next_producer_id(&mut self, me: NodeId, brokers: u16) -> ProducerId {
        const BLOCK: u64 = 1_000;
        let (block, place) = (self.producer_ids / BLOCK, self.producer_ids % BLOCK);
        self.producer_ids += 1;
        // Brokers count from 1, and so 0, which is nobody's, is in no block.
        ProducerId((block * u64::from(brokers) + u64::from(me.0)) * BLOCK + place)
    }

    /// Up to where each log counts as flushed after a start: after a clean stop all of it (`LogLoader.load`), otherwise
    /// what the checkpoint says, within the log.
    pub(super) fn recovery_points(&self, clean: bool) -> impl Iterator<Item = Offset> + '_ {
        let written = self.logs.iter().zip(&self.recovery_points.offsets);
        written
            .map(move |(log, &written)| if clean { log.end() } else { written.clamp(log.start(), log.end()) })
    }

    /// Begins to write the high watermarks. Gives the size of the file and the token of its fsync.
    pub(super) fn write_high_watermarks(&mut self, all: impl Iterator<Item = Offset>) -> (Bytes, u32) {
        self.high_watermarks.write(all)
    }

    /// Begins to write the recovery points. Gives the size of the file and the token of its fsync.
    pub(super) fn write_recovery_points(&mut self, all: impl Iterator<Item = Offset>) -> (Bytes, u32) {
        self.recovery_points.write(all)
    }

    /// Begins to write where logs begin, unless that is and was where their first segments do.
    pub(super) fn write_log_starts(&mut self) -> Option<(Bytes, u32)> {
        let starts = self.logs.iter().map(|log| {
            let start = log.start();
            if start > log.segments()[0].base { start } else { Offset::ZERO }
        });
        let is_news = !starts.clone().eq(self.log_starts.offsets.iter().copied());
        is_news.then(|| self.log_starts.write(starts))
    }

    /// A log was deleted, and where it began with it.
    pub(super) fn forget_log_start(&mut self, place: usize) {
        self.log_starts.offsets[place] = Offset::ZERO;
    }

    /// Whether this is the token of the newest high watermarks that were to be written.
    pub(super) fn are_newest_high_watermarks(&self, token: u32) -> bool {
        token == self.high_watermarks.token
    }

    /// An fsync has ended.
    pub(super) fn on_flushed(&mut self, file: File, token: u32) {
        match file {
            File::HighWatermarks => self.high_watermarks.written(token),
            File::RecoveryPoints => self.recovery_points.written(token),
            File::LogStarts => self.log_starts.written(token),
            // The disk counts what is durable of them.
            File::Log(..) | File::LeaderEpochs(_) | File::ProducerSnapshot(_) | File::CleanShutdown => (),
        }
    }

    /// A token for an fsync of a log.
    pub(super) fn next_flush_token(&mut self) -> u32 {
        self.flush_token = self.flush_token.wrapping_add(1);
        self.flush_token
    }

    /// The disk has lost everything.
    pub fn wipe(&mut self) {
        self.present.fill(false);
        for (log, snapshots) in self.logs.iter_mut().zip(&mut self.snapshots) {
            log.clear();
            *snapshots = Snapshots::default();
        }
        for checkpoint in [&mut self.high_watermarks, &mut self.recovery_points, &mut self.log_starts] {
            checkpoint.offsets.fill(Offset::ZERO);
            checkpoint.next.clear();
        }
        (self.clean_shutdown, self.deleted_clean_shutdown) = (None, None);
    }

    /// A process begins: takes the clean-shutdown file away before it loads anything, so that a crash from here on counts as
    /// unclean (KAFKA-10471). Gives what it said.
    pub(super) fn take_clean_shutdown(&mut self) -> Option<BrokerEpoch> {
        self.deleted_clean_shutdown = self.clean_shutdown.take();
        self.deleted_clean_shutdown
    }

    /// A power loss has brought the file back: nothing had fsynced its directory since.
    pub fn clean_shutdown_comes_back(&mut self) {
        self.clean_shutdown = self.deleted_clean_shutdown;
    }

    /// A power loss has left `left` of each segment of a log: makes of the log what the next start will find. Gives its end
    /// before, and up to where nothing is missing; adds what has become of files.
    pub fn lose(
        &mut self,
        partition: PartitionId,
        left: &[Bytes],
        store: &Store,
        files: &mut Vec<Recovered>,
    ) -> (Offset, Offset) {
        let place = self.place(partition).expect("a file is of a replica this broker has");
        let log = &mut self.logs[place];
        let old = log.end();
        // After a clean stop nothing is looked at.
        let recovery_point = match self.clean_shutdown {
            Some(_) => None,
            None => Some(self.recovery_points.offsets[place]),
        };
        let new = log.recover(left, recovery_point, store, files);
        if !Planted::EpochsOutliveTheirRecords.is(self.planted) {
            log.loaded();
        }
        (old, new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_producers_ever_have_one_id() {
        const BROKERS: u16 = 3;
        let mut given = BTreeSet::from([ProducerId::NONE]);
        for broker in 1..=BROKERS {
            let held = [(PartitionId(0), SegmentLimits::NONE, true)];
            let mut stored = Stored::new(1, held.into_iter(), None);
            for count in 0..2_500 {
                if count % 700 == 0 {
                    stored.start(&Store::default()).for_each(drop);
                }
                let id = stored.next_producer_id(NodeId(broker), BROKERS);
                assert!(given.insert(id), "broker {broker} gives {id}, which is somebody's");
            }
        }
    }
}
