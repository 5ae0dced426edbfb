//! What the engine may be told.

use crate::RetryPolicy;

/// How deliveries are sent, where a rule does not say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct EngineConfig {
    pub retry: RetryPolicy,
    /// Deliveries of one endpoint taken ahead of a free slot: enough that no slot is idle while a settle is being
    /// committed, which takes some milliseconds on a slow disk. After a crash all of them count as possibly sent.
    pub ahead: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { retry: RetryPolicy::default(), ahead: 512 }
    }
}
