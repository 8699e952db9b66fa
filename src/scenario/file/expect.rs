//! `[expect]`: what must come out.

use std::collections::BTreeMap;

use super::limits;
use super::quantity::{self, Wrong};
use super::reading::{Placed, Reading};
use super::report::{Place, Problem};
use super::suggest;
use super::tree::{Node, Table, Value};
use crate::scenario::model::{FaultMark, Range};
use crate::scenario::words::{Count, Promise};

/// The keys of the table that are no counts.
const OWN: [&str; 3] = ["seeds", "keeps", "breaks"];
/// Promises that are to come.
const PROMISES_LATER: [&str; 4] = ["nothing-skipped", "processed-once", "effects-once", "no-aborted-reads"];
/// Counts that are to come.
const COUNTS_LATER: [&str; 12] = [
    "processed",
    "dead_lettered",
    "skipped_unseen",
    "skipped_failed",
    "removed_unread",
    "pending",
    "skipped",
    "delivered",
    "reprocessed",
    "effects_doubled",
    "vanished",
    "ack_latency_p99",
];

/// What must come out, its names not resolved yet.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) seeds: u32,
    pub(super) lines: Vec<Line>,
    pub(super) keeps: Vec<Promise>,
    pub(super) breaks: Vec<Promise>,
}

/// One bound.
pub(super) struct Line {
    pub(super) of: Of,
    pub(super) range: Range,
    pub(super) text: String,
    key: Placed<String>,
}

/// Of which number.
pub(super) enum Of {
    /// Of the whole run.
    Run(Count),
    /// Of one producer, by its name.
    Producer(Placed<String>, Count),
    /// What followed a fault, counted from 1.
    Fault(Placed<u64>, FaultMark),
}

/// The table as the file has it.
pub(super) fn read(table: &Table, reading: &mut Reading) -> Draft {
    let mut draft = Draft { seeds: 1, ..Draft::default() };
    let mut promised = Vec::new();
    for (key, node) in &table.entries {
        match key.text.as_str() {
            "seeds" => {
                if let Some(seeds) = reading.whole("seeds", node, limits::SEEDS) {
                    draft.seeds = seeds as u32;
                }
            }
            "keeps" => draft.keeps = promises("keeps", node, &mut promised, reading),
            "breaks" => draft.breaks = promises("breaks", node, &mut promised, reading),
            _ => lines(&mut vec![(key.text.clone(), key.place)], node, &mut draft.lines, reading),
        }
    }
    once_each(&draft.lines, reading);
    draft
}

/// Refuses a second bound on the same number, however it is written.
fn once_each(lines: &[Line], reading: &mut Reading) {
    let mut seen = BTreeMap::new();
    for Line { key, .. } in lines {
        if let Some(first) = seen.insert(&key.value, key.place) {
            let problem =
                Problem::new("model::set-twice", format!("`{}` is set twice", key.value)).at(key.place);
            let problem = problem.label("and again here").related(first, "set here");
            reading.problem(problem.help("leave one of them out"));
        }
    }
}

/// Promises by name, none of them twice in the whole table.
fn promises(key: &str, node: &Node, seen: &mut Vec<(Promise, Place)>, reading: &mut Reading) -> Vec<Promise> {
    let words: Vec<&str> = Promise::ALL.iter().map(|promise| promise.word()).collect();
    let mut promises = Vec::new();
    for node in reading.list(key, node, "[\"acked-is-kept\"]").unwrap_or_default() {
        let Some(word) = reading.word(key, node, &words, &PROMISES_LATER) else { continue };
        let promise = Promise::from_word(word).expect("a word of the list has its promise");
        if let Some(&(_, first)) = seen.iter().find(|(known, _)| *known == promise) {
            let problem =
                Problem::new("model::set-twice", format!("`{promise}` is expected twice")).at(node.place);
            let problem = problem.label("and again here").related(first, "named here");
            reading.problem(problem.help("it is either kept or broken: leave one of them out"));
            continue;
        }
        seen.push((promise, node.place));
        promises.push(promise);
    }
    promises
}

/// The bounds below a key, however its segments are written.
fn lines(path: &mut Vec<(String, Place)>, node: &Node, lines_of: &mut Vec<Line>, reading: &mut Reading) {
    if let Value::Table(table) = &node.value {
        for (key, node) in &table.entries {
            path.push((key.text.clone(), key.place));
            lines(path, node, lines_of, reading);
            path.pop();
        }
        return;
    }
    let segments: Vec<&str> = path.iter().map(|(segment, _)| segment.as_str()).collect();
    let full = segments.join(".");
    let Some(of) = number_of(&full, path, reading) else { return };
    let is_span = match &of {
        Of::Run(count) | Of::Producer(_, count) => count.is_span(),
        Of::Fault(..) => true,
    };
    let text = format!("{full} = {}", reading.written(node.place));
    if let Some(range) = range(&full, node, is_span, reading) {
        let place = path.last().expect("a path has a segment").1;
        lines_of.push(Line { of, range, text, key: Placed { value: full, place } });
    }
}

/// The number that a dotted key names: `lost`, `producers.web.lost`, `faults.1.isr_shrunk_after`, quoted or not.
fn number_of(full: &str, path: &[(String, Place)], reading: &mut Reading) -> Option<Of> {
    const SCOPES_LATER: [&str; 5] = ["groups", "partitions", "readers", "topics", "consumers"];
    let place = path.last().expect("a path has a segment").1;
    let Some((scope, rest)) = full.split_once('.') else {
        return count(full, full, place, reading).map(Of::Run);
    };
    let (name, number) = rest.rsplit_once('.').unwrap_or((rest, ""));
    let name_place = path.get(1).map_or(place, |(_, place)| *place);
    match scope {
        "producers" => {
            let name = Placed { value: name.to_owned(), place: name_place };
            count(full, number, place, reading).map(|count| Of::Producer(name, count))
        }
        "faults" => {
            let Ok(fault) = quantity::whole(name) else {
                let problem =
                    Problem::new("model::unknown-fault", format!("`{name}` is no fault")).at(name_place);
                reading.problem(problem.help("faults count from 1: `faults.1.isr_shrunk_after`"));
                return None;
            };
            let marks = FaultMark::ALL.map(|(_, word)| word);
            let Some(&(mark, _)) = FaultMark::ALL.iter().find(|(_, word)| *word == number) else {
                let problem = Problem::new("model::unknown-key", format!("`{full}` is not known")).at(place);
                reading.problem(problem.label("not known").help(suggest::instead_of(number, &marks)));
                return None;
            };
            Some(Of::Fault(Placed { value: fault, place: name_place }, mark))
        }
        _ if SCOPES_LATER.contains(&scope) => {
            reading.not_modelled(
                &format!("`{scope}` in [expect]"),
                path[0].1,
                &["producers.NAME", "faults.N"],
            );
            None
        }
        _ => {
            let problem = Problem::new("model::unknown-key", format!("`{full}` is not a key of [expect]"));
            reading.problem(
                problem
                    .at(path[0].1)
                    .label("not known")
                    .help(suggest::instead_of(scope, &["producers", "faults"])),
            );
            None
        }
    }
}

fn count(full: &str, word: &str, place: Place, reading: &mut Reading) -> Option<Count> {
    if let Some(count) = Count::from_word(word) {
        return Some(count);
    }
    if COUNTS_LATER.contains(&word) {
        reading.not_modelled(&format!("the count `{word}`"), place, &[]);
        return None;
    }
    let mut possible: Vec<&str> = Count::ALL.iter().map(|count| count.word()).collect();
    if full == word {
        possible.extend(OWN);
    }
    let problem = Problem::new("model::unknown-key", format!("`{full}` is not a key of [expect]")).at(place);
    reading.problem(problem.label("not known").help(suggest::instead_of(word, &possible)));
    None
}

/// What a number must lie in: a number, `">0"`, `"<=10ms"`, `"3..=5"`.
fn range(key: &str, node: &Node, is_span: bool, reading: &mut Reading) -> Option<Range> {
    let example = if is_span { "\"<=10ms\"" } else { "\">0\"" };
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Whole(_) if !is_span => {
            let number = reading.whole(key, node, 0..=u64::MAX)?;
            return Some(Range { least: number, most: number });
        }
        Value::Whole(_)
        | Value::Fraction
        | Value::Switch(_)
        | Value::Date
        | Value::List(_)
        | Value::Table(_) => {
            let wanted = if is_span { "a range of durations" } else { "a number or a range" };
            return reading.wrong_type(key, node, wanted, example);
        }
    };
    let message = match parse(text, is_span) {
        Ok(range) => return Some(range),
        Err(Wrong::NoUnit) => format!("`{key}` is a duration: its bounds have units"),
        Err(Wrong::Unit(names)) => format!("`{key}` has a unit that is none of {names}"),
        Err(Wrong::TooLarge) => format!("`{key}` has a bound that is too large"),
        Err(Wrong::NotAShare) => format!("no number lies in \"{text}\""),
        Err(Wrong::Form | Wrong::TooFine) => format!("`{key}` takes a range, and this is none"),
    };
    let problem = Problem::new("model::range", message).at(node.place);
    let forms =
        if is_span { "\"10ms\", \"<=10ms\", \"7s..=10s\"" } else { "3, \">0\", \">=2\", \"<5\", \"3..=5\"" };
    reading.problem(problem.help(format!("ranges are written {forms}")));
    None
}

/// A range in a string; `NotAShare` if nothing lies in it.
fn parse(text: &str, is_span: bool) -> Result<Range, Wrong> {
    let bound = |text: &str| {
        let text = text.trim();
        if is_span { quantity::span(text).map(|span| span.nanoseconds()) } else { quantity::whole(text) }
    };
    let text = text.trim();
    let all = Range { least: 0, most: u64::MAX };
    let range = if let Some((least, most)) = text.split_once("..=") {
        Range { least: bound(least)?, most: bound(most)? }
    } else if let Some(least) = text.strip_prefix(">=") {
        Range { least: bound(least)?, ..all }
    } else if let Some(most) = text.strip_prefix("<=") {
        Range { most: bound(most)?, ..all }
    } else if let Some(below) = text.strip_prefix('>') {
        Range { least: bound(below)?.checked_add(1).ok_or(Wrong::NotAShare)?, ..all }
    } else if let Some(above) = text.strip_prefix('<') {
        Range { most: bound(above)?.checked_sub(1).ok_or(Wrong::NotAShare)?, ..all }
    } else {
        let exact = bound(text)?;
        Range { least: exact, most: exact }
    };
    if range.most < range.least { Err(Wrong::NotAShare) } else { Ok(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_by_their_forms() {
        const MS: u64 = 1_000_000;
        let cases = [
            (">0", false, Ok((1, u64::MAX))),
            (">= 2", false, Ok((2, u64::MAX))),
            ("<5", false, Ok((0, 4))),
            ("<=5", false, Ok((0, 5))),
            ("3..=5", false, Ok((3, 5))),
            ("7", false, Ok((7, 7))),
            ("<=10ms", true, Ok((0, 10 * MS))),
            ("7s..=10s", true, Ok((7_000 * MS, 10_000 * MS))),
            ("<0", false, Err(Wrong::NotAShare)),
            ("5..=3", false, Err(Wrong::NotAShare)),
            (">18446744073709551615", false, Err(Wrong::NotAShare)),
            ("<=10", true, Err(Wrong::NoUnit)),
            ("10ms", false, Err(Wrong::Form)),
            ("3..5", false, Err(Wrong::Form)),
            ("", false, Err(Wrong::Form)),
        ];
        for (text, is_span, expected) in cases {
            assert_eq!(parse(text, is_span).map(|range| (range.least, range.most)), expected, "{text}");
        }
    }
}
