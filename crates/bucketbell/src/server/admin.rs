//! The admin's credentials at the start.

use std::io;

use anyhow::anyhow;
use bucketbell_access::{AdminFromEnv, Bootstrapped, ENTROPY_BYTES, Keeper, PlainCredentials, bootstrap_admin};
use bucketbell_ledger::Ledger;

use crate::{
    config::Environment,
    credentials_file::{ACCESS_KEY, CredentialsFile, SECRET_KEY, TOKEN, admin_from},
    data_dir::DataDir,
};

/// Makes sure that there is an admin, and that the credentials file says nothing that is not true. Logs where the
/// credentials come from: variables that another server's file left in a shell work here too, and must not go unseen.
pub(super) async fn bootstrap(
    dir: &DataDir,
    ledger: &dyn Ledger,
    environment: &Environment<'_>,
) -> anyhow::Result<(Bootstrapped, CredentialsFile)> {
    let given = admin_from(environment);
    let names = names(&given);
    let mut entropy = [0; ENTROPY_BYTES];
    getrandom::fill(&mut entropy).map_err(|error| anyhow!("no randomness for credentials: {error}"))?;
    let file = CredentialsFile::of(dir);
    // What the environment gave is known to whoever gave it, and has no business on a terminal.
    let mut keeper = Kept { file: &file, told: !given.is_empty() };
    let made = bootstrap_admin(ledger, given, file.read()?, &entropy, &mut keeper).await?;
    tracing::info!("{}", origin(&made, &names, &file));
    Ok((made, file))
}

/// The credentials file, as `access` sees it.
struct Kept<'a> {
    file: &'a CredentialsFile,
    told: bool,
}

impl Keeper for Kept<'_> {
    fn keep(&mut self, credentials: &PlainCredentials) -> io::Result<()> {
        self.file.write(credentials, self.told)
    }

    fn set_aside(&mut self) -> io::Result<()> {
        let old = self.file.set_aside()?;
        tracing::warn!(
            "the admin's credentials in the environment differ from those in {}, and win: moved the file to {}",
            self.file.path(),
            old.display()
        );
        Ok(())
    }
}

fn names(given: &AdminFromEnv) -> String {
    let all = [
        (TOKEN, given.token.is_some()),
        (ACCESS_KEY, given.access_key.is_some()),
        (SECRET_KEY, given.secret_key.is_some()),
    ];
    all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

fn origin(made: &Bootstrapped, names: &str, file: &CredentialsFile) -> String {
    let path = file.path();
    match made {
        Bootstrapped::Given(_) if file.is_there() => {
            format!("the admin's credentials are those of the environment ({names}), which {path} holds too")
        }
        Bootstrapped::Given(_) => {
            format!("the admin's credentials are those of the environment ({names}); no file holds them")
        }
        Bootstrapped::Made(_) if names.is_empty() => format!("the admin's credentials are in {path}"),
        Bootstrapped::Made(_) => {
            format!("the admin's credentials are those of the environment ({names}), and for the rest those in {path}")
        }
        Bootstrapped::Kept if file.is_there() => format!("the admin's credentials are in {path}"),
        Bootstrapped::Kept => format!(
            "the admin's credentials are those of an earlier start, and no file holds them: set {TOKEN}, {ACCESS_KEY} \
             and {SECRET_KEY} to choose new ones"
        ),
    }
}
