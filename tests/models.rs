//! Every model runs, with as many seeds as its `[expect]` names, and comes out as that has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater::explore::one;
use highwater::scenario::{builtin, file};

#[test]
fn every_model_comes_out_as_expected() {
    for builtin in builtin::ALL.iter().filter(|builtin| !is_for_measuring(builtin.name)) {
        let model = file::read(builtin.name, builtin.text).unwrap_or_else(|report| panic!("{report}"));
        let model = Arc::new(model);
        let seeds = u64::from(model.expect.seeds);
        assert!(
            seeds > 0 && model.title.is_some(),
            "{}: a model has a title and expects something",
            model.name
        );
        for seed in model.seed..model.seed + seeds {
            let run = one::run(&model, seed, false);
            let (misses, untold) = (&run.expected.misses, &run.expected.untold);
            assert!(misses.is_empty(), "{} --seed {seed}: {}", model.name, misses.join("; "));
            assert!(untold.is_empty(), "{} --seed {seed}: nothing can be said of {untold:?}", model.name);
            assert!(run.ending.settled, "{} --seed {seed}: {:?}", model.name, run.ending.unquiet);
        }
    }
}

#[test]
fn the_list_of_models_fits_a_terminal() {
    let width = builtin::ALL.iter().map(|model| model.name.len()).max().unwrap_or(0);
    for builtin in builtin::ALL {
        let model = file::read(builtin.name, builtin.text).unwrap_or_else(|report| panic!("{report}"));
        let title = model.title.unwrap_or_default();
        let columns = width + 2 + title.chars().count();
        assert!(
            columns <= 100,
            "{}: a title of {} columns at most, {title:?} has more",
            builtin.name,
            98 - width
        );
    }
}

/// Those are long; their bench runs them.
fn is_for_measuring(name: &str) -> bool {
    name.starts_with("bench/")
}

#[test]
fn every_file_is_built_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort();
    let built_in: Vec<&str> = builtin::ALL.iter().map(|model| model.name).collect();
    assert_eq!(
        found, built_in,
        "src/scenario/builtin.rs lists every file below models/, in the order of names"
    );
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let entries = std::fs::read_dir(folder).expect("the folder of models is there");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    for path in paths {
        if path.is_dir() && path.ends_with("conformance") {
            // The test of the same name runs those.
        } else if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            let name = path.strip_prefix(root).expect("below the root").with_extension("");
            found.push(name.to_string_lossy().replace('\\', "/"));
        }
    }
}
