//! What every blob store can do.

use std::ops::Range;

use async_trait::async_trait;
use bucketbell_ledger::BlobId;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::BlobError;

/// Bytes of a blob in their order, in pieces of bounded size.
pub type BlobStream = BoxStream<'static, Result<Bytes, BlobError>>;

/// Where the bytes of large objects are. Local disk today; a remote store later.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Returns a writer for a new blob. Nothing is done yet: the first bytes, or [`BlobWriter::finish`], create it.
    ///
    /// The caller has journaled the name (`Ledger::stage_blob`) before it writes the first byte.
    fn create(&self, blob: BlobId) -> Box<dyn BlobWriter>;

    /// Opens the bytes `range` of a blob for reading.
    ///
    /// Not checked here: whether the caller may read them.
    ///
    /// # Errors
    ///
    /// [`BlobError::Missing`] and [`BlobError::Truncated`] when the row exists and the bytes do not. That breaks OB-2: the
    /// caller answers `InternalError` and says so in its log.
    async fn open(&self, blob: BlobId, range: Range<u64>) -> Result<BlobStream, BlobError>;

    /// Removes a blob for good, and returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`BlobError`] when it may still be there: try again later.
    async fn remove(&self, blob: BlobId) -> Result<bool, BlobError>;
}

/// A blob on its way. Dropped before [`BlobWriter::finish`] has returned, it removes what was written, as well as it can.
///
/// No method loses its place when its future is dropped: [`BlobWriter::abort`] waits for whatever is still going on.
#[async_trait]
pub trait BlobWriter: Send + 'static {
    /// Appends bytes. May return before they are written; an error may therefore be an earlier call's.
    ///
    /// # Errors
    ///
    /// [`BlobError`]: the blob cannot be finished any more.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;

    /// Makes the blob durable under its name, and returns its length (OB-2). Call it once, after the last write.
    ///
    /// # Errors
    ///
    /// [`BlobError`]: it is not known to be durable. Abort.
    async fn finish(&mut self) -> Result<u64, BlobError>;

    /// Removes the blob, finished or not, once everything that was going on has ended.
    ///
    /// # Errors
    ///
    /// [`BlobError`] when it may still be there: keep its name in the journal.
    async fn abort(&mut self) -> Result<(), BlobError>;
}
