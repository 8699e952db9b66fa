//! Small worlds, run to their end with every entry kept.

use highwater::cluster::happened::Happened as Cluster;
use highwater::explore::one;
use highwater::kernel::trace::Entry;
use highwater::scenario::words::Count;
use highwater::world::happened::Happened;

use crate::common;

/// Runs this model, which need not say which Kafka it is, with seed 0.
pub(crate) fn run(text: &str) -> Run {
    let model = common::model("rule", &format!("format = 1\nkafka = \"4.1\"\n{text}"));
    let run = one::run(&model, 0, true);
    assert!(run.ending.settled, "{:?}", run.ending.unquiet);
    Run(run)
}

pub(crate) struct Run(one::Run);

impl Run {
    pub(crate) fn entries(&self) -> &[Entry<Happened>] {
        self.0.entries().expect("they were to be kept")
    }

    /// How many messages were told success and are gone.
    pub(crate) fn lost(&self) -> u64 {
        self.count(Count::Lost)
    }

    pub(crate) fn count(&self, count: Count) -> u64 {
        self.0.judgement.outcome.total.get(count).expect("every run counts them")
    }

    /// What brokers and controller reported, with the place among all entries and the node.
    pub(crate) fn cluster(&self) -> impl Iterator<Item = (usize, u16, Cluster)> + '_ {
        self.entries().iter().enumerate().filter_map(|(place, entry)| {
            let Happened::Cluster(what) = entry.what else { return None };
            Some((place, entry.node.0, what))
        })
    }

    /// The place of the first entry of a node that is such.
    pub(crate) fn place(&self, node: u16, is: impl Fn(&Happened) -> bool) -> usize {
        let found = self.entries().iter().position(|entry| entry.node.0 == node && is(&entry.what));
        found.expect("it happens in this world")
    }
}
