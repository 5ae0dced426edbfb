//! Jobs over time. Each is a round that may be run at any moment and any number of times, and a loop that runs it.
//!
//! - [`Sweeper`] removes the bytes that no object refers to any more, and those that a crash left behind.
//! - [`Pruner`] removes history and dead letters that are old enough to go.
//!
//! Rounds take no input: the ledger says what there is to do. Not its business: what a blob or a row means, HTTP.

mod pruner;
mod rounds;
mod sweeper;

pub use pruner::Pruner;
pub use rounds::Schedule;
pub use sweeper::{SweepError, Sweeper};
