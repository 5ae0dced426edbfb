//! What tests need: a clock that they move, and receivers that do as they are told.
//!
//! A dev-dependency only: nothing here is in the product.

mod clock;
mod deadline;
mod faulty_ledger;
mod sink;

pub use clock::ManualClock;
pub use deadline::{DEADLINE, eventually};
pub use faulty_ledger::FaultyLedger;
pub use sink::{Behaviour, Request, Sink};
