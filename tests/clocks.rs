//! What a clock that is set does, and what it does not: Kafka counts some spans by the time of day, and others by a clock that
//! never jumps.

mod common;

use highwater::explore::one;

/// One rule: what happens, and what comes out.
struct Case {
    what: &'static str,
    kafka: &'static str,
    /// Settings, on lines of their own.
    settings: &'static str,
    faults: &'static str,
    expect: &'static str,
}

const CASES: &[Case] = &[
    // `BrokerHeartbeatTracker`, `KafkaEventQueue`, `SystemTimer`: `Time.nanoseconds`, `Time.hiResClockMs`.
    Case {
        what: "sessions, requests that wait and periodic tasks count by the monotonic clock",
        kafka: "4.1",
        settings: "",
        faults: "{ at = \"3s\", do = \"clock-jump\", by = \"50m\", on = \"all-brokers\" },
                 { at = \"6s\", do = \"clock-jump\", by = \"-1h\", on = \"all-brokers\" }",
        expect: "acked = 600, answer_longest = \"<=10ms\", keeps = [\"acked-is-kept\", \"progress\"]",
    },
    // `Partition.isFollowerOutOfSync`: the check itself comes every half of replica.lag.time.max.ms. Without a jump it is 30 s
    // at least.
    Case {
        what: "a follower that stands still is out of sync sooner by the jump of the leader's clock",
        kafka: "4.1",
        settings: "",
        faults: "{ at = \"3s\", do = \"cut\", from = \"follower(orders-0)\", to = \"leader(orders-0)\", for = \"60s\" },
                 { at = \"4s\", do = \"clock-jump\", by = \"1m\", on = \"leader(orders-0)\" }",
        expect: "acked = 600, faults.1.isr_shrunk_after = \"1s..=17s\"",
    },
    Case {
        what: "and otherwise not",
        kafka: "4.1",
        settings: "",
        faults: "{ at = \"3s\", do = \"cut\", from = \"follower(orders-0)\", to = \"leader(orders-0)\", for = \"60s\" },
                 { at = \"4s\", do = \"clock-jump\", by = \"1m\", on = \"follower(orders-0)\" }",
        expect: "acked = 600, faults.1.isr_shrunk_after = \"29s..=47s\"",
    },
    // `PartitionFetchState.dueMs`: a follower that was refused waits replica.fetch.backoff.ms by the time of day.
    Case {
        what: "a follower that backs off and is set back stands still for so much longer",
        kafka: "4.1",
        settings: "",
        faults: "{ at = \"3s\", do = \"cut\", from = \"follower(orders-0)\", to = \"leader(orders-0)\", for = \"32s\" },
                 { at = \"34s\", do = \"clock-jump\", by = \"-20s\", on = \"follower(orders-0)\", for = \"60s\" }",
        expect: "acked = 600, faults.1.isr_restored_after = \"50s..=54s\"",
    },
    // `LogValidator.recordHasInvalidTimestamp`.
    Case {
        what: "a record from more than an hour ahead is refused",
        kafka: "4.1",
        settings: "",
        faults: "{ at = \"3s\", do = \"clock-jump\", by = \"3601s\", on = \"producer(web)\" }",
        expect: "acked = \"299..=301\", failed = \"299..=301\", ghost = 0",
    },
    Case {
        what: "as by a leader that is so far behind",
        kafka: "4.1",
        settings: "",
        faults: "{ at = \"3s\", do = \"clock-jump\", by = \"-3601s\", on = \"leader(orders-0)\" }",
        expect: "acked = \"299..=301\", failed = \"299..=301\", ghost = 0",
    },
    Case {
        what: "up to an hour is no matter",
        kafka: "4.1",
        settings: "",
        faults: "{ at = \"3s\", do = \"clock-jump\", by = \"3599s\", on = \"producer(web)\" }",
        expect: "acked = 600",
    },
    Case {
        what: "nor is it where the topic allows more",
        kafka: "4.1",
        settings: "topics.orders.message.timestamp.after.max.ms = 7200000",
        faults: "{ at = \"3s\", do = \"clock-jump\", by = \"3601s\", on = \"producer(web)\" }",
        expect: "acked = 600",
    },
    // KIP-1030.
    Case {
        what: "nor was it before 4.0",
        kafka: "3.9",
        settings: "",
        faults: "{ at = \"3s\", do = \"clock-jump\", by = \"48h\", on = \"producer(web)\" }",
        expect: "acked = 600",
    },
    // `Sender`, `NetworkClient`: `Time.milliseconds`.
    Case {
        what: "a request under way times out by the client's clock, and is sent again",
        kafka: "4.1",
        settings: "",
        faults: "{ at = \"3s\", do = \"hold\", from = \"leader(orders-0)\", to = \"producer(web)\", what = \"produce-response\",
                   for = \"1s\" },
                 { at = \"3500ms\", do = \"clock-jump\", by = \"31s\", on = \"producer(web)\" }",
        expect: "acked = 600, answer_longest = \"<=1200ms\", faults.2.first_ack_after = \"<=600ms\"",
    },
    Case {
        what: "a client that is set back gives what is under way more time",
        kafka: "4.1",
        settings: "producers.web.request.timeout.ms = 1000\nproducers.web.delivery.timeout.ms = 2000",
        faults: "{ at = \"3s\", do = \"hold\", from = \"leader(orders-0)\", to = \"producer(web)\", what = \"produce-response\",
                   for = \"8s\" },
                 { at = \"3500ms\", do = \"clock-jump\", by = \"-10s\", on = \"producer(web)\" }",
        expect: "answer_longest = \"7s..=9s\"",
    },
];

#[test]
fn each_span_counts_by_its_own_clock() {
    for Case { what, kafka, settings, faults, expect } in CASES {
        let text = format!(
            "kafka = \"{kafka}\"\n{settings}\n\
             topics.orders.replication.factor = 3\ntopics.orders.min.insync.replicas = 2\n\
             producers.web.into = \"orders\"\nproducers.web.records = 600\nproducers.web.rate = \"100/s\"\n\
             producers.web.acks = \"all\"\nproducers.web.linger.ms = 0\n\
             faults = [{faults}]\nexpect = {{ {expect} }}\nrun.until = \"120s\"\n"
        );
        let model = common::model(what, &text);
        for seed in 0..8 {
            let run = one::run(&model, seed, false);
            assert!(
                run.expected.misses.is_empty(),
                "{what}, seed {seed}: {}",
                run.expected.misses.join("; ")
            );
            assert!(!run.judgement.is_violation(), "{what}, seed {seed}: {:?}", run.judgement);
        }
    }
}
