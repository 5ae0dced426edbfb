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
        // What is refused with no variable set too is the file's, and is told with its name.
        let of_file = config.overlay(&Environment(&|_| None));
        config.overlay(environment).map_err(|error| match of_file {
            Err(first) if first.to_string() == error.to_string() => anyhow!("{place}{error:#}"),
            _ => error,
        })?;
        Ok(config)
    }

    fn overlay(&mut self, environment: &Environment<'_>) -> anyhow::Result<()> {
        self.notifications.overlay(environment)?;
        self.delivery.overlay(environment)?;
        self.upkeep.overlay(environment)
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

    /// Parses the text of a file. The error begins with `line:column: path.of.the.key: `.
    fn parse(text: &str) -> Result<Self, String> {
        // A snippet of the file would show the secrets on the lines around the mistake.
        let options = serde_saphyr::options! { with_snippet: false };
        let mut path = String::new();
        let parsed = serde_saphyr::with_deserializer_from_str_with_options(text, options, |file| {
            serde_path_to_error::deserialize::<_, Option<Self>>(file).map_err(|error| {
                path = error.path().to_string();
                error.into_inner()
            })
        });
        parsed.map(Option::unwrap_or_default).map_err(|error| mistake(&path, &error))
    }
}

/// Returns a mistake with its position once, the key it is at, and words for a person who writes YAML, not Rust.
fn mistake(path: &str, error: &serde_saphyr::Error) -> String {
    let error = error.without_snippet();
    let at = error.location();
    let place = at.map_or_else(|| "1:1".to_owned(), |at| format!("{}:{}", at.line(), at.column()));
    let what = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            // `id` is for the REST API: endpoints of the file are known by name or url.
            let known = expected.iter().filter(|key| **key != "id").copied().collect::<Vec<_>>().join(", ");
            format!("unknown field `{field}`, expected one of {known}")
        }
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` is there twice"),
        other => {
            let text = other.to_string();
            let again = at.map(|at| format!(" at line {}, column {}", at.line(), at.column())).unwrap_or_default();
            text.strip_suffix(again.as_str()).map(str::to_owned).unwrap_or(text)
        }
    };
    // A key that is not known, or not read yet, is no part of the place that it stands in; the root is `.`.
    let known = match error {
        serde_saphyr::Error::SerdeUnknownField { field, .. } => path.strip_suffix(field.as_str()).unwrap_or(path),
        _ => path.strip_suffix('?').unwrap_or(path),
    };
    let known = known.trim_end_matches('.');
    if known.is_empty() { format!("{place}: {what}") } else { format!("{place}: {known}: {what}") }
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
