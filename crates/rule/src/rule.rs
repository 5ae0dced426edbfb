//! A rule that passed validation.

use std::{fmt, str::FromStr, time::Duration};

use bucketbell_dialect::DialectName;
use bucketbell_event::Pattern;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::{Matcher, Secret};

/// Time a receiver has for one whole attempt where the rule does not say.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// Attempts after the first before a delivery is dead (B10).
pub const MAX_RETRIES_DEFAULT: u32 = 16;
/// Age at which a delivery is dead (B10).
pub const MAX_AGE_DEFAULT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Attempts of one endpoint in flight at once.
pub const CONCURRENCY_DEFAULT: u16 = 16;

/// Stable id of a rule, a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(Uuid);

/// Whose rule it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every bucket, and the service itself (`notifications.endpoints` of the configuration file).
    Server,
    /// One bucket, by name.
    Bucket(String),
}

/// Who wants which events, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub id: RuleId,
    /// What people call it. Server-wide rules only: an endpoint is its name, else its url (B8).
    pub name: Option<String>,
    pub events: Vec<Pattern>,
    /// Empty: every key.
    pub prefix: String,
    /// Empty: every key.
    pub suffix: String,
    /// `false`: no deliveries are made, queued ones wait (C11).
    pub enabled: bool,
    /// `true`: deliveries are made and wait (C11).
    pub paused: bool,
    pub target: Target,
}

/// Where and how a rule's deliveries go. Edits apply to what is queued (C12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub url: Url,
    pub dialect: DialectName,
    pub secret: Option<Secret>,
    /// For one whole attempt, the body of the answer included.
    pub timeout: Duration,
    /// Attempts after the first.
    pub max_retries: u32,
    pub max_age: Duration,
    /// Attempts in flight at once.
    pub concurrency: u16,
}

impl RuleId {
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Makes the id (UUID version 4) of a new rule from 128 random bits.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(random).into_uuid())
    }

    /// Returns the id of the server-wide rule that the configuration file calls `identity`: the same at every start, so
    /// that an endpoint keeps its queue (B8).
    #[must_use]
    pub fn of_server_rule(identity: &str) -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("bucketbell:endpoint:{identity}").as_bytes()))
    }

    /// Returns whether it is the all-zero UUID, with which a caller asks for a new rule (C4).
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        self.0.is_nil()
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(out)
    }
}

impl FromStr for RuleId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

impl Rule {
    /// Returns what decides which events the rule gets. It never matches while the rule is disabled.
    #[must_use]
    pub fn matcher(&self) -> Matcher {
        Matcher::new(self)
    }

    /// Returns what logs call the rule: see [`label`].
    #[must_use]
    pub fn label(&self) -> String {
        label(self.name.as_deref(), &self.target.url)
    }
}

/// Returns what logs call a rule: its name, else scheme, host and port of its url, never path, query or credentials (Y6).
#[must_use]
pub fn label(name: Option<&str>, url: &Url) -> String {
    name.map_or_else(|| url.origin().ascii_serialization(), str::to_owned)
}

/// Returns host and port of a rule's url: what metrics say of it (Y6).
#[must_use]
pub fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
