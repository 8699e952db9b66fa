//! The quantities of the protocol.

use std::fmt;

use crate::kernel::units::NodeId;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{}", self.0)
            }
        }
    )*};
}

counters! {
    /// A place in a partition's log. As a log end or a high watermark: the first place not below it.
    Offset(u64);
    /// The count of leaderships of a partition.
    LeaderEpoch(u32);
    /// The count of changes of a partition's state at the controller.
    PartitionEpoch(u32);
    /// A broker's registration: the offset of its record in the metadata log.
    BrokerEpoch(u64);
    /// A start of a broker's process, counted from 1.
    Incarnation(u32);
    /// A place in the metadata log.
    MetadataOffset(u64);
    /// The count of leaderships of the metadata quorum.
    QuorumEpoch(u32);
    /// A partition, by its place among all partitions of the run.
    PartitionId(u32);
    /// A topic, by its place in the model.
    TopicId(u32);
    /// A producer's identity at the brokers; 0 is none.
    ProducerId(u64);
    /// The count of a producer's beginnings under one id.
    ProducerEpoch(u16);
    /// A record's number within (producer id, epoch, partition).
    Sequence(u32);
    /// A batch, by its place in the run's arena.
    BatchId(u32);
    /// One `send()` of the workload, by its place among all of the run.
    MessageId(u32);
}

/// The voters of the metadata quorum (`controller.quorum.voters`): so many nodes from the first on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voters {
    /// The one that is active when a run begins.
    pub first: NodeId,
    /// How many.
    pub count: u16,
}

impl Voters {
    /// The most there are.
    pub const MOST: usize = 5;

    /// How many of them make a majority.
    pub fn majority(self) -> usize {
        usize::from(self.count) / 2 + 1
    }

    /// All of them, by number.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = NodeId> {
        (0..self.count).map(move |place| NodeId(self.first.0 + place))
    }

    /// Where a node stands among them; none: it is no voter.
    pub fn place(self, node: NodeId) -> Option<usize> {
        let place = node.0.checked_sub(self.first.0)?;
        (place < self.count).then_some(usize::from(place))
    }

    /// Who stands there.
    pub fn node(self, place: usize) -> NodeId {
        NodeId(self.first.0 + place as u16)
    }

    /// The voter after this one; after the last comes the first.
    pub fn after(self, voter: NodeId) -> NodeId {
        NodeId(self.first.0 + (voter.0 - self.first.0 + 1) % self.count)
    }
}

impl Offset {
    /// The beginning of every log.
    pub const ZERO: Offset = Offset(0);

    /// The offset `records` further.
    #[inline]
    pub fn plus(self, records: u64) -> Offset {
        Offset(self.0 + records)
    }
}

impl ProducerId {
    /// That of a producer without idempotence.
    pub const NONE: ProducerId = ProducerId(0);
}

impl Sequence {
    /// The number `records` further: after 2^31 - 1 comes 0 (`DefaultRecordBatch.incrementSequence`).
    #[inline]
    pub fn plus(self, records: u32) -> Sequence {
        Sequence((self.0 + records) & i32::MAX as u32)
    }
}

impl LeaderEpoch {
    /// The next leadership.
    pub fn next(self) -> LeaderEpoch {
        LeaderEpoch(self.0 + 1)
    }
}

impl PartitionEpoch {
    /// The next state.
    pub fn next(self) -> PartitionEpoch {
        PartitionEpoch(self.0 + 1)
    }
}

/// When a produce request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Acks {
    /// Never.
    Zero,
    /// Once the leader has appended.
    One,
    /// Once every in-sync replica has (`-1`).
    All,
}

impl fmt::Display for Acks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Acks::Zero => "0",
            Acks::One => "1",
            Acks::All => "all",
        })
    }
}

/// A few brokers in an order that means something (assignment order, or order of joining), without allocation.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replicas {
    len: u8,
    ids: [NodeId; Replicas::MOST],
}

impl Replicas {
    /// The most replicas a partition may have. Kafka has no such limit; nobody has been seen beyond it.
    pub const MOST: usize = 7;
    /// No broker.
    pub const NONE: Replicas = Replicas { len: 0, ids: [NodeId(0); Replicas::MOST] };

    /// These brokers, in this order. Panics if there are more than [`Replicas::MOST`].
    pub fn of(brokers: impl IntoIterator<Item = NodeId>) -> Replicas {
        let mut all = Replicas::NONE;
        for broker in brokers {
            all.push(broker);
        }
        all
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The brokers in order.
    #[inline]
    pub fn as_slice(&self) -> &[NodeId] {
        &self.ids[..self.len as usize]
    }

    /// The brokers in order, one by one.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = NodeId> + '_ {
        self.as_slice().iter().copied()
    }

    /// Whether `broker` is among them.
    #[inline]
    pub fn contains(&self, broker: NodeId) -> bool {
        self.as_slice().contains(&broker)
    }

    /// Adds a broker at the end. Panics if it would be one too many.
    pub fn push(&mut self, broker: NodeId) {
        assert!(self.len() < Replicas::MOST, "a partition has at most {} replicas", Replicas::MOST);
        self.ids[self.len()] = broker;
        self.len += 1;
    }

    /// These brokers and `broker` at the end; unchanged if it is there.
    #[must_use]
    pub fn with(&self, broker: NodeId) -> Replicas {
        let mut all = *self;
        if !all.contains(broker) {
            all.push(broker);
        }
        all
    }

    /// These brokers without `broker`.
    #[must_use]
    pub fn without(&self, broker: NodeId) -> Replicas {
        Replicas::of(self.iter().filter(|&one| one != broker))
    }

    /// Whether every broker of `other` is among them.
    pub fn is_superset(&self, other: &Replicas) -> bool {
        other.iter().all(|broker| self.contains(broker))
    }

    /// The same brokers whatever their order.
    pub fn same_set(&self, other: &Replicas) -> bool {
        self.len == other.len && self.is_superset(other)
    }

    /// The brokers as bits, for the trace: bit n is broker n, those from 63 on share the highest.
    pub fn bits(&self) -> i64 {
        self.iter().fold(0, |bits, broker| bits | 1 << u32::from(broker.0).min(62))
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter().map(|broker| broker.0)).finish()
    }
}

impl fmt::Display for Replicas {
    /// `1, 2, 3`, or `nobody`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return out.write_str("nobody");
        }
        for (place, broker) in self.iter().enumerate() {
            write!(out, "{}{broker}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
