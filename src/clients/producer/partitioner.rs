//! Which partition a record goes to: `BuiltInPartitioner`.
//!
//! `Departure from Kafka:` the next partition of records without keys is each as likely; with `partitioner.adaptive`, which
//! is on by default, Kafka prefers those with shorter queues once every partition has been used.

use super::accumulator::Place;
use crate::kernel::units::Bytes;

/// Chooses partitions for one topic.
#[derive(Clone, Debug)]
pub(super) struct Partitioner {
    /// The producer's own chance.
    key: u64,
    /// `batch.size`: how many bytes go to a partition before the next one has its turn.
    sticky_size: Bytes,
    sticky: Option<Sticky>,
    chosen: u64,
}

/// Where records without keys go for now.
#[derive(Clone, Copy, Debug)]
struct Sticky {
    place: Place,
    produced: Bytes,
}

impl Partitioner {
    pub(super) fn new(key: u64, sticky_size: Bytes) -> Partitioner {
        Partitioner { key, sticky_size, sticky: None, chosen: 0 }
    }

    /// Another process: it remembers nothing, and its chance is another.
    pub(super) fn begin_anew(&mut self) {
        *self = Partitioner::new(mix(self.key, u64::MAX), self.sticky_size);
    }

    /// Where a record without a key goes now. `partitions` is how many there are, `has_leader` which of them to choose from,
    /// unless it is none of them.
    #[inline]
    pub(super) fn sticky(&mut self, partitions: usize, has_leader: impl Fn(Place) -> bool) -> Place {
        match self.sticky {
            Some(sticky) => sticky.place,
            None => self.choose(partitions, has_leader),
        }
    }

    /// Whether the sticky partition has had its share, so that the next may have its turn as soon as that leaves no batch
    /// open.
    #[inline]
    pub(super) fn has_had_its_share(&self) -> bool {
        self.sticky.is_some_and(|sticky| sticky.produced >= self.sticky_size)
    }

    /// A record without a key took so many bytes. The next partition has its turn when this one has had its share and no
    /// batch of it is open, or when it has had it twice.
    #[inline]
    pub(super) fn produced(&mut self, bytes: Bytes, nothing_open: bool) {
        let Some(sticky) = &mut self.sticky else { return };
        sticky.produced += bytes;
        let twice = Bytes::new(self.sticky_size.get().saturating_mul(2));
        if sticky.produced >= self.sticky_size && nothing_open || sticky.produced >= twice {
            self.turn();
        }
    }

    /// The next partition has its turn.
    pub(super) fn turn(&mut self) {
        self.sticky = None;
    }

    fn choose(&mut self, partitions: usize, has_leader: impl Fn(Place) -> bool) -> Place {
        self.chosen += 1;
        let drawn = mix(self.key, self.chosen);
        let led = (0..partitions).filter(|&place| has_leader(Place(place as u32)));
        let place = match led.clone().count() {
            0 => below(drawn, partitions),
            count => led.clone().nth(below(drawn, count)).expect("one of those just counted"),
        };
        let place = Place(place as u32);
        self.sticky = Some(Sticky { place, produced: Bytes::ZERO });
        place
    }
}

/// Where a record with this key goes: the key is written as decimal text, as a `StringSerializer` would have it
/// (`partitionForKey`).
pub(super) fn for_key(key: u32, partitions: usize) -> Place {
    let mut text = [0_u8; 10];
    let mut begin = text.len();
    let mut rest = key;
    loop {
        begin -= 1;
        text[begin] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let positive = murmur2(&text[begin..]) & 0x7fff_ffff;
    Place((positive as usize % partitions) as u32)
}

/// MurmurHash2 of 32 bits under Kafka's seed (`Utils.murmur2`).
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(M);
        k = (k ^ (k >> R)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (place, &byte) in rest.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Bits for the `count`th choice under `key`: one round in which every bit of either turns each bit half the time.
fn mix(key: u64, count: u64) -> u64 {
    let mut bits = key ^ count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn below(drawn: u64, bound: usize) -> usize {
    ((u128::from(drawn) * bound as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those Kafka's own tests expect.
    #[test]
    fn the_hash_is_kafkas() {
        let cases: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (text, expected) in cases {
            assert_eq!(murmur2(text.as_bytes()) as i32, expected, "{text}");
        }
        let positive = (-973_932_308_i32 as u32 & 0x7fff_ffff) as usize;
        assert_eq!(for_key(21, 7), Place((positive % 7) as u32));
    }

    #[test]
    fn the_sticky_partition_has_its_share_and_then_another_its_turn() {
        let mut partitioner = Partitioner::new(5, Bytes::new(100));
        let mut used = [0; 4];
        for _ in 0..400 {
            let place = partitioner.sticky(4, |place| place != Place(2));
            used[place.0 as usize] += 1;
            partitioner.produced(Bytes::new(60), false);
            assert_eq!(partitioner.sticky(4, |_| true), place, "60 bytes are no share");
            partitioner.produced(Bytes::new(60), true);
        }
        assert_eq!(used[2], 0, "nobody leads it");
        assert!(used.iter().filter(|&&count| count > 90).count() == 3, "{used:?}");
    }

    #[test]
    fn an_open_batch_keeps_the_partition_up_to_twice_its_share() {
        let mut partitioner = Partitioner::new(5, Bytes::new(100));
        partitioner.sticky(2, |_| true);
        partitioner.produced(Bytes::new(199), false);
        assert!(partitioner.sticky.is_some() && partitioner.has_had_its_share());
        partitioner.produced(Bytes::new(1), false);
        assert!(partitioner.sticky.is_none());
    }
}
