//! What is still to happen, in the order (time, sequence).
//!
//! An entry of the heap is one number; what it stands for lies in a slab whose slots are used again. Nothing is taken back:
//! whoever no longer wants an event knows it when the event comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::units::Time;

/// Its time, the count of those put in before it, and its slot, as one number: the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u128);

impl Entry {
    /// 2^28 events can be pending at once,
    const SLOT_BITS: u32 = 28;
    /// and 2^36 put in during a run.
    const SEQUENCE_BITS: u32 = 36;

    #[inline]
    fn new(time: Time, sequence: u64, slot: usize) -> Entry {
        let below = sequence << Entry::SLOT_BITS | slot as u64;
        Entry(u128::from(time.nanoseconds()) << 64 | u128::from(below))
    }

    #[inline]
    fn time(self) -> Time {
        Time::from_nanoseconds((self.0 >> 64) as u64)
    }

    #[inline]
    fn slot(self) -> usize {
        self.0 as usize & ((1 << Entry::SLOT_BITS) - 1)
    }
}

/// Pending events. Two at one instant come out in the order they were put in.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Reverse<Entry>>,
    /// The first of the heap has been taken. It is replaced by what is put in next, which is less work than taking it out
    /// and putting that in: most events lead to one other, soon.
    first_is_taken: bool,
    /// What lies there, or lay there last. Optional, so that a new slot is made before its event is written: written in one place
    /// only, an event takes less than where it fills either an old slot or a new one.
    slots: Vec<Option<E>>,
    free: Vec<usize>,
    sequence: u64,
}

impl<E: Copy> Default for Queue<E> {
    fn default() -> Self {
        Queue {
            heap: BinaryHeap::new(),
            first_is_taken: false,
            slots: Vec::new(),
            free: Vec::new(),
            sequence: 0,
        }
    }
}

impl<E: Copy> Queue<E> {
    /// Puts `event` in at `time`; what is put in at one instant comes out in the order of putting in.
    // Inlined so that an event is written where it stays: written elsewhere and moved there at once, in other pieces than it was
    // written in, it keeps the processor waiting.
    #[inline(always)]
    pub fn push(&mut self, time: Time, event: E) {
        let slot = self.free.pop().unwrap_or_else(|| self.new_slot());
        self.slots[slot] = Some(event);
        self.enter(time, slot);
    }

    #[cold]
    fn new_slot(&mut self) -> usize {
        assert!(self.slots.len() >> Entry::SLOT_BITS == 0, "fewer than 2^28 events are pending");
        self.slots.push(None);
        self.slots.len() - 1
    }

    fn enter(&mut self, time: Time, slot: usize) {
        assert!(self.sequence >> Entry::SEQUENCE_BITS == 0, "fewer than 2^36 events are put in");
        let entry = Reverse(Entry::new(time, self.sequence, slot));
        self.sequence += 1;
        if self.first_is_taken {
            self.first_is_taken = false;
            *self.heap.peek_mut().expect("its first was taken and is there still") = entry;
        } else {
            self.heap.push(entry);
        }
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        self.pop_until(Time::NEVER)
    }

    /// The next event and its time, if it is not after `last`.
    #[inline]
    pub fn pop_until(&mut self, last: Time) -> Option<(Time, E)> {
        if self.first_is_taken {
            self.first_is_taken = false;
            self.heap.pop();
        }
        let &Reverse(entry) = self.heap.peek()?;
        if entry.time() > last {
            return None;
        }
        self.first_is_taken = true;
        self.free.push(entry.slot());
        let event = self.slots[entry.slot()].expect("a slot in the heap holds an event");
        Some((entry.time(), event))
    }

    /// How many events have been taken.
    pub fn taken(&self) -> u64 {
        self.sequence - self.len() as u64
    }

    /// How many events are pending.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every pending event and its time, in no order that means anything.
    pub fn pending(&self) -> impl Iterator<Item = (Time, &E)> {
        let taken = usize::from(self.first_is_taken);
        self.heap.iter().skip(taken).filter_map(|&Reverse(entry)| {
            self.slots[entry.slot()].as_ref().map(|event| (entry.time(), event))
        })
    }

    /// Empties the queue and keeps its memory.
    pub fn clear(&mut self) {
        self.heap.clear();
        self.first_is_taken = false;
        self.slots.clear();
        self.free.clear();
        self.sequence = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanoseconds: u64) -> Time {
        Time::from_nanoseconds(nanoseconds)
    }

    #[test]
    fn order_is_time_then_order_of_putting_in() {
        let mut queue = Queue::default();
        for (time, event) in [(5, 'd'), (1, 'a'), (5, 'e'), (3, 'b'), (3, 'c')] {
            queue.push(at(time), event);
        }
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        assert_eq!(order, "abcde");
    }

    #[test]
    fn a_slot_serves_again_and_what_is_pending_is_known() {
        let mut queue = Queue::default();
        queue.push(at(1), 'x');
        queue.push(at(3), 'z');
        assert_eq!(queue.pop(), Some((at(1), 'x')));
        assert_eq!(
            (queue.len(), queue.pending().map(|(_, event)| event).collect::<String>().as_str()),
            (1, "z")
        );
        queue.push(at(2), 'y');
        assert_eq!((queue.len(), queue.slots.len(), queue.taken()), (2, 2, 1));
        assert_eq!((queue.pop(), queue.pop()), (Some((at(2), 'y')), Some((at(3), 'z'))));
        assert!(queue.is_empty() && queue.pop().is_none() && queue.pending().next().is_none());
    }

    #[test]
    fn until_leaves_what_is_later() {
        let mut queue = Queue::default();
        queue.push(at(10), 'z');
        assert_eq!(queue.pop_until(at(9)), None);
        assert_eq!(queue.pop_until(at(10)), Some((at(10), 'z')));
    }
}
