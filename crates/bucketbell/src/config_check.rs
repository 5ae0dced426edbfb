//! `bucketbell config check`.

use std::path::Path;

use crate::settings::Settings;

/// Says what would be run with the settings, which were found good.
pub fn report(file: Option<&Path>, settings: &Settings) {
    let file = file.map_or_else(|| "the configuration".to_owned(), |file| file.display().to_string());
    println!("{file}: ok");
    println!("  S3 on {}, API on {}", settings.s3.address, settings.api.address);
    println!("  data in {}", settings.data_dir.display());
    match settings.server_rules.len() {
        1 => println!("  1 server-wide endpoint"),
        count => println!("  {count} server-wide endpoints"),
    }
    for rule in &settings.server_rules {
        let name = rule.name.as_deref().unwrap_or("(no name)");
        let signed = if rule.target.secret.is_some() { "signed" } else { "not signed" };
        let host = rule.target.url.host_str().unwrap_or_default();
        println!("    {name}: {} to {host}, {signed}", rule.target.dialect);
    }
}
