//! `cargo xtask ci`: the steps for every crate, in the order in which they fail fastest.

use std::{
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::Context;

use crate::tidy;

/// The first toolchain that satisfies what the dependencies declare. Older ones that compile them are told not to ask.
const RUST_MINOR_DECLARED: u32 = 96;

/// A step: its name, the arguments of cargo, and those after `--`. Whether it takes `--ignore-rust-version`.
const STEPS: &[(&str, &[&str], &[&str], bool)] = &[
    ("format", &["fmt", "--all", "--check"], &[], false),
    ("clippy", &["clippy", "--workspace", "--all-targets"], &["-D", "warnings"], true),
    ("tests", &["test", "--workspace"], &[], true),
];

/// Runs tidy and every step, and stops at the first that fails.
///
/// # Errors
///
/// When a step cannot be run at all.
pub fn run(root: &Path) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    println!("--> tidy");
    if tidy::run(root)? != ExitCode::SUCCESS {
        return Ok(ExitCode::FAILURE);
    }
    let old = rust_minor()? < RUST_MINOR_DECLARED;
    for (name, arguments, after, takes_flag) in STEPS {
        let step = Instant::now();
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(*arguments).current_dir(root);
        if old && *takes_flag {
            command.arg("--ignore-rust-version");
        }
        if !after.is_empty() {
            command.arg("--").args(*after);
        }
        println!("--> {name}: cargo {}", arguments.join(" "));
        let status = command.status().with_context(|| format!("failed to run the step `{name}`"))?;
        println!(
            "<-- {name}: {} after {:.1} s",
            if status.success() { "passed" } else { "FAILED" },
            step.elapsed().as_secs_f64()
        );
        if !status.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("ci: passed in {:.1} s", began.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// Returns the minor version of the toolchain: 95 for `rustc 1.95.0 (…)`.
fn rust_minor() -> anyhow::Result<u32> {
    let output = Command::new("rustc").arg("--version").output().context("failed to run `rustc --version`")?;
    parse_minor(&String::from_utf8_lossy(&output.stdout)).context("`rustc --version` prints no version")
}

fn parse_minor(text: &str) -> Option<u32> {
    text.split_whitespace().nth(1)?.split('.').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_rustc_prints() {
        assert_eq!(parse_minor("rustc 1.95.0 (59807616e 2026-04-14)"), Some(95));
        assert_eq!(parse_minor("rustc 1.97.0-nightly (0123456 2026-05-19)"), Some(97));
        assert_eq!(parse_minor(""), None);
    }
}
