//! Upkeep from outside: its rounds and loops, on a real ledger and real files.

// Marked as tests, so that their fixtures may unwrap like the tests themselves.
#[cfg(test)]
mod deaths;
#[cfg(test)]
mod rounds;
