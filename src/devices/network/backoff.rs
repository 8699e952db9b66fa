//! When a kernel sends again what was not acknowledged, and when it gives up. The values are those of Linux.

use crate::kernel::units::{Span, Time};

/// Waits that double up to a longest one.
pub(super) struct Backoff {
    /// Before the first retransmission.
    first: Span,
    /// So many more waits are as long as the first.
    linear: u64,
    /// No wait is longer.
    longest: Span,
    /// So long after the first attempt the connection is given up.
    pub(super) give_up: Span,
}

/// Data: 200 ms (TCP_RTO_MIN), doubling up to 120 s (TCP_RTO_MAX), given up after 924.6 s (`tcp_retries2` = 15).
pub(super) const DATA: Backoff = Backoff {
    first: Span::from_milliseconds(200),
    linear: 0,
    longest: Span::from_seconds(120),
    give_up: Span::from_milliseconds(924_600),
};

/// The first packet of a connection: again after 1, 2, 3, 4 and 5 s, from then on doubling, given up after 131 s
/// (`tcp_syn_linear_timeouts` = 4, since Linux 6.5; `tcp_syn_retries` = 6).
pub(super) const CONNECT: Backoff = Backoff {
    first: Span::from_seconds(1),
    linear: 4,
    longest: Span::from_seconds(64),
    give_up: Span::from_seconds(131),
};

/// How long the kernel keeps trying with the data of a connection its process has closed (`tcp_orphan_retries` = 8 doublings):
/// what a client sent before it gave up and closed can still arrive after a cut is mended. Seen on Linux itself.
pub(super) const AFTER_CLOSE: Span = Span::from_milliseconds(102_200);

/// So many losses of one packet in a row are the most.
const MOST_LOSSES: u64 = 15;

impl Backoff {
    /// The first instant after `now` at which the kernel tries again, or gives up, what it first tried at `since`.
    pub(super) fn next(&self, since: Time, now: Time) -> Time {
        let mut wait = self.first;
        let mut at = since + wait;
        let mut attempt = 0;
        while at <= now {
            wait = self.longer(wait, attempt);
            at += wait;
            attempt += 1;
        }
        at
    }

    /// How late a packet is that is lost as often as `is_lost` says, which is asked once an attempt.
    ///
    /// # Departure from Kafka:
    /// The sixteenth attempt is never lost: the connection is late by minutes rather than broken.
    pub(super) fn delay(&self, is_lost: impl Fn(u64) -> bool) -> Span {
        let mut wait = self.first;
        let mut late = Span::ZERO;
        for attempt in 0..MOST_LOSSES {
            if !is_lost(attempt) {
                break;
            }
            late = late + wait;
            wait = self.longer(wait, attempt);
        }
        late
    }

    /// The wait after that of attempt `attempt`, counted from 0.
    fn longer(&self, wait: Span, attempt: u64) -> Span {
        if attempt < self.linear { wait } else { (wait * 2).min(self.longest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instants(backoff: &Backoff) -> Vec<u64> {
        let mut now = Time::ZERO;
        let mut milliseconds = Vec::new();
        while now.since_start() < backoff.give_up {
            now = backoff.next(Time::ZERO, now);
            milliseconds.push(now.nanoseconds() / 1_000_000);
        }
        milliseconds
    }

    #[test]
    fn instants_are_those_of_linux_and_the_last_is_giving_up() {
        assert_eq!(
            instants(&CONNECT),
            [1_000, 2_000, 3_000, 4_000, 5_000, 7_000, 11_000, 19_000, 35_000, 67_000, 131_000]
        );
        let data = instants(&DATA);
        assert_eq!(
            data[..11],
            [200, 600, 1_400, 3_000, 6_200, 12_600, 25_400, 51_000, 102_200, 204_600, 324_600]
        );
        assert_eq!(data[11..], [444_600, 564_600, 684_600, 804_600, 924_600]);
    }

    #[test]
    fn each_loss_in_a_row_doubles_the_wait() {
        for (losses, milliseconds) in [(0, 0), (1, 200), (2, 600), (3, 1_400), (99, 804_600)] {
            assert_eq!(DATA.delay(|attempt| attempt < losses), Span::from_milliseconds(milliseconds));
        }
    }
}
