//! What a person wrote, and the one way from there to a rule.

use std::time::Duration;

use bucketbell_dialect::DialectName;
use bucketbell_event::Pattern;
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::{
    Rule, RuleId, Secret, Target,
    rule::{CONCURRENCY_DEFAULT, MAX_AGE_DEFAULT, MAX_RETRIES_DEFAULT, TIMEOUT_DEFAULT},
};

const URL_BYTES_MAX: usize = 2048;
const NAME_BYTES_MAX: usize = 128;
const AFFIX_BYTES_MAX: usize = 1024;
const EVENTS_MAX: usize = 64;
const SECRET_BYTES_MAX: usize = 4096;
const RETRIES_MAX: u32 = 1000;
const TIMEOUT_MAX: Duration = Duration::from_secs(300);
const MAX_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
const DURATION_MIN: Duration = Duration::from_millis(1);
const CONCURRENCY_MAX: u16 = 1024;

/// A rule as written in YAML (`notifications.endpoints`) or JSON (REST). Unknown fields are refused (C7).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Draft {
    /// Absent or all-zero: a new rule (C4). Not for the configuration file.
    pub id: Option<RuleId>,
    /// What the endpoint is called. Configuration file only (B8).
    pub name: Option<String>,
    /// http or https.
    pub url: String,
    /// Event types and patterns, at least one (B7).
    pub events: Vec<String>,
    /// Only keys that start with it. Data events only.
    pub prefix: Option<String>,
    /// Only keys that end with it. Data events only.
    pub suffix: Option<String>,
    /// Signing secret. Absent keeps the stored one, `""` or null removes it (C6).
    #[serde(deserialize_with = "secret_change")]
    pub secret: SecretChange,
    /// Default: true.
    pub enabled: Option<bool>,
    /// Default: false.
    pub paused: Option<bool>,
    /// Default: `bucketbell`.
    pub dialect: Option<String>,
    /// Time for one whole attempt, such as `5s`. Default: 5 s.
    pub timeout: Option<String>,
    /// Attempts after the first. Default: 16.
    pub max_retries: Option<u32>,
    /// Age at which a delivery is dead, such as `7d`. Default: 7 days.
    pub max_age: Option<String>,
    /// Attempts in flight at once. Default: 16.
    pub concurrency: Option<u16>,
}

/// What a draft says about the secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SecretChange {
    #[default]
    Keep,
    Remove,
    Set(Secret),
}

/// One field of a draft cannot be what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {reason}")]
pub struct DraftError {
    pub field: &'static str,
    pub reason: String,
}

fn secret_change<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretChange, D::Error> {
    Ok(match Option::<String>::deserialize(deserializer)? {
        Some(text) if !text.is_empty() => SecretChange::Set(Secret::new(text)),
        _ => SecretChange::Remove,
    })
}

fn refuse<T>(field: &'static str, reason: impl Into<String>) -> Result<T, DraftError> {
    Err(DraftError { field, reason: reason.into() })
}

impl Draft {
    /// Returns the rule that the draft describes, under `id`. `stored` is the secret that the rule has now.
    ///
    /// Not checked here: which address the url reaches (`guard`), and whether the id is known (`ledger`).
    ///
    /// # Errors
    ///
    /// [`DraftError`] with the first field that is refused, and what would be right.
    pub fn validate(&self, id: RuleId, stored: Option<&Secret>) -> Result<Rule, DraftError> {
        let secret = match &self.secret {
            SecretChange::Keep => stored.cloned(),
            SecretChange::Remove => None,
            SecretChange::Set(secret) => Some(checked_secret(secret)?),
        };
        Ok(Rule {
            id,
            name: self.name.as_deref().map(name).transpose()?,
            events: events(&self.events)?,
            prefix: affix("prefix", self.prefix.as_deref())?,
            suffix: affix("suffix", self.suffix.as_deref())?,
            enabled: self.enabled.unwrap_or(true),
            paused: self.paused.unwrap_or(false),
            target: Target {
                url: url(&self.url)?,
                dialect: dialect(self.dialect.as_deref())?,
                secret,
                timeout: duration("timeout", self.timeout.as_deref(), TIMEOUT_DEFAULT, TIMEOUT_MAX)?,
                max_retries: bounded("max_retries", self.max_retries, MAX_RETRIES_DEFAULT, 0, RETRIES_MAX)?,
                max_age: duration("max_age", self.max_age.as_deref(), MAX_AGE_DEFAULT, MAX_AGE_MAX)?,
                concurrency: bounded("concurrency", self.concurrency, CONCURRENCY_DEFAULT, 1, CONCURRENCY_MAX)?,
            },
        })
    }
}

fn name(text: &str) -> Result<String, DraftError> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        return refuse("name", format!("give 1 to {NAME_BYTES_MAX} bytes without control characters"));
    }
    Ok(text.to_owned())
}

fn url(text: &str) -> Result<Url, DraftError> {
    if text.is_empty() {
        return refuse("url", "is required: the http or https url that events are posted to");
    }
    if text.len() > URL_BYTES_MAX {
        return refuse("url", format!("is longer than {URL_BYTES_MAX} bytes"));
    }
    let url = Url::parse(text).or_else(|error| refuse("url", format!("is not a url: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("url", format!("has the scheme `{}`: only http and https are sent to", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("url", "has a user name or password in it: credentials in urls end up in logs");
    }
    if url.fragment().is_some() {
        return refuse("url", "has a fragment (`#…`), which is never sent: remove it");
    }
    Ok(url)
}

fn events(texts: &[String]) -> Result<Vec<Pattern>, DraftError> {
    if texts.is_empty() {
        return refuse("events", "give at least one event, such as `s3:ObjectCreated:*`");
    }
    if texts.len() > EVENTS_MAX {
        return refuse("events", format!("has more than {EVENTS_MAX} entries"));
    }
    texts.iter().map(|text| text.parse().or_else(|error| refuse("events", format!("{error}")))).collect()
}

fn affix(field: &'static str, text: Option<&str>) -> Result<String, DraftError> {
    let text = text.unwrap_or_default();
    if text.len() > AFFIX_BYTES_MAX {
        return refuse(field, format!("is longer than {AFFIX_BYTES_MAX} bytes, the longest key"));
    }
    Ok(text.to_owned())
}

fn checked_secret(secret: &Secret) -> Result<Secret, DraftError> {
    if secret.expose().len() > SECRET_BYTES_MAX {
        return refuse("secret", format!("is longer than {SECRET_BYTES_MAX} bytes"));
    }
    bucketbell_dialect::SigningKey::parse(secret.expose())
        .map(|_| secret.clone())
        .or_else(|error| refuse("secret", error.to_string()))
}

fn dialect(name: Option<&str>) -> Result<DialectName, DraftError> {
    name.map_or(Ok(DialectName::Bucketbell), |name| {
        name.parse().or_else(|error: bucketbell_dialect::UnknownDialect| refuse("dialect", error.to_string()))
    })
}

fn bounded<N: Copy + PartialOrd + std::fmt::Display>(
    field: &'static str,
    given: Option<N>,
    default: N,
    min: N,
    max: N,
) -> Result<N, DraftError> {
    let value = given.unwrap_or(default);
    if value < min || value > max {
        return refuse(field, format!("is {value}: give {min} to {max}"));
    }
    Ok(value)
}

fn duration(field: &'static str, text: Option<&str>, default: Duration, max: Duration) -> Result<Duration, DraftError> {
    let Some(text) = text else { return Ok(default) };
    let parsed =
        text.parse::<jiff::SignedDuration>().ok().or_else(|| days(text)).and_then(|span| Duration::try_from(span).ok());
    match parsed {
        // Times are kept in whole milliseconds.
        Some(span) if span >= DURATION_MIN && span <= max => {
            Ok(Duration::new(span.as_secs(), span.subsec_millis() * 1_000_000))
        }
        Some(_) => refuse(field, format!("is `{text}`: give 1 ms to {} s", max.as_secs())),
        None => refuse(field, format!("is `{text}`: give a time such as `500ms`, `5s`, `10m`, `1h 30m` or `7d`")),
    }
}

/// A day is not a fixed time to a calendar, but it is to a delivery: 24 hours.
fn days(text: &str) -> Option<jiff::SignedDuration> {
    let count: i64 = text.trim().strip_suffix('d')?.trim_end().parse().ok()?;
    Some(jiff::SignedDuration::from_secs(count.checked_mul(24 * 3600)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: RuleId = RuleId::from_bytes([9; 16]);

    fn draft(change: impl FnOnce(&mut Draft)) -> Draft {
        let mut draft = Draft {
            url: "https://hooks.example.com/storage".into(),
            events: vec!["s3:ObjectCreated:*".into()],
            ..Draft::default()
        };
        change(&mut draft);
        draft
    }

    fn refused(change: impl FnOnce(&mut Draft)) -> &'static str {
        draft(change).validate(ID, None).expect_err("must be refused").field
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let rule = draft(|_| ()).validate(ID, None).unwrap();
        assert!(rule.enabled && !rule.paused && rule.target.secret.is_none());
        assert_eq!((rule.target.timeout, rule.target.max_retries), (Duration::from_secs(5), 16));
        assert_eq!(rule.target.max_age, Duration::from_secs(604_800));
    }

    #[test]
    fn each_bad_field_is_named() {
        for url in ["", "ftp://a/", "not a url", "http://", "http://user:pw@host/", "https://h/#f"] {
            assert_eq!(refused(|d| d.url = url.into()), "url", "{url}");
        }
        assert_eq!(refused(|d| d.url = format!("http://h/{}", "a".repeat(2048))), "url");
        assert_eq!(refused(|d| d.events = vec![]), "events");
        assert_eq!(refused(|d| d.events = vec!["s3:ObjectCreated:Putt".into()]), "events");
        assert_eq!(refused(|d| d.events = vec!["*".into(); 65]), "events");
        assert_eq!(refused(|d| d.prefix = Some("a".repeat(1025))), "prefix");
        assert_eq!(refused(|d| d.suffix = Some("a".repeat(1025))), "suffix");
        assert_eq!(refused(|d| d.dialect = Some("klingon".into())), "dialect");
        assert_eq!(refused(|d| d.max_retries = Some(1001)), "max_retries");
        assert_eq!(refused(|d| d.concurrency = Some(0)), "concurrency");
        assert_eq!(refused(|d| d.name = Some("a\nb".into())), "name");
        assert_eq!(refused(|d| d.secret = SecretChange::Set(Secret::new("x".repeat(4097)))), "secret");
        assert_eq!(refused(|d| d.secret = SecretChange::Set(Secret::new("whsec_not base64!"))), "secret");
        for timeout in ["0s", "-1s", "999us", "301s", "5", "soon", ""] {
            assert_eq!(refused(|d| d.timeout = Some(timeout.into())), "timeout", "{timeout}");
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, millis) in [("5s", 5000), ("500ms", 500), ("1m 30s", 90_000), ("2m", 120_000)] {
            let rule = draft(|d| d.timeout = Some(text.into())).validate(ID, None).unwrap();
            assert_eq!(rule.target.timeout.as_millis(), millis, "{text}");
        }
        assert_eq!(
            draft(|d| d.max_age = Some("3d".into())).validate(ID, None).unwrap().target.max_age.as_secs(),
            259_200
        );
    }

    #[test]
    fn an_absent_secret_keeps_the_stored_one_and_an_empty_one_removes_it() {
        let stored = Secret::new("old");
        let read = |json: &str| {
            serde_json::from_str::<Draft>(json).unwrap().validate(ID, Some(&stored)).unwrap().target.secret
        };
        let with = |extra: &str| format!(r#"{{"url":"http://h/","events":["*"]{extra}}}"#);
        assert_eq!(read(&with("")), Some(Secret::new("old")));
        assert_eq!(read(&with(r#","secret":"""#)), None);
        assert_eq!(read(&with(r#","secret":null"#)), None);
        assert_eq!(read(&with(r#","secret":"new""#)), Some(Secret::new("new")));
    }

    #[test]
    fn unknown_fields_are_named() {
        let error = serde_json::from_str::<Draft>(r#"{"url":"http://h/","evnts":[]}"#).unwrap_err();
        assert!(error.to_string().contains("evnts"), "{error}");
    }

    #[test]
    fn a_secret_is_not_printed() {
        let draft = draft(|d| d.secret = SecretChange::Set(Secret::new("hunter2")));
        assert!(!format!("{draft:?} {:?}", draft.validate(ID, None)).contains("hunter2"));
    }
}
