//! The admin's credentials at the start.

use anyhow::{Context, anyhow};
use bucketbell_access::{AdminFromEnv, Bootstrapped, ENTROPY_BYTES, bootstrap_admin};
use bucketbell_ledger::Ledger;
use bucketbell_rule::Secret;

use crate::{
    config::Environment,
    credentials_file::{ACCESS_KEY, CredentialsFile, SECRET_KEY, TOKEN},
    data_dir::DataDir,
};

/// Makes sure that there is an admin, and that the credentials file says nothing that is not true.
pub(super) async fn bootstrap(
    dir: &DataDir,
    ledger: &dyn Ledger,
    environment: &Environment<'_>,
) -> anyhow::Result<(Bootstrapped, CredentialsFile)> {
    let given = AdminFromEnv {
        token: environment.get(TOKEN).map(Secret::new),
        access_key: environment.get(ACCESS_KEY),
        secret_key: environment.get(SECRET_KEY).map(Secret::new),
    };
    let mut entropy = [0; ENTROPY_BYTES];
    getrandom::fill(&mut entropy).map_err(|error| anyhow!("no randomness for credentials: {error}"))?;
    let file = CredentialsFile::of(dir);
    let made = bootstrap_admin(ledger, given, file.read()?, &entropy, |credentials| file.write(credentials)).await?;
    if matches!(made, Bootstrapped::Given(_))
        && file.remove().with_context(|| format!("cannot remove {}, which is out of date", file.path()))?
    {
        tracing::info!("removed {}: the credentials are those of the environment now", file.path());
    }
    Ok((made, file))
}
