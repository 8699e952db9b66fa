//! The rules of Kafka 4.1 that the simulator is held to, one named test each.
//!
//! A test says its rule in its name and in its own words, with Kafka's class or ticket. Small rules are held on a bench, where
//! one node is driven by hand ([`bench`], [`broker`], [`controller`], [`producer`]); what takes several nodes is held in a
//! small world. Rules and clauses that are not modelled stand in [`NOT_MODELLED`] with the reason, and no number may be in
//! neither.
//!
//! | section | file |
//! |---|---|
//! | 1.1 append and acks | `append` |
//! | 1.2 the high watermark | `high_watermark` |
//! | 1.3 the follower's fetch loop | `following` |
//! | 1.4 caught up, and the in-sync set | `in_sync` |
//! | 1.5 AlterPartition | `alter_partition` |
//! | 1.6 registration, heartbeat, fencing, stopping | `registration` |
//! | 1.7 elections | `election` |
//! | 1.8 files and fsyncs | `storage` |
//! | 1.9 loading and recovery | `recovery` |
//! | 1.10 errors of the disk | `io_error` |
//! | 1.11 what a crash takes | `crash` |
//! | 1.12 the metadata quorum | `quorum` |
//! | 2.1, 2.2, 2.4, 2.5, 2.6 defaults | `defaults` |
//! | 3.1 idempotence at the broker | `producer_state` |
//! | 3.2 idempotence at the client | `idempotent_producer` |

mod alter_partition;
mod append;
mod bench;
mod broker;
#[path = "../common/mod.rs"]
mod common;
mod controller;
mod crash;
mod defaults;
mod election;
mod following;
mod high_watermark;
mod idempotent_producer;
mod in_sync;
mod io_error;
mod not_modelled;
mod producer;
mod producer_state;
mod quorum;
mod recovery;
mod registration;
mod storage;
mod worlds;

use std::collections::BTreeMap;

use not_modelled::NOT_MODELLED;

/// How many rules each section has, and the file that holds them.
const SECTIONS: [(&str, u32, &str); 19] = [
    ("1_1", 10, include_str!("append.rs")),
    ("1_2", 8, include_str!("high_watermark.rs")),
    ("1_3", 12, include_str!("following.rs")),
    ("1_4", 8, include_str!("in_sync.rs")),
    ("1_5", 5, include_str!("alter_partition.rs")),
    ("1_6", 6, include_str!("registration.rs")),
    ("1_7", 9, include_str!("election.rs")),
    ("1_8", 12, include_str!("storage.rs")),
    ("1_9", 5, include_str!("recovery.rs")),
    ("1_10", 4, include_str!("io_error.rs")),
    ("1_11", 3, include_str!("crash.rs")),
    ("1_12", 8, include_str!("quorum.rs")),
    ("2_1", 5, include_str!("defaults.rs")),
    ("2_2", 1, include_str!("defaults.rs")),
    ("2_4", 1, include_str!("defaults.rs")),
    ("2_5", 1, include_str!("defaults.rs")),
    ("2_6", 1, include_str!("defaults.rs")),
    ("3_1", 10, include_str!("producer_state.rs")),
    ("3_2", 7, include_str!("idempotent_producer.rs")),
];

#[test]
fn every_rule_has_a_test_or_a_reason() {
    // By number: how many tests, and whether it is listed as not modelled.
    let mut held: BTreeMap<String, (u32, bool)> = BTreeMap::new();
    for (section, count, text) in SECTIONS {
        let prefix = format!("r{section}_");
        for rule in 1..=count {
            held.insert(format!("{prefix}{rule}"), (0, false));
        }
        let names = text.lines().filter_map(|line| line.strip_prefix("fn "));
        for rest in names.filter_map(|name| name.strip_prefix(prefix.as_str())) {
            let number = rest.split('_').next().expect("a split has a first part");
            let rule = format!("{prefix}{number}");
            let (tests, _) =
                held.get_mut(&rule).unwrap_or_else(|| panic!("{rule}: section {section} has {count} rules"));
            *tests += 1;
        }
    }
    for (rule, clause, reason) in NOT_MODELLED {
        let (tests, listed) = held.get_mut(*rule).unwrap_or_else(|| panic!("{rule} is no rule"));
        assert!(!reason.is_empty(), "{rule}: with a reason");
        if clause.is_empty() {
            assert!(!std::mem::replace(listed, true), "{rule}: once");
        } else {
            assert!(*tests > 0, "{rule}: a rule of which only a clause is not modelled has a test");
        }
    }
    for (rule, (tests, listed)) in held {
        assert!(tests > 0 || listed, "{rule}: neither a test nor a reason why not");
        assert!(tests == 0 || !listed, "{rule}: a rule that has a test is modelled");
    }
}
