//! Drawn faults against healthy clusters: nothing that Kafka promises is broken, whatever strikes, as long as what would be
//! more than its promises are good for is withheld.
//!
//! Each case is a model drawn from its number and run with that seed; the judge is `check`. So that the test cannot pass by doing
//! nothing, there is a floor on how often the interesting things happened. `HIGHWATER_CASES=100000 cargo test --release --test
//! chaos` runs so many cases, and says how far it is.

mod common;

use std::fmt::Write as _;
use std::io::Write as _;

use highwater::check::Judgement;
use highwater::cluster::happened::Happened as Cluster;
use highwater::explore::one;
use highwater::kernel::chance::{Stream, stream};
use highwater::kernel::units::Time;
use highwater::scenario::words::{Count, FaultKind};
use highwater::world::happened::Happened;
use highwater::world::metrics::Fate;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// How many cases are run: `HIGHWATER_CASES`, or what takes some seconds.
fn cases() -> u64 {
    let default = if cfg!(debug_assertions) { 60 } else { 1_000 };
    std::env::var_os("HIGHWATER_CASES").map_or(default, |cases| {
        cases.to_str().and_then(|cases| cases.parse().ok()).expect("HIGHWATER_CASES is a number of cases")
    })
}

/// The number of the first: `HIGHWATER_FIRST`, to run again what failed.
fn first() -> u64 {
    std::env::var_os("HIGHWATER_FIRST").map_or(0, |first| {
        first.to_str().and_then(|first| first.parse().ok()).expect("HIGHWATER_FIRST is the number of a case")
    })
}

/// The model of a case: its shape is drawn from its number, its faults later from the same.
fn model(case: u64) -> String {
    let mut hand = Hand(stream(case, Stream::Swarm));
    let brokers = hand.among(3, 5);
    let controllers = hand.among(1, 2) * 2 - 1;
    let replication_factor = hand.among(2, brokers.min(4));
    let min_insync_replicas = hand.among(1, replication_factor.min(3));
    let partitions = hand.among(1, 3);
    let eligible = hand.among(0, 1);
    let survives = hand.one_of(&["written", "any-prefix", "any-pages"]);
    let latency = hand.one_of(&[
        "\"500us\"",
        "{ uniform = [\"1ms\", \"10ms\"] }",
        "{ exponential = \"5ms\" }",
        "{ lognormal = [\"1ms\", \"50ms\"] }",
    ]);
    let flush = hand.one_of(&["flush.messages = 1", "flush.messages = 7"]);
    let topic = hand.some_of(&[
        (1, 8, "unclean.leader.election.enable = true"),
        (1, 6, flush),
        (1, 6, "retention.ms = 3000"),
        (1, 6, "segment.ms = 2000"),
        (1, 6, "message.timestamp.type = \"LogAppendTime\""),
        (1, 8, "message.timestamp.before.max.ms = 1500"),
    ]);
    // Sessions end sooner than a fault, or later.
    let broker = hand.some_of(&[
        (1, 3, "broker.session.timeout.ms = 2000\nbroker.heartbeat.interval.ms = 500"),
        (1, 2, "log.retention.check.interval.ms = 1000\nlog.initial.task.delay.ms = 500"),
        (1, 4, "log.flush.offset.checkpoint.interval.ms = 700"),
    ]);
    // A topic's own setting, or the brokers'.
    let min_isr = format!("min.insync.replicas = {min_insync_replicas}");
    let (brokers_own, topics_own) =
        if hand.among(0, 2) == 0 { (min_isr, String::new()) } else { (String::new(), min_isr) };
    let per_second = hand.among(5, 20);
    let records = per_second * 12;
    let web = hand.producer();
    let linger = hand.one_of(&["0", "5", "200"]);
    let second = if hand.among(0, 3) == 0 {
        format!("\n[producers.log]\ninto = \"orders\"\nrecords = 60\nrate = \"5/s\"\n{}", hand.producer())
    } else {
        String::new()
    };
    let readers = hand.some_of(&[(1, 2, "[readers.all]\nreads = [\"orders\"]\n")]);
    // All kinds, or a few of them, so that those few meet more often.
    let mut kinds: Vec<&str> = drawn_kinds().map(|kind| kind.word()).collect();
    if hand.among(0, 1) == 0 {
        kinds.retain(|kind| ["power-loss", "crash", "wipe"].contains(kind) || hand.among(0, 4) == 0);
    }
    let most = hand.among(2, 6);
    let longest = hand.one_of(&["2000", "12000"]);
    format!(
        "kafka = \"4.1\"\n\n[cluster]\nbrokers = {brokers}\ncontrollers = {controllers}\n\
         eligible.leader.replicas.version = {eligible}\n\n\
         [network]\nlatency = {latency}\n\n[disk]\nsurvives = \"{survives}\"\n\n[broker]\n{broker}{brokers_own}\n\n\
         [topics.orders]\npartitions = {partitions}\nreplication.factor = {replication_factor}\n\
         {topics_own}\n{topic}\n\
         [producers.web]\ninto = \"orders\"\nrecords = {records}\nrate = \"{per_second}/s\"\n\
         linger.ms = {linger}\n{web}{second}\n{readers}\n\
         [chaos]\nfaults = [1, {most}]\nkinds = {kinds:?}\nbetween = [\"0s\", \"12s\"]\n\
         for = [\"0s\", \"{longest}ms\"]\nbudget = \"promised\"\n"
    )
}

/// All but those that no promise outlives: every one of them would be withheld.
fn drawn_kinds() -> impl Iterator<Item = FaultKind> {
    FaultKind::ALL.iter().copied().filter(|&kind| kind != FaultKind::BitRot)
}

/// Draws the shape of a case.
struct Hand(ChaCha8Rng);

impl Hand {
    fn among(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.next_u64() % (most - least + 1)
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.among(0, words.len() as u64 - 1) as usize]
    }

    /// The lines that so many of so many cases have.
    fn some_of(&mut self, lines: &[(u64, u64, &str)]) -> String {
        let mut text = String::new();
        for (some, of, line) in lines {
            if self.among(1, *of) <= *some {
                text = text + line + "\n";
            }
        }
        text
    }

    /// What a producer waits for, and whether it is idempotent: most often all that can be promised.
    fn producer(&mut self) -> String {
        let acks = self.one_of(&[
            "acks = \"all\"\n",
            "acks = \"all\"\n",
            "acks = \"all\"\n",
            "acks = \"all\"\nenable.idempotence = false\n",
            "acks = 1\n",
            "acks = 0\n",
        ]);
        let more = self.some_of(&[
            (1, 4, "max.in.flight.requests.per.connection = 1"),
            (1, 4, "request.timeout.ms = 1000\ndelivery.timeout.ms = 3000"),
        ]);
        acks.to_owned() + &more
    }
}

/// How often the interesting things happened over all cases.
#[derive(Debug, Default)]
struct Reached {
    struck: [u64; FaultKind::ALL.len()],
    withheld: u64,
    leader_changes: u64,
    isr_shrinks: u64,
    /// Controllers that took over from another.
    takeovers: u64,
    /// Power losses and wipes that took records below a log end.
    took_records: u64,
    halted: u64,
    acked: u64,
    removed: u64,
    settled: u64,
    promised: u64,
}

impl Reached {
    fn add(&mut self, run: &one::Run) {
        for (fault, after) in run.model.faults.iter().zip(&run.faults) {
            match after.fate {
                Fate::Struck => self.struck[fault.action.kind() as usize] += 1,
                Fate::Withheld => self.withheld += 1,
                Fate::NoEffect | Fate::Waits => (),
            }
        }
        let mut isr: Vec<usize> = run
            .model
            .topics
            .iter()
            .flat_map(|topic| &topic.assignment)
            .map(|replicas| replicas.len())
            .collect();
        for entry in run.entries().expect("the trace was to be kept") {
            if let Happened::Lost { old, new, .. } = entry.what {
                self.took_records += u64::from(new < old);
            } else if entry.what == Happened::Halted {
                self.halted += 1;
            } else if let Happened::Cluster(Cluster::ActiveController { active: true, .. }) = entry.what {
                self.takeovers += u64::from(entry.t > Time::ZERO);
            } else if let Happened::Cluster(Cluster::Decided { partition, old_leader, state, .. }) =
                entry.what
            {
                self.leader_changes += u64::from(state.leader().is_some() && state.leader() != old_leader);
                let before = std::mem::replace(&mut isr[partition.0 as usize], state.state().isr.len());
                self.isr_shrinks += u64::from(state.state().isr.len() < before);
            }
        }
        let Judgement { outcome, promises, .. } = &run.judgement;
        self.acked += outcome.total.get(Count::Acked).unwrap_or(0);
        self.removed += outcome.total.get(Count::Removed).unwrap_or(0);
        self.settled += u64::from(run.ending.settled);
        self.promised += u64::from(promises.iter().all(|judged| judged.promised.yes));
    }
}

#[test]
fn nothing_promised_is_broken_within_the_budget() {
    let (cases, mut reached, mut wrong) = (cases(), Reached::default(), String::new());
    for case in first()..first() + cases {
        let text = model(case);
        let model = common::model("chaos", &text);
        let Ok(run) = std::panic::catch_unwind(|| one::run(&model, case, true)) else {
            writeln!(wrong, "case {case}: a panic, told above").expect("a string takes all");
            continue;
        };
        reached.add(&run);
        for judged in run.judgement.promises.iter().filter(|judged| judged.is_violation()) {
            let first = judged.first.as_ref().map(|first| first.text.as_str()).unwrap_or_default();
            writeln!(wrong, "case {case}: {} is broken: {first}", judged.promise)
                .expect("a string takes all");
        }
        say_how_far(case + 1 - first(), cases, &wrong);
    }
    assert!(wrong.is_empty(), "{wrong}\nthe first:\n{}", model(first_case(&wrong)));

    // Less than half of what was seen when this was written.
    let floors = [
        ("leader changes", reached.leader_changes, cases / 4),
        ("ISR shrinks", reached.isr_shrinks, cases / 2),
        ("losses of page caches", reached.took_records, cases / 10),
        ("controllers taking over", reached.takeovers, cases / 90),
        ("brokers ended by their disks", reached.halted, cases / 20),
        ("faults withheld", reached.withheld, cases / 7),
        ("messages that retention took", reached.removed, cases * 5),
        ("messages acknowledged", reached.acked, cases * 70),
        ("cases with everything promised", reached.promised, cases / 5),
    ];
    for (what, count, floor) in floors {
        assert!(count >= floor.max(1), "{what}: {count} in {cases} cases, at least {floor}; {reached:?}");
    }
    for kind in drawn_kinds() {
        assert!(reached.struck[kind as usize] > 0, "{kind} never struck in {cases} cases");
    }
}

/// A line now and then, if there are more cases than usual. Straight to stderr, which the harness would keep to itself.
fn say_how_far(done: u64, cases: u64, wrong: &str) {
    if cases > 5_000 && done.is_multiple_of(5_000) {
        let broken = wrong.lines().count();
        writeln!(std::io::stderr(), "{done} of {cases} cases, {broken} promises broken")
            .expect("stderr is open");
    }
}

/// The number of the first case in a list of what was wrong.
fn first_case(wrong: &str) -> u64 {
    let number = wrong.trim_start_matches("case ").split(':').next().and_then(|number| number.parse().ok());
    number.expect("every line begins with its case")
}
