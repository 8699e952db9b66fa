//! Applications of every kind, under faults of brokers and of the producer itself: the books balance (which every run asserts),
//! everything becomes quiet, nothing that is promised is broken, and each kind keeps what it is made for.

mod common;
#[path = "common/drawn.rs"]
mod drawn;

use std::collections::BTreeSet;

use highwater::explore::one::{self, Run};
use highwater::scenario::words::Count;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// An application, and what befalls it.
#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    on_error: &'static str,
    at_end: &'static str,
    full: &'static str,
    waits: &'static str,
    rate: &'static str,
    /// The client's settings, a line each.
    client: Vec<&'static str>,
    /// The faults, a line each.
    faults: Vec<String>,
}

impl Case {
    fn model(&self) -> String {
        let Case { on_error, at_end, full, waits, rate, .. } = self;
        let mut text = format!(
            "format = 1\nkafka = \"4.1\"\n\
             cluster.brokers = 3\nnetwork.latency = \"5ms\"\n\
             topics.orders = {{ partitions = 2, replication.factor = 3, min.insync.replicas = 2 }}\n\
             run.until = \"300s\"\n\
             [producers.web]\ninto = \"orders\"\nrecords = 200\nrate = \"{rate}\"\n\
             on_error = \"{on_error}\"\nat_end = \"{at_end}\"\nfull = \"{full}\"\nwaits = {waits}\n"
        );
        let settings: BTreeSet<_> = self.client.iter().collect();
        settings.into_iter().for_each(|setting| text += &format!("{setting}\n"));
        self.faults.iter().for_each(|fault| text += &format!("[[faults]]\n{fault}\n"));
        text
    }
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let text = case.model();
    let run = one::run(&common::model("application", &text), case.seed, false);
    let count = |count| run.judgement.outcome.total.get(count).expect("every run counts them");
    let wrong = what_is_wrong(case, &run, &count);
    prop_assert!(wrong.is_none(), "{}; seed {}\n\n{text}", wrong.unwrap_or_default(), case.seed);
    Ok(())
}

fn what_is_wrong(case: &Case, run: &Run, count: &dyn Fn(Count) -> u64) -> Option<String> {
    if !run.ending.settled {
        return Some(format!("it does not settle: {:?}", run.ending.unquiet));
    }
    if let Some(broken) = run.judgement.promises.iter().find(|judged| judged.is_violation()) {
        return Some(format!("{broken:?}"));
    }
    let is_killed =
        case.faults.iter().any(|fault| fault.contains("producer(web)") && !fault.contains("hold"));
    let (failed, silent) = (count(Count::Failed), count(Count::Silent));
    if case.at_end == "exit" {
        return None;
    }
    if case.on_error == "outbox" && (failed, silent, count(Count::Untold)) != (0, 0, 0) {
        return Some(format!("an outbox leaves {failed} failed and {silent} silent"));
    }
    if case.full != "drop" && !is_killed && silent > 0 {
        return Some(format!("{silent} are silent, and nothing was killed or thrown away"));
    }
    let sends_again = case.on_error == "resend" && case.at_end == "flush";
    if sends_again && !is_killed && failed > 0 {
        return Some(format!("{failed} failed, and were to be sent again"));
    }
    let all = !is_killed && case.on_error != "stop";
    (all && count(Count::Sent) != 200).then(|| format!("{} were sent", count(Count::Sent)))
}

fn faults() -> impl Strategy<Value = Vec<String>> {
    let what = prop::sample::select(vec![
        "do = \"crash\"\non = \"producer(web)\"",
        "do = \"power-loss\"\non = \"producer(web)\"",
        "do = \"stop\"\non = \"producer(web)\"",
        "do = \"pause\"\non = \"producer(web)\"",
        "do = \"isolate\"\non = \"producer(web)\"",
        "do = \"crash\"\non = \"leader(orders-0)\"",
        "do = \"isolate\"\non = \"leader(orders-0)\"",
        "do = \"hold\"\nwhat = \"produce-response\"\nfrom = \"leader(orders-0)\"\nto = \"producer(web)\"",
    ]);
    let lasts = prop_oneof![Just(None), (1..5_000_u64).prop_map(Some), (5_000..40_000_u64).prop_map(Some)];
    let fault = (what, 0..3_000_u64, lasts).prop_map(|(what, at, lasts)| {
        let lasts = lasts.map(|lasts| format!("\nfor = \"{lasts}ms\"")).unwrap_or_default();
        format!("at = \"{at}ms\"\n{what}{lasts}")
    });
    prop::collection::vec(fault, 0..=3)
}

fn cases() -> impl Strategy<Value = Case> {
    let one_of = |words: &'static [&'static str]| prop::sample::select(words);
    let client = one_of(&[
        "retries = 0",
        "linger.ms = 0",
        "linger.ms = 100",
        "batch.size = 0",
        "batch.size = 500",
        "batch.size = 400\nbuffer.memory = 2000",
        "max.block.ms = 1000",
        "enable.idempotence = false",
        "max.in.flight.requests.per.connection = 1",
        "partitioner.class = \"org.apache.kafka.clients.producer.RoundRobinPartitioner\"",
        "partitioner.availability.timeout.ms = 50",
        "delivery.timeout.ms = 3000\nrequest.timeout.ms = 1000",
    ]);
    (
        any::<u32>(),
        one_of(&["ignore", "log", "resend", "stop", "outbox"]),
        one_of(&["close", "flush", "exit"]),
        one_of(&["block", "drop", "reject"]),
        one_of(&["\"none\"", "\"each\"", "{ every = 7 }"]),
        one_of(&["100/s", "1000/s"]),
        prop::collection::vec(client, 0..4),
        faults(),
    )
        .prop_map(|(seed, on_error, at_end, full, waits, rate, mut client, faults)| {
            // A setting stands once.
            let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
            client.sort_unstable();
            client.dedup_by_key(|line| name(line));
            Case { seed: seed.into(), on_error, at_end, full, waits, rate, client, faults }
        })
}

proptest! {
    #![proptest_config(drawn::config())]

    #[test]
    fn every_kind_of_application_keeps_its_books_and_its_word(case in cases()) {
        check(&case)?;
    }
}
