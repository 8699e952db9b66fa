//! The Java producer's retries, with numbers and without (`Sender`, `TransactionManager`).

use highwater::clients::app::OnError;
use highwater::clients::options::ProducerOptions;
use highwater::cluster::protocol::ErrorCode::{
    self, NotEnoughReplicas, OutOfOrderSequenceNumber, UnknownProducerId,
};
use highwater::devices::port::Event;
use highwater::kernel::units::Span;
use highwater::scenario::words::Count;

use crate::producer::{Desk, options};
use crate::worlds;

fn plain() -> ProducerOptions {
    ProducerOptions { idempotence: false, ..options() }
}

#[test]
fn r3_2_1_without_idempotence_a_retry_is_overtaken_and_a_lost_answer_doubles() {
    let mut desk = Desk::new(plain(), 2);
    desk.pass(2);
    desk.answer(NotEnoughReplicas);
    desk.answer(ErrorCode::None);
    desk.pass(130);
    assert_eq!(desk.wire, ["0-0", "1-1", "0-0"], "0 lies behind 1 now");
    // One request in flight keeps the order.
    let mut desk = Desk::new(ProducerOptions { max_in_flight: 1, ..plain() }, 2);
    desk.pass(2);
    desk.answer(NotEnoughReplicas);
    desk.pass(130);
    desk.answer(ErrorCode::None);
    assert_eq!(desk.wire, ["0-0", "0-0", "1-1"]);
    // The answer is lost with the connection, and nothing tells the broker that it has the batch.
    let mut desk = Desk::new(plain(), 1);
    desk.disconnect();
    desk.pass(2_000);
    assert_eq!(desk.wire, ["0-0", "0-0"]);
}

#[test]
fn r3_2_2_with_idempotence_batches_keep_their_numbers_and_order_until_their_time_is_up() {
    let mut desk = Desk::new(options(), 20);
    desk.pass(20);
    assert_eq!(desk.in_flight(), 5);
    assert_eq!(desk.wire, ["0-0#0.0", "1-1#1.0", "2-2#2.0", "3-3#3.0", "4-4#4.0"]);
    let mut desk = Desk::new(options(), 3);
    desk.pass(3);
    desk.disconnect();
    desk.pass(2_000);
    desk.answer(ErrorCode::None);
    desk.answer(ErrorCode::None);
    desk.pass(1);
    assert_eq!(desk.wire[3..], ["0-0#0.0", "1-1#1.0", "2-2#2.0"], "again in order, under the same numbers");
    // Every retriable error, for two minutes from the batch's making.
    let mut desk = Desk::new(options(), 1);
    for _ in 0..119 {
        if desk.in_flight() > 0 {
            desk.answer(NotEnoughReplicas);
        }
        desk.pass(1_000);
    }
    assert!(desk.told().is_empty() && desk.wire.len() > 100, "{:?}", desk.told());
    desk.pass(2_000);
    assert_eq!(desk.told(), ["0-0 TimeoutException"]);
}

#[test]
fn r3_2_3_a_batch_given_up_in_flight_holds_the_partition_and_its_gap_ends_the_epoch() {
    let short = ProducerOptions {
        delivery_timeout: Span::from_milliseconds(1_000),
        request_timeout: Span::from_milliseconds(30_000),
        ..options()
    };
    let mut desk = Desk::paced(short, 3, 1_500);
    desk.disconnect();
    desk.pass(1_400);
    assert_eq!(desk.told(), ["0-0 TimeoutException"], "though the broker may have it");
    desk.pass(3_000);
    assert_eq!(desk.wire[..3], ["0-0#0.0", "0-0#0.0", "1-1#0.1"], "the next number would leave a gap");
}

#[test]
fn r3_2_4_out_of_order_is_tried_again_and_at_the_next_expected_number_ends_the_epoch() {
    // The second of two: the first is not answered yet.
    let mut desk = Desk::new(options(), 2);
    desk.pass(2);
    desk.answer(NotEnoughReplicas);
    desk.answer(OutOfOrderSequenceNumber);
    desk.pass(300);
    desk.answer(ErrorCode::None);
    desk.pass(300);
    assert_eq!(desk.wire[2..], ["0-0#0.0", "1-1#1.0"], "the same numbers, the same epoch");
    // The next expected: a new epoch of its own making, from 0, and the same records.
    let mut desk = Desk::new(options(), 2);
    desk.pass(2);
    desk.answer(ErrorCode::None);
    desk.answer(OutOfOrderSequenceNumber);
    desk.pass(300);
    assert_eq!(desk.wire[2..], ["1-1#0.1"]);
    assert_eq!(desk.ids, 1, "no broker was asked");
    assert_eq!(desk.told(), ["0-0 success"]);
    // What is in flight behind it is numbered anew as well, and what comes goes on from there.
    let mut desk = Desk::new(options(), 5);
    desk.pass(3);
    desk.answer(ErrorCode::None);
    while desk.in_flight() > 0 {
        desk.answer(OutOfOrderSequenceNumber);
    }
    for _ in 0..3 {
        desk.pass(300);
        while desk.in_flight() > 0 {
            desk.answer(ErrorCode::None);
        }
    }
    let again: Vec<&str> = desk.wire.iter().map(String::as_str).filter(|sent| sent.ends_with(".1")).collect();
    assert_eq!(again, ["1-1#0.1", "2-2#1.1", "3-3#2.1", "4-4#3.1"]);
}

/// `TransactionManager.resetIdempotentProducerId`.
#[test]
fn r3_2_6_after_the_last_epoch_comes_another_id() {
    let last = u32::from(i16::MAX as u16);
    let at_once = ProducerOptions { retry_backoff: Span::ZERO, ..options() };
    let mut desk = Desk::paced(at_once, last + 2, 4);
    for epoch in 1..=last {
        desk.answer(OutOfOrderSequenceNumber);
        desk.pass(1);
        let wire = desk.wire.pop().expect("it is tried again");
        assert!(wire.ends_with(&format!("#0.{epoch}")), "{wire}");
        desk.answer(ErrorCode::None);
        desk.pass(3);
    }
    desk.wire.clear();
    assert_eq!(desk.ids, 1);
    // There is no later epoch: what is open goes out without a number, and what comes then under another id.
    desk.answer(OutOfOrderSequenceNumber);
    desk.pass(1);
    desk.answer(ErrorCode::None);
    desk.pass(3);
    assert_eq!(
        (desk.wire.as_slice(), desk.ids),
        (["32767-32767", "32768-32768#0.0"].map(str::to_owned).as_slice(), 2)
    );
}

/// `KafkaProducer` asks for an id when it begins; the brokers know batches by it (KIP-98).
#[test]
fn r3_2_7_idempotence_ends_with_the_process_and_what_the_next_sends_again_is_doubled() {
    let mut desk = Desk::with(options(), |workload| workload.on_error = OnError::Outbox, 2);
    desk.pass(2);
    desk.answer(ErrorCode::None);
    desk.kill();
    desk.feed(Event::Start);
    assert_eq!(desk.wire[2..], ["1-1#0.0"], "the same message, and the first number of another producer");
    assert_eq!(desk.ids, 2);
    // Brokers that have the batch of the first process take that of the second for something else.
    let run = worlds::run(
        r#"
        cluster.brokers = 3
        network.latency = "5ms"
        topics.orders = { replication.factor = 3, min.insync.replicas = 2 }
        producers.web = { into = "orders", records = 100, rate = "100/s", linger.ms = 0, on_error = "outbox" }
        faults = [{ at = "505ms", do = "crash", on = "producer(web)", for = "1s" }]
        "#,
    );
    assert_eq!((run.count(Count::Acked), run.count(Count::Lost)), (100, 0));
    assert!(run.count(Count::Duplicated) > 0);
}

#[test]
fn r3_2_5_unknown_producer_id_ends_the_epoch_and_is_tried_again() {
    let mut desk = Desk::new(options(), 2);
    desk.pass(2);
    desk.answer(ErrorCode::None);
    desk.answer(UnknownProducerId);
    desk.pass(300);
    assert_eq!(desk.wire[2..], ["1-1#0.1"]);
}
