//! Waiting for a condition instead of sleeping.

use std::time::Duration;

/// How long a test waits before it says that something never happened. Generous, machines are shared, but shorter than
/// any safety net that could help a test over what it guards.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Polls `condition` until it gives a value.
///
/// # Panics
///
/// When it gives none within [`DEADLINE`]: `what` never happened.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let wait = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let Ok(value) = tokio::time::timeout(DEADLINE, wait).await else { panic!("never happened: {what}") };
    value
}
