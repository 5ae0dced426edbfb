//! Accounts and credentials from outside, on a real ledger.

// Marked as tests, so that their fixtures may unwrap like the tests themselves.
#[cfg(test)]
mod admin;
