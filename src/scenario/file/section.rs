//! One table of the file against what it may say: our own keys, and Kafka's settings dotted or quoted.

use std::collections::BTreeMap;

use super::known;
use super::reading::Reading;
use super::report::{Place, Problem};
use super::suggest;
use super::tree::{Key, Node, Table, Value};

/// What a table may say.
pub(super) struct Schema {
    /// Our own keys.
    pub(super) own: &'static [&'static str],
    /// Keys of ours that have a meaning but are not modelled yet.
    pub(super) later: &'static [&'static str],
    /// Kafka's settings; none: the table has none.
    pub(super) kafka: Option<Kafka>,
}

/// The settings of Kafka a table may have.
pub(super) struct Kafka {
    /// Those that decide something here.
    pub(super) modelled: fn() -> Vec<&'static str>,
    /// Those that Kafka knows besides.
    pub(super) known: &'static [&'static str],
}

/// A table that was held against its schema.
pub(super) struct Section<'n> {
    own: Vec<(&'n Key, &'n Node)>,
    /// Kafka's settings that the table sets, each once.
    pub(super) settings: Vec<Setting<'n>>,
}

/// One of Kafka's settings as the file has it.
pub(super) struct Setting<'n> {
    /// Its Kafka name.
    pub(super) name: String,
    /// Where the name stands.
    pub(super) place: Place,
    /// What it is set to.
    pub(super) node: &'n Node,
}

impl<'n> Section<'n> {
    /// Holds a table against its schema and reports every key that is not in it. `title` says which table it is.
    pub(super) fn open(table: &'n Table, title: &str, schema: &Schema, reading: &mut Reading) -> Section<'n> {
        let mut section = Section { own: Vec::new(), settings: Vec::new() };
        let mut seen = BTreeMap::new();
        for (key, node) in &table.entries {
            if schema.own.contains(&key.text.as_str()) {
                section.own.push((key, node));
                continue;
            }
            if schema.later.contains(&key.text.as_str()) {
                reading.not_modelled(&format!("`{}` in {title}", key.text), key.place, &[]);
                continue;
            }
            let Some(kafka) = &schema.kafka else {
                reading.problem_with(|| unknown(&key.text, key.place, title, schema.own));
                continue;
            };
            let mut leaves = Vec::new();
            flatten(key.text.clone(), key.place, node, reading, &mut leaves);
            for setting in leaves {
                if let Some(&first) = seen.get(&setting.name) {
                    let problem =
                        Problem::new("model::set-twice", format!("`{}` is set twice", setting.name));
                    let problem =
                        problem.at(setting.place).label("and again here").related(first, "set here");
                    reading.problem(problem.help("leave one of them out"));
                    continue;
                }
                seen.insert(setting.name.clone(), setting.place);
                section.admit(setting, kafka, title, schema.own, reading);
            }
        }
        section
    }

    fn admit(
        &mut self,
        setting: Setting<'n>,
        kafka: &Kafka,
        title: &str,
        own: &[&'static str],
        reading: &mut Reading,
    ) {
        let name = setting.name.as_str();
        let mut possible = own.to_vec();
        possible.extend((kafka.modelled)());
        if possible.contains(&name) {
            self.settings.push(setting);
        } else if kafka.known.contains(&name) || known::FAMILIES.iter().any(|family| name.starts_with(family))
        {
            let message = format!("Kafka's `{name}` is not modelled yet");
            let problem =
                Problem::new("model::not-modelled", message).at(setting.place).label("not modelled yet");
            reading.problem(problem.help("leave it out: what it changes would not be simulated"));
        } else {
            reading.problem_with(|| unknown(name, setting.place, title, &possible));
        }
    }

    /// What one of our own keys says.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.own.iter().find(|(known, _)| known.text == key).map(|&(_, node)| node)
    }

    /// Where one of our own keys stands.
    pub(super) fn key_place(&self, key: &str) -> Option<Place> {
        self.own.iter().find(|(known, _)| known.text == key).map(|(known, _)| known.place)
    }

    /// What one of our own keys says that must be there. `at` is where to report that it is not.
    pub(super) fn need(
        &self,
        key: &str,
        at: Place,
        example: &str,
        reading: &mut Reading,
    ) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            let problem =
                Problem::new("model::missing", format!("`{key}` is missing")).at(at).label("needs it");
            reading.problem(problem.help(format!("for example `{key} = {example}`")));
        }
        found
    }
}

/// The leaves of a dotted key, each under its full name.
fn flatten<'n>(name: String, place: Place, node: &'n Node, reading: &Reading, leaves: &mut Vec<Setting<'n>>) {
    match &node.value {
        Value::Table(table) if !table.entries.is_empty() => {
            for (key, node) in &table.entries {
                let place = whole_key(&name, key.place, reading);
                flatten(format!("{name}.{}", key.text), place, node, reading, leaves);
            }
        }
        Value::Table(_)
        | Value::Text(_)
        | Value::Whole(_)
        | Value::Fraction
        | Value::Switch(_)
        | Value::Date
        | Value::List(_) => leaves.push(Setting { name, place, node }),
    }
}

/// The place of a dotted key with what stands before its last segment, if that is `before`.
fn whole_key(before: &str, last: Place, reading: &Reading) -> Place {
    let text = &reading.sources[last.source].text[..last.start];
    if text.strip_suffix('.').is_some_and(|text| text.ends_with(before)) {
        return Place { start: last.start - 1 - before.len(), ..last };
    }
    last
}

fn unknown(name: &str, place: Place, title: &str, possible: &[&str]) -> Problem {
    let problem = Problem::new("model::unknown-key", format!("`{name}` is not a key of {title}")).at(place);
    let synonym = known::SYNONYMS.iter().find_map(|&(topics, brokers)| match name {
        _ if name == topics => Some(("topics", brokers)),
        _ if name == brokers => Some(("brokers", topics)),
        _ => None,
    });
    match synonym.filter(|(_, other)| possible.contains(other)) {
        Some((theirs, ours)) => {
            problem.label(format!("what {theirs} call it")).help(format!("here it is `{ours}`"))
        }
        None => problem.label("not known").help(suggest::instead_of(name, possible)),
    }
}
