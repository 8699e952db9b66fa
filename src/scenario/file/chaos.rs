//! `[chaos]`: the schedule that is to be drawn.

use super::fault;
use super::limits;
use super::reading::Reading;
use super::report::Problem;
use super::section::{Schema, Section};
use super::tree::{Node, Table};
use crate::kernel::units::{Span, Time};
use crate::scenario::model::Chaos;
use crate::scenario::words::FaultKind;

pub(super) const CHAOS: Schema = Schema {
    own: &["faults", "kinds", "between", "for", "budget"],
    later: &["rates", "together", "exposure"],
    kafka: None,
};

/// What `[chaos]` says.
pub(super) fn read(table: &Table, reading: &mut Reading) -> Option<Chaos> {
    let section = Section::open(table, "[chaos]", &CHAOS, reading);
    let faults = section.get("faults").map_or(Some((1, 4)), |node| counts(node, reading));
    let kinds = section.get("kinds").map_or(Some(USUAL.to_vec()), |node| kinds(node, reading));
    let mut spans = |key: &str, usual: (Span, Span)| {
        section.get(key).map_or(Some(usual), |node| reading.two_spans(key, node))
    };
    let between = spans("between", (Span::from_milliseconds(200), Span::from_seconds(3)));
    let lasts = spans("for", (Span::from_milliseconds(100), Span::from_seconds(10)));
    let choices = [("none", false), ("promised", true)];
    let within_budget =
        section.get("budget").map_or(Some(false), |node| reading.choice("budget", node, &choices, &[]));
    let (earliest, latest) = between?;
    Some(Chaos {
        faults: faults?,
        kinds: kinds?,
        between: (Time::ZERO + earliest, Time::ZERO + latest),
        lasts: lasts?,
        within_budget: within_budget?,
    })
}

/// What is drawn unless the file says.
const USUAL: [FaultKind; 4] = [FaultKind::Crash, FaultKind::PowerLoss, FaultKind::Isolate, FaultKind::Pause];

/// `[least, most]`.
fn counts(node: &Node, reading: &mut Reading) -> Option<(u32, u32)> {
    let example = "[1, 4]";
    let [least, most] = reading.list("faults", node, example)? else {
        let problem =
            Problem::new("model::wrong-type", "`faults` takes the least and the most").at(node.place);
        reading.problem(problem.help(format!("for example `faults = {example}`")));
        return None;
    };
    let mut count = |node| reading.whole("faults", node, 0..=limits::FAULTS as u64);
    let (least, most) = (count(least), count(most));
    let (least, most) = (least?, most?);
    if most < least {
        let problem = Problem::new("model::out-of-range", "`faults` goes from more to less").at(node.place);
        let help = format!("the smaller comes first: `faults = [{most}, {least}]`");
        reading.problem(problem.label("the wrong way round").help(help));
        return None;
    }
    Some((least as u32, most as u32))
}

fn kinds(node: &Node, reading: &mut Reading) -> Option<Vec<FaultKind>> {
    let list = reading.list("kinds", node, "[\"crash\", \"power-loss\"]")?;
    if list.is_empty() {
        let problem = Problem::new("model::out-of-range", "`kinds` names no kind of fault").at(node.place);
        let help = "leave it out for the usual ones, or name some: `kinds = [\"crash\", \"power-loss\"]`";
        reading.problem(problem.label("an empty list").help(help));
        return None;
    }
    let kinds: Vec<_> = list.iter().map(|node| fault::kind("kinds", node, reading)).collect();
    kinds.into_iter().collect()
}
