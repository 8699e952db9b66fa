//! What no compiler holds: the arrows between the folders, what the lower layers may not name, sizes, headers, and that
//! lists and files agree.
//!
//! A rule takes a path and a text and says what is wrong with it, and where. Each is held to the whole project, and to bad
//! texts that it must find and good ones that it must leave alone.

use std::fs;
use std::path::Path;

use highwater::scenario::words::Promise;

/// The folders of `src`, each of which may name only those before it.
const FOLDERS: [&str; 9] =
    ["kernel", "devices", "cluster", "clients", "scenario", "world", "check", "explore", "present"];

/// The folders in which everything is an integer and nothing comes from outside.
const PURE: [&str; 4] = ["kernel", "devices", "cluster", "clients"];

/// The one file of those that computes with floats.
const FLOATS: &str = "src/kernel/distribution.rs";

/// What is wrong with a file, each as `path:line: what, and what to write instead`.
type Findings = Vec<String>;

#[test]
fn folders_name_only_those_to_their_left() {
    hold(&files("src", "rs"), arrows);
    finds(arrows, "src/kernel/queue.rs", "use crate::kernel::units;\nuse crate::world::run;", 1);
    finds(
        arrows,
        "src/devices/disk/mod.rs",
        "use crate::{\n    kernel::units::{Time, Span},\n    cluster::log,\n};",
        1,
    );
    finds(arrows, "src/clients/app.rs", "//! See [`crate::check::finding`].", 1);
    finds(arrows, "src/cluster/broker/mod.rs", "use super::super::clients::app;", 1);
    finds(arrows, "src/cluster/units.rs", "    fn f(_: super::super::scenario::model::Model) {}", 1);
    finds(arrows, "src/check/mod.rs", "use super::{kernel, present};", 1);
    leaves(
        arrows,
        "src/world/run.rs",
        "use super::world::World;\nuse crate::clients;\nuse crate::kernel::{units, queue};",
    );
    leaves(arrows, "src/cluster/broker/fetch.rs", "mod tests {\n    use super::super::clients_of;\n}");
    leaves(arrows, "src/lib.rs", "pub use crate::present::cli;");
}

fn arrows(path: &str, text: &str) -> Findings {
    let Some((folder, inside)) = path.strip_prefix("src/").and_then(|path| path.split_once('/')) else {
        return Vec::new();
    };
    let place = FOLDERS.iter().position(|one| *one == folder);
    let place = place.unwrap_or_else(|| panic!("src/{folder} is none of the nine folders"));
    // `super` so many times is the root of the crate; in a module within the file, once more.
    let depth = 1 + inside.matches('/').count() + usize::from(!inside.ends_with("mod.rs"));
    let mut findings = Vec::new();
    let mut hold = |at: usize, rest: &str| {
        for name in first_names(rest) {
            if FOLDERS[place + 1..].contains(&name) {
                let says =
                    format!("`{folder}` names `{name}`; it may name only itself and what is left of it in");
                findings.push(finding(path, text, at, &format!("{says} {}", FOLDERS.join(" <- "))));
            }
        }
    };
    for (at, _) in text.match_indices("crate::") {
        hold(at, &text[at + "crate::".len()..]);
    }
    let mut passed = 0;
    for (at, _) in text.match_indices("super::") {
        if at < passed {
            continue;
        }
        let mut rest = &text[at..];
        let mut ups = 0;
        while let Some(next) = rest.strip_prefix("super::") {
            (rest, ups) = (next, ups + 1);
        }
        passed = text.len() - rest.len();
        if ups >= depth {
            hold(at, rest);
        }
    }
    findings
}

/// The names a path goes on with: one, or the first of each in braces.
fn first_names(rest: &str) -> Vec<&str> {
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let mut names = vec![word(group.trim_start())];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(word(group[at + 1..].trim_start())),
            _ => (),
        }
    }
    names
}

/// The identifier a text begins with.
fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())]
}

#[test]
fn lower_layers_are_pure() {
    hold(&files("src", "rs"), purity);
    finds(purity, "src/cluster/log/mod.rs", "use std::collections::HashMap;", 1);
    finds(purity, "src/kernel/queue.rs", "let x: f64 = 0.0; // why", 1);
    finds(purity, "src/devices/clock.rs", "fn f() { std::time::Instant::now(); }", 1);
    finds(
        purity,
        "src/clients/app.rs",
        "std::env::var(\"HOME\");\nstd::thread::yield_now();\nstd::fs::read(\"x\");",
        3,
    );
    leaves(
        purity,
        "src/kernel/queue.rs",
        "// An Instant, a HashMap or an f64 would spoil it.\nlet instant = 1;",
    );
    leaves(purity, FLOATS, "let x: f64 = 0.0;");
    leaves(purity, "src/explore/pool.rs", "std::thread::scope(|_| ());");
}

fn purity(path: &str, text: &str) -> Findings {
    const BANNED: [(&str, &str); 11] = [
        ("HashMap", "its order is seeded by the system; write `BTreeMap` or a dense `Vec`"),
        ("HashSet", "its order is seeded by the system; write `BTreeSet` or a dense `Vec`"),
        ("Instant", "there is no clock but `kernel::units::Time`"),
        ("SystemTime", "there is no clock but `kernel::units::Time`"),
        ("std::thread", "a world is one thread"),
        ("std::env", "what a run depends on is in its model"),
        ("std::fs", "disks are `devices::disk`"),
        ("std::net", "links are `devices::network`"),
        ("std::io", "a node asks for effects instead"),
        ("f32", "quantities are integers; shapes are `kernel::distribution`"),
        ("f64", "quantities are integers; shapes are `kernel::distribution`"),
    ];
    let is_pure = PURE.iter().any(|folder| path.starts_with(&format!("src/{folder}/")));
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|_| is_pure) {
        let code = line.split("//").next().unwrap_or_default();
        for (name, instead) in BANNED {
            let is_float = matches!(name, "f32" | "f64");
            if has_word(code, name) && !(is_float && path == FLOATS) {
                findings.push(format!("{path}:{}: `{name}`: {instead}", number + 1));
            }
        }
    }
    findings
}

/// Whether a name stands in a text on its own.
fn has_word(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
}

#[test]
fn clippy_bans_the_same_and_says_why() {
    hold(&[file(".clippy.toml")], clippy);
    finds(clippy, ".clippy.toml", "", CLIPPY_BANS.len());
    let all: String =
        CLIPPY_BANS.iter().map(|ban| format!("  {{ path = \"{ban}\", reason = \"because\" }},\n")).collect();
    leaves(clippy, ".clippy.toml", &all);
    finds(clippy, ".clippy.toml", &all.replacen(", reason = \"because\"", "", 1), 1);
}

const CLIPPY_BANS: [&str; 10] = [
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::thread::spawn",
    "std::thread::scope",
    "std::env::var",
    "f64::ln",
    "f64::exp",
    "f64::powf",
];

fn clippy(path: &str, text: &str) -> Findings {
    let is_banned = |name: &&str| {
        let ban = format!("path = \"{name}\"");
        text.lines().any(|line| line.contains(&ban) && line.contains("reason = \""))
    };
    let missing = CLIPPY_BANS.iter().filter(|name| !is_banned(name));
    missing
        .map(|name| format!("{path}:1: bans no `{name}`, or does not say why; add it with a `reason`"))
        .collect()
}

#[test]
fn lower_layers_deny_float_arithmetic() {
    let mods: Vec<_> = PURE.iter().map(|folder| file(&format!("src/{folder}/mod.rs"))).collect();
    hold(&mods, denies_floats);
    finds(denies_floats, "src/kernel/mod.rs", "//! The kernel.\n", 1);
    leaves(denies_floats, "src/kernel/mod.rs", "//! The kernel.\n\n#![deny(clippy::float_arithmetic)]\n");
}

fn denies_floats(path: &str, text: &str) -> Findings {
    let deny = "#![deny(clippy::float_arithmetic)]";
    let denies = text.lines().any(|line| line == deny);
    if denies { Vec::new() } else { vec![format!("{path}:1: write `{deny}` below the header")] }
}

#[test]
fn lines_and_files_are_short() {
    hold(&rust(), sizes);
    finds(sizes, "src/x.rs", &format!("ok\n{}", "x".repeat(131)), 1);
    finds(sizes, "src/x.rs", &"x\n".repeat(601), 1);
    leaves(sizes, "src/x.rs", &format!("{}\n", "µ".repeat(130)).repeat(600));
    leaves(sizes, "tests/x.rs", &"x\n".repeat(601));
}

fn sizes(path: &str, text: &str) -> Findings {
    let long = text.lines().enumerate().filter_map(|(number, line)| {
        let columns = line.chars().count();
        (columns > 130).then(|| format!("{path}:{}: {columns} columns; break the line at 130", number + 1))
    });
    let lines = text.lines().count();
    let large = path.starts_with("src/") && lines > 600;
    long.chain(large.then(|| format!("{path}:601: {lines} lines; divide the file by subject before 600")))
        .collect()
}

#[test]
fn nothing_is_left_for_later() {
    hold(&rust(), finished);
    for left in LEFT {
        finds(finished, "src/x.rs", &format!("fn f() {{\n    {left}\n}}"), 1);
    }
    leaves(finished, "src/x.rs", "// What is ignored, and a TODOS list.");
}

/// Written apart, so that this file does not find itself.
const LEFT: [&str; 7] = [
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("TO", "DO"),
    concat!("db", "g!"),
    concat!("#[ig", "nore"),
];

fn finished(path: &str, text: &str) -> Findings {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(number, line)| {
            let left = LEFT.iter().find(|left| {
                if left.ends_with('!') || left.starts_with('#') {
                    line.contains(**left)
                } else {
                    has_word(line, left)
                }
            })?;
            Some(format!("{path}:{}: `{left}`; finish it, or leave it out", number + 1))
        })
        .collect()
}

#[test]
fn every_file_says_what_it_is() {
    hold(&rust(), says_what_it_is);
    finds(says_what_it_is, "src/x.rs", "use std::fmt;", 1);
    finds(says_what_it_is, "src/x.rs", "\n//! Late.", 1);
    finds(says_what_it_is, "src/x.rs", "", 1);
    leaves(says_what_it_is, "src/x.rs", "//! What it is.\n");
}

fn says_what_it_is(path: &str, text: &str) -> Findings {
    let says = text.strip_prefix("//! ").is_some_and(|rest| !rest.trim_start().is_empty());
    if says { Vec::new() } else { vec![format!("{path}:1: begin with `//!` and what the file is")] }
}

#[test]
fn folders_say_what_they_never_know() {
    let mods: Vec<_> = FOLDERS.iter().map(|folder| file(&format!("src/{folder}/mod.rs"))).collect();
    hold(&mods, says_what_it_never_knows);
    finds(says_what_it_never_knows, "src/x/mod.rs", "//! It is.\n\n// It never knows.\npub mod x;", 1);
    leaves(
        says_what_it_never_knows,
        "src/x/mod.rs",
        "//! It is.\n//!\n//! It never\n//! knows the rest.\n\npub mod x;",
    );
}

fn says_what_it_never_knows(path: &str, text: &str) -> Findings {
    let header = text.lines().map_while(|line| line.strip_prefix("//!")).collect::<String>();
    let says = header.contains("never know");
    if says { Vec::new() } else { vec![format!("{path}:1: say in the header what the folder never knows")] }
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    hold(&everything(), no_machine);
    for place in
        [concat!("/wo", "rk"), concat!("/wo", "rk/x"), concat!("see sha", "red/x"), concat!("/ro", "ot/x")]
    {
        finds(no_machine, "README.md", &format!("as in\n{place} for one\n"), 1);
    }
    leaves(no_machine, "README.md", "and/or /workers /dev/null src/clients/shared.rs");
}

/// Written apart, so that this file does not find itself.
const MACHINE: [&str; 5] = [
    concat!("/wo", "rk"),
    concat!("sha", "red/"),
    concat!("/t", "mp/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

fn no_machine(path: &str, text: &str) -> Findings {
    let names = |line: &str, place: &str| {
        let goes_on = |rest: &str| !place.ends_with('/') && rest.starts_with(|c: char| c.is_alphanumeric());
        line.match_indices(place).any(|(at, _)| !goes_on(&line[at + place.len()..]))
    };
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for place in MACHINE.iter().filter(|place| names(line, place)) {
            let instead = "name what is in the project, or ask the system for a folder";
            findings.push(format!("{path}:{}: `{place}` is a place on one machine; {instead}", number + 1));
        }
    }
    findings
}

#[test]
fn every_promise_has_a_file_and_a_planted_bug() {
    let checks = files("src/check", "rs");
    let planted = fs::read_to_string(root().join("tests/checkers.rs")).unwrap_or_default();
    let promises = Promise::ALL.iter().map(|promise| (promise.word(), format!("{promise:?}")));
    let wrong: Findings =
        promises.filter_map(|(word, variant)| promise(word, &variant, &checks, &planted)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));

    let path = "src/check/verdict/all_is_well.rs".to_owned();
    let hold = |text: &str, planted: &str| {
        promise("all-is-well", "AllIsWell", &[(path.clone(), text.to_owned())], planted)
    };
    let tested = "fn f() {}\n#[cfg(test)]\nmod tests {\n    use super::Promise::AllIsWell;\n}";
    assert_eq!(hold(tested, "AllIsWell"), None);
    assert!(hold(tested, "").is_some(), "no planted bug breaks it");
    assert!(hold("use super::Promise::AllIsWell;", "all-is-well").is_some(), "named outside its tests only");
    assert!(promise("all-is-well", "AllIsWell", &[], "all-is-well").is_some(), "no file at all");
}

/// What a promise lacks: a file of its name, or a folder, a test of that file that names it, or a bug in `tests/checkers.rs`
/// that breaks it.
fn promise(word: &str, variant: &str, checks: &[(String, String)], planted: &str) -> Option<String> {
    let name = format!("/{}.rs", word.replace('-', "_"));
    let folder = name.replace(".rs", "/mod.rs");
    let is_it = |path: &str| path.ends_with(&name) || path.ends_with(&folder);
    let Some((path, text)) = checks.iter().find(|(path, _)| is_it(path)) else {
        return Some(format!("src/check:1: `{word}` has no file; write it as `…{name}`"));
    };
    let tests = text.split_once("#[cfg(test)]").map_or("", |(_, tests)| tests);
    let is_planted = [tests, planted].iter().all(|text| text.contains(word) || has_word(text, variant));
    (!is_planted)
        .then(|| format!("{path}:1: no test plants a bug that breaks `{word}`; name it in its tests and in tests/checkers.rs"))
}

#[test]
fn models_say_what_they_show() {
    let list = ["models/README.md", "models/conformance/README.md"].map(|path| file(path).1).join("\n");
    hold(&files("models", "toml"), |path, text| model(path, text, &list));
    let good =
        "# Why it comes out so,\n# in two lines.\ntitle = \"t\"\nkafka = \"4.1\"\n[expect]\nlost = 0\n";
    leaves(|path, text| model(path, text, "acks/good  a model"), "models/acks/good.toml", good);
    finds(|path, text| model(path, text, "acks/goodness"), "models/acks/good.toml", good, 1);
    for (line, wrong) in good.lines().filter(|line| *line != "lost = 0").map(|line| (line, 1)) {
        let bad = good.replace(line, "");
        finds(|path, text| model(path, text, "acks/good"), "models/acks/good.toml", &bad, wrong);
    }
}

fn model(path: &str, text: &str, list: &str) -> Findings {
    let name =
        path.trim_start_matches("models/").trim_start_matches("conformance/").trim_end_matches(".toml");
    let begins = |start: &str| text.lines().any(|line| line.starts_with(start));
    let comments = text.lines().filter(|line| line.trim_start().starts_with('#')).count();
    let is_listed = list.split(|c: char| c.is_whitespace() || "`()[]".contains(c)).any(|word| word == name);
    let wants = [
        (is_listed, "list it in models/README.md or models/conformance/README.md"),
        (begins("[expect]"), "say in `[expect]` what must come out"),
        (begins("title = "), "give it a `title`"),
        (begins("kafka = "), "say which `kafka`"),
        (comments >= 2, "say in two lines of comment why it comes out so"),
    ];
    wants.iter().filter(|(is, _)| !is).map(|(_, instead)| format!("{path}:1: {instead}")).collect()
}

#[test]
fn dependencies_bring_nothing_unasked() {
    hold(&[file("Cargo.toml")], dependencies);
    let section = "[package]\nname = \"x\"\n[dependencies]\n";
    finds(dependencies, "Cargo.toml", &format!("{section}# For flags.\nclap = \"4\"\n"), 1);
    finds(
        dependencies,
        "Cargo.toml",
        &format!("{section}x = {{ version = \"1\" }}\n[dev-dependencies]\ny = \"1\""),
        2,
    );
    leaves(
        dependencies,
        "Cargo.toml",
        &format!("{section}x = {{ version = \"1\", default-features = false }}\n"),
    );
    leaves(dependencies, "Cargo.toml", &format!("{section}# It has no default features.\nx = \"1\"\n"));
}

fn dependencies(path: &str, text: &str) -> Findings {
    let mut findings = Vec::new();
    let (mut is_inside, mut comment) = (false, String::new());
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            is_inside = line.trim_end_matches(']').ends_with("dependencies");
        } else if line.starts_with('#') {
            comment += line;
            continue;
        }
        let is_asked = line.contains("default-features = false") || comment.contains("default features");
        if let Some((name, _)) = line.split_once(" = ").filter(|_| is_inside && !is_asked) {
            let instead =
                "write `default-features = false`, or say in a comment above why its default features stay";
            findings.push(format!("{path}:{}: `{name}`: {instead}", number + 1));
        }
        comment.clear();
    }
    findings
}

/// Holds files to a rule, and tells all that is wrong at once.
fn hold(files: &[(String, String)], rule: impl Fn(&str, &str) -> Findings) {
    assert!(!files.is_empty(), "a rule about nothing");
    let wrong: Findings = files.iter().flat_map(|(path, text)| rule(path, text)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A rule finds so much in a bad text.
#[track_caller]
fn finds(rule: impl Fn(&str, &str) -> Findings, path: &str, text: &str, count: usize) {
    let wrong = rule(path, text);
    assert_eq!(wrong.len(), count, "in a bad {path}:\n{text}\nthe rule finds {wrong:?}");
}

/// A rule leaves a good text alone.
#[track_caller]
fn leaves(rule: impl Fn(&str, &str) -> Findings, path: &str, text: &str) {
    finds(rule, path, text, 0);
}

fn finding(path: &str, text: &str, at: usize, what: &str) -> String {
    format!("{path}:{}: {what}", text[..at].matches('\n').count() + 1)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file with its path from the root.
fn file(path: &str) -> (String, String) {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    (path.to_owned(), text)
}

/// The files of a folder that end so.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.retain(|(path, _)| Path::new(path).extension().is_some_and(|extension| extension == ending));
    files
}

/// All code.
fn rust() -> Vec<(String, String)> {
    ["src", "tests", "benches"].iter().flat_map(|folder| files(folder, "rs")).collect()
}

/// All text but what was built and what git keeps for itself.
fn everything() -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect("", &mut files);
    files
}

fn collect(folder: &str, into: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    for name in names {
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if path == "target" || path == ".git" {
            continue;
        }
        if root().join(&path).is_dir() {
            collect(&path, into);
        } else if let Ok(text) = fs::read_to_string(root().join(&path)) {
            into.push((path, text));
        }
    }
}
