//! A B A B …: whatever else the machine does meets both.

use std::time::Duration;

use anyhow::Context;

use crate::{figure::figure, series::Series};

/// A turn that takes longer hangs.
const TURN_MAX: Duration = Duration::from_secs(120);

/// What the turns of a reference and of ours gave: as many of each.
#[derive(Debug)]
pub struct Turns<T> {
    reference: Vec<T>,
    ours: Vec<T>,
}

impl<T> Turns<T> {
    /// Runs both `runs` times, one after the other. `shown` is the figure of a turn that is told as it goes.
    ///
    /// # Errors
    ///
    /// The first failure of a turn, or one that took too long.
    pub async fn run(
        runs: usize,
        shown: impl Fn(&T) -> f64,
        reference: impl AsyncFn() -> anyhow::Result<T>,
        ours: impl AsyncFn() -> anyhow::Result<T>,
    ) -> anyhow::Result<Self> {
        let mut turns = Self { reference: Vec::with_capacity(runs), ours: Vec::with_capacity(runs) };
        for run in 1..=runs {
            let a = tokio::time::timeout(TURN_MAX, reference()).await.context("a turn of the reference hangs")??;
            let b = tokio::time::timeout(TURN_MAX, ours()).await.context("a turn of ours hangs")??;
            eprintln!("  turn {run} of {runs}: reference {}, ours {}", figure(shown(&a)), figure(shown(&b)));
            turns.reference.push(a);
            turns.ours.push(b);
        }
        Ok(turns)
    }

    /// Returns one figure of every turn of the reference, of ours, and their ratio turn by turn.
    ///
    /// # Errors
    ///
    /// When there was no turn.
    pub fn compare(&self, of: impl Fn(&T) -> f64) -> anyhow::Result<Compared> {
        let reference: Vec<f64> = self.reference.iter().map(&of).collect();
        let ours: Vec<f64> = self.ours.iter().map(&of).collect();
        let ratio = ours.iter().zip(&reference).map(|(ours, reference)| ours / reference).collect();
        let series = |values| Series::new(values).context("no turn was run");
        Ok(Compared { reference: series(reference)?, ours: series(ours)?, ratio: series(ratio)? })
    }

    /// Returns a figure that only our turns have.
    ///
    /// # Errors
    ///
    /// When there was no turn.
    pub fn ours(&self, of: impl Fn(&T) -> f64) -> anyhow::Result<Series> {
        Series::new(self.ours.iter().map(of).collect()).context("no turn was run")
    }
}

/// One figure of both sides.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Compared {
    pub reference: Series,
    pub ours: Series,
    pub ratio: Series,
}
