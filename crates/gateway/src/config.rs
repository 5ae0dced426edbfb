//! What can be set about the S3 side.

use std::time::Duration;

use bucketbell_ledger::sqlite::INLINE_BYTES_MAX;

use crate::preflight::SIGNED_CHUNK_BYTES_MAX;

/// S3's own limit for one PUT. Larger objects take a multipart upload.
const SINGLE_PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Settings of the gateway. [`Gateway::new`](crate::Gateway::new) refuses nonsense.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Name of the region that buckets are in and events tell. Default: `us-east-1`.
    pub region: String,
    /// Host under which `BUCKET.<domain>` reaches a bucket, without a port. Default: none, buckets are in the path only.
    pub domain: Option<String>,
    /// Bytes of one PUT (`EntityTooLarge` beyond). Default: 5 GiB, as S3.
    pub object_bytes_max: u64,
    /// Bytes of an object that are kept in the ledger and not as a blob. Default: what the ledger takes, 16 KiB.
    pub inline_bytes_max: usize,
    /// Requests at work at one time (`SlowDown` beyond). An upload holds up to 2 MiB. Default: 1,024.
    pub requests_max: usize,
    /// Bytes of signed chunks (`aws-chunked` with a signature each) that may be in memory at one time, over all requests
    /// (`SlowDown` beyond). An upload in such chunks holds up to 2 MiB of them. Default: 256 MiB.
    pub signed_chunk_bytes_max: usize,
    /// Time that a client has to send the next bytes of a body (`RequestTimeout` beyond). Default: 60 s.
    pub body_idle_max: Duration,
    /// Name of this process in `x-amz-id-2` and in events. Default: `bucketbell`.
    pub host_id: String,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            domain: None,
            object_bytes_max: SINGLE_PUT_BYTES_MAX,
            inline_bytes_max: INLINE_BYTES_MAX,
            requests_max: 1024,
            signed_chunk_bytes_max: 256 * 1024 * 1024,
            body_idle_max: Duration::from_secs(60),
            host_id: "bucketbell".to_owned(),
        }
    }
}

/// The settings make no sense together, or with the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    #[error("the S3 region `{0}` must be 1 to 64 letters, digits and hyphens")]
    Region(String),
    #[error("the S3 domain `{domain}` is not a host name without a port: {reason}")]
    Domain { domain: String, reason: String },
    #[error("objects of {asked} bytes cannot be kept in the ledger, which takes up to {max}")]
    InlineBytes { asked: usize, max: usize },
    #[error("the largest object must be from {min} bytes to {max}")]
    ObjectBytes { min: usize, max: u64 },
    #[error("the number of requests at one time must not be 0")]
    NoRequests,
    #[error("signed chunks must be allowed at least {min} bytes of memory, which is one of them")]
    SignedChunks { min: usize },
    #[error("the host id must be 1 to 64 visible ASCII characters")]
    HostId,
}

impl GatewayConfig {
    /// Returns what is wrong with the settings, in a sentence.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], the first one found.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let named = |text: &str| (1..=64).contains(&text.len());
        if !named(&self.region) || !self.region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(ConfigError::Region(self.region.clone()));
        }
        if self.inline_bytes_max > INLINE_BYTES_MAX {
            return Err(ConfigError::InlineBytes { asked: self.inline_bytes_max, max: INLINE_BYTES_MAX });
        }
        if self.object_bytes_max < self.inline_bytes_max as u64 || self.object_bytes_max > SINGLE_PUT_BYTES_MAX {
            return Err(ConfigError::ObjectBytes { min: self.inline_bytes_max, max: SINGLE_PUT_BYTES_MAX });
        }
        if self.requests_max == 0 {
            return Err(ConfigError::NoRequests);
        }
        if self.signed_chunk_bytes_max < SIGNED_CHUNK_BYTES_MAX {
            return Err(ConfigError::SignedChunks { min: SIGNED_CHUNK_BYTES_MAX });
        }
        if !named(&self.host_id) || !self.host_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::HostId);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut GatewayConfig)) -> ConfigError {
        let mut config = GatewayConfig::default();
        change(&mut config);
        config.check().expect_err("nonsense")
    }

    #[test]
    fn the_defaults_make_sense_and_nonsense_does_not() {
        assert_eq!(GatewayConfig::default().check(), Ok(()));
        assert!(matches!(refused(|config| config.region = "us east".into()), ConfigError::Region(_)));
        assert!(matches!(refused(|config| config.region = String::new()), ConfigError::Region(_)));
        assert!(matches!(refused(|config| config.inline_bytes_max += 1), ConfigError::InlineBytes { .. }));
        assert!(matches!(refused(|config| config.object_bytes_max = 1), ConfigError::ObjectBytes { .. }));
        assert!(matches!(refused(|config| config.object_bytes_max *= 2), ConfigError::ObjectBytes { .. }));
        assert_eq!(refused(|config| config.requests_max = 0), ConfigError::NoRequests);
        let one = SIGNED_CHUNK_BYTES_MAX;
        assert_eq!(refused(|config| config.signed_chunk_bytes_max = one - 1), ConfigError::SignedChunks { min: one });
        assert_eq!(refused(|config| config.host_id = "a b".into()), ConfigError::HostId);
    }
}
