//! Why a verb did not do what it was asked.

use bucketbell_rule::RuleId;

/// The store itself failed, or is not usable. Nothing of the call was written, unless it says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No room left on the device. Nothing was written; free space and try again.
    #[error("the ledger's disk is full")]
    Full,
    /// The database file or its folder cannot be written.
    #[error("the ledger cannot be written: {0}")]
    ReadOnly(String),
    /// The writer has stopped: the process is shutting down, or a failure that it could not survive came before.
    #[error("the ledger is closed")]
    Closed,
    /// Another process has this data folder open.
    #[error("`{path}` is in use by another bucketbell process: stop that one, or give this one its own --data-dir")]
    InUse { path: String },
    /// The database was written by a newer version (Y1).
    #[error(
        "the ledger has schema version {found}, and bucketbell {} knows up to {known}: run bucketbell {written_by} or newer",
        env!("CARGO_PKG_VERSION")
    )]
    TooNew {
        found: i64,
        known: i64,
        /// Version of the program that wrote it last.
        written_by: String,
    },
    /// A row that the schema or the code that wrote it forbids.
    #[error("inconsistent row {row} in `{table}.{column}`")]
    Inconsistency { table: &'static str, column: &'static str, row: String },
    /// A sealed value does not open with this master key (X14).
    #[error(
        "the {table} row {row} was sealed with another master key: start with the key that this ledger was made with"
    )]
    WrongMasterKey { table: &'static str, row: String },
    #[error("the ledger failed: {0}")]
    Database(String),
}

/// Why a change was not committed. Neither the change nor an event was written (OB-1).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    #[error("bucket `{0}` does not exist")]
    NoSuchBucket(String),
    /// The name is taken, by the same owner or by another.
    #[error("bucket `{name}` exists")]
    BucketExists { name: String, same_owner: bool },
    #[error("bucket `{0}` holds objects")]
    BucketNotEmpty(String),
    #[error("the precondition does not hold")]
    PreconditionFailed,
    /// `If-Match` on a key without a current version.
    #[error("the key does not exist")]
    NoSuchKey,
    /// The blob was swept before the commit: the upload took longer than a staged blob is kept.
    #[error("the staged blob is gone")]
    BlobGone,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why rules were not saved. Nothing was.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    #[error("bucket `{0}` does not exist")]
    NoSuchBucket(String),
    #[error("rule `{0}` is not a rule of this bucket: leave `id` out for a new rule")]
    UnknownRule(RuleId),
    #[error("rule `{0}` is given twice")]
    RepeatedRule(RuleId),
    /// `If-Match` named another version of the set.
    #[error("the rules were changed by somebody else: read them again")]
    Changed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why outcomes were not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// The instance does not own the endpoint (DL-1, DL-2): stop sending for it, forget what was taken.
    #[error("the endpoint has another owner")]
    NotOwner,
    /// The endpoint is gone with its rule.
    #[error("the endpoint no longer exists")]
    Gone,
    #[error(transparent)]
    Store(#[from] StoreError),
}
