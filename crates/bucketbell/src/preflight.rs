//! What can be refused before anything is started or written: flags, environment and the files that they name.
//!
//! And one look into the data folder, for what SQLite would only call "not a database".

use std::{fs::File, io::Read};

use anyhow::{Context, bail};

use crate::{config::Environment, credentials_file::admin_from, master_key, settings::Settings, tls};

/// Looks at everything that the settings and the environment refer to.
///
/// # Errors
///
/// A certificate or key that cannot be used, a master key or an admin's credential that is refused, by the name of the
/// flag or variable that gave it.
pub fn check(settings: &Settings, environment: &Environment<'_>) -> anyhow::Result<()> {
    for listen in [&settings.s3, &settings.api] {
        listen.tls.as_ref().map(tls::acceptor).transpose()?;
    }
    settings.delivery.client()?;
    master_key::check(environment, settings.master_key_file.as_deref())?;
    admin_from(environment).check().context("the admin's credentials in the environment (BUCKETBELL_ADMIN_…)")
}

/// How every SQLite database begins.
const SQLITE_HEAD: &[u8] = b"SQLite format 3\0";

/// Looks at how the ledger's file begins, where there is one. An empty one is a new one.
///
/// # Errors
///
/// It is something else.
pub fn ledger(settings: &Settings) -> anyhow::Result<()> {
    let path = settings.ledger.clone().unwrap_or_else(|| settings.data_dir.join("ledger.db"));
    let shown = path.display();
    // What is not there is made; what may not be read, the ledger tells with more to go by.
    let Ok(file) = File::open(&path) else { return Ok(()) };
    let mut head = Vec::new();
    file.take(SQLITE_HEAD.len() as u64).read_to_end(&mut head).with_context(|| format!("cannot read {shown}"))?;
    if !head.is_empty() && head != SQLITE_HEAD {
        bail!(
            "{shown} is not a ledger: it is damaged or another program's file; restore it from a backup, move it away to \
             start with an empty one, or give another --database"
        );
    }
    Ok(())
}
