//! `server:`.

use serde::Deserialize;

use super::{Environment, Span};

/// Where the server listens and keeps what it keeps. Each key is also a flag of `bucketbell serve`, which wins.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Folder for everything the server keeps. Default: `./bucketbell-data`.
    pub data_dir: Option<String>,
    /// Where S3 clients connect. Default: `127.0.0.1:9000`.
    pub s3_listen: Option<String>,
    /// Where the API, health and metrics are. Default: `127.0.0.1:9001`.
    pub api_listen: Option<String>,
    /// `sqlite:PATH`. Default: `ledger.db` in the data folder.
    pub database: Option<String>,
    /// `file:///DIR`. Default: `blobs` in the data folder.
    pub blobs: Option<String>,
    /// File with the master key: 32 bytes, base64. Default: `master.key` in the data folder, made at the first start.
    pub master_key_file: Option<String>,
    /// Certificate chain for S3 over https, PEM. Default: none, http.
    pub s3_tls_cert: Option<String>,
    /// Its private key, PEM.
    pub s3_tls_key: Option<String>,
    /// Certificate chain for the API over https, PEM. Default: none, http.
    pub api_tls_cert: Option<String>,
    /// Its private key, PEM.
    pub api_tls_key: Option<String>,
    /// Region that buckets are in, as clients sign for it. Default: `us-east-1`.
    pub s3_region: Option<String>,
    /// Host under which `BUCKET.<domain>` reaches a bucket, without a port. Default: none, buckets are in the path only.
    pub s3_domain: Option<String>,
    /// Time that what is in flight has to finish at shutdown. Default: `30s`.
    pub shutdown_grace: Option<Span>,
}

impl ServerConfig {
    pub(super) fn expand(&mut self, environment: &Environment<'_>) -> anyhow::Result<()> {
        let texts = [
            &mut self.data_dir,
            &mut self.s3_listen,
            &mut self.api_listen,
            &mut self.database,
            &mut self.blobs,
            &mut self.master_key_file,
            &mut self.s3_tls_cert,
            &mut self.s3_tls_key,
            &mut self.api_tls_cert,
            &mut self.api_tls_key,
            &mut self.s3_region,
            &mut self.s3_domain,
        ];
        for text in texts.into_iter().flatten() {
            environment.expand_in(text)?;
        }
        Ok(())
    }
}
