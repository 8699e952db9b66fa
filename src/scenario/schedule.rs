//! A fault schedule drawn from the seed: data like one written by hand, apart from all other chance.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::fault::{Action, Fault, Lose, Target, When, Whose};
use super::model::{Chaos, Model, Topic};
use super::words::{FaultKind, MessageKind};
use crate::cluster::protocol::{ElectLeaders, Reassign};
use crate::cluster::setting::Setting;
use crate::cluster::units::{PartitionId, Replicas, TopicId};
use crate::devices::clock::Jump;
use crate::devices::network::Slower;
use crate::kernel::chance::{Stream, stream};
use crate::kernel::units::{NodeId, Span, Time};

/// The model of one run: its schedule is what was written and, after that, what this seed draws. With nothing to draw it is the
/// model itself.
pub fn drawn(model: &Arc<Model>, seed: u64) -> Arc<Model> {
    if model.chaos.is_none() {
        return Arc::clone(model);
    }
    let mut of_run = Model::clone(model);
    of_run.faults.extend(draw(model, seed));
    of_run.add_topics_made_anew(model.faults.len());
    of_run.chaos = None;
    Arc::new(of_run)
}

/// What `[chaos]` of this model draws from this seed, in the order of striking.
pub fn draw(model: &Model, seed: u64) -> Vec<Fault> {
    let Some(chaos) = &model.chaos else { return Vec::new() };
    let mut hand = Hand { model, chaos, chance: stream(seed, Stream::Schedule) };
    let (least, most) = chaos.faults;
    let count = hand.between(least.into(), most.into());
    let mut faults: Vec<Fault> = (0..count).map(|_| hand.fault()).collect();
    faults.sort_by_key(|fault| match fault.when {
        When::At(instant) => instant,
        When::After(..) => unreachable!("what is drawn strikes at an instant"),
    });
    faults
}

/// So many partitions more than written a topic may be drawn to have.
pub(super) const MOST_ADDED: u64 = 2;

/// Draws one fault after the other.
struct Hand<'a> {
    model: &'a Model,
    chaos: &'a Chaos,
    chance: ChaCha8Rng,
}

impl Hand<'_> {
    fn fault(&mut self) -> Fault {
        let kind = self.one_of(&self.chaos.kinds);
        let at = self.instant(self.chaos.between);
        let lasts = self.span(self.chaos.lasts);
        if kind == FaultKind::AddPartitions {
            let topic = self.topic();
            let Topic { assignment, created_with, .. } = &self.model.topics[topic.0 as usize];
            let total = self.between(u64::from(*created_with) + 1, assignment.len() as u64) as u32;
            return self.administered(at, Target::Topic(topic), Action::AddPartitions { total });
        }
        if kind == FaultKind::Set {
            let (on, whose, setting) = self.setting();
            return self.administered(at, on, Action::Set(whose, setting));
        }
        let action = self.action(kind);
        let on = match &action {
            Action::Elect(ElectLeaders { partition, .. }) | Action::Reassign(Reassign { partition, .. }) => {
                return self.administered(at, Target::Partition(*partition), action);
            }
            Action::DeleteTopic => Target::Topic(self.topic()),
            Action::AddPartitions { .. } | Action::Set(..) => unreachable!("of which topic is drawn with it"),
            // A controller's disk is what its quorum is for: one alone has none to mend it.
            Action::PowerLoss(_) | Action::SlowDisk(_) | Action::StallDisk if self.is_quorum() => {
                self.servers()
            }
            Action::PowerLoss(_)
            | Action::Stop
            | Action::Wipe
            | Action::SlowDisk(_)
            | Action::StallDisk
            | Action::FullDisk
            | Action::FsyncFails
            | Action::FsyncLies
            | Action::BitRot { .. } => self.brokers(),
            Action::ClockJump(_) if self.below(4) == 0 => Target::Clients,
            Action::ClockJump(_) => self.brokers(),
            Action::Crash
            | Action::Pause
            | Action::Isolate { .. }
            | Action::Cut { .. }
            | Action::SlowLink { .. }
            | Action::Hold { .. } => self.servers(),
        };
        let lasts = if kind == FaultKind::BitRot { Span::ZERO } else { lasts };
        Fault { when: When::At(at), action, on, lasts: Some(lasts), within_budget: self.chaos.within_budget }
    }

    /// What an administrator asks for: nothing of it ends.
    fn administered(&self, at: Time, on: Target, action: Action) -> Fault {
        let within_budget = self.chaos.within_budget;
        Fault { when: When::At(at), action, on, lasts: Some(Span::ZERO), within_budget }
    }

    fn action(&mut self, kind: FaultKind) -> Action {
        match kind {
            FaultKind::AddPartitions | FaultKind::Set => unreachable!("of which topic is drawn with it"),
            FaultKind::DeleteTopic => Action::DeleteTopic,
            FaultKind::Crash => Action::Crash,
            FaultKind::PowerLoss => Action::PowerLoss(Lose::Drawn),
            FaultKind::Wipe => Action::Wipe,
            FaultKind::Pause => Action::Pause,
            FaultKind::Isolate => Action::Isolate { apart: self.below(4) == 0 },
            FaultKind::Cut => Action::Cut { to: self.anyone(), one_way: self.below(2) == 0 },
            FaultKind::SlowLink => {
                let slower = Slower {
                    factor: self.between(1, 20) as u32,
                    extra: self.span((Span::ZERO, Span::from_milliseconds(500))),
                };
                Action::SlowLink { to: self.anyone(), one_way: self.below(2) == 0, slower }
            }
            FaultKind::Hold => Action::Hold { what: self.one_of(MessageKind::ALL), to: self.anyone() },
            FaultKind::SlowDisk => Action::SlowDisk(self.between(2, 200) as u32),
            FaultKind::StallDisk => Action::StallDisk,
            FaultKind::FullDisk => Action::FullDisk,
            FaultKind::FsyncFails => Action::FsyncFails,
            FaultKind::FsyncLies => Action::FsyncLies,
            FaultKind::ClockJump => {
                let seconds = Span::from_seconds;
                let most = self.one_of(&[seconds(1), seconds(60), seconds(3_600), seconds(3 * 86_400)]);
                let by = self.span((Span::from_milliseconds(1), most));
                Action::ClockJump(if self.below(2) == 0 { Jump::Forward(by) } else { Jump::Back(by) })
            }
            FaultKind::BitRot => Action::BitRot { partition: None, offset: None },
            FaultKind::Stop => Action::Stop,
            FaultKind::Elect => {
                // Among all brokers: whoever holds no replica is refused.
                let (partition, to) = (self.partition(), self.below(3) > 0);
                Action::Elect(ElectLeaders { partition, to: to.then(|| self.broker()), unclean: false })
            }
            FaultKind::Reassign => {
                let partition = self.partition();
                let (topic, number) = self.model.partition(partition);
                let replicas = topic.assignment[number as usize].len();
                // All brokers, or as many of them as a partition may be on over the whole run.
                let held = self.model.holders().nth(partition.0 as usize).expect("a partition of the model");
                let others = self.model.brokers().filter(|&broker| !held.contains(broker));
                let mut brokers: Vec<NodeId> = held.iter().chain(others).take(Replicas::MOST).collect();
                let chosen =
                    (0..replicas).map(|_| brokers.swap_remove(self.below(brokers.len() as u64) as usize));
                Action::Reassign(Reassign { partition, replicas: Replicas::of(chosen) })
            }
        }
    }

    fn partition(&mut self) -> PartitionId {
        PartitionId(self.below(self.in_file().map(|topic| topic.assignment.len() as u64).sum()) as u32)
    }

    /// What operators change in passing: how many must be in sync, and whether each append is fsynced; of a topic, of all
    /// brokers, or of one. With eligible leader replicas no broker has a `min.insync.replicas` of its own.
    fn setting(&mut self) -> (Target, Whose, Setting) {
        let topic = self.topic();
        let replicas = self.model.topics[topic.0 as usize].assignment[0].len() as u64;
        let mut setting = match self.below(3) {
            0 => Setting::FlushMessages(self.one_of(&[u64::MAX, 1])),
            _ => Setting::MinInsyncReplicas(self.between(1, replicas) as u16),
        };
        match self.below(4) {
            0..2 => (Target::Topic(topic), Whose::Topic, setting),
            2 => (Target::Brokers(self.model.brokers().collect()), Whose::AllBrokers, setting),
            _ => {
                if self.model.controller_options.eligible_leader_replicas {
                    setting = Setting::FlushMessages(self.one_of(&[u64::MAX, 1]));
                }
                (Target::Brokers(vec![self.broker()]), Whose::EachBroker, setting)
            }
        }
    }

    fn topic(&mut self) -> TopicId {
        TopicId(self.below(self.in_file().count() as u64) as u32)
    }

    /// The topics of the file, not what becomes of them when they are made anew.
    fn in_file(&self) -> impl Iterator<Item = &Topic> {
        self.model.topics.iter().filter(|topic| topic.anew.is_none())
    }

    /// Brokers, mostly one, and mostly by what they are at the time.
    fn brokers(&mut self) -> Target {
        let partition = self.partition();
        let (topic, number) = self.model.partition(partition);
        let followers = topic.assignment[number as usize].len() as u64 - 1;
        match self.below(10) {
            0..3 => Target::Leader(partition),
            3..5 if followers > 0 => Target::Follower(partition, self.below(followers) as u16),
            3..8 => Target::Brokers(vec![self.broker()]),
            8 => {
                let mut two = vec![self.broker(), self.broker()];
                two.sort_unstable();
                two.dedup();
                Target::Brokers(two)
            }
            _ => Target::Isr(partition),
        }
    }

    /// A broker or a few, seldom the controller; of several, now and then.
    fn servers(&mut self) -> Target {
        match self.below(8) {
            0 => self.controllers(),
            1 if self.is_quorum() => self.controllers(),
            _ => self.brokers(),
        }
    }

    /// Of several controllers the active one, any, or two; seldom all.
    fn controllers(&mut self) -> Target {
        if !self.is_quorum() {
            return Target::Controller;
        }
        let voters: Vec<NodeId> = self.model.voters().iter().collect();
        match self.below(10) {
            0..4 => Target::Controller,
            4..7 => Target::SomeControllers(vec![self.one_of(&voters)]),
            7..9 => {
                let mut two = vec![self.one_of(&voters), self.one_of(&voters)];
                two.sort_unstable();
                two.dedup();
                Target::SomeControllers(two)
            }
            _ => Target::Controllers,
        }
    }

    /// Whether there are other controllers when one is struck.
    fn is_quorum(&self) -> bool {
        self.model.cluster.controllers > 1
    }

    /// The other end of a link.
    fn anyone(&mut self) -> Target {
        if self.below(8) == 0 { Target::Clients } else { self.servers() }
    }

    fn broker(&mut self) -> NodeId {
        NodeId(self.between(1, self.model.cluster.brokers.into()) as u16)
    }

    /// A span as a report shows it whole: in milliseconds if it may be of seconds, or else in microseconds.
    fn span(&mut self, (least, most): (Span, Span)) -> Span {
        let unit = if most < Span::from_seconds(1) { 1_000 } else { 1_000_000 };
        let drawn = self.between(least.nanoseconds() / unit, most.nanoseconds() / unit);
        Span::from_nanoseconds(drawn * unit).max(least)
    }

    /// An instant in whole microseconds.
    fn instant(&mut self, (earliest, latest): (Time, Time)) -> Time {
        let drawn = self.between(earliest.nanoseconds() / 1_000, latest.nanoseconds() / 1_000);
        Time::from_nanoseconds(drawn * 1_000).max(earliest)
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.chance.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::file;

    const TEXT: &str = r#"
        kafka = "4.1"
        cluster.brokers = 4
        topics.orders = { partitions = 2, replication.factor = 3 }
        producers.web = { into = "orders", records = 10 }
        faults = [{ at = "1s", do = "crash", on = "broker(1)" }]
        [chaos]
        faults = [2, 5]
        kinds = ["crash", "slow-disk", "cut"]
        between = ["200ms", "3s"]
        for = ["100ms", "10s"]
        budget = "promised"
    "#;

    fn model() -> Arc<Model> {
        Arc::new(file::read("test", TEXT).expect("a model without a mistake"))
    }

    #[test]
    fn what_is_drawn_keeps_to_what_was_asked_for() {
        let model = model();
        let mut counts = [0_u32; 6];
        let mut kinds = [0_u32; FaultKind::ALL.len()];
        for seed in 0..500 {
            let faults = draw(&model, seed);
            assert_eq!(faults, draw(&model, seed), "the same seed draws the same");
            assert_ne!(faults, draw(&model, seed + 1));
            counts[faults.len()] += 1;
            for fault in &faults {
                kinds[fault.action.kind() as usize] += 1;
                let When::At(at) = fault.when else { panic!("{fault:?} waits for something") };
                let lasts = fault.lasts.expect("what is drawn ends");
                let ms = Span::from_milliseconds;
                assert!((ms(200)..=ms(3_000)).contains(&at.since_start()), "{fault:?}");
                assert!((ms(100)..=ms(10_000)).contains(&lasts), "{fault:?}");
                assert!(fault.within_budget);
            }
        }
        assert!(counts[..2] == [0, 0] && counts[2..].iter().all(|&count| count > 75), "{counts:?}");
        let drawn: Vec<_> = FaultKind::ALL.iter().filter(|kind| kinds[**kind as usize] > 300).collect();
        assert_eq!(drawn, [&FaultKind::Crash, &FaultKind::Cut, &FaultKind::SlowDisk]);
        assert_eq!(kinds.iter().filter(|&&count| count > 0).count(), 3);
    }

    #[test]
    fn what_an_administrator_is_drawn_to_ask_for_can_be_done() {
        let kinds = (r#"["crash", "slow-disk", "cut"]"#, r#"["elect", "reassign"]"#);
        let text = TEXT.replace("brokers = 4", "brokers = 9").replace(kinds.0, kinds.1);
        let model = Arc::new(file::read("test", &text).expect("a model without a mistake"));
        let (mut elections, mut reassignments) = (0, 0);
        for seed in 0..500 {
            let of_run = drawn(&model, seed);
            assert!(of_run.holders().all(|holders| holders.len() <= Replicas::MOST));
            for fault in draw(&model, seed) {
                assert_eq!(fault.lasts, Some(Span::ZERO), "nothing of it ends");
                if let Action::Elect(ElectLeaders { partition, to, unclean: false }) = fault.action {
                    assert_eq!(fault.on, Target::Partition(partition));
                    assert!(to.is_none_or(|to| (1..=9).contains(&to.0)));
                    elections += 1;
                } else if let Action::Reassign(Reassign { partition, replicas }) = fault.action {
                    assert_eq!(fault.on, Target::Partition(partition));
                    let distinct = replicas.iter().fold(Replicas::NONE, |all, one| all.with(one));
                    assert_eq!((replicas.len(), distinct.len()), (3, 3), "{replicas}");
                    reassignments += 1;
                } else {
                    panic!("{fault:?} was not to be drawn");
                }
            }
        }
        assert!(
            elections > 500 && reassignments > 500,
            "{elections} elections, {reassignments} reassignments"
        );
    }

    #[test]
    fn partitions_are_drawn_to_be_added_within_the_room_there_is() {
        let kinds = (r#"["crash", "slow-disk", "cut"]"#, r#"["add-partitions"]"#);
        let model = file::read("test", &TEXT.replace(kinds.0, kinds.1)).expect("a model without a mistake");
        let Topic { assignment, created_with, .. } = &model.topics[0];
        assert_eq!((assignment.len(), *created_with), (4, 2));
        let mut drawn = [0; 5];
        for seed in 0..100 {
            for fault in draw(&model, seed) {
                let Action::AddPartitions { total } = fault.action else { panic!("{fault:?}") };
                assert_eq!(fault.on, Target::Topic(TopicId(0)));
                drawn[total as usize] += 1;
            }
        }
        assert!(drawn[..3] == [0; 3] && drawn[3..].iter().all(|&drawn| drawn > 100), "{drawn:?}");
    }

    #[test]
    fn settings_are_drawn_of_topics_of_all_brokers_and_of_one() {
        let kinds = (r#"["crash", "slow-disk", "cut"]"#, r#"["set"]"#);
        for eligible in [0, 1] {
            let text = TEXT.replace(
                "cluster.brokers = 4",
                &format!("cluster.brokers = 4\ncluster.eligible.leader.replicas.version = {eligible}"),
            );
            let model =
                file::read("test", &text.replace(kinds.0, kinds.1)).expect("a model without a mistake");
            let mut drawn = [[0; 2]; 3];
            for fault in (0..200).flat_map(|seed| draw(&model, seed)) {
                let Action::Set(whose, setting) = fault.action else { panic!("{fault:?}") };
                let is_of = match whose {
                    Whose::Topic => fault.on == Target::Topic(TopicId(0)),
                    Whose::EachBroker => matches!(&fault.on, Target::Brokers(one) if one.len() == 1),
                    Whose::AllBrokers => matches!(&fault.on, Target::Brokers(all) if all.len() == 4),
                };
                assert!(is_of, "{fault:?}");
                drawn[whose as usize][usize::from(matches!(setting, Setting::MinInsyncReplicas(_)))] += 1;
            }
            let is_refused =
                |whose, min_isr| eligible == 1 && whose == Whose::EachBroker as usize && min_isr == 1;
            for (whose, counts) in drawn.into_iter().enumerate() {
                for (min_isr, count) in counts.into_iter().enumerate() {
                    assert_eq!(count > 30, !is_refused(whose, min_isr), "{eligible}: {drawn:?}");
                }
            }
        }
    }

    #[test]
    fn of_several_controllers_one_is_struck_or_a_few() {
        let kinds = r#"["crash", "slow-disk", "cut"]"#;
        for (controllers, expected) in [(1, [true, false, false, false]), (3, [true; 4])] {
            let text = TEXT.replace(
                "cluster.brokers = 4",
                &format!("cluster.brokers = 4\ncluster.controllers = {controllers}"),
            );
            let model = file::read("test", &text.replace(kinds, r#"["crash", "power-loss"]"#));
            let model = Arc::new(model.expect("a model without a mistake"));
            let mut drawn = [false; 4];
            for fault in (0..500).flat_map(|seed| draw(&model, seed)) {
                match &fault.on {
                    Target::Controller => drawn[0] = true,
                    Target::SomeControllers(some) if some.len() == 1 => drawn[1] = true,
                    Target::SomeControllers(_) => drawn[2] = true,
                    Target::Controllers => drawn[3] = true,
                    Target::Brokers(_) | Target::Leader(_) | Target::Follower(..) | Target::Isr(_) => {
                        continue;
                    }
                    other @ (Target::Rack(..)
                    | Target::Partition(_)
                    | Target::Topic(_)
                    | Target::Clients
                    | Target::Producer(_)
                    | Target::All(_)) => panic!("{other:?} was not to be drawn"),
                }
                assert!(controllers > 1 || fault.action == Action::Crash, "{fault:?}: it has no other");
            }
            assert_eq!(drawn, expected, "{controllers} controllers");
        }
    }

    #[test]
    fn the_model_of_a_run_has_what_was_written_and_then_what_was_drawn() {
        let model = model();
        let of_run = drawn(&model, 3);
        assert_eq!(of_run.faults[..1], model.faults);
        assert!(!of_run.faults[0].within_budget, "what was written by hand strikes whatever it does");
        assert_eq!(of_run.faults[1..], draw(&model, 3));
        assert!(Arc::ptr_eq(&drawn(&of_run, 4), &of_run), "nothing is drawn twice");
    }

    #[test]
    fn what_is_drawn_is_told_with_its_parameters() {
        let model = model();
        let told: Vec<String> = draw(&model, 1).iter().map(|fault| model.describe(fault)).collect();
        assert_eq!(told, TOLD);
    }

    /// A change here changes every drawn schedule of every seed: say so in the commit.
    const TOLD: &[&str] = &[
        "at 1.255482 s crash on leader(orders-1) for 9.813 s",
        "at 1.443920 s cut from brokers(3,4) to clients for 3.761 s",
        "at 1.764507 s crash on brokers(3,4) for 1.095 s",
        "at 2.299693 s cut from broker(4) to controller for 6.014 s",
        "at 2.354297 s crash on broker(1) for 619 ms",
    ];
}
