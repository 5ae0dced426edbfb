//! When a failed delivery is tried again (B10).

use std::time::Duration;

/// Exponential backoff with full jitter: a random time up to a bound that doubles with each attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    first: Duration,
    max: Duration,
}

/// The policy makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RetryPolicyError(&'static str);

impl Default for RetryPolicy {
    /// 1 s, doubling, at most 1 h (B10).
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(3600) }
    }
}

impl RetryPolicy {
    /// Makes a policy whose first bound is `first` and whose bounds never exceed `max`.
    ///
    /// # Errors
    ///
    /// [`RetryPolicyError`] when `first` is zero or longer than `max`.
    pub fn try_new(first: Duration, max: Duration) -> Result<Self, RetryPolicyError> {
        if first.is_zero() {
            return Err(RetryPolicyError("the first delay must not be zero: a failing receiver would be hammered"));
        }
        if first > max {
            return Err(RetryPolicyError("the longest delay must not be shorter than the first"));
        }
        Ok(Self { first, max })
    }

    /// Returns the longest wait after failed attempt number `attempt`, which is 1 for the first.
    #[must_use]
    pub fn bound_after(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }

    /// Returns the wait after failed attempt number `attempt`: from zero to the bound as `random` goes from 0 to its
    /// maximum (full jitter), and never less than what the receiver asked for, itself capped at the policy's maximum.
    #[must_use]
    pub fn delay_after(&self, attempt: u32, random: u32, retry_after: Option<Duration>) -> Duration {
        let jittered = self.bound_after(attempt).mul_f64(f64::from(random) / f64::from(u32::MAX));
        jittered.max(retry_after.unwrap_or_default().min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn delay_never_leaves_its_bounds(first in 1u64..10_000, extra in 0u64..100_000, attempt in 0u32.., random: u32, asked in 0u64..1_000_000) {
            let (first, max) = (Duration::from_millis(first), Duration::from_millis(first + extra));
            let policy = RetryPolicy::try_new(first, max).unwrap();
            prop_assert!(policy.delay_after(attempt, random, None) <= policy.bound_after(attempt));
            prop_assert!(policy.bound_after(attempt) >= first && policy.bound_after(attempt) <= max);
            let asked = Duration::from_millis(asked);
            let delay = policy.delay_after(attempt, random, Some(asked));
            prop_assert!(delay >= asked.min(max) && delay <= max);
        }
    }

    #[test]
    fn the_bound_doubles_from_one_second_to_an_hour() {
        let policy = RetryPolicy::default();
        let bounds: Vec<u64> = (1..=14).map(|attempt| policy.bound_after(attempt).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
    }

    #[test]
    fn a_policy_without_sense_is_refused_in_a_sentence() {
        assert!(RetryPolicy::try_new(Duration::ZERO, Duration::from_secs(1)).is_err());
        assert!(RetryPolicy::try_new(Duration::from_secs(2), Duration::from_secs(1)).is_err());
    }
}
