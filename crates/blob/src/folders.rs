//! The fan-out of a folder of blobs: `ab/cd/`, by the first two bytes of a blob's name.
//!
//! A file is only as durable as the folder that names it, and that folder as the one above. So a folder counts as ready
//! only after its parent was fsynced since the folder was made; which ones are is remembered in one bit each.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bucketbell_ledger::BlobId;

/// Only the server's user reads objects past the server.
const FOLDER_MODE: u32 = 0o700;
const LEAVES: usize = 1 << 16;
const WORD_BITS: usize = u64::BITS as usize;

#[derive(Debug)]
pub(crate) struct Folders {
    root: PathBuf,
    /// One bit per leaf: it exists, durably.
    ready: Vec<AtomicU64>,
    /// Held while a folder is made. Leaves are made once in the life of a store, so nobody waits for long.
    making: Mutex<()>,
}

impl Folders {
    /// Takes stock of the folders under `root`, which exists, and makes sure that those there are durable.
    ///
    /// Returns them, and whether there are any: whether the root holds, or has held, blobs.
    pub(crate) fn open(root: PathBuf) -> io::Result<(Self, bool)> {
        let ready: Vec<AtomicU64> = (0..LEAVES / WORD_BITS).map(|_| AtomicU64::new(0)).collect();
        let mut leaves = Vec::new();
        let mut any = false;
        for first in fan_out(&root)? {
            any = true;
            let branch = root.join(format!("{first:02x}"));
            leaves.extend(fan_out(&branch)?.into_iter().map(|second| (first, second)));
            // A crash may have come between the making of a leaf and the fsync of its branch.
            sync(&branch)?;
        }
        sync(&root)?;
        let folders = Self { root, ready, making: Mutex::new(()) };
        for (first, second) in leaves {
            folders.mark_ready(first, second);
        }
        Ok((folders, any))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where a blob is, or would be.
    pub(crate) fn path_of(&self, blob: BlobId) -> PathBuf {
        self.leaf_of(blob).join(blob.to_string())
    }

    pub(crate) fn leaf_of(&self, blob: BlobId) -> PathBuf {
        let [first, second, ..] = *blob.as_bytes();
        self.root.join(format!("{first:02x}")).join(format!("{second:02x}"))
    }

    /// Makes the folder of a blob, durably, unless it is there. Blocks.
    pub(crate) fn make_leaf(&self, blob: BlobId) -> io::Result<()> {
        let [first, second, ..] = *blob.as_bytes();
        if self.is_ready(first, second) {
            return Ok(());
        }
        // What it guards is on the disk, and every step may be done again: a panic in between broke nothing.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_ready(first, second) {
            return Ok(());
        }
        let branch = self.root.join(format!("{first:02x}"));
        if make(&branch)? {
            sync(&self.root)?;
        }
        make(&branch.join(format!("{second:02x}")))?;
        sync(&branch)?;
        self.mark_ready(first, second);
        Ok(())
    }

    fn is_ready(&self, first: u8, second: u8) -> bool {
        let (word, bit) = place(first, second);
        self.ready.get(word).is_some_and(|word| word.load(Ordering::Acquire) & bit != 0)
    }

    fn mark_ready(&self, first: u8, second: u8) {
        let (word, bit) = place(first, second);
        if let Some(word) = self.ready.get(word) {
            word.fetch_or(bit, Ordering::Release);
        }
    }
}

/// Makes the names in a folder durable: what was created, renamed or removed in it. Blocks.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder, and returns whether it was not there.
pub(crate) fn make(folder: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn place(first: u8, second: u8) -> (usize, u64) {
    let leaf = usize::from(u16::from_be_bytes([first, second]));
    (leaf / WORD_BITS, 1 << (leaf % WORD_BITS))
}

/// Returns the folders in `folder` whose name is two hexadecimal digits, as numbers. Others are not ours.
fn fan_out(folder: &Path) -> io::Result<Vec<u8>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| u8::from_str_radix(name, 16).ok());
        found.extend(number.filter(|number| name.to_str() == Some(&format!("{number:02x}"))));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let blob = BlobId::from_bytes([0xab; 16]);
        let (folders, any) = Folders::open(dir.path().to_owned()).unwrap();
        assert!(!any);
        folders.make_leaf(blob).unwrap();
        folders.make_leaf(blob).unwrap();
        assert!(dir.path().join("ab/ab").is_dir());
        assert_eq!(folders.path_of(blob), dir.path().join("ab/ab").join("ab".repeat(16)));

        let (again, any) = Folders::open(dir.path().to_owned()).unwrap();
        assert!(any && again.is_ready(0xab, 0xab) && !again.is_ready(0xab, 0xac));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["lost+found", "AB", "abc", "+1"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert!(!Folders::open(dir.path().to_owned()).unwrap().1);
    }

    #[test]
    fn every_leaf_has_its_own_bit() {
        let mut seen = std::collections::HashSet::new();
        for leaf in 0..=u16::MAX {
            let [first, second] = leaf.to_be_bytes();
            let (word, bit) = place(first, second);
            assert!(word < LEAVES / WORD_BITS && seen.insert((word, bit)));
        }
    }
}
