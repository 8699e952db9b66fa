//! The application around a client: what it sends and when, and what it does about errors.

use crate::kernel::units::{Bytes, Span, Time};

/// What an application sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// When the process starts.
    pub start: Time,
    /// How many `send()` calls.
    pub records: u32,
    /// How far apart.
    pub rate: Rate,
    /// The size of each record: key, value and headers.
    pub size: Bytes,
    /// How many distinct keys; 0: none.
    pub keys: u32,
    /// Whether it waits for answers.
    pub waits: Waits,
    /// What it does when the last record is sent.
    pub at_end: AtEnd,
    /// What it does with a send that was told failure.
    pub on_error: OnError,
}

/// How far apart sends are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As fast as the client accepts.
    Unbounded,
    /// Evenly spaced by this much.
    Every(Span),
    /// A Poisson process with this mean spacing.
    Poisson(Span),
}

/// Whether the application waits for answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Never.
    None,
    /// After every `n` sends, for the answers of all of them (`each` is 1).
    Every(u32),
}

/// What the application does when the last record is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// `close()`: waits for every answer.
    Close,
    /// The process ends at once; what is in its memory is gone.
    Exit,
}

/// What the application does with a send that was told failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It does not look.
    Ignore,
    /// It writes it down: the failure is noticed.
    Log,
}
