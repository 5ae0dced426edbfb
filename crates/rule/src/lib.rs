//! Who wants which events, and how.
//!
//! A [`Draft`] is what a person wrote, in YAML or JSON. [`Draft::validate`] is the one way from there to a [`Rule`], so
//! every door refuses the same things in the same words. A [`Matcher`] is the part of a rule that commit runs.
//!
//! Not its business: where rules are kept and who may write them (`ledger`, `api`), which addresses a url may reach
//! (`guard`), how an event looks on the wire (`dialect`).

mod draft;
mod matcher;
mod rule;
mod secret;

pub use draft::{Draft, DraftError, SecretChange};
pub use matcher::{CompiledRules, Matcher};
pub use rule::{
    CONCURRENCY_DEFAULT, MAX_AGE_DEFAULT, MAX_RETRIES_DEFAULT, Rule, RuleId, Scope, TIMEOUT_DEFAULT, Target, host,
    label,
};
pub use secret::Secret;
