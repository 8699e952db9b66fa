//! What is read from the clients' history at the end, one promise a file.
//!
//! A verdict never watches the run: it is given the closed books.

pub mod acked_is_kept;
pub mod no_duplicates;
pub mod order_kept;
pub mod progress;
