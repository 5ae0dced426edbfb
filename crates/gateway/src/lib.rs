//! The S3 protocol, on `s3s`, and what each of its operations means for the ledger and the blobs.
//!
//! `s3s` parses requests, checks signatures and writes XML. Ours is the rest: what the head of a request decides at once
//! ([`preflight`]), who may do what ([`doorman`]) and what a signature must cover ([`proof`]), which operations there are
//! and what is refused rather than ignored ([`operation`], [`parameter`], Y5), the checksums that `s3s` only hands over
//! ([`checksum`]), the way of the bytes to the disk before the change is committed ([`upload`], OB-2), and one mapping of
//! every failure to an S3 code ([`failure`]).
//!
//! Not its business: TCP, TLS and HTTP connections (the program), which events a change raises and who gets them
//! (`ledger`), delivery.

mod body;
mod bucket;
mod checksum;
mod config;
mod digest;
mod doorman;
mod exchange;
mod failure;
mod gateway;
mod lingering;
mod listing;
mod object;
mod operation;
mod parameter;
mod preflight;
mod proof;
mod service;
mod text;
mod upload;

pub use config::{ConfigError, GatewayConfig};
pub use exchange::PeerAddr;
pub use gateway::Gateway;
pub use parameter::parameters;
pub use service::{GatewayBody, GatewayService};
