//! The rules of one scope as a set, and its version.

use bucketbell_rule::Rule;

/// Grows with every change of a scope's rules: the ETag of the set (C1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulesVersion(pub i64);

/// The rules of a bucket, or the server's, in their order.
#[derive(Debug, Clone)]
pub struct RuleSet {
    pub version: RulesVersion,
    pub rules: Vec<Rule>,
}

/// What saving a set did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulesSaved {
    pub version: RulesVersion,
    /// Deliveries of removed rules that become dead letters with reason `rule_removed` (C12).
    pub dead: u64,
}
