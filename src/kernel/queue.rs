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

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        // The heap gives its greatest first: earliest time, then lowest sequence, is greatest.
        (other.time, other.sequence).cmp(&(self.time, self.sequence))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
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
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
    sequence: u64,
}

impl<E: Copy> Default for Queue<E> {
    fn default() -> Self {
        Queue { heap: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), sequence: 0 }
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
        self.heap.push(Entry { time, sequence: self.sequence, slot, generation: key.generation });
        self.sequence += 1;
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
        while let Some(entry) = self.heap.pop() {
            let key = Key { slot: entry.slot, generation: entry.generation };
            if let Some(event) = self.cancel(key) {
                return Some((entry.time, event));
            }
        }
        None
    }

    /// The next event and its time, if it is not after `last`.
    pub fn pop_until(&mut self, last: Time) -> Option<(Time, E)> {
        while let Some(entry) = self.heap.peek() {
            let (time, key) = (entry.time, Key { slot: entry.slot, generation: entry.generation });
            if time > last {
                return None;
            }
            self.heap.pop();
            if let Some(event) = self.cancel(key) {
                return Some((time, event));
            }
        }
        None
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
