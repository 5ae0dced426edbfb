//! Reading a range of a file in pieces, one ahead of the caller.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::PathBuf,
};

use bucketbell_ledger::BlobId;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::task::JoinHandle;

use crate::{BlobError, BlobStream, local::blocking};

/// Bytes read at once. Two such pieces are in memory per reader: the one that the caller has, and the next.
const PIECE_BYTES_MAX: u64 = 256 * 1024;

struct Reader {
    blob: BlobId,
    path: PathBuf,
    file: File,
    /// Bytes still to give.
    left: u64,
}

/// Opens a file at the start of `range`, whose end must be in the file.
pub(crate) async fn open(path: PathBuf, blob: BlobId, range: Range<u64>) -> Result<BlobStream, BlobError> {
    let reader = blocking("open", path.clone(), move || Reader::open(path, blob, &range)).await?;
    let first = Some(reader.read_ahead());
    Ok(stream::try_unfold(first, |next| async {
        let Some(next) = next else { return Ok(None) };
        let (bytes, reader) = next.await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let next = (reader.left > 0).then(|| reader.read_ahead());
        Ok(Some((bytes, next)))
    })
    .boxed())
}

impl Reader {
    fn open(path: PathBuf, blob: BlobId, range: &Range<u64>) -> Result<Self, BlobError> {
        let refused = |doing, error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Missing(blob),
            _ => BlobError::from_io(doing, &path, error),
        };
        let mut file = File::open(&path).map_err(|error| refused("open", error))?;
        let found = file.metadata().map_err(|error| refused("look at", error))?.len();
        if found < range.end {
            return Err(BlobError::Truncated { blob, found, wanted: range.end });
        }
        file.seek(SeekFrom::Start(range.start)).map_err(|error| refused("seek in", error))?;
        let left = range.end.saturating_sub(range.start);
        Ok(Self { blob, path, file, left })
    }

    /// Starts to read the next piece, in a thread that may block.
    fn read_ahead(self) -> ReadAhead {
        let path = self.path.clone();
        ReadAhead { path, task: tokio::task::spawn_blocking(move || self.read()) }
    }

    fn read(mut self) -> Result<(Bytes, Self), BlobError> {
        let wanted = self.left.min(PIECE_BYTES_MAX);
        let mut piece = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
        (&self.file)
            .take(wanted)
            .read_to_end(&mut piece)
            .map_err(|error| BlobError::from_io("read", &self.path, error))?;
        let got = piece.len() as u64;
        self.left -= got;
        if got < wanted {
            // It was long enough when it was opened, and blobs never change: somebody cut it.
            return Err(BlobError::Truncated { blob: self.blob, found: got, wanted });
        }
        Ok((Bytes::from(piece), self))
    }
}

/// A piece on its way.
struct ReadAhead {
    path: PathBuf,
    task: JoinHandle<Result<(Bytes, Reader), BlobError>>,
}

impl IntoFuture for ReadAhead {
    type Output = Result<(Bytes, Reader), BlobError>;
    type IntoFuture = futures_util::future::BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.task.await {
                Ok(result) => result,
                Err(error) => Err(BlobError::from_io("read", self.path, io::Error::other(error))),
            }
        })
    }
}
