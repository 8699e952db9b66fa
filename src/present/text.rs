//! A run as people read it: the verdict in sentences, the books, the faults, the promises.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::check::outcome::Counts;
use crate::check::story::verdict_sentence;
use crate::check::{Held, Judged};
use crate::explore::expectation::readable;
use crate::explore::one::Run;
use crate::kernel::units::Span;
use crate::scenario::model::{FaultMark, Model};
use crate::scenario::words::Count;
use crate::world::metrics::Fate;

/// Nothing printed is wider.
const WIDTH: usize = 100;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();
const HEAD: Style = Style::new().bold();

/// Whether the text of this run needs the trace: a small run always, a large one only if there is something to explain.
pub fn wants_story(model: &Model, run: &Run) -> bool {
    const SMALL: u64 = 200_000;
    let sent: u64 = model.producers.iter().map(|producer| u64::from(producer.workload.records)).sum();
    sent <= SMALL || run.judgement.promises.iter().any(|judged| judged.held == Held::Broken)
}

/// The whole report.
pub fn run(model: &Model, run: &Run, again: &str) -> String {
    let mut out = String::new();
    let kafka = model.kafka.generation().name;
    line(&mut out, format_args!("{HEAD}{}{HEAD:#} · Kafka {kafka} · seed {}", model.name, run.seed));
    if let Some(title) = &model.title {
        line(&mut out, format_args!("{FAINT}{title}{FAINT:#}"));
    }
    out.push('\n');
    let entries = run.entries().unwrap_or_default();
    paragraph(&mut out, "", &verdict_sentence(model, run.view().store, entries, &run.judgement));
    if !run.ending.settled {
        let list = run.ending.unquiet.join("; ");
        paragraph(&mut out, "", &format!("The cluster did not settle within its bound: {list}."));
    }
    out.push('\n');
    books(&mut out, &run.judgement.outcome.total);
    faults(&mut out, model, run);
    promises(&mut out, &run.judgement.promises);
    expected(&mut out, model, run);
    let (at, events, digest) = (run.ending.at, run.events, run.digest);
    line(&mut out, format_args!("{FAINT}ran to {at}, {events} events, digest {digest}{FAINT:#}"));
    line(&mut out, format_args!("{FAINT}again: {again}{FAINT:#}"));
    out
}

/// The sums of the books, each part by name.
fn books(out: &mut String, counts: &Counts) {
    let part = |count: Count| format!("{} {count}", readable(count, counts.get(count)));
    let sum = |parts: &[Count]| parts.iter().map(|&count| part(count)).collect::<Vec<_>>().join(" + ");
    let told = [Count::Acked, Count::Failed, Count::Aborted, Count::Silent, Count::Untold];
    let places = [Count::Kept, Count::Lost, Count::Removed, Count::Unreadable];
    line(out, format_args!("  {} = {}", part(Count::Sent), sum(&told)));
    line(out, format_args!("  {} = {}", part(Count::Acked), sum(&places)));
    let others =
        [Count::Ghost, Count::Unnoticed, Count::Duplicated, Count::Reordered, Count::Diverged, Count::Read];
    line(out, format_args!("  {}", others.map(part).join(" · ")));
    let span = |count: Count| readable(count, counts.get(count));
    line(
        out,
        format_args!(
            "  answers, from send() to told: half within {}, 99 % within {}, longest {}",
            span(Count::AnswerP50),
            span(Count::AnswerP99),
            span(Count::AnswerLongest)
        ),
    );
    out.push('\n');
}

fn faults(out: &mut String, model: &Model, run: &Run) {
    for (place, (fault, after)) in model.faults.iter().zip(&run.faults).enumerate() {
        let number = place + 1;
        let Some((at, node)) = after.struck.zip(after.node) else {
            paragraph(
                out,
                "  ",
                &format!("fault {number}: {}: {}", model.describe(fault), why_not(after.fate)),
            );
            continue;
        };
        let lasts = fault
            .lasts
            .filter(|&span| span > Span::ZERO)
            .map(|span| format!(" for {span}"))
            .unwrap_or_default();
        let (what, node) = (model.describe_action(fault), model.node_name(node));
        // What an administrator asks for strikes nobody.
        let is_asked_for = fault.action.kind().is_administration();
        let struck = if is_asked_for { "asked for".to_owned() } else { format!("struck {node}") };
        paragraph(out, "  ", &format!("fault {number}: {what}{lasts}: {struck} at {at}"));
        let followed: Vec<String> = FaultMark::ALL
            .into_iter()
            .filter_map(|(mark, name)| {
                let words = name.trim_end_matches("_after").replace('_', " ");
                after.get(mark).map(|span| format!("{words} after {span}"))
            })
            .collect();
        if !followed.is_empty() {
            paragraph(out, "    ", &followed.join(" · "));
        }
    }
    if !model.faults.is_empty() {
        out.push('\n');
    }
}

/// Why a fault did not strike.
fn why_not(fate: Fate) -> &'static str {
    match fate {
        Fate::Withheld => "withheld: more than Kafka's promises are good for",
        Fate::NoEffect => "had no effect",
        Fate::Waits => "its time never came",
        Fate::Struck => unreachable!("what struck is told otherwise"),
    }
}

fn promises(out: &mut String, promises: &[Judged]) {
    let width = promises.iter().map(|judged| judged.promise.word().len()).max().unwrap_or(0);
    for judged in promises {
        let (style, verdict) = match (judged.held, judged.promised.yes) {
            (Held::Broken, true) => (BAD, "BROKEN, THOUGH PROMISED"),
            (Held::Broken, false) => (UNSURE, "broken, never promised"),
            (Held::Kept, true) => (GOOD, "kept, as promised"),
            (Held::Kept, false) => (GOOD, "held, not promised"),
            (Held::Inconclusive, _) => (UNSURE, "inconclusive"),
            (Held::NotTested, _) => (FAINT, "not tested"),
        };
        line(out, format_args!("  {:width$}  {style}{verdict}{style:#}", judged.promise.word()));
        if judged.held == Held::Broken {
            paragraph(out, &" ".repeat(width + 4), &judged.promised.reason);
        }
    }
    out.push('\n');
}

fn expected(out: &mut String, model: &Model, run: &Run) {
    let verdict = &run.expected;
    for miss in &verdict.misses {
        paragraph(out, "  ", &format!("{BAD}not as expected{BAD:#}: {miss}"));
    }
    for promise in &verdict.untold {
        line(out, format_args!("  {UNSURE}nothing can be said{UNSURE:#} of {promise}"));
    }
    if verdict.misses.is_empty() && verdict.untold.is_empty() && verdict.has_expectations {
        let lines = model.expect.lines.iter().map(|line| line.text.clone());
        let keeps = model.expect.keeps.iter().map(|promise| format!("keeps {promise}"));
        let breaks = model.expect.breaks.iter().map(|promise| format!("breaks {promise}"));
        let all: Vec<String> = lines.chain(keeps).chain(breaks).collect();
        paragraph(out, "  ", &format!("{GOOD}as expected{GOOD:#}: {}", all.join(", ")));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a string takes everything");
}

/// Words set in lines of at most [`WIDTH`] columns.
fn paragraph(out: &mut String, indent: &str, text: &str) {
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            out.push_str(indent);
            column = indent.chars().count();
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out.push('\n');
}
