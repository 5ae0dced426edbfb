//! `cargo xtask`: the chores of the project, in Rust, so that CI and a developer run the same.
//!
//! Not its business: setting a machine up, and the end-to-end tests in Python. `./test` does both, and calls this.

mod arrows;
mod ci;
mod findings;
mod source;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

const USAGE: &str = "\
Usage: cargo xtask <COMMAND>

Commands:
  tidy  checks what no lint checks: the length of files, module essays, unfinished code, the arrows between crates
  ci    tidy, format, clippy, and the tests of every crate; stops at the first that fails";

fn main() -> anyhow::Result<ExitCode> {
    let root = workspace_root();
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy::run(&root),
        Some("ci") => ci::run(&root),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        other => {
            eprintln!("{}{USAGE}", other.map(|name| format!("unknown command `{name}`\n\n")).unwrap_or_default());
            Ok(ExitCode::from(2))
        }
    }
}

/// The folder above this crate's.
fn workspace_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
