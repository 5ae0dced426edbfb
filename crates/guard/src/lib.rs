//! Which address may be talked to, and the only HTTP client that leaves the house.
//!
//! The decision falls where it cannot be talked around: on the address that a socket is about to be connected to, after
//! the name was resolved, on every connection (C5). [`judge`] is that decision, [`Client`] the only thing that connects.
//! It follows no redirect, reads no proxy from the environment, and has one deadline for all of an attempt (X5).
//!
//! Not its business: what is sent and why (`dialect`, `delivery`), who may vouch for a private address (`access`), how
//! often to try. It knows nothing of rules or events.

mod address;
mod answer;
mod client;
mod connector;
mod destination;
mod error;
mod lookups;
mod resolver;
mod tls;

pub use address::{Reach, Refusal, Special, judge};
pub use answer::{Answer, BODY_BYTES_MAX, EXCERPT_BYTES_MAX, RETRY_AFTER_MAX};
pub use client::{Client, ClientConfig, HEADER_BYTES_MAX, HEADERS_MAX, IDLE_TIMEOUT, Post};
pub use destination::{Destination, DestinationError};
pub use error::{ClientError, SendError};
pub use lookups::LOOKUPS_MAX;
pub use resolver::{Resolve, Resolving, SystemResolver};
