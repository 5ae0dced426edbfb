//! Objects as the ledger keeps them: everything but the bytes of large ones.

use bucketbell_event::{Metadata, Sequencer, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Name of a blob: never used before, and nothing about the object in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(Uuid);

impl BlobId {
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Makes a new name from 128 random bits.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(random).into_uuid())
    }
}

impl std::fmt::Display for BlobId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.simple().fmt(out)
    }
}

/// Where the bytes of an object are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In the ledger itself, at most [`crate::sqlite::INLINE_BYTES_MAX`].
    Inline(Bytes),
    /// In the blob store, under this name, durable since before the commit (OB-2).
    Blob(BlobId),
}

/// Standard headers that an object keeps and answers with, beside its content type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContentHeaders {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// Without the token `aws-chunked`, which is about the transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// A verified checksum, stored with the object and returned on request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredChecksum {
    /// `CRC32`, `CRC32C`, `CRC64NVME`, `SHA1` or `SHA256`.
    pub algorithm: String,
    /// Base64, as S3 writes it.
    pub value: String,
}

/// The current version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRecord {
    pub key: String,
    pub sequencer: Sequencer,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub last_modified: Timestamp,
    pub content_type: Option<String>,
    pub headers: ContentHeaders,
    pub metadata: Metadata,
    pub checksum: Option<StoredChecksum>,
    /// `None` when the caller did not ask for it.
    pub content: Option<Content>,
}

/// One page of a listing to make.
#[derive(Debug, Clone, Default)]
pub struct ListingQuery {
    pub prefix: String,
    /// Empty: none.
    pub delimiter: String,
    /// Only keys after this one. With a delimiter, also past the whole common prefix that this text starts with, when
    /// it ends with the delimiter.
    pub after: String,
    /// Keys and common prefixes together, 0 to 1,000.
    pub max_keys: usize,
}

/// One page of a listing, in the order of the keys' UTF-8 bytes.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub objects: Vec<ObjectRecord>,
    pub common_prefixes: Vec<String>,
    /// The last key or common prefix on this page when there is more: the `after` of the next page.
    pub next: Option<String>,
}
