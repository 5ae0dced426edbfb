//! Looking callers up.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bucketbell_ledger::{AccessKey, Account, Ledger, StoreError, TokenHash};
use sha2::{Digest, Sha256};

use crate::key_cache::KeyCache;

/// The accounts of one ledger, with a small memory of the access keys asked for last.
pub struct Accounts {
    ledger: Arc<dyn Ledger>,
    recent: Mutex<KeyCache>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Accounts").finish_non_exhaustive()
    }
}

impl Accounts {
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, recent: Mutex::default() }
    }

    /// Returns an access key with its secret and whose it is, or `None` when there is no such key.
    ///
    /// The answer may be five seconds old, unless [`Accounts::forget_recent`] was called since.
    ///
    /// # Errors
    ///
    /// The ledger's own failure.
    pub async fn access_key(&self, access_key: &str) -> Result<Option<AccessKey>, StoreError> {
        let asked = Instant::now();
        let generation = {
            let recent = self.recent();
            if let Some(key) = recent.get(access_key, asked) {
                return Ok(Some(key));
            }
            recent.generation()
        };
        let found = self.ledger.access_key(access_key).await?;
        if let Some(key) = &found {
            self.recent().put(access_key, key.clone(), asked, generation);
        }
        Ok(found)
    }

    /// Returns whose API token this is, or `None` when it is nobody's.
    ///
    /// The look-up is by hash, so how long it takes tells nothing about the tokens that exist.
    ///
    /// # Errors
    ///
    /// The ledger's own failure.
    pub async fn by_token(&self, token: &str) -> Result<Option<Account>, StoreError> {
        self.ledger.account_by_token(token_hash(token)).await
    }

    /// Forgets every remembered key. Whoever changes credentials calls this after the ledger has answered.
    pub fn forget_recent(&self) {
        self.recent().forget();
    }

    fn recent(&self) -> MutexGuard<'_, KeyCache> {
        // A panic while the lock was held cannot leave the map half written: each change is one call of it.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns all that is kept of an API token (X14).
#[must_use]
pub fn token_hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token.as_bytes()).into())
}
