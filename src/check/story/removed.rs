//! The story of what retention removed: where and when it began, and which readers found their place gone.

use super::replay::Replay;
use super::words::sentence;
use crate::check::numbering::Numbering;
use crate::clients::happened::Happened as Client;
use crate::clients::options::OffsetReset;
use crate::cluster::happened::Happened as Cluster;
use crate::cluster::store::Store;
use crate::cluster::units::{BatchId, Offset, PartitionId};
use crate::kernel::trace::Entry;
use crate::kernel::units::NodeId;
use crate::scenario::model::Model;
use crate::world::happened::Happened;

/// The most readers told of.
const MOST: usize = 3;

/// What has removed records.
pub(super) fn by(entries: &[Entry<Happened>]) -> &'static str {
    let any = |is_such: fn(&Cluster) -> bool| {
        entries.iter().any(|entry| matches!(&entry.what, Happened::Cluster(what) if is_such(what)))
    };
    let is_deleted = any(|what| matches!(what, Cluster::Decided { state, .. } if !state.state().is_there()));
    let is_retained = any(|what| matches!(what, Cluster::LogStart { retention: true, .. }));
    match (is_deleted, is_retained) {
        (true, true) => "retention, or the deletion of their topic,",
        (true, false) => "the deletion of their topic",
        (false, _) => "retention",
    }
}

/// The sentences on the first records that retention took, and on readers that came too late.
pub(super) fn story(model: &Model, store: &Store, entries: &[Entry<Happened>]) -> Vec<String> {
    let mut replay = Replay::new(model, store);
    let mut first = None;
    let mut resets = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        if let Happened::Cluster(Cluster::LogStart { partition, old, new, retention: true }) = entry.what
            && first.is_none()
            && let Some(batch) = replay.partition(partition).replica(entry.node).at(old)
        {
            first = Some((place, partition, batch, new));
        } else if let Happened::Client(Client::Reset { partition, old, new }) = entry.what
            && first.is_some()
        {
            resets.push((entry, partition, old, new));
        }
        replay.apply(entry);
    }
    let Some((place, partition, batch, new)) = first else { return Vec::new() };
    let mut sentences = vec![deleted(model, store, &entries[place], (partition, batch, new))];
    sentences.extend(never_read(model, entries, partition, batch));
    for &(entry, partition, old, new) in resets.iter().take(MOST) {
        sentences.push(reset(model, entry, partition, old, new));
    }
    sentences
}

fn deleted(
    model: &Model,
    store: &Store,
    entry: &Entry<Happened>,
    (partition, batch, new): (PartitionId, BatchId, Offset),
) -> String {
    let numbering = Numbering::new(model);
    let message = store.message_runs(batch)[0].first;
    let producer = &model.producers[numbering.producer(message)];
    format!(
        "Retention began at {}: broker {} deleted what lay below offset {new} of {}, first of all record {} of \
        producer {}.",
        entry.t,
        entry.node,
        model.partition_name(partition),
        numbering.number(message),
        producer.name,
    )
}

/// The readers of that partition that were never handed the batch.
fn never_read(
    model: &Model,
    entries: &[Entry<Happened>],
    partition: PartitionId,
    batch: BatchId,
) -> Option<String> {
    let has_read = |reader: NodeId| {
        entries.iter().filter(|entry| entry.node == reader).any(|entry| {
            matches!(entry.what, Happened::Client(Client::Read { partition: of, batch: read, .. })
                if of == partition && read == batch)
        })
    };
    let reads = |place: &usize| {
        let topics = &model.readers[*place].reads;
        topics.iter().any(|topic| model.partition(partition).0.name == model.topics[topic.0 as usize].name)
    };
    let mut readers = (0..model.readers.len()).filter(reads).map(|place| model.reader_node(place));
    let reader = readers.find(|&reader| !has_read(reader))?;
    Some(sentence(&format!("{} never read it", model.node_name(reader))))
}

fn reset(
    model: &Model,
    entry: &Entry<Happened>,
    partition: PartitionId,
    old: Offset,
    new: Option<Offset>,
) -> String {
    let reader = usize::from(entry.node.0 - model.reader_node(0).0);
    let policy = match model.readers[reader].options.auto_offset_reset {
        OffsetReset::Earliest => "earliest".to_owned(),
        OffsetReset::Latest => "latest".to_owned(),
        OffsetReset::None => "none".to_owned(),
        OffsetReset::Ago(span) => format!("by_duration of {span}"),
    };
    let goes_on = match new {
        Some(new) => format!("went on at {new}"),
        None => "reads it no more".to_owned(),
    };
    sentence(&format!(
        "{} found at {} that its position in {}, {old}, was gone, and {goes_on} (auto.offset.reset={policy})",
        model.node_name(entry.node),
        entry.t,
        model.partition_name(partition),
    ))
}

#[cfg(test)]
mod tests {
    use crate::check::hand::Step::*;
    use crate::check::hand::{Hand, model};
    use crate::clients::presets::Library;
    use crate::cluster::units::TopicId;
    use crate::kernel::units::Time;
    use crate::scenario::model::{Model, Reader};

    /// With a reader.
    fn read_model() -> Model {
        let (reads, options) = (vec![TopicId(0)], Library::Java41.reader());
        let reader = Reader { name: "audit".to_owned(), reads, start: Time::ZERO, options };
        Model { readers: vec![reader], ..model() }
    }

    #[test]
    fn what_was_deleted_with_its_topic_is_told() {
        let steps = [Send, Put(1, 0, 0), Success(0), Commit(1, 1, 0), Strike(1), Delete];
        let story = Hand::play(model(), &steps).sentence();
        let begun = "Of 1 acknowledged records 0 are in their leaders' logs; the deletion of their topic has removed 1.";
        assert!(story.starts_with(begun), "{story}");
    }

    #[test]
    fn what_retention_took_and_who_never_read_it() {
        let steps = [
            Send,
            Put(1, 0, 0),
            Copy(2, 0, 0),
            Copy(3, 0, 0),
            Commit(1, 1, 0),
            Ack(1, 0),
            Success(0),
            Send,
            Put(1, 1, 0),
            Commit(1, 2, 0),
            Success(1),
            At(7_000),
            Remove(1, 1),
            At(9_000),
            Reset(0, Some(2)),
        ];
        let begun = "Of 2 acknowledged records 1 is in its leader's log; retention has removed 1. Retention began at \
            7.000 s: broker 1 deleted what lay below offset 1 of orders-0, first of all record 1 of producer web.";
        let reader = "Reader audit found at 9.000 s that its position in orders-0, 0, was gone, and went on at 2 \
            (auto.offset.reset=latest).";
        let expected = format!("{begun} Reader audit never read it. {reader}");
        assert_eq!(Hand::play(read_model(), &steps).sentence(), expected);
        let read = [&steps[..5], &[Read(0, 0, 0)], &steps[5..]].concat();
        assert_eq!(Hand::play(read_model(), &read).sentence(), format!("{begun} {reader}"));
    }
}
