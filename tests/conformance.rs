//! The simulator held against a real cluster: each model of `models/conformance/` is a scenario that was run on Apache Kafka
//! itself, and `tests/conformance/observed.toml` says what came out there. Over the model's seeds no simulated value may leave
//! what is possible, and every value that was observed must lie among the simulated ones.
//!
//! The table of both, quantity by quantity, is in `models/conformance/README.md`: `UPDATE_EXPECT=1` writes it anew.

#![allow(clippy::disallowed_methods, reason = "the environment says whether to write the table anew")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a measurement looks at one kind of entry and passes over the others"
)]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater::clients;
use highwater::clients::happened::Outcome;
use highwater::cluster::happened::Happened as InCluster;
use highwater::cluster::protocol::{ErrorCode, PartitionState};
use highwater::cluster::units::Replicas;
use highwater::explore::one::{self, Run};
use highwater::kernel::units::{NodeId, Time};
use highwater::scenario::fault::When;
use highwater::scenario::model::{FaultMark, Model};
use highwater::scenario::words::Count;
use highwater::world::happened::Happened;
use toml::de::{DeTable, DeValue};

/// A time on the real cluster is taken by asking a broker every 50 ms, which hears of a decision some 40 ms after it is made:
/// what was seen had happened up to so
/// many milliseconds before.
const SEEN_LATE: i64 = 100;

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
        let (rows, mistakes) = compare(&model, &scenario);
        table.push_str(&rows);
        wrong.extend(mistakes);
    }
    assert!(wrong.is_empty(), "the simulator and the real cluster differ:\n{}\n{table}", wrong.join("\n"));
    keep(&root.join("models/conformance/README.md"), &table);
}

/// Every model of the folder has its observations.
#[test]
fn every_model_was_observed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let observed: BTreeSet<String> = observed(root).into_iter().map(|scenario| scenario.model).collect();
    let folder = std::fs::read_dir(root.join("models/conformance/kafka-4.1")).expect("the folder is there");
    let models: BTreeSet<String> = folder
        .map(|entry| entry.expect("a readable entry").path())
        .map(|path: PathBuf| path.file_stem().expect("a file").to_string_lossy().into_owned())
        .collect();
    assert_eq!(models, observed);
}

/// The table would show it: each difference from Kafka, planted or set, makes some row of a scenario disagree.
#[test]
fn a_difference_from_kafka_makes_a_row_disagree() {
    // The scenario, what is put into its model, and before what.
    let planted = |word: &str| ("[cluster]", format!("planted = \"{word}\"\n\n[cluster]"));
    let set = |name: &str, value: u32| ("[network]", format!("[broker]\n{name} = {value}\n\n[network]"));
    let feature = |name: &str| ("[network]", format!("{name} = 0\n\n[network]"));
    let cases = [
        ("append-then-isr-shrinks", planted("high-watermark-below-min-isr")),
        ("stagger-kill-elr", planted("eligible-after-unclean-stop")),
        ("last-replica-min2-acks-1", planted("restart-stays-in-sync")),
        ("planned-move-acks-1", planted("high-watermark-ignores-followers")),
        ("asked-isr-shrinks-retries-idempotent", planted("sequences-ignored")),
        ("last-replica-min1-clean", feature("eligible.leader.replicas.version")),
        ("fence-times", set("broker.session.timeout.ms", 12_000)),
        ("evict-lagging-follower", set("replica.lag.time.max.ms", 20_000)),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scenarios = observed(root);
    for (name, (place, instead)) in cases {
        let scenario = scenarios.iter().find(|scenario| scenario.model == name).expect("it was observed");
        let text = text(root, name);
        let different = text.replacen(place, &instead, 1);
        assert_ne!(text, different, "{name}");
        let (_, mistakes) = compare(&common::model(name, &different), scenario);
        assert!(!mistakes.is_empty(), "{name} shows nothing of\n{instead}");
    }
}

/// What was observed of one scenario.
struct Scenario {
    /// The model's file, without folder and ending.
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
    let text = std::fs::read_to_string(root.join("tests/conformance/observed.toml")).expect("observations");
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
            Scenario { model: model.into_inner().into_owned(), quantities }
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
        other => panic!("{other:?} is neither a number nor words"),
    }
}

/// The text of a scenario's model.
fn text(root: &Path, model: &str) -> String {
    let path = root.join(format!("models/conformance/kafka-4.1/{model}.toml"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of one scenario, and what is wrong with it.
fn compare(model: &Arc<Model>, scenario: &Scenario) -> (String, Vec<String>) {
    let mut simulated: Vec<Vec<Value>> = vec![Vec::new(); scenario.quantities.len()];
    let mut wrong = Vec::new();
    for seed in model.seed..model.seed + u64::from(model.expect.seeds) {
        let run = one::run(model, seed, true);
        for miss in &run.expected.misses {
            wrong.push(format!("{} --seed {seed}: {miss}", scenario.model));
        }
        if !run.ending.settled {
            wrong.push(format!("{} --seed {seed}: {:?}", scenario.model, run.ending.unquiet));
        }
        for (values, quantity) in simulated.iter_mut().zip(&scenario.quantities) {
            values.push(match measure(model, &run, &quantity.what) {
                Value::Number(number) => Value::Number(number - quantity.from),
                other => other,
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
                wrong.push(format!("{}: {}: {how}", scenario.model, quantity.what));
                format!("no: {how}")
            }
            (None, Some(_)) => {
                wrong.push(format!("{}: {} agrees, and should not", scenario.model, quantity.what));
                "yes".to_owned()
            }
        };
        let (real, simulated) = (shown(&quantity.real, false), shown(&values, true));
        writeln!(
            rows,
            "| kafka-4.1/{} | {} | {real} | {simulated} | {agrees} |",
            scenario.model, quantity.what
        )
        .expect("a string takes everything");
    }
    (rows, wrong)
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

/// A quantity of one run: a count (`lost`, `producers.p.failed`, `answer_longest`), what followed a fault
/// (`faults.1.leader_changed_after`), or
/// - `acked between A and B`: how many messages were told success from A to B, in ms;
/// - `state at T`: leader, in-sync set, eligible leader replicas and last known leader at T ms;
/// - `high watermark at T`: of whoever leads at T ms, as it knows it;
/// - `readable after leader change`: from the first other leader's election until its high watermark is as high as it can be;
/// - `unfenced after fault N`: from the fault until every broker is registered and unfenced again;
/// - `first success after leader change`: from the first other leader's election until a message was told success;
/// - `success after T`: from T ms until a message was told success;
/// - `leader L after T` and `replicas A B after T`: from T ms, or from `fault N`, until L led or the replicas were A and B;
/// - `fsyncs on B`, `fsync N on B after T`: how often broker B's log of partition 0 was fsynced, and how long after T ms the
///   Nth time was;
/// - `errors`: what the failed messages were told, and how often.
fn measure(model: &Arc<Model>, run: &Run, what: &str) -> Value {
    let words: Vec<&str> = what.split(' ').collect();
    let number = |word: &str| word.parse::<u64>().unwrap_or_else(|_| panic!("{word} in {what} is no number"));
    let time = |word: &str| Time::from_nanoseconds(number(word) * 1_000_000);
    match words[..] {
        ["acked", "between", from, "and", to] => Value::Number(acked_between(run, time(from), time(to))),
        ["state", "at", at] => Value::Words(described(&state_at(model, run, time(at)))),
        ["high", "watermark", "at", at] => Value::Number(high_watermark_at(model, run, time(at))),
        ["readable", "after", "leader", "change"] => readable_after(run),
        ["unfenced", "after", "fault", fault] => unfenced_after(model, run, number(fault) as usize),
        ["first", "success", "after", "leader", "change"] => success_after_change(run),
        ["success", "after", at] => success_after(run, time(at)),
        ["leader", leader, "after", ref since @ ..] => {
            decided_after(run, began(run, since), |state| state.leader == Some(NodeId(number(leader) as u16)))
        }
        ["replicas", ref rest @ ..] => {
            let after = rest.iter().position(|&word| word == "after").expect("since when");
            let replicas: Vec<NodeId> = rest[..after].iter().map(|one| NodeId(number(one) as u16)).collect();
            decided_after(run, began(run, &rest[after + 1..]), |state| {
                let mut now: Vec<NodeId> = state.replicas.iter().collect();
                now.sort();
                now == replicas
            })
        }
        ["fsyncs", "on", broker] => Value::Number(fsyncs(run, number(broker)).len() as i64),
        ["fsync", nth, "on", broker, "after", at] => {
            let fsync = fsyncs(run, number(broker)).get(number(nth) as usize - 1).copied();
            fsync.map_or(Value::Never, |when| milliseconds(when, time(at)))
        }
        ["another", "controller", "after", "fault", fault] => taken_over(model, run, number(fault) as usize),
        ["errors"] => errors(run),
        [one] => single(model, run, one),
        _ => panic!("there is no quantity `{what}`"),
    }
}

fn single(model: &Model, run: &Run, what: &str) -> Value {
    let outcome = &run.judgement.outcome;
    let count = |word: &str| Count::from_word(word).unwrap_or_else(|| panic!("there is no count `{word}`"));
    let (value, is_span) = match what.split('.').collect::<Vec<_>>()[..] {
        ["faults", fault, mark] => {
            let fault: usize = fault.parse().expect("the number of a fault");
            let known = FaultMark::ALL.iter().find(|(_, name)| *name == mark);
            let (mark, _) = known.unwrap_or_else(|| panic!("nothing is called {mark}"));
            (run.faults[fault - 1].get(*mark).map(|span| span.nanoseconds()), true)
        }
        ["producers", name, word] => {
            let place =
                model.producers.iter().position(|producer| producer.name == name).expect("a producer");
            (outcome.producers[place].get(count(word)), count(word).is_span())
        }
        [word] => (outcome.total.get(count(word)), count(word).is_span()),
        _ => panic!("there is no quantity `{what}`"),
    };
    match value {
        Some(nanoseconds) if is_span => Value::Number((nanoseconds / 1_000_000) as i64),
        Some(number) => Value::Number(number as i64),
        None => Value::Never,
    }
}

/// `T` in ms, or `fault N`.
fn began(run: &Run, words: &[&str]) -> Time {
    match words {
        ["fault", fault] => {
            let fault: usize = fault.parse().expect("the number of a fault");
            run.faults[fault - 1].struck.expect("the fault struck")
        }
        [at] => Time::from_nanoseconds(at.parse::<u64>().expect("ms") * 1_000_000),
        _ => panic!("{words:?} is no instant"),
    }
}

/// From an instant until the controller has decided on partition 0 so.
fn decided_after(run: &Run, since: Time, is_so: impl Fn(&PartitionState) -> bool) -> Value {
    let mut later = run.entries().expect("kept").iter().filter(|entry| entry.t >= since);
    let so = later.find(|entry| match entry.what {
        Happened::Cluster(InCluster::Decided { state, .. }) => is_so(&state.state()),
        _ => false,
    });
    so.map_or(Value::Never, |entry| milliseconds(entry.t, since))
}

fn acked_between(run: &Run, from: Time, to: Time) -> i64 {
    let told = run.entries().expect("kept").iter().filter(|entry| (from..=to).contains(&entry.t));
    told.map(|entry| match entry.what {
        Happened::Client(clients::happened::Happened::Told { count, outcome: Outcome::Success, .. }) => {
            i64::from(count)
        }
        _ => 0,
    })
    .sum()
}

fn success_after(run: &Run, at: Time) -> Value {
    let told = run.entries().expect("kept").iter().find(|entry| {
        let success = matches!(
            entry.what,
            Happened::Client(clients::happened::Happened::Told { outcome: Outcome::Success, .. })
        );
        success && entry.t >= at
    });
    told.map_or(Value::Never, |entry| milliseconds(entry.t, at))
}

fn fsyncs(run: &Run, broker: u64) -> Vec<Time> {
    let of_broker = run.entries().expect("kept").iter().filter(|entry| u64::from(entry.node.0) == broker);
    of_broker.filter(|entry| matches!(entry.what, Happened::Fsynced { .. })).map(|entry| entry.t).collect()
}

fn milliseconds(at: Time, since: Time) -> Value {
    Value::Number((at.since(since).nanoseconds() / 1_000_000) as i64)
}

/// When another controller became active after a fault, which has an instant.
fn taken_over(model: &Model, run: &Run, fault: usize) -> Value {
    let When::At(struck) = model.faults[fault - 1].when else { panic!("fault {fault} has no instant") };
    let taken = run.entries().expect("kept").iter().find(|entry| {
        let active =
            matches!(entry.what, Happened::Cluster(InCluster::ActiveController { active: true, .. }));
        active && entry.t >= struck
    });
    taken
        .map_or(Value::Never, |entry| Value::Number((entry.t.since(struck).nanoseconds() / 1_000_000) as i64))
}

/// The first election of another leader.
fn change(run: &Run) -> Option<(Time, NodeId)> {
    run.entries().expect("kept").iter().find_map(|entry| match entry.what {
        Happened::Cluster(InCluster::Decided { state, old_leader, .. }) if state.leader() != old_leader => {
            Some((entry.t, state.leader()?))
        }
        _ => None,
    })
}

fn success_after_change(run: &Run) -> Value {
    change(run).map_or(Value::Never, |(at, _)| success_after(run, at))
}

fn errors(run: &Run) -> Value {
    let mut counts = std::collections::BTreeMap::new();
    for entry in run.entries().expect("kept") {
        if let Happened::Client(clients::happened::Happened::Told { count, outcome, .. }) = entry.what
            && outcome != Outcome::Success
        {
            *counts.entry(exception(outcome)).or_insert(0) += count;
        }
    }
    let each: Vec<String> = counts.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
    Value::Words(each.join(", "))
}

/// The class of the Java client's exception.
fn exception(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Refused(ErrorCode::NotEnoughReplicas) => "NotEnoughReplicasException",
        Outcome::Refused(ErrorCode::RequestTimedOut) => "TimeoutException",
        Outcome::Success
        | Outcome::Refused(_)
        | Outcome::TimedOut
        | Outcome::BufferExhausted
        | Outcome::Disconnected
        | Outcome::TooLarge => outcome.name(),
    }
}

/// What the controller had decided on partition 0.
fn state_at(model: &Model, run: &Run, at: Time) -> PartitionState {
    let replicas = model.topics[0].assignment[0];
    let first = PartitionState {
        replicas,
        isr: replicas,
        elr: Replicas::NONE,
        removing: 0,
        last_known_leader: None,
        leader: replicas.as_slice().first().copied(),
        leader_epoch: highwater::cluster::units::LeaderEpoch(0),
        partition_epoch: highwater::cluster::units::PartitionEpoch(0),
        recovering: false,
    };
    let entries = run.entries().expect("kept").iter().take_while(|entry| entry.t <= at);
    entries.fold(first, |before, entry| match entry.what {
        Happened::Cluster(InCluster::Decided { state, .. }) => state.state(),
        _ => before,
    })
}

fn described(state: &PartitionState) -> String {
    let node = |node: Option<NodeId>| node.map_or("nobody".to_owned(), |node| node.to_string());
    let set = |set: Replicas| {
        let mut set: Vec<NodeId> = set.iter().collect();
        set.sort();
        let names: Vec<String> = set.iter().map(NodeId::to_string).collect();
        if names.is_empty() { "nobody".to_owned() } else { names.join(" ") }
    };
    let (leader, last) = (node(state.leader), node(state.last_known_leader));
    format!("leader {leader}, isr {}, elr {}, last known {last}", set(state.isr), set(state.elr))
}

fn high_watermark_at(model: &Model, run: &Run, at: Time) -> i64 {
    let leader = state_at(model, run, at).leader.expect("somebody leads");
    let entries = run.entries().expect("kept").iter().take_while(|entry| entry.t <= at);
    let moves = entries.filter(|entry| entry.node == leader).filter_map(|entry| match entry.what {
        Happened::Cluster(InCluster::HighWatermark { new, .. }) => Some(new),
        Happened::Cluster(InCluster::Leads { high_watermark, .. }) => Some(high_watermark),
        _ => None,
    });
    moves.last().map_or(0, |offset| offset.0 as i64)
}

fn readable_after(run: &Run) -> Value {
    let entries = run.entries().expect("kept");
    let Some((at, leader)) = change(run) else { return Value::Never };
    let end = entries.iter().filter_map(|entry| match entry.what {
        Happened::Cluster(InCluster::Appended { end, .. }) if entry.node == leader => Some(end),
        _ => None,
    });
    let end = end.max();
    let reached =
        entries.iter().filter(|entry| entry.t >= at && entry.node == leader).find(|entry| match entry.what {
            Happened::Cluster(InCluster::HighWatermark { new, .. }) => Some(new) == end,
            Happened::Cluster(InCluster::Leads { high_watermark, .. }) => Some(high_watermark) == end,
            _ => false,
        });
    reached.map_or(Value::Never, |entry| milliseconds(entry.t, at))
}

fn unfenced_after(model: &Model, run: &Run, fault: usize) -> Value {
    let Some(struck) = run.faults[fault - 1].struck else { return Value::Never };
    let mut last = vec![None; usize::from(model.cluster.brokers) + 1];
    for entry in run.entries().expect("kept").iter().filter(|entry| entry.t > struck) {
        if let Happened::Cluster(InCluster::Fenced { broker, fenced, .. }) = entry.what {
            last[usize::from(broker.0)] = (!fenced).then_some(entry.t);
        }
    }
    match last.into_iter().flatten().max() {
        Some(at) => milliseconds(at, struck),
        None => Value::Never,
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
