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
    /// What a call does when `buffer.memory` is used up.
    pub full: Full,
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
    /// `close()`: waits for every answer. What is told failure while it closes cannot be sent again.
    Close,
    /// `flush()`: waits for every answer, and for those of what it sends again after that, before the process ends.
    Flush,
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
    /// It sends the message anew, as another record, unless that would be refused for the same reason again.
    Resend,
    /// It sends nothing any more, and ends as it would have at its end.
    Stop,
    /// It keeps every message in durable storage until it is told success, and sends it anew until then: after a failure as
    /// with [`Resend`](OnError::Resend), and all of them when its process starts again.
    Outbox,
}

/// What a call of `send()` does when `buffer.memory` is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It waits up to `max.block.ms` and fails then.
    Block,
    /// The application throws the message away; nobody is told anything.
    Drop,
    /// It fails at once, as with `max.block.ms` of 0 or in librdkafka (`QUEUE_FULL`).
    Reject,
}
