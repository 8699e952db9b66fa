//! What each kind of fault does, as the trace has it: to whom, what follows from it, and what comes back.
//!
//! A case is a schedule, and what befalls nodes and disks in the order it does. Whatever strikes in one, every message is told
//! success in the end, and none is lost.

mod common;

use highwater::check::Held;
use highwater::cluster::happened::Happened as Cluster;
use highwater::explore::one::{self, Run};
use highwater::kernel::trace::What;
use highwater::kernel::units::{Span, Time};
use highwater::scenario::words::{Count, Promise};
use highwater::world::happened::Happened;
use highwater::world::metrics::Fate;

struct Case {
    what: &'static str,
    faults: &'static str,
    /// What happens, each as the node, the word and its integers; what is said of replicas and messages is left out.
    happens: &'static [&'static str],
}

/// Brokers 1 to 3, the controller 4, producers 5 and 6, a reader 7. The first producer sends to partition 0, led by broker 1.
const CLUSTER: &str = r#"
    kafka = "4.1"
    cluster.start_time = "1s"
    topics.orders = { replication.factor = 3, min.insync.replicas = 2 }
    topics.audit = { assignment = [[2, 3]] }
    producers.web = { into = "orders", records = 40, rate = "10/s", acks = "all", linger.ms = 0 }
    producers.log = { into = "audit", records = 40, rate = "10/s", acks = 1, linger.ms = 0 }
    readers.all = { reads = ["orders"] }
"#;

const CASES: &[Case] = &[
    Case {
        what: "a link is cut both ways, and mended",
        faults: r#"{ at = "1s", do = "cut", from = "broker(1)", to = ["broker(2)", "controller"], for = "2s" }"#,
        happens: &[
            "1 fault 0",
            "1 link to 2 change 0",
            "2 link to 1 change 0",
            "1 link to 4 change 0",
            "4 link to 1 change 0",
            "1 fault-ended 0",
            "1 link to 2 change 1",
            "2 link to 1 change 1",
            "1 link to 4 change 1",
            "4 link to 1 change 1",
        ],
    },
    Case {
        what: "a set is cut off from everybody; apart, also within",
        faults: r#"{ at = "1s", do = "isolate", on = "brokers(2,3)", apart = true, for = "1s" }"#,
        happens: &["2 fault 0", "2 isolated", "3 isolated", "2 fault-ended 0", "2 joined", "3 joined"],
    },
    Case {
        what: "a link to oneself is no link",
        faults: r#"{ at = "1s", do = "cut", from = "broker(1)", to = "leader(orders-0)", for = "1s" }"#,
        happens: &["0 no-effect 0"],
    },
    Case {
        what: "a link is slow one way",
        faults: r#"{ at = "1s", do = "slow-link", from = "clients", to = "broker(1)", latency = "1s", for = "1s",
                     one_way = true }"#,
        happens: &[
            "5 fault 0",
            "5 link to 1 change 2",
            "6 link to 1 change 2",
            "7 link to 1 change 2",
            "5 fault-ended 0",
            "5 link to 1 change 3",
            "6 link to 1 change 3",
            "7 link to 1 change 3",
        ],
    },
    Case {
        what: "answers to fetches are kept back, and let go",
        faults: r#"{ at = "1s", do = "hold", from = "broker(1)", to = "broker(3)", what = "fetch-response", for = "1s" }"#,
        happens: &[
            "1 fault 0",
            "1 link to 3 change 4 what 3",
            "1 fault-ended 0",
            "1 link to 3 change 5 what 3",
        ],
    },
    Case {
        what: "a disk loses everything with its process, and fills again from the leader",
        faults: r#"{ at = "1s", do = "wipe", on = "follower(orders-0)", for = "1s" }"#,
        happens: &[
            "2 fault 0",
            "2 crashed",
            "2 wiped",
            "2 lost partition 0 old 10 new 0",
            "2 lost partition 1 old 10 new 0",
            "2 fault-ended 0",
            "2 started incarnation 3",
        ],
    },
    Case {
        what: "a wipe of a machine that is dark already",
        faults: r#"{ at = "1s", do = "power-loss", on = "broker(3)", lose = "nothing", for = "1s" },
                   { at = "1500ms", do = "wipe", on = "broker(3)", for = "2s" }"#,
        happens: &[
            "3 fault 0",
            "3 power-lost",
            "3 fault 1",
            "3 wiped",
            "3 lost partition 0 old 10 new 0",
            "3 lost partition 1 old 10 new 0",
            "3 fault-ended 0",
            "3 fault-ended 1",
            "3 started incarnation 4",
        ],
    },
    Case {
        what: "a broker that would write to a full disk ends, and is back when there is room",
        faults: r#"{ at = "1010ms", do = "full-disk", on = "leader(orders-0)", for = "1s" }"#,
        happens: &[
            "1 fault 0",
            "1 disk what 11 over 0",
            "1 halted",
            "1 fault-ended 0",
            "1 disk what 11 over 1",
            "1 started incarnation 3",
        ],
    },
    Case {
        what: "one whose checkpoint cannot be made durable ends too: every 5 s",
        faults: r#"{ at = "1s", do = "fsync-fails", on = "broker(3)", for = "6s" }"#,
        happens: &[
            "3 fault 0",
            "3 disk what 12 over 0",
            "3 halted",
            "3 fault-ended 0",
            "3 disk what 12 over 1",
            "3 started incarnation 3",
        ],
    },
    Case {
        what: "a disk that stalls or is slow ends nobody",
        faults: r#"{ at = "1s", do = "stall-disk", on = "all-brokers", for = "9s" },
                   { at = "1s", do = "slow-disk", on = "controller", factor = 1000, for = "9s" },
                   { at = "2s", do = "fsync-lies", on = "broker(1)", for = "8s" }"#,
        happens: &[
            "1 fault 0",
            "1 disk what 10 over 0",
            "2 disk what 10 over 0",
            "3 disk what 10 over 0",
            "4 fault 1",
            "4 disk what 9 over 0",
            "1 fault 2",
            "1 disk what 13 over 0",
            "1 fault-ended 0",
            "1 disk what 10 over 1",
            "2 disk what 10 over 1",
            "3 disk what 10 over 1",
            "4 fault-ended 1",
            "4 disk what 9 over 1",
            "1 fault-ended 2",
            "1 disk what 13 over 1",
        ],
    },
    Case {
        what: "a broker asked to stop ends well, and loses its disk while it is down",
        faults: r#"{ at = "1s", do = "stop", on = "broker(3)", for = "2s" },
                   { at = "2s", do = "wipe", on = "broker(3)", for = "2s" }"#,
        happens: &[
            "3 fault 0",
            "3 stopping",
            "3 stopped",
            "3 fault 1",
            "3 wiped",
            "3 lost partition 0 old 11 new 0",
            "3 lost partition 1 old 11 new 0",
            "3 fault-ended 0",
            "3 fault-ended 1",
            "3 started incarnation 4",
        ],
    },
    Case {
        what: "one that stands still hears of a failure late, between requests, and is started again at once",
        faults: r#"{ at = "1300ms", do = "slow-disk", on = "broker(2)", factor = 100, for = "1s" },
                   { at = "1300ms", do = "fsync-fails", on = "broker(2)", for = "1s" },
                   { at = "1390ms", do = "pause", on = "broker(2)", for = "2s" }"#,
        happens: &[
            "2 fault 0",
            "2 disk what 9 over 0",
            "2 fault 1",
            "2 disk what 12 over 0",
            "2 fault 2",
            "2 paused",
            "2 fault-ended 0",
            "2 disk what 9 over 1",
            "2 fault-ended 1",
            "2 disk what 12 over 1",
            "2 fault-ended 2",
            "2 resumed",
            "2 halted",
            "2 started incarnation 3",
        ],
    },
    Case {
        what: "the pause of a process that was killed says nothing to the next",
        faults: r#"{ at = "1s", do = "pause", on = "broker(2)", for = "9s" },
                   { at = "2s", do = "crash", on = "broker(2)", for = "1s" },
                   { at = "9s", do = "pause", on = "broker(2)", for = "3s" }"#,
        happens: &[
            "2 fault 0",
            "2 paused",
            "2 fault 1",
            "2 crashed",
            "2 fault-ended 1",
            "2 started incarnation 3",
            "2 fault 2",
            "2 paused",
            "2 fault-ended 0",
            "2 fault-ended 2",
            "2 resumed",
        ],
    },
    Case {
        what: "a byte goes bad for good, of a copy nobody asks for it",
        faults: r#"{ at = "1s", do = "bit-rot", on = "broker(3)", partition = "audit-0", offset = 5 },
                   { at = "1010ms", do = "bit-rot", on = "broker(1)", partition = "audit-0" },
                   { at = "1020ms", do = "bit-rot", on = "broker(2)", partition = "orders-0", offset = 100 }"#,
        happens: &[
            "3 fault 0",
            "3 rotted partition 1 offset 5 old 11 batch 20",
            "3 fault-ended 0",
            "0 no-effect 1",
            "0 no-effect 2",
        ],
    },
    Case {
        what: "a topic's setting, all brokers', and two brokers' own, but for one that does not run",
        faults: r#"{ at = "500ms", do = "crash", on = "broker(3)", for = "20s" },
                   { at = "1s", do = "set", topic = "orders", property = "retention.ms", value = 4000 },
                   { at = "2s", do = "set", on = "all-brokers", property = "log.retention.ms", value = 2000 },
                   { at = "3s", do = "set", on = "brokers(2,3)", property = "log.segment.bytes", value = 2000000 }"#,
        happens: &[
            "3 fault 0",
            "3 crashed",
            "1 fault 1",
            "1 fault-ended 1",
            "4 set partition 0 setting 8 value 4000000000",
            "1 set partition 0 setting 8 value 4000000000",
            "2 set partition 0 setting 8 value 4000000000",
            "1 fault 2",
            "1 fault-ended 2",
            "4 set broker -1 setting 8 value 2000000000",
            "1 set broker -1 setting 8 value 2000000000",
            "2 set broker -1 setting 8 value 2000000000",
            "2 fault 3",
            "2 fault-ended 3",
            "4 set broker 2 setting 6 value 2000000",
            "2 set broker 2 setting 6 value 2000000",
            "3 fault-ended 0",
            "3 started incarnation 3",
            "3 set partition 0 setting 8 value 4000000000",
            "3 set broker -1 setting 8 value 2000000000",
        ],
    },
    Case {
        what: "a producer stands still, and goes on",
        faults: r#"{ at = "1s", do = "pause", on = "producer(log)", for = "1s" }"#,
        happens: &["6 fault 0", "6 paused", "6 fault-ended 0", "6 resumed"],
    },
    Case {
        what: "a controller that is killed comes back",
        faults: r#"{ at = "1s", do = "crash", on = "controllers", for = "1s" }"#,
        happens: &["4 fault 0", "4 crashed", "4 fault-ended 0", "4 started incarnation 3"],
    },
];

fn run(faults: &str) -> Run {
    let model = common::model("faults", &format!("{CLUSTER}\nfaults = [{faults}]\n"));
    one::run(&model, 1, true)
}

/// What befell nodes and disks.
fn happened(run: &Run) -> Vec<String> {
    let entries = run.entries().expect("the trace was to be kept").iter();
    let entries = entries.filter(|entry| match entry.what {
        Happened::Started { incarnation } => incarnation.0 > 1,
        Happened::Cluster(Cluster::Set { .. }) => true,
        Happened::Cluster(_)
        | Happened::Client(_)
        | Happened::Sent { .. }
        | Happened::Answered { .. }
        | Happened::Delivered { .. }
        | Happened::Fsynced { .. }
        | Happened::Healed
        | Happened::Settled
        | Happened::Unsettled => false,
        Happened::Struck { .. }
        | Happened::NoEffect { .. }
        | Happened::Withheld { .. }
        | Happened::Ended { .. }
        | Happened::Crashed
        | Happened::PowerLost
        | Happened::Stopping
        | Happened::Stopped
        | Happened::Halted
        | Happened::Wiped
        | Happened::Link { .. }
        | Happened::Disk { .. }
        | Happened::Rotted { .. }
        | Happened::ClockSet { .. }
        | Happened::Lost { .. }
        | Happened::Paused
        | Happened::Resumed
        | Happened::Isolated
        | Happened::Joined => true,
    });
    let describe = |entry: &highwater::kernel::trace::Entry<Happened>| {
        let mut text = format!("{} {}", entry.node, entry.what.word());
        entry.what.integers(&mut |name, value| {
            text += &if name == "fault" { format!(" {value}") } else { format!(" {name} {value}") };
        });
        text
    };
    entries.map(describe).collect()
}

fn count(run: &Run, count: Count) -> u64 {
    run.judgement.outcome.total.get(count).expect("a number")
}

#[test]
fn each_kind_does_what_it_says() {
    for Case { what, faults, happens } in CASES {
        let run = run(faults);
        assert_eq!(happened(&run), *happens, "{what}");
        assert!(run.ending.settled, "{what}: {:?}", run.ending.unquiet);
        let told = [Count::Sent, Count::Acked, Count::Lost].map(|each| count(&run, each));
        assert_eq!(told, [80, 80, 0], "{what}");
        assert!(!run.judgement.is_violation(), "{what}: {:?}", run.judgement);
    }
}

/// An application that is killed goes on with its next record when it is started again; what nobody starts again in its time
/// comes back when everything heals, and sends nothing new.
#[test]
fn a_producer_that_is_killed_goes_on_where_it_was_unless_its_time_is_over() {
    let cases = [
        (r#"do = "crash", for = "1s""#, "crashed", 40),
        (r#"do = "crash""#, "crashed", 11),
        (r#"do = "power-loss", for = "1s""#, "power-lost", 40),
        (r#"do = "power-loss""#, "power-lost", 11),
        (r#"do = "stop", for = "1s""#, "stopping, 5 stopped", 40),
        (r#"do = "stop""#, "stopping, 5 stopped", 11),
    ];
    for (fault, befalls, web) in cases {
        let run = run(&format!(r#"{{ at = "1010ms", on = "producer(web)", {fault} }}"#));
        let expected = format!("5 fault 0, 5 {befalls}, 5 fault-ended 0, 5 started incarnation 3");
        assert_eq!(happened(&run).join(", "), expected, "{fault}");
        assert!(run.ending.settled, "{:?}", run.ending.unquiet);
        let counts = run.judgement.outcome.producers.iter().map(|counts| counts.get(Count::Sent));
        assert_eq!(counts.collect::<Vec<_>>(), [Some(web), Some(40)], "{fault}");
        assert!(
            run.ending.at < Time::ZERO + Span::from_seconds(10),
            "nobody waits for calls that do not come"
        );
    }
}

/// What a link adds is seen in the answers, of the way that is slow and while it is.
#[test]
fn a_slow_link_is_as_slow_as_it_says() {
    let longest = |faults: &str| run(faults).judgement.outcome.total.get(Count::AnswerLongest);
    let slow = r#"{ at = "1s", do = "slow-link", from = "producer(web)", to = "broker(1)", one_way = true, "#;
    let ms = |milliseconds: u64| Some(milliseconds * 1_000_000);
    // A round trip takes 1 ms, and 1 ms more until the followers have fetched. The first message waits 2 ms for metadata besides,
    // and 2 ms until its epoch is durable at the followers, who append nothing before (`LeaderEpochFileCache.assign`).
    assert_eq!(longest(""), ms(6));
    assert_eq!(longest(&format!("{slow} latency = \"100ms\", for = \"2s\" }}")), ms(102));
    assert_eq!(longest(&format!("{slow} factor = 101, for = \"2s\" }}")), ms(52));
}

/// With acks=0 a producer closes while its kernel still tries to deliver what it sent: only what is not there after that is lost.
#[test]
fn what_a_closed_producer_left_in_its_socket_is_waited_for() {
    let lost = |lasts: &str| {
        let cluster = CLUSTER.replace(r#"acks = "all""#, "acks = 0");
        let faults = format!(
            "faults = [{{ at = \"1s\", do = \"cut\", from = \"producer(web)\", to = \"broker(1)\", for = \"{lasts}\" }}]"
        );
        let run = one::run(&common::model("left behind", &(cluster + &faults)), 0, false);
        assert!(run.ending.settled, "{lasts}: {:?}", run.ending.unquiet);
        count(&run, Count::Lost)
    };
    assert_eq!(lost("10s"), 0);
    // tcp_orphan_retries gives up before that.
    assert_eq!(lost("110s"), 30);
}

/// The second finds nothing to delete (UNKNOWN_TOPIC_OR_PARTITION), and so makes nothing anew.
#[test]
fn a_topic_is_deleted_by_the_first_of_two_who_ask() {
    let model = common::model(
        "twice",
        r#"
        kafka = "4.1"
        cluster.brokers = 3
        topics.orders = { partitions = 2, replication.factor = 3 }
        producers.web = { into = "orders", records = 100, rate = "20/s", acks = "all" }
        [[faults]]
        at = "2s"
        do = "delete-topic"
        topic = "orders"
        [[faults]]
        at = "2s"
        do = "delete-topic"
        topic = "orders"
        "#,
    );
    let run = one::run(&model, 0, false);
    let fates: Vec<Fate> = run.faults.iter().map(|after| after.fate).collect();
    assert_eq!(fates, [Fate::Struck, Fate::NoEffect]);
    assert!(run.ending.settled, "{:?}", run.ending.unquiet);
}

/// The bound for settling counts from when all is over that had begun under a fault, and an application that sends slowly has its
/// time: progress is promised, and made.
#[test]
fn what_only_takes_its_time_is_waited_for() {
    let jump = r#"{ at = "1s", do = "clock-jump", on = "broker(2)", by = "2h", for = "39s" }"#;
    let cut = r#"{ at = "2s", do = "cut", from = "broker(2)", to = "leader(orders-0)", for = "60s" }"#;
    let slow = r#"{ at = "1s", do = "slow-link", from = "clients", to = "leader(orders-0)", latency = "2h", for = "5s" }"#;
    let disk = r#"{ at = "1s", do = "slow-disk", on = "leader(orders-0)", factor = 1000000, for = "2s" }"#;
    let cases = [
        // A follower's back-off, by a clock that is right again.
        (format!("{jump}, {cut}"), "", 7_230..7_300),
        // A request that its sender has long given up.
        (slow.to_owned(), "delivery.timeout.ms = 3000\nrequest.timeout.ms = 1000", 7_201..7_300),
        // An application that waits for answers that linger.
        (String::new(), "waits = \"each\"\nlinger.ms = 120000", 7_080..7_300),
        // An fsync that was under way on a slow disk ends when the disk is well.
        (disk.to_owned(), "", 6..40),
    ];
    for (faults, producer, seconds) in cases {
        let text = format!(
            "kafka = \"4.1\"\nfaults = [{faults}]\n[topics.orders]\nreplication.factor = 3\nmin.insync.replicas = 2\n\
             flush.messages = 1\n[producers.web]\ninto = \"orders\"\nrecords = 60\nrate = \"10/s\"\n{producer}\n\
             [run]\nuntil = \"70s\""
        );
        let run = one::run(&common::model("slow", &text), 0, false);
        assert!(run.ending.settled, "{text}\n{:?}", run.ending.unquiet);
        let at = run.ending.at.nanoseconds() / 1_000_000_000;
        assert!(seconds.contains(&at), "{text}\nis quiet at {at} s");
    }
}

/// As Kafka does: nothing tells a producer that the partition it sticks to is no more, and an outbox sends again for ever.
#[test]
fn a_topic_made_anew_with_fewer_partitions_promises_no_progress() {
    let model = |partitions: u32, seed: u64| {
        common::model(
            "fewer partitions",
            &format!(
                r#"
    kafka = "4.1"
    seed = {seed}
    topics.orders = {{ replication.factor = 3, min.insync.replicas = 2 }}
    producers.web = {{ into = "orders", start = "2s", records = 100, rate = "20/s", on_error = "outbox", linger.ms = 0 }}
    faults = [
        {{ at = "500ms", do = "add-partitions", topic = "orders", partitions = {partitions} }},
        {{ at = "5s", do = "delete-topic", topic = "orders", for = "1s" }},
    ]
"#
            ),
        )
    };
    let mut broken = 0;
    for seed in 0..8 {
        let run = one::run(&model(4, seed), seed, false);
        let progress = run.judgement.promises.iter().find(|judged| judged.promise == Promise::Progress);
        let progress = progress.expect("it is judged");
        assert!(!progress.is_violation(), "seed {seed}");
        broken += u64::from(progress.held == Held::Broken);
    }
    assert!(
        (1..8).contains(&broken),
        "some stick to the partition that is there still: {broken} of 8 do not"
    );
}
