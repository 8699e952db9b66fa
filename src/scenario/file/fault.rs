//! `[[faults]]`: the schedule written by hand.

use super::administration::{self, Administration};
use super::limits;
use super::reading::{Placed, Reading};
use super::report::{Place, Problem};
use super::section::{Schema, Section};
use super::target::{self, Partition, Target};
use super::tree::{Node, Value};
use crate::kernel::units::{Span, Time};
use crate::scenario::fault::{Action, Lose};

pub(super) const FAULT: Schema = Schema {
    own: &["at", "after", "plus", "do", "on", "for", "lose", "partition", "to", "unclean", "replicas"],
    later: &["apart", "from", "one_way", "partitions", "property", "value", "what"],
    kafka: None,
};

pub(super) const AFTER: Schema =
    Schema { own: &["ack", "isr", "size", "leader-change", "nth", "plus"], later: &[], kafka: None };

/// What a fault may do, by name.
const ACTIONS: [&str; 7] = ["crash", "stop", "power-loss", "pause", "isolate", "elect", "reassign"];
/// What a fault may do one day.
const LATER: [&str; 16] = [
    "wipe",
    "cut",
    "slow-link",
    "slow-disk",
    "stall-disk",
    "full-disk",
    "fsync-fails",
    "fsync-lies",
    "bit-rot",
    "clock-jump",
    "add-partitions",
    "delete-topic",
    "set",
    "join",
    "leave",
    "hold",
];

/// A fault, its names not resolved yet.
pub(super) struct Draft {
    pub(super) when: When,
    pub(super) what: What,
    pub(super) lasts: Option<Span>,
}

/// What it does and to whom, by the names of the file.
pub(super) enum What {
    /// Something befalls nodes.
    Befalls(Action, Placed<Target>),
    /// An administrator asks for something.
    Administers(Administration),
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
pub(super) fn read_all(node: &Node, reading: &mut Reading) -> Vec<Draft> {
    let Value::List(list) = &node.value else {
        let problem = Problem::new("model::wrong-type", "faults are written one by one").at(node.place);
        reading.problem(problem.help("write `[[faults]]` on a line of its own and the fault's keys below"));
        return Vec::new();
    };
    if list.len() > limits::FAULTS {
        let message = format!("a model has at most {} faults", limits::FAULTS);
        reading.problem(
            Problem::new("model::limit", message).at(list[limits::FAULTS].place).label("one too many"),
        );
        return Vec::new();
    }
    list.iter().filter_map(|node| read(node, reading)).collect()
}

fn read(node: &Node, reading: &mut Reading) -> Option<Draft> {
    let table = reading.table("faults", node, "[{ at = \"1s\", do = \"crash\", on = \"broker(1)\" }]")?;
    if let Some(what) = table.get("do") {
        // The other keys of a fault that is not there yet are not known either: one problem is enough.
        reading.word("do", what, &ACTIONS, &LATER)?;
    }
    let section = Section::open(table, "a fault", &FAULT, reading);
    let action = section.need("do", node.place, "\"crash\"", reading);
    let action = action.and_then(|node| reading.word("do", node, &ACTIONS, &LATER));
    if let Some(action @ ("elect" | "reassign")) = action {
        let what = administration::read(action, &section, node.place, reading);
        let when = when(&section, node.place, reading);
        return Some(Draft { when: when?, what: What::Administers(what?), lasts: Some(Span::ZERO) });
    }
    administration::refuse(&section, &administration::OWN, action, reading);
    let on = section.need("on", node.place, "\"leader(orders-0)\"", reading);
    let on = on.and_then(|node| target::read("on", node, target::FAULT_TARGETS, reading));
    let lasts = section.get("for").and_then(|node| reading.span("for", node));
    let lose = match (section.get("lose"), action) {
        (Some(node), Some("power-loss")) => lose(node, reading),
        (Some(_), Some(action)) => {
            let place = section.key_place("lose").unwrap_or(node.place);
            let message =
                format!("`lose` says what a `power-loss` takes; `{action}` takes nothing from a disk");
            reading.problem(Problem::new("model::contradiction", message).at(place).label("leave it out"));
            None
        }
        (Some(_), None) | (None, _) => Some(Lose::Drawn),
    };
    let when = when(&section, node.place, reading);
    let action = match action? {
        "crash" => Action::Crash,
        "stop" => Action::Stop,
        "power-loss" => Action::PowerLoss(lose?),
        "pause" => Action::Pause,
        _ => Action::Isolate,
    };
    Some(Draft { when: when?, what: What::Befalls(action, on?), lasts })
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
    reading.choice("lose", node, &[("all-unsynced", Lose::AllUnsynced), ("nothing", Lose::Nothing)], &[])
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
            reading.problem(Problem::new("model::when", message).at(node.place).label("leave it out"));
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
