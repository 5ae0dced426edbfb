//! The loop around a job.

use std::{error::Error, fmt, future::Future, time::Duration};

use bucketbell_ledger::StoreError;
use tokio_util::sync::CancellationToken;

/// The first wait after a failure. It doubles up to the job's own interval.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// When the rounds of a job are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// From the start of the process to the first round.
    pub first_after: Duration,
    /// From the end of a round, with nothing left to do, to the next.
    pub every: Duration,
}

/// What a round found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// A limit was reached and there is more: the next round follows at once.
    More,
    Done,
}

/// Runs `round` by the schedule until `stop`. A round that has begun is finished.
///
/// A failure is logged when it begins and when it is over, not at every try in between.
pub(crate) async fn run<E, F>(job: &'static str, schedule: Schedule, stop: &CancellationToken, round: impl Fn() -> F)
where
    E: Error + Ended + 'static,
    F: Future<Output = Result<Round, E>>,
{
    let (mut wait, mut failures) = (schedule.first_after, 0_u32);
    while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        wait = match round().await {
            Ok(found) => {
                if failures > 0 {
                    tracing::info!(job, failures, "{job} works again after {failures} failures");
                    failures = 0;
                }
                match found {
                    Round::More => Duration::ZERO,
                    Round::Done => schedule.every,
                }
            }
            Err(error) if error.ended() => return,
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(
                        job,
                        error = &error as &dyn Error,
                        "{job} failed, and is tried again: {}",
                        Chain(&error)
                    );
                }
                failures = failures.saturating_add(1);
                backoff(failures).min(schedule.every)
            }
        };
    }
}

fn backoff(failures: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX))
}

/// Whether a failure means that the process is shutting down.
pub(crate) trait Ended {
    fn ended(&self) -> bool;
}

impl Ended for StoreError {
    fn ended(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

/// An error with its causes, on one line.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(out, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::Instant;

    use super::*;

    const SCHEDULE: Schedule = Schedule { first_after: Duration::from_secs(5), every: Duration::from_secs(60) };

    /// Returns the seconds after the start at which rounds ran, when they answer as `answers` says and then stop.
    async fn seconds(answers: Vec<Result<Round, StoreError>>) -> Vec<u64> {
        let (stop, started) = (CancellationToken::new(), Instant::now());
        let (at, answers) = (RefCell::new(Vec::new()), RefCell::new(answers.into_iter()));
        run("test", SCHEDULE, &stop, async || {
            at.borrow_mut().push(started.elapsed().as_secs());
            let answer = answers.borrow_mut().next();
            answer.unwrap_or_else(|| {
                stop.cancel();
                Ok(Round::Done)
            })
        })
        .await;
        at.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_follow_at_once_while_there_is_more() {
        assert_eq!(seconds(vec![Ok(Round::More), Ok(Round::More), Ok(Round::Done)]).await, [5, 5, 5, 65]);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time_up_to_the_interval() {
        let full = || Err(StoreError::Full);
        let answers = vec![full(), full(), full(), Ok(Round::Done), full()];
        assert_eq!(seconds(answers).await, [5, 6, 8, 12, 72, 73]);
        assert_eq!(backoff(u32::MAX), Duration::from_secs(u64::from(u32::MAX)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_ledger_ends_the_loop() {
        assert_eq!(seconds(vec![Err(StoreError::Closed), Ok(Round::Done)]).await, [5]);
    }
}
