//! Faults and targets in words: what a report says of a schedule, written or drawn.

use super::fault::{Action, Fault, Lose, Target, Trigger, When, Whose};
use super::model::Model;
use crate::cluster::protocol::{ElectLeaders, Reassign};
use crate::devices::clock::Jump;
use crate::devices::network::Slower;
use crate::kernel::units::{NodeId, Span};

impl Model {
    /// A fault with all its parameters: `at 0.500 s power-loss on leader(orders-0) for 5 s`.
    pub fn describe(&self, fault: &Fault) -> String {
        let mut words = match fault.when {
            When::At(instant) => format!("at {instant} "),
            When::After(trigger, plus) => format!("{plus} after {} ", self.describe_trigger(trigger)),
        };
        words += &self.describe_action(fault);
        if let Some(span) = fault.lasts.filter(|&span| span > Span::ZERO) {
            words += &format!(" for {span}");
        }
        words
    }

    /// What a fault does and to whom, without when and for how long: `power-loss on leader(orders-0)`.
    pub fn describe_action(&self, fault: &Fault) -> String {
        let kind = fault.action.kind();
        let on = self.describe_target(&fault.on);
        let ends = |to: &Target, one_way: bool| {
            let to = self.describe_target(to);
            if one_way { format!("from {on} to {to}") } else { format!("between {on} and {to}") }
        };
        match &fault.action {
            Action::Crash
            | Action::Stop
            | Action::Pause
            | Action::Wipe
            | Action::Isolate { apart: false }
            | Action::StallDisk
            | Action::FullDisk
            | Action::FsyncFails
            | Action::FsyncLies
            | Action::PowerLoss(Lose::Drawn) => format!("{kind} on {on}"),
            Action::PowerLoss(Lose::AllUnsynced) => format!("{kind} of all that was not fsynced on {on}"),
            Action::PowerLoss(Lose::Nothing) => format!("{kind} that takes nothing on {on}"),
            Action::PowerLoss(Lose::Records(records)) => {
                format!("{kind} of the last {records} records on {on}")
            }
            Action::Isolate { apart: true } => format!("{kind} on {on}, each apart"),
            Action::BitRot { partition, offset } => {
                let partition = partition.map(|partition| format!(" of {}", self.partition_name(partition)));
                let offset = offset.map(|offset| format!(" at offset {offset}"));
                format!("{kind}{}{} on {on}", offset.unwrap_or_default(), partition.unwrap_or_default())
            }
            Action::ClockJump(Jump::Forward(by)) => format!("{kind} by {by} on {on}"),
            Action::ClockJump(Jump::Back(by)) => format!("{kind} by {by} back on {on}"),
            Action::Cut { to, one_way } => format!("{kind} {}", ends(to, *one_way)),
            Action::SlowLink { to, one_way, slower: Slower { factor, extra } } => {
                format!("{kind} {}, {factor} times the latency and {extra}", ends(to, *one_way))
            }
            Action::Hold { to, what } => {
                format!("{kind} of {what} from {on} to {}", self.describe_target(to))
            }
            Action::Elect(ElectLeaders { unclean: true, .. }) => {
                format!("unclean election of a leader of {on}")
            }
            Action::Elect(ElectLeaders { to: Some(to), .. }) => {
                format!("election of broker {to} to lead {on}")
            }
            Action::Elect(ElectLeaders { to: None, .. }) => {
                format!("election of the preferred leader of {on}")
            }
            Action::Reassign(Reassign { replicas, .. }) => format!("reassignment of {on} to {replicas}"),
            Action::DeleteTopic => format!("deletion of {on}"),
            Action::Set(Whose::Topic, setting) => {
                format!("{}={setting} set for {on}", setting.topic_name().unwrap_or_default())
            }
            Action::Set(Whose::EachBroker, setting) => {
                format!("{}={setting} set for {on} alone", setting.broker_name())
            }
            Action::Set(Whose::AllBrokers, setting) => {
                format!("{}={setting} set for all brokers", setting.broker_name())
            }
            Action::AddPartitions { total } => format!("partitions added to {on}, {total} in all"),
            Action::SlowDisk(factor) => format!("{kind} on {on}, {factor} times as slow"),
        }
    }

    fn describe_trigger(&self, trigger: Trigger) -> String {
        match trigger {
            Trigger::Ack(count) => format!("{count} acknowledged"),
            Trigger::Isr(partition, size) => {
                format!("the in-sync set of {} has {size}", self.partition_name(partition))
            }
            Trigger::LeaderChange(partition, nth) => {
                format!("change {nth} of the leader of {}", self.partition_name(partition))
            }
        }
    }

    /// A target as a model file writes it.
    pub fn describe_target(&self, target: &Target) -> String {
        let partition = |partition| self.partition_name(partition);
        match target {
            Target::Brokers(brokers) => match brokers.as_slice() {
                [one] => format!("broker({one})"),
                all if all.len() == usize::from(self.cluster.brokers) => "all-brokers".to_owned(),
                some => {
                    let ids: Vec<String> = some.iter().map(NodeId::to_string).collect();
                    format!("brokers({})", ids.join(","))
                }
            },
            Target::Rack(name, _) => format!("rack({name})"),
            Target::Leader(led) => format!("leader({})", partition(*led)),
            Target::Follower(followed, nth) => format!("follower({},{nth})", partition(*followed)),
            Target::Isr(of) => format!("isr({})", partition(*of)),
            Target::Partition(changed) => partition(*changed),
            Target::Topic(topic) => self.topics[topic.0 as usize].name.clone(),
            Target::Controller => "controller".to_owned(),
            Target::Controllers => "controllers".to_owned(),
            Target::SomeControllers(controllers) => {
                let numbers: Vec<String> =
                    controllers.iter().map(|one| (one.0 - self.cluster.brokers).to_string()).collect();
                let name = if numbers.len() == 1 { "controller" } else { "controllers" };
                format!("{name}({})", numbers.join(","))
            }
            Target::Clients => "clients".to_owned(),
            Target::Producer(place) => format!("producer({})", self.producers[*place].name),
            Target::All(targets) => {
                let all: Vec<String> = targets.iter().map(|target| self.describe_target(target)).collect();
                all.join(", ")
            }
        }
    }
}
