//! Lines on standard output, for people and scripts.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Writes one line. That nobody reads it any more, as after `| head`, is no reason to end a server.
pub fn say(line: impl Display) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        tracing::debug!("standard output is closed");
    }
}
