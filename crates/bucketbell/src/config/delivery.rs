//! `delivery:`.

use anyhow::Context;
use bucketbell_delivery::{EngineConfig, RetryPolicy};
use bucketbell_guard::ClientConfig;
use serde::Deserialize;

use super::{Environment, Span};

/// How deliveries are sent, where a rule does not say otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// The longest first wait after a failure; it doubles with each attempt, and each wait is a random part of it (B10).
    /// Default: `1s`.
    pub retry_first: Span,
    /// The longest wait of all, also where a receiver asks for more. Default: `1h`.
    pub retry_max: Span,
    /// For each address of a receiver that is tried. Default: `2s`.
    pub connect_timeout: Span,
    /// File with certificates (PEM) that receivers may be trusted by, beside those of the platform. Default: none.
    pub ca_file: Option<String>,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self { retry_first: Span::secs(1), retry_max: Span::hours(1), connect_timeout: Span::secs(2), ca_file: None }
    }
}

impl DeliveryConfig {
    pub(super) fn expand(&mut self, environment: &Environment<'_>) -> anyhow::Result<()> {
        if let Some(file) = &mut self.ca_file {
            environment.expand_in(file).context("ca_file")?;
        }
        Ok(())
    }

    pub(super) fn overlay(&mut self, environment: &Environment<'_>) -> anyhow::Result<()> {
        environment.overlay("BUCKETBELL_DELIVERY_RETRY_FIRST", &mut self.retry_first)?;
        environment.overlay("BUCKETBELL_DELIVERY_RETRY_MAX", &mut self.retry_max)?;
        environment.overlay("BUCKETBELL_DELIVERY_CONNECT_TIMEOUT", &mut self.connect_timeout)?;
        if let Some(file) = environment.get("BUCKETBELL_DELIVERY_CA_FILE") {
            self.ca_file = Some(file);
        }
        self.engine().map(drop)
    }

    /// Returns the settings of the engine.
    ///
    /// # Errors
    ///
    /// The waits make no sense together.
    pub fn engine(&self) -> anyhow::Result<EngineConfig> {
        let retry = RetryPolicy::try_new(self.retry_first.0, self.retry_max.0).context("delivery.retry_first")?;
        Ok(EngineConfig { retry, ..EngineConfig::default() })
    }

    /// Returns the settings of the HTTP client. Reads the file with certificates.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn client(&self) -> anyhow::Result<ClientConfig> {
        let read = |file: &String| {
            std::fs::read(file).with_context(|| format!("delivery.ca_file: cannot read the certificates in {file}"))
        };
        Ok(ClientConfig {
            extra_roots_pem: self.ca_file.as_ref().map(read).transpose()?,
            connect_timeout: self.connect_timeout.0,
            ..ClientConfig::default()
        })
    }
}
