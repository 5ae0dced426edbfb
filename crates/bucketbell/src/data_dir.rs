//! The data folder: made at the first start for its owner only, and the private files in it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// Private files are a few lines; more is not ours.
const PRIVATE_BYTES_MAX: u64 = 16 * 1024;

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
        // Asked for by doing it: permissions alone do not tell of a read-only file system.
        let probe = path.join(format!(".probe-{}", std::process::id()));
        File::create(&probe)
            .and_then(|_| fs::remove_file(&probe))
            .with_context(|| format!("cannot write into the data folder {shown}: check its owner and mode"))?;
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
    fs::rename(&new, path)?;
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
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(new)
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

    #[test]
    fn a_file_in_its_place_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDir::open(file.path()).expect_err("a file").to_string();
        assert!(error.contains("is not a folder") && error.contains("--data-dir"), "{error}");
        assert!(DataDir::open(&file.path().join("below")).is_err());
    }
}
