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
    fn code(self) -> u16;
    /// The word, as a trace file says it.
    fn word(self) -> &'static str;
    /// Its integers by name, always in the same order. A value that is not there is left out.
    fn integers(self, each: &mut impl FnMut(&'static str, i64));
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

impl Digest {
    const START: Digest = Digest(0x6869_6768_7761_7465);

    /// Mixes one integer in.
    #[inline]
    pub fn mix(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value.rotate_left(29)) * 0xa076_1d64_78bd_642f_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ value.wrapping_add(self.0.rotate_left(17));
    }

    /// The value so far.
    pub const fn value(self) -> u64 {
        self.0
    }
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
    kept: Option<Vec<Entry<W>>>,
}

impl<W: What> Trace<W> {
    /// An empty record that keeps its entries only if asked to.
    pub fn new(keep: bool) -> Trace<W> {
        Trace { digest: Digest::START, last: EventSeq(0), kept: keep.then(Vec::new) }
    }

    /// Adds an entry and gives its number.
    #[inline]
    pub fn add(&mut self, t: Time, node: NodeId, what: W, cause: EventSeq) -> EventSeq {
        self.last = EventSeq(self.last.0 + 1);
        self.digest.mix(t.nanoseconds());
        self.digest.mix(self.last.0 << 32 | u64::from(node.0) << 16 | u64::from(what.code()));
        let digest = &mut self.digest;
        what.integers(&mut |_, value| digest.mix(value as u64));
        if let Some(kept) = &mut self.kept {
            kept.push(Entry { n: self.last, t, node, what, cause });
        }
        self.last
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
        self.kept.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Moved(i64, i64);

    impl What for Moved {
        fn code(self) -> u16 {
            1
        }
        fn word(self) -> &'static str {
            "moved"
        }
        fn integers(self, each: &mut impl FnMut(&'static str, i64)) {
            each("from", self.0);
            each("to", self.1);
        }
    }

    fn digest(keep: bool, entries: &[(u64, Moved)]) -> u64 {
        let mut trace = Trace::new(keep);
        for &(t, what) in entries {
            trace.add(Time::from_nanoseconds(t), NodeId(1), what, EventSeq(0));
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
