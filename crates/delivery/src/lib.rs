//! Getting what is owed to one endpoint: take, send, settle, back off.
//!
//! Who owns what: the [`Engine`] joins the ledger as one instance and runs one [`courier::Courier`] for each endpoint.
//! Only that task sends for the endpoint and settles what it sent, under the instance's epoch (DL-1, DL-2); nothing of
//! it is shared with another endpoint but the HTTP client, so a dead receiver holds only its own slots (FN-1).
//!
//! It sleeps until the ledger hands it something with a commit (B5), a retry is due, or the rules change. A slow timer
//! looks for what is overdue, and is only the safety net. On a crash, what was taken and not settled is due again with the same id and number: at least once.
//!
//! Not its business: which event is wanted by whom (`rule`, at commit), how it looks on the wire (`dialect`), which
//! address may be talked to (`guard`).

mod attempt;
mod backoff;
mod config;
mod courier;
mod desk;
mod dispatch;
mod engine;
mod figures;
mod route;
mod verdict;

pub use backoff::{RetryPolicy, RetryPolicyError};
pub use config::EngineConfig;
pub use engine::{Engine, EngineError};
