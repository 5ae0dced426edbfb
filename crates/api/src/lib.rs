//! What the API port answers: rules of buckets under `/api/v1`, health, and metrics.
//!
//! Every refusal has the one JSON shape of [`ApiError`], whoever refuses: a handler, the router or the body's limit.
//! Not its business: listening and TLS (the program), what makes a rule valid (`rule`), S3 (`gateway`).

mod body;
mod caller;
mod error;
mod health;
mod metrics;
mod notifications;
mod request;
mod router;
mod state;

pub use body::BODY_BYTES_MAX;
pub use error::ApiError;
pub use request::REQUEST_ID;
pub use router::router;
pub use state::{ApiState, Phase, Readiness};
