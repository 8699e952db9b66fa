//! The story of a loss.

use super::fate::{Fault, befell, is_cut, trouble};
use super::known::Known;
use super::replay::Replay;
use super::words::{brokers, either, list, nodes, sentence};
use crate::check::numbering::Numbering;
use crate::cluster::happened::{Election, Happened as Cluster};
use crate::cluster::store::Store;
use crate::cluster::units::{Acks, BatchId, MessageId, Offset, PartitionId};
use crate::kernel::trace::Entry;
use crate::kernel::units::{NodeId, Time};
use crate::scenario::fault::Target;
use crate::scenario::model::Model;
use crate::world::happened::Happened;

/// The most sentences about what happened after the record was acknowledged; beyond that the middle is left out.
const MOST: usize = 12;

/// The sentences on the first of the lost messages, and how many there are.
pub(super) fn story(
    model: &Model,
    store: &Store,
    entries: &[Entry<Happened>],
    lost: &[MessageId],
) -> Vec<String> {
    let numbering = Numbering::new(model);
    let message = lost[0];
    let producer = &model.producers[numbering.producer(message)];
    let record = format!("record {} of producer {}", numbering.number(message), producer.name);
    let mut sentences = Vec::new();
    if lost.len() > 1 {
        sentences.push(format!("{} acknowledged records are gone; this is the first.", lost.len()));
    }
    let known = Known::find(store, entries, message);
    let and_is_gone = "and is gone";
    let zero = match producer.options.acks {
        Acks::Zero => ", as soon as it was handed to the socket (acks=0),",
        Acks::One | Acks::All => "",
    };
    sentences.push(sentence(&match (known.acked, known.told) {
        (Some((broker, at, _)), _) => {
            format!("{record} was acknowledged by broker {broker} at {at} {and_is_gone}")
        }
        (None, Some((at, _))) => format!("{record} was told success at {at}{zero} {and_is_gone}"),
        (None, None) => format!("{record} was told success {and_is_gone}"),
    }));
    let after = known.acked.map(|(_, _, place)| place).max(known.told.map(|(_, place)| place));
    match (known.appended, after) {
        (Some((partition, first)), Some(_)) => {
            // With acks=0 the sender is told before any broker has the record.
            let from = known.acked.map_or(first.max(after.unwrap_or(first)), |(_, _, place)| place);
            let telling = Telling { model, store, entries, message, batches: &known.batches, partition };
            sentences.extend(telling.tell(from, known.acked.is_none()));
        }
        (None, Some(place)) => {
            let sender = model.producer_node(numbering.producer(message));
            sentences.extend(never_appended(model, store, entries, (sender, &known), place));
        }
        (_, None) => (),
    }
    sentences
}

/// The sentences on a record that is in no log and never was: who should have had it, and how that broker fared.
fn never_appended(
    model: &Model,
    store: &Store,
    entries: &[Entry<Happened>],
    (sender, known): (NodeId, &Known),
    told: usize,
) -> Vec<String> {
    let mut sentences = vec!["No broker ever appended it.".to_owned()];
    if let Some((broker, at, error)) = known.refused {
        sentences.push(format!("Broker {broker} refused it at {at}: {error}."));
    }
    let Some(partition) = known.partition else { return sentences };
    let mut replay = Replay::new(model, store);
    entries[..=told].iter().for_each(|entry| replay.apply(entry));
    let name = model.partition_name(partition);
    let Some(leader) = replay.partition(partition).leader else {
        sentences.push(format!("{name} had no leader then."));
        return sentences;
    };
    if let Some(trouble) = trouble(replay.health(leader)) {
        sentences.push(format!("Broker {leader}, which led {name} then, {trouble}."));
        return sentences;
    }
    let is_apart = |replay: &Replay<'_>| replay.cut_from(leader, None).contains(&sender);
    let apart = format!(
        "Broker {leader}, which led {name} then, and {} were cut off from each other",
        model.node_name(sender)
    );
    if is_apart(&replay) {
        sentences.push(format!("{apart}."));
        return sentences;
    }
    for entry in &entries[told..] {
        replay.apply(entry);
        if is_apart(&replay) {
            sentences.push(format!("{apart} at {}.", entry.t));
            break;
        }
        if entry.node == leader && befell(entry.what).is_some() {
            // To be asked to stop is no trouble yet.
            let Some(trouble) = trouble(replay.health(leader)) else { continue };
            sentences.push(format!("Broker {leader}, which led {name} then, {trouble}."));
            break;
        }
    }
    sentences
}

/// A record on its way out of the logs of one partition.
struct Telling<'a> {
    model: &'a Model,
    store: &'a Store,
    entries: &'a [Entry<Happened>],
    message: MessageId,
    batches: &'a [BatchId],
    partition: PartitionId,
}

impl Telling<'_> {
    /// From the entry on by which it was acknowledged and had been somewhere; `late`: the sender may have been told before that.
    fn tell(&self, from: usize, late: bool) -> Vec<String> {
        let mut replay = Replay::new(self.model, self.store);
        self.entries[..=from].iter().for_each(|entry| replay.apply(entry));
        let when = if late { format!("at {} ", self.entries[from].t) } else { String::new() };
        let mut sentences = vec![self.whereabouts(&replay, &when)];
        sentences.extend(self.troubles(&replay));
        let mut told = Vec::new();
        let mut holders = replay.partition(self.partition).holders(self.batches);
        let offset = self.offset(&replay);
        let mut over = false;
        let mut place = from + 1;
        while place < self.entries.len() {
            let entry = &self.entries[place];
            if is_cut(entry.what) {
                place = self.cut(&mut replay, place, &mut told);
                continue;
            }
            if let Some(what) = befell(entry.what) {
                place = self.strike(&mut replay, place, what, &mut holders, &mut told);
                continue;
            }
            let before = replay.partition(self.partition).leader;
            let had = self.has(&replay, entry.node);
            replay.apply(entry);
            place += 1;
            match entry.what {
                Happened::Cluster(Cluster::Decided { partition, election, state, .. })
                    if partition == self.partition && state.leader() != before =>
                {
                    if let Some(leader) = state.leader()
                        && (!over || self.has(&replay, leader))
                    {
                        told.push(self.elected(&replay, place - 1, (before, leader), election));
                        over = replay.health(leader).down.is_none() && !self.has(&replay, leader);
                    }
                }
                Happened::Cluster(Cluster::Deleted { partition, .. })
                    if partition == self.partition && had && !self.has(&replay, entry.node) =>
                {
                    told.push(format!(
                        "At {} broker {}, which no longer held a replica, deleted its log, and the record with it.",
                        entry.t, entry.node
                    ));
                    holders = replay.partition(partition).holders(self.batches);
                }
                Happened::Cluster(Cluster::LogStart { partition, new, .. })
                    if partition == self.partition && had && !self.has(&replay, entry.node) =>
                {
                    told.push(format!(
                        "At {} broker {} deleted what lay below offset {new}, and the record with it: retention.",
                        entry.t, entry.node
                    ));
                    holders = replay.partition(partition).holders(self.batches);
                }
                Happened::Cluster(Cluster::Restarted { partition, new, .. })
                    if partition == self.partition && had && !self.has(&replay, entry.node) =>
                {
                    told.push(format!(
                        "At {} broker {} deleted all of its log, and the record with it, to begin at {new} as its \
                         leader's does.",
                        entry.t, entry.node
                    ));
                    holders = replay.partition(partition).holders(self.batches);
                }
                Happened::Cluster(Cluster::Truncated { partition, new, .. })
                    if partition == self.partition && had && !self.has(&replay, entry.node) =>
                {
                    let to_agree = match replay.partition(partition).leader {
                        Some(leader) if leader != entry.node => {
                            format!(" to agree with its leader, broker {leader}")
                        }
                        Some(_) | None => String::new(),
                    };
                    told.push(format!(
                        "At {} broker {} cut its log back to {new}{to_agree}, and the record with it.",
                        entry.t, entry.node
                    ));
                    holders = replay.partition(partition).holders(self.batches);
                }
                Happened::Rotted { partition, base_offset, .. } if partition == self.partition => {
                    told.push(format!(
                        "At {} a byte of the batch at offset {base_offset} went bad in broker {}'s copy.",
                        entry.t, entry.node
                    ));
                    holders = replay.partition(partition).holders(self.batches);
                }
                Happened::Cluster(Cluster::CutByRecovery { partition, new, .. })
                    if partition == self.partition =>
                {
                    told.push(format!(
                        "At {} broker {}, started again, found the bad byte and cut its log back to {new}: what lay \
                         behind it went with it.",
                        entry.t, entry.node
                    ));
                    holders = replay.partition(partition).holders(self.batches);
                }
                Happened::Lost { .. } => holders = replay.partition(self.partition).holders(self.batches),
                Happened::Cluster(_)
                | Happened::Client(_)
                | Happened::Sent { .. }
                | Happened::Answered { .. }
                | Happened::Delivered { .. }
                | Happened::Fsynced { .. }
                | Happened::Struck { .. }
                | Happened::NoEffect { .. }
                | Happened::Withheld { .. }
                | Happened::Ended { .. }
                | Happened::Crashed
                | Happened::Stopping
                | Happened::Stopped
                | Happened::PowerLost
                | Happened::Halted
                | Happened::Started { .. }
                | Happened::Paused
                | Happened::Wiped
                | Happened::Link { .. }
                | Happened::Disk { .. }
                | Happened::Rotted { .. }
                | Happened::ClockSet { .. }
                | Happened::Resumed
                | Happened::Isolated
                | Happened::Joined
                | Happened::Healed
                | Happened::Settled
                | Happened::Unsettled => (),
            }
        }
        if told.len() > MOST {
            told.splice(MOST / 2..told.len() - MOST / 2, ["More followed.".to_owned()]);
        }
        sentences.append(&mut told);
        sentences.push(self.in_the_end(&replay, offset));
        sentences
    }

    /// Links that are cut at one instant, as far as they end at who has the record or leads. Gives the place of the next entry.
    fn cut(&self, replay: &mut Replay<'_>, first: usize, told: &mut Vec<String>) -> usize {
        let at = self.entries[first].t;
        let partition = replay.partition(self.partition);
        let mut concerned: Vec<NodeId> = partition.leader.into_iter().collect();
        concerned.extend(partition.holders(self.batches));
        // Of several faults at this instant each is noted before its links.
        let is_of_faults =
            |entry: &&Entry<Happened>| is_cut(entry.what) || matches!(entry.what, Happened::Struck { .. });
        let struck =
            self.entries[first..].iter().take_while(|entry| entry.t == at).take_while(is_of_faults).count();
        let next = first + struck;
        self.entries[first..next].iter().for_each(|entry| replay.apply(entry));
        told.extend(self.cuts(replay, concerned, Some(at)).map(|words| format!("At {at} {words}.")));
        next
    }

    /// From whom each of these brokers is cut off, no link told twice; `new`: only by cuts of this instant.
    fn cuts(
        &self,
        replay: &Replay<'_>,
        whose: impl IntoIterator<Item = NodeId>,
        new: Option<Time>,
    ) -> impl Iterator<Item = String> {
        let mut told: Vec<NodeId> = Vec::new();
        let mut sentences = Vec::new();
        for broker in whose {
            let mut others = replay.cut_from(broker, new);
            others.retain(|other| !told.contains(other));
            if !others.is_empty() && !told.contains(&broker) {
                let since = match (new, replay.cut_since(broker)) {
                    (None, Some(since)) => format!(" at {since}"),
                    (Some(_), _) | (None, None) => String::new(),
                };
                let others = nodes(self.model, &others);
                sentences.push(format!("broker {broker} was cut off from {others}{since}"));
            }
            told.push(broker);
        }
        sentences.into_iter()
    }

    /// Faults of one kind that befall brokers at one instant, with what they took. Gives the place of the next entry.
    fn strike(
        &self,
        replay: &mut Replay<'_>,
        first: usize,
        what: Fault,
        holders: &mut Vec<NodeId>,
        told: &mut Vec<String>,
    ) -> usize {
        let at = self.entries[first].t;
        let before = replay.partition(self.partition).clone();
        let healths = replay.healths().to_vec();
        let whereabouts = self.whereabouts(replay, &format!("just before {at} "));
        let mut struck = Vec::new();
        let mut place = first;
        // What a power loss takes is told right after it; the next broker of the same fault may follow.
        while let Some(entry) = self.entries.get(place).filter(|entry| entry.t == at) {
            match befell(entry.what) {
                Some(other) if other == what => struck.push(entry.node),
                None if matches!(entry.what, Happened::Lost { .. } | Happened::Struck { .. }) => (),
                Some(_) | None => break,
            }
            replay.apply(entry);
            place += 1;
        }
        let now = before.holders(self.batches);
        let concerned = |broker: &NodeId| {
            // Controllers and clients hold no records.
            let Some(health) = healths.get(usize::from(broker.0) - 1) else { return false };
            // A second fault of the same kind changes nothing.
            let changes = match what {
                Fault::Pause => health.paused.is_none(),
                Fault::Isolate => health.isolated.is_none(),
                Fault::Crash | Fault::Stop | Fault::PowerLoss | Fault::Halt | Fault::Wipe => true,
            };
            changes && (now.contains(broker) || before.leader == Some(*broker))
        };
        let concerned: Vec<NodeId> = struck.into_iter().filter(concerned).collect();
        if concerned.is_empty() {
            return place;
        }
        if now != *holders && !now.is_empty() {
            told.push(whereabouts);
        }
        let subject = brokers(&concerned);
        told.push(match what {
            Fault::Crash => format!(
                "At {at} the {} of {subject} crashed.",
                either(concerned.len(), "process", "processes")
            ),
            Fault::Stop => {
                format!("At {at} {subject} {} asked to stop.", either(concerned.len(), "was", "were"))
            }
            Fault::Halt => format!(
                "At {at} {subject} ended {}: the disk had failed.",
                either(concerned.len(), "itself", "themselves")
            ),
            Fault::Wipe => format!("At {at} {subject} lost everything on disk."),
            Fault::Pause => format!("At {at} {subject} stood still."),
            Fault::Isolate => format!(
                "At {at} {subject} {} cut off from everybody else.",
                either(concerned.len(), "was", "were")
            ),
            Fault::PowerLoss => {
                let took: Vec<(NodeId, Offset)> = concerned
                    .iter()
                    .filter_map(|&broker| Some((broker, self.taken(first, broker)?)))
                    .collect();
                match took.as_slice() {
                    [] => {
                        let logs = either(concerned.len(), "its log", "their logs");
                        format!("At {at} {subject} lost power, and none of {logs}.")
                    }
                    &[(_, end)] if concerned.len() == 1 => {
                        format!("At {at} {subject} lost power and with it everything from offset {end} on.")
                    }
                    took => {
                        let each = took.iter().map(|(broker, end)| {
                            format!(
                                "broker {broker} from {end} \
                        on"
                            )
                        });
                        let each: Vec<String> = each.collect();
                        format!(
                            "At {at} {subject} lost power, and with it offsets of their logs: {}.",
                            list(&each)
                        )
                    }
                }
            }
        });
        *holders = replay.partition(self.partition).holders(self.batches);
        place
    }

    /// Where a broker's log ends after the power loss of this entry, if the loss took anything of it.
    fn taken(&self, power_loss: usize, broker: NodeId) -> Option<Offset> {
        let at = self.entries[power_loss].t;
        self.entries[power_loss..].iter().take_while(|entry| entry.t == at).find_map(|entry| {
            let Happened::Lost { partition, old, new } = entry.what else { return None };
            (entry.node == broker && partition == self.partition && new < old).then_some(new)
        })
    }

    /// Where the record's bytes are.
    fn whereabouts(&self, replay: &Replay<'_>, when: &str) -> String {
        let partition = replay.partition(self.partition);
        let (mut cached, mut durable, mut without, mut ends) = (vec![], vec![], vec![], vec![]);
        for replica in &partition.replicas {
            match replica.find(self.batches) {
                Some((_, _, true)) => durable.push(replica.broker),
                Some((_, _, false)) => cached.push(replica.broker),
                None => {
                    without.push(replica.broker);
                    ends.push(replica.end);
                }
            }
        }
        let place = match self.offset(replay) {
            Some(offset) => format!(" at offset {offset} of {}", self.model.partition_name(self.partition)),
            None => String::new(),
        };
        let mut parts = Vec::new();
        if !cached.is_empty() {
            let caches = either(cached.len(), "its page cache", "their page caches");
            parts.push(format!("{} had it{place}, in {caches} only", brokers(&cached)));
        }
        if !durable.is_empty() {
            let disks = either(durable.len(), "its disk", "their disks");
            parts.push(format!("{} had it{place}, durable on {disks}", brokers(&durable)));
        }
        if parts.is_empty() {
            parts.push("no broker had it".to_owned());
        }
        if !without.is_empty() {
            ends.dedup();
            let logs = either(without.len(), "its log", "their logs");
            parts.push(format!("{} did not have it ({logs} ended at {})", brokers(&without), list(&ends)));
        }
        let words = parts.join("; ");
        sentence(&format!("{when}{words}"))
    }

    /// Which replicas were already in trouble, and whether another had been elected.
    fn troubles(&self, replay: &Replay<'_>) -> Vec<String> {
        let partition = replay.partition(self.partition);
        let brokers_of = || partition.replicas.iter().map(|replica| replica.broker);
        // Those of one fate in one sentence.
        let mut fates: Vec<(String, Vec<NodeId>)> = Vec::new();
        for broker in brokers_of() {
            let Some(trouble) = trouble(replay.health(broker)) else { continue };
            match fates.iter_mut().find(|(fate, _)| *fate == trouble) {
                Some((_, all)) => all.push(broker),
                None => fates.push((trouble, vec![broker])),
            }
        }
        let fate = |(fate, all): &(String, Vec<NodeId>)| {
            let fate = if all.len() > 1 { fate.replacen("was ", "were ", 1) } else { fate.clone() };
            sentence(&format!("{} {fate}", brokers(all)))
        };
        let mut sentences: Vec<String> = fates.iter().map(fate).collect();
        sentences.extend(self.cuts(replay, brokers_of(), None).map(|words| sentence(&words)));
        let liars: Vec<(NodeId, Time)> =
            brokers_of().filter_map(|broker| Some((broker, replay.health(broker).lies?))).collect();
        if let Some(&(_, since)) = liars.first() {
            let liars: Vec<NodeId> = liars.into_iter().map(|(broker, _)| broker).collect();
            let disks = either(liars.len(), "disk", "disks");
            sentences.push(format!("The {disks} of {} lied about fsyncs from {since} on.", brokers(&liars)));
        }
        let lacks = |leader: &NodeId| partition.replica(*leader).find(self.batches).is_none();
        if let Some(leader) = partition.leader.filter(lacks) {
            let end = partition.replica(leader).end;
            sentences
                .push(format!("The controller had broker {leader} as leader, whose log ended at {end}."));
        }
        sentences
    }

    /// Another leads, by the entry at this place.
    fn elected(
        &self,
        replay: &Replay<'_>,
        place: usize,
        (before, leader): (Option<NodeId>, NodeId),
        election: Option<Election>,
    ) -> String {
        let at = self.entries[place].t;
        // Who is dead is replaced, whatever somebody has asked before.
        let is_dead = before.is_some_and(|before| replay.health(before).down.is_some());
        let is_asked = !is_dead && self.was_asked_for(place);
        let asked = if is_asked { ", as an administrator had asked" } else { "" };
        let how = match election {
            Some(Election::Clean) => " from the in-sync set",
            Some(Election::Eligible) => " from the eligible leader replicas",
            Some(Election::LastKnown) => " as the last known leader, when nobody was in sync or eligible",
            Some(Election::Unclean) => " uncleanly, though it was neither in sync nor eligible",
            Some(Election::Nobody) | None => "",
        };
        let end = replay.partition(self.partition).replica(leader).end;
        let with = if self.has(replay, leader) { "the record in it" } else { "the record not in it" };
        let down =
            if replay.health(leader).down.is_some() { ", though its process was not running" } else { "" };
        format!("At {at} broker {leader} was elected{how}{asked}{down}, its log ending at {end} and {with}.")
    }

    /// Whether an administrator had asked for another leader or other replicas since the leader changed last.
    fn was_asked_for(&self, place: usize) -> bool {
        let is_before = |what: &Happened| {
            matches!(what, Happened::Cluster(Cluster::Decided { partition, election: Some(_), .. })
                if *partition == self.partition)
        };
        let asks = |what: &Happened| {
            matches!(what, Happened::Struck { fault }
                if self.model.faults[*fault as usize].on == Target::Partition(self.partition))
        };
        let mut before = self.entries[..place].iter().rev().take_while(|entry| !is_before(&entry.what));
        before.any(|entry| asks(&entry.what))
    }

    fn in_the_end(&self, replay: &Replay<'_>, offset: Option<Offset>) -> String {
        let partition = replay.partition(self.partition);
        let holders = partition.holders(self.batches);
        let name = self.model.partition_name(self.partition);
        let other = partition
            .leader
            .zip(offset)
            .and_then(|(leader, offset)| Some((offset, partition.replica(leader).at(offset)?)))
            .filter(|(_, batch)| !self.batches.contains(batch));
        let holds = match other {
            Some((offset, _)) => format!("; offset {offset} of {name} holds another record now"),
            None => String::new(),
        };
        if holders.is_empty() {
            return format!("No log has it in the end{holds}.");
        }
        format!(
            "In the end {} still {} it, but not as part of the log that counts{holds}.",
            brokers(&holders),
            either(holders.len(), "has", "have")
        )
    }

    fn has(&self, replay: &Replay<'_>, broker: NodeId) -> bool {
        let mut replicas = replay.partition(self.partition).replicas.iter();
        replicas.any(|replica| replica.broker == broker && replica.find(self.batches).is_some())
    }

    /// The record's own offset: its batch's and its place there.
    fn offset(&self, replay: &Replay<'_>) -> Option<Offset> {
        let mut replicas = replay.partition(self.partition).replicas.iter();
        let (base_offset, batch, _) = replicas.find_map(|replica| replica.find(self.batches))?;
        let place = self.store.messages(batch).position(|message| message == self.message)?;
        Some(base_offset.plus(place as u64))
    }
}
