//! Quantities as people write them: `"500us"`, `"1.5MiB"`, `"1000/s"`, `"1/1000"`. Exact: what is no whole number of
//! nanoseconds or bytes is refused.

use crate::kernel::units::{Bytes, Ratio, Span};

/// Units of time, with their nanoseconds.
const TIME_UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Units of size, with their bytes.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// What is wrong with a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A number and nothing else.
    NoUnit,
    /// A number with a unit that is none of these.
    Unit(&'static str),
    /// Not of this form at all.
    Form,
    /// More than fits.
    TooLarge,
    /// A part of a nanosecond or of a byte.
    TooFine,
    /// A share above one, or of nothing.
    NotAShare,
}

/// The units of time, for a help line.
pub(super) const TIME_NAMES: &str = "ns, us, ms, s, m, h, d";
/// The units of size, for a help line.
pub(super) const SIZE_NAMES: &str = "B, kB, MB, GB, KiB, MiB, GiB";

/// A length of time: `500us`, `1.5s`.
pub(super) fn span(text: &str) -> Result<Span, Wrong> {
    let (number, unit) = split(text)?;
    let nanoseconds = unit_of(unit, &TIME_UNITS, TIME_NAMES)?;
    scaled(number, nanoseconds).map(Span::from_nanoseconds)
}

/// A length of time as `java.time.Duration` reads it, which is ISO 8601 without years, months and weeks: `PT1H30M`, `P7D`,
/// `PT0.5S`. None if it is none, or below zero.
pub(super) fn iso_8601(text: &str) -> Option<Span> {
    let upper = text.to_ascii_uppercase();
    let (days, time) = match upper.strip_prefix('P')?.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (upper.strip_prefix('P')?, None),
    };
    let mut total = Some(0_u64);
    let mut add = |number: &str, unit: u64, whole: bool| {
        let number = number.replace(',', ".");
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || (!whole && byte == b'.'));
        let part = scaled(&number, unit).ok().filter(|_| is_number);
        total = total.zip(part).and_then(|(total, part)| total.checked_add(part));
    };
    if !days.is_empty() {
        add(days.strip_suffix('D')?, 86_400_000_000_000, true);
    } else if time.is_none_or(str::is_empty) {
        return None;
    }
    let mut rest = time.unwrap_or_default();
    for (letter, unit) in [('H', 3_600_000_000_000), ('M', 60_000_000_000), ('S', 1_000_000_000)] {
        if let Some((number, after)) = rest.split_once(letter) {
            add(number, unit, letter != 'S');
            rest = after;
        }
    }
    total.filter(|_| rest.is_empty() && time.is_none_or(|time| !time.is_empty())).map(Span::from_nanoseconds)
}

/// A size: `100B`, `1MiB`.
pub(super) fn bytes(text: &str) -> Result<Bytes, Wrong> {
    let (number, unit) = split(text)?;
    let size = unit_of(unit, &SIZE_UNITS, SIZE_NAMES)?;
    scaled(number, size).map(Bytes::new)
}

/// A bandwidth: `1GB/s`.
pub(super) fn bandwidth(text: &str) -> Result<Bytes, Wrong> {
    let size = text.trim().strip_suffix("/s").ok_or(Wrong::Form)?;
    match bytes(size)? {
        Bytes::ZERO => Err(Wrong::Form),
        some => Ok(some),
    }
}

/// The spacing that a rate asks for, rounded to the nanosecond below: `1000/s`, `3/10ms`.
pub(super) fn spacing(text: &str) -> Result<Span, Wrong> {
    let (count, per) = text.split_once('/').ok_or(Wrong::Form)?;
    let count = whole(count.trim())?;
    let per = per.trim();
    let per = if per.starts_with(|first: char| first.is_ascii_digit()) {
        span(per)?
    } else {
        span(&format!("1{per}"))?
    };
    if count == 0 || per == Span::ZERO {
        return Err(Wrong::Form);
    }
    match per / count {
        Span::ZERO => Err(Wrong::TooFine),
        spacing => Ok(spacing),
    }
}

/// A probability: `0`, `1`, `1/1000`.
pub(super) fn ratio(text: &str) -> Result<Ratio, Wrong> {
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    let (numerator, denominator) = (whole(numerator.trim())?, whole(denominator.trim())?);
    if denominator == 0 || numerator > denominator {
        return Err(Wrong::NotAShare);
    }
    Ok(Ratio::new(numerator, denominator))
}

/// A whole number without sign.
pub(super) fn whole(text: &str) -> Result<u64, Wrong> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::Form);
    }
    text.parse().map_err(|_| Wrong::TooLarge)
}

/// A number and what follows it.
fn split(text: &str) -> Result<(&str, &str), Wrong> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim());
    if !number.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Wrong::Form);
    }
    if unit.is_empty() { Err(Wrong::NoUnit) } else { Ok((number, unit)) }
}

fn unit_of(unit: &str, units: &[(&str, u64)], names: &'static str) -> Result<u64, Wrong> {
    units.iter().find(|(name, _)| *name == unit).map(|&(_, size)| size).ok_or(Wrong::Unit(names))
}

/// A number with at most nine decimals, in so many of the smallest unit.
fn scaled(number: &str, unit: u64) -> Result<u64, Wrong> {
    let (whole_part, decimals) = number.split_once('.').unwrap_or((number, "0"));
    if decimals.len() > 9 {
        return Err(Wrong::TooFine);
    }
    let tenths = 10_u128.pow(decimals.len() as u32);
    let parts = u128::from(whole(whole_part)?) * tenths + u128::from(whole(decimals)?);
    let product = parts * u128::from(unit);
    if !product.is_multiple_of(tenths) {
        return Err(Wrong::TooFine);
    }
    u64::try_from(product / tenths).map_err(|_| Wrong::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact() {
        let cases = [
            ("500us", Ok(500_000)),
            ("1.5ms", Ok(1_500_000)),
            ("2 s", Ok(2_000_000_000)),
            ("0s", Ok(0)),
            ("3µs", Ok(3_000)),
            ("1d", Ok(86_400_000_000_000)),
            ("5", Err(Wrong::NoUnit)),
            ("5 parsecs", Err(Wrong::Unit(TIME_NAMES))),
            ("-5s", Err(Wrong::Form)),
            ("", Err(Wrong::Form)),
            ("s", Err(Wrong::Form)),
            ("1.2.3s", Err(Wrong::Form)),
            ("1e3s", Err(Wrong::Unit(TIME_NAMES))),
            ("0.5ns", Err(Wrong::TooFine)),
            ("1.0000000001s", Err(Wrong::TooFine)),
            ("99999999999999d", Err(Wrong::TooLarge)),
            ("99999999999999999999999999s", Err(Wrong::TooLarge)),
        ];
        for (text, expected) in cases {
            assert_eq!(span(text).map(Span::nanoseconds), expected, "{text}");
        }
    }

    #[test]
    fn sizes_know_thousands_and_powers_of_two() {
        for (text, expected) in [("100B", 100), ("1kB", 1_000), ("1KiB", 1_024), ("1.5MiB", 1_572_864)] {
            assert_eq!(bytes(text), Ok(Bytes::new(expected)), "{text}");
        }
        assert_eq!(bytes("1.5B"), Err(Wrong::TooFine));
        assert_eq!(bandwidth("1GB/s"), Ok(Bytes::new(1_000_000_000)));
        assert_eq!(bandwidth("1GB"), Err(Wrong::Form));
    }

    #[test]
    fn rates_become_spacings() {
        let cases = [
            ("1000/s", Ok(1_000_000)),
            ("3/s", Ok(333_333_333)),
            ("1/10ms", Ok(10_000_000)),
            ("2000000000/s", Err(Wrong::TooFine)),
            ("0/s", Err(Wrong::Form)),
            ("1000", Err(Wrong::Form)),
        ];
        for (text, expected) in cases {
            assert_eq!(spacing(text).map(Span::nanoseconds), expected, "{text}");
        }
    }

    #[test]
    fn a_probability_is_a_share() {
        assert_eq!(ratio("1/1000"), Ok(Ratio::new(1, 1_000)));
        assert_eq!(ratio("0"), Ok(Ratio::ZERO));
        assert_eq!(ratio("2"), Err(Wrong::NotAShare));
        assert_eq!(ratio("0/0"), Err(Wrong::NotAShare));
        assert_eq!(ratio("0.1"), Err(Wrong::Form));
    }
}
