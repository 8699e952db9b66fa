//! What is read from the clients' history at the end, one promise a file.
//!
//! A verdict never watches the run: it is given the closed books.

pub mod acked_is_kept;
pub mod no_duplicates;
pub mod order_kept;
pub mod progress;

use super::Held;
use super::history::History;
use super::outcome::Outcome;
use crate::scenario::words::Count;

/// Without a finding: whether a promise was held that only retries put to the test.
fn held_if_retried(history: &History, outcome: &Outcome) -> Held {
    if outcome.total.number(Count::Unreadable) > 0 {
        Held::Inconclusive
    } else if history.anything_retried() {
        Held::Kept
    } else {
        Held::NotTested
    }
}
