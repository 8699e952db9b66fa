//! Which partition a record goes to: `BuiltInPartitioner` and `RoundRobinPartitioner`.
//!
//! `Departure from Kafka:` how long the queues are, and which brokers are stuck, is looked at when a partition is chosen; in
//! Kafka, the sender's last round says so. It is chosen when a record comes for it, in Kafka as soon as the one before has had
//! its share: who leads by then may be news of the time between.

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
    /// Of [`PartitionerClass::RoundRobin`]: how many it has chosen.
    turns: u32,
}

/// What speaks for a partition and against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Somebody leads it.
    pub(super) has_leader: bool,
    /// It has batches waiting, and its leader has taken nothing for longer than `partitioner.availability.timeout.ms`.
    pub(super) is_stuck: bool,
    /// With `partitioner.adaptive.partitioning.enable`, and once every partition has been used: how many batches wait.
    pub(super) waiting: Option<u32>,
}

/// Where records without keys go for now.
#[derive(Clone, Copy, Debug)]
struct Sticky {
    place: Place,
    produced: Bytes,
}

impl Partitioner {
    pub(super) fn new(key: u64, sticky_size: Bytes) -> Partitioner {
        Partitioner { key, sticky_size, sticky: None, chosen: 0, turns: 0 }
    }

    /// Another process: it remembers nothing, and its chance is another.
    pub(super) fn begin_anew(&mut self) {
        *self = Partitioner::new(mix(self.key, u64::MAX), self.sticky_size);
    }

    /// Where a record without a key goes now. `partitions` is how many there are.
    #[inline]
    pub(super) fn sticky(&mut self, partitions: usize, standing: impl Fn(Place) -> Standing) -> Place {
        match self.sticky {
            Some(sticky) => sticky.place,
            None => self.choose(partitions, standing),
        }
    }

    /// The next of those that are led, or if none is, of all (`RoundRobinPartitioner.partition`).
    pub(super) fn in_turn(&mut self, partitions: usize, has_leader: impl Fn(Place) -> bool) -> Place {
        let turn = self.turns as usize;
        self.turns = (self.turns + 1) & 0x7fff_ffff;
        let led = (0..partitions as u32).map(Place).filter(|&place| has_leader(place));
        match led.clone().count() {
            0 => Place((turn % partitions) as u32),
            count => led.clone().nth(turn % count).expect("one of those just counted"),
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

    /// Each partition that is led is the likelier the fewer batches wait for it: its weight is what the longest queue is
    /// longer than its own, and one. If none of these is to be chosen from, each of the led is as likely, or of all
    /// (`nextPartition`, `updatePartitionLoadStats`).
    fn choose(&mut self, partitions: usize, standing: impl Fn(Place) -> Standing) -> Place {
        self.chosen += 1;
        let drawn = mix(self.key, self.chosen);
        let all = (0..partitions as u32).map(Place);
        let led = |place: &Place| standing(*place).has_leader;
        let available = |place: &Place| led(place) && !standing(*place).is_stuck;
        let waiting = |place: Place| standing(place).waiting.unwrap_or(0);
        let longest = all.clone().filter(available).map(waiting).max().unwrap_or(0);
        let weight = |place: Place| (longest + 1 - waiting(place)) as usize;
        let total: usize = all.clone().filter(available).map(weight).sum();
        let place = if total > 0 {
            let mut left = below(drawn, total);
            let mut heavy = all.filter(available).skip_while(|&place| {
                let is_passed = left >= weight(place);
                left = left.saturating_sub(weight(place));
                is_passed
            });
            heavy.next()
        } else {
            match all.clone().filter(led).count() {
                0 => all.clone().nth(below(drawn, partitions)),
                count => all.filter(led).nth(below(drawn, count)),
            }
        };
        let place = place.expect("a topic has partitions, and what is drawn is below their weight");
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

    const LED: Standing = Standing { has_leader: true, is_stuck: false, waiting: None };

    /// How often each of four partitions is chosen, in a thousand.
    fn chosen(standing: impl Fn(u32) -> Standing) -> [u32; 4] {
        let mut partitioner = Partitioner::new(7, Bytes::new(1));
        let mut chosen = [0; 4];
        for _ in 0..1_000 {
            chosen[partitioner.sticky(4, |place| standing(place.0)).0 as usize] += 1;
            partitioner.turn();
        }
        chosen
    }

    #[test]
    fn the_shorter_its_queue_the_likelier_a_partition() {
        // Queues of 0, 3 and 1 weigh 4, 1 and 3.
        let queues = [Some(0), Some(3), Some(1), Some(9)];
        let weighed =
            chosen(|place| Standing { waiting: queues[place as usize], has_leader: place < 3, ..LED });
        for (chosen, expected) in weighed.into_iter().zip([500, 125, 375, 0]) {
            assert!(u32::abs_diff(chosen, expected) < 50, "{weighed:?}");
        }
        assert!(chosen(|_| LED).iter().all(|&chosen| chosen.abs_diff(250) < 50));
    }

    #[test]
    fn a_partition_that_is_stuck_is_left_aside_unless_all_are() {
        let two = chosen(|place| Standing { is_stuck: place < 2, ..LED });
        assert!(two[0] + two[1] == 0 && two[2].abs_diff(500) < 50, "{two:?}");
        let all_led = chosen(|place| Standing { is_stuck: true, has_leader: place != 3, ..LED });
        assert!(all_led[3] == 0 && all_led[0].abs_diff(333) < 50, "{all_led:?}");
        let none = chosen(|_| Standing { has_leader: false, ..LED });
        assert!(none.iter().all(|&chosen| chosen.abs_diff(250) < 50), "{none:?}");
    }

    #[test]
    fn one_after_the_other_goes_round_those_that_are_led() {
        let mut partitioner = Partitioner::new(5, Bytes::new(100));
        let mut round =
            |led: fn(Place) -> bool| -> Vec<u32> { (0..5).map(|_| partitioner.in_turn(3, led).0).collect() };
        assert_eq!(round(|_| true), [0, 1, 2, 0, 1]);
        // The fifth turn and on, of two.
        assert_eq!(round(|place| place != Place(1)), [2, 0, 2, 0, 2]);
        assert_eq!(round(|_| false), [1, 2, 0, 1, 2]);
    }

    #[test]
    fn the_sticky_partition_has_its_share_and_then_another_its_turn() {
        let mut partitioner = Partitioner::new(5, Bytes::new(100));
        let mut used = [0; 4];
        for _ in 0..400 {
            let place = partitioner.sticky(4, |place| Standing { has_leader: place != Place(2), ..LED });
            used[place.0 as usize] += 1;
            partitioner.produced(Bytes::new(60), false);
            assert_eq!(partitioner.sticky(4, |_| LED), place, "60 bytes are no share");
            partitioner.produced(Bytes::new(60), true);
        }
        assert_eq!(used[2], 0, "nobody leads it");
        assert!(used.iter().filter(|&&count| count > 90).count() == 3, "{used:?}");
    }

    #[test]
    fn an_open_batch_keeps_the_partition_up_to_twice_its_share() {
        let mut partitioner = Partitioner::new(5, Bytes::new(100));
        partitioner.sticky(2, |_| LED);
        partitioner.produced(Bytes::new(199), false);
        assert!(partitioner.sticky.is_some() && partitioner.has_had_its_share());
        partitioner.produced(Bytes::new(1), false);
        assert!(partitioner.sticky.is_none());
    }
}
