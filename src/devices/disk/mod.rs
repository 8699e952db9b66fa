//! One machine's disk: page cache, writeback, fsync, and what a power loss leaves.
//!
//! It never knows what a file holds: files are names with lengths, and bytes are counted, not kept. It sets no alarms: the
//! world hands the end of each fsync back to [`Disk::flushed`]; writeback is computed when somebody asks.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | the device: its files by name, and its one queue |
//! | `file` | one file: how much is appended, written back and durable |
//! | `tests` | each rule as a case |
//!
//! A process crash changes nothing here, and an fsync that was asked for goes on: the world calls [`Disk::flushed`] all the
//! same and merely tells nobody.
//!
//! # Departure from Kafka:
//! Creating, deleting, renaming and truncating files is durable at once, but for [`Disk::unlink`]; the device is busy with fsyncs
//! alone, so that writeback costs it nothing.

mod file;
#[cfg(test)]
mod tests;

use self::file::{Covers, File, Flush};
use crate::kernel::chance::{Chance, Occasion, Purpose};
use crate::kernel::distribution::Distribution;
use crate::kernel::units::{Bytes, NodeId, Span, Time};

/// The disk of every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long an fsync takes.
    pub fsync: Distribution,
    /// What a power loss leaves beyond what was fsynced.
    pub survives: Survives,
}

/// What a power loss leaves beyond what was fsynced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// `"written"`: what writeback has finished.
    Written,
    /// `"any-prefix"`: a drawn prefix of what was dirty, per file, at least what writeback has finished.
    AnyPrefix,
    /// `"any-pages"`: of the pages of 4 KiB that were dirty each as likely as not, per file, up to the first that is missing:
    /// there recovery cuts the file.
    AnyPages,
}

/// What one power loss takes of the bytes that were not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lose {
    /// All but what [`Options::survives`] says.
    Drawn,
    /// Everything that was never fsynced, even if written back.
    AllUnsynced,
    /// Nothing.
    Nothing,
}

/// What a power loss has left of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivor<F> {
    /// Which.
    pub file: F,
    /// How long it was, page cache included.
    pub before: Bytes,
    /// How long it is now, all of it durable.
    pub length: Bytes,
    /// How many of the last [`Disk::replace`]s asked for have not taken hold: with 0 the file has the newest content.
    pub undone: u32,
}

/// The disk of one machine.
#[derive(Clone, Debug)]
pub struct Disk<F> {
    node: NodeId,
    options: Options,
    /// Where each file lies in `files`, in the order of names.
    index: Vec<(F, u32)>,
    /// The first `used` have served in this run; the others keep their memory from earlier ones.
    files: Vec<File>,
    used: usize,
    free: Vec<u32>,
    /// How many files there have ever been.
    created: u32,
    /// The place in `index` of the file opened last.
    opened_last: usize,
    /// When the device has served all that it was asked for.
    idle: Time,
    power_losses: u64,
    /// A file that was taken away, and when; the device may still have its directory entry.
    unlinked: Option<(F, Time)>,
    ills: Ills,
}

/// What is wrong with a disk now.
#[derive(Clone, Debug, Default)]
struct Ills {
    /// See [`Ill::Slow`].
    slow: Vec<u32>,
    /// How many stalls are on it, and since when.
    stalls: u32,
    stalled_since: Time,
    full: u32,
    fails: u32,
    lies: u32,
}

/// Something that can be wrong with a disk for a while. Each nests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ill {
    /// An fsync asked for meanwhile takes so many times as long; of several, the slowest counts. What of it is not done when that
    /// is over takes its usual time.
    Slow(u32),
    /// No fsync ends; the device goes on where it stood.
    Stalled,
    /// There is no room for a file written anew. Who appends is to ask [`Disk::is_full`] first.
    Full,
    /// An fsync that ends meanwhile has failed.
    FailsFsyncs,
    /// An fsync asked for meanwhile ends well and makes nothing durable.
    LiesAboutFsyncs,
}

impl<F: Copy + Ord> Disk<F> {
    /// An empty disk.
    pub fn new(options: Options, node: NodeId) -> Disk<F> {
        Disk {
            node,
            options,
            index: Vec::new(),
            files: Vec::new(),
            used: 0,
            free: Vec::new(),
            created: 0,
            opened_last: 0,
            idle: Time::ZERO,
            power_losses: 0,
            unlinked: None,
            ills: Ills::default(),
        }
    }

    /// An empty disk again; the memory is kept.
    pub fn reset(&mut self, options: Options, node: NodeId) {
        self.node = node;
        self.options = options;
        self.index.clear();
        self.used = 0;
        self.free.clear();
        self.created = 0;
        self.idle = Time::ZERO;
        self.power_losses = 0;
        self.unlinked = None;
        self.ills = Ills::default();
    }

    /// Something begins to be wrong.
    pub fn falls_ill(&mut self, now: Time, ill: Ill) {
        match ill {
            Ill::Slow(factor) => self.ills.slow.push(factor),
            Ill::Stalled => {
                if self.ills.stalls == 0 {
                    self.ills.stalled_since = now;
                }
                self.ills.stalls += 1;
            }
            Ill::Full => self.ills.full += 1,
            Ill::FailsFsyncs => self.ills.fails += 1,
            Ill::LiesAboutFsyncs => self.ills.lies += 1,
        }
    }

    /// Something is no longer wrong. Panics if it was not. After the last stall ask [`Disk::delayed`] for every fsync under way,
    /// and after it was slow [`Disk::ends`]: it may end sooner.
    pub fn recovers(&mut self, now: Time, ill: Ill) {
        match ill {
            Ill::Slow(factor) => {
                let place = self.ills.slow.iter().position(|&one| one == factor);
                self.ills.slow.remove(place.expect("a disk recovers from what it has"));
                self.speed_up(now);
            }
            Ill::Stalled => {
                self.ills.stalls -= 1;
                if self.ills.stalls == 0 {
                    self.go_on(now);
                }
            }
            Ill::Full => self.ills.full -= 1,
            Ill::FailsFsyncs => self.ills.fails -= 1,
            Ill::LiesAboutFsyncs => self.ills.lies -= 1,
        }
    }

    /// Whether nothing more can be written.
    pub fn is_full(&self) -> bool {
        self.ills.full > 0
    }

    /// Whether something is wrong that ends a process as soon as it writes.
    pub fn fails_writers(&self) -> bool {
        self.ills.full > 0 || self.ills.fails > 0
    }

    /// Everything is gone, as if the disk had been replaced. Fsyncs under way end without effect.
    pub fn wipe(&mut self) {
        self.free.extend(self.index.drain(..).map(|(_, slot)| slot));
        self.unlinked = None;
    }

    /// Puts bytes at the end of a file, which is created if there is none: they are in the page cache.
    #[inline]
    pub fn append(&mut self, now: Time, file: F, bytes: Bytes) {
        self.open(file).append(now, bytes);
    }

    /// Cuts a file to `length`, if it is longer.
    pub fn truncate(&mut self, file: F, length: Bytes) {
        if let Ok(place) = self.find(file) {
            self.files[self.index[place].1 as usize].truncate(length);
        }
    }

    /// Takes a file away. An fsync of it that is under way ends without effect.
    pub fn delete(&mut self, file: F) {
        if let Ok(place) = self.find(file) {
            let (_, slot) = self.index.remove(place);
            self.free.push(slot);
        }
    }

    /// Takes a file away whose directory nobody fsyncs for it: a power loss may bring it back ([`Disk::comes_back`]). Of several
    /// the last is remembered.
    pub fn unlink(&mut self, now: Time, file: F) {
        self.delete(file);
        self.unlinked = Some((file, now));
    }

    /// An fsync has ended: of the directory in which files are taken away, or of anything else. A file system with a journal
    /// commits all that came before with any of them.
    pub fn synced(&mut self, directory: bool) {
        if (directory || self.has_journal()) && self.ills.lies == 0 {
            self.unlinked = None;
        }
    }

    /// The machine loses power, which [`Disk::power_loss`] is to be told next: whether a file that was taken away is there again.
    /// With a journal, which is committed every 5 s (`commit` of ext4), nothing that was written since is there then.
    pub fn comes_back(&mut self, now: Time, lose: Lose, chance: &Chance) -> Option<F> {
        let (file, since) = self.unlinked.take()?;
        let wakes = |time: Time| time.nanoseconds() / WAKES_EVERY.nanoseconds();
        let occasion = Occasion(u64::MAX, self.power_losses);
        let is_back = match lose {
            Lose::Nothing => false,
            Lose::AllUnsynced => true,
            Lose::Drawn if self.has_journal() => wakes(now) == wakes(since),
            Lose::Drawn => chance.draw(Purpose::Survival, u64::from(self.node.0), occasion).below(2) == 1,
        };
        is_back.then_some(file)
    }

    /// Whether the file system keeps changes of directories and of lengths in their order, as ext4 and xfs do.
    pub fn has_journal(&self) -> bool {
        match self.options.survives {
            Survives::Written => true,
            Survives::AnyPrefix | Survives::AnyPages => false,
        }
    }

    /// Makes durable what the file holds now. Hand the token to [`Disk::flushed`] at the instant returned.
    pub fn flush(&mut self, now: Time, file: F, token: u32, chance: &Chance) -> Time {
        let honest = if self.ills.lies == 0 { self.open(file).length } else { Bytes::ZERO };
        let covers = Covers::Prefix(honest);
        self.serve(now, file, token, covers, chance)
    }

    /// Writes a small file anew in one stroke (temporary file, fsync, rename): it has its old content until the instant
    /// returned, at which to hand the token to [`Disk::flushed`].
    pub fn replace(&mut self, now: Time, file: F, length: Bytes, token: u32, chance: &Chance) -> Time {
        self.serve(now, file, token, Covers::Replacement(length), chance)
    }

    /// An fsync has ended. False if it was of a file deleted since, or cut short by a power loss.
    pub fn flushed(&mut self, now: Time, file: F, token: u32) -> bool {
        self.find(file).is_ok_and(|place| self.files[self.index[place].1 as usize].flushed(now, token))
    }

    /// Whether an fsync has been put off by a stall: until when, or [`Time::NEVER`] while the stall lasts.
    pub fn delayed(&self, now: Time, file: F, token: u32) -> Option<Time> {
        let flush = self.get(file)?.flushing.iter().find(|flush| flush.token == token)?;
        if flush.ends <= self.device_time(now) {
            None
        } else if self.ills.stalls > 0 {
            Some(Time::NEVER)
        } else {
            Some(flush.ends)
        }
    }

    /// When an fsync under way ends, as things stand.
    pub fn ends(&self, file: F, token: u32) -> Option<Time> {
        let flush = self.get(file)?.flushing.iter().find(|flush| flush.token == token)?;
        Some(flush.ends)
    }

    /// When all that was asked for is done, as things stand.
    pub fn idle(&self) -> Time {
        self.idle
    }

    /// Whether it is slow now.
    #[inline]
    pub fn is_slow(&self) -> bool {
        !self.ills.slow.is_empty()
    }

    /// Whether an fsync that ends now has failed; if so it is over, and has made nothing durable. What it was to write
    /// stays in the page cache, is taken for clean, and never reaches the device: no later fsync ever tries it again.
    pub fn failed(&mut self, now: Time, file: F, token: u32) -> bool {
        if !self.fails_writers() {
            return false;
        }
        let Ok(place) = self.find(file) else { return false };
        let fails_all = self.ills.fails > 0;
        let flushing = &mut self.files[self.index[place].1 as usize].flushing;
        let ended = |flush: &Flush| {
            let fails = fails_all || matches!(flush.covers, Covers::Replacement(_));
            fails && flush.token == token && flush.ends <= now
        };
        let Some(failed) = flushing.iter().position(ended).and_then(|place| flushing.remove(place)) else {
            return false;
        };
        self.files[self.index[place].1 as usize].fail(now, failed.covers);
        true
    }

    /// The machine loses power. Adds what is left of each file to `survivors`, in the order of names. To lose an exact part,
    /// note [`Disk::durable`], lose [`Lose::Nothing`], and truncate to no less than what was durable.
    pub fn power_loss(&mut self, now: Time, lose: Lose, chance: &Chance, survivors: &mut Vec<Survivor<F>>) {
        self.power_losses += 1;
        let now = self.device_time(now);
        self.idle = Time::ZERO;
        for &(file, slot) in &self.index {
            let state = &mut self.files[slot as usize];
            let occasion = Occasion(u64::from(state.ordinal), self.power_losses);
            let draw = chance.draw(Purpose::Survival, u64::from(self.node.0), occasion);
            let before = state.length;
            let undone = state.power_loss(now, lose, self.options.survives, draw);
            survivors.push(Survivor { file, before, length: state.length, undone });
        }
    }

    /// Whether there is such a file.
    pub fn exists(&self, file: F) -> bool {
        self.find(file).is_ok()
    }

    /// How long the file is, page cache included.
    pub fn length(&self, file: F) -> Bytes {
        self.get(file).map_or(Bytes::ZERO, |file| file.length)
    }

    /// How much of it no power loss takes: what was fsynced.
    pub fn durable(&self, file: F) -> Bytes {
        self.get(file).map_or(Bytes::ZERO, |file| file.durable)
    }

    /// How much of it the device has, by writeback or by fsync.
    pub fn written(&self, now: Time, file: F) -> Bytes {
        self.get(file).map_or(Bytes::ZERO, |file| file.written(now))
    }

    /// How much of it is in the page cache alone.
    pub fn dirty(&self, now: Time, file: F) -> Bytes {
        self.length(file) - self.written(now, file)
    }

    /// Queues an fsync: the device serves one after the other.
    fn serve(&mut self, now: Time, file: F, token: u32, covers: Covers, chance: &Chance) -> Time {
        let (entity, begins) = (u64::from(self.node.0), self.idle.max(self.device_time(now)));
        let fsync = self.options.fsync;
        let slower = self.slower();
        let state = self.open(file);
        let occasion = Occasion(u64::from(state.ordinal), state.flushes);
        let takes = fsync.sample(chance.draw(Purpose::Fsync, entity, occasion)) * u64::from(slower);
        state.flushes += 1;
        let ends = begins + takes;
        state.flushing.push_back(Flush { token, covers, begins, ends, slower });
        self.idle = ends;
        // In a stall the device's time is behind.
        ends.max(now)
    }

    /// The time the device itself has: it stands still in a stall.
    fn device_time(&self, now: Time) -> Time {
        if self.ills.stalls > 0 { self.ills.stalled_since } else { now }
    }

    /// How many times as long an fsync takes that is asked for now.
    fn slower(&self) -> u32 {
        self.ills.slow.iter().copied().max().unwrap_or(1)
    }

    /// The device is less slow than it was: of what it was asked for meanwhile, so much as is not done takes less, and what is
    /// queued behind it moves up.
    fn speed_up(&mut self, now: Time) {
        let (now, slower) = (self.device_time(now), self.slower());
        let mut queued: Vec<(Time, u32, usize)> = Vec::new();
        for &(_, slot) in &self.index {
            let flushing = self.files[slot as usize].flushing.iter().enumerate();
            let left = flushing.filter(|(_, flush)| flush.ends > now);
            queued.extend(left.map(|(place, flush)| (flush.begins, slot, place)));
        }
        queued.sort_unstable();
        let mut idle = now;
        for (_, slot, place) in queued {
            let flush = &mut self.files[slot as usize].flushing[place];
            let left = flush.ends.since(flush.begins.max(now));
            if flush.begins > now {
                flush.begins = idle;
            }
            let was = flush.slower;
            flush.slower = was.min(slower);
            idle += left / u64::from(was) * u64::from(flush.slower);
            flush.ends = idle;
        }
        self.idle = idle;
    }

    /// The stall is over: everything that was not done is done so much later.
    fn go_on(&mut self, now: Time) {
        let since = self.ills.stalled_since;
        let later = now.since(since);
        for &(_, slot) in &self.index {
            for flush in self.files[slot as usize].flushing.iter_mut().filter(|flush| flush.ends > since) {
                flush.ends += later;
                if flush.begins > since {
                    flush.begins += later;
                }
            }
        }
        if self.idle > since {
            self.idle += later;
        }
    }

    #[inline]
    fn find(&self, file: F) -> Result<usize, usize> {
        self.index.binary_search_by_key(&file, |&(name, _)| name)
    }

    fn get(&self, file: F) -> Option<&File> {
        self.find(file).ok().map(|place| &self.files[self.index[place].1 as usize])
    }

    #[inline]
    fn open(&mut self, file: F) -> &mut File {
        // Mostly it is the file that was opened last.
        if let Some(&(name, slot)) = self.index.get(self.opened_last)
            && name == file
        {
            return &mut self.files[slot as usize];
        }
        let slot = match self.find(file) {
            Ok(place) => {
                self.opened_last = place;
                self.index[place].1
            }
            Err(place) => self.create(place, file),
        };
        &mut self.files[slot as usize]
    }

    fn create(&mut self, place: usize, file: F) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            if self.used == self.files.len() {
                self.files.push(File::default());
            }
            self.used += 1;
            u32::try_from(self.used - 1).expect("fewer than 2^32 files")
        });
        self.files[slot as usize].create(self.created);
        self.created += 1;
        self.index.insert(place, (file, slot));
        slot
    }
}

/// The kernel's flusher wakes this often (`vm.dirty_writeback_centisecs` = 500), from the beginning of the run on.
const WAKES_EVERY: Span = Span::from_seconds(5);
/// It writes pages that have been dirty for longer (`vm.dirty_expire_centisecs` = 3000), counted in wakes.
const EXPIRES_AFTER_WAKES: u64 = 6;
