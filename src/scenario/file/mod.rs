//! A model file into a [`Model`], or everything that is wrong with it.
//!
//! The reader never knows how a model runs. It goes over a file in steps, and each step tells all it finds before the next
//! is tried: the text (size, encoding, nesting), its syntax, the shape of every key and value, and what the names mean.
//!
//! | file | what it holds |
//! |---|---|
//! | [`report`] | problems, their places, and how they read on a line |
//! | `limits` | what a file may ask for at most |
//! | `syntax`, `tree`, `overrides` | from text to a tree with places, and `--set` over it |
//! | `reading`, `section`, `quantity`, `suggest` | values in the forms our keys want |
//! | `property`, `settings`, `known` | values in the forms Kafka's settings want |
//! | `administration`, `set` | faults that an administrator asks for |
//! | `cluster`, `topic`, `client`, `target`, `fault`, `chaos`, `run`, `expect` | one part of the file each |
//! | `resolve` | names into what they name |

mod administration;
mod befall;
mod chaos;
mod client;
mod cluster;
mod expect;
mod fault;
mod known;
mod limits;
mod overrides;
mod property;
mod quantity;
mod reading;
pub mod report;
mod resolve;
mod run;
mod section;
mod set;
mod settings;
mod suggest;
mod syntax;
mod target;
#[cfg(test)]
mod tests;
mod topic;
mod tree;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

pub use overrides::Overrides;
use reading::Reading;
use report::{Place, Problem, Report, Source};
use section::{Schema, Section};
use tree::{Key, Node, Table};

use super::builtin;
use super::model::{Expect, Model};
use crate::cluster::generation::Version;
use crate::cluster::planted::Planted;

const TOP: Schema = Schema {
    own: &[
        "format",
        "title",
        "kafka",
        "seed",
        "planted",
        "cluster",
        "network",
        "disk",
        "broker",
        "topics",
        "producers",
        "readers",
        "faults",
        "chaos",
        "run",
        "expect",
    ],
    later: &["consumers", "sweep"],
    kafka: None,
};

/// Reads a model from its text. `name` is what problems and the model call it.
pub fn read(name: &str, text: &str) -> Result<Model, Report> {
    read_with(name, text, &Overrides::default())
}

/// Reads a model from its text with something over it.
pub fn read_with(name: &str, text: &str, overrides: &Overrides) -> Result<Model, Report> {
    let text = limits::text_of(name, text.as_bytes().to_vec())?;
    let mut sources = vec![Source { name: name.to_owned(), text }];
    sources.extend(overrides.sources());
    let mut reading = Reading::new(sources);
    let mut tree = syntax::parse(0, &mut reading);
    for source in 1..reading.sources.len() {
        overrides::put(source, &mut tree, &mut reading);
    }
    reading.done()?;
    let mut model = whole(name, &tree, &mut reading)?;
    model.seed = overrides.seed.unwrap_or(model.seed);
    Ok(model)
}

/// Reads a model from a file with something over it.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Model, Report> {
    let name = path.display().to_string();
    let refuse =
        |code, message: String, help: &str| Report::of(&name, Problem::new(code, message).help(help));
    let unreadable = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            let help = "give the path of a model file, or a name that `highwater models` lists";
            return refuse("file::not-found", "there is no such file".to_owned(), help);
        }
        let help = "give the path of a file that you may read";
        refuse("file::unreadable", format!("the file cannot be read: {error}"), help)
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        let help = "give the path of a file in it";
        return Err(refuse("file::directory", "this is a directory, not a model file".to_owned(), help));
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed tells what is too large, even of a device that never ends.
    file.take(limits::FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    read_with(&name, &limits::text_of(&name, bytes)?, overrides)
}

/// What is wrong with the name of a model that is neither built in nor a file.
pub fn unknown_builtin(name: &str) -> Report {
    let names: Vec<&str> = builtin::ALL.iter().map(|model| model.name).collect();
    let help = match suggest::nearest(name, &names) {
        Some(meant) => format!("did you mean `{meant}`? `highwater models` lists those that are built in"),
        None => "`highwater models` lists those that are built in; the path of a model file does as well"
            .to_owned(),
    };
    let message = "there is no built-in model of this name, and no such file";
    Report::of(name, Problem::new("model::not-found", message).help(help))
}

/// The tree as a model: first the shape of everything, then its meaning.
fn whole(name: &str, tree: &Table, reading: &mut Reading) -> Result<Model, Report> {
    let top = Section::open(tree, "a model file", &TOP, reading);
    let version = heading(&top, reading);
    let title =
        top.get("title").and_then(|node| reading.text("title", node, "\"what it shows\"")).map(str::to_owned);
    let seed = top.get("seed").and_then(|node| reading.whole("seed", node, 0..=u64::MAX)).unwrap_or(0);
    let planted = top.get("planted").and_then(|node| planted(node, reading));
    let mut table = |key| top.get(key).and_then(|node| cluster::as_table(key, node, reading));
    let [cluster_table, network_table, disk_table, broker_table, chaos_table, run_table, expect_table] =
        ["cluster", "network", "disk", "broker", "chaos", "run", "expect"].map(&mut table);

    let mut broker = cluster::broker(version, broker_table, reading);
    let cluster = cluster::cluster(version, cluster_table, &mut broker.controller, reading);
    let network = cluster::network(network_table, reading);
    let disk = cluster::disk(disk_table, chaos_table.is_some(), reading);
    let mut topics = Vec::new();
    for (name, table, place) in named_tables("topics", &top, reading) {
        topics.extend(topic::read(name, table, place, &broker.topic, reading));
    }
    let mut producers = Vec::new();
    for (name, table, place) in named_tables("producers", &top, reading) {
        producers.extend(client::producer(name, table, place, reading));
    }
    let mut readers = Vec::new();
    for (name, table, place) in named_tables("readers", &top, reading) {
        readers.extend(client::reader(name, table, place, reading));
    }
    let faults = top.get("faults").map(|node| fault::read_all(node, version, reading)).unwrap_or_default();
    let chaos = chaos_table.and_then(|table| chaos::read(table, reading));
    let until = run_table.and_then(|table| run::until(table, reading));
    let expect = expect_table.map(|table| expect::read(table, reading));
    reading.done()?;

    let changes = faults.iter().filter_map(fault::Draft::changes_topic);
    let growth = topic::growth(changes, chaos.as_ref());
    let topics = topic::place_all(topics, &growth, cluster.brokers, reading);
    let clients = resolve::clients(&cluster, producers.len(), readers.len(), reading);
    // What follows names topics and counts nodes: without them it would only repeat what is wrong with them.
    reading.done()?;
    let clients = clients.expect("without a problem the clients were counted");
    let producer_names: Vec<String> = producers.iter().map(|producer| producer.name.clone()).collect();
    let names = resolve::Names::new(&cluster, &broker.controller, &topics, clients, &producer_names);
    let network = names.network(network, reading);
    let producers = names.producers(producers, reading);
    let readers = names.readers(readers, reading);
    let fault_count = faults.len();
    let faults: Vec<_> = faults.into_iter().filter_map(|draft| names.fault(draft, reading)).collect();
    resolve::check_holders(&topics, &faults, reading);
    let expect = match expect {
        Some(draft) => resolve::expect(draft, &producers, fault_count, reading),
        None => Expect { seeds: 1, ..Expect::default() },
    };
    let end = run::known_end(&producers, &faults, chaos.as_ref());
    run::check(end, &producers, until, reading);
    reading.done()?;
    let mut model = Model {
        name: name.to_owned(),
        title,
        kafka: version,
        seed,
        planted,
        settle_bound: run::settle_bound(&producers, &broker.broker, &broker.controller),
        until: until.map_or_else(|| run::default_until(end, &producers), |until| until.value),
        network,
        disk,
        broker: broker.broker,
        controller_options: broker.controller,
        cluster,
        topics,
        producers,
        readers,
        faults,
        chaos,
        expect,
    };
    model.add_topics_made_anew(0);
    Ok(model)
}

/// `format` and `kafka`.
fn heading(top: &Section<'_>, reading: &mut Reading) -> Version {
    if let Some(node) = top.get("format")
        && reading.whole("format", node, 1..=u64::MAX).is_some_and(|format| format != 1)
    {
        let problem = Problem::new("model::format", "this format of model files is not known").at(node.place);
        reading.problem(problem.label("not known").help("this version reads `format = 1`"));
    }
    let Some(node) = top.get("kafka") else { return Version::NEWEST };
    let Some(name) = reading.text("kafka", node, "\"4.1\"") else { return Version::NEWEST };
    Version::from_name(name).unwrap_or_else(|| {
        let names: Vec<&str> = Version::ALL.iter().map(|version| version.generation().name).collect();
        reading.not_a_word("kafka", name, node.place, &names, &Version::NOT_MODELLED);
        Version::NEWEST
    })
}

/// `planted`: a bug the cluster runs with on purpose, to teach what the protocol guards against and to test the checks.
fn planted(node: &Node, reading: &mut Reading) -> Option<Planted> {
    let choices: Vec<(&str, Planted)> =
        Planted::ALL.iter().map(|&planted| (planted.word(), planted)).collect();
    reading.choice("planted", node, &choices, &[])
}

/// The tables of a table: `[topics.orders]`, `[topics.payments]`.
fn named_tables<'n>(key: &str, top: &Section<'n>, reading: &mut Reading) -> Vec<(&'n Key, &'n Table, Place)> {
    let Some(table) = top.get(key).and_then(|node| cluster::as_table(key, node, reading)) else {
        return Vec::new();
    };
    let named = |(name, node): &'n (Key, Node)| {
        let full = format!("{key}.{}", name.text);
        Some((name, cluster::as_table(&full, node, reading)?, node.place))
    };
    table.entries.iter().filter_map(named).collect()
}

/// Whether a name can stand in targets and keys: letters, digits, `.`, `_` and `-`, at least one.
fn word_is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}
