//! Chance that is counter-based and stateless: `draw(purpose, entity, occasion)`.
//!
//! The occasion says *what* is decided, not how many draws came before, so taking a fault out of a schedule leaves every
//! other draw whose occasion still occurs as it was. ChaCha8 turns the seed into one key for each purpose; the mix
//! under a key is ours and held by a snapshot test.

use std::cell::OnceCell;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::units::Ratio;

/// What a draw is for. Each has a key of its own: a new purpose moves no other. Add at the end, never reorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// How long a message is under way.
    Latency,
    /// Whether a packet is lost.
    Loss,
    /// How long an fsync takes.
    Fsync,
    /// How much of a file a power loss leaves.
    Survival,
    /// The jitter of a client's or broker's back-off.
    Backoff,
    /// When the application sends, and how long a process takes for something.
    Workload,
    /// Which partition a record without a key goes to.
    Partitioner,
    /// The phase of a periodic task against the process's start.
    Phase,
    /// How long a process takes to start.
    StartUp,
    /// How long a new controller takes to be chosen.
    ControllerElection,
    /// How long the handler of a consumer takes.
    Handler,
    /// Which batch a bad byte is in.
    BitRot,
    /// How long a request takes a broker.
    RequestTime,
}

const PURPOSES: usize = Purpose::RequestTime as usize + 1;

/// What is being decided: two integers whose meaning the purpose fixes, such as (connection, message number).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion(pub u64, pub u64);

/// Sixty-four drawn bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(u64);

/// All the chance of one run.
#[derive(Clone, Debug)]
pub struct Chance {
    seed: u64,
    /// Made when first needed: few runs draw for every purpose.
    keys: [OnceCell<[u64; 2]>; PURPOSES],
}

impl Chance {
    /// The chance that `seed` gives.
    pub fn new(seed: u64) -> Chance {
        Chance { seed, keys: [const { OnceCell::new() }; PURPOSES] }
    }

    #[inline]
    fn key(&self, purpose: Purpose) -> [u64; 2] {
        *self.keys[purpose as usize].get_or_init(|| {
            let mut stream = stream(self.seed, Stream::Key(purpose as u32));
            [stream.next_u64(), stream.next_u64()]
        })
    }

    /// The bits for this occasion; the same for the same arguments, always.
    #[inline]
    pub fn draw(&self, purpose: Purpose, entity: u64, occasion: Occasion) -> Draw {
        self.draws(purpose, entity, occasion.0).draw(occasion.1)
    }

    /// What all draws for this entity whose occasions begin alike have in common.
    #[inline]
    pub fn draws(&self, purpose: Purpose, entity: u64, first: u64) -> Draws {
        let [low, high] = self.key(purpose);
        Draws(scramble(scramble(low ^ entity) ^ first) ^ high)
    }
}

/// Draws of one purpose for one entity and one first half of an occasion: [`Chance::draw`] with only the last number left to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draws(u64);

impl Draws {
    /// The bits for the occasion that ends so.
    #[inline]
    pub fn draw(self, last: u64) -> Draw {
        Draw(scramble(self.0 ^ last))
    }
}

/// One round: a bijection in which every bit of the argument turns each bit of the result half the time.
#[inline]
const fn scramble(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Draw {
    /// The bits themselves.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// A whole number below `bound`, each as likely but for one part in 2^64. Panics if `bound` is zero.
    #[inline]
    pub fn below(self, bound: u64) -> u64 {
        assert!(bound > 0, "a draw below nothing");
        ((u128::from(self.0) * u128::from(bound)) >> 64) as u64
    }

    /// Whether something of this probability happens.
    #[inline]
    pub fn happens(self, probability: Ratio) -> bool {
        self.below(probability.denominator()) < probability.numerator()
    }
}

/// A sequence drawn from the seed outside the run itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The key of one purpose.
    Key(u32),
    /// The fault schedule.
    Schedule,
    /// The settings a swarm varies.
    Swarm,
}

/// The generator for one stream of a seed: ChaCha8, whose output is fixed for good.
pub fn stream(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(match stream {
        Stream::Schedule => 1,
        Stream::Swarm => 2,
        Stream::Key(purpose) => 1_000 + u64::from(purpose),
    });
    generator
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A changed number here changes every run of every seed: say so in the commit.
    #[test]
    fn draws_are_fixed_for_good() {
        let chance = Chance::new(7);
        let drawn: Vec<u64> = [
            (Purpose::Latency, 0, Occasion(0, 0)),
            (Purpose::Latency, 1, Occasion(0, 0)),
            (Purpose::Latency, 0, Occasion(1, 0)),
            (Purpose::Latency, 0, Occasion(0, 1)),
            (Purpose::Handler, 3, Occasion(4, 5)),
        ]
        .map(|(purpose, entity, occasion)| chance.draw(purpose, entity, occasion).bits())
        .to_vec();
        assert_eq!(drawn, SNAPSHOT);
    }

    const SNAPSHOT: [u64; 5] = [
        14_641_323_518_630_165_991,
        755_825_747_601_817_602,
        16_925_282_164_906_505_591,
        3_987_760_470_742_684_900,
        10_562_291_771_102_344_174,
    ];

    #[test]
    fn bits_are_balanced_over_any_one_argument() {
        let chance = Chance::new(1);
        let vary: [fn(u64) -> (u64, Occasion); 3] =
            [|i| (i, Occasion(0, 0)), |i| (0, Occasion(i, 0)), |i| (0, Occasion(0, i))];
        for arguments in vary {
            let mut ones = [0_u32; 64];
            for i in 0..10_000 {
                let (entity, occasion) = arguments(i);
                let bits = chance.draw(Purpose::Latency, entity, occasion).bits();
                for (bit, count) in ones.iter_mut().enumerate() {
                    *count += (bits >> bit & 1) as u32;
                }
            }
            // Five standard deviations of 10 000 fair coins.
            assert!(ones.iter().all(|&count| (4_750..=5_250).contains(&count)), "{ones:?}");
        }
    }

    #[test]
    fn below_covers_its_range() {
        let chance = Chance::new(2);
        let mut seen = [0_u32; 10];
        for i in 0..10_000 {
            seen[chance.draw(Purpose::Loss, 0, Occasion(i, 0)).below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (850..=1_150).contains(&count)), "{seen:?}");
    }
}
