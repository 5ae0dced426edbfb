//! Who may use the store, and the credentials they show.

use std::fmt;

use bucketbell_rule::Secret;

/// Row id of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    Admin,
    /// Its own buckets and their rules.
    User,
}

impl Role {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    pub role: Role,
}

/// An S3 access key with its opened secret, and whose it is.
#[derive(Debug, Clone)]
pub struct AccessKey {
    pub account: Account,
    pub secret_key: Secret,
}

/// SHA-256 of an API token: all that is kept of it (X14).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TokenHash(***)")
    }
}

/// The admin's credentials as they are to be from now on.
#[derive(Debug, Clone)]
pub struct AdminCredentials {
    pub token: TokenHash,
    pub access_key: String,
    pub secret_key: Secret,
}
