//! The API against a real ledger in a temporary folder, without a socket.

// Marked as tests, so that their fixtures may unwrap like the tests themselves.
#[cfg(test)]
mod app;
#[cfg(test)]
mod etag;
#[cfg(test)]
mod health;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod rules;
