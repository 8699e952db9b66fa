//! `run --json`: one object with everything there is to say of a run. Times end in `_ns`.

use serde_json::{Map, Value, json};

use crate::check::outcome::Counts;
use crate::explore::one::Run;
use crate::kernel::units::Span;
use crate::scenario::model::{FaultMark, Model};
use crate::scenario::words::Count;

/// The object.
pub fn run(model: &Model, run: &Run, replay: &str) -> Value {
    let outcome = &run.judgement.outcome;
    let mut total = counts(&outcome.total);
    let producers = model.producers.iter().zip(&outcome.producers);
    let producers: Map<String, Value> =
        producers.map(|(producer, each)| (producer.name.clone(), Value::Object(counts(each)))).collect();
    total.insert("producers".to_owned(), Value::Object(producers));
    let promises: Vec<Value> = run
        .judgement
        .promises
        .iter()
        .map(|judged| {
            let first = judged.first.as_ref().map(|first| {
                let witnesses: Vec<u64> = first.witnesses.iter().map(|witness| witness.0).collect();
                json!({ "at_ns": first.at.nanoseconds(), "text": first.text, "witnesses": witnesses })
            });
            json!({
                "name": judged.promise.word(),
                "held": judged.held.word(),
                "promised": judged.promised.yes,
                "reason": judged.promised.reason,
                "findings": judged.findings,
                "first": first,
            })
        })
        .collect();
    let faults: Vec<Value> = run
        .faults
        .iter()
        .enumerate()
        .map(|(place, fault)| {
            let mut object = Map::new();
            object.insert("fault".to_owned(), json!(place + 1));
            object.insert("what".to_owned(), json!(model.describe(&model.faults[place])));
            object.insert("fate".to_owned(), json!(fault.fate.word()));
            object.insert("struck_at_ns".to_owned(), json!(fault.struck.map(|at| at.nanoseconds())));
            object.insert("node".to_owned(), json!(fault.node.map(|node| node.0)));
            for (mark, name) in FaultMark::ALL {
                object.insert(format!("{name}_ns"), json!(fault.get(mark).map(Span::nanoseconds)));
            }
            Value::Object(object)
        })
        .collect();
    json!({
        "model": model.name,
        "title": model.title,
        "kafka": model.kafka.generation().name,
        "seed": run.seed,
        "digest": run.digest.to_string(),
        "events": run.events,
        "virtual_ns": run.ending.at.nanoseconds(),
        "settled": run.ending.settled,
        "unquiet": run.ending.unquiet,
        "outcome": total,
        "promises": promises,
        "faults": faults,
        "expect": {
            "met": run.expected.misses.is_empty() && run.expected.untold.is_empty(),
            "misses": run.expected.misses,
        },
        "replay": replay,
    })
}

fn counts(counts: &Counts) -> Map<String, Value> {
    Count::ALL
        .iter()
        .map(|&count| {
            let name = count.word();
            let key = if count.is_span() { format!("{name}_ns") } else { name.to_owned() };
            (key, json!(counts.get(count)))
        })
        .collect()
}
