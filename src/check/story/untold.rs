//! Of which records nobody was told anything, and why.

use super::words::either;
use crate::check::outcome::Outcome;
use crate::clients::app::Full;
use crate::clients::happened::Happened as Client;
use crate::kernel::trace::Entry;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Count;
use crate::world::happened::Happened;

/// A sentence or two for each producer that has such records.
pub(super) fn story(model: &Model, entries: &[Entry<Happened>], outcome: &Outcome) -> Vec<String> {
    let mut sentences = Vec::new();
    for (place, (producer, counts)) in model.producers.iter().zip(&outcome.producers).enumerate() {
        let silent = counts.number(Count::Silent);
        if silent == 0 {
            continue;
        }
        let all = silent + counts.number(Count::Untold);
        let records = either(all as usize, "record", "records");
        let of_them = match all {
            1 => "it is in no log".to_owned(),
            all if all == silent => "none of them is in a log".to_owned(),
            _ => format!("{silent} {} in no log", either(silent as usize, "is", "are")),
        };
        sentences.push(format!(
            "Nobody was told what became of {all} {records} of producer {}: {of_them}.",
            producer.name
        ));
        if let Some((at, how)) = end_of_process(entries, model.producer_node(place)) {
            sentences.push(format!("Its process {how} at {at}."));
        }
        if producer.workload.full == Full::Drop {
            sentences.push("Its application throws away what finds the buffer full.".to_owned());
        }
    }
    sentences
}

/// When and how a producer's process first ended with something in its memory.
fn end_of_process(entries: &[Entry<Happened>], node: NodeId) -> Option<(Time, &'static str)> {
    entries.iter().filter(|entry| entry.node == node).find_map(|entry| {
        let how = if entry.what == Happened::Crashed {
            "was killed"
        } else if entry.what == Happened::PowerLost {
            "ended with its machine's power"
        } else if entry.what == Happened::Client(Client::Gone) {
            "ended without close() or flush()"
        } else {
            return None;
        };
        Some((entry.t, how))
    })
}
