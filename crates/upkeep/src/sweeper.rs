//! Bytes that nothing refers to.

use std::{fmt, sync::Arc, time::Duration};

use bucketbell_blob::{BlobError, BlobStore};
use bucketbell_ledger::{Ledger, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{
    Schedule,
    rounds::{self, Ended, Round},
};

/// Removes blobs that were staged by a process that is no more, or that nothing has referred to for long enough (Y2).
///
/// Bytes go first and the ledger's memory of them last, so a crash between the two is only work done twice.
#[derive(Clone)]
pub struct Sweeper {
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<dyn BlobStore>,
    /// How long a blob stays after its last reference.
    pub unreferenced_for: Duration,
    /// Blobs removed in one round.
    pub blobs_max: usize,
}

/// A round did not remove all that it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    #[error("failed to ask the ledger what to sweep")]
    Store(#[from] StoreError),
    /// These stay in the journal and are tried again.
    #[error("{count} blobs could not be removed")]
    Blobs {
        count: usize,
        /// The first failure.
        #[source]
        first: BlobError,
    },
}

impl Ended for SweepError {
    fn ended(&self) -> bool {
        matches!(self, Self::Store(StoreError::Closed))
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sweeper")
            .field("unreferenced_for", &self.unreferenced_for)
            .field("blobs_max", &self.blobs_max)
            .finish_non_exhaustive()
    }
}

impl Sweeper {
    /// Runs rounds until `stop`.
    pub async fn run(self, schedule: Schedule, stop: CancellationToken) {
        let round = async || {
            let swept = self.round().await?;
            Ok::<_, SweepError>(if swept >= self.blobs_max { Round::More } else { Round::Done })
        };
        rounds::run("sweep", schedule, &stop, round).await;
    }

    /// Removes up to `blobs_max` blobs, and returns how many the ledger could forget.
    ///
    /// # Errors
    ///
    /// [`SweepError`]. What could be removed was.
    pub async fn round(&self) -> Result<usize, SweepError> {
        let removable = self.ledger.removable_blobs(self.unreferenced_for, self.blobs_max).await?;
        let (mut gone, mut failed) = (Vec::with_capacity(removable.len()), Vec::new());
        for blob in removable {
            match self.blobs.remove(blob).await {
                Ok(_) => gone.push(blob),
                Err(error) => failed.push(error),
            }
        }
        let swept = gone.len();
        if swept > 0 {
            self.ledger.forget_blobs(gone).await?;
            tracing::info!(blobs = swept, "swept {swept} blobs that nothing refers to");
        }
        let count = failed.len();
        failed.into_iter().next().map_or(Ok(swept), |first| Err(SweepError::Blobs { count, first }))
    }
}
