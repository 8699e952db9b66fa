//! Evidence: what was found against a promise, and whether Kafka had promised it.

use super::promised::Promised;
use crate::kernel::trace::EventSeq;
use crate::kernel::units::Time;
use crate::scenario::words::Promise;

/// One breaking of a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of which promise.
    pub promise: Promise,
    /// When it happened; for a message that is gone, when it was told success.
    pub at: Time,
    /// One sentence that names the broker, the partition, the offset and the batch or message.
    pub text: String,
    /// The entries of the trace that show it.
    pub witnesses: Vec<EventSeq>,
}

/// All findings against one promise: how many, and the first.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    total: u64,
    promised: u64,
    first: Option<(Promised, Finding)>,
}

impl Findings {
    /// Adds one that was promised or was not. Words are made for the first only, and once more for the first that was promised:
    /// that is the one to be kept.
    #[cold]
    pub fn add(&mut self, promised: bool, words: impl FnOnce() -> (Promised, Finding)) {
        self.total += 1;
        self.promised += u64::from(promised);
        if self.total == 1 || promised && self.promised == 1 {
            let first = words();
            assert_eq!(first.0.yes, promised, "the reason says what was counted");
            self.first = Some(first);
        }
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many broke what was promised.
    pub fn promised(&self) -> u64 {
        self.promised
    }

    /// The first, or the first that was promised if one was; with whether and why it was.
    pub fn first(&self) -> Option<&(Promised, Finding)> {
        self.first.as_ref()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Findings::default();
    }
}
