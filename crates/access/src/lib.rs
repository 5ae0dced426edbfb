//! Who a caller is: accounts, their credentials, and the audit line about what they changed.
//!
//! Secret keys come out of the ledger opened, because SigV4 needs them raw (X14); tokens are known by their SHA-256 only.
//! Not its business: how a request carries its credentials (`gateway`, `api`), and what a bucket's owner may do there.

mod accounts;
mod audit;
mod bootstrap;
mod credentials;
mod key_cache;

pub use accounts::{Accounts, token_hash};
pub use audit::audit;
pub use bootstrap::{AdminFromEnv, BootstrapError, Bootstrapped, Keeper, bootstrap_admin};
pub use credentials::{CredentialError, ENTROPY_BYTES, PlainCredentials};
