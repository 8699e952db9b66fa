//! When logs are fsynced, and who waits for that.

mod common;

use highwater::cluster::happened::Happened as Cluster;
use highwater::explore::one;
use highwater::kernel::units::{Span, Time};
use highwater::world::happened::Happened;

/// An fsync takes 10 ms and a message 1 ms; five records a second, each alone.
struct Case {
    what: &'static str,
    acks: &'static str,
    topic: &'static str,
    broker: &'static str,
    /// From the leader's append to its answer, in milliseconds: the least and the most of all records.
    answers: (u64, u64),
    /// How many fsyncs of logs there are on all brokers, for 20 records.
    fsyncs: std::ops::RangeInclusive<usize>,
}

const CASES: &[Case] = &[
    Case {
        what: "by default nobody fsyncs",
        acks: "1",
        topic: "",
        broker: "",
        answers: (0, 0),
        fsyncs: 0..=0,
    },
    Case {
        what: "an append ends with its fsync",
        acks: "1",
        topic: "flush.messages = 1",
        broker: "",
        answers: (10, 10),
        fsyncs: 60..=60,
    },
    Case {
        what: "page caches answer; only the first record of an epoch waits for the followers' leader-epoch files",
        acks: "all",
        topic: "",
        broker: "",
        answers: (2, 12),
        fsyncs: 0..=0,
    },
    Case {
        what: "the leader's fsync, to the followers, their fsync, and back",
        acks: "all",
        topic: "flush.messages = 1",
        broker: "",
        answers: (22, 32),
        fsyncs: 60..=60,
    },
    Case {
        what: "every tenth waits",
        acks: "1",
        topic: "flush.messages = 10",
        broker: "",
        answers: (0, 10),
        fsyncs: 6..=6,
    },
    Case {
        what: "flush.ms alone does nothing: log.flush.scheduler.interval.ms is for ever",
        acks: "1",
        topic: "flush.ms = 500",
        broker: "",
        answers: (0, 0),
        fsyncs: 0..=0,
    },
    Case {
        what: "nobody waits for an fsync by flush.ms",
        acks: "1",
        topic: "flush.ms = 500",
        broker: "log.flush.scheduler.interval.ms = 100",
        answers: (0, 0),
        fsyncs: 15..=30,
    },
];

#[test]
fn who_waits_for_an_fsync() {
    for case in CASES {
        let Case { what, acks, topic, broker, .. } = case;
        let model = common::model(
            what,
            &format!(
                "kafka = \"4.1\"\n[network]\nlatency = \"1ms\"\n[disk]\nfsync = \"10ms\"\n[broker]\n{broker}\n\
             [topics.orders]\npartitions = 1\nreplication.factor = 3\nmin.insync.replicas = 2\n{topic}\n\
             [producers.web]\ninto = \"orders\"\nrecords = 20\nrate = \"5/s\"\nacks = \"{acks}\"\n"
            ),
        );
        let run = one::run(&model, 0, true);
        let mut appended = Vec::new();
        let mut answers = Vec::new();
        let mut fsyncs = 0;
        for entry in run.entries().expect("the trace was to be kept") {
            if let Happened::Cluster(Cluster::Appended { batch, leading: true, .. }) = entry.what {
                appended.push((batch, entry.t));
            } else if let Happened::Cluster(Cluster::Acked { batch, .. }) = entry.what {
                let (_, at): &(_, Time) =
                    appended.iter().find(|(one, _)| *one == batch).expect("an append before its answer");
                answers.push(entry.t.since(*at));
            } else if let Happened::Fsynced { .. } = entry.what {
                fsyncs += 1;
            }
        }
        let (least, most) = case.answers;
        let ms = Span::from_milliseconds;
        let seen = (answers.iter().min().copied(), answers.iter().max().copied());
        assert_eq!(seen, (Some(ms(least)), Some(ms(most))), "{what}");
        assert!(case.fsyncs.contains(&fsyncs), "{what}: {fsyncs} fsyncs");
    }
}

#[test]
fn a_replica_that_is_taken_away_takes_its_fsyncs_with_it() {
    // The disk is slow: an fsync is under way at any time, and requests of one producer wait for those of the other.
    for topic in ["flush.ms = 0", "flush.messages = 1", "flush.messages = 3\nflush.ms = 0"] {
        let model = common::model(
            topic,
            &format!(
                "kafka = \"4.1\"\n[cluster]\nbrokers = 4\n[disk]\nfsync = \"300ms\"\n[broker]\n\
                 log.flush.scheduler.interval.ms = 10\n[topics.orders]\nassignment = [[1, 2, 3]]\n\
                 min.insync.replicas = 2\n{topic}\n\
                 [producers.web]\ninto = \"orders\"\nrecords = 300\nrate = \"50/s\"\n\
                 [producers.log]\ninto = \"orders\"\nrecords = 300\nrate = \"50/s\"\nacks = 1\n\
                 [[faults]]\nat = \"2s\"\ndo = \"reassign\"\npartition = \"orders-0\"\nreplicas = [2, 3, 4]\n\
                 [run]\nuntil = \"30s\"\n"
            ),
        );
        for seed in 0..5 {
            let run = one::run(&model, seed, false);
            assert!(run.ending.settled, "{topic} --seed {seed}: {:?}", run.ending.unquiet);
        }
    }
}

/// The recovery point written down last lies below the log's beginning then: nothing is left to be fsynced, and a follower that
/// waited for that would fetch no more (`UnifiedLog.updateLogStartOffset`).
#[test]
fn after_a_restart_nothing_is_to_be_fsynced_of_a_log_that_retention_has_emptied() {
    let model = common::model(
        "emptied",
        r#"
        kafka = "4.1"
        cluster.brokers = 3
        broker = { log.retention.check.interval.ms = 1000 }
        topics.orders = { replication.factor = 3, min.insync.replicas = 2, flush.messages = 1, retention.ms = 1000 }
        producers.web = { into = "orders", records = 10, rate = "10/s", acks = "all" }
        producers.late = { into = "orders", records = 10, rate = "10/s", acks = "all", start = "30s" }
        faults = [{ at = "5s", do = "crash", on = "broker(2)", for = "1s" }]
        "#,
    );
    let run = one::run(&model, 0, true);
    let mut found = run.entries().expect("they are kept").iter().filter_map(|entry| {
        let Happened::Cluster(Cluster::Recovered { end, .. }) = entry.what else { return None };
        Some((entry.node.0, end.0))
    });
    assert_eq!(found.next_back(), Some((2, 10)), "what it finds has no records any more");
    assert!(run.ending.settled, "{:?}", run.ending.unquiet);
}
