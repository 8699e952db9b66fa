//! `--set key.path=value` and `--seed`: what stands over the file.

use toml::de::{DeTable, DeValue};

use super::limits;
use super::reading::Reading;
use super::report::{Place, Problem, Source};
use super::syntax;
use super::tree::{Key, Node, Table, Value};

/// What stands over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `key.path=value` as each `--set` has it, later ones over earlier ones. A value that is not TOML is a string:
    /// `network.latency=5ms`. Elements of a list count from 1: `faults.1.at=2s`.
    pub set: Vec<String>,
    /// `--seed`.
    pub seed: Option<u64>,
}

impl Overrides {
    /// Each `--set` as a text that problems can point into.
    pub(super) fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        self.set.iter().map(|text| Source { name: "--set".to_owned(), text: text.clone() })
    }
}

/// Puts the `--set` that is this source over the tree.
pub(super) fn put(source: usize, tree: &mut Table, reading: &mut Reading) {
    let text = reading.sources[source].text.clone();
    match read(source, &text) {
        Ok((path, value)) => {
            if is_misspelt(tree, &path, reading) {
                return;
            }
            if let Err(problem) = insert(tree, &path, value) {
                reading.problem(*problem);
            }
        }
        Err(problem) => reading.problem(*problem),
    }
}

/// Whether a path goes into a client that the file does not have: one key makes none.
fn is_misspelt(tree: &Table, path: &[Key], reading: &mut Reading) -> bool {
    let [family, name, _, ..] = path else { return false };
    let kinds = [
        ("producers", "model::unknown-producer", "producer"),
        ("readers", "model::unknown-reader", "reader"),
    ];
    let Some((_, code, kind)) = kinds.into_iter().find(|(word, ..)| *word == family.text) else {
        return false;
    };
    let Some(Value::Table(clients)) = tree.get(&family.text).map(|node| &node.value) else { return false };
    // A quoted key of the file may be a client and its key in one.
    let is_there = |key: &Key| key.text == name.text || key.text.starts_with(&format!("{}.", name.text));
    let misspelt = !clients.entries.iter().any(|(key, _)| is_there(key));
    if misspelt {
        let names = clients.entries.iter().map(|(key, _)| &key.text);
        reading.unknown_name(code, kind, &name.text, name.place, names);
    }
    misspelt
}

/// The path and the value of a `--set`.
fn read(source: usize, text: &str) -> Result<(Vec<Key>, Node), Box<Problem>> {
    if let Some(problem) = limits::too_deep(source, text) {
        return Err(Box::new(problem));
    }
    let whole = Place { source, start: 0, end: text.len() };
    let Some((path_text, value_text)) = text.split_once('=') else {
        let problem = Problem::new("model::override", "`--set` takes `key.path=value`").at(whole);
        return Err(Box::new(
            problem.label("`=` is missing").help("for example `--set producers.web.acks=all`"),
        ));
    };
    let shift = path_text.len() + 1;
    let path = path(source, path_text).ok_or_else(|| {
        let place = Place { end: path_text.len(), ..whole };
        let problem = Problem::new("model::override", format!("`{path_text}` is no key")).at(place);
        Box::new(problem.help("a key is its segments with dots between: `topics.orders.min.insync.replicas`"))
    })?;
    let value = match DeValue::parse(value_text) {
        Ok(value) => Node::from_toml(&value, source, shift),
        Err(error) if value_text.trim_start().starts_with(['"', '\'', '[', '{']) => {
            let mut problem = syntax::explained(source, value_text, &error);
            if let Some(place) = &mut problem.place {
                (place.start, place.end) = (place.start + shift, place.end + shift);
            }
            return Err(Box::new(problem));
        }
        Err(_) => Node { place: Place { start: shift, ..whole }, value: Value::Text(value_text.to_owned()) },
    };
    Ok((path, value))
}

/// The segments of a dotted key, read as the parser reads them.
fn path(source: usize, text: &str) -> Option<Vec<Key>> {
    if text.contains(['\n', '\r', '#', '[']) {
        return None;
    }
    let line = format!("{text} = 0");
    let parsed = DeTable::parse(&line).ok()?;
    let mut table = Table::from_toml(parsed.get_ref(), source, 0);
    let mut path = Vec::new();
    loop {
        let (key, node) = table.entries.pop()?;
        path.push(key);
        match node.value {
            Value::Table(inner) => table = inner,
            Value::Text(_)
            | Value::Whole(_)
            | Value::Fraction
            | Value::Switch(_)
            | Value::Date
            | Value::List(_) => {
                return Some(path);
            }
        }
    }
}

/// Puts a value where the path leads, whether the file writes that path in dots, in tables or in quotes.
fn insert(table: &mut Table, path: &[Key], value: Node) -> Result<(), Box<Problem>> {
    // A quoted key of the file may be several segments of the path: the most that fit.
    let found = (1..=path.len()).rev().find_map(|segments| {
        let joined: Vec<&str> = path[..segments].iter().map(|key| key.text.as_str()).collect();
        let joined = joined.join(".");
        table.entries.iter().position(|(key, _)| key.text == joined).map(|at| (at, segments))
    });
    match found {
        Some((at, segments)) if segments == path.len() => {
            table.entries[at].1 = value;
            Ok(())
        }
        Some((at, segments)) => {
            descend(&mut table.entries[at].1, &path[segments - 1], &path[segments..], value)
        }
        None => match split(table, &path[0]) {
            // A quoted key of the path may be several tables of the file.
            Some(mut whole) => {
                whole.extend_from_slice(&path[1..]);
                insert(table, &whole, value)
            }
            None => {
                table.entries.push((path[0].clone(), new_branch(&path[0], &path[1..], value)));
                Ok(())
            }
        },
    }
}

/// The segments of a quoted key, if the table has the first of them.
fn split(table: &Table, key: &Key) -> Option<Vec<Key>> {
    let (first, _) = key.text.split_once('.')?;
    table.get(first)?;
    Some(key.text.split('.').map(|text| Key { text: text.to_owned(), place: key.place }).collect())
}

fn descend(node: &mut Node, from: &Key, path: &[Key], value: Node) -> Result<(), Box<Problem>> {
    match &mut node.value {
        Value::Table(table) => insert(table, path, value),
        Value::List(list) => {
            let count = list.len();
            let at = path[0].text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let Some(element) = at.and_then(|at| list.get_mut(at)) else {
                let message = format!("`{}` has no element `{}`", from.text, path[0].text);
                let problem = Problem::new("model::override", message).at(path[0].place);
                return Err(Box::new(problem.help(format!("elements count from 1, and it has {count}"))));
            };
            if path.len() == 1 {
                *element = value;
                return Ok(());
            }
            descend(element, &path[0], &path[1..], value)
        }
        Value::Text(_) | Value::Whole(_) | Value::Fraction | Value::Switch(_) | Value::Date => {
            let message = format!("`{}` is {}: nothing can be set below it", from.text, node.value.kind());
            let problem = Problem::new("model::override", message).at(path[0].place);
            Err(Box::new(problem.help(format!("set `{}` itself", from.text))))
        }
    }
}

fn new_branch(from: &Key, path: &[Key], value: Node) -> Node {
    match path {
        [] => value,
        [key, rest @ ..] => {
            let entries = vec![(key.clone(), new_branch(key, rest, value))];
            Node { place: from.place, value: Value::Table(Table { entries }) }
        }
    }
}
