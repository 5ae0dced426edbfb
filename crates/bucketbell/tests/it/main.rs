//! The program as a person or a script meets it: real processes, real ports, real files.

// Marked as tests, so that their fixtures may unwrap like the tests themselves.
#[cfg(test)]
mod config;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod help;
#[cfg(test)]
mod program;
#[cfg(test)]
mod quickstart;
#[cfg(test)]
mod receive;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod start;
#[cfg(test)]
mod tls;

/// The client side of SigV4 that the quickstart has: for requests that a test writes by hand.
#[path = "../../src/quickstart/sigv4.rs"]
#[cfg(test)]
mod sigv4;
