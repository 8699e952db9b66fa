//! `[run]`, and what a file that does not say gets: when the faults act ends, and how long settling may take.

use super::limits;
use super::reading::{Placed, Reading};
use super::report::Problem;
use super::section::{Schema, Section};
use super::tree::Table;
use crate::cluster::options::{BrokerOptions, ControllerOptions};
use crate::kernel::units::{Span, Time};
use crate::scenario::fault::{Fault, When};
use crate::scenario::model::{Chaos, Producer};

pub(super) const RUN: Schema = Schema { own: &["until"], later: &[], kafka: None };

/// What `[run]` says.
pub(super) fn until(table: &Table, reading: &mut Reading) -> Option<Placed<Time>> {
    let section = Section::open(table, "[run]", &RUN, reading);
    let node = section.get("until")?;
    let until = reading.span("until", node)?;
    Some(Placed { value: Time::ZERO + until, place: node.place })
}

/// The last instant the file itself speaks of: the last send of a producer with a rate (twice the mean for a Poisson
/// process), and the end of every fault at an instant, written or drawn.
pub(super) fn known_end(producers: &[Producer], faults: &[Fault], chaos: Option<&Chaos>) -> Time {
    let sends = producers.iter().map(|producer| {
        let records = u64::from(producer.workload.records);
        producer.workload.start.since_start() + producer.paced(records)
    });
    let strikes = faults.iter().map(|fault| {
        let strikes = match fault.when {
            When::At(instant) => instant.since_start(),
            When::After(_, plus) => plus,
        };
        strikes + fault.lasts.unwrap_or(Span::ZERO)
    });
    let drawn = chaos.map(|chaos| chaos.between.1.since_start() + chaos.lasts.1);
    Time::ZERO + sends.chain(strikes).chain(drawn).max().unwrap_or(Span::ZERO)
}

/// A workload that cannot be sent in the time there is.
pub(super) fn check(end: Time, producers: &[Producer], until: Option<Placed<Time>>, reading: &mut Reading) {
    if end.since_start() <= limits::VIRTUAL_TIME {
        return;
    }
    let problem =
        Problem::new("model::limit", "sends and faults go on for more than 10 years of virtual time");
    let problem = match until {
        Some(until) => problem.at(until.place).label("no `until` is that late"),
        None => problem,
    };
    let slowest =
        producers.iter().max_by_key(|producer| known_end(std::slice::from_ref(producer), &[], None));
    let help = slowest.map(|producer| format!("producer `{}` is the last to send", producer.name));
    reading.problem(Problem { help, ..problem });
}

/// The faults act ends by itself when every producer has made its last send and every fault has struck and ended; `until`
/// only ends what would go on. So the default is late: a minute and the longest give-up of a client after the last instant the
/// file speaks of, and for sends whose instants it does not say as long as they may take.
pub(super) fn default_until(known_end: Time, producers: &[Producer]) -> Time {
    let unpaced = producers.iter().map(|producer| producer.unpaced(producer.workload.records.into()));
    let unpaced = unpaced.max().unwrap_or(Span::ZERO);
    let late = known_end.since_start() + unpaced + Span::from_seconds(60) + longest_give_up(producers);
    Time::ZERO + late.min(limits::VIRTUAL_TIME)
}

/// 30 s, the longest give-up of a client, the session timeout and one and a half times `replica.lag.time.max.ms`; never more
/// than virtual time has.
pub(super) fn settle_bound(
    producers: &[Producer],
    broker: &BrokerOptions,
    controller: &ControllerOptions,
) -> Span {
    let lag = broker.replica_lag_time_max;
    let bound = Span::from_seconds(30)
        + longest_give_up(producers)
        + controller.broker_session_timeout
        + lag
        + lag / 2;
    bound.min(limits::VIRTUAL_TIME)
}

fn longest_give_up(producers: &[Producer]) -> Span {
    producers.iter().map(|producer| producer.options.delivery_timeout).max().unwrap_or(Span::ZERO)
}
