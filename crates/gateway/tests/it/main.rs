//! The gateway over real HTTP, with the SQLite ledger and blobs in a folder of their own, and requests signed by hand.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod auth;
mod bodies;
mod buckets;
mod checksums;
mod client;
mod faults;
mod feedback;
mod listing;
mod objects;
mod parameters;
mod refusals;
mod server;
mod sigv4;
