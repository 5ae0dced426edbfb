//! Time as an argument.

use bucketbell_event::Timestamp;

/// Where a component gets the time from. Tests hand in one that they move.
pub trait Clock: Send + Sync + 'static {
    /// Returns the wall-clock time. May go back; what must not is the ledger's hybrid clock ([`bucketbell_event::Sequencer`]).
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
        let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
        Timestamp::from_micros(since.map_or(0, |age| i64::try_from(age.as_micros()).unwrap_or(i64::MAX)))
    }
}
