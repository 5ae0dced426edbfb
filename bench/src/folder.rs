//! Temporary folders on the disk that is measured.

use std::path::Path;

use anyhow::Context;
use tempfile::TempDir;

/// Makes a folder in `scratch` that goes when it is dropped.
///
/// # Errors
///
/// When `scratch` cannot be written.
pub fn temporary(scratch: &Path) -> anyhow::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("bucketbell-bench-")
        .tempdir_in(scratch)
        .with_context(|| format!("cannot make a folder in `{}`: give another --scratch", scratch.display()))
}
