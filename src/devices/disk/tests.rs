//! Each rule of the disk as a case.

use super::*;

const NODE: NodeId = NodeId(1);

fn options(survives: Survives) -> Options {
    Options { fsync: Distribution::Constant(Span::from_milliseconds(2)), survives }
}

fn at(milliseconds: u64) -> Time {
    Time::ZERO + Span::from_milliseconds(milliseconds)
}

fn bytes(count: u64) -> Bytes {
    Bytes::new(count)
}

fn disk() -> Disk<char> {
    Disk::new(options(Survives::Written), NODE)
}

#[test]
fn writeback_takes_what_a_wake_finds_older_than_thirty_seconds() {
    // Appended at, asked at (milliseconds), written by then.
    for (appended, asked, written) in [
        (0, 0, 0),
        (0, 30_000, 0),
        (0, 34_999, 0),
        (0, 35_000, 10),
        (1, 35_000, 10),
        (4_999, 34_999, 0),
        (4_999, 35_000, 10),
        (5_000, 35_000, 0),
        (5_000, 40_000, 10),
        (7_000, 39_999, 0),
        (7_000, 40_000, 10),
    ] {
        let mut disk = disk();
        disk.append(at(appended), 'a', bytes(10));
        assert_eq!(disk.written(at(asked), 'a'), bytes(written), "{appended} {asked}");
        assert_eq!(disk.dirty(at(asked), 'a'), bytes(10 - written));
        assert_eq!(disk.durable('a'), Bytes::ZERO, "writeback is no fsync");
    }
}

#[test]
fn writeback_goes_by_the_age_of_each_part_and_a_cut_takes_parts_back() {
    let mut disk = disk();
    for second in 0..100 {
        disk.append(at(second * 1_000), 'a', bytes(1));
    }
    // At 99.9 s the last wake was at 95 s: what was appended before 65 s is written.
    assert_eq!(disk.written(at(99_900), 'a'), bytes(65));
    disk.truncate('a', bytes(60));
    assert_eq!(disk.written(at(99_900), 'a'), bytes(60));
    disk.append(at(99_900), 'a', bytes(10));
    assert_eq!(disk.written(at(99_900), 'a'), bytes(60), "what takes their place is young");
    assert_eq!(disk.written(at(100_000), 'a'), bytes(60), "nor does the age of what was cut count for it");
    assert_eq!(disk.written(at(134_999), 'a'), bytes(70));
}

#[test]
fn an_fsync_covers_what_was_there_when_it_was_asked_for() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    disk.append(at(0), 'a', bytes(10));
    assert_eq!(disk.flush(at(0), 'a', 7, &chance), at(2));
    disk.append(at(1), 'a', bytes(5));
    assert!(!disk.flushed(at(1), 'a', 7), "too early");
    assert!(!disk.flushed(at(2), 'a', 8), "another token");
    assert!(disk.flushed(at(2), 'a', 7));
    assert!(!disk.flushed(at(2), 'a', 7), "once");
    assert_eq!((disk.durable('a'), disk.length('a')), (bytes(10), bytes(15)));
}

#[test]
fn a_cut_under_an_fsync_takes_the_cover_away() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    disk.append(at(0), 'a', bytes(10));
    let ends = disk.flush(at(0), 'a', 0, &chance);
    disk.truncate('a', bytes(4));
    disk.append(at(1), 'a', bytes(6));
    assert!(disk.flushed(ends, 'a', 0));
    assert_eq!((disk.durable('a'), disk.length('a')), (bytes(4), bytes(10)));
}

#[test]
fn the_device_serves_one_fsync_after_the_other() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    assert_eq!(disk.flush(at(0), 'a', 0, &chance), at(2));
    assert_eq!(disk.flush(at(1), 'b', 0, &chance), at(4));
    assert_eq!(disk.replace(at(1), 'c', bytes(9), 0, &chance), at(6));
    assert_eq!(disk.flush(at(10), 'a', 0, &chance), at(12));
}

#[test]
fn a_replacement_takes_hold_when_its_fsync_ends() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    let ends = disk.replace(at(0), 'a', bytes(8), 1, &chance);
    assert_eq!(disk.length('a'), Bytes::ZERO);
    assert!(disk.flushed(ends, 'a', 1));
    assert_eq!((disk.length('a'), disk.durable('a')), (bytes(8), bytes(8)));
}

#[test]
fn a_deleted_file_is_gone_with_its_fsyncs() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    disk.append(at(0), 'a', bytes(10));
    let ends = disk.flush(at(0), 'a', 0, &chance);
    disk.delete('a');
    assert!(!disk.exists('a') && !disk.flushed(ends, 'a', 0));
    disk.append(at(3), 'b', bytes(1));
    assert_eq!(disk.durable('b'), Bytes::ZERO, "the slot's memory serves again, its content does not");
}

/// By 36 s: 10 bytes fsynced, 20 written back, 30 in all; with `flush`, an fsync of all began 1 ms before.
fn before_power_loss(survives: Survives, chance: &Chance, flush: bool) -> Disk<char> {
    let mut disk = Disk::new(options(survives), NODE);
    disk.append(at(0), 'a', bytes(10));
    let ends = disk.flush(at(0), 'a', 0, chance);
    assert!(disk.flushed(ends, 'a', 0));
    disk.append(at(3), 'a', bytes(10));
    disk.append(at(20_000), 'a', bytes(10));
    if flush {
        disk.flush(at(35_999), 'a', 1, chance);
        disk.append(at(36_000), 'a', bytes(10));
    }
    disk
}

#[test]
fn a_power_loss_leaves_what_it_should() {
    // What the disk does, what is lost, an fsync in progress; the least and the most over many draws, both reached.
    for (survives, lose, flush, least, most) in [
        (Survives::Written, Lose::Drawn, false, 20, 20),
        (Survives::AnyPrefix, Lose::Drawn, false, 20, 30),
        (Survives::Written, Lose::Drawn, true, 20, 30),
        (Survives::AnyPrefix, Lose::Drawn, true, 20, 40),
        (Survives::AnyPages, Lose::Drawn, false, 20, 30),
        (Survives::AnyPages, Lose::Drawn, true, 20, 40),
        (Survives::AnyPages, Lose::AllUnsynced, true, 10, 10),
        (Survives::Written, Lose::AllUnsynced, false, 10, 10),
        (Survives::AnyPrefix, Lose::AllUnsynced, true, 10, 10),
        (Survives::Written, Lose::Nothing, false, 30, 30),
        (Survives::Written, Lose::Nothing, true, 40, 40),
    ] {
        let lengths: Vec<u64> = (0..200)
            .map(|seed| {
                let chance = Chance::new(seed);
                let mut disk = before_power_loss(survives, &chance, flush);
                let before = disk.length('a');
                let mut survivors = Vec::new();
                disk.power_loss(at(36_000), lose, &chance, &mut survivors);
                let length = disk.length('a');
                assert_eq!(survivors, [Survivor { file: 'a', before, length, undone: 0 }]);
                assert_eq!(disk.durable('a'), length, "what survived is durable");
                assert!(!disk.flushed(at(40_000), 'a', 1), "the fsync never ended");
                length.get()
            })
            .collect();
        let range = (lengths.iter().min().copied(), lengths.iter().max().copied());
        assert_eq!(range, (Some(least), Some(most)), "{survives:?} {lose:?} {flush}");
    }
}

#[test]
fn of_dirty_pages_those_before_the_first_missing_one_are_left() {
    // Durable, and in all; what may be left. Each page is as likely as not to be missing, so that each case is seen.
    for (durable, length, expected) in [
        (0, 10_000, vec![0, 4_096, 8_192, 10_000]),
        (5_000, 10_000, vec![5_000, 8_192, 10_000]),
        (8_192, 10_000, vec![8_192, 10_000]),
        (10_000, 10_000, vec![10_000]),
    ] {
        let mut seen: Vec<u64> = (0..200)
            .map(|seed| {
                let (mut disk, chance) = (Disk::new(options(Survives::AnyPages), NODE), Chance::new(seed));
                disk.append(at(0), 'a', bytes(durable));
                let ends = disk.flush(at(0), 'a', 0, &chance);
                assert!(disk.flushed(ends, 'a', 0));
                disk.append(ends, 'a', bytes(length - durable));
                disk.power_loss(ends, Lose::Drawn, &chance, &mut Vec::new());
                disk.length('a').get()
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, expected, "{durable} of {length}");
    }
}

#[test]
fn an_fsync_that_ended_unnoticed_counts_and_the_device_is_idle_afterwards() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    disk.append(at(0), 'a', bytes(10));
    disk.flush(at(0), 'a', 0, &chance);
    disk.flush(at(0), 'b', 0, &chance);
    let mut survivors = Vec::new();
    disk.power_loss(at(2), Lose::AllUnsynced, &chance, &mut survivors);
    let lengths: Vec<(char, u64)> = survivors.iter().map(|left| (left.file, left.length.get())).collect();
    assert_eq!(lengths, [('a', 10), ('b', 0)]);
    assert_eq!(disk.flush(at(2), 'a', 0, &chance), at(4));
}

#[test]
fn a_replacement_survives_whole_or_not_at_all() {
    // Lost at, how; which (length, undone) occur. The second of two replacements waits for the device until 4 ms.
    for (lost, lose, outcomes) in [
        (1, Lose::Drawn, vec![(0, 2), (8, 1)]),
        (2, Lose::Drawn, vec![(5, 0), (8, 1)]),
        (3, Lose::Drawn, vec![(5, 0), (8, 1)]),
        (3, Lose::AllUnsynced, vec![(8, 1)]),
        (3, Lose::Nothing, vec![(8, 1)]),
        (4, Lose::Drawn, vec![(5, 0)]),
    ] {
        let mut seen: Vec<(u64, u32)> = (0..100)
            .map(|seed| {
                let (mut disk, chance) = (disk(), Chance::new(seed));
                disk.replace(at(0), 'a', bytes(8), 1, &chance);
                disk.replace(at(0), 'a', bytes(5), 2, &chance);
                let mut survivors = Vec::new();
                disk.power_loss(at(lost), lose, &chance, &mut survivors);
                (survivors[0].length.get(), survivors[0].undone)
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, outcomes, "{lost} {lose:?}");
    }
}

#[test]
fn an_fsync_still_waiting_for_the_device_does_nothing() {
    for seed in 0..20 {
        let (mut disk, chance) = (disk(), Chance::new(seed));
        disk.flush(at(0), 'a', 0, &chance);
        disk.append(at(0), 'b', bytes(1_000));
        disk.flush(at(0), 'b', 0, &chance);
        disk.replace(at(0), 'c', bytes(8), 0, &chance);
        let mut survivors = Vec::new();
        disk.power_loss(at(1), Lose::Drawn, &chance, &mut survivors);
        let left: Vec<(u64, u32)> = survivors.iter().map(|left| (left.length.get(), left.undone)).collect();
        assert_eq!(left, [(0, 0), (0, 0), (0, 1)]);
    }
}

#[test]
fn draws_go_by_file_and_number_and_a_reset_disk_repeats_itself() {
    let fsync = Distribution::Uniform(Span::from_milliseconds(1), Span::from_milliseconds(9));
    let drawn = Options { fsync, survives: Survives::AnyPrefix };
    let chance = Chance::new(5);
    let mut disk = Disk::new(drawn, NODE);
    let mut run = |with_other: bool| {
        disk.reset(drawn, NODE);
        disk.append(at(0), 'a', bytes(1));
        let mut took = Vec::new();
        for second in 0..5 {
            let now = at(second * 1_000);
            took.push(disk.flush(now, 'a', 0, &chance).since(now));
            if with_other {
                disk.flush(at(second * 1_000 + 500), 'b', 0, &chance);
            }
        }
        took
    };
    let alone = run(false);
    assert_eq!(alone, run(true));
    assert!(alone.windows(2).any(|pair| pair[0] != pair[1]), "each fsync of a file draws anew");
    disk.reset(drawn, NODE);
    let took =
        [(0, 'a'), (1_000, 'b')].map(|(now, file)| disk.flush(at(now), file, 0, &chance).since(at(now)));
    assert_ne!(took[0], took[1], "and each file");
}

#[test]
fn a_slow_disk_takes_so_many_times_as_long_for_what_is_asked_for_meanwhile() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    disk.falls_ill(at(0), Ill::Slow(3));
    disk.falls_ill(at(0), Ill::Slow(10));
    assert_eq!(disk.flush(at(0), 'a', 0, &chance), at(20));
    disk.recovers(at(1), Ill::Slow(10));
    assert_eq!(disk.flush(at(100), 'a', 1, &chance), at(106));
    disk.recovers(at(110), Ill::Slow(3));
    assert_eq!(disk.flush(at(200), 'a', 2, &chance), at(202));
}

#[test]
fn what_is_not_done_when_a_slow_disk_is_well_takes_its_usual_time() {
    // Asked for at: two while it is slow, one while it is slower still; the device serves one after the other.
    let slow = |chance: &Chance| {
        let mut disk = disk();
        assert_eq!(disk.flush(at(0), 'a', 0, chance), at(2), "before it is slow");
        disk.falls_ill(at(1), Ill::Slow(10));
        assert_eq!(disk.flush(at(1), 'b', 0, chance), at(22));
        assert_eq!(disk.flush(at(1), 'a', 1, chance), at(42));
        disk.falls_ill(at(2), Ill::Slow(100));
        assert_eq!(disk.flush(at(2), 'b', 1, chance), at(242));
        disk
    };
    let chance = Chance::new(1);
    // When it recovers from what, when each ends then.
    for (now, recovers, ends) in [
        (1, &[100, 10][..], [2, 4, 6, 8]),
        (12, &[100, 10], [2, 13, 15, 17]),
        (12, &[10], [2, 22, 42, 242]),
        (12, &[100], [2, 22, 42, 62]),
        (142, &[100], [2, 22, 42, 152]),
        (142, &[100, 10], [2, 22, 42, 143]),
        (300, &[100, 10], [2, 22, 42, 242]),
    ] {
        let mut disk = slow(&chance);
        for &factor in recovers {
            disk.recovers(at(now), Ill::Slow(factor));
        }
        let files = [('a', 0), ('b', 0), ('a', 1), ('b', 1)];
        assert_eq!(files.map(|(file, token)| disk.ends(file, token)), ends.map(|ends| Some(at(ends))));
        assert_eq!(disk.idle(), at(ends[3].max(if now > ends[3] { now } else { 0 })));
        assert!(disk.flushed(at(ends[3]), 'b', 1));
    }
}

#[test]
fn in_a_stall_no_fsync_ends_and_the_device_goes_on_where_it_stood() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    for token in 0..2 {
        disk.append(at(0), 'a', bytes(10));
        assert_eq!(disk.flush(at(0), 'a', token, &chance), at(2 + 2 * u64::from(token)));
    }
    disk.falls_ill(at(1), Ill::Stalled);
    disk.falls_ill(at(5), Ill::Stalled);
    assert_eq!(disk.delayed(at(2), 'a', 0), Some(Time::NEVER));
    // Behind the two, the third has nothing done of it; to be looked at again at once.
    assert_eq!(disk.flush(at(50), 'a', 2, &chance), at(50));
    assert_eq!(disk.delayed(at(50), 'a', 2), Some(Time::NEVER));
    disk.recovers(at(60), Ill::Stalled);
    assert_eq!(disk.delayed(at(60), 'a', 0), Some(Time::NEVER), "another goes on");
    disk.recovers(at(101), Ill::Stalled);
    for (token, ends) in [(0, 102), (1, 104), (2, 106)] {
        assert_eq!(disk.delayed(at(101), 'a', token), Some(at(ends)), "{token}");
        assert!(!disk.flushed(at(ends - 1), 'a', token));
        assert_eq!(disk.delayed(at(ends), 'a', token), None);
        assert!(disk.flushed(at(ends), 'a', token));
    }
    assert_eq!(disk.flush(at(200), 'a', 3, &chance), at(202));
}

#[test]
fn after_a_stall_what_waited_for_the_device_waits_still() {
    for seed in 0..20 {
        let (mut disk, chance) = (disk(), Chance::new(seed));
        disk.flush(at(0), 'a', 0, &chance);
        disk.append(at(0), 'b', bytes(1_000));
        disk.flush(at(0), 'b', 0, &chance);
        disk.falls_ill(at(1), Ill::Stalled);
        disk.recovers(at(101), Ill::Stalled);
        // One for each ends at 102 and 104, and the next comes after them.
        assert_eq!(disk.flush(at(101), 'c', 0, &chance), at(106));
        let mut survivors = Vec::new();
        disk.power_loss(at(101), Lose::Drawn, &chance, &mut survivors);
        assert_eq!(survivors[1].length, Bytes::ZERO, "the device had not turned to it");
    }
}

#[test]
fn a_power_loss_in_a_stall_finds_nothing_done_since() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    disk.append(at(0), 'a', bytes(10));
    disk.flush(at(0), 'a', 0, &chance);
    disk.append(at(1), 'b', bytes(10));
    disk.flush(at(1), 'b', 0, &chance);
    disk.falls_ill(at(3), Ill::Stalled);
    let mut survivors = Vec::new();
    disk.power_loss(at(60_000), Lose::AllUnsynced, &chance, &mut survivors);
    let left: Vec<u64> = survivors.iter().map(|survivor| survivor.length.get()).collect();
    assert_eq!(left, [10, 0], "the first fsync had ended before, and nothing was written back in a stall");
}

#[test]
fn a_failed_fsync_makes_nothing_durable_and_a_lying_one_neither() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    disk.append(at(0), 'a', bytes(10));
    let ends = disk.flush(at(0), 'a', 0, &chance);
    disk.falls_ill(at(1), Ill::FailsFsyncs);
    assert!(disk.failed(ends, 'a', 0));
    assert!(!disk.flushed(ends, 'a', 0), "it is over");
    assert_eq!(disk.durable('a'), Bytes::ZERO);
    disk.recovers(at(3), Ill::FailsFsyncs);

    disk.falls_ill(at(3), Ill::LiesAboutFsyncs);
    let ends = disk.flush(at(3), 'a', 1, &chance);
    assert!(!disk.failed(ends, 'a', 1));
    assert!(disk.flushed(ends, 'a', 1), "it says that all is well");
    assert_eq!(disk.durable('a'), Bytes::ZERO);
    disk.recovers(at(6), Ill::LiesAboutFsyncs);

    disk.append(at(6), 'a', bytes(5));
    let ends = disk.flush(at(6), 'a', 2, &chance);
    assert!(disk.flushed(ends, 'a', 2));
    assert_eq!(disk.durable('a'), Bytes::ZERO, "what failed before counts as clean, and is not written");
    assert_eq!(disk.length('a'), bytes(15), "whoever reads it has it");
    disk.truncate('a', Bytes::ZERO);
    disk.append(ends, 'a', bytes(7));
    let ends = disk.flush(ends, 'a', 3, &chance);
    assert!(disk.flushed(ends, 'a', 3));
    assert_eq!(disk.durable('a'), bytes(7), "what is written anew is dirty again");
}

#[test]
fn a_power_loss_leaves_a_torn_file_where_an_fsync_failed() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    disk.append(at(0), 'a', bytes(10));
    let ends = disk.flush(at(0), 'a', 0, &chance);
    assert!(disk.flushed(ends, 'a', 0));
    disk.append(ends, 'a', bytes(10));
    let ends = disk.flush(ends, 'a', 1, &chance);
    disk.falls_ill(ends, Ill::FailsFsyncs);
    assert!(disk.failed(ends, 'a', 1));
    disk.recovers(ends, Ill::FailsFsyncs);
    disk.append(ends, 'a', bytes(10));
    let ends = disk.flush(ends, 'a', 2, &chance);
    assert!(disk.flushed(ends, 'a', 2));
    let mut survivors = Vec::new();
    disk.power_loss(ends, Lose::AllUnsynced, &chance, &mut survivors);
    assert_eq!(
        (disk.length('a'), disk.durable('a')),
        (bytes(11), bytes(11)),
        "not ten: there is more behind"
    );
}

#[test]
fn a_full_disk_takes_no_new_file_and_still_flushes_an_old_one() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    disk.append(at(0), 'a', bytes(10));
    disk.falls_ill(at(0), Ill::Full);
    assert!(disk.is_full());
    let (old, new) = (disk.flush(at(0), 'a', 0, &chance), disk.replace(at(0), 'b', bytes(8), 1, &chance));
    assert!(!disk.failed(old, 'a', 0) && disk.flushed(old, 'a', 0));
    assert!(disk.failed(new, 'b', 1));
    assert_eq!((disk.durable('a'), disk.length('b')), (bytes(10), Bytes::ZERO));
}

#[test]
fn a_wiped_disk_is_empty_and_its_fsyncs_come_to_nothing() {
    let (mut disk, chance) = (disk(), Chance::new(1));
    disk.append(at(0), 'a', bytes(10));
    let ends = disk.flush(at(0), 'a', 0, &chance);
    disk.wipe();
    disk.append(at(1), 'a', bytes(4));
    assert!(!disk.flushed(ends, 'a', 0));
    assert_eq!((disk.length('a'), disk.durable('a')), (bytes(4), Bytes::ZERO));
}

#[test]
fn what_was_taken_away_may_be_back_until_its_directory_is_durable() {
    // What survives, what is lost; when the power goes; whether an fsync ended before, and if so of the directory.
    type Case = (Survives, Lose, u64, Option<bool>, &'static [bool]);
    let cases: [Case; 9] = [
        (Survives::Written, Lose::Drawn, 4_999, None, &[true]),
        (Survives::Written, Lose::Drawn, 5_000, None, &[false]),
        (Survives::Written, Lose::Drawn, 4_999, Some(false), &[false]),
        (Survives::Written, Lose::AllUnsynced, 60_000, None, &[true]),
        (Survives::Written, Lose::Nothing, 4_999, None, &[false]),
        (Survives::AnyPrefix, Lose::Drawn, 60_000, None, &[false, true]),
        (Survives::AnyPages, Lose::Drawn, 60_000, Some(false), &[false, true]),
        (Survives::AnyPages, Lose::Drawn, 60_000, Some(true), &[false]),
        (Survives::AnyPrefix, Lose::AllUnsynced, 4_999, Some(true), &[false]),
    ];
    for (survives, lose, power, synced, comes_back) in cases {
        let mut seen = [false; 2];
        for seed in 0..32 {
            let (mut disk, chance) = (Disk::new(options(survives), NodeId(1)), Chance::new(seed));
            disk.append(at(0), 'a', bytes(10));
            disk.unlink(at(1), 'a');
            if let Some(directory) = synced {
                disk.synced(directory);
            }
            let back = disk.comes_back(at(power), lose, &chance);
            seen[usize::from(back == Some('a'))] = true;
            assert_eq!(disk.comes_back(at(power), lose, &chance), None, "once");
        }
        let seen: Vec<bool> = [false, true].into_iter().filter(|&back| seen[usize::from(back)]).collect();
        assert_eq!(seen, comes_back, "{survives:?} {lose:?} at {power} after {synced:?}");
    }
    // An fsync that is none makes nothing durable here either.
    let mut disk = disk();
    disk.append(at(0), 'a', bytes(10));
    disk.unlink(at(1), 'a');
    disk.falls_ill(at(1), Ill::LiesAboutFsyncs);
    disk.synced(true);
    assert_eq!(disk.comes_back(at(2), Lose::AllUnsynced, &Chance::new(0)), Some('a'));
}
