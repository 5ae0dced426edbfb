//! `upkeep:`.

use anyhow::bail;
use serde::Deserialize;

use super::{Environment, Span};

/// How long things are kept, and how often what may go is looked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpkeepConfig {
    /// Events, once nothing is owed of them, and their attempts (B1). Default: `7d`.
    pub history: Span,
    /// Bytes that events may take, whatever their age (B1): beyond them the oldest go, but none that is still owed.
    /// Default: 5 GiB.
    pub history_bytes: u64,
    /// Dead letters (B10). Default: `7d`.
    pub dead_letters: Span,
    /// From one look at old history to the next. Default: `1m`.
    pub prune_every: Span,
    /// From one look for unreferenced bytes to the next. Default: `1m`.
    pub sweep_every: Span,
}

/// A shorter interval would only keep the ledger busy.
const EVERY_MIN: Span = Span(std::time::Duration::from_millis(100));

impl Default for UpkeepConfig {
    fn default() -> Self {
        Self {
            history: Span::days(7),
            history_bytes: 5 * 1024 * 1024 * 1024,
            dead_letters: Span::days(7),
            prune_every: Span::secs(60),
            sweep_every: Span::secs(60),
        }
    }
}

impl UpkeepConfig {
    pub(super) fn overlay(&mut self, environment: &Environment<'_>) -> anyhow::Result<()> {
        environment.overlay("BUCKETBELL_UPKEEP_HISTORY", &mut self.history)?;
        environment.overlay("BUCKETBELL_UPKEEP_HISTORY_BYTES", &mut self.history_bytes)?;
        environment.overlay("BUCKETBELL_UPKEEP_DEAD_LETTERS", &mut self.dead_letters)?;
        environment.overlay("BUCKETBELL_UPKEEP_PRUNE_EVERY", &mut self.prune_every)?;
        environment.overlay("BUCKETBELL_UPKEEP_SWEEP_EVERY", &mut self.sweep_every)?;
        for (name, every) in [("prune_every", self.prune_every), ("sweep_every", self.sweep_every)] {
            if every.0 < EVERY_MIN.0 {
                bail!("upkeep.{name} must be at least {} ms", EVERY_MIN.0.as_millis());
            }
        }
        Ok(())
    }
}
