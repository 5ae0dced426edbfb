//! History and dead letters that are old enough to go.

use std::{fmt, sync::Arc};

use bucketbell_ledger::{Buried, Ledger, PruneLimits, Pruned, StoreError};
use metrics::counter;
use tokio_util::sync::CancellationToken;

use crate::{
    Schedule,
    rounds::{self, Round},
};

/// Removes events that nothing is owed of any more (B1) and their attempts, by age and size, and dead letters by age
/// (B10). What nobody will take any more becomes dead letters: counted, and warned of in the audit log.
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
        pruned.buried.iter().for_each(tell);
        let Pruned { events, attempts, dead, .. } = pruned;
        if events + attempts + dead > 0 {
            tracing::info!(
                events,
                attempts,
                dead,
                "pruned {events} events, {attempts} attempts and {dead} dead letters"
            );
        }
        Ok(pruned)
    }
}

/// Counts what died, under the labels that `delivery` counts by, and warns in the audit log (B10): one line for all that
/// one rule lost, which may be millions.
fn tell(buried: &Buried) {
    let Buried { rule, label, host, reason, count } = buried;
    let labels = [("endpoint", rule.to_string()), ("host", host.clone()), ("reason", reason.as_str().to_owned())];
    counter!("bucketbell_notifications_dropped_total", &labels).increment(*count);
    tracing::warn!(
        target: "audit",
        { rule.id = %rule, endpoint = %label, reason = reason.as_str(), count },
        "{count} deliveries are dead: they are kept as dead letters"
    );
}
