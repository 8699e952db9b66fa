//! A reading in progress: the texts, the problems found so far, and values taken out of the tree in the form a key wants.
//!
//! A value that is not in that form is reported and gives nothing, so that the reading goes on to the next.

use std::ops::RangeInclusive;

use super::limits;
use super::quantity::{self, Wrong};
use super::report::{Place, Problem, Report, Source};
use super::suggest;
use super::tree::{Node, Table, Value};
use crate::kernel::distribution::Distribution;
use crate::kernel::units::{Bytes, Span};

/// A reading in progress.
pub(super) struct Reading {
    /// The file, then each `--set`.
    pub(super) sources: Vec<Source>,
    problems: Vec<Problem>,
    more: usize,
}

/// Something with the place it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed<T> {
    /// What was read.
    pub(super) value: T,
    /// Where.
    pub(super) place: Place,
}

impl Reading {
    /// Nothing wrong so far.
    pub(super) fn new(sources: Vec<Source>) -> Reading {
        Reading { sources, problems: Vec::new(), more: 0 }
    }

    /// Notes a problem.
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problem_with(|| problem);
    }

    /// Notes a problem that costs something to describe; one too many is only counted.
    pub(super) fn problem_with(&mut self, describe: impl FnOnce() -> Problem) {
        if self.problems.len() < Report::MOST {
            self.problems.push(describe());
        } else {
            self.more += 1;
        }
    }

    /// A name that names nothing. `names` are those of its kind.
    pub(super) fn unknown_name(
        &mut self,
        code: &'static str,
        kind: &str,
        name: &str,
        place: Place,
        names: impl Iterator<Item: AsRef<str>>,
    ) {
        self.problem_with(|| {
            let names: Vec<_> = names.collect();
            let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
            let problem = Problem::new(code, format!("there is no {kind} `{name}`")).at(place);
            problem.label(format!("no such {kind}")).help(match names.as_slice() {
                [] => format!("the file has no {kind}"),
                few if few.len() <= 20 => suggest::instead_of(name, few),
                many => match suggest::nearest(name, many) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("the file has {} others", many.len()),
                },
            })
        });
    }

    /// All problems so far as a report, if there are any.
    pub(super) fn done(&mut self) -> Result<(), Report> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by_key(|problem| problem.place);
        Err(Report { sources: std::mem::take(&mut self.sources), problems, more: self.more })
    }

    /// The text at a place.
    pub(super) fn written(&self, place: Place) -> &str {
        &self.sources[place.source].text[place.range()]
    }

    /// A value of the wrong kind.
    pub(super) fn wrong_type<T>(&mut self, key: &str, node: &Node, wanted: &str, example: &str) -> Option<T> {
        let message = format!("`{key}` takes {wanted}, not {}", node.value.kind());
        let problem = Problem::new("model::wrong-type", message).at(node.place).label(node.value.kind());
        self.problem(problem.help(format!("for example `{key} = {example}`")));
        None
    }

    /// A string.
    pub(super) fn text<'n>(&mut self, key: &str, node: &'n Node, example: &str) -> Option<&'n str> {
        let Value::Text(text) = &node.value else {
            return self.wrong_type(key, node, "a string", example);
        };
        Some(text)
    }

    /// A list.
    pub(super) fn list<'n>(&mut self, key: &str, node: &'n Node, example: &str) -> Option<&'n [Node]> {
        let Value::List(list) = &node.value else {
            return self.wrong_type(key, node, "a list", example);
        };
        Some(list)
    }

    /// A table.
    pub(super) fn table<'n>(&mut self, key: &str, node: &'n Node, example: &str) -> Option<&'n Table> {
        let Value::Table(table) = &node.value else {
            return self.wrong_type(key, node, "a table", example);
        };
        Some(table)
    }

    /// A plain number of our own within bounds.
    pub(super) fn whole(&mut self, key: &str, node: &Node, within: RangeInclusive<u64>) -> Option<u64> {
        let Value::Whole(number) = node.value else {
            return self.wrong_type(key, node, "a whole number", &within.start().max(&1).to_string());
        };
        let fits = u64::try_from(number).ok().filter(|number| within.contains(number));
        if fits.is_none() {
            self.out_of_range(key, node.place, number, (*within.start()).into(), (*within.end()).into());
        }
        fits
    }

    /// A number outside its bounds.
    pub(super) fn out_of_range(&mut self, key: &str, place: Place, number: i128, least: i128, most: i128) {
        let (bound, nearest) = if number < least {
            (format!("at least {least}"), least)
        } else {
            (format!("at most {most}"), most)
        };
        let problem = Problem::new("model::out-of-range", format!("`{key}` must be {bound}"));
        let help = format!("the nearest there is: `{key} = {nearest}`");
        self.problem(problem.at(place).label("out of range").help(help));
    }

    /// `true` or `false`.
    pub(super) fn switch(&mut self, key: &str, node: &Node) -> Option<bool> {
        let Value::Switch(switch) = node.value else {
            return self.wrong_type(key, node, "true or false", "true");
        };
        Some(switch)
    }

    /// One of a list of words.
    pub(super) fn word<'n>(
        &mut self,
        key: &str,
        node: &'n Node,
        words: &[&str],
        later: &[&str],
    ) -> Option<&'n str> {
        let word = self.text(key, node, &format!("\"{}\"", words[0]))?;
        if words.contains(&word) {
            return Some(word);
        }
        self.not_a_word(key, word, node.place, words, later);
        None
    }

    /// What one of a list of words stands for.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        node: &Node,
        choices: &[(&str, T)],
        later: &[&str],
    ) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|&(word, _)| word).collect();
        let word = self.word(key, node, &words, later)?;
        choices.iter().find(|&&(known, _)| known == word).map(|&(_, choice)| choice)
    }

    /// The same where another form, not a word, would do as well.
    pub(super) fn choice_or<T: Copy>(
        &mut self,
        key: &str,
        node: &Node,
        choices: &[(&str, T)],
        form: &str,
    ) -> Option<T> {
        if let Value::Text(word) = &node.value {
            if let Some(&(_, choice)) = choices.iter().find(|(known, _)| *known == &**word) {
                return Some(choice);
            }
            let quoted: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let mut words: Vec<&str> = quoted.iter().map(String::as_str).collect();
            words.push(form);
            let message = format!("`{key}` does not know \"{word}\"");
            let problem = Problem::new("model::unknown-word", message).at(node.place).label("not known");
            self.problem(problem.help(format!("possible here: {}", suggest::listed(&words))));
            return None;
        }
        self.wrong_type(key, node, &format!("a word or `{form}`"), form)
    }

    /// A word that is none of `words`; one of `later` is only not modelled yet.
    pub(super) fn not_a_word(&mut self, key: &str, word: &str, place: Place, words: &[&str], later: &[&str]) {
        if later.contains(&word) {
            return self.not_modelled(&format!("`{key} = \"{word}\"`"), place, words);
        }
        self.problem_with(|| {
            let message = format!("`{key}` does not know \"{word}\"");
            let problem = Problem::new("model::unknown-word", message).at(place).label("not known");
            problem.help(suggest::instead_of(word, words))
        });
    }

    /// Something that has a meaning but is not there yet.
    pub(super) fn not_modelled(&mut self, what: &str, place: Place, instead: &[&str]) {
        let mut problem = Problem::new("model::not-modelled", format!("{what} is not modelled yet"));
        if !instead.is_empty() {
            problem = problem.help(format!("possible so far: {}", suggest::listed(instead)));
        } else {
            problem = problem.help("leave it out; the README says what is not modelled");
        }
        self.problem(problem.at(place).label("not modelled yet"));
    }

    /// A length of time of our own, at most as long as a run can be.
    pub(super) fn span(&mut self, key: &str, node: &Node) -> Option<Span> {
        let span = self.quantity(key, node, "a duration", "500ms", "ms", quantity::span)?;
        if limits::VIRTUAL_TIME < span {
            let message = format!("`{key}` is longer than a run can be");
            let problem = Problem::new("model::limit", message).at(node.place).label("too long");
            self.problem(problem.help("virtual time ends after 10 years: `3650d`"));
            return None;
        }
        Some(span)
    }

    /// A size of our own.
    pub(super) fn bytes(&mut self, key: &str, node: &Node) -> Option<Bytes> {
        self.quantity(key, node, "a size", "100B", "B", quantity::bytes)
    }

    /// A quantity of our own in a string with a unit. `unit` is the likeliest.
    pub(super) fn quantity<T>(
        &mut self,
        key: &str,
        node: &Node,
        what: &str,
        example: &str,
        unit: &str,
        parse: fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Whole(number) => {
                self.bare_number(key, node.place, what, &format!("{number}{unit}"));
                return None;
            }
            Value::Fraction | Value::Switch(_) | Value::Date | Value::List(_) | Value::Table(_) => {
                return self.wrong_type(key, node, what, &format!("\"{example}\""));
            }
        };
        let (message, label) = match parse(text) {
            Ok(quantity) => return Some(quantity),
            Err(Wrong::NoUnit) => {
                self.bare_number(key, node.place, what, &format!("{}{unit}", text.trim()));
                return None;
            }
            Err(Wrong::Unit(names)) => {
                (format!("`{key}` has a unit that is none of {names}"), "this unit is not known")
            }
            Err(Wrong::Form) => (format!("`{key}` takes {what}"), "this is none"),
            Err(Wrong::TooLarge) => (format!("`{key}` is too large"), "more than can be counted"),
            Err(Wrong::TooFine) => (format!("`{key}` is too fine"), "finer than a nanosecond or a byte"),
            Err(Wrong::NotAShare) => (format!("`{key}` must lie between 0 and 1"), "no share"),
        };
        let problem = Problem::new("model::quantity", message).at(node.place).label(label);
        self.problem(problem.help(format!("for example `{key} = \"{example}\"`")));
        None
    }

    fn bare_number(&mut self, key: &str, place: Place, what: &str, better: &str) {
        let message = format!("`{key}` takes {what} with its unit");
        let problem = Problem::new("model::unit", message).at(place).label("a bare number");
        self.problem(
            problem
                .help(format!("write `{key} = \"{better}\"`; only Kafka's own settings take bare numbers")),
        );
    }

    /// A span or a shape to draw spans from.
    pub(super) fn distribution(&mut self, key: &str, node: &Node) -> Option<Distribution> {
        const SHAPES: [&str; 3] = ["uniform", "exponential", "lognormal"];
        let table = match &node.value {
            Value::Table(table) => table,
            Value::Text(_) | Value::Whole(_) => return self.span(key, node).map(Distribution::Constant),
            Value::Fraction | Value::Switch(_) | Value::Date | Value::List(_) => {
                return self.wrong_type(key, node, "a duration or a distribution", "\"500us\"");
            }
        };
        let example = "`{ uniform = [\"1ms\", \"10ms\"] }`, `{ exponential = \"5ms\" }` or \
                       `{ lognormal = [\"1ms\", \"20ms\"] }` (median, 99th percentile)";
        let [(shape, value)] = table.entries.as_slice() else {
            let message = format!("`{key}` takes exactly one distribution");
            self.problem(
                Problem::new("model::wrong-type", message).at(node.place).help(format!("write {example}")),
            );
            return None;
        };
        let full_key = format!("{key}.{}", shape.text);
        match shape.text.as_str() {
            "exponential" => {
                let mean = self.span(&full_key, value)?;
                self.above_zero(&full_key, value.place, mean).map(Distribution::Exponential)
            }
            "uniform" => {
                let (low, high) = self.two_spans(&full_key, value)?;
                Some(Distribution::Uniform(low, high))
            }
            "lognormal" => {
                let (median, p99) = self.two_spans(&full_key, value)?;
                let median = self.above_zero(&full_key, value.place, median)?;
                Some(Distribution::Lognormal { median, p99 })
            }
            other => {
                let message = format!("`{key}` knows no distribution `{other}`");
                let problem = Problem::new("model::unknown-word", message).at(shape.place).label("not known");
                self.problem(
                    problem.help(format!("{}; write {example}", suggest::instead_of(other, &SHAPES))),
                );
                None
            }
        }
    }

    /// A span that is not nothing.
    pub(super) fn above_zero(&mut self, key: &str, place: Place, span: Span) -> Option<Span> {
        if span == Span::ZERO {
            let message = format!("`{key}` must be more than nothing");
            let problem = Problem::new("model::out-of-range", message).at(place).label("no time at all");
            self.problem(problem.help("nothing takes no time: the least is `\"1ns\"`"));
            return None;
        }
        Some(span)
    }

    /// Two spans, the smaller first.
    pub(super) fn two_spans(&mut self, key: &str, node: &Node) -> Option<(Span, Span)> {
        let Value::List(list) = &node.value else {
            return self.wrong_type(key, node, "two durations", "[\"1ms\", \"10ms\"]");
        };
        let [low, high] = list.as_slice() else {
            let message = format!("`{key}` takes two durations, not {}", list.len());
            let problem = Problem::new("model::wrong-type", message).at(node.place);
            self.problem(problem.help(format!("for example `{key} = [\"1ms\", \"10ms\"]`")));
            return None;
        };
        let (low, high) = (self.span(key, low), self.span(key, high));
        let (low, high) = (low?, high?);
        if high < low {
            let message = format!("`{key}` goes from more to less");
            let problem = Problem::new("model::out-of-range", message).at(node.place);
            self.problem(problem.label("the wrong way round").help("the smaller comes first"));
            return None;
        }
        Some((low, high))
    }
}
