//! What is written to which file, when it is fsynced, and what a crash finds of it.

use highwater::cluster::broker::storage::File;
use highwater::cluster::generation::Version;
use highwater::cluster::happened::Happened as Cluster;
use highwater::cluster::options::{BrokerOptions, TopicOptions};
use highwater::cluster::protocol::{ErrorCode, PartitionState};
use highwater::cluster::store::MessageRun;
use highwater::cluster::units::{Acks, LeaderEpoch, MessageId, Offset, ProducerEpoch, ProducerId, Sequence};
use highwater::devices::port::Event;
use highwater::kernel::units::{Bytes, Span, Time};
use highwater::scenario::words::Count;
use highwater::world::happened::Happened;

use crate::broker::{Ask, Desk, state};
use crate::worlds::{Run, run};

/// Ten records of 100 kB a second on three replicas, about ten a segment; an fsync takes 20 ms.
fn world(settings: &str, faults: &str) -> Run {
    world_with("20ms", settings, faults)
}

fn world_with(fsync: &str, settings: &str, faults: &str) -> Run {
    run(&format!(
        "topics.orders.partitions = 1\ntopics.orders.replication.factor = 3\ntopics.orders.min.insync.replicas = 2\n\
         topics.orders.segment.bytes = 1048576\ndisk.fsync = \"{fsync}\"\n{settings}\n\
         producers.web = {{ into = \"orders\", records = 300, rate = \"10/s\", size = \"100KB\", acks = \"all\", \
         linger.ms = 0 }}\n\
         faults = [{faults}]\n\
         run.until = \"120s\"\n"
    ))
}

/// Written down now and then in 24 days.
const NO_CHECKPOINT: &str = "broker.log.flush.offset.checkpoint.interval.ms = 2147483647";
fn topic(settings: &str) -> String {
    format!(
        "topics.orders = {{ partitions = 1, replication.factor = 3, min.insync.replicas = 2, {settings} }}\n\
         producers.web = {{ into = \"orders\", records = 300, rate = \"10/s\", acks = \"all\", linger.ms = 0 }}\n"
    )
}

/// When a broker's log was fsynced, up to which byte.
fn fsyncs(run: &Run, broker: u16) -> Vec<(Time, u64)> {
    let entries = run.entries().iter().filter(|entry| entry.node.0 == broker);
    entries
        .filter_map(|entry| {
            let Happened::Fsynced { bytes, .. } = entry.what else { return None };
            Some((entry.t, bytes.get()))
        })
        .collect()
}

/// When something first happened at a broker.
fn when(run: &Run, broker: u16, is: impl Fn(&Happened) -> bool) -> Time {
    run.entries()[run.place(broker, is)].t
}

/// What the nth process of a broker but the first found: the log end, the high watermark, whether the stop was clean, where it
/// began to scan.
fn found(run: &Run, broker: u16, nth: usize) -> (u64, u64, bool, u64) {
    let loaded = run.cluster().filter_map(|(_, node, what)| {
        let Cluster::Recovered { end, high_watermark, clean, scanned_from, .. } = what else { return None };
        (node == broker).then_some((end.0, high_watermark.0, clean, scanned_from.0))
    });
    loaded.skip(1).nth(nth).expect("it starts so often")
}

/// `UnifiedLog.append`, `LocalLog.flush`.
#[test]
fn r1_8_1_a_log_is_fsynced_when_another_segment_is_begun_and_at_a_clean_stop_and_else_never() {
    let stop = "{ at = \"40s\", do = \"stop\", on = \"broker(2)\", for = \"1s\" }";
    let rolls = world("", stop);
    let begun = rolls
        .cluster()
        .filter(|(_, node, what)| *node == 2 && matches!(what, Cluster::Rolled { .. }))
        .count();
    assert!(begun > 20);
    assert_eq!(fsyncs(&rolls, 2).len(), begun + 1, "one a segment, and the last at the stop");
    let one = run(&format!("{}\nfaults = [{stop}]\nrun.until = \"120s\"", topic("")));
    let stops = when(&one, 2, |what| *what == Happened::Stopping);
    let [(at, _)] = fsyncs(&one, 2)[..] else { panic!("{:?}", fsyncs(&one, 2)) };
    assert!(at > stops);
    assert_eq!(fsyncs(&one, 1), []);
}

/// `UnifiedLog.roll`: the task `flush-log`. Until it has run, two segments have something that is not fsynced (KAFKA-15046).
#[test]
fn r1_8_2_nobody_waits_for_the_fsync_of_a_full_segment() {
    let run = world_with("300ms", "", "").entries().to_vec();
    let of_leader = || run.iter().filter(|entry| entry.node.0 == 1);
    let begun = of_leader().find(|entry| matches!(entry.what, Happened::Cluster(Cluster::Rolled { .. })));
    let begun = begun.expect("segments are full after a second").t;
    let fsynced = of_leader().find(|entry| matches!(entry.what, Happened::Fsynced { .. }) && entry.t > begun);
    let fsynced = fsynced.expect("then it is fsynced").t;
    assert!(fsynced.since(begun) >= Span::from_milliseconds(300));
    let appended = of_leader().filter(|entry| entry.t > begun && entry.t < fsynced).filter(|entry| {
        matches!(entry.what, Happened::Cluster(Cluster::Appended { .. } | Cluster::HighWatermark { .. }))
    });
    assert!(appended.count() >= 4, "appends go on, and are committed");
}

/// `LeaderEpochFileCache.assign` writes and fsyncs; what a truncation takes is written later (KAFKA-15046).
#[test]
fn r1_8_3_a_new_epoch_is_durable_before_its_first_record() {
    for (fsync, waits) in [("20ms", 20), ("200ms", 200)] {
        let crash = "{ at = \"5s\", do = \"crash\", on = \"leader(orders-0)\", for = \"1s\" }";
        let run = world_with(fsync, "", crash);
        let leads =
            |what: &Happened| matches!(what, Happened::Cluster(Cluster::Leads { epoch, .. }) if epoch.0 > 0);
        let leader = run.entries().iter().find(|entry| leads(&entry.what)).expect("another leads").node.0;
        let begins = when(&run, leader, leads);
        let appends = when(
            &run,
            leader,
            |what| matches!(what, Happened::Cluster(Cluster::Appended { leading: true, epoch, .. }) if epoch.0 > 0),
        );
        assert!(appends.since(begins) >= Span::from_milliseconds(waits), "{begins} {appends}");
    }
}

/// `LogManager.checkpointLogRecoveryOffsets`, `LogManager.shutdown`.
#[test]
fn r1_8_4_recovery_points_are_written_regularly_and_at_a_clean_stop() {
    let crash = "{ at = \"25s\", do = \"crash\", on = \"broker(2)\", for = \"1s\" }";
    let stop = "{ at = \"15s\", do = \"stop\", on = \"broker(2)\", for = \"1s\" }";
    let never = world(NO_CHECKPOINT, crash);
    assert_eq!(found(&never, 2, 0).3, 0, "all of it is scanned");
    let often = world("broker.log.flush.offset.checkpoint.interval.ms = 1000", crash);
    let (end, _, _, scanned_from) = found(&often, 2, 0);
    assert!(end - scanned_from < 40, "the newest segments are");
    let after_a_stop = world(NO_CHECKPOINT, &format!("{stop}, {crash}"));
    let (stopped_at, _, clean, _) = found(&after_a_stop, 2, 0);
    let (_, _, crashed, scanned_from) = found(&after_a_stop, 2, 1);
    assert!(clean && !crashed);
    assert!(scanned_from <= stopped_at && stopped_at - scanned_from < 20, "{scanned_from}, {stopped_at}");
}

/// A broker on a bench, with four batches of 100 bytes a segment.
fn desk(
    state: PartitionState,
    topic: impl FnOnce(&mut TopicOptions),
    change: impl FnOnce(&mut BrokerOptions),
) -> Desk {
    let mut options = Version::V4_1.generation().topic;
    options.segments.bytes = Bytes::new(450);
    topic(&mut options);
    Desk::with(Version::V4_1, state, options, change)
}

/// Where the newest start of a broker on a bench began to scan.
fn scanned_from(desk: &Desk) -> u64 {
    let found = desk.bench.notes.iter().rev().find_map(|(_, note)| {
        let Cluster::Recovered { scanned_from, .. } = note else { return None };
        Some(scanned_from.0)
    });
    found.expect("a start reports where it began")
}

/// How often a broker on a bench has asked that of its disk.
fn asked(desk: &Desk, what: &str) -> usize {
    desk.bench.disk.iter().filter(|asked| *asked == what).count()
}

fn follow(desk: &mut Desk, batches: u32) {
    for _ in 0..batches {
        desk.feed_batches(&[5], 0);
    }
}

/// `LogSegment.shouldRoll`.
#[test]
fn r1_8_2_a_segment_is_filled_to_the_last_byte() {
    let mut desk = desk(state(&[1], 1), |topic| topic.segments.bytes = Bytes::new(400), |_| ());
    for _ in 0..5 {
        desk.produce(Acks::One, 1);
    }
    let rolled: Vec<u64> = desk
        .bench
        .notes
        .iter()
        .filter_map(|(_, note)| {
            let Cluster::Rolled { base, .. } = note else { return None };
            Some(base.0)
        })
        .collect();
    assert_eq!(rolled, [4]);
}

/// `LocalLog.truncateTo`: what takes the place of what was cut was never fsynced.
#[test]
fn r1_8_4_a_truncation_takes_the_recovery_point_with_it_and_an_fsync_under_way_does_not_count() {
    for under_way in [false, true] {
        let mut desk = desk(state(&[1, 2, 3], 2), |_| (), |_| ());
        follow(&mut desk, 1);
        desk.bench.disk_stalls = under_way;
        follow(&mut desk, 9);
        desk.feed_answer(&[], &|part| part.diverging = Some((LeaderEpoch(5), Offset(2))));
        assert_eq!(desk.end(), 2);
        desk.bench.disk_goes_on();
        // What the truncation did not write down, the next checkpoint does.
        desk.bench.pass(100_000);
        desk.bench.disk_stalls = true;
        follow(&mut desk, 8);
        assert_eq!(desk.end(), 10);
        desk.restart();
        assert_eq!(scanned_from(&desk), 0, "under way: {under_way}");
    }
}

/// `LocalLog.markFlushed`.
#[test]
fn r1_8_4_an_epoch_that_is_written_down_moves_no_recovery_point() {
    let mut desk = desk(state(&[1], 1), |_| (), |_| ());
    for _ in 0..10 {
        desk.produce(Acks::One, 1);
    }
    desk.elect(1, &[1]);
    desk.bench.pass(100_000);
    desk.restart();
    assert_eq!(scanned_from(&desk), 8);
}

#[test]
fn r1_8_5_a_checkpoint_below_the_log_start_is_raised_to_it_and_one_not_written_yet_does_not_count() {
    // `LogManager.cleanupLogs` runs at 300 s, and deletes what the last checkpoint does not know of yet.
    let mut desk = desk(state(&[1], 1), |topic| topic.retention_span = Span::from_seconds(10), |_| ());
    desk.bench.pass(299_000);
    for sequence in 0..10 {
        let producer = (ProducerId(7), ProducerEpoch(0), Sequence(sequence));
        let run = MessageRun { first: MessageId(0), count: 1 };
        let old = desk.bench.store.add_batch(producer, &[run], Bytes::new(100), Time::ZERO);
        desk.send(Acks::One, old);
    }
    desk.bench.disk_stalls = true;
    desk.bench.pass(1_000);
    let starts =
        desk.bench.notes.iter().any(|(_, note)| matches!(note, Cluster::LogStart { new, .. } if new.0 == 10));
    assert!(starts, "all of it is too old");
    assert_eq!(desk.recovered_high_watermark(), 0);
    desk.restart();
    assert_eq!(desk.recovered_high_watermark(), 10);
    assert_eq!(asked(&desk, "replace LogStarts"), 0, "where the first segment begins is no news");

    let mut desk = Desk::leading(&[1], 1);
    desk.bench.pass(1_000);
    let written = asked(&desk, "replace HighWatermarks") as u32;
    desk.bench.disk_stalls = true;
    for _ in 0..2 {
        desk.produce(Acks::One, 3);
        desk.bench.pass(5_000);
    }
    assert_eq!(asked(&desk, "replace HighWatermarks") as u32, written + 2);
    desk.bench.feed(Event::Flushed(File::HighWatermarks, written + 1));
    desk.restart();
    assert!(desk.recovered_high_watermark() <= 3, "the second was never durable");
}

/// `LogManager.shutdown`: a follower was told where its leader's log begins, within its own first segment.
#[test]
fn r1_8_6_a_clean_stop_writes_down_where_a_log_begins() {
    let mut desk = desk(state(&[1, 2, 3], 2), |_| (), |_| ());
    follow(&mut desk, 3);
    desk.feed_answer(&[], &|part| (part.high_watermark, part.log_start_offset) = (Offset(3), Offset(2)));
    assert_eq!(asked(&desk, "replace LogStarts"), 0);
    desk.stop();
    assert_eq!(asked(&desk, "replace LogStarts"), 1);
    desk.restart_and_lead();
    desk.elect(1, &[1, 2, 3]);
    let early = desk.fetch(Ask { max_wait: 0, ..desk.ask(2, 1) });
    assert_eq!(early.error, ErrorCode::OffsetOutOfRange, "it begins at 2 still");
}

/// `UnifiedLog.deleteOldSegments`, `UnifiedLog.updateLogStartOffset`.
#[test]
fn r1_8_6_retention_takes_whole_segments_that_are_too_many_or_too_old() {
    let starts = |desk: &Desk| -> Vec<u64> {
        let notes = desk.bench.notes.iter().filter_map(|(_, note)| {
            let Cluster::LogStart { new, .. } = note else { return None };
            Some(new.0)
        });
        notes.collect()
    };
    let produce = |desk: &mut Desk, batches: u32| {
        for _ in 0..batches {
            desk.produce(Acks::One, 1);
        }
    };
    // Segments of 400, 400 and 200 bytes: 600 are too many, and of these only the first.
    let mut large = desk(state(&[1], 1), |topic| topic.retention_bytes = Some(Bytes::new(400)), |_| ());
    produce(&mut large, 10);
    large.bench.pass(300_000);
    assert_eq!(starts(&large), [4]);
    let mut old = desk(state(&[1], 1), |topic| topic.retention_span = Span::from_seconds(300), |_| ());
    produce(&mut old, 10);
    old.bench.pass(300_000);
    assert_eq!(starts(&old), [0; 0], "not older than that");
    old.bench.pass(300_000);
    assert_eq!(starts(&old), [10]);
    // What is not committed stays, however old.
    let mut behind = desk(state(&[1, 2], 1), |topic| topic.retention_span = Span::from_seconds(300), |_| ());
    produce(&mut behind, 10);
    behind.bench.pass(600_000);
    assert_eq!(starts(&behind), [0; 0]);
    // What was deleted need not be fsynced any more.
    let mut few = desk(
        state(&[1], 1),
        |topic| (topic.retention_span, topic.flush_messages) = (Span::from_seconds(60), Some(5)),
        |_| (),
    );
    produce(&mut few, 13);
    few.bench.disk_stalls = true;
    few.bench.pass(300_000);
    assert_eq!(starts(&few), [13]);
    few.bench.disk_goes_on();
    let before = few.bench.flushes;
    produce(&mut few, 4);
    assert_eq!(few.bench.flushes, before, "four from where the log begins");
    produce(&mut few, 1);
    assert!(few.bench.flushes > before);
}

/// `ReplicaManager.checkpointHighWatermarks`.
#[test]
fn r1_8_5_high_watermarks_are_written_every_5_s_and_without_the_file_they_are_0() {
    let crash = "{ at = \"15s\", do = \"crash\", on = \"broker(2)\", for = \"1s\" }";
    let (end, high_watermark, ..) = found(&world("", crash), 2, 0);
    assert!(high_watermark < end && high_watermark + 55 > end, "{high_watermark} of {end}");
    let stop = "{ at = \"15s\", do = \"stop\", on = \"broker(2)\", for = \"1s\" }";
    let (end, high_watermark, ..) = found(&world("", stop), 2, 0);
    assert!(high_watermark + 1 >= end, "{high_watermark} of {end}");
    let wiped = world("", "{ at = \"15s\", do = \"wipe\", on = \"broker(2)\", for = \"1s\" }");
    let after = wiped.place(2, |what| *what == Happened::Wiped);
    let first = wiped.cluster().find_map(|(place, node, what)| {
        let Cluster::HighWatermark { old, .. } = what else { return None };
        (node == 2 && place > after).then_some(old.0)
    });
    assert_eq!(first, Some(0));
}

/// `LogManager.checkpointLogStartOffsets`: a follower that was told where its leader's log begins forgets it in a crash before
/// that is written.
#[test]
fn r1_8_6_where_a_log_begins_is_written_every_minute() {
    let crash = "{ at = \"30s\", do = \"crash\", on = \"broker(2)\", for = \"1s\" }";
    // Broker 2's own retention begins 60 s after its first start.
    let settings =
        "broker.log.retention.check.interval.ms = 10000\nbroker.log.initial.task.delay.ms = 6000\n";
    for (interval, forgets) in [("1000", false), ("2147483647", true)] {
        let text = format!(
            "{settings}broker.log.flush.start.offset.checkpoint.interval.ms = {interval}\ntopics.orders.retention.ms = 5000"
        );
        let run = world(&text, crash);
        let started = run.entries().iter().position(|entry| {
            entry.node.0 == 2 && matches!(entry.what, Happened::Started { incarnation } if incarnation.0 > 1)
        });
        let started = started.expect("it starts again");
        let starts: Vec<(u64, bool)> = run
            .cluster()
            .filter_map(|(place, node, what)| {
                let Cluster::LogStart { old, .. } = what else { return None };
                (node == 2).then_some((old.0, place > started))
            })
            .collect();
        let (before, after): (Vec<_>, Vec<_>) = starts.into_iter().partition(|&(_, after)| !after);
        let again = before.iter().any(|&(old, _)| after[0].0 == old);
        assert!(before.len() > 3);
        assert_eq!(again, forgets, "every {interval} ms: {before:?}, {after:?}");
    }
}

/// `CleanShutdownFileHandler`: it is the last thing a stop writes.
#[test]
fn r1_8_9_the_clean_shutdown_file_is_written_when_all_else_is_durable() {
    // Six fsyncs, one after the other, take longer than the disk has.
    let cut_short = "{ at = \"15s\", do = \"slow-disk\", on = \"broker(2)\", factor = 100, for = \"3s\" },
                     { at = \"15s\", do = \"stop\", on = \"broker(2)\", for = \"1s\" },
                     { at = \"17s\", do = \"power-loss\", lose = \"nothing\", on = \"broker(2)\", for = \"1s\" }";
    assert!(!found(&world("", cut_short), 2, 0).2, "not a clean stop");
    let whole = "{ at = \"15s\", do = \"stop\", on = \"broker(2)\", for = \"4s\" },
                 { at = \"17s\", do = \"power-loss\", lose = \"all-unsynced\", on = \"broker(2)\", for = \"1s\" }";
    let run = world("", whole);
    assert!(found(&run, 2, 0).2);
    let lost = run.entries().iter().any(|entry| matches!(entry.what, Happened::Lost { .. }));
    assert!(!lost, "after a clean stop a power loss takes nothing");
}

/// `CleanShutdownFileHandler.delete`. With a journal, what was written since is not there either.
#[test]
fn r1_8_9_its_deletion_is_durable_when_something_is_fsynced_after_it() {
    let stop = "{ at = \"15s\", do = \"stop\", on = \"broker(2)\", for = \"300ms\" }";
    let dark = |at| {
        let dark = format!("{{ at = \"{at}\", do = \"power-loss\", on = \"broker(2)\", for = \"1s\" }}");
        let start = "cluster.start_time = \"1s\"";
        run(&format!("{}{start}\nfaults = [{stop}, {dark}]\nrun.until = \"120s\"", topic("")))
    };
    let soon = dark("19s");
    let ((stopped_at, _, clean, _), (end, _, again, _)) = (found(&soon, 2, 0), found(&soon, 2, 1));
    assert!(clean && again, "the file is there again");
    assert_eq!(end, stopped_at);
    assert!(
        soon.entries().iter().any(|entry| matches!(entry.what, Happened::Lost { old, new, .. } if new < old))
    );
    assert_eq!(soon.lost(), 0, "and the controller knows better");
    // The high watermarks have been written.
    let later = dark("23s");
    assert!(!found(&later, 2, 1).2);
}

/// `log.flush.interval.messages`, `log.flush.interval.ms`, `LogManager.startup`.
#[test]
fn r1_8_10_flush_messages_holds_the_append_up_and_flush_ms_nobody() {
    let each = run(&format!("{}disk.fsync = \"20ms\"\nrun.until = \"60s\"", topic("flush.messages = 1")));
    let mut durable = 0;
    for entry in each.entries().iter().filter(|entry| entry.node.0 == 1) {
        if let Happened::Fsynced { bytes, .. } = entry.what {
            durable = bytes.get();
        } else if let Happened::Cluster(Cluster::HighWatermark { new, .. }) = entry.what {
            assert!(durable >= new.0 * 70, "committed up to {new} with {durable} bytes durable");
        }
    }
    assert!(each.count(Count::AnswerP50) >= 20_000_000);
    let by_time = "broker.log.flush.scheduler.interval.ms = 1000";
    let timed =
        run(&format!("{}{by_time}\ndisk.fsync = \"20ms\"\nrun.until = \"60s\"", topic("flush.ms = 1000")));
    assert!(fsyncs(&timed, 1).len() > 10);
    assert!(timed.count(Count::AnswerP50) < 20_000_000);
    // A process that starts looks at it `log.initial.task.delay.ms` after.
    let crash = "faults = [{ at = \"1s\", do = \"crash\", on = \"broker(2)\", for = \"1s\" }]";
    let longer = topic("flush.ms = 1000").replace("records = 300", "records = 600");
    let timed = run(&format!("{longer}{by_time}\n{crash}\nrun.until = \"90s\""));
    let starts =
        when(&timed, 2, |what| matches!(what, Happened::Started { incarnation } if incarnation.0 > 1));
    let first = fsyncs(&timed, 2).into_iter().find(|&(at, _)| at > starts).expect("it is flushed").0;
    assert!(first.since(starts) >= Span::from_seconds(30), "{starts}, {first}");
}

#[test]
fn r1_8_11_a_followers_fetch_says_that_it_has_the_record_in_memory() {
    let dark = "faults = [{ at = \"20s\", do = \"power-loss\", lose = \"all-unsynced\", on = \"all-brokers\", for = \"1s\" }]";
    for (settings, lost) in [("", 200..=201), ("flush.messages = 1", 0..=0)] {
        let run = run(&format!("{}{dark}\nrun.until = \"60s\"", topic(settings)));
        assert!(lost.contains(&run.lost()), "{settings}: {}", run.lost());
    }
}

/// `vm.dirty_writeback_centisecs` = 500, `vm.dirty_expire_centisecs` = 3000.
#[test]
fn r1_8_12_the_kernel_writes_by_itself_what_is_30_to_35_s_old() {
    let dark = |at| {
        let dark = format!(
            "faults = [{{ at = \"{at}\", do = \"power-loss\", on = \"all-brokers\", for = \"1s\" }}]"
        );
        let topic = topic("").replace("records = 300", "records = 1000");
        run(&format!("{topic}{dark}\nrun.until = \"150s\"")).lost()
    };
    for at in ["50s", "53s", "54900ms"] {
        let lost = dark(at);
        assert!((299..=355).contains(&lost), "at {at}: {lost}");
    }
    assert!(dark("54900ms") > dark("50s"), "it wakes every 5 s");
}

/// `LogManager.flushDirtyLogs`, `UnifiedLog.flush`.
#[test]
fn r1_8_10_a_log_is_fsynced_when_its_time_is_just_over_and_never_twice_for_nothing() {
    let second = Span::from_seconds(1);
    let mut timed = desk(
        state(&[1], 1),
        |topic| topic.flush_interval = second,
        |options| options.log_flush_scheduler_interval = second,
    );
    timed.produce(Acks::One, 1);
    timed.bench.pass(30_000);
    assert_eq!(timed.bench.flushes, 1, "`log.initial.task.delay.ms`");
    for flushes in 2..=3 {
        timed.produce(Acks::One, 1);
        timed.bench.pass(1_000);
        assert_eq!(timed.bench.flushes, flushes, "a second after the last");
    }
    timed.bench.pass(10_000);
    assert_eq!(timed.bench.flushes, 3, "there is nothing more");
    // With every batch fsynced, a segment that is begun leaves nothing to fsync.
    let mut each = desk(state(&[1], 1), |topic| topic.flush_messages = Some(1), |_| ());
    for _ in 0..10 {
        each.produce(Acks::One, 1);
    }
    let rolled = each.bench.notes.iter().filter(|(_, note)| matches!(note, Cluster::Rolled { .. })).count();
    assert_eq!((each.bench.flushes, rolled), (10, 2));
}
