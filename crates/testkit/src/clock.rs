//! A clock that stands until it is moved.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bucketbell_event::Timestamp;
use bucketbell_ledger::Clock;

/// Stands at one time until a test moves it. Clones share it.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl Default for ManualClock {
    /// Starts at 2026-01-02T03:04:05Z.
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1_767_323_045_000_000)))
    }
}

impl ManualClock {
    pub fn advance(&self, by: Duration) {
        self.set(self.now().after(by));
    }

    pub fn set(&self, to: Timestamp) {
        self.0.store(to.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}
