//! What is owed to an endpoint, who may send it, and what became of it.

use std::{sync::Arc, time::Duration};

use bucketbell_event::{Event, Timestamp};
use bucketbell_rule::{RuleId, Target};

/// Row id of an endpoint: one rule's url with its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub i64);

/// A rule's own count of its events: 1, 2, 3 …, each given once, to one event, before its first POST (DL-4, X1).
pub type Number = u64;

/// One running process, as the ledger knows it. Its epoch fences everything it settles (DL-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instance {
    pub epoch: i64,
}

/// An endpoint as its owner needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub rule: RuleId,
    /// What people call it: the rule's name, else scheme, host and port of its url, never path, query or credentials (Y6).
    pub label: String,
    /// Nothing is sent: the rule is disabled or paused (C11). What is owed waits.
    pub held: bool,
    pub target: Target,
}

/// A delivery that its owner has taken: it may now be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    pub number: Number,
    /// Attempts before this one.
    pub attempts: u32,
    pub event: Arc<Event>,
}

/// What a `take` gave.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// Oldest first of the fresh ones, after the retries that are due.
    pub due: Vec<DueDelivery>,
    /// When the next waiting retry is due, if one is.
    pub next_due: Option<Timestamp>,
}

/// What became of one taken delivery. With it the delivery is no longer taken.
#[derive(Debug, Clone)]
pub enum Settlement {
    /// The receiver said yes: nothing is owed any more.
    Delivered { number: Number, attempt: AttemptRecord },
    /// Not yet: try again at `due`.
    Retry { number: Number, due: Timestamp, attempt: AttemptRecord },
    /// Never: kept as a dead letter. Without an attempt when it died of age while it waited.
    Dead { number: Number, reason: DeadReason, attempt: Option<AttemptRecord> },
    /// Not sent at all: due at once, as if it had never been taken.
    Returned { number: Number },
}

/// One attempt, for the history (X13). Recorded in the transaction of the state that it led to, under the number that
/// the ledger counts (DL-3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    pub started: Timestamp,
    pub took: Duration,
    pub outcome: AttemptOutcome,
    /// Start of the answer's body or of the error, at most 1 KiB. May be shown to the rule's owner.
    pub excerpt: String,
}

/// What one attempt told us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    Answered {
        status: u16,
    },
    TimedOut,
    /// No connection, or it broke before the answer was whole.
    Unreachable,
    /// The address policy refused the receiver before any byte was sent.
    Blocked,
    /// A crash, or a lost lease, hid it.
    Unknown,
}

/// Why a delivery died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadReason {
    /// `max_retries` is used up (B10).
    Attempts,
    /// Older than `max_age` (B10).
    Age,
    /// The rule was removed (C12).
    RuleRemoved,
}

/// What the ledger tells the sender that joined it.
#[derive(Debug, Clone)]
pub enum Signal {
    /// These were committed just now and are already taken for the endpoint's owner: no query is needed (B5).
    Committed { endpoint: EndpointId, due: Vec<DueDelivery> },
    /// The rules of these endpoints were saved, made or removed: read them again.
    RulesChanged { endpoints: Vec<EndpointId> },
}

impl Settlement {
    #[must_use]
    pub const fn number(&self) -> Number {
        match self {
            Self::Delivered { number, .. }
            | Self::Retry { number, .. }
            | Self::Dead { number, .. }
            | Self::Returned { number } => *number,
        }
    }
}

impl AttemptOutcome {
    /// Returns the name in the table and in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered { .. } => "answered",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
        }
    }
}

impl DeadReason {
    pub const ALL: &[Self] = &[Self::Attempts, Self::Age, Self::RuleRemoved];

    /// Returns the name in the table, in answers and in the metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Age => "age",
            Self::RuleRemoved => "rule_removed",
        }
    }
}
