//! Figures and upkeep: how much is owed, and what is old enough to go.

use std::{fmt, time::Duration};

use bucketbell_rule::RuleId;
use uuid::Uuid;

use crate::{DeadReason, EndpointId};

/// What ties a ledger to its blob store: both carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreId(pub Uuid);

impl fmt::Display for StoreId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(out)
    }
}

/// What one endpoint is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueDepth {
    pub endpoint: EndpointId,
    pub rule: RuleId,
    /// Deliveries owed: fresh, in flight and waiting for a retry.
    pub owed: u64,
    /// How long the longest overdue delivery has been due.
    pub oldest_due: Duration,
}

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct PruneLimits {
    /// Events, once nothing is owed of them (B1), and their attempts.
    pub history: Duration,
    /// Bytes of the events' bodies (B1). Beyond them the oldest go, however young, but never one that is still needed.
    pub history_bytes_max: u64,
    /// Dead letters (B10).
    pub dead: Duration,
    /// Rows removed in one transaction, so that pruning never holds a write up for long.
    pub rows_max: usize,
}

/// What a round of pruning removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    pub events: u64,
    pub attempts: u64,
    pub dead: u64,
    /// Deliveries that became dead letters because nobody will ever take them. Who called counts them and warns (B10).
    pub buried: Vec<Buried>,
    /// A limit was reached: there is more to do at once.
    pub more: bool,
}

/// Deliveries of one rule that became dead letters in the same round, for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buried {
    pub rule: RuleId,
    /// As [`crate::Endpoint::label`] has it.
    pub label: String,
    /// Host and port of its url: as much as a metric says of it (Y6).
    pub host: String,
    pub reason: DeadReason,
    pub count: u64,
}
