//! What is to be said when nothing is lost.

use super::removed;
use super::replay::Replay;
use super::words::either;
use crate::check::Judgement;
use crate::cluster::happened::Happened as Cluster;
use crate::cluster::store::Store;
use crate::cluster::units::Acks;
use crate::kernel::trace::Entry;
use crate::scenario::model::Model;
use crate::scenario::words::Count;
use crate::world::happened::Happened;

/// The sentence on a run that lost nothing: where the records are, and where they were when they were acknowledged.
pub(super) fn story(
    model: &Model,
    store: &Store,
    entries: &[Entry<Happened>],
    Judgement { settled, outcome, .. }: &Judgement,
) -> String {
    let acked = outcome.total.number(Count::Acked);
    let unreadable = outcome.total.number(Count::Unreadable);
    if acked == 0 {
        return "No record was told success, so none could be lost.".to_owned();
    }
    if unreadable > 0 {
        let is_spoilt = |what: &Happened| {
            matches!(what, Happened::Rotted { .. } | Happened::Cluster(Cluster::AppendedBehindTorn { .. }))
        };
        let is_any_spoilt = entries.iter().any(|entry| is_spoilt(&entry.what));
        return format!(
            "{unreadable} of {acked} acknowledged records cannot be read: {}their partition has no \
            leader, or they lie at or above its high watermark.",
            if is_any_spoilt { "their leader's copy has a wrong checksum, or " } else { "" },
        );
    }
    let kept = match (acked, outcome.total.number(Count::Removed)) {
        (_, removed @ 1..) => {
            let kept = outcome.total.number(Count::Kept);
            let are = either(kept as usize, "is in its leader's log", "are in their leaders' logs");
            let by = removed::by(entries);
            format!("Of {acked} acknowledged records {kept} {are}; {by} has removed {removed}")
        }
        (1, 0) => "The one acknowledged record is in the leader's log".to_owned(),
        (_, 0) => format!("All {acked} acknowledged records are in their leaders' logs"),
    };
    let kept = if *settled { kept } else { format!("{kept}, though the cluster had not settled in time") };
    // With acks=0 no broker answers.
    let answered =
        model.producers.iter().zip(&outcome.producers).all(|(producer, counts)| {
            producer.options.acks != Acks::Zero || counts.number(Count::Acked) == 0
        });
    match fewest_copies(model, store, entries).filter(|_| answered) {
        None => format!("{kept}."),
        Some(_) if outcome.total.number(Count::Removed) > 0 => format!("{kept}."),
        Some((copies, disks)) => format!(
            "{kept}; {} was in the logs of at least {copies} {}, {} when a broker acknowledged it.",
            either(acked as usize, "it", "each"),
            either(copies, "broker", "brokers"),
            match disks {
                0 => "but not necessarily on any disk,".to_owned(),
                _ => format!("and on at least {disks} {},", either(disks, "disk", "disks")),
            }
        ),
    }
}

/// In how many logs a batch was, at least, when a broker acknowledged it, and on how many disks; none if none did.
fn fewest_copies(model: &Model, store: &Store, entries: &[Entry<Happened>]) -> Option<(usize, usize)> {
    let mut replay = Replay::new(model, store);
    let mut fewest = None;
    for entry in entries {
        replay.apply(entry);
        if let Happened::Cluster(Cluster::Acked { partition, batch, .. }) = entry.what {
            let (copies, disks) = replay.partition(partition).copies(batch);
            let (least, durable) = fewest.unwrap_or((copies, disks));
            fewest = Some((copies.min(least), disks.min(durable)));
        }
    }
    fewest
}
