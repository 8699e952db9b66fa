//! One run of a model, watched and judged.

use std::sync::Arc;

use super::expectation::{self, Verdict};
use crate::check::{Checks, Judgement};
use crate::kernel::trace::{Digest, Entry};
use crate::scenario::model::Model;
use crate::scenario::schedule;
use crate::world::happened::Happened;
use crate::world::metrics::{AfterFault, Metrics};
use crate::world::observe::View;
use crate::world::run::Ending;
use crate::world::world::World;

/// A run that is over, and everything that can be said of it.
#[derive(Debug)]
pub struct Run {
    /// What ran: its faults are those that were written and those that were drawn.
    pub model: Arc<Model>,
    /// The seed it ran with.
    pub seed: u64,
    /// How it ended.
    pub ending: Ending,
    /// What became of messages and promises.
    pub judgement: Judgement,
    /// What followed each fault, in the order of the model.
    pub faults: Vec<AfterFault>,
    /// Whether what was expected came out.
    pub expected: Verdict,
    /// The digest of everything that happened.
    pub digest: Digest,
    /// How many events there were.
    pub events: u64,
    world: World<(Checks, Metrics)>,
}

/// Runs a model once, with what its `[chaos]` draws from the seed. With `keep_trace` the entries are kept, and the run can be
/// told as a story.
pub fn run(model: &Arc<Model>, seed: u64, keep_trace: bool) -> Run {
    let model = &schedule::drawn(model, seed);
    let watching = (Checks::new(model), Metrics::new(model));
    let mut world = World::new(model, seed, keep_trace, watching);
    let ending = world.run();
    let (checks, metrics) = world.observer();
    let judgement = checks.judge(&world.view(), &ending);
    let faults = metrics.faults().to_vec();
    let expected = expectation::hold(model, &judgement, &faults, ending.faults_took_effect);
    Run {
        model: Arc::clone(model),
        seed,
        judgement,
        faults,
        expected,
        digest: world.trace().digest(),
        events: world.events(),
        ending,
        world,
    }
}

impl Run {
    /// Everything that happened, if it was to be kept.
    pub fn entries(&self) -> Option<&[Entry<Happened>]> {
        self.world.trace().entries()
    }

    /// The world as it stands at the end.
    pub fn view(&self) -> View<'_> {
        self.world.view()
    }
}
