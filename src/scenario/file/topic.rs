//! `[topics.NAME]`.

use std::collections::BTreeMap;

use super::limits;
use super::property;
use super::reading::{Placed, Reading};
use super::report::{Place, Problem};
use super::section::{Kafka, Schema, Section};
use super::settings;
use super::tree::{Key, Node, Table, Value};
use super::{known, word_is_plain};
use crate::cluster::options::TopicOptions;
use crate::cluster::setting::Setting;
use crate::cluster::units::{PartitionId, Replicas};
use crate::kernel::units::NodeId;
use crate::scenario::model::{Chaos, Topic};
use crate::scenario::schedule;
use crate::scenario::words::FaultKind;

pub(super) const TOPIC: Schema = Schema {
    own: &["partitions", "assignment"],
    later: &[],
    kafka: Some(Kafka { modelled: || property::names(settings::TOPIC), known: known::TOPIC }),
};

/// A topic, its replicas not placed yet.
pub(super) struct Draft {
    name: String,
    place: Place,
    options: TopicOptions,
    partitions: Placed<u64>,
    replication_factor: Placed<u64>,
    assignment: Option<Vec<Vec<Placed<i128>>>>,
}

/// A topic as the file has it.
pub(super) fn read(
    name: &Key,
    table: &Table,
    place: Place,
    broker: &settings::Topic,
    reading: &mut Reading,
) -> Option<Draft> {
    let section = Section::open(table, &format!("topic `{}`", name.text), &TOPIC, reading);
    let mut topic = broker.clone();
    property::apply(settings::TOPIC, &section.settings, &mut topic, reading);
    for setting in Setting::of_topic(&topic.options) {
        if section.settings.iter().any(|set| setting.topic_name() == Some(set.name.as_str())) {
            setting.put(&mut topic.options);
        }
    }
    // TopicConfig names: `Topic.validate` allows these characters and this length.
    if !word_is_plain(&name.text) || name.text.len() > 249 || name.text == "." || name.text == ".." {
        let problem =
            Problem::new("model::name", format!("`{}` is no name for a topic", name.text)).at(name.place);
        reading.problem(problem.help("at most 249 letters, digits, `.`, `_` and `-`"));
    }
    let assignment_node = section.get("assignment");
    let assignment = assignment_node.and_then(|node| assignment(node, reading));
    if let Some(assigned) = &assignment {
        topic.partitions = assigned.len() as u64;
        let replicas = assigned.iter().map(Vec::len).max().unwrap_or(0) as u64;
        if let Some(set) = section.settings.iter().find(|setting| setting.name == "replication.factor")
            && topic.replication_factor != replicas
        {
            let message = "`replication.factor` and `assignment` disagree";
            let problem = Problem::new("model::contradiction", message).at(set.node.place);
            let problem = problem.label(format!("the assignment gives {replicas} replicas"));
            reading.problem(problem.help("leave it out: the assignment says it"));
        }
        topic.replication_factor = replicas;
    }
    let counted = section.get("partitions").and_then(|node| {
        let count = reading.whole("partitions", node, 1..=u64::MAX)?;
        if assignment.as_ref().is_some_and(|assigned| assigned.len() as u64 != count) {
            let problem =
                Problem::new("model::contradiction", "`partitions` and `assignment` disagree").at(node.place);
            let problem = problem.label(format!("the assignment lists {}", topic.partitions));
            reading.problem(problem.help("leave it out: the assignment says it"));
        }
        Some(count)
    });
    let partitions_place = section.get("partitions").or(assignment_node).map_or(place, |node| node.place);
    let factor_place = section
        .settings
        .iter()
        .find(|setting| setting.name == "replication.factor")
        .map(|setting| setting.node.place)
        .or(assignment_node.map(|node| node.place));
    Some(Draft {
        name: name.text.clone(),
        place,
        options: topic.options,
        partitions: Placed { value: counted.unwrap_or(topic.partitions), place: partitions_place },
        replication_factor: Placed { value: topic.replication_factor, place: factor_place.unwrap_or(place) },
        assignment,
    })
}

/// Lists of brokers, one a partition, all as long as each other (`ReplicationControlManager.createTopic`).
fn assignment(node: &Node, reading: &mut Reading) -> Option<Vec<Vec<Placed<i128>>>> {
    const EXAMPLE: &str = "[[1, 2, 3]]";
    let list = reading.list("assignment", node, EXAMPLE)?;
    let mut assigned = Vec::new();
    for partition in list {
        let mut replicas = Vec::new();
        for broker in reading.list("assignment", partition, EXAMPLE)? {
            let Value::Whole(number) = broker.value else {
                return reading.wrong_type("assignment", broker, "the numbers of brokers", EXAMPLE);
            };
            replicas.push(Placed { value: number, place: broker.place });
        }
        let wrong = if replicas.is_empty() {
            Some("a partition needs a replica")
        } else if assigned.first().is_some_and(|first: &Vec<_>| first.len() != replicas.len()) {
            Some("Kafka wants the same number of replicas of every partition of a topic")
        } else {
            None
        };
        if let Some(message) = wrong {
            let problem = Problem::new("model::assignment", message).at(partition.place);
            reading.problem(problem.help(format!("for example `assignment = {EXAMPLE}`")));
            return None;
        }
        assigned.push(replicas);
    }
    if assigned.is_empty() {
        let problem = Problem::new("model::assignment", "a topic needs a partition").at(node.place);
        reading.problem(problem.help(format!("for example `assignment = {EXAMPLE}`, or leave it out")));
        return None;
    }
    Some(assigned)
}

/// How many partitions topics may come to have.
pub(super) struct Growth<'a> {
    /// By the faults of the file.
    written: BTreeMap<&'a str, u64>,
    /// So many more by faults that are drawn.
    drawn: u64,
    /// How often the faults of the file delete them.
    deletions: BTreeMap<&'a str, u64>,
    /// How often, at most, faults that are drawn delete any.
    drawn_deletions: u64,
}

/// What these faults, each of a topic, and those that may be drawn make of topics. With each how many partitions there are in all
/// then; none: it is deleted, and made anew.
pub(super) fn growth<'a>(
    changes: impl Iterator<Item = (&'a str, Option<u64>)>,
    chaos: Option<&Chaos>,
) -> Growth<'a> {
    let (mut written, mut deletions) = (BTreeMap::new(), BTreeMap::new());
    for (topic, total) in changes {
        let most = written.entry(topic).or_insert(0);
        *most = total.unwrap_or(0).max(*most);
        *deletions.entry(topic).or_insert(0) += u64::from(total.is_none());
    }
    let drawn =
        |kind| chaos.filter(|chaos| chaos.kinds.contains(&kind)).map(|chaos| u64::from(chaos.faults.1));
    Growth {
        written,
        drawn: if drawn(FaultKind::AddPartitions).is_some() { schedule::MOST_ADDED } else { 0 },
        deletions,
        drawn_deletions: drawn(FaultKind::DeleteTopic).unwrap_or(0),
    }
}

impl Growth<'_> {
    /// How many partitions a topic may come to have.
    fn of(&self, draft: &Draft) -> u64 {
        let begins = draft.partitions.value;
        let written = self.written.get(draft.name.as_str()).copied().unwrap_or(0);
        begins.max(written).saturating_add(self.drawn)
    }

    /// How many there may be in all, those of a topic made anew counted as well.
    fn in_all(&self, draft: &Draft) -> u64 {
        let deletions = self.deletions.get(draft.name.as_str()).copied().unwrap_or(0);
        self.of(draft).saturating_mul(1 + deletions + self.drawn_deletions)
    }
}

/// Places the replicas of all topics, once there are not too many.
pub(super) fn place_all(
    drafts: Vec<Draft>,
    growth: &Growth<'_>,
    brokers: u16,
    reading: &mut Reading,
) -> Vec<Topic> {
    let mut total = 0_u64;
    for draft in &drafts {
        total = total.saturating_add(growth.in_all(draft));
        if total > limits::PARTITIONS {
            let message = format!("a model has at most {} partitions", limits::PARTITIONS);
            let problem = Problem::new("model::limit", message).at(draft.partitions.place).label("too many");
            let left = limits::PARTITIONS.saturating_sub(total - growth.of(draft));
            reading.problem(problem.help(format!("there is room for {left} of this topic")));
            return Vec::new();
        }
    }
    let mut first_partition = 0_u32;
    let mut topics = Vec::new();
    for draft in drafts {
        let Some(mut assignment) = placed(&draft, brokers, reading) else { continue };
        let at_start = assignment.len() as u32;
        let replicas = assignment[0].len() as u64;
        assignment.extend((at_start.into()..growth.of(&draft)).map(|p| striped(p, replicas, brokers)));
        let partitions = assignment.len() as u32;
        topics.push(Topic {
            name: draft.name,
            options: draft.options,
            first_partition: PartitionId(first_partition),
            assignment,
            created_with: at_start,
            anew: None,
        });
        first_partition += partitions;
    }
    topics
}

/// The replicas of the pth partition where the file does not say: on brokers p + 1, p + 2, and so on around.
///
/// # Departure from Kafka:
/// Its `StripedReplicaPlacer` starts at a drawn broker and a drawn shift, and spreads replicas over
/// racks. Here the first partition of every topic starts at broker 1, and racks decide nothing.
fn striped(p: u64, factor: u64, brokers: u16) -> Replicas {
    Replicas::of((0..factor).map(|r| NodeId(((p + r) % u64::from(brokers)) as u16 + 1)))
}

/// Where the replicas of a topic's first partitions are: as the file says, or [`striped`].
fn placed(draft: &Draft, brokers: u16, reading: &mut Reading) -> Option<Vec<Replicas>> {
    let Placed { value: factor, place } = draft.replication_factor;
    if factor > u64::from(brokers) {
        let message = format!(
            "{factor} replicas do not fit on {brokers} {}",
            if brokers == 1 { "broker" } else { "brokers" }
        );
        let problem = Problem::new("model::replication-factor", message).at(place).label("too many replicas");
        let problem =
            if place == draft.place { problem } else { problem.related(draft.place, "of this topic") };
        reading.problem(
            problem.help(format!("Kafka refuses such a topic; set it to at most {brokers}, or add brokers")),
        );
        return None;
    }
    if factor > Replicas::MOST as u64 {
        let message = format!("a partition has at most {} replicas here", Replicas::MOST);
        let problem = Problem::new("model::limit", message).at(place).label("too many replicas");
        reading.problem(problem.help("Kafka has no such limit; it is ours"));
        return None;
    }
    let Some(assigned) = &draft.assignment else {
        return Some((0..draft.partitions.value).map(|p| striped(p, factor, brokers)).collect());
    };
    let mut all = Vec::new();
    for partition in assigned {
        let mut replicas = Replicas::NONE;
        for broker in partition {
            let id = super::resolve::broker(broker.value, broker.place, brokers, reading)?;
            if replicas.contains(id) {
                let message = format!("broker {id} holds two replicas of one partition");
                let problem = Problem::new("model::assignment", message).at(broker.place).label("again");
                reading.problem(problem.help("leave it out, or name another broker"));
                return None;
            }
            replicas.push(id);
        }
        all.push(replicas);
    }
    Some(all)
}
