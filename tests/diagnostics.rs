//! What a person sees who has written something wrong: every case of `tests/diagnostics/` against what it should say, drawn
//! and on a line, and that no text whatever makes the reader panic.
//!
//! `UPDATE_EXPECT=1 cargo test --test diagnostics` writes the expected texts anew; read the difference before you keep it.
//! A case begins with its `--set` flags, each on a line after `#!`.

#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};

use highwater::present::diagnostic;
use highwater::scenario::file::report::Report;
use highwater::scenario::file::{self, Overrides};

/// A model without a mistake that says something of everything.
const GOOD: &str = include_str!("diagnostics/good.model");

/// What the reader says of a text, drawn and on lines; nothing if it is a model.
fn said(name: &str, text: &str) -> Option<String> {
    let flags = text.lines().filter_map(|line| line.strip_prefix("#! --set ")).map(str::to_owned);
    let overrides = Overrides { set: flags.collect(), seed: None };
    let report = file::read_with(name, text, &overrides).err()?;
    for problem in &report.problems {
        assert!(
            problem.help.is_some(),
            "{name}: {} says what is wrong, and not what to write",
            problem.message
        );
    }
    Some(format!("{}\n{report}\n", diagnostic::render(&report, false)))
}

/// The same for a text that nobody looks at: only that it can be said at all, and that every place lies in its text.
fn survives(text: &str) {
    if let Err(report) = file::read("mutant.toml", text) {
        assert!(!report.problems.is_empty(), "a report without a problem");
        let _ = (diagnostic::render(&report, true), report.to_string());
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let entries = fs::read_dir(folder).expect("the folder of cases");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    cases
}

fn codes(result: Result<highwater::scenario::model::Model, Report>) -> Vec<&'static str> {
    result
        .err()
        .map(|report| report.problems.iter().map(|problem| problem.code).collect())
        .unwrap_or_default()
}

#[test]
fn every_mistake_is_said_as_expected() {
    #[allow(clippy::disallowed_methods, reason = "the one switch of this test, and no model depends on it")]
    let update = std::env::var("UPDATE_EXPECT").is_ok();
    let mut wrong = Vec::new();
    for path in cases() {
        let text = fs::read_to_string(&path).expect("a case is text");
        let name = path.file_name().expect("a case has a name").to_string_lossy().into_owned();
        let said = said(&name, &text).unwrap_or_else(|| panic!("{name} is a model without a mistake"));
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &said).expect("the expected text can be written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{name} says:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE_EXPECT=1 writes these texts anew", wrong.join("\n"));
}

#[test]
fn the_good_model_is_good() {
    if let Err(report) = file::read("good.model", GOOD) {
        panic!("{}", diagnostic::render(&report, false));
    }
}

#[test]
fn no_truncation_panics() {
    for end in (0..GOOD.len()).filter(|&end| GOOD.is_char_boundary(end)) {
        survives(&GOOD[..end]);
    }
}

#[test]
fn no_missing_line_panics() {
    let lines: Vec<&str> = GOOD.lines().collect();
    for skipped in 0..lines.len() {
        let kept: Vec<&str> =
            lines.iter().enumerate().filter(|&(at, _)| at != skipped).map(|(_, line)| *line).collect();
        survives(&kept.join("\n"));
    }
}

#[test]
fn no_wrong_value_panics() {
    let huge = format!("1{}", "0".repeat(60));
    let values = [
        "",
        "0",
        "-1",
        "1",
        "7",
        "65535",
        "65536",
        "4294967296",
        "9223372036854775807",
        "18446744073709551616",
        &huge,
        "nan",
        "-inf",
        "1.5",
        "true",
        "1979-05-27",
        "07:32:00",
        "\"\"",
        "\"x\"",
        "\"0s\"",
        "\"5ms\"",
        "\"3650d\"",
        "\"0/s\"",
        "\"1/3650d\"",
        "\"1000000000/s\"",
        "\"µ\"",
        "\"broker(65536)\"",
        "\"follower(orders-0,99999)\"",
        "\"rack()\"",
        "\"orders-\"",
        "\"=>\"",
        "\"..=\"",
        "[]",
        "[[]]",
        "[\"\"]",
        "[1]",
        "[[1]]",
        "[{}]",
        "{}",
        "{ x = 1 }",
        "{ uniform = [] }",
        "{ uniform = [\"1ms\"] }",
        "{ lognormal = [\"1ns\", \"1ns\"] }",
        "{ exponential = \"0s\" }",
        "{ records = -1 }",
        "{ every = 0 }",
        "{ isr = \"orders-0\", size = 9 }",
    ];
    let lines: Vec<&str> = GOOD.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else { continue };
        for value in values {
            let changed = format!("{key} = {value}");
            let mut mutant = lines.clone();
            mutant[at] = &changed;
            survives(&mutant.join("\n"));
        }
    }
}

#[test]
fn no_flag_panics() {
    let paths = [
        "",
        "=",
        ".",
        "a",
        "a.b.c",
        "faults",
        "faults.1",
        "faults.0.at",
        "faults.x",
        "topics.orders",
        "\"",
        "a\nb",
        "[x]",
    ];
    let values = ["", "1", "x", "\"", "[", "{", "{}", "[[[[[[[[[[[[[[[[[[[[[", "1\n2", "µ"];
    for path in paths {
        for value in values {
            for flag in [path.to_owned(), format!("{path}={value}")] {
                let overrides = Overrides { set: vec![flag], seed: Some(3) };
                if let Err(report) = file::read_with("good.model", GOOD, &overrides) {
                    let _ = (diagnostic::render(&report, false), report.to_string());
                }
            }
        }
    }
}

#[test]
fn hostile_texts_are_refused_in_no_time() {
    let deep_keys = format!("a{} = 1", ".a".repeat(1_000_000));
    let hidden_keys = format!("a\"b{} = 1", ".a".repeat(1_000_000));
    let deep_lists = "[".repeat(4_000_000);
    let deep_tables = "a={".repeat(1_000_000);
    let one_line = "x".repeat(4_000_000);
    let many_errors = "= 1\n".repeat(1_000_000);
    let many_tables = (0..60_000).map(|n| format!("[topics.t{n}]\npartitions = 2\n")).collect::<String>();
    let many_unknown = (0..100_000).map(|n| format!("unknown{n} = 1\n")).collect::<String>();
    let many_faults = "[[faults]]\nat = \"1s\"\ndo = \"crash\"\non = \"all-brokers\"\n".repeat(10_001);
    let too_large = "# comment\n".repeat(500_000);
    let cases: [(&str, &str, &str); 15] = [
        ("nothing", "", "file::empty"),
        ("a byte order mark", "\u{feff}", "file::empty"),
        ("deep keys", &deep_keys, "file::nested-too-deeply"),
        ("deep keys behind a stray quote", &hidden_keys, "file::nested-too-deeply"),
        ("deep lists", &deep_lists, "file::nested-too-deeply"),
        ("deep tables", &deep_tables, "file::nested-too-deeply"),
        ("one long line", &one_line, "file::syntax"),
        ("a mistake a line", &many_errors, "file::syntax"),
        ("too many partitions in many topics", &many_tables, "model::limit"),
        ("unknown keys", &many_unknown, "model::unknown-key"),
        ("too many faults", &many_faults, "model::limit"),
        ("too large", &too_large, "file::too-large"),
        ("zeros", &"\0".repeat(1_000), "file::syntax"),
        ("10^12 records", "[topics.o]\n[producers.p]\ninto = \"o\"\nrecords = 1000000000000", "model::limit"),
        ("10^12 partitions", "[topics.o]\npartitions = 1000000000000", "model::limit"),
    ];
    for (name, text, code) in cases {
        let report = file::read(name, text).expect_err(name);
        assert_eq!(report.problems[0].code, code, "{name}: {}", report.problems[0].message);
        let drawn = diagnostic::render(&report, false);
        assert!(drawn.len() < 1_000_000, "{name} takes {} bytes to draw", drawn.len());
    }
}

#[test]
fn files_that_are_no_models_are_refused_by_name() {
    let folder = std::env::temp_dir().join(format!("highwater-diagnostics-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the test");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).expect("a file of the test");
        path
    };
    let mut cases = vec![
        (folder.join("missing.toml"), "file::not-found"),
        (folder.clone(), "file::directory"),
        (file("empty.toml", b""), "file::empty"),
        (file("binary.toml", &[0x7f, b'E', b'L', b'F', 0xff, 0xfe]), "file::not-text"),
        (file("large.toml", &vec![b'#'; (4 << 20) + 1]), "file::too-large"),
    ];
    if cfg!(unix) {
        cases.push((PathBuf::from("/dev/zero"), "file::too-large"));
    }
    for (path, code) in cases {
        assert_eq!(codes(file::load(&path, &Overrides::default())), [code], "{}", path.display());
    }
    assert!(file::load(&file("good.toml", GOOD.as_bytes()), &Overrides::default()).is_ok());
    fs::remove_dir_all(&folder).expect("the folder of the test can go");
}
