//! What Kafka is held to: the books of every message, what must hold at every moment, and what is judged at the end.
//!
//! Checks never know where to look next, and never drive the world: they are told of everything that happens, keep a shadow of
//! what they need, and answer at the end.
//!
//! | file | what it holds |
//! |---|---|
//! | [`history`] | what every message's sender was told, and where the message is in the end |
//! | [`outcome`], `diverged` | the same as numbers; how far replicas differ |
//! | [`clocks`] | how far the machines' clocks were set |
//! | [`invariant`] | promises over the cluster, held against every change |
//! | [`verdict`] | promises over the clients' history, read at the end |
//! | [`promised`], [`breach`] | when Kafka promises it: the budget of unclean stops, and what breaks it |
//! | [`reloads`] | when a broker had to forget what it knew of a producer, or the producer gave its batches other numbers |
//! | [`committed`], [`shadow`] | the shadow of what leaders committed |
//! | [`finding`] | evidence |
//! | [`story`] | what became of a record, in sentences |

pub mod breach;
pub mod clocks;
pub mod committed;
mod diverged;
pub mod finding;
#[cfg(test)]
mod hand;
pub mod history;
pub mod invariant;
pub mod look;
pub mod numbering;
pub mod outcome;
pub mod promised;
pub mod reloads;
pub mod shadow;
pub mod story;
pub mod verdict;

use self::breach::Breach;
use self::committed::Committed;
use self::finding::{Finding, Findings};
use self::history::History;
use self::invariant::committed_reads_stay::CommittedReadsStay;
use self::invariant::high_watermark_never_retreats::{self, HighWatermarkNeverRetreats};
use self::invariant::isr_superset::{self, IsrSuperset};
use self::invariant::leader_completeness::LeaderCompleteness;
use self::invariant::log_matching::LogMatching;
use self::invariant::one_leader_per_epoch::{self, OneLeaderPerEpoch};
use self::invariant::recoverable_disk::{self, RecoverableDisk};
use self::look::Look;
use self::outcome::Outcome;
use self::promised::{Budget, Promised};
use self::reloads::Reloads;
use self::verdict::{acked_is_kept, no_duplicates, order_kept, progress};
use crate::clients::happened::Happened as Client;
use crate::cluster::happened::Happened as Cluster;
use crate::cluster::protocol::LogEntry;
use crate::cluster::units::{Incarnation, LeaderEpoch, Offset, PartitionId};
use crate::kernel::trace::{Entry, EventSeq};
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;
use crate::world::happened::Happened;
use crate::world::observe::{Observer, View};
use crate::world::run::Ending;

/// Everything that watches a run.
#[derive(Clone, Debug)]
pub struct Checks {
    history: History,
    budget: Budget,
    committed: Committed,
    log_matching: LogMatching,
    leader_completeness: LeaderCompleteness,
    high_watermark: HighWatermarkNeverRetreats,
    one_leader: OneLeaderPerEpoch,
    isr_superset: IsrSuperset,
    reads: CommittedReadsStay,
    disk: RecoverableDisk,
    reloads: Reloads,
    /// Faults that took effect.
    struck: u64,
}

/// Whether a promise was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// What it protects against never happened.
    NotTested,
    /// It was.
    Kept,
    /// It cannot be told.
    Inconclusive,
    /// It was not.
    Broken,
}

/// One promise, judged. Held and promised are two answers: only what was promised and broken is a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Which.
    pub promise: Promise,
    /// Whether it was held.
    pub held: Held,
    /// Whether Kafka promises it, under these settings and after these faults. Of a broken one: whether any of the findings was
    /// promised not to be.
    pub promised: Promised,
    /// How many findings there are against it.
    pub findings: u64,
    /// The first of them, or the first that was promised not to be.
    pub first: Option<Finding>,
}

/// A run, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the world had settled; if not, it was read as it stood.
    pub settled: bool,
    /// The closed books.
    pub outcome: Outcome,
    /// Every promise, in the order of [`Promise::ALL`].
    pub promises: Vec<Judged>,
}

impl Checks {
    /// Nothing has happened yet.
    pub fn new(model: &Model) -> Checks {
        let mut checks = Checks {
            history: History::new(model),
            budget: Budget::default(),
            committed: Committed::default(),
            log_matching: LogMatching::default(),
            leader_completeness: LeaderCompleteness::default(),
            high_watermark: HighWatermarkNeverRetreats::default(),
            one_leader: OneLeaderPerEpoch::default(),
            isr_superset: IsrSuperset::default(),
            reads: CommittedReadsStay::default(),
            disk: RecoverableDisk::default(),
            reloads: Reloads::default(),
            struck: 0,
        };
        checks.reset(model);
        checks
    }

    /// The same for another run, with the memory of this one.
    pub fn reset(&mut self, model: &Model) {
        self.history.reset(model);
        self.budget.reset(model);
        self.committed.reset(model);
        self.log_matching.reset(model);
        self.leader_completeness.reset(model);
        self.high_watermark.reset(model);
        self.one_leader.reset(model);
        self.isr_superset.reset(model);
        self.reads.reset(model);
        self.disk.reset(model);
        self.reloads.reset(model);
        self.struck = 0;
    }

    /// Judges the run as the world stands.
    pub fn judge(&self, look: &impl Look, ending: &Ending) -> Judgement {
        let outcome = self.history.settle(look, &self.committed);
        let struck = self.struck > 0;
        let budget = || match self.budget.any_breach() {
            None => Promised::within_budget(),
            Some((partition, breach)) => Promised::no(breach.reason(look.model(), partition)),
        };
        let promises = Promise::ALL
            .iter()
            .map(|&promise| match promise {
                Promise::AckedIsKept => {
                    acked_is_kept::judge(look, &self.history, &self.budget, &outcome, struck)
                }
                Promise::LogMatching => {
                    invariant(promise, self.log_matching.findings(), self.log_matching.tested(), budget)
                }
                Promise::LeaderCompleteness => {
                    let check = &self.leader_completeness;
                    invariant(promise, check.findings(), check.tested(), budget)
                }
                Promise::HighWatermarkNeverRetreats => {
                    let check = &self.high_watermark;
                    let always = || Promised::yes(high_watermark_never_retreats::ALWAYS);
                    invariant(promise, check.findings(), check.tested(), always)
                }
                Promise::OneLeaderPerEpoch => {
                    let check = &self.one_leader;
                    let always = || Promised::yes(one_leader_per_epoch::ALWAYS);
                    invariant(promise, check.findings(), check.tested(), always)
                }
                Promise::IsrSuperset => {
                    let check = &self.isr_superset;
                    let always = || Promised::yes(isr_superset::ALWAYS);
                    invariant(promise, check.findings(), check.tested(), always)
                }
                Promise::CommittedReadsStay => {
                    let findings = self.reads.settled(look, &self.budget, ending.at);
                    invariant(promise, &findings, self.reads.tested(), budget)
                }
                Promise::RecoverableDisk => {
                    let check = &self.disk;
                    let always = || match self.budget.first_rotten() {
                        None => Promised::yes(recoverable_disk::ALWAYS),
                        Some((partition, breach)) => Promised::no(breach.reason(look.model(), partition)),
                    };
                    invariant(promise, check.findings(), check.tested(), always)
                }
                Promise::NoDuplicates => no_duplicates::judge(look, &self.history, &self.reloads, &outcome),
                Promise::OrderKept => order_kept::judge(look, &self.history, &self.reloads, &outcome),
                Promise::Progress => progress::judge(look, &self.budget, ending, struck),
            })
            .collect();
        Judgement { settled: ending.settled, outcome, promises }
    }

    /// What [`Observer::observe`] does, for whatever world.
    #[inline(always)]
    pub fn see(&mut self, look: &impl Look, entry: &Entry<Happened>) {
        let (n, now, node) = (entry.n, entry.t, entry.node);
        match entry.what {
            Happened::Sent { .. }
            | Happened::Answered { .. }
            | Happened::Delivered { .. }
            | Happened::Fsynced { .. } => (),
            Happened::Cluster(ref happened) => self.see_cluster(look, (n, now), node, happened),
            Happened::Client(ref happened) => self.see_client(look, (n, now), node, happened),
            Happened::Struck { .. } => self.struck += 1,
            Happened::Crashed | Happened::PowerLost | Happened::Halted => {
                self.budget.stopped(n, now, node);
                self.leader_completeness.stopped(node);
                self.isr_superset.stopped(node);
                self.disk.stopped(node);
                self.reloads.stopped(node);
            }
            Happened::Lost { partition, old, new } if new < old => {
                self.budget.lost(n, now, node, partition);
                if look.log(node, partition).is_some_and(|log| log.end() > new) {
                    self.budget.gap(now, node, partition);
                }
                self.committed.partition(partition).truncated(node, new);
                self.reads.truncated(node, partition, new);
            }
            Happened::ClockSet { jump } => self.reloads.clock_was_set(node, jump),
            Happened::Rotted { partition, base_offset, of, batch } => {
                let breach = Breach::Rotten { at: now, broker: node, offset: base_offset };
                self.budget.spoilt((partition, base_offset), breach, of, batch);
            }
            Happened::Stopped => {
                self.isr_superset.stopped(node);
                self.reloads.stopped(node);
            }
            Happened::Started { incarnation } => {
                self.high_watermark.started(node);
                let producer = usize::from(node.0).wrapping_sub(usize::from(look.model().producer_node(0).0));
                if producer < look.model().producers.len() {
                    self.history.process_began(producer, incarnation == Incarnation(1));
                }
            }
            Happened::Lost { .. }
            | Happened::NoEffect { .. }
            | Happened::Withheld { .. }
            | Happened::Ended { .. }
            | Happened::Stopping
            | Happened::Paused
            | Happened::Wiped
            | Happened::Link { .. }
            | Happened::Disk { .. }
            | Happened::Resumed
            | Happened::Isolated
            | Happened::Joined
            | Happened::Healed
            | Happened::Settled
            | Happened::Unsettled => (),
        }
    }

    fn see_cluster(&mut self, look: &impl Look, at: (EventSeq, Time), node: NodeId, happened: &Cluster) {
        let (n, now) = at;
        match *happened {
            Cluster::Appended { partition, batch, base_offset, epoch, leading, .. } => {
                let entry = LogEntry { base_offset, batch, epoch };
                self.budget.appended(n, partition, entry, leading);
                self.log_matching.appended(look, &self.budget, at, (node, leading), partition, entry);
                if leading {
                    self.one_leader.appended(look, at, node, partition, epoch);
                    self.served(look, at, node, partition);
                }
            }
            Cluster::HighWatermark { partition, new, epoch, leading, .. } => {
                self.raised(look, at, node, (partition, new), leading.then_some(epoch));
            }
            Cluster::Truncated { partition, new, .. } => {
                let known = (&self.history, &self.budget);
                self.reloads.reloaded(look, known, now, node, partition);
                self.committed.partition(partition).truncated(node, new);
                self.reads.truncated(node, partition, new);
            }
            Cluster::AppendedBehindTorn { partition, base_offset, of, batch } => {
                let breach = Breach::BehindTorn { at: now, broker: node, offset: base_offset };
                self.budget.spoilt((partition, base_offset), breach, of, batch);
            }
            Cluster::CutByRecovery { partition, new, .. } => {
                self.budget.lost(n, now, node, partition);
                self.committed.partition(partition).truncated(node, new);
                self.reads.truncated(node, partition, new);
            }
            Cluster::Restarted { partition, .. } => {
                let known = (&self.history, &self.budget);
                self.reloads.reloaded(look, known, now, node, partition);
                self.committed.partition(partition).truncated(node, Offset::ZERO);
                self.reads.truncated(node, partition, Offset::ZERO);
            }
            Cluster::Deleted { partition, .. } => {
                self.committed.partition(partition).truncated(node, Offset::ZERO);
                self.reads.truncated(node, partition, Offset::ZERO);
            }
            Cluster::Leads { partition, epoch, high_watermark, isr, .. } => {
                self.high_watermark.has(look, at, node, partition, epoch, high_watermark);
                self.isr_superset.counts(look, at, node, partition, (epoch, isr, isr));
                let known = (&mut self.committed, &self.budget);
                if self.leader_completeness.leads(look, known, at, node, partition, epoch) {
                    self.reads.began(look, &self.budget, at, node, (partition, epoch));
                }
            }
            Cluster::Recovered { partition, high_watermark, .. } => {
                self.raised(look, at, node, (partition, high_watermark), None);
                self.disk.recovered(look, at, node, partition);
                let known = (&self.history, &self.budget);
                self.reloads.recovered(look, known, now, node, partition);
            }
            Cluster::Decided { partition, old_leader, state, election, .. } => {
                let state = state.state();
                self.budget.decided(n, now, partition, old_leader, &state, election);
                self.leader_completeness.decided(partition, &state);
                self.isr_superset.decided(look, at, partition, &state);
            }
            Cluster::Set { of, setting } => {
                if node.0 <= look.model().cluster.brokers {
                    self.budget.heard(n, now, look.model(), (of, setting), node);
                } else {
                    self.budget.set(n, now, look.model(), (of, setting));
                    self.reloads.set(setting);
                }
            }
            Cluster::Fetched { partition, .. } => self.served(look, at, node, partition),
            Cluster::Isr { partition, committed, maximal, epoch } => {
                self.isr_superset.counts(look, at, node, partition, (epoch, committed, maximal));
            }
            Cluster::Registered { broker, .. } => {
                self.budget.registered(n, now, broker);
                self.leader_completeness.registered(broker);
            }
            Cluster::Acked { partition, batch, base_offset, .. } => {
                self.budget.acknowledged(look.log(node, partition), base_offset, batch);
            }
            Cluster::Follows { .. }
            | Cluster::Rolled { .. }
            | Cluster::LogStart { .. }
            | Cluster::Refused { .. }
            | Cluster::Fenced { .. }
            | Cluster::ShuttingDown { .. }
            | Cluster::ActiveController { .. } => (),
        }
    }

    fn see_client(&mut self, look: &impl Look, at: (EventSeq, Time), node: NodeId, happened: &Client) {
        let (_, now) = at;
        match *happened {
            Client::Called { message, .. } => self.history.called(now, message),
            Client::Told { first, count, outcome } => self.history.told(now, first, count, outcome),
            Client::Attempted { batch, attempt } => {
                self.history.attempted(attempt);
                if attempt > 1 {
                    self.budget.attempted_again(batch);
                }
            }
            Client::Read { partition, base_offset, batch, epoch } => {
                self.history.was_read(batch, look.store());
                let leads = self.leader_completeness.newest(partition);
                let read = (partition, LogEntry { base_offset, batch, epoch });
                self.reads.read(look, &self.budget, at, leads, read);
            }
            Client::CalledAgain { message, .. } => self.history.called_again(message),
            Client::Renumbered { partition, batches, epoch, gave_up } => {
                if gave_up {
                    let producer = usize::from(node.0 - look.model().producer_node(0).0);
                    self.reloads.renumbered(now, producer, partition, batches, epoch);
                }
            }
            Client::Batched { .. }
            | Client::Gone
            | Client::GaveUp { .. }
            | Client::Reset { .. }
            | Client::Corrupt { .. } => (),
        }
    }

    /// A leader has served somebody: whoever took up its former self's leadership has begun to lead by that.
    #[inline]
    fn served(&mut self, look: &impl Look, at: (EventSeq, Time), node: NodeId, partition: PartitionId) {
        let known = (&mut self.committed, &self.budget);
        if let Some(epoch) = self.leader_completeness.served(look, known, at, node, partition) {
            self.reads.began(look, &self.budget, at, node, (partition, epoch));
        }
    }

    /// A replica has a new high watermark; a leader's commits.
    #[inline]
    fn raised(
        &mut self,
        look: &impl Look,
        at: (EventSeq, Time),
        node: NodeId,
        (partition, high_watermark): (PartitionId, Offset),
        leading: Option<LeaderEpoch>,
    ) {
        let log = look.log(node, partition).expect("a replica with a high watermark has a log");
        let raised = self.committed.partition(partition).raise(node, log, high_watermark, leading);
        let known = (&mut self.committed, &self.budget);
        self.log_matching.raised(look, known, at, node, (partition, high_watermark), &raised);
        if let Some(epoch) = leading {
            self.high_watermark.has(look, at, node, partition, epoch, high_watermark);
            let known = (&mut self.committed, &self.budget);
            self.leader_completeness.committed(look, known, at, node, (partition, epoch), &raised);
        }
    }
}

impl Observer for Checks {
    #[inline(always)]
    fn observe(&mut self, view: &View<'_>, entry: &Entry<Happened>) {
        self.see(view, entry);
    }
}

impl Held {
    /// Its word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Held::NotTested => "not-tested",
            Held::Kept => "kept",
            Held::Inconclusive => "inconclusive",
            Held::Broken => "broken",
        }
    }
}

impl Judged {
    /// What the findings come to, or without any what else can be said.
    pub(crate) fn by_findings(
        promise: Promise,
        findings: &Findings,
        held: Held,
        promised: impl FnOnce() -> Promised,
    ) -> Judged {
        match findings.first() {
            Some((promised, first)) => Judged {
                promise,
                held: Held::Broken,
                promised: promised.clone(),
                findings: findings.total(),
                first: Some(first.clone()),
            },
            None => Judged { promise, held, promised: promised(), findings: 0, first: None },
        }
    }

    /// Whether Kafka promised it and it was broken.
    pub fn is_violation(&self) -> bool {
        self.held == Held::Broken && self.promised.yes
    }
}

impl Judgement {
    /// One promise.
    pub fn promise(&self, promise: Promise) -> &Judged {
        self.promises.iter().find(|judged| judged.promise == promise).expect("every promise is judged")
    }

    /// Whether anything that was promised was broken.
    pub fn is_violation(&self) -> bool {
        self.promises.iter().any(Judged::is_violation)
    }
}

fn invariant(
    promise: Promise,
    findings: &Findings,
    tested: bool,
    promised: impl FnOnce() -> Promised,
) -> Judged {
    let held = if tested { Held::Kept } else { Held::NotTested };
    Judged::by_findings(promise, findings, held, promised)
}
