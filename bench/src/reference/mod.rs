//! The reference loops: the least that could do the same work. They use nothing of ours.

pub mod first_byte;
pub mod http;
mod signature;
pub mod sqlite;

pub use signature::Signer;
