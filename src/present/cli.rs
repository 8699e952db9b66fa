//! The command line: flags in, exit status out.

#![allow(clippy::print_stderr, reason = "diagnostics are for the terminal's error stream")]

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use super::{diagnostic, json, text, trace_file};
use crate::explore::one;
use crate::scenario::builtin;
use crate::scenario::file::report::Report;
use crate::scenario::file::{self, Overrides};
use crate::scenario::model::Model;

/// Which messages can Kafka lose, duplicate or reorder, with this configuration, under these faults?
#[derive(Debug, Parser)]
#[command(name = "highwater", version, max_term_width = 100)]
#[command(after_help = "\
Exit status: 0 as expected or all promises kept, 1 not, 2 the model, a file or a flag is wrong, \
3 nothing broken but too little can be said, 101 a bug of highwater, 130 interrupted.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a model once and say what became of its records.
    Run(RunFlags),
    /// List the built-in models.
    Models,
}

#[derive(Debug, Args)]
struct RunFlags {
    /// A built-in model (see `highwater models`) or the path of a model file.
    model: OsString,
    /// The seed to run with; without it, the model's own.
    #[arg(long, allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Set a key of the model, as `producers.web.acks=all`; can be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Write everything that happened to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// What keeps a command from its answer.
#[derive(Debug)]
enum Failure {
    /// The model file, or what was set over it, is wrong.
    Model(Box<Report>),
    /// A file cannot be written.
    Unwritable { flag: &'static str, path: PathBuf, error: io::Error },
    /// Standard output is closed: whoever read it has enough.
    Closed,
    /// Standard output cannot be written.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.kind() == ErrorKind::BrokenPipe { Failure::Closed } else { Failure::Output(error) }
    }
}

/// Parses, runs, prints.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let status = if error.use_stderr() { 2 } else { 0 };
            // Nothing is left to be said if even this cannot be written.
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    let done = match cli.command {
        Command::Run(flags) => run(&flags),
        Command::Models => models(),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(Failure::Model(report)) => {
            let color = io::stderr().is_terminal()
                && anstream::stderr().current_choice() != anstream::ColorChoice::Never;
            eprint!("{}", diagnostic::render(&report, color));
            ExitCode::from(2)
        }
        Err(Failure::Unwritable { flag, path, error }) => {
            let path = path.display();
            eprintln!("error: {flag} {path}: the file cannot be written: {error}");
            eprintln!("help: give a path in a folder that exists and that you may write to");
            ExitCode::from(2)
        }
        Err(Failure::Output(error)) => {
            eprintln!("error: standard output cannot be written: {error}");
            ExitCode::from(2)
        }
    }
}

/// The status to end with.
fn run(flags: &RunFlags) -> Result<u8, Failure> {
    let model = Arc::new(load(flags)?);
    // The story of a loss is told from the trace; a run that is only counted does without.
    let mut done = one::run(&model, model.seed, flags.trace.is_some());
    if !flags.json && done.entries().is_none() && text::wants_story(&model, &done) {
        done = one::run(&model, model.seed, true);
    }
    if let (Some(path), Some(entries)) = (&flags.trace, done.entries()) {
        let unwritable = |error| Failure::Unwritable { flag: "--trace", path: path.clone(), error };
        let file = File::create(path).map_err(unwritable)?;
        let mut out = BufWriter::new(file);
        trace_file::write(&model, done.seed, entries, &mut out)
            .and_then(|()| out.flush())
            .map_err(unwritable)?;
    }
    let again = command(flags, &model);
    let model = Arc::clone(&done.model);
    if flags.json {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &json::run(&model, &done, &again)).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        let mut out = anstream::stdout().lock();
        out.write_all(text::run(&model, &done, &again).as_bytes())?;
        out.flush()?;
    }
    Ok(done.expected.exit_status())
}

fn models() -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    let width = builtin::ALL.iter().map(|model| model.name.len()).max().unwrap_or(0);
    for each in builtin::ALL {
        let model = file::read(each.name, each.text).map_err(|report| Failure::Model(Box::new(report)))?;
        writeln!(out, "{:width$}  {}", each.name, model.title.unwrap_or_default())?;
    }
    Ok(0)
}

/// The model the flags name: a built-in one, or else a file.
fn load(flags: &RunFlags) -> Result<Model, Failure> {
    let overrides = Overrides { set: flags.set.clone(), seed: flags.seed };
    let name = flags.model.to_string_lossy();
    let path = Path::new(&flags.model);
    let read = match builtin::find(&name) {
        Some(builtin) => file::read_with(builtin.name, builtin.text, &overrides),
        None if !path.exists() && !name.ends_with(".toml") => Err(file::unknown_builtin(&name)),
        None => file::load(path, &overrides),
    };
    read.map_err(|report| Failure::Model(Box::new(report)))
}

/// The command that repeats this run.
fn command(flags: &RunFlags, model: &Model) -> String {
    let mut words = vec!["highwater".to_owned(), "run".to_owned(), quoted(&model.name)];
    for set in &flags.set {
        words.extend(["--set".to_owned(), quoted(set)]);
    }
    words.extend(["--seed".to_owned(), model.seed.to_string()]);
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
