//! What takes a broker's process time (`[cluster]`): each as a case, with the instants that follow from it. Links take 1 ms.

mod common;

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
/// takes 1 ms.
#[test]
fn a_broker_acts_on_metadata_in_its_own_time() {
    for (cluster, time) in [("", 0), ("cluster.metadata_time = \"20ms\"", 20_000)] {
        let run = run(cluster);
        let roles = first_after(&run, |what| matches!(what, Cluster::Leads { .. } | Cluster::Follows { .. }));
        let changed = 25_000 + 1_000 + time;
        assert_eq!(roles, [(1, changed), (2, changed), (3, changed)], "{cluster}");
        let fetched = first_after(&run, |what| matches!(what, Cluster::Fetched { old: None, .. }));
        assert_eq!(fetched, [(2, changed + time + 2_000 + 1_000)], "{cluster}");
        assert!(run.ending.settled && !run.judgement.is_violation(), "{cluster}");
    }
}
