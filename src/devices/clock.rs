//! A machine's clock: the time of day, as its processes read it.
//!
//! A process counts a span it only waits for by its monotonic clock, which is simulated time itself and never jumps: those are
//! its alarms. What it compares with an instant it noted before, writes into records or reads from them, it takes from the time
//! of day (`System.currentTimeMillis`, in Kafka `Time.milliseconds`); and that can be set forward or back.
//!
//! Whoever is told something is told with what its machine's clock shows.

use crate::kernel::units::{Span, Time};

/// The clock of one machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Nanoseconds ahead of simulated time.
    ahead: i64,
}

/// By how much a clock is set forward or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// Forward.
    Forward(Span),
    /// Back.
    Back(Span),
}

impl Clock {
    /// A clock that shows so much at the beginning of the run, which leaves room for being set back.
    pub fn ahead(by: Span) -> Clock {
        Clock { ahead: signed(by) }
    }

    /// What it shows. Panics if it was set back behind its zero.
    #[inline]
    pub fn reads(self, now: Time) -> Time {
        let shown = now.nanoseconds().checked_add_signed(self.ahead);
        Time::from_nanoseconds(shown.expect("a clock begins so far ahead that it can be set back"))
    }

    /// It is set.
    pub fn jump(&mut self, jump: Jump) {
        match jump {
            Jump::Forward(by) => self.ahead += signed(by),
            Jump::Back(by) => self.ahead -= signed(by),
        }
    }
}

impl Jump {
    /// The other way.
    pub fn undone(self) -> Jump {
        match self {
            Jump::Forward(by) => Jump::Back(by),
            Jump::Back(by) => Jump::Forward(by),
        }
    }

    /// How far forward, in milliseconds.
    pub fn milliseconds(self) -> i64 {
        match self {
            Jump::Forward(by) => signed(by) / 1_000_000,
            Jump::Back(by) => -(signed(by) / 1_000_000),
        }
    }
}

fn signed(span: Span) -> i64 {
    i64::try_from(span.nanoseconds()).expect("clocks run for less than 292 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_add_up_and_time_goes_on() {
        let ms = Span::from_milliseconds;
        let mut clock = Clock::ahead(ms(1_000));
        let shows = |clock: Clock, milliseconds| clock.reads(Time::ZERO + ms(milliseconds)).since_start();
        assert_eq!(shows(clock, 5), ms(1_005));
        clock.jump(Jump::Back(ms(900)));
        assert_eq!(shows(clock, 5), ms(105));
        clock.jump(Jump::Forward(ms(10)));
        assert_eq!(shows(clock, 7), ms(117));
        clock.jump(Jump::Forward(ms(10)).undone());
        clock.jump(Jump::Back(ms(900)).undone());
        assert_eq!(clock, Clock::ahead(ms(1_000)));
    }
}
