//! What an administrator does, as a fault of the schedule: `elect`, `reassign`, `add-partitions`, `delete-topic`, `set`.

use super::reading::{Placed, Reading};
use super::report::{Place, Problem};
use super::section::Section;
use super::target::{self, Partition, Target};
use super::tree::{Node, Value};
use super::{limits, set};
use crate::cluster::generation::Version;
use crate::scenario::words::FaultKind;

/// An administrator's request, by the names of the file.
pub(super) enum Administration {
    /// Of one partition.
    OfPartition(Placed<Partition>, Request),
    /// A setting is another.
    Set(set::Draft),
    /// A topic goes.
    DeleteTopic(Placed<String>),
    /// So many partitions of a topic in all.
    AddPartitions(Placed<String>, Placed<u64>),
}

/// What an administrator asks for of a partition.
pub(super) enum Request {
    /// Another leader: this one, or the preferred replica.
    Elect(Option<Placed<Target>>),
    /// A leader at any price, where there is none.
    ElectUnclean,
    /// These replicas.
    Reassign(Vec<Placed<i128>>),
}

/// A fault of one of these kinds.
pub(super) fn read(
    kind: FaultKind,
    section: &Section<'_>,
    fault: Place,
    version: Version,
    reading: &mut Reading,
) -> Option<Administration> {
    if kind == FaultKind::AddPartitions {
        return add_partitions(section, fault, reading);
    }
    if kind == FaultKind::Set {
        return set::read(section, fault, version, reading).map(Administration::Set);
    }
    if kind == FaultKind::DeleteTopic {
        return topic(section, fault, reading).map(Administration::DeleteTopic);
    }
    let partition = section.need("partition", fault, "\"orders-0\"", reading);
    let partition = partition.and_then(|node| target::partition("partition", node, reading));
    let request = if kind == FaultKind::Elect {
        elect(section, reading)
    } else {
        let node = section.need("replicas", fault, "[1, 2, 3]", reading);
        node.and_then(|node| replicas(node, reading)).map(Request::Reassign)
    };
    Some(Administration::OfPartition(partition?, request?))
}

fn add_partitions(section: &Section<'_>, fault: Place, reading: &mut Reading) -> Option<Administration> {
    let topic = topic(section, fault, reading);
    let total = section.need("partitions", fault, "4", reading);
    let total = total.and_then(|node| {
        let value = reading.whole("partitions", node, 1..=limits::PARTITIONS)?;
        Some(Placed { value, place: node.place })
    });
    Some(Administration::AddPartitions(topic?, total?))
}

pub(super) fn topic(section: &Section<'_>, fault: Place, reading: &mut Reading) -> Option<Placed<String>> {
    let node = section.need("topic", fault, "\"orders\"", reading)?;
    Some(Placed { value: reading.text("topic", node, "\"orders\"")?.to_owned(), place: node.place })
}

fn elect(section: &Section<'_>, reading: &mut Reading) -> Option<Request> {
    let unclean = match section.get("unclean") {
        None => false,
        Some(Node { value: Value::Switch(unclean), .. }) => *unclean,
        Some(node) => return reading.wrong_type("unclean", node, "true or false", "true"),
    };
    match section.get("to") {
        None if unclean => Some(Request::ElectUnclean),
        None => Some(Request::Elect(None)),
        Some(node) if unclean => {
            let message = "an unclean election takes whoever is alive";
            let problem = Problem::new("model::contradiction", message).at(node.place);
            reading.problem(problem.label("to one broker").help("leave out either `to` or `unclean`"));
            None
        }
        Some(node) => Some(Request::Elect(Some(target::read("to", node, target::FAULT_TARGETS, reading)?))),
    }
}

fn replicas(node: &Node, reading: &mut Reading) -> Option<Vec<Placed<i128>>> {
    const EXAMPLE: &str = "[1, 2, 3]";
    let mut replicas = Vec::new();
    for broker in reading.list("replicas", node, EXAMPLE)? {
        let Value::Whole(number) = broker.value else {
            return reading.wrong_type("replicas", broker, "the numbers of brokers", EXAMPLE);
        };
        replicas.push(Placed { value: number, place: broker.place });
    }
    if replicas.is_empty() {
        let problem = Problem::new("model::assignment", "a partition needs a replica").at(node.place);
        reading.problem(problem.help(format!("for example `replicas = {EXAMPLE}`")));
        return None;
    }
    Some(replicas)
}
