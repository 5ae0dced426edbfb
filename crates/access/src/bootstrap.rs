//! The admin's credentials at the start of a server.

use std::io;

use bucketbell_ledger::{Ledger, StoreError};
use bucketbell_rule::Secret;

use crate::{CredentialError, ENTROPY_BYTES, PlainCredentials, audit};

/// What the environment says about the admin. Each given one wins at every start.
#[derive(Debug, Clone, Default)]
pub struct AdminFromEnv {
    /// `BUCKETBELL_ADMIN_TOKEN`.
    pub token: Option<Secret>,
    /// `BUCKETBELL_ADMIN_ACCESS_KEY`.
    pub access_key: Option<String>,
    /// `BUCKETBELL_ADMIN_SECRET_KEY`.
    pub secret_key: Option<Secret>,
}

/// Where the admin's credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bootstrapped {
    /// An earlier start made them, and nothing says otherwise.
    Kept,
    /// All of them were given. Who gives them keeps them: they are not written down.
    Given(PlainCredentials),
    /// At least one was made by this start, or read back from where an earlier start wrote it down.
    Made(PlainCredentials),
}

/// Why the admin has no credentials now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    #[error("an admin credential given in the environment is refused")]
    Refused(#[source] CredentialError),
    /// Some were given, and the others are known to nobody: the ledger keeps a token as its hash.
    #[error("{missing} must be set too: the admin's earlier credentials are not in the credentials file any more")]
    Incomplete { missing: String },
    #[error("failed to write the admin's credentials down, or to set the earlier ones aside")]
    Keep(#[source] io::Error),
    #[error("failed to save the admin's credentials")]
    Store(#[from] StoreError),
}

/// Where credentials are written down for their owner to read.
pub trait Keeper: Send {
    /// Writes them down, durably, in the place of what was there.
    ///
    /// # Errors
    ///
    /// They could not be written: what was there still is.
    fn keep(&mut self, credentials: &PlainCredentials) -> io::Result<()>;

    /// Moves what was written down aside: it is about to be out of date, and is never thrown away.
    ///
    /// # Errors
    ///
    /// It could not be moved.
    fn set_aside(&mut self) -> io::Result<()>;
}

impl AdminFromEnv {
    /// Checks each one that is given, before anything is started.
    ///
    /// # Errors
    ///
    /// The first one that cannot be used, without its text.
    pub fn check(&self) -> Result<(), CredentialError> {
        self.clone().over(PlainCredentials::generate(&[0; ENTROPY_BYTES])).check()
    }

    /// Returns whether the environment says nothing about the admin.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.token.is_none() && self.access_key.is_none() && self.secret_key.is_none()
    }

    const fn all(&self) -> bool {
        self.token.is_some() && self.access_key.is_some() && self.secret_key.is_some()
    }

    fn missing(&self) -> String {
        let names = [
            ("BUCKETBELL_ADMIN_TOKEN", self.token.is_none()),
            ("BUCKETBELL_ADMIN_ACCESS_KEY", self.access_key.is_none()),
            ("BUCKETBELL_ADMIN_SECRET_KEY", self.secret_key.is_none()),
        ];
        names.into_iter().filter(|(_, missing)| *missing).map(|(name, _)| name).collect::<Vec<_>>().join(" and ")
    }

    fn over(self, base: PlainCredentials) -> PlainCredentials {
        PlainCredentials {
            token: self.token.unwrap_or(base.token),
            access_key: self.access_key.unwrap_or(base.access_key),
            secret_key: self.secret_key.unwrap_or(base.secret_key),
        }
    }
}

/// Makes sure that the ledger has an admin, with the given credentials where there are some.
///
/// `written_down` is what an earlier start kept for its owner to read. Afterwards the keeper holds what is in force, or
/// nothing; what was in force before is set aside. Credentials are written down before the ledger has them: a crash
/// between the two leaves a file that the next start takes up, never an admin whose credentials nobody knows.
///
/// # Errors
///
/// [`BootstrapError`]: the ledger's admin is as it was.
pub async fn bootstrap_admin(
    ledger: &dyn Ledger,
    env: AdminFromEnv,
    written_down: Option<PlainCredentials>,
    entropy: &[u8; ENTROPY_BYTES],
    keeper: &mut impl Keeper,
) -> Result<Bootstrapped, BootstrapError> {
    let has_admin = ledger.has_admin().await?;
    if has_admin && env.is_empty() {
        return Ok(Bootstrapped::Kept);
    }
    let all_given = env.all();
    if has_admin && !all_given && written_down.is_none() {
        return Err(BootstrapError::Incomplete { missing: env.missing() });
    }
    let base = written_down.clone().unwrap_or_else(|| PlainCredentials::generate(entropy));
    let credentials = env.over(base);
    credentials.check().map_err(BootstrapError::Refused)?;
    // What was sourced from the file and comes back by the environment is the same: the file stays as it is.
    if written_down.as_ref() != Some(&credentials) {
        if written_down.is_some() {
            keeper.set_aside().map_err(BootstrapError::Keep)?;
        }
        if !all_given {
            keeper.keep(&credentials).map_err(BootstrapError::Keep)?;
        }
    }
    let account = ledger.put_admin(credentials.to_admin()).await?;
    audit(&account.name, "credentials.put", &credentials.access_key);
    Ok(if all_given { Bootstrapped::Given(credentials) } else { Bootstrapped::Made(credentials) })
}
