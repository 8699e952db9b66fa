//! `[[faults]]`: the schedule written by hand.

use super::administration::{self, Administration};
use super::limits;
use super::reading::{Placed, Reading};
use super::report::{Place, Problem};
use super::section::{Schema, Section};
use super::suggest;
use super::target::{self, Partition, Target};
use super::tree::{Node, Value};
use crate::cluster::generation::Version;
use crate::devices::clock::Jump;
use crate::devices::network::Slower;
use crate::kernel::units::{Span, Time};
use crate::scenario::fault::{Action, Lose};
use crate::scenario::words::{FaultKind, MessageKind};

pub(super) const FAULT: Schema = Schema {
    own: &[
        "at",
        "after",
        "plus",
        "do",
        "on",
        "for",
        "lose",
        "apart",
        "from",
        "to",
        "one_way",
        "latency",
        "factor",
        "what",
        "partition",
        "offset",
        "by",
        "unclean",
        "replicas",
        "topic",
        "partitions",
        "property",
        "value",
    ],
    later: &[],
    kafka: None,
};

pub(super) const AFTER: Schema =
    Schema { own: &["ack", "isr", "size", "leader-change", "nth", "plus"], later: &[], kafka: None };

/// What a fault may do one day.
const LATER: [&str; 2] = ["join", "leave"];

/// Keys that only some kinds of faults have.
const OF_KINDS: [(&str, &[FaultKind]); 17] = [
    ("partition", &[FaultKind::BitRot, FaultKind::Elect, FaultKind::Reassign]),
    ("offset", &[FaultKind::BitRot]),
    ("by", &[FaultKind::ClockJump]),
    ("unclean", &[FaultKind::Elect]),
    ("replicas", &[FaultKind::Reassign]),
    ("topic", &[FaultKind::AddPartitions, FaultKind::DeleteTopic, FaultKind::Set]),
    ("property", &[FaultKind::Set]),
    ("value", &[FaultKind::Set]),
    ("partitions", &[FaultKind::AddPartitions]),
    ("lose", &[FaultKind::PowerLoss]),
    ("apart", &[FaultKind::Isolate]),
    ("from", &[FaultKind::Cut, FaultKind::SlowLink, FaultKind::Hold]),
    ("to", &[FaultKind::Cut, FaultKind::SlowLink, FaultKind::Hold, FaultKind::Elect]),
    ("one_way", &[FaultKind::Cut, FaultKind::SlowLink]),
    ("latency", &[FaultKind::SlowLink]),
    ("factor", &[FaultKind::SlowLink, FaultKind::SlowDisk]),
    ("what", &[FaultKind::Hold]),
];

/// A fault, its names not resolved yet.
pub(super) struct Draft {
    pub(super) when: When,
    pub(super) what: What,
    pub(super) lasts: Option<Span>,
}

impl Draft {
    /// Which topic it changes, and how many partitions there are then; none: it is deleted, and made anew.
    pub(super) fn changes_topic(&self) -> Option<(&str, Option<u64>)> {
        let What::Administers(request) = &self.what else { return None };
        match request {
            Administration::OfPartition(..) | Administration::Set(_) => None,
            Administration::DeleteTopic(topic) => Some((&topic.value, None)),
            Administration::AddPartitions(topic, total) => Some((&topic.value, Some(total.value))),
        }
    }
}

/// What it does and to whom, by the names of the file.
pub(super) enum What {
    /// Something befalls nodes.
    Befalls(Doing, Placed<Target>),
    /// An administrator asks for something.
    Administers(Administration),
}

/// What befalls nodes, its names not resolved yet.
pub(super) enum Doing {
    /// What names nobody besides whom it strikes.
    Plain(Action),
    /// `cut`.
    Cut { to: Placed<Target>, one_way: bool },
    /// `slow-link`.
    SlowLink { to: Placed<Target>, one_way: bool, slower: Slower },
    /// `hold`.
    Hold { to: Placed<Target>, what: MessageKind },
    /// `bit-rot`.
    BitRot { partition: Option<Placed<Partition>>, offset: Option<u64> },
}

/// When it strikes, by the names of the file.
pub(super) enum When {
    /// At an instant.
    At(Time),
    /// So many messages told success.
    Ack(u64, Span),
    /// An in-sync set of this size.
    Isr(Placed<Partition>, Placed<u64>, Span),
    /// So many changes of leader.
    LeaderChange(Placed<Partition>, u32, Span),
}

/// The faults as the file has them.
pub(super) fn read_all(node: &Node, version: Version, reading: &mut Reading) -> Vec<Draft> {
    let Value::List(list) = &node.value else {
        let problem = Problem::new("model::wrong-type", "faults are written one by one").at(node.place);
        reading.problem(problem.help("write `[[faults]]` on a line of its own and the fault's keys below"));
        return Vec::new();
    };
    if list.len() > limits::FAULTS {
        let message = format!("a model has at most {} faults", limits::FAULTS);
        let problem = Problem::new("model::limit", message).at(list[limits::FAULTS].place);
        let help = "leave some out, or let one strike several: `on = \"brokers(1,2)\"`";
        reading.problem(problem.label("one too many").help(help));
        return Vec::new();
    }
    list.iter().filter_map(|node| read(node, version, reading)).collect()
}

fn read(node: &Node, version: Version, reading: &mut Reading) -> Option<Draft> {
    let table = reading.table("faults", node, "[{ at = \"1s\", do = \"crash\", on = \"broker(1)\" }]")?;
    if let Some(what) = table.get("do") {
        // The other keys of a fault that is not there yet are not known either: one problem is enough.
        kind("do", what, reading)?;
    }
    let section = Section::open(table, "a fault", &FAULT, reading);
    let kind =
        section.need("do", node.place, "\"crash\"", reading).and_then(|node| kind("do", node, reading));
    if let Some(kind) = kind {
        refuse_keys_of_others(&section, kind, reading);
    }
    let mut lasts = section.get("for").and_then(|node| reading.span("for", node));
    if kind.is_some_and(is_over_at_once) {
        lasts = Some(Span::ZERO);
    }
    if let Some(kind) = kind.filter(|kind| kind.is_administration()) {
        let what = administration::read(kind, &section, node.place, version, reading);
        let when = when(&section, node.place, reading);
        return Some(Draft { when: when?, what: What::Administers(what?), lasts });
    }
    let whom = if kind.is_some_and(is_of_links) { "from" } else { "on" };
    let on = section.need(whom, node.place, "\"leader(orders-0)\"", reading);
    let on = on.and_then(|node| target::read_all(whom, node, target::FAULT_TARGETS, reading));
    let action = kind.and_then(|kind| doing(kind, &section, node.place, reading));
    let when = when(&section, node.place, reading);
    Some(Draft { when: when?, what: What::Befalls(action?, on?), lasts })
}

/// A kind of fault by its word.
pub(super) fn kind(key: &str, node: &Node, reading: &mut Reading) -> Option<FaultKind> {
    let words: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.word()).collect();
    reading.word(key, node, &words, &LATER).and_then(FaultKind::from_word)
}

/// Whether nothing of such a fault ends: but for a deleted topic, which is made anew, nothing is undone that is asked for.
fn is_over_at_once(kind: FaultKind) -> bool {
    kind.is_administration() && kind != FaultKind::DeleteTopic || kind == FaultKind::BitRot
}

/// Whether a kind of fault is written with `from` and `to` rather than `on`.
fn is_of_links(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Cut | FaultKind::SlowLink | FaultKind::Hold)
}

fn refuse_keys_of_others(section: &Section<'_>, kind: FaultKind, reading: &mut Reading) {
    let mut refuse = |key: &str, label: String| {
        if let Some(place) = section.key_place(key) {
            let message = format!("`{kind}` takes no `{key}`");
            let problem = Problem::new("model::contradiction", message).at(place).label(label);
            reading.problem(problem.help("leave it out"));
        }
    };
    for (key, kinds) in OF_KINDS.into_iter().filter(|(_, kinds)| !kinds.contains(&kind)) {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
        refuse(key, format!("a key of {}", suggest::listed(&names)));
    }
    if is_of_links(kind) {
        refuse("on", "its ends are `from` and `to`".to_owned());
    }
    if kind.is_administration() && kind != FaultKind::Set {
        let of_topics = matches!(kind, FaultKind::AddPartitions | FaultKind::DeleteTopic);
        let about = if of_topics { "topic" } else { "partition" };
        refuse("on", format!("it is about a `{about}`"));
    }
    if is_over_at_once(kind) {
        refuse("for", "nothing of it ends".to_owned());
    }
}

fn doing(kind: FaultKind, section: &Section<'_>, fault: Place, reading: &mut Reading) -> Option<Doing> {
    let mut switch = |key: &str| section.get(key).map_or(Some(false), |node| reading.switch(key, node));
    let (apart, one_way) = (switch("apart")?, switch("one_way")?);
    let to = |reading: &mut Reading| {
        let node = section.need("to", fault, "\"broker(2)\"", reading)?;
        target::read_all("to", node, target::FAULT_TARGETS, reading)
    };
    Some(match kind {
        FaultKind::Crash => Doing::Plain(Action::Crash),
        FaultKind::PowerLoss => {
            let lose = section.get("lose").map_or(Some(Lose::Drawn), |node| lose(node, reading));
            Doing::Plain(Action::PowerLoss(lose?))
        }
        FaultKind::Wipe => Doing::Plain(Action::Wipe),
        FaultKind::Pause => Doing::Plain(Action::Pause),
        FaultKind::Isolate => Doing::Plain(Action::Isolate { apart }),
        FaultKind::Cut => Doing::Cut { to: to(reading)?, one_way },
        FaultKind::SlowLink => {
            let (to, slower) = (to(reading), slower(section, fault, reading));
            Doing::SlowLink { to: to?, one_way, slower: slower? }
        }
        FaultKind::Hold => {
            let what = section.need("what", fault, "\"fetch-response\"", reading);
            let words: Vec<&str> = MessageKind::ALL.iter().map(|kind| kind.word()).collect();
            let what = what.and_then(|node| reading.word("what", node, &words, &[]));
            let what = what.and_then(MessageKind::from_word);
            Doing::Hold { to: to(reading)?, what: what? }
        }
        FaultKind::SlowDisk => {
            let factor = section.need("factor", fault, "10", reading)?;
            Doing::Plain(Action::SlowDisk(reading.whole("factor", factor, 2..=MOST_TIMES)? as u32))
        }
        FaultKind::StallDisk => Doing::Plain(Action::StallDisk),
        FaultKind::FullDisk => Doing::Plain(Action::FullDisk),
        FaultKind::FsyncFails => Doing::Plain(Action::FsyncFails),
        FaultKind::FsyncLies => Doing::Plain(Action::FsyncLies),
        FaultKind::BitRot => {
            let partition =
                section.get("partition").map(|node| target::partition("partition", node, reading));
            let offset = section.get("offset").map(|node| reading.whole("offset", node, 0..=u64::MAX));
            let all_read =
                partition.as_ref().is_none_or(Option::is_some) && offset.is_none_or(|one| one.is_some());
            if !all_read {
                return None;
            }
            Doing::BitRot { partition: partition.flatten(), offset: offset.flatten() }
        }
        FaultKind::ClockJump => {
            let by = section.need("by", fault, "\"1h\"", reading)?;
            Doing::Plain(Action::ClockJump(jump(by, reading)?))
        }
        FaultKind::Stop => Doing::Plain(Action::Stop),
        FaultKind::Elect
        | FaultKind::Reassign
        | FaultKind::AddPartitions
        | FaultKind::DeleteTopic
        | FaultKind::Set => {
            unreachable!("an administrator's request is read otherwise")
        }
    })
}

/// So many times as slow is the most.
const MOST_TIMES: u64 = 1_000_000;

/// How much slower a link is: `latency` more, `factor` times as much, or both.
fn slower(section: &Section<'_>, fault: Place, reading: &mut Reading) -> Option<Slower> {
    const HELP: &str = "`latency = \"30ms\"` is so much more, `factor = 10` so many times as much";
    let (factor, extra) = (section.get("factor"), section.get("latency"));
    let Some(said) = factor.or(extra) else {
        let message = "a slow link says how slow it is";
        reading.problem(Problem::new("model::missing-key", message).at(fault).help(HELP));
        return None;
    };
    let factor = factor.map_or(Some(1), |node| reading.whole("factor", node, 1..=MOST_TIMES));
    let extra = extra.map_or(Some(Span::ZERO), |node| reading.span("latency", node));
    let (factor, extra) = (factor? as u32, extra?);
    if factor == 1 && extra == Span::ZERO {
        let message = "a slow link that takes as long as any other";
        reading
            .problem(Problem::new("model::no-effect", message).at(said.place).label("no slower").help(HELP));
        return None;
    }
    Some(Slower { factor, extra })
}

/// `"1h"`, or `"-1h"` for back.
fn jump(node: &Node, reading: &mut Reading) -> Option<Jump> {
    let back = if let Value::Text(text) = &node.value { text.trim().strip_prefix('-') } else { None };
    let by = match back {
        Some(back) => reading.span("by", &Node { value: Value::Text(back.into()), place: node.place })?,
        None => reading.span("by", node)?,
    };
    if by == Span::ZERO {
        let problem = Problem::new("model::no-effect", "a clock that jumps by nothing stays where it is");
        let problem = problem.at(node.place).label("no time");
        reading.problem(problem.help("`by = \"1h\"` sets it forward, `by = \"-1h\"` back"));
        return None;
    }
    Some(if back.is_some() { Jump::Back(by) } else { Jump::Forward(by) })
}

/// `"all-unsynced"`, `"nothing"` or `{ records = n }`.
fn lose(node: &Node, reading: &mut Reading) -> Option<Lose> {
    const EXAMPLE: &str = "`lose = \"all-unsynced\"`, `lose = \"nothing\"` or `lose = { records = 1 }`";
    if let Value::Table(table) = &node.value {
        if let [(key, records)] = table.entries.as_slice()
            && key.text == "records"
        {
            return reading.whole("lose.records", records, 0..=u64::MAX).map(Lose::Records);
        }
        let problem = Problem::new("model::unknown-key", "`lose` takes only `records`").at(node.place);
        reading.problem(problem.help(format!("write {EXAMPLE}")));
        return None;
    }
    let choices = [("all-unsynced", Lose::AllUnsynced), ("nothing", Lose::Nothing)];
    reading.choice_or("lose", node, &choices, "{ records = 1 }")
}

/// `at`, or `after` with `plus`, which may stand beside `after` or in it.
fn when(section: &Section<'_>, fault: Place, reading: &mut Reading) -> Option<When> {
    let wrong = |message: &str, place: Place, reading: &mut Reading| {
        let problem = Problem::new("model::when", message).at(place);
        reading.problem(
            problem.help("write `at = \"500ms\"`, or `after = { ack = 1 }` and perhaps `plus = \"3ms\"`"),
        );
        None
    };
    match (section.get("at"), section.get("after"), section.get("plus")) {
        (None, None, _) => wrong("the fault does not say when it strikes", fault, reading),
        (Some(_), Some(after), _) => wrong("a fault strikes `at` or `after`, not both", after.place, reading),
        (Some(_), None, Some(plus)) => wrong("`plus` goes with `after`", plus.place, reading),
        (Some(at), None, None) => reading.span("at", at).map(|at| When::At(Time::ZERO + at)),
        (None, Some(node), outer) => {
            let example = "{ isr = \"orders-0\", size = 1 }";
            let table = reading.table("after", node, example)?;
            let after = Section::open(table, "`after`", &AFTER, reading);
            if let (Some(outer), Some(_)) = (outer, after.get("plus")) {
                return wrong("`plus` is set twice", outer.place, reading);
            }
            let plus = outer.or(after.get("plus"));
            let plus = plus.map_or(Some(Span::ZERO), |plus| reading.span("plus", plus));
            trigger(&after, node.place, plus?, reading)
        }
    }
}

fn trigger(after: &Section<'_>, place: Place, plus: Span, reading: &mut Reading) -> Option<When> {
    let named: Vec<&str> =
        ["ack", "isr", "leader-change"].into_iter().filter(|key| after.get(key).is_some()).collect();
    let [kind] = named.as_slice() else {
        let problem = Problem::new("model::when", "`after` waits for exactly one thing").at(place);
        let help = "`{ ack = 1 }`, `{ isr = \"orders-0\", size = 1 }` or `{ leader-change = \"orders-0\", nth = 2 }`";
        reading.problem(problem.help(help));
        return None;
    };
    for (key, of) in [("size", "isr"), ("nth", "leader-change")] {
        if let Some(node) = after.get(key).filter(|_| *kind != of) {
            let message = format!("`{key}` goes with `{of}`");
            let problem = Problem::new("model::when", message).at(node.place);
            reading.problem(problem.help(format!("leave it out, or wait for `{of}`")));
        }
    }
    let node = after.get(kind)?;
    match *kind {
        "ack" => reading.whole("after.ack", node, 1..=limits::RECORDS).map(|acks| When::Ack(acks, plus)),
        "isr" => {
            let partition = target::partition("after.isr", node, reading);
            let size_node = after.need("size", place, "1", reading)?;
            let size = reading.whole("after.size", size_node, 0..=u64::MAX)?;
            Some(When::Isr(partition?, Placed { value: size, place: size_node.place }, plus))
        }
        _ => {
            let partition = target::partition("after.leader-change", node, reading);
            let nth =
                after.get("nth").map_or(Some(1), |nth| reading.whole("after.nth", nth, 1..=u32::MAX.into()));
            Some(When::LeaderChange(partition?, nth? as u32, plus))
        }
    }
}
