//! A rule as the API shows it. The same fields go back in by PUT, `secret_set` included, which is then ignored.

use std::time::Duration;

use bucketbell_event::Pattern;
use bucketbell_rule::Rule;
use serde::Serialize;

const DAY_SECS: u64 = 24 * 3600;

/// The answer of GET and PUT.
#[derive(Debug, Serialize)]
pub(super) struct RulesView<'a> {
    rules: Vec<RuleView<'a>>,
    /// PUT only: deliveries of removed rules that became dead letters (C12).
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letters: Option<u64>,
}

#[derive(Debug, Serialize)]
struct RuleView<'a> {
    id: String,
    url: &'a str,
    events: Vec<&'a str>,
    prefix: &'a str,
    suffix: &'a str,
    enabled: bool,
    paused: bool,
    /// All that is ever said about the secret (C6).
    secret_set: bool,
    dialect: &'static str,
    timeout: String,
    max_retries: u32,
    max_age: String,
    concurrency: u16,
}

impl<'a> RulesView<'a> {
    pub(super) fn stored(rules: &'a [Rule]) -> Self {
        Self { rules: rules.iter().map(RuleView::new).collect(), dead_letters: None }
    }

    pub(super) fn saved(rules: &'a [Rule], dead_letters: u64) -> Self {
        Self { dead_letters: Some(dead_letters), ..Self::stored(rules) }
    }
}

impl<'a> RuleView<'a> {
    fn new(rule: &'a Rule) -> Self {
        Self {
            id: rule.id.to_string(),
            url: rule.target.url.as_str(),
            events: rule.events.iter().map(Pattern::as_str).collect(),
            prefix: &rule.prefix,
            suffix: &rule.suffix,
            enabled: rule.enabled,
            paused: rule.paused,
            secret_set: rule.target.secret.is_some(),
            dialect: rule.target.dialect.as_str(),
            timeout: written(rule.target.timeout),
            max_retries: rule.target.max_retries,
            max_age: written(rule.target.max_age),
            concurrency: rule.target.concurrency,
        }
    }
}

/// Returns a time as a rule's fields take it, in its largest whole unit. Rules keep whole milliseconds.
fn written(time: Duration) -> String {
    match (time.as_secs(), time.subsec_millis()) {
        (secs, 0) if secs > 0 && secs % DAY_SECS == 0 => format!("{}d", secs / DAY_SECS),
        (secs, 0) => format!("{secs}s"),
        _ => format!("{}ms", time.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use bucketbell_rule::{Draft, RuleId};

    use super::*;

    #[test]
    fn times_are_written_as_a_draft_reads_them() {
        for time in [
            Duration::from_secs(604_800),
            Duration::from_secs(5),
            Duration::from_secs(90),
            Duration::from_millis(1500),
            Duration::from_millis(1),
        ] {
            let draft = Draft {
                url: "http://h/".into(),
                events: vec!["*".into()],
                max_age: Some(written(time)),
                ..Draft::default()
            };
            let rule = draft.validate(RuleId::from_bytes([1; 16]), None).unwrap();
            assert_eq!(rule.target.max_age, time, "{}", written(time));
        }
        assert_eq!(
            (written(Duration::from_secs(604_800)), written(Duration::from_secs(5))),
            ("7d".into(), "5s".into())
        );
    }
}
