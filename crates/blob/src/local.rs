//! Blobs as files in a folder of the local disk.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bucketbell_ledger::{BlobId, StoreId};

use crate::{
    BlobError, BlobStore, BlobStream, BlobWriter,
    folders::{self, Folders},
    reader, store_id,
    writer::LocalWriter,
};

/// A folder of blobs: `<root>/ab/cd/<32 hexadecimal digits>`, and `<root>/store-id`.
///
/// A blob is created at its final path, which nothing had before, so no rename is needed: `fdatasync` of the file and
/// `fsync` of its folder make it durable. Writers of different blobs share nothing; what their `fsync`s have in common,
/// the file system's journal commits once.
#[derive(Debug, Clone)]
pub struct LocalBlobs {
    folders: Arc<Folders>,
}

impl LocalBlobs {
    /// Opens the folder `root` for the ledger with id `store`. Makes and marks it when it is not there, or holds nothing.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// [`BlobError::OtherStore`] when it belongs to another ledger, [`BlobError::NoStoreId`] when it does not say whose it
    /// is, or what the operating system refused.
    pub fn open(root: impl Into<PathBuf>, store: StoreId) -> Result<Self, BlobError> {
        let root = root.into();
        make_root(&root).map_err(|error| BlobError::from_io("make", &root, error))?;
        let (folders, any) =
            Folders::open(root.clone()).map_err(|error| BlobError::from_io("read the folder", &root, error))?;
        store_id::check_or_write(&root, store, any)?;
        Ok(Self { folders: Arc::new(folders) })
    }

    /// Returns the folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.folders.root()
    }
}

/// Makes the root and what is above it, durably as far as it is new.
fn make_root(root: &Path) -> io::Result<()> {
    let parent = match root.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    fs::create_dir_all(parent)?;
    if folders::make(root)? {
        folders::sync(parent)?;
    }
    Ok(())
}

#[async_trait]
impl BlobStore for LocalBlobs {
    fn create(&self, blob: BlobId) -> Box<dyn BlobWriter> {
        Box::new(LocalWriter::new(Arc::clone(&self.folders), blob))
    }

    async fn open(&self, blob: BlobId, range: Range<u64>) -> Result<BlobStream, BlobError> {
        reader::open(self.folders.path_of(blob), blob, range).await
    }

    async fn remove(&self, blob: BlobId) -> Result<bool, BlobError> {
        let folders = Arc::clone(&self.folders);
        blocking("remove", self.folders.path_of(blob), move || remove(&folders, blob)).await
    }
}

/// Removes a file, and makes that durable: the ledger forgets the name next, and must not be the first to know. Blocks.
pub(crate) fn remove(folders: &Folders, blob: BlobId) -> Result<bool, BlobError> {
    let path = folders.path_of(blob);
    let removed = match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error),
    };
    // Also when it was gone already: whoever removed it may not have come this far.
    let synced = removed.and_then(|was_there| match folders::sync(&folders.leaf_of(blob)) {
        Err(error) if is_absent(&error) => Ok(was_there),
        synced => synced.map(|()| was_there),
    });
    synced.map_err(|error| BlobError::from_io("remove", path, error))
}

/// Returns whether there is nothing of that name, nor anything in whose place it could be.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Runs `work` where it may block. A panic in it, or a runtime that is shutting down, is an error about `path`.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    path: PathBuf,
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(BlobError::from_io(doing, path, io::Error::other(error))),
    }
}
