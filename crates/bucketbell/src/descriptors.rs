//! File descriptors: every connection, blob and ledger file is one, and many systems hand out 1024 until asked for more.

use rustix::process::{Resource, getrlimit, setrlimit};

/// More than both ports, their deliveries and their files can use.
const WANTED: u64 = 65_536;

/// Asks for as many descriptors as the system lets this process have.
///
/// Fewer are no reason not to start: what cannot be opened then is told when it happens.
pub fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(WANTED).min(WANTED);
    if limit.current.is_some_and(|current| current < most) {
        limit.current = Some(most);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!("cannot raise the limit of file descriptors to {most}: {error}");
        }
    }
}
