//! The defaults of client libraries, and how each settles settings that contradict one another.
//!
//! A preset never knows of model files: it is told which settings somebody has set, by their Kafka names.

mod java;

use super::options::{ProducerOptions, ReaderOptions};

/// A client library at one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Library {
    /// `java-4.1`: Apache Kafka's own `kafka-clients` 4.1.
    Java41,
}

/// A setting that the library refuses together with others, as it does when the client is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The setting to blame, by its Kafka name.
    pub property: &'static str,
    /// The setting it contradicts, if there is one.
    pub against: Option<&'static str>,
    /// Why it cannot stand.
    pub because: String,
    /// What to set instead.
    pub instead: String,
}

impl Library {
    /// Every library, oldest first.
    pub const ALL: [Library; 1] = [Library::Java41];

    /// Its name in model files.
    pub const fn name(self) -> &'static str {
        match self {
            Library::Java41 => "java-4.1",
        }
    }

    /// The library a file calls so.
    pub fn from_name(name: &str) -> Option<Library> {
        Library::ALL.into_iter().find(|library| library.name() == name)
    }

    /// What a producer has that sets nothing.
    pub const fn producer(self) -> ProducerOptions {
        match self {
            Library::Java41 => java::PRODUCER_4_1,
        }
    }

    /// What a reader has that sets nothing.
    pub const fn reader(self) -> ReaderOptions {
        match self {
            Library::Java41 => java::READER_4_1,
        }
    }

    /// What the library makes of a producer's settings: `is_set` says whether somebody set a property by its Kafka name.
    pub fn settle_producer(
        self,
        options: ProducerOptions,
        is_set: &dyn Fn(&str) -> bool,
    ) -> Result<ProducerOptions, Vec<Conflict>> {
        match self {
            Library::Java41 => java::settle_producer(options, is_set),
        }
    }

    /// What the library makes of a reader's settings.
    pub fn settle_reader(self, options: ReaderOptions, is_set: &dyn Fn(&str) -> bool) -> ReaderOptions {
        match self {
            Library::Java41 => java::settle_reader(options, is_set),
        }
    }
}
