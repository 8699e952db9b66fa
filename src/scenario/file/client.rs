//! `[producers.NAME]` and `[readers.NAME]`: the library, its settings, and the application around it.
//!
//! What a file leaves out is: the Java client of today, started at once, sending 100-byte records without keys as fast as the
//! client takes them, waiting for nothing but room in the buffer, closing at the end, and not looking at errors.

use std::collections::BTreeMap;

use super::known;
use super::limits;
use super::property;
use super::quantity;
use super::reading::{Placed, Reading};
use super::report::{Place, Problem};
use super::section::{Kafka, Schema, Section};
use super::settings;
use super::suggest;
use super::tree::{Key, Node, Table, Value};
use super::word_is_plain;
use crate::clients::app::{AtEnd, Full, OnError, Rate, Waits, Workload};
use crate::clients::options::{ProducerOptions, ReaderOptions};
use crate::clients::presets::Library;
use crate::kernel::units::{Bytes, Span, Time};

pub(super) const PRODUCER: Schema = Schema {
    own: &[
        "library", "into", "start", "records", "rate", "size", "keys", "on_error", "waits", "at_end", "full",
    ],
    later: &[],
    kafka: Some(Kafka { modelled: || property::names(settings::PRODUCER), known: known::PRODUCER }),
};

pub(super) const READER: Schema = Schema {
    own: &["library", "reads", "start"],
    later: &["members", "commits", "workers", "handler", "sink"],
    kafka: Some(Kafka { modelled: || property::names(settings::READER), known: known::CONSUMER }),
};

/// A producer, its topic not resolved yet.
pub(super) struct ProducerDraft {
    pub(super) name: String,
    pub(super) into: Placed<String>,
    pub(super) options: ProducerOptions,
    pub(super) records: Placed<u64>,
    /// Complete but for the number of records.
    pub(super) workload: Workload,
}

/// A reader, its topics not resolved yet.
pub(super) struct ReaderDraft {
    pub(super) name: String,
    pub(super) reads: Vec<Placed<String>>,
    pub(super) start: Time,
    pub(super) options: ReaderOptions,
}

/// A producer as the file has it.
pub(super) fn producer(
    name: &Key,
    table: &Table,
    place: Place,
    reading: &mut Reading,
) -> Option<ProducerDraft> {
    check_name("a producer", name, reading);
    let title = format!("producer `{}`", name.text);
    let section = Section::open(table, &title, &PRODUCER, reading);
    let library = library(&section, reading);
    let mut options = library.producer();
    property::apply(settings::PRODUCER, &section.settings, &mut options, reading);
    let options = settled(library, options, &section, &title, reading);

    let into = section.need("into", place, "\"orders\"", reading);
    let into = into.and_then(|node| Some((reading.text("into", node, "\"orders\"")?.to_owned(), node.place)));
    let records = section.need("records", place, "1000", reading);
    let records = records.and_then(|node| Some((reading.whole("records", node, 0..=u64::MAX)?, node.place)));

    let mut workload = Workload {
        start: start(&section, reading),
        records: 0,
        rate: section.get("rate").and_then(|node| rate(node, reading)).unwrap_or(Rate::Unbounded),
        size: Bytes::new(100),
        keys: 0,
        waits: section.get("waits").and_then(|node| waits(node, reading)).unwrap_or(Waits::None),
        at_end: AtEnd::Close,
        on_error: OnError::Ignore,
        full: Full::Block,
    };
    if let Some(size) = section.get("size").and_then(|node| size(node, reading)) {
        workload.size = size;
    }
    if let Some(node) = section.get("keys") {
        workload.keys = reading.whole("keys", node, 0..=u32::MAX.into()).unwrap_or(0) as u32;
    }
    if let Some(node) = section.get("at_end") {
        let choices = [("close", AtEnd::Close), ("flush", AtEnd::Flush), ("exit", AtEnd::Exit)];
        workload.at_end = reading.choice("at_end", node, &choices, &[]).unwrap_or(AtEnd::Close);
    }
    if let Some(node) = section.get("on_error") {
        let choices = [
            ("ignore", OnError::Ignore),
            ("log", OnError::Log),
            ("resend", OnError::Resend),
            ("stop", OnError::Stop),
            ("outbox", OnError::Outbox),
        ];
        workload.on_error = reading.choice("on_error", node, &choices, &[]).unwrap_or(OnError::Ignore);
    }
    if let Some(node) = section.get("full") {
        let choices = [("block", Full::Block), ("drop", Full::Drop), ("reject", Full::Reject)];
        workload.full = reading.choice("full", node, &choices, &[]).unwrap_or(Full::Block);
    }
    let (into, into_place) = into?;
    let (records, records_place) = records?;
    Some(ProducerDraft {
        name: name.text.clone(),
        into: Placed { value: into, place: into_place },
        options: options?,
        records: Placed { value: records, place: records_place },
        workload,
    })
}

/// A reader as the file has it.
pub(super) fn reader(name: &Key, table: &Table, place: Place, reading: &mut Reading) -> Option<ReaderDraft> {
    check_name("a reader", name, reading);
    let section = Section::open(table, &format!("reader `{}`", name.text), &READER, reading);
    let library = library(&section, reading);
    let mut options = library.reader();
    property::apply(settings::READER, &section.settings, &mut options, reading);
    let options = library.settle_reader(options, &|name| is_set(&section, name));
    let start = start(&section, reading);
    let node = section.need("reads", place, "[\"orders\"]", reading)?;
    let list = reading.list("reads", node, "[\"orders\"]")?;
    if list.is_empty() {
        let problem = Problem::new("model::missing", "`reads` names no topic").at(node.place);
        reading.problem(problem.label("an empty list").help("for example `reads = [\"orders\"]`"));
        return None;
    }
    let mut reads = Vec::new();
    let mut seen = BTreeMap::new();
    for node in list {
        let topic = reading.text("reads", node, "[\"orders\"]")?;
        if let Some(&first) = seen.get(topic) {
            let problem =
                Problem::new("model::set-twice", format!("`reads` names `{topic}` twice")).at(node.place);
            let problem = problem.label("and again here").related(first, "named here");
            reading.problem(problem.help("once is enough: leave one of them out"));
            continue;
        }
        seen.insert(topic, node.place);
        reads.push(Placed { value: topic.to_owned(), place: node.place });
    }
    Some(ReaderDraft { name: name.text.clone(), reads, start, options })
}

fn check_name(whose: &str, name: &Key, reading: &mut Reading) {
    if !word_is_plain(&name.text) {
        let message = format!("`{}` is no name for {whose}", name.text);
        let problem = Problem::new("model::name", message).at(name.place);
        reading.problem(problem.help("letters, digits, `.`, `_` and `-`"));
    }
}

/// The library a client is made with: the newest of its language by default.
fn library(section: &Section<'_>, reading: &mut Reading) -> Library {
    /// Libraries whose presets are to come.
    const LATER: [&str; 5] = ["java-", "librdkafka", "confluent-kafka", "sarama", "kafka-python"];
    let newest = Library::Java41;
    let Some(node) = section.get("library") else { return newest };
    let Some(name) = reading.text("library", node, "\"java-4.1\"") else { return newest };
    let names: Vec<&str> = Library::ALL.iter().map(|library| library.name()).collect();
    let Some(library) = Library::from_name(name) else {
        let later = LATER.iter().find(|later| name.starts_with(**later)).map(|_| name);
        reading.not_a_word("library", name, node.place, &names, later.as_slice());
        return newest;
    };
    library
}

fn is_set(section: &Section<'_>, name: &str) -> bool {
    section.settings.iter().any(|setting| setting.name == name)
}

/// The settings after the library has looked at them, or everything it refuses.
fn settled(
    library: Library,
    options: ProducerOptions,
    section: &Section<'_>,
    title: &str,
    reading: &mut Reading,
) -> Option<ProducerOptions> {
    let conflicts = match library.settle_producer(options, &|name| is_set(section, name)) {
        Ok(options) => return Some(options),
        Err(conflicts) => conflicts,
    };
    let place_of = |name| section.settings.iter().find(|set| set.name == name).map(|set| set.place);
    for conflict in conflicts {
        let message = format!("the library refuses `{}` of {title}: {}", conflict.property, conflict.because);
        let problem = Problem::new("model::config-exception", message).label("a ConfigException");
        let mut problem = problem.help(conflict.instead);
        problem.place = place_of(conflict.property);
        if let Some(against) = conflict.against.and_then(place_of) {
            problem = problem.related(against, "set here");
        }
        reading.problem(problem);
    }
    None
}

fn start(section: &Section<'_>, reading: &mut Reading) -> Time {
    let start = section.get("start").and_then(|node| reading.span("start", node));
    Time::ZERO + start.unwrap_or(Span::ZERO)
}

fn size(node: &Node, reading: &mut Reading) -> Option<Bytes> {
    let size = reading.bytes("size", node)?;
    if !(1..=limits::RECORD_BYTES).contains(&size.get()) {
        let problem =
            Problem::new("model::out-of-range", "`size` must be between 1B and 1GiB").at(node.place);
        reading
            .problem(problem.label("out of range").help("a record has at least a byte: `size = \"100B\"`"));
        return None;
    }
    Some(size)
}

/// `"1000/s"` or `{ poisson = "1000/s" }`.
fn rate(node: &Node, reading: &mut Reading) -> Option<Rate> {
    let spacing = |key: &str, node: &Node, reading: &mut Reading| {
        let spacing = reading.quantity(key, node, "a rate", "1000/s", "/s", quantity::spacing)?;
        if limits::VIRTUAL_TIME < spacing {
            let problem =
                Problem::new("model::limit", format!("`{key}` is slower than one send in 10 years"));
            let help = format!("a model runs for 10 years at most; for example `{key} = \"1/d\"`");
            reading.problem(problem.at(node.place).label("too slow").help(help));
            return None;
        }
        Some(spacing)
    };
    let Value::Table(table) = &node.value else {
        return spacing("rate", node, reading).map(Rate::Every);
    };
    let value = only(table, "rate", "poisson", node.place, "{ poisson = \"1000/s\" }", reading)?;
    spacing("rate.poisson", value, reading).map(Rate::Poisson)
}

/// `"none"`, `"each"` or `{ every = 100 }`.
fn waits(node: &Node, reading: &mut Reading) -> Option<Waits> {
    if let Value::Table(table) = &node.value {
        let value = only(table, "waits", "every", node.place, "{ every = 100 }", reading)?;
        let every = reading.whole("waits.every", value, 1..=u32::MAX.into())?;
        return Some(Waits::Every(every as u32));
    }
    reading.choice_or("waits", node, &[("none", Waits::None), ("each", Waits::Every(1))], "{ every = 100 }")
}

/// The value of the one key a small table may have.
fn only<'n>(
    table: &'n Table,
    key: &str,
    inner: &str,
    place: Place,
    example: &str,
    reading: &mut Reading,
) -> Option<&'n Node> {
    if let [(name, node)] = table.entries.as_slice()
        && name.text == inner
    {
        return Some(node);
    }
    let place =
        table.entries.iter().find(|(name, _)| name.text != inner).map_or(place, |(name, _)| name.place);
    let problem =
        Problem::new("model::unknown-key", format!("`{key}` takes only {}", suggest::listed(&[inner])));
    reading.problem(problem.at(place).label("not known").help(format!("for example `{key} = {example}`")));
    None
}
