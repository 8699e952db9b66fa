//! What a model expects of its runs, held against one.

use crate::check::{Held, Judgement};
use crate::kernel::units::Span;
use crate::scenario::model::{Expect, Line, Model, Quantity, Scope};
use crate::scenario::words::{Count, Promise};
use crate::world::metrics::AfterFault;

/// Whether a run is as its model, or else Kafka's promises, want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is not as expected, each in a sentence. With an empty `[expect]`: the promises that were broken.
    pub misses: Vec<String>,
    /// Promises that had to be kept and of which nothing can be said.
    pub untold: Vec<Promise>,
    /// Whether there was anything to meet.
    pub has_expectations: bool,
}

impl Verdict {
    /// The exit status of a run: 0 as expected, 1 not, 3 nothing broken but too little can be said.
    pub fn exit_status(&self) -> u8 {
        match (self.misses.is_empty(), self.untold.is_empty()) {
            (false, _) => 1,
            (true, false) => 3,
            (true, true) => 0,
        }
    }
}

/// Holds one run against the model's `[expect]`.
pub fn hold(
    model: &Model,
    judgement: &Judgement,
    faults: &[AfterFault],
    faults_took_effect: bool,
) -> Verdict {
    let expect = &model.expect;
    let mut misses: Vec<String> =
        expect.lines.iter().filter_map(|line| miss(line, judgement, faults)).collect();
    let has_expectations = !(expect.lines.is_empty() && expect.keeps.is_empty() && expect.breaks.is_empty());
    for judged in &judgement.promises {
        let (promise, broken) = (judged.promise, judged.held == Held::Broken);
        if expect.breaks.contains(&promise) {
            if !broken {
                misses.push(format!("{promise} should be broken, and is {}", judged.held.word()));
            }
        } else if broken && (expect.keeps.contains(&promise) || !has_expectations) {
            misses.push(format!("{promise} is broken"));
        } else if judged.is_violation() {
            misses.push(format!("{promise} is broken, and Kafka promises it: {}", judged.promised.reason));
        }
    }
    let untold = untold(expect, judgement, faults_took_effect || model.faults.is_empty());
    Verdict { misses, untold, has_expectations }
}

/// Promises that should be kept and are `inconclusive`, or all of them if none was tested.
fn untold(expect: &Expect, judgement: &Judgement, faults_took_effect: bool) -> Vec<Promise> {
    let wanted = |promise: &Promise| expect.keeps.is_empty() || expect.keeps.contains(promise);
    let held = |promise: Promise| judgement.promise(promise).held;
    let all: Vec<Promise> = Promise::ALL.iter().copied().filter(wanted).collect();
    if !faults_took_effect || all.iter().all(|&promise| held(promise) == Held::NotTested) {
        return if expect.breaks.is_empty() { all } else { Vec::new() };
    }
    all.into_iter().filter(|&promise| held(promise) == Held::Inconclusive).collect()
}

fn miss(line: &Line, judgement: &Judgement, faults: &[AfterFault]) -> Option<String> {
    let outcome = &judgement.outcome;
    let (value, is_span) = match line.what {
        Quantity::Count(count) => {
            let counts = match line.scope {
                None => &outcome.total,
                Some(Scope::Producer(producer)) => &outcome.producers[producer],
            };
            (counts.get(count), count.is_span())
        }
        Quantity::AfterFault(fault, mark) => (faults[fault - 1].get(mark).map(Span::nanoseconds), true),
    };
    match value {
        Some(value) if line.range.contains(value) => None,
        Some(value) if is_span => Some(format!("{}: it is {}", line.text, Span::from_nanoseconds(value))),
        Some(value) => Some(format!("{}: it is {value}", line.text)),
        None => Some(format!("{}: it never happened", line.text)),
    }
}

/// A count as people read it: a number, or a span in its unit; a dash if there is none.
pub fn readable(count: Count, value: Option<u64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if count.is_span() => Span::from_nanoseconds(value).to_string(),
        Some(value) => value.to_string(),
    }
}
