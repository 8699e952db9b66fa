//! A description of an experiment that cannot be wrong: every name resolved, every bound checked.
//!
//! The file reader makes one, tests make one by hand, and nothing below asks again whether a broker exists.

use super::fault::{Action, Fault, Target};
use super::words::{Count, FaultKind, Promise};
use crate::clients::app::{Rate, Waits, Workload};
use crate::clients::options::{ProducerOptions, ReaderOptions};
use crate::cluster::generation::Version;
use crate::cluster::options::{BrokerOptions, ControllerOptions, TopicOptions};
use crate::cluster::planted::Planted;
use crate::cluster::protocol::Reassign;
use crate::cluster::units::{PartitionId, Replicas, TopicId, Voters};
use crate::devices::clock::Jump;
use crate::devices::{disk, network};
use crate::kernel::distribution::Distribution;
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// One experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its built-in name, or the path it was read from.
    pub name: String,
    /// One line on what it shows.
    pub title: Option<String>,
    /// Which Kafka.
    pub kafka: Version,
    /// The seed it runs with unless another is given.
    pub seed: u64,
    /// A bug planted on purpose, to teach or to test the checks.
    pub planted: Option<Planted>,
    /// The machines.
    pub cluster: Cluster,
    /// The links.
    pub network: network::Options,
    /// The disks.
    pub disk: disk::Options,
    /// Every broker's settings.
    pub broker: BrokerOptions,
    /// The controller's settings.
    pub controller_options: ControllerOptions,
    /// The topics, in the order of the file.
    pub topics: Vec<Topic>,
    /// The producers, in the order of the file.
    pub producers: Vec<Producer>,
    /// The plain readers, in the order of the file.
    pub readers: Vec<Reader>,
    /// The schedule written by hand, in the order of the file; in a model of one run, what was drawn follows.
    pub faults: Vec<Fault>,
    /// What is to be drawn from the seed besides.
    pub chaos: Option<Chaos>,
    /// The faults act ends at the latest here.
    pub until: Time,
    /// How long settling may take once everything is over that had begun under a fault.
    pub settle_bound: Span,
    /// What must come out.
    pub expect: Expect,
}

/// The machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// How many brokers: `node.id` 1 to this.
    pub brokers: u16,
    /// Broker i is in `racks[(i - 1) % len]`; a rack is also a power domain. Empty: none.
    pub racks: Vec<String>,
    /// How many controllers: 1, 3 or 5, each on a machine of its own.
    pub controllers: u16,
    /// From the start of a broker's process to its registration.
    pub start_time: Distribution,
    /// From when a broker has fetched a decision of the controller until its replicas have changed their roles; followers
    /// begin to fetch after as much time again.
    pub metadata_time: Distribution,
    /// How long one of a broker's threads takes for a request, before it is handled.
    pub request_time: Distribution,
    /// How many threads a broker has for requests, if they take any time.
    pub request_threads: u16,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its settings.
    pub options: TopicOptions,
    /// Its first partition among all of the run; the others follow.
    pub first_partition: PartitionId,
    /// Where each partition's replicas are, in assignment order: the first is preferred and leads at the start. Also of those
    /// that a fault of the schedule may add.
    pub assignment: Vec<Replicas>,
    /// With how many of its partitions, from the first, it is created.
    pub created_with: u32,
    /// It is not there when the run begins, but is another of the run's topics, deleted and made anew.
    pub anew: Option<Anew>,
}

/// What a topic that is made anew once was. To clients it is the same topic; to brokers another, with another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anew {
    /// The topic as the file has it.
    pub of: TopicId,
    /// By which fault of the schedule it is deleted and made anew.
    pub by: usize,
}

impl Topic {
    /// Its partitions, those that a fault may add included.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> + use<> {
        let (first, count) = (self.first_partition.0, self.assignment.len() as u32);
        (first..first + count).map(PartitionId)
    }

    /// How many of its partitions, from the first, are there when the run begins.
    pub fn at_start(&self) -> u32 {
        if self.anew.is_some() { 0 } else { self.created_with }
    }
}

/// A producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its name.
    pub name: String,
    /// Where it sends.
    pub into: TopicId,
    /// The client's settings.
    pub options: ProducerOptions,
    /// The application.
    pub workload: Workload,
}

impl Producer {
    /// How long so many sends take at most, as long as nothing fails.
    pub fn takes(&self, sends: u64) -> Span {
        self.paced(sends) + self.unpaced(sends)
    }

    /// What its rate makes of it: twice the mean for a Poisson process.
    pub fn paced(&self, sends: u64) -> Span {
        match self.workload.rate {
            Rate::Unbounded => Span::ZERO,
            Rate::Every(spacing) => spacing * sends,
            Rate::Poisson(mean) => mean * 2 * sends,
        }
    }

    /// What its rate does not say: a millisecond each, or for each answer that is waited for a second, and as long as it lingers.
    pub fn unpaced(&self, sends: u64) -> Span {
        match (self.workload.waits, self.workload.rate) {
            (Waits::Every(every), _) => {
                (Span::from_seconds(1) + self.options.linger) * sends.div_ceil(every.into())
            }
            (Waits::None, Rate::Unbounded) => Span::from_milliseconds(1) * sends,
            (Waits::None, Rate::Every(_) | Rate::Poisson(_)) => Span::ZERO,
        }
    }
}

/// A plain reader: assigned partitions, from the beginning, without a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// What it reads.
    pub reads: Vec<TopicId>,
    /// When its process starts.
    pub start: Time,
    /// The client's settings.
    pub options: ReaderOptions,
}

/// A schedule to be drawn: see [`schedule`](super::schedule).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chaos {
    /// How many faults, least and most.
    pub faults: (u32, u32),
    /// Of which kinds.
    pub kinds: Vec<FaultKind>,
    /// When they strike, earliest and latest.
    pub between: (Time, Time),
    /// How long they last, shortest and longest.
    pub lasts: (Span, Span),
    /// Whether one that would exceed what Kafka's promises are good for is withheld.
    pub within_budget: bool,
}

/// What must come out of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// In how many seeds, from the model's own on.
    pub seeds: u32,
    /// Bounds on numbers.
    pub lines: Vec<Line>,
    /// Promises that must be kept.
    pub keeps: Vec<Promise>,
    /// Promises that must be broken.
    pub breaks: Vec<Promise>,
}

/// One bound on one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Of what; none: of the whole run.
    pub scope: Option<Scope>,
    /// Which number.
    pub what: Quantity,
    /// Between what.
    pub range: Range,
    /// As it was written, for the report: `lost = ">0"`.
    pub text: String,
}

/// A part of the run that a number can be restricted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One producer, by its place in the model.
    Producer(usize),
}

/// A number of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// A count, or a span in nanoseconds.
    Count(Count),
    /// `faults.N.…` (N from 1, as in the file's order): a span in nanoseconds from the fault, or nothing if it never happened.
    AfterFault(usize, FaultMark),
}

/// What can follow a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultMark {
    /// The controller chose another leader.
    LeaderChangedAfter,
    /// The controller's in-sync set lost a member.
    IsrShrunkAfter,
    /// The controller's in-sync set was whole again.
    IsrRestoredAfter,
    /// A message was told success.
    FirstAckAfter,
}

impl FaultMark {
    /// Every one with its name.
    pub const ALL: [(FaultMark, &'static str); 4] = [
        (FaultMark::LeaderChangedAfter, "leader_changed_after"),
        (FaultMark::IsrShrunkAfter, "isr_shrunk_after"),
        (FaultMark::IsrRestoredAfter, "isr_restored_after"),
        (FaultMark::FirstAckAfter, "first_ack_after"),
    ];
}

/// A closed range of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// At least.
    pub least: u64,
    /// At most.
    pub most: u64,
}

impl Range {
    /// Whether `value` lies in it.
    pub fn contains(self, value: u64) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

impl Model {
    /// How many partitions there may be in all.
    pub fn partition_count(&self) -> usize {
        self.topics.iter().map(|topic| topic.assignment.len()).sum()
    }

    /// Who holds a replica of each partition when the run begins; nobody, of one that is still to be created.
    pub fn at_start(&self) -> impl Iterator<Item = Replicas> {
        self.topics.iter().flat_map(|topic| {
            let at_start = topic.at_start() as usize;
            let to_come = std::iter::repeat_n(Replicas::NONE, topic.assignment.len() - at_start);
            topic.assignment[..at_start].iter().copied().chain(to_come)
        })
    }

    /// Who may come to hold a replica of each partition: its assignment, then whoever a fault of the schedule reassigns it to.
    pub fn holders(&self) -> impl Iterator<Item = Replicas> {
        let assignments = self.topics.iter().flat_map(|topic| {
            let first = topic.anew.map_or(topic, |anew| &self.topics[anew.of.0 as usize]).first_partition;
            topic.assignment.iter().zip(first.0..)
        });
        assignments.map(|(&assigned, in_file)| {
            self.faults.iter().fold(assigned, |all, fault| match &fault.action {
                Action::Reassign(Reassign { partition, replicas }) if partition.0 == in_file => {
                    replicas.iter().fold(all, |all, replica| all.with(replica))
                }
                Action::Reassign(_)
                | Action::AddPartitions { .. }
                | Action::DeleteTopic
                | Action::Set(..)
                | Action::Elect(_)
                | Action::Crash
                | Action::Stop
                | Action::PowerLoss(_)
                | Action::Wipe
                | Action::Pause
                | Action::Isolate { .. }
                | Action::Cut { .. }
                | Action::SlowLink { .. }
                | Action::Hold { .. }
                | Action::SlowDisk(_)
                | Action::StallDisk
                | Action::FullDisk
                | Action::FsyncFails
                | Action::FsyncLies
                | Action::BitRot { .. }
                | Action::ClockJump(_) => all,
            })
        })
    }

    /// What every clock shows at the beginning of a run: as much as it may be set back, in whole seconds.
    pub fn clocks_begin_at(&self) -> Span {
        let mut back = 0;
        for fault in &self.faults {
            if let Action::ClockJump(Jump::Back(by)) = fault.action {
                back += by.nanoseconds().div_ceil(1_000_000_000);
            }
        }
        Span::from_seconds(back)
    }

    /// A partition's topic and its number within it.
    pub fn partition(&self, partition: PartitionId) -> (&Topic, u32) {
        let topic = self
            .topics
            .iter()
            .rev()
            .find(|topic| topic.first_partition <= partition)
            .expect("a partition of the model");
        (topic, partition.0 - topic.first_partition.0)
    }

    /// Which of the topics a partition is of.
    pub fn topic_of(&self, partition: PartitionId) -> TopicId {
        let place = self.topics.iter().rposition(|topic| topic.first_partition <= partition);
        TopicId(place.expect("a partition of the model") as u32)
    }

    /// A partition as people write it: `orders-0`.
    pub fn partition_name(&self, partition: PartitionId) -> String {
        let (topic, number) = self.partition(partition);
        let anew = if topic.anew.is_some() { " (made anew)" } else { "" };
        format!("{}-{number}{anew}", topic.name)
    }

    /// A partition as the file has it: that of which this one is when its topic was made anew.
    pub fn in_file(&self, partition: PartitionId) -> PartitionId {
        let (topic, number) = self.partition(partition);
        let first = topic.anew.map_or(topic, |anew| &self.topics[anew.of.0 as usize]).first_partition;
        PartitionId(first.0 + number)
    }

    /// A topic of the file and, after it, what it is when it was made anew.
    pub fn lives(&self, of: TopicId) -> impl Iterator<Item = &Topic> {
        let anew = self.topics.iter().filter(move |topic| topic.anew.is_some_and(|anew| anew.of == of));
        std::iter::once(&self.topics[of.0 as usize]).chain(anew)
    }

    /// Puts behind the other topics those that the faults from this one on make anew.
    pub fn add_topics_made_anew(&mut self, from: usize) {
        for (by, fault) in self.faults.iter().enumerate().skip(from) {
            let (Action::DeleteTopic, &Target::Topic(of)) = (&fault.action, &fault.on) else { continue };
            let first_partition =
                PartitionId(self.topics.iter().map(|topic| topic.assignment.len() as u32).sum());
            let anew = Some(Anew { of, by });
            self.topics.push(Topic { first_partition, anew, ..self.topics[of.0 as usize].clone() });
        }
    }

    /// The brokers.
    pub fn brokers(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.cluster.brokers).map(NodeId)
    }

    /// The first controller: controllers come after the brokers.
    pub fn controller(&self) -> NodeId {
        NodeId(self.cluster.brokers + 1)
    }

    /// The controllers: the voters of the metadata quorum.
    pub fn voters(&self) -> Voters {
        Voters { first: self.controller(), count: self.cluster.controllers }
    }

    /// All producers and readers.
    pub fn clients(&self) -> impl Iterator<Item = NodeId> + use<> {
        (self.producer_node(0).0..=self.node_count()).map(NodeId)
    }

    /// A producer's node: producers come after the controllers.
    pub fn producer_node(&self, producer: usize) -> NodeId {
        NodeId(self.cluster.brokers + self.cluster.controllers + 1 + producer as u16)
    }

    /// A reader's node: readers come after the producers.
    pub fn reader_node(&self, reader: usize) -> NodeId {
        self.producer_node(self.producers.len() + reader)
    }

    /// How many nodes there are; their ids are 1 to this.
    pub fn node_count(&self) -> u16 {
        self.cluster.brokers + self.cluster.controllers + (self.producers.len() + self.readers.len()) as u16
    }

    /// A node as people call it: `broker 1`, `the controller`, `producer web`.
    pub fn node_name(&self, node: NodeId) -> String {
        let (brokers, controllers) = (self.cluster.brokers, self.cluster.controllers);
        if node == NodeId::NOBODY {
            return "the schedule".to_owned();
        }
        if node.0 <= brokers {
            return format!("broker {node}");
        }
        if node.0 <= brokers + controllers {
            return match controllers {
                1 => "the controller".into(),
                _ => format!("controller {}", node.0 - brokers),
            };
        }
        let client = usize::from(node.0 - brokers - controllers - 1);
        match self.producers.get(client) {
            Some(producer) => format!("producer {}", producer.name),
            None => format!("reader {}", self.readers[client - self.producers.len()].name),
        }
    }

    /// The size of all records that will be sent.
    pub fn bytes_to_send(&self) -> Bytes {
        Bytes::new(
            self.producers
                .iter()
                .map(|producer| u64::from(producer.workload.records) * producer.workload.size.get())
                .sum(),
        )
    }
}
