//! How many cases a property draws.

use proptest::test_runner::Config;

/// As many as `PROPTEST_CASES` says, or what takes some seconds. What once failed is committed as a value, not as a file.
pub(crate) fn config() -> Config {
    let asked_for = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if cfg!(debug_assertions) { 100 } else { 1_000 };
    let config = Config { failure_persistence: None, ..Config::default() };
    if asked_for { config } else { Config { cases, ..config } }
}
