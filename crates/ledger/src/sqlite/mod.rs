//! The ledger in one SQLite file: the embedded default.
//!
//! Who owns what: one writer thread owns the only connection that writes, and the [`memory::Memory`] that mirrors hot
//! rows. Callers hand it jobs; all that have gathered while the last fsync ran are one transaction (group commit), one
//! savepoint each, so that one that fails does not take the others along. Readers have connections of their own. A
//! third thread copies the log into the database file, so that no write waits for that.
//!
//! On a crash: a job is answered after the COMMIT that holds it returned, with `synchronous=FULL`, so what was answered
//! is there, and what was not is there as a whole or not at all. `Memory` is rebuilt from the tables at open.
//!
//! What grows with load: `event`, `delivery`, `attempt` on disk. In memory only one slot per endpoint and the compiled
//! rules of recently written buckets, never a delivery.

mod accounts;
mod blobs;
mod changes;
mod checkpoint;
mod log;
mod memory;
mod open;
mod owed;
mod prune;
mod publish;
mod readers;
mod reads;
mod rows;
mod rules;
mod store;
mod writer;

pub use open::Config;
pub use store::SqliteLedger;

/// Bodies up to this many bytes are kept in the ledger itself, in the transaction of their object.
pub const INLINE_BYTES_MAX: usize = 16 * 1024;
