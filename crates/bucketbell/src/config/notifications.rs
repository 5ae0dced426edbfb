//! `notifications:`.

use anyhow::{Context, bail};
use bucketbell_rule::{Draft, Secret, SecretChange};
use serde::Deserialize;

use super::Environment;

/// Who is told of what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationsConfig {
    /// Server-wide rules: every bucket's events, and the service's own (B8). Default: none, and nothing runs.
    pub endpoints: Vec<Draft>,
    /// Rules that one bucket may have (C3). Default: 16.
    pub rules_per_bucket_max: usize,
}

/// Bounds what one change has to be matched against.
const RULES_PER_BUCKET_MAX: usize = 1024;

impl Default for NotificationsConfig {
    fn default() -> Self {
        Self { endpoints: Vec::new(), rules_per_bucket_max: 16 }
    }
}

impl NotificationsConfig {
    pub(super) fn expand(&mut self, environment: &Environment<'_>) -> anyhow::Result<()> {
        for (index, endpoint) in self.endpoints.iter_mut().enumerate() {
            expand(endpoint, environment).with_context(|| format!("endpoints[{index}]"))?;
        }
        Ok(())
    }

    pub(super) fn overlay(&mut self, environment: &Environment<'_>) -> anyhow::Result<()> {
        environment.overlay("BUCKETBELL_NOTIFICATIONS_RULES_PER_BUCKET_MAX", &mut self.rules_per_bucket_max)?;
        if self.rules_per_bucket_max == 0 || self.rules_per_bucket_max > RULES_PER_BUCKET_MAX {
            bail!("notifications.rules_per_bucket_max must be 1 to {RULES_PER_BUCKET_MAX}");
        }
        Ok(())
    }
}

fn expand(endpoint: &mut Draft, environment: &Environment<'_>) -> anyhow::Result<()> {
    environment.expand_in(&mut endpoint.url).context("url")?;
    for event in &mut endpoint.events {
        environment.expand_in(event).context("events")?;
    }
    for (name, text) in [
        ("name", &mut endpoint.name),
        ("prefix", &mut endpoint.prefix),
        ("suffix", &mut endpoint.suffix),
        ("dialect", &mut endpoint.dialect),
        ("timeout", &mut endpoint.timeout),
        ("max_age", &mut endpoint.max_age),
    ] {
        if let Some(text) = text {
            environment.expand_in(text).context(name)?;
        }
    }
    if let SecretChange::Set(secret) = &endpoint.secret {
        let text = environment.expand(secret.expose()).context("secret")?;
        // An empty variable must not quietly turn signing off. `secret: ""` does it in plain sight.
        if text.is_empty() {
            bail!("secret: it stands for an empty text, which would leave every delivery unsigned");
        }
        endpoint.secret = SecretChange::Set(Secret::new(text));
    }
    Ok(())
}
