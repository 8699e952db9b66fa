//! What is still to happen, in the order (time, sequence).
//!
//! An entry of the heap is four integers; what it stands for lies in a slab whose slots are used again. Cancelling
//! frees the slot and moves its generation on, so that a stale entry is recognised when it surfaces.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::units::Time;

/// Names a pending event, for cancelling it. Of no use once the event has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    slot: u32,
    generation: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    time: Time,
    sequence: u64,
    slot: u32,
    generation: u32,
}

impl Entry {
    /// Its place in the order, as one number: time, then sequence.
    #[inline]
    fn place(&self) -> u128 {
        u128::from(self.time.nanoseconds()) << 64 | u128::from(self.sequence)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        // The heap gives its greatest first: the least place is greatest.
        other.place().cmp(&self.place())
    }
}

impl PartialOrd for Entry {
    #[inline]
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    // What the heap asks. Left to `partial_cmp`, every comparison would be made of three.
    #[inline]
    fn lt(&self, other: &Entry) -> bool {
        other.place() < self.place()
    }

    #[inline]
    fn le(&self, other: &Entry) -> bool {
        other.place() <= self.place()
    }
}

#[derive(Clone, Debug)]
struct Slot<E> {
    generation: u32,
    event: Option<E>,
}

/// Pending events. Two at one instant come out in the order they were put in.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Entry>,
    /// The first of the heap has been taken. It is replaced by what is put in next, which is less work than taking it out
    /// and putting that in: most events lead to one other, soon.
    first_is_taken: bool,
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
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
    pub fn push(&mut self, time: Time, event: E) -> Key {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot { generation: 0, event: None });
                u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 events are pending")
            }
        };
        let held = &mut self.slots[slot as usize];
        held.event = Some(event);
        let key = Key { slot, generation: held.generation };
        let entry = Entry { time, sequence: self.sequence, slot, generation: key.generation };
        self.sequence += 1;
        if self.first_is_taken {
            self.first_is_taken = false;
            *self.heap.peek_mut().expect("its first was taken and is there still") = entry;
        } else {
            self.heap.push(entry);
        }
        key
    }

    /// Takes the event `key` names out of the queue; `None` if it has been taken or cancelled already.
    pub fn cancel(&mut self, key: Key) -> Option<E> {
        let held = &mut self.slots[key.slot as usize];
        if held.generation != key.generation {
            return None;
        }
        held.generation = held.generation.wrapping_add(1);
        self.free.push(key.slot);
        held.event.take()
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        self.pop_until(Time::NEVER)
    }

    /// The next event and its time, if it is not after `last`.
    pub fn pop_until(&mut self, last: Time) -> Option<(Time, E)> {
        loop {
            if std::mem::take(&mut self.first_is_taken) {
                self.heap.pop();
            }
            let entry = *self.heap.peek()?;
            if entry.time > last {
                return None;
            }
            self.first_is_taken = true;
            if let Some(event) = self.cancel(Key { slot: entry.slot, generation: entry.generation }) {
                return Some((entry.time, event));
            }
        }
    }

    /// How many events are pending.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every pending event, in no order that means anything.
    pub fn pending(&self) -> impl Iterator<Item = &E> {
        self.slots.iter().filter_map(|slot| slot.event.as_ref())
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
    fn a_cancelled_event_never_comes_and_its_slot_serves_again() {
        let mut queue = Queue::default();
        let first = queue.push(at(1), 'x');
        assert_eq!(queue.cancel(first), Some('x'));
        let second = queue.push(at(2), 'y');
        assert_eq!(queue.cancel(first), None, "the slot is another event's now");
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.pop(), Some((at(2), 'y')));
        assert_eq!(queue.cancel(second), None);
        assert!(queue.is_empty() && queue.pop().is_none());
    }

    #[test]
    fn until_leaves_what_is_later() {
        let mut queue = Queue::default();
        queue.push(at(10), 'z');
        assert_eq!(queue.pop_until(at(9)), None);
        assert_eq!(queue.pop_until(at(10)), Some((at(10), 'z')));
    }
}
