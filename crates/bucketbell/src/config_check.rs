//! `bucketbell config check`.

use std::path::Path;

use crate::{settings::Settings, tls};

/// Looks at what the settings refer to, and says what would be run. Starts and writes nothing.
///
/// # Errors
///
/// A certificate or key that cannot be used.
pub fn check(file: Option<&Path>, settings: &Settings) -> anyhow::Result<()> {
    for listen in [&settings.s3, &settings.api] {
        listen.tls.as_ref().map(tls::acceptor).transpose()?;
    }
    settings.delivery.client()?;
    let file = file.map_or_else(|| "the configuration".to_owned(), |file| file.display().to_string());
    println!("{file}: ok");
    println!("  S3 on {}, API on {}", settings.s3.address, settings.api.address);
    println!("  data in {}", settings.data_dir.display());
    println!("  {} server-wide endpoints", settings.server_rules.len());
    for rule in &settings.server_rules {
        let name = rule.name.as_deref().unwrap_or("(no name)");
        let signed = if rule.target.secret.is_some() { "signed" } else { "not signed" };
        let host = rule.target.url.host_str().unwrap_or_default();
        println!("    {name}: {} to {host}, {signed}", rule.target.dialect);
    }
    Ok(())
}
