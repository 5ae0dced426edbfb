//! What a scenario found, as people and as scripts read it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Serialize;

use crate::{
    conditions::{Conditions, Moment},
    figure::figure,
    markdown,
    series::Series,
    turns::Compared,
};

const NAME_WIDTH: usize = 34;
const COLUMN_WIDTH: usize = 12;

/// What one scenario found.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Its id in small letters: the key in the JSON file.
    #[serde(skip)]
    pub id: &'static str,
    pub title: String,
    /// Of `reference` and `ours`.
    pub unit: &'static str,
    #[serde(flatten)]
    pub main: Compared,
    pub budgets: Vec<Budget>,
    /// What else was measured, by name.
    pub details: Vec<Detail>,
}

/// One line of the table of budgets, and whether this run stays within it.
#[derive(Debug, Serialize)]
pub struct Budget {
    pub text: &'static str,
    pub met: bool,
}

/// A figure beside the main one.
#[derive(Debug, Serialize)]
pub struct Detail {
    pub name: &'static str,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Figures {
    Both(Compared),
    Ours { ours: Series },
}

/// An outcome and the moments around it.
#[derive(Debug, Serialize)]
pub struct Entry {
    #[serde(flatten)]
    pub outcome: Outcome,
    pub before: Moment,
    pub after: Moment,
}

/// All that one run found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub conditions: Conditions,
    /// By the id of the scenario.
    #[serde(flatten)]
    pub entries: BTreeMap<&'static str, Entry>,
}

/// Where a report goes beside standard output.
#[derive(Debug, Clone, Default)]
pub struct Files {
    pub json: Option<PathBuf>,
    pub markdown: Option<PathBuf>,
}

impl Detail {
    pub const fn both(name: &'static str, compared: Compared) -> Self {
        Self { name, figures: Figures::Both(compared) }
    }

    pub const fn ours(name: &'static str, ours: Series) -> Self {
        Self { name, figures: Figures::Ours { ours } }
    }
}

impl Report {
    /// Begins a report, and prints under what conditions.
    pub fn begin(conditions: Conditions) -> Self {
        println!(
            "bucketbell {} ({}), {} build, {}, SQLite {}",
            conditions.bucketbell,
            conditions.commit.as_deref().unwrap_or("no commit"),
            conditions.profile,
            conditions.rustc,
            conditions.sqlite,
        );
        println!(
            "{}: {} cores of {}, {} GiB, Linux {}, data on {}",
            conditions.date,
            conditions.cores,
            conditions.cpu,
            conditions.memory_gib,
            conditions.kernel,
            conditions.file_system,
        );
        if conditions.profile == "debug" {
            println!("A debug build: these figures mean nothing. Run with --release.");
        }
        if conditions.file_system == "tmpfs" {
            println!("A memory file system: an fsync costs nothing here. Give a --scratch on a disk.");
        }
        Self { conditions, entries: BTreeMap::new() }
    }

    /// Adds what a scenario found, and prints it.
    pub fn add(&mut self, outcome: Outcome, before: Moment, after: Moment) {
        println!("\n{}  {} ({})", outcome.id.to_uppercase(), outcome.title, outcome.unit);
        println!("{:NAME_WIDTH$}{:>COLUMN_WIDTH$}{:>COLUMN_WIDTH$}{:>COLUMN_WIDTH$}", "", "min", "median", "max");
        row("reference", &outcome.main.reference);
        row("ours", &outcome.main.ours);
        row("ratio (ours / reference)", &outcome.main.ratio);
        for detail in &outcome.details {
            match &detail.figures {
                Figures::Both(compared) => {
                    row(&format!("{}, reference", detail.name), &compared.reference);
                    row(&format!("{}, ours", detail.name), &compared.ours);
                    row(&format!("{}, ratio", detail.name), &compared.ratio);
                }
                Figures::Ours { ours } => row(detail.name, ours),
            }
        }
        for budget in &outcome.budgets {
            println!("  {}: {}", if budget.met { "within budget" } else { "MISSES BUDGET" }, budget.text);
        }
        println!(
            "  fsync p50 / p99: {} / {} ms before, {} / {} ms after; load {} before, {} after",
            figure(before.fsync_p50_ms),
            figure(before.fsync_p99_ms),
            figure(after.fsync_p50_ms),
            figure(after.fsync_p99_ms),
            figure(before.load),
            figure(after.load),
        );
        self.entries.insert(outcome.id, Entry { outcome, before, after });
    }

    /// Writes all that was found so far into the files that were asked for.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn write(&self, files: &Files) -> anyhow::Result<()> {
        let write = |path: &Path, text: String| {
            std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
        };
        if let Some(path) = &files.json {
            write(path, serde_json::to_string_pretty(self)? + "\n")?;
        }
        if let Some(path) = &files.markdown {
            write(path, markdown::page(self))?;
        }
        Ok(())
    }
}

fn row(name: &str, series: &Series) {
    println!(
        "  {name:<width$}{:>COLUMN_WIDTH$}{:>COLUMN_WIDTH$}{:>COLUMN_WIDTH$}",
        figure(series.min()),
        figure(series.median()),
        figure(series.max()),
        width = NAME_WIDTH - 2,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_have_the_names_that_the_contract_fixes() {
        let series = |values: &[f64]| Series::new(values.to_vec()).unwrap();
        let main = Compared { reference: series(&[4.0]), ours: series(&[2.0]), ratio: series(&[0.5]) };
        let moment = Moment { fsync_p50_ms: 0.1, fsync_p99_ms: 0.3, load: 1.0 };
        let outcome = Outcome {
            id: "p1",
            title: "Drain".to_owned(),
            unit: "POST/s",
            main: main.clone(),
            budgets: vec![Budget { text: "at least half", met: true }],
            details: vec![Detail::both("cpu", main), Detail::ours("bytes", series(&[600.0]))],
        };
        let mut report = Report::begin(Conditions::read(Path::new(".")));
        report.add(outcome, moment, moment);
        let json = serde_json::to_value(&report).unwrap();
        let at = |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_f64);
        assert_eq!(at("/p1/ratio/median"), Some(0.5));
        assert_eq!((at("/p1/reference/median"), at("/p1/ours/median")), (Some(4.0), Some(2.0)));
        assert_eq!(json["p1"]["unit"], "POST/s");
        assert!(json["conditions"]["cores"].as_u64() > Some(0));
        let page = markdown::page(&report);
        assert!(
            page.contains("| **p1** | Drain (POST/s) | 4.00 / **4.00** / 4.00 | 2.00 / **2.00** / 2.00 |"),
            "{page}"
        );
        assert!(page.contains("| p1 | at least half | yes |"), "{page}");
    }
}
