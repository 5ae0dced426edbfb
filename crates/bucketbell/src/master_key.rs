//! Where the key comes from that secrets are encrypted under (X14).

use std::{io, path::Path};

use anyhow::{Context, anyhow, bail};
use bucketbell_ledger::MasterKey;

use crate::{
    config::Environment,
    data_dir::{DataDir, create_private, read_private},
};

const VARIABLE: &str = "BUCKETBELL_MASTER_KEY";

/// Returns the key from the environment, else from the file that was named, else from the data folder, where the first
/// start makes one.
///
/// # Errors
///
/// It is given twice, is not 32 bytes of base64, or is gone although `ledger` was made with one.
pub fn master_key(
    environment: &Environment<'_>,
    named: Option<&Path>,
    dir: &DataDir,
    ledger: &Path,
) -> anyhow::Result<MasterKey> {
    given(environment, named)?.map_or_else(|| kept(&dir.join("master.key"), ledger), Ok)
}

/// Checks the key that is given, if one is, before anything is started.
///
/// # Errors
///
/// As [`master_key`], without the data folder.
pub fn check(environment: &Environment<'_>, named: Option<&Path>) -> anyhow::Result<()> {
    given(environment, named).map(drop)
}

fn given(environment: &Environment<'_>, named: Option<&Path>) -> anyhow::Result<Option<MasterKey>> {
    match (environment.get(VARIABLE), named) {
        (Some(_), Some(_)) => bail!("{VARIABLE} and --master-key-file are both given: give one"),
        (Some(text), None) => {
            MasterKey::from_base64(text.trim()).map(Some).with_context(|| format!("{VARIABLE} is refused"))
        }
        (None, Some(path)) => {
            read(path)?.map(Some).with_context(|| format!("--master-key-file: {} is not there", path.display()))
        }
        (None, None) => Ok(None),
    }
}

fn read(path: &Path) -> anyhow::Result<Option<MasterKey>> {
    let shown = path.display();
    let text = read_private(path).with_context(|| format!("cannot read the master key in {shown}"))?;
    text.map(|text| {
        MasterKey::from_base64(text.trim()).with_context(|| format!("the master key in {shown} is refused"))
    })
    .transpose()
}

fn kept(path: &Path, ledger: &Path) -> anyhow::Result<MasterKey> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let shown = path.display();
    if ledger.try_exists().with_context(|| format!("cannot look for {}", ledger.display()))? {
        bail!("{shown} is gone, and the secrets in {} do not open without it: restore it", ledger.display());
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no randomness for the master key: {error}"))?;
    let key = MasterKey::new(bytes);
    match create_private(path, &format!("{}\n", key.to_base64().as_str())) {
        Ok(()) => {
            tracing::warn!(
                "made the master key {shown}: back it up, apart from the data, which does not open without it"
            );
            Ok(key)
        }
        // Another start was faster; which of the two goes on, the ledger's lock decides.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path)?.with_context(|| format!("{shown} came and went"))
        }
        Err(error) => Err(error).with_context(|| format!("cannot write the master key {shown}")),
    }
}
