//! Writing one file: pieces go to the disk in a thread that may block, while the next ones are on their way.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use bucketbell_ledger::BlobId;
use bytes::{Bytes, BytesMut};
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    BlobError, BlobWriter,
    folders::{self, Folders},
    local::{blocking, remove},
};

/// Smaller pieces are gathered until there is this much, so that a slow client does not cost a thread hop per packet.
const WRITE_BYTES_MIN: usize = 256 * 1024;
/// After so many bytes the disk is told to start with them, so that the last `fdatasync` finds little left to do.
const FLUSH_BYTES: u64 = 32 * 1024 * 1024;
/// Only the server's user reads objects past the server.
const FILE_MODE: u32 = 0o600;

pub(crate) struct LocalWriter {
    folders: Arc<Folders>,
    blob: BlobId,
    gathered: BytesMut,
    state: State,
}

enum State {
    /// Nothing is on the disk yet.
    New,
    /// The disk is at work. The task gives the file back.
    Busy(JoinHandle<Result<Unfinished, BlobError>>),
    /// The file waits for more.
    Idle(Unfinished),
    /// Durable.
    Finished,
    /// An error came; the file is gone, or as gone as it could be made.
    Failed(BlobError),
}

/// A file that is removed when it is dropped, in whatever thread, unless it was finished.
///
/// The task that writes owns it. Should nobody wait for the task any more, its end is the file's end.
struct Unfinished {
    path: PathBuf,
    file: File,
    /// Durable, or to be removed by somebody else: not by its drop.
    finished: bool,
    written: u64,
    /// Of `written`, those that the disk was told to write.
    flushed: u64,
    flush: Option<JoinHandle<io::Result<()>>>,
}

impl LocalWriter {
    pub(crate) fn new(folders: Arc<Folders>, blob: BlobId) -> Self {
        Self { folders, blob, gathered: BytesMut::new(), state: State::New }
    }

    fn path(&self) -> PathBuf {
        self.folders.path_of(self.blob)
    }

    /// Waits until the disk is not at work. Dropping the future loses nothing.
    async fn settle(&mut self) {
        let path = self.path();
        if let State::Busy(task) = &mut self.state {
            self.state = match task.await {
                Ok(Ok(file)) => State::Idle(file),
                Ok(Err(error)) => State::Failed(error),
                Err(error) => State::Failed(BlobError::from_io("write", path, io::Error::other(error))),
            };
        }
    }

    /// Hands bytes, or the end, to the disk, once it has done what it had.
    async fn submit(&mut self, bytes: Bytes, last: bool) -> Result<(), BlobError> {
        self.settle().await;
        let file = match std::mem::replace(&mut self.state, State::New) {
            State::Failed(error) => {
                self.state = State::Failed(error.clone());
                return Err(error);
            }
            State::Finished => {
                self.state = State::Finished;
                return Err(BlobError::Exists(self.blob));
            }
            State::Idle(file) => Some(file),
            State::New | State::Busy(_) => None,
        };
        let (folders, blob) = (Arc::clone(&self.folders), self.blob);
        self.state = State::Busy(tokio::task::spawn_blocking(move || {
            let mut file = match file {
                Some(file) => file,
                None => Unfinished::create(&folders, blob)?,
            };
            file.write(&bytes)?;
            if last {
                file.finish(&folders, blob)?;
            }
            Ok(file)
        }));
        Ok(())
    }
}

#[async_trait]
impl BlobWriter for LocalWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        if self.gathered.is_empty() && bytes.len() >= WRITE_BYTES_MIN {
            return self.submit(bytes, false).await;
        }
        self.gathered.extend_from_slice(&bytes);
        if self.gathered.len() >= WRITE_BYTES_MIN {
            let bytes = self.gathered.split().freeze();
            return self.submit(bytes, false).await;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<u64, BlobError> {
        let bytes = self.gathered.split().freeze();
        self.submit(bytes, true).await?;
        self.settle().await;
        match std::mem::replace(&mut self.state, State::Finished) {
            State::Idle(file) => Ok(file.written),
            State::Failed(error) => {
                self.state = State::Failed(error.clone());
                Err(error)
            }
            other => {
                self.state = other;
                Err(BlobError::Missing(self.blob))
            }
        }
    }

    async fn abort(&mut self) -> Result<(), BlobError> {
        self.settle().await;
        self.gathered.clear();
        match std::mem::replace(&mut self.state, State::New) {
            // Nothing was created, or the blob of that name is another's.
            State::New | State::Failed(BlobError::Exists(_)) => return Ok(()),
            State::Idle(mut file) => file.finished = true,
            State::Finished | State::Failed(_) | State::Busy(_) => {}
        }
        let (folders, blob) = (Arc::clone(&self.folders), self.blob);
        blocking("remove", self.path(), move || remove(&folders, blob)).await.map(drop)
    }
}

impl Drop for LocalWriter {
    fn drop(&mut self) {
        // Removing a large file takes a while: not on a thread that serves others, where that can be helped.
        if let State::Idle(file) = std::mem::replace(&mut self.state, State::New)
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn_blocking(move || drop(file));
        }
    }
}

impl Unfinished {
    fn create(folders: &Folders, blob: BlobId) -> Result<Self, BlobError> {
        let path = folders.path_of(blob);
        folders.make_leaf(blob).map_err(|error| BlobError::from_io("make the folder of", &path, error))?;
        match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path) {
            Ok(file) => Ok(Self { path, file, finished: false, written: 0, flushed: 0, flush: None }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(BlobError::Exists(blob)),
            Err(error) => Err(BlobError::from_io("create", path, error)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| BlobError::from_io("write", &self.path, error))?;
        self.written += bytes.len() as u64;
        if self.written - self.flushed >= FLUSH_BYTES && self.flush.as_ref().is_none_or(JoinHandle::is_finished) {
            self.flush_ended()?;
            let file = self.file.try_clone().map_err(|error| BlobError::from_io("write", &self.path, error))?;
            self.flushed = self.written;
            self.flush = Handle::try_current().ok().map(|runtime| runtime.spawn_blocking(move || file.sync_data()));
        }
        Ok(())
    }

    /// Waits for the flush, if one is under way. The system tells of a failed write-back only once, perhaps to it.
    fn flush_ended(&mut self) -> Result<(), BlobError> {
        let (Some(flush), Ok(runtime)) = (self.flush.take(), Handle::try_current()) else { return Ok(()) };
        let ended = runtime.block_on(flush).unwrap_or_else(|error| Err(io::Error::other(error)));
        ended.map_err(|error| BlobError::from_io("write", &self.path, error))
    }

    /// Makes the bytes, and the name, durable (OB-2).
    fn finish(&mut self, folders: &Folders, blob: BlobId) -> Result<(), BlobError> {
        self.flush_ended()?;
        let synced = self.file.sync_data().and_then(|()| folders::sync(&folders.leaf_of(blob)));
        synced.map_err(|error| BlobError::from_io("flush", &self.path, error))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = fs::remove_file(&self.path)
        {
            // The journal still knows the name: `upkeep` will find it.
            tracing::warn!(blob.path = %self.path.display(), %error, "an unfinished blob could not be removed");
        }
    }
}
