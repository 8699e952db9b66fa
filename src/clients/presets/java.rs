//! `kafka-clients`: the Java library. Sources: `ProducerConfig`, `ConsumerConfig` and `CommonClientConfigs` of branch 4.1,
//! and `KafkaProducer` where it settles what they leave open.

use super::Conflict;
use crate::clients::options::{OffsetReset, PartitionerClass, ProducerOptions, ReaderOptions};
use crate::cluster::units::Acks;
use crate::kernel::units::{Bytes, Span};

/// More requests in flight than this and brokers cannot tell a duplicate any more: they remember the last five batches
/// (`ProducerConfig`, `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
const MOST_IN_FLIGHT_WITH_IDEMPOTENCE: u32 = 5;

const fn ms(milliseconds: u64) -> Span {
    Span::from_milliseconds(milliseconds)
}

/// A 4.1 producer that sets nothing.
pub(super) const PRODUCER_4_1: ProducerOptions = ProducerOptions {
    // ProducerConfig: "all" since 3.0 (KIP-679).
    acks: Acks::All,
    // ProducerConfig: true since 3.0 (KIP-679; in effect since 3.0.1, KAFKA-13598).
    idempotence: true,
    // ProducerConfig: Integer.MAX_VALUE since 2.1 (KIP-91).
    retries: i32::MAX as u32,
    // ProducerConfig: 5 since 4.0 (KIP-1030), 0 before.
    linger: ms(5),
    // ProducerConfig: 16 KiB.
    batch_size: Bytes::new(16_384),
    // ProducerConfig: 32 MiB.
    buffer_memory: Bytes::new(32 << 20),
    // ProducerConfig: a minute.
    max_block: ms(60_000),
    // ProducerConfig: 1 MiB.
    max_request_size: Bytes::new(1 << 20),
    // ProducerConfig: 5.
    max_in_flight: 5,
    // ProducerConfig: 30 s.
    request_timeout: ms(30_000),
    // ProducerConfig: two minutes (KIP-91).
    delivery_timeout: ms(120_000),
    // CommonClientConfigs: DEFAULT_RETRY_BACKOFF_MS.
    retry_backoff: ms(100),
    // CommonClientConfigs: DEFAULT_RETRY_BACKOFF_MAX_MS, since 3.7 (KIP-580).
    retry_backoff_max: ms(1_000),
    // ProducerConfig: 50 ms.
    reconnect_backoff: ms(50),
    // ProducerConfig: a second.
    reconnect_backoff_max: ms(1_000),
    // ProducerConfig: five minutes.
    metadata_max_age: ms(300_000),
    // CommonClientConfigs: DEFAULT_SOCKET_CONNECTION_SETUP_TIMEOUT_MS (KIP-601).
    connection_setup_timeout: ms(10_000),
    // CommonClientConfigs: DEFAULT_SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS (KIP-601).
    connection_setup_timeout_max: ms(30_000),
    // ProducerConfig: null since 3.3 (KIP-794).
    partitioner: PartitionerClass::BuiltIn,
    // ProducerConfig: false.
    ignore_keys: false,
    // ProducerConfig: true since 3.3 (KIP-794).
    adaptive_partitioning: true,
    // ProducerConfig: 0, which is off.
    availability_timeout: Span::ZERO,
};

/// A 4.1 consumer that sets nothing, as far as a reader of assigned partitions needs it.
pub(super) const READER_4_1: ReaderOptions = ReaderOptions {
    auto_offset_reset: OffsetReset::Latest,
    // ConsumerConfig: DEFAULT_CHECK_CRCS.
    check_crcs: true,
    // ConsumerConfig: DEFAULT_FETCH_MAX_WAIT_MS.
    fetch_max_wait: ms(500),
    // ConsumerConfig: DEFAULT_FETCH_MIN_BYTES.
    fetch_min_bytes: Bytes::new(1),
    // ConsumerConfig: DEFAULT_FETCH_MAX_BYTES, 50 MiB.
    fetch_max_bytes: Bytes::new(50 << 20),
    // ConsumerConfig: DEFAULT_MAX_PARTITION_FETCH_BYTES, 1 MiB.
    max_partition_fetch_bytes: Bytes::new(1 << 20),
    // ConsumerConfig: 30 s.
    request_timeout: ms(30_000),
    // CommonClientConfigs, as the producer's.
    retry_backoff: ms(100),
    retry_backoff_max: ms(1_000),
    // ConsumerConfig, as the producer's.
    reconnect_backoff: ms(50),
    reconnect_backoff_max: ms(1_000),
    metadata_max_age: ms(300_000),
    // CommonClientConfigs, as the producer's.
    connection_setup_timeout: ms(10_000),
    connection_setup_timeout_max: ms(30_000),
};

/// `ProducerConfig.postProcessParsedConfig` and `KafkaProducer.configureDeliveryTimeout`. The library throws at the first
/// conflict; here all are told.
pub(super) fn settle_producer(
    mut options: ProducerOptions,
    is_set: &dyn Fn(&str) -> bool,
) -> Result<ProducerOptions, Vec<Conflict>> {
    let mut conflicts = Vec::new();
    if options.idempotence {
        let explicit = is_set("enable.idempotence");
        let in_its_way = [
            (options.retries == 0, "retries", "0".to_owned()),
            (options.acks != Acks::All, "acks", options.acks.to_string()),
        ];
        for (conflicts_with_it, property, value) in in_its_way {
            if !conflicts_with_it {
                continue;
            }
            options.idempotence = false;
            if explicit {
                let because = format!("idempotence was asked for, and `{property} = {value}` rules it out");
                let instead = format!("leave out `{property}`, or write `enable.idempotence = false`");
                conflicts.push(Conflict { property, against: Some("enable.idempotence"), because, instead });
            }
        }
        if options.max_in_flight > MOST_IN_FLIGHT_WITH_IDEMPOTENCE {
            conflicts.push(Conflict {
                property: "max.in.flight.requests.per.connection",
                against: Some("enable.idempotence"),
                because: format!(
                    "with idempotence at most 5 requests may be in flight, not {}",
                    options.max_in_flight
                ),
                instead: format!(
                    "write `max.in.flight.requests.per.connection = {MOST_IN_FLIGHT_WITH_IDEMPOTENCE}` or less, or \
                     `enable.idempotence = false`"
                ),
            });
        }
    }
    let least = options.linger + options.request_timeout;
    if options.delivery_timeout < least {
        if is_set("delivery.timeout.ms") {
            conflicts.push(Conflict {
                property: "delivery.timeout.ms",
                against: None,
                because: format!("it must be at least `linger.ms` + `request.timeout.ms`, which is {least}"),
                instead: format!(
                    "write `delivery.timeout.ms = {}` or more, or shorten `request.timeout.ms`",
                    least.nanoseconds().div_ceil(1_000_000)
                ),
            });
        }
        options.delivery_timeout = least;
    }
    // The accumulator never asks for a batch of nothing.
    options.batch_size = options.batch_size.max(Bytes::new(1));
    options.reconnect_backoff_max =
        reconnect_backoff_max(options.reconnect_backoff, options.reconnect_backoff_max, is_set);
    if conflicts.is_empty() { Ok(options) } else { Err(conflicts) }
}

/// `ConsumerConfig.postProcessParsedConfig`.
pub(super) fn settle_reader(mut options: ReaderOptions, is_set: &dyn Fn(&str) -> bool) -> ReaderOptions {
    options.reconnect_backoff_max =
        reconnect_backoff_max(options.reconnect_backoff, options.reconnect_backoff_max, is_set);
    options
}

/// `CommonClientConfigs.postProcessReconnectBackoffConfigs`: who sets only the first of the two wants no exponential backoff.
fn reconnect_backoff_max(first: Span, most: Span, is_set: &dyn Fn(&str) -> bool) -> Span {
    if is_set("reconnect.backoff.ms") && !is_set("reconnect.backoff.max.ms") { first } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library makes of the defaults with a change: the settings, or the properties it blames.
    fn settled(set: &[&str], change: fn(&mut ProducerOptions)) -> Result<ProducerOptions, Vec<&'static str>> {
        let mut options = PRODUCER_4_1;
        change(&mut options);
        settle_producer(options, &|name| set.contains(&name))
            .map_err(|conflicts| conflicts.into_iter().map(|conflict| conflict.property).collect())
    }

    #[test]
    fn idempotence_not_asked_for_gives_way_in_silence() {
        assert!(settled(&[], |_| ()).unwrap().idempotence);
        assert!(!settled(&["acks"], |o| o.acks = Acks::One).unwrap().idempotence);
        assert!(!settled(&["retries"], |o| o.retries = 0).unwrap().idempotence);
    }

    #[test]
    fn idempotence_asked_for_is_defended() {
        const BOTH: &[&str] = &["enable.idempotence", "acks", "retries"];
        assert_eq!(settled(BOTH, |o| o.acks = Acks::Zero), Err(vec!["acks"]));
        assert_eq!(settled(BOTH, |o| (o.retries, o.acks) = (0, Acks::One)), Err(vec!["retries", "acks"]));
        // Not asked for, yet still on: this one never gives way.
        assert_eq!(settled(&[], |o| o.max_in_flight = 6), Err(vec!["max.in.flight.requests.per.connection"]));
        let off = settled(&["enable.idempotence"], |o| (o.idempotence, o.max_in_flight) = (false, 6));
        assert_eq!(off.unwrap().max_in_flight, 6);
    }

    #[test]
    fn the_delivery_timeout_covers_one_request() {
        let longer = |o: &mut ProducerOptions| o.request_timeout = ms(200_000);
        assert_eq!(settled(&["request.timeout.ms"], longer).unwrap().delivery_timeout, ms(200_005));
        assert_eq!(settled(&["delivery.timeout.ms"], longer), Err(vec!["delivery.timeout.ms"]));
    }

    #[test]
    fn the_first_backoff_alone_is_the_only_one() {
        let first = |o: &mut ProducerOptions| o.reconnect_backoff = ms(2_000);
        assert_eq!(settled(&["reconnect.backoff.ms"], first).unwrap().reconnect_backoff_max, ms(2_000));
        let both = settled(&["reconnect.backoff.ms", "reconnect.backoff.max.ms"], first);
        assert_eq!(both.unwrap().reconnect_backoff_max, ms(1_000));
    }
}
