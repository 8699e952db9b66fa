//! What an error of the disk does to a broker (KIP-112, KIP-113, KIP-858).

use highwater::cluster::happened::Happened as Cluster;
use highwater::cluster::units::Acks;
use highwater::world::happened::Happened;

use crate::broker::Desk;
use crate::worlds::{Run, run};

/// Ten records a second, each fsynced before it is acknowledged; the fsyncs of broker 1 fail from 2 s on.
fn world(replication_factor: u16, faults: &str) -> Run {
    run(&format!(
        "topics.orders = {{ partitions = 1, replication.factor = {replication_factor}, flush.messages = 1 }}\n\
         producers.web = {{ into = \"orders\", records = 100, rate = \"10/s\", acks = 1, linger.ms = 0 }}\n\
         faults = [{{ at = \"2s\", do = \"fsync-fails\", on = \"broker(1)\", for = \"3s\" }}, {faults}]\n\
         run.until = \"120s\"\n"
    ))
}

/// What happened at broker 1 from the failure on, until its process ended, and what then.
fn around_the_end(run: &Run) -> (Vec<Happened>, Vec<Happened>) {
    let fails = run.place(1, |what| matches!(what, Happened::Disk { .. }));
    let ends = run.place(1, |what| *what == Happened::Halted);
    let of = |range: std::ops::Range<usize>| {
        run.entries()[range].iter().filter(|entry| entry.node.0 == 1).map(|entry| entry.what).collect()
    };
    (of(fails..ends), of(ends..run.entries().len()))
}

fn count(happened: &[Happened], is: impl Fn(&Cluster) -> bool) -> usize {
    let cluster = happened.iter().filter(|what| matches!(what, Happened::Cluster(what) if is(what)));
    cluster.count()
}

/// `LocalLog.maybeHandleIOException`, KAFKA-10778.
#[test]
fn r1_10_1_after_the_first_error_nothing_more_is_appended_and_nothing_tried_again() {
    let run = world(3, "");
    let (before, after) = around_the_end(&run);
    assert_eq!(
        count(&before, |what| matches!(what, Cluster::Appended { .. })),
        1,
        "the one whose fsync fails"
    );
    assert_eq!(count(&before, |what| matches!(what, Cluster::Acked { .. })), 0);
    assert!(!before.iter().any(|what| matches!(what, Happened::Fsynced { .. })));
    assert!(
        count(&after, |what| matches!(what, Cluster::Recovered { .. })) > 0,
        "it starts again when the disk is well"
    );
}

/// `ReplicaManager.appendToLocalLog`: ENOSPC.
#[test]
fn r1_10_1_an_append_that_finds_no_room_ends_the_broker() {
    let mut desk = Desk::leading(&[1], 1);
    desk.bench.node.set_disk_full(true);
    assert_eq!(desk.bench.exits, 0);
    desk.produce(Acks::One, 1);
    assert_eq!((desk.bench.exits, desk.end()), (1, 0));
}

/// `LogManager.handleLogDirFailure`, `ReplicaManager.handleLogDirFailure`: exit status 1. Observed of 4.1.1: 0.4 s after.
#[test]
fn r1_10_2_a_broker_without_a_directory_left_ends_without_a_controlled_shutdown() {
    let run = world(3, "");
    let (_, after) = around_the_end(&run);
    let stopping = run.entries().iter().any(|entry| entry.what == Happened::Stopping);
    let shutting_down = run.cluster().any(|(_, _, what)| matches!(what, Cluster::ShuttingDown { .. }));
    assert!(!stopping && !shutting_down);
    let unclean = |what: &Cluster| matches!(what, Cluster::Recovered { clean: false, .. });
    assert!(count(&after, unclean) > 0, "and without a clean-shutdown file");
}

/// What an fsync failed to write is taken for clean: a process that starts reads it from the page cache, and no later fsync
/// writes it. So says the kernel, not Kafka, whose recovery point had not moved.
#[test]
fn r1_10_4_what_could_not_be_fsynced_is_found_by_the_next_process_and_gone_with_the_power() {
    let dark =
        "{ at = \"30s\", do = \"power-loss\", lose = \"all-unsynced\", on = \"broker(1)\", for = \"1s\" }";
    let run = world(1, dark);
    let (before, after) = around_the_end(&run);
    let failed = before.iter().find_map(|what| {
        let Happened::Cluster(Cluster::Appended { base_offset, end, .. }) = what else { return None };
        Some((base_offset.0, end.0))
    });
    let (durable, end) = failed.expect("an append whose fsync fails");
    let mut loaded = after.iter().filter_map(|what| {
        let Happened::Cluster(Cluster::Recovered { end, clean, .. }) = what else { return None };
        Some((end.0, *clean))
    });
    assert_eq!(loaded.next(), Some((end, false)), "its checksum is right");
    let lost = after.iter().find_map(|what| {
        let Happened::Lost { old, new, .. } = what else { return None };
        Some((old.0, new.0))
    });
    let (old, new) = lost.expect("a power loss takes it");
    assert!(old >= 100 && new == durable, "with everything that was fsynced after it: {old}, {new}");
    assert_eq!(loaded.next(), Some((durable, false)));
    assert_eq!(run.lost(), 100 - durable);
}
