//! Whom a fault strikes and what a link joins, as written: `broker(2)`, `leader(orders-0)`, `rack(a)`.

use super::quantity;
use super::reading::{Placed, Reading};
use super::report::Problem;
use super::suggest;
use super::tree::{Node, Value};

/// Somebody, by the names of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `broker(2)`, `brokers(1,3)`.
    Brokers(Vec<u64>),
    /// `all-brokers`.
    AllBrokers,
    /// `rack(a)`.
    Rack(String),
    /// `leader(orders-0)`.
    Leader(Partition),
    /// `follower(orders-0)`, `follower(orders-0,1)`.
    Follower(Partition, u64),
    /// `isr(orders-0)`.
    Isr(Partition),
    /// `controller`: the active one.
    Controller,
    /// `controllers`.
    Controllers,
    /// `controller(2)`, `controllers(1,2)`.
    SomeControllers(Vec<u64>),
    /// `clients`: every producer and reader.
    Clients,
    /// `producer(web)`.
    Producer(String),
    /// A list of targets.
    All(Vec<Placed<Target>>),
}

/// A partition, as written: `orders-0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// What stands before the last `-`.
    pub(super) topic: String,
    /// What stands behind it.
    pub(super) number: u64,
}

/// The forms one place takes.
#[derive(Clone, Copy)]
pub(super) struct Forms {
    /// Those it takes, without what is in parentheses.
    takes: &'static [&'static str],
    /// Those that have a meaning but are not modelled yet.
    later: &'static [&'static str],
    /// All it takes, for a help line.
    help: &'static str,
}

/// What a fault strikes.
pub(super) const FAULT_TARGETS: Forms = Forms {
    takes: &[
        "broker",
        "brokers",
        "all-brokers",
        "leader",
        "follower",
        "isr",
        "rack",
        "controller",
        "controllers",
        "clients",
        "producer",
    ],
    later: &["consumer", "coordinator"],
    help: "targets are `broker(2)`, `brokers(1,3)`, `all-brokers`, `leader(orders-0)`, `follower(orders-0)`, \
           `follower(orders-0,1)`, `isr(orders-0)`, `rack(a)`, `controller` (the active one), `controller(2)`, \
           `controllers(1,2)`, `controllers`, `clients` and `producer(web)`",
};

/// Whose settings can be changed.
pub(super) const BROKERS: Forms = Forms {
    takes: &["broker", "brokers", "all-brokers", "leader", "follower", "isr", "rack"],
    later: &[],
    help: "`all-brokers` is what brokers have that have nothing of their own (kafka-configs --entity-default), `broker(2)`, \
           `brokers(1,3)`, `rack(a)`, `leader(orders-0)`, `follower(orders-0)` and `isr(orders-0)` are set one by one \
           (--entity-name)",
};

/// What a link joins: only what stays who it is for the whole run.
pub(super) const LINK_ENDS: Forms = Forms {
    takes: &["broker", "brokers", "all-brokers", "rack", "controller", "controllers", "clients"],
    later: &["producer", "consumer"],
    help: "ends are `broker(2)`, `brokers(1,3)`, `all-brokers`, `rack(a)`, `controllers`, `controller(2)` and `clients`",
};

/// A target of one of these forms.
pub(super) fn read(key: &str, node: &Node, forms: Forms, reading: &mut Reading) -> Option<Placed<Target>> {
    let text = reading.text(key, node, "\"broker(1)\"")?;
    match parse(text, forms) {
        Ok(target) => Some(Placed { value: target, place: node.place }),
        Err(Unread::Later) => {
            reading.not_modelled(&format!("the target `{text}`"), node.place, &[]);
            None
        }
        Err(Unread::Form(label)) => {
            let message = format!("`{key}` does not know the target `{text}`");
            let problem = Problem::new("model::unknown-target", message).at(node.place).label(label);
            reading.problem(problem.help(forms.help));
            None
        }
    }
}

/// One target or a list of them.
pub(super) fn read_all(
    key: &str,
    node: &Node,
    forms: Forms,
    reading: &mut Reading,
) -> Option<Placed<Target>> {
    let Value::List(list) = &node.value else {
        return read(key, node, forms, reading);
    };
    if list.is_empty() {
        let problem = Problem::new("model::unknown-target", format!("`{key}` names nobody")).at(node.place);
        reading.problem(problem.label("an empty list").help(forms.help));
        return None;
    }
    let all: Vec<_> = list.iter().map(|node| read(key, node, forms, reading)).collect();
    let all: Option<Vec<_>> = all.into_iter().collect();
    Some(Placed { value: Target::All(all?), place: node.place })
}

/// A partition by its name.
pub(super) fn partition(key: &str, node: &Node, reading: &mut Reading) -> Option<Placed<Partition>> {
    let text = reading.text(key, node, "\"orders-0\"")?;
    match parse_partition(text) {
        Some(partition) => Some(Placed { value: partition, place: node.place }),
        None => {
            let problem = Problem::new("model::unknown-partition", format!("`{key}` takes a partition"));
            let help = "a partition is its topic, `-` and its number from 0: `orders-0`";
            reading.problem(problem.at(node.place).label("no partition").help(help));
            None
        }
    }
}

/// Why a target was not read.
enum Unread {
    /// It has a meaning, and is not modelled yet.
    Later,
    /// It is not of the form; what to write at it.
    Form(String),
}

fn parse(text: &str, forms: Forms) -> Result<Target, Unread> {
    let (name, arguments) = match text.trim().split_once('(') {
        None => (text.trim(), None),
        Some((name, rest)) => {
            let inside = rest.strip_suffix(')').ok_or_else(|| Unread::Form("`)` is missing".to_owned()))?;
            (name.trim(), Some(inside.split(',').map(str::trim).collect::<Vec<_>>()))
        }
    };
    if forms.later.contains(&name) {
        return Err(Unread::Later);
    }
    if !forms.takes.contains(&name) {
        let label = match suggest::nearest(name, forms.takes) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "not known".to_owned(),
        };
        return Err(Unread::Form(label));
    }
    let number =
        |text: &str| quantity::whole(text).map_err(|_| Unread::Form(format!("`{text}` is no number")));
    let partition =
        |text: &str| parse_partition(text).ok_or_else(|| Unread::Form(format!("`{text}` is no partition")));
    match (name, arguments.as_deref()) {
        ("broker", Some([id])) => Ok(Target::Brokers(vec![number(id)?])),
        ("brokers", Some(ids)) => {
            Ok(Target::Brokers(ids.iter().copied().map(number).collect::<Result<_, _>>()?))
        }
        ("all-brokers", None) => Ok(Target::AllBrokers),
        ("rack", Some([rack])) => Ok(Target::Rack((*rack).to_owned())),
        ("leader", Some([name])) => Ok(Target::Leader(partition(name)?)),
        ("follower", Some([name])) => Ok(Target::Follower(partition(name)?, 0)),
        ("follower", Some([name, which])) => Ok(Target::Follower(partition(name)?, number(which)?)),
        ("isr", Some([name])) => Ok(Target::Isr(partition(name)?)),
        ("controller", None) => Ok(Target::Controller),
        ("controller", Some([number_of])) => Ok(Target::SomeControllers(vec![number(number_of)?])),
        ("controllers", None) => Ok(Target::Controllers),
        ("controllers", Some(numbers)) => {
            Ok(Target::SomeControllers(numbers.iter().copied().map(number).collect::<Result<_, _>>()?))
        }
        ("clients", None) => Ok(Target::Clients),
        ("producer", Some([name])) => Ok(Target::Producer((*name).to_owned())),
        _ => Err(Unread::Form(format!("`{name}` is written otherwise"))),
    }
}

fn parse_partition(text: &str) -> Option<Partition> {
    let (topic, number) = text.trim().rsplit_once('-')?;
    let number = quantity::whole(number).ok()?;
    (!topic.is_empty()).then(|| Partition { topic: topic.to_owned(), number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_by_their_forms() {
        let orders = || Partition { topic: "my-orders".into(), number: 3 };
        let cases = [
            ("broker(2)", Some(Target::Brokers(vec![2]))),
            ("brokers( 1, 3 )", Some(Target::Brokers(vec![1, 3]))),
            ("all-brokers", Some(Target::AllBrokers)),
            ("rack(a)", Some(Target::Rack("a".into()))),
            ("leader(my-orders-3)", Some(Target::Leader(orders()))),
            ("follower(my-orders-3)", Some(Target::Follower(orders(), 0))),
            ("follower(my-orders-3,1)", Some(Target::Follower(orders(), 1))),
            ("isr(my-orders-3)", Some(Target::Isr(orders()))),
            ("controller", Some(Target::Controller)),
            ("controllers", Some(Target::Controllers)),
            ("clients", Some(Target::Clients)),
            ("producer(web)", Some(Target::Producer("web".to_owned()))),
            ("producer", None),
            ("consumer(billing,1)", None),
            ("broker", None),
            ("broker()", None),
            ("broker(1", None),
            ("broker(1,2)", None),
            ("broker(99999999999999999999)", None),
            ("leader(orders)", None),
            ("leader(-0)", None),
            ("controller(1)", Some(Target::SomeControllers(vec![1]))),
            ("controllers(1,3)", Some(Target::SomeControllers(vec![1, 3]))),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, FAULT_TARGETS).ok(), expected, "{text}");
        }
        assert!(parse("clients", LINK_ENDS).is_ok());
        assert!(parse("leader(orders-0)", LINK_ENDS).is_err());
    }
}
