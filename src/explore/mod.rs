//! Where to look: one run, judged. Hunting, shrinking and sweeping build on it.
//!
//! This layer never knows how anything looks.

pub mod expectation;
pub mod one;
