//! Many times of one kind, and what they say together.

use std::time::{Duration, Instant};

/// Times in microseconds. Signed: on two cores the receiver may see the first byte before the caller sees its answer.
#[derive(Debug, Default)]
pub struct Latencies(Vec<i64>);

impl Latencies {
    pub fn push(&mut self, micros: i64) {
        self.0.push(micros);
    }

    pub fn push_duration(&mut self, time: Duration) {
        self.push(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
    }

    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// Returns in milliseconds what `hundredths` of a hundred stay at or below (nearest rank). 0 when nothing was measured.
    #[expect(clippy::cast_precision_loss, reason = "a latency of 2^53 µs is not measured here")]
    pub fn percentile_ms(&mut self, hundredths: usize) -> f64 {
        self.0.sort_unstable();
        let rank = (self.0.len() * hundredths).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(0.0, |micros| *micros as f64 / 1000.0)
    }
}

/// Returns the microseconds from one moment to another, negative when the other came first.
pub fn micros_between(from: Instant, to: Instant) -> i64 {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    to.checked_duration_since(from).map_or_else(|| -micros(from.duration_since(to)), micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile_ms(50), 0.0);
        for micros in (1..=1000).rev() {
            latencies.push(micros * 1000);
        }
        assert_eq!(latencies.percentile_ms(50), 500.0);
        assert_eq!(latencies.percentile_ms(99), 990.0);
        assert_eq!(latencies.percentile_ms(100), 1000.0);
    }

    #[test]
    fn a_moment_before_is_negative() {
        let now = Instant::now();
        let later = now + Duration::from_micros(7);
        assert_eq!((micros_between(now, later), micros_between(later, now)), (7, -7));
    }
}
