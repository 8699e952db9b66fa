//! `min.insync.replicas` of every partition, whoever set it while the cluster ran: its topic, all brokers, or one of those that
//! may lead it. What is promised of a partition rests on the least of them.

use crate::cluster::protocol::Resource;
use crate::cluster::setting::Setting;
use crate::cluster::units::{PartitionId, Replicas};
use crate::scenario::model::Model;

/// What it is of each partition.
#[derive(Clone, Debug, Default)]
pub struct MinIsr {
    /// Nobody, until something is set.
    partitions: Vec<OfPartition>,
    /// What a broker has of its own; broker 1 comes first.
    brokers: Vec<Option<u16>>,
}

#[derive(Clone, Copy, Debug)]
struct OfPartition {
    /// The topic's, or what all brokers have.
    value: u16,
    /// The topic has set it itself.
    is_own: bool,
    /// Who may come to hold a replica.
    holders: Replicas,
}

/// It was set for a partition.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// For which.
    pub partition: PartitionId,
    /// The least that any of its replicas requires as a leader, once it knows.
    pub least: u16,
    /// Who has to hear of it.
    pub unaware: Replicas,
}

impl MinIsr {
    /// Nothing has been set.
    pub fn clear(&mut self) {
        self.partitions.clear();
        self.brokers.clear();
    }

    /// A setting was changed. Tells each partition whose `min.insync.replicas` was set, even to what it is: of all brokers it is
    /// set for every partition, and ends eligibility in each (ClearElrRecord).
    pub fn set(&mut self, model: &Model, (of, setting): (Resource, Setting), mut each: impl FnMut(Change)) {
        let Setting::MinInsyncReplicas(value) = setting else { return };
        self.begin(model);
        if let Resource::Broker(Some(broker)) = of {
            self.brokers[usize::from(broker.0) - 1] = Some(value);
        }
        for partition in concerned(model, of) {
            let known = &mut self.partitions[partition.0 as usize];
            let mut unaware = known.holders;
            match of {
                Resource::Topic(_) => (known.value, known.is_own) = (value, true),
                Resource::Broker(Some(broker)) if known.is_own || !known.holders.contains(broker) => continue,
                Resource::Broker(Some(broker)) => unaware = Replicas::of([broker]),
                Resource::Broker(None) if known.is_own => (),
                Resource::Broker(None) => known.value = value,
            }
            let least = self.required(partition).0;
            each(Change { partition, least, unaware });
        }
    }

    /// The least and the most that a leader of a partition may require; none: what the model says, as nothing was set.
    pub fn of(&self, partition: PartitionId) -> Option<(u16, u16)> {
        (!self.partitions.is_empty()).then(|| self.required(partition))
    }

    fn required(&self, partition: PartitionId) -> (u16, u16) {
        let OfPartition { value, is_own, holders } = self.partitions[partition.0 as usize];
        if is_own {
            return (value, value);
        }
        let each = holders.iter().map(|holder| self.brokers[usize::from(holder.0) - 1].unwrap_or(value));
        each.fold((u16::MAX, 0), |(least, most), one| (least.min(one), most.max(one)))
    }

    /// What the model says.
    fn begin(&mut self, model: &Model) {
        if !self.partitions.is_empty() {
            return;
        }
        self.brokers.resize(usize::from(model.cluster.brokers), None);
        let options = model.topics.iter().flat_map(|topic| topic.assignment.iter().map(|_| topic.options));
        self.partitions.extend(options.zip(model.holders()).map(|(options, holders)| OfPartition {
            value: options.min_insync_replicas,
            is_own: options.own.contains(Setting::MinInsyncReplicas(0)),
            holders,
        }));
    }
}

/// The partitions that a change of a setting may concern.
pub fn concerned(model: &Model, of: Resource) -> impl Iterator<Item = PartitionId> + use<> {
    let (first, total) = match of {
        Resource::Topic(of) => (of.first.0, of.total.get()),
        Resource::Broker(_) => (0, model.partition_count() as u32),
    };
    (first..first + total).map(PartitionId)
}
