//! The file `store-id`: it ties a folder of blobs to its ledger.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use bucketbell_ledger::StoreId;

use crate::{BlobError, folders};

const NAME: &str = "store-id";
/// The file is written here first, so that a crash never leaves half of one.
const NAME_NEW: &str = "store-id.new";
/// A UUID and a line end. Anything longer is not ours.
const BYTES_MAX: u64 = 64;

/// Checks that the folder is of store `wanted`, and marks a folder that holds no blobs yet.
pub(crate) fn check_or_write(root: &Path, wanted: StoreId, holds_blobs: bool) -> Result<(), BlobError> {
    let path = root.join(NAME);
    match read(&path).map_err(|error| BlobError::from_io("read", &path, error))? {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(BlobError::OtherStore { path: root.to_owned(), found, wanted }),
        None if holds_blobs => Err(BlobError::NoStoreId { path: root.to_owned() }),
        None => write(root, wanted).map_err(|error| BlobError::from_io("write", &path, error)),
    }
}

/// Returns the id, `None` when there is no file or no id in it.
fn read(path: &Path) -> io::Result<Option<StoreId>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, BYTES_MAX), &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(uuid::Uuid::try_parse(text.trim()).ok().map(StoreId))
}

fn write(root: &Path, id: StoreId) -> io::Result<()> {
    let new = root.join(NAME_NEW);
    let mut file = File::create(&new)?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    fs::rename(&new, root.join(NAME))?;
    folders::sync(root)
}
