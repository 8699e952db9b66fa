//! What a killed process loses, what a machine without power loses, and why nobody counts on either.

use highwater::cluster::happened::Happened as Cluster;
use highwater::cluster::protocol::ErrorCode;
use highwater::cluster::units::Acks;
use highwater::kernel::units::NodeId;
use highwater::world::happened::Happened;

use crate::broker::{Ask, Desk, ids};
use crate::worlds::{Run, run};

/// A follower is struck in the middle of the stream.
fn struck(fault: &str) -> Run {
    run(&format!(
        "topics.orders = {{ partitions = 1, replication.factor = 3, min.insync.replicas = 2 }}\n\
         producers.web = {{ into = \"orders\", records = 1000, rate = \"1000/s\", acks = \"all\" }}\n\
         faults = [{{ at = \"500ms\", on = \"broker(2)\", for = \"1s\", {fault} }}]\n\
         run.until = \"60s\"\n"
    ))
}

/// The log end and the high watermark broker 2 had before an entry.
fn stood_before(run: &Run, place: usize) -> (u64, u64) {
    let mut stood = (0, 0);
    for (at, node, what) in run.cluster() {
        if at >= place || node != 2 {
            continue;
        }
        if let Cluster::Appended { end, .. } = what {
            stood.0 = end.0;
        } else if let Cluster::HighWatermark { new, .. } = what {
            stood.1 = new.0;
        }
    }
    stood
}

/// Where a log ends after what happened to it.
fn log_end(what: &Cluster) -> Option<u64> {
    let (Cluster::Appended { end, .. }
    | Cluster::Truncated { new: end, .. }
    | Cluster::Recovered { end, .. }) = what
    else {
        return None;
    };
    Some(end.0)
}

/// What broker 2 found when its second process started.
fn found(run: &Run) -> (u64, u64, bool) {
    let loaded = run.cluster().filter_map(|(_, node, what)| {
        let Cluster::Recovered { end, high_watermark, clean, .. } = what else { return None };
        (node == 2).then_some((end.0, high_watermark.0, clean))
    });
    loaded.last().expect("it starts again")
}

#[test]
fn r1_11_1_a_killed_process_leaves_its_log_and_loses_its_newest_high_watermark() {
    let run = struck("do = \"crash\"");
    let (end, high_watermark) = stood_before(&run, run.place(2, |what| *what == Happened::Crashed));
    let (found_end, found_high_watermark, clean) = found(&run);
    assert!(end > 0 && high_watermark > 0);
    assert_eq!((found_end, clean), (end, false), "the page cache is the machine's");
    assert!(found_high_watermark < high_watermark, "it was written down up to 5 s ago");
}

/// What waits, and what is on its way to the controller, is in memory alone.
#[test]
fn r1_11_1_a_killed_process_answers_nobody_and_proposes_anew() {
    let mut desk = Desk::leading(&[1], 1);
    let batch = desk.batch((7, 0, 0), 1);
    desk.send(Acks::One, batch);
    desk.follower_at(2, 1);
    desk.decide(|state| state.isr = ids(&[1, 2]));
    let produce = desk.produce(Acks::All, 1);
    let fetch = desk.send_fetch(Ask { max_wait: 60_000, ..desk.ask(3, 2) });
    assert!(desk.asks_the_controller(), "broker 2 may join");
    desk.restart_and_lead();
    assert!(!desk.asks_the_controller());
    desk.bench.pass(120_000);
    assert_eq!((desk.got(fetch), desk.error(produce)), (None, None));
    // What was known of producers is in the log.
    let again = desk.send(Acks::One, batch);
    assert_eq!(desk.produced(again), Some((ErrorCode::None, 0)));
}

#[test]
fn r1_11_2_a_machine_without_power_loses_what_was_not_fsynced_of_every_file() {
    let run = struck("do = \"power-loss\", lose = \"all-unsynced\"");
    let (end, _) = stood_before(&run, run.place(2, |what| *what == Happened::PowerLost));
    assert!(end > 0);
    assert_eq!(found(&run), (0, 0, false), "nothing of the log was ever fsynced");
}

/// KIP-966: whoever may have lost something is out of the in-sync set until it has caught up.
#[test]
fn r1_11_3_who_stopped_uncleanly_is_out_of_sync_until_it_has_caught_up() {
    for fault in ["do = \"crash\"", "do = \"power-loss\", lose = \"all-unsynced\""] {
        let run = struck(fault);
        let broker = NodeId(2);
        let registered = run
            .cluster()
            .filter(|(_, _, what)| matches!(what, Cluster::Registered { broker: NodeId(2), .. }))
            .map(|(place, ..)| place)
            .last()
            .expect("its second process registers");
        let (mut in_sync, mut committed, mut end) = (true, 0, 0);
        let mut returned = false;
        for (place, node, what) in run.cluster() {
            if let Cluster::Decided { state, .. } = what {
                let state = state.state();
                if state.isr.contains(broker) && !in_sync {
                    assert!(end >= committed, "{fault}: in sync with {end} of {committed} committed records");
                    returned = true;
                }
                in_sync = state.isr.contains(broker);
            }
            if let Cluster::HighWatermark { new, leading: true, .. } = what {
                committed = new.0;
            }
            end = log_end(&what).filter(|_| node == 2).unwrap_or(end);
            assert!(place != registered || !in_sync, "{fault}: out of it when its new process is registered");
        }
        assert!(returned, "{fault}: in the end it is back");
    }
}
