//! The grammar of stories: lists of brokers, capitals, counts.

use crate::kernel::units::NodeId;
use crate::scenario::model::Model;

/// `broker 1`, `brokers 1 and 2`, `brokers 1, 2 and 3`.
pub(super) fn brokers(brokers: &[NodeId]) -> String {
    let noun = if brokers.len() == 1 { "broker" } else { "brokers" };
    format!("{noun} {}", list(brokers))
}

/// `brokers 1 and 2 and the controller`, `producer web`.
pub(super) fn nodes(model: &Model, all: &[NodeId]) -> String {
    let (few, others): (Vec<NodeId>, Vec<NodeId>) =
        all.iter().partition(|node| node.0 <= model.cluster.brokers);
    let few = (!few.is_empty()).then(|| brokers(&few));
    let names = others.into_iter().map(|node| model.node_name(node));
    list(&few.into_iter().chain(names).collect::<Vec<_>>())
}

/// `38`, `38 and 37`, `38, 37 and 20`.
pub(super) fn list(things: &[impl ToString]) -> String {
    let words: Vec<String> = things.iter().map(ToString::to_string).collect();
    match words.split_last() {
        None => "nobody".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// The one word or the other.
pub(super) fn either<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// With a capital and a full stop.
pub(super) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    format!("{}{}.", first.map(String::from).unwrap_or_default(), letters.as_str())
}
