//! Every wire format, both ways: [`render`] and [`headers`] to send, [`verify`] and [`decode`] to receive.
//!
//! Sender, bridge and receiver share this crate, so what one writes the others read. A [`Body`] is frozen before it is
//! signed, and what is signed is what is sent (SG-1).
//!
//! Not its business: sockets, retries, which rule wants what (`rule`), who may be talked to (`guard`), what was seen
//! before (`receiver`). No I/O and no clock: time is an argument.

mod cloudevents;
mod escape;
mod incoming;
mod name;
mod order;
mod outgoing;
mod signing_key;

pub use incoming::{
    DecodeError, Family, RECORDS_MAX, Received, SIGNATURES_MAX, TOLERANCE_DEFAULT, VerifyError, decode, verify,
};
pub use name::{DialectName, IncomingDialect, UnknownDialect};
pub use order::compare_sequencers;
pub use outgoing::{
    ATTEMPT_HEADER, BODY_SIGNATURE_HEADER, Body, Envelope, ID_HEADER, SEQUENCE_HEADER, SIGNATURE_HEADER,
    TIMESTAMP_HEADER, USER_AGENT, acknowledges, headers, render,
};
pub use signing_key::{SigningKey, SigningKeyError};
