//! The budgets, one file each, and running them one after the other.

mod drain;
mod first_byte;
mod puts;
mod references;
mod wrk;

use anyhow::Context;

use crate::{
    arguments::{Choice, Settings},
    conditions::{Conditions, Moment},
    report::{Files, Outcome, Report},
};

/// Runs what was chosen, prints each outcome as it comes, and keeps the files up to date.
///
/// # Errors
///
/// The first scenario that cannot be run. A missed budget is no error.
pub async fn run_all(chosen: &[Choice], settings: &Settings, files: &Files) -> anyhow::Result<()> {
    std::fs::create_dir_all(&settings.scratch).context("cannot make the scratch folder")?;
    let mut report = Report::begin(Conditions::read(&settings.scratch));
    for choice in chosen {
        eprintln!("{choice:?} …");
        let before = Moment::take(&settings.scratch)?;
        let outcomes = run(*choice, settings).await.with_context(|| format!("{choice:?} was not measured"))?;
        let after = Moment::take(&settings.scratch)?;
        for outcome in outcomes {
            report.add(outcome, before, after);
        }
        report.write(files)?;
    }
    Ok(())
}

async fn run(choice: Choice, settings: &Settings) -> anyhow::Result<Vec<Outcome>> {
    Ok(match choice {
        Choice::P1 => vec![drain::run(settings).await?],
        Choice::P4 => vec![first_byte::run(settings).await?],
        Choice::P5a => vec![puts::paused(settings).await?],
        Choice::P5b => vec![puts::live(settings).await?],
        Choice::References => {
            references::run(settings).await?;
            vec![]
        }
        Choice::WrkCheck => wrk::run(settings).await?,
        Choice::All | Choice::Sink => vec![],
    })
}
