//! Spans of time drawn from a shape. The floats live here and end here: what leaves is an integer, computed by `libm`
//! alone, so that it is the same on every platform.

#![allow(
    clippy::float_arithmetic,
    reason = "the one file of the kernel that computes with floats; libm keeps it exact"
)]

use super::chance::Draw;
use super::units::Span;

/// A shape to draw spans from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Always this.
    Constant(Span),
    /// Every nanosecond from the first to the second, both included, as likely.
    Uniform(Span, Span),
    /// Memoryless, with this mean.
    Exponential(Span),
    /// The logarithm is normal; given by its median and its 99th percentile.
    Lognormal {
        /// Half the draws are below.
        median: Span,
        /// Ninety-nine in a hundred are below.
        p99: Span,
    },
}

/// The standard normal's 99th percentile.
const Z99: f64 = 2.326_347_874_040_841;

impl Distribution {
    /// The span that these bits give.
    #[inline]
    pub fn sample(self, draw: Draw) -> Span {
        match self {
            Distribution::Constant(span) => span,
            Distribution::Uniform(low, high) => {
                let range = (high.nanoseconds() - low.nanoseconds()).saturating_add(1);
                low + Span::from_nanoseconds(draw.below(range))
            }
            Distribution::Exponential(mean) => {
                from_float(-libm::log(1.0 - unit(draw)) * mean.nanoseconds() as f64)
            }
            Distribution::Lognormal { median, p99 } => {
                let (median, p99) = (median.nanoseconds() as f64, p99.nanoseconds() as f64);
                let sigma = libm::log(p99 / median) / Z99;
                from_float(median * libm::exp(sigma * normal_quantile(unit(draw))))
            }
        }
    }

    /// The least span this can give.
    pub fn least(self) -> Span {
        match self {
            Distribution::Constant(span) => span,
            Distribution::Uniform(low, _) => low,
            Distribution::Exponential(_) | Distribution::Lognormal { .. } => Span::ZERO,
        }
    }

    /// The middle: half the draws are below it.
    pub fn median(self) -> Span {
        match self {
            Distribution::Constant(span) | Distribution::Lognormal { median: span, .. } => span,
            Distribution::Uniform(low, high) => (low + high) / 2,
            Distribution::Exponential(mean) => {
                from_float(mean.nanoseconds() as f64 * core::f64::consts::LN_2)
            }
        }
    }
}

/// The upper 53 bits as a number in [0, 1).
fn unit(draw: Draw) -> f64 {
    (draw.bits() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Rounded to the nearest nanosecond; what is beyond a thousand years is cut there.
fn from_float(nanoseconds: f64) -> Span {
    const LONGEST: f64 = 3.2e19 / 2.0;
    Span::from_nanoseconds(libm::round(nanoseconds.clamp(0.0, LONGEST)) as u64)
}

/// The standard normal's quantile: the root of its distribution function, found by bisection on `libm::erfc`.
///
/// Sixty halvings of [-9, 9] leave less than a float can tell, and the loop has no table of coefficients to trust.
fn normal_quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-9.0_f64, 9.0_f64);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if 0.5 * libm::erfc(-middle / core::f64::consts::SQRT_2) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chance::{Chance, Occasion, Purpose};

    fn sorted(shape: Distribution, n: u64) -> Vec<u64> {
        let chance = Chance::new(3);
        let mut spans: Vec<u64> = (0..n)
            .map(|i| shape.sample(chance.draw(Purpose::Latency, 0, Occasion(i, 0))).nanoseconds())
            .collect();
        spans.sort_unstable();
        spans
    }

    fn within(value: u64, expected: u64, per_mille: u64) {
        let slack = expected * per_mille / 1_000;
        assert!((expected - slack..=expected + slack).contains(&value), "{value}, expected about {expected}");
    }

    const MS: u64 = 1_000_000;
    const N: u64 = 20_000;

    #[test]
    fn anywhere_between_now_and_never_is_a_span_too() {
        let spans = sorted(Distribution::Uniform(Span::ZERO, Span::FOREVER), N);
        assert!(spans[0] < Span::FOREVER.nanoseconds() / 1_000 && spans[N as usize - 1] > spans[0]);
    }

    #[test]
    fn quantiles_are_those_of_the_shape() {
        let ms = |n| Span::from_nanoseconds(n * MS);
        let uniform = sorted(Distribution::Uniform(ms(1), ms(10)), N);
        assert!(uniform[0] >= MS && uniform[N as usize - 1] <= 10 * MS);
        within(uniform[N as usize / 2], 5_500_000, 20);
        let exponential = sorted(Distribution::Exponential(ms(5)), N);
        within(exponential.iter().sum::<u64>() / N, 5 * MS, 25);
        let lognormal = sorted(Distribution::Lognormal { median: ms(1), p99: ms(20) }, N);
        within(lognormal[N as usize / 2], MS, 50);
        within(lognormal[N as usize * 99 / 100], 20 * MS, 120);
    }

    #[test]
    fn the_quantile_is_right_where_it_is_known() {
        for (probability, z) in [(0.5, 0.0), (0.99, Z99), (0.01, -Z99), (0.841_344_746_068_542_9, 1.0)] {
            assert!((normal_quantile(probability) - z).abs() < 1e-9);
        }
    }
}
