//! `[cluster]`, `[network]`, `[disk]` and `[broker]`: the machines, and what every broker is set to.
//!
//! What a file leaves out is: three brokers without racks, one controller, two seconds to start and no time to act on metadata
//! or for a request; links of 500 µs without loss or limit; fsyncs of 2 ms, and after a power loss what writeback has finished;
//! and Kafka's own defaults of the version.

use super::limits;
use super::property;
use super::quantity;
use super::reading::{Placed, Reading};
use super::report::{Place, Problem};
use super::section::{Kafka, Schema, Section, Setting};
use super::settings::{self, Broker, Topic};
use super::target::{self, Target};
use super::tree::{Node, Table, Value};
use super::{known, word_is_plain};
use crate::cluster::generation::Version;
use crate::cluster::options::ControllerOptions;
use crate::devices::disk::{self, Survives};
use crate::kernel::distribution::Distribution;
use crate::kernel::units::{Bytes, Ratio, Span};
use crate::scenario::model::Cluster;

pub(super) const CLUSTER: Schema = Schema {
    own: &[
        "brokers",
        "racks",
        "controllers",
        "start_time",
        "metadata_time",
        "request_time",
        "request_threads",
    ],
    later: &[],
    kafka: Some(Kafka { modelled: || property::names(settings::FEATURES), known: known::FEATURES }),
};

pub(super) const NETWORK: Schema =
    Schema { own: &["latency", "loss", "bandwidth", "links"], later: &[], kafka: None };

pub(super) const LINK: Schema =
    Schema { own: &["between", "latency"], later: &["loss", "bandwidth"], kafka: None };

pub(super) const DISK: Schema = Schema { own: &["fsync", "survives"], later: &["memory"], kafka: None };

pub(super) const BROKER: Schema = Schema {
    own: &[],
    later: &["properties"],
    kafka: Some(Kafka { modelled: || property::names(settings::BROKER), known: known::BROKER }),
};

/// `[network]`, its links not resolved yet.
pub(super) struct Network {
    /// Of links that say nothing.
    pub(super) latency: Distribution,
    /// Of packets.
    pub(super) loss: Ratio,
    /// Bytes a second.
    pub(super) bandwidth: Option<Bytes>,
    /// Links of their own.
    pub(super) links: Vec<Link>,
}

/// A link of its own, not resolved yet.
pub(super) struct Link {
    /// Its two ends.
    pub(super) between: [Placed<Target>; 2],
    /// How long a message is under way.
    pub(super) latency: Distribution,
}

/// The machines.
pub(super) fn cluster(
    version: Version,
    table: Option<&Table>,
    controller: &mut ControllerOptions,
    reading: &mut Reading,
) -> Cluster {
    let mut cluster = Cluster {
        brokers: 3,
        racks: Vec::new(),
        controllers: 1,
        start_time: Distribution::Constant(Span::from_seconds(2)),
        metadata_time: Distribution::Constant(Span::ZERO),
        request_time: Distribution::Constant(Span::ZERO),
        // num.io.threads
        request_threads: 8,
    };
    let Some(table) = table else { return cluster };
    let section = Section::open(table, "[cluster]", &CLUSTER, reading);
    property::apply(settings::FEATURES, &section.settings, controller, reading);
    let generation = version.generation();
    if controller.eligible_leader_replicas && !generation.knows_eligible_leader_replicas {
        // StorageTool: the feature is not known, and nothing is formatted.
        let message = format!("Kafka {} has no eligible leader replicas", generation.name);
        let setting =
            section.settings.iter().find(|setting| setting.name == "eligible.leader.replicas.version");
        let place = setting.expect("the default is off where the version has none").node.place;
        let problem = Problem::new("model::config-exception", message).at(place).label("since 4.0");
        reading.problem(problem.help("leave it out, or take a newer version"));
    }
    if let Some(brokers) = section.get("brokers").and_then(|node| limited_brokers(node, reading)) {
        cluster.brokers = brokers;
    }
    if let Some(node) = section.get("racks") {
        cluster.racks = racks(node, reading);
    }
    if let Some(controllers) = section.get("controllers").and_then(|node| voters(node, reading)) {
        cluster.controllers = controllers;
    }
    if let Some(start_time) =
        section.get("start_time").and_then(|node| reading.distribution("start_time", node))
    {
        cluster.start_time = start_time;
    }
    if let Some(metadata_time) =
        section.get("metadata_time").and_then(|node| reading.distribution("metadata_time", node))
    {
        cluster.metadata_time = metadata_time;
    }
    if let Some(request_time) =
        section.get("request_time").and_then(|node| reading.distribution("request_time", node))
    {
        cluster.request_time = request_time;
    }
    if let Some(threads) = section
        .get("request_threads")
        .and_then(|node| reading.whole("request_threads", node, limits::REQUEST_THREADS))
    {
        cluster.request_threads = threads as u16;
    }
    cluster
}

/// As many voters as one less makes no majority worse: an even number bears no more losses than the odd one below.
fn voters(node: &Node, reading: &mut Reading) -> Option<u16> {
    match reading.whole("controllers", node, 1..=u64::MAX)? {
        controllers @ (1 | 3 | 5) => Some(controllers as u16),
        controllers => {
            let message = format!("a cluster has 1, 3 or 5 controllers, not {controllers}");
            let problem = Problem::new("model::out-of-range", message).at(node.place).label("out of range");
            let help = "an even number bears no more losses than one less; each is a machine of its own";
            reading.problem(problem.help(help));
            None
        }
    }
}

fn limited_brokers(node: &Node, reading: &mut Reading) -> Option<u16> {
    let brokers = reading.whole("brokers", node, *limits::BROKERS.start()..=u64::MAX)?;
    if limits::BROKERS.contains(&brokers) {
        return Some(brokers as u16);
    }
    let message = format!("a cluster has at most {} brokers", limits::BROKERS.end());
    let problem = Problem::new("model::limit", message).at(node.place).label("too many");
    reading.problem(problem.help(format!("write `brokers = {}` or less", limits::BROKERS.end())));
    None
}

fn racks(node: &Node, reading: &mut Reading) -> Vec<String> {
    let mut racks = Vec::new();
    for node in reading.list("racks", node, "[\"a\", \"b\", \"c\"]").unwrap_or_default() {
        let Some(rack) = reading.text("racks", node, "[\"a\", \"b\", \"c\"]") else { continue };
        if word_is_plain(rack) {
            racks.push(rack.to_owned());
        } else {
            let help = "letters, digits, `.`, `_` and `-`, so that targets can name it";
            let problem = Problem::new("model::name", "this is no name for a rack").at(node.place);
            reading.problem(problem.help(help));
        }
    }
    racks
}

/// The links.
pub(super) fn network(table: Option<&Table>, reading: &mut Reading) -> Network {
    let mut network = Network {
        latency: Distribution::Constant(Span::from_microseconds(500)),
        loss: Ratio::ZERO,
        bandwidth: None,
        links: Vec::new(),
    };
    let Some(table) = table else { return network };
    let section = Section::open(table, "[network]", &NETWORK, reading);
    if let Some(latency) = section.get("latency").and_then(|node| latency("latency", node, reading)) {
        network.latency = latency;
    }
    if let Some(node) = section.get("loss") {
        let loss = reading.quantity("loss", node, "a probability", "1/1000", "", quantity::ratio);
        network.loss = loss.unwrap_or(Ratio::ZERO);
    }
    if let Some(node) = section.get("bandwidth") {
        network.bandwidth =
            reading.quantity("bandwidth", node, "a bandwidth", "1GB/s", "B/s", quantity::bandwidth);
    }
    if let Some(node) = section.get("links") {
        network.links = links(node, reading);
    }
    network
}

/// A latency: a link takes some time, or a request and its answer could go round for ever at one instant.
fn latency(key: &str, node: &Node, reading: &mut Reading) -> Option<Distribution> {
    let latency = reading.distribution(key, node)?;
    match latency {
        Distribution::Constant(span) | Distribution::Uniform(_, span) => {
            reading.above_zero(key, node.place, span)?
        }
        Distribution::Exponential(mean) => mean,
        Distribution::Lognormal { median, .. } => median,
    };
    Some(latency)
}

fn links(node: &Node, reading: &mut Reading) -> Vec<Link> {
    const EXAMPLE: &str = "[{ between = [\"rack(a)\", \"rack(b)\"], latency = \"30ms\" }]";
    let list = reading.list("links", node, EXAMPLE).unwrap_or_default();
    if list.len() > limits::LINKS {
        let message = format!("at most {} links have a latency of their own", limits::LINKS);
        let problem = Problem::new("model::limit", message).at(node.place).label("too many");
        reading.problem(problem.help("join groups at once: `between = [\"rack(a)\", \"rack(b)\"]`"));
        return Vec::new();
    }
    list.iter().filter_map(|node| link(node, EXAMPLE, reading)).collect()
}

fn link(node: &Node, example: &str, reading: &mut Reading) -> Option<Link> {
    let table = reading.table("links", node, example)?;
    let section = Section::open(table, "a link", &LINK, reading);
    let between = section.need("between", node.place, "[\"rack(a)\", \"rack(b)\"]", reading);
    let latency_node = section.need("latency", node.place, "\"30ms\"", reading);
    let between = between.and_then(|node| ends(node, reading));
    let latency = latency_node.and_then(|node| latency("latency", node, reading));
    Some(Link { between: between?, latency: latency? })
}

fn ends(node: &Node, reading: &mut Reading) -> Option<[Placed<Target>; 2]> {
    let example = "[\"rack(a)\", \"rack(b)\"]";
    let list = reading.list("between", node, example)?;
    let [one, other] = list else {
        let message = format!("`between` takes two ends, not {}", list.len());
        let problem = Problem::new("model::wrong-type", message).at(node.place);
        reading.problem(problem.help(format!("for example `between = {example}`")));
        return None;
    };
    let one = target::read("between", one, target::LINK_ENDS, reading);
    let other = target::read("between", other, target::LINK_ENDS, reading);
    Some([one?, other?])
}

/// The disks. Under `[chaos]` a power loss may leave any prefix unless the file says otherwise.
pub(super) fn disk(table: Option<&Table>, has_chaos: bool, reading: &mut Reading) -> disk::Options {
    let mut disk = disk::Options {
        fsync: Distribution::Constant(Span::from_milliseconds(2)),
        survives: if has_chaos { Survives::AnyPrefix } else { Survives::Written },
    };
    let Some(table) = table else { return disk };
    let section = Section::open(table, "[disk]", &DISK, reading);
    if let Some(fsync) = section.get("fsync").and_then(|node| reading.distribution("fsync", node)) {
        disk.fsync = fsync;
    }
    if let Some(node) = section.get("survives") {
        let choices = [
            ("written", Survives::Written),
            ("any-prefix", Survives::AnyPrefix),
            ("any-pages", Survives::AnyPages),
        ];
        disk.survives = reading.choice("survives", node, &choices, &[]).unwrap_or(disk.survives);
    }
    disk
}

/// What every broker is set to, on top of the version's defaults.
pub(super) fn broker(version: Version, table: Option<&Table>, reading: &mut Reading) -> Broker {
    let Some(table) = table else { return set_to(version, &[], reading) };
    let section = Section::open(table, "[broker]", &BROKER, reading);
    let broker = set_to(version, &section.settings, reading);
    let place_of = |names: &[&str]| -> Option<Place> {
        section
            .settings
            .iter()
            .find(|setting| names.contains(&setting.name.as_str()))
            .map(|setting| setting.node.place)
    };
    let options = &broker.broker;
    let over = [
        ("replica.socket.timeout.ms", options.replica_socket_timeout),
        ("replica.lag.time.max.ms", options.replica_lag_time_max),
    ];
    for (name, limit) in over {
        // KafkaConfig.validateValues: the process does not start.
        if let Some(place) =
            place_of(&["replica.fetch.wait.max.ms", name]).filter(|_| limit < options.replica_fetch_wait_max)
        {
            let message = format!("Kafka does not start when `replica.fetch.wait.max.ms` is above `{name}`");
            let label = format!("{} against {limit}", options.replica_fetch_wait_max);
            let least = options.replica_fetch_wait_max.nanoseconds().div_ceil(1_000_000);
            let most = limit.nanoseconds() / 1_000_000;
            let help =
                format!("write `{name} = {least}` or more, or `replica.fetch.wait.max.ms = {most}` or less");
            let problem = Problem::new("model::config-exception", message).at(place);
            reading.problem(problem.label(label).help(help));
        }
    }
    broker
}

/// A broker with these settings, and the version's defaults for all others.
pub(super) fn set_to(version: Version, settings: &[Setting<'_>], reading: &mut Reading) -> Broker {
    let generation = version.generation();
    let mut broker = Broker {
        broker: generation.broker,
        controller: generation.controller,
        // ReplicationConfigs.REPLICATION_FACTOR_DEFAULT and ServerLogConfigs.NUM_PARTITIONS_DEFAULT: one, in every version.
        topic: Topic { options: generation.topic, replication_factor: 1, partitions: 1 },
        flush_interval: None,
        roll: None,
        retention: [None; 3],
    };
    property::apply(settings::BROKER, settings, &mut broker, reading);
    broker.topic.options.flush_interval =
        broker.flush_interval.unwrap_or(broker.broker.log_flush_scheduler_interval);
    if let Some(span) = broker.retention.into_iter().flatten().next() {
        broker.topic.options.retention_span = span;
    }
    if let Some(span) = broker.roll {
        broker.topic.options.segments.span = span;
    }
    broker
}

/// Whether a value is a table, for keys that hold tables by name.
pub(super) fn as_table<'n>(key: &str, node: &'n Node, reading: &mut Reading) -> Option<&'n Table> {
    if let Value::Table(table) = &node.value {
        return Some(table);
    }
    let message = format!("`{key}` is a table, not {}", node.value.kind());
    let problem = Problem::new("model::wrong-type", message).at(node.place).label(node.value.kind());
    reading.problem(problem.help(format!("write `[{key}]` on a line of its own and its keys below")));
    None
}
