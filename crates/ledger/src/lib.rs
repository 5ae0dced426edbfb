//! The one transactional store: objects, rules, events and deliveries.
//!
//! Nothing writes any of them except through the verbs of [`Ledger`], and the verb that changes an object is the verb
//! that writes its event: an event without its change, or a change without its event, cannot be written (OB-1, B2).
//!
//! Not its business: the bytes of large objects (`blob`), what an S3 operation means (`gateway`), sending (`delivery`).

mod account;
mod bucket;
mod change;
mod clock;
mod error;
mod ledger;
mod object;
mod owed;
mod rules;
mod seal;
pub mod sqlite;
mod stats;

pub use account::{AccessKey, Account, AccountId, AdminCredentials, Role, TokenHash};
pub use bucket::Bucket;
pub use change::{Change, ChangeKind, Committed, DeleteObject, PutObject, WritePrecondition};
pub use clock::{Clock, SystemClock};
pub use error::{CommitError, RulesError, SettleError, StoreError};
pub use ledger::Ledger;
pub use object::{BlobId, Content, ContentHeaders, Listing, ListingQuery, ObjectRecord, StoredChecksum};
pub use owed::{
    AttemptOutcome, AttemptRecord, DeadReason, DueDelivery, Endpoint, EndpointId, Instance, Number, Settlement, Signal,
    Taken,
};
pub use rules::{RuleSet, RulesSaved, RulesVersion};
pub use seal::{MasterKey, MasterKeyError, Sealer};
pub use stats::{Buried, PruneLimits, Pruned, QueueDepth, StoreId};
