//! The way of a body from the connection to where the commit finds it (OB-2).
//!
//! A small body stays in memory and goes into the ledger with its row. A large one goes to the blob store: its name is
//! journaled, its bytes are written while they are hashed, both in threads of their own while the next bytes come in, and
//! it is durable before the change that refers to it is committed. At most four blocks are in memory.

use std::sync::Arc;

use bucketbell_blob::BlobWriter;
use bucketbell_ledger::{BlobId, Change, CommitError, Committed, Content, Ledger, StoreError, StoredChecksum};
use bytes::Bytes;
use s3s::{S3Result, TrailingHeaders, s3_error};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::{
    body::AnnouncedBody,
    checksum::{self, Declared},
    digest::{Digests, Hashing},
    exchange::Exchange,
    failure,
    gateway::Backend,
};

/// Bytes that are hashed and written at once.
const BLOCK_BYTES: usize = 512 * 1024;

/// What the client said about the body.
pub(crate) struct Announced {
    pub(crate) length: u64,
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) checksum: Option<Declared>,
    pub(crate) trailers: Option<TrailingHeaders>,
}

/// A body that has arrived whole, is what was announced, and is durable or in memory.
pub(crate) struct Received {
    pub(crate) content: Content,
    /// Of a blob: what removes it should the change not be committed.
    staged: Option<StagedBlob>,
    /// Hexadecimal MD5.
    pub(crate) etag: String,
    pub(crate) checksum: Option<StoredChecksum>,
}

impl Backend {
    /// Takes a whole body in.
    ///
    /// # Errors
    ///
    /// What is wrong with the body, or with the disk. Nothing of it stays.
    pub(crate) async fn receive(
        &self,
        exchange: &Exchange,
        body: AnnouncedBody,
        announced: &Announced,
    ) -> S3Result<Received> {
        match usize::try_from(announced.length) {
            Ok(length) if length <= self.config.inline_bytes_max => receive_inline(body, length, announced).await,
            _ => self.receive_blob(exchange, body, announced).await,
        }
    }

    async fn receive_blob(
        &self,
        exchange: &Exchange,
        mut body: AnnouncedBody,
        announced: &Announced,
    ) -> S3Result<Received> {
        let lost = |error| failure::internal(exchange, &error);
        let mut hashing = Hashing::new(Digests::new(checksum::hasher(announced.checksum.as_ref())));
        // Nothing is journaled for a client that sends a header and goes away.
        let mut next = body.next_block(BLOCK_BYTES).await?;
        let blob = new_blob_id().map_err(|error| failure::internal(exchange, &error))?;
        let mut staged = StagedBlob::new(self, blob);
        staged.stage().await.map_err(|error| failure::of_store(exchange, &error))?;
        while let Some(block) = next {
            hashing.update(block.clone()).await.map_err(lost)?;
            staged.write(block).await.map_err(|error| failure::of_blob(exchange, &error))?;
            next = body.next_block(BLOCK_BYTES).await?;
        }
        let (etag, checksum) = announced.verify(hashing.finish().await.map_err(lost)?)?;
        staged.finish().await.map_err(|error| failure::of_blob(exchange, &error))?;
        Ok(Received { content: Content::Blob(blob), staged: Some(staged), etag, checksum })
    }

    /// Commits a change that may refer to a staged blob. Once asked for, it is seen through, whether or not the client
    /// still waits: a commit that was half forgotten must not lose its bytes.
    ///
    /// # Errors
    ///
    /// Why it was refused. The blob is gone then, or known to the journal.
    pub(crate) async fn commit(&self, change: Change, staged: Option<StagedBlob>) -> Result<Committed, CommitError> {
        let Some(staged) = staged else { return self.ledger.commit(change).await };
        let ledger = Arc::clone(&self.ledger);
        let seen_through = self.tasks.spawn(async move {
            let committed = ledger.commit(change).await;
            match &committed {
                Ok(_) => staged.release(),
                Err(error) if may_be_committed(error) => staged.release(),
                Err(_) => drop(staged),
            }
            committed
        });
        seen_through.await.unwrap_or(Err(CommitError::Store(StoreError::Closed)))
    }
}

impl Received {
    /// Returns the guard of the blob, for [`Backend::commit`].
    pub(crate) fn take_staged(&mut self) -> Option<StagedBlob> {
        self.staged.take()
    }
}

impl Announced {
    /// Compares what was announced with what came, and returns the ETag and the checksum to keep.
    fn verify(&self, digests: Digests) -> S3Result<(String, Option<StoredChecksum>)> {
        let (md5, checksum) = digests.finish();
        if self.md5.is_some_and(|announced| announced != md5) {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
        }
        let checksum = checksum::verified(self.checksum.as_ref(), self.trailers.as_ref(), checksum)?;
        Ok((hex::encode(md5), checksum))
    }
}

async fn receive_inline(mut body: AnnouncedBody, length: usize, announced: &Announced) -> S3Result<Received> {
    let bytes = body.next_block(length).await?.unwrap_or_default();
    // The end must be seen: signatures and trailers come with it.
    if body.next().await?.is_some() {
        return Err(failure::incomplete());
    }
    let mut digests = Digests::new(checksum::hasher(announced.checksum.as_ref()));
    digests.update(&bytes);
    let (etag, checksum) = announced.verify(digests)?;
    Ok(Received { content: Content::Inline(bytes), staged: None, etag, checksum })
}

/// Returns whether a change may stand although its commit answered an error. Its bytes are left to the journal then.
fn may_be_committed(error: &CommitError) -> bool {
    match error {
        CommitError::Store(StoreError::Full | StoreError::ReadOnly(_)) => false,
        CommitError::Store(_) => true,
        _ => false,
    }
}

fn new_blob_id() -> Result<BlobId, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(BlobId::from_random(random))
}

/// A blob that no row refers to yet. Dropped, it is removed and taken out of the journal, in this order: a crash in
/// between leaves a name without bytes, never bytes without a name.
pub(crate) struct StagedBlob {
    blob: BlobId,
    /// `None` once somebody else answers for the blob.
    writer: Option<Box<dyn BlobWriter>>,
    ledger: Arc<dyn Ledger>,
    tasks: TaskTracker,
}

impl StagedBlob {
    fn new(backend: &Backend, blob: BlobId) -> Self {
        let writer = Some(backend.blobs.create(blob));
        Self { blob, writer, ledger: Arc::clone(&backend.ledger), tasks: backend.tasks.clone() }
    }

    async fn stage(&mut self) -> Result<(), StoreError> {
        self.ledger.stage_blob(self.blob).await
    }

    async fn write(&mut self, block: Bytes) -> Result<(), bucketbell_blob::BlobError> {
        match &mut self.writer {
            Some(writer) => writer.write(block).await,
            None => Ok(()),
        }
    }

    async fn finish(&mut self) -> Result<(), bucketbell_blob::BlobError> {
        match &mut self.writer {
            Some(writer) => writer.finish().await.map(drop),
            None => Ok(()),
        }
    }

    /// Lets go of the blob without removing it: a row refers to it, or may.
    fn release(mut self) {
        self.writer = None;
    }
}

impl Drop for StagedBlob {
    fn drop(&mut self) {
        // Without a runtime there is nobody to wait for the disk: the writer removes the file, `upkeep` the name.
        let (Some(mut writer), Ok(_)) = (self.writer.take(), Handle::try_current()) else { return };
        let (blob, ledger) = (self.blob, Arc::clone(&self.ledger));
        self.tasks.spawn(async move {
            if let Err(error) = writer.abort().await {
                tracing::warn!(blob.id = %blob, %error, "an abandoned upload stays in the journal");
                return;
            }
            if let Err(error) = ledger.unstage_blob(blob).await {
                tracing::warn!(blob.id = %blob, %error, "an abandoned upload stays in the journal");
            }
        });
    }
}
