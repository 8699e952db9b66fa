//! The quantities every layer counts in. Integers only; arithmetic that would wrap panics.

use std::fmt;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// An instant: nanoseconds since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A length of time in nanoseconds. `Span::FOREVER` is Kafka's `Long.MAX_VALUE`: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

/// A machine and the process on it. Brokers come first, from 1 as in `node.id`; then controllers, then clients.
/// 0 is nobody: the schedule, or the run itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u16);

/// A probability as a ratio of integers, at most 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: u64,
    denominator: u64,
}

impl Time {
    /// When the run begins.
    pub const ZERO: Time = Time(0);
    /// After every instant a run can reach.
    pub const NEVER: Time = Time(u64::MAX);

    /// The instant `nanoseconds` after the run began.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Time {
        Time(nanoseconds)
    }

    /// What a clock that counts whole milliseconds shows.
    #[inline]
    pub const fn whole_milliseconds(self) -> Time {
        Time(self.0 - self.0 % 1_000_000)
    }

    /// Nanoseconds since the run began.
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// This instant as a length of time since the run began.
    pub const fn since_start(self) -> Span {
        Span(self.0)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// Kafka's `Long.MAX_VALUE`: adding it to any instant gives `Time::NEVER`.
    pub const FOREVER: Span = Span(u64::MAX);

    /// A span of so many nanoseconds.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Span {
        Span(nanoseconds)
    }

    /// A span of so many microseconds.
    pub const fn from_microseconds(microseconds: u64) -> Span {
        Span(microseconds * 1_000)
    }

    /// A span of so many milliseconds.
    pub const fn from_milliseconds(milliseconds: u64) -> Span {
        Span(milliseconds * 1_000_000)
    }

    /// A span of so many seconds.
    pub const fn from_seconds(seconds: u64) -> Span {
        Span(seconds * 1_000_000_000)
    }

    /// How many nanoseconds this is.
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// The span less `other`, or nothing.
    pub const fn saturating_sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }

    /// This share of the span, rounded down.
    pub fn scaled(self, share: Ratio) -> Span {
        if self == Span::FOREVER {
            return self;
        }
        Span((u128::from(self.0) * u128::from(share.numerator) / u128::from(share.denominator)) as u64)
    }
}

impl Bytes {
    /// No bytes.
    pub const ZERO: Bytes = Bytes(0);

    /// So many bytes.
    pub const fn new(bytes: u64) -> Bytes {
        Bytes(bytes)
    }

    /// How many bytes this is.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The bytes less `other`, or none.
    pub const fn saturating_sub(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_sub(other.0))
    }
}

impl NodeId {
    /// Nobody: the schedule, or the run itself.
    pub const NOBODY: NodeId = NodeId(0);
}

impl Ratio {
    /// Never.
    pub const ZERO: Ratio = Ratio { numerator: 0, denominator: 1 };

    /// `numerator` in `denominator`. Panics if that is more than one, or the denominator is zero.
    pub const fn new(numerator: u64, denominator: u64) -> Ratio {
        assert!(denominator > 0 && numerator <= denominator, "a ratio lies between 0 and 1");
        Ratio { numerator, denominator }
    }

    /// The upper number.
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// The lower number.
    pub const fn denominator(self) -> u64 {
        self.denominator
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        if span == Span::FOREVER { Time::NEVER } else { Time(self.0 + span.0) }
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0 - other.0)
    }
}

impl Mul<u64> for Span {
    type Output = Span;
    fn mul(self, times: u64) -> Span {
        Span(self.0.saturating_mul(times))
    }
}

impl Div<u64> for Span {
    type Output = Span;
    fn div(self, parts: u64) -> Span {
        if self == Span::FOREVER { self } else { Span(self.0 / parts) }
    }
}

impl Add for Bytes {
    type Output = Bytes;
    fn add(self, other: Bytes) -> Bytes {
        Bytes(self.0 + other.0)
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Bytes) {
        self.0 += other.0;
    }
}

impl Sub for Bytes {
    type Output = Bytes;
    fn sub(self, other: Bytes) -> Bytes {
        Bytes(self.0 - other.0)
    }
}

impl fmt::Display for Span {
    /// The unit by magnitude, at most three decimals, none that say nothing: `1.5 ms`, `30 s`, `2 h`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Span::FOREVER {
            return out.write_str("for ever");
        }
        let (unit, name) = match self.0 {
            0 => return out.write_str("0 s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            1_000_000_000..120_000_000_000 => (1_000_000_000, "s"),
            120_000_000_000..7_200_000_000_000 => (60_000_000_000, "min"),
            _ => (3_600_000_000_000, "h"),
        };
        let thousandths = u128::from(self.0) * 1_000 / unit;
        let (whole, rest) = (thousandths / 1_000, thousandths % 1_000);
        if rest == 0 {
            return write!(out, "{whole} {name}");
        }
        let decimals = format!("{rest:03}");
        write!(out, "{whole}.{} {name}", decimals.trim_end_matches('0'))
    }
}

impl fmt::Display for Time {
    /// Seconds since the run began, three decimals or more: `1.502 s`, `0.000500 s`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanoseconds) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if nanoseconds % 1_000_000 == 0 {
            write!(out, "{seconds}.{:03} s", nanoseconds / 1_000_000)
        } else {
            write!(out, "{seconds}.{:06} s", nanoseconds / 1_000)
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forever_swallows_what_is_added_to_it() {
        assert_eq!(Time::from_nanoseconds(5) + Span::FOREVER, Time::NEVER);
        assert_eq!(Span::FOREVER + Span::from_seconds(1), Span::FOREVER);
        assert_eq!(Span::FOREVER / 2, Span::FOREVER);
    }

    #[test]
    fn spans_read_in_the_unit_of_their_size() {
        let cases = [
            (0, "0 s"),
            (999, "999 ns"),
            (1_500_000, "1.5 ms"),
            (30_000_000_000, "30 s"),
            (7_200_000_000_000, "2 h"),
        ];
        for (nanoseconds, text) in cases {
            assert_eq!(Span::from_nanoseconds(nanoseconds).to_string(), text);
        }
        assert_eq!(Time::from_nanoseconds(1_502_000_000).to_string(), "1.502 s");
    }
}
