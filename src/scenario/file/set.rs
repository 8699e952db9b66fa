//! The fault `set`: a setting changed while the cluster runs, of a topic or of brokers.

use super::reading::{Placed, Reading};
use super::report::{Place, Problem};
use super::section::{Section, Setting as Written};
use super::target::{self, Target};
use super::{administration, cluster, known, property, settings};
use crate::cluster::generation::Version;
use crate::cluster::setting::Setting;

/// A setting and whose it is, by the names of the file.
pub(super) struct Draft {
    pub(super) whose: Whose,
    pub(super) setting: Placed<Setting>,
}

/// Whose setting it is.
pub(super) enum Whose {
    /// A topic's.
    Topic(Placed<String>),
    /// Brokers'.
    Brokers(Placed<Target>),
}

/// `topic` or `on`, `property` and `value`.
pub(super) fn read(
    section: &Section<'_>,
    fault: Place,
    version: Version,
    reading: &mut Reading,
) -> Option<Draft> {
    let whose = whose(section, fault, reading);
    let property = section.need("property", fault, "\"min.insync.replicas\"", reading);
    let value = section.need("value", fault, "1", reading);
    let (whose, property, value) = (whose?, property?, value?);
    let name = reading.text("property", property, "\"min.insync.replicas\"")?;
    let written = [Written { name: name.to_owned(), place: property.place, node: value }];
    let is_known = match &whose {
        Whose::Topic(_) => topics_have(name, property.place, reading),
        Whose::Brokers(_) => brokers_take(name, property.place, version, reading),
    };
    is_known.then_some(())?;
    let setting = match &whose {
        Whose::Topic(_) => {
            let options = version.generation().topic;
            let mut any = settings::Topic { options, replication_factor: 1, partitions: 1 };
            property::apply(settings::TOPIC, &written, &mut any, reading);
            Setting::of_topic(&any.options).into_iter().find(|one| one.topic_name() == Some(name))
        }
        Whose::Brokers(_) => {
            let any = cluster::set_to(version, &written, reading);
            Setting::of_broker(&any.broker, &any.topic.options).find(|one| one.broker_name() == name)
        }
    };
    let setting = setting.expect("what is known is one of the settings");
    Some(Draft { whose, setting: Placed { value: setting, place: property.place } })
}

fn whose(section: &Section<'_>, fault: Place, reading: &mut Reading) -> Option<Whose> {
    const EITHER: &str = "`topic = \"orders\"`; or `on = \"all-brokers\"` for what all brokers have \
                          (kafka-configs --entity-default), or `on = \"broker(2)\"` for one of them";
    let wrong = |message: &str, place: Place, reading: &mut Reading| {
        reading.problem(Problem::new("model::contradiction", message).at(place).help(EITHER));
        None
    };
    match (section.get("topic"), section.get("on")) {
        (Some(_), None) => administration::topic(section, fault, reading).map(Whose::Topic),
        (None, Some(on)) => target::read("on", on, target::BROKERS, reading).map(Whose::Brokers),
        (None, None) => wrong("`set` does not say whose setting it changes", fault, reading),
        (Some(_), Some(on)) => wrong("a setting is a topic's or brokers', not both", on.place, reading),
    }
}

/// Whether a topic that is there can be given a setting of this name.
fn topics_have(name: &str, place: Place, reading: &mut Reading) -> bool {
    let mut names: Vec<&str> = property::names(settings::TOPIC);
    names.retain(|&name| name != "replication.factor");
    if names.contains(&name) {
        return true;
    }
    if name == "replication.factor" {
        let message = "the replication factor is no setting: replicas are reassigned";
        let problem = Problem::new("model::contradiction", message).at(place);
        reading.problem(problem.help("write `do = \"reassign\"` with `replicas = [1, 2, 3]`"));
    } else if let Some(one) = dynamic().find(|one| one.broker_name() == name) {
        let message = format!("`{name}` is a setting of brokers");
        let problem = Problem::new("model::contradiction", message).at(place).label("not of topics");
        reading.problem(problem.help(match one.topic_name() {
            Some(of_topic) => format!("a topic calls it `{of_topic}`; or write `on = \"all-brokers\"`"),
            None => "topics have nothing of it; write `on = \"all-brokers\"`".to_owned(),
        }));
    } else {
        reading.not_a_word("property", name, place, &names, known::TOPIC);
    }
    false
}

/// Whether a broker that runs takes another value of this setting.
fn brokers_take(name: &str, place: Place, version: Version, reading: &mut Reading) -> bool {
    let names: Vec<&str> = dynamic().map(Setting::broker_name).collect();
    let mut read_only = |label: &str| {
        let message = format!("Kafka does not change `{name}` while a broker runs");
        let problem = Problem::new("model::read-only", message).at(place).label(label);
        reading.problem(problem.help(instead_of(name)));
        false
    };
    if name == "producer.id.expiration.ms" && !version.generation().producer_id_expiration_is_dynamic {
        return read_only("only since 3.5");
    }
    if names.contains(&name) {
        return true;
    }
    if property::names(settings::BROKER).contains(&name) {
        return read_only("read when it starts");
    }
    if let Some(one) = dynamic().find(|one| one.topic_name() == Some(name)) {
        let message = format!("`{name}` is a setting of topics");
        let problem = Problem::new("model::contradiction", message).at(place).label("not of brokers");
        let help = format!("a broker calls it `{}`; or write `topic = \"orders\"`", one.broker_name());
        reading.problem(problem.help(help));
    } else {
        reading.not_a_word("property", name, place, &names, known::BROKER);
    }
    false
}

/// What to do where a property cannot be changed while brokers run.
fn instead_of(name: &str) -> String {
    let other = match name {
        "log.roll.hours" => "`log.roll.ms` can be, and counts before it",
        "log.retention.hours" | "log.retention.minutes" => "`log.retention.ms` can be, and counts before it",
        "num.partitions" => "a topic that is there gets more by `do = \"add-partitions\"`",
        "default.replication.factor" => "a topic that is there gets others by `do = \"reassign\"`",
        _ => "set it under `[broker]`: every broker has it from its start",
    };
    other.to_owned()
}

/// Every setting that can be changed while brokers run.
fn dynamic() -> impl Iterator<Item = Setting> {
    let generation = Version::NEWEST.generation();
    Setting::of_broker(&generation.broker, &generation.topic)
}
