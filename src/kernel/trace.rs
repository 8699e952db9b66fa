//! What happened, what caused it, and the digest of it all.
//!
//! The digest runs always; entries are kept only when somebody asked for a trace. What can happen is said above, by
//! whoever implements [`What`]; the kernel only numbers, mixes and keeps.

use super::units::{NodeId, Time};

/// The number of an entry, from 1 in the order of happening. 0 is the beginning of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventSeq(pub u64);

/// Something that can happen, as a word and integers.
pub trait What: Copy {
    /// The number of the word, fixed for good: it enters the digest.
    fn code(&self) -> u16;
    /// The word, as a trace file says it.
    fn word(&self) -> &'static str;
    /// Its integers by name, always in the same order. A value that is not there is left out.
    fn integers(&self, each: &mut impl FnMut(&'static str, i64));
}

/// One entry: at `t`, `what` happened at `node`, because of `cause`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<W> {
    /// Its number.
    pub n: EventSeq,
    /// When.
    pub t: Time,
    /// Where.
    pub node: NodeId,
    /// What.
    pub what: W,
    /// The entry that led to it.
    pub cause: EventSeq,
}

/// A 64-bit running mix. Equal digests mean equal runs, but for one chance in 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

/// Odd, with as many ones as zeros and no pattern.
const MULTIPLIER: u64 = 0xa076_1d64_78bd_642f;

impl Digest {
    const START: Digest = Digest(0x6869_6768_7761_7465);

    /// Mixes one entry in: its time, its place and word, and the integers of what happened, as a polynomial.
    #[inline(always)]
    fn mix<W: What>(&mut self, entry: &Entry<W>) {
        let place = entry.n.0 << 32 | u64::from(entry.node.0) << 16 | u64::from(entry.what.code());
        // By itself first: one entry need not wait for the one before.
        let mut mixed = entry.t.nanoseconds().wrapping_mul(MULTIPLIER).wrapping_add(place);
        entry
            .what
            .integers(&mut |_, value| mixed = mixed.wrapping_mul(MULTIPLIER).wrapping_add(value as u64));
        self.0 = fold(self.0, mixed);
    }

    /// The value so far.
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// Both halves of a product, one upon the other: every bit of either number changes bits everywhere.
#[inline(always)]
fn fold(state: u64, value: u64) -> u64 {
    let product = u128::from(state ^ value) * u128::from(MULTIPLIER);
    (product as u64) ^ ((product >> 64) as u64)
}

impl std::fmt::Display for Digest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

/// The record of one run.
#[derive(Clone, Debug)]
pub struct Trace<W> {
    digest: Digest,
    last: EventSeq,
    keeps: bool,
    kept: Vec<Entry<W>>,
}

impl<W: What> Trace<W> {
    /// An empty record that keeps its entries only if asked to.
    pub fn new(keep: bool) -> Trace<W> {
        Trace { digest: Digest::START, last: EventSeq(0), keeps: keep, kept: Vec::new() }
    }

    /// Adds an entry, whose number must be [`Trace::next`]. If entries are kept, [`Trace::keep`] is to be told of it too.
    #[inline(always)]
    pub fn add(&mut self, entry: &Entry<W>) {
        debug_assert_eq!(entry.n, self.next(), "entries are numbered as they happen");
        self.last = entry.n;
        self.digest.mix(entry);
    }

    /// Keeps an entry, if entries are kept. Apart from [`Trace::add`], since it is rare and what comes between is not.
    #[inline(always)]
    pub fn keep(&mut self, entry: &Entry<W>) {
        if self.keeps {
            self.keep_copy(*entry);
        }
    }

    #[cold]
    fn keep_copy(&mut self, entry: Entry<W>) {
        self.kept.push(entry);
    }

    /// The number of the entry that comes next.
    // No run has 2^64.
    #[inline]
    pub fn next(&self) -> EventSeq {
        EventSeq(self.last.0.wrapping_add(1))
    }

    /// The digest so far.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The number of the newest entry.
    pub fn last(&self) -> EventSeq {
        self.last
    }

    /// The entries, if they were to be kept.
    pub fn entries(&self) -> Option<&[Entry<W>]> {
        self.keeps.then_some(&self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Moved(i64, i64);

    impl What for Moved {
        fn code(&self) -> u16 {
            1
        }
        fn word(&self) -> &'static str {
            "moved"
        }
        fn integers(&self, each: &mut impl FnMut(&'static str, i64)) {
            each("from", self.0);
            each("to", self.1);
        }
    }

    fn digest(keep: bool, entries: &[(u64, Moved)]) -> u64 {
        let mut trace = Trace::new(keep);
        for &(t, what) in entries {
            let (n, t) = (trace.next(), Time::from_nanoseconds(t));
            let entry = Entry { n, t, node: NodeId(1), what, cause: EventSeq(0) };
            trace.add(&entry);
            trace.keep(&entry);
        }
        trace.digest().value()
    }

    #[test]
    fn the_digest_hears_every_integer_and_not_whether_entries_are_kept() {
        let told = [(1, Moved(0, 1)), (2, Moved(1, 2))];
        assert_eq!(digest(true, &told), digest(false, &told));
        let others = [
            vec![(1, Moved(0, 1))],
            vec![(1, Moved(0, 1)), (3, Moved(1, 2))],
            vec![(1, Moved(0, 1)), (2, Moved(1, 3))],
            vec![(1, Moved(1, 0)), (2, Moved(1, 2))],
            vec![(2, Moved(1, 2)), (1, Moved(0, 1))],
        ];
        for other in others {
            assert_ne!(digest(true, &told), digest(true, &other));
        }
    }
}
