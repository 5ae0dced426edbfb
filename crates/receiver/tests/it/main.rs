//! The receiver as people run it: over HTTP, with a memory on disk, through failures and restarts.

mod commands;
mod fixture;
mod idempotent;
mod order;
mod served;
mod stopping;
mod trusted;
