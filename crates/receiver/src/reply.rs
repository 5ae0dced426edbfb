//! What a sender is told.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Outcome;

/// After how long a sender should come again when something held its event up.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An answer, for whatever serves HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// 200 only when every event of the body is handled and that is durable (A6).
    pub status: u16,
    /// What `Retry-After` should say.
    pub retry_after: Option<Duration>,
    /// JSON: how many events were handled and repeats, or an `error` with `code` and `message`.
    pub body: Value,
}

impl Reply {
    /// Returns an error in the one shape that errors have.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let retry_after = (status == 503).then_some(RETRY_AFTER);
        Self { status, retry_after, body: json!({"error": {"code": code, "message": message}}) }
    }

    /// Returns the answer to a body with these outcomes.
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        let count = |name| outcomes.iter().filter(|outcome| outcome.as_str() == name).count();
        let (failed, busy) = (count("failed"), count("busy"));
        let mut reply = match (failed, busy) {
            (0, 0) => Self { status: 200, retry_after: None, body: json!({}) },
            // Reasons stay in the receiver's log: they may tell of its insides.
            (0, _) => Self::error(503, "Busy", "another event of the same key is still being handled: send it again"),
            _ => Self::error(500, "HandlerFailed", "the handler failed: send it again"),
        };
        let counts = [
            ("handled", count("handled")),
            ("repeats", count("repeat")),
            ("refused_older", count("older")),
            ("failed", failed + busy),
        ];
        for (name, count) in counts {
            reply.body[name] = count.into();
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_body_whose_every_event_is_done_is_acknowledged() {
        let failed = || Outcome::Failed { reason: "disk at /secret is full".into() };
        let busy = || Outcome::Busy { reason: "?".into() };
        for (outcomes, status) in [
            (vec![], 200),
            (vec![Outcome::Handled, Outcome::Repeat, Outcome::RefusedOlder], 200),
            (vec![Outcome::Handled, failed()], 500),
            (vec![busy(), failed()], 500),
            (vec![busy(), Outcome::Handled], 503),
        ] {
            let reply = Reply::of(&outcomes);
            assert_eq!((reply.status, reply.retry_after.is_some()), (status, status == 503), "A6: {outcomes:?}");
            assert!(!reply.body.to_string().contains("secret"));
        }
        let reply = Reply::of(&[Outcome::Handled, Outcome::Repeat, Outcome::Repeat]);
        assert_eq!(reply.body, json!({"handled": 1, "repeats": 2, "refused_older": 0, "failed": 0}), "A5");
    }
}
