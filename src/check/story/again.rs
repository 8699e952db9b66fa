//! The story of a second copy and of a record that was overtaken: who took what when, and why it was sent again.

use super::words::sentence;
use crate::check::numbering::Numbering;
use crate::check::outcome::{Copied, Inversion};
use crate::clients::happened::Happened as Client;
use crate::cluster::happened::Happened as Cluster;
use crate::cluster::store::Store;
use crate::cluster::units::{BatchId, MessageId, Offset, PartitionId};
use crate::kernel::trace::Entry;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::world::happened::Happened;

/// The sentence on a copy beyond the first.
pub(super) fn copied(
    model: &Model,
    store: &Store,
    entries: &[Entry<Happened>],
    copied: &Copied,
) -> Option<String> {
    let all = Attempts::of(store, entries, copied.message, copied.partition);
    let again = *all.taken.iter().find(|taken| taken.base_offset == copied.base_offset)?;
    let first = *all.taken.iter().rev().find(|taken| taken.place < again.place)?;
    let sent_again = all.sent.iter().rfind(|sent| sent.1 < again.place);
    let between = |place: usize| first.place < place && sent_again.is_none_or(|sent| place < sent.1);
    let answer = all.answers.iter().find(|answer| answer.by == first.by && between(answer.place));
    let sent_again = sent_again.map_or(again.at, |sent| sent.0);
    let why = match answer {
        Some(Answer { at, error: Some(error), .. }) => {
            format!("answered {error} at {at}; it was sent again at {sent_again}")
        }
        Some(Answer { at, error: None, .. }) => {
            format!(
                "answered at {at}; the producer had not heard of it when it sent the record again at {sent_again}"
            )
        }
        None => format!("had not answered when it was sent again at {sent_again}"),
    };
    Some(format!(
        "Broker {} had appended {} at {}, offset {}, and {why}; broker {} appended it anew at {}.",
        first.by,
        record(model, copied.message),
        first.at,
        first.base_offset,
        again.by,
        again.at
    ))
}

/// The sentence on a record that one sent later has overtaken.
pub(super) fn overtaken(
    model: &Model,
    store: &Store,
    entries: &[Entry<Happened>],
    inversion: &Inversion,
) -> Option<String> {
    let all = Attempts::of(store, entries, inversion.message, inversion.partition);
    let taken = *all.taken.iter().find(|taken| taken.base_offset == inversion.base_offset)?;
    let (again, _) = *all.sent.iter().rfind(|sent| sent.1 < taken.place)?;
    let (first, _) = *all.sent.first()?;
    let record = record(model, inversion.message);
    let refused = all.answers.iter().rfind(|answer| answer.place < taken.place && answer.error.is_some());
    let why = match refused {
        Some(Answer { by, at, error: Some(error), .. }) => {
            format!("was refused by broker {by} at {at} ({error})")
        }
        Some(_) | None => format!("was not answered after it was sent at {first},"),
    };
    Some(sentence(&format!(
        "{record} {why} and was sent again at {again}; broker {} appended it at {}",
        taken.by, taken.at
    )))
}

fn record(model: &Model, message: MessageId) -> String {
    let numbering = Numbering::new(model);
    let producer = &model.producers[numbering.producer(message)];
    format!("record {} of producer {}", numbering.number(message), producer.name)
}

/// What the entries say about one message on its way into one partition, in their order.
struct Attempts {
    /// When it was put on the wire, with the place of the entry.
    sent: Vec<(Time, usize)>,
    taken: Vec<Taken>,
    answers: Vec<Answer>,
}

/// A leader appended it.
#[derive(Clone, Copy)]
struct Taken {
    by: NodeId,
    at: Time,
    base_offset: Offset,
    place: usize,
}

/// A leader answered.
#[derive(Clone, Copy)]
struct Answer {
    by: NodeId,
    at: Time,
    error: Option<&'static str>,
    place: usize,
}

impl Attempts {
    fn of(store: &Store, entries: &[Entry<Happened>], message: MessageId, into: PartitionId) -> Attempts {
        let is_in = |batch: BatchId| store.messages(batch).any(|each| each == message);
        let mut all = Attempts { sent: Vec::new(), taken: Vec::new(), answers: Vec::new() };
        for (place, entry) in entries.iter().enumerate() {
            let (by, at) = (entry.node, entry.t);
            if let Happened::Client(Client::Attempted { batch, .. }) = entry.what
                && is_in(batch)
            {
                all.sent.push((at, place));
            }
            let Happened::Cluster(happened) = entry.what else { continue };
            if let Cluster::Appended { partition, batch, base_offset, leading: true, .. } = happened
                && partition == into
                && is_in(batch)
            {
                all.taken.push(Taken { by, at, base_offset, place });
            }
            if let Cluster::Acked { partition, batch, .. } = happened
                && partition == into
                && is_in(batch)
            {
                all.answers.push(Answer { by, at, error: None, place });
            }
            if let Cluster::Refused { partition, batch, error } = happened
                && partition == into
                && is_in(batch)
            {
                all.answers.push(Answer { by, at, error: Some(error.name()), place });
            }
        }
        all
    }
}
