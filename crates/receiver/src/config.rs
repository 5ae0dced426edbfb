//! Whom a receiver believes, and how it behaves.

use std::{fmt, num::NonZeroU16, sync::Arc, time::Duration};

use bucketbell_dialect::{SigningKey, SigningKeyError, TOLERANCE_DEFAULT};

use crate::{Arrival, Outcome};

/// How long an event waits for another of its key, or for its own repeat, before the sender is asked to come again.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(30);

/// Requests whose events are handled at once. As many as there are connections, so that there are more only when senders
/// hang up and come again while the first is still at work.
pub const REQUESTS_MAX_DEFAULT: NonZeroU16 = NonZeroU16::new(1024).unwrap();
/// How long what is in progress has to end once the receiver is to stop.
pub const STOP_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Told of every event and what became of it, as it happens.
pub type Observer = Arc<dyn Fn(&Arrival, &Outcome) + Send + Sync>;

/// How a receiver behaves.
#[derive(Clone)]
pub struct ReceiverConfig {
    pub(crate) secrets: Vec<SigningKey>,
    pub(crate) insecure_unsigned: bool,
    /// How far the signed time of a request may be from ours. Default: 5 minutes.
    pub tolerance: Duration,
    /// Whether an event that is older than one already handled of its key is acknowledged without handling (A8).
    /// Default: no, the handler is told instead.
    pub refuse_older: bool,
    /// How long an event waits for another one of its key. Default: [`WAIT_DEFAULT`].
    pub wait: Duration,
    /// Requests whose events are handled at once, those whose sender hung up included. One more is answered 503 and
    /// `Retry-After`. Default: [`REQUESTS_MAX_DEFAULT`].
    pub requests_max: NonZeroU16,
    /// How long `serve` waits for what is in progress once it is to stop. The rest is cut off, commands with all
    /// that they started are killed, and their events come again. Default: [`STOP_TIMEOUT_DEFAULT`].
    pub stop_timeout: Duration,
    /// Told of every event. Default: nobody.
    pub observer: Option<Observer>,
}

/// The receiver would not be safe, or cannot be made (A1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Without a credential anybody could make events up.
    #[error(
        "no secret is given: pass `--secret SECRET` (what the sender signs with, or its bearer token), or \
         `--insecure-unsigned` to accept events from anybody who reaches the port"
    )]
    NoSecret,
    /// One of the secrets cannot be one.
    #[error("the secret given with `--secret` (number {number}) cannot be used")]
    Secret {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: SigningKeyError,
    },
}

impl ReceiverConfig {
    /// Makes a configuration that believes the holders of `secrets`: signing keys for the dialects that sign, the token
    /// (or `user:password`) for those that do not.
    ///
    /// With `insecure_unsigned` a request without any signature or `Authorization` is believed too.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when there is neither a secret nor `insecure_unsigned`, or a secret cannot be one.
    pub fn try_new(secrets: &[impl AsRef<str>], insecure_unsigned: bool) -> Result<Self, ConfigError> {
        if secrets.is_empty() && !insecure_unsigned {
            return Err(ConfigError::NoSecret);
        }
        let parsed = |(at, text): (usize, &_)| {
            SigningKey::parse(AsRef::<str>::as_ref(text))
                .map_err(|source| ConfigError::Secret { number: at + 1, source })
        };
        Ok(Self {
            secrets: secrets.iter().enumerate().map(parsed).collect::<Result<_, _>>()?,
            insecure_unsigned,
            tolerance: TOLERANCE_DEFAULT,
            refuse_older: false,
            wait: WAIT_DEFAULT,
            requests_max: REQUESTS_MAX_DEFAULT,
            stop_timeout: STOP_TIMEOUT_DEFAULT,
            observer: None,
        })
    }
}

impl fmt::Debug for ReceiverConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ReceiverConfig")
            .field("secrets", &self.secrets.len())
            .field("insecure_unsigned", &self.insecure_unsigned)
            .field("tolerance", &self.tolerance)
            .field("refuse_older", &self.refuse_older)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_credential_it_does_not_start_and_says_which_flag_to_give() {
        let error = ReceiverConfig::try_new(&[] as &[&str], false).expect_err("anybody could send").to_string();
        assert!(error.contains("`--secret SECRET`") && error.contains("`--insecure-unsigned`"), "A1: {error}");
        assert!(ReceiverConfig::try_new(&[] as &[&str], true).is_ok());
    }

    #[test]
    fn a_secret_that_cannot_be_one_is_named_by_its_place() {
        let error = ReceiverConfig::try_new(&["good", "whsec_%"], false).expect_err("the second is no base64");
        assert_eq!(error.to_string(), "the secret given with `--secret` (number 2) cannot be used");
        let config = ReceiverConfig::try_new(&["hunter2"], false).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
