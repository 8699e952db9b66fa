//! A broker's files, and what a start makes of them.
//!
//! `Departure from Kafka:` one segment a partition, never rolled, and no retention; the leader-epoch file is written with the
//! log and cut with it (Kafka fsyncs it before the first batch of an epoch and prunes it to the log end when loading, which comes
//! to the same); loading and recovering logs takes no time of its own.

use crate::cluster::log::Log;
use crate::cluster::planted::Planted;
use crate::cluster::store::Store;
use crate::cluster::units::{BrokerEpoch, Incarnation, Offset, PartitionId, ProducerId};
use crate::kernel::units::{Bytes, NodeId};

/// A file of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// The log of a partition.
    Log(PartitionId),
    /// `replication-offset-checkpoint`: every replica's high watermark.
    HighWatermarks,
    /// `.kafka_cleanshutdown`: that the last process ended well, and its registration.
    CleanShutdown,
}

/// What is on a broker's disk, page cache included.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The partitions this broker has replicas of, or may come to have, in order.
    pub partitions: Vec<PartitionId>,
    /// Their logs.
    pub logs: Vec<Log>,
    /// Whether the log is there.
    pub(super) present: Vec<bool>,
    places: Vec<u32>,
    high_watermarks: Vec<Offset>,
    high_watermarks_next: Vec<Offset>,
    high_watermarks_token: u32,
    /// How often the process has started.
    pub incarnation: Incarnation,
    /// The clean-shutdown file: the broker epoch of the last run, if that ended well.
    pub clean_shutdown: Option<BrokerEpoch>,
    /// How many producer ids the broker has given out.
    producer_ids: u64,
    planted: Option<Planted>,
}

const NOWHERE: u32 = u32::MAX;

impl Stored {
    /// An empty disk for the replicas of `held`, of so many partitions in all; with each whether its log is there already.
    pub(super) fn new(
        partitions: usize,
        held: impl Iterator<Item = (PartitionId, bool)>,
        planted: Option<Planted>,
    ) -> Stored {
        let (held, present): (Vec<PartitionId>, Vec<bool>) = held.unzip();
        let mut places = vec![NOWHERE; partitions];
        for (place, partition) in held.iter().enumerate() {
            places[partition.0 as usize] = place as u32;
        }
        Stored {
            logs: vec![Log::new(); held.len()],
            present,
            high_watermarks: vec![Offset::ZERO; held.len()],
            high_watermarks_next: Vec::new(),
            high_watermarks_token: 0,
            incarnation: Incarnation(0),
            clean_shutdown: None,
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

    /// A start: counts it, forgets what was being written, and gives the high watermark each replica begins with: what the
    /// checkpoint says, within the log.
    pub(super) fn start(&mut self) -> impl Iterator<Item = Offset> + '_ {
        self.incarnation = Incarnation(self.incarnation.0 + 1);
        self.high_watermarks_next.clear();
        self.logs
            .iter()
            .zip(&self.high_watermarks)
            .map(|(log, &written)| written.clamp(log.start(), log.end()))
    }

    /// An id no producer ever had, from blocks of 1000 (`ProducerIdsBlock`).
    ///
    /// `Departure from Kafka:` the controller allots no blocks (AllocateProducerIds): the nth block of each of `brokers` is
    /// fixed beforehand, `me` never waits for one, and goes on in it after a restart, where Kafka's broker takes another.
    pub(super) fn next_producer_id(&mut self, me: NodeId, brokers: u16) -> ProducerId {
        const BLOCK: u64 = 1_000;
        let (block, place) = (self.producer_ids / BLOCK, self.producer_ids % BLOCK);
        self.producer_ids += 1;
        // Brokers count from 1, and so 0, which is nobody's, is in no block.
        ProducerId((block * u64::from(brokers) + u64::from(me.0)) * BLOCK + place)
    }

    /// Begins to write the high watermarks. Gives the size of the file and the token of its fsync.
    pub(super) fn write_high_watermarks(&mut self, all: impl Iterator<Item = Offset>) -> (Bytes, u32) {
        self.high_watermarks_next.clear();
        self.high_watermarks_next.extend(all);
        self.high_watermarks_token = self.high_watermarks_token.wrapping_add(1);
        (Bytes::new(10 + 20 * self.high_watermarks_next.len() as u64), self.high_watermarks_token)
    }

    /// Whether this is the token of the newest high watermarks that were to be written.
    pub(super) fn are_newest_high_watermarks(&self, token: u32) -> bool {
        token == self.high_watermarks_token
    }

    pub(super) fn on_high_watermarks_flushed(&mut self, token: u32) {
        if token == self.high_watermarks_token && !self.high_watermarks_next.is_empty() {
            std::mem::swap(&mut self.high_watermarks, &mut self.high_watermarks_next);
            self.high_watermarks_next.clear();
        }
    }

    /// A power loss has left `bytes` of a log: cuts it to the whole batches among them. Gives its end before and after, and the
    /// length the file is cut to.
    pub fn lose(&mut self, partition: PartitionId, bytes: Bytes, store: &Store) -> (Offset, Offset, Bytes) {
        let place = self.place(partition).expect("a file is of a replica this broker has");
        let log = &mut self.logs[place];
        let old = log.end();
        let left = if Planted::EpochsOutliveTheirRecords.is(self.planted) {
            log.cut_batches_to_bytes(bytes, store)
        } else {
            log.cut_to_bytes(bytes, store)
        };
        (old, log.end(), left)
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
            let mut stored = Stored::new(1, [(PartitionId(0), true)].into_iter(), None);
            for count in 0..2_500 {
                if count % 700 == 0 {
                    stored.start().for_each(drop);
                }
                let id = stored.next_producer_id(NodeId(broker), BROKERS);
                assert!(given.insert(id), "broker {broker} gives {id}, which is somebody's");
            }
        }
    }
}
