//! `bucketbell serve`.

use std::path::PathBuf;

use clap::Args;

/// Runs the server: S3 on one port, API, health and metrics on another.
///
/// Every flag can also be set in the environment, and most in the configuration file. A flag wins over the environment,
/// the environment over the file, the file over the default.
///
/// The first start makes the data folder, the master key and the admin's credentials. It prints the credentials once and
/// keeps them in `<data-dir>/credentials`, readable by its owner only. Set BUCKETBELL_ADMIN_TOKEN,
/// BUCKETBELL_ADMIN_ACCESS_KEY and BUCKETBELL_ADMIN_SECRET_KEY to choose them: they win at every start, are not written
/// down, and where the file says otherwise it becomes `credentials.old`. The log says at each start whose are in force.
///
/// Once both ports answer it prints one line, with the real ports when 0 was asked for: `ready
/// s3=http://127.0.0.1:9000 api=http://127.0.0.1:9001`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ServeArgs {
    /// Configuration file, YAML. `bucketbell.example.yaml` shows every setting
    #[arg(long, env = "BUCKETBELL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for everything the server keeps [default: ./bucketbell-data]
    #[arg(long, env = "BUCKETBELL_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where S3 clients connect [default: 127.0.0.1:9000]
    #[arg(long, env = "BUCKETBELL_S3_LISTEN", value_name = "HOST:PORT")]
    pub s3_listen: Option<String>,
    /// Where the API, /healthz, /readyz and /metrics are [default: 127.0.0.1:9001]
    #[arg(long, env = "BUCKETBELL_API_LISTEN", value_name = "HOST:PORT")]
    pub api_listen: Option<String>,
    /// Where objects, rules, events and deliveries are kept: `sqlite:PATH` [default: sqlite:<data-dir>/ledger.db]
    #[arg(long, env = "BUCKETBELL_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Where the bytes of large objects are kept: `file:///DIR` [default: <data-dir>/blobs]
    #[arg(long, env = "BUCKETBELL_BLOBS", value_name = "URL", hide_env_values = true)]
    pub blobs: Option<String>,
    /// File with the key that secrets are encrypted under: 32 bytes, base64. Or BUCKETBELL_MASTER_KEY with the key
    /// itself. With neither, `<data-dir>/master.key` is made: back it up, apart from the data
    #[arg(long, env = "BUCKETBELL_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// Region that buckets are in, as clients sign for it [default: us-east-1]
    #[arg(long, env = "BUCKETBELL_S3_REGION", value_name = "NAME")]
    pub s3_region: Option<String>,
    /// Host under which BUCKET.HOST reaches a bucket, without a port [default: buckets in the path only]
    #[arg(long, env = "BUCKETBELL_S3_DOMAIN", value_name = "HOST")]
    pub s3_domain: Option<String>,
    /// Serve S3 over https with this certificate chain, PEM
    #[arg(long, env = "BUCKETBELL_S3_TLS_CERT", value_name = "FILE", help_heading = "TLS")]
    pub s3_tls_cert: Option<PathBuf>,
    /// Private key of --s3-tls-cert, PEM
    #[arg(long, env = "BUCKETBELL_S3_TLS_KEY", value_name = "FILE", help_heading = "TLS")]
    pub s3_tls_key: Option<PathBuf>,
    /// Serve the API over https with this certificate chain, PEM
    #[arg(long, env = "BUCKETBELL_API_TLS_CERT", value_name = "FILE", help_heading = "TLS")]
    pub api_tls_cert: Option<PathBuf>,
    /// Private key of --api-tls-cert, PEM
    #[arg(long, env = "BUCKETBELL_API_TLS_KEY", value_name = "FILE", help_heading = "TLS")]
    pub api_tls_key: Option<PathBuf>,
    /// Time that requests and deliveries in flight have to finish after SIGINT or SIGTERM [default: 30s]
    #[arg(long, env = "BUCKETBELL_SHUTDOWN_GRACE", value_name = "TIME")]
    pub shutdown_grace: Option<String>,
}

// Short lines: what a terminal of 80 columns wraps cannot be copied into a shell.
const EXAMPLES: &str = "\
Examples:
  bucketbell serve
  bucketbell serve --config bucketbell.yaml --data-dir /var/lib/bucketbell
  bucketbell serve --s3-tls-cert chain.pem --s3-tls-key key.pem
  BUCKETBELL_S3_LISTEN=127.0.0.1:0 bucketbell serve --log-format json

Then, with the credentials in the environment:
  set -a; . ./bucketbell-data/credentials; set +a
  export AWS_DEFAULT_REGION=us-east-1
  aws --endpoint-url http://127.0.0.1:9000 s3 mb s3://photos
  curl -X PUT http://127.0.0.1:9001/api/v1/buckets/photos/notifications \\
    -H \"Authorization: Bearer $BUCKETBELL_ADMIN_TOKEN\" -d '{\"rules\": [{
      \"url\": \"http://127.0.0.1:5000/webhooks/bucketbell\",
      \"events\": [\"*\"], \"secret\": \"S\"}]}'";
