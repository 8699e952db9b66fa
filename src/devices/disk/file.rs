//! One file: how much of it is appended, written back and durable.
//!
//! # Departure from Kafka:
//! Writeback takes the pages that are old enough, where Linux, once a file has one, takes all its dirty pages. But for
//! `any-pages`, nothing is rounded to pages of 4 KiB, and the background share of memory (`vm.dirty_background_ratio`) never
//! starts writeback earlier.

use std::collections::VecDeque;

use super::{EXPIRES_AFTER_WAKES, Lose, Survives, WAKES_EVERY};
use crate::kernel::chance::Draw;
use crate::kernel::units::{Bytes, Time};

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// Which of the disk's files, in the order they were created: what draws go by.
    pub(super) ordinal: u32,
    pub(super) length: Bytes,
    pub(super) durable: Bytes,
    /// Written back, as far as entries of `dirty` have been let go.
    written: Bytes,
    /// What was appended between two wakes of the flusher, oldest first.
    dirty: VecDeque<Dirty>,
    /// An fsync of what lies behind has failed: those pages are taken for clean, and never reach the device.
    hole: Option<Bytes>,
    /// Fsyncs not ended, in the order the device serves them.
    pub(super) flushing: VecDeque<Flush>,
    /// How many fsyncs there have been.
    pub(super) flushes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Dirty {
    /// The flusher had woken so many times.
    wakes: u64,
    /// Where the bytes end.
    end: Bytes,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Flush {
    pub(super) token: u32,
    pub(super) covers: Covers,
    /// When the device turns to it.
    pub(super) begins: Time,
    pub(super) ends: Time,
    /// How many times as long as usual it takes.
    pub(super) slower: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Covers {
    /// The file up to here.
    Prefix(Bytes),
    /// A new file of this length, which then takes the place of the old.
    Replacement(Bytes),
}

/// What is written back, or not, as one, in bytes.
const PAGE: u64 = 4_096;

impl File {
    /// Makes this an empty file; the memory of the last one serves again.
    pub(super) fn create(&mut self, ordinal: u32) {
        self.ordinal = ordinal;
        self.all_durable(Bytes::ZERO);
        self.flushing.clear();
        self.flushes = 0;
    }

    #[inline]
    pub(super) fn append(&mut self, now: Time, bytes: Bytes) {
        self.length += bytes;
        let wakes = wakes(now);
        match self.dirty.back_mut() {
            Some(last) if last.wakes == wakes => last.end = self.length,
            Some(_) | None => {
                while let Some(oldest) = self.dirty.front().filter(|oldest| oldest.is_written(wakes)) {
                    self.written = oldest.end;
                    self.dirty.pop_front();
                }
                self.dirty.push_back(Dirty { wakes, end: self.length });
            }
        }
    }

    pub(super) fn truncate(&mut self, length: Bytes) {
        if length >= self.length {
            return;
        }
        self.length = length;
        self.durable = self.durable.min(length);
        self.written = self.written.min(length);
        self.hole = self.hole.filter(|&hole| hole < length);
        for dirty in &mut self.dirty {
            dirty.end = dirty.end.min(length);
        }
        // What is appended where the cut bytes were is not covered by an fsync of those.
        for flush in &mut self.flushing {
            if let Covers::Prefix(end) = &mut flush.covers {
                *end = (*end).min(length);
            }
        }
    }

    /// Whether an fsync with this token has ended by now.
    pub(super) fn flushed(&mut self, now: Time, token: u32) -> bool {
        let ended = |flush: &Flush| flush.token == token && flush.ends <= now;
        let Some(place) = self.flushing.iter().position(ended) else { return false };
        let flush = self.flushing.remove(place).expect("an index just found");
        self.take_hold(flush.covers);
        true
    }

    /// An fsync has failed: the dirty pages it was to write are not written now, nor later (as with ext4 and xfs).
    pub(super) fn fail(&mut self, now: Time, covers: Covers) {
        let Covers::Prefix(end) = covers else { return };
        let written = self.written(now);
        if written < end {
            // Nothing behind a hole counts as written.
            self.hole = Some(written);
        }
    }

    /// Written back by now, or fsynced.
    pub(super) fn written(&self, now: Time) -> Bytes {
        let wakes = wakes(now);
        let written_back = self.dirty.iter().take_while(|dirty| dirty.is_written(wakes)).last();
        let written = written_back.map_or(self.written, |dirty| dirty.end).max(self.durable);
        self.before_hole(written)
    }

    fn before_hole(&self, bytes: Bytes) -> Bytes {
        self.hole.map_or(bytes, |hole| hole.min(bytes))
    }

    /// Keeps what survives, which is durable then. Gives how many replacements have not taken hold.
    pub(super) fn power_loss(&mut self, now: Time, lose: Lose, survives: Survives, draw: Draw) -> u32 {
        while let Some(flush) = self.flushing.front().copied().filter(|flush| flush.ends <= now) {
            self.flushing.pop_front();
            self.take_hold(flush.covers);
        }
        let in_service = self.flushing.front().filter(|flush| flush.begins <= now).map(|flush| flush.covers);
        let mut undone = 0;
        for flush in &self.flushing {
            undone += u32::from(matches!(flush.covers, Covers::Replacement(_)));
        }
        self.flushing.clear();

        let written = self.written(now);
        let (least, most) = match (lose, survives, in_service) {
            (Lose::AllUnsynced, _, _) => (self.durable, self.durable),
            (Lose::Nothing, _, _) => (self.length, self.length),
            (Lose::Drawn, _, Some(Covers::Replacement(length))) if draw.below(2) == 1 => {
                undone -= 1;
                (length, length)
            }
            (Lose::Drawn, Survives::AnyPrefix, _) => (written, self.length),
            (Lose::Drawn, Survives::AnyPages, _) => {
                let whole =
                    Bytes::new((written.get() / PAGE + u64::from(draw.bits().trailing_ones())) * PAGE);
                let left = whole.clamp(written, self.length);
                (left, left)
            }
            (Lose::Drawn, Survives::Written, Some(Covers::Prefix(end))) => (written, end.max(written)),
            (Lose::Drawn, Survives::Written, Some(Covers::Replacement(_)) | None) => (written, written),
        };
        let mut left = least + Bytes::new(draw.below((most - least).get() + 1));
        if let Some(hole) =
            self.hole.filter(|&hole| lose != Lose::Nothing && left >= hole && self.length > hole)
        {
            // The file may be as long as ever, but what lies there is not what was written: as good as a torn batch.
            left = hole + Bytes::new(1);
        }
        self.all_durable(left);
        undone
    }

    fn take_hold(&mut self, covers: Covers) {
        match covers {
            Covers::Prefix(end) => self.durable = self.durable.max(self.before_hole(end.min(self.length))),
            Covers::Replacement(length) => self.all_durable(length),
        }
    }

    /// The file has this length, and all of it is durable.
    fn all_durable(&mut self, length: Bytes) {
        self.length = length;
        self.durable = length;
        self.written = length;
        self.hole = None;
        self.dirty.clear();
    }
}

impl Dirty {
    /// Whether the flusher, after so many wakes, has found these bytes older than its limit. Exact: what was appended between
    /// two wakes is past the limit at the same wake.
    #[inline]
    fn is_written(&self, wakes: u64) -> bool {
        wakes > self.wakes + EXPIRES_AFTER_WAKES
    }
}

/// How many times the flusher has woken by now, the beginning of the run not counted.
#[inline]
fn wakes(now: Time) -> u64 {
    now.nanoseconds() / WAKES_EVERY.nanoseconds()
}
