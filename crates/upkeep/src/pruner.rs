//! History and dead letters that are old enough to go.

use std::{fmt, sync::Arc};

use bucketbell_ledger::{Ledger, PruneLimits, Pruned, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{
    Schedule,
    rounds::{self, Round},
};

/// Removes events that nothing is owed of any more (B1), their attempts, and dead letters (B10), by age.
#[derive(Clone)]
pub struct Pruner {
    pub ledger: Arc<dyn Ledger>,
    pub limits: PruneLimits,
}

impl fmt::Debug for Pruner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pruner").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Pruner {
    /// Runs rounds until `stop`.
    pub async fn run(self, schedule: Schedule, stop: CancellationToken) {
        let round = async || self.round().await.map(|pruned| if pruned.more { Round::More } else { Round::Done });
        rounds::run("prune", schedule, &stop, round).await;
    }

    /// Prunes once, within the limits of one transaction.
    ///
    /// # Errors
    ///
    /// The ledger's own failure: nothing was removed.
    pub async fn round(&self) -> Result<Pruned, StoreError> {
        let pruned = self.ledger.prune(self.limits).await?;
        let Pruned { events, attempts, dead, orphaned, .. } = pruned;
        if events + attempts + dead + orphaned > 0 {
            tracing::info!(
                events,
                attempts,
                dead,
                orphaned,
                "pruned {events} events, {attempts} attempts and {dead} dead letters; {orphaned} deliveries had lost their rule"
            );
        }
        Ok(pruned)
    }
}
