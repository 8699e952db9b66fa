//! The parsed text as a tree in which every key and value knows its place, so that a file and the `--set` flags over it can
//! be one.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::Place;

/// A table, its entries in the order of the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Keys and what they say.
    pub(super) entries: Vec<(Key, Node)>,
}

/// One segment of a key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Without quotes.
    pub(super) text: String,
    /// Where it stands first.
    pub(super) place: Place,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it stands; a table's is its header.
    pub(super) place: Place,
    /// What it is.
    pub(super) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// In quotes.
    Text(String),
    /// A whole number; beyond 128 bits the largest or smallest of them, which no key takes either.
    Whole(i128),
    /// A number with a decimal point, an infinity, or not a number: no key takes one.
    Fraction,
    /// `true` or `false`.
    Switch(bool),
    /// A date or a time of day: no key takes one.
    Date,
    /// In brackets.
    List(Vec<Node>),
    /// A table of either form.
    Table(Table),
}

impl Value {
    /// What it is called in messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Whole(_) => "a number",
            Value::Fraction => "a fraction",
            Value::Switch(_) => "true or false",
            Value::Date => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

impl Table {
    /// What a key says.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(known, _)| known.text == key).map(|(_, node)| node)
    }

    /// A parsed table. `shift` is where its text begins in the source.
    pub(super) fn from_toml(table: &DeTable<'_>, source: usize, shift: usize) -> Table {
        let place =
            |span: std::ops::Range<usize>| Place { source, start: shift + span.start, end: shift + span.end };
        let mut entries: Vec<(Key, Node)> = table
            .iter()
            .map(|(key, value)| {
                let key = Key { text: key.get_ref().to_string(), place: place(key.span()) };
                (key, Node::from_toml(value, source, shift))
            })
            .collect();
        entries.sort_by_key(|(key, _)| key.place);
        Table { entries }
    }
}

impl Node {
    /// A parsed value. `shift` is where its text begins in the source.
    pub(super) fn from_toml(value: &Spanned<DeValue<'_>>, source: usize, shift: usize) -> Node {
        let span = value.span();
        let place = Place { source, start: shift + span.start, end: shift + span.end };
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(digits) => Value::Whole(
                i128::from_str_radix(digits.as_str(), digits.radix())
                    .unwrap_or(if digits.as_str().starts_with('-') { i128::MIN } else { i128::MAX }),
            ),
            DeValue::Float(_) => Value::Fraction,
            DeValue::Boolean(switch) => Value::Switch(*switch),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Array(list) => {
                Value::List(list.iter().map(|node| Node::from_toml(node, source, shift)).collect())
            }
            DeValue::Table(table) => Value::Table(Table::from_toml(table, source, shift)),
        };
        Node { place, value }
    }
}
