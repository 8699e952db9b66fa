//! From text to tree: the parser, and what it could not read.

use toml::de::{DeTable, Error};

use super::limits;
use super::reading::Reading;
use super::report::{Place, Problem, Source};
use super::tree::Table;

/// A longer text that cannot be read is told only its first mistake: a mistake can take a whole text to describe.
const RECOVERABLE: usize = 64 << 10;

/// The tree of a source; an empty one if something is wrong with its syntax, all of which is noted.
pub(super) fn parse(number: usize, reading: &mut Reading) -> Table {
    match tree(number, &reading.sources[number]) {
        Ok(table) => return table,
        Err(Unread::Problem(problem)) => reading.problem(*problem),
        Err(Unread::Errors(errors)) => {
            let text = reading.sources[number].text.clone();
            for error in &errors {
                reading.problem_with(|| explained(number, &text, error));
            }
        }
    }
    Table::default()
}

/// Why there is no tree.
enum Unread {
    /// A problem of ours.
    Problem(Box<Problem>),
    /// The parser's errors.
    Errors(Vec<Error>),
}

fn tree(number: usize, source: &Source) -> Result<Table, Unread> {
    let text = source.text.as_str();
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        let help = "a model begins with `format = 1`; the built-in models are examples";
        return Err(Unread::Problem(Box::new(Problem::new("file::empty", "the file is empty").help(help))));
    }
    if let Some(problem) = limits::too_deep(number, text) {
        return Err(Unread::Problem(Box::new(problem)));
    }
    match DeTable::parse(text) {
        Ok(table) => Ok(Table::from_toml(table.get_ref(), number, 0)),
        Err(first) if text.len() > RECOVERABLE => Err(Unread::Errors(vec![first])),
        Err(_) => Err(Unread::Errors(DeTable::parse_recoverable(text).1)),
    }
}

/// A parser's error as a problem of ours. `text` is the whole source.
pub(super) fn explained(number: usize, text: &str, error: &Error) -> Problem {
    let span = error.span().unwrap_or(text.len()..text.len());
    let place = Place { source: number, start: span.start.min(text.len()), end: span.end.min(text.len()) };
    if error.message() != "duplicate key" {
        let message = error.message().trim_end_matches(", expected nothing");
        return Problem::new("file::syntax", message)
            .at(place)
            .help("a model file is TOML: https://toml.io/en/v1.0.0");
    }
    let place = whole_key(text, place);
    let problem = Problem::new("model::set-twice", format!("`{}` is set twice", &text[place.range()]));
    let problem = problem.at(place).label("and again here").help("leave one of them out");
    match first_of(text, place) {
        Some(first) => problem.related(first, "set here"),
        None => problem,
    }
}

/// A dotted key or a header out to its first segment, if nothing else stands before it on its line.
fn whole_key(text: &str, last: Place) -> Place {
    let line_start = text[..last.start].rfind('\n').map_or(0, |newline| newline + 1);
    let before = &text[line_start..last.start];
    if before.contains(['=', '{', ',']) {
        return last;
    }
    let start = before.find(|c: char| c != '[' && !c.is_whitespace()).unwrap_or(before.len());
    Place { start: line_start + start, ..last }
}

/// Where a key that is set twice was set first: the line above, within the same table, that begins in the same way.
fn first_of(text: &str, again: Place) -> Option<Place> {
    let line_start = text[..again.start].rfind('\n').map_or(0, |newline| newline + 1);
    let written = text[line_start..again.end].trim_start();
    let is_header = written.starts_with('[');
    let mut end = line_start.checked_sub(1)?;
    loop {
        let start = text[..end].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[start..end].trim_start();
        let follows = line.strip_prefix(written).map(str::trim_start);
        if follows.is_some_and(|rest| rest.starts_with(if is_header { ']' } else { '=' })) {
            let key_end = end - line.len() + written.len();
            return Some(Place { start: key_end - (again.end - again.start), end: key_end, ..again });
        }
        if !is_header && line.starts_with('[') {
            return None;
        }
        end = start.checked_sub(1)?;
    }
}
