//! The data folder: made at the first start for its owner only, and the private files in it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};

/// Private files are a few lines; more is not ours.
const PRIVATE_BYTES_MAX: u64 = 16 * 1024;

/// A start with less room than this would fail in the middle, where the cause is harder to tell: the ledger, its log and
/// its index are as large when they are empty.
const START_BYTES: usize = 128 * 1024;

/// A folder that exists and can be written.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Makes the folder, mode 0700, where it is not there yet.
    ///
    /// # Errors
    ///
    /// It cannot be made or written: the message names it and the remedy.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => bail!("the data folder {shown} is not a folder: give another --data-dir"),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).with_context(|| {
                format!("cannot make the data folder {shown}: give a --data-dir that can be written")
            })?,
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read the data folder {shown}: give another --data-dir"));
            }
        }
        probe(path).map_err(|error| {
            let remedy = remedy(&error);
            anyhow!(error).context(format!("cannot write into the data folder {shown}: {remedy}"))
        })?;
        let mode = fs::metadata(path).map_or(0, |found| found.permissions().mode());
        if mode & 0o077 != 0 {
            tracing::warn!("others can look into the data folder {shown}, which holds keys: `chmod 700` it");
        }
        Ok(Self(path.to_owned()))
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// Asks by doing it: permissions alone tell neither of a read-only file system nor of a full one.
fn probe(path: &Path) -> io::Result<()> {
    let probe = path.join(format!(".probe-{}", std::process::id()));
    let written = File::create(&probe).and_then(|mut file| file.write_all(&[0; START_BYTES]));
    match fs::remove_file(&probe) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => written.and(Err(error)),
        _ => written,
    }
}

/// Returns what a person can do about a folder that cannot be written.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "its disk is full: make room, or give a --data-dir on another one"
        }
        io::ErrorKind::ReadOnlyFilesystem => "mount it for writing, or give another --data-dir",
        _ => "check its owner and mode",
    }
}

fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // Durable, or a power loss after the first acknowledged write could take the whole folder away.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Returns the text of a private file, `None` when it is not there.
pub fn read_private(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(PRIVATE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Writes a file of mode 0600, all of it or nothing, durably. Replaces one that is there.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let new = staged(path, text)?;
    if let Err(error) = fs::rename(&new, path) {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    sync_parent(path)
}

/// As [`write_private`], but never replaces: of two starts at once one wins, and the other is told `AlreadyExists`.
pub fn create_private(path: &Path, text: &str) -> io::Result<()> {
    let new = staged(path, text)?;
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    linked?;
    sync_parent(path)
}

fn staged(path: &Path, text: &str) -> io::Result<PathBuf> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let new = path.with_file_name(format!(".{name}.new-{}", std::process::id()));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    match file.write_all(text.as_bytes()).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(new),
        Err(error) => {
            // Half a key is nobody's. That it cannot be removed either is not what the caller has to know.
            let _ = fs::remove_file(&new);
            Err(error)
        }
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_and_its_private_files_are_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let dir = DataDir::open(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        let file = dir.join("secret");
        assert_eq!(read_private(&file).unwrap(), None);
        write_private(&file, "one").unwrap();
        write_private(&file, "two").unwrap();
        assert_eq!((read_private(&file).unwrap().as_deref(), mode(&file)), (Some("two"), 0o600));
        assert_eq!(create_private(&file, "three").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_private(&file).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "nothing is left behind");
    }

    /// Guards against a file half written, which a full disk left beside the one that was meant.
    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(write_private(&taken, "text").is_err(), "a folder has the name");
        assert!(create_private(&taken, "text").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_is_called_one() {
        assert!(remedy(&io::ErrorKind::StorageFull.into()).contains("make room"));
        assert!(remedy(&io::ErrorKind::PermissionDenied.into()).contains("owner"));
    }

    #[test]
    fn a_file_in_its_place_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDir::open(file.path()).expect_err("a file").to_string();
        assert!(error.contains("is not a folder") && error.contains("--data-dir"), "{error}");
        assert!(DataDir::open(&file.path().join("below")).is_err());
    }
}
