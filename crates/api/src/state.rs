//! What handlers are given.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use bucketbell_access::Accounts;
use bucketbell_ledger::Ledger;
use metrics_exporter_prometheus::PrometheusHandle;

/// What every handler works with. Cloned for each request.
#[derive(Clone)]
pub struct ApiState {
    pub ledger: Arc<dyn Ledger>,
    pub accounts: Arc<Accounts>,
    pub readiness: Arc<Readiness>,
    pub metrics: PrometheusHandle,
    /// Rules that one bucket may have (C3).
    pub rules_per_bucket_max: usize,
    /// Makes the 128 random bits of a new rule's id.
    pub random: fn() -> io::Result<[u8; 16]>,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ApiState")
            .field("readiness", &self.readiness)
            .field("rules_per_bucket_max", &self.rules_per_bucket_max)
            .finish_non_exhaustive()
    }
}

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Starting,
    Ready,
    /// It was told to stop: whatever balances load should send nothing new.
    Stopping,
}

/// The phase, shared between the program that moves it and `/readyz` that shows it. It only goes forward.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Stopping,
        }
    }

    pub fn ready(&self) {
        self.0.fetch_max(1, Ordering::AcqRel);
    }

    pub fn stopping(&self) {
        self.0.fetch_max(2, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopping_process_never_becomes_ready_again() {
        let readiness = Readiness::default();
        assert_eq!(readiness.phase(), Phase::Starting);
        readiness.ready();
        assert_eq!(readiness.phase(), Phase::Ready);
        readiness.stopping();
        readiness.ready();
        assert_eq!(readiness.phase(), Phase::Stopping);
    }
}
