//! From what an attempt told us to what becomes of the delivery. Pure.

use std::time::Duration;

use bucketbell_event::Timestamp;
use bucketbell_ledger::{AttemptRecord, DeadReason, Number, Settlement};
use bucketbell_rule::Target;

use crate::RetryPolicy;

/// One attempt, finished.
#[derive(Debug)]
pub(crate) struct Finished {
    pub number: Number,
    /// 1 for the first.
    pub attempt: u32,
    /// When the change happened: the age of the delivery counts from there.
    pub since: Timestamp,
    pub accepted: bool,
    pub retry_after: Option<Duration>,
    pub record: AttemptRecord,
}

/// Returns whether a delivery is too old to be sent at all (B10).
pub(crate) fn is_too_old(since: Timestamp, target: &Target, now: Timestamp) -> bool {
    now.since(since) >= target.max_age
}

/// Returns what becomes of the delivery (B10): done, later, or never, by attempts or by age, whichever comes first.
pub(crate) fn settle(
    finished: Finished,
    target: &Target,
    policy: &RetryPolicy,
    random: u32,
    now: Timestamp,
) -> Settlement {
    let Finished { number, attempt, since, accepted, retry_after, record } = finished;
    if accepted {
        return Settlement::Delivered { number, attempt: record };
    }
    if attempt > target.max_retries {
        return Settlement::Dead { number, reason: DeadReason::Attempts, attempt: Some(record) };
    }
    if is_too_old(since, target, now) {
        return Settlement::Dead { number, reason: DeadReason::Age, attempt: Some(record) };
    }
    // A wait beyond the last day of the delivery ends on that day, so that it dies when it should.
    let due = now.after(policy.delay_after(attempt, random, retry_after)).min(since.after(target.max_age));
    Settlement::Retry { number, due, attempt: record }
}

#[cfg(test)]
mod tests {
    use bucketbell_dialect::DialectName;
    use bucketbell_ledger::AttemptOutcome;

    use super::*;

    fn target(max_retries: u32) -> Target {
        Target {
            url: "http://h/".parse().unwrap(),
            dialect: DialectName::Bucketbell,
            secret: None,
            timeout: Duration::from_secs(5),
            max_retries,
            max_age: Duration::from_secs(100),
            concurrency: 1,
        }
    }

    fn finished(attempt: u32, accepted: bool) -> Finished {
        let record = AttemptRecord {
            started: Timestamp::EPOCH,
            took: Duration::ZERO,
            outcome: AttemptOutcome::Answered { status: 500 },
            excerpt: String::new(),
        };
        Finished { number: 7, attempt, since: Timestamp::EPOCH, accepted, retry_after: None, record }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.after(Duration::from_secs(seconds))
    }

    #[test]
    fn max_retries_counts_those_after_the_first() {
        let settle =
            |attempt, retries| settle(finished(attempt, false), &target(retries), &RetryPolicy::default(), 0, at(1));
        assert!(matches!(settle(1, 0), Settlement::Dead { reason: DeadReason::Attempts, .. }));
        assert!(matches!(settle(5, 5), Settlement::Retry { .. }));
        assert!(matches!(settle(6, 5), Settlement::Dead { reason: DeadReason::Attempts, .. }));
    }

    #[test]
    fn age_ends_a_delivery_and_bounds_its_last_wait() {
        let settle = |now, random| settle(finished(9, false), &target(16), &RetryPolicy::default(), random, now);
        assert!(matches!(settle(at(100), 0), Settlement::Dead { reason: DeadReason::Age, .. }));
        let Settlement::Retry { due, .. } = settle(at(99), u32::MAX) else { panic!("must be retried") };
        assert_eq!(due, at(100));
    }

    #[test]
    fn success_counts_however_late() {
        let settlement = settle(finished(17, true), &target(0), &RetryPolicy::default(), 0, at(1000));
        assert!(matches!(settlement, Settlement::Delivered { number: 7, .. }));
    }
}
