//! The engine with a real ledger, real sockets and receivers that do as they are told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod app;
mod failing;
mod life;
mod sending;
