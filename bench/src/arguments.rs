//! The command line.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use crate::report::Files;

const RUNS_DEFAULT: usize = 5;
const RUNS_QUICK: usize = 2;

/// Measures bucketbell against bare reference loops, in turns, in one run.
///
/// Every scenario runs its reference and bucketbell one after the other (A B A B …) and prints min, median and max of
/// both and of their ratio, beside the conditions: cores, what an fsync costs on the disk that is written to, load,
/// versions. The ratio is what counts; absolute figures are for orientation.
#[derive(Debug, Parser)]
#[command(name = "bucketbell-bench", version, after_long_help = EXAMPLES)]
pub struct Arguments {
    /// What to measure. Several are run one after the other.
    #[arg(value_enum, required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<Choice>,
    /// Turns of the reference and of ours, 1 to 50 [default: 5, with --quick 2].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=50))]
    pub runs: Option<u8>,
    /// A tenth of the work: shows that a scenario runs, not how fast.
    #[arg(long)]
    pub quick: bool,
    /// Writes the results as JSON too: `.p1.ratio.median`, `.p1.reference.median`, `.p1.ours.median`, and so on.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Writes the results as the table that `bench/RESULTS.md` keeps.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Folder for temporary data [default: that of this program]. Give one on the disk that matters: on a memory file
    /// system an fsync costs nothing and the figures say nothing.
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// The `bucketbell` program for p5a and p5b [default: the one beside this program].
    #[arg(long, value_name = "FILE")]
    pub server: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  The budgets of a release, about five minutes:
    cargo build --release -p bucketbell -p bucketbell-bench
    cargo run --release -p bucketbell-bench -- all --json results.json --markdown bench/RESULTS.md
  One scenario, more turns:
    cargo run --release -p bucketbell-bench -- p1 --runs 9
  Only the ratio, for a script:
    cargo run --release -p bucketbell-bench -- p4 --json p4.json && jq .p4.ratio.median p4.json

Always build with --release: a debug build measures the lack of optimisation.
On a machine that does other work the ratio wanders: look at its min and max, and at the load printed beside it.";

/// One thing that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// Drain 100,000 queued deliveries to one healthy endpoint, one event per POST, against a bare HTTP loop.
    P1,
    /// From commit to the first byte at the receiver on an idle system, against a bare commit and POST.
    P4,
    /// S3 PUT of 4 KiB, 16 clients: a matching rule that is paused, against no rule.
    P5a,
    /// S3 PUT of 4 KiB, 16 clients: a matching rule delivering to a receiver on the same cores, against no rule.
    P5b,
    /// p1, p4, p5a and p5b.
    All,
    /// Only the reference loops: R-http at 16 and 64, R-sqlite in groups of 1, 16 and 256.
    References,
    /// Checks that R-http is no slow yardstick: it must reach 0.6 of what `wrk` reaches on the same receiver.
    WrkCheck,
    /// Becomes the receiver. What the scenarios start in another process.
    #[value(hide = true)]
    Sink,
}

/// How to measure.
#[derive(Debug, Clone)]
pub struct Settings {
    pub runs: usize,
    pub quick: bool,
    /// Where temporary folders are made.
    pub scratch: PathBuf,
    /// The program under test of the scenarios over S3.
    pub server: PathBuf,
}

impl Arguments {
    /// Returns the scenarios to run, `all` spelled out, each once.
    pub fn chosen(&self) -> Vec<Choice> {
        let mut chosen = Vec::new();
        for choice in &self.scenarios {
            let these: &[Choice] = match choice {
                Choice::All => &[Choice::P1, Choice::P4, Choice::P5a, Choice::P5b],
                one => std::slice::from_ref(one),
            };
            chosen.extend(these.iter().filter(|one| !chosen.contains(*one)).copied().collect::<Vec<_>>());
        }
        chosen
    }

    /// Returns the files to write.
    pub fn files(&self) -> Files {
        Files { json: self.json.clone(), markdown: self.markdown.clone() }
    }

    /// Returns how to measure, with defaults filled in.
    ///
    /// # Errors
    ///
    /// When the system does not say where this program is.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let folder = program.parent().context("this program's file is in no folder")?;
        Ok(Settings {
            runs: self.runs.map_or(if self.quick { RUNS_QUICK } else { RUNS_DEFAULT }, usize::from),
            quick: self.quick,
            scratch: self.scratch.clone().unwrap_or_else(|| folder.to_owned()),
            server: self
                .server
                .clone()
                .unwrap_or_else(|| folder.join(format!("bucketbell{}", std::env::consts::EXE_SUFFIX))),
        })
    }
}

impl Settings {
    /// Returns `count`, or a tenth of it when only a quick look is wanted.
    pub const fn scaled(&self, count: usize) -> usize {
        if self.quick { count / 10 } else { count }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn all_is_every_budget_once() {
        let parse = |words: &[&str]| {
            Arguments::try_parse_from(std::iter::once(&"bench").chain(words)).map(|arguments| arguments.chosen())
        };
        assert_eq!(parse(&["p4", "all", "p4"]).unwrap(), [Choice::P4, Choice::P1, Choice::P5a, Choice::P5b]);
        assert!(parse(&[]).is_err() && parse(&["p2"]).is_err() && parse(&["p1", "--runs", "0"]).is_err());
    }
}
