//! What the engine may be told.

use crate::RetryPolicy;

/// How deliveries are sent, where a rule does not say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct EngineConfig {
    pub retry: RetryPolicy,
    /// Deliveries taken ahead of a free slot, as a multiple of the rule's concurrency: enough that slots are not idle
    /// while a settle is being committed. After a crash all of them count as possibly sent.
    pub ahead: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { retry: RetryPolicy::default(), ahead: 4 }
    }
}
