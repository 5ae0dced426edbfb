//! What [`crate::Ledger::commit`] takes and gives: one change, and what became of it.

use bucketbell_event::{EventId, Metadata, Origin, Sequencer};

use crate::{AccountId, Content, ContentHeaders, StoredChecksum};

/// One change, and who asked for it. The event is derived from it inside the transaction, never by the caller (OB-1).
#[derive(Debug, Clone)]
pub struct Change {
    pub origin: Origin,
    pub kind: ChangeKind,
}

#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the common one: a box would cost every put an allocation"
)]
pub enum ChangeKind {
    CreateBucket {
        name: String,
        owner: AccountId,
    },
    /// Refused while the bucket holds an object.
    DeleteBucket {
        name: String,
    },
    PutObject(PutObject),
    DeleteObject(DeleteObject),
}

/// A new current version of a key. Raises `s3:ObjectCreated:Put`.
#[derive(Debug, Clone)]
pub struct PutObject {
    pub bucket: String,
    /// UTF-8, 1 to 1,024 bytes.
    pub key: String,
    pub precondition: WritePrecondition,
    pub content: Content,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub content_type: Option<String>,
    pub headers: ContentHeaders,
    pub metadata: Metadata,
    pub checksum: Option<StoredChecksum>,
}

/// The end of a key. Raises `s3:ObjectRemoved:Delete` when there was something to delete, else nothing.
#[derive(Debug, Clone)]
pub struct DeleteObject {
    pub bucket: String,
    pub key: String,
}

/// What must be true of the current version for the write to happen (RFC 9110 §13.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WritePrecondition {
    #[default]
    None,
    /// `If-None-Match: *`: there is no current version.
    Absent,
    /// `If-Match: "etag"`: there is one, with this ETag (without quotes); `*` is any.
    Matches(String),
}

/// The change and its events are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Place of the change in the ledger's clock; of a put, the new version's. What changed nothing has the place of the
    /// change before it.
    pub sequencer: Sequencer,
    /// The stored events that the change raised (X11). Empty when nobody wants them (B1).
    pub events: Vec<EventId>,
}
