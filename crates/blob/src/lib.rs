//! The bytes of objects: made durable under a name that was never used before, read in ranges, removed.
//!
//! A blob is written once and never changed. Its name is random and says nothing about the object (no traversal, no
//! rename, no overwrite): the row in the ledger is what makes it an object, and the ledger's journal of staged names is
//! how what a crash leaves behind is found. [`BlobWriter::finish`] returns only when the bytes, and the name that they
//! are found by, survive a loss of power (OB-2).
//!
//! Not its business: events, objects and their keys, checksums (`gateway` hashes while it streams), and when a blob
//! may go (`upkeep` asks the ledger).

mod error;
mod folders;
mod local;
mod reader;
mod store;
mod store_id;
mod writer;

pub use error::BlobError;
pub use local::LocalBlobs;
pub use store::{BlobStore, BlobStream, BlobWriter};
