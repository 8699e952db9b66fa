//! What a text becomes: each case a text, what to look at, and how that reads.

use super::section::Schema;
use super::{Overrides, client, cluster, known, read_with, topic};
use crate::kernel::units::Bytes;
use crate::scenario::model::Model;

/// Enough of a model for a producer to send somewhere.
const SMALL: &str = "[topics.orders]\n[producers.web]\ninto = \"orders\"\nrecords = 1\n";

type Look = fn(&Model) -> String;

fn model(text: &str, set: &[&str]) -> Model {
    let overrides = Overrides { set: set.iter().map(|&flag| flag.to_owned()).collect(), seed: None };
    read_with("a case", text, &overrides).unwrap_or_else(|report| panic!("{text}\n{report}"))
}

fn check(cases: &[(&str, Look, &str)]) {
    for (text, look, expected) in cases {
        assert_eq!(look(&model(text, &[])), *expected, "{text}");
    }
}

#[test]
fn a_setting_of_the_topic_stands_over_the_brokers() {
    let flush: Look = |m| m.topics[0].options.flush_interval.to_string();
    let min_isr: Look = |m| m.topics[0].options.min_insync_replicas.to_string();
    let by_count: Look = |m| format!("{:?}", m.topics[0].options.flush_messages);
    let shape: Look = |m| format!("{:?}", m.topics[0].assignment);
    let rolls: Look = |m| {
        let segments = m.topics[0].options.segments;
        format!("{} or {}", segments.bytes.get(), segments.span)
    };
    let kept: Look = |m| {
        let options = m.topics[0].options;
        format!("{} and {:?}", options.retention_span, options.retention_bytes.map(Bytes::get))
    };
    check(&[
        ("[topics.t]", kept, "168 h and None"),
        ("[broker]\nlog.retention.hours = 1\nlog.retention.minutes = 3\n[topics.t]", kept, "3 min and None"),
        (
            "[broker]\nlog.retention.ms = -1\nlog.retention.hours = 1\nlog.retention.bytes = 5\n[topics.t]",
            kept,
            "for ever and Some(5)",
        ),
        (
            "[broker]\nlog.retention.bytes = 5\n[topics.t]\nretention.ms = 0\nretention.bytes = -1",
            kept,
            "0 s and None",
        ),
        ("[topics.t]", rolls, "1073741824 or 168 h"),
        ("[broker]\nlog.segment.bytes = 1048576\nlog.roll.hours = 2\n[topics.t]", rolls, "1048576 or 2 h"),
        ("[broker]\nlog.roll.ms = 5\nlog.roll.hours = 2\n[topics.t]", rolls, "1073741824 or 5 ms"),
        (
            "[broker]\nlog.roll.hours = 2\n[topics.t]\nsegment.ms = 7\nsegment.bytes = 2097152",
            rolls,
            "2097152 or 7 ms",
        ),
        ("[topics.t]", flush, "for ever"),
        ("[broker]\nlog.flush.interval.ms = 7\n[topics.t]", flush, "7 ms"),
        ("[broker]\nlog.flush.interval.ms = 7\n[topics.t]\nflush.ms = 8", flush, "8 ms"),
        // Without its own default, a topic has the scheduler's interval.
        ("[broker]\nlog.flush.scheduler.interval.ms = 9\n[topics.t]", flush, "9 ms"),
        (
            "[broker]\nlog.flush.scheduler.interval.ms = 9\nlog.flush.interval.ms = 9223372036854775807\n[topics.t]",
            flush,
            "for ever",
        ),
        ("[topics.t]", min_isr, "1"),
        ("[broker]\nmin.insync.replicas = 2\n[topics.t]", min_isr, "2"),
        ("[broker]\nmin.insync.replicas = 2\n[topics.t]\n\"min.insync.replicas\" = \"3\"", min_isr, "3"),
        ("[topics.t]\nmin.insync.replicas = 100000", min_isr, "65535"),
        ("[topics.t]\nflush.messages = 1", by_count, "Some(1)"),
        ("[topics.t]\nflush.messages = 9223372036854775807", by_count, "None"),
        (
            "[broker]\nnum.partitions = 2\ndefault.replication.factor = 3\n[topics.t]",
            shape,
            "[[1, 2, 3], [2, 3, 1]]",
        ),
        (
            "[broker]\nnum.partitions = 2\n[topics.t]\npartitions = 1\nreplication.factor = 2",
            shape,
            "[[1, 2]]",
        ),
    ]);
}

#[test]
fn replicas_go_round_the_brokers_and_partitions_count_through() {
    let whole: Look = |m| {
        let each =
            m.topics.iter().map(|t| format!("{} from {}: {:?}", t.name, t.first_partition, t.assignment));
        each.collect::<Vec<_>>().join("; ")
    };
    check(&[
        (
            "[topics.z]\npartitions = 4\nreplication.factor = 2\n[topics.a]\nassignment = [[3, 1]]\n[topics.b]",
            whole,
            "z from 0: [[1, 2], [2, 3], [3, 1], [1, 2]]; a from 4: [[3, 1]]; b from 5: [[1]]",
        ),
        ("[cluster]\nbrokers = 1\n[topics.t]\npartitions = 2", whole, "t from 0: [[1], [1]]"),
    ]);
}

#[test]
fn the_library_settles_what_a_producer_leaves_open() {
    let idempotence: Look =
        |m| format!("{} {}", m.producers[0].options.acks, m.producers[0].options.idempotence);
    let timeouts: Look = |m| m.producers[0].options.delivery_timeout.to_string();
    let with = |more: &str| format!("{SMALL}{more}");
    check(&[
        (SMALL, idempotence, "all true"),
        (&with("acks = 1"), idempotence, "1 false"),
        (&with("acks = -1"), idempotence, "all true"),
        (&with("retries = 0"), idempotence, "all false"),
        (
            &with("enable.idempotence = false\nmax.in.flight.requests.per.connection = 6"),
            idempotence,
            "all false",
        ),
        (SMALL, timeouts, "2 min"),
        (&with("request.timeout.ms = 200000"), timeouts, "3.333 min"),
    ]);
}

#[test]
fn names_become_what_they_name() {
    let faults: Look =
        |m| m.faults.iter().map(|f| format!("{:?} {:?}", f.when, f.on)).collect::<Vec<_>>().join("; ");
    let links: Look = |m| m.network.links.iter().map(|l| format!("{:?} {:?}", l.one, l.other)).collect();
    let fault = |when: &str, on: &str| {
        let cluster = "[cluster]\nbrokers = 4\nracks = [\"a\", \"b\"]\n";
        let topics = format!("{cluster}[topics.t]\n[topics.u]\npartitions = 2\nreplication.factor = 2\n");
        format!("{topics}[[faults]]\n{when}\ndo = \"crash\"\non = \"{on}\"\n")
    };
    check(&[
        (
            &fault("at = \"1ms\"", "all-brokers"),
            faults,
            "At(Time(1000000)) Brokers([NodeId(1), NodeId(2), NodeId(3), NodeId(4)])",
        ),
        (&fault("at = \"0s\"", "rack(b)"), faults, "At(Time(0)) Rack(\"b\", [NodeId(2), NodeId(4)])"),
        (&fault("at = \"0s\"", "leader(u-1)"), faults, "At(Time(0)) Leader(PartitionId(2))"),
        (&fault("at = \"0s\"", "follower(u-0,0)"), faults, "At(Time(0)) Follower(PartitionId(1), 0)"),
        (
            &fault("after = { isr = \"u-0\", size = 1 }\nplus = \"1ns\"", "controller"),
            faults,
            "After(Isr(PartitionId(1), 1), Span(1)) Controller",
        ),
        (
            &fault("after = { leader-change = \"t-0\", plus = \"1ns\" }", "isr(t-0)"),
            faults,
            "After(LeaderChange(PartitionId(0), 1), Span(1)) Isr(PartitionId(0))",
        ),
        (
            "[network]\nlinks = [{ between = [\"controller\", \"clients\"], latency = \"1ms\" }]\n[topics.t]\n\
             [readers.r]\nreads = [\"t\"]\n[producers.p]\ninto = \"t\"\nrecords = 0",
            links,
            "[NodeId(4)] [NodeId(5), NodeId(6)]",
        ),
    ]);
}

#[test]
fn what_a_file_leaves_open_is_late_and_long_enough() {
    let until: Look = |m| m.until.to_string();
    let settle: Look = |m| m.settle_bound.to_string();
    check(&[
        ("[topics.t]", until, "60.000 s"),
        ("[run]\nuntil = \"5s\"", until, "5.000 s"),
        // A minute, the delivery timeout, and a millisecond for the one record.
        (SMALL, until, "180.001 s"),
        (&format!("{SMALL}rate = \"1/10s\"\nstart = \"1s\""), until, "191.000 s"),
        // For each answer that is waited for a second, and as long as it lingers.
        (&format!("{SMALL}waits = \"each\"\nlinger.ms = 0"), until, "181.000 s"),
        (&format!("{SMALL}waits = \"each\"\nlinger.ms = 60000"), until, "241.000 s"),
        ("[[faults]]\nat = \"100s\"\nfor = \"20s\"\ndo = \"crash\"\non = \"broker(1)\"", until, "180.000 s"),
        // 30 s, 9 s of session, 45 s of lag; with a producer its two minutes.
        ("[topics.t]", settle, "84 s"),
        (SMALL, settle, "3.4 min"),
        ("[broker]\nreplica.lag.time.max.ms = 9223372036854775807", settle, "87600 h"),
    ]);
}

#[test]
fn expectations_keep_their_words() {
    let lines: Look = |m| {
        let each =
            m.expect.lines.iter().map(|l| format!("{} is {:?} {:?} {:?}", l.text, l.scope, l.what, l.range));
        each.collect::<Vec<_>>().join("; ")
    };
    let expect = |line: &str| {
        format!("{SMALL}[[faults]]\nat = \"0s\"\ndo = \"crash\"\non = \"broker(1)\"\n[expect]\n{line}")
    };
    check(&[
        (&expect("lost = 0"), lines, "lost = 0 is None Count(Lost) Range { least: 0, most: 0 }"),
        (
            &expect("producers.web.lost = \"3..=5\""),
            lines,
            "producers.web.lost = \"3..=5\" is Some(Producer(0)) Count(Lost) Range { least: 3, most: 5 }",
        ),
        (
            &expect("faults.1.isr_shrunk_after = \"<=1us\""),
            lines,
            "faults.1.isr_shrunk_after = \"<=1us\" is None AfterFault(1, IsrShrunkAfter) Range { least: 0, most: 1000 }",
        ),
    ]);
}

#[test]
fn a_flag_stands_over_the_file_however_the_file_writes_the_key() {
    let min_isr: Look = |m| m.topics[0].options.min_insync_replicas.to_string();
    let acks: Look = |m| m.producers[0].options.acks.to_string();
    let latency: Look = |m| format!("{:?}", m.network.latency);
    let dotted = "[topics.orders]\nmin.insync.replicas = 2";
    let quoted = "[topics.orders]\n\"min.insync.replicas\" = 2";
    let cases: [(&str, &[&str], Look, &str); 8] = [
        (dotted, &["topics.orders.min.insync.replicas=3"], min_isr, "3"),
        (quoted, &["topics.orders.min.insync.replicas=3"], min_isr, "3"),
        (dotted, &["topics.orders.\"min.insync.replicas\"=3"], min_isr, "3"),
        (quoted, &["topics.orders.\"min.insync.replicas\"=3"], min_isr, "3"),
        (SMALL, &["producers.web.acks=1", "producers.web.acks=all"], acks, "all"),
        (SMALL, &["producers.web.acks=\"0\""], acks, "0"),
        (SMALL, &["network.latency=5ms"], latency, "Constant(Span(5000000))"),
        (SMALL, &["network.latency={ exponential = \"5ms\" }"], latency, "Exponential(Span(5000000))"),
    ];
    for (text, set, look, expected) in cases {
        assert_eq!(look(&model(text, set)), expected, "{text} with {set:?}");
    }
    let overrides = Overrides { set: vec!["seed=3".to_owned()], seed: Some(u64::MAX) };
    assert_eq!(read_with("a case", SMALL, &overrides).map(|model| model.seed), Ok(u64::MAX));
}

#[test]
fn our_own_keys_begin_no_setting_of_kafkas() {
    let schemas = [cluster::CLUSTER, cluster::BROKER, topic::TOPIC, client::PRODUCER, client::READER];
    for Schema { own, later, kafka } in schemas {
        let kafka = kafka.expect("these tables have settings of Kafka's");
        let names = (kafka.modelled)().into_iter().chain(kafka.known.iter().copied());
        for name in names.chain(known::FAMILIES.iter().copied()) {
            let first = name.split('.').next().expect("a name has a segment");
            assert!(!own.contains(&first) && !later.contains(&first), "`{first}` begins `{name}`");
        }
    }
}

#[test]
fn no_setting_is_both_modelled_and_not() {
    for Schema { kafka, .. } in
        [cluster::CLUSTER, cluster::BROKER, topic::TOPIC, client::PRODUCER, client::READER]
    {
        let kafka = kafka.expect("these tables have settings of Kafka's");
        for name in (kafka.modelled)() {
            assert!(!kafka.known.contains(&name), "{name}");
        }
    }
}
