//! A node's own idea of the time of day.
//!
//! Timers run on simulated time ([`Time`]), as those of a process run on its monotonic clock; what a node writes into
//! records or compares across machines is the time of day, and that can jump.

use crate::kernel::units::{Span, Time};

/// A time of day: nanoseconds since the run began by the clock that was read. Negative if that clock was set back far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(i64);

/// The clock of one machine. It begins right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Nanoseconds ahead of simulated time.
    ahead: i64,
}

impl Clock {
    /// What the clock shows.
    #[inline]
    pub fn reads(self, now: Time) -> TimeOfDay {
        TimeOfDay(signed(now.nanoseconds()) + self.ahead)
    }

    /// The clock is put forward.
    pub fn jump_forward(&mut self, by: Span) {
        self.ahead += signed(by.nanoseconds());
    }

    /// The clock is put back.
    pub fn jump_back(&mut self, by: Span) {
        self.ahead -= signed(by.nanoseconds());
    }
}

impl TimeOfDay {
    /// Nanoseconds since the run began.
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the run began, as in a record's timestamp.
    pub const fn milliseconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).expect("clocks run for less than 292 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_add_up_and_time_goes_on() {
        let mut clock = Clock::default();
        let at = |milliseconds| Time::ZERO + Span::from_milliseconds(milliseconds);
        assert_eq!(clock.reads(at(5)).milliseconds(), 5);
        clock.jump_back(Span::from_microseconds(6_500));
        assert_eq!(clock.reads(at(5)).milliseconds(), -2, "rounded down, also below zero");
        clock.jump_forward(Span::from_milliseconds(10));
        assert_eq!(clock.reads(at(7)).nanoseconds(), 10_500_000);
    }
}
