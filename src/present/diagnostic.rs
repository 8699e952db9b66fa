//! What is wrong with a model file, drawn under the lines it is wrong in.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use crate::scenario::file::report::{Place, Problem, Report, Source};

/// A longer stretch of lines is not shown: no line that somebody wrote is that long.
const LONGEST: usize = 2_000;

/// All problems, one below the other, with escape sequences for colours or without.
pub fn render(report: &Report, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for problem in &report.problems {
        out.push_str(&renderer.render(&[drawn(report, problem)]));
        out.push_str("\n\n");
    }
    match (report.problems.len(), report.more) {
        (1, 0) => (),
        (all, 0) => out.push_str(&format!("{all} errors\n")),
        (told, more) => out.push_str(&format!("{} errors, of which these are {told}\n", told + more)),
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn drawn<'a>(report: &'a Report, problem: &'a Problem) -> Group<'a> {
    let title = Level::ERROR.primary_title(problem.message.as_str()).id(problem.code);
    let mut group = Group::with_title(title);
    match problem.place {
        None => group = group.element(Origin::path(report.sources[0].name.as_str())),
        Some(place) => {
            let first = (place, problem.label.as_str(), AnnotationKind::Primary);
            let related = problem.related.iter();
            let others = related.map(|(place, label)| (*place, label.as_str(), AnnotationKind::Context));
            let all: Vec<_> = std::iter::once(first).chain(others).collect();
            // One stretch of lines for each text, the one of the primary place first.
            for number in (place.source..report.sources.len()).chain(0..place.source) {
                let here: Vec<_> = all.iter().filter(|(place, ..)| place.source == number).copied().collect();
                if !here.is_empty() {
                    group = group.element(lines(report, number, &here));
                }
            }
        }
    }
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The lines of one text that hold these places.
fn lines<'a>(report: &'a Report, number: usize, places: &[(Place, &'a str, AnnotationKind)]) -> Element<'a> {
    let Source { name, text } = &report.sources[number];
    let start = places.iter().map(|(place, ..)| place.start).min().unwrap_or(0);
    let end = places.iter().map(|(place, ..)| place.end).max().unwrap_or(0);
    let window = whole_lines(text, start..end);
    let (line, column) = report.position(Place { source: number, start, end });
    if window.len() > LONGEST {
        return Origin::path(name.as_str()).line(line).char_column(column).into();
    }
    let mut snippet = Snippet::source(&text[window.clone()]).path(name.as_str()).line_start(line);
    for (place, label, kind) in places {
        let annotation = kind.span(place.start - window.start..place.end - window.start);
        snippet = snippet.annotation(if label.is_empty() { annotation } else { annotation.label(*label) });
    }
    snippet.into()
}

/// A stretch of a text out to the ends of its lines.
fn whole_lines(text: &str, part: Range<usize>) -> Range<usize> {
    let start = text[..part.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[part.end..].find('\n').map_or(text.len(), |newline| part.end + newline);
    start..end
}
