//! What the suite needs of a store beyond its verbs.

use std::sync::Arc;

use bucketbell_ledger::Ledger;
use bucketbell_testkit::ManualClock;

/// A place for one ledger. It is empty at first, and gone with the value.
pub trait Store {
    /// Opens the ledger; after a `close`, the same one again.
    async fn open(&self) -> Arc<dyn Ledger>;

    /// Returns the clock of every ledger that is opened here.
    fn clock(&self) -> &ManualClock;
}
