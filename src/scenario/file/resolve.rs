//! From drafts to a model: every name becomes what it names, every bound is checked.

use std::collections::BTreeMap;

use super::administration::{Administration, Request};
use super::befall;
use super::client::{ProducerDraft, ReaderDraft};
use super::cluster::Network;
use super::expect::{self, Of};
use super::fault;
use super::limits;
use super::reading::{Placed, Reading};
use super::report::{Place, Problem};
use super::set;
use super::target::{Partition, Target};
use crate::cluster::options::ControllerOptions;
use crate::cluster::protocol::{ElectLeaders, Reassign};
use crate::cluster::setting::Setting;
use crate::cluster::units::{Offset, PartitionId, Replicas, TopicId};
use crate::devices::network::{self, Link};
use crate::kernel::units::NodeId;
use crate::scenario::fault::{Action, Fault, Target as Struck, Trigger, When, Whose};
use crate::scenario::model::{Cluster, Expect, Line, Producer, Quantity, Reader, Scope, Topic};

/// What names can mean.
pub(super) struct Names<'m> {
    /// Topics by their names.
    by_name: BTreeMap<&'m str, TopicId>,
    /// The machines.
    cluster: &'m Cluster,
    /// What the controller is set to.
    controller: &'m ControllerOptions,
    /// The topics.
    topics: &'m [Topic],
    /// Where the clients' machines begin, and how many there are.
    clients: (u16, u16),
    /// The names of the producers, in the order of the file.
    producers: &'m [String],
}

/// A broker by its number.
pub(super) fn broker(number: i128, place: Place, brokers: u16, reading: &mut Reading) -> Option<NodeId> {
    match u16::try_from(number) {
        Ok(id) if (1..=brokers).contains(&id) => Some(NodeId(id)),
        _ => {
            let problem =
                Problem::new("model::unknown-broker", format!("there is no broker {number}")).at(place);
            let help = if brokers == 1 {
                "the only broker is broker 1".to_owned()
            } else {
                format!("brokers count from 1, and `cluster.brokers` is {brokers}")
            };
            reading.problem(problem.label("no such broker").help(help));
            None
        }
    }
}

/// How many nodes there are, if that is not too many. Checked before ids are made.
pub(super) fn clients(
    cluster: &Cluster,
    producers: usize,
    readers: usize,
    reading: &mut Reading,
) -> Option<(u16, u16)> {
    let before = cluster.brokers + cluster.controllers;
    let clients = producers + readers;
    if usize::from(before) + clients > limits::NODES {
        let message = format!("brokers, controllers and clients are more than {}", limits::NODES);
        let help = "leave some out: one producer may send as much as many";
        reading.problem(Problem::new("model::limit", message).help(help));
        return None;
    }
    Some((before + 1, clients as u16))
}

impl<'m> Names<'m> {
    /// What names can mean in a model of these.
    pub(super) fn new(
        cluster: &'m Cluster,
        controller: &'m ControllerOptions,
        topics: &'m [Topic],
        clients: (u16, u16),
        producers: &'m [String],
    ) -> Names<'m> {
        let named = topics.iter().enumerate().map(|(at, topic)| (topic.name.as_str(), TopicId(at as u32)));
        Names { by_name: named.collect(), cluster, controller, topics, clients, producers }
    }

    fn topic(&self, name: &str, place: Place, reading: &mut Reading) -> Option<(TopicId, &'m Topic)> {
        if let Some(&id) = self.by_name.get(name) {
            return Some((id, &self.topics[id.0 as usize]));
        }
        let names = self.topics.iter().map(|topic| &topic.name);
        reading.unknown_name("model::unknown-topic", "topic", name, place, names);
        None
    }

    fn partition(
        &self,
        named: &Partition,
        place: Place,
        reading: &mut Reading,
    ) -> Option<(PartitionId, &Topic)> {
        let (_, topic) = self.topic(&named.topic, place, reading)?;
        let partitions = topic.assignment.len();
        if named.number >= partitions as u64 {
            let message = format!("topic `{}` has no partition {}", topic.name, named.number);
            let problem =
                Problem::new("model::unknown-partition", message).at(place).label("no such partition");
            let help = match partitions {
                1 => "its only partition is 0".to_owned(),
                _ => format!("partitions count from 0, and it has {partitions}"),
            };
            reading.problem(problem.help(help));
            return None;
        }
        Some((PartitionId(topic.first_partition.0 + named.number as u32), topic))
    }

    fn brokers(&self, numbers: &[u64], place: Place, reading: &mut Reading) -> Option<Vec<NodeId>> {
        let mut ids = Vec::new();
        for &number in numbers {
            let id = broker(number.into(), place, self.cluster.brokers, reading)?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Some(ids)
    }

    fn rack(&self, name: &str, place: Place, reading: &mut Reading) -> Option<Vec<NodeId>> {
        let racks = &self.cluster.racks;
        if racks.is_empty() {
            let problem = Problem::new("model::unknown-rack", format!("there is no rack `{name}`")).at(place);
            let help = "say which there are: `racks = [\"a\", \"b\", \"c\"]` in [cluster]";
            reading.problem(problem.label("the cluster has no racks").help(help));
            return None;
        }
        let members: Vec<NodeId> = (1..=self.cluster.brokers)
            .filter(|id| racks[usize::from(id - 1) % racks.len()] == name)
            .map(NodeId)
            .collect();
        if members.is_empty() {
            reading.unknown_name("model::unknown-rack", "rack", name, place, racks.iter());
            return None;
        }
        Some(members)
    }

    fn all_controllers(&self) -> Vec<NodeId> {
        (1..=self.cluster.controllers).map(|number| NodeId(self.cluster.brokers + number)).collect()
    }

    fn controllers(&self, numbers: &[u64], place: Place, reading: &mut Reading) -> Option<Vec<NodeId>> {
        let all = self.all_controllers();
        let mut ids = Vec::new();
        for &number in numbers {
            let Some(&id) = number.checked_sub(1).and_then(|place| all.get(place as usize)) else {
                let message = format!("there is no controller {number}");
                let problem = Problem::new("model::unknown-controller", message).at(place);
                let help = format!("controllers count from 1, and `cluster.controllers` is {}", all.len());
                reading.problem(problem.label("no such controller").help(help));
                return None;
            };
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Some(ids)
    }

    /// Whom a fault strikes.
    fn struck(&self, on: &Placed<Target>, reading: &mut Reading) -> Option<Struck> {
        let place = on.place;
        match &on.value {
            Target::Brokers(numbers) => self.brokers(numbers, place, reading).map(Struck::Brokers),
            Target::AllBrokers => Some(Struck::Brokers((1..=self.cluster.brokers).map(NodeId).collect())),
            Target::Rack(name) => Some(Struck::Rack(name.clone(), self.rack(name, place, reading)?)),
            Target::Leader(named) => Some(Struck::Leader(self.partition(named, place, reading)?.0)),
            Target::Isr(named) => Some(Struck::Isr(self.partition(named, place, reading)?.0)),
            Target::Follower(named, which) => {
                let (id, topic) = self.partition(named, place, reading)?;
                let followers = topic.assignment[named.number as usize].len() as u64 - 1;
                if *which >= followers {
                    let message = format!("{}-{} has no follower {which}", topic.name, named.number);
                    let problem = Problem::new("model::unknown-follower", message).at(place);
                    let help = format!("followers count from 0, and it has {followers}");
                    reading.problem(problem.label("no such follower").help(help));
                    return None;
                }
                Some(Struck::Follower(id, *which as u16))
            }
            Target::Controller => Some(Struck::Controller),
            Target::Controllers => Some(Struck::Controllers),
            Target::SomeControllers(numbers) => {
                self.controllers(numbers, place, reading).map(Struck::SomeControllers)
            }
            Target::Clients => Some(Struck::Clients),
            Target::Producer(name) => match self.producers.iter().position(|producer| producer == name) {
                Some(producer) => Some(Struck::Producer(producer)),
                None => {
                    let names = self.producers.iter();
                    reading.unknown_name("model::unknown-producer", "producer", name, place, names);
                    None
                }
            },
            Target::All(targets) => {
                let all: Vec<_> = targets.iter().map(|target| self.struck(target, reading)).collect();
                all.into_iter().collect::<Option<_>>().map(Struck::All)
            }
        }
    }

    /// The nodes at one end of a link.
    fn end(&self, end: &Placed<Target>, reading: &mut Reading) -> Option<Vec<NodeId>> {
        match &end.value {
            Target::Brokers(numbers) => self.brokers(numbers, end.place, reading),
            Target::AllBrokers => Some((1..=self.cluster.brokers).map(NodeId).collect()),
            Target::Rack(name) => self.rack(name, end.place, reading),
            Target::Controller if self.cluster.controllers > 1 => {
                let message = "which controller is active changes, and a link stays";
                let problem = Problem::new("model::unknown-target", message).at(end.place);
                reading.problem(problem.help("write `controllers` or `controller(2)`"));
                None
            }
            Target::Controller | Target::Controllers => Some(self.all_controllers()),
            Target::SomeControllers(numbers) => self.controllers(numbers, end.place, reading),
            Target::Clients => {
                Some((0..self.clients.1).map(|client| NodeId(self.clients.0 + client)).collect())
            }
            Target::Leader(_)
            | Target::Follower(..)
            | Target::Isr(_)
            | Target::Producer(_)
            | Target::All(_) => {
                unreachable!("no link ends at a role: the form of its ends says so")
            }
        }
    }

    /// The links.
    pub(super) fn network(&self, draft: Network, reading: &mut Reading) -> network::Options {
        let mut links = Vec::new();
        for link in draft.links {
            let [one, other] = &link.between;
            let place = other.place;
            let (one, other) = (self.end(one, reading), self.end(other, reading));
            if let (Some(one), Some(other)) = (one, other) {
                if one.len() == 1 && one == other {
                    let problem =
                        Problem::new("model::no-effect", "a link has two ends, and these are the same");
                    reading.problem(problem.at(place).label("named before").help("name another node"));
                    continue;
                }
                links.push(Link { one, other, latency: link.latency });
            }
        }
        let Network { latency, loss, bandwidth, .. } = draft;
        network::Options { latency, loss, bandwidth, links }
    }

    /// The producers, once they do not send too much.
    pub(super) fn producers(&self, drafts: Vec<ProducerDraft>, reading: &mut Reading) -> Vec<Producer> {
        let mut total = 0_u64;
        let mut producers = Vec::new();
        for draft in drafts {
            total = total.saturating_add(draft.records.value);
            if total > limits::RECORDS {
                let message =
                    format!("a model sends at most {} million records", limits::RECORDS / 1_000_000);
                let problem = Problem::new("model::limit", message).at(draft.records.place);
                let left = limits::RECORDS.saturating_sub(total - draft.records.value);
                reading.problem(problem.label("too many").help(format!("here at most `records = {left}`")));
                return Vec::new();
            }
            let Some((into, _)) = self.topic(&draft.into.value, draft.into.place, reading) else { continue };
            let mut workload = draft.workload;
            workload.records = draft.records.value as u32;
            producers.push(Producer { name: draft.name, into, options: draft.options, workload });
        }
        producers
    }

    /// The readers.
    pub(super) fn readers(&self, drafts: Vec<ReaderDraft>, reading: &mut Reading) -> Vec<Reader> {
        let mut readers = Vec::new();
        for draft in drafts {
            let mut reads = Vec::new();
            for topic in &draft.reads {
                reads.extend(self.topic(&topic.value, topic.place, reading).map(|(id, _)| id));
            }
            readers.push(Reader { name: draft.name, reads, start: draft.start, options: draft.options });
        }
        readers
    }

    /// What a fault does.
    fn action(&self, draft: fault::Doing, reading: &mut Reading) -> Option<Action> {
        Some(match draft {
            fault::Doing::Plain(action) => action,
            fault::Doing::Cut { to, one_way } => Action::Cut { to: self.struck(&to, reading)?, one_way },
            fault::Doing::SlowLink { to, one_way, slower } => {
                Action::SlowLink { to: self.struck(&to, reading)?, one_way, slower }
            }
            fault::Doing::Hold { to, what } => Action::Hold { to: self.struck(&to, reading)?, what },
            fault::Doing::BitRot { partition, offset } => {
                let partition = match partition {
                    Some(named) => Some(self.partition(&named.value, named.place, reading)?.0),
                    None => None,
                };
                Action::BitRot { partition, offset: offset.map(Offset) }
            }
        })
    }

    /// One fault.
    pub(super) fn fault(&self, draft: fault::Draft, reading: &mut Reading) -> Option<Fault> {
        let (action, on) = match draft.what {
            fault::What::Befalls(doing, on) => {
                let (action, struck) = (self.action(doing, reading), self.struck(&on, reading));
                if let (Some(action), Some(struck)) = (&action, &struck) {
                    befall::check(action, &on, struck, reading)?;
                }
                (action, struck)
            }
            fault::What::Administers(request) => self.administration(&request, reading).unzip(),
        };
        let when = match draft.when {
            fault::When::At(instant) => When::At(instant),
            fault::When::Ack(acks, plus) => When::After(Trigger::Ack(acks), plus),
            fault::When::LeaderChange(named, nth, plus) => {
                let (partition, _) = self.partition(&named.value, named.place, reading)?;
                When::After(Trigger::LeaderChange(partition, nth), plus)
            }
            fault::When::Isr(named, size, plus) => {
                let (partition, topic) = self.partition(&named.value, named.place, reading)?;
                let replicas = topic.assignment[named.value.number as usize].len() as u64;
                if size.value > replicas {
                    let message = format!("the in-sync set never has {} members", size.value);
                    let problem = Problem::new("model::out-of-range", message).at(size.place);
                    let problem = problem.label(format!("the partition has {replicas} replicas"));
                    reading.problem(problem.help(format!("a number from 0 to {replicas}")));
                    return None;
                }
                When::After(Trigger::Isr(partition, size.value as u16), plus)
            }
        };
        Some(Fault { when, action: action?, on: on?, lasts: draft.lasts, within_budget: false })
    }

    /// What an administrator asks for, and of what.
    fn administration(&self, asked: &Administration, reading: &mut Reading) -> Option<(Action, Struck)> {
        let (named, request) = match asked {
            Administration::OfPartition(named, request) => (named, request),
            Administration::Set(draft) => return self.set(draft, reading),
            Administration::DeleteTopic(named) => {
                let (id, _) = self.topic(&named.value, named.place, reading)?;
                return Some((Action::DeleteTopic, Struck::Topic(id)));
            }
            Administration::AddPartitions(named, total) => {
                let (id, topic) = self.topic(&named.value, named.place, reading)?;
                if total.value <= u64::from(topic.created_with) {
                    let message =
                        format!("topic `{}` begins with `partitions = {}`", topic.name, topic.created_with);
                    let problem = Problem::new("model::out-of-range", message).at(total.place);
                    let help = "`partitions` is how many there are to be in all; Kafka never takes one away";
                    reading.problem(problem.label("not more").help(help));
                    return None;
                }
                let action = Action::AddPartitions { total: total.value as u32 };
                return Some((action, Struck::Topic(id)));
            }
        };
        let (partition, _) = self.partition(&named.value, named.place, reading)?;
        let action = match request {
            Request::ElectUnclean => Action::Elect(ElectLeaders { partition, to: None, unclean: true }),
            Request::Elect(to) => {
                let to = match to {
                    Some(to) => Some(self.one_broker(to, reading)?),
                    None => None,
                };
                Action::Elect(ElectLeaders { partition, to, unclean: false })
            }
            Request::Reassign(numbers) => {
                let mut replicas = Replicas::NONE;
                for number in numbers {
                    let id = broker(number.value, number.place, self.cluster.brokers, reading)?;
                    if replicas.contains(id) || replicas.len() == Replicas::MOST {
                        let message = "a partition has each replica once, and at most seven";
                        let problem = Problem::new("model::assignment", message).at(number.place);
                        reading.problem(problem.help("leave it out, or name another broker"));
                        return None;
                    }
                    replicas.push(id);
                }
                Action::Reassign(Reassign { partition, replicas })
            }
        };
        Some((action, Struck::Partition(partition)))
    }

    /// A setting changed, and whose.
    fn set(&self, draft: &set::Draft, reading: &mut Reading) -> Option<(Action, Struck)> {
        let Placed { value: setting, place } = draft.setting;
        let brokers = match &draft.whose {
            set::Whose::Topic(named) => {
                let (id, _) = self.topic(&named.value, named.place, reading)?;
                return Some((Action::Set(Whose::Topic, setting), Struck::Topic(id)));
            }
            set::Whose::Brokers(brokers) => brokers,
        };
        let on = self.struck(brokers, reading)?;
        if brokers.value == Target::AllBrokers {
            return Some((Action::Set(Whose::AllBrokers, setting), on));
        }
        if matches!(setting, Setting::MinInsyncReplicas(_)) && self.controller.eligible_leader_replicas {
            let message =
                "no broker has a `min.insync.replicas` of its own while eligible leader replicas are on";
            let problem = Problem::new("model::config-exception", message).at(place).label("INVALID_CONFIG");
            let help = "set it for all at once, `on = \"all-brokers\"`, or for a `topic`; or switch them off under \
                        `[cluster]`, `eligible.leader.replicas.version = 0`";
            reading.problem(problem.help(help));
            return None;
        }
        Some((Action::Set(Whose::EachBroker, setting), on))
    }

    /// A target that is one broker, whenever it is asked.
    fn one_broker(&self, target: &Placed<Target>, reading: &mut Reading) -> Option<NodeId> {
        let ids = match &target.value {
            Target::Brokers(numbers) => self.brokers(numbers, target.place, reading)?,
            Target::AllBrokers
            | Target::Rack(_)
            | Target::Leader(_)
            | Target::Follower(..)
            | Target::Isr(_)
            | Target::Controller
            | Target::Controllers
            | Target::SomeControllers(_)
            | Target::Clients
            | Target::Producer(_)
            | Target::All(_) => Vec::new(),
        };
        if let [one] = ids[..] {
            return Some(one);
        }
        let problem = Problem::new("model::unknown-target", "leadership goes to one broker").at(target.place);
        reading.problem(problem.help("write `to = \"broker(2)\"`"));
        None
    }
}

/// Whether no partition has more brokers over the whole run than a partition may have replicas.
pub(super) fn check_holders(topics: &[Topic], faults: &[Fault], reading: &mut Reading) {
    let mut brokers: Vec<Vec<NodeId>> =
        topics.iter().flat_map(|topic| &topic.assignment).map(|all| all.iter().collect()).collect();
    for fault in faults {
        if let Action::Reassign(Reassign { partition, replicas }) = fault.action {
            brokers[partition.0 as usize].extend(replicas.iter());
        }
    }
    for all in &mut brokers {
        all.sort_unstable();
        all.dedup();
        if all.len() > Replicas::MOST {
            let message = format!("a partition is on at most {} brokers over the whole run", Replicas::MOST);
            let help = "move it among fewer brokers, or in a model of its own";
            return reading.problem(Problem::new("model::limit", message).help(help));
        }
    }
}

/// What must come out.
pub(super) fn expect(
    draft: expect::Draft,
    producers: &[Producer],
    faults: usize,
    reading: &mut Reading,
) -> Expect {
    let named = producers.iter().enumerate().map(|(at, producer)| (producer.name.as_str(), at));
    let by_name: BTreeMap<&str, usize> = named.collect();
    let mut lines = Vec::new();
    for line in draft.lines {
        let (scope, what) = match line.of {
            Of::Run(count) => (None, Quantity::Count(count)),
            Of::Producer(name, count) => {
                let Some(&at) = by_name.get(name.value.as_str()) else {
                    let names = producers.iter().map(|producer| &producer.name);
                    reading.unknown_name(
                        "model::unknown-producer",
                        "producer",
                        &name.value,
                        name.place,
                        names,
                    );
                    continue;
                };
                (Some(Scope::Producer(at)), Quantity::Count(count))
            }
            Of::Fault(number, mark) => {
                if !(1..=faults as u64).contains(&number.value) {
                    let message = format!("there is no fault {}", number.value);
                    let problem = Problem::new("model::unknown-fault", message).at(number.place);
                    let help = format!("faults count from 1, and there are {faults}");
                    reading.problem(problem.label("no such fault").help(help));
                    continue;
                }
                (None, Quantity::AfterFault(number.value as usize, mark))
            }
        };
        lines.push(Line { scope, what, range: line.range, text: line.text });
    }
    Expect { seeds: draft.seeds, lines, keeps: draft.keeps, breaks: draft.breaks }
}
