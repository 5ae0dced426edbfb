//! The configuration file: one struct per section, unknown keys refused, errors with line and column.
//!
//! Nothing here quotes the file: it may hold secrets. Which value wins over which is `settings`' business.

mod delivery;
mod endpoints;
mod expand;
mod notifications;
mod server;
mod span;
mod upkeep;

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

pub use self::{
    delivery::DeliveryConfig, endpoints::server_rules, expand::Environment, notifications::NotificationsConfig,
    server::ServerConfig, span::Span, upkeep::UpkeepConfig,
};

/// Larger files are not configuration.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The whole file. Every section, and every key in it, may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub server: ServerConfig,
    pub notifications: NotificationsConfig,
    pub delivery: DeliveryConfig,
    pub upkeep: UpkeepConfig,
}

impl Config {
    /// Reads the file, puts in what `${…}` stands for, and lets the environment win.
    ///
    /// # Errors
    ///
    /// What cannot be read, is not known, or stands for nothing, with file, line and column or the key's name.
    pub fn load(path: Option<&Path>, environment: &Environment<'_>) -> anyhow::Result<Self> {
        let mut config = match path {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        let place = path.map_or_else(String::new, |path| format!("{}: ", path.display()));
        config.server.expand(environment).with_context(|| format!("{place}server"))?;
        config.notifications.expand(environment).with_context(|| format!("{place}notifications"))?;
        config.delivery.expand(environment).with_context(|| format!("{place}delivery"))?;
        config.notifications.overlay(environment)?;
        config.delivery.overlay(environment)?;
        config.upkeep.overlay(environment)?;
        Ok(config)
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let size =
            std::fs::metadata(path).with_context(|| format!("cannot read the configuration file {shown}"))?.len();
        if size > FILE_BYTES_MAX {
            bail!("the configuration file {shown} is larger than {FILE_BYTES_MAX} bytes");
        }
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration file {shown}"))?;
        Self::parse(&text).map_err(|error| anyhow!("{shown}:{error}"))
    }

    /// Parses the text of a file. The error begins with `line:column`.
    fn parse(text: &str) -> Result<Self, String> {
        // A snippet of the file would show the secrets on the lines around the mistake.
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options::<Option<Self>>(text, options).map(Option::unwrap_or_default).map_err(
            |error| {
                let place =
                    error.location().map_or_else(|| "1:1".to_owned(), |at| format!("{}:{}", at.line(), at.column()));
                format!("{place}: {}", error.without_snippet())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_all_defaults() {
        for text in ["", "# nothing\n", "---\n", "server:\n"] {
            let config = Config::parse(text).expect(text);
            assert_eq!(config.notifications.rules_per_bucket_max, 16, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_shown_by_line_and_column_and_without_its_surroundings() {
        for (text, place, word) in [
            ("server:\n  s3_lissten: a\n", "2:", "s3_lissten"),
            ("servers: {}\n", "1:", "servers"),
            ("notifications:\n  endpoints:\n    - url: a\n      secret: hunter2\n      evnts: []\n", "5:", "evnts"),
            ("upkeep:\n  history: soon\n", "2:", "soon"),
            ("server: [\n", "", ""),
            ("server: {data_dir: a, data_dir: b}\n", "1:", "data_dir"),
        ] {
            let error = Config::parse(text).expect_err(text);
            assert!(error.starts_with(place) && error.contains(word), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
