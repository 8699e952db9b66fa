//! How the producer gets its id from a broker: `InitProducerIdHandler` of `TransactionManager` and
//! `Sender.maybeSendAndPollTransactionalRequest`, for a producer that is idempotent and no more.
//!
//! Until it has the id nothing is drained and, as nothing looks at what waits, nothing runs out of its
//! `delivery.timeout.ms` either.
//!
//! `Departure from Kafka:` only a question that was sent and not answered is followed by `retry.backoff.ms`. Kafka waits as
//! long when no connection for it could be made; here the next broker is tried at once.

use super::{Producer, ProducerPort, ProducerTimer, Request};
use crate::cluster::protocol::{Message, ProducerIdAnswer};
use crate::devices::port::Outbox;
use crate::kernel::units::{Bytes, Time};

/// The size of an InitProducerId request.
const REQUEST_BYTES: Bytes = Bytes::new(50);

/// How far the question for the id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// To be asked as soon as may be.
    Due,
    /// Some broker was asked.
    UnderWay,
    /// It was not answered and waits for its alarm.
    BackingOff,
    /// The producer has an id, or needs none.
    Settled,
}

impl Producer {
    /// Whether batches may go out. If they may not for want of an id, asks for one if that is due: the broker with the
    /// least in flight. The question for metadata, if there is one, has gone before.
    #[inline]
    pub(super) fn has_id_or_asks(&mut self, now: Time, out: &mut Outbox<ProducerPort>) -> bool {
        match self.question {
            Question::Settled => true,
            Question::UnderWay | Question::BackingOff => false,
            Question::Due => {
                if let Some(node) = self.metadata.least_loaded(&self.network)
                    && self.network.ready(now, node, out)
                {
                    let deadline = now + self.options.request_timeout;
                    let request = (Message::InitProducerId, REQUEST_BYTES);
                    self.network.send(node, request, (Request::ProducerId, deadline), out);
                    self.wake_by(now, deadline, out);
                    self.question = Question::UnderWay;
                }
                false
            }
        }
    }

    /// The id has come. What has waited too long for it is given up now.
    pub(super) fn on_producer_id(
        &mut self,
        now: Time,
        answer: ProducerIdAnswer,
        out: &mut Outbox<ProducerPort>,
    ) {
        self.question = Question::Settled;
        self.identity.as_mut().expect("only an idempotent producer asks for an id").begin(answer.producer_id);
        self.expire_batches(now, out);
    }

    /// The question was not answered.
    pub(super) fn on_producer_id_failure(&mut self, out: &mut Outbox<ProducerPort>) {
        self.question = Question::BackingOff;
        out.set_timer(ProducerTimer::ProducerId, self.options.retry_backoff);
    }

    /// The wait after a question that was not answered is over.
    pub(super) fn on_producer_id_alarm(&mut self) {
        self.question = Question::Due;
    }
}
