//! What can be refused before anything is started or written: flags, environment and the files that they name.
//!
//! Not its business: what stands in the data folder, which an earlier start made.

use anyhow::Context;

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
