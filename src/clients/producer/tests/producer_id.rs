//! The producer's id: when it is asked for, and what waits for it.

use super::*;
use crate::cluster::units::BatchId;

/// A producer whose brokers give no id yet.
fn without_id(options: ProducerOptions, workload: Workload) -> Rig {
    let mut rig = Rig::new(options, workload, 1);
    rig.gives_no_id = true;
    rig.feed(Event::Start);
    rig
}

#[test]
fn an_idempotent_producer_asks_for_an_id_once() {
    for idempotence in [true, false] {
        let mut rig = Rig::started(ProducerOptions { idempotence, ..options() }, paced(20), 1);
        rig.pass(MS(50));
        assert_eq!(rig.asked_for_id, u32::from(idempotence));
        assert_eq!(rig.store.batch_count(), 5, "five in flight");
    }
}

#[test]
fn nothing_goes_out_before_the_id_is_there() {
    let mut rig = without_id(options(), paced(3));
    rig.pass(MS(10));
    assert!(rig.read().is_empty());
    assert_eq!((rig.asked_for_id, rig.producer.sent()), (1, 3));
    let peer = Peer { node: NodeId(1), channel: PRODUCER_CHANNEL };
    let answer = ProducerIdAnswer { producer_id: ProducerId(2_003) };
    rig.feed(Event::Response(peer, Message::ProducerIdAnswer(answer)));
    assert_eq!(rig.read(), ["to 1: p0[0-2]#0"]);
    assert_eq!(rig.store.batch(BatchId(0)).producer_id, ProducerId(2_003));
}

#[test]
fn a_question_for_an_id_that_fails_is_asked_again_after_its_wait() {
    // By a connection that breaks, and by request.timeout.ms.
    for breaks in [true, false] {
        let mut rig = without_id(options(), paced(1));
        if breaks {
            rig.disconnect(1);
        } else {
            rig.pass(MS(30_000));
        }
        rig.gives_no_id = false;
        rig.pass(MS(99));
        assert!(rig.read().is_empty() && rig.asked_for_id == 1, "retry.backoff.ms is not over");
        rig.pass(MS(1));
        assert_eq!(rig.asked_for_id, 2);
        assert_eq!(rig.read(), ["to 1: p0[0-0]#0"]);
    }
}

#[test]
fn batches_do_not_expire_before_the_id_is_there() {
    let short = ProducerOptions { delivery_timeout: MS(40_000), ..options() };
    let mut rig = without_id(short, workload(2));
    rig.pass(MS(59_000));
    assert!(rig.read().is_empty(), "nobody looks at what waits");
    rig.gives_no_id = false;
    rig.pass(MS(40_000));
    assert_eq!(rig.read(), ["0-1 TimeoutException"]);
}
