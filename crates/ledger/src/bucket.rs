//! A bucket.

use bucketbell_event::Timestamp;

use crate::AccountId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub name: String,
    pub owner: AccountId,
    /// Name of the owner's account.
    pub owner_name: String,
    pub created: Timestamp,
}
