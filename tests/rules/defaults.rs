//! Defaults of Kafka 4.1 (`ReplicationConfigs`, `ServerLogConfigs`, `KRaftConfigs`, `QuorumConfig`).
//!
//! To write a default into a model changes nothing; to write anything else does. A setting that decides nothing here is
//! refused by its name. Every setting the simulator knows has a row.

use std::collections::BTreeSet;

use highwater::cluster::generation::Version;
use highwater::cluster::setting::SettingNames;
use highwater::scenario::file;
use highwater::scenario::model::Model;

/// A setting, its default, and another value.
type Row = (&'static str, &'static str, &'static str);

const NEVER: &str = "9223372036854775807";

#[test]
fn r2_1_1_replicas_and_the_in_sync_set() {
    hold(&[
        ("default.replication.factor", "1", "2"),
        ("min.insync.replicas", "1", "2"),
        ("unclean.leader.election.enable", "false", "true"),
        ("replica.lag.time.max.ms", "30000", "10000"),
    ]);
    // Gone since 0.9.
    assert!(read(Version::V4_1, "broker", "replica.lag.max.messages", "4000").is_err());
}

#[test]
fn r2_1_2_flushing_and_checkpoints() {
    hold(&[
        ("log.flush.interval.messages", NEVER, "10000"),
        ("log.flush.scheduler.interval.ms", NEVER, "3000"),
        ("log.flush.offset.checkpoint.interval.ms", "60000", "30000"),
        ("log.flush.start.offset.checkpoint.interval.ms", "60000", "30000"),
        ("replica.high.watermark.checkpoint.interval.ms", "5000", "1000"),
        ("log.initial.task.delay.ms", "30000", "1000"),
    ]);
}

#[test]
fn r2_1_3_replica_fetchers() {
    hold(&[
        ("replica.fetch.wait.max.ms", "500", "100"),
        ("replica.fetch.min.bytes", "1", "100"),
        ("replica.fetch.max.bytes", "1048576", "1000"),
        ("replica.fetch.response.max.bytes", "10485760", "1000"),
        ("replica.fetch.backoff.ms", "1000", "100"),
        ("replica.socket.timeout.ms", "30000", "10000"),
        ("num.replica.fetchers", "1", "2"),
    ]);
}

#[test]
fn r2_1_4_sizes_segments_and_retention() {
    hold(&[
        ("message.max.bytes", "1048588", "1000012"),
        ("num.recovery.threads.per.data.dir", "2", "1"),
        ("log.message.timestamp.after.max.ms", "3600000", NEVER),
        ("log.message.timestamp.before.max.ms", NEVER, "3600000"),
        ("log.message.timestamp.type", "\"CreateTime\"", "\"LogAppendTime\""),
        ("log.segment.bytes", "1073741824", "104857600"),
        ("log.roll.hours", "168", "24"),
        ("log.retention.hours", "168", "24"),
        ("log.retention.bytes", "-1", "1000000"),
        ("log.retention.check.interval.ms", "300000", "60000"),
        ("log.segment.delete.delay.ms", "60000", "1000"),
        ("log.index.interval.bytes", "4096", "1024"),
        ("log.index.size.max.bytes", "10485760", "1024"),
    ]);
}

#[test]
fn r2_1_5_stopping_failing_disks_and_moving_leaders() {
    hold(&[
        ("controlled.shutdown.enable", "true", "false"),
        ("log.dir.failure.timeout.ms", "30000", "10000"),
        ("auto.leader.rebalance.enable", "true", "false"),
        ("leader.imbalance.check.interval.seconds", "300", "60"),
        ("unclean.leader.election.interval.ms", "300000", "60000"),
    ]);
    // ZooKeeper's, gone with it in 4.0.
    assert!(read(Version::V4_1, "broker", "zookeeper.session.timeout.ms", "18000").is_err());
}

#[test]
fn r2_2_1_kraft() {
    hold(&[
        ("broker.heartbeat.interval.ms", "2000", "1000"),
        ("broker.session.timeout.ms", "9000", "18000"),
        ("initial.broker.registration.timeout.ms", "60000", "10000"),
        ("controller.quorum.election.timeout.ms", "1000", "2000"),
        ("controller.quorum.fetch.timeout.ms", "2000", "4000"),
        ("controller.quorum.election.backoff.max.ms", "1000", "2000"),
        ("controller.quorum.append.linger.ms", "25", "0"),
        ("controller.quorum.request.timeout.ms", "2000", "1000"),
        ("controller.quorum.retry.backoff.ms", "20", "100"),
        ("metadata.log.segment.bytes", "1073741824", "8388608"),
        ("metadata.log.max.record.bytes.between.snapshots", "20971520", "1000"),
        ("metadata.log.max.snapshot.interval.ms", "3600000", "1000"),
        ("metadata.max.retention.bytes", "104857600", "1000"),
        ("metadata.max.idle.interval.ms", "500", "0"),
    ]);
}

/// The columns 2.5–3.x and 4.x of the tables, as far as they differ.
#[test]
fn r2_2_1_sessions_of_older_versions() {
    for (version, session, heartbeat) in [
        // ZooKeeper's session, and the third of it.
        (Version::V2_8, "18000", "6000"),
        (Version::V3_6, "9000", "2000"),
        (Version::V3_9, "9000", "2000"),
        (Version::V4_3, "9000", "2000"),
    ] {
        let rows = [
            ("broker.session.timeout.ms", session, "12345"),
            ("broker.heartbeat.interval.ms", heartbeat, "1234"),
        ];
        hold_in(version, "broker", &rows);
    }
}

/// Idempotence, as far as brokers decide it; the rest of its section is about transactions.
#[test]
fn r2_4_1_producer_ids() {
    for (version, days) in [
        // `transactional.id.expiration.ms`.
        (Version::V2_8, "604800000"),
        (Version::V3_6, "86400000"),
        (Version::V4_1, "86400000"),
        (Version::V4_3, "86400000"),
    ] {
        let rows = [
            ("producer.id.expiration.ms", days, "1000"),
            ("producer.id.expiration.check.interval.ms", "600000", "1000"),
        ];
        hold_in(version, "broker", &rows);
    }
    for refused in
        ["transaction.max.timeout.ms", "transaction.state.log.min.isr", "transactional.id.expiration.ms"]
    {
        assert!(read(Version::V4_1, "broker", refused, "1").is_err(), "{refused}");
    }
}

/// `ProducerConfig`, `CommonClientConfigs`.
#[test]
fn r2_5_1_producers() {
    hold_in(Version::V4_1, "producers.web", PRODUCER);
}

/// `ConsumerConfig`.
#[test]
fn r2_6_1_readers() {
    hold_in(Version::V4_1, "readers.audit", READER);
}

/// `TopicConfig`: what a topic does not set it has from the brokers, whose defaults are these.
#[test]
fn r2_1_1_topics() {
    hold_in(Version::V4_1, "topics.orders", TOPIC);
    hold_in(Version::V4_1, "broker", UNSET);
}

const PRODUCER: &[Row] = &[
    ("acks", "\"all\"", "1"),
    ("enable.idempotence", "true", "false"),
    ("retries", "2147483647", "3"),
    ("delivery.timeout.ms", "120000", "60000"),
    ("request.timeout.ms", "30000", "10000"),
    ("max.in.flight.requests.per.connection", "5", "1"),
    ("linger.ms", "5", "0"),
    ("batch.size", "16384", "1000"),
    ("retry.backoff.ms", "100", "200"),
    ("retry.backoff.max.ms", "1000", "2000"),
    ("max.block.ms", "60000", "1000"),
    ("buffer.memory", "33554432", "1000000"),
    ("max.request.size", "1048576", "1000"),
    // Alone it would set the other, too.
    ("reconnect.backoff.ms", "50\nreconnect.backoff.max.ms = 1000", "100"),
    ("reconnect.backoff.max.ms", "1000", "2000"),
    ("transaction.timeout.ms", "60000", "1000"),
    ("metadata.max.age.ms", "300000", "1000"),
    ("socket.connection.setup.timeout.ms", "10000", "1000"),
    ("socket.connection.setup.timeout.max.ms", "30000", "20000"),
    ("partitioner.ignore.keys", "false", "true"),
    ("partitioner.adaptive.partitioning.enable", "true", "false"),
    ("partitioner.availability.timeout.ms", "0", "1000"),
];

const READER: &[Row] = &[
    ("auto.offset.reset", "\"latest\"", "\"earliest\""),
    ("fetch.min.bytes", "1", "100"),
    ("fetch.max.wait.ms", "500", "100"),
    ("max.partition.fetch.bytes", "1048576", "1000"),
    ("fetch.max.bytes", "52428800", "1000"),
    ("request.timeout.ms", "30000", "10000"),
    ("retry.backoff.ms", "100", "200"),
    ("retry.backoff.max.ms", "1000", "2000"),
    // Alone it would set the other, too.
    ("reconnect.backoff.ms", "50\nreconnect.backoff.max.ms = 1000", "100"),
    ("reconnect.backoff.max.ms", "1000", "2000"),
    ("metadata.max.age.ms", "300000", "1000"),
    ("socket.connection.setup.timeout.ms", "10000", "1000"),
    ("socket.connection.setup.timeout.max.ms", "30000", "20000"),
    ("session.timeout.ms", "45000", "10000"),
    ("heartbeat.interval.ms", "3000", "1000"),
    ("max.poll.interval.ms", "300000", "1000"),
    ("max.poll.records", "500", "1"),
    ("default.api.timeout.ms", "60000", "1000"),
    ("enable.auto.commit", "true", "false"),
    ("auto.commit.interval.ms", "5000", "1000"),
    ("isolation.level", "\"read_uncommitted\"", "\"read_committed\""),
    ("check.crcs", "true", "false"),
];

const TOPIC: &[Row] = &[
    ("replication.factor", "1", "2"),
    ("min.insync.replicas", "1", "2"),
    ("unclean.leader.election.enable", "false", "true"),
    ("flush.messages", NEVER, "1"),
    ("flush.ms", NEVER, "1000"),
    ("max.message.bytes", "1048588", "1000"),
    ("message.timestamp.after.max.ms", "3600000", "1000"),
    ("message.timestamp.before.max.ms", NEVER, "1000"),
    ("message.timestamp.type", "\"CreateTime\"", "\"LogAppendTime\""),
    ("segment.bytes", "1073741824", "104857600"),
    ("segment.ms", "604800000", "1000"),
    ("retention.ms", "604800000", "1000"),
    ("retention.bytes", "-1", "1000000"),
];

/// Unset, another decides; here with the value that other has by default.
const UNSET: &[Row] = &[
    ("log.flush.interval.ms", NEVER, "1000"),
    ("log.roll.ms", "604800000", "1000"),
    ("log.retention.ms", "604800000", "1000"),
    ("log.retention.minutes", "10080", "60"),
    ("num.partitions", "1", "2"),
    ("controller.socket.timeout.ms", "30000", "1000"),
];

/// Each name that the reader of model files has for a setting is in this file, but for these.
#[test]
fn every_setting_that_is_known_has_a_row() {
    // One has no default but none, the other is held by `r1_7_3`.
    let elsewhere = ["partitioner.class", "eligible.leader.replicas.version"];
    let known = include_str!("../../src/scenario/file/settings.rs");
    let names: BTreeSet<&str> =
        known.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(names.len() > 60, "{names:?}");
    let rows = include_str!("defaults.rs");
    for name in names.iter().filter(|name| !elsewhere.contains(name)) {
        assert!(rows.contains(&format!("\"{name}\"")), "{name}");
    }
}

/// Each setting of brokers has its default of 4.1, or is refused as one that decides nothing here.
fn hold(rows: &[Row]) {
    hold_in(Version::V4_1, "broker", rows);
}

/// The same for the settings of this table, in this version.
fn hold_in(version: Version, table: &str, rows: &[Row]) {
    let mut modelled = 0;
    let plain = file::read("plain", &text(version, "", "")).expect("a model that sets nothing");
    for (name, default, other) in rows {
        let Ok(mut with_default) = read(version, table, name, default) else {
            let refusal = read(version, table, name, other).expect_err("refused whatever it is set to");
            let known = format!("`{name}`");
            assert!(
                refusal.contains(&known) && !refusal.contains("did you mean"),
                "{name} is a setting of Kafka's: {refusal}"
            );
            continue;
        };
        modelled += 1;
        // That a topic sets it itself counts only once brokers are set otherwise.
        with_default.topics.iter_mut().for_each(|topic| topic.options.own = SettingNames::NONE);
        assert!(with_default == plain, "{name} = {default} is what it is by default");
        let other_model = read(version, table, name, other);
        assert!(other_model.is_ok_and(|model| model != plain), "{name} = {other} is another model");
    }
    assert!(modelled > 0, "{rows:?}");
}

fn read(version: Version, table: &str, name: &str, value: &str) -> Result<Model, String> {
    file::read("plain", &text(version, table, &format!("{name} = {value}")))
        .map_err(|report| report.to_string())
}

/// Two brokers; what the topic does not set it has from them. `setting` stands in `table`.
fn text(version: Version, table: &str, setting: &str) -> String {
    let kafka = version.generation().name;
    let tables = [
        ("broker", ""),
        ("topics.orders", ""),
        ("producers.web", "into = \"orders\"\nrecords = 1\nrate = \"1/s\"\n"),
        ("readers.audit", "reads = [\"orders\"]\n"),
    ];
    let tables: String = tables
        .iter()
        .map(|(name, lines)| {
            let set = if *name == table { setting } else { "" };
            format!("[{name}]\n{lines}{set}\n")
        })
        .collect();
    format!("format = 1\nkafka = \"{kafka}\"\nrun.until = \"1s\"\ncluster.brokers = 2\n{tables}")
}
