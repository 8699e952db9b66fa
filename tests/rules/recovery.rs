//! What a start makes of the segments it finds (`LogManager.loadLogs`, `LogLoader.load`, `LogLoader.recoverLog`).

use highwater::cluster::happened::Happened as Cluster;
use highwater::cluster::log::Log;
use highwater::cluster::log::segments::SegmentLimits;
use highwater::cluster::protocol::LogEntry;
use highwater::cluster::store::{MessageRun, Store};
use highwater::cluster::units::{Acks, LeaderEpoch, MessageId, Offset, ProducerEpoch, ProducerId, Sequence};
use highwater::kernel::units::{Bytes, Span, Time};
use highwater::world::happened::Happened;

use crate::broker::Desk;
use crate::worlds::{Run, run};

/// Ten records a second and about ten a segment, until broker 2 has been struck.
fn struck(broker: &str, faults: &str) -> Run {
    run(&format!(
        "topics.orders = {{ partitions = 1, replication.factor = 3, min.insync.replicas = 2, segment.bytes = 1048576 }}\n\
         producers.web = {{ into = \"orders\", records = 300, rate = \"10/s\", size = \"100KB\", acks = \"all\" }}\n\
         broker = {{ {broker} }}\n\
         faults = [{faults}]\n\
         run.until = \"90s\"\n"
    ))
}

const CHECKPOINTS: &str = "log.flush.offset.checkpoint.interval.ms = 1000";
/// Written down now and then in 24 days.
const NO_CHECKPOINT: &str =
    "log.flush.offset.checkpoint.interval.ms = 2147483647, log.initial.task.delay.ms = 2147483647";
const CRASH: &str = "{ at = \"15s\", do = \"crash\", on = \"broker(2)\", for = \"1s\" }";
const LOSE_ALL: &str =
    "{ at = \"15s\", do = \"power-loss\", lose = \"all-unsynced\", on = \"broker(2)\", for = \"1s\" }";

/// What a process of broker 2 found: the log end, the high watermark, whether the stop was clean, where it began to scan.
type Found = (u64, u64, bool, u64);

/// What each process of broker 2 but the first found, with the place among all entries.
fn found(run: &Run) -> Vec<(usize, Found)> {
    let loaded = run.cluster().filter_map(|(place, node, what)| {
        let Cluster::Recovered { end, high_watermark, clean, scanned_from, .. } = what else { return None };
        (node == 2).then_some((place, (end.0, high_watermark.0, clean, scanned_from.0)))
    });
    let found: Vec<_> = loaded.skip(1).collect();
    assert!(!found.is_empty(), "it starts again");
    found
}

/// Where a log ended before a power loss, and up to where nothing is missing of it since.
fn lost(run: &Run) -> Option<(u64, u64)> {
    run.entries().iter().find_map(|entry| {
        let Happened::Lost { old, new, .. } = entry.what else { return None };
        Some((old.0, new.0))
    })
}

/// Where broker 2 has begun segments, before an entry.
fn bases_before(run: &Run, before: usize) -> Vec<u64> {
    let rolled = run.cluster().filter_map(|(place, node, what)| {
        let Cluster::Rolled { base, .. } = what else { return None };
        (node == 2 && place < before).then_some(base.0)
    });
    rolled.collect()
}

/// `LogManager.loadLogs`: the file goes before anything is loaded.
#[test]
fn r1_9_1_after_a_clean_stop_nothing_is_scanned_and_only_once() {
    let run = struck(
        "",
        "{ at = \"15s\", do = \"stop\", on = \"broker(2)\", for = \"1s\" }, \
         { at = \"25s\", do = \"crash\", on = \"broker(2)\", for = \"1s\" }",
    );
    let found = found(&run);
    let [(_, (end, _, clean, scanned_from)), (_, again)] = found[..] else { panic!("{found:?}") };
    assert!(end > 0 && clean);
    assert_eq!(scanned_from, end);
    assert!(!again.2 && again.3 < again.0, "the next stop was not clean");
}

/// KAFKA-10471.
#[test]
fn r1_9_1_a_process_killed_as_soon_as_it_starts_has_used_the_file_up() {
    let mut desk = Desk::leading(&[1], 1);
    desk.produce(Acks::One, 3);
    desk.stop();
    desk.bench.disk.clear();
    desk.restart();
    assert_eq!(desk.bench.disk.first().map(String::as_str), Some("delete CleanShutdown"), "first of all");
    desk.restart();
    let clean: Vec<bool> = desk
        .bench
        .notes
        .iter()
        .filter_map(|(_, note)| {
            let Cluster::Recovered { clean, .. } = note else { return None };
            Some(*clean)
        })
        .collect();
    assert_eq!(clean[1..], [true, false], "of the second and the third process");
}

#[test]
fn r1_9_2_after_any_other_stop_the_segment_of_the_recovery_point_and_those_after_it_are_scanned() {
    for fault in [CRASH, LOSE_ALL] {
        let run = struck(CHECKPOINTS, fault);
        let (place, (end, _, clean, scanned_from)) = found(&run)[0];
        let bases = bases_before(&run, place);
        assert!(!clean && bases.len() > 5, "{fault}: {bases:?}");
        let newest = bases[bases.len() - 2..].contains(&scanned_from);
        assert!(newest && scanned_from <= end, "{fault}: {scanned_from} of {bases:?}, up to {end}");
    }
}

/// `LogLoader.recoverLog`: behind the first thing that is wrong everything goes, and whole segments with it; what lies before
/// the recovery point is not looked at, nor whether one segment goes on where the one before ends.
#[test]
fn r1_9_2_the_first_bad_batch_ends_the_log() {
    let mut store = Store::default();
    let mut log = Log::with_limits(SegmentLimits { bytes: Bytes::new(1 << 30), span: Span::FOREVER });
    // Three segments of three batches of a record and 100 bytes.
    for offset in 0..9 {
        if offset > 0 && offset % 3 == 0 {
            log.roll(&store);
        }
        let producer = (ProducerId::NONE, ProducerEpoch(0), Sequence(0));
        let run = MessageRun { first: MessageId(offset as u32), count: 1 };
        let batch = store.add_batch(producer, &[run], Bytes::new(100), Time::ZERO);
        log.append(
            LogEntry { base_offset: Offset(offset), batch, epoch: LeaderEpoch(0) },
            1,
            Bytes::new(100),
        );
    }
    // What is left of each segment, the recovery point; the log end, up to where nothing is missing, how many segments.
    type Case = ([u64; 3], u64, (u64, u64, usize));
    let cases: [Case; 6] = [
        ([300, 300, 300], 0, (9, 9, 3)),
        ([300, 300, 150], 0, (7, 7, 3)),
        ([300, 250, 300], 0, (5, 5, 2)),
        // Cut between two batches there is no bad one, and the next segment stays.
        ([300, 200, 300], 0, (9, 5, 3)),
        ([150, 300, 300], 3, (9, 1, 3)),
        ([150, 300, 99], 6, (6, 1, 3)),
    ];
    for (left, recovery_point, expected) in cases {
        let mut log = log.clone();
        let left = left.map(Bytes::new);
        let whole = log.recover(&left, Some(Offset(recovery_point)), &store, &mut Vec::new());
        let found = (log.end().0, whole.0, log.segments().len());
        assert_eq!(found, expected, "{left:?} left, scanned from {recovery_point}");
    }
}

/// `LogLoader.deleteSegmentsIfLogStartGreaterThanLogEnd`.
#[test]
fn r1_9_4_a_log_that_ends_before_it_begins_begins_anew_there() {
    for (checkpoint, expected) in [(9, (9, 9)), (4, (4, 9)), (10, (10, 10))] {
        let mut store = Store::default();
        let mut log = Log::new();
        for offset in 0..9 {
            let producer = (ProducerId::NONE, ProducerEpoch(0), Sequence(0));
            let run = MessageRun { first: MessageId(offset as u32), count: 1 };
            let batch = store.add_batch(producer, &[run], Bytes::new(100), Time::ZERO);
            let entry = LogEntry { base_offset: Offset(offset), batch, epoch: LeaderEpoch(0) };
            log.append(entry, 1, Bytes::new(100));
        }
        log.load_start(Offset(checkpoint));
        assert_eq!((log.start().0, log.end().0), expected, "{checkpoint}");
    }
}

/// KAFKA-10101: what was scanned is no more durable than before.
#[test]
fn r1_9_3_recovery_moves_no_recovery_point() {
    let again = "{ at = \"25s\", do = \"crash\", on = \"broker(2)\", for = \"1s\" }";
    let run = struck(NO_CHECKPOINT, &format!("{CRASH}, {again}"));
    let scanned: Vec<u64> = found(&run).iter().map(|(_, found)| found.3).collect();
    assert_eq!(scanned, [0, 0], "nothing was written down between the two");
}

#[test]
fn r1_9_4_the_log_ends_where_its_data_does_and_without_a_checkpoint_all_of_it_is_scanned() {
    let run = struck(NO_CHECKPOINT, LOSE_ALL);
    let (place, (end, high_watermark, _, scanned_from)) = found(&run)[0];
    let bases = bases_before(&run, place);
    assert_eq!(scanned_from, 0, "no recovery point was ever written down");
    assert_eq!(bases.last(), Some(&end), "when a segment is begun, those before it are fsynced");
    assert_eq!(high_watermark, end, "the checkpoint lies above");
    let epochs = run.cluster().filter(|(at, node, _)| *at > place && *node == 2);
    let first = epochs.map(|(_, _, what)| what).find(|what| matches!(what, Cluster::Appended { .. }));
    assert!(
        matches!(first, Some(Cluster::Appended { base_offset, .. }) if base_offset.0 == end),
        "what was committed is fetched again: {first:?}"
    );
    assert!(lost(&run).is_some_and(|(old, new)| new == end && old > end), "{:?}", lost(&run));
}

/// A disk that lies about fsyncs lets the recovery point pass what it does not have.
#[test]
fn r1_9_5_what_lies_before_the_recovery_point_is_not_looked_at() {
    let lies = "{ at = \"3s\", do = \"fsync-lies\", on = \"broker(2)\", for = \"5s\" }";
    let run = struck(CHECKPOINTS, &format!("{lies}, {LOSE_ALL}"));
    let (place, (end, _, _, scanned_from)) = found(&run)[0];
    let (_, whole) = lost(&run).expect("it loses something");
    assert!(whole < scanned_from && scanned_from <= end, "{whole}, {scanned_from}, {end}");
    assert_eq!(bases_before(&run, place).last(), Some(&end), "it goes on behind what is missing");
}

/// `LogSegment.recover`: `RecordBatch.ensureValid`.
#[test]
fn r1_9_2_the_log_is_cut_at_the_first_batch_whose_checksum_is_wrong_and_later_segments_go() {
    let rots = "{ at = \"14s\", do = \"bit-rot\", on = \"broker(2)\", offset = 15 }";
    let run = struck(NO_CHECKPOINT, &format!("{rots}, {CRASH}"));
    let (_, (end, _, clean, _)) = found(&run)[0];
    assert_eq!((end, clean), (15, false));
    assert_eq!(run.lost(), 0, "it is fetched again");
    let cut = run.cluster().any(|(_, node, what)| matches!((node, what), (2, Cluster::CutByRecovery { .. })));
    assert!(cut);
}

#[test]
fn r1_9_5_a_bad_byte_before_the_recovery_point_or_after_a_clean_stop_is_not_found() {
    let rots = "{ at = \"14s\", do = \"bit-rot\", on = \"broker(2)\", offset = 15 }";
    let stop = "{ at = \"15s\", do = \"stop\", on = \"broker(2)\", for = \"1s\" }";
    for (checkpoints, fault) in [(CHECKPOINTS, CRASH), (NO_CHECKPOINT, stop)] {
        let run = struck(checkpoints, &format!("{rots}, {fault}"));
        assert!(found(&run)[0].1.0 > 100, "{fault}: nothing is cut");
    }
}
