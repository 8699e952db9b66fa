//! What a model makes of an empty world: nodes, machines and disks.

use std::sync::Arc;

use super::machine::Machine;
use super::observe::Observer;
use super::world::World;
use crate::clients::consumer::{Reader, ReaderSetup};
use crate::clients::producer::{Producer, ProducerSetup};
use crate::cluster::broker::{Broker, Holds};
use crate::cluster::controller::{Controller, Given};
use crate::cluster::protocol::PartitionState;
use crate::cluster::units::{MessageId, PartitionId, TopicId};
use crate::devices::clock::Clock;
use crate::devices::disk::Disk;
use crate::kernel::chance::{Occasion, Purpose};
use crate::kernel::units::NodeId;
use crate::scenario::model::Model;

impl<O: Observer> World<O> {
    /// Nodes, machines and disks for the model; nothing runs yet.
    pub(super) fn furnish(&mut self) {
        let model = Arc::clone(&self.model);
        let topics: Vec<_> = model
            .topics
            .iter()
            .flat_map(|topic| topic.assignment.iter().map(|_| topic.options))
            .zip(model.at_start().zip(model.holders()))
            .collect();
        for broker in model.brokers() {
            let held: Vec<_> = topics
                .iter()
                .map(|&(options, (assigned, holders))| {
                    let holds = match (assigned.contains(broker), holders.contains(broker)) {
                        (true, _) => Holds::FromTheBeginning,
                        (false, true) => Holds::Later,
                        (false, false) => Holds::Never,
                    };
                    (options, holds)
                })
                .collect();
            self.brokers.push(Broker::new(
                broker,
                model.kafka.generation(),
                model.broker,
                &model.controller_options,
                model.cluster.brokers,
                model.voters(),
                &held,
                model.cluster.metadata_time,
                model.planted,
            ));
        }
        self.sends_left_of.clear();
        let mut first_message = 0;
        for (place, producer) in model.producers.iter().enumerate() {
            let lives: Vec<_> = partitions_of(&model, producer.into);
            let id = model.producer_node(place);
            let partitioner_key =
                self.chance.draw(Purpose::Partitioner, u64::from(id.0), Occasion(0, 0)).bits();
            self.producers.push(Producer::new(ProducerSetup {
                id,
                options: producer.options,
                workload: producer.workload,
                first_message: MessageId(first_message),
                lives: &lives,
                brokers: model.cluster.brokers,
                partitioner_key,
            }));
            first_message += producer.workload.records;
            self.sends_left_of.push(producer.workload.records.into());
        }
        for (place, reader) in model.readers.iter().enumerate() {
            let topics: Vec<_> = reader.reads.iter().map(|&topic| partitions_of(&model, topic)).collect();
            self.readers.push(Reader::new(ReaderSetup {
                id: model.reader_node(place),
                options: reader.options,
                topics: &topics,
                brokers: model.cluster.brokers,
            }));
        }
        self.sends_left = u64::from(first_message);
        self.machines.resize_with(usize::from(model.node_count()) + 1, Machine::default);
        let clock = Clock::ahead(model.clocks_begin_at());
        for machine in &mut self.machines {
            machine.reset();
            machine.clock = clock;
        }
        self.decided.clear();
        self.decided.extend_from_slice(self.controllers[0].image().all());
        let with_disks = model.cluster.brokers + model.cluster.controllers;
        self.disks.truncate(usize::from(with_disks));
        for node in 1..=with_disks {
            match self.disks.get_mut(usize::from(node) - 1) {
                Some(disk) => disk.reset(model.disk, NodeId(node)),
                None => self.disks.push(Disk::new(model.disk, NodeId(node))),
            }
        }
        self.schedule.reset(&model);
    }
}

/// The partitions that a topic may have, and those it may have whenever it is made anew.
fn partitions_of(model: &Model, topic: TopicId) -> Vec<Vec<PartitionId>> {
    model.lives(topic).map(|topic| topic.partitions().collect()).collect()
}

/// The controllers of a run that begins with every partition led by its preferred replica and fully in sync.
pub(super) fn build_controllers(model: &Model) -> Vec<Controller> {
    let partitions: Vec<Given> = model
        .topics
        .iter()
        .flat_map(|topic| {
            let options = topic.options;
            topic.assignment.iter().zip(0..).map(move |(&replicas, number)| Given {
                first_of_topic: topic.first_partition,
                state: (number < topic.at_start()).then(|| PartitionState::created(replicas, replicas)),
                replicas,
                min_insync_replicas: options.min_insync_replicas,
                unclean: options.unclean_leader_election,
                own: options.own,
            })
        })
        .collect();
    let voters = model.voters();
    let controller = |id| {
        Controller::new(
            id,
            voters,
            model.kafka.generation(),
            model.controller_options,
            &partitions,
            model.cluster.brokers,
            model.planted,
        )
    };
    voters.iter().map(controller).collect()
}
