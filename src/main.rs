//! The command: parse, run, print, exit with a code that means something.

use std::process::ExitCode;

fn main() -> ExitCode {
    highwater::present::cli::main()
}
