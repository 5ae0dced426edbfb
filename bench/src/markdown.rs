//! The table of a run as `RESULTS.md` keeps it.

use std::fmt::Write;

use crate::{
    figure::figure,
    report::{Entry, Figures, Report},
    series::Series,
};

const HEADING: &str = "\
# Results of the last full run

Written by `cargo run --release -p bucketbell-bench -- all --markdown bench/RESULTS.md`. What the scenarios are and how to read
this: `README.md`. Each cell is min / **median** / max over the turns.
";
const NOTHING: &str = "–";

/// Returns the report as one page.
pub fn page(report: &Report) -> String {
    let mut page = HEADING.to_owned();
    // Writing to a String does not fail.
    let _ = write(&mut page, report);
    page
}

fn write(page: &mut String, report: &Report) -> std::fmt::Result {
    let conditions = &report.conditions;
    let commit = conditions.commit.as_deref().unwrap_or("no commit");
    writeln!(
        page,
        "\n- {}, bucketbell {} ({commit}), {} build",
        conditions.date, conditions.bucketbell, conditions.profile
    )?;
    writeln!(page, "- {} cores of {}, {} GiB", conditions.cores, conditions.cpu, conditions.memory_gib)?;
    writeln!(page, "- Linux {}, data on {}", conditions.kernel, conditions.file_system)?;
    writeln!(page, "- {}, SQLite {}", conditions.rustc, conditions.sqlite)?;
    writeln!(page, "\n| id | what | reference | ours | ratio |\n|---|---|---|---|---|")?;
    for (id, entry) in &report.entries {
        rows(page, id, entry)?;
    }
    writeln!(page, "\n| id | budget | kept |\n|---|---|---|")?;
    for (id, entry) in &report.entries {
        for budget in &entry.outcome.budgets {
            writeln!(page, "| {id} | {} | {} |", budget.text, if budget.met { "yes" } else { "**no**" })?;
        }
    }
    writeln!(page, "\n| id | fsync p50 / p99 before, ms | after, ms | load before, after |\n|---|---|---|---|")?;
    for (id, Entry { before, after, .. }) in &report.entries {
        let fsync = |moment: &crate::conditions::Moment| {
            format!("{} / {}", figure(moment.fsync_p50_ms), figure(moment.fsync_p99_ms))
        };
        let (load_before, load_after) = (figure(before.load), figure(after.load));
        writeln!(page, "| {id} | {} | {} | {load_before}, {load_after} |", fsync(before), fsync(after))?;
    }
    Ok(())
}

fn rows(page: &mut String, id: &str, entry: &Entry) -> std::fmt::Result {
    let outcome = &entry.outcome;
    let main = &outcome.main;
    let (reference, ours, ratio) = (cell(&main.reference), cell(&main.ours), cell(&main.ratio));
    writeln!(page, "| **{id}** | {} ({}) | {reference} | {ours} | {ratio} |", outcome.title, outcome.unit)?;
    for detail in &outcome.details {
        let (reference, ours, ratio) = match &detail.figures {
            Figures::Both(both) => (cell(&both.reference), cell(&both.ours), cell(&both.ratio)),
            Figures::Ours { ours } => (NOTHING.to_owned(), cell(ours), NOTHING.to_owned()),
        };
        writeln!(page, "| {id} | {} | {reference} | {ours} | {ratio} |", detail.name)?;
    }
    Ok(())
}

fn cell(series: &Series) -> String {
    format!("{} / **{}** / {}", figure(series.min()), figure(series.median()), figure(series.max()))
}
