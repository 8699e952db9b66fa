//! What is wrong with a file, and where.

use std::fmt;
use std::ops::Range;

/// Everything that is wrong, with the texts it is wrong in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The file, then each `--set`, in their order.
    pub sources: Vec<Source>,
    /// What is wrong, in the order of the places. Never empty, and never more than [`Report::MOST`].
    pub problems: Vec<Problem>,
    /// How many problems there are besides.
    pub more: usize,
}

/// A text that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path or built-in name, or `--set`.
    pub name: String,
    /// All of it; empty if it could not be read.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its kind, for programs: `model::unknown-broker`.
    pub code: &'static str,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where; none: with the file as a whole.
    pub place: Option<Place>,
    /// What to write at the place; may be empty.
    pub label: String,
    /// Other places that have to do with it, each with what to write there.
    pub related: Vec<(Place, String)>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A stretch of one of the texts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which text.
    pub source: usize,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

impl Report {
    /// The most problems one report tells: nobody reads on, and a file of 4 MiB has room for a million.
    pub const MOST: usize = 100;

    /// One problem with a text as a whole.
    pub fn of(name: &str, problem: Problem) -> Report {
        let source = Source { name: name.to_owned(), text: String::new() };
        Report { sources: vec![source], problems: vec![problem], more: 0 }
    }

    /// Line and column of where a place begins, both from 1, the column in characters.
    pub fn position(&self, place: Place) -> (usize, usize) {
        let before = &self.sources[place.source].text[..place.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// A place on a line: `name:line:column` of the file, and all of a flag.
    fn spot(&self, place: Place) -> String {
        let Source { name, text } = &self.sources[place.source];
        if place.source > 0 {
            return format!("{name} {text}");
        }
        let (line, column) = self.position(place);
        format!("{name}:{line}:{column}")
    }
}

impl Problem {
    /// A problem without a place.
    pub fn new(code: &'static str, message: impl Into<String>) -> Problem {
        Problem {
            code,
            message: message.into(),
            place: None,
            label: String::new(),
            related: Vec::new(),
            help: None,
        }
    }

    /// The problem at this place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Problem {
        self.place = Some(place);
        self
    }

    /// With this written at its place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    /// With another place that has to do with it.
    #[must_use]
    pub fn related(mut self, place: Place, label: impl Into<String>) -> Problem {
        self.related.push((place, label.into()));
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

impl Place {
    /// The bytes as a range.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

impl fmt::Display for Report {
    /// One line a problem: `name:line:column: message; help`, or `--set key=value: message; help`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            match problem.place {
                Some(place) => write!(out, "{}: ", self.spot(place))?,
                None => write!(out, "{}: ", self.sources[0].name)?,
            }
            write!(out, "{}", problem.message)?;
            for (place, label) in &problem.related {
                write!(out, "; {label} at {}", self.spot(*place))?;
            }
            if let Some(help) = &problem.help {
                write!(out, "; {help}")?;
            }
        }
        if self.more > 0 {
            write!(out, "\n{}: and {} more", self.sources[0].name, self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
