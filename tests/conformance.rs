//! The simulator held against a real cluster: each model of `models/conformance/` is a scenario that was run on Apache Kafka
//! itself, and `tests/conformance/observed.toml` says what came out there (of 4.1; of each other version a file beside). Over the
//! model's seeds no simulated value may leave
//! what is possible, and every value that was observed must lie among the simulated ones.
//!
//! The table of both, quantity by quantity, is in `models/conformance/README.md`: `UPDATE_EXPECT=1` writes it anew.

#![allow(clippy::disallowed_methods, reason = "the environment says whether to write the table anew")]

mod common;
#[path = "conformance/measure.rs"]
mod measure;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater::explore::one;
use highwater::scenario::model::Model;
use toml::de::{DeTable, DeValue};

use self::measure::measure;

/// A time on the real cluster is taken by asking a broker every 50 ms, which hears of a decision some 40 ms after it is made:
/// what was seen had happened up to so many milliseconds before.
const SEEN_LATE: i64 = 100;

/// Whose observations there are: the folder of the models, and the file of what was observed.
const VERSIONS: [(&str, &str); 5] = [
    ("kafka-4.3", "observed-4.3.toml"),
    ("kafka-4.1", "observed.toml"),
    ("kafka-3.9", "observed-3.9.toml"),
    ("kafka-3.6", "observed-3.6.toml"),
    ("kafka-2.8", "observed-2.8.toml"),
];

const BEGIN: &str = "<!-- the table of agreement: cargo test --test conformance -->\n";
const END: &str = "<!-- its end -->\n";

#[test]
fn every_scenario_agrees_with_the_real_cluster() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut table = String::from(
        "| Scenario | Quantity | Observed | Simulated: least, median, most | Agrees |\n|---|---|---|---|---|\n",
    );
    let mut wrong = Vec::new();
    for scenario in observed(root) {
        let model = common::model(&scenario.model, &text(root, &scenario.model));
        let Compared { rows, differ, mistakes } = compare(&model, &scenario);
        table.push_str(&rows);
        wrong.extend(differ.into_iter().chain(mistakes));
    }
    assert!(wrong.is_empty(), "the simulator and the real cluster differ:\n{}\n{table}", wrong.join("\n"));
    keep(&root.join("models/conformance/README.md"), &table);
}

/// Every model of the folder has its observations.
#[test]
fn every_model_was_observed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let observed: BTreeSet<String> = observed(root).into_iter().map(|scenario| scenario.model).collect();
    let within = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).expect("the folder is there");
        entries.map(|entry| entry.expect("a readable entry").path())
    };
    let models: BTreeSet<String> = within(root.join("models/conformance"))
        .filter(|path| path.is_dir())
        .flat_map(within)
        .map(|path| {
            let folder = path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy();
            format!("{folder}/{}", path.file_stem().expect("a file").to_string_lossy())
        })
        .collect();
    assert_eq!(models, observed);
}

/// Figures of the simulator are in the table, where the test prints them, and nowhere else: what `asked.md` says of the simulator
/// as it is has none. And its questions name models that are there.
#[test]
fn what_was_asked_names_models_and_types_no_figure_of_the_simulator() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let asked =
        std::fs::read_to_string(root.join("models/conformance/asked.md")).expect("the document is there");
    assert_eq!(typed(&asked), [""; 0]);
    for (number, question) in asked.split("\n## ").enumerate().skip(1) {
        let names = question.split("\n\n").nth(1).expect("a question names its models");
        let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "question {number} names no model");
        for name in names {
            let there = |folder: &str| root.join(format!("{folder}{name}.toml")).exists();
            assert!(there("models/conformance/kafka-4.1/") || there("models/"), "question {number}: {name}");
        }
    }
    let item =
        |text: &str| format!("# Asked\n\n## 1. What?\n\n- **The real cluster**: 7\n- **Changed**: {text}\n");
    assert_eq!(typed(&item("nothing of question 3, nor `acks=1`")), [""; 0]);
    assert_eq!(typed(&item("now it loses\n  23 of them")).len(), 1);
}

/// What is said of the simulator as it is, and has a figure; what it did at first is history.
fn typed(asked: &str) -> Vec<&str> {
    let items = asked.split("\n## ").skip(1).flat_map(|question| question.split("\n- "));
    let is_now = |item: &&str| item.starts_with("**The simulator**") || item.starts_with("**Changed**");
    let has_figure = |item: &&str| {
        let text: String = item.split('`').step_by(2).collect();
        let mut before = "";
        text.split_whitespace().any(|word| {
            let refers = std::mem::replace(&mut before, word) == "question";
            !refers && word.contains(|c: char| c.is_ascii_digit())
        })
    };
    items.filter(is_now).filter(has_figure).collect()
}

/// The table would show it: each difference from Kafka, planted or set or of another version, makes some row of a scenario
/// disagree.
#[test]
fn a_difference_from_kafka_makes_a_row_disagree() {
    // The scenario, what is put into its model, and before what.
    let planted = |word: &str| ("[cluster]", format!("planted = \"{word}\"\n\n[cluster]"));
    let set = |name: &str, value: u32| ("[network]", format!("[broker]\n{name} = {value}\n\n[network]"));
    let feature = |name: &str| ("[network]", format!("{name} = 0\n\n[network]"));
    let version = |from: &'static str, to: &str| (from, to.to_owned());
    let cases = [
        ("kafka-4.1/append-then-isr-shrinks", planted("high-watermark-below-min-isr")),
        ("kafka-4.1/stagger-kill-elr", planted("eligible-after-unclean-stop")),
        ("kafka-4.1/last-replica-min2-acks-1", planted("restart-stays-in-sync")),
        ("kafka-4.1/append-then-isr-shrinks", planted("high-watermark-ignores-followers")),
        ("kafka-4.1/asked-isr-shrinks-retries-idempotent", planted("sequences-ignored")),
        ("kafka-4.1/stagger-kill-elr", planted("eligible-forgotten")),
        ("kafka-4.1/stagger-kill-elr", planted("last-known-leader-ignored")),
        ("kafka-4.1/fence-times", planted("session-from-former-heartbeat")),
        ("kafka-4.1/append-then-isr-shrinks", planted("connections-not-muted")),
        ("kafka-4.1/last-replica-min1-clean", feature("eligible.leader.replicas.version")),
        ("kafka-4.1/fence-times", set("broker.session.timeout.ms", 12_000)),
        ("kafka-4.1/evict-lagging-follower", set("replica.lag.time.max.ms", 20_000)),
        ("kafka-3.9/fence-times", version("\"3.9\"", "\"4.1\"")),
        ("kafka-3.9/last-replica-min1-clean", version("\"3.9\"", "\"4.3\"")),
        ("kafka-3.9/gate-min2-two-down-acks-1", version("\"3.9\"", "\"3.6\"")),
        ("kafka-3.6/append-then-isr-shrinks", version("\"3.6\"", "\"3.9\"")),
        ("kafka-2.8/stalled-followers-acks-1", version("\"2.8\"", "\"3.6\"")),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scenarios = observed(root);
    for (name, (place, instead)) in cases {
        let scenario = scenarios.iter().find(|scenario| scenario.model == name).expect("it was observed");
        let text = text(root, name);
        let different = text.replacen(place, &instead, 1);
        assert_ne!(text, different, "{name}");
        let Compared { differ, .. } = compare(&common::model(name, &different), scenario);
        assert!(!differ.is_empty(), "{name} shows nothing of\n{instead}");
    }
}

/// What was observed of one scenario.
struct Scenario {
    /// The model's folder and file, without ending.
    model: String,
    quantities: Vec<Observed>,
}

/// What was observed of one quantity.
struct Observed {
    /// Which: see [`measure`].
    what: String,
    /// What came out on the real cluster, run by run.
    real: Vec<Value>,
    /// What may come out besides what was observed: of numbers least and most, of words each.
    possible: Vec<Value>,
    /// Taken off the simulated value: the real one was counted from so many milliseconds after the fault.
    from: i64,
    /// Why the two cannot agree.
    cannot: Option<String>,
}

/// Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Words(String),
    Never,
}

impl std::fmt::Display for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Number(number) => write!(out, "{number}"),
            Value::Words(words) => out.write_str(words),
            Value::Never => out.write_str("never"),
        }
    }
}

fn observed(root: &Path) -> Vec<Scenario> {
    VERSIONS.iter().flat_map(|(folder, file)| observed_of(root, folder, file)).collect()
}

fn observed_of(root: &Path, folder: &str, file: &str) -> Vec<Scenario> {
    let text = std::fs::read_to_string(root.join("tests/conformance").join(file)).expect("observations");
    let tables = DeTable::parse(&text).expect("observations are TOML").into_inner();
    let mut scenarios: Vec<Scenario> = tables
        .into_iter()
        .map(|(model, quantities)| {
            let DeValue::Array(quantities) = quantities.into_inner() else { panic!("[[{model:?}]]") };
            let quantities = quantities
                .into_iter()
                .map(|quantity| {
                    let DeValue::Table(quantity) = quantity.into_inner() else { panic!("a table") };
                    let values = |key: &str| match quantity.get(key).map(|value| value.get_ref()) {
                        Some(DeValue::Array(values)) => {
                            values.iter().map(|one| value(one.get_ref())).collect()
                        }
                        Some(one) => vec![value(one)],
                        None => Vec::new(),
                    };
                    let words =
                        |key: &str| quantity.get(key).map(|value| value.get_ref().as_str().expect("words"));
                    let from = values("from");
                    Observed {
                        what: words("what").expect("a quantity says what it is").to_owned(),
                        real: values("real"),
                        possible: values("possible"),
                        from: if let [Value::Number(from)] = from[..] { from } else { 0 },
                        cannot: words("cannot").map(str::to_owned),
                    }
                })
                .collect();
            Scenario { model: format!("{folder}/{}", model.into_inner()), quantities }
        })
        .collect();
    scenarios.sort_by(|one, other| one.model.cmp(&other.model));
    scenarios
}

fn value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Integer(number) => {
            Value::Number(i64::from_str_radix(number.as_str(), number.radix()).expect("a small number"))
        }
        DeValue::String(words) => Value::Words(words.clone().into_owned()),
        other @ (DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_)) => panic!("{other:?} is neither a number nor words"),
    }
}

/// The text of a scenario's model.
fn text(root: &Path, model: &str) -> String {
    let path = root.join(format!("models/conformance/{model}.toml"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One scenario's simulated runs held against the real ones.
struct Compared {
    /// Its rows of the table.
    rows: String,
    /// The rows that disagree and should not, or the other way round.
    differ: Vec<String>,
    /// What the model itself says must come out and does not.
    mistakes: Vec<String>,
}

fn compare(model: &Arc<Model>, scenario: &Scenario) -> Compared {
    let mut simulated: Vec<Vec<Value>> = vec![Vec::new(); scenario.quantities.len()];
    let (mut differ, mut mistakes) = (Vec::new(), Vec::new());
    for seed in model.seed..model.seed + u64::from(model.expect.seeds) {
        let run = one::run(model, seed, true);
        for miss in &run.expected.misses {
            mistakes.push(format!("{} --seed {seed}: {miss}", scenario.model));
        }
        if !run.ending.settled {
            mistakes.push(format!("{} --seed {seed}: {:?}", scenario.model, run.ending.unquiet));
        }
        for (values, quantity) in simulated.iter_mut().zip(&scenario.quantities) {
            values.push(match measure(model, &run, &quantity.what) {
                Value::Number(number) => Value::Number(number - quantity.from),
                other @ (Value::Words(_) | Value::Never) => other,
            });
        }
    }
    let mut rows = String::new();
    for (mut values, quantity) in simulated.into_iter().zip(&scenario.quantities) {
        values.sort();
        let differs = difference(&values, quantity);
        let agrees = match (&differs, &quantity.cannot) {
            (None, None) => "yes".to_owned(),
            (Some(_), Some(reason)) => format!("no: {reason}"),
            (Some(how), None) => {
                differ.push(format!("{}: {}: {how}", scenario.model, quantity.what));
                format!("no: {how}")
            }
            (None, Some(_)) => {
                differ.push(format!("{}: {} agrees, and should not", scenario.model, quantity.what));
                "yes".to_owned()
            }
        };
        let (real, simulated) = (shown(&quantity.real, false), shown(&values, true));
        writeln!(rows, "| {} | {} | {real} | {simulated} | {agrees} |", scenario.model, quantity.what)
            .expect("a string takes everything");
    }
    Compared { rows, differ, mistakes }
}

/// How the simulated values, in order, differ from what was observed.
fn difference(simulated: &[Value], quantity: &Observed) -> Option<String> {
    let allowed = [&quantity.real[..], &quantity.possible].concat();
    let bounds = |values: &[Value]| match (values.iter().min(), values.iter().max()) {
        (Some(Value::Number(least)), Some(Value::Number(most))) => Some((*least, *most)),
        _ => None,
    };
    let (Some((least, most)), Some((low, high))) = (bounds(simulated), bounds(&allowed)) else {
        let missing = quantity.real.iter().find(|value| !simulated.contains(value));
        let more = simulated.iter().find(|value| !allowed.contains(value));
        return missing
            .map(|value| format!("{value} never comes out"))
            .or(more.map(|value| format!("{value} comes out")));
    };
    // Only a span can have been seen late.
    let late = if is_span(&quantity.what) { SEEN_LATE } else { 0 };
    if least < low - late || most > high {
        return Some(format!("{least} to {most} is not within {low} to {high}"));
    }
    let outside = quantity.real.iter().find(|value| {
        let Value::Number(value) = value else { return true };
        *value < least || value - late > most
    });
    outside.map(|value| format!("{value} is not within {least} to {most}"))
}

fn is_span(what: &str) -> bool {
    what.contains("after") || what.contains("answer")
}

fn shown(values: &[Value], median: bool) -> String {
    let mut values = values.to_vec();
    values.sort();
    let (Some(least), Some(most)) = (values.first(), values.last()) else { return String::new() };
    if least == most {
        return least.to_string();
    }
    match (least, median) {
        (Value::Number(_), true) => format!("{least}, {}, {most}", values[values.len() / 2]),
        (Value::Number(_), false) if values.len() == 2 => format!("{least}, {most}"),
        (Value::Number(_), false) => format!("{least} to {most} ({} times)", values.len()),
        (Value::Words(_) | Value::Never, _) => {
            let different: BTreeSet<String> = values.iter().map(Value::to_string).collect();
            different.into_iter().collect::<Vec<_>>().join("; ")
        }
    }
}

/// Holds the table in the document against this one, or writes it anew.
fn keep(path: &Path, table: &str) {
    let text = std::fs::read_to_string(path).expect("the document is there");
    let begin = text.find(BEGIN).expect("the table has its place") + BEGIN.len();
    let end = text.find(END).expect("the table ends");
    let fresh = format!("{}\n{table}\n{}", &text[..begin], &text[end..]);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, fresh).expect("the document can be written");
    } else {
        assert_eq!(text, fresh, "{} shows something else; UPDATE_EXPECT=1 writes it anew", path.display());
    }
}

#[test]
fn a_difference_is_noticed() {
    let number = |values: &[i64]| values.iter().map(|&value| Value::Number(value)).collect::<Vec<_>>();
    // What, observed, possible besides, simulated; whether they differ.
    let cases = [
        ("lost", &[1, 2][..], &[][..], &[1, 1, 2][..], false),
        ("lost", &[1, 2], &[], &[1], true),
        ("lost", &[1], &[], &[0, 1], true),
        ("lost", &[1], &[0, 3], &[0, 1], false),
        ("answer_longest", &[1_050], &[900, 1_200], &[950, 1_000], false),
        ("answer_longest", &[1_150], &[900, 1_200], &[950, 1_000], true),
    ];
    for (what, real, possible, simulated, differs) in cases {
        let quantity = Observed {
            what: what.to_owned(),
            real: number(real),
            possible: number(possible),
            from: 0,
            cannot: None,
        };
        let found = difference(&number(simulated), &quantity);
        assert_eq!(found.is_some(), differs, "{what}: {real:?} and {simulated:?}: {found:?}");
    }
}
