//! What takes a broker's process time (`[cluster]`): each as a case, with the instants that follow from it. Links take 1 ms.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a measurement looks at some kinds of entries and passes over the others"
)]

mod common;

use highwater::clients::happened::Happened as Client;
use highwater::cluster::happened::Happened as Cluster;
use highwater::explore::one::{self, Run};
use highwater::kernel::units::Time;
use highwater::world::happened::Happened;

/// Leadership of a partition on three brokers moves to broker 2 at 2 s.
fn run(cluster: &str) -> Run {
    let text = format!(
        r#"
        kafka = "4.1"
        {cluster}
        network.latency = "1ms"
        topics.orders = {{ replication.factor = 3 }}
        producers.web = {{ into = "orders", records = 100, rate = "10/s", acks = "all" }}
        faults = [{{ at = "2s", do = "elect", partition = "orders-0", to = "broker(2)" }}]
    "#
    );
    one::run(&common::model("process times", &text), 0, true)
}

/// What happened at which broker for the first time from 2 s on, in µs after that.
fn first_after(run: &Run, what: fn(&Cluster) -> bool) -> Vec<(u16, u64)> {
    let mut first: Vec<(u16, u64)> = Vec::new();
    for entry in run.entries().expect("kept") {
        let Happened::Cluster(happened) = entry.what else { continue };
        let node = entry.node.0;
        if entry.t >= AT && what(&happened) && first.iter().all(|&(one, _)| one != node) {
            first.push((node, entry.t.since(AT).nanoseconds() / 1_000));
        }
    }
    first.sort_unstable();
    first
}

const AT: Time = Time::from_nanoseconds(2_000_000_000);

/// A decision counts 25 ms later (`controller.quorum.append.linger.ms`), and brokers have it after 1 ms. Roles change a
/// `metadata_time` after that. Followers begin to fetch after another, and open a connection first, a round trip; their fetch
/// takes 1 ms. Who followed another leader follows that until then.
#[test]
fn a_broker_acts_on_metadata_in_its_own_time() {
    for (cluster, time) in [("", 0), ("cluster.metadata_time = \"20ms\"", 20_000)] {
        let run = run(cluster);
        let roles = first_after(&run, |what| matches!(what, Cluster::Leads { .. } | Cluster::Follows { .. }));
        let changed = 25_000 + 1_000 + time;
        assert_eq!(roles, [(1, changed), (2, changed), (3, changed + time)], "{cluster}");
        let fetched = first_after(&run, |what| matches!(what, Cluster::Fetched { old: None, .. }));
        assert_eq!(fetched, [(2, changed + time + 2_000 + 1_000)], "{cluster}");
        assert!(run.ending.settled && !run.judgement.is_violation(), "{cluster}");
    }
}

/// Twelve requests come at once, each on a connection of its own, and take 10 ms; a round trip takes 2 ms. A thread begins the
/// next when it is done with one.
#[test]
fn requests_wait_for_a_thread() {
    for (cluster, expected) in [
        ("", [2; 12]),
        ("request_time = \"10ms\"", [12, 12, 12, 12, 12, 12, 12, 12, 22, 22, 22, 22]),
        ("request_time = \"10ms\"\nrequest_threads = 4", [12, 12, 12, 12, 22, 22, 22, 22, 32, 32, 32, 32]),
        ("request_time = \"10ms\"\nrequest_threads = 100", [12; 12]),
    ] {
        let mut text = format!(
            "kafka = \"4.1\"\n[cluster]\nbrokers = 1\n{cluster}\n[network]\nlatency = \"1ms\"\n[topics.orders]\n"
        );
        for producer in 0..12 {
            // The first record finds the cluster.
            text += &format!(
                "[producers.p{producer}]\ninto = \"orders\"\nrecords = 2\nrate = \"1/s\"\nacks = \"1\"\nlinger.ms = 0\n"
            );
        }
        let run = one::run(&common::model("process times", &text), 0, true);
        let mut called = Vec::new();
        let mut took = Vec::new();
        for entry in run.entries().expect("kept") {
            match entry.what {
                Happened::Client(Client::Called { message, .. }) => called.push((message, entry.t)),
                Happened::Client(Client::Told { first, .. }) => {
                    let (_, at) = called.iter().find(|(message, _)| *message == first).expect("it was sent");
                    took.push((*at, entry.t.since(*at).nanoseconds() / 1_000_000));
                }
                _ => (),
            }
        }
        let second = called.iter().map(|&(_, at)| at).max().expect("some were sent");
        let took: Vec<u64> = took.iter().filter(|(at, _)| *at == second).map(|&(_, took)| took).collect();
        assert_eq!(took, expected, "{cluster}");
        assert!(run.ending.settled && !run.judgement.is_violation(), "{cluster}");
    }
}

/// Requests that a broker had not handled when it died are handled by nobody, and their threads are free again.
#[test]
fn what_a_thread_was_at_dies_with_its_process() {
    let model = r#"
        kafka = "4.1"
        cluster = { brokers = 1, request_time = "500ms", request_threads = 1, start_time = "1s" }
        network.latency = "1ms"
        topics.orders = {}
        producers.web = { into = "orders", records = 20, rate = "10/s", acks = "1", linger.ms = 0 }
        faults = [{ at = "3100ms", do = "crash", on = "broker(1)", for = "1s" }]
    "#;
    let run = one::run(&common::model("process times", model), 0, true);
    assert!(run.ending.settled, "{:?}", run.ending.unquiet);
    let appended_while_dead = run.entries().expect("kept").iter().any(|entry| {
        let dead = Time::from_nanoseconds(3_100_000_000)..Time::from_nanoseconds(5_100_000_000);
        dead.contains(&entry.t) && matches!(entry.what, Happened::Cluster(Cluster::Appended { .. }))
    });
    assert!(!appended_while_dead);
}
