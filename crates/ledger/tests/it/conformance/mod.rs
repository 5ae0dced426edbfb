//! What every store does alike. Cases take a store that is empty, and are listed in `main.rs`.

pub mod accounts;
pub mod blobs;
pub mod changes;
pub mod closing;
pub mod listing;
pub mod numbers;
pub mod owed;
pub mod pruning;
pub mod rules;
