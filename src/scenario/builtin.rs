//! The models that are compiled in. A test holds that every file below `models/` is here, but for `models/conformance/`, whose
//! models are for the test that holds them against a real cluster.

/// A model that is compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// What it is called: its path below `models/`, without the ending.
    pub name: &'static str,
    /// The file's text.
    pub text: &'static str,
}

macro_rules! builtin {
    ($($name:literal,)*) => {
        /// Every built-in model, in the order of names.
        pub const ALL: &[Builtin] = &[
            $(Builtin { name: $name, text: include_str!(concat!("../../models/", $name, ".toml")) },)*
        ];
    };
}

builtin! {
    "acks/all-keeps-on-leader-crash",
    "acks/all-keeps-on-leader-cut-off",
    "acks/all-keeps-on-power-loss",
    "acks/all-loses-on-whole-cluster-power-loss",
    "acks/flush-each-keeps-on-cluster-power-loss",
    "acks/one-loses-on-leader-crash",
    "acks/one-loses-on-leader-cut-off",
    "acks/one-loses-on-power-loss",
    "acks/one-loses-on-whole-cluster-power-loss",
    "bench/idle-hour",
    "bench/one-record-at-a-time",
    "bench/whole-case",
    "chaos/acks-all-within-the-budget",
    "elections/controlled-stop-loses-acks-one",
    "elections/planned-move-loses-acks-one",
    "elections/reassignment-keeps",
    "elections/rolling-restart-keeps",
    "faults/full-disk-ends-the-leader",
    "faults/wiped-last-replica-loses-everything",
    "storage/flush-every-30-loses-the-rest",
    "storage/rolled-segments-survive-power-loss",
}

/// The built-in model of this name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    ALL.iter().find(|model| model.name == name)
}
