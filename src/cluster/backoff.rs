//! How long to wait before trying again: `ExponentialBackoff` of `org.apache.kafka.common.utils`.

use crate::kernel::units::Span;

/// A wait that doubles with every failure up to a most, a fifth more or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    initial: Span,
    most: Span,
}

/// Between what a span is drawn: the least and the most, both possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanRange {
    /// The least.
    pub least: Span,
    /// The most.
    pub most: Span,
}

impl Backoff {
    /// A wait that begins at `initial` and stays at `most` or below, as `retry.backoff.ms` and `retry.backoff.max.ms` do.
    pub fn new(initial: Span, most: Span) -> Backoff {
        Backoff { initial: initial.min(most), most }
    }

    /// The wait after this many failures beyond the first. There is no jitter if the wait cannot grow.
    pub fn after(self, failures: u32) -> SpanRange {
        if self.initial == self.most {
            return SpanRange { least: self.initial, most: self.initial };
        }
        let term = (self.initial * (1 << failures.min(62))).min(self.most);
        SpanRange { least: term * 4 / 5, most: (term * 6 / 5).min(self.most) }
    }
}

impl SpanRange {
    /// What is left of the range when `passed` has gone by.
    pub fn less(self, passed: Span) -> SpanRange {
        SpanRange { least: self.least.saturating_sub(passed), most: self.most.saturating_sub(passed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_most() {
        let cases = [
            // (initial, most, failures, least, most), in ms
            (100, 1_000, 0, 80, 120),
            (100, 1_000, 1, 160, 240),
            (100, 1_000, 3, 640, 960),
            (100, 1_000, 4, 800, 1_000),
            (100, 1_000, 70, 800, 1_000),
            (50, 50, 3, 50, 50),
            (100, 50, 0, 50, 50),
        ];
        let ms = Span::from_milliseconds;
        for (initial, ceiling, failures, least, most) in cases {
            let range = Backoff::new(ms(initial), ms(ceiling)).after(failures);
            assert_eq!(
                range,
                SpanRange { least: ms(least), most: ms(most) },
                "{initial} {ceiling} {failures}"
            );
        }
    }
}
