//! Whose message a message is: producers' messages are consecutive, in the order of the model.

use std::ops::Range;

use crate::cluster::units::MessageId;
use crate::scenario::model::Model;

/// Where each producer's messages begin.
#[derive(Clone, Debug, Default)]
pub struct Numbering {
    /// One more than there are producers: the last is how many messages there are in all.
    firsts: Vec<u32>,
}

impl Numbering {
    /// The numbering of a model's messages.
    pub fn new(model: &Model) -> Numbering {
        let mut numbering = Numbering::default();
        numbering.reset(model);
        numbering
    }

    /// The same for another model, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.firsts.clear();
        let mut first = 0_u32;
        self.firsts.push(first);
        for producer in &model.producers {
            first = first.checked_add(producer.workload.records).expect("fewer than 2^32 messages");
            self.firsts.push(first);
        }
    }

    /// How many `send()` calls the workload has in all.
    pub fn messages(&self) -> usize {
        *self.firsts.last().expect("a numbering has an end") as usize
    }

    /// How many producers there are.
    pub fn producers(&self) -> usize {
        self.firsts.len() - 1
    }

    /// A producer's messages.
    pub fn of(&self, producer: usize) -> Range<usize> {
        self.firsts[producer] as usize..self.firsts[producer + 1] as usize
    }

    /// Whose message this is, by the producer's place in the model.
    #[inline]
    pub fn producer(&self, message: MessageId) -> usize {
        if self.firsts.len() == 2 {
            return 0;
        }
        self.firsts.partition_point(|&first| first <= message.0) - 1
    }

    /// The message's number among its producer's, from 1: how people count them.
    pub fn number(&self, message: MessageId) -> u32 {
        message.0 - self.firsts[self.producer(message)] + 1
    }
}
