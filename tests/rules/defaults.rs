//! Defaults of Kafka 4.1 (`ReplicationConfigs`, `ServerLogConfigs`, `KRaftConfigs`, `QuorumConfig`).
//!
//! To write a default into a model changes nothing; to write anything else does. A setting that decides nothing here is
//! refused by its name.

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
    assert!(read("replica.lag.max.messages", "4000").is_err());
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
    assert!(read("zookeeper.session.timeout.ms", "18000").is_err());
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

/// Each setting has its default, or is refused as one that decides nothing here.
fn hold(rows: &[Row]) {
    let mut modelled = 0;
    let plain = file::read("plain", &text("")).expect("a model that sets nothing");
    for (name, default, other) in rows {
        let Ok(with_default) = read(name, default) else {
            let refusal = read(name, other).expect_err("refused whatever it is set to");
            let known = format!("`{name}`");
            assert!(
                refusal.contains(&known) && !refusal.contains("did you mean"),
                "{name} is a setting of Kafka's: {refusal}"
            );
            continue;
        };
        modelled += 1;
        assert!(with_default == plain, "{name} = {default} is what it is by default");
        assert!(read(name, other).is_ok_and(|model| model != plain), "{name} = {other} is another model");
    }
    assert!(modelled > 0, "{rows:?}");
}

fn read(name: &str, value: &str) -> Result<Model, String> {
    file::read("plain", &text(&format!("broker.{name} = {value}\n"))).map_err(|report| report.to_string())
}

/// Two brokers; what the topic does not set it has from them.
fn text(setting: &str) -> String {
    format!(
        "format = 1\nkafka = \"4.1\"\ncluster.brokers = 2\n{setting}topics.orders = {{ partitions = 1 }}\n\
         producers.web = {{ into = \"orders\", records = 1, rate = \"1/s\" }}\nrun.until = \"1s\"\n"
    )
}
