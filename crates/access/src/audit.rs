//! The audit line.

/// Log target of audit lines, so that an operator can send them elsewhere.
const TARGET: &str = "audit";

/// Logs who did what to which thing. Called after the change is durable.
///
/// `who` is an account's name, `action` a verb such as `notifications.put`, `what` the thing's name. None of them may
/// hold a secret, a token or a url with credentials.
pub fn audit(who: &str, action: &str, what: &str) {
    tracing::info!(target: TARGET, who, action, what, "{who} {action} {what}");
}
