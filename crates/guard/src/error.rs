//! Why there is no answer, and why there is no client.

use std::{error::Error, io};

use hyper_util::client::legacy;

use crate::{Refusal, connector::ConnectError};

/// A request that got no answer. Its text names no path, query or credential of the url (Y6).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The address policy refused the receiver before any byte was sent.
    #[error("blocked: {0}")]
    Blocked(#[source] Refusal),
    /// The deadline of the attempt passed: while connecting, while waiting, or within the body of the answer.
    #[error("no complete answer in time")]
    TimedOut,
    #[error("the host does not resolve: {0}")]
    Unresolved(String),
    #[error("cannot connect: {0}")]
    Unreachable(String),
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The receiver closed or reset the connection instead of answering.
    #[error("the connection ended before an answer: {0}")]
    Closed(String),
    #[error("the answer is not HTTP/1.1: {0}")]
    NotHttp(String),
}

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    #[error("the extra root certificates cannot be read as PEM")]
    Pem(#[source] rustls_pki_types::pem::Error),
    #[error("the extra root certificates hold no certificate")]
    NoCertificate,
    #[error("an extra root certificate cannot be used")]
    Root(#[source] rustls::Error),
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl SendError {
    pub(crate) fn from_pool(error: &legacy::Error) -> Self {
        Self::from_chain(error)
    }

    /// Returns the first thing in the chain of causes that says what happened.
    pub(crate) fn from_chain(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        let mut last = error;
        while let Some(error) = cause {
            if let Some(known) = Self::known(error) {
                return known;
            }
            last = error;
            cause = error.source();
        }
        Self::Unreachable(last.to_string())
    }

    fn known(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<ConnectError>() {
            return Some(Self::from_connect(error));
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(Self::Tls(error.to_string()));
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return Self::from_http(error);
        }
        let error = error.downcast_ref::<io::Error>()?;
        // `io::Error` does not name what it wraps as its source.
        match error.get_ref() {
            Some(inner) => Self::known(inner).or_else(|| Some(Self::Closed(error.to_string()))),
            None => Some(Self::Closed(error.kind().to_string())),
        }
    }

    fn from_connect(error: &ConnectError) -> Self {
        match error {
            ConnectError::Blocked(refusal) => Self::Blocked(*refusal),
            ConnectError::Unresolved(error) => Self::Unresolved(error.to_string()),
            ConnectError::ResolveTimedOut => Self::Unresolved("the name server did not answer in time".to_owned()),
            ConnectError::Refused(error) => Self::Unreachable(error.kind().to_string()),
            ConnectError::NoHost => Self::Unresolved("the url has no host".to_owned()),
        }
    }

    /// `None` where the cause below says more.
    fn from_http(error: &hyper::Error) -> Option<Self> {
        if error.is_parse_too_large() {
            return Some(Self::NotHttp("the head is too large".to_owned()));
        }
        if error.is_parse() {
            return Some(Self::NotHttp(error.to_string()));
        }
        if error.is_incomplete_message() {
            return Some(Self::Closed("closed without an answer".to_owned()));
        }
        match error.source() {
            Some(_) => None,
            None => Some(Self::Closed(error.to_string())),
        }
    }
}
