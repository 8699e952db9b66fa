//! What Kafka is held to: the books of every message, what must hold at every moment, and what is judged at the end.
//!
//! Checks never know where to look next, and never drive the world: they are told of everything that happens, keep a shadow of
//! what they need, and answer at the end.
//!
//! | file | what it holds |
//! |---|---|
//! | [`history`] | what every message's sender was told, and where the message is in the end |
//! | [`outcome`] | the same as numbers |
//! | [`invariant`] | promises over the cluster, held against every change |
//! | [`verdict`] | promises over the clients' history, read at the end |
//! | [`promised`] | when Kafka promises it: the budget of unclean stops |
//! | [`committed`] | the shadow of what leaders committed |
//! | [`finding`] | evidence |
//! | [`story`] | what became of a record, in sentences |

pub mod committed;
pub mod finding;
#[cfg(test)]
mod hand;
pub mod history;
pub mod invariant;
pub mod look;
pub mod numbering;
pub mod outcome;
pub mod promised;
pub mod story;
pub mod verdict;

use self::committed::Committed;
use self::finding::{Finding, Findings};
use self::history::History;
use self::invariant::high_watermark_never_retreats::{self, HighWatermarkNeverRetreats};
use self::invariant::leader_completeness::LeaderCompleteness;
use self::invariant::log_matching::LogMatching;
use self::look::Look;
use self::outcome::Outcome;
use self::promised::{Budget, Promised};
use self::verdict::acked_is_kept;
use crate::clients::happened::Happened as Client;
use crate::cluster::happened::Happened as Cluster;
use crate::cluster::protocol::LogEntry;
use crate::cluster::units::{LeaderEpoch, Offset, PartitionId};
use crate::kernel::trace::{Entry, EventSeq};
use crate::kernel::units::{NodeId, Time};
use crate::scenario::model::Model;
use crate::scenario::words::Promise;
use crate::world::happened::Happened;
use crate::world::observe::{Observer, View};

/// Everything that watches a run.
#[derive(Clone, Debug)]
pub struct Checks {
    history: History,
    budget: Budget,
    committed: Committed,
    log_matching: LogMatching,
    leader_completeness: LeaderCompleteness,
    high_watermark: HighWatermarkNeverRetreats,
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
        self.struck = 0;
    }

    /// Judges the run as the world stands.
    pub fn judge(&self, look: &impl Look, settled: bool) -> Judgement {
        let outcome = self.history.settle(look);
        let budget = || match self.budget.any_breach() {
            None => Promised::within_budget(),
            Some((partition, breach)) => Promised::no(breach.reason(look.model(), partition)),
        };
        let promises = Promise::ALL
            .iter()
            .map(|&promise| match promise {
                Promise::AckedIsKept => {
                    acked_is_kept::judge(look, &self.history, &self.budget, &outcome, self.struck > 0)
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
            })
            .collect();
        Judgement { settled, outcome, promises }
    }

    /// What [`Observer::observe`] does, for whatever world.
    #[inline]
    pub fn see(&mut self, look: &impl Look, entry: &Entry<Happened>) {
        let (n, now, node) = (entry.n, entry.t, entry.node);
        match entry.what {
            Happened::Sent { .. }
            | Happened::Answered { .. }
            | Happened::Delivered { .. }
            | Happened::Fsynced { .. } => (),
            Happened::Cluster(happened) => self.see_cluster(look, (n, now), node, happened),
            Happened::Client(happened) => self.see_client(look, now, happened),
            Happened::Struck { .. } => self.struck += 1,
            Happened::Crashed | Happened::PowerLost => {
                self.budget.stopped(n, now, node);
                self.leader_completeness.stopped(node);
            }
            Happened::Lost { partition, old, new } if new < old => {
                self.budget.lost(n, now, node, partition);
                self.committed.partition(partition).truncated(node, new);
            }
            Happened::Started { .. } => {
                self.high_watermark.started(node);
            }
            Happened::Lost { .. }
            | Happened::NoEffect { .. }
            | Happened::Ended { .. }
            | Happened::Stopping
            | Happened::Stopped
            | Happened::Paused
            | Happened::Resumed
            | Happened::Isolated
            | Happened::Joined
            | Happened::Healed
            | Happened::Settled
            | Happened::Unsettled => (),
        }
    }

    #[inline]
    fn see_cluster(&mut self, look: &impl Look, at: (EventSeq, Time), node: NodeId, happened: Cluster) {
        let (n, now) = at;
        match happened {
            Cluster::Appended { partition, batch, base_offset, epoch, leading, .. } => {
                self.budget.appended(n, partition, epoch, batch);
                let entry = LogEntry { base_offset, batch, epoch };
                self.log_matching.appended(look, &self.budget, at, (node, leading), partition, entry);
                if leading {
                    let known = (&mut self.committed, &self.budget);
                    self.leader_completeness.served(look, known, at, node, partition);
                }
            }
            Cluster::HighWatermark { partition, new, epoch, leading, .. } => {
                self.raised(look, at, node, (partition, new), leading.then_some(epoch));
            }
            Cluster::Truncated { partition, new, .. } => {
                self.committed.partition(partition).truncated(node, new);
            }
            Cluster::Deleted { partition, .. } => {
                self.committed.partition(partition).truncated(node, Offset::ZERO);
            }
            Cluster::Leads { partition, epoch, high_watermark, .. } => {
                self.high_watermark.has(look, at, node, partition, epoch, high_watermark);
                let known = (&mut self.committed, &self.budget);
                self.leader_completeness.leads(look, known, at, node, partition, epoch);
            }
            Cluster::Recovered { partition, high_watermark, .. } => {
                self.raised(look, at, node, (partition, high_watermark), None);
            }
            Cluster::Decided { partition, old_leader, state, election, .. } => {
                self.budget.decided(n, now, partition, old_leader, &state, election);
                self.leader_completeness.decided(partition, &state);
            }
            Cluster::Fetched { partition, .. } => {
                let known = (&mut self.committed, &self.budget);
                self.leader_completeness.served(look, known, at, node, partition);
            }
            Cluster::Registered { broker, .. } => {
                self.budget.registered(n, now, broker);
                self.leader_completeness.registered(broker);
            }
            Cluster::Follows { .. }
            | Cluster::Isr { .. }
            | Cluster::Acked { .. }
            | Cluster::Refused { .. }
            | Cluster::Fenced { .. }
            | Cluster::ShuttingDown { .. } => (),
        }
    }

    #[inline]
    fn see_client(&mut self, look: &impl Look, now: Time, happened: Client) {
        match happened {
            Client::Called { message, .. } => self.history.called(now, message),
            Client::Told { first, count, outcome } => self.history.told(now, first, count, outcome),
            Client::Read { batch, .. } => self.history.was_read(batch, look.store()),
            Client::Batched { .. } | Client::Attempted { .. } | Client::Gone => (),
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
    #[inline]
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
    match findings.first() {
        Some((promised, first)) => Judged {
            promise,
            held: Held::Broken,
            promised: promised.clone(),
            findings: findings.total(),
            first: Some(first.clone()),
        },
        None => Judged {
            promise,
            held: if tested { Held::Kept } else { Held::NotTested },
            promised: promised(),
            findings: 0,
            first: None,
        },
    }
}
