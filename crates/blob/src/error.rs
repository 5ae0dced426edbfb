//! Why bytes could not be kept or found.

use std::{io, path::PathBuf, sync::Arc};

use bucketbell_ledger::{BlobId, StoreId};

/// What went wrong with a blob, or with the folder of all of them. Paths are for the operator's log, never for a client.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// There is no such blob.
    #[error("blob {0} is missing: restore it from the backup that belongs to this ledger")]
    Missing(BlobId),
    /// The blob is shorter than the object that it belongs to.
    #[error(
        "blob {blob} holds {found} bytes where {wanted} are needed: restore it from the backup that belongs to this ledger"
    )]
    Truncated { blob: BlobId, found: u64, wanted: u64 },
    /// The name is taken. Names are random, so something else is wrong: nothing was overwritten.
    #[error("blob {0} exists already")]
    Exists(BlobId),
    /// No room left on the device, or for this user.
    #[error("no space left for blobs in `{}`: free some, or move the folder to a larger disk", path.display())]
    Full { path: PathBuf },
    /// The folder, or the file system under it, cannot be written.
    #[error("`{}` cannot be written: give this user write access to it, or mount it for writing", path.display())]
    ReadOnly {
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },
    /// The folder belongs to another ledger.
    #[error("`{}` holds the blobs of store {found}, and the ledger is store {wanted}: give each ledger its own --blobs", path.display())]
    OtherStore { path: PathBuf, found: StoreId, wanted: StoreId },
    /// The folder holds blobs and does not say whose.
    #[error("`{}` holds blobs and no readable `store-id`: restore that file from the backup of this folder", path.display())]
    NoStoreId { path: PathBuf },
    /// Anything else that the operating system refused.
    #[error("failed to {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },
}

impl BlobError {
    /// Tells apart what an operator can do something about from the rest.
    pub(crate) fn from_io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path, source: Arc::new(source) }
            }
            _ => Self::Io { doing, path, source: Arc::new(source) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_becomes_what_the_operator_can_do() {
        let said = |kind: io::ErrorKind| BlobError::from_io("write", "/blobs", kind.into()).to_string();
        assert!(said(io::ErrorKind::StorageFull).contains("no space left"));
        assert!(said(io::ErrorKind::QuotaExceeded).contains("no space left"));
        assert!(said(io::ErrorKind::PermissionDenied).contains("write access"));
        assert!(said(io::ErrorKind::ReadOnlyFilesystem).contains("mount it for writing"));
        assert_eq!(said(io::ErrorKind::TimedOut), "failed to write `/blobs`");
    }
}
